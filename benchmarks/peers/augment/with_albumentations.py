"""albumentations, which is OpenCV with parameters drawn for each image."""

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A
import cv2
import numpy

from .images import BOXES, boxes, images, mask, one_by_one
from .with_torchvision import MEAN, STD

STEPS = {
    "hflip": [A.HorizontalFlip(p=1)],
    "vflip": [A.VerticalFlip(p=1)],
    "crop_192": [A.CenterCrop(192, 192)],
    "permute": [A.ChannelShuffle(p=1)],
    "invert": [A.InvertImg(p=1)],
    "solarize": [A.Solarize((0.5, 0.5), p=1)],
    "posterize": [A.Posterize(4, p=1)],
    "gamma": [A.RandomGamma((70, 70), p=1)],
    "brightness": [A.RandomBrightnessContrast((0.3, 0.3), (0, 0), p=1)],
    "grayscale": [A.ToGray(p=1)],
    "autocontrast": [A.AutoContrast(p=1)],
    "equalize": [A.Equalize(by_channels=True, p=1)],
    "color_jitter": [A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=1)],
    "blur_5": [A.GaussianBlur((5, 5), (1, 1), p=1)],
    "blur_23": [A.GaussianBlur((23, 23), (2, 2), p=1)],
    "noise": [A.GaussNoise((0.1, 0.1), p=1)],
    "salt_and_pepper": [A.SaltAndPepper((0.01, 0.06), (0.4, 0.6), p=1)],
    "rotate_nearest": [A.Rotate((30, 30), cv2.INTER_NEAREST, p=1)],
    "rotate_bilinear": [A.Rotate((30, 30), cv2.INTER_LINEAR, p=1)],
    "affine_bilinear": [A.Affine(scale=1.1, rotate=15, shear=5, p=1)],
    "perspective": [A.Perspective(p=1)],
    "elastic": [A.ElasticTransform(50, 5, p=1)],
    "resize_224": [A.Resize(224, 224, cv2.INTER_AREA)],
    "resize_256": [A.Resize(256, 256, cv2.INTER_AREA)],
    "resized_crop": [A.RandomResizedCrop((224, 224), interpolation=cv2.INTER_AREA)],
    "crop_flip": [A.RandomCrop(192, 192), A.HorizontalFlip()],
}

JITTER = A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=1)
WIDE_JITTER = A.ColorJitter((0.2, 1.8), (0.2, 1.8), (0.2, 1.8), (-0.2, 0.2), p=0.8)
RESIZED_CROP = A.RandomResizedCrop((224, 224), interpolation=cv2.INTER_AREA)

RECIPES = {
    "to_row": [],
    "crop_train": [A.RandomCrop(192, 192), A.HorizontalFlip()],
    "cifar": [A.Pad(4), A.RandomCrop(32, 32), A.HorizontalFlip()],
    "imagenet_train": [RESIZED_CROP, A.HorizontalFlip()],
    "imagenet_eval": [
        A.SmallestMaxSize(256, interpolation=cv2.INTER_AREA),
        A.CenterCrop(224, 224),
    ],
    "detection": [A.HorizontalFlip(), A.SmallestMaxSize(800, interpolation=cv2.INTER_LINEAR)],
    "segmentation": [
        A.RandomResizedCrop((320, 320), (0.25, 1.0), interpolation=cv2.INTER_AREA),
        A.HorizontalFlip(),
    ],
    "jitter_train": [RESIZED_CROP, A.HorizontalFlip(), JITTER],
    "affine_train": [
        A.Affine(scale=(0.9, 1.1), rotate=(-15, 15), translate_percent=(-0.1, 0.1), p=1),
        JITTER,
    ],
    "simclr": [
        RESIZED_CROP,
        A.HorizontalFlip(),
        WIDE_JITTER,
        A.ToGray(p=0.2),
        A.GaussianBlur((23, 23), (0.1, 2.0), p=0.5),
    ],
}


def forms(task):
    """The ways to do what a case names, or none."""
    inputs = images(*task.size())
    if task.planes:
        return {}
    if task.case in RECIPES:
        return {"as documented": one_by_one(inputs, recipe(task))}
    if task.case not in STEPS:
        return {}
    chain = A.Compose(STEPS[task.case])
    return {"as documented": one_by_one(inputs, lambda image: chain(image=image)["image"])}


def recipe(task):
    """A chain to rows, colours first, in memory that is reused."""
    dtype = {"u8": numpy.uint8, "f16": numpy.float16, "f32": numpy.float32}[task.to]
    last = [] if task.to == "u8" else [A.Normalize(MEAN, STD)]
    targets, options = {}, {}
    if task.case == "detection":
        targets = {"bboxes": boxes(*task.size()), "labels": numpy.zeros(BOXES, numpy.int64)}
        options = {"bbox_params": A.BboxParams("pascal_voc", label_fields=["labels"])}
    if task.case == "segmentation":
        targets = {"mask": mask(*task.size())}
    chain = A.Compose([*RECIPES[task.case], *last], **options)
    row = None

    def step(image):
        nonlocal row
        image = chain(image=image, **targets)["image"].transpose(2, 0, 1)
        if row is None or row.shape != image.shape:
            row = numpy.empty(image.shape, dtype)
        numpy.copyto(row, image, casting="unsafe")
        return row

    return step
