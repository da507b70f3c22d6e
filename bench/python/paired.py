# SPDX-License-Identifier: MIT
"""Times statements against each other: ratios that hold on a machine that is not quiet.

The statements run in rounds, each for a slice of a few milliseconds and in an order drawn anew for
every round, so that what slows the machine down for a while slows all of them down. Two are
compared round by round: the ratio is the median of the rounds' ratios. Time is CPU time of this
thread: what the scheduler gives to others does not count.

Every slice is a function compiled for its statement alone, since the interpreter rewrites the
bytecode of a call for what it meets there. Nothing is subtracted: what the loop costs, about 1 ns a
call where the statement is unrolled, is in the numbers of all alike.
"""

import gc
import itertools
import random
import statistics
import time
from typing import NamedTuple

UNROLLED = 20

_CALLS = """
{define} work(count, clock=clock, repeat=repeat, f=f, given=given):
    begun = clock()
    for _ in repeat(None, count // {unrolled}):
        {statements}
    return clock() - begun
"""
_KEYS = """
def work(count, clock=clock, f=f, given=given):
    keys = given(count)
    begun = clock()
    for key in keys:
        f(key)
    return clock() - begun
"""


class Spread(NamedTuple):
    """The middle and the quartiles of many rounds."""

    low: float
    median: float
    high: float


def spread_of(samples):
    """Median and quartiles."""
    return Spread(*statistics.quantiles(samples, n=4))


def calls(statement, f, given=None, clock=time.thread_time_ns):
    """Work that makes one call many times; `f` and `given` are what the statement may name."""
    awaits = statement.startswith("await ")
    source = _CALLS.format(
        define="async def" if awaits else "def",
        unrolled=UNROLLED,
        statements="\n        ".join([statement] * UNROLLED),
    )
    return _compiled(source, f, given, clock)


def keys(f, given):
    """Work that calls `f` with each of the keys that `given(count)` returns."""
    return _compiled(_KEYS, f, given, time.thread_time_ns)


def _compiled(source, f, given, clock):
    names = {"clock": clock, "repeat": itertools.repeat, "f": f, "given": given}
    exec(source, names)
    return names["work"]


class Race:
    """Works that are timed against each other.

    A work takes a number of calls and returns how many nanoseconds they took.
    """

    def __init__(self, works, slice_ns):
        """`works` by name; how long one works at a time. Warms up, too."""
        self.works = works
        self.counts = {name: _calibrated(work, slice_ns) for name, work in works.items()}
        self.samples = {name: [] for name in works}
        self.random = random.Random(2024)

    def run(self, rounds):
        """Add so many samples, nanoseconds of one call, to those of each work."""
        order = list(self.works)
        gc.disable()
        try:
            for _ in range(rounds):
                self.random.shuffle(order)
                for name in order:
                    count = self.counts[name]
                    self.samples[name].append(self.works[name](count) / count)
        finally:
            gc.enable()


def _calibrated(work, slice_ns):
    """How many calls fill a slice."""
    count = UNROLLED
    while (took := work(count)) < slice_ns / 2:
        count *= 2
    return max(UNROLLED, int(count * slice_ns / took) // UNROLLED * UNROLLED)


def ratios(samples, other):
    """One as a multiple of the other, round by round."""
    return [mine / theirs for mine, theirs in zip(samples, other, strict=True)]
