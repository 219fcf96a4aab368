"""What the other loaders do with pictures: decode, augment, and deliver batches of planes of floats.

`loader.py` imports this if its work is pictures. Each peer does the chain as its users would write
it. The random numbers differ, so the batches do; what must agree are their shapes, the labels, and
the means of the channels over an epoch.
"""

import numpy as np
from torch_peer import data_loaders, size_of, torchvision_steps


def split(chain):
    """The steps on pixels, and the mean and the standard deviation of a normalisation."""
    steps = [step for step in chain.steps if step[0] not in ("normalize", "to_dtype")]
    last = [positional for name, positional, _ in chain.steps if name == "normalize"]
    return steps, (last[0] if last else None)


# --- torch ---------------------------------------------------------------------------------------


def readers(work, read):
    """Forms of torch's DataLoader on images that `read` makes of their paths."""

    def item(index):
        image = read(work.fields[0][index])
        return (image, work.labels[index]) if work.labels else (image,)

    return data_loaders(work, item)


def torch_chain(work, to_tensor):
    """All steps of `transforms.v2` per image; `to_tensor` comes after those on pixels."""
    import torch
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    steps, normalization = split(work.augment)
    last = [*to_tensor, v2.ToDtype(torch.float32, scale=True)]
    if normalization:
        last.append(v2.Normalize(*normalization, inplace=True))
    return v2.Compose([*torchvision_steps(steps), *last])


def torch_pil_forms(work):
    """PIL decodes, crops and resizes; then the image becomes a tensor."""
    from PIL import Image
    from torchvision.transforms import v2

    chain = torch_chain(work, [v2.PILToTensor()])

    def read(path):
        with Image.open(path) as image:
            return chain(image.convert("RGB"))

    return readers(work, read)


def torch_decode_forms(work):
    """`torchvision.io` decodes into a tensor, which stays bytes as long as possible."""
    from torchvision.io import ImageReadMode, decode_image, read_file

    chain = torch_chain(work, [])

    def read(path):
        return chain(decode_image(read_file(path), mode=ImageReadMode.RGB))

    return readers(work, read)


# --- OpenCV --------------------------------------------------------------------------------------


def opencv_forms(work):
    """OpenCV decodes, albumentations augments, torch's DataLoader makes batches. Areas are averaged
    where an image becomes smaller, which is OpenCV's way not to alias."""
    import albumentations as A
    import cv2
    import torch
    from albumentations.pytorch import ToTensorV2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    steps, normalization = split(work.augment)
    area = {"interpolation": cv2.INTER_AREA}

    def made(name, positional, named):
        height, width = size_of(positional)
        match name:
            case "random_resized_crop":
                options = {"scale": named["scale"], "ratio": named["ratio"], **area}
                return A.RandomResizedCrop((height, width), **options)
            case "random_crop":
                return A.RandomCrop(height, width)
            case "center_crop":
                return A.CenterCrop(height, width)
            case "resize" if len(positional) == 1:
                return A.SmallestMaxSize(height, **area)
            case "resize":
                return A.Resize(height, width, **area)
            case "random_hflip":
                return A.HorizontalFlip(p=positional[0])
            case "random_vflip":
                return A.VerticalFlip(p=positional[0])
            case "color_jitter":
                return A.ColorJitter(*positional, p=1)

    mean, std = normalization or ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    chain = A.Compose([*[made(*step) for step in steps], A.Normalize(mean, std), ToTensorV2()])

    def read(path):
        return chain(image=cv2.imread(path, cv2.IMREAD_COLOR_RGB))["image"]

    return readers(work, read)


# --- DALI ----------------------------------------------------------------------------------------


def dali_forms(work):
    """A file reader and the CPU decoder, which decodes only the part of a random resized crop if it is
    the first step and `fused`. Batches are scheduled as in `loader.py`."""
    from nvidia import dali
    from nvidia.dali import fn, types

    steps, normalization = split(work.augment)
    names = [name for name, _, _ in steps]
    can_fuse = names[:1] == ["random_resized_crop"]

    def uniform(low, high):
        return fn.random.uniform(range=(low, high))

    def decoded(files, fused):
        if not fused:
            return fn.decoders.image(files, output_type=types.RGB), steps
        _, positional, named = steps[0]
        options = {"random_area": named["scale"], "random_aspect_ratio": named["ratio"]}
        image = fn.decoders.image_random_crop(files, output_type=types.RGB, **options)
        height, width = size_of(positional)
        return fn.resize(image, resize_y=height, resize_x=width, antialias=True), steps[1:]

    def augmented(image, rest):
        mean, std = normalization or ([0.0], [1.0])
        last = {"mean": [255 * x for x in mean], "std": [255 * x for x in std]}
        for name, positional, named in rest:
            match name:
                case "random_resized_crop":
                    options = {"random_area": named["scale"], "random_aspect_ratio": named["ratio"]}
                    image = fn.random_resized_crop(image, size=size_of(positional), **options)
                case "random_crop":
                    place = {"crop_pos_x": uniform(0.0, 1.0), "crop_pos_y": uniform(0.0, 1.0)}
                    image = fn.crop(image, crop=size_of(positional), **place)
                case "center_crop":
                    image = fn.crop(image, crop=size_of(positional))
                case "resize" if len(positional) == 1:
                    image = fn.resize(image, resize_shorter=positional[0], antialias=True)
                case "resize":
                    height, width = positional
                    image = fn.resize(image, resize_y=height, resize_x=width, antialias=True)
                case "random_hflip":
                    last["mirror"] = fn.random.coin_flip(probability=positional[0])
                case "random_vflip":
                    flipped = fn.random.coin_flip(probability=positional[0])
                    image = fn.flip(image, horizontal=0, vertical=flipped)
                case "color_jitter":
                    brightness, contrast, saturation, hue = [*positional, 0, 0, 0][:4]
                    image = fn.color_twist(
                        image,
                        brightness=uniform(1 - brightness, 1 + brightness),
                        contrast=uniform(1 - contrast, 1 + contrast),
                        saturation=uniform(1 - saturation, 1 + saturation),
                        hue=uniform(-360 * hue, 360 * hue),
                    )
        return fn.crop_mirror_normalize(image, dtype=types.FLOAT, output_layout="CHW", **last)

    def form(executor, fused):
        def make():
            ahead = min(2, work.batches)
            pipeline = dali.Pipeline(
                batch_size=work.batch_size,
                num_threads=work.workers,
                device_id=None,
                seed=work.seed,
                prefetch_queue_depth=ahead,
                exec_dynamic=executor == "dynamic",
            )
            with pipeline:
                files, labels = fn.readers.file(
                    files=work.fields[0],
                    labels=work.labels or None,
                    shuffle_after_epoch=True,
                    shuffle_after_epoch_seed=work.seed,
                    pad_last_batch=True,
                )
                image, rest = decoded(files, fused)
                labels = fn.cast(labels, dtype=types.INT64)
                pipeline.set_outputs(augmented(image, rest), labels)
            pipeline.build()
            last_rows = work.samples - (work.batches - 1) * work.batch_size
            # The very first call schedules all batches ahead, and each later one a single batch.
            begun = False

            def epoch(_):
                nonlocal begun
                for _ in range(ahead if begun else 1):
                    pipeline.schedule_run()
                begun = True
                for number in range(work.batches):
                    outputs = pipeline.share_outputs()
                    rows = last_rows if number + 1 == work.batches else work.batch_size
                    images, labels = [np.asarray(output.as_tensor())[:rows] for output in outputs]
                    batch = [images, labels.reshape(-1)] if work.labels else [images]
                    yield batch
                    del outputs, batch, images, labels
                    pipeline.release_outputs()
                    if number + ahead < work.batches:
                        pipeline.schedule_run()

            return epoch

        return make

    return {
        f"{executor} executor, {'parts' if fused else 'whole pictures'} decoded": form(executor, fused)
        for executor in ("static", "dynamic")
        for fused in ([True, False] if can_fuse else [False])
    }


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

    steps, normalization = split(work.augment)
    mean, std = normalization or ([0.0] * 3, [1.0] * 3)
    factor = (1 / (255 * np.array(std, np.float32))).reshape(3, 1, 1)
    offset = (-np.array(mean, np.float32) / np.array(std, np.float32)).reshape(3, 1, 1)

    def filters(height, width, draw):
        for name, positional, named in steps:
            down, across = size_of(positional) if positional else (0, 0)
            match name:
                case "random_resized_crop":
                    part = random_part(height, width, named["scale"], named["ratio"], draw)
                    yield "crop={3}:{2}:{1}:{0}:exact=1".format(*part)
                    yield f"scale={across}:{down}:flags=bilinear"
                    height, width = down, across
                case "random_crop" | "center_crop":
                    free = height - down, width - across
                    top, left = (n // 2 for n in free)
                    if name == "random_crop":
                        top, left = (draw.integers(n + 1) for n in free)
                    yield f"crop={across}:{down}:{left}:{top}:exact=1"
                    height, width = down, across
                case "resize":
                    if len(positional) == 1:
                        short = min(height, width)
                        down, across = (round(n * positional[0] / short) for n in (height, width))
                    yield f"scale={across}:{down}:flags=bilinear"
                    height, width = down, across
                case "random_hflip" | "random_vflip":
                    if draw.random() < positional[0]:
                        yield name[-5:]
                case _:
                    raise ValueError(f"{name} is not done with SPDL here")
        yield "format=pix_fmts=rgb24"

    def sample(task):
        index, seed = task
        draw = np.random.default_rng([seed, int(index)])
        packets = spdl.io.demux_image(work.fields[0][index])
        description = ",".join(filters(packets.height, packets.width, draw))
        frames = spdl.io.decode_packets(packets, filter_desc=description)
        image = spdl.io.to_numpy(spdl.io.convert_frames(frames))
        image = image.transpose(2, 0, 1).astype(np.float32)
        image *= factor
        image += offset
        return image, work.labels[index] if work.labels else 0

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


def verify(work, epoch):
    """The sum of the labels and the mean of each channel: the same for all, but for the random numbers."""
    samples, labels, means = 0, 0, 0.0
    for batch in epoch(1):
        images = np.asarray(batch[0])
        samples += len(images)
        means = means + images.mean(axis=(2, 3), dtype=np.float64).sum(axis=0)
        labels += int(np.asarray(batch[1]).sum()) if work.labels else 0
    return {"samples": samples, "labels": labels, "means": (means / samples).tolist()}
