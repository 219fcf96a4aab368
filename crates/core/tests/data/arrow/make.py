"""Writes the files beside it: `python make.py`, with datasets 5.2.0, pyarrow 26.0.1, polars 2.1.0 and pillow."""

import io
import os
import shutil

import numpy as np
import polars
import pyarrow as pa
from datasets import Array2D, ClassLabel, Dataset, DatasetDict, Features, Image, List, Value
from PIL import Image as Pictures

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = 7


def picture(row):
    pixels = np.full((2 + row, 3, 3), 10 * row, np.uint8)
    file = io.BytesIO()
    Pictures.fromarray(pixels).save(file, "png")
    return {"bytes": file.getvalue(), "path": f"{row}.png"}


features = Features(
    {
        "image": Image(),
        "label": ClassLabel(names=["cat", "dog", "owl"]),
        "x": Value("float32"),
        "flag": Value("bool"),
        "small": Value("int8"),
        "text": Value("string"),
        "ids": List(Value("int32")),
        "pair": List(Value("int64"), length=2),
        "grid": Array2D(shape=(2, 3), dtype="float32"),
        "when": Value("timestamp[s]"),
    }
)
columns = {
    "image": [picture(row) for row in range(ROWS)],
    "label": [row % 3 for row in range(ROWS)],
    "x": [row / 2 for row in range(ROWS)],
    "flag": [row % 2 == 0 for row in range(ROWS)],
    "small": [row - 3 for row in range(ROWS)],
    "text": ["é" * row for row in range(ROWS)],
    "ids": [list(range(row)) for row in range(ROWS)],
    "pair": [[row, -row] for row in range(ROWS)],
    "grid": [(np.arange(6, dtype=np.float32) + row).reshape(2, 3) for row in range(ROWS)],
    "when": [row for row in range(ROWS)],
}
whole = Dataset.from_dict(columns, features=features)
for name in ["saved", "splits", "selected"]:
    shutil.rmtree(os.path.join(HERE, name), ignore_errors=True)
whole.save_to_disk(os.path.join(HERE, "saved"), num_shards=2)
numbers = Dataset.from_dict({"x": [1.0, 2.0, 3.0]}, features=Features({"x": Value("float32")}))
DatasetDict({"train": numbers, "test": numbers}).save_to_disk(os.path.join(HERE, "splits"))

table = pa.table({"x": pa.array([1, None, 3], pa.int32()), "y": pa.array(["a", "bc", ""])})
with pa.OSFile(os.path.join(HERE, "plain.arrow"), "wb") as sink:
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
with pa.OSFile(os.path.join(HERE, "compressed.arrow"), "wb") as sink:
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)

nulls = pa.table(
    {
        "list": pa.array([[1.0], None, [2.0, None]], pa.list_(pa.float32())),
        "text": pa.array(["a", None, "c"]),
        "pair": pa.array([[1, 2], None, [5, None]], pa.list_(pa.int64(), 2)),
    }
)
with pa.OSFile(os.path.join(HERE, "nulls.arrow"), "wb") as sink:
    with pa.ipc.new_stream(sink, nulls.schema) as writer:
        writer.write_table(nulls)

views = polars.DataFrame(
    {
        "i": list(range(5)),
        "text": ["", "short", "a text of more than twelve bytes", "z" * 12, "another long text, too"],
        "words": [["a", "bcd"][:row % 3] for row in range(5)],
        "more": [f"{row}" * (5 * row + 1) for row in range(5)],
        "list": [[float(row)] * row for row in range(5)],
    }
)
views.write_ipc(os.path.join(HERE, "polars.arrow"))
