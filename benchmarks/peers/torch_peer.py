"""torch's DataLoader as a peer: its forms on a map-style dataset."""


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


def augmenting(work, ways):
    """The same with an augmented field: `ways` to make its tensor of the path of its file. Other fields
    are arrays, and a picture may have a label."""
    import numpy as np
    import torch

    torch.set_num_threads(work.workers)
    at = work.augment.field

    def loading(way):
        def item(index):
            label = [work.labels[index]] if work.labels else []
            return tuple(
                way(files[index]) if field == at else torch.from_numpy(np.load(files[index]))
                for field, files in enumerate(work.fields)
            ) + tuple(label)

        return item

    return {
        f"{form}, {name}" if name else form: make
        for name, way in ways.items()
        for form, make in data_loaders(work, loading(way)).items()
    }


def with_opencv(chain, read):
    """Ways to augment what `read` makes of a path, an array of bytes with colours last: albumentations
    and OpenCV alone, unless one of them lacks a step."""
    import cv2
    import torch

    import albumentations_chain
    import opencv_chain
    from chains import NoCounterpart

    cv2.setNumThreads(0)
    chain.needs_colours()
    ways, missing = {}, []
    for name, library in [("albumentations", albumentations_chain), ("OpenCV alone", opencv_chain)]:
        try:
            run = library.of_arrays(chain)
        except NoCounterpart as error:
            missing.append(error)
            continue
        ways[name] = lambda path, run=run: torch.from_numpy(run(read(path)))
    if not ways:
        raise missing[-1]
    return ways
