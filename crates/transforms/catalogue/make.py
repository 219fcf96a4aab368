#!/usr/bin/env python3
"""Writes `CATALOGUE.md` and its pictures: what each step does, in the words of its documentation and
in views of one image, drawn by `bench-loader preview`.

    cargo build --release && python3 crates/transforms/catalogue/make.py target/release/bench-loader

Every step that `bench-loader catalogue` lists must have a chain below, or a reason to have no picture.
The settings of a whole chain come after the steps; they have no pictures.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parent / "src"
STEPS = SOURCE / "steps"
# The builder, and how its settings of the whole chain are written.
BUILDER = SOURCE / "augment.rs"
SECOND_IMAGE = SOURCE / "second_image.rs"
SETTINGS = SOURCE / "spec" / "settings.rs"
PAGE = HERE / "CATALOGUE.md"

# The chain that a step is shown with, where it is not the step without arguments.
CHAINS = {
    "affine": "affine(20,6,-4,1.1,10,interpolation=bilinear)",
    "random_affine": "random_affine(30,translate=[0.1,0.1],scale=0.8..1.2,shear=[-10,10],interpolation=bilinear)",
    "adjust_brightness": "adjust_brightness(1.5)",
    "random_brightness": "random_brightness(0.4..1.6)",
    "permute_channels": "permute_channels(2,1,0)",
    "color_jitter": "color_jitter(0.4,0.4,0.4,0.1)",
    "adjust_contrast": "adjust_contrast(2)",
    "random_contrast": "random_contrast(0.3..2)",
    "crop": "crop(10,20,50,50)",
    "center_crop": "center_crop(50)",
    "random_crop": "random_crop(50)",
    "elastic": "elastic(80,sigma=4)",
    "erase": "erase(20,30,30,20,value=[0.2,0.4,0.8])",
    "random_erasing": "random_erasing(1,value=noise)",
    "adjust_gamma": "adjust_gamma(2.2)",
    "random_gamma": "random_gamma(0.4..2.5)",
    "gaussian_blur": "gaussian_blur(11,sigma=0.5..3)",
    "random_grayscale": "random_grayscale(0.5)",
    "adjust_hue": "adjust_hue(0.3)",
    "random_hue": "random_hue(-0.5..0.5)",
    "time_mask": "time_mask(20,count=2)",
    "freq_mask": "freq_mask(20,count=2)",
    "mixup": "mixup(4)",
    "cutmix": "cutmix(1)",
    "mixup_or_cutmix": "mixup_or_cutmix(4,1)",
    "normalize": "normalize(imagenet)",
    "one_of": "one_of(hflip,invert,grayscale)",
    "pad": "pad(12,mode=reflect)",
    "pad_if_needed": "pad_if_needed(90,110,fill=0.5)",
    "perspective": "perspective(10,5,70,0,79,79,0,70)",
    "random_perspective": "random_perspective(0.5,p=1)",
    "posterize": "posterize(2)",
    "random_posterize": "random_posterize(2)",
    "random_apply": "random_apply(0.5,vflip invert)",
    "random_order": "random_order(adjust_brightness(1.4) posterize(3) adjust_gamma(0.6))",
    "random_resized_crop": "random_resized_crop(80)",
    "resize": "resize(30,80)",
    "resized_crop": "resized_crop(10,20,40,40,80,80)",
    "rot90": "rot90(1)",
    "rotate": "rotate(20,interpolation=bilinear)",
    "random_rotation": "random_rotation(45,interpolation=bilinear)",
    "salt_and_pepper": "salt_and_pepper(0.05..0.2)",
    "adjust_saturation": "adjust_saturation(2)",
    "random_saturation": "random_saturation(0..2)",
    "adjust_sharpness": "adjust_sharpness(4)",
    "random_sharpness": "random_sharpness(4)",
    "shift": "shift(30)",
    "solarize": "solarize(0.5)",
    "random_solarize": "random_solarize(0.5)",
}
# Steps that an image does not show, and settings.
UNSEEN = {
    "random_dflip": "random_dflip",
    "to_dtype": "hflip to_dtype(f32)",
    "to_layout": "grayscale to_layout(chw)",
    "gain": "gain(-6..6)",
    "random_window": "random_window(16000)",
    "pad_or_truncate": "pad_or_truncate(512,value=-100)",
    "field": "field(photo) hflip",
    "layout": "layout(hwc) hflip",
    "range": "range(0,255) adjust_brightness(1.2) normalize(127.5,127.5)",
    "draws_as": "field(depth) draws_as(pair) random_crop(50) random_hflip",
    "resample_once": "resample_once resize(90) random_rotation(20,interpolation=bilinear)",
    "scaled_decode": "scaled_decode random_resized_crop(80) random_hflip",
    "mask": "random_crop(50) mask(road)",
    "image": "random_crop(50) color_jitter(0.4) image(depth,interpolation=nearest)",
    "boxes": "random_crop(50) boxes(cars,xyxy)",
    "keypoints": "random_hflip keypoints(joints)",
    "one_hot": "mixup(0.2) one_hot(target,10)",
}
# The method of a step whose text is shorter than its name.
METHODS = {"crop": "crop_image"}
LABELLED = {"mixup", "cutmix", "mixup_or_cutmix"}
# Steps that do the same to every sample need one view.
RANDOM = re.compile(r"random_|color|elastic|gauss|salt|.*mask|mix|cut|one_of|.*aug|shift")
FIXED_VIEWS, RANDOM_VIEWS = 1, 3
# One in which both pictures are mixed.
SEED = 11

DOC = re.compile(r"(?:^[ \t]*///.*\n)+", re.M)


def documentation():
    """The doc comment of every builder method, and of every struct that one refers to."""
    docs = {}
    for path in [*sorted(STEPS.glob("*.rs")), BUILDER, SECOND_IMAGE]:
        text = path.read_text()
        for doc in DOC.finditer(text):
            item = re.match(r"(?:\s*#\[.*\]\n)*\s*pub (?:fn|struct) (\w+)", text[doc.end() :])
            if item:
                lines = [re.sub(r"^\s*/// ?", "", line) for line in doc.group().splitlines()]
                docs.setdefault(item[1], "\n".join(lines))
    return docs


def plain(doc):
    """Documentation without its examples, and with code instead of links."""
    doc = re.sub(r"```.*?```", "", doc, flags=re.S)
    doc = re.sub(r"\[(`[^`]+`)\](\([^)]*\))?", r"\1", doc)
    doc = re.sub(r"\[([^\]`]+)\]\(Self::[^)]*\)", r"\1", doc)
    return doc.replace("\\[", "[").replace("\\]", "]").strip()


def words_of(name, docs):
    """The documentation of a step, and of the struct that has the rest of it."""
    said = docs[name]
    more = re.search(r"(?:see|or an?|or a) \[`(\w+)`\]", said)
    parts = [plain(said)]
    if more and more[1] in docs:
        parts.append(plain(docs[more[1]]))
    return "\n\n".join(parts)


def settings():
    """How each setting of a whole chain is written."""
    form = re.compile(r'Form \{\s*name: "(\w+)",\s*usage: "([^"]*)"')
    forms = form.findall(SETTINGS.read_text())
    return [f"{name}({usage})" if usage else name for name, usage in forms]


def picture(program, name):
    """Draws the picture of a step; the chain that it shows."""
    chain = CHAINS.get(name, name)
    views = RANDOM_VIEWS if RANDOM.match(name) else FIXED_VIEWS
    options = ["--one-hot", "target:2"] if name in LABELLED else []
    out = HERE / f"{name}.png"
    command = [program, "preview", HERE / "images", "--samples", "1", "--views", str(views)]
    command += ["--seed", str(SEED), "--augment", chain, "--out", out, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return chain


def main(program):
    listed = subprocess.run([program, "catalogue"], check=True, capture_output=True, text=True).stdout
    docs = documentation()
    page = ["# The catalogue", "", (HERE / "head.md").read_text().strip(), ""]
    for usage in listed.splitlines() + settings():
        name = usage.split("(")[0]
        said = words_of(METHODS.get(name, name), docs)
        page += [f"## `{name}`", "", f"`{usage}`", "", said, ""]
        chain = UNSEEN.get(name)
        if chain is None:
            chain = picture(program, name)
            page += [f"![{name}]({name}.png)", ""]
        page += [f"`{chain}`", ""]
    PAGE.write_text("\n".join(page))


if __name__ == "__main__":
    main(sys.argv[1])
