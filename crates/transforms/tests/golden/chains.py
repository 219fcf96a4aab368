"""The engine's chains, as torchvision computes them: their text is turned into calls of torchvision.

What the engine promises decides how torchvision is asked:

* f32 images are computed in f64 and stored as f32: the goldens carry no rounding of their own.
* One step on a u8 image is torchvision's u8 kernel. Where that kernel is more than one level away
  from its own float path (it rounds between passes), the float path is taken, and the case says so.
* Chains on u8 images are the float path, rounded once (half to even) at the end, as the engine does.
* Warps with a fill are computed here: torchvision attenuates the border twice (vision#6517, #8083).
"""

import re

import numpy as np
import torch
import torchvision
import torchvision.transforms.v2.functional as F
from torchvision.transforms.functional import _get_inverse_affine_matrix
from torchvision.transforms.v2.functional._color import _hsv_to_rgb, _rgb_to_hsv

IMAGENET = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]
INTERPOLATIONS = {
    "nearest": torchvision.transforms.InterpolationMode.NEAREST_EXACT,
    "bilinear": torchvision.transforms.InterpolationMode.BILINEAR,
    "bicubic": torchvision.transforms.InterpolationMode.BICUBIC,
}
DTYPES = {"u8": torch.uint8, "f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}


# --- Steps: the engine's names, torchvision's functions ---------------------------------------------


def top_of(image):
    """The value of white."""
    return 255 if image.dtype == torch.uint8 else 1


def pixel_value(image, fill):
    """A fill in units of [0,1], number or list, in the units of the image."""
    return [v * top_of(image) for v in fill] if isinstance(fill, list) else fill * top_of(image)


def pad(image, *sides, mode="constant", fill=0):
    sides = {1: sides * 4, 2: sides * 2, 4: sides}[len(sides)]
    left, top, right, bottom = sides
    h, w = image.shape[-2:]
    if mode in ("reflect", "symmetric") and (max(left, right) >= w or max(top, bottom) >= h):
        # Wider than the image: torchvision refuses, the engine reflects again and again, as numpy does.
        return torch.from_numpy(np.pad(image.numpy(), ((0, 0), (top, bottom), (left, right)), mode))
    return F.pad(image, list(sides), pixel_value(image, fill), mode)


def resize(image, *size, max=None, interpolation="bilinear", antialias=True):
    if interpolation == "nearest" and len(size) == 2:
        for new, old in zip(size, image.shape[-2:]):
            source = (np.arange(new) + 0.5) * old / new
            assert new == old or np.abs(source - np.rint(source)).min() > 1e-4, "on an edge between pixels"
    if antialias and size[1:] == (1,) and image.is_floating_point():
        # torch 2.15's float kernel is wrong for outputs one pixel wide, not for those one pixel high.
        how = {"interpolation": interpolation, "antialias": True}
        return resize(image.mT.contiguous(), 1, size[0], **how).mT
    return F.resize(image, list(size), INTERPOLATIONS[interpolation], max_size=max, antialias=antialias)


def resized_crop(image, top, left, height, width, *size, **how):
    return resize(F.crop(image, top, left, height, width), *size, **how)


def sample(image, x, y, in_front, interpolation, fill):
    """The image at the source coordinates x, y (pixel centres are integers), in f64.

    Taps outside contribute nothing, and what is missing of their weights is filled: sum(w v) + (1 - sum(w)) fill.
    """
    pixels = image.numpy().astype(np.float64)
    c, h, w = pixels.shape
    fill = np.broadcast_to(np.reshape(pixel_value(image, fill), (-1, 1, 1)), (c, 1, 1))
    if interpolation == "nearest":
        distance = np.minimum(*(np.abs(np.abs(v - np.rint(v)) - 0.5) for v in (x, y)))
        assert np.mean(distance[in_front] < 2e-5) < 5e-4, "too many source pixels on an edge between pixels"
        taps = [(np.rint(x), np.rint(y), np.ones_like(x))]
    else:
        x0, y0 = np.floor(x), np.floor(y)
        across, down = x - x0, y - y0
        taps = [
            (x0 + i, y0 + j, (across if i else 1 - across) * (down if j else 1 - down))
            for j in (0, 1)
            for i in (0, 1)
        ]
    total, weight = np.zeros_like(pixels), np.zeros_like(x)
    for tx, ty, tap in taps:
        inside = in_front & (tx >= 0) & (tx < w) & (ty >= 0) & (ty < h)
        tap = np.where(inside, tap, 0)
        tx, ty = (np.where(inside, t, 0).astype(int) for t in (tx, ty))
        total += tap * pixels[:, ty, tx]
        weight += tap
    return quantised(torch.from_numpy(total + (1 - weight) * fill), image.dtype)


def quantised(values, dtype):
    """Values in the units of the dtype, rounded half to even if it is u8."""
    return values.round().clamp(0, 255).to(dtype) if dtype == torch.uint8 else values


def checked(theirs, ours):
    """Torchvision's warp without fill, after `sample` has been found to agree with it."""
    allowed = 1 if theirs.dtype == torch.uint8 else 1e-9
    assert (theirs.double() - ours.double()).abs().max() <= allowed
    return theirs


def affine(image, angle, tx, ty, scale, shear_x, shear_y, interpolation="nearest", fill=None):
    h, w = image.shape[-2:]
    m = _get_inverse_affine_matrix([0, 0], angle, [tx, ty], scale, [shear_x, shear_y])
    y, x = np.mgrid[:h, :w] - np.array([h - 1, w - 1]).reshape(2, 1, 1) / 2
    source = m[0] * x + m[1] * y + m[2] + (w - 1) / 2, m[3] * x + m[4] * y + m[5] + (h - 1) / 2
    ours = sample(image, *source, np.full((h, w), True), interpolation, fill or 0)
    if fill is not None:
        return ours
    mode = interpolation
    return checked(F.affine(image, angle, [tx, ty], scale, [shear_x, shear_y], mode), ours)


def rotate(image, angle, interpolation="nearest", fill=None):
    ours = affine(image, -angle, 0, 0, 1, 0, 0, interpolation, fill or 0)
    return ours if fill is not None else checked(F.rotate(image, angle, interpolation), ours)


def perspective(image, *corners, interpolation="bilinear", fill=None):
    h, w = image.shape[-2:]
    start = [(0, 0), (w - 1, 0), (w - 1, h - 1), (0, h - 1)]
    end = list(zip(corners[::2], corners[1::2]))
    rows = []
    for (x, y), (u, v) in zip(end, start):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    # In f64; torchvision's own solution is rounded to f32.
    m = np.linalg.solve(np.array(rows, float), np.ravel(start)).tolist()
    # The corners are pixel indices, but the map is applied to pixel edges: PIL's and torchvision's way.
    y, x = np.mgrid[:h, :w] + 0.5
    depth = m[6] * x + m[7] * y + 1
    over = np.where(depth > 0, depth, 1)
    source = (m[0] * x + m[1] * y + m[2]) / over - 0.5, (m[3] * x + m[4] * y + m[5]) / over - 0.5
    ours = sample(image, *source, depth > 0, interpolation, fill or 0)
    if fill is not None or (depth <= 0).any():  # torchvision also shows what is behind the camera
        return ours
    return checked(F.perspective(image, None, None, interpolation, coefficients=m), ours)


def adjust_hue(image, shift):
    if image.dtype == torch.uint8 or image.shape[-3] == 1:
        return F.adjust_hue(image, shift)
    hue, saturation, value = _rgb_to_hsv(image).unbind(-3)  # the public function would fall to f32
    image_out = _hsv_to_rgb(torch.stack(((hue + shift) % 1, saturation, value), -3))
    assert torch.allclose(image_out, F.adjust_hue(image, shift), rtol=0, atol=2e-6, equal_nan=True)
    return image_out


def normalize(image, mean, std=None):
    mean, std = IMAGENET if mean == "imagenet" else (mean, std)
    image = F.to_dtype(image, torch.float64, scale=True)
    return F.normalize(image, *(v if isinstance(v, list) else [v] for v in (mean, std)))


def erase(image, top, left, height, width, value=0):
    value = torch.tensor(pixel_value(image, value), dtype=torch.float64).reshape(-1, 1, 1)
    return F.erase(image, top, left, height, width, quantised(value, image.dtype))


STEPS = {
    "hflip": F.horizontal_flip,
    "vflip": F.vertical_flip,
    "rot90": lambda image, k: torch.rot90(image, k, [-2, -1]),
    "crop": F.crop,
    "center_crop": lambda image, *size: F.center_crop(image, list(size)),
    "pad": pad,
    "permute_channels": lambda image, *order: F.permute_channels(image, list(order)),
    "resize": resize,
    "resized_crop": resized_crop,
    "affine": affine,
    "rotate": rotate,
    "perspective": perspective,
    "adjust_brightness": F.adjust_brightness,
    "adjust_contrast": F.adjust_contrast,
    "adjust_saturation": F.adjust_saturation,
    "adjust_hue": adjust_hue,
    "adjust_gamma": F.adjust_gamma,
    "adjust_sharpness": F.adjust_sharpness,
    "grayscale": lambda image: F.rgb_to_grayscale(image, image.shape[-3]),
    "solarize": lambda image, threshold: F.solarize(image, threshold * top_of(image)),
    "posterize": F.posterize,
    "invert": F.invert,
    "autocontrast": F.autocontrast,
    "equalize": F.equalize,
    "gaussian_blur": lambda image, kernel, sigma: F.gaussian_blur(image, kernel, sigma),
    "normalize": normalize,
    "to_dtype": lambda image, dtype: F.to_dtype(image, DTYPES[dtype], scale=True),
    "erase": erase,
}


# --- Interpreter ------------------------------------------------------------------------------------


def parse(chain):
    """[(name, args, kwargs)] of a chain's text."""

    def value(text):
        if text.startswith("["):
            return [value(v) for v in text[1:-1].split(",")]
        if re.fullmatch(r"[-+.\d]+", text):
            return float(text) if "." in text else int(text)
        return {"none": None, "true": True, "false": False}.get(text, text)

    steps = []
    for name, text in re.findall(r"(\w+)(?:\(([^)]*)\))?", chain):
        args, kwargs = [], {}
        for key, word in re.findall(r"(?:(\w+)=)?(\[[^\]]*\]|[^,]+)", text):
            kwargs.update({key: value(word)}) if key else args.append(value(word))
        steps.append((name, args, kwargs))
    return steps


def apply(steps, image):
    for name, args, kwargs in steps:
        image = STEPS[name](image, *args, **kwargs)
    return image


def run(chain, pixels):
    """Output and, if there is something to say about it, a note."""
    steps, image, note = parse(chain), torch.from_numpy(pixels), None
    if image.dtype == torch.float32:
        output = apply(steps, image.double())
    else:
        output = apply(steps, image.double() / 255)
        if not any(name in ("normalize", "to_dtype") for name, *_ in steps):
            output = quantised(output * 255, torch.uint8)
        if len(steps) == 1:
            direct = apply(steps, image)
            levels = (direct.int() - output.int()).abs().max().item() if direct.dtype == torch.uint8 else 0
            if levels <= 1 or steps[0][0] in ("posterize", "equalize"):  # defined on levels
                output = direct
            else:
                note = f"float path, rounded once; torchvision's u8 kernel is up to {levels} levels away"
    if output.dtype in (torch.float16, torch.bfloat16):
        note = f"{str(output.dtype)[6:]}, stored widened to f32"
    output = output if output.dtype == torch.uint8 else output.float()
    return np.ascontiguousarray(output.numpy()), note
