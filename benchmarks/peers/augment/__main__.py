"""Times other libraries on the cases of the benchmark `augment`, on one thread.

`python -m augment`, in the folder above, reads lines `<library> <case> <height> <width> <layout> <to>
<seconds>` and answers each with a line of JSON: images, seconds and CPU seconds of the fastest way to
do what the case names, or nothing where the library has no such step. `quit` or the end of the input
ends it. The first line that it writes says that it is ready, and with which versions.

Images are bytes of three colours in memory, `hwc` or `chw`. Results are bytes that lie alike, or, for
whole chains, rows of type `to` with colours first, normalised unless they are bytes. Not measured:
reading, decoding, more than one thread.
"""

import os

# Before the imports, because libraries size their thread pools while they load.
os.environ["OMP_NUM_THREADS"] = "1"

import functools
import importlib
import importlib.metadata
import json
import platform
import sys
import time

from .images import Task

# A library that is not installed takes no part.
LIBRARIES = {
    "torchvision": "torchvision",
    "opencv": "opencv-python-headless",
    "pillow": "pillow",
    "albumentations": "albumentations",
    "dali": "nvidia-dali-cuda130",
}

# Before the first answer, the ways to do a case compete in this many rounds of this length.
TRIAL_ROUNDS = 3
TRIAL_SECONDS = 0.05


def measure(epoch, seconds):
    """Images, seconds, and CPU seconds of all threads, of an epoch of at least `seconds`."""
    cpu_started = time.process_time()
    started = time.perf_counter()
    count, _ = epoch(seconds)
    return count, time.perf_counter() - started, time.process_time() - cpu_started


# Forms hold their inputs: those of few cases are kept.
@functools.lru_cache(maxsize=8)
def fastest(library, task):
    """Warms up all ways to do a case and chooses the one with the most images per CPU second.

    CPU time, because a busy machine affects it less than wall time, and the best of the rounds,
    because a disturbance can only slow a round.
    """
    module = importlib.import_module(f".with_{library}", __package__)
    forms = module.forms(task)
    for epoch in forms.values():
        epoch(TRIAL_SECONDS)
    rates = dict.fromkeys(forms, 0.0)
    for _ in range(TRIAL_ROUNDS if len(forms) > 1 else 0):
        for name, epoch in forms.items():
            count, _, cpu_seconds = measure(epoch, TRIAL_SECONDS)
            rates[name] = max(rates[name], count / cpu_seconds)
    name = max(rates, key=rates.get, default=None)
    return name, forms.get(name)


def answer(library, task, seconds):
    try:
        form, epoch = fastest(library, task)
        if epoch is None:
            return {"images": 0}
        count, elapsed, cpu_seconds = measure(epoch, seconds)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"images": count, "seconds": elapsed, "cpu_seconds": cpu_seconds, "form": form}


def versions():
    found = {"ready": True, "python": platform.python_version(), "libraries": {}}
    for library, package in LIBRARIES.items():
        try:
            importlib.import_module(f".with_{library}", __package__)
            found["libraries"][library] = importlib.metadata.version(package)
        except ImportError as error:
            print(f"{library} takes no part: {error}", file=sys.stderr)
    return found


def tell(message):
    print(json.dumps(message), flush=True)


def main():
    import torch

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.manual_seed(0)
    tell(versions())
    for line in sys.stdin:
        if line.strip() == "quit":
            return
        try:
            library, case, height, width, layout, to, seconds = line.split()
            task = Task(case, int(height), int(width), layout == "chw", to)
            seconds = float(seconds)
        except ValueError:
            expected = "LIBRARY CASE HEIGHT WIDTH LAYOUT TO SECONDS"
            tell({"error": f"expected {expected}, found {line.strip()!r}"})
            continue
        tell(answer(library, task, seconds))


if __name__ == "__main__":
    main()
