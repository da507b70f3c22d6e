# SPDX-License-Identifier: MIT
"""`@dcache` on `async def`: the coroutine object, flights between tasks, loops and threads."""

import asyncio
import contextlib
import contextvars
import gc
import inspect
import sys
import threading
import time
import warnings
import weakref

import pytest
from dcache import MISSING, UsageError, dcache


class Gate:
    """A body that stops in the middle, on whatever loop."""

    def __init__(self):
        self.reached, self.open = threading.Event(), threading.Event()

    async def __call__(self):
        self.reached.set()
        deadline = time.monotonic() + 30
        while not self.open.is_set():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)

    async def until_reached(self):
        while not self.reached.is_set():
            await asyncio.sleep(0.005)


def counted(body=None, **options):
    runs = []

    @dcache(**options)
    async def f(x):
        runs.append(x)
        if body is not None:
            return await body(len(runs))
        await asyncio.sleep(0)
        return object()

    f.runs = runs
    return f


# --- The object ---


def test_a_result_is_remembered():
    f = counted()

    async def main():
        first = await f(1)
        assert await f(1) is first
        assert await f(x=1) is first
        assert await f(2) is not first
        return first

    first = asyncio.run(main())
    assert asyncio.run(f(1)) is first
    assert f.runs == [1, 2]
    assert f.cache_info()[:2] == (3, 2)


def test_it_looks_up_when_it_is_first_sent():
    f = counted()

    async def main():
        early = f(1)
        await f(1)
        await early

    asyncio.run(main())
    assert f.runs == [1]


def test_loops_and_their_helpers_take_it():
    f = counted()

    async def main():
        await f(0)
        for x in (0, 1):  # At hand, and not.
            await asyncio.create_task(f(x))
            await asyncio.gather(f(x), f(x))
            await asyncio.wait_for(f(x), 5)
            await asyncio.shield(f(x))
        assert asyncio.iscoroutine(f(0)) is True
        return await asyncio.ensure_future(f(1))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The one that is only looked at.
        asyncio.run(main())
    assert f.runs == [0, 1]


def test_it_is_a_coroutine_function_to_whoever_asks():
    f = counted()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert asyncio.iscoroutinefunction(f)
        assert not asyncio.iscoroutinefunction(dcache(len))
    if sys.version_info >= (3, 12):
        assert inspect.iscoroutinefunction(f)
    assert not inspect.iscoroutinefunction(dcache(len))
    assert str(inspect.signature(f)) == "(x)"


def test_awaited_twice_it_raises():
    f = counted()

    async def main():
        for x in (1, 1):
            once = f(x)
            await once
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                await once

    asyncio.run(main())


def test_never_awaited_it_warns_as_a_coroutine_does():
    f = counted()
    with pytest.warns(RuntimeWarning, match=r"coroutine '.*counted.*f' was never awaited"):
        f(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f(1).close()


def test_it_has_the_interface_of_a_coroutine():
    f = counted()
    coroutine = f(1)
    assert isinstance(coroutine, __import__("collections").abc.Coroutine)
    assert coroutine.__name__ == "f"
    assert coroutine.cr_code is f.__wrapped__.__code__
    assert coroutine.cr_running is False
    assert "f" in repr(coroutine)
    with pytest.raises(TypeError, match="just-started"):
        coroutine.send(1)
    with pytest.raises(KeyError):
        coroutine.throw(KeyError("x"))
    with pytest.raises(RuntimeError):
        coroutine.send(None)
    hit = f(2)
    asyncio.run(hit)
    hit = f(2)
    with pytest.raises(StopIteration) as stop:
        hit.send(None)
    assert type(stop.value.value) is object


@pytest.mark.parametrize("result", [None, (1, 2), (), KeyError("x"), StopIteration(3), 0])
def test_any_result_goes_through(result):
    async def give(_):
        return result

    f = counted(give)

    async def main():
        return [await f(1), await f(1), await asyncio.create_task(f(1))]

    assert asyncio.run(main()) == [result] * 3
    assert f.runs == [1]


def test_a_body_that_raises_is_run_again():
    async def fails(run):
        raise KeyError(run)

    f = counted(fails)

    async def main():
        for run in (1, 2):
            with pytest.raises(KeyError) as caught:
                await f(1)
            assert caught.value.args == (run,)
            assert caught.value.__context__ is None

    asyncio.run(main())


def test_what_can_be_consumed_only_once_is_refused():
    async def generator(_):
        return (x for x in "abc")

    f = counted(generator)
    with pytest.raises(UsageError, match="can be consumed only once"):
        asyncio.run(f(1))
    with pytest.raises(UsageError, match="generator"):

        @dcache
        async def items():
            yield 1


def test_verbs_are_awaitable():
    f = counted()

    async def main():
        first = await f(1)
        assert await f.peek(1) is first
        assert await f.invalidate(1) is True
        assert await f.peek(1) is MISSING
        await f.put("put", 1)
        assert await f(1) == "put"
        new = await f.refresh(1)
        assert await f(1) is new
        assert "a call is a hit" in await f.explain(1)
        f.cache_clear()
        assert await f.peek(1) is MISSING

    asyncio.run(main())
    assert f.runs == [1, 1]


def test_methods():
    class Shop:
        runs = 0

        @dcache
        async def price(self, x):
            Shop.runs += 1
            return x * 2

    async def main():
        shop = Shop()
        assert await shop.price(2) == await Shop.price(shop, 2) == 4
        assert await shop.price.peek(2) == 4
        assert await Shop().price(2) == 4
        watch = weakref.ref(shop)
        del shop
        return watch

    watch = asyncio.run(main())
    gc.collect()
    assert watch() is None
    assert Shop.runs == 2


# --- Flights ---


def test_tasks_on_a_cold_key_run_the_body_once():
    f = counted(lambda run: asyncio.sleep(0.05, object()))

    async def main():
        return await asyncio.gather(*(f(1) for _ in range(100)))

    assert len(set(map(id, asyncio.run(main())))) == 1
    assert f.runs == [1]
    assert f.cache_info()[:2] == (99, 1)
    assert f.stats()["waited"] == 99


def test_waiters_get_the_exception():
    async def fails(run):
        await asyncio.sleep(0.05)
        raise KeyError(run)

    f = counted(fails)

    async def main():
        return await asyncio.gather(*(f(1) for _ in range(5)), return_exceptions=True)

    assert [repr(error) for error in asyncio.run(main())] == ["KeyError(1)"] * 5
    assert f.runs == [1]


def test_a_cancelled_leader_hands_over_to_a_waiter():
    gate = Gate()

    async def body(run):
        if run == 1:
            await gate()
        return run

    f = counted(body)

    async def main():
        leader = asyncio.create_task(f(1))
        await gate.until_reached()
        waiters = [asyncio.create_task(f(1)) for _ in range(3)]
        await asyncio.sleep(0.01)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        return await asyncio.gather(*waiters)

    assert asyncio.run(main()) == [2, 2, 2]
    assert f.runs == [1, 1]


def test_who_is_promoted_and_cancelled_before_it_wakes_hands_on():
    gate = Gate()

    async def body(run):
        if run == 1:
            await gate()
        return run

    f = counted(body)

    async def main():
        leader = asyncio.create_task(f(1))
        await gate.until_reached()
        waiters = [asyncio.create_task(f(1)) for _ in range(3)]
        await asyncio.sleep(0.01)
        leader.cancel()
        await asyncio.sleep(0)  # The leader hands over; the first waiter is not awake yet.
        waiters[0].cancel()
        return await asyncio.gather(*waiters, return_exceptions=True)

    answers = asyncio.run(main())
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [2, 2]


def test_cancelling_a_waiter_disturbs_nobody():
    gate = Gate()

    async def body(run):
        await gate()
        return run

    f = counted(body)

    async def main():
        leader = asyncio.create_task(f(1))
        await gate.until_reached()
        waiters = [asyncio.create_task(f(1)) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiters[1].cancel()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(f(1), 0.01)
        gate.open.set()
        return await asyncio.gather(leader, waiters[0], waiters[2])

    assert asyncio.run(main()) == [1, 1, 1]
    assert f.runs == [1]


def test_when_everybody_is_cancelled_the_next_call_starts_anew():
    gate = Gate()

    async def body(run):
        if run == 1:
            await gate()
        return run

    f = counted(body)

    async def main():
        tasks = [asyncio.create_task(f(1))]
        await gate.until_reached()
        tasks += [asyncio.create_task(f(1)) for _ in range(2)]
        await asyncio.sleep(0.01)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return await asyncio.wait_for(f(1), 5)

    assert asyncio.run(main()) == 2


def test_two_loops_share_one_flight():
    f = counted(lambda run: asyncio.sleep(0.2, object()))
    start, answers = threading.Barrier(4), []

    def run():
        start.wait()
        answers.append(asyncio.run(f(1)))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(answers) == 4
    assert len(set(map(id, answers))) == 1
    assert f.runs == [1]


def test_a_leader_in_another_loop_that_is_cancelled_hands_over():
    gate = Gate()

    async def body(run):
        if run == 1:
            await gate()
        return run

    f = counted(body)

    async def die():
        task = asyncio.create_task(f(1))
        await gate.until_reached()
        await asyncio.sleep(0.2)
        task.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(die()))
    thread.start()
    assert gate.reached.wait(10)
    assert asyncio.run(asyncio.wait_for(f(1), 10)) == 2
    thread.join(10)


def test_a_leader_whose_loop_is_closed_is_seen_within_a_second_or_two():
    gate = Gate()

    async def body(run):
        if run == 1:
            await gate()
        return run

    f = counted(body)
    loop = asyncio.new_event_loop()
    task = loop.create_task(f(1))
    loop.run_until_complete(gate.until_reached())
    loop.close()

    started = time.monotonic()
    assert asyncio.run(asyncio.wait_for(f(1), 10)) == 2
    assert time.monotonic() - started < 5
    gate.open.set()
    with contextlib.suppress(RuntimeError):
        task.get_coro().close()
    assert asyncio.run(f(1)) == 2


def test_a_waiter_whose_loop_is_closed_is_passed_over():
    gate = Gate()

    async def body(run):
        if run == 1:
            await gate()
        return run

    f = counted(body)

    async def main():
        leader = asyncio.create_task(f(1))
        await gate.until_reached()

        def wait_and_die():
            loop = asyncio.new_event_loop()
            dead.append(loop.create_task(f(1)))
            loop.run_until_complete(asyncio.sleep(0.05))
            loop.close()

        dead = []
        await asyncio.to_thread(wait_and_die)
        alive = asyncio.create_task(f(1))
        await asyncio.sleep(0.01)
        leader.cancel()
        return await asyncio.wait_for(alive, 10)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert asyncio.run(main()) == 2


def test_re_entry_computes_through():
    depth = []

    @dcache
    async def f(x):
        depth.append(x)
        if len(depth) == 1:
            return await f(x) + 1
        if len(depth) == 2:
            return await asyncio.create_task(f(x)) + 1  # A child task.
        return 0

    async def main():
        return await asyncio.wait_for(f(1), 5)

    assert asyncio.run(main()) == 2
    assert len(depth) == 3


def test_re_entry_through_a_thread_computes_through():
    depth = []

    @dcache
    async def f(x):
        depth.append(x)
        if len(depth) == 1:
            return await asyncio.to_thread(lambda: asyncio.run(f(x))) + 1
        return 0

    async def main():
        return await asyncio.wait_for(f(1), 10)

    assert asyncio.run(main()) == 1


def test_a_cycle_between_two_tasks_is_broken():
    @dcache
    async def f(x):
        await asyncio.sleep(0.02)
        return x + await f(3 - x) if len(seen) < 10 and not seen.append(x) else x

    seen = []

    async def main():
        return await asyncio.wait_for(asyncio.gather(f(1), f(2)), 10)

    assert all(isinstance(answer, int) for answer in asyncio.run(main()))


def test_what_a_body_leaves_behind_is_not_inside_of_it():
    tasks = []

    @dcache
    async def f(x):
        if not tasks:
            tasks.append(asyncio.create_task(later()))
        await asyncio.sleep(0.01)
        return object()

    async def later():
        await asyncio.sleep(0.05)
        f.cache_clear()
        return await asyncio.gather(f(1), f(1))

    async def main():
        await f(1)
        return await tasks[0]

    one, other = asyncio.run(main())
    assert one is other


def test_an_invalidation_detaches_the_flight():
    gate = Gate()

    async def body(run):
        if run == 1:
            await gate()
        return run

    f = counted(body)

    async def main():
        leader = asyncio.create_task(f(1))
        await gate.until_reached()
        assert await f.invalidate(1) is True
        assert await asyncio.wait_for(f(1), 5) == 2
        gate.open.set()
        assert await leader == 1
        assert await f(1) == 2

    asyncio.run(main())


def test_after_flight_timeout_one_waiter_takes_over():
    gate = Gate()

    async def body(run):
        if run == 1:
            await gate()
        return run

    f = counted(body, flight_timeout=0.2)

    async def main():
        leader = asyncio.create_task(f(1))
        await gate.until_reached()
        answers = await asyncio.wait_for(asyncio.gather(*(f(1) for _ in range(10))), 10)
        gate.open.set()
        return answers, await leader

    answers, late = asyncio.run(main())
    assert answers == [2] * 10
    assert late in (1, 2)
    assert f.runs == [1, 1]
    assert asyncio.run(f(1)) == 2


def test_a_plain_function_on_a_thread_with_a_loop_never_waits_for_a_flight():
    reached, open_ = threading.Event(), threading.Event()

    @dcache
    def f(x):
        if not reached.is_set():
            reached.set()
            assert open_.wait(30)
            return "slow"
        return "through"

    thread = threading.Thread(target=f, args=(1,))
    thread.start()
    assert reached.wait(10)

    async def main():
        return f(1)

    assert asyncio.run(main()) == "through"
    open_.set()
    thread.join(10)
    assert f(1) == "slow"


def test_without_asyncio_a_miss_works_and_waiting_says_what_is_missing():
    @dcache
    async def f(x):
        return await Pause()

    first, second = f(1), f(1)
    task = contextvars.Context()  # Which the tasks of every library have of their own.
    assert task.run(first.send, None) == "paused"
    with pytest.raises(RuntimeError, match="needs a running asyncio event loop"):
        second.send(None)
    with pytest.raises(StopIteration) as stop:
        task.run(first.send, "done")
    assert stop.value.value == "done"
    with pytest.raises(StopIteration):
        f(1).send(None)


class Pause:
    def __await__(self):
        return (yield "paused")


def test_no_coroutine_leaks_what_it_holds():
    class Argument:
        pass

    f = counted(maxsize=0)

    async def main(argument):
        await asyncio.gather(f(argument), f(argument), return_exceptions=True)

    def use(argument):
        asyncio.run(main(argument))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            f(argument)
        f(argument).close()
        f.runs.clear()
        return weakref.ref(argument)

    watch = use(Argument())
    gc.collect()
    assert watch() is None
