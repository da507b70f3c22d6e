#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Replays traces through `@dcache(maxsize=N)` and compares the hit ratios with those of Memory.

    python bench/python/replay.py [--replay PROGRAM] [--check] [FILE ...]

To be run by a Python that has the package. Without a FILE the traces are those that the project
carries. What `Memory` hits comes from docs/bench, or from PROGRAM, the replayer in C++, which then
replays the same files.
"""

import argparse
import gzip
import pathlib
import subprocess
import sys

from dcache import dcache

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARRIED = ROOT / "bench" / "traces"
SHARES = {"0.1 %": 1000, "1 %": 100, "10 %": 10}
ENTRIES_MIN = 64
SEEDS = 3
MEAN_MOST, CELL_MOST = 0.3, 1.0  # Points; what the policy learns differs from run to run.


def read_trace(path):
    """The ids of a file with one number a line, or with lines `time,id,size`."""
    with gzip.open(path, "rt") as lines:
        return [
            int(line.split(",")[1] if "," in line else line) for line in lines if line[0].isdigit()
        ]


def hit_ratio(ids, maxsize):
    """In percent, the mean over a few seeds; judged by `cache_info()`."""
    hits = 0
    for seed in range(SEEDS):
        cached = dcache(maxsize=maxsize)(lambda key: key)
        for key in ids:
            cached(key ^ seed << 40)
        hits += cached.cache_info().hits
    return 100 * hits / (SEEDS * len(ids))


def cells(path):
    """Trace, share and entries of each cell of a trace, and the hit ratio there."""
    ids = read_trace(path)
    unique = len(set(ids))
    for share, part in SHARES.items():
        if unique // part >= ENTRIES_MIN:
            name = pathlib.Path(path).name.split(".")[0]
            yield (name, share, unique // part), hit_ratio(ids, unique // part)


def hit_ratios_of(markdown):
    """By trace, share and entries, out of the tables that bench/replay.cpp prints."""
    rows = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in markdown.splitlines()
        if line.startswith("|")
    )
    return {
        (row[0], row[1], int(row[2])): float(row[3])
        for row in rows
        if len(row) == 9 and row[2].isdigit()
    }


def of_memory(program, files):
    """The same of `Memory`, by a run of the replayer or from what was measured before."""
    if program:
        said = subprocess.run([program, *files], check=True, stdout=subprocess.PIPE, text=True)
        return hit_ratios_of(said.stdout)
    carried, every = (
        ROOT / "docs" / "bench" / name for name in ("hit-ratio-carried.md", "hit-ratio.md")
    )
    return hit_ratios_of(carried.read_text()) | hit_ratios_of(every.read_text())


def main():
    """Prints the table and whether the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="FILE", help="*.txt.gz or *.csv.gz")
    parser.add_argument("--replay", metavar="PROGRAM", help="the replayer in C++")
    parser.add_argument("--check", action="store_true", help="fail if a bar does not hold")
    args = parser.parse_args()
    files = args.files or sorted(map(str, CARRIED.glob("*.gz")))
    memory = of_memory(args.replay, files)
    differences = []
    print("| trace | size | entries | @dcache | Memory | differ |\n|---|--:|--:|--:|--:|--:|")
    for path in files:
        for cell, ratio in cells(path):
            if cell not in memory:
                sys.exit(f"replay.py: no hit ratio of Memory for {cell}: name --replay")
            differences.append(ratio - memory[cell])
            print(
                f"| {cell[0]} | {cell[1]} | {cell[2]} | {ratio:.2f} | {memory[cell]:.2f} |"
                f" {differences[-1]:+.2f} |",
                flush=True,
            )
    mean = sum(differences) / len(differences)
    widest = max(map(abs, differences))
    holds = abs(mean) <= MEAN_MOST and widest <= CELL_MOST
    print("\n| bar | measured | |\n|---|--:|---|")
    print(
        f"| hit ratios differ by at most {MEAN_MOST} points in the mean, {CELL_MOST} in any cell "
        f"| {mean:+.2f}, {widest:.2f} | {'holds' if holds else '**fails**'} |"
    )
    return 1 if args.check and not holds else 0


if __name__ == "__main__":
    sys.exit(main())
