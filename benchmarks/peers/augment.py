"""What torchvision and DALI need for three augmentation chains, on one thread.

256x256x3 u8 images in memory, in height-width-channel order, become batches of 64 rows of 3x224x224
f32 in a reused buffer. The chains, with parameters drawn for each image:

    crop    random crop to 224, horizontal flip in half the cases, normalise with ImageNet's
            mean and standard deviation
    resize  random resized crop to 224 (area 0.08 to 1, ratio 3/4 to 4/3, bilinear, antialias
            on, the default of both libraries), flip, normalise
    jitter  like resize, with brightness, contrast and saturation by factors from 0.6 to 1.4 and hue
            by up to 36 degrees between flip and normalise

`python augment.py --once` prints a table. Without `--once`, for a benchmark that measures in between,
it reads lines `<library> <chain> <seconds>` and answers each with a line of JSON; `quit` or the end of
the input ends it. The first line it writes says that it is ready, and with which versions.

Not measured: reading, decoding, more than one thread. The pixels are random bytes; with smooth
gradients instead, the figures were the same within their spread.
"""

import os

# Before the imports, because libraries size their thread pools while they load.
os.environ["OMP_NUM_THREADS"] = "1"

import functools
import json
import platform
import statistics
import sys
import time

import numpy
import nvidia.dali
import torch
import torchvision
from nvidia.dali import fn, types
from nvidia.dali.backend import TensorListCPU
from torchvision.transforms import v2

ROWS = 64
# 8 x 64 images are 100 MB, more than the caches hold, as in training.
BATCHES = 8
SIDE = 224
MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]
# The same normalisation for values from 0 to 255, which saves dividing the pixels first.
MEAN_255 = [255 * mean for mean in MEAN]
STD_255 = [255 * std for std in STD]

LIBRARIES = ["torchvision", "dali"]
CHAINS = ["crop", "resize", "jitter"]

ROUNDS = 5
ROUND_SECONDS = 1.0
# Before the first answer, the forms of a chain compete in this many rounds of this length.
TRIAL_ROUNDS = 5
TRIAL_SECONDS = 0.3


@functools.cache
def images():
    """The input: `BATCHES` batches of `ROWS` images, the same for both libraries."""
    shape = (BATCHES, ROWS, 256, 256, 3)
    return numpy.random.default_rng(0).integers(0, 256, shape, dtype=numpy.uint8)


# --- torchvision ---------------------------------------------------------------------------------


class Planar(torch.nn.Module):
    """Turns a channel-first view of channel-last memory into channel-first memory.

    Without it the strides of the view last until the copy to the row, and `crop` takes 1.5 times as
    long. The copy comes before the conversion because u8 is a quarter of the memory.
    """

    def forward(self, image):
        return image.contiguous()


def geometry(chain):
    crop = v2.RandomCrop(SIDE) if chain == "crop" else v2.RandomResizedCrop(SIDE)
    return [crop, v2.RandomHorizontalFlip()]


def colour(chain):
    return [v2.ColorJitter(0.4, 0.4, 0.4, 0.1)] if chain == "jitter" else []


def scaled():
    return v2.ToDtype(torch.float32, scale=True)


def torchvision_forms(chain):
    """The ways to write a chain that were fastest for some chain; a trial chooses the fastest.

    Also tried, and slower or no faster: f32 from the start (the resize has fast u8 code), no
    `Planar`, u8 rows that are normalised together as a batch.
    """
    u8_steps = [*geometry(chain), *colour(chain)]
    normalise = v2.Normalize(MEAN, STD, inplace=True)
    return {
        "u8 until normalise": composed([*u8_steps, Planar(), scaled(), normalise]),
        "f32 after flip": composed(
            [*geometry(chain), Planar(), scaled(), *colour(chain), normalise]
        ),
        "u8, normalised in the batch": normalised_in_place(u8_steps),
    }


def composed(steps):
    """As documented: the whole chain per image, then a copy to its row."""
    transform = v2.Compose(steps)

    def write(image, row):
        row.copy_(transform(image))

    return torchvision_form(write)


def normalised_in_place(u8_steps):
    """Converts while copying to the row, and normalises there, without an f32 image in between."""
    transform = v2.Compose(u8_steps)

    def write(image, row):
        row.copy_(transform(image))
        v2.functional.normalize(row, MEAN_255, STD_255, inplace=True)

    return torchvision_form(write)


def torchvision_form(write):
    views = torch.from_numpy(images()).permute(0, 1, 4, 2, 3)
    rows = torch.empty(ROWS, 3, SIDE, SIDE)
    position = 0

    def epoch(seconds):
        nonlocal position
        count = 0
        started = time.perf_counter()
        with torch.inference_mode():
            while time.perf_counter() - started < seconds:
                for image, row in zip(views[position], rows):
                    write(image, row)
                position = (position + 1) % BATCHES
                count += ROWS
        return count, rows

    return epoch


# --- DALI ----------------------------------------------------------------------------------------


class Feed:
    """Hands whole batches to DALI without a copy, until it is closed.

    Closing it ends DALI's epoch: work that was begun ahead is finished and counted while the clock
    runs, and DALI's threads are idle between two measurements.
    """

    def __init__(self):
        self.batches = [TensorListCPU(batch, layout="HWC") for batch in images()]
        self.position = 0
        self.open = True

    def __call__(self):
        if not self.open:
            raise StopIteration
        self.position = (self.position + 1) % BATCHES
        return self.batches[self.position]


def dali_chain(chain, image, jittered):
    """Flip, normalise, cast and transposition are always one fused operator, last.

    The flip may come after the jitter because the jitter treats all pixels alike. `color_twist` is
    a single matrix for all four changes, with its own type for the result; `hsv` followed by
    `brightness_contrast` is two passes, and was no faster. The resize is to u8: to f32 it was
    slower.
    """
    uniform = lambda low, high: fn.random.uniform(range=(low, high))
    last = functools.partial(
        fn.crop_mirror_normalize,
        mirror=fn.random.coin_flip(),
        mean=MEAN_255,
        std=STD_255,
        dtype=types.FLOAT,
        output_layout="CHW",
    )
    if chain == "crop":
        size = (SIDE, SIDE)
        return last(
            image, crop=size, crop_pos_x=uniform(0.0, 1.0), crop_pos_y=uniform(0.0, 1.0)
        )
    image = fn.random_resized_crop(image, size=(SIDE, SIDE))
    if chain == "jitter":
        image = fn.color_twist(
            image,
            brightness=uniform(0.6, 1.4),
            contrast=uniform(0.6, 1.4),
            saturation=uniform(0.6, 1.4),
            hue=uniform(-36.0, 36.0),
            dtype=jittered,
        )
    return last(image)


def dali_forms(chain):
    """Two batches ahead, DALI's default, in either executor.

    A jitter to f32 is much faster than one to u8, but it is not clamped to 0 to 255, as torchvision's
    is. It competes anyway, because users of DALI may choose it.

    Also tried, and no faster: one batch ahead, none, batches as numpy arrays. Batches that are
    copied are slower.
    """
    forms = {
        "static executor": dali_form(chain, exec_dynamic=False),
        "dynamic executor": dali_form(chain, exec_dynamic=True),
    }
    if chain == "jitter":
        forms["static executor, unclamped f32 jitter"] = dali_form(
            chain, exec_dynamic=False, jittered=types.FLOAT
        )
    return forms


def dali_form(chain, exec_dynamic, jittered=types.UINT8):
    feed = Feed()
    pipeline = nvidia.dali.Pipeline(
        batch_size=ROWS,
        num_threads=1,
        device_id=None,
        seed=1,
        prefetch_queue_depth=2,
        exec_dynamic=exec_dynamic,
    )
    with pipeline:
        source = fn.external_source(
            source=feed, batch=True, no_copy=True, layout="HWC", dtype=types.UINT8
        )
        pipeline.set_outputs(dali_chain(chain, source, jittered))
    pipeline.build()

    def epoch(seconds):
        feed.open = True
        count = 0
        rows = None
        started = time.perf_counter()
        while True:
            feed.open = time.perf_counter() - started < seconds
            try:
                (rows,) = pipeline.run()
            except StopIteration:
                pipeline.reset()
                return count, rows
            count += len(rows)

    return epoch


# --- measuring -----------------------------------------------------------------------------------


def measure(epoch, seconds):
    """Images, seconds, and CPU seconds of all threads, of an epoch of at least `seconds`."""
    cpu_started = time.process_time()
    started = time.perf_counter()
    count, _ = epoch(seconds)
    return count, time.perf_counter() - started, time.process_time() - cpu_started


def check(epoch):
    """Refuses a form whose batches are wrong. This is also its first run.

    Uniformly random bytes have a standard deviation of 0.289 before normalisation and about 1.28
    after it. Resizing makes that less, but never by a factor of ten.
    """
    _, rows = epoch(0.05)
    rows = rows if torch.is_tensor(rows) else torch.from_numpy(numpy.array(rows.as_tensor()))
    assert rows.shape == (ROWS, 3, SIDE, SIDE) and rows.dtype == torch.float32, rows.shape
    assert rows.is_contiguous() and 0.3 < rows.std() < 1.4, rows.std()
    assert abs(rows.mean() - 0.226) < 0.2, rows.mean()


@functools.cache
def fastest(library, chain):
    """Warms up all forms of a chain, and chooses the one with the most images per CPU second.

    CPU time, because a busy machine affects it less than wall time, and the best of the rounds,
    because a disturbance can only slow a round. Returns the name of the form, its epoch, and that
    figure for every form.
    """
    forms = (torchvision_forms if library == "torchvision" else dali_forms)(chain)
    for epoch in forms.values():
        check(epoch)
    taken = {name: [] for name in forms}
    for _ in range(TRIAL_ROUNDS):
        for name, epoch in forms.items():
            count, _, cpu_seconds = measure(epoch, TRIAL_SECONDS)
            taken[name].append(count / cpu_seconds)
    rates = {name: max(of_name) for name, of_name in taken.items()}
    name = max(rates, key=rates.get)
    return name, forms[name], rates


def answer(library, chain, seconds):
    form, epoch, _ = fastest(library, chain)
    count, elapsed, cpu_seconds = measure(epoch, seconds)
    return {
        "library": library,
        "chain": chain,
        "images": count,
        "seconds": elapsed,
        "cpu_seconds": cpu_seconds,
        "form": form,
    }


def versions():
    return {
        "ready": True,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "dali": nvidia.dali.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def tell(message):
    print(json.dumps(message), flush=True)


def serve():
    tell(versions())
    for line in sys.stdin:
        if line.strip() == "quit":
            return
        try:
            library, chain, seconds = line.split()
            if library not in LIBRARIES or chain not in CHAINS:
                raise ValueError
            seconds = float(seconds)
        except ValueError:
            expected = f"{'|'.join(LIBRARIES)} {'|'.join(CHAINS)} SECONDS"
            tell({"error": f"expected `{expected}`, found {line.strip()!r}"})
            continue
        tell(answer(library, chain, seconds))


def once():
    print(" ".join(f"{name}={version}" for name, version in versions().items()))
    combinations = [(library, chain) for chain in CHAINS for library in LIBRARIES]
    for combination in combinations:
        fastest(*combination)
    answers = {combination: [] for combination in combinations}
    for _ in range(ROUNDS):
        for combination in combinations:
            answers[combination].append(answer(*combination, ROUND_SECONDS))
    print("images/s of one thread; /CPU s counts the time of all threads, not the waiting for them")
    print(f"{'':21}{'median':>8}{'min':>8}{'max':>8}{'/CPU s':>8}  form")
    for (library, chain), taken in answers.items():
        rates = [one["images"] / one["seconds"] for one in taken]
        per_cpu = statistics.median(one["images"] / one["cpu_seconds"] for one in taken)
        figures = [statistics.median(rates), min(rates), max(rates), per_cpu]
        row = "".join(f"{figure:8.0f}" for figure in figures)
        print(f"{chain:8}{library:13}{row}  {taken[0]['form']}")
    print("\nforms tried beforehand, images/CPU s, best round")
    for library, chain in combinations:
        for form, rate in fastest(library, chain)[2].items():
            print(f"{chain:8}{library:13}{rate:8.0f}  {form}")


def main():
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.manual_seed(0)
    if sys.argv[1:] == ["--once"]:
        once()
    elif not sys.argv[1:]:
        serve()
    else:
        sys.exit("usage: augment.py [--once]")


if __name__ == "__main__":
    main()
