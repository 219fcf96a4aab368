"""torch and torchvision as a peer: the steps of a chain, and forms of the DataLoader, for arrays and
for pictures alike.
"""


def size_of(positional):
    """Height and width from one number or two."""
    return [positional[0], positional[-1]]


def torchvision_steps(steps):
    """The steps of `transforms.v2` that do what `steps` say, all of them on one image."""
    from torchvision.transforms import v2

    def made(name, positional, named):
        match name:
            case "random_resized_crop":
                options = {"scale": named["scale"], "ratio": named["ratio"]}
                return v2.RandomResizedCrop(size_of(positional), **options)
            case "random_crop":
                return v2.RandomCrop(size_of(positional))
            case "center_crop":
                return v2.CenterCrop(size_of(positional))
            case "resize":
                return v2.Resize(positional)
            case "random_hflip":
                return v2.RandomHorizontalFlip(*positional)
            case "random_vflip":
                return v2.RandomVerticalFlip(*positional)
            case "color_jitter":
                return v2.ColorJitter(*positional)
            case "normalize":
                return v2.Normalize(*positional, inplace=True)

    return [made(*step) for step in steps]


def data_loaders(work, item):
    """Forms of the DataLoader on a map-style dataset of `item(index)`, with the default collation, and
    workers that live as long as the loader."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Samples(Dataset):
        def __len__(self):
            return work.samples

        def __getitem__(self, index):
            return item(index)

    def form(workers):
        def make():
            options = {"persistent_workers": True} if workers else {}
            generator = torch.Generator()
            loader = DataLoader(
                Samples(),
                batch_size=work.batch_size,
                shuffle=True,
                num_workers=workers,
                generator=generator,
                **options,
            )

            def epoch(number):
                generator.manual_seed(work.seed + number)
                return iter(loader)

            return epoch

        return make

    return {
        "no worker process": form(0),
        f"{work.workers} worker processes": form(work.workers),
    }
