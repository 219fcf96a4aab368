"""Packed rows of tokens with torch's DataLoader over a memory map of numpy.

    python packing_peer.py FOLDER [--workers 2] [--batch-size 16]

FOLDER is what `cargo run --release -p tallow-benchmarks --bin packing -- read FOLDER` wrote, which prints
Tallow's own rate. The documents are packed as Tallow packs them, best-fit decreasing in windows of 16,384
documents of a random order, before the clock starts. A row is made as a careful user of numpy makes it: each
document is copied from the map into arrays of the row's length, and torch's default collation stacks them. Prints
tokens per second of the second epoch, without worker processes and with them.
"""

import argparse
import bisect
import time
from pathlib import Path

import numpy as np
import torch

LENGTH = 2048
WINDOW = 1 << 14


def best_fit(lengths):
    """Rows as lists of places in `lengths`, which are at most LENGTH and not 0."""
    rows, rooms, by_room = [], [], {}
    for place in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        at = bisect.bisect_left(rooms, lengths[place])
        if at == len(rooms):
            row, room = len(rows), LENGTH
            rows.append([])
        else:
            room = rooms[at]
            row = by_room[room].pop()
            if not by_room[room]:
                del by_room[room]
                rooms.pop(at)
        rows[row].append(place)
        left = room - lengths[place]
        if left:
            if left not in by_room:
                bisect.insort(rooms, left)
            by_room.setdefault(left, []).append(row)
    return rows


def packed(ends):
    """Rows as lists of the first token and the length of each piece, and whether its document goes on."""
    starts = np.concatenate([[0], ends[:-1]])
    order = np.random.default_rng(0).permutation(len(ends))
    rows = []
    for first in range(0, len(order), WINDOW):
        documents = order[first : first + WINDOW]
        begin, lengths = starts[documents], (ends - starts)[documents]
        for start, length in zip(begin, lengths):
            chunks = range(length // LENGTH)
            rows.extend([(start + at * LENGTH, LENGTH, (at + 1) * LENGTH < length)] for at in chunks)
        rests = lengths % LENGTH
        kept = np.flatnonzero(rests)
        for row in best_fit(rests[kept].tolist()):
            places = kept[row]
            begins = begin[places] + lengths[places] - rests[places]
            rows.append([(start, rest, False) for start, rest in zip(begins, rests[places])])
    return rows


class Rows(torch.utils.data.Dataset):
    def __init__(self, tokens, rows):
        self.tokens, self.rows = tokens, rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        inputs, targets = np.zeros(LENGTH, np.int64), np.zeros(LENGTH, np.int64)
        mask = np.zeros(LENGTH, np.uint8)
        segments, positions = np.zeros(LENGTH, np.int64), np.zeros(LENGTH, np.int64)
        at = 0
        for number, (start, length, goes_on) in enumerate(self.rows[index], 1):
            end, targeted = at + length, length if goes_on else length - 1
            inputs[at:end] = self.tokens[start : start + length]
            targets[at : at + targeted] = self.tokens[start + 1 : start + 1 + targeted]
            mask[at : at + targeted] = 1
            segments[at:end] = number
            positions[at:end] = np.arange(length)
            at = end
        return inputs, targets, mask, segments, positions


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    args = parser.parse_args()
    tokens = np.memmap(args.folder / "tokens.bin", np.uint16, "r")
    ends = np.fromfile(args.folder / "ends.u64", np.uint64).astype(np.int64)
    rows = packed(ends)
    print(f"{len(rows)} rows, {100 * (1 - len(tokens) / len(rows) / LENGTH):.2f} % padding")
    data = Rows(tokens, rows)
    for workers in sorted({0, args.workers}):
        loader = torch.utils.data.DataLoader(
            data, batch_size=args.batch_size, shuffle=True, num_workers=workers
        )
        for _ in range(2):
            start = time.perf_counter()
            count = sum(batch[0].numel() for batch in loader)
            took = time.perf_counter() - start
        print(f"{workers} workers: {count / took / 1e6:,.1f} million tokens/s")


if __name__ == "__main__":
    main()
