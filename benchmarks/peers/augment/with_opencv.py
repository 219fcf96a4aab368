"""OpenCV, as one would write each step by hand: into memory that is reused, tables where a table does."""

import cv2
import numpy

from .images import images, one_by_one
from .with_torchvision import MEAN_255, STD_255

cv2.setNumThreads(1)


def table(function):
    levels = numpy.clip(function(numpy.arange(256.0)), 0, 255)
    return numpy.round(levels).astype(numpy.uint8)


def looked_up(function):
    levels = table(function)
    return lambda image, to: cv2.LUT(image, levels, to)


def gray3(image):
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def cropped(image, to):
    top, left = (image.shape[0] - 192) // 2, (image.shape[1] - 192) // 2
    part = image[top : top + 192, left : left + 192]
    if to is None:
        return part.copy()
    numpy.copyto(to, part)
    return to


def erased(image, to):
    to = image.copy() if to is None else to
    numpy.copyto(to, image)
    to[50:110, 50:110] = 0
    return to


def contrast(image, to):
    mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
    return cv2.LUT(image, table(lambda x: 1.3 * x - 0.3 * mean), to)


def hue(image, to):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    turned = ((numpy.arange(256) + 18) % 180).astype(numpy.uint8)
    h, s, v = cv2.split(hsv)
    return cv2.cvtColor(cv2.merge([cv2.LUT(h, turned), s, v]), cv2.COLOR_HSV2RGB, to)


def sharpness(image, to):
    kernel = numpy.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], numpy.float32) / 13
    return cv2.addWeighted(image, 1.5, cv2.filter2D(image, -1, kernel), -0.5, 0, to)


def autocontrast(image, to):
    tables = numpy.empty((1, 256, 3), numpy.uint8)
    for channel, plane in enumerate(cv2.split(image)):
        low, high, _, _ = cv2.minMaxLoc(plane)
        tables[0, :, channel] = table(lambda x: (x - low) * 255 / max(high - low, 1))
    return cv2.LUT(image, tables, to)


def equalized(image, to):
    return cv2.merge([cv2.equalizeHist(plane) for plane in cv2.split(image)], to)


def noise(image, to):
    added = numpy.empty(image.shape, numpy.int16)
    cv2.randn(added, 0, 25.5)
    return cv2.add(image, added, to, dtype=cv2.CV_8U)


def rotated(flags):
    def step(image, to):
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 30, 1)
        return cv2.warpAffine(image, matrix, (width, height), to, flags)

    return step


def affine(image, to):
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -15, 1.1)
    matrix[:, 2] += [10, 5]
    matrix[0, 1] += 0.09
    return cv2.warpAffine(image, matrix, (width, height), to, cv2.INTER_LINEAR)


def perspective(image, to):
    height, width = image.shape[:2]
    start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    end = [[10, 5], [width - 20, 0], [width - 1, height - 1], [0, height - 16]]
    matrix = cv2.getPerspectiveTransform(numpy.float32(start), numpy.float32(end))
    return cv2.warpPerspective(image, matrix, (width, height), to, cv2.INTER_LINEAR)


def elastic(image, to):
    height, width = image.shape[:2]
    y, x = numpy.mgrid[:height, :width].astype(numpy.float32)
    places = []
    for place in (x, y):
        field = numpy.empty((height, width), numpy.float32)
        cv2.randu(field, -1, 1)
        field = cv2.GaussianBlur(field, (41, 41), 5, borderType=cv2.BORDER_REFLECT_101)
        places.append(cv2.scaleAdd(field, 25, place))
    return cv2.remap(image, *places, cv2.INTER_LINEAR, to)


def resized(height, width, flags):
    return lambda image, to: cv2.resize(image, (width, height), to, interpolation=flags)


def to_rows(to):
    """Colours apart, each through a table of floats, or as they are."""
    if to == "u8":
        return lambda image: cv2.split(image)
    levels = numpy.arange(256, dtype=numpy.float32)
    tables = [(levels - mean) / std for mean, std in zip(MEAN_255, STD_255)]
    tables = [table.astype({"f16": numpy.float16, "f32": numpy.float32}[to]) for table in tables]

    def planes(image):
        return [cv2.LUT(plane, table) for plane, table in zip(cv2.split(image), tables)]

    return planes


STEPS = {
    "hflip": lambda image, to: cv2.flip(image, 1, to),
    "vflip": lambda image, to: cv2.flip(image, 0, to),
    "rot90": lambda image, to: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE, to),
    "crop_192": cropped,
    "pad_16": lambda image, to: cv2.copyMakeBorder(
        image, 16, 16, 16, 16, cv2.BORDER_CONSTANT, to
    ),
    "permute": lambda image, to: cv2.cvtColor(image, cv2.COLOR_BGR2RGB, to),
    "erase": erased,
    "invert": lambda image, to: cv2.bitwise_not(image, to),
    "solarize": looked_up(lambda x: numpy.where(x >= 128, 255 - x, x)),
    "posterize": looked_up(lambda x: x // 16 * 16),
    "gamma": looked_up(lambda x: 255 * (x / 255) ** 0.7),
    "brightness": looked_up(lambda x: 1.3 * x),
    "contrast": contrast,
    "saturation": lambda image, to: cv2.addWeighted(image, 1.3, gray3(image), -0.3, 0, to),
    "hue": hue,
    "sharpness": sharpness,
    "grayscale": lambda image, to: gray3(image),
    "autocontrast": autocontrast,
    "equalize": equalized,
    "blur_5": lambda image, to: cv2.GaussianBlur(image, (5, 5), 1, to),
    "blur_23": lambda image, to: cv2.GaussianBlur(image, (23, 23), 2, to),
    "noise": noise,
    "rotate_nearest": rotated(cv2.INTER_NEAREST),
    "rotate_bilinear": rotated(cv2.INTER_LINEAR),
    "affine_bilinear": affine,
    "perspective": perspective,
    "elastic": elastic,
    "nearest_224": resized(224, 224, cv2.INTER_NEAREST_EXACT),
    # Areas are averaged where an image shrinks: OpenCV has no triangle that widens.
    "resize_224": resized(224, 224, cv2.INTER_AREA),
    "resize_256": resized(256, 256, cv2.INTER_AREA),
    "resize_no_antialias_224": resized(224, 224, cv2.INTER_LINEAR),
    # Four taps, also where the image shrinks.
    "bicubic_320": resized(320, 320, cv2.INTER_CUBIC),
    "bicubic_no_antialias_320": resized(320, 320, cv2.INTER_CUBIC),
}


def crop_train(to_row):
    random = numpy.random.default_rng(1)

    def step(image, to):
        top = random.integers(image.shape[0] - 192 + 1)
        left = random.integers(image.shape[1] - 192 + 1)
        part = image[top : top + 192, left : left + 192]
        return to_row(cv2.flip(part, 1) if random.integers(2) else part)

    return step


def cifar(to_row):
    random = numpy.random.default_rng(1)

    def step(image, to):
        image = cv2.copyMakeBorder(image, 4, 4, 4, 4, cv2.BORDER_CONSTANT)
        top, left = random.integers(9, size=2)
        part = image[top : top + 32, left : left + 32]
        return to_row(cv2.flip(part, 1) if random.integers(2) else part)

    return step


def imagenet_eval(to_row):
    def step(image, to):
        scale = 256 / min(image.shape[:2])
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        top, left = (image.shape[0] - 224) // 2, (image.shape[1] - 224) // 2
        return to_row(image[top : top + 224, left : left + 224])

    return step


def to_row(to_row):
    return lambda image, to: to_row(image)


RECIPES = {
    "to_row": to_row,
    "crop_train": crop_train,
    "cifar": cifar,
    "imagenet_eval": imagenet_eval,
}


def forms(task):
    """The ways to do what a case names, or none."""
    step = STEPS.get(task.case)
    if task.case in RECIPES:
        step = RECIPES[task.case](to_rows(task.to))
    if step is None or task.planes:
        return {}
    inputs = images(*task.size())
    result = step(inputs[0], None)
    reused = result if isinstance(result, numpy.ndarray) else None
    return {
        "memory reused": one_by_one(inputs, lambda image: step(image, reused)),
        "memory fresh": one_by_one(inputs, lambda image: step(image, None)),
    }
