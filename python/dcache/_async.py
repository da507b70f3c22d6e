# SPDX-License-Identifier: MIT
"""What awaiting a cached coroutine function does where the result is not at hand.

The steps are those of `Miss` (C++); here is only what has to be a coroutine. Loaded with the first
miss, when `asyncio` is there already if it is what runs.
"""

import contextlib
import contextvars
import sys

from ._engine import inside

LEAD, WAIT, LANDED, THROUGH, AGAIN = range(5)
_tasks: set[object] = set()  # A loop holds its tasks weakly.


async def answer(miss):
    """Leads the flight of this call, or waits for whoever does."""
    while True:
        step = miss.join()
        while step == WAIT:
            step = await _wait(miss)
        if step == LEAD:
            return await _lead(miss)
        if step == LANDED:
            return miss.result()
        if step == THROUGH:
            return await miss.body()


async def refresh(miss):
    """Computes anew; what runs for this call is detached."""
    miss.restart()
    return await _lead(miss)


async def serve_stale(miss, stale, seconds):
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
    if miss.there():
        return stale
    return await answer(miss)  # It was invalidated while we waited.


async def _lead(miss):
    mark = miss.begin()
    if mark is None:
        return miss.result()
    token = inside.set(mark)
    try:
        try:
            result = await miss.body()
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


async def _wait(miss, seconds=None):
    asyncio = sys.modules.get("asyncio")
    loop = asyncio._get_running_loop() if asyncio else None
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
    asyncio = sys.modules.get("asyncio")
    loop = asyncio._get_running_loop() if asyncio else None
    if loop is None:
        return False
    task = contextvars.Context().run(loop.create_task, _run(miss, on_background))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
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
