"""DALI on the CPU, with batches that are handed to it without a copy, two ahead, its default."""

import functools
import time

import nvidia.dali
from nvidia.dali import fn, types
from nvidia.dali.backend import TensorListCPU

from .images import images
from .with_torchvision import MEAN_255, STD_255

ROWS = 64


class Feed:
    """Hands batches to DALI until it is closed.

    Closing it ends DALI's epoch: work that was begun ahead is finished and counted while the clock
    runs, and DALI's threads are idle between two measurements.
    """

    def __init__(self, height, width):
        inputs = images(height, width)
        rows = min(ROWS, len(inputs))
        starts = range(0, len(inputs) - rows + 1, rows)
        self.batches = [TensorListCPU(inputs[at : at + rows], layout="HWC") for at in starts]
        self.rows = rows
        self.position = 0
        self.open = True

    def __call__(self):
        if not self.open:
            raise StopIteration
        self.position = (self.position + 1) % len(self.batches)
        return self.batches[self.position]


def uniform(low, high):
    return fn.random.uniform(range=(low, high))


def ending(to, image, **options):
    """Flip, normalise, cast and transposition are one fused operator, last."""
    dtype = {"u8": types.UINT8, "f16": types.FLOAT16, "f32": types.FLOAT}[to]
    if to != "u8":
        options |= {"mean": MEAN_255, "std": STD_255}
    return fn.crop_mirror_normalize(image, dtype=dtype, output_layout="CHW", **options)


def flip():
    return {"mirror": fn.random.coin_flip()}


def crop(side):
    places = {"crop_pos_x": uniform(0.0, 1.0), "crop_pos_y": uniform(0.0, 1.0)}
    return {"crop": (side, side), **places}


def jittered(image, strength=0.4, hue=36.0, dtype=types.UINT8):
    """One matrix for all four changes. To `f32` it is much faster, but does not clamp as torchvision's
    does; it competes anyway, because users of DALI may choose it.
    """
    factor = functools.partial(uniform, 1 - strength, 1 + strength)
    return fn.color_twist(
        image,
        brightness=factor(),
        contrast=factor(),
        saturation=factor(),
        hue=uniform(-hue, hue),
        dtype=dtype,
    )


def rotated(image, angle):
    return fn.rotate(image, angle=angle, keep_size=True, fill_value=0)


def resized(side):
    return lambda image: fn.resize(image, size=(side, side))


STEPS = {
    "hflip": lambda image: fn.flip(image, horizontal=1, vertical=0),
    "vflip": lambda image: fn.flip(image, horizontal=0, vertical=1),
    "crop_192": lambda image: fn.crop(image, crop=(192, 192)),
    "erase": lambda image: fn.erase(
        image, anchor=(50.0, 50.0), shape=(60.0, 60.0), axis_names="HW", fill_value=0.0
    ),
    "brightness": lambda image: fn.brightness(image, brightness=1.3),
    "contrast": lambda image: fn.contrast(image, contrast=1.3),
    "saturation": lambda image: fn.saturation(image, saturation=1.3),
    "hue": lambda image: fn.hue(image, hue=36.0),
    "grayscale": lambda image: fn.color_twist(image, saturation=0.0),
    "color_jitter": jittered,
    "blur_5": lambda image: fn.gaussian_blur(image, window_size=5, sigma=1.0),
    "blur_23": lambda image: fn.gaussian_blur(image, window_size=23, sigma=2.0),
    "noise": lambda image: fn.noise.gaussian(image, stddev=25.5),
    "salt_and_pepper": lambda image: fn.noise.salt_and_pepper(image, prob=0.035),
    "rotate_nearest": lambda image: fn.rotate(
        image, angle=30.0, keep_size=True, fill_value=0, interp_type=types.INTERP_NN
    ),
    "rotate_bilinear": lambda image: rotated(image, 30.0),
    "affine_bilinear": lambda image: fn.warp_affine(
        image, matrix=(0.88, 0.2, -10.0, -0.24, 0.88, 40.0), fill_value=0
    ),
    "nearest_224": lambda image: fn.resize(
        image, size=(224, 224), interp_type=types.INTERP_NN, antialias=False
    ),
    "resize_224": resized(224),
    "resize_256": resized(256),
    "resize_no_antialias_224": lambda image: fn.resize(image, size=(224, 224), antialias=False),
    "bicubic_224": lambda image: fn.resize(
        image, size=(224, 224), interp_type=types.INTERP_CUBIC
    ),
    "bicubic_320": lambda image: fn.resize(
        image, size=(320, 320), interp_type=types.INTERP_CUBIC
    ),
    "bicubic_no_antialias_320": lambda image: fn.resize(
        image, size=(320, 320), interp_type=types.INTERP_CUBIC, antialias=False
    ),
    "resized_crop": lambda image: fn.random_resized_crop(image, size=(224, 224)),
    "crop_flip": lambda image: fn.crop_mirror_normalize(
        image, dtype=types.UINT8, output_layout="HWC", **flip(), **crop(192)
    ),
}


def padded(image):
    return fn.paste(image, ratio=1.25, fill_value=0)


def resized_crop(side, **options):
    return lambda image: fn.random_resized_crop(image, size=(side, side), **options)


# What comes before the ending, and what the ending does.
RECIPES = {
    "to_row": (lambda image: image, dict),
    "crop_train": (lambda image: image, lambda: {**flip(), **crop(192)}),
    "cifar": (padded, lambda: {**flip(), **crop(32)}),
    "imagenet_train": (resized_crop(224), flip),
    "imagenet_eval": (
        lambda image: fn.resize(image, resize_shorter=256.0),
        lambda: {"crop": (224, 224)},
    ),
    "jitter_train": (lambda image: jittered(resized_crop(224)(image)), flip),
    "affine_train": (lambda image: jittered(rotated(image, uniform(-15.0, 15.0))), dict),
}

# Where a jitter may go to `f32` without its clamp.
UNCLAMPED = {
    "jitter_train": lambda image: jittered(resized_crop(224)(image), dtype=types.FLOAT),
    "affine_train": lambda image: jittered(
        rotated(image, uniform(-15.0, 15.0)), dtype=types.FLOAT
    ),
}


def forms(task):
    """The ways to do what a case names, or none."""
    if task.planes:
        return {}
    ways = {"": STEPS.get(task.case)}
    if task.case in RECIPES:
        first, last = RECIPES[task.case]
        firsts = {"": first}
        if task.case in UNCLAMPED and task.to != "u8":
            firsts[", unclamped f32 jitter"] = UNCLAMPED[task.case]
        ways = {way: chained(task.to, first, last) for way, first in firsts.items()}
    return {
        f"{executor} executor{way}": pipelined(step, *task.size(), executor == "dynamic")
        for executor in ("static", "dynamic")
        for way, step in ways.items()
        if step is not None
    }


def chained(to, first, last):
    return lambda image: ending(to, first(image), **last())


def pipelined(step, height, width, exec_dynamic):
    feed = Feed(height, width)
    pipeline = nvidia.dali.Pipeline(
        batch_size=feed.rows,
        num_threads=1,
        device_id=None,
        seed=1,
        prefetch_queue_depth=2,
        exec_dynamic=exec_dynamic,
    )
    with pipeline:
        source = fn.external_source(
            source=feed, batch=True, no_copy=True, layout="HWC", dtype=types.UINT8
        )
        pipeline.set_outputs(step(source))
    pipeline.build()

    def epoch(seconds):
        feed.open = True
        count = 0
        rows = None
        started = time.perf_counter()
        while True:
            feed.open = time.perf_counter() - started < seconds
            try:
                (rows,) = pipeline.run()
            except StopIteration:
                pipeline.reset()
                return count, rows
            count += len(rows)

    return epoch
