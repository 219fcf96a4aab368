"""A chain with albumentations, which is OpenCV with parameters drawn for each image. Steps that it
does in another way than the others are not here: a brightness that adds, a shear about a corner.
"""

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A  # noqa: E402

from chains import NoCounterpart, counterparts  # noqa: E402
from opencv_chain import BORDERS, RESIZED, WARPED, colour, composed, ending  # noqa: E402


def resizing(step):
    smooth = step.options["interpolation"] != "nearest" and step.options["antialias"] == "true"
    return {
        "interpolation": RESIZED[step.options["interpolation"]],
        "area_for_downscale": "image" if smooth else None,
    }


def warping(step):
    fill = 0 if step.options["fill"] == "none" else step.levels("fill")
    return {"interpolation": WARPED[step.options["interpolation"]], "fill": colour(fill), "p": 1}


def resize(step):
    if "max" in step.options:
        raise NoCounterpart("resize(max)")
    if len(step.args) == 1:
        return A.SmallestMaxSize(step.args[0], **resizing(step))
    return A.Resize(*step.args, **resizing(step))


def crop(step):
    top, left, height, width = step.args
    return A.Crop(left, top, left + width, top + height)


def random_resized_crop(step):
    options = {key: step.range(key) for key in ("scale", "ratio")}
    return A.RandomResizedCrop(step.size(), **options, **resizing(step))


def pad(step):
    border, fill = BORDERS[step.options["mode"]], colour(step.levels("fill"))
    return A.Pad(tuple(step.args), fill=fill, border_mode=border)


def affine(step):
    angle, across, down, scale, shear_x, shear_y = [*step.args, 0, 0, 0, 0][:6]
    move = {"x": round(across), "y": round(down)}
    if (move["x"], move["y"]) != (across, down):
        raise NoCounterpart("affine by parts of a pixel")
    if shear_x or shear_y:
        raise NoCounterpart("affine with a shear")
    return A.Affine(scale=scale, translate_px=move, rotate=angle, **warping(step))


def random_affine(step):
    across, down = step.options["translate"]
    shear = step.options["shear"]
    if shear[0] != -shear[1] or shear[2] != -shear[3]:
        raise NoCounterpart("random_affine with a shear to one side")
    return A.Affine(
        scale=step.range("scale"),
        translate_percent={"x": (-across, across), "y": (-down, down)},
        rotate=step.range(0),
        shear={"x": tuple(shear[:2]), "y": tuple(shear[2:])},
        keep_ratio=True,
        **warping(step),
    )


def elastic(step):
    return A.ElasticTransform(
        step.args[0] / 2, step.options["sigma"], noise_distribution="uniform", **warping(step)
    )


def jitter(part):
    """One part of a colour jitter, by a factor or in a range of factors."""

    def made(step):
        parts = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
        return A.ColorJitter(**{**parts, part: step.range(0)}, p=1)

    return made


def color_jitter(step):
    *factors, hue = [*step.args, 0, 0, 0][:4]
    factors = [x if isinstance(x, tuple) else (max(0, 1 - x), 1 + x) for x in factors]
    return A.ColorJitter(*factors, hue if isinstance(hue, tuple) else (-hue, hue), p=1)


def gamma(step):
    low, high = step.range(0)
    if step.args[1:] not in ([], [1]):
        raise NoCounterpart("adjust_gamma(gain)")
    return A.RandomGamma((100 * low, 100 * high), p=1)


def gaussian_blur(step):
    size = step.args[0]
    return A.GaussianBlur((size, size), step.range(1), p=1)


def gaussian_noise(step):
    sigma, mean, _ = step.args
    return A.GaussNoise((sigma, sigma), (mean, mean), p=1)


def solarize(threshold, p):
    return A.Solarize((threshold, threshold), p=p)


def random_apply(step):
    return A.Sequential(counterparts(STEPS, step.args[1]), p=step.args[0])


STEPS = {
    "random_resized_crop": random_resized_crop,
    "random_crop": lambda step: A.RandomCrop(*step.size()),
    "center_crop": lambda step: A.CenterCrop(*step.size()),
    "crop": crop,
    "resize": resize,
    "hflip": lambda step: A.HorizontalFlip(p=1),
    "vflip": lambda step: A.VerticalFlip(p=1),
    "random_hflip": lambda step: A.HorizontalFlip(p=step.args[0]),
    "random_vflip": lambda step: A.VerticalFlip(p=step.args[0]),
    "pad": pad,
    "rotate": lambda step: A.Rotate(step.range(0), **warping(step)),
    "random_rotation": lambda step: A.Rotate(step.range(0), **warping(step)),
    "affine": affine,
    "random_affine": random_affine,
    "elastic": elastic,
    "grayscale": lambda step: A.ToGray(p=1),
    "random_grayscale": lambda step: A.ToGray(p=step.args[0]),
    "invert": lambda step: A.InvertImg(p=1),
    "random_invert": lambda step: A.InvertImg(p=step.args[0]),
    "posterize": lambda step: A.Posterize(step.args[0], p=1),
    "random_posterize": lambda step: A.Posterize(step.args[0], p=step.args[1]),
    "solarize": lambda step: solarize(step.args[0], 1),
    "random_solarize": lambda step: solarize(*step.args),
    "autocontrast": lambda step: A.AutoContrast(method="pil", p=1),
    "random_autocontrast": lambda step: A.AutoContrast(method="pil", p=step.args[0]),
    "equalize": lambda step: A.Equalize(by_channels=True, p=1),
    "random_equalize": lambda step: A.Equalize(by_channels=True, p=step.args[0]),
    "adjust_gamma": gamma,
    "random_gamma": gamma,
    "adjust_brightness": jitter("brightness"),
    "random_brightness": jitter("brightness"),
    "adjust_contrast": jitter("contrast"),
    "random_contrast": jitter("contrast"),
    "adjust_saturation": jitter("saturation"),
    "random_saturation": jitter("saturation"),
    "adjust_hue": jitter("hue"),
    "random_hue": jitter("hue"),
    "color_jitter": color_jitter,
    "gaussian_blur": gaussian_blur,
    "gaussian_noise": gaussian_noise,
    "salt_and_pepper": lambda step: A.SaltAndPepper(step.range(0), step.range(1), p=1),
    "random_channel_permutation": lambda step: A.ChannelShuffle(p=step.args[0]),
    "random_apply": random_apply,
}


def of_arrays(chain):
    """From bytes with colours last to what is delivered; the end is by hand, which is faster than
    `A.Normalize` and a transposition.
    """
    augmented = A.Compose(chain.counterparts(STEPS))
    return composed([lambda image: augmented(image=image)["image"], ending(chain)])
