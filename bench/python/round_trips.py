# SPDX-License-Identifier: MIT
"""Measures what Redis costs from Python, beside redis-py with hiredis. Prints Markdown.

python round_trips.py --raw LIBRARY [--rounds N] [--check]
"""

import argparse
import asyncio
import contextlib
import ctypes
import os
import pathlib
import platform
import subprocess
import sys
import time

import redis
import redis.asyncio
from dcache import dcache
from dcache.backends import RedisBackend
from paired import UNROLLED, Race, calls, ratios, spread_of

sys.path.append(str(pathlib.Path(__file__).parents[2] / "python" / "tests"))
from redis_server import Server

# Short, and many: what is held against the bar is a difference of differences, and a machine that
# is not quiet is another one after a few milliseconds.
SLICE = 1.5e6
SLICES = 10  # A round.
TASKS = 64
TASKS_SLICE = 0.1  # Seconds.
VALUE = "x" * 100
PATIENCE = 5  # Of every client: a machine that is not quiet is no failure.


def name_of_record(key):
    """What Redis calls it: the digest in braces."""
    head, _, digest = key.rpartition(":")
    return f"{head}:{{{digest}}}"


def raw_work(library, port, request, reply_size):
    """Round trips in C, by a socket that blocks."""
    raw = ctypes.CDLL(library)
    raw.raw_get.restype = ctypes.c_int64
    raw.raw_get.argtypes = [
        ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int64,
    ]  # fmt: skip
    socket = raw.raw_connect(ctypes.c_uint16(port))
    if socket < 0:
        raise OSError("the server does not answer")

    def work(count):
        took = raw.raw_get(socket, request, len(request), reply_size, count)
        if took < 0:
            raise OSError("the server does not answer any more")
        return took

    return work


SPIN = """
import os
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while True:
    pass
"""


@contextlib.contextmanager
def awake():
    """No core goes to sleep: each has something to do that gives way to everything else.

    To wake one takes 40 µs here, three times the round trip, and varies by more than what is
    measured: with it the quartiles of the row are 0.15 and 0.42.
    """
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(os.cpu_count())]
    try:
        yield
    finally:
        for each in spinning:
            each.kill()
            each.wait()


def alone(server, backend, library, rounds):
    """The row of one caller, and whether it holds."""
    runs = []

    @dcache(backend, name="alone")
    def f(n):
        runs.append(n)
        return VALUE

    f(1)
    client = redis.Redis(port=server.port, socket_timeout=PATIENCE)
    name = name_of_record(f.key(1)).encode()
    record = client.get(name)
    request = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(name), name)
    reply_size = len(b"$%d\r\n" % len(record)) + len(record) + 2
    clock = time.perf_counter_ns
    race = Race(
        {
            "raw": raw_work(library, server.port, request, reply_size),
            "ours": calls("f(1)", f, clock=clock),
            "theirs": calls("f(given)", client.get, name, clock=clock),
        },
        SLICE,
    )
    with awake():
        race.run(rounds * SLICES)
    if len(runs) != 1:
        raise RuntimeError("a call ran its body: it was no hit")
    raw, ours, theirs = (race.samples[name] for name in ("raw", "ours", "theirs"))
    added = spread_of(
        (mine - least) / (other - least)
        for mine, other, least in zip(ours, theirs, raw, strict=True)
    )
    micros = [f"{spread_of(samples).median / 1000:.1f}" for samples in (ours, theirs, raw)]
    cells = ["one caller: (ours - raw) ÷ (redis-py - raw)", *micros]
    return cells, added, 0.25, added.median <= 0.25


async def _gather(call, each):
    """Operations a second of all tasks."""

    async def task(number):
        for _ in range(each):
            await call(number)

    began = time.perf_counter()
    await asyncio.gather(*(task(number) for number in range(TASKS)))
    return TASKS * each / (time.perf_counter() - began)


async def together(server, backend, rounds):
    """The row of many tasks, and whether it holds."""
    runs = []

    @dcache(backend, name="together")
    async def f(n):
        runs.append(n)
        return VALUE

    client = redis.asyncio.Redis(port=server.port, socket_timeout=PATIENCE)
    for number in range(TASKS):
        await f(number)
    names = [name_of_record(await f.key(number)) for number in range(TASKS)]
    if await client.exists(*names) != TASKS:
        raise RuntimeError(f"expected {TASKS} records")

    def theirs(number):
        return client.get(names[number])

    rates = {}
    counts = {}
    for call in (f, theirs):
        await _gather(call, UNROLLED)
        counts[call] = max(1, int(await _gather(call, UNROLLED) * TASKS_SLICE / TASKS))
        rates[call] = []
    for _ in range(rounds):
        for call, each in counts.items():
            rates[call].append(await _gather(call, each))
    await client.aclose()
    if len(runs) != TASKS:
        raise RuntimeError("a call ran its body: it was no hit")
    times = spread_of(ratios(rates[f], rates[theirs]))
    thousands = [f"{spread_of(rates[call]).median / 1000:.1f}" for call in (f, theirs)]
    return [f"{TASKS} tasks ÷ redis.asyncio", *thousands, ""], times, 15, times.median >= 15


def main():
    """Print both rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--check", action="store_true", help="fail if a bar does not hold")
    parser.add_argument("--raw", required=True, help="the library of bench/raw_get.cpp")
    args = parser.parse_args()
    server = Server()
    try:
        backend = RedisBackend("127.0.0.1", server.port, timeout=PATIENCE, connect_timeout=PATIENCE)
        one = alone(server, backend, args.raw, args.rounds)
        many = asyncio.run(together(server, backend, args.rounds))
    finally:
        server.close()
    print(f"Python {platform.python_version()}, redis-py {redis.__version__} with hiredis\n")
    for (cells, measured, bar, holds), unit, sign in (
        (one, "µs", "≤"),
        (many, "thousand a second", "≥"),
    ):
        print(f"| | {unit} | redis-py | raw | measured | quartiles | bar | |")
        print("|---|--:|--:|--:|--:|--:|--:|---|")
        spread = f"{measured.median:.2f} | {measured.low:.2f} to {measured.high:.2f}"
        verdict = "holds" if holds else "**fails**"
        print(f"| {' | '.join(cells)} | {spread} | {sign} {bar:g} | {verdict} |\n")
    return 1 if args.check and not (one[3] and many[3]) else 0


if __name__ == "__main__":
    sys.exit(main())
