"""Hugging Face's `datasets` with torch's DataLoader, on a folder of `save_to_disk`.

    python datasets_peer.py FOLDER [--workers 2] [--batch-size 64] [--epochs 3]

Reads all samples in shuffled batches of tensors, and prints samples per second of every form: formats
`torch` and `numpy`, without worker processes and with them. The first epoch of each form, in which the
page cache and the workers get warm, does not count; of the others the fastest does. Beside it:

    bench-loader run FOLDER --shuffle --workers 2 --batch-size 64
"""

import argparse
import time

import datasets
import torch
from torch.utils.data import DataLoader, default_collate


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    return parser.parse_args()


def seconds_of_epoch(loader, samples):
    start = time.perf_counter()
    read = 0
    for batch in loader:
        read += len(next(iter(batch.values())))
    seconds = time.perf_counter() - start
    assert read == samples, f"{read} of {samples} samples"
    return seconds


def main():
    args = arguments()
    torch.set_num_threads(args.workers)
    for name in ["torch", "numpy"]:
        data = datasets.load_from_disk(args.folder).with_format(name)
        for workers in [0, args.workers]:
            options = {"persistent_workers": True} if workers else {}
            loader = DataLoader(
                data,
                batch_size=args.batch_size,
                shuffle=True,
                num_workers=workers,
                collate_fn=default_collate,
                **options,
            )
            seconds_of_epoch(loader, len(data))
            best = min(seconds_of_epoch(loader, len(data)) for _ in range(args.epochs))
            form = f"{workers} worker processes" if workers else "no worker process"
            print(f"format {name}, {form}: {len(data) / best:,.0f} samples/s", flush=True)


if __name__ == "__main__":
    main()
