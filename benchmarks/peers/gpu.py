"""What torchvision needs on a GPU for the chain of `gpu figures`, with its own parameters per image.

256x256 u8 images in the memory of the device become a batch of 64 rows of 3x224x224 f16: random
resized crop (antialias off, like a fused kernel, and on, as is torchvision's default), flip, colour
jitter, normalise. torchvision's transforms draw one set of parameters for all that they are given,
so images with different parameters are transformed one by one.

    python gpu.py

Prints medians of rounds of one batch, with the device synchronised at the beginning and the end of
each. Without a GPU, PyTorch or torchvision it says so and exits with 0.
"""

import statistics
import sys
import time

ROWS = 64
SIDE = 224
ROUNDS = 9
MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]


def figure(name, value, unit):
    print(f"      {name:<62} {value:>10.2f} {unit}")


def chain(torch, v2, antialias):
    return v2.Compose(
        [
            v2.RandomResizedCrop(SIDE, antialias=antialias),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
            v2.ToDtype(torch.float16, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


def seconds(torch, work):
    """The median of the rounds, after two that are not counted."""
    taken = []
    for number in range(ROUNDS + 2):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        if number >= 2:
            taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def copy(torch):
    """A copy on the device, counting bytes read and bytes written."""
    source = torch.zeros(256 << 20, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    taken = []
    for _ in range(ROUNDS + 2):
        begun.record()
        target.copy_(source)
        ended.record()
        ended.synchronize()
        taken.append(begun.elapsed_time(ended) / 1e3)
    return 2 * source.numel() / statistics.median(taken[2:])


def main():
    try:
        import torch
        import torchvision
        from torchvision.transforms import v2
    except ImportError as error:
        print(f"      no figures of torchvision: {error}")
        return
    if not torch.cuda.is_available():
        print("      no figures of torchvision: PyTorch finds no GPU")
        return
    print(f"      torch {torch.__version__}, torchvision {torchvision.__version__}")
    figure("torch, device to device, bytes read and bytes written", copy(torch) / 1e9, "GB/s")
    torch.manual_seed(0)
    images = torch.randint(0, 256, (ROWS, 3, 256, 256), dtype=torch.uint8, device="cuda")
    batch = torch.empty(ROWS, 3, SIDE, SIDE, dtype=torch.float16, device="cuda")
    moved = images.numel() + 2 * batch.numel()
    for antialias in [False, True]:
        transform = chain(torch, v2, antialias)

        def work():
            with torch.inference_mode():
                for image, row in zip(images, batch):
                    row.copy_(transform(image))

        name = f"torchvision, antialias {'on' if antialias else 'off'}"
        taken = seconds(torch, work)
        assert batch.isfinite().all() and 0.1 < batch.float().std() < 2.0, batch.float().std()
        figure(f"{name}, chain on the device", ROWS / taken, "images/s")
        figure(f"{name}, chain on the device, each byte once", moved / taken / 1e9, "GB/s")


if __name__ == "__main__":
    sys.exit(main())
