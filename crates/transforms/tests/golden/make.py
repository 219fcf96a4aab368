#!/usr/bin/env python3
"""Makes the golden files of the augmentation engine; README.md beside this file says how to run it.

A case is a chain in the engine's own text, an input, and the output of torchvision. `chains.py` turns the text
into calls of torchvision, so that text and output cannot disagree; here are the inputs, the grid and the files.
"""

import itertools
import json
import re
import sys
import zlib
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
import torchvision

from chains import DTYPES, run

HERE = Path(__file__).parent
TOLERANCES = {
    "exact": "equal bit by bit",
    "pixel": "u8: one level; f32: 2e-6",
    "warp": "u8: one level; f32: 1e-5",
    "bytes": "u8: one level; f32 from u8 that was resized or blurred, in integers: 4e-4, a tenth of a level",
    "nearest": "at most 0.1 % of the pixels differ",
}
BOTH = ("u8", "f32")


# --- Inputs ----------------------------------------------------------------------------------------


def make_image(name):
    """The image that a name such as `f32/noise-3x17x11` (channels, height, width) describes."""
    dtype, kind, shape = re.fullmatch(r"(\w+)/([a-z_]+)-(\w+)", name).groups()
    c, h, w = shape = tuple(map(int, shape.split("x")))
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    noise = rng.integers(0, 256, shape) / 255 if dtype == "u8" else rng.random(shape, np.float32)
    y, x = np.mgrid[:h, :w]
    if kind == "noise":
        unit = noise
    elif kind == "dim":  # low contrast, uneven histogram
        unit = 0.2 + 0.4 * noise**2
    elif kind == "smooth":
        unit = np.stack([np.sin(x / (5 + k) + k) * np.cos(y / (6 + k)) for k in range(c)]) / 2 + 0.5
    elif kind == "constant":
        unit = np.full(shape, 0.4)
    elif kind == "two_level":
        unit = np.where(noise < 0.3, 0.2, 0.7)
    elif kind == "saturated":  # mostly black and white
        unit = np.clip((noise - 0.5) * 4 + 0.5, 0, 1)
    elif kind == "levels":  # all 256, once in a channel
        unit = np.arange(h * w).reshape(1, h, w).repeat(c, 0) / 255
    elif kind == "ramp":
        unit = np.linspace(0, 1, h * w).reshape(1, h, w).repeat(c, 0)
    elif kind == "cube":  # a 16 x 16 x 16 colour cube
        unit = np.stack(np.meshgrid(*3 * [np.arange(16)], indexing="ij")).reshape(shape) / 15
    elif kind == "nan":  # one of a pixel's channels, in a corner and inside
        unit = noise.copy()
        unit[0, 0, 0] = unit[c // 2, h // 2, w // 2] = np.nan
    elif kind == "infinite":
        unit = noise.copy()
        unit[0, 0, 0], unit[c // 2, h // 2, w // 2] = -np.inf, np.inf
    elif kind == "wide":  # a little beyond both ends, as what was interpolated is
        unit = noise * 1.8 - 0.4
    elif kind == "bright":  # beyond white alone
        unit = noise * 1.4
    return np.rint(unit * 255).astype(np.uint8) if dtype == "u8" else unit.astype(np.float32)


# --- Files ----------------------------------------------------------------------------------------


class Group:
    """The cases of one pair of files."""

    def __init__(self, name):
        self.name, self.cases, self.tensors, self.keys = name, [], {}, {}

    def key(self, name, tensor):
        """The key of a tensor, that of an equal one if there is one."""
        content = (tensor.dtype, tensor.shape, tensor.tobytes())
        if content not in self.keys:
            self.keys[content] = name
            self.tensors[name] = tensor
        return self.keys[content]

    def add(self, images, chains, tolerance, note=None, dtypes=BOTH):
        """Every chain on every image; both are texts separated by blanks or lists."""
        chains = chains.split() if isinstance(chains, str) else chains
        for dtype, image, chain in itertools.product(dtypes, images.split(), chains):
            source = make_image(f"{dtype}/{image}")
            output, said = run(chain, source)
            is_summed = "resize" in chain or chain.startswith("gaussian_blur")
            is_of_bytes = dtype == "u8" and is_summed and output.dtype == np.float32
            case = {
                "chain": chain,
                "input": self.key(f"{dtype}/{image}", source),
                "output": self.key(f"out/{len(self.cases):04}", output),
                "tolerance": "bytes" if tolerance == "warp" and is_of_bytes else tolerance,
            }
            note_of_case = "; ".join(filter(None, (note, said)))
            self.cases.append(case | ({"note": note_of_case} if note_of_case else {}))

    def write(self):
        versions = {m.__name__: m.__version__.split("+")[0] for m in (torch, torchvision, np)}
        cases = ",\n".join(f"    {json.dumps(case)}" for case in self.cases)
        head = json.dumps({"made_with": versions, "tolerances": TOLERANCES}, indent=2)[:-2]
        (HERE / f"{self.name}.json").write_text(f'{head},\n  "cases": [\n{cases}\n  ]\n}}\n')
        path = HERE / f"{self.name}.safetensors"
        path.write_bytes(safetensors.numpy.save(self.tensors))
        print(f"{self.name:12} {len(self.cases):4} cases {path.stat().st_size / 1024:7.0f} KiB")


# --- The grid ---------------------------------------------------------------------------------------


def permutation(group):
    group.add("noise-3x17x11 noise-3x1x7", "hflip vflip rot90(1) rot90(2) rot90(3)", "exact")
    group.add("noise-1x17x11 noise-4x17x11", "hflip vflip rot90(1) crop(2,3,10,7) center_crop(20,8)", "exact")
    group.add("noise-3x17x11", "crop(2,3,10,7) crop(0,0,1,1) crop(16,10,1,1) crop(0,0,17,11)", "exact")
    # Odd differences (halves go to the even number), then sizes larger than the image.
    group.add("noise-3x17x11", "center_crop(10,8) center_crop(12,10) center_crop(9) center_crop(16,6)", "exact")
    group.add("noise-3x17x11", "center_crop(20,16) center_crop(20,5) center_crop(8,14) center_crop(17,11)", "exact")
    modes = ("constant", "edge", "reflect", "symmetric")
    for mode in modes:
        group.add("noise-3x17x11", [f"pad({p},mode={mode})" for p in ("2", "1,3", "1,2,3,4", "0,0,5,0")], "exact")
        group.add("noise-1x17x11 noise-4x17x11", [f"pad(1,2,3,4,mode={mode})"], "exact")
        group.add("noise-3x1x7", [f"pad(5,0,6,0,mode={mode})"], "exact")
    group.add("noise-3x17x11", "pad(1,2,3,4,fill=0.4) pad(1,2,3,4,mode=constant,fill=[0.2,0.4,0.6])", "exact")
    folded = [f"pad(9,2,16,3,mode={mode})" for mode in modes[2:]]
    group.add("noise-3x1x7", folded, "exact", note="wider than the image: numpy.pad")
    group.add("noise-3x17x11", "permute_channels(2,1,0) permute_channels(1,2,0) permute_channels(0,1,2)", "exact")
    group.add("noise-4x17x11", "permute_channels(3,0,1,2)", "exact")
    chains = [
        "hflip vflip",
        "crop(2,3,10,7) hflip",
        "rot90(1) crop(1,2,8,9) vflip",
        "rot90(3) rot90(2) hflip rot90(1)",
        "pad(1,2,3,4,mode=reflect) crop(3,0,12,13) rot90(3)",
        "pad(2,mode=symmetric) pad(1,mode=edge) hflip",
        "crop(4,3,6,5) pad(3,2,1,4,mode=reflect)",
        "hflip pad(2,fill=0.4) permute_channels(2,1,0)",
        "pad(1,2,3,4,fill=[0.2,0.4,0.6]) permute_channels(1,2,0) rot90(1) center_crop(14)",
        "center_crop(20,16) rot90(2) crop(0,0,9,16)",
    ]
    group.add("noise-3x17x11", chains, "exact")


SMOOTHING = [f"interpolation={i},antialias={a}" for i in ("bilinear", "bicubic") for a in ("true", "false")]


def resize_group(group):
    def sized(step, sizes, hows):
        return [f"{step}({size},{how})" for size in sizes.split() for how in hows]

    nearest = ["interpolation=nearest"]
    # Up 1.7, down 2.3, down 5.1, up one axis and down the other.
    group.add("noise-3x17x11", sized("resize", "29,19 7,5 3,2 29,5", SMOOTHING), "pixel")
    group.add("noise-3x17x11", sized("resize", "29,19 7,5 3,2 29,5", nearest), "exact")
    group.add("noise-3x17x11", sized("resize", "17,11", SMOOTHING + nearest), "exact")
    group.add("noise-1x17x11 noise-4x17x11", sized("resize", "29,19 7,5", SMOOTHING[:1] + SMOOTHING[3:]), "pixel")
    # Larger images: source coordinates in f32 alone may cost 5e-6 here.
    group.add("noise-3x48x64", sized("resize", "21,28 9,13", SMOOTHING), "warp")
    group.add("noise-1x48x64", sized("resize", "82,109", SMOOTHING), "warp")
    group.add("noise-1x47x63", sized("resize", "20,27 9,12 80,107", nearest), "exact")
    for shape, sizes in {"1x7": "1,12 2,3 1,2", "7x1": "12,1 3,1 12,2"}.items():
        group.add(f"noise-3x{shape}", sized("resize", sizes, SMOOTHING), "pixel")
        group.add(f"noise-3x{shape}", sized("resize", sizes, nearest), "exact")
    group.add("saturated-3x32x32", sized("resize", "54,54 14,14 6,6", SMOOTHING), "warp")
    group.add("constant-3x32x32", sized("resize", "54,54 14,14", SMOOTHING), "pixel")
    short_side = "resize(8) resize(8,max=12) resize(8,max=10) resize(20,interpolation=bicubic)"
    group.add("noise-3x17x11", short_side, "pixel")
    crops = "3,2,12,8,20,20 1,1,15,9,6,5 16,10,1,1,4,4"
    group.add("noise-3x17x11", sized("resized_crop", crops, SMOOTHING), "pixel")
    group.add("noise-3x17x11", sized("resized_crop", "2,3,13,7,21,20 1,1,15,9,7,5", nearest), "exact")
    same = "0,0,17,11,17,11 4,3,6,5,6,5"
    group.add("noise-3x17x11", sized("resized_crop", same, SMOOTHING[:1] + nearest), "exact")


# In the order mild, strong, beyond the image, with its horizon in the image, folded (concave: all behind, or nearly).
QUADS = {
    "32x32": [
        "2,1,29,3,30,28,1,30",
        "8,4,25,9,31,31,0,22",
        "-6,-3,35,2,40,33,-2,38",
        "0,0,31,0,18,18,0,31",
        "4,3,31,2,14,15,1,30",
    ],
    "47x63": [  # fractional: integer corners put source pixels on the edge of the image
        "3.3,2.1,58.2,5.4,60.6,41.3,1.7,44.1",
        "15.2,6.3,50.4,14.1,61.7,45.2,0.4,33.3",
        "-9.3,-4.2,66.1,3.4,70.3,49.2,-3.4,52.1",
        "0.3,0.2,61.6,0.4,40.3,18.2,0.1,45.7",
    ],
}
FILLS = ("0", "0.4", "[0.2,0.4,0.6]")


def warp(group):
    # Nearest wants odd sizes: with even ones whole columns of source pixels lie on edges at scale 0.7.
    angles, scales, shears, moves = (-37, 0, 90, 180), (0.7, 1, 1.4), ("0,0", "11,-7"), ("0,0", "3,-2")
    grid = [f"{a},{m},{s},{sh}" for a, s, sh, m in itertools.product(angles, scales, shears, moves)]
    group.add("noise-3x17x11", [f"affine({g},interpolation=bilinear)" for g in grid], "warp")
    group.add("noise-1x47x63", [f"affine({g},interpolation=nearest)" for g in grid], "nearest", dtypes=["u8"])
    some = ["-37,0,0,0.7,0,0", "-37,3,-2,1.4,11,-7", "0,3,-2,1,0,0", "90,0,0,1,0,0", "180,3,-2,0.7,11,-7"]
    filled = [f"affine({g},interpolation=bilinear,fill={f})" for g in some for f in FILLS]
    group.add("noise-3x17x11", filled, "warp")
    filled = [f"affine({g},interpolation=nearest,fill={f})" for g in some[1:3] for f in FILLS[1:]]
    group.add("noise-3x47x63", filled, "nearest", dtypes=["u8"])
    group.add("noise-1x47x63", [f"affine({some[1]},interpolation=nearest,fill=0.4)"], "nearest")
    group.add("constant-3x32x32", [f"affine({some[0]},interpolation=bilinear,fill=0.4)"], "warp")
    fractional = "affine(12.5,1.25,-0.5,1.1,5,3,interpolation=bilinear"
    group.add("noise-1x17x11 noise-4x17x11 noise-3x1x7", [f"{fractional})", f"{fractional},fill=0.4)"], "warp")

    angles = (-37, 15, 45, 90, 180, 270, -90, 360)
    group.add("noise-3x17x11 noise-3x32x32", [f"rotate({a},interpolation=bilinear)" for a in (15, 90, 270)], "warp")
    group.add("noise-3x17x11", [f"rotate({a},interpolation=bilinear)" for a in (-37, 45, 180, -90, 360)], "warp")
    filled = [f"rotate({a},interpolation=bilinear,fill={f})" for a in (15, 90) for f in FILLS]
    group.add("noise-3x17x11", filled, "warp")
    group.add("noise-1x47x63", [f"rotate({a})" for a in angles], "nearest", dtypes=["u8"])
    group.add("noise-1x48x64", "rotate(-37) rotate(180) rotate(15,fill=0.4)", "nearest")

    notes = [None] * 3 + ["torchvision has no horizon: from the sampler of chains.py"] * 2
    fills = ["", *(f",fill={f}" for f in FILLS[1:])]
    for quad, note in zip(QUADS["32x32"], notes):
        bilinear = [f"perspective({quad},interpolation=bilinear{f})" for f in fills]
        group.add("smooth-3x32x32", bilinear, "warp", note)
        group.add("noise-3x32x32", bilinear[:2], "warp", note, dtypes=["u8"])
    for quad, note in zip(QUADS["47x63"], notes):
        nearest = [f"perspective({quad},interpolation=nearest{f})" for f in fills[:2]]
        group.add("noise-1x47x63", nearest, "nearest", note)
    group.add("noise-3x32x32", ["perspective(0,0,31,0,31,31,0,31)"], "warp")

    # Long images: places in f32 alone are off by more than 1e-4 pixels.
    long = "affine(0.1,1.25,-0.5,1.01,0.05,0.02,interpolation=bilinear) rotate(-0.07,interpolation=bilinear)"
    group.add("noise-1x6x3000", long.split() + ["perspective(7,0.5,2990,0,2985,5,3,4.6)"], "warp", dtypes=["f32"])


def color(group):
    small = "noise-3x17x11 noise-1x17x11 noise-3x1x7 saturated-3x17x11"
    flat = "constant-3x5x6 two_level-3x5x6"
    for step in ("brightness", "contrast", "saturation"):
        group.add(small, [f"adjust_{step}({f})" for f in ("0", "0.5", "1", "1.7")], "pixel")
        group.add(flat, [f"adjust_{step}({f})" for f in ("0.5", "1.7")], "pixel")
    hues = [f"adjust_hue({h})" for h in ("-0.5", "-0.1", "0", "0.25", "0.5")]
    group.add("cube-3x64x64 levels-3x16x16 noise-3x17x11", hues, "pixel")
    group.add("noise-1x17x11 noise-3x1x7 constant-3x5x6 saturated-3x17x11", hues[1:2], "pixel")
    gammas = "adjust_gamma(0.5) adjust_gamma(1) adjust_gamma(2.2) adjust_gamma(2.2,gain=1.3)"
    group.add("levels-1x16x16 saturated-3x17x11 noise-4x17x11", gammas, "pixel")
    group.add(f"{small} {flat}", "grayscale", "pixel")
    by_channel = f"levels-1x16x16 noise-4x17x11 saturated-3x17x11 {flat} noise-3x1x7"
    group.add(by_channel, "solarize(0) solarize(0.5) solarize(1) invert", "exact")
    group.add("levels-1x16x16 noise-3x17x11", [f"posterize({bits})" for bits in range(9)], "exact")
    group.add("noise-4x17x11 saturated-3x17x11 noise-3x1x7", "posterize(3)", "exact")
    group.add(f"dim-3x17x11 dim-1x17x11 {small} {flat}", "autocontrast", "pixel")
    # Below some 256 pixels equalize changes nothing: there is less than one pixel a level.
    histograms = "dim-3x32x32 noise-4x32x32 two_level-3x32x32 constant-3x32x32 saturated-3x32x32 dim-3x17x11 dim-3x1x7"
    group.add(histograms, "equalize", "exact", dtypes=["u8"])
    group.add(histograms, "equalize", "pixel", dtypes=["f32"])
    jitter = ("adjust_brightness(1.3)", "adjust_contrast(0.6)", "adjust_saturation(1.5)", "adjust_hue(0.1)")
    orders = [" ".join(order) for order in itertools.permutations(jitter)]
    group.add("noise-3x17x11", orders, "pixel", dtypes=["f32"])
    group.add("noise-3x17x11", [f"{order} to_dtype(f32)" for order in orders], "pixel", dtypes=["u8"])


def filter_group(group):
    sharpness = [f"adjust_sharpness({f})" for f in ("0", "0.5", "1", "2")]
    group.add("noise-3x17x11 noise-1x17x11 saturated-3x17x11 constant-3x5x6", sharpness, "pixel")
    group.add("noise-3x32x32 noise-3x3x3", sharpness[3:], "pixel")
    group.add("noise-3x1x7 noise-3x2x9 noise-3x9x2", sharpness[3:], "exact")
    blurs = [f"gaussian_blur({k},sigma={s})" for k in (3, 5, 23) for s in ("0.3", "1.7")]
    group.add("noise-3x32x32 noise-1x12x13", blurs, "pixel")
    group.add("noise-3x17x11 noise-1x17x11 noise-4x17x11 saturated-3x17x11", blurs[:4], "pixel")
    group.add("constant-3x5x6 noise-3x2x9", blurs[:2], "pixel")
    # A bicubic resize leaves the range, a sharpening does not: not even at the border, which it copies.
    beyond = [f"resize({size},interpolation=bicubic) adjust_sharpness({f})" for size in ("29,19", "2,19") for f in (0, 1, 2)]
    group.add("saturated-3x17x11", beyond, "warp", dtypes=["f32"])
    group.add("saturated-3x17x11", [f"{chain} to_dtype(f32)" for chain in beyond], "warp", dtypes=["u8"])


def store(group):
    lists = "normalize([0.1,0.2,0.3],[0.4,0.5,0.6])"
    group.add("noise-3x17x11 saturated-3x17x11", f"normalize(imagenet) normalize(0.5,0.5) {lists}", "pixel")
    group.add("noise-1x17x11 levels-1x16x16", "normalize(0.1307,0.3081) normalize([0.5],[0.25])", "pixel")
    group.add("noise-4x17x11", "normalize([0.1,0.2,0.3,0.4],[0.4,0.5,0.6,0.7])", "pixel")
    casts = [f"to_dtype({dtype})" for dtype in DTYPES]
    group.add("levels-1x16x16", casts[:1], "exact")
    group.add("levels-1x16x16", casts[3:], "pixel")
    group.add("levels-1x16x16 noise-3x17x11", casts[1:3], "exact")
    group.add("levels-1x16x16", ["to_dtype(f32) to_dtype(u8)"], "exact")
    group.add("ramp-1x32x32 noise-3x17x11", casts[:1], "pixel", dtypes=["f32"])
    group.add("noise-3x17x11", ["to_dtype(f32) normalize(imagenet)", "hflip normalize(imagenet)"], "pixel")
    erased = ["erase(2,3,10,7)", "erase(0,0,17,11,value=0.4)", "erase(15,4,2,7,value=[0.2,0.4,0.6])"]
    group.add("noise-3x17x11", erased, "exact")
    after = ["normalize(imagenet) erase(2,3,10,7,value=-1.5)", "erase(2,3,10,7,value=0.4) normalize(imagenet)"]
    group.add("noise-3x17x11", after, "pixel")


def pipeline(group):
    chains = [
        "resized_crop(3,2,12,8,16,16) hflip normalize(imagenet)",
        "resized_crop(1,1,15,9,6,5) hflip adjust_brightness(1.2) adjust_saturation(0.7) normalize(imagenet)",
        "pad(2,mode=reflect) crop(1,2,17,11) hflip to_dtype(f32) normalize(imagenet)",
        "rotate(15,interpolation=bilinear,fill=0.4) adjust_contrast(1.5)",
        "adjust_contrast(1.5) rotate(15,interpolation=bilinear,fill=0.4)",
        "affine(-37,3,-2,1.4,11,-7,interpolation=bilinear) vflip invert",
        "adjust_brightness(1.3) adjust_contrast(0.6) autocontrast",
        "adjust_sharpness(2) adjust_hue(0.1) normalize(imagenet)",
        "gaussian_blur(5,sigma=1.7) grayscale adjust_gamma(0.5) to_dtype(f32)",
        "rot90(1) gaussian_blur(3,sigma=1.7) crop(2,1,8,12)",
        "resize(29,19) crop(4,5,20,10) adjust_contrast(0.5)",
        "hflip crop(2,3,10,7) resize(5,4,interpolation=bicubic,antialias=false) erase(1,1,2,2,value=0.4)",
        "pad(2,fill=0.4) resize(10,8) autocontrast permute_channels(2,1,0)",
    ]
    group.add("noise-3x17x11", chains, "warp")


def odd(group):
    """NaN, infinities, and what is a little outside of the range."""
    images = "nan-3x17x11 infinite-3x17x11 wide-3x17x11"

    def add(images, chains, tolerance="pixel", note=None):
        group.add(images, chains, tolerance, note, dtypes=["f32"])

    for step in ("brightness", "contrast", "saturation"):
        add(images, [f"adjust_{step}({f})" for f in ("0.5", "1", "1.7")])
    add("nan-1x17x11 infinite-1x17x11 wide-1x17x11", "adjust_brightness(1.7) adjust_contrast(1.7)")
    # An infinity gives torchvision a hue that is none, and the machine's choice of a sector.
    add("nan-3x17x11 bright-3x17x11", ["adjust_hue(0.25)", "adjust_hue(-0.1)"])
    # torchvision limits powers only if there is a gain, and makes NaN of what is below 0, the engine 0.
    add("nan-3x17x11", "adjust_gamma(0.5) adjust_gamma(2.2,gain=1.3)")
    add("bright-3x17x11", "adjust_gamma(2.2,gain=1.3)")
    add(images, "grayscale")
    add(images, "solarize(0.5) invert", "exact")
    add(images, [f"posterize({bits})" for bits in (0, 3, 8)], "exact")
    add(f"{images} bright-3x5x6", "autocontrast")
    add("constant-3x5x6", "autocontrast")
    add("nan-3x17x11", "adjust_sharpness(2) gaussian_blur(3,sigma=1.7)")
    add(images, "normalize(imagenet) normalize(0.5,0.5)")
    add(images, ["hflip pad(2,fill=0.4)", "rot90(1) crop(2,1,8,12)", "permute_channels(2,1,0)"], "exact")
    add(images, ["adjust_brightness(1.3) adjust_contrast(0.6) autocontrast", "invert adjust_saturation(1.5)"])


GROUPS = {
    "permutation": permutation,
    "resize": resize_group,
    "warp": warp,
    "color": color,
    "filter": filter_group,
    "store": store,
    "pipeline": pipeline,
    "odd": odd,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or GROUPS:
        group = Group(name)
        GROUPS[name](group)
        group.write()
