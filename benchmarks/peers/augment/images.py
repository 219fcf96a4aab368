"""The input: random bytes, for which no library takes a short cut, and how images are gone through."""

import functools
import time

import numpy

# As much as a core's own caches hold: in training an image was just read or decoded.
BYTES = 1 << 20


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
