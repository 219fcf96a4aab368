"""A chain with torchvision's `transforms.v2`, on tensors of bytes or on images of PIL."""

import torch
from chains import NoCounterpart, counterparts
from torchvision.transforms import InterpolationMode as Mode
from torchvision.transforms import v2

F = v2.functional
DTYPES = {"u8": torch.uint8, "f16": torch.float16, "f32": torch.float32}

RESIZED = {"nearest": Mode.NEAREST_EXACT, "bilinear": Mode.BILINEAR, "bicubic": Mode.BICUBIC}
WARPED = {"nearest": Mode.NEAREST, "bilinear": Mode.BILINEAR, "bicubic": Mode.BICUBIC}


def always(function, *args, **options):
    """A step whose parameters are fixed."""
    return lambda image: function(image, *args, **options)


def resizing(step):
    return {
        "interpolation": RESIZED[step.options["interpolation"]],
        "antialias": step.options["antialias"] == "true",
    }


def warping(step):
    fill = step.options["fill"]
    return {
        "interpolation": WARPED[step.options["interpolation"]],
        "fill": None if fill == "none" else step.levels("fill"),
    }


def resize(step):
    options = resizing(step)
    if "max" in step.options:
        options["max_size"] = step.options["max"]
    return v2.Resize(step.args, **options)


def resized_crop(step):
    *part, height, width = step.args
    return always(F.resized_crop, *part, [height, width], **resizing(step))


def rot90(step):
    quarters, plane = step.args[0], step.options["plane"]
    if plane != "hw":
        raise NoCounterpart(f"rot90(plane={plane})")

    def turned(image):
        if isinstance(image, torch.Tensor):
            return torch.rot90(image, quarters, (-2, -1))
        return image.rotate(90 * quarters, expand=True)

    return turned


def pad(step):
    mode = step.options["mode"]
    if mode == "wrap":
        raise NoCounterpart("pad(mode=wrap)")
    return always(F.pad, step.args, fill=step.levels("fill"), padding_mode=mode)


def affine(step):
    angle, across, down, scale, *shear = step.args
    return always(F.affine, angle, [across, down], scale, shear, **warping(step))


def random_affine(step):
    options = {key: step.options[key] for key in ("translate", "shear")}
    return v2.RandomAffine(step.range(0), scale=step.range("scale"), **options, **warping(step))


def perspective(step):
    to = [step.args[at : at + 2] for at in range(0, 8, 2)]

    def moved(image):
        height, width = F.get_size(image)
        corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return F.perspective(image, corners, to, **warping(step))

    return moved


def random_perspective(step):
    return v2.RandomPerspective(step.args[0], step.options["p"], **warping(step))


def jitter(part):
    """One part of a colour jitter, by a factor or in a range of factors."""
    return lambda step: v2.ColorJitter(**{part: step.range(0)})


def random_gamma(step):
    low, high = step.range(0)
    return lambda image: F.adjust_gamma(image, float(torch.empty(1).uniform_(low, high)))


def gaussian_noise(step):
    sigma, mean, clip = step.args
    noise = v2.GaussianNoise(mean, sigma, clip == "true")

    def through_floats(image):
        image = F.to_dtype(image, torch.float32, scale=True)
        return F.to_dtype(noise(image), torch.uint8, scale=True)

    return through_floats


def erase(step):
    value = step.levels("value")
    value = torch.tensor(value if isinstance(value, list) else [value]).to(torch.uint8)
    return always(F.erase, *step.args, value.reshape(-1, 1, 1))


def random_erasing(step):
    options = {key: step.range(key) for key in ("scale", "ratio")}
    return v2.RandomErasing(step.args[0], **options, value=step.levels("value"))


def inner(steps):
    return counterparts(STEPS, steps)


def strengths(step):
    """Of a policy: how finely strengths are divided, and how pixels are found."""
    return {"num_magnitude_bins": step.options["bins"], **warping(step)}


def aug_mix(step):
    options = step.options
    return v2.AugMix(
        options["severity"],
        options["width"],
        options["depth"],
        float(options["alpha"]),
        all_ops=True,
        **warping(step),
    )


STEPS = {
    "random_resized_crop": lambda step: v2.RandomResizedCrop(
        step.size(), step.range("scale"), step.range("ratio"), **resizing(step)
    ),
    "random_crop": lambda step: v2.RandomCrop(step.size()),
    "center_crop": lambda step: v2.CenterCrop(step.size()),
    "crop": lambda step: always(F.crop, *step.args),
    "resize": resize,
    "resized_crop": resized_crop,
    "hflip": lambda step: F.horizontal_flip,
    "vflip": lambda step: F.vertical_flip,
    "random_hflip": lambda step: v2.RandomHorizontalFlip(step.args[0]),
    "random_vflip": lambda step: v2.RandomVerticalFlip(step.args[0]),
    "rot90": rot90,
    "pad": pad,
    "rotate": lambda step: always(F.rotate, step.args[0], **warping(step)),
    "random_rotation": lambda step: v2.RandomRotation(step.range(0), **warping(step)),
    "affine": affine,
    "random_affine": random_affine,
    "perspective": perspective,
    "random_perspective": random_perspective,
    "elastic": lambda step: v2.ElasticTransform(
        step.args[0], step.options["sigma"], **warping(step)
    ),
    "grayscale": lambda step: always(F.rgb_to_grayscale, 3),
    "random_grayscale": lambda step: v2.RandomGrayscale(step.args[0]),
    "invert": lambda step: F.invert,
    "random_invert": lambda step: v2.RandomInvert(step.args[0]),
    "posterize": lambda step: always(F.posterize, step.args[0]),
    "random_posterize": lambda step: v2.RandomPosterize(*step.args),
    "solarize": lambda step: always(F.solarize, 255 * step.args[0]),
    "random_solarize": lambda step: v2.RandomSolarize(255 * step.args[0], step.args[1]),
    "autocontrast": lambda step: F.autocontrast,
    "random_autocontrast": lambda step: v2.RandomAutocontrast(step.args[0]),
    "equalize": lambda step: F.equalize,
    "random_equalize": lambda step: v2.RandomEqualize(step.args[0]),
    "adjust_sharpness": lambda step: always(F.adjust_sharpness, step.args[0]),
    "random_sharpness": lambda step: v2.RandomAdjustSharpness(*step.args),
    "adjust_gamma": lambda step: always(F.adjust_gamma, *step.args),
    "random_gamma": random_gamma,
    "adjust_brightness": lambda step: always(F.adjust_brightness, step.args[0]),
    "random_brightness": jitter("brightness"),
    "adjust_contrast": lambda step: always(F.adjust_contrast, step.args[0]),
    "random_contrast": jitter("contrast"),
    "adjust_saturation": lambda step: always(F.adjust_saturation, step.args[0]),
    "random_saturation": jitter("saturation"),
    "adjust_hue": lambda step: always(F.adjust_hue, step.args[0]),
    "random_hue": jitter("hue"),
    "color_jitter": lambda step: v2.ColorJitter(*step.args),
    "gaussian_blur": lambda step: v2.GaussianBlur(step.args[0], step.range(1)),
    "gaussian_noise": gaussian_noise,
    "erase": erase,
    "random_erasing": random_erasing,
    "permute_channels": lambda step: always(F.permute_channels, step.args),
    "random_channel_permutation": lambda step: v2.RandomApply(
        [v2.RandomChannelPermutation()], step.args[0]
    ),
    "random_apply": lambda step: v2.RandomApply(inner(step.args[1]), step.args[0]),
    "random_order": lambda step: v2.RandomOrder(inner(step.args[0])),
    "one_of": lambda step: v2.RandomChoice(
        [v2.Compose(inner(steps) or [v2.Identity()]) for steps in step.args]
    ),
    "rand_augment": lambda step: v2.RandAugment(
        step.options["ops"], step.options["magnitude"], **strengths(step)
    ),
    "trivial_augment_wide": lambda step: v2.TrivialAugmentWide(**strengths(step)),
    "aug_mix": aug_mix,
}


def of_tensors(chain):
    """From a tensor of bytes, planes first, to one of what is delivered: bytes as long as possible, and
    the division by 255 a part of the normalisation.
    """
    steps = chain.counterparts(STEPS)
    dtype = DTYPES[chain.dtype]
    normalize = None
    if chain.normalization:
        mean, deviation = ([255 * x for x in of] for of in chain.normalization)
        normalize = v2.Normalize(mean, deviation, inplace=True)

    @torch.inference_mode()
    def run(image):
        for step in steps:
            image = step(image)
        if normalize:
            image = image.to(torch.float32, memory_format=torch.contiguous_format)
            image = normalize(image).to(dtype)
        else:
            image = F.to_dtype(image, dtype, scale=True)
        return (image if chain.to_planes else image.permute(1, 2, 0)).contiguous()

    return run


def of_pil(chain):
    """From an image of PIL to a tensor of what is delivered; the steps on pixels are PIL's."""
    without = [step.name for step in nested(chain.steps) if step.name in NOT_OF_PIL]
    if without:
        raise NoCounterpart(without[0])
    steps = chain.counterparts(STEPS)
    chain_of_end = of_tensors(chain.without_steps())

    def run(image):
        for step in steps:
            image = step(image)
        return chain_of_end(F.pil_to_tensor(image))

    return run


# Steps that torchvision does on tensors alone.
NOT_OF_PIL = {"gaussian_noise"}


def nested(steps):
    for step in steps:
        yield step
        for value in step.args:
            if isinstance(value, list) and value and isinstance(value[0], type(step)):
                yield from nested(value)
