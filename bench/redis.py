#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures Redis, in C++ and from Python, and writes docs/bench/redis.md.

python3 bench/redis.py [--build DIR] [--rounds N] [--check] [PYTHON]
"""

import sys

from page import measure

ABOUT = """\
Redis on the loopback of the same machine, so that client and server share its cores: what is
measured is the client. All of a table take turns, round by round, on one server; ratios are medians
of the rounds' ratios. In C++: `RedisBackend` through the public engine (an operation is made,
submitted and waited for) beside hiredis, which blocks; 64 threads share our one connection, and
have one each there. From Python: a call of a function with `RedisBackend` alone, arguments to key
and record to value included, beside redis-py, which returns the record's bytes; *raw* is `send` and
`recv` of the same record in C; while one caller is measured no core may sleep, which would cost 40
µs a round trip, not always the same. Every task asks for a record of its own, and runs on the stock
event loop."""


if __name__ == "__main__":
    sys.exit(
        measure(
            "redis",
            "What Redis costs besides the wire",
            ABOUT,
            "round_trips.py",
            lambda args, said: ["--raw", args.build / "bench" / "libraw_get.so"],
        )
    )
