# SPDX-License-Identifier: MIT
"""What a cache costs besides time for calls: memory for each entry, and its import.

    python bench/python/footprint.py DECORATOR KIND ENTRIES

prints the bytes of each entry of a full cache; each number takes a process of its own.
"""

import functools
import gc
import os
import statistics
import subprocess
import sys
import time

SIZES = (600_000, 800_000, 1_000_000)
KINDS = ("number", "text")
DECORATORS = ("dcache", "lru_cache", "cachebox", "cachetools")
IMPORTS = ("dcache", "functools", "cachebox", "cachetools.func")
UNWANTED = {"asyncio", "dataclasses", "inspect", "logging", "typing"}


def bytes_per_entry():
    """For each kind of key and each decorator: (mean over the sizes, most of them).

    A table grows by doubling, some of them, so one size alone says little.
    """
    found = {}
    for kind in KINDS:
        found[kind] = {}
        for name in DECORATORS:
            measured = [_measured_apart(name, kind, entries) for entries in SIZES]
            found[kind][name] = (statistics.fmean(measured), max(measured))
            print(f"bytes of an entry, {kind}: {name} {max(measured):.0f}", file=sys.stderr)
    return found


def _measured_apart(name, kind, entries):
    command = [sys.executable, "-I", __file__, name, kind, str(entries)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _decorator(name, maxsize):
    if name == "dcache":
        from dcache import dcache

        return dcache(maxsize=maxsize)
    if name == "cachebox":
        import cachebox

        return cachebox.cached(cachebox.LRUCache(maxsize))
    if name == "cachetools":
        import cachetools.func

        return cachetools.func.lru_cache(maxsize)
    return functools.lru_cache(maxsize)


def _resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _fill(name, kind, entries):
    """Fill a cache with arguments and results that are all there before, and weigh it."""
    keys = list(range(10**6, 10**6 + entries))
    if kind == "text":
        keys = [f"user:{key}" for key in keys]
    results = iter(list(range(10**7, 10**7 + entries)))
    f = _decorator(name, entries)(lambda _: next(results))
    gc.collect()
    gc.disable()
    before = _resident()
    for key in keys:
        f(key)
    return (_resident() - before) / entries


def import_times(rounds):
    """Milliseconds that an import adds to a bare interpreter, and what it brings along.

    The interpreters run by turns, isolated (`-I`) but with `site`, as programs do. Both the time
    that passes and the CPU time of the process: the median of the rounds' differences.
    """
    statements = {"": "pass", **{module: f"import {module}" for module in IMPORTS}}
    for statement in statements.values():  # From here on the files are in memory.
        _started(statement)
    samples = {module: [] for module in statements}
    for _ in range(rounds):
        for module, statement in statements.items():
            samples[module].append(_started(statement))
    bare = samples.pop("")
    return {
        "wall": _over(bare, samples, 0),
        "cpu": _over(bare, samples, 1),
        "unwanted": sorted(UNWANTED & set(_modules_after("import dcache"))),
    }


def _started(statement):
    """Milliseconds on the clock, and of CPU, from start to end of an interpreter."""
    command = [sys.executable, "-I", "-c", statement]
    begun = time.perf_counter()
    process = os.posix_spawn(sys.executable, command, os.environ)
    _, status, used = os.wait4(process, 0)
    passed = time.perf_counter() - begun
    if status != 0:
        sys.exit(f"footprint.py: {statement} failed")
    return 1e3 * passed, 1e3 * (used.ru_utime + used.ru_stime)


def _over(bare, samples, which):
    return {
        module: statistics.quantiles(
            [took[which] - base[which] for took, base in zip(times, bare, strict=True)], n=4
        )
        for module, times in samples.items()
    }


def _modules_after(statement):
    command = [sys.executable, "-I", "-c", f"{statement}\nimport sys\nprint(*sys.modules)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


if __name__ == "__main__":
    print(_fill(sys.argv[1], sys.argv[2], int(sys.argv[3])))
