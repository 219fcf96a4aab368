"""Writes the files beside it: `python make.py`, with datasets 5.2.0, pyarrow 26.0.1, polars 2.1.0 and pillow."""

import os
import shutil
import sys

import polars
import pyarrow as pa
from datasets import Dataset, DatasetDict, Features, Value

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from columns import encoded, nulls, whole

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

with pa.OSFile(os.path.join(HERE, "nulls.arrow"), "wb") as sink:
    with pa.ipc.new_stream(sink, nulls.schema) as writer:
        writer.write_table(nulls)

with pa.OSFile(os.path.join(HERE, "encoded.arrow"), "wb") as sink:
    with pa.ipc.new_file(sink, encoded.schema) as writer:
        writer.write_table(encoded)

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
