#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures `@dcache` beside its rivals and writes docs/bench/python.md and python.svg.

    python3 bench/decorators.py [--rounds N] [--check] [PYTHON ...]

For each interpreter it makes an environment under build/ with the package, built from this tree,
and the rivals of bench/python/requirements.txt; bench/python/measure.py does the measuring there.
README.md and the picture show the first one. Without a PYTHON it is python3.
"""

import argparse
import json
import subprocess
import sys

import charts
from run import DOCS, ROOT, hardware, refresh_readme, system, write

HERE = ROOT / "bench" / "python"
OURS, LRU, CACHEBOX, CACHETOOLS = "dcache", "lru_cache", "cachebox", "cachetools"
ASYNC_LRU, EMPTY = "async-lru", "empty coroutine"
COLUMNS = (OURS, LRU, CACHEBOX, CACHETOOLS, ASYNC_LRU, EMPTY)
BYTES_MOST, IMPORT_MOST = 60, 5
TTL_FACTOR = 30

ABOUT = """\
Each row is one call, made again and again; it is a hit, but for the row of misses. All is measured
in one process, in slices of 2 milliseconds (15 for the random keys), the caches of a row in an
order drawn anew for every round, the rows by turns: CPU time of the thread, medians. The loop is
included; where the arguments stay the same twenty calls stand in it one after the other, and its
part is about 1 ns. All have room for 10,000 entries; for the random keys a fifth more than there
are; for the misses 1,000, and the body, `return x`, is included.

`lru_cache` is that of functools, also in the rows where ours has a `ttl` and it cannot. cachetools
is `cachetools.func.lru_cache`, and where ours has a `ttl` `ttl_cache`; cachebox `cached` with its
`LRUCache` or `TTLCache`. The empty coroutine is one that returns its argument: what `await` and the
loop cost anyway.

How an interpreter was built counts: that of a distribution is as a rule optimised with a profile,
its `lru_cache` with it, and one built from source by default is not."""


def measure(python, rounds):
    """What measure.py says in an environment for this interpreter."""
    tag = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = subprocess.check_output([python, "-c", tag], text=True).strip()
    folder = ROOT / "build" / "bench-python" / version
    requirements = HERE / "requirements.txt"
    subprocess.run([ROOT / "tools" / "venv", folder, python, requirements], check=True)
    command = [folder / "bin" / "python", HERE / "measure.py", "--rounds", str(rounds)]
    # Not from the tree: the package is the one that was installed.
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder)
    return json.loads(said.stdout)


def table(head, rows):
    """Markdown: the first column to the left, the others to the right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def speed_table(found, columns):
    """Nanoseconds of every row that was measured."""
    return table(
        ["ns a call", *columns],
        [
            [
                code(row["title"]),
                *(f"{row['ns'][c]:,.0f}" if c in row["ns"] else "" for c in columns),
            ]
            for row in found["speed"]
        ],
    )


def code(title):
    """The part of a title that is Python, set as such."""
    call, comma, rest = title.partition("), ")
    if comma:
        return f"`{call})`, {rest}"
    return f"`{title}`" if title.endswith(")") else title


def bars(found):
    """(what, measured, quartiles, at most, does it hold) of each bar; None where not measured."""
    rows = {row["title"]: row["ratios"] for row in found["speed"]}
    is_new = found["version"][:2] >= [3, 12]
    wanted = (
        ("f(1)", LRU, 0.7),
        ('f("abc", 1.5)', LRU, 0.7),
        ("f(1, y=2)", LRU, 0.7),
        ("f(1), ttl on", LRU, 0.8),
        ("f(obj)", LRU, 0.8),
        ("obj.m(1)", LRU, 1.0),
        ("random keys, table of 100,000", LRU, 0.8),
        ("miss, insert, evict", LRU, 1.5),
        ("await f(1)", ASYNC_LRU, 0.3 if is_new else 0.2),
    )
    for title, rival, most in wanted:
        yield f"{code(title)}, to {rival}", *judged(rows.get(title, {}).get(rival), most)
    ttl = rows.get("f(1), ttl on", {}).get(CACHETOOLS)
    if ttl:
        low, median, high = (1 / ratio for ratio in reversed(ttl))
        yield (
            "`f(1)`, ttl on, times as fast as cachetools' ttl_cache",
            f"{median:.0f}",
            f"{low:.0f} to {high:.0f}",
            f"at least {TTL_FACTOR}",
            median >= TTL_FACTOR,
        )
    for kind, of in found["bytes"].items():
        mean, most = of[OURS]
        yield (
            f"bytes of an entry besides the objects, a {kind}",
            f"{most:.0f}",
            f"mean {mean:.0f}",
            str(BYTES_MOST),
            most <= BYTES_MOST,
        )
    low, median, high = found["import"]["wall"][OURS]
    unwanted = found["import"]["unwanted"]
    yield (
        "`import dcache`, ms" + (f" (and it imports {', '.join(unwanted)})" if unwanted else ""),
        f"{median:.1f}",
        f"{low:.1f} to {high:.1f}",
        str(IMPORT_MOST),
        median <= IMPORT_MOST and not unwanted,
    )


def judged(spread, most):
    """The cells of a ratio and its bar."""
    if spread is None:
        return "", "", f"{most:.1f}", None
    low, median, high = spread
    return f"{median:.2f}", f"{low:.2f} to {high:.2f}", f"{most:.1f}", median <= most


def name_of(found):
    """The version, and whose build it is."""
    whose = "the system's" if found["packaged"] else "not the system's"
    return f"{'.'.join(map(str, found['version']))}, {whose}"


def section(found):
    """All tables of one interpreter."""
    verdicts = {True: "holds", False: "**fails**", None: "not measured"}
    noise = [row["ratios"]["noise"] for row in found["speed"] if "noise" in row["ratios"]]
    low, high = min(n[0] for n in noise), max(n[2] for n in noise)
    costs = found["bytes"]
    import_rows = [
        [code_of_import(module), f"{wall[1]:.1f}", f"{found['import']['cpu'][module][1]:.1f}"]
        for module, wall in found["import"]["wall"].items()
    ]
    return "\n\n".join(
        [
            f"## Python {name_of(found)}",
            speed_table(found, COLUMNS),
            "Ours as a multiple of theirs, round by round: median and quartiles. `lru_cache` "
            f"measured against itself: quartiles between {low:.2f} and {high:.2f}.",
            table(
                ["", "measured", "quartiles", "at most", ""],
                [[*row[:4], verdicts[row[4]]] for row in bars(found)],
            ).replace("--: |\n", "--- |\n", 1),
            "What the resident memory of a process grows by, for each entry, while a cache fills "
            "up to its bound with arguments and results that are all there before: the most over "
            "bounds of 600,000 to 1,000,000 entries, since tables grow by leaps.",
            table(
                ["bytes of an entry", *next(iter(costs.values()))],
                [[kind, *(f"{most:.0f}" for _, most in of.values())] for kind, of in costs.items()],
            ),
            "What an import adds to an interpreter that does nothing (`python -I -c pass`, with "
            "`site`, files in memory), in turns: time that passes and CPU time.",
            table(["ms", "time", "CPU"], import_rows),
        ]
    )


def code_of_import(module):
    """How it is spelled."""
    return f"`import {module}`"


def picture(found):
    """Bars of a positional and a keyword call."""
    rows = {row["title"]: row["ns"] for row in found["speed"]}
    calls = [rows["f(1)"], rows["f(1, y=2)"]]
    shown = [
        (label, name == OURS, [ns[name] for ns in calls])
        for name, label in (
            (OURS, "@dcache"),
            (LRU, "functools.lru_cache"),
            (CACHEBOX, "cachebox"),
            (CACHETOOLS, "cachetools, lru_cache"),
        )
    ]
    with_ttl = rows["f(1), ttl on"]
    shown.append(("@dcache, ttl on", True, [with_ttl[OURS], None]))
    shown.append(("cachetools, ttl_cache", False, [with_ttl[CACHETOOLS], None]))
    shown.sort(key=lambda row: row[2][0])
    version = ".".join(map(str, found["version"][:2]))
    return charts.bars(
        "Nanoseconds per hit in Python",
        f"CPU time of one call, Python {version}; shorter is better",
        shown,
        ("f(1)", "f(1, y=2)"),
    )


def readme_block(found, where):
    """The table of the first screen."""
    return f"{speed_table(found, COLUMNS[:5])}\n\n{where}"


def main():
    """Measure, write, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", default=["python3"])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--check", action="store_true", help="fail if a bar does not hold")
    args = parser.parse_args()
    found = [measure(python, args.rounds) for python in args.pythons]
    DOCS.mkdir(parents=True, exist_ok=True)
    rivals = (HERE / "requirements.txt").read_text(encoding="utf-8").replace("==", " ").split("\n")
    where = f"{hardware()}, {system()}; {', '.join(filter(None, rivals))}"
    write(
        "python.md",
        "# Python",
        f"`make bench-python` on {where}.",
        ABOUT,
        "![ns per hit in Python](python.svg)",
        *map(section, found),
    )
    (DOCS / "python.svg").write_text(picture(found[0]), encoding="utf-8")
    refresh_readme("python", readme_block(found[0], f"Python {name_of(found[0])}; {where}."))
    held = True
    for one in found:
        print(f"\nPython {name_of(one)}")
        for what, measured, _, most, holds in bars(one):
            verdict = {True: "holds", False: "FAILS", None: "not measured"}[holds]
            print(f"  {what:58} {measured:>6}  (bar: {most})  {verdict}")
            held = held and bool(holds)
    return 1 if args.check and not held else 0


if __name__ == "__main__":
    sys.exit(main())
