# SPDX-License-Identifier: MIT
"""What is kept, for how long, and the verbs."""

import asyncio
import copy
import datetime
import gc
import pickle
import time
import weakref

import pytest
from dcache import MISSING, ConfigError, UsageError, dcache
from dcache.backends import InMemoryBackend


@dcache
def module_level(x):
    """The doc of module_level."""
    return x


@pytest.mark.parametrize("result", [None, False, 0, "", []])
def test_empty_results_are_results(result):
    runs = []
    f = dcache(lambda: runs.append(1) or result)
    assert f() is f() is result
    assert len(runs) == 1


def test_the_very_object_is_returned():
    f = dcache(lambda x: object())
    assert f(1) is f(1)
    assert f(1) is not f(2)


def test_an_exception_is_not_kept_and_has_no_context():
    runs = []

    @dcache
    def f(x):
        runs.append(x)
        raise KeyError(x)

    for _ in range(2):
        with pytest.raises(KeyError) as caught:
            f(1)
        assert caught.value.__context__ is None
    assert len(runs) == 2


@pytest.mark.parametrize(
    "body", [lambda: (i for i in "ab"), lambda: iter([1]), lambda: map(str, [1])]
)
def test_results_that_can_be_consumed_once_are_refused(body):
    with pytest.raises(UsageError, match="consumed only once"):
        dcache(body)()


def test_a_plain_function_that_returns_an_awaitable_is_told_to_be_async():
    async def fetch():
        return 1

    coroutine = fetch()
    with pytest.raises(UsageError, match="decorate an `async def` function, which awaits it"):
        dcache(lambda: coroutine)()
    coroutine.close()


def test_the_verbs_take_the_arguments_of_the_call():
    runs = []
    f = dcache(lambda a, b=2: runs.append(a) or len(runs))
    assert f.peek(1) is MISSING
    assert f(1) == 1
    assert f.peek(a=1, b=2) == 1
    assert f.refresh(1, 2) == 2
    assert f(1) == 2
    assert f.invalidate(1) is True
    assert f.invalidate(1) is False
    assert f(1) == 3
    f.put("mine", 1, b=2)
    assert f(1) == "mine"
    assert f.peek(9) is MISSING
    assert f.cache_info() == (2, 3, 10_000, 1)
    with pytest.raises(UsageError, match="value first"):
        f.put()


def test_cache_clear_forgets_results_and_counts():
    f = dcache(maxsize=10)(lambda x: x)
    f(1), f(1)
    f.cache_clear()
    assert f.cache_info() == (0, 0, 10, 0)
    assert f.cache_parameters() == {"maxsize": 10, "typed": True}


def test_the_table_is_bounded():
    f = dcache(maxsize=100)(lambda x: x)
    for i in range(1000):
        f(i)
    assert f.cache_info().currsize <= 100
    unbounded = dcache(maxsize=None)(lambda x: x)
    for i in range(20_000):
        unbounded(i)
    assert unbounded.cache_info().currsize == 20_000


def test_maxsize_0_keeps_nothing():
    f = dcache(maxsize=0)(lambda x: x)
    assert f(1) == f(1) == 1
    assert f.cache_info() == (0, 2, 0, 0)


def test_after_its_ttl_a_result_is_computed_anew():
    f = dcache(ttl=0.5)(lambda: object())
    first = f()
    assert f() is first
    time.sleep(0.6)
    assert f.peek() is MISSING
    assert f() is not first


def test_a_stale_result_is_served_when_the_body_fails():
    fails = []

    @dcache(ttl=0.05, stale_for="1h")
    def f():
        if fails:
            raise TimeoutError
        return "old"

    f()
    fails.append(1)
    time.sleep(0.1)
    assert f() == "old"
    assert f.peek() is MISSING
    f.invalidate()
    with pytest.raises(TimeoutError):
        f()


def test_cache_if_decides_what_is_kept():
    runs = []
    f = dcache(cache_if=lambda result: result > 0)(lambda x: runs.append(x) or x)
    f(1), f(1), f(-1), f(-1)
    assert runs == [1, -1, -1]


@pytest.mark.parametrize("tiers", [{}, {"multiple": [InMemoryBackend(), {}]}])
@pytest.mark.parametrize("refused", [{"cache_if": lambda n: n > 0}, {"ttl": lambda n: min(n, 60)}])
def test_nothing_of_before_is_there_when_what_was_put_or_refreshed_is_not_kept(tiers, refused):
    results = [1]

    @dcache(name="refused", **tiers, **refused)
    def f(x):
        return results[0]

    @dcache(name="arefused", **tiers, **refused)
    async def g(x):
        return results[0]

    async def main():
        for change in (lambda: g.put(-1, 1), lambda: g.refresh(1)):
            results[0] = 1
            assert await g(1) == 1
            results[0] = -1
            assert await change() in (None, -1)
            assert await g.peek(1) is MISSING

    for change in (lambda: f.put(-1, 1), lambda: f.refresh(1)):
        results[0] = 1
        assert f(1) == 1
        results[0] = -1
        assert change() in (None, -1)
        assert f.peek(1) is MISSING
    asyncio.run(main())


def test_what_cache_if_raises_reaches_the_caller_and_nothing_is_kept():
    f = dcache(cache_if=lambda result: 1 / 0)(lambda x: x)
    with pytest.raises(ZeroDivisionError):
        f(1)
    assert f.cache_info().currsize == 0


@pytest.mark.parametrize(
    ("text", "ok"),
    [("10m", True), ("1h30m", True), ("1.5s", True), ("250ms", True), (datetime.timedelta(1), True),
     (3, True), ("", False), ("10", False), ("5x", False), (0, False), (-1, False), ("0s", False),
     (True, False), ([], False), (float("nan"), False)],
)  # fmt: skip
def test_durations_are_numbers_timedeltas_or_text(text, ok):
    if ok:
        dcache(ttl=text)(lambda: 1)()
    else:
        with pytest.raises(ConfigError, match="ttl"):
            dcache(ttl=text)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: dcache(128), r"dcache\(maxsize=128\)"),
        (lambda: dcache("x"), "expected a URL"),
        (lambda: dcache(maxsize="big"), "whole number"),
        (lambda: dcache(policy="fifo"), "adaptive"),
        (lambda: dcache(jitter=2), "fraction"),
        (lambda: dcache(cache_if=3), "callable"),
    ],
)
def test_obvious_mistakes_are_told_with_the_way_out(mistake, words):
    with pytest.raises((ConfigError, UsageError), match=words):
        mistake()


def test_missing_is_itself_wherever_it_comes_from():
    f = dcache(lambda x: x)
    assert f.peek(1) is MISSING
    assert repr(MISSING) == "dcache.MISSING"
    assert pickle.loads(pickle.dumps([f.peek(1)]))[0] is MISSING
    assert copy.deepcopy([MISSING])[0] is MISSING


def test_the_function_keeps_its_name_doc_and_identity():
    assert module_level.__name__ == "module_level"
    assert module_level.__doc__ == "The doc of module_level."
    assert module_level.__wrapped__(3) == 3
    assert pickle.loads(pickle.dumps(module_level)) is module_level
    assert copy.copy(module_level) is copy.deepcopy(module_level) is module_level
    assert weakref.ref(module_level)() is module_level
    assert "module_level" in repr(module_level)


def test_cycles_through_cached_results_are_collected():
    class Thing:
        pass

    f = dcache(lambda x: Thing())
    thing = f(1)
    thing.me = f
    watch = weakref.ref(thing)
    del thing, f
    gc.collect()
    assert watch() is None


def test_what_leaves_the_table_is_let_go():
    class Thing:
        pass

    f = dcache(maxsize=2)(lambda x: Thing())
    watches = [weakref.ref(f(i)) for i in range(10)]
    assert sum(watch() is not None for watch in watches) <= 2
    f.cache_clear()
    assert all(watch() is None for watch in watches)
