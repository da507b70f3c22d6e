# SPDX-License-Identifier: MIT
"""The demo in Python: an honest slow function over real input, without a cache and with one.

    python headers.py [CALLS]

It is that of headers.cpp. Each call asks of one header under /usr/include what including it brings
along: how many headers, how much code. To answer, it parses the header and everything that it
includes. Some headers are asked about far more often than others, as in life, and nearly all of
them include the same few.
"""

import asyncio
import concurrent.futures
import random
import sys
import time
from typing import NamedTuple

from dcache import dcache
from headers_progress import Progress, has_utf8, time_text
from headers_survey import SearchPath, summarise, survey, survey_async

CALLS = 400
THREADS = 4
REDRAW_EVERY = 0.1


class Pass(NamedTuple):
    """What one pass over all calls came to."""

    title: str
    answers: list
    time: float
    bodies: int  # Calls that had to work.
    parsed: int  # Headers that were parsed for them.


def choose_calls(headers, count):
    """The same calls every time: seeded, the popular ones often."""
    draw = random.Random(2024)
    draw.shuffle(headers)
    return [headers[int(draw.random() ** 2.5 * len(headers))] for _ in range(count)]


def run(title, calls, ask):
    """Make all calls, on several threads, and draw a bar meanwhile: the answers and the time."""
    progress = Progress(title, len(calls))
    begun = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as workers:
        answers = [workers.submit(ask, call) for call in calls]
        waiting = answers
        try:
            while waiting:
                waiting = concurrent.futures.wait(waiting, REDRAW_EVERY).not_done
                elapsed = time.perf_counter() - begun
                if waiting:
                    progress.show(len(calls) - len(waiting), elapsed)
        except KeyboardInterrupt:
            workers.shutdown(cancel_futures=True)
            raise
    progress.finish(elapsed)
    return [answer.result() for answer in answers], elapsed


async def run_async(title, calls, ask):
    """`run` with a task for each call, all at once in one event loop."""
    progress = Progress(title, len(calls))
    begun = time.perf_counter()
    answers = [asyncio.ensure_future(ask(call)) for call in calls]
    waiting = answers
    while waiting:
        _, waiting = await asyncio.wait(waiting, timeout=REDRAW_EVERY)
        elapsed = time.perf_counter() - begun
        if waiting:
            progress.show(len(calls) - len(waiting), elapsed)
    progress.finish(elapsed)
    return [answer.result() for answer in answers], elapsed


def without(search, calls):
    """No cache: every call works."""
    parsed = []

    def parse(path):
        parsed.append(path)
        return summarise(search, path)

    answers, elapsed = run("without dcache", calls, lambda path: survey(path, parse))
    return Pass("without dcache", answers, elapsed, len(calls), len(parsed))


def with_dcache(search, calls):
    """Twice: nothing is known the first time, everything the second."""

    @dcache
    def parse(path):
        return summarise(search, path)

    @dcache
    def ask(path):
        return survey(path, parse)

    for title in ("dcache, first time", "dcache, once more"):
        bodies, parsed = ask.cache_info().misses, parse.cache_info().misses
        answers, elapsed = run(title, calls, ask)
        bodies, parsed = ask.cache_info().misses - bodies, parse.cache_info().misses - parsed
        yield Pass(title, answers, elapsed, bodies, parsed)


async def with_dcache_async(search, calls):
    """The same in an event loop; files are read and parsed on other threads."""

    @dcache
    async def parse(path):
        return await asyncio.to_thread(summarise, search, path)

    @dcache
    async def ask(path):
        return await survey_async(path, parse)

    passes = []
    for title in ("async, first time", "async, once more"):
        bodies, parsed = ask.cache_info().misses, parse.cache_info().misses
        answers, elapsed = await run_async(title, calls, ask)
        bodies, parsed = ask.cache_info().misses - bodies, parse.cache_info().misses - parsed
        passes.append(Pass(title, answers, elapsed, bodies, parsed))
    return passes


def print_table(passes):
    """All passes beside each other."""

    def print_row(title, *cells):
        widths = (8, 8, 8, 10, 9, 9)
        shown = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        print(f"  {title:18}", *shown)

    print()
    print_row("", "", "bodies", "", "headers", "", "time")
    print_row("", "calls", "run", "hits", "parsed", "time", "saved")
    print(f"  {('─' if has_utf8() else '-') * 76}")
    for one in passes:
        calls, saved = len(one.answers), passes[0].time - one.time
        counts = (calls, one.bodies, calls - one.bodies, one.parsed)
        times = (time_text(one.time), time_text(saved) if saved > 0 else "-")
        print_row(one.title, *(f"{count:,}" for count in counts), *times)


def print_finding(calls, answers):
    """The answer of most consequence, as a sentence."""
    header, largest = max(zip(calls, answers, strict=True), key=lambda pair: pair[1].code_lines)
    print(
        f"  The most expensive: {header},\n"
        f"  which brings along {largest.headers:,} headers with {largest.code_lines:,} lines of "
        "code.\n"
    )


def main(count=CALLS):
    """Run all passes and compare them."""
    search = SearchPath()
    headers = search.well_known()
    if not headers:
        sys.exit("headers.py: there are no headers under /usr/include")
    calls = choose_calls(headers, count)
    print(
        f"\n  The same in Python: what does an #include cost? {count:,} calls about the\n"
        f"  {len(headers):,} headers of this machine that people include, on {THREADS} threads "
        "and\n  in an event loop.\n"
    )
    passes = [
        without(search, calls),
        *with_dcache(search, calls),
        *asyncio.run(with_dcache_async(search, calls)),
    ]
    print_table(passes)

    same = all(one.answers == passes[0].answers for one in passes)
    print(
        "\n  All answers are the same with and without dcache."
        if same
        else "\n  ERROR: the answers differ with and without dcache!"
    )
    print_finding(calls, passes[0].answers)
    return 0 if same else 1


if __name__ == "__main__":
    words = sys.argv[1:]
    if len(words) > 1 or not all(word.isdecimal() and int(word) > 0 for word in words):
        sys.exit("usage: headers.py [CALLS]")
    try:
        sys.exit(main(*map(int, words)))
    except KeyboardInterrupt:
        sys.exit(130)
