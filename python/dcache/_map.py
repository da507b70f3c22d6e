# SPDX-License-Identifier: MIT
"""`f.map(...)`: many calls, for which each far tier is asked once.

The steps of each call are those of `Miss` (C++). A thread that leads several flights finishes all
that it leads before it waits for anybody: two that map the same calls in another order cannot wait
for each other.
"""

import asyncio
import itertools

from ._async import LANDED, LEAD, WAIT, _reset, _running_loop, _walk
from ._engine import inside

AT_ONCE = 64  # Calls; what a store that takes one key at a time can be asked side by side.


def start(function, waits, before, iterables, same):
    """The results, in order; of a coroutine function (`waits`) a coroutine that returns them."""
    if not iterables:
        raise TypeError("map() needs an iterable for each argument; none was given")
    calls = ((*before, *arguments) for arguments in zip(*iterables, strict=False))
    return (_map_async if waits else _map)(function, calls, same)


def _map(function, calls, same):
    results = []
    while chunk := list(itertools.islice(calls, AT_ONCE)):
        batch = _Batch(function, chunk, same)
        try:
            if misses := batch.begin():
                misses[0].gather(misses[1:])
                misses[0].drive_far()
            for at, miss in batch.missing():
                batch.results[at] = _compute(miss)
        finally:
            batch.end()
        for at in batch.later:
            batch.results[at] = function(*chunk[at], **same)
        results += batch.results
    return results


async def _map_async(function, calls, same):
    results = []
    while chunk := list(itertools.islice(calls, AT_ONCE)):
        batch = _Batch(function, chunk, same)
        try:
            if misses := batch.begin():
                misses[0].gather(misses[1:])
                await _walk(misses[0])
            await _gather(batch, {at: _compute_async(miss) for at, miss in batch.missing()})
        finally:
            batch.end()
        await _gather(batch, {at: function(*chunk[at], **same) for at in batch.later})
        results += batch.results
    return results


async def _gather(batch, coroutines):
    """Side by side where there is a loop for it. What the first of them raised is raised."""
    if _running_loop() is None:
        for at, coroutine in coroutines.items():
            batch.results[at] = await coroutine
        return
    said = await asyncio.gather(*coroutines.values(), return_exceptions=True)
    for at, result in zip(coroutines, said, strict=True):
        if isinstance(result, BaseException):
            raise result
        batch.results[at] = result


class _Batch:
    """Calls that are looked for together."""

    def __init__(self, function, calls, same):
        self.results = [None] * len(calls)
        self.later = []  # Others compute them, or they are no simple misses.
        self._leads = []
        self._tokens = []
        for at, arguments in enumerate(calls):
            tried = function._try(*arguments, **same)
            if tried is None:
                self.later.append(at)
            elif type(tried) is tuple:
                (self.results[at],) = tried
            else:
                self._join(at, tried)

    def _join(self, at, miss):
        step = miss.join()
        if step == LEAD:
            self._leads.append((at, miss))
        elif step == LANDED:
            self.results[at] = miss.result()
        else:
            if step == WAIT:
                miss.leave()
            self.later.append(at)

    def begin(self):
        """Those to be looked for. A body that runs is inside of all of them."""
        begun = []
        for at, miss in self._leads:
            mark = miss.begin()
            if mark is None:
                self.results[at] = miss.result()
                continue
            self._tokens.append(inside.set(mark))
            begun.append((at, miss))
        self._leads = begun
        return [miss for _, miss in begun if miss.look_far(False)]

    def missing(self):
        """Those that no tier has, and nobody computes. REQUIRES: the look has ended."""
        missing = []
        for at, miss in self._leads:
            found = miss.take_far()
            if found is not None:
                self.results[at] = found[0]
            elif miss.busy_far():
                miss.give_up()
                self.later.append(at)
            else:
                missing.append((at, miss))
        return missing

    def end(self):
        """The flights that are led still are handed on."""
        for _, miss in self._leads:
            miss.give_up()
        while self._tokens:
            _reset(self._tokens.pop())


def _compute(miss):
    try:
        result = miss.body()
        if miss.store_far(result):
            miss.drive_far()
    except BaseException as error:
        stale = miss.fail(error)
        if stale is None:
            raise
        return stale[0]
    return miss.land(result)


async def _compute_async(miss):
    try:
        result = await miss.body()
        if miss.store_far(result):
            await _walk(miss)
    except BaseException as error:
        stale = miss.fail(error)
        if stale is None:
            raise
        return stale[0]
    return miss.land(result)
