# SPDX-License-Identifier: MIT
"""What awaiting a cached coroutine function does where the result is not at hand.

The steps are those of `Miss` (C++); here is only what has to be a coroutine. Loaded with the first
miss, when `asyncio` is there already if it is what runs.
"""

import contextlib
import contextvars
import os
import sys
import time
import weakref

from ._engine import MISSING, Error, LoopWaker, inside, loop_that_steps

LEAD, WAIT, LANDED, THROUGH, AGAIN = range(5)
_tasks: set[object] = set()  # A loop holds its tasks weakly.
_wakers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # By their loops.


async def answer(miss, step=None):
    """Leads the flight of this call, or waits for whoever does. `step`: what to do first."""
    while True:
        if step is None:
            step = miss.join()
        while step == WAIT:
            step = await _wait(miss)
        if step == LEAD:
            return await _lead(miss)
        if step == LANDED:
            return miss.result()
        if step == THROUGH:
            return await miss.body()
        step = None


async def refresh(miss):
    """Computes anew; what runs for this call is detached."""
    miss.restart()
    return await _lead(miss)


async def invalidate(miss):
    """Forgets the call, far to near; what runs for it before, or begins meanwhile, is detached."""
    before = miss.detach()
    try:
        error = await _far_verb(miss, miss.erase_far)
    finally:  # Also of one that is cancelled: far tiers may have forgotten it.
        erased = miss.erase_near()
        after = miss.detach()
    if error is not None:
        raise error
    return before or erased or after


async def put(miss, value):
    """Keeps a value for the call, far to near; it wins over what runs."""
    miss.detach()
    try:
        error = await _far_verb(miss, miss.prepare_far, lambda: miss.put_far(value))
    except BaseException:
        miss.erase_near()
        miss.detach()
        raise
    miss.put_near(value)
    miss.detach()
    if error is not None:
        raise error


async def peek(miss):
    """What the call would return without computing, or MISSING."""
    if miss.peek_far():
        await _walk(miss)
    return miss.peeked()


async def _far_verb(miss, *steps):
    try:
        for begins in steps:
            if begins():
                await _walk(miss)
    except Error as error:  # For after memory has followed: that does in any case.
        return error


async def serve_stale(miss, seconds):
    """Waits so long for the refresh that runs; then serves what there is."""
    step = miss.enlist()
    if step == WAIT:
        step = await _wait(miss, seconds)
        if step == WAIT:
            miss.leave()
    if step == LANDED:
        try:
            return miss.result()
        except Exception:  # The stale result is there for that.
            pass
    if (found := miss.there()) is not MISSING:  # Perhaps another one than before.
        return found
    return await answer(miss)  # It was invalidated while we waited.


async def _lead(miss):
    mark = miss.begin()
    if mark is None:
        return miss.result()
    return await compute(miss, inside.set(mark), looks=True)


async def compute(miss, token, looks=False):
    """Runs the body and stores its result, within the context that `token` leaves."""
    try:
        try:
            if looks and miss.look_far(True):
                await _walk(miss)
                found = miss.take_far()
                if found is not None:
                    return found[0]
            result = await miss.body()
            if miss.store_far(result):
                await _walk(miss)
        finally:
            _reset(token)
    except BaseException as error:
        stale = miss.fail(error)
        if stale is None:
            raise
        return stale[0]
    return miss.land(result)


def _reset(token):
    # The collector closes coroutines in whatever context it runs.
    with contextlib.suppress(ValueError):
        inside.reset(token)


async def _walk(miss):
    """Goes through the far tiers, step by step, and never blocks the loop for them."""
    loop = _running_loop()
    while (seconds := miss.step_far(loop)) is not None:
        if loop is None:  # Trio, or nobody's: it cannot be woken.
            time.sleep(min(seconds, 0.001))
            continue
        await miss.wake_far(waker_of(loop))


def run_where_awaited(coroutine):
    """Runs it on the loop of the task that is stepping on this thread; False: none is."""
    loop = loop_that_steps()
    if loop is not None:
        _start_task(loop, coroutine)
    return loop is not None


def _start_task(loop, coroutine):
    task = contextvars.Context().run(loop.create_task, coroutine)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def waker_of(loop):
    """Its one, made when it is first asked for."""
    waker = _wakers.get(loop)
    if waker is None:
        for there in filter(None, [ref() for ref in _wakers.keyrefs()]):
            if there.is_closed():  # What waits there would hold it for ever.
                _wakers.pop(there).close()
        waker = LoopWaker(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC), loop)
        loop.add_reader(waker.fileno(), waker.pass_on)
        _wakers[loop] = waker
    return waker


def _running_loop():
    asyncio = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio else None


async def _wait(miss, seconds=None):
    loop = _running_loop()
    if loop is None:
        miss.leave()
        raise RuntimeError(
            f"dcache: another task or thread is computing this call of {miss.function!r}, and "
            "waiting for it needs a running asyncio event loop (results at hand, and bodies that "
            "nobody else runs, work without)"
        )
    future = loop.create_future()
    timer = loop.call_later(miss.patience() if seconds is None else seconds, _tell, future)
    try:
        miss.wait_on(future)
        await future
    except BaseException:
        miss.leave()
        raise
    finally:
        timer.cancel()
    return miss.look()


def _tell(future):
    if not future.done():
        future.set_result(None)


def wake(future):
    """Tells the task that waits; False if there is none any more."""
    loop = future.get_loop()
    asyncio = sys.modules["asyncio"]
    if asyncio._get_running_loop() is loop:
        if future.cancelled():
            return False
        _tell(future)
        return True
    try:
        loop.call_soon_threadsafe(_tell, future)
    except RuntimeError:  # The loop is closed.
        return False
    return True


def start(miss, on_background):
    """Refreshes in a task of the loop that runs; False if none does."""
    loop = _running_loop()
    if loop is None:
        return False
    _start_task(loop, _run(miss, on_background))
    return True


async def _run(miss, on_background):
    async def run():
        try:
            await _lead(miss)
        except Exception:
            log_failure(miss)

    if on_background is None:
        return await run()
    try:
        await on_background(run)
    except Exception:
        log_failure(miss)


def log_failure(miss):
    """One line and the traceback; the old result stays."""
    import logging

    logging.getLogger("dcache").warning(
        "refreshing a result of %r failed; the old one is served", miss.function, exc_info=True
    )
