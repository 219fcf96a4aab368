"""Runs the machine code of a kernel, instruction by instruction, and counts what it runs.

Each thread is one lane of numpy arrays, with registers, predicates and a place in the code of its
own. The lanes at the lowest place run next, together; so threads that went apart meet again, as they
do on a device. Uniform registers are kept per lane. Reciprocals are the nearest `f32`, where a device
has approximations that the code then refines. What is not known raises an error: nothing is
skipped.
"""

import re

import numpy as np

np.seterr(all="ignore")
U32, U64, I32, F32, F64 = np.uint32, np.uint64, np.int32, np.float32, np.float64
LOW = U64(0xFFFFFFFF)
# The upper halves of generic addresses of shared memory and of a thread's own, and how much there is of
# both.
WINDOW, SHARED = 0x7F000000, 1 << 16
OWN, LOCAL = 0x7E000000, 1 << 12
# The same of the struct that a kernel takes.
GIVEN = 0x7D000000
CONTROL = {"BRA", "BRX", "CALL", "RET", "EXIT", "BAR"}
# No effect on what one thread computes.
SILENT = {"BSSY", "BSYNC", "BREAK", "NOP", "YIELD", "WARPSYNC", "BMOV", "DEPBAR", "CCTL", "ERRBAR", "MEMBAR"}


class Code:
    """The instructions of one section, as `nvdisasm -c` prints them."""

    def __init__(self, text):
        self.at, self.labels, self.lines = [], {}, {}
        line = None
        for row in text.splitlines():
            if found := re.match(r'\s*//## File "([^"]*)", line (\d+)', row):
                if "inlined at" not in row or line is None:
                    line = f"{found[1].rsplit('/', 1)[-1]}:{found[2]}"
            elif found := re.match(r"\s*/\*([0-9a-f]{4,})\*/\s+(.*?)\s*;", row):
                self.lines[len(self.at)] = line
                self.at.append(re.sub(r"\s*\(\*.*\*\)", "", found[2]))
                line = self.lines[len(self.at) - 1]
                line = None if False else line
            elif found := re.match(r"(\S+):\s*$", row):
                self.labels[found[1]] = len(self.at)


def f32(bits):
    return bits.view(F32) if isinstance(bits, np.ndarray) else np.asarray(bits, U32).view(F32)


def bits_of(x):
    return np.asarray(x, F32).view(U32)


def fused(a, b, c):
    """a * b + c of f32, rounded once: the sum of f64 is rounded to odd, and then to f32."""
    product, c = a.astype(F64) * b.astype(F64), c.astype(F64)
    total = np.asarray(product + c)
    back = total - product
    error = (product - (total - back)) + (c - back)
    whole = total.view(np.int64)
    inexact = (error != 0) & np.isfinite(error) & (whole & 1 == 0)
    # Away from zero where the error has the sign of the sum.
    step = np.where((error > 0) == (total > 0), 1, -1)
    return np.where(inexact, whole + step, whole).astype(np.int64).view(F64).astype(F32)


def fused_f64(a, b, c):
    """The same of f64, with 64 bits between."""
    return (a.astype(np.longdouble) * b.astype(np.longdouble) + c.astype(np.longdouble)).astype(F64)


COMPARES = {
    "LT": lambda a, b: a < b, "LE": lambda a, b: a <= b, "GT": lambda a, b: a > b,
    "GE": lambda a, b: a >= b, "EQ": lambda a, b: a == b, "NE": lambda a, b: (a < b) | (a > b),
    "NAN": lambda a, b: (a != a) | (b != b), "NUM": lambda a, b: (a == a) & (b == b),
}


def compare(name):
    if name in COMPARES:
        return COMPARES[name]
    ordered = COMPARES[name[:-1]]
    return lambda a, b: ordered(a, b) | (a != a) | (b != b)


class Machine:
    """A few blocks of one launch, which run side by side."""

    def __init__(self, code, constants, memory, base, blocks, grid, threads):
        self.code, self.constants, self.base = code, constants, base
        self.memory, self.blocks, self.threads = memory, blocks, threads
        n = self.n = len(blocks) * threads
        self.R = np.zeros((256, n), U32)
        self.UR = np.zeros((64, n), U32)
        self.P = np.zeros((8, n), bool)
        self.UP = np.zeros((8, n), bool)
        self.P[7] = self.UP[7] = True
        self.block = np.repeat(np.arange(len(blocks)), threads)
        self.shared = np.full(len(blocks) * SHARED, 0xA5, np.uint8)
        self.local = np.zeros(n * LOCAL, np.uint8)
        ids = np.array(blocks)
        self.special = {
            "SR_TID.X": np.tile(np.arange(threads), len(blocks)),
            "SR_CTAID.X": np.repeat(ids[:, 0], threads), "SR_CTAID.Y": np.repeat(ids[:, 1], threads),
            "SR_CgaCtaId": np.zeros(n), "SR_SWINHI": np.full(n, WINDOW), "SR_LANEID": np.tile(np.arange(32), n // 32),
        }
        self.ran = np.zeros(len(code.at), np.int64)
        self.issued = np.zeros(len(code.at), np.int64)
        self.made = {}

    # ---- operands

    def put(self, to, value, mask):
        np.copyto(to, np.asarray(value).astype(to.dtype, copy=False), where=mask)

    def register(self, name, offset=0):
        """The lanes of a register, which may be written."""
        name = name.split(".")[0]
        uniform = name.startswith("U")
        if name in ("RZ", "URZ"):
            return np.zeros(self.n, U32)
        return (self.UR if uniform else self.R)[int(name.strip("UR")) + offset]

    def predicate(self, name):
        name = name.strip()
        negated = name.startswith("!")
        name = name.lstrip("!")
        bank = self.UP if name.startswith("U") else self.P
        row = 7 if name in ("PT", "UPT") else int(name.strip("UP"))
        return (lambda: ~bank[row]) if negated else (lambda: bank[row])

    def to_predicate(self, name):
        name = name.strip()
        if name in ("PT", "UPT"):
            return np.zeros(self.n, bool)
        return (self.UP if name.startswith("U") else self.P)[int(name.strip("UP"))]

    def constant(self, text, offset=0):
        bank, at = re.match(r"c\[(0x[0-9a-f]+)\]\[([^\]]*)\]", text).groups()
        data = self.constants[int(bank, 16)]
        parts = at.split("+")
        known = sum(int(part, 16) for part in parts if part.startswith(("0x", "-0x"))) + offset
        registers = [self.register(part) for part in parts if not part.startswith(("0x", "-0x"))]
        if not registers:
            word = U32(int.from_bytes(data[known:known + 4], "little"))
            return lambda: word
        words = np.frombuffer(bytes(data) + bytes(-len(data) % 4), U32)
        return lambda: words[(sum(r.astype(np.int64) for r in registers) + known).clip(0, len(data) - 4) >> 2]

    def raw(self, text, offset=0):
        """The 32 bits of an operand without its sign."""
        if text.startswith("c["):
            return self.constant(text, offset)
        if re.match(r"U?R(Z|\d+)", text):
            of = self.register(text, offset)
            if found := re.search(r"\.B([0-3])", text):
                shift = U32(8 * int(found[1]))
                return lambda: (of >> shift) & U32(255)
            if ".H1" in text:
                return lambda: of >> U32(16)
            return lambda: of
        value = int(text, 16) & 0xFFFFFFFFFFFFFFFF
        word = U32(value >> 32 if offset else value & 0xFFFFFFFF)
        return lambda: word

    def integer(self, text):
        text = text.strip()
        if text.startswith("-") and not text.startswith("-0x"):
            of = self.raw(text[1:])
            return lambda: U32(0) - of()
        if text.startswith("~"):
            of = self.raw(text[1:])
            return lambda: ~of()
        return self.raw(text)

    def wide(self, text):
        """64 bits of two registers, or of a constant."""
        text = text.strip()
        if text.startswith(("0x", "-0x")):
            value = U64(int(text, 16) & 0xFFFFFFFFFFFFFFFF)
            return lambda: value
        low, high = self.raw(text), self.raw(text, 4 if text.startswith("c[") else 1)
        return lambda: low().astype(U64) | (high().astype(U64) << U64(32))

    def carried(self, text):
        """An addend in 64 bits, whose complement carries."""
        text = text.strip()
        if text.startswith("-") and not text.startswith("-0x"):
            of = self.raw(text[1:])
            return lambda: (~of()).astype(U64) + U64(1)
        of = self.integer(text)
        return lambda: np.asarray(of()).astype(U64)

    def number(self, text, kind):
        """A floating-point operand."""
        text = text.strip()
        negative, text = text.startswith("-"), text.lstrip("-+")
        absolute, text = text.startswith("|"), text.strip("|")
        if re.match(r"(U?R(Z|\d))|c\[", text):
            if kind is F32:
                of = self.raw(text)
                value = lambda: f32(of())
            else:
                of = self.wide(text)
                value = lambda: np.asarray(of()).view(F64)
            if absolute:
                return lambda: -np.abs(value()) if negative else np.abs(value())
            return (lambda: -value()) if negative else value
        if "NAN" in text:
            known = kind(np.nan)
        elif "INF" in text:
            known = kind(np.inf)
        elif text.startswith("0x"):
            known = f32(U32(int(text, 16)))[()]
        else:
            known = kind(float(text))
        known = np.asarray(-known if negative else known, kind)
        return lambda: known

    def address(self, text):
        """Byte addresses of lanes; the second says whether they are 64 bits wide."""
        text = re.sub(r"^desc\[UR\d+\]", "", text.strip())
        parts, wide, known = [], False, 0
        for part in text.strip("[]").replace("+-", "-").replace("-", "+-").split("+"):
            if not part:
                continue
            if part.startswith(("0x", "-0x")):
                known += int(part, 16)
                continue
            name, _, kind = part.partition(".")
            if kind.startswith("64") or (wide and name.startswith("UR")):
                wide = True
                parts.append((self.wide(name), 0))
            else:
                shift = {"X4": 2, "X8": 3, "X16": 4}.get(kind, 0)
                of = self.raw(name)
                parts.append((lambda of=of: np.asarray(of()).astype(U64), shift))
        modulus = U64(0xFFFFFFFFFFFFFFFF if wide else 0xFFFFFFFF)
        known = U64(known & 0xFFFFFFFFFFFFFFFF)

        def at():
            total = np.full(self.n, known)
            for of, shift in parts:
                total = total + (of() << U64(shift))
            return (total & modulus).astype(np.int64)

        return at

    # ---- memory

    def span(self, space, at, size):
        """Where lanes' bytes lie: indices into an array. All must lie inside."""
        if space == "generic" and at.size:
            window = at >> 32
            if (window != window[0]).any() and np.isin(window, [WINDOW, OWN, GIVEN]).any():
                raise NotImplementedError("an access to two kinds of memory")
            space = {WINDOW: "shared", OWN: "local", GIVEN: "given"}.get(int(window[0]), "global")
        if space == "given":
            return np.frombuffer(bytes(self.constants[0]), np.uint8), 0x210 + (at & 0xFFFFFF)
        if space == "local":
            at = at & 0xFFFFFF
            if (at + size > LOCAL).any():
                raise IndexError(f"local memory at {int(at.max())}")
            lanes = np.arange(self.n)[self.lanes]
            return self.local, lanes * LOCAL + at
        if space == "shared":
            at = at & 0xFFFFFF
            if (at + size > SHARED).any():
                raise IndexError(f"shared memory at {int(at.max()):#x}")
            return self.shared, self.block[self.lanes] * SHARED + at
        at = at - self.base
        if (at < 0).any() or (at + size > self.memory.size).any():
            raise IndexError(f"memory at {int(at.min())}..{int(at.max())} of {self.memory.size}")
        return self.memory, at

    def load(self, space, mods, to, at):
        size = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}
        kind = next((mod for mod in mods if mod in size), "32")
        size = size.get(kind, 4)

        def run(mask):
            self.lanes = mask
            memory, places = self.span(space, at()[mask], size)
            if (places % size).any():
                raise IndexError("a load that is not aligned")
            if size < 4:
                words = memory.view({1: np.uint8, 2: np.uint16}[size])[places // size]
                if kind.startswith("S"):
                    words = words.view({1: np.int8, 2: np.int16}[size]).astype(I32).view(U32)
                self.register(to)[mask] = words
                return
            words = memory.view(U32)
            for k in range(size // 4):
                self.register(to, k)[mask] = words[places // 4 + k]

        return run

    def store(self, space, mods, at, of):
        size = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}
        size = next((size[mod] for mod in mods if mod in size), 4)

        def run(mask):
            self.lanes = mask
            memory, places = self.span(space, at()[mask], size)
            if (places % size).any():
                raise IndexError("a store that is not aligned")
            if size < 4:
                kind = {1: np.uint8, 2: np.uint16}[size]
                memory.view(kind)[places // size] = self.register(of)[mask].astype(kind)
                return
            for k in range(size // 4):
                memory.view(U32)[places // 4 + k] = self.register(of, k)[mask]

        return run

    # ---- running

    def run(self):
        n, threads = self.n, self.threads
        at = np.full(n, self.code.labels[self.code.entry])
        self.at, self.done, self.waits = at, np.zeros(n, bool), np.zeros(n, bool)
        while True:
            free = ~(self.done | self.waits)
            if not free.any():
                if self.done.all():
                    return
                alive = (~self.done).reshape(-1, threads)
                ready = (self.waits.reshape(-1, threads) | ~alive).all(axis=1)
                if not ready.any():
                    raise RuntimeError("a barrier that not all threads reach")
                self.waits &= ~np.repeat(ready, threads)
                continue
            places = np.where(free, at, 1 << 40)
            now = int(places.min())
            mask = places == now
            later = places[~mask]
            limit = int(later.min()) if later.size else 1 << 40
            lanes, warps = int(mask.sum()), int(mask.reshape(-1, 32).any(axis=1).sum())
            while now < limit:
                if now not in self.made:
                    self.made[now] = self.make(self.code.at[now])
                is_control, step = self.made[now]
                self.ran[now] += lanes
                self.issued[now] += warps
                now += 1
                if is_control:
                    at[mask] = now
                    step(mask, now)
                    break
                try:
                    step(mask)
                except IndexError as error:
                    raise IndexError(f"{self.code.at[now - 1]}, {self.code.lines[now - 1]}: {error}") from error
            else:
                at[mask] = now

    def make(self, text):
        """An instruction as a function of the lanes that run it."""
        guard, found = None, re.match(r"@(!?U?P[T\d]+)\s+(.*)", text)
        if found:
            guard, text = self.predicate(found[1]), found[2]
        name, _, rest = text.partition(" ")
        name, *mods = name.split(".")
        operands = [part.strip().replace(".reuse", "") for part in rest.split(",")] if rest.strip() else []
        if name in CONTROL:
            step = getattr(self, "control_" + name)(mods, operands)
            if guard:
                return True, lambda mask, now: step(mask & guard(), now)
            return True, step
        if name in SILENT:
            return False, lambda mask: None
        step = self.plain(name, mods, operands)
        if step is None:
            raise NotImplementedError(text)
        if guard:
            def guarded(mask):
                mask = mask & guard()
                if mask.any():
                    step(mask)
            return False, guarded
        return False, step

    # ---- control

    def control_BRA(self, mods, operands):
        target = self.code.labels[re.match(r"`\((.*)\)", operands[-1])[1]]
        also = [self.predicate(name) for name in operands[:-1]]

        def step(mask, now):
            for of in also:
                mask = mask & of()
            self.at[mask] = target

        return step

    def control_BRX(self, mods, operands):
        register, offset = re.match(r"(R\d+)\s+(-?0x[0-9a-f]+)", operands[0]).groups()
        of, offset = self.register(register), int(offset, 16)

        def step(mask, now):
            self.at[mask] = (of[mask].astype(np.int64) + offset + 16 * now) // 16

        return step

    def control_CALL(self, mods, operands):
        return self.control_BRA(mods, operands)

    def control_RET(self, mods, operands):
        register, label = re.match(r"(R\d+)\s+`\((.*)\)", operands[0]).groups()
        of, start = self.register(register), self.code.labels[label]

        def step(mask, now):
            self.at[mask] = start + of[mask].astype(np.int64) // 16

        return step

    def control_EXIT(self, mods, operands):
        def step(mask, now):
            self.done |= mask

        return step

    def control_BAR(self, mods, operands):
        def step(mask, now):
            self.waits |= mask

        return step

    # ---- everything else

    def plain(self, name, mods, operands):
        spaces = {"LDS": "shared", "STS": "shared", "LDL": "local", "STL": "local", "LDG": "global",
                  "STG": "global", "LD": "generic", "ST": "generic"}
        if name in spaces:
            if name.startswith("L"):
                return self.load(spaces[name], mods, operands[0], self.address(operands[1]))
            return self.store(spaces[name], mods, self.address(operands[0]), operands[1])
        if name in ("LDC", "ULDC"):
            return self.load_constant(mods, operands)
        # Uniform instructions are the others on uniform registers.
        for known in (name, name[1:] if name.startswith("U") else None):
            if known and (make := getattr(self, "do_" + known, None)):
                return make(mods, operands)
        return None

    def load_constant(self, mods, operands):
        to, count = operands[0], 2 if "64" in mods else 1
        words = [self.constant(operands[1], 4 * k) for k in range(count)]

        def step(mask):
            values = [word() for word in words]
            for k, value in enumerate(values):
                if "U16" in mods:
                    value = value & U32(0xFFFF)
                if "U8" in mods:
                    value = value & U32(0xFF)
                self.put(self.register(to, k), value, mask)

        return step

    def simple(self, to, value):
        to = self.register(to)
        return lambda mask: self.put(to, value(), mask)

    def pair(self, to, value):
        """Writes 64 bits."""
        low, high = self.register(to), self.register(to, 1)

        def step(mask):
            bits = np.asarray(value())
            bits = bits.view(U64) if bits.dtype == F64 else bits.astype(U64)
            self.put(low, bits & LOW, mask)
            self.put(high, bits >> U64(32), mask)

        return step

    def do_MOV(self, mods, operands):
        return self.simple(operands[0], self.integer(operands[1]))

    def do_S2R(self, mods, operands):
        value = self.special[operands[1]].astype(U32)
        return self.simple(operands[0], lambda: value)

    do_S2UR = do_S2R

    def do_R2UR(self, mods, operands):
        return self.simple(operands[-2], self.integer(operands[-1]))

    def do_CS2R(self, mods, operands):
        if operands[1] != "SRZ":
            return None
        if "32" in mods:
            return self.simple(operands[0], lambda: U32(0))
        return self.pair(operands[0], lambda: U64(0))

    def do_IADD3(self, mods, operands):
        is_extended = "X" in mods
        to, rest, carries = operands[0], operands[1:], []
        while re.match(r"U?P[T\d]$", rest[0]):
            carries.append(self.to_predicate(rest.pop(0)))
        addends = [self.carried(text) for text in rest[:3]]
        into = [self.predicate(text) for text in rest[3:]] if is_extended else []
        to = self.register(to)

        def step(mask):
            total = sum((of() for of in addends), U64(0))
            for of in into:
                total = total + of().astype(U64)
            total = np.broadcast_to(total, (self.n,))
            self.put(to, total & LOW, mask)
            for k, carry in enumerate(carries):
                self.put(carry, (total >> U64(32)) > k, mask)

        return step

    def do_VIADD(self, mods, operands):
        a, b = self.integer(operands[1]), self.integer(operands[2])
        return self.simple(operands[0], lambda: a() + b())

    def do_IADD(self, mods, operands):
        return self.do_VIADD(mods, operands)

    def do_IMAD(self, mods, operands):
        signed = "U32" not in mods
        to, rest, carry = operands[0], operands[1:], None
        if re.match(r"U?P[T\d]$", rest[0]):
            carry = self.to_predicate(rest.pop(0))
        a, b = self.integer(rest[0]), self.integer(rest[1])
        if "WIDE" in mods or "HI" in mods:
            c = self.wide(rest[2])
            if signed:
                product = lambda: (a().view(I32).astype(np.int64) * b().view(I32).astype(np.int64)).view(U64)
            else:
                product = lambda: a().astype(U64) * b().astype(U64)
            if "HI" in mods:
                return self.simple(to, lambda: (product() + c()) >> U64(32))
            if carry is None:
                return self.pair(to, lambda: product() + c())
            write = self.pair(to, lambda: product() + c())

            def step(mask):
                over = np.broadcast_to(product() + c() < product(), (self.n,))
                write(mask)
                self.put(carry, over, mask)

            return step
        c = self.integer(rest[2])
        if "X" in mods and len(rest) > 3:
            into = self.predicate(rest[3])
            return self.simple(to, lambda: a() * b() + c() + into().astype(U32))
        if carry is not None:
            return None
        return self.simple(to, lambda: a() * b() + c())

    def do_LEA(self, mods, operands):
        to, rest, carry = operands[0], operands[1:], None
        if re.match(r"U?P[T\d]$", rest[0]):
            carry = self.to_predicate(rest.pop(0))
        into = self.predicate(rest.pop()) if "X" in mods else None
        shift = U64(int(rest[-1], 16))
        a, b = self.integer(rest[0]), self.carried(rest[1])
        c = self.integer(rest[2]) if "HI" in mods and "SX32" not in mods else None
        to = self.register(to)

        def step(mask):
            low = np.asarray(a())
            if "HI" in mods:
                high = c() if c else (low.view(I32) >> I32(31)).view(U32)
                whole = low.astype(U64) | (np.asarray(high).astype(U64) << U64(32))
                part = (whole << shift) >> U64(32)
            else:
                part = (low.astype(U64) << shift) & LOW
            total = part + b()
            if into:
                total = total + into().astype(U64)
            total = np.broadcast_to(total, (self.n,))
            self.put(to, total & LOW, mask)
            if carry is not None:
                self.put(carry, total >> U64(32) > 0, mask)

        return step

    def do_LOP3(self, mods, operands):
        to_p = None
        if re.match(r"U?P[T\d]$", operands[0]):
            to_p, operands = self.to_predicate(operands[0]), operands[1:]
        to = self.register(operands[0])
        a, b, c = (self.integer(text) for text in operands[1:4])
        table, into = int(operands[4], 16), self.predicate(operands[5])

        def step(mask):
            x, y, z = a(), b(), c()
            value = U32(0)
            for k in range(8):
                if table >> k & 1:
                    value = value | ((x if k & 4 else ~x) & (y if k & 2 else ~y) & (z if k & 1 else ~z))
            value = np.broadcast_to(value, (self.n,))
            if to_p is not None:
                self.put(to_p, (value != 0) | into(), mask)
            self.put(to, value, mask)

        return step

    def do_PLOP3(self, mods, operands):
        first, second = self.to_predicate(operands[0]), self.to_predicate(operands[1])
        a, b, c = (self.predicate(text) for text in operands[2:5])
        tables = [int(text, 16) for text in operands[5:7]]

        def step(mask):
            index = (a().astype(int) << 2) | (b().astype(int) << 1) | c().astype(int)
            for to, table in zip((first, second), tables):
                self.put(to, (table >> index) & 1 == 1, mask)

        return step

    def do_SHF(self, mods, operands):
        a, by, c = (self.integer(text) for text in operands[1:4])
        is_left, is_wide, is_high = "L" in mods, "U64" in mods or "S64" in mods, "HI" in mods
        signed = "S32" in mods or "S64" in mods

        def value():
            most = 63 if is_wide else 32
            shift = np.asarray(by()).astype(U64)
            shift = shift & U64(63 if is_wide else 31) if "W" in mods else np.minimum(shift, U64(most))
            low, high = np.asarray(a()).astype(U64), np.asarray(c()).astype(U64) << U64(32)
            whole = low | high
            if is_left:
                whole = (whole << shift) if not is_high else whole << shift
            elif signed:
                whole = (whole.view(np.int64) >> shift.astype(np.int64)).view(U64)
            else:
                whole = whole >> shift
            return whole >> U64(32) if is_high else whole & LOW

        return self.simple(operands[0], value)

    def do_PRMT(self, mods, operands):
        if mods:
            return None
        a, select, c = (self.integer(text) for text in operands[1:4])

        def value():
            whole = np.asarray(a()).astype(U64) | (np.asarray(c()).astype(U64) << U64(32))
            total, chosen = U64(0), np.asarray(select()).astype(U64)
            for k in range(4):
                nibble = (chosen >> U64(4 * k)) & U64(15)
                byte = (whole >> ((nibble & U64(7)) * U64(8))) & U64(255)
                sign = np.where(byte >= 128, U64(255), U64(0))
                total = total | (np.where(nibble >= 8, sign, byte) << U64(8 * k))
            return total

        return self.simple(operands[0], value)

    def do_SEL(self, mods, operands):
        a, b, of = self.integer(operands[1]), self.integer(operands[2]), self.predicate(operands[3])
        return self.simple(operands[0], lambda: np.where(of(), a(), b()))

    def do_FSEL(self, mods, operands):
        a, b = (self.number(text, F32) for text in operands[1:3])
        of = self.predicate(operands[3])
        return self.simple(operands[0], lambda: np.where(of(), bits_of(a()), bits_of(b())))

    def do_ISETP(self, mods, operands):
        test, signed = COMPARES[mods[0]], "U32" not in mods
        first, second = self.to_predicate(operands[0]), self.to_predicate(operands[1])
        a, b, of = self.integer(operands[2]), self.integer(operands[3]), self.predicate(operands[4])
        low = self.predicate(operands[5]) if "EX" in mods else None
        join = np.logical_or if "OR" in mods else np.logical_and

        def step(mask):
            x, y = np.asarray(a()), np.asarray(b())
            if signed:
                x, y = x.view(I32), y.view(I32)
            holds = test(x, y)
            if low:
                strict = COMPARES[mods[0].replace("GE", "GT").replace("LE", "LT")](x, y)
                holds = strict & ~(x == y) | ((x == y) & low())
            also = of()
            holds = np.broadcast_to(holds, (self.n,))
            self.put(first, join(holds, also), mask)
            self.put(second, join(~holds, also), mask)

        return step

    def compares(self, mods, operands, kind):
        if mods[0] in ("MAX", "MIN"):
            return self.extremes(mods, operands, kind)
        test = compare(mods[0])
        first, second = self.to_predicate(operands[0]), self.to_predicate(operands[1])
        a, b = self.number(operands[2], kind), self.number(operands[3], kind)
        of, join = self.predicate(operands[4]), np.logical_or if "OR" in mods else np.logical_and

        def step(mask):
            holds, also = np.broadcast_to(test(a(), b()), (self.n,)), of()
            self.put(first, join(holds, also), mask)
            self.put(second, join(~holds, also), mask)

        return step

    def extremes(self, mods, operands, kind):
        """Whether the first of two numbers is the extreme, and whether neither is a number."""
        picked, none = self.to_predicate(operands[0]), self.to_predicate(operands[1])
        a, b = self.number(operands[2], kind), self.number(operands[3], kind)
        test = COMPARES["GT" if mods[0] == "MAX" else "LT"]

        def step(mask):
            x, y = np.broadcast_to(a(), (self.n,)), np.broadcast_to(b(), (self.n,))
            self.put(picked, test(x, y) | ((y != y) & (x == x)), mask)
            self.put(none, (x != x) & (y != y), mask)

        return step

    def do_FSETP(self, mods, operands):
        return self.compares(mods, operands, F32)

    def do_DSETP(self, mods, operands):
        return self.compares(mods, operands, F64)

    def do_FSET(self, mods, operands):
        if mods[0] != "BF":
            return None
        test, of = compare(mods[1]), self.predicate(operands[3])
        a, b = self.number(operands[1], F32), self.number(operands[2], F32)
        return self.simple(operands[0], lambda: np.where(test(a(), b()) & of(), U32(0x3F800000), U32(0)))

    def do_IMNMX(self, mods, operands):
        a, b, least = self.integer(operands[1]), self.integer(operands[2]), self.predicate(operands[3])
        kind = U32 if "U32" in mods else I32

        def value():
            x, y = np.asarray(a()).view(kind), np.asarray(b()).view(kind)
            return np.where(least(), np.minimum(x, y), np.maximum(x, y)).view(U32)

        return self.simple(operands[0], value)

    do_VIMNMX = do_IMNMX

    def do_VIADDMNMX(self, mods, operands):
        a, b, c = (self.integer(text) for text in operands[1:4])
        least, kind = self.predicate(operands[4]), U32 if "U32" in mods else I32

        def value():
            x, y = np.asarray(a() + b()).view(kind), np.asarray(c()).view(kind)
            return np.where(least(), np.minimum(x, y), np.maximum(x, y)).view(U32)

        return self.simple(operands[0], value)

    def do_IABS(self, mods, operands):
        a = self.integer(operands[1])
        return self.simple(operands[0], lambda: np.abs(np.asarray(a()).view(I32)).view(U32))

    def do_FMNMX(self, mods, operands):
        a, b, least = self.number(operands[1], F32), self.number(operands[2], F32), self.predicate(operands[3])
        return self.simple(operands[0], lambda: bits_of(np.where(least(), np.fmin(a(), b()), np.fmax(a(), b()))))

    def rounds(self, mods):
        return not any(mod in ("RM", "RP", "RZ") for mod in mods)

    def do_FADD(self, mods, operands):
        a, b = self.number(operands[1], F32), self.number(operands[2], F32)
        return self.simple(operands[0], lambda: bits_of(a() + b())) if self.rounds(mods) else None

    def do_FMUL(self, mods, operands):
        a, b = self.number(operands[1], F32), self.number(operands[2], F32)
        return self.simple(operands[0], lambda: bits_of(a() * b())) if self.rounds(mods) else None

    def do_FFMA(self, mods, operands):
        a, b, c = (self.number(text, F32) for text in operands[1:4])
        if not self.rounds(mods):
            return None
        return self.simple(operands[0], lambda: bits_of(fused(np.asarray(a()), np.asarray(b()), np.asarray(c()))))

    def do_DADD(self, mods, operands):
        a, b = self.number(operands[1], F64), self.number(operands[2], F64)
        return self.pair(operands[0], lambda: a() + b()) if self.rounds(mods) else None

    def do_DMUL(self, mods, operands):
        a, b = self.number(operands[1], F64), self.number(operands[2], F64)
        # The estimate of a quotient, which is refined, is rounded up by some.
        return self.pair(operands[0], lambda: a() * b())

    def do_DFMA(self, mods, operands):
        a, b, c = (self.number(text, F64) for text in operands[1:4])
        if not self.rounds(mods):
            return None
        return self.pair(operands[0], lambda: fused_f64(np.asarray(a()), np.asarray(b()), np.asarray(c())))

    def do_MUFU(self, mods, operands):
        if mods[0] == "RCP":
            a = self.number(operands[1], F32)
            return self.simple(operands[0], lambda: bits_of(F32(1) / a()))
        if mods[0] == "RSQ":
            a = self.number(operands[1], F32)
            return self.simple(operands[0], lambda: bits_of(F32(1) / np.sqrt(a())))
        if mods[0] in ("RCP64H", "RSQ64H"):
            of = self.raw(operands[1])

            def value():
                x = (np.asarray(of()).astype(U64) << U64(32)).view(F64)
                y = 1.0 / (x if mods[0] == "RCP64H" else np.sqrt(x))
                return np.asarray(y).view(U64) >> U64(32)

            return self.simple(operands[0], value)
        return None

    def do_FCHK(self, mods, operands):
        a, b = self.number(operands[1], F32), self.number(operands[2], F32)
        to = self.to_predicate(operands[0])

        def step(mask):
            x, y = np.abs(np.broadcast_to(a(), (self.n,))), np.abs(np.broadcast_to(b(), (self.n,)))
            safe = (x > 2.0**-60) & (x < 2.0**60) & (y > 2.0**-60) & (y < 2.0**60)
            self.put(to, ~safe, mask)

        return step

    def do_I2F(self, mods, operands):
        of = self.integer(operands[1])
        kinds = {"U32": U32, "U16": np.uint16, "S16": np.int16, "U8": np.uint8, "S8": np.int8}
        kind = next((kinds[mod] for mod in mods if mod in kinds), I32)
        if "S64" in mods or "U64" in mods:
            return None
        value = lambda: np.asarray(of()).astype(kind) if kind is not I32 else np.asarray(of()).view(I32)
        if "F64" in mods:
            return self.pair(operands[0], lambda: value().astype(F64))
        # What is rounded up is the estimate of a quotient, which is refined.
        return self.simple(operands[0], lambda: bits_of(value().astype(F32)))

    def do_I2FP(self, mods, operands):
        return self.do_I2F([mod for mod in mods if mod != "F32"], operands)

    def do_F2I(self, mods, operands):
        kind = F64 if "F64" in mods else F32
        a = self.number(operands[1], kind)
        rounding = np.trunc if "TRUNC" in mods else np.floor if "FLOOR" in mods else np.ceil if "CEIL" in mods else np.rint
        if "S64" in mods or "U64" in mods:
            return self.pair(operands[0], lambda: rounding(a()).astype(np.int64).view(U64))
        low, high = (0.0, 2.0**32 - 1) if "U32" in mods else (-2.0**31, 2.0**31 - 1)

        def value():
            x = rounding(np.asarray(a()).astype(F64)).clip(low, high)
            return np.where(x == x, x, 0.0).astype(np.int64).astype(U32)

        return self.simple(operands[0], value)

    def do_F2F(self, mods, operands):
        if mods[:2] == ["F64", "F32"]:
            a = self.number(operands[1], F32)
            return self.pair(operands[0], lambda: np.asarray(a()).astype(F64))
        if mods[:2] == ["F32", "F64"]:
            a = self.number(operands[1], F64)
            return self.simple(operands[0], lambda: bits_of(np.asarray(a()).astype(F32)))
        return None

    def do_F2FP(self, mods, operands):
        if "BF16" in mods or "PACK_AB" not in mods:
            return None
        high, low = (self.number(text, F32) for text in operands[1:3])
        half = lambda of: np.asarray(of()).astype(np.float16).view(np.uint16).astype(U32)
        return self.simple(operands[0], lambda: half(low) | (half(high) << U32(16)))

    def do_FRND(self, mods, operands):
        rounding = np.floor if "FLOOR" in mods else np.trunc if "TRUNC" in mods else np.ceil if "CEIL" in mods else np.rint
        if "F64" in mods:
            a = self.number(operands[1], F64)
            return self.pair(operands[0], lambda: rounding(a()))
        a = self.number(operands[1], F32)
        return self.simple(operands[0], lambda: bits_of(rounding(a())))

    def do_HFMA2(self, mods, operands):
        """Only as a constant: two halves, the high one first."""
        if [text.strip("-") for text in operands[1:3]] != ["RZ", "RZ"]:
            return None
        halves = [int(np.float16(float(text)).view(np.uint16)) for text in operands[3:5]]
        word = U32(halves[0] << 16 | halves[1])
        return self.simple(operands[0], lambda: word)

    def do_P2R(self, mods, operands):
        of, select = self.integer(operands[2]), U32(int(operands[3], 16))

        def value():
            packed = sum(self.P[k].astype(U32) << U32(k) for k in range(7))
            return (of() & ~select) | (packed & select)

        return self.simple(operands[0], value)

    def do_R2P(self, mods, operands):
        of, select = self.integer(operands[1]), int(operands[2], 16)

        def step(mask):
            for k in range(7):
                if select >> k & 1:
                    self.put(self.P[k], (of() >> U32(k)) & U32(1) == 1, mask)

        return step

    def do_POPC(self, mods, operands):
        of = self.integer(operands[1])
        return self.simple(operands[0], lambda: np.bitwise_count(np.asarray(of())))
