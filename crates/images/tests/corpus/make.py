"""Makes the pictures of png/ and webp/ and what they decode to.

    pip install pillow numpy
    python make.py

A file NAME.raw holds the pixels of NAME.png, NAME.interlaced.png or NAME.webp: those in RGB, in
grey, in RGBA and as they are stored, one after the other, 16-bit numbers in little endian. PIL is
asked wherever it decodes what PNG defines; `RULES` are the kinds where it does not.
"""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
RANDOM = np.random.default_rng(7)
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
# PIL clips grey of 16 bits to 255 where this crate takes the upper 8. It compares the transparent
# pixel, as it is stored, with pixels that are scaled already.
RULES = {
    "gray-16": ("RGB", "L", "RGBA"),
    "gray-16-key": ("RGB", "L", "RGBA"),
    "gray-2-key": ("RGBA",),
    "gray-4-key": ("RGBA",),
    "rgb-16-key": ("RGBA",),
}


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed(numbers, bits):
    """A row of numbers, height x (width x channels), as bytes."""
    if bits == 16:
        return numbers.astype(">u2").tobytes()
    if bits == 8:
        return numbers.astype(np.uint8).tobytes()
    each = (numbers[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.reshape(-1).astype(np.uint8)).tobytes()


def filtered(rows, bpp):
    """Every filter in turn, so that each is used whatever the size."""
    above = bytes(len(rows[0]))
    out = b""
    for i, row in enumerate(rows):
        kind = (i + 4) % 5
        line = bytearray()
        for j, byte in enumerate(row):
            a = row[j - bpp] if j >= bpp else 0
            b = above[j]
            c = above[j - bpp] if j >= bpp else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line.append((byte - [0, a, b, (a + b) // 2, paeth][kind]) % 256)
        out += bytes([kind]) + bytes(line)
        above = row
    return out


def png(numbers, color, bits, extra, interlaced):
    """`numbers` is height x width x channels."""
    height, width, channels = numbers.shape
    bpp = max(1, channels * bits // 8)
    passes = PASSES if interlaced else [(0, 0, 1, 1)]
    data = b""
    for y, x, dy, dx in passes:
        part = numbers[y::dy, x::dx]
        if part.size:
            data += filtered([packed(row.reshape(-1), bits) for row in part], bpp)
    data = zlib.compress(data, 9)
    half = len(data) // 2
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, int(interlaced))),
            *extra,
            chunk(b"IDAT", data[:half]),
            chunk(b"IDAT", data[half:]),
            chunk(b"IEND", b""),
        ]
    )


def rule(numbers, color, bits, palette, key):
    """RGBA by the definition of PNG; of 16 bits the upper 8."""
    height, width, channels = numbers.shape
    out = np.full((height, width, 4), 255, np.uint8)
    if color == 3:
        table = np.zeros((256, 4), np.uint8)
        table[:, 3] = 255
        table[: len(palette)] = palette
        return table[numbers[..., 0]]
    scaled = numbers >> 8 if bits == 16 else numbers * (255 // (2**bits - 1))
    out[..., :3] = scaled[..., :1] if channels < 3 else scaled[..., :3]
    if channels in (2, 4):
        out[..., 3] = scaled[..., -1]
    if key is not None:
        out[..., 3] = np.where((numbers == key).all(-1), 0, 255)
    return out


def luma(rgb):
    r, g, b = (rgb[..., i].astype(np.uint32) for i in range(3))
    return ((19595 * r + 38470 * g + 7471 * b + 32768) >> 16).astype(np.uint8)


def write(folder, name, files, rgba, stored):
    rgb, gray = np.ascontiguousarray(rgba[..., :3]), luma(rgba[..., :3])
    for suffix, payload in files.items():
        (HERE / folder / (name + suffix)).write_bytes(payload)
        picture = Image.open(io.BytesIO(payload))
        for mode, expected in {"RGB": rgb, "L": gray, "RGBA": rgba}.items():
            is_equal = np.array_equal(np.asarray(picture.convert(mode)), expected)
            assert is_equal or mode in RULES.get(name, ()), (name, suffix, mode)
    raw = rgb.tobytes() + gray.tobytes() + rgba.tobytes() + stored
    (HERE / folder / (name + ".raw")).write_bytes(raw)


def png_kind(name, color, bits, size=(13, 19), has_key=False, entries=None, alphas=0):
    shape = (*size, CHANNELS[color])
    most = min(2**bits, entries[0]) if entries else 2**bits
    numbers = RANDOM.integers(0, most, shape)
    # Runs of equal pixels, as pictures have them, and the transparent pixel more than once.
    numbers[:, ::3] = numbers[:1, :1]
    extra, palette, key = [], None, None
    if entries:
        palette = RANDOM.integers(0, 256, (entries[1], 4)).astype(np.uint8)
        palette[alphas:, 3] = 255
        extra.append(chunk(b"PLTE", palette[:, :3].tobytes()))
        if alphas:
            extra.append(chunk(b"tRNS", palette[:alphas, 3].tobytes()))
    if has_key:
        key = numbers[0, 0]
        extra.append(chunk(b"tRNS", key.astype(">u2").tobytes()))
    files = {
        ".png": png(numbers, color, bits, extra, False),
        ".interlaced.png": png(numbers, color, bits, extra, True),
    }
    stored = numbers.astype("<u2" if bits == 16 else np.uint8).tobytes()
    write("png", name, files, rule(numbers, color, bits, palette, key), stored)


def pngs():
    for bits in 1, 2, 4, 8, 16:
        png_kind(f"gray-{bits}", 0, bits)
        png_kind(f"gray-{bits}-key", 0, bits, has_key=True)
    for bits in 8, 16:
        png_kind(f"gray-alpha-{bits}", 4, bits)
        png_kind(f"rgb-{bits}", 2, bits)
        png_kind(f"rgba-{bits}", 6, bits)
    png_kind("rgb-8-key", 2, 8, has_key=True)
    png_kind("rgb-16-key", 2, 16, has_key=True)
    for bits in 1, 2, 4, 8:
        n = 2**bits
        png_kind(f"palette-{bits}", 3, bits, entries=(n, n))
        png_kind(f"palette-{bits}-alpha", 3, bits, entries=(n, n), alphas=n // 2)
    png_kind("palette-8-of-5", 3, 8, entries=(5, 5), alphas=2)
    png_kind("palette-4-past-the-end", 3, 4, entries=(16, 11))
    for size in (1, 1), (2, 3), (1, 4), (5, 1), (9, 9):
        png_kind(f"gray-1-{size[0]}x{size[1]}", 0, 1, size)
        png_kind(f"rgb-8-{size[0]}x{size[1]}", 2, 8, size)


def scene(height, width):
    """Something like a photo: slopes, an edge, noise."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 5 + y, 255 - y * 4, (x - width / 2) ** 2 / 3 + y * 2]
    out = np.stack(planes, -1) + RANDOM.normal(0, 6, (height, width, 3))
    out[height // 3 : height // 2, width // 4 :] = [200, 30, 60]
    return out.clip(0, 255).astype(np.uint8)


def riff(*chunks):
    body = b"".join(n + struct.pack("<I", len(d)) + d + b"\0" * (len(d) % 2) for n, d in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def three(number):
    return struct.pack("<I", number)[:3]


def webp_kind(name, payload):
    picture = Image.open(io.BytesIO(payload))
    stored = np.asarray(picture).tobytes()
    assert picture.mode in ("RGB", "RGBA"), (name, picture.mode)
    write("webp", name, {".webp": payload}, np.asarray(picture.convert("RGBA")), stored)


def webps():
    def saved(array, **options):
        file = io.BytesIO()
        Image.fromarray(array).save(file, "webp", **options)
        return file.getvalue()

    rgb = scene(37, 51)
    alpha = (np.mgrid[0:37, 0:51].sum(0) * 3 % 256).astype(np.uint8)
    alpha[5:9, 5:20] = 0
    rgba = np.dstack([rgb, alpha])
    webp_kind("lossy", saved(rgb, quality=80))
    webp_kind("lossy-small", saved(rgb[:3, :5], quality=60))
    webp_kind("lossy-alpha", saved(rgba, quality=80))
    webp_kind("lossy-alpha-rough", saved(rgba, quality=50, alpha_quality=30))
    webp_kind("lossless", saved(rgb, lossless=True, quality=100, method=6))
    webp_kind("lossless-alpha", saved(rgba, lossless=True, exact=True))
    webp_kind("lossless-palette", saved(rgb // 128 * 255, lossless=True))
    frames = [Image.fromarray(rgba), Image.fromarray(255 - rgba)]
    file = io.BytesIO()
    frames[0].save(file, "webp", save_all=True, append_images=frames[1:], lossless=True, exact=True)
    webp_kind("animated", file.getvalue())
    # A first frame that does not cover the canvas, which PIL does not write.
    height, width, top, left = 20, 30, 6, 8
    still = saved(rgba[:height, :width], lossless=True, exact=True)
    image = (still[12:16], still[20 : 20 + struct.unpack("<I", still[16:20])[0]])
    frame = three(left // 2) + three(top // 2) + three(width - 1) + three(height - 1) + three(100) + b"\0"
    frame += riff(image)[12:]
    extended = bytes([2 + 16, 0, 0, 0]) + three(50) + three(36)
    anim = (b"ANIM", bytes([9, 9, 9, 9, 0, 0]))
    webp_kind("animated-offset", riff((b"VP8X", extended), anim, (b"ANMF", frame)))


def turned():
    """A picture of each format that EXIF asks to turn by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(scene(4, 6))
    picture.save(HERE / "png" / "turn-90.png", exif=exif)
    picture.save(HERE / "webp" / "turn-90.webp", exif=exif, lossless=True)


pngs()
webps()
turned()
