"""Parquet files with Hugging Face's `datasets`, torch and `pyarrow`, for the benchmark `parquet`.

    python parquet_peer.py FOLDER

Writes the files to FOLDER, unless they are there: `numbers.parquet`, 200,000 rows of 16 columns of `float32`
and one of `int64`, and `images.parquet`, 4,000 rows of bytes of the size of photos, 20 to 120 KB, and a class.
Both are written by `pyarrow` as it writes without options, the second in row groups of 100 rows. Prints
{"ready": versions, "forms": {SET: {ORDER: [FORM, ..]}}}, and then answers each line `SET ORDER FORM SECONDS` with
{"samples": samples read, "seconds": how long it took}: a whole epoch, or as much of one as takes SECONDS.

Every form makes batches of 64 samples: tensors of columns, or the bytes of images. `datasets` has converted the
file to Arrow before the clock starts. A whole batch is asked for at once where that is possible, which is the
fastest way of each library. `pyarrow` knows no samples in random order: its form reads the whole file into
memory, before the clock starts, and takes the rows of batches from there.
"""

import itertools
import json
import os
import sys
import time
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

BATCH = 64
ROWS = {"numbers": 200_000, "images": 4_000}
WORKERS = 2

# Lines of the protocol have their own descriptor, because libraries print to standard output.
ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def numbers(draw):
    columns = {f"x{at}": draw.random(ROWS["numbers"], np.float32) for at in range(16)}
    return pa.table({**columns, "label": draw.integers(0, 1000, ROWS["numbers"])})


def images(draw):
    sizes = draw.integers(20_000, 120_000, ROWS["images"])
    files = [draw.bytes(size) for size in sizes]
    return pa.table({"image": pa.array(files, pa.binary()), "label": draw.integers(0, 1000, len(files))})


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(7)
    for name, make, options in [("numbers", numbers, {}), ("images", images, {"row_group_size": 100})]:
        path = folder / f"{name}.parquet"
        if not path.exists():
            part = path.with_suffix(".part")
            pq.write_table(make(draw), part, **options)
            part.rename(path)


def tensors(batch):
    """Columns of `pyarrow` as tensors; of images, their bytes."""
    made = {}
    for name, column in zip(batch.schema.names, batch.columns):
        if pa.types.is_binary(column.type):
            made[name] = column.to_pylist()
        else:
            made[name] = torch.from_numpy(column.to_numpy(zero_copy_only=False).copy())
    return made


def of_datasets(path, order, form, workers):
    data = datasets.load_dataset(
        "parquet", data_files=str(path), split="train", cache_dir=str(path.parent / "cache")
    ).with_format(form)
    sampler = (RandomSampler if order == "random" else SequentialSampler)(data)
    options = {"persistent_workers": True} if workers else {}
    loader = DataLoader(
        data,
        sampler=BatchSampler(sampler, BATCH, drop_last=False),
        batch_size=None,
        num_workers=workers,
        **options,
    )
    return lambda: iter(loader)


def in_memory(path):
    table = pq.read_table(path).combine_chunks()

    def epoch():
        order = np.random.permutation(len(table))
        for at in range(0, len(order), BATCH):
            (batch,) = table.take(order[at : at + BATCH]).combine_chunks().to_batches()
            yield tensors(batch)

    return epoch


def in_turn(path):
    def epoch():
        for batch in pq.ParquetFile(path).iter_batches(BATCH):
            yield tensors(batch)

    return epoch


def forms(folder):
    found = {}
    for name in ROWS:
        path = folder / f"{name}.parquet"
        formats = ["torch", "numpy"] if name == "numbers" else [None]
        for order in ["random", "sequential"]:
            own = found.setdefault(name, {}).setdefault(order, {})
            for form, workers in itertools.product(formats, [0, WORKERS]):
                title = " ".join(filter(None, ["datasets", form])) + f", {workers} processes"
                own[title] = of_datasets(path, order, form, workers)
            own["pyarrow" + (" in memory" if order == "random" else "")] = (
                in_memory(path) if order == "random" else in_turn(path)
            )
    return found


def measured(epoch, seconds):
    samples, start = 0, time.perf_counter()
    for batch in epoch():
        samples += len(batch["label"])
        if time.perf_counter() - start > seconds:
            break
    return {"samples": samples, "seconds": time.perf_counter() - start}


def main():
    torch.set_num_threads(WORKERS)
    datasets.disable_progress_bars()
    folder = Path(sys.argv[1])
    write(folder)
    found = forms(folder)
    names = {name: {order: list(own) for order, own in orders.items()} for name, orders in found.items()}
    versions = {module.__name__: module.__version__ for module in [datasets, torch, pa, np]}
    ANSWERS.write(json.dumps({"ready": versions, "forms": names}) + "\n")
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        name, order, form, seconds = json.loads(line)
        ANSWERS.write(json.dumps(measured(found[name][order][form], float(seconds))) + "\n")


if __name__ == "__main__":
    main()
