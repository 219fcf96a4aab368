"""Other data loaders on the files of `bench-loader compare`, each in a separate process.

    python loader.py PEER WORK.json [FORM]

PEER is torch, dali, spdl or grain. Those that augment arrays are in `arrays.py`, and those that decode
pictures in `pictures.py`. WORK.json names the files of each field, sample by sample, the batch size, and
the number of threads or worker processes. A peer can be used in several ways, called
forms. The line `choose` tries them, and a second process, given the fastest FORM, is the one that is
measured. So neither the memory nor the start of the other forms counts.

The first line written is {"ready": versions, "version": its own, "notes": where it differs}, {"absent":
why}, or {"left_out": why} if the peer has no counterpart of a step. Then each line read is answered with
one line of JSON:

    choose    runs epochs of every form in turns: {"form": the fastest, "tried": {form: samples/s}}
    warm      runs an epoch that is not timed, and often looks at the memory of worker processes
    epoch E   {"seconds", "first_batch_seconds", "samples", "bytes", "cpu_seconds", "peak_bytes"}
    verify    runs an epoch and counts {"samples", "checksum"}, without the augmented field, of which
              there are {"dtype", "shape", "means"} instead: a mean for each channel
    quit      ends the process, like the end of the input

An epoch is every sample once, in its own order, in batches of one array per field, of which the last
may be smaller. The clock runs from the line to the last batch, and a batch is dropped when the next
one arrives. CPU time is that of this process and of all processes that it started, alive or not. Peak
memory is the most that this process had resident, plus what only its workers had.
"""

import gc
import importlib.metadata
import json
import multiprocessing
import os
import platform
import resource
import sys
import time

# Protocol lines have their own descriptor, because libraries print to standard output.
ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

try:
    import numpy as np  # noqa: E402
    import arrays  # noqa: E402
    import pictures  # noqa: E402
    from chains import Chain, NoCounterpart  # noqa: E402
    from torch_peer import data_loaders  # noqa: E402
except ImportError as missing:
    ANSWERS.write(json.dumps({"absent": str(missing)}) + "\n")
    sys.exit()

# A form is tried for this many epochs, or fewer after this many seconds, so that one disturbed epoch
# does not decide. A form that takes this many times as long as the fastest in its first epoch is out.
EPOCHS_OF_CHOICE = (3, 10)
SECONDS_OF_CHOICE = 1.5
OUT_AT = 2.5


class Work:
    """What there is to load."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            work = json.load(file)
        self.fields = [field["files"] for field in work["fields"]]
        self.labels = work["labels"]
        self.pictures = work["pictures"]
        self.samples = len(self.fields[0])
        self.batch_size = work["batch_size"]
        self.batches = -(-self.samples // self.batch_size)
        self.workers = work["workers"]
        self.seed = work["seed"]
        self.augment = work["augment"] and Chain(work["augment"], work["fields"])

    def order(self, epoch):
        return np.random.default_rng([self.seed, epoch]).permutation(self.samples)

    def batches_of_indices(self, epoch):
        order = self.order(epoch)
        return [order[at : at + self.batch_size] for at in range(0, self.samples, self.batch_size)]


def load(path):
    """`np.load` for threads. Before Python 3.13, parsing headers in several threads sometimes fails with
    a spurious SystemError, and succeeds the second time."""
    try:
        return np.load(path)
    except SystemError:
        return np.load(path)


# --- torch ---------------------------------------------------------------------------------------


def torch_forms(work):
    """A map-style dataset that reads the files of a sample with numpy."""
    import torch

    def item(index):
        return tuple(torch.from_numpy(np.load(files[index])) for files in work.fields)

    return data_loaders(work, item)


# --- DALI ----------------------------------------------------------------------------------------


def dali_forms(work):
    """One numpy reader per field, with the same shuffle, on the CPU."""
    from nvidia.dali import fn

    from dali_peer import pipelines

    chain = work.augment
    if chain:
        import dali_chain

        augmented = dali_chain.of_graph(chain, given_planes=chain.planes)
        layout = "CHW" if chain.planes else "HWC"

    def graph(maps):
        def outputs():
            readers = [
                fn.readers.numpy(
                    name=f"field{number}",
                    files=files,
                    shuffle_after_epoch=True,
                    shuffle_after_epoch_seed=work.seed,
                    pad_last_batch=True,
                    cache_header_information=True,
                    dont_use_mmap=not maps,
                )
                for number, files in enumerate(work.fields)
            ]
            if chain:
                readers[chain.field] = augmented(fn.reshape(readers[chain.field], layout=layout))
            return tuple(readers)

        return outputs

    return pipelines(work, {"mapped files": graph(True), "read files": graph(False)})


# --- SPDL ----------------------------------------------------------------------------------------


def spdl_forms(work):
    """One pipeline per epoch, with its stages on threads."""
    import spdl.io
    from spdl.pipeline import PipelineBuilder

    def parsed(path):
        with open(path, "rb", buffering=0) as file:
            return spdl.io.load_npy(file.read())

    def sample(read):
        return lambda index: [read(files[index]) for files in work.fields]

    def stacked(samples):
        return [np.stack(arrays) for arrays in zip(*samples)]

    def batch(read):
        return lambda indices: [
            np.stack([read(files[index]) for index in indices]) for files in work.fields
        ]

    def run(builder):
        pipeline = builder.add_sink(2 * work.workers).build(num_threads=work.workers)
        with pipeline.auto_stop():
            yield from pipeline.get_iterator()

    def by_sample(read):
        def epoch(number):
            builder = PipelineBuilder().add_source(work.order(number).tolist())
            builder = builder.pipe(sample(read), concurrency=work.workers)
            yield from run(builder.aggregate(work.batch_size).pipe(stacked))

        return lambda: epoch

    def by_batch(read):
        def epoch(number):
            builder = PipelineBuilder().add_source(work.batches_of_indices(number))
            yield from run(builder.pipe(batch(read), concurrency=work.workers))

        return lambda: epoch

    return {
        "one task per batch, spdl.io.load_npy": by_batch(parsed),
        "one task per batch, np.load": by_batch(load),
        "one task per sample, spdl.io.load_npy": by_sample(parsed),
    }


# --- Grain ---------------------------------------------------------------------------------------


def grain_forms(work):
    """A `MapDataset` that is shuffled, read, batched and turned into an `IterDataset`."""
    import grain

    class Files:
        def __len__(self):
            return work.samples

        def __getitem__(self, index):
            return tuple(load(files[index]) for files in work.fields)

    def shuffled(number):
        return grain.MapDataset.source(Files()).shuffle(seed=work.seed + number)

    threads = grain.ReadOptions(num_threads=work.workers, prefetch_buffer_size=2 * work.workers)
    more = grain.ReadOptions(num_threads=16, prefetch_buffer_size=16)
    none = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    processes = grain.MultiprocessingOptions(num_workers=work.workers)

    def by_batch(options):
        def epoch(number):
            return iter(shuffled(number).batch(work.batch_size).to_iter_dataset(options))

        return lambda: epoch

    def by_sample():
        options = grain.ReadOptions(
            num_threads=work.workers, prefetch_buffer_size=2 * work.batch_size
        )

        def epoch(number):
            return iter(shuffled(number).to_iter_dataset(options).batch(work.batch_size))

        return epoch

    def by_process():
        def epoch(number):
            batches = shuffled(number).batch(work.batch_size).to_iter_dataset(none)
            return iter(batches.mp_prefetch(processes))

        return epoch

    return {
        f"{work.workers} threads that read batches": by_batch(threads),
        "16 threads that read batches": by_batch(more),
        f"{work.workers} threads that read samples": by_sample,
        "no thread": by_batch(none),
        f"{work.workers} processes": by_process,
    }


# For each peer: what makes its forms, the packages whose versions are reported, and where its work
# differs from that of the others.
PEERS = {
    "torch": (torch_forms, ["torch", "numpy"], ["its workers are processes"]),
    "dali": (
        dali_forms,
        ["nvidia-dali-cuda130", "nvidia-dali-cuda120", "numpy"],
        [
            "a batch is memory that DALI reuses, while the others make tensors that stay",
            "its order depends on the number of epochs before; it fills up the last batch with "
            "repeated samples, which are cut off",
            "each reader has one batch of the next epoch ready when an epoch ends",
        ],
    ),
    "spdl": (
        spdl_forms,
        ["spdl", "spdl-io", "numpy"],
        ["batches come in the order in which they are finished, not in that of the epoch"],
    ),
    "grain": (grain_forms, ["grain", "numpy"], []),
}


# The same with an augmented field of arrays.
ARRAY_PEERS = {
    **arrays.PEERS,
    "dali": (
        *PEERS["dali"][:2],
        [
            *PEERS["dali"][2],
            "planes are transposed for steps that need colours last; its colour jitter is one matrix, in a "
            "fixed order",
        ],
    ),
}


# --- measuring -----------------------------------------------------------------------------------


def descendants():
    """All living descendants of this process, if the system lists processes."""
    parents = {}
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for pid in numbers:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                # The name, in parentheses, may contain anything.
                parents[pid] = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
    found, added = set(), {os.getpid()}
    while added:
        added = {pid for pid, parent in parents.items() if parent in added} - found
        found |= added
    return sorted(found)


def cpu_of(pid):
    """CPU seconds of all threads of another process, from its clock on Linux."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def cpu_of_children():
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = descendants() if multiprocessing.active_children() else []
    return reaped.ru_utime + reaped.ru_stime + sum(map(cpu_of, living))


def kibibytes(path, keys):
    """The sum of these lines of a system file, in bytes."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            lines = [line.split() for line in file]
    except OSError:
        return 0
    return 1024 * sum(int(line[1]) for line in lines if line and line[0].rstrip(":") in keys)


def private_bytes_of_workers():
    """The memory of worker processes that no other process shares. Pages that they share with this
    process count here already."""
    if not multiprocessing.active_children():
        return 0
    keys = ("Private_Clean", "Private_Dirty")
    return sum(kibibytes(f"/proc/{pid}/smaps_rollup", keys) for pid in descendants())


def own_peak_bytes():
    # `ru_maxrss` begins with that of the parent. On macOS it is in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return kibibytes("/proc/self/status", ("VmHWM",)) or peak


class Meter:
    def __init__(self):
        self.of_workers = 0

    def look(self):
        self.of_workers = max(self.of_workers, private_bytes_of_workers())

    def warm(self, epoch):
        for _ in epoch(0):
            self.look()
        return {}

    def epoch(self, epoch, number):
        cpu = cpu_of_children()
        cpu += time.process_time()
        started = time.perf_counter()
        first, samples, size = None, 0, 0
        for batch in epoch(number):
            if first is None:
                first = time.perf_counter() - started
            samples += len(batch[0])
            size += sum(array.nbytes for array in batch)
            # Freed before the next one is asked for, while the clock runs.
            batch = None
        seconds = time.perf_counter() - started
        cpu = time.process_time() - cpu
        cpu += cpu_of_children()
        self.look()
        return {
            "seconds": seconds,
            "first_batch_seconds": first,
            "samples": samples,
            "bytes": size,
            "cpu_seconds": cpu,
            "peak_bytes": own_peak_bytes() + self.of_workers,
        }


# Types of numpy, by the names that they have in `bench-loader`.
DTYPES = {"uint8": "u8", "float16": "f16", "float32": "f32"}


def kind_of(array):
    """What a batch holds: the type and the shape of a row."""
    return {"dtype": DTYPES.get(str(array.dtype), str(array.dtype)), "shape": list(array.shape[1:])}


def checked(work, batches):
    """The batches of an epoch, if the first one has what is to be delivered."""
    for number, batch in enumerate(batches):
        if number == 0 and work.augment:
            found = kind_of(np.asarray(batch[work.augment.field]))
            expected = {"dtype": work.augment.dtype, "shape": work.augment.shape}
            if found != expected:
                raise RuntimeError(f"delivers {found}, expected {expected}")
        yield batch
        batch = None


def choose(forms, work):
    """The form with the fastest epoch. A form that fails does not compete."""
    made, failures, rates = {}, {}, {}
    spent = dict.fromkeys(forms, 0.0)
    least, most = EPOCHS_OF_CHOICE
    for number in range(most):
        best = max(rates.values(), default=0.0)
        for name, make in forms.items():
            slow = number > 0 and OUT_AT * rates.get(name, 0.0) < best
            enough = number >= least and spent[name] > SECONDS_OF_CHOICE
            if slow or enough or name in failures:
                continue
            try:
                if name not in made:
                    made[name] = make()
                epoch = made[name]
                figures = Meter().epoch(lambda n, epoch=epoch: checked(work, epoch(n)), number)
                if figures["samples"] != work.samples:
                    raise RuntimeError(f"{figures['samples']} samples of {work.samples}")
                spent[name] += figures["seconds"]
                rate = figures["samples"] / figures["seconds"]
                rates[name] = max(rate, rates.get(name, 0.0))
            except Exception as error:  # noqa: BLE001
                failures[name] = described(error)
    rates = {name: rate for name, rate in rates.items() if name not in failures}
    if not rates:
        raise RuntimeError(next(iter(failures.values())))
    return {"form": max(rates, key=rates.get), "tried": rates, "failed": failures}


MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def rows_hashed(array):
    """For each row, the sum of its bytes as 64-bit words, the last one padded with zeros."""
    rows = len(array)
    data = np.ascontiguousarray(array).reshape(rows, -1).view(np.uint8)
    if data.shape[1] % 8:
        data = np.pad(data, ((0, 0), (0, -data.shape[1] % 8)))
    return data.view("<u8").sum(axis=1, dtype=np.uint64)


def verify(work, epoch):
    """A sum over samples of a hash of all their fields. It does not depend on the order of the samples,
    but on which row of one field comes with which of another. An augmented field does not count, but
    its means do."""
    samples, total, means = 0, np.uint64(0), 0.0
    augmented = work.augment.field if work.augment else None
    with np.errstate(over="ignore"):
        for batch in epoch(1):
            hashes = np.zeros(len(batch[0]), np.uint64)
            for field, array in enumerate(map(np.asarray, batch)):
                if field == augmented:
                    axes = (2, 3) if work.augment.to_planes else (1, 2)
                    means = means + array.mean(axis=axes, dtype=np.float64).sum(axis=0)
                    kind = kind_of(array)
                    continue
                hashes = (hashes ^ (hashes >> np.uint64(29))) * MULTIPLIER
                hashes += rows_hashed(array)
            hashes ^= hashes >> np.uint64(32)
            total += hashes.sum(dtype=np.uint64)
            samples += len(hashes)
    answer = {"samples": samples, "checksum": f"{int(total):016x}"}
    return {**answer, **kind, "means": (means / samples).tolist()} if work.augment else answer


def versions(packages):
    """Versions of the packages that are installed; the first is the peer's own."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    own = next(iter(found.values()), None)
    return {"ready": {"python": platform.python_version(), **found}, "version": own}


def described(error):
    """An error in a line. What a worker process raised has the traceback as its text, and ends in the
    error itself."""
    text = str(error).strip()
    if "Original Traceback" in text:
        return text.splitlines()[-1]
    return f"{type(error).__name__}: {text}"


def tell(message):
    ANSWERS.write(json.dumps(message) + "\n")


def answer(line, work, forms, chosen, meter):
    match line.split():
        case ["choose"]:
            return choose(forms, work)
        case ["warm"]:
            return meter.warm(chosen)
        case ["epoch", number]:
            gc.collect()
            return meter.epoch(chosen, int(number))
        case ["verify"]:
            return verify(work, chosen)
    return {"error": f"expected choose, warm, epoch E, verify or quit, found {line.strip()!r}"}


def main():
    peer, work, *form = sys.argv[1:]
    work = Work(work)
    peers = pictures.PEERS if work.pictures else ARRAY_PEERS if work.augment else PEERS
    make_forms, packages, notes = peers[peer]
    try:
        forms = make_forms(work)
    except ImportError as error:
        tell({"absent": str(error)})
        return
    except NoCounterpart as missing:
        tell({"left_out": f"no counterpart of {missing}"})
        return
    except Exception as error:  # noqa: BLE001
        tell({"error": described(error)})
        return
    chosen = forms[form[0]]() if form else None
    meter = Meter()
    tell({**versions(packages), "notes": notes})
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        try:
            tell(answer(line, work, forms, chosen, meter))
        except Exception as error:  # noqa: BLE001
            tell({"error": described(error)})


if __name__ == "__main__":
    main()
