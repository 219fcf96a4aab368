"""A chain of steps, read from the text that `bench-loader` writes: each step in full, with every
argument. What a library makes of it is in `torch_chain.py`, `opencv_chain.py`,
`albumentations_chain.py` and `dali_chain.py`. Each has a table `STEPS` from the name of a step to the
function that makes its counterpart.
"""

import copy
import re

TOKEN = re.compile(
    r"\s*(?:(?P<number>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<mark>\.\.|[()\[\],=]))"
)


class NoCounterpart(Exception):
    """A library has nothing that does the same as a step."""


class Step:
    """A step: numbers, (low, high), lists, words or chains without a name, then those with one."""

    def __init__(self, name, args, options):
        self.name = name
        self.args = args
        self.options = options

    def size(self):
        """Height and width from one number or two."""
        return [self.args[0], self.args[-1]]

    def range(self, at):
        """An argument by number or name, as the lowest and the highest value."""
        value = self.args[at] if isinstance(at, int) else self.options[at]
        return value if isinstance(value, tuple) else (value, value)

    def levels(self, name):
        """A value or a list of values that count from 0 to 1, as levels from 0 to 255."""
        value = self.options[name]
        if isinstance(value, str):
            raise NoCounterpart(f"{self.name}({name}={value})")
        return [255 * x for x in value] if isinstance(value, list) else 255 * value


class Chain:
    """Steps on pixels, and what is delivered after them: `dtype` u8, f16 or f32, `shape`, in planes or
    not, and normalised by the mean and the deviation `normalization`, unless it is `None`.
    """

    def __init__(self, augment, fields):
        self.field = [field["name"] for field in fields].index(augment["field"])
        self.planes = augment["layout"] == "chw"
        self.channels = augment["channels"]
        self.dtype = augment["dtype"]
        self.shape = augment["shape"]
        self.to_planes = augment["to_planes"]
        self.normalization = None
        self.steps = []
        for step in Parser(augment["chain"]).steps():
            if step.name == "normalize":
                per_channel = [x if isinstance(x, list) else [x] for x in step.args]
                self.normalization = [x * self.channels if len(x) == 1 else x for x in per_channel]
            elif step.name not in ("to_dtype", "to_layout"):
                self.steps.append(step)

    def without_steps(self):
        """What is delivered, of pixels that other code has augmented."""
        end = copy.copy(self)
        end.steps = []
        return end

    def counterparts(self, table):
        return counterparts(table, self.steps)

    def needs_colours(self):
        """Refuses images that are not of three colours."""
        if self.channels != 3:
            raise NoCounterpart(f"images of {self.channels} channels, which are done with torch alone")

    def scale_and_offset(self):
        """For each channel, the factor and the summand that make what is delivered of bytes."""
        if self.dtype == "u8":
            return [1.0] * self.channels, [0.0] * self.channels
        mean, deviation = self.normalization or ([0.0] * self.channels, [1.0] * self.channels)
        scale = [1 / (255 * x) for x in deviation]
        return scale, [-m / x for m, x in zip(mean, deviation)]


def counterparts(table, steps):
    """What `table` has for each step.

    Raises `NoCounterpart` with the name of the first step that is not there.
    """
    missing = [step.name for step in steps if step.name not in table]
    if missing:
        raise NoCounterpart(missing[0])
    return [table[step.name](step) for step in steps]


class Parser:
    def __init__(self, text):
        self.tokens = []
        at = 0
        while text[at:].strip():
            match = TOKEN.match(text, at)
            if not match:
                raise ValueError(f"no token at {text[at:]!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self.tokens.append(("end", ""))
        self.at = 0

    def peek(self, ahead=0):
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def next(self):
        token = self.peek()
        self.at += 1
        return token

    def eat(self, mark):
        found = self.peek() == ("mark", mark)
        self.at += found
        return found

    def steps(self):
        steps = []
        while self.peek()[0] == "word":
            name = self.next()[1]
            args, options = [], {}
            if self.eat("("):
                while not self.eat(")"):
                    if self.peek()[0] == "word" and self.peek(1) == ("mark", "="):
                        key, _ = self.next()[1], self.next()
                        options[key] = self.value()
                    else:
                        args.append(self.value())
                    self.eat(",")
            steps.append(Step(name, args, options))
        return steps

    def number(self):
        text = self.next()[1]
        return int(text) if text.lstrip("+-").isdigit() else float(text)

    def value(self):
        kind, text = self.peek()
        if text in (",", ")"):
            return []
        if kind == "word":
            # A word stands alone, unless it can only be the name of a step.
            if self.peek(1) in (("mark", ","), ("mark", ")")) and text in WORDS:
                return self.next()[1]
            return self.steps()
        if self.eat("["):
            numbers = []
            while not self.eat("]"):
                numbers.append(float(self.number()))
                self.eat(",")
            return numbers
        if kind != "number":
            raise ValueError(f"found {text!r}, expected a value")
        low = self.number()
        return (float(low), float(self.number())) if self.eat("..") else low


# Values that are words; any other word is the name of a step.
WORDS = {
    *("true", "false", "none", "noise"),
    *("nearest", "bilinear", "bicubic"),
    *("constant", "edge", "reflect", "symmetric", "wrap"),
    *("u8", "f16", "f32", "bf16", "chw", "hwc", "hw"),
}
