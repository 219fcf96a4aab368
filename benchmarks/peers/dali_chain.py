"""A chain with DALI's operators for the CPU. Not here are steps that it does in another way: its hue
turns in another space of colours.

Functions are made before the pipeline, and called in it, by `pipeline_def(enable_conditionals=True)`,
which also turns their `if` on a node of the graph into one for each sample.
"""

import math

import numpy as np
import nvidia.dali.math as graph
from nvidia.dali import fn, types
from nvidia.dali.auto_aug import rand_augment as policy_rand
from nvidia.dali.auto_aug import trivial_augment as policy_trivial

from chains import NoCounterpart, counterparts

INTERPOLATIONS = {
    "nearest": types.INTERP_NN,
    "bilinear": types.INTERP_LINEAR,
    "bicubic": types.INTERP_CUBIC,
}
DTYPES = {"u8": types.UINT8, "f16": types.FLOAT16, "f32": types.FLOAT}


def operator(function, **options):
    return lambda image: function(image, **options)


def uniform(low, high):
    """A number for each sample, or the number itself where there is no choice."""
    return low if low == high else fn.random.uniform(range=(float(low), float(high)))


def at_random(function, probability):
    def maybe(image):
        coin = fn.random.coin_flip(probability=probability, dtype=types.BOOL)
        if coin:
            changed = function(image)
        else:
            changed = image
        return changed

    return maybe


def height_and_width(image):
    return fn.cast(fn.slice(image.shape(), 0, 2, axes=[0]), dtype=types.FLOAT)


# --- crops and sizes -----------------------------------------------------------------------------


def resizing(step):
    return {
        "interp_type": INTERPOLATIONS[step.options["interpolation"]],
        "antialias": step.options["antialias"] == "true",
    }


def random_resized_crop(step):
    return operator(
        fn.random_resized_crop,
        size=step.size(),
        random_area=step.range("scale"),
        random_aspect_ratio=step.range("ratio"),
        **resizing(step),
    )


def crop_of(step):
    """The options of a crop at a random place, or in the middle."""
    places = {}
    if step.name == "random_crop":
        places = {"crop_pos_x": uniform(0.0, 1.0), "crop_pos_y": uniform(0.0, 1.0)}
    return {"crop": step.size(), **places}


def cropping(step):
    return lambda image: fn.crop(image, **crop_of(step))


def crop(step):
    top, left, height, width = step.args
    return operator(fn.slice, start=(top, left), shape=(height, width), axis_names="HW")


def resize(step):
    options = resizing(step)
    if len(step.args) == 2:
        return operator(fn.resize, size=step.args, **options)
    if "max" in step.options:
        raise NoCounterpart("resize(max)")
    short = float(step.args[0])

    def by_short_side(image):
        """Lengths are cut to whole pixels, while `resize_shorter` rounds them."""
        size = height_and_width(image)
        least = graph.min(size[0], size[1])
        return fn.resize(image, size=graph.floor(size * short / least + 0.001), **options)

    return by_short_side


def resized_crop(step):
    top, left, height, width, *size = step.args
    part = {"roi_start": (top, left), "roi_end": (top + height, left + width)}
    return operator(fn.resize, size=size, **part, **resizing(step))


def pad(step):
    if step.options["mode"] != "constant":
        raise NoCounterpart(f"pad(mode={step.options['mode']})")
    left, top, right, bottom = step.args
    fill = {"out_of_bounds_policy": "pad", "fill_values": colour(step.levels("fill"))}

    def padded(image):
        size = height_and_width(image)
        size = fn.stack(size[0] + float(top + bottom), size[1] + float(left + right))
        size = fn.cast(size, dtype=types.INT32)
        return fn.slice(image, start=(-top, -left), shape=size, axis_names="HW", **fill)

    return padded


def colour(levels):
    return levels if isinstance(levels, list) else [levels] * 3


# --- geometry ------------------------------------------------------------------------------------


def flip(horizontal, vertical):
    return operator(fn.flip, horizontal=horizontal, vertical=vertical)


def random_flip(axis):
    def made(step):
        def flipped(image):
            coin = fn.random.coin_flip(probability=step.args[0])
            other = "vertical" if axis == "horizontal" else "horizontal"
            return fn.flip(image, **{axis: coin, other: 0})

        return flipped

    return made


def warping(step):
    fill = 0 if step.options["fill"] == "none" else step.levels("fill")
    if isinstance(fill, list):
        raise NoCounterpart(f"{step.name}(fill of a colour)")
    return {"interp_type": INTERPOLATIONS[step.options["interpolation"]], "fill_value": fill}


def rotation(step):
    low, high = step.range(0)
    options = {"keep_size": True, **warping(step)}
    return lambda image: fn.rotate(image, angle=uniform(low, high), **options)


def stretched(image, angle, move, scale, shear, options):
    """Turns clockwise, shears, scales and moves about the middle."""
    size = height_and_width(image)
    middle = fn.stack(size[1], size[0]) / 2.0
    matrix = fn.transforms.rotation(angle=angle, center=middle)
    matrix = fn.transforms.shear(matrix, angles=shear, center=middle)
    matrix = fn.transforms.scale(matrix, scale=scale, center=middle)
    matrix = fn.transforms.translation(matrix, offset=move)
    return fn.warp_affine(image, matrix=matrix, inverse_map=False, **options)


def affine(step):
    angle, across, down, scale, *shear = step.args
    options = warping(step)
    move, scales = (float(across), float(down)), (float(scale), float(scale))
    shear = [float(-x) for x in shear]
    return lambda image: stretched(image, float(angle), move, scales, shear, options)


def random_affine(step):
    low, high = step.range(0)
    share, shear = step.options["translate"], step.options["shear"]
    least, most = step.range("scale")
    options = warping(step)

    def warped(image):
        size = height_and_width(image)
        move = fn.stack(
            fn.random.uniform(range=(-1.0, 1.0)) * share[0] * size[1],
            fn.random.uniform(range=(-1.0, 1.0)) * share[1] * size[0],
        )
        if least < most:
            factor = fn.random.uniform(range=(least, most))
            scales = fn.stack(factor, factor)
        else:
            scales = (most, most)
        place = fn.random.uniform(range=(0.0, 1.0), shape=(2,))
        shears = fn.stack(
            place[0] * (shear[0] - shear[1]) - shear[0], place[1] * (shear[2] - shear[3]) - shear[2]
        )
        return stretched(image, uniform(low, high), move, scales, shears, options)

    return warped


# --- values --------------------------------------------------------------------------------------


def table(function):
    """A step on single values."""
    levels = [min(max(round(function(x)), 0), 255) for x in range(256)]
    keys = list(range(256))
    return operator(fn.lookup_table, keys=keys, values=levels, dtype=types.UINT8)


def invert(_):
    return table(lambda x: 255 - x)


def solarize(step):
    return table(lambda x: 255 - x if x >= 255 * step.args[0] else x)


def posterize(step):
    width = 2 ** (8 - step.args[0])
    return table(lambda x: x // width * width)


def gamma(step):
    power, gain = step.args
    return table(lambda x: 255 * gain * (x / 255) ** power)


def brightness(step):
    low, high = step.range(0)
    return lambda image: fn.brightness(image, brightness=uniform(low, high))


def contrast(step):
    low, high = step.range(0)

    def changed(image):
        luma = fn.color_space_conversion(image, image_type=types.RGB, output_type=types.GRAY)
        mean = fn.reductions.mean(luma)
        return fn.contrast(image, contrast=uniform(low, high), contrast_center=mean)

    return changed


def saturation(step):
    low, high = step.range(0)
    return lambda image: fn.saturation(image, saturation=uniform(low, high))


def gray(step):
    """With probability 1, unless the step has another one."""
    probability = step.args[0] if step.args else 1.0

    def grayed(image):
        colours = fn.random.coin_flip(probability=1 - probability)
        return fn.color_twist(image, saturation=fn.cast(colours, dtype=types.FLOAT))

    return grayed


def color_jitter(step):
    """One matrix, in a fixed order, with the contrast about the middle of the range."""
    *factors, hue = [*step.args, 0, 0, 0][:4]
    factors = [x if isinstance(x, tuple) else (max(0, 1 - x), 1 + x) for x in factors]
    low, high = hue if isinstance(hue, tuple) else (-hue, hue)

    def jittered(image):
        brightness, contrast, saturation = (uniform(*factor) for factor in factors)
        return fn.color_twist(
            image,
            brightness=brightness,
            contrast=contrast,
            saturation=saturation,
            hue=uniform(360 * low, 360 * high),
        )

    return jittered


def autocontrast(image):
    low = fn.reductions.min(image, axis_names="HW", keep_dims=True)
    high = fn.reductions.max(image, axis_names="HW", keep_dims=True)
    span = graph.max(fn.cast(high, dtype=types.FLOAT) - low, 1.0)
    return fn.cast(fn.cast(image - low, dtype=types.FLOAT) * (255.0 / span), dtype=types.UINT8)


def sharpness(step):
    factor = step.args[0]
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) * ((1 - factor) / 13)
    kernel[1, 1] += factor

    def sharpened(image):
        return fn.filter(image, types.Constant(kernel, device="cpu"), dtype=types.UINT8)

    return sharpened


def gaussian_blur(step):
    low, high = step.range(1)
    size = step.args[0]
    return lambda image: fn.gaussian_blur(image, window_size=size, sigma=uniform(low, high))


def gaussian_noise(step):
    sigma, mean, _ = step.args
    return operator(fn.noise.gaussian, mean=255.0 * mean, stddev=255.0 * sigma)


def salt_and_pepper(step):
    amount, salt = step.range(0), step.range(1)
    return lambda image: fn.noise.salt_and_pepper(
        image, prob=uniform(*amount), salt_vs_pepper=uniform(*salt)
    )


def erase(step):
    top, left, height, width = (float(x) for x in step.args)
    place = {"anchor": (top, left), "shape": (height, width), "axis_names": "HW"}
    return operator(fn.erase, **place, fill_value=colour(step.levels("value")))


def random_erasing(step):
    """One try: a rectangle that is too long is cut to the image."""
    fill = colour(step.levels("value"))
    low, high = step.range("scale")
    ratios = [math.log(x) for x in step.range("ratio")]

    def erased(image):
        size = height_and_width(image)
        share = fn.random.uniform(range=(low, high))
        shape = graph.exp(fn.random.uniform(range=ratios)) * size[1] / size[0]
        height, width = graph.sqrt(share * shape), graph.sqrt(share / shape)
        sides = fn.stack(graph.min(height, 1.0), graph.min(width, 1.0))
        place = fn.random.uniform(range=(0.0, 1.0), shape=(2,)) * (1.0 - sides)
        return fn.erase(
            image,
            anchor=place,
            shape=sides,
            normalized_anchor=True,
            normalized_shape=True,
            axis_names="HW",
            fill_value=fill,
        )

    return at_random(erased, step.args[0])


# --- chains inside steps, and policies -----------------------------------------------------------


def random_apply(step):
    steps = counterparts(STEPS, step.args[1])

    def all_of_them(image):
        for one in steps:
            image = one(image)
        return image

    return at_random(all_of_them, step.args[0])


def randomly(made, at=0):
    """A step as `made` makes it, with the probability that is its argument `at`."""
    return lambda step: at_random(made(step), step.args[at])


def strengths(step):
    options = warping(step)
    return {"num_magnitude_bins": step.options["bins"], **options}


def rand_augment(step):
    n, m = step.options["ops"], step.options["magnitude"]
    # As far as torchvision's translations go.
    options = {"max_translate_rel": 150 / 331, **strengths(step)}
    return lambda image: policy_rand.rand_augment(
        image, n=n, m=m, shape=height_and_width(image), **options
    )


def trivial_augment(step):
    options = {"max_translate_abs": 32, **strengths(step)}
    return lambda image: policy_trivial.trivial_augment_wide(image, **options)


STEPS = {
    "random_resized_crop": random_resized_crop,
    "random_crop": cropping,
    "center_crop": cropping,
    "crop": crop,
    "resize": resize,
    "resized_crop": resized_crop,
    "hflip": lambda step: flip(1, 0),
    "vflip": lambda step: flip(0, 1),
    "random_hflip": random_flip("horizontal"),
    "random_vflip": random_flip("vertical"),
    "pad": pad,
    "rotate": rotation,
    "random_rotation": rotation,
    "affine": affine,
    "random_affine": random_affine,
    "grayscale": gray,
    "random_grayscale": gray,
    "invert": invert,
    "random_invert": randomly(invert),
    "posterize": posterize,
    "random_posterize": randomly(posterize, 1),
    "solarize": solarize,
    "random_solarize": randomly(solarize, 1),
    "autocontrast": lambda step: autocontrast,
    "random_autocontrast": randomly(lambda step: autocontrast),
    "equalize": lambda step: fn.equalize,
    "random_equalize": randomly(lambda step: fn.equalize),
    "adjust_sharpness": sharpness,
    "random_sharpness": randomly(sharpness, 1),
    "adjust_gamma": gamma,
    "adjust_brightness": brightness,
    "random_brightness": brightness,
    "adjust_contrast": contrast,
    "random_contrast": contrast,
    "adjust_saturation": saturation,
    "random_saturation": saturation,
    "color_jitter": color_jitter,
    "gaussian_blur": gaussian_blur,
    "gaussian_noise": gaussian_noise,
    "salt_and_pepper": salt_and_pepper,
    "erase": erase,
    "random_erasing": random_erasing,
    "random_apply": random_apply,
    "rand_augment": rand_augment,
    "trivial_augment_wide": trivial_augment,
}

FLIPS = {"hflip", "random_hflip"}
CROPS = {"random_crop", "center_crop"}

# Steps that treat all pixels alike, wherever they are: a flip may also come after them.
EVERYWHERE = {
    *("grayscale", "random_grayscale", "invert", "random_invert", "posterize", "random_posterize"),
    *("solarize", "random_solarize", "adjust_gamma", "adjust_brightness", "random_brightness"),
    *("adjust_contrast", "random_contrast", "adjust_saturation", "random_saturation"),
    *("color_jitter", "gaussian_noise", "salt_and_pepper"),
}

# Steps that work on planes too; for any other, planes are transposed.
ON_PLANES = {
    *("crop", "resize", "vflip", "random_vflip", "invert", "posterize", "solarize"),
    *FLIPS,
    *CROPS,
}


def at_end(steps, kinds, beside):
    """The last step of these kinds, if all behind it may as well come before it."""
    for at in range(len(steps) - 1, -1, -1):
        if steps[at].name in kinds:
            return at
        if steps[at].name not in beside:
            break
    return None


def of_graph(chain, given_planes):
    """From a node of bytes, in planes or not, to one of what is delivered.

    A flip and a crop that may come last are one operator with the normalisation and the cast.
    """
    if chain.channels != 3 and not all(step.name in ON_PLANES for step in chain.steps):
        chain.needs_colours()
    steps = list(chain.steps)
    flip_at = at_end(steps, FLIPS, EVERYWHERE | CROPS)
    the_flip = None if flip_at is None else steps.pop(flip_at)
    crop_at = at_end(steps, CROPS, set())
    the_crop = None if crop_at is None else steps.pop(crop_at)
    transposed = given_planes and not all(step.name in ON_PLANES for step in steps)
    from_planes = given_planes and not transposed
    made = counterparts(STEPS, steps)
    mean, deviation = chain.normalization or ([0.0], [1.0])
    end = {"dtype": DTYPES[chain.dtype], "output_layout": "CHW" if chain.to_planes else "HWC"}
    if chain.dtype != "u8":
        end |= {"mean": [255 * x for x in mean], "std": [255 * x for x in deviation]}
    moves = the_flip or the_crop or from_planes != chain.to_planes
    nothing = chain.dtype == "u8" and not moves

    def run(image):
        if transposed:
            image = fn.transpose(image, perm=[1, 2, 0], transpose_layout=True)
        for step in made:
            image = step(image)
        if nothing:
            return image
        last = crop_of(the_crop) if the_crop else {}
        if the_flip:
            share = the_flip.args[0] if the_flip.args else 1.0
            last["mirror"] = fn.random.coin_flip(probability=share)
        return fn.crop_mirror_normalize(image, **end, **last)

    return run
