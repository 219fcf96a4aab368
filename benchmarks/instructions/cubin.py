"""Kernels as machine code: compiled, and taken apart."""

import re
import struct
import subprocess

from machine import GIVEN, LOCAL, OWN, WINDOW, Code


def compile_part(nvcc, part, arch, source, to):
    """A part of the engine as `build.rs` compiles it, and what the assembler says of it."""
    command = [nvcc, "-cubin", f"-arch=sm_{arch}", "--fmad=false", "-std=c++17", "-O3", "-lineinfo",
               "-Xptxas", "-v", f"-DPART_{part.upper()}", source, "-o", to]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return done.stderr


def resources(said):
    """Registers, bytes of spills, and bytes of stack, by kernel."""
    found, kernel, spills = {}, None, {}
    for line in said.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)'", line):
            kernel = match[1]
            spills[kernel] = [0, 0]
        elif kernel and (match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line)):
            # Those of the functions that it calls come after its own.
            spills[kernel][0] += int(match[2]) + int(match[3])
            spills[kernel][1] += int(match[1])
        elif kernel and (match := re.search(r"Used (\d+) registers", line)):
            found[kernel] = int(match[1])
    return {kernel: (found[kernel], *spills[kernel]) for kernel in found}


def sections(path):
    """The sections of an ELF file: name to bytes."""
    data = open(path, "rb").read()
    at, = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    heads = [struct.unpack_from("<IIQQQQIIQQ", data, at + k * size) for k in range(count)]
    base = heads[names][4]
    of = {}
    for name, kind, _, _, offset, length, *_ in heads:
        text = data[base + name:data.index(b"\0", base + name)].decode()
        of[text] = data[offset:offset + length] if kind != 8 else bytes(length)
    return of


class Cubin:
    """The kernels of one file."""

    def __init__(self, nvdisasm, path, arch):
        said = subprocess.run([nvdisasm, "-c", "-g", path], capture_output=True, text=True, check=True).stdout
        self.arch, self.sections = arch, sections(path)
        self.codes = {}
        for part in said.split("//--------------------- ")[1:]:
            if match := re.match(r"\.text\.(\w+)", part):
                self.codes[match[1]] = Code(part)
                self.codes[match[1]].entry = match[1]

    def constants(self, kernel, launch):
        """The banks of constants of a launch."""
        bank = bytearray(0x1000)
        struct.pack_into("<6I", bank, 0, launch.threads, 1, 1, *launch.grid, 1)
        # Where generic addresses of shared and of local memory begin, and the stack, at the end of the latter.
        struct.pack_into("<QQI", bank, 0x18, WINDOW << 32, OWN << 32, LOCAL)
        if self.arch >= 90:
            struct.pack_into("<Q", bank, 0x198, GIVEN << 32)
        at = 0x210 if self.arch >= 90 else 0x160
        bank[at:at + len(launch.args)] = launch.args
        return {0: bank, 2: self.sections.get(f".nv.constant2.{kernel}", b""),
                4: self.sections.get(".nv.constant4", b"")}
