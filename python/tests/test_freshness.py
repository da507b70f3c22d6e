# SPDX-License-Identifier: MIT
"""When a result is fresh, stale, refreshed or forgotten; what is kept, and who gets a copy."""

import asyncio
import functools
import logging
import sys
import threading
import time
from datetime import timedelta

import pytest
from dcache import MISSING, ConfigError, dcache
from dcache.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


class Source:
    """A function that counts its runs and fails when told to."""

    def __init__(self, **options):
        self.runs, self.fails, self.held = 0, False, None
        self.f = dcache(**options)(self.body)
        self.async_f = dcache(**options)(self.async_body)

    def body(self, x=1):
        self.runs += 1
        run = self.runs
        if self.held is not None:
            assert self.held.wait(30)
        if self.fails:
            raise KeyError(run)
        return run

    async def async_body(self, x=1):
        return self.body(x)


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("ttl", [600, 600.0, timedelta(minutes=10), "10m", "9m60s", lambda _: 600])
def test_a_result_is_fresh_for_its_ttl(clock, ttl):
    source = Source(ttl=ttl, clock=clock)
    assert source.f() == 1
    clock.advance("599s")
    assert source.f() == 1
    clock.advance(1)
    assert source.f.peek() is MISSING
    assert source.f() == 2


@pytest.mark.parametrize("nothing", [0, -1, timedelta(0), "0s"])
def test_a_ttl_callable_that_says_nothing_keeps_nothing(nothing):
    source = Source(ttl=lambda result: nothing)
    assert (source.f(), source.f()) == (1, 2)
    with pytest.raises(ConfigError, match="expected a duration above 0"):
        dcache(ttl=nothing)


def test_a_ttl_callable_that_says_none_keeps_for_good(clock):
    source = Source(ttl=lambda result: None, clock=clock)
    source.f()
    clock.advance("3650d")
    assert source.f() == 1


def test_what_a_ttl_callable_or_a_predicate_raises_is_the_callers():
    def fails(result):
        raise RuntimeError("mine")

    for option in ({"ttl": fails}, {"cache_if": fails}):
        source = Source(**option)
        with pytest.raises(RuntimeError, match="mine"):
            source.f()
        assert source.f.peek() is MISSING
        with pytest.raises(RuntimeError, match="mine"):
            asyncio.run(source.async_f())


def test_a_stale_result_is_served_when_a_new_one_cannot_be_had(clock):
    source = Source(ttl=10, stale_for=60, clock=clock)
    assert source.f() == 1
    clock.advance(11)
    source.fails = True
    assert source.f() == 1
    assert source.f() == 1  # Nobody tries again for a second.
    assert source.runs == 2
    clock.advance(2)
    assert source.f() == 1
    assert source.runs == 3
    assert source.f.stats()["stale"] >= 1
    clock.advance(60)
    with pytest.raises(KeyError):
        source.f()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_is_told_to_stop_stops_whatever_there_is_to_serve(clock, stop):
    stops = []

    @dcache(ttl=10, stale_for=60, clock=clock)
    def f():
        if stops:
            raise stops.pop()
        return object()

    old = f()
    clock.advance(11)
    stops.append(stop)
    with pytest.raises(stop):
        f()
    assert f() is not old


def test_so_it_is_awaited(clock):
    source = Source(ttl=10, stale_for=60, clock=clock)
    assert asyncio.run(source.async_f()) == 1
    clock.advance(11)
    source.fails = True
    assert asyncio.run(source.async_f()) == 1
    source.fails = False
    clock.advance(2)
    assert asyncio.run(source.async_f()) == source.runs


def test_a_hit_late_in_its_life_starts_a_refresh(clock):
    source = Source(ttl=100, refresh_ahead=0.8, clock=clock)
    assert source.f() == 1
    clock.advance(79)
    assert source.f() == 1
    assert source.f.stats()["refreshes"] == 0
    clock.advance(2)
    assert source.f() == 1
    until(lambda: source.f.stats()["refreshes"] == 1)
    assert source.f() == 2
    clock.advance(99)  # Counted from the refresh.
    assert source.f.peek() == 2


def test_so_does_an_awaited_one(clock):
    source = Source(ttl=100, refresh_ahead=0.8, clock=clock)

    async def main():
        assert await source.async_f() == 1
        clock.advance(81)
        assert await source.async_f() == 1
        while source.async_f.stats()["refreshes"] < 1:
            await asyncio.sleep(0)
        assert await source.async_f() == 2

    asyncio.run(asyncio.wait_for(main(), 10))


def test_with_wait_0_a_stale_result_is_served_at_once(clock):
    source = Source(ttl=10, stale_for=60, wait=0, clock=clock)
    assert source.f() == 1
    clock.advance(11)
    source.held = threading.Event()
    assert source.f() == 1
    assert source.f() == 1
    until(lambda: source.runs == 2)
    source.held.set()
    until(lambda: source.f.stats()["refreshes"] == 1)
    assert source.f() == 2
    assert source.f.stats()["stale"] >= 1


def test_with_wait_a_stale_result_is_served_if_a_new_one_takes_longer(clock):
    source = Source(ttl=10, stale_for=60, wait=0.1, clock=clock)
    assert source.f() == 1
    clock.advance(11)
    source.held = threading.Event()
    assert source.f() == 1
    source.held.set()
    until(lambda: source.f.peek() == 2)
    clock.advance(11)
    source.held = None
    assert source.f() in (2, 3)  # In time, on most machines.


def test_so_it_is_when_awaited(clock):
    source = Source(ttl=10, stale_for=60, wait=0.05, clock=clock)
    slow = asyncio.Event()

    @dcache(ttl=10, stale_for=60, wait=0.05, clock=clock)
    async def f():
        source.runs += 1
        if source.runs == 2:
            await slow.wait()
        return source.runs

    async def main():
        assert await f() == 1
        clock.advance(11)
        assert await f() == 1
        slow.set()
        await asyncio.sleep(0.01)
        assert await f() == 2
        clock.advance(11)
        assert await asyncio.gather(f(), f()) == [3, 3]

    asyncio.run(asyncio.wait_for(main(), 10))


def test_with_wait_what_was_put_meanwhile_is_served_if_the_refresh_fails(clock):
    source = Source(ttl=10, stale_for=60, wait=20, clock=clock)
    assert source.f() == 1
    clock.advance(11)
    source.held, source.fails = threading.Event(), True
    results = []
    caller = threading.Thread(target=lambda: results.append(source.f()))
    caller.start()
    until(lambda: source.runs == 2)
    source.f.put(50)
    source.held.set()
    caller.join(30)
    assert results == [50]


def test_so_it_is_in_a_task_that_waits(clock):
    going_on, runs = asyncio.Event(), []

    @dcache(ttl=10, stale_for=60, wait=20, clock=clock)
    async def f():
        runs.append(1)
        if len(runs) == 2:
            await going_on.wait()
            raise KeyError
        return len(runs)

    async def main():
        assert await f() == 1
        clock.advance(11)
        caller = asyncio.ensure_future(f())
        while len(runs) < 2:
            await asyncio.sleep(0)
        await f.put(50)
        going_on.set()
        assert await caller == 50

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_refresh_that_fails_is_logged_and_the_old_result_stays(clock, caplog):
    source = Source(ttl=100, refresh_ahead=0.5, clock=clock)
    source.f()
    clock.advance(60)
    source.fails = True
    with caplog.at_level(logging.WARNING, "dcache"):
        assert source.f() == 1
        until(lambda: source.f.stats()["refresh_failures"] == 1)
        until(lambda: caplog.records)
    assert "refreshing a result" in caplog.text
    assert "KeyError" in caplog.text
    assert source.f() == 1


def test_a_refresh_that_exits_takes_no_thread_along(clock):
    exits = []

    @dcache(ttl=10, refresh_ahead=0.5, clock=clock)
    def f(x):
        if exits:
            sys.exit("not found")
        return object()

    many = range(20)
    old = [f(x) for x in many]
    exits.append(True)
    clock.advance(6)
    assert [f(x) for x in many] == old
    until(lambda: f.stats()["refresh_failures"] == len(many))
    exits.clear()
    clock.advance(2)
    assert [f(x) for x in many] == old
    until(lambda: not set(old) & {f(x) for x in many})


def test_so_it_is_in_a_task(clock, caplog):
    source = Source(ttl=100, refresh_ahead=0.5, clock=clock)

    async def main():
        await source.async_f()
        clock.advance(60)
        source.fails = True
        assert await source.async_f() == 1
        while not caplog.records:
            await asyncio.sleep(0)
        assert await source.async_f() == 1

    with caplog.at_level(logging.WARNING, "dcache"):
        asyncio.run(asyncio.wait_for(main(), 10))
    assert source.async_f.stats()["refresh_failures"] == 1


def test_a_refresh_that_has_not_begun_holds_nobody(clock):
    busy, begun = threading.Event(), threading.Semaphore(0)

    @dcache(ttl=10, refresh_ahead=0.5, clock=clock)
    def f(x):
        if x and threading.current_thread().name == "dcache":
            begun.release()
            assert busy.wait(30)
        return x

    for x in range(5):
        f(x)
    clock.advance(6)
    for x in range(1, 5):
        f(x)  # All threads that refresh are busy with these.
    for _ in range(4):
        assert begun.acquire(timeout=30)
    f(0)  # Its refresh waits for one of them.
    clock.advance(6)
    release = threading.Timer(8, busy.set)
    release.start()
    try:
        f(0)
        assert not busy.is_set(), "waited for refreshes of other calls"
    finally:
        release.cancel()
        busy.set()


def test_on_background_runs_the_refresh(clock):
    where = []

    def hook(run):
        where.append(threading.current_thread().name)
        run()

    source = Source(ttl=100, refresh_ahead=0.5, clock=clock, on_background=hook)
    source.f()
    clock.advance(60)
    source.f()
    until(lambda: source.f.stats()["refreshes"] == 1)
    assert source.f() == 2
    assert where == ["dcache"]


def test_on_background_is_awaited_for_coroutine_functions(clock):
    where = []

    async def hook(run):
        where.append("before")
        await run()

    source = Source(ttl=100, refresh_ahead=0.5, clock=clock, on_background=hook)

    async def main():
        await source.async_f()
        clock.advance(60)
        await source.async_f()
        while source.async_f.stats()["refreshes"] < 1:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 10))
    assert where == ["before"]


def test_a_hook_that_does_not_run_it_leaves_the_old_result(clock):
    source = Source(ttl=100, refresh_ahead=0.5, clock=clock, on_background=lambda run: None)
    source.f()
    clock.advance(60)
    assert source.f() == 1
    clock.advance(30)
    assert source.f() == 1
    clock.advance(30)
    assert source.f() == 2


def test_jitter_takes_a_part_of_the_ttl_away(clock):
    source = Source(ttl=100, jitter=0.5, clock=clock)
    for x in range(200):
        source.f(x)
    clock.advance(49)
    assert all(source.f.peek(x) is not MISSING for x in range(200))
    clock.advance(26)
    left = sum(source.f.peek(x) is not MISSING for x in range(200))
    assert 50 < left < 150
    clock.advance(26)
    assert all(source.f.peek(x) is MISSING for x in range(200))


# --- Exceptions ---


class NotFound(KeyError):
    pass


class Deeper(NotFound):
    pass


@pytest.mark.parametrize("error", [NotFound, Deeper])
def test_an_exception_that_may_be_kept_is_raised_again_without_frames(clock, error):
    runs = []

    @dcache(ttl="1h", cache_errors={NotFound: "30s"}, clock=clock)
    def f(x):
        runs.append(x)
        raise error("no", x)

    raised = []
    for _ in range(3):
        with pytest.raises(error) as caught:
            f(1)
        raised.append(caught.value)
    assert runs == [1]
    assert [each.args for each in raised] == [("no", 1)] * 3
    assert raised[1] is not raised[2]
    assert raised[1].__traceback__.tb_next is None
    assert f.peek(1) is MISSING
    assert "raises what was remembered" in f.explain(1)
    clock.advance(31)
    with pytest.raises(error):
        f(1)
    assert runs == [1, 1]


class Refused(Exception):
    def __init__(self, status, *, reason):
        super().__init__(f"{status}: {reason}")
        self.status = status


class Said(Exception):
    def __init__(self, word):
        super().__init__(f"said {word}")


class Lost(FileNotFoundError):
    def __init__(self, path):
        super().__init__(2, "is lost", path)


class Packed(Exception):
    def __init__(self, *, code):
        super().__init__(f"code {code}")
        self.code = code

    def __reduce__(self):
        return functools.partial(Packed, code=self.code), ()


def with_status(error, status):
    error.status = status
    return error


@pytest.mark.parametrize(
    "make",
    [
        lambda: Refused(403, reason="no"),
        lambda: Said("so"),
        lambda: Lost("/a"),
        lambda: Packed(code=5),
        lambda: FileNotFoundError(2, "is not there", "/a"),
        lambda: UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
        lambda: with_status(KeyError("a"), 404),
    ],
)
def test_a_kept_exception_is_raised_again_as_it_was_whatever_its_class_takes(make):
    runs = []

    @dcache(cache_errors={Exception: "30s"})
    def f():
        runs.append(1)
        raise make()

    def caught():
        try:
            f()
        except Exception as error:
            return error

    first, *others = [caught() for _ in range(3)]
    for error in others:
        assert error is not first
        assert type(error) is type(first)
        assert (error.args, str(error), vars(error)) == (first.args, str(first), vars(first))
    assert runs == [1]


def test_so_it_is_when_awaited_and_others_are_not_kept():
    runs = []

    @dcache(cache_errors={NotFound: 30})
    async def f(error):
        runs.append(error)
        raise error

    async def main():
        for error in (NotFound, NotFound, ValueError, ValueError):
            with pytest.raises(error):
                await f(error)

    asyncio.run(main())
    assert runs == [NotFound, ValueError, ValueError]


# --- Copies ---


def test_callers_share_the_object_and_with_copy_each_has_his_own():
    @dcache
    def shared():
        return {"a": [1]}

    @dcache(copy="deep")
    def own():
        return {"a": [1]}

    @dcache(copy="deep")
    async def own_async():
        return {"a": [1]}

    shared()["a"].append(2)
    assert shared() == {"a": [1, 2]}
    for call in (own, lambda: asyncio.run(own_async()), own.peek, own.refresh):
        call()["a"].append(2)
        assert call() == {"a": [1]}


def test_waiters_get_copies_too():
    @dcache(copy="deep")
    def f():
        time.sleep(0.2)
        return [1]

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(f())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(set(map(id, answers))) == 8
    assert answers == [[1]] * 8


# --- Options that can never work ---


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttl": -1}, "ttl is -1; expected a duration above 0"),
        ({"ttl": float("inf")}, "ttl is inf; expected at most 1e9 seconds"),
        ({"ttl": "soon"}, "ttl is 'soon'; expected seconds, a timedelta, or text such as \"90s\""),
        ({"ttl": True}, "ttl is True"),
        ({"stale_for": 5}, "stale_for says something about ttl, which is not given"),
        ({"jitter": 0.5}, "jitter says something about ttl"),
        ({"jitter": "a", "ttl": 1}, "jitter is 'a'; expected a fraction"),
        ({"refresh_ahead": 1.5, "ttl": 1}, "refresh_ahead is 1.5; expected a fraction between"),
        ({"wait": 1, "ttl": 1}, "wait is for stale results, and stale_for is not given"),
        ({"maxsize": -1}, "maxsize is -1; expected 0 to"),
        ({"maxsize": 10**30}, "maxsize is 1000"),
        ({"maxsize": "9"}, "maxsize is '9'; expected a whole number or None"),
        ({"ignore": 3}, "ignore is 3; expected the names of parameters"),
        ({"key": 3}, "key is 3; expected a callable"),
        ({"key": len, "ignore": "x"}, "key and ignore exclude each other"),
        ({"policy": "lfu"}, "policy is 'lfu'; expected one of"),
        ({"copy": "shallow"}, "copy is 'shallow'; expected one of"),
        ({"cache_errors": KeyError}, "cache_errors is .*; expected a dict"),
        ({"cache_errors": {BaseException: 1}}, "expected subclasses of Exception"),
        ({"clock": time.time}, "expected a dcache.testing.ManualClock"),
        ({"flight_timeout": 0}, "flight_timeout is 0; expected a duration above 0"),
    ],
)
def test_options_that_can_never_work_are_refused_with_the_way_out(options, words):
    with pytest.raises(ConfigError, match=words):
        dcache(**options)
