"""What the other loaders do with pictures: decode, augment, and deliver batches.

`loader.py` imports this if its work is pictures. Each peer does the chain as its users would write
it. The random numbers differ, so the batches do; what must agree are their shapes, the labels, and
the means of the channels over an epoch.
"""

import copy

import numpy as np

from chains import NoCounterpart
from torch_peer import augmenting, with_opencv


# --- torch ---------------------------------------------------------------------------------------


def torch_pil_forms(work):
    """PIL decodes and augments; then the image becomes a tensor."""
    from PIL import Image

    import torch_chain

    run = torch_chain.of_pil(work.augment)

    def read(path):
        with Image.open(path) as image:
            return run(image.convert("RGB"))

    return augmenting(work, {"": read})


def torch_decode_forms(work):
    """`torchvision.io` decodes into a tensor, which stays bytes as long as possible."""
    from torchvision.io import ImageReadMode, decode_image, read_file

    import torch_chain

    run = torch_chain.of_tensors(work.augment)

    def read(path):
        return run(decode_image(read_file(path), mode=ImageReadMode.RGB))

    return augmenting(work, {"": read})


# --- OpenCV --------------------------------------------------------------------------------------


def opencv_forms(work):
    """OpenCV decodes and augments, by albumentations or by hand. Areas are averaged where an image
    becomes smaller, which is OpenCV's way not to alias."""
    import cv2

    def read(path):
        return cv2.imread(path, cv2.IMREAD_COLOR_RGB)

    return augmenting(work, with_opencv(work.augment, read))


# --- DALI ----------------------------------------------------------------------------------------


def dali_forms(work):
    """A file reader and the CPU decoder, which may decode only the part of a random resized crop that is
    the first step."""
    from nvidia.dali import fn, types

    import dali_chain
    from dali_peer import pipelines

    chain = work.augment
    whole = dali_chain.of_graph(chain, given_planes=False)
    first, rest = chain.steps[:1], None
    if first and first[0].name == "random_resized_crop":
        after = copy.copy(chain)
        after.steps = chain.steps[1:]
        rest = dali_chain.of_graph(after, given_planes=False)

    def decoded(files, parts):
        if not parts:
            return whole(fn.decoders.image(files, output_type=types.RGB))
        step = first[0]
        options = {"random_area": step.range("scale"), "random_aspect_ratio": step.range("ratio")}
        image = fn.decoders.image_random_crop(files, output_type=types.RGB, **options)
        return rest(fn.resize(image, size=step.size(), **dali_chain.resizing(step)))

    def graph(parts):
        def outputs():
            files, labels = fn.readers.file(
                files=work.fields[0],
                labels=work.labels or None,
                shuffle_after_epoch=True,
                shuffle_after_epoch_seed=work.seed,
                pad_last_batch=True,
            )
            image = decoded(files, parts)
            if not work.labels:
                return image
            return image, fn.squeeze(fn.cast(labels, dtype=types.INT64), axes=[0])

        return outputs

    graphs = {"parts decoded": graph(True)} if rest else {}
    return pipelines(work, {**graphs, "whole pictures decoded": graph(False)})


# --- SPDL ----------------------------------------------------------------------------------------


def random_part(height, width, scale, ratio, draw):
    """The part of `RandomResizedCrop`: top, left, height, width."""
    area = height * width
    low, high = np.log(ratio)
    for _ in range(10):
        part, shape = area * draw.uniform(*scale), np.exp(draw.uniform(low, high))
        across, down = round((part * shape) ** 0.5), round((part / shape) ** 0.5)
        if 0 < across <= width and 0 < down <= height:
            top, left = draw.integers(height - down + 1), draw.integers(width - across + 1)
            return top, left, down, across
    across = min(width, round(height * ratio[1]))
    down = min(height, round(width / ratio[0]))
    return (height - down) // 2, (width - across) // 2, down, across


# How FFmpeg scales; its filters widen where a picture shrinks.
SCALED = {"nearest": "neighbor", "bilinear": "bilinear", "bicubic": "bicubic"}

WITH_FFMPEG = {
    *("random_resized_crop", "random_crop", "center_crop", "resize"),
    *("hflip", "vflip", "random_hflip", "random_vflip"),
}


def filters(steps, height, width, draw):
    """The filters of FFmpeg for one picture."""
    for step in steps:
        down, across = step.size() if step.args else (0, 0)
        flags = SCALED[step.options.get("interpolation", "bilinear")]
        match step.name:
            case "random_resized_crop":
                part = random_part(height, width, step.range("scale"), step.range("ratio"), draw)
                yield "crop={3}:{2}:{1}:{0}:exact=1".format(*part)
                yield f"scale={across}:{down}:flags={flags}"
                height, width = down, across
            case "random_crop" | "center_crop":
                free = height - down, width - across
                top, left = (n // 2 for n in free)
                if step.name == "random_crop":
                    top, left = (draw.integers(n + 1) for n in free)
                yield f"crop={across}:{down}:{left}:{top}:exact=1"
                height, width = down, across
            case "resize":
                if len(step.args) == 1:
                    short = min(height, width)
                    down, across = (n * step.args[0] // short for n in (height, width))
                yield f"scale={across}:{down}:flags={flags}"
                height, width = down, across
            case "hflip" | "vflip":
                yield step.name
            case "random_hflip" | "random_vflip":
                if draw.random() < step.args[0]:
                    yield step.name[-5:]
    yield "format=pix_fmts=rgb24"


def with_ffmpeg(steps):
    """Refuses steps that FFmpeg's filters here do not do."""
    for step in steps:
        aliased = step.options.get("antialias") == "false"
        smooth = step.options.get("interpolation") != "nearest"
        if step.name not in WITH_FFMPEG or "max" in step.options or (aliased and smooth):
            raise NoCounterpart(step.name)


def spdl_forms(work):
    """FFmpeg decodes, and crops, resizes and flips in the filter of each picture; numpy normalises. A
    pipeline per epoch, with its stages on threads."""
    import spdl.io
    from spdl.pipeline import PipelineBuilder

    try:
        spdl.io.demux_image(work.fields[0][0])
    except RuntimeError as error:
        # The package comes without the libraries of FFmpeg.
        raise ImportError(str(error).split(". ")[0]) from error

    chain = work.augment
    with_ffmpeg(chain.steps)
    scale, offset = (np.array(x, np.float32) for x in chain.scale_and_offset())
    if chain.to_planes:
        scale, offset = (x.reshape(3, 1, 1) for x in (scale, offset))

    def delivered(image):
        image = image.transpose(2, 0, 1) if chain.to_planes else image
        if chain.dtype == "u8":
            return image
        image = image.astype(np.float32)
        image *= scale
        image += offset
        return image.astype(np.float16) if chain.dtype == "f16" else image

    def sample(task):
        index, seed = task
        draw = np.random.default_rng([seed, int(index)])
        packets = spdl.io.demux_image(work.fields[0][index])
        description = ",".join(filters(chain.steps, packets.height, packets.width, draw))
        frames = spdl.io.decode_packets(packets, filter_desc=description)
        image = spdl.io.to_numpy(spdl.io.convert_frames(frames))
        return delivered(image), work.labels[index] if work.labels else 0

    def stacked(samples):
        images = np.stack([image for image, _ in samples])
        labels = np.array([label for _, label in samples], np.int64)
        return [images, labels] if work.labels else [images]

    def epoch(number):
        tasks = [(index, work.seed + number) for index in work.order(number).tolist()]
        builder = PipelineBuilder().add_source(tasks).pipe(sample, concurrency=work.workers)
        builder = builder.aggregate(work.batch_size).pipe(stacked)
        pipeline = builder.add_sink(4).build(num_threads=work.workers)
        with pipeline.auto_stop():
            yield from pipeline.get_iterator()

    return {"one task per sample": lambda: epoch}


# As in `loader.py`.
PEERS = {
    "torch_pil": (
        torch_pil_forms,
        ["torch", "torchvision", "pillow", "numpy"],
        ["its workers are processes; the chain is torchvision's transforms.v2"],
    ),
    "torch_decode": (
        torch_decode_forms,
        ["torch", "torchvision", "numpy"],
        ["its workers are processes; the chain is torchvision's transforms.v2"],
    ),
    "opencv": (
        opencv_forms,
        ["opencv-python-headless", "opencv-python", "albumentations", "torch", "numpy"],
        ["its workers are processes of torch's DataLoader; areas are averaged where an image shrinks"],
    ),
    "dali": (
        dali_forms,
        ["nvidia-dali-cuda130", "nvidia-dali-cuda120", "numpy"],
        [
            "a batch is memory that DALI reuses, while the others make tensors that stay",
            "its order depends on the number of epochs before; it fills up the last batch with "
            "repeated samples, which are cut off",
            "its reader has one batch of the next epoch ready when an epoch ends",
        ],
    ),
    "spdl": (
        spdl_forms,
        ["spdl", "spdl-io", "numpy"],
        ["batches come in the order in which they are finished, not in that of the epoch"],
    ),
}

