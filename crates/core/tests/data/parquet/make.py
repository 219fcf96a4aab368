"""Writes the files beside it: `python make.py`, with datasets, pyarrow and pillow."""

import base64
import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from columns import encoded, nulls, whole


def path(name):
    return os.path.join(HERE, f"{name}.parquet")


whole.to_parquet(path("datasets"), batch_size=3)
# Without what datasets says of its columns.
pq.write_table(whole.data.table.replace_schema_metadata(None), path("bare"))

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

pq.write_table(nulls, path("nulls"))
pq.write_table(encoded, path("encoded"))


class Keys(encryption.KmsClient):
    """Keys that are wrapped in nothing."""

    def wrap_key(self, key, name):
        return base64.b64encode(key)

    def unwrap_key(self, key, name):
        return base64.b64decode(key)


crypto = encryption.CryptoFactory(lambda config: Keys())
for name, is_plain in [("encrypted", False), ("encrypted_columns", True)]:
    config = encryption.EncryptionConfiguration(
        footer_key="footer", column_keys={"column": ["i"]}, plaintext_footer=is_plain
    )
    properties = crypto.file_encryption_properties(encryption.KmsConnectionConfig(), config)
    pq.write_table(table.select(["i", "u"]).slice(0, 9), path(name), encryption_properties=properties)

# Pages of zeros, and a dictionary of one long text: a few bytes that say they are many.
zeros = pa.table({"zeros": pa.array([bytes(64 << 20)], pa.binary())})
pq.write_table(zeros, path("zeros"), compression="zstd", compression_level=19, use_dictionary=False)
texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1 << 20, np.int32)), pa.array(["long " * 100_000]))
pq.write_table(pa.table({"text": texts}), path("dictionary"), compression="zstd", row_group_size=1 << 20)


def long(row, count):
    """`count` bytes: a kilobyte that no codec shortens, again and again."""
    return (np.random.default_rng(row).bytes(1000) * (count // 1000 + 1))[:count]


# Long byte strings in pages of both versions, with a dictionary, plain, and not compressed.
blocks = {"first": [long(row, 40000 + 1111 * row) for row in range(12)], "bare": [long(row, 5000) for row in range(12)]}
blocks["second"] = [None if row == 2 else value[: 0 if row == 5 else None] for row, value in enumerate(blocks["first"])]
blocks = {name: pa.array(values, pa.binary()) for name, values in blocks.items()}
first, second = pa.table(blocks).select(["first", "bare"]), pa.table(blocks).select(["second"])
codecs = {"first": "snappy", "bare": "none"}
pq.write_table(first, path("long1"), compression=codecs, use_dictionary=["first"])
pq.write_table(second, path("long2"), compression="snappy", use_dictionary=False, data_page_version="2.0")
