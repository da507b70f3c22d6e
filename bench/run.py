#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmarks and writes docs/bench: tables as Markdown, pictures as SVG.

    python3 bench/run.py [--build DIR] [--traces DIR] [--only PART] [--rounds N] [--check]

Without --traces the two traces that the project carries are replayed, into files of their own.
In README.md whatever stands between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` is replaced.
"""

import argparse
import os
import pathlib
import platform
import re
import subprocess
import sys

import charts

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "bench"
PARTS = ("speed", "memory", "hit-ratio", "curves")
WHAT = {
    "arc-oltp": "a database, one hour",
    "cache2k-orm-busy": "an application's objects",
    "cache2k-web07": "product pages of a web site",
    "cache2k-web12": "product pages of a web site",
    "corda-vault": "a ledger service",
    "mooncake-conversation": "prefix blocks of a language model",
    "scarab-recs": "a recommendation service",
    "tencentblock-ns1326": "a block store",
}


def run(build, program, *words):
    """What a program prints, shown while it works, and whether its bars hold."""
    print(f"\n== {program} {' '.join(w for w in words if not w.endswith('.gz'))}", flush=True)
    with subprocess.Popen(
        [build / "bench" / program, *words], stdout=subprocess.PIPE, text=True
    ) as process:
        said = []
        for said_line in process.stdout:
            print(said_line, end="", flush=True)
            said.append(said_line)
    if process.returncode not in (0, 1):
        sys.exit(f"bench/run.py: {program} failed")
    return "".join(said).strip(), process.returncode == 0


def tables(markdown):
    """Each table as a list of rows; a row is a list of cells without emphasis."""
    found, rows = [], []
    for text_line in [*markdown.splitlines(), ""]:
        if text_line.startswith("|"):
            rows.append([cell.strip().replace("**", "") for cell in text_line.split("|")[1:-1]])
        elif rows:
            found.append([rows[0], *rows[2:]])
            rows = []
    return found


def hardware():
    processors = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    cpu = re.search(r"model name\s*: (.*)", processors)
    return f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores"


def system():
    return platform.freedesktop_os_release()["PRETTY_NAME"]


def machine(build):
    """CPU, cores, compiler, system: nothing that tells whose machine it is."""
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    compiler = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, re.MULTILINE)[1]
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    return f"{hardware()}, {version.stdout.splitlines()[0]}, {system()}"


def write(name, *paragraphs):
    (DOCS / name).write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")
    print(f"wrote docs/bench/{name}")


def refresh_readme(name, block):
    readme = ROOT / "README.md"
    if not readme.exists():
        return
    before = readme.read_text(encoding="utf-8")
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    after = re.sub(
        f"{begin}.*?{end}", lambda _: f"{begin}\n{block}\n{end}", before, flags=re.DOTALL
    )
    if after != before:
        readme.write_text(after, encoding="utf-8")
        print(f"refreshed the block {name} of README.md")


def speed(args):
    said, holds = run(args.build, "speed", "--check", "--rounds", str(args.rounds))
    hits = [
        (row[0], row[0].startswith("dcache"), [float(v) if v else None for v in row[1:3]])
        for row in tables(said)[0][1:]
        if row[1]
    ]
    hits.sort(key=lambda row: row[2][0])
    block = "\n".join(
        [
            "| ns per hit, of each thread | 1 thread | 2 threads |",
            "|---|--:|--:|",
            *(
                f"| {label} | {one:.1f} | {f'{two:.1f}' if two else ''} |"
                for label, _, (one, two) in hits
            ),
        ]
    )
    where = f"64-bit keys and values, zipf 0.99 over 100,000 resident entries. {args.machine}."
    write(
        "speed.md",
        "# Speed",
        f"`make bench` on {args.machine}.",
        "Hit: zipf 0.99 over 100,000 keys, all resident. Miss: a key never asked for before, "
        "looked up and inserted; another leaves. Mix: zipf 0.99 over 1,000,000 keys with room "
        "for 100,000, inserted when missing. Wall time for one operation of each thread; "
        "threads share one table. All tables run in one process in turns of 2.5 (hits) or 10 "
        "milliseconds, each after three that warm up; medians. What was found stays valid while "
        "others evict: by a handle of dcache, tbb and RocksDB, by a copy of the others; *copied "
        "out* is dcache's `get`. Two cores may be the halves of one, and a virtual machine's are "
        "now so and now not: hits of two threads on shared entries then take a third or a half. "
        "The LRU of a list and a map is the textbook's, which makes a node for each entry "
        "and frees it; beside it, without a bar, one that gives a leaving entry's nodes to the next.",
        "![ns per hit](hits.svg)",
        said,
    )
    write("hits.md", block, where)
    picture = charts.bars(
        "Nanoseconds per hit",
        "64-bit keys and values, zipf 0.99, 100,000 entries; shorter is better",
        hits,
        ("1 thread", "each of 2 threads"),
    )
    (DOCS / "hits.svg").write_text(picture, encoding="utf-8")
    refresh_readme("hits", f"{block}\n\n{where}")
    return holds


def memory(args):
    said, holds = run(args.build, "memory_bytes", "--check")
    write(
        "memory.md",
        "# Memory",
        f"`make bench` on {args.machine}.",
        "Bytes asked of the allocator for a full table of 64-bit keys and values, for each "
        "entry, besides the 16 of key and value.",
        said,
    )
    refresh_readme("memory", said)
    return holds


def hit_ratio(args):
    """Of all traces, or of the carried ones into a file of their own."""
    said, holds = run(args.build, "replay", "--check", *args.files)
    crowd, same = run(args.build, "replay", "--check", "--threads", "16", *args.files)
    write(
        "hit-ratio.md" if args.traces else "hit-ratio-carried.md",
        "# Hit ratio",
        "Plain replay in percent: get, and put after a miss. Sizes are shares of the trace's "
        "unique ids; cells of at least 64 entries. dcache is the public `Memory` with its "
        "defaults, the mean of three seeds; the others are simulated in the same program.",
        said,
        "## Threads",
        "One table shared by 16 threads that are dealt the requests in order, "
        "singly or by blocks of up to 64, none more than a quarter of the cache ahead of one "
        "still being served; the middle one of five tries.",
        crowd,
        "## Curves",
        "\n".join(f"![{name}](miss-ratio-{name}.svg)" for name in map(trace_name, args.files)),
    )
    if args.traces:
        mean = tables(said)[0][-1]
        refresh_readme(
            "hit-ratio",
            "\n".join(
                [
                    "| mean hit ratio, % | dcache | S3-FIFO | ARC | LRU |",
                    "|---|--:|--:|--:|--:|",
                    f"| {len(tables(said)[0]) - 2} cells | {mean[3]} | {mean[6]} | {mean[5]} | {mean[4]} |",
                ]
            ),
        )
    return holds and same


def curves(args):
    said, _ = run(args.build, "replay", "--curves", *args.files)
    rows = tables(said)[0][1:]
    for name in sorted(map(trace_name, args.files)):
        mine = [row for row in rows if row[0] == name]
        if len(mine) < 2:
            continue
        marks = [(float(row[1].split()[0]), int(row[2])) for row in mine]
        series = [
            (label, style, [float(row[column]) for row in mine])
            for label, style, column in (
                ("dcache", "ours", 3),
                ("LRU", "lru", 4),
                ("ARC", "arc", 5),
                ("S3-FIFO", "s3", 6),
            )
        ]
        what = f"{WHAT[name]}; lower is better" if name in WHAT else "lower is better"
        picture = charts.lines(f"Miss ratio: {name}", what, marks, series)
        (DOCS / f"miss-ratio-{name}.svg").write_text(picture, encoding="utf-8")
    return True


def trace_name(path):
    return pathlib.Path(path).name.split(".")[0]


def trace_files(folder):
    """The carried traces and those of `folder`, each once."""
    carried = sorted((ROOT / "bench" / "traces").glob("*.gz"))
    more = sorted(pathlib.Path(folder).glob("*.gz")) if folder else []
    if folder and not more:
        sys.exit(f"bench/run.py: no *.gz in {folder}")
    files = {trace_name(path): str(path) for path in [*more, *carried]}
    return [files[name] for name in sorted(files)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--traces", help="a folder of more traces, *.txt.gz or *.csv.gz")
    parser.add_argument("--only", choices=PARTS, action="append", help="may be given several times")
    parser.add_argument("--rounds", type=int, default=21, help="of the speed comparison")
    parser.add_argument("--check", action="store_true", help="fail if a bar does not hold")
    args = parser.parse_args()
    args.files = trace_files(args.traces)
    args.machine = machine(args.build)
    DOCS.mkdir(parents=True, exist_ok=True)
    work = dict(zip(PARTS, (speed, memory, hit_ratio, curves)))
    held = {part: work[part](args) for part in args.only or PARTS}
    print()
    for part, holds in held.items():
        print(f"{part}: {'every bar holds' if holds else 'a bar fails, see above'}")
    return 1 if args.check and not all(held.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
