"""A chain with OpenCV alone, as one would write each step by hand, on bytes with colours last.

Tables are used where a table does. Numbers are drawn from `random`, which torch's worker processes
seed differently each.
"""

import math
import random

import cv2
import numpy as np

from chains import NoCounterpart, counterparts

LEVELS = np.arange(256.0)

RESIZED = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
}
WARPED = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
}
BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "edge": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
    "wrap": cv2.BORDER_WRAP,
}


def fixed(function, *args):
    return lambda image: function(image, *args)


def drawn(function, low, high):
    """A step with a parameter that is uniform in a range."""
    return lambda image: function(image, random.uniform(low, high))


def at_random(function, probability):
    return lambda image: function(image) if random.random() < probability else image


# --- crops and sizes -----------------------------------------------------------------------------


def resizing(step):
    """Areas are averaged where an image shrinks: OpenCV has no filter that widens."""
    smooth = step.options["interpolation"] != "nearest" and step.options["antialias"] == "true"
    flags = RESIZED[step.options["interpolation"]]

    def resized(image, height, width):
        shrinks = height < image.shape[0] or width < image.shape[1]
        how = cv2.INTER_AREA if smooth and shrinks else flags
        return cv2.resize(image, (width, height), interpolation=how)

    return resized


def part(image, top, left, height, width):
    return image[top : top + height, left : left + width]


def random_part(height, width, scale, ratio):
    """The part of a random resized crop: top, left, height, width."""
    area = height * width
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(10):
        size, shape = area * random.uniform(*scale), math.exp(random.uniform(low, high))
        across, down = round((size * shape) ** 0.5), round((size / shape) ** 0.5)
        if 0 < across <= width and 0 < down <= height:
            top, left = random.randint(0, height - down), random.randint(0, width - across)
            return top, left, down, across
    across = min(width, round(height * ratio[1]))
    down = min(height, round(width / ratio[0]))
    return (height - down) // 2, (width - across) // 2, down, across


def random_resized_crop(step):
    resized, size = resizing(step), step.size()
    scale, ratio = step.range("scale"), step.range("ratio")
    return lambda image: resized(
        part(image, *random_part(*image.shape[:2], scale, ratio)), *size
    )


def cropping(step):
    """Crops whose place depends on how much is left over."""
    is_random = step.name == "random_crop"
    height, width = step.size()

    def cropped(image):
        down, across = image.shape[0] - height, image.shape[1] - width
        if down < 0 or across < 0:
            above, left = max(0, -down), max(0, -across)
            sides = above // 2, above - above // 2, left // 2, left - left // 2
            image = cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT, value=0)
            down, across = max(0, down), max(0, across)
        if is_random:
            return part(image, random.randint(0, down), random.randint(0, across), height, width)
        return part(image, down // 2, across // 2, height, width)

    return cropped


def resize(step):
    resized = resizing(step)
    if len(step.args) == 2:
        return lambda image: resized(image, *step.args)
    if "max" in step.options:
        raise NoCounterpart("resize(max)")
    short = step.args[0]

    def by_short_side(image):
        height, width = image.shape[:2]
        least = min(height, width)
        return resized(image, height * short // least, width * short // least)

    return by_short_side


def resized_crop(step):
    resized = resizing(step)
    *box, height, width = step.args
    return lambda image: resized(part(image, *box), height, width)


# --- geometry ------------------------------------------------------------------------------------


def rot90(step):
    if step.options["plane"] != "hw":
        raise NoCounterpart("rot90 of a volume")
    turns = {
        1: cv2.ROTATE_90_COUNTERCLOCKWISE,
        2: cv2.ROTATE_180,
        3: cv2.ROTATE_90_CLOCKWISE,
    }
    quarters = step.args[0] % 4
    return fixed(cv2.rotate, turns[quarters]) if quarters else lambda image: image


def colour(levels):
    return levels if isinstance(levels, list) else [levels] * 3


def pad(step):
    left, top, right, bottom = step.args
    border, fill = BORDERS[step.options["mode"]], colour(step.levels("fill"))
    return lambda image: cv2.copyMakeBorder(image, top, bottom, left, right, border, value=fill)


def warping(step):
    """What stretches an image by a matrix: of two rows, or of three for a perspective."""
    flags = WARPED[step.options["interpolation"]]
    fill = colour(0 if step.options["fill"] == "none" else step.levels("fill"))

    def warped(image, matrix):
        warp = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
        size = image.shape[1::-1]
        return warp(
            image, matrix, size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
        )

    return warped


def affine_matrix(image, angle, across, down, scale, shear_x, shear_y):
    """Turns clockwise, shears, scales and moves about the middle, as the catalogue defines it."""
    a, x, y = (math.radians(degrees) for degrees in (angle, shear_x, shear_y))
    turn = np.array(
        [
            [
                math.cos(a - y) / math.cos(y),
                -math.cos(a - y) * math.tan(x) / math.cos(y) - math.sin(a),
            ],
            [
                math.sin(a - y) / math.cos(y),
                -math.sin(a - y) * math.tan(x) / math.cos(y) + math.cos(a),
            ],
        ]
    )
    middle = (np.array(image.shape[1::-1]) - 1) / 2
    moved = middle + [across, down] - scale * turn @ middle
    return np.column_stack([scale * turn, moved])


def rotation(step):
    warped, (low, high) = warping(step), step.range(0)

    def rotated(image):
        angle = random.uniform(low, high)
        return warped(image, affine_matrix(image, -angle, 0, 0, 1, 0, 0))

    return rotated


def affine(step):
    warped = warping(step)
    numbers = [*step.args, 0, 0, 0, 0][:6]
    return lambda image: warped(image, affine_matrix(image, *numbers))


def random_affine(step):
    warped, degrees = warping(step), step.range(0)
    share, scale, shear = step.options["translate"], step.range("scale"), step.options["shear"]

    def stretched(image):
        sizes = image.shape[1::-1]
        move = [round(random.uniform(-s * n, s * n)) for s, n in zip(share, sizes)]
        shears = random.uniform(*shear[:2]), random.uniform(*shear[2:])
        angle, factor = random.uniform(*degrees), random.uniform(*scale)
        return warped(image, affine_matrix(image, angle, *move, factor, *shears))

    return stretched


def corners(image):
    height, width = image.shape[:2]
    return np.float32([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])


def perspective(step):
    warped, to = warping(step), np.float32(step.args).reshape(4, 2)
    return lambda image: warped(image, cv2.getPerspectiveTransform(corners(image), to))


def random_perspective(step):
    warped, distortion = warping(step), step.args[0]

    def moved(image):
        start = corners(image)
        height, width = image.shape[:2]
        most = int(distortion * (width // 2)), int(distortion * (height // 2))
        inwards = np.float32([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        by = np.float32([[random.randint(0, n) for n in most] for _ in start])
        return warped(image, cv2.getPerspectiveTransform(start, start + inwards * by))

    return at_random(moved, step.options["p"])


def elastic(step):
    alpha, sigma = step.args[0], step.options["sigma"]
    flags, fill = WARPED[step.options["interpolation"]], colour(step.levels("fill"))
    kernel = 2 * (int(8 * sigma + 1) // 2) + 1

    def moved(image):
        height, width = image.shape[:2]
        places = []
        for place in np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height)):
            field = np.empty((height, width), np.float32)
            cv2.randu(field, -1, 1)
            field = cv2.GaussianBlur(field, (kernel, kernel), sigma)
            places.append(cv2.scaleAdd(field, alpha / 2, place.astype(np.float32)))
        return cv2.remap(image, *places, flags, borderMode=cv2.BORDER_CONSTANT, borderValue=fill)

    return moved


# --- values --------------------------------------------------------------------------------------


def looked_up(image, levels):
    return cv2.LUT(image, np.round(np.clip(levels, 0, 255)).astype(np.uint8))


def gray(image):
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def gamma(image, power, gain=1):
    return looked_up(image, 255 * gain * (LEVELS / 255) ** power)


def brightness(image, factor):
    return looked_up(image, factor * LEVELS)


def contrast(image, factor):
    mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
    return looked_up(image, factor * LEVELS + (1 - factor) * mean)


def saturation(image, factor):
    return cv2.addWeighted(image, factor, gray(image), 1 - factor, 0)


def hue(image, turns):
    """In the 180 steps of a turn that OpenCV has for bytes."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    turned = ((np.arange(256) + round(180 * turns)) % 180).astype(np.uint8)
    h, s, v = cv2.split(hsv)
    return cv2.cvtColor(cv2.merge([cv2.LUT(h, turned), s, v]), cv2.COLOR_HSV2RGB)


def solarize(image, threshold):
    return looked_up(image, np.where(LEVELS >= 255 * threshold, 255 - LEVELS, LEVELS))


def posterize(image, bits):
    width = 2 ** (8 - bits)
    return looked_up(image, LEVELS // width * width)


def sharpness(image, factor):
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
    blurred = cv2.filter2D(image, -1, kernel)
    sharp = cv2.addWeighted(image, factor, blurred, 1 - factor, 0)
    sharp[[0, -1]], sharp[:, [0, -1]] = image[[0, -1]], image[:, [0, -1]]
    return sharp


def autocontrast(image):
    tables = np.empty((1, 256, 3), np.uint8)
    for channel, plane in enumerate(cv2.split(image)):
        low, high, _, _ = cv2.minMaxLoc(plane)
        levels = LEVELS if low == high else (LEVELS - low) * 255 / (high - low)
        tables[0, :, channel] = np.round(np.clip(levels, 0, 255))
    return cv2.LUT(image, tables)


def equalize(image):
    return cv2.merge([cv2.equalizeHist(plane) for plane in cv2.split(image)])


def color_jitter(step):
    """The parts that change something, in a random order."""
    parts = []
    for function, part in zip((brightness, contrast, saturation, hue), step.args):
        if not isinstance(part, tuple):
            part = (-part, part) if function is hue else (max(0, 1 - part), 1 + part)
        if part not in ((0, 0), (1, 1)) or (function is not hue and part == (0, 0)):
            parts.append(drawn(function, *part))

    def jittered(image):
        random.shuffle(parts)
        for change in parts:
            image = change(image)
        return image

    return jittered


def gaussian_blur(step):
    size = step.args[0]
    return drawn(lambda image, sigma: cv2.GaussianBlur(image, (size, size), sigma), *step.range(1))


def gaussian_noise(step):
    sigma, mean = 255 * step.args[0], 255 * step.args[1]

    def noised(image):
        noise = np.empty(image.shape, np.int16)
        cv2.randn(noise, mean, sigma)
        return cv2.add(image, noise, dtype=cv2.CV_8U)

    return noised


def salt_and_pepper(step):
    """A uniform byte for each pixel says whether it is hit: in steps of a 65536th."""
    amount, salt = step.range(0), step.range(1)

    def hit(image):
        chance = np.empty(image.shape[:2], np.uint16)
        cv2.randu(chance, 0, 65536)
        share = 65536 * random.uniform(*amount)
        white = share * random.uniform(*salt)
        image = image.copy()
        image[chance < share] = 0
        image[chance < white] = 255
        return image

    return hit


def painted(image, top, left, height, width, value):
    image = image.copy()
    image[top : top + height, left : left + width] = value
    return image


def erase(step):
    return fixed(painted, *step.args, np.uint8(step.levels("value")))


def random_erasing(step):
    value = np.uint8(step.levels("value"))
    scale, (low, high) = step.range("scale"), map(math.log, step.range("ratio"))

    def erased(image):
        rows, columns = image.shape[:2]
        for _ in range(10):
            area = rows * columns * random.uniform(*scale)
            shape = math.exp(random.uniform(low, high))
            height, width = round((area * shape) ** 0.5), round((area / shape) ** 0.5)
            if height < rows and width < columns:
                top, left = random.randint(0, rows - height), random.randint(0, columns - width)
                return painted(image, top, left, height, width, value)
        return image

    return at_random(erased, step.args[0])


def permuted(image, order):
    return cv2.mixChannels([image], [np.empty_like(image)], order)[0]


def permute_channels(step):
    pairs = [place for to, of in enumerate(step.args) for place in (of, to)]
    return fixed(permuted, pairs)


def random_channel_permutation(step):
    def shuffled(image):
        order = random.sample(range(3), 3)
        return permuted(image, [place for to, of in enumerate(order) for place in (of, to)])

    return at_random(shuffled, step.args[0])


# --- chains inside steps -------------------------------------------------------------------------


def composed(steps):
    def run(image):
        for step in steps:
            image = step(image)
        return image

    return run


def random_order(step):
    steps = counterparts(STEPS, step.args[0])
    return lambda image: composed(random.sample(steps, len(steps)))(image)


def one_of(step):
    chains = [composed(counterparts(STEPS, steps)) for steps in step.args]
    return lambda image: random.choice(chains)(image)


def random_apply(step):
    return at_random(composed(counterparts(STEPS, step.args[1])), step.args[0])


STEPS = {
    "random_resized_crop": random_resized_crop,
    "random_crop": cropping,
    "center_crop": cropping,
    "crop": lambda step: fixed(part, *step.args),
    "resize": resize,
    "resized_crop": resized_crop,
    "hflip": lambda step: fixed(cv2.flip, 1),
    "vflip": lambda step: fixed(cv2.flip, 0),
    "random_hflip": lambda step: at_random(fixed(cv2.flip, 1), step.args[0]),
    "random_vflip": lambda step: at_random(fixed(cv2.flip, 0), step.args[0]),
    "rot90": rot90,
    "pad": pad,
    "rotate": rotation,
    "random_rotation": rotation,
    "affine": affine,
    "random_affine": random_affine,
    "perspective": perspective,
    "random_perspective": random_perspective,
    "elastic": elastic,
    "grayscale": lambda step: gray,
    "random_grayscale": lambda step: at_random(gray, step.args[0]),
    "invert": lambda step: cv2.bitwise_not,
    "random_invert": lambda step: at_random(cv2.bitwise_not, step.args[0]),
    "posterize": lambda step: fixed(posterize, step.args[0]),
    "random_posterize": lambda step: at_random(fixed(posterize, step.args[0]), step.args[1]),
    "solarize": lambda step: fixed(solarize, step.args[0]),
    "random_solarize": lambda step: at_random(fixed(solarize, step.args[0]), step.args[1]),
    "autocontrast": lambda step: autocontrast,
    "random_autocontrast": lambda step: at_random(autocontrast, step.args[0]),
    "equalize": lambda step: equalize,
    "random_equalize": lambda step: at_random(equalize, step.args[0]),
    "adjust_sharpness": lambda step: fixed(sharpness, step.args[0]),
    "random_sharpness": lambda step: at_random(fixed(sharpness, step.args[0]), step.args[1]),
    "adjust_gamma": lambda step: fixed(gamma, *step.args),
    "random_gamma": lambda step: drawn(gamma, *step.range(0)),
    "adjust_brightness": lambda step: fixed(brightness, step.args[0]),
    "random_brightness": lambda step: drawn(brightness, *step.range(0)),
    "adjust_contrast": lambda step: fixed(contrast, step.args[0]),
    "random_contrast": lambda step: drawn(contrast, *step.range(0)),
    "adjust_saturation": lambda step: fixed(saturation, step.args[0]),
    "random_saturation": lambda step: drawn(saturation, *step.range(0)),
    "adjust_hue": lambda step: fixed(hue, step.args[0]),
    "random_hue": lambda step: drawn(hue, *step.range(0)),
    "color_jitter": color_jitter,
    "gaussian_blur": gaussian_blur,
    "gaussian_noise": gaussian_noise,
    "salt_and_pepper": salt_and_pepper,
    "erase": erase,
    "random_erasing": random_erasing,
    "permute_channels": permute_channels,
    "random_channel_permutation": random_channel_permutation,
    "random_apply": random_apply,
    "random_order": random_order,
    "one_of": one_of,
}


def colours_last(chain):
    """From the elements of a file to an image with colours last."""
    chain.needs_colours()
    return (lambda planes: cv2.merge(list(planes))) if chain.planes else (lambda image: image)


def ending(chain):
    """From bytes with colours last to what is delivered: a table of floats for each colour. Halves are
    looked up as integers of the same bits, since tables of halves are not for every release.
    """
    scale, offset = chain.scale_and_offset()
    dtype = {"u8": np.uint8, "f16": np.float16, "f32": np.float32}[chain.dtype]
    looked = np.int16 if chain.dtype == "f16" else dtype
    tables = [(LEVELS * k + b).astype(dtype).view(looked) for k, b in zip(scale, offset)]
    together = np.stack(tables, axis=-1)[None]

    def to_planes(image):
        planes = np.empty((3, *image.shape[:2]), looked)
        if chain.dtype == "u8":
            cv2.split(image, list(planes))
        else:
            for plane, table, to in zip(cv2.split(image), tables, planes):
                cv2.LUT(plane, table, to)
        return planes.view(dtype)

    def to_colours_last(image):
        if chain.dtype == "u8":
            return np.ascontiguousarray(image)
        return cv2.LUT(image, together).view(dtype)

    return to_planes if chain.to_planes else to_colours_last


def of_arrays(chain):
    """From bytes with colours last to what is delivered."""
    return composed([*chain.counterparts(STEPS), ending(chain)])
