"""The rows that are written in several formats: `arrow/make.py` and `parquet/make.py` share them."""

import io

import numpy as np
import pyarrow as pa
from datasets import Array2D, ClassLabel, Dataset, Features, Image, List, Value
from PIL import Image as Pictures

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

# Files of pictures in columns of bytes, as those write them who have no type for pictures.
files = [picture(row)["bytes"] for row in range(ROWS)]
encoded = pa.table(
    {
        "png": pa.array(files, pa.binary()),
        "wide": pa.array(files, pa.large_binary()),
        "label": pa.array(range(ROWS), pa.int64()),
        "named": pa.array([{"bytes": file, "size": len(file)} for file in files]),
    }
)

nulls = pa.table(
    {
        "x": pa.array([1, None, 3], pa.int32()),
        "list": pa.array([[1.0], None, [2.0, None]], pa.list_(pa.float32())),
        "text": pa.array(["a", None, "c"]),
        "pair": pa.array([[1, 2], None, [5, None]], pa.list_(pa.int64(), 2)),
    }
)
