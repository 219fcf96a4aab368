"""Writes the data sets of MDS beside this file, with MosaicML Streaming's own writer.

    python make.py

Needs mosaicml-streaming 0.13.0 (--no-deps is enough), numpy, Pillow, tqdm and typing_extensions. Of the
package only the writer is loaded, so that torch and the clients of object stores need not be there.
"""

import importlib.util
import shutil
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
ABSENT = ["torch", "torch.distributed", "torch.utils", "torch.utils.data", "brotli", "snappy", "zstd", "xxhash"]


def load_writer():
    root = importlib.util.find_spec("streaming").submodule_search_locations[0]
    for name, folder in [("streaming", root), ("streaming.base", f"{root}/base")]:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [folder]
    sys.modules.update({name: mock.MagicMock() for name in ABSENT})
    from streaming.base.format.mds.writer import MDSWriter

    return MDSWriter


MDSWriter = load_writer()


def write(name, columns, samples, **options):
    out = HERE / name
    shutil.rmtree(out, ignore_errors=True)
    with MDSWriter(out=str(out), columns=columns, **options) as file:
        for sample in samples:
            file.write(sample)


def everything(i):
    picture = Image.fromarray(np.full((4 + i % 2, 6, 3), (20 * i, 100, 255 - i), np.uint8))
    return {
        "any": np.arange(i, i + 4, dtype=np.float64).reshape(2, 2),
        "byte": -i,
        "bytes": bytes(range(i)),
        "count": 2**40 + i,
        "fixed": np.arange(6, dtype=np.float32).reshape(2, 3) * i,
        "half": 0.5 * i,
        "json": {"i": i},
        "jpg": picture,
        "png": picture,
        "rows": np.arange(2 * (i % 3 + 1), dtype=np.int16).reshape(i % 3 + 1, 2) + i,
        "short": 60000 + i,
        "text": "ä" * i,
        "whole": -(2**50) - i,
    }


EVERYTHING = {
    "any": "ndarray",
    "byte": "int8",
    "bytes": "bytes",
    "count": "uint64",
    "fixed": "ndarray:float32:2,3",
    "half": "float16",
    "json": "json",
    "jpg": "jpeg",
    "png": "png",
    "rows": "ndarray:int16",
    "short": "uint16",
    "text": "str",
    "whole": "int",
}

write("everything", EVERYTHING, [everything(i) for i in range(7)], size_limit=4000, hashes=["sha1"])
tokens = [{"tokens": np.arange(i, i + 8, dtype=np.int64).tobytes()} for i in range(5)]
write("tokens", {"tokens": "bytes"}, tokens)
write("compressed", {"tokens": "bytes"}, tokens, compression="gz")
write("pickled", {"label": "int", "of": "pkl"}, [{"label": i, "of": (i, "x")} for i in range(3)])
