"""Writes small data sets with the tools that users write theirs with, and beside each what is in it.

    python scripts/formats.py OUT

OUT gets a file or folder for each data set, and NAME.json with its `place`, how it is opened (`tokens`, where
files do not say what they hold; `stacked`), and its `samples`: for each, in order, a list of fields with name,
element type, shape and the bytes in hexadecimal, little-endian. Nothing here knows how Tallow reads.
`cargo test --test formats` runs this with the interpreter in TALLOW_PEERS_PYTHON and compares.
"""

import importlib.util
import io
import json
import shutil
import struct
import subprocess
import sys
import tarfile
import types
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

# Element types as Tallow holds them.
HELD = {"int8": "i16", "bool": "u8", "uint64": "i64", "uint8": "u8", "uint16": "u16", "uint32": "u32"}
HELD |= {"int16": "i16", "int32": "i32", "int64": "i64", "float16": "f16", "float32": "f32", "float64": "f64"}
WIDE = {"int8": np.int16, "uint64": np.int64}


def value(name, array):
    """A field of a sample: what a tensor of it must hold."""
    array = np.asarray(array)
    held = array.astype(WIDE.get(array.dtype.name, array.dtype))
    little = held.astype(held.dtype.newbyteorder("<"))
    return [name, HELD[array.dtype.name], list(array.shape), little.tobytes().hex()]


def stored(name, data):
    """A field of bytes: text, or the file of a picture."""
    return [name, "u8", [len(data)], data.hex()]


class Out:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def __truediv__(self, name):
        return self.folder / name

    def expect(self, name, place, samples, **opened):
        text = json.dumps({"place": place, "samples": samples, **opened})
        (self.folder / f"{name}.json").write_text(text)


def random(seed):
    return np.random.default_rng(seed)


def arrays(n=11):
    draw = random(1)
    return {
        "image": draw.integers(0, 256, (n, 4, 5, 3), np.uint8),
        "label": draw.integers(-9, 9, n, np.int64),
        "small": draw.integers(-128, 128, (n, 3), np.int8),
        "weight": np.asfortranarray(draw.normal(size=(n, 2, 3)).astype(np.float32)),
        "big": draw.normal(size=(n, 2)).astype(">f8"),
        "flag": draw.integers(0, 2, n).astype(bool),
        "half": draw.normal(size=(n, 2)).astype(np.float16),
        "index": draw.integers(0, 2**63, n, np.uint64),
    }


def rows(fields):
    count = len(next(iter(fields.values())))
    return [[value(name, array[i]) for name, array in fields.items()] for i in range(count)]


def numpy_files(out):
    fields = arrays()
    np.savez(out / "stored.npz", **fields)
    out.expect("stored", "stored.npz", rows(fields))
    np.savez_compressed(out / "deflated.npz", **fields)
    out.expect("deflated", "deflated.npz", rows(fields))
    np.save(out / "stacked.npy", fields["weight"])
    out.expect("stacked", "stacked.npy", rows({"input": fields["weight"]}))
    (out / "shards").mkdir(exist_ok=True)
    for i in range(3):
        np.save(out / f"shards/part-{i:03}.npy", fields["image"][4 * i : 4 * i + 4])
    samples = rows({"input": fields["image"]})
    out.expect("shards", "shards", samples, stacked=True)
    out.expect("shards_of_braces", "shards/part-{000..002}.npy", samples, stacked=True)


def safetensors(out):
    from safetensors.numpy import save_file

    fields = {name: np.ascontiguousarray(array) for name, array in arrays().items() if name != "big"}
    fields = dict(sorted(fields.items()))
    save_file(fields, out / "stacked.safetensors")
    out.expect("safetensors", "stacked.safetensors", rows(fields))
    (out / "safetensors").mkdir(exist_ok=True)
    for i in range(3):
        part = {name: np.ascontiguousarray(array[4 * i : 4 * i + 4]) for name, array in fields.items()}
        save_file(part, out / f"safetensors/{i}.safetensors")
    out.expect("safetensors_of_folder", "safetensors", rows(fields))


def windows(ids, length):
    """Inputs and targets as nanoGPT's get_batch cuts them, one after the other, for an embedding."""
    starts = range(0, len(ids) - length, length)
    cut = lambda at: np.array(ids[at : at + length], np.uint32)
    return [[value("input", cut(at)), value("target", cut(at + 1))] for at in starts]


def tokens(out):
    ids = [int(id) for id in random(2).integers(0, 50257, 1000)]
    np.array(ids, np.uint16).tofile(out / "nanogpt.bin")
    samples = windows(ids, 64)
    out.expect("nanogpt", "nanogpt.bin", samples, tokens=["u16", 64])
    header = np.zeros(256, np.int32)
    for name, magic, version, dtype in [("gpt2", 20240520, 1, np.uint16), ("llama3", 20240801, 7, np.uint32)]:
        header[:3] = magic, version, len(ids)
        (out / f"{name}.bin").write_bytes(header.tobytes() + np.array(ids, dtype).tobytes())
        held = np.dtype(dtype).name.replace("uint", "u")
        out.expect(name, f"{name}.bin", samples, tokens=[held, 64])
    np.array(ids, np.int32).tofile(out / "megatron.bin")
    lengths = [400, 350, 250]
    pointers = np.cumsum([0] + lengths[:-1], dtype=np.int64) * 4
    with open(out / "megatron.idx", "wb") as index:
        index.write(b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 4, len(lengths), len(lengths) + 1))
        index.write(np.array(lengths, np.int32).tobytes() + pointers.tobytes())
        index.write(np.arange(len(lengths) + 1, dtype=np.int64).tobytes())
    out.expect("megatron", "megatron.bin", samples, tokens=["i32", 64])


def mds_writer():
    """MDSWriter alone: the package around it imports torch and the clients of object stores."""
    root = importlib.util.find_spec("streaming").submodule_search_locations[0]
    for name, folder in [("streaming", root), ("streaming.base", f"{root}/base")]:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [folder]
    absent = ["torch", "torch.distributed", "torch.utils", "torch.utils.data"]
    absent = [name for name in absent + ["brotli", "snappy", "zstd", "xxhash"] if name not in sys.modules]
    sys.modules.update({name: mock.MagicMock() for name in absent})
    from streaming.base.format.mds.writer import MDSWriter

    for name in absent:
        del sys.modules[name]
    return MDSWriter


def picture(i, form):
    pixels = random(100 + i).integers(0, 256, (6 + i % 3, 8, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, form)
    return data.getvalue()


def mds(out):
    MDSWriter = mds_writer()
    draw = random(3)
    # Sorted by name, as the writer has columns.
    columns = {"f16": "float16", "f32": "float32", "f64": "float64"}
    columns |= {f"i{bits}": f"int{bits}" for bits in [8, 16, 32, 64]}
    columns |= {"any": "ndarray", "fixed": "ndarray:uint16:3,2", "int": "int", "rows": "ndarray:float32"}
    columns |= {f"u{bits}": f"uint{bits}" for bits in [8, 16, 32, 64]}
    columns |= {"raw": "bytes", "text": "str", "json": "json", "jpg": "jpeg", "png": "png"}
    samples, written = [], []
    for i in range(9):
        sample = {name: np.dtype(kind).type(3 * i) for name, kind in columns.items() if kind in HELD}
        sample |= {"i8": np.int8(-i), "i64": np.int64(-(2**40) - i), "u64": np.uint64(2**62 + i)}
        sample["int"] = -i
        sample["any"] = draw.integers(-9, 9, (2, 3)).astype(np.int32)
        sample["fixed"] = draw.integers(0, 65536, (3, 2)).astype(np.uint16)
        sample["rows"] = draw.normal(size=(i % 4 + 1, 3)).astype(np.float32)
        data = {"raw": bytes(range(3 * i)), "text": ("ü" * i).encode(), "json": json.dumps([i]).encode()}
        data |= {"jpg": picture(i, "JPEG"), "png": picture(i, "PNG")}
        field = lambda name: stored(name, data[name]) if name in data else value(name, sample[name])
        samples.append([field(name) for name in sorted(columns)])
        decoded = {"text": data["text"].decode(), "json": [i], "raw": data["raw"]}
        # Files of pictures are written as they are.
        written.append(sample | decoded | {name: data[name] for name in ["jpg", "png"]})
    with MDSWriter(out=str(out / "mds"), columns=columns, size_limit=6000, hashes=["sha1"], exist_ok=True) as shards:
        for sample in written:
            shards.write(sample)
    assert len(list((out / "mds").glob("*.mds"))) > 1
    out.expect("mds", "mds", samples)
    tokens = draw.integers(0, 50257, (7, 2048)).astype(np.int64)
    with MDSWriter(out=str(out / "foundry"), columns={"tokens": "bytes"}, exist_ok=True) as shards:
        for row in tokens:
            shards.write({"tokens": row.tobytes()})
    out.expect("foundry", "foundry", [[stored("tokens", row.tobytes())] for row in tokens])


def table(n=10):
    """Columns of all kinds, as Python values, and the samples that they are."""
    draw = random(4)
    columns = {
        "label": [int(it) for it in draw.integers(0, 3, n)],
        "weight": [float(it) for it in draw.normal(size=n).astype(np.float32)],
        "ids": [[int(it) for it in draw.integers(0, 99, i % 4)] for i in range(n)],
        "pixels": [draw.integers(0, 256, (3, 4)).tolist() for _ in range(n)],
        "text": ["é" * i for i in range(n)],
    }
    kinds = {"label": np.int64, "weight": np.float32, "ids": np.int32, "pixels": np.uint8}
    field = lambda name, it: value(name, np.array(it, kinds[name])) if name in kinds else stored(name, it.encode())
    samples = [[field(name, column[i]) for name, column in columns.items()] for i in range(n)]
    return columns, samples


def hugging_face(out):
    import datasets

    datasets.disable_progress_bars()
    columns, samples = table()
    features = {
        "label": datasets.ClassLabel(names=["cat", "dog", "owl"]),
        "weight": datasets.Value("float32"),
        "ids": datasets.Sequence(datasets.Value("int32")),
        "pixels": datasets.Array2D((3, 4), "uint8"),
        "text": datasets.Value("string"),
        "picture": datasets.Image(),
    }
    pictures = [picture(i, "PNG" if i % 2 else "JPEG") for i in range(len(samples))]
    columns |= {"picture": [{"bytes": data, "path": None} for data in pictures]}
    samples = [sample + [stored("picture", data)] for sample, data in zip(samples, pictures)]
    made = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    made.save_to_disk(out / "saved", num_shards=3)
    out.expect("saved", "saved", samples)
    for shard in range(2):
        made.shard(2, shard, contiguous=True).to_parquet(out / f"hub-0000{shard}-of-00002.parquet")
    out.expect("parquet_datasets", "hub-*.parquet", samples)


def arrow(out):
    import pyarrow as pa

    columns, samples = table()
    types = {"label": pa.int64(), "weight": pa.float32(), "ids": pa.list_(pa.int32()), "text": pa.string()}
    made = pa.table({name: pa.array(columns[name], kind) for name, kind in types.items()})
    samples = [[field for field in sample if field[0] in types] for sample in samples]
    for name, new in [("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)]:
        with new(str(out / f"{name}.arrow"), made.schema) as file:
            file.write_table(made, max_chunksize=4)
        out.expect(f"arrow_{name}", f"{name}.arrow", samples)
    parquet(out, made, samples)


def parquet(out, made, samples):
    """Codecs, versions of pages, encodings, and pages of a few values with and without an index."""
    import pyarrow.parquet as pq

    pages = {"row_group_size": 7, "data_page_size": 16, "write_batch_size": 2}
    encodings = {"label": "DELTA_BINARY_PACKED", "ids.list.element": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY"}
    kinds = {codec: {"compression": codec} for codec in ["none", "snappy", "gzip", "zstd", "lz4"]}
    kinds |= {
        "version_2": {"data_page_version": "2.0", "compression": "zstd"},
        "index": {"write_page_index": True, **pages},
        "pages": {"use_dictionary": False, **pages},
        "delta": {"use_dictionary": False, "column_encoding": encodings, **pages},
    }
    for name, options in kinds.items():
        pq.write_table(made, out / f"{name}.parquet", **options)
        out.expect(f"parquet_{name}", f"{name}.parquet", samples)
    other_writers(out, made, samples)


def other_writers(out, made, samples):
    """Parquet by other programs, and as old ones wrote it: other names in lists, timestamps of 96 bits, which are
    left out."""
    import duckdb
    import polars
    import pyarrow as pa
    import pyarrow.parquet as pq

    polars.from_arrow(made).write_parquet(out / "polars.parquet", row_group_size=4)
    duckdb.sql(f"COPY (SELECT * FROM made) TO '{out / 'duckdb.parquet'}' (FORMAT parquet, CODEC zstd)")
    when = pa.array(range(len(made)), pa.timestamp("ns"))
    old = {"use_compliant_nested_type": False, "use_deprecated_int96_timestamps": True, "flavor": "spark"}
    pq.write_table(made.append_column("when", when), out / "old.parquet", version="1.0", **old)
    for name in ["polars", "duckdb", "old"]:
        out.expect(f"parquet_{name}", f"{name}.parquet", samples)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def tars(out):
    """Shards of three samples: a picture, a class, two arrays, a text."""
    import webdataset

    draw = random(7)
    n, per = 8, 3
    names = [f"set/{'deep' * 30 if i == 4 else 'x'}/{i:04}" for i in range(n)]
    pictures = [picture(i, "PNG" if i % 2 else "JPEG") for i in range(n)]
    x = draw.normal(size=(n, 2, 3)).astype(np.float32)
    y = draw.integers(0, 1 << 15, (n, 4)).astype(">i2")
    texts = [("é" * i).encode() for i in range(n)]
    samples = [
        [stored("image", pictures[i]), value("label", np.int64(i * i)), value("input", x[i]), value("y", y[i])]
        + [stored("txt", texts[i])]
        for i in range(n)
    ]

    def members(i):
        yield "png" if i % 2 else "jpg", pictures[i]
        yield "cls", b"%d" % (i * i)
        yield "npy", npy(x[i])
        yield "y.npy", npy(y[i])
        yield "txt", texts[i]

    for name in ["ustar", "gnu", "pax"]:
        dialect = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}[name]
        for shard in range(0, n, per):
            folder = out / f"tar_{name}"
            folder.mkdir(exist_ok=True)
            with tarfile.open(folder / f"{shard // per}.tar", "w", format=dialect) as tar:
                for i in range(shard, min(shard + per, n)):
                    for extension, data in members(i):
                        info = tarfile.TarInfo(f"{names[i]}.{extension}")
                        info.size = len(data)
                        tar.addfile(info, io.BytesIO(data))
        out.expect(f"tar_{name}", f"tar_{name}", samples)
    pattern = str(out / "wds-%02d.tar")
    with webdataset.ShardWriter(pattern, maxcount=per, verbose=0) as sink:
        for i in range(n):
            sink.write({"__key__": names[i], **dict(members(i))})
    # It writes the members in the order of their endings.
    order = ["label", "image", "input", "txt", "y"]
    ordered = [sorted(sample, key=lambda field: order.index(field[0])) for sample in samples]
    out.expect("webdataset", "wds-{00..02}.tar", ordered)
    gnu_tar(out, names, members, samples)


def gnu_tar(out, names, members, samples):
    """The members of a sample by name, as `tar --sort=name` has them."""
    work = out / "files"
    for i, name in enumerate(names):
        for extension, data in members(i):
            path = work / f"{name}.{extension}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    by_path = sorted(range(len(names)), key=lambda i: names[i])
    order = ["label", "image", "input", "txt", "y"]
    ordered = [sorted(samples[i], key=lambda field: order.index(field[0])) for i in by_path]
    for dialect in ["gnu", "posix"]:
        command = ["tar", "-C", str(work), "--sort=name", f"--format={dialect}", "-cf"]
        subprocess.run(command + [str(out / f"gnu_{dialect}.tar"), "./set"], check=True)
        out.expect(f"gnu_{dialect}", f"gnu_{dialect}.tar", ordered)
    shutil.rmtree(work)


def main():
    out = Out(sys.argv[1])
    for write in [numpy_files, safetensors, tokens, mds, hugging_face, arrow, tars]:
        write(out)


if __name__ == "__main__":
    main()
