"""torchvision: `transforms.v2` on tensors of bytes. Each step is tried on memory with its colours first
and on a view of memory with its colours last; the faster one counts.
"""

import functools

import torch
from torchvision.transforms import InterpolationMode as Mode
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes, Mask

from .images import boxes, images, mask, one_by_one

F = v2.functional
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
# The same normalisation for values from 0 to 255, which saves dividing the pixels first.
MEAN_255, STD_255 = [255 * mean for mean in MEAN], [255 * std for std in STD]


def scaled(image):
    return F.to_dtype(image, torch.float32, scale=True)


def through_floats(step):
    return lambda image: F.to_dtype(step(scaled(image)), torch.uint8, scale=True)


def corners(image):
    """The corners of an image, and the points that they go to, in x and y."""
    height, width = image.shape[-2:]
    start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    return start, [[10, 5], [width - 20, 0], [width - 1, height - 1], [0, height - 16]]


# Results that are views are copied: a row of a batch is memory of its own.
STEPS = {
    "hflip": F.horizontal_flip,
    "vflip": F.vertical_flip,
    "rot90": lambda image: torch.rot90(image, 1, (-2, -1)).contiguous(),
    "crop_192": lambda image: F.center_crop(image, [192, 192]).clone(),
    "pad_16": lambda image: F.pad(image, [16]),
    "permute": lambda image: F.permute_channels(image, [2, 1, 0]),
    "erase": lambda image: F.erase(image, 50, 50, 60, 60, torch.zeros(3, 1, 1, dtype=torch.uint8)),
    "invert": F.invert,
    "solarize": lambda image: F.solarize(image, 128),
    "posterize": lambda image: F.posterize(image, 4),
    "gamma": lambda image: F.adjust_gamma(image, 0.7),
    "brightness": lambda image: F.adjust_brightness(image, 1.3),
    "contrast": lambda image: F.adjust_contrast(image, 1.3),
    "saturation": lambda image: F.adjust_saturation(image, 1.3),
    "hue": lambda image: F.adjust_hue(image, 0.1),
    "sharpness": lambda image: F.adjust_sharpness(image, 1.5),
    "grayscale": lambda image: F.rgb_to_grayscale(image, 3),
    "autocontrast": F.autocontrast,
    "equalize": F.equalize,
    "color_jitter": v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "blur_5": lambda image: F.gaussian_blur(image, [5, 5], [1.0, 1.0]),
    "blur_23": lambda image: F.gaussian_blur(image, [23, 23], [2.0, 2.0]),
    "noise": through_floats(lambda image: F.gaussian_noise(image, sigma=0.1)),
    "rotate_nearest": lambda image: F.rotate(image, 30, Mode.NEAREST),
    "rotate_bilinear": lambda image: F.rotate(image, 30, Mode.BILINEAR),
    "affine_bilinear": lambda image: F.affine(
        image, 15, [10, 5], 1.1, [5, 0], Mode.BILINEAR
    ),
    "perspective": lambda image: F.perspective(image, *corners(image), Mode.BILINEAR),
    "elastic": v2.ElasticTransform(50, 5),
    "nearest_224": lambda image: F.resize(image, [224, 224], Mode.NEAREST_EXACT),
    "resize_224": lambda image: F.resize(image, [224, 224]),
    "resize_256": lambda image: F.resize(image, [256, 256]),
    "resize_no_antialias_224": lambda image: F.resize(image, [224, 224], antialias=False),
    "bicubic_224": lambda image: F.resize(image, [224, 224], Mode.BICUBIC),
    "bicubic_320": lambda image: F.resize(image, [320, 320], Mode.BICUBIC),
    "bicubic_no_antialias_320": lambda image: F.resize(
        image, [320, 320], Mode.BICUBIC, antialias=False
    ),
    "resized_crop": v2.RandomResizedCrop(224),
    "crop_flip": v2.Compose([v2.RandomCrop(192), v2.RandomHorizontalFlip(), torch.clone]),
    "rand_augment": v2.RandAugment(),
    "trivial_augment": v2.TrivialAugmentWide(),
    "aug_mix": v2.AugMix(),
}

RECIPES = {
    "to_row": [],
    "crop_train": [v2.RandomCrop(192), v2.RandomHorizontalFlip()],
    "cifar": [v2.RandomCrop(32, 4), v2.RandomHorizontalFlip()],
    "imagenet_train": [v2.RandomResizedCrop(224), v2.RandomHorizontalFlip()],
    "imagenet_eval": [v2.Resize(256), v2.CenterCrop(224)],
    "detection": [v2.RandomHorizontalFlip(), v2.Resize(800, max_size=1333)],
    "segmentation": [v2.RandomResizedCrop(320, (0.25, 1.0)), v2.RandomHorizontalFlip()],
    "aug_mix_train": [v2.RandomResizedCrop(224), v2.RandomHorizontalFlip(), v2.AugMix()],
    "jitter_train": [
        v2.RandomResizedCrop(224),
        v2.RandomHorizontalFlip(),
        v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
    ],
    "affine_train": [
        v2.RandomAffine(15, (0.1, 0.1), (0.9, 1.1), interpolation=Mode.BILINEAR),
        v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
    ],
    "simclr": [
        v2.RandomResizedCrop(224),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8),
        v2.RandomGrayscale(0.2),
        v2.RandomApply([v2.GaussianBlur(23, (0.1, 2.0))], 0.5),
    ],
}


def forms(task):
    """The ways to do what a case names, or none."""
    last = torch.from_numpy(images(*task.size())).permute(0, 3, 1, 2)
    inputs = {"colours first": last.contiguous()}
    if not task.planes:
        inputs["colours last"] = last
    if task.case in RECIPES:
        ways = recipe(task)
    elif task.case in STEPS:
        ways = {"": STEPS[task.case]}
    else:
        return {}
    return {
        f"{way} {layout}".strip(): one_by_one(tensors, inference(step))
        for way, step in ways.items()
        for layout, tensors in inputs.items()
    }


def inference(step):
    @functools.wraps(step)
    def run(image):
        with torch.inference_mode():
            return step(image)

    return run


def recipe(task):
    """The ways to write a chain to rows, colours first, in memory that is reused.

    Also tried, and slower: `f32` from the start (the resize has fast code for bytes).
    """
    dtype = {"u8": torch.uint8, "f16": torch.float16, "f32": torch.float32}[task.to]
    steps = v2.Compose(RECIPES[task.case]) if RECIPES[task.case] else lambda *sample: sample
    targets = ()
    if task.case == "detection":
        boxes_of = torch.from_numpy(boxes(*task.size()))
        targets = (BoundingBoxes(boxes_of, format="XYXY", canvas_size=task.size()),)
    if task.case == "segmentation":
        targets = (Mask(torch.from_numpy(mask(*task.size()))),)
    row = None

    def room(image):
        nonlocal row
        if row is None or row.shape != image.shape:
            row = torch.empty(image.shape, dtype=dtype)
        return row

    def bytes_of(image):
        result = steps(image, *targets) if targets else steps(image)
        return result[0] if isinstance(result, tuple) else result

    def as_they_are(image):
        image = bytes_of(image)
        return room(image).copy_(image)

    def as_documented(image):
        image = F.normalize(scaled(bytes_of(image).contiguous()), MEAN, STD, inplace=True)
        return room(image).copy_(image)

    def in_row(image):
        """Converts while copying to the row, and normalises there."""
        image = bytes_of(image)
        return F.normalize(room(image).copy_(image), MEAN_255, STD_255, inplace=True)

    if task.to == "u8":
        return {"as they are": as_they_are}
    return {"as documented": as_documented, "normalised in the row": in_row}
