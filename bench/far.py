#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures far tiers, in C++ and from Python, and writes docs/bench/far.md.

python3 bench/far.py [--build DIR] [--rounds N] [--check] [PYTHON]
"""

import argparse
import pathlib
import subprocess
import sys

from run import ROOT, machine, write

ABOUT = """\
Ratios are medians of ratios round by round, the two in turn in one process. In C++: a far key is
the canonical bytes, their digest and the text; its rival OpenSSL's SHA-256 of the same bytes with
algorithm and context at hand. Files are in the page cache. From Python: encode + decode of seven
results, beside pickle (protocol 5), msgpack and msgspec, which keep fewer types: tuples come back
as lists, and both know no NumPy (the array's bytes are handed to them). In parentheses what we aim
at."""


def digest_of(table):
    """Nanoseconds of OpenSSL's SHA-256 in the row of the far key."""
    row = next(line for line in table.splitlines() if line.startswith("| far key"))
    return row.split("|")[3].strip()


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", nargs="?", default="python3")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--check", action="store_true", help="fail if a bar does not hold")
    args = parser.parse_args()
    folder = ROOT / "build" / "bench-far"
    requirements = ROOT / "bench" / "python" / "requirements-far.txt"
    subprocess.run([ROOT / "tools" / "venv", folder, args.python, requirements], check=True)
    rounds = ["--rounds", str(args.rounds), *(["--check"] if args.check else [])]
    said, held = [], True
    for command in (
        [args.build / "bench" / "far"],
        [folder / "bin" / "python", ROOT / "bench" / "python" / "far.py"],
    ):
        digest = ["--digest", digest_of(said[0])] if said else []
        done = subprocess.run(
            [*command, *rounds, *digest],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            check=False,
        )
        if done.returncode not in (0, 1):
            return done.returncode
        held &= done.returncode == 0
        print(done.stdout)
        said.append(done.stdout.strip())
    write("far.md", "# What far tiers cost", machine(args.build) + ".", ABOUT, *said,
          "`make bench-far` measures this again.")  # fmt: skip
    return 0 if held or not args.check else 1


if __name__ == "__main__":
    sys.exit(main())
