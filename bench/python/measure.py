# SPDX-License-Identifier: MIT
"""Measures `@dcache` beside its rivals, in this interpreter; run.py runs it.

    python bench/python/decorators.py [--rounds N]

Says on standard error what it is at, and on standard output, as JSON, what came out.
"""

import argparse
import asyncio
import functools
import json
import random
import sys

import async_lru
import cachebox
import cachetools.func
import footprint
import paired
from dcache import UsageError, dcache

OURS, LRU, AGAIN = "dcache", "lru_cache", "lru_cache again"
CACHEBOX, CACHETOOLS, ASYNC_LRU, EMPTY = "cachebox", "cachetools", "async-lru", "empty coroutine"
ROOM = 10_000  # Entries, in every cache where nothing is to leave.
TURNS = 10
SHORT, LONG = 2e6, 15e6  # Nanoseconds of a slice; long where it has to warm the processor's caches.


def bounded(maxsize=ROOM):
    """Each one's usual decorator, and the rival twice: what comes out between the two is noise."""
    return {
        OURS: dcache(maxsize=maxsize),
        LRU: functools.lru_cache(maxsize),
        AGAIN: functools.lru_cache(maxsize),
        CACHEBOX: cachebox.cached(cachebox.LRUCache(maxsize)),
        CACHETOOLS: cachetools.func.lru_cache(maxsize),
    }


def expiring():
    """With a time to live, which `lru_cache` does not have."""
    return {
        OURS: dcache(maxsize=ROOM, ttl="1h"),
        LRU: functools.lru_cache(ROOM),
        CACHEBOX: cachebox.cached(cachebox.TTLCache(ROOM, 3600)),
        CACHETOOLS: cachetools.func.ttl_cache(ROOM, 3600),
    }


class Plain:
    """Equal to itself only."""


class Bodies:
    """Functions to decorate that, once closed, fail: a hit that runs its body is none."""

    is_closed = False

    def close(self):
        """From now on everything has to be a hit."""
        self.is_closed = True

    def check(self):
        """Called by every body."""
        if self.is_closed:
            sys.exit("measure.py: a hit ran the body")

    def one(self):
        """A function of one argument."""

        def f(x):
            self.check()
            return x

        return f

    def two(self):
        """A function of two arguments."""

        def f(x, y):
            self.check()
            return x

        return f


def hits(statement, decorators, body="one", given=None):
    """One call, again and again."""
    bodies = Bodies()
    works = {
        name: paired.calls(statement, decorate(getattr(bodies, body)()), given)
        for name, decorate in decorators.items()
    }
    race = paired.Race(works, SHORT)
    bodies.close()
    return race


def methods():
    """A method of one object, again and again."""
    works = {}
    for name, decorate in bounded().items():

        class Owner:
            @decorate
            def m(self, x):
                return x

        works[name] = paired.calls("given.m(1)", None, Owner())
    return paired.Race(works, SHORT)


def random_keys(size=100_000):
    """Keys drawn evenly from a table that holds them all; equal to those in it, not the same."""
    draw = random.Random(1).randrange
    drawn = [draw(size) for _ in range(10 * size)]
    bodies = Bodies()

    def given_to(start):
        def given(count):
            nonlocal start
            chunk = [drawn[(start + n) % len(drawn)] for n in range(count)]
            start += count
            return chunk

        return given

    works = {}
    # A fifth more room than keys: a table in parts has to have room in each of them.
    for name, decorate in bounded(size + size // 5).items():
        f = decorate(bodies.one())
        for key in range(size):
            f(key)
        works[name] = paired.keys(f, given_to(0))
    bodies.close()
    return paired.Race(works, LONG)


def misses(size=1_000):
    """Keys never asked for before: look up, run the body, insert, evict."""

    def f(x):
        return x

    def given_to(start):
        def given(count):
            nonlocal start
            start += count
            return range(start - count, start)

        return given

    works = {
        name: paired.keys(decorate(f), given_to(0)) for name, decorate in bounded(size).items()
    }
    return paired.Race(works, SHORT)


def awaits():
    """A hit of an async function, in a loop that runs all the while."""

    async def f(x):
        return x

    decorators = {
        OURS: dcache(maxsize=ROOM),
        ASYNC_LRU: async_lru.alru_cache(maxsize=ROOM),
        CACHEBOX: cachebox.cached(cachebox.LRUCache(ROOM)),
        EMPTY: lambda function: function,
    }
    loop = asyncio.new_event_loop()

    def in_loop(work):
        return lambda count: loop.run_until_complete(work(count))

    works = {
        name: in_loop(paired.calls("await f(1)", decorate(f)))
        for name, decorate in decorators.items()
    }
    return paired.Race(works, SHORT)


CASES = {
    "f(1)": lambda: hits("f(1)", bounded()),
    'f("abc", 1.5)': lambda: hits('f("abc", 1.5)', bounded(), "two"),
    "f(1, y=2)": lambda: hits("f(1, y=2)", bounded(), "two"),
    "f(1), ttl on": lambda: hits("f(1)", expiring()),
    "f(obj)": lambda: hits("f(given)", bounded(), given=Plain()),
    "obj.m(1)": methods,
    "random keys, table of 100,000": random_keys,
    "miss, insert, evict": misses,
    "await f(1)": awaits,
}


def prepared():
    """A race for each case; a feature that is not there yet is said, not measured."""
    races = {}
    for title, prepare in CASES.items():
        try:
            races[title] = prepare()
        except UsageError as refusal:
            print(f"skipped: {refusal}", file=sys.stderr)
    return races


def speed(rounds):
    """A row for each case. All take turns, so that the rows can be compared, too."""
    races = prepared()
    for turn in range(TURNS):
        print(f"calls: turn {turn + 1} of {TURNS}", file=sys.stderr, flush=True)
        for race in races.values():
            race.run(max(1, rounds // TURNS))
    return [row(title, race.samples) for title, race in races.items()]


def row(title, samples):
    """The nanoseconds of each, and ours as a multiple of each, with quartiles."""
    ratios = {
        name: paired.spread_of(paired.ratios(samples[OURS], other))
        for name, other in samples.items()
        if name not in (OURS, AGAIN)
    }
    if AGAIN in samples:
        ratios["noise"] = paired.spread_of(paired.ratios(samples[AGAIN], samples[LRU]))
    ns = {name: paired.spread_of(times).median for name, times in samples.items() if name != AGAIN}
    told = "  ".join(f"{name} {median:,.0f}" for name, median in ns.items())
    print(f"{title:29} ns: {told}", file=sys.stderr, flush=True)
    return {"title": title, "ns": ns, "ratios": ratios}


def main():
    """Measure everything and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    args = parser.parse_args()
    json.dump(
        {
            "version": list(sys.version_info[:3]),
            "packaged": sys.base_prefix == "/usr",
            "speed": speed(args.rounds),
            "bytes": footprint.bytes_per_entry(),
            "import": footprint.import_times(args.rounds),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
