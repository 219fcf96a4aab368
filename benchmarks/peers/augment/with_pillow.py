"""Pillow, on images that are its own already."""

import numpy
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from .images import images, one_by_one

NEAREST, BILINEAR, BICUBIC = (
    Image.Resampling.NEAREST,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
)


def cropped(image):
    left, top = (image.width - 192) // 2, (image.height - 192) // 2
    image = image.crop((left, top, left + 192, top + 192))
    image.load()
    return image


def erased(image):
    image = image.copy()
    image.paste((0, 0, 0), (50, 50, 110, 110))
    return image


def affine(image):
    return image.transform(
        image.size, Image.Transform.AFFINE, (0.88, 0.2, -10, -0.24, 0.88, 40), BILINEAR
    )


def perspective(image):
    matrix = (1.05, 0.02, -10, 0.01, 1.04, -5, 0.0001, 0.0001)
    return image.transform(image.size, Image.Transform.PERSPECTIVE, matrix, BILINEAR)


STEPS = {
    "hflip": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "vflip": lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "rot90": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "crop_192": cropped,
    "pad_16": lambda image: ImageOps.expand(image, 16),
    "permute": lambda image: Image.merge("RGB", image.split()[::-1]),
    "erase": erased,
    "invert": ImageOps.invert,
    "solarize": lambda image: ImageOps.solarize(image, 128),
    "posterize": lambda image: ImageOps.posterize(image, 4),
    "gamma": lambda image: image.point([255 * (x / 255) ** 0.7 for x in range(256)] * 3),
    "brightness": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "saturation": lambda image: ImageEnhance.Color(image).enhance(1.3),
    "sharpness": lambda image: ImageEnhance.Sharpness(image).enhance(1.5),
    "grayscale": lambda image: image.convert("L").convert("RGB"),
    "autocontrast": ImageOps.autocontrast,
    "equalize": ImageOps.equalize,
    "blur_5": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "blur_23": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "rotate_nearest": lambda image: image.rotate(30, NEAREST),
    "rotate_bilinear": lambda image: image.rotate(30, BILINEAR),
    "affine_bilinear": affine,
    "perspective": perspective,
    "nearest_224": lambda image: image.resize((224, 224), NEAREST),
    "resize_224": lambda image: image.resize((224, 224), BILINEAR),
    "resize_256": lambda image: image.resize((256, 256), BILINEAR),
    "bicubic_224": lambda image: image.resize((224, 224), BICUBIC),
    "bicubic_320": lambda image: image.resize((320, 320), BICUBIC),
}


def forms(task):
    """The ways to do what a case names, or none."""
    step = STEPS.get(task.case)
    if step is None or task.planes:
        return {}
    inputs = [Image.fromarray(image) for image in images(*task.size())]
    return {"as documented": one_by_one(inputs, step)}
