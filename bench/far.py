#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures far tiers, in C++ and from Python, and writes docs/bench/far.md.

python3 bench/far.py [--build DIR] [--rounds N] [--check] [PYTHON]
"""

import sys

from page import measure

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


if __name__ == "__main__":
    sys.exit(
        measure(
            "far",
            "What far tiers cost",
            ABOUT,
            "far.py",
            lambda args, said: ["--digest", digest_of(said)],
        )
    )
