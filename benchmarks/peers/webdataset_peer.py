"""The package `webdataset` with torch's DataLoader, on tar archives of arrays and classes.

    python webdataset_peer.py FOLDER [--workers 2] [--batch-size 64]

Reads `.input.npy` and `.cls` of all samples through a shuffle buffer of 1,000, and prints samples per second
of the second epoch, without worker processes and with them. Beside it, on what `bench-loader pack --as tar`
makes:

    bench-loader run FOLDER --shuffle --workers 2 --batch-size 64
"""

import argparse
import io
import time
from pathlib import Path

import numpy as np
import torch
import webdataset


def sample(members):
    return np.load(io.BytesIO(members["input.npy"])), int(members["cls"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    args = parser.parse_args()
    shards = sorted(map(str, Path(args.folder).glob("*.tar")))
    for workers in sorted({0, args.workers}):
        data = webdataset.WebDataset(shards, shardshuffle=False).shuffle(1000).map(sample)
        loader = torch.utils.data.DataLoader(data, batch_size=args.batch_size, num_workers=workers)
        for _ in range(2):
            start = time.perf_counter()
            samples = sum(len(labels) for _, labels in loader)
            took = time.perf_counter() - start
        print(f"{workers} workers: {samples / took:,.0f} samples/s")


if __name__ == "__main__":
    main()
