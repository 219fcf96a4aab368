"""Makes the pictures of jpeg/ and the checksums of what PIL decodes them to.

    pip install pillow numpy        # and cjpeg of libjpeg-turbo
    python make_jpeg.py

A line of jpeg/expected.txt: the name, height, width, and the CRC-32 of the pixels in RGB and in grey,
whole and then decoded at 1/2, 1/4 and 1/8. Grey is Y where a file holds YCbCr.

    python make_jpeg.py expected    # of the pictures that are there
"""

import io
import pathlib
import subprocess
import sys
import tempfile
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent / "jpeg"
RANDOM = np.random.default_rng(11)
SAMPLINGS = [
    "1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3", "3x2",
    "1x1,2x2,2x2", "1x1,2x1,1x1", "2x2,2x1,1x2", "2x1,1x1,2x1", "2x2,1x1,2x2", "1x2,1x1,1x2", "4x1,2x1,1x1",
]
# Scans of a sequential file that hold one component each, and a progression other than cjpeg's.
APART = "0;\n1;\n2;\n"
BITS = """0: 0-0, 0, 3; 1 2: 0-0, 0, 2; 0: 0-0, 3, 2; 0 1 2: 0-0, 2, 1; 0: 1-63, 0, 3; 1: 1-9, 0, 1; 2: 1-63, 0, 0;
0: 1-63, 3, 2; 0: 1-20, 2, 1; 1: 10-63, 0, 2; 0 1 2: 0-0, 1, 0; 0: 21-63, 2, 1; 1: 1-9, 1, 0; 0: 1-63, 1, 0;
1: 10-63, 2, 1; 1: 10-63, 1, 0;"""


def photo(height, width):
    """Something with edges, slopes and noise."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(x / a + y / b) for a, b in [(5, 9), (11, -4), (-7, 6)]]
    pixels = np.stack(waves, -1) + RANDOM.normal(0, 12, (height, width, 3))
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (250, 20, 60)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def cjpeg(pixels, *options, scans=None):
    height, width = pixels.shape[:2]
    kind = b"P6" if pixels.ndim == 3 else b"P5"
    with tempfile.NamedTemporaryFile("w") as script:
        if scans:
            script.write(scans)
            script.flush()
            options += ("-scans", script.name)
        header = b"%s %d %d 255\n" % (kind, width, height)
        done = subprocess.run(["cjpeg", *options], input=header + pixels.tobytes(), capture_output=True, check=True)
    return done.stdout


def pil(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def segments(jpeg):
    """The segments before the data of the first scan, and the rest."""
    at, found = 2, []
    while True:
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        found.append(jpeg[at : at + length])
        at += length
        if found[-1][1] == 0xDA:
            return found, jpeg[at:]


def joined(found, rest, between=b""):
    return b"\xff\xd8" + between.join(found) + rest


def without(jpeg, *codes):
    found, rest = segments(jpeg)
    return joined([s for s in found if s[1] not in codes], rest)


def adobe(jpeg, transform):
    found, rest = segments(jpeg)
    found = [s for s in found if s[1] not in (0xE0, 0xEE)]
    return joined([b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])] + found, rest)


def pictures():
    usual = photo(37, 29)
    for sampling in SAMPLINGS:
        name = sampling.replace(",", "-")
        q = ("-quality", "88", "-sample", sampling)
        yield f"{name}", cjpeg(usual, *q)
        yield f"{name}-restart", cjpeg(usual, *q, "-restart", "2B", "-optimize")
        yield f"{name}-progressive", cjpeg(usual, *q, "-progressive")
        yield f"{name}-apart", cjpeg(usual, *q, scans=APART)
    for sampling in ["1x1", "2x1", "2x2", "4x1", "1x2"]:
        for height, width in [(1, 1), (8, 8), (16, 3), (2, 33), (17, 16), (65, 4)]:
            mode = ["-progressive"] if (height + width) % 2 else ["-optimize"]
            yield f"{sampling}-{height}-{width}", cjpeg(photo(height, width), "-sample", sampling, *mode)
    yield "2x2-large", cjpeg(photo(150, 203), "-quality", "80", "-sample", "2x2")
    yield "2x2-large-progressive", cjpeg(photo(150, 203), "-quality", "80", "-sample", "2x2", "-progressive")
    # Large enough for the table that passes over many blocks.
    yield "2x1-larger", cjpeg(photo(330, 410), "-quality", "75", "-sample", "2x1", "-optimize")
    yield "2x2-larger-progressive", cjpeg(photo(330, 410), "-quality", "60", "-sample", "2x2", "-progressive")
    yield "bits", cjpeg(usual, "-sample", "2x1", "-quality", "95", scans=BITS)
    yield "bits-restart", cjpeg(usual, "-sample", "2x2", "-quality", "95", "-restart", "3B", scans=BITS)
    yield "progressive-restart", cjpeg(photo(70, 90), "-sample", "2x2", "-quality", "95", "-progressive", "-restart", "1")
    yield "2x2-2x2-2x2-apart", cjpeg(usual, "-sample", "2x2,2x2,2x2", scans=APART)
    yield "4x4-apart", cjpeg(usual, "-sample", "4x4", scans=APART)
    yield "quality-1", cjpeg(usual, "-quality", "1", "-sample", "2x2")
    yield "quality-100", cjpeg(usual, "-quality", "100", "-sample", "1x1")
    grey = usual[:, :, 0]
    yield "grey", cjpeg(grey)
    yield "grey-progressive", cjpeg(grey, "-progressive")
    yield "grey-2x2-restart", cjpeg(grey, "-sample", "2x2", "-restart", "3B")
    rgb = cjpeg(usual, "-rgb", "-quality", "90")
    yield "rgb-adobe", rgb
    yield "rgb-names", without(rgb, 0xEE)
    found, rest = segments(without(rgb, 0xEE))
    jfif = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    yield "rgb-names-jfif", joined([jfif] + found, rest)
    yield "ycc-adobe", adobe(cjpeg(usual), 1)
    yield "ycc-bare", without(cjpeg(usual), 0xE0)
    ink = Image.fromarray(photo(37, 29)).convert("CMYK")
    black = Image.fromarray(photo(37, 29)[:, :, 1])
    ink = Image.merge("CMYK", (*ink.split()[:3], black))
    for mode in ["", "-progressive"]:
        cmyk = pil(ink, quality=85, progressive=bool(mode))
        yield f"cmyk{mode}", cmyk
        yield f"cmyk-bare{mode}", without(cmyk, 0xEE)
        yield f"ycck{mode}", adobe(cmyk, 2)
    found, rest = segments(cjpeg(usual, "-sample", "2x2"))
    yield "no-huffman-tables", joined([s for s in found if s[1] != 0xC4], rest)
    yield "junk-between", joined(found, rest, between=b"\0junk\xff\0\xff\xff\xff")
    yield "junk-behind", joined(found, rest + b"junk\xff\xd8\xff\xd9")
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        yield f"turn-{turn}", pil(Image.fromarray(photo(8, 12)), exif=exif)


def crc(image):
    return f"{zlib.crc32(np.asarray(image).tobytes()):08x}"


def opened(jpeg, is_grey, divisor):
    """The picture at a scale. Pillow's `draft` does the same, but not for the smallest pictures."""
    image = Image.open(io.BytesIO(jpeg))
    tile = image.tile[0]
    (_, _, width, height), args = tile.extents, tile.args
    if is_grey:
        image._mode, args = "L", ("L", "")
    image._size = (-(-width // divisor), -(-height // divisor))
    image.tile = [tile._replace(extents=(0, 0, *image._size), args=args)]
    image.decoderconfig = (divisor, 0)
    return image


def expected(name, jpeg):
    image = Image.open(io.BytesIO(jpeg))
    is_rgb = name.startswith("rgb") and not name.endswith("jfif")
    is_ycc = image.mode == "RGB" and not is_rgb
    sums = []
    for divisor in [1, 2, 4, 8]:
        sums.append(crc(opened(jpeg, False, divisor).convert("RGB")))
        sums.append(crc(opened(jpeg, is_ycc, divisor).convert("L")))
    return f"{name} {image.height} {image.width} {' '.join(sums)}\n"


def main():
    HERE.mkdir(exist_ok=True)
    if sys.argv[1:] != ["expected"]:
        for name, jpeg in pictures():
            (HERE / f"{name}.jpg").write_bytes(jpeg)
    lines = [expected(path.stem, path.read_bytes()) for path in HERE.glob("*.jpg")]
    (HERE / "expected.txt").write_text("".join(sorted(lines)))


main()
