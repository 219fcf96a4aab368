"""Writes the archives beside it with Python's tarfile, GNU tar and the package webdataset:
`python3 make.py`. Five samples each: `dir/N.input.npy` of N, N + 1, N + 2 as f32, and
`dir/N.cls` of N * N."""

import io
import os
import struct
import subprocess
import tarfile
import tempfile


def npy(values):
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(values)},), }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + struct.pack(f"<{len(values)}f", *values)


def samples(folder="dir"):
    for n in range(5):
        yield f"{folder}/{n}.input.npy", npy([n, n + 1, n + 2])
        yield f"{folder}/{n}.cls", b"%d\n" % (n * n)


def with_tarfile(path, dialect, folder="dir"):
    with tarfile.open(path, "w", format=dialect) as tar:
        for name, payload in samples(folder):
            info = tarfile.TarInfo(name)
            info.size = len(payload)
            if dialect == tarfile.PAX_FORMAT:
                info.mtime = 1.5
            tar.addfile(info, io.BytesIO(payload))


here = os.path.dirname(os.path.abspath(__file__))
at = lambda name: os.path.join(here, name)
long = "long" * 40
with_tarfile(at("python-ustar.tar"), tarfile.USTAR_FORMAT)
with_tarfile(at("python-gnu-long.tar"), tarfile.GNU_FORMAT, long)
with_tarfile(at("python-pax-long.tar"), tarfile.PAX_FORMAT, long)

with tempfile.TemporaryDirectory() as work:
    for name, payload in samples():
        path = os.path.join(work, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(payload)
    common = ["tar", "-C", work, "--sort=name", "--mtime=@0", "--owner=0", "--group=0"]
    for dialect in ["v7", "ustar", "gnu", "posix"]:
        subprocess.run(common + [f"--format={dialect}", "-cf", at(f"gnu-tar-{dialect}.tar"), "./dir"], check=True)

import webdataset

with webdataset.TarWriter(at("webdataset.tar"), mtime=0) as sink:
    for n in range(5):
        sink.write({"__key__": f"dir/{n}", "input.npy": npy([n, n + 1, n + 2]), "cls": n * n})
