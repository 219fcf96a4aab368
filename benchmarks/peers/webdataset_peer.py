"""The package `webdataset` with torch's DataLoader, for the benchmark `formats`.

    python webdataset_peer.py FOLDER

Reads the `.npy` members of the archives in FOLDER through a shuffle buffer of 1,000, and makes batches of 64. Prints
{"ready": versions, "forms": [FORM, ..]}, and then answers each line with the name of a form, in quotes, by
{"samples": .., "seconds": ..} of an epoch. A form is the number of worker processes, and who makes the batches:
`webdataset` in the workers, or torch's default collation.
"""

import importlib.metadata
import io
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
import webdataset

BATCH = 64

# Lines of the protocol have their own descriptor, because libraries print to standard output.
ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def sample(members):
    return (np.load(io.BytesIO(members["npy"])),)


def loader(shards, workers, own_batches):
    # Without `empty_check` a worker without a shard of its own is no error.
    data = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)
    data = data.shuffle(1000).map(sample)
    if own_batches:
        data = data.batched(BATCH, partial=True)
    batch = None if own_batches else BATCH
    return webdataset.WebLoader(data, batch_size=batch, num_workers=workers)


def main():
    shards = sorted(map(str, Path(sys.argv[1]).glob("*.tar")))
    forms = {
        f"webdataset, {workers} processes, batches of {who}": loader(shards, workers, who == "its own")
        for workers in (0, 2)
        for who in ("its own", "torch")
    }
    ready = {name: importlib.metadata.version(name) for name in ("webdataset", "torch", "numpy")}
    ANSWERS.write(json.dumps({"ready": ready, "forms": list(forms)}) + "\n")
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        start = time.perf_counter()
        # What workers of `webdataset` make is arrays, and what a training takes is tensors.
        samples = sum(len(torch.as_tensor(batch[0])) for batch in forms[json.loads(line)])
        seconds = time.perf_counter() - start
        ANSWERS.write(json.dumps({"samples": samples, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
