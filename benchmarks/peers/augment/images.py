"""The input: random bytes, for which no library takes a short cut, and how images are gone through."""

import functools
import time
from typing import NamedTuple

import numpy

# As much as a core's own caches hold: in training an image was just read or decoded.
BYTES = 1 << 20


class Task(NamedTuple):
    """What a library is to do."""

    case: str
    height: int
    width: int
    # Whether the colours of the image lie first.
    planes: bool
    # The type of the rows that whole chains end in.
    to: str

    def size(self):
        return (32, 32) if self.case == "cifar" else (self.height, self.width)


@functools.cache
def images(height, width):
    """Images of three colours, colours last."""
    count = min(max(BYTES // (3 * height * width), 2), 64)
    random = numpy.random.default_rng(0)
    return random.integers(0, 256, (count, height, width, 3), dtype=numpy.uint8)


def one_by_one(inputs, step):
    """A form: `step` on one image after the other. Its epochs return how many there were, and the
    last result.
    """
    position = 0

    def epoch(seconds):
        nonlocal position
        count = 0
        started = time.perf_counter()
        # A look at the clock for every eighth image costs small steps nothing.
        while time.perf_counter() - started < seconds:
            for _ in range(8):
                result = step(inputs[position])
                position = (position + 1) % len(inputs)
            count += 8
        return count, result

    return epoch


# Objects of an image whose boxes are known.
BOXES = 8


@functools.cache
def boxes(height, width):
    """The boxes of an image: left, top, right, bottom."""
    random = numpy.random.default_rng(1)
    corner = random.random((BOXES, 2)) * [width / 2, height / 2]
    return numpy.concatenate([corner, corner + [width / 4, height / 4]], 1).astype(numpy.float32)


@functools.cache
def mask(height, width):
    """The class of each pixel of an image."""
    random = numpy.random.default_rng(2)
    return random.integers(0, 21, (height, width), dtype=numpy.uint8)
