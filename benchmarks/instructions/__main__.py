"""What kernels cost a device, from their machine code: no device is needed.

    python3 benchmarks/instructions [--arch 90] [--rows 2] [--lines N] [CHAIN..]

Compiles the kernels with `nvcc` (as `crates/transforms/build.rs` does), has the example `launches` of
crates/transforms write the launches of a chain and their memory, and runs the machine code of all
blocks of these launches in an interpreter (`machine.py`), thread by thread. So every count is one of
instructions that were run, with the trip counts of true plans, and the result must be, byte for byte,
what the same kernels compiled for the host leave in memory.

A row of the table is one launch. `Threads` are instructions of threads per pixel that is delivered: each
counts once per thread that gets to it, also where its predicate is false. `Issued` are instructions of
warps, times 32: more, where threads of a warp part. The floor of a device follows: instructions over
what it issues (of an H100 132 multiprocessors x 4 x 32 lanes x 1.7 GHz), and no time for memory.
Where an instruction is an estimate that code refines (reciprocals), the interpreter has the nearest
number; the range check of a division (`FCHK`) passes between 2^-60 and 2^60.

Registers and spills are what the assembler reports, functions that a kernel calls included.
`nvcc` comes from `. scripts/cuda-toolkit.sh`; `nvdisasm` from the wheel of that name, or from NVDISASM.
Needs numpy.
"""

import argparse
import collections
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import numpy as np

from cubin import Cubin, compile_part, resources
from machine import Machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
END = "normalize(imagenet) to_dtype(f16)"
CHAINS = [
    f"random_crop(224) random_hflip {END}",
    f"random_resized_crop(224) random_hflip {END}",
    f"random_resized_crop(224) random_hflip color_jitter(0.4, 0.4, 0.4, 0.1) {END}",
]
PIXELS = 224 * 224
# Rows of a batch, of which some are run: they say how many blocks a row has.
BATCH = 64
# Blocks that are run side by side.
TOGETHER = 16


class Launch:
    def __init__(self, line):
        self.kernel, x, y, threads, self.shared, args = line.split()
        self.grid, self.threads, self.args = (int(x), int(y)), int(threads), bytes.fromhex(args)


def part_of(kernel):
    return kernel if kernel.startswith("stage_") else "others"


def launches_of(chain, rows, folder):
    command = os.environ.get("LAUNCHES")
    command = [command] if command else ["cargo", "run", "--release", "-q", "-p", "tallow-transforms", "--features",
                                         "host-kernels", "--example", "launches", "--"]
    subprocess.run([*command, folder, str(rows), str(BATCH), chain], check=True, cwd=ROOT)
    base, *lines = (folder / "launches").read_text().splitlines()
    base, output = map(int, base.split())
    return base, output, [Launch(line) for line in lines]


def run_chain(chain, arch, rows, cubin_of, folder, by_line, listing):
    base, output, launches = launches_of(chain, rows, folder)
    memory = np.fromfile(folder / "before", np.uint8)
    memory = np.concatenate([memory, np.zeros(-memory.size % 16, np.uint8)])
    wanted = np.fromfile(folder / "after", np.uint8)
    counts = []
    for launch in launches:
        cubin = cubin_of(part_of(launch.kernel))
        code, ran, issued = cubin.codes[launch.kernel], 0, 0
        blocks = [(x, y) for y in range(launch.grid[1]) for x in range(launch.grid[0])]
        for first in range(0, len(blocks), TOGETHER):
            machine = Machine(code, cubin.constants(launch.kernel, launch), memory, base,
                              blocks[first:first + TOGETHER], launch.grid, launch.threads)
            machine.run()
            ran, issued = ran + machine.ran, issued + machine.issued
        counts.append((launch, int(ran.sum()), int(issued.sum()) * 32))
        for at, count in enumerate(ran):
            by_line[(launch.kernel, code.lines[at])] += int(count)
        if listing:
            for at, count in enumerate(ran):
                print(f"{count / PIXELS / rows:8.3f} {at:5} {code.lines[at]:20} {code.at[at]}", file=listing)
    wrong = int((memory[output:wanted.size] != wanted[output:]).sum())
    if wrong:
        print(f"WRONG: {wrong} of {wanted.size - output} bytes of the output differ from those of the host")
    return counts, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", type=int, action="append")
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--engine", default=str(ROOT / "crates/transforms/src/cuda/engine.cu"),
                        help="another source, to compare with")
    parser.add_argument("--lines", type=int, default=0, help="the costliest lines and instructions of each chain")
    parser.add_argument("--listing", type=argparse.FileType("w"), help="every instruction, with its count per pixel")
    parser.add_argument("chains", nargs="*")
    options = parser.parse_args()
    nvdisasm = os.environ.get("NVDISASM") or shutil.which("nvdisasm")
    if nvdisasm is None:
        parser.error("nvdisasm is not in the PATH; install the wheel nvidia-cuda-nvdisasm, or name it in NVDISASM")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        said = {}
        for arch in options.arch or [80, 90]:
            cubins = {}

            def cubin_of(part):
                if part not in cubins:
                    to = str(folder / f"{part}.{arch}.cubin")
                    said.setdefault(arch, {}).update(resources(compile_part("nvcc", part, arch, options.engine, to)))
                    cubins[part] = Cubin(nvdisasm, to, arch)
                return cubins[part]

            print(f"\n| Chain, sm_{arch} | Launch | Blocks | Registers | Spills, bytes | Threads | Issued |")
            print("|---|---|---:|---:|---:|---:|---:|")
            for chain in options.chains or CHAINS:
                by_line = collections.Counter()
                counts, wrong = run_chain(chain, arch, options.rows, cubin_of, folder, by_line, options.listing)
                failed = failed or bool(wrong)
                pixels = PIXELS * options.rows
                for launch, ran, issued in counts:
                    registers, spills, _ = said[arch][launch.kernel]
                    print(f"| `{chain}` | `{launch.kernel}` | {launch.grid[0]} | {registers} | {spills} "
                          f"| {ran / pixels:.1f} | {issued / pixels:.1f} |")
                total, issued = sum(c[1] for c in counts), sum(c[2] for c in counts)
                print(f"| `{chain}` | **all** | | | | **{total / pixels:.1f}** | **{issued / pixels:.1f}** |", flush=True)
                for (kernel, line), count in by_line.most_common(options.lines):
                    print(f"    {count / pixels:8.2f}  {kernel} {line}")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
