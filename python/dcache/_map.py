# SPDX-License-Identifier: MIT
"""`f.map(...)`: many calls, for which each far tier is asked once.

The steps of each call are those of `Miss` (C++). Who leads several flights waits for nobody while
he does, and lets go of those that are idle as soon as somebody needs them: two that map the same
calls in another order cannot wait for each other.
"""

import itertools
import time

from ._async import LANDED, LEAD, WAIT, _reset, _running_loop, _walk, compute
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
        batch = _Batch()
        try:
            batch.join(function, chunk, same)
            if misses := batch.begin(together=True):
                misses[0].gather(misses[1:])
                misses[0].drive_far()
            batch.compute()
        finally:
            batch.end()
        for at in batch.later:
            batch.results[at] = function(*chunk[at], **same)
        results += batch.results
    return results


async def _map_async(function, calls, same):
    results = []
    while chunk := list(itertools.islice(calls, AT_ONCE)):
        results += await _map_some(function, chunk, same)
    return results


async def _map_some(function, calls, same):
    batch = _Batch()
    try:
        batch.join(function, calls, same)
        if misses := batch.begin(together=False):
            misses[0].gather(misses[1:])
            await _walk(misses[0])
        missing = dict(batch.missing())
        if _running_loop() is None:  # One after the other; a body may ask for one that comes later.
            batch.later += missing
        else:
            marks = batch.marks
            await _gather(batch, missing, lambda at: compute(missing[at], inside.set(marks[at])))
    finally:
        batch.end()
    await _gather(batch, batch.later, lambda at: function(*calls[at], **same))
    return batch.results


async def _gather(batch, places, call):
    """Side by side where there is a loop for it. What the first of them raised is raised."""
    if _running_loop() is None:
        for at in places:
            batch.results[at] = await call(at)
        return
    import asyncio  # It is there already.

    async def run(at):  # In a context of its own.
        return await call(at)

    said = await asyncio.gather(*map(run, places), return_exceptions=True)
    for at, result in zip(places, said, strict=True):
        if isinstance(result, BaseException):
            raise result
        batch.results[at] = result


class _Batch:
    """Calls that are looked for together."""

    def __init__(self):
        self.results = []
        self.later = []  # Others compute them, or they are no simple misses.
        self.marks = {}  # For the context of a body.
        self._leads = []
        self._token = None

    def join(self, function, calls, same):
        """What is there are results. Of the rest those that nobody computes are led."""
        self.results = [None] * len(calls)
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

    def begin(self, *, together):
        """Those to be looked for. together: a body that runs is inside of all of them."""
        begun = []
        for at, miss in self._leads:
            mark = miss.begin()
            if mark is None:
                self.results[at] = miss.result()
                continue
            self.marks[at] = mark
            begun.append((at, miss))
        self._leads = begun
        if together and begun:
            mark = begun[0][1].mark_of([miss for _, miss in begun])
            self._token = inside.set(mark)
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

    def compute(self):
        """What is missing, one after the other. REQUIRES: the look has ended.

        Somebody who waits for one computes it himself: all that come before it may take long. So
        does a body that asks for one.
        """
        missing, looked = self.missing(), time.monotonic()
        idle = [miss for _, miss in reversed(missing)]
        for at, miss in missing:
            idle.pop()
            if not miss.leads():
                self.later.append(at)
                continue
            self.results[at] = _compute(miss, idle)
            if (now := time.monotonic()) > looked + 0.001:
                looked = now
                for each in idle:
                    if each.awaited():
                        each.give_up()

    def end(self):
        """The flights that are led still are handed on."""
        for _, miss in self._leads:
            miss.give_up()
        if self._token is not None:
            _reset(self._token)


def _compute(miss, idle):
    try:
        result = miss.body_before(idle)
        if miss.store_far(result):
            miss.drive_far()
    except BaseException as error:
        stale = miss.fail(error)
        if stale is None:
            raise
        return stale[0]
    return miss.land(result)
