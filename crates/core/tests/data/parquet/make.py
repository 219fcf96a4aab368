"""Writes the files beside it: `python make.py`, with datasets, pyarrow and pillow."""

import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Array2D, ClassLabel, Dataset, Features, Image, List, Value
from PIL import Image as Pictures

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = 7


def path(name):
    return os.path.join(HERE, f"{name}.parquet")


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
Dataset.from_dict(columns, features=features).to_parquet(path("datasets"), batch_size=3)

# Of each row r: r * r; the text of r modulo 5, r modulo 4 times; r modulo 6 numbers from r on; r / 4.
COUNT = 300
table = pa.table(
    {
        "i": pa.array([row * row for row in range(COUNT)], pa.int64()),
        "u": pa.array([row % 200 for row in range(COUNT)], pa.uint8()),
        "text": [str(row % 5) * (row % 4) for row in range(COUNT)],
        "list": pa.array([list(range(row, row + row % 6)) for row in range(COUNT)], pa.list_(pa.int32())),
        "grid": pa.array(
            [[[row, -row]] * (row % 3) for row in range(COUNT)], pa.list_(pa.list_(pa.int16()))
        ),
        "x": pa.array([row / 4 for row in range(COUNT)], pa.float64()),
        "half": pa.array([np.float16(row) for row in range(COUNT)], pa.float16()),
        "four": pa.array([bytes([row % 256] * 4) for row in range(COUNT)], pa.binary(4)),
    }
)
small = {"row_group_size": 170, "data_page_size": 256, "write_batch_size": 16}


def write(name, **options):
    pq.write_table(table, path(name), **{**small, "compression": "none", **options})


for codec in ["snappy", "gzip", "zstd", "lz4"]:
    write(codec, compression=codec)
write("plain", use_dictionary=False)
write("indexed", use_dictionary=False, write_page_index=True, compression="snappy")
write("version2", data_page_version="2.0", compression="zstd")
delta = {"i": "DELTA_BINARY_PACKED", "u": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY"}
split = {"x": "BYTE_STREAM_SPLIT", "half": "BYTE_STREAM_SPLIT", "four": "DELTA_BYTE_ARRAY"}
encodings = {**delta, **split, "list.list.element": "DELTA_BINARY_PACKED"}
write("delta", use_dictionary=False, column_encoding=encodings, data_page_version="2.0")
write("lengths", use_dictionary=False, column_encoding={"text": "DELTA_LENGTH_BYTE_ARRAY"})
write("brotli", compression="brotli")

nulls = pa.table(
    {
        "x": pa.array([1, None, 3], pa.int32()),
        "list": pa.array([[1.0], None, [2.0, None]], pa.list_(pa.float32())),
        "text": pa.array(["a", None, "c"]),
        "pair": pa.array([[1, 2], None, [5, None]], pa.list_(pa.int64(), 2)),
    }
)
pq.write_table(nulls, path("nulls"))
