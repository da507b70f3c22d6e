#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures Redis, in C++ and from Python, and writes docs/bench/redis.md.

python3 bench/redis.py [--build DIR] [--rounds N] [--check] [PYTHON]
"""

import argparse
import pathlib
import subprocess
import sys

from run import ROOT, machine, write

ABOUT = """\
Redis on the loopback of the same machine, so that client and server share its cores: what is
measured is the client. All of a table take turns, round by round, on one server; ratios are medians
of the rounds' ratios. In C++: `RedisBackend` through the public engine (an operation is made,
submitted and waited for) beside hiredis, which blocks; 64 threads share our one connection, and
have one each there. From Python: a call of a function with `RedisBackend` alone, arguments to key
and record to value included, beside redis-py, which returns the record's bytes; *raw* is `send` and
`recv` of the same record in C. Every task asks for a record of its own, and runs on the stock event
loop."""


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", nargs="?", default="python3")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--check", action="store_true", help="fail if a bar does not hold")
    args = parser.parse_args()
    folder = ROOT / "build" / "bench-redis"
    programs = ROOT / "bench" / "python"
    requirements = programs / "requirements-redis.txt"
    subprocess.run([ROOT / "tools" / "venv", folder, args.python, requirements], check=True)
    rounds = ["--rounds", str(args.rounds), *(["--check"] if args.check else [])]
    raw = ["--raw", args.build / "bench" / "libraw_get.so"]
    said, held = [], True
    for command in (
        [args.build / "bench" / "redis"],
        [folder / "bin" / "python", programs / "round_trips.py", *raw],
    ):
        done = subprocess.run(
            [*command, *rounds], stdout=subprocess.PIPE, text=True, cwd=folder, check=False
        )
        if done.returncode not in (0, 1):
            return done.returncode
        held &= done.returncode == 0
        print(done.stdout)
        said.append(done.stdout.strip())
    write("redis.md", "# What Redis costs besides the wire", machine(args.build) + ".", ABOUT,
          *said, "`make bench-redis` measures this again.")  # fmt: skip
    return 0 if held or not args.check else 1


if __name__ == "__main__":
    sys.exit(main())
