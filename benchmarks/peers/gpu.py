"""What others need on a GPU for the chains of `gpu figures`, with parameters of its own for each image.

256x256 u8 images in the memory of the device become batches of 64 and of 256 rows of 3x224x224 f16,
by three chains: crop, flip, normalise; random resized crop, flip, normalise; and with colour jitter.
torchvision's transforms draw one set of parameters for all that they are given, so images with
different parameters are transformed one by one. It resizes without antialiasing, as a fused kernel
does, and once as is its default. kornia draws for each image, and is measured if it is installed.

    python gpu.py [--device cpu]

Prints medians of rounds of one batch, with the device synchronised at the beginning and the end of
each; lines with a star are for a summary. Without a GPU, PyTorch or torchvision it says so and exits
with 0. `--device cpu` tries the chains where there is no GPU; its figures mean nothing.
"""

import argparse
import statistics
import sys
import time

BATCHES = [64, 256]
SIDE = 224
ROUNDS = 5
MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]
CHAINS = ["crop, flip, normalise", "resized crop, flip, normalise", "resized crop, flip, jitter, normalise"]


def figure(name, value, unit):
    print(f"    * {name:<62} {value:>10.2f} {unit}")


def torchvision_chain(torch, chain, antialias):
    """Transforms one image after the other."""
    from torchvision.transforms import v2

    steps = [v2.RandomCrop(SIDE) if chain == CHAINS[0] else v2.RandomResizedCrop(SIDE, antialias=antialias)]
    steps.append(v2.RandomHorizontalFlip())
    if chain == CHAINS[2]:
        steps.append(v2.ColorJitter(0.4, 0.4, 0.4, 0.1))
    steps += [v2.ToDtype(torch.float16, scale=True), v2.Normalize(MEAN, STD)]
    transform = v2.Compose(steps)

    def work(images, batch):
        for image, row in zip(images, batch):
            row.copy_(transform(image))

    return work


def kornia_chain(torch, chain):
    """Transforms a batch at once; its colours take floats."""
    import kornia.augmentation as k

    size = (SIDE, SIDE)
    steps = [k.RandomCrop(size) if chain == CHAINS[0] else k.RandomResizedCrop(size)]
    steps.append(k.RandomHorizontalFlip())
    if chain == CHAINS[2]:
        steps.append(k.ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0))
    steps.append(k.Normalize(MEAN, STD))
    transform = k.AugmentationSequential(*steps)

    def work(images, batch):
        batch.copy_(transform(images.float().div_(255.0)))

    return work


def seconds(torch, device, work):
    """The median of the rounds, after one that is not counted."""
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
    taken = []
    for number in range(ROUNDS + 1):
        synchronize()
        started = time.perf_counter()
        with torch.inference_mode():
            work()
        synchronize()
        if number >= 1:
            taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def copy(torch):
    """A copy on the device, counting bytes read and bytes written."""
    source = torch.zeros(512 << 20, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    taken = []
    for _ in range(ROUNDS + 1):
        begun.record()
        target.copy_(source)
        ended.record()
        ended.synchronize()
        taken.append(begun.elapsed_time(ended) / 1e3)
    return 2 * source.numel() / statistics.median(taken[1:])


def peers(torch):
    """The name of each peer and its chains."""
    yield "torchvision", lambda chain: torchvision_chain(torch, chain, False)
    try:
        import kornia
    except ImportError:
        print("      kornia is not installed: no figures of it")
    else:
        yield f"kornia {kornia.__version__}", lambda chain: kornia_chain(torch, chain)
    yield "torchvision, antialias", lambda chain: torchvision_chain(torch, chain, True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    device = parser.parse_args().device
    try:
        import torch
        import torchvision
    except ImportError as error:
        print(f"      no figures of others: {error}")
        return
    if device == "cuda" and not torch.cuda.is_available():
        print("      no figures of others: PyTorch finds no GPU")
        return
    print(f"      torch {torch.__version__}, torchvision {torchvision.__version__}")
    if device == "cuda":
        figure("torch, device to device, bytes read and bytes written", copy(torch) / 1e9, "GB/s")
    torch.manual_seed(0)
    for peer, chain_of in peers(torch):
        for rows in BATCHES:
            images = torch.randint(0, 256, (rows, 3, 256, 256), dtype=torch.uint8, device=device)
            batch = torch.empty(rows, 3, SIDE, SIDE, dtype=torch.float16, device=device)
            for chain in CHAINS:
                if peer.endswith("antialias") and (chain == CHAINS[0] or rows != BATCHES[0]):
                    continue
                work = chain_of(chain)
                taken = seconds(torch, device, lambda: work(images, batch))
                assert batch.isfinite().all() and 0.1 < batch.float().std() < 2.0, batch.float().std()
                figure(f"{peer}: {chain}, {rows}", rows / taken, "images/s")


if __name__ == "__main__":
    sys.exit(main())
