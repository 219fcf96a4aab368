"""What ncu counted of the kernels of one chain, a line a kernel and one for all.

    ncu --csv --page raw --print-units base --metrics METRICS gpu jitter | python gpu_profile.py jitter

METRICS are printed by `gpu_profile.py --metrics`. Times are those of kernels alone, with cold caches, as
ncu runs them. Instructions are counted per pixel that the chain makes, of all its channels; bytes are those of the
device's memory; the last line divides the bytes that the chain must read and write, each once, by the
time of all kernels.
"""

import csv
import sys

TIME = "gpu__time_duration.sum"
ISSUE = "smsp__issue_active.avg.pct_of_peak_sustained_active"
INSTRUCTIONS = "smsp__thread_inst_executed.sum"
READ = "dram__bytes_read.sum"
WRITTEN = "dram__bytes_write.sum"
OCCUPANCY = "sm__warps_active.avg.pct_of_peak_sustained_active"
REGISTERS = "launch__registers_per_thread"
METRICS = [TIME, ISSUE, INSTRUCTIONS, READ, WRITTEN, OCCUPANCY, REGISTERS]

# What `gpu` makes of one chain: see `figures.rs`.
BATCHES = 2
PIXELS = 224 * 224


def number(text):
    """A number as ncu writes it, with or without commas."""
    return float(text.replace(",", ""))


def launches(lines):
    """The launches in ncu's output, each as its columns by name; the program's own lines are among them."""
    rows = csv.reader(line for line in lines if line.startswith('"'))
    names = next(rows, None)
    for row in rows:
        launch = dict(zip(names, row))
        # The first row after the names is that of the units.
        if launch["ID"]:
            yield launch


def mean(launches, metric):
    """The mean of a metric, weighted by time."""
    time = sum(number(launch[TIME]) for launch in launches)
    return sum(number(launch[metric]) * number(launch[TIME]) for launch in launches) / time


def line(chain, name, launches, rows):
    """One kernel of a batch."""
    def total(metric):
        return sum(number(launch[metric]) for launch in launches) / BATCHES

    return (
        f"    * {chain}: {name} x{len(launches) / BATCHES:g}: {total(TIME) / 1e3:.1f} us, "
        f"issue {mean(launches, ISSUE):.0f} %, occupancy {mean(launches, OCCUPANCY):.0f} %, "
        f"{number(launches[0][REGISTERS]):.0f} registers, {total(INSTRUCTIONS) / rows / PIXELS:.0f} instructions "
        f"a pixel, {total(READ) / 1e6:.1f} MB read, {total(WRITTEN) / 1e6:.1f} MB written"
    )


def main():
    if sys.argv[1:] == ["--metrics"]:
        print(",".join(METRICS))
        return 0
    chain, lines = sys.argv[1], sys.stdin.read().splitlines()
    kernels = {}
    for launch in launches(lines):
        kernels.setdefault(launch["Kernel Name"].split("(")[0], []).append(launch)
    # "256 rows, 412345 bytes of each"
    facts = [line.split() for line in lines if line.endswith(" bytes of each")]
    if not kernels or not facts:
        print(f"      {chain}: ncu counted nothing")
        print("\n".join(f"      {line}" for line in lines[-10:]))
        return 1
    rows, row_bytes = int(facts[0][0]), int(facts[0][2])
    for name, of in kernels.items():
        print(line(chain, name, of, rows))
    time = sum(number(launch[TIME]) for of in kernels.values() for launch in of) / BATCHES
    print(f"    * {chain}: all kernels {time / 1e3:.1f} us, each byte once {rows * row_bytes / time:.0f} GB/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
