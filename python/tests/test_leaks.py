# SPDX-License-Identifier: MIT
"""Nothing is left behind: references, objects and memory after a million calls of every kind."""

import asyncio
import contextlib
import gc
import resource
import sys
import time
import weakref

import pytest
from dcache import Cache, UnkeyableError, configure, dcache
from dcache.backends import Backend, InMemoryBackend
from dcache.testing import ManualClock


class Same:
    """Equal to everything, so that its `==` is asked."""

    def __hash__(self):
        return 1

    def __eq__(self, other):
        return True


RESULT, TEXT, SAME = object(), "some text " * 3, Same()


@dcache(maxsize=50)
def f(a, b=2, *args, c=3, **kw):
    return RESULT


@dcache
def fails(x):
    raise KeyError(x)


def calls_of_every_kind(i):
    f(TEXT)
    f(TEXT, b=TEXT)
    f(i)
    f([i % 7, TEXT])
    f((TEXT,))
    f(TEXT, 1, 2, TEXT, z=TEXT)
    f(SAME)
    f.peek(TEXT)
    f.put(RESULT, TEXT, 5)
    f.invalidate(TEXT)
    f.refresh(TEXT)
    for error, call in (
        (KeyError, lambda: fails(TEXT)),
        (UnkeyableError, lambda: f(bytearray())),
        (TypeError, lambda: f()),
    ):
        with contextlib.suppress(error):
            call()


def held():
    f.cache_clear()
    gc.collect()
    references = [sys.getrefcount(held) for held in (RESULT, TEXT, SAME, type(None))]
    return references, len(gc.get_objects())


@pytest.mark.full
@pytest.mark.unsanitized("too slow, and what is freed stays in quarantine")
def test_a_million_calls_leave_nothing_behind():
    for i in range(2_000):
        calls_of_every_kind(i)
    references, objects = held()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(75_000):
        calls_of_every_kind(i)
    references_then, objects_then = held()
    assert references_then == references
    assert objects_then <= objects + 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss <= memory + 1024  # KiB.


class Shop:
    @dcache(maxsize=50)
    def price(self, x):
        return RESULT


@dcache(maxsize=50)
async def awaited(x, y=1):
    return RESULT


@dcache
async def awaited_fails(x):
    await asyncio.sleep(0)
    raise KeyError(x)


@dcache
async def awaited_once(x):
    return iter(x)


@dcache(cache_errors={KeyError: 60}, maxsize=50)
def remembered(x):
    raise KeyError(x)


@dcache(copy="deep", maxsize=50)
def copied(x):
    return [RESULT, x]


CLOCK = ManualClock()


@dcache(ttl=10, stale_for=10, clock=CLOCK, maxsize=50)
def aging(x):
    return RESULT


SHOP = Shop()
CACHED = dcache(InMemoryBackend(maxsize=50))
shared = CACHED(lambda x, y=1: RESULT)


async def tasks_of_every_kind(i):
    await asyncio.gather(awaited(TEXT), awaited(i), awaited(i), awaited(TEXT, y=TEXT))
    cancelled = asyncio.ensure_future(awaited([i]))
    cancelled.cancel()
    failing = awaited_fails(TEXT), awaited_fails(TEXT), awaited_once(TEXT)
    await asyncio.gather(cancelled, *failing, return_exceptions=True)
    await awaited.invalidate(TEXT)
    await awaited.refresh(TEXT)
    await awaited.peek(i)
    awaited(TEXT).close()


def calls_of_the_other_kinds(i):
    SHOP.price(i)
    SHOP.price(TEXT)
    Shop().price(x=TEXT)
    SHOP.price.peek(TEXT)
    SHOP.price.invalidate(TEXT)
    copied(TEXT)
    copied(i)
    shared(i)
    shared(TEXT, y=i)
    aging(i % 20)
    CLOCK.advance(1)
    aging.explain(TEXT)
    aging.stats()
    dcache(lambda: RESULT)()
    with contextlib.suppress(KeyError):
        remembered(TEXT)


def held_by_the_others():
    for function in (Shop.price, awaited, remembered, copied, aging, shared):
        function.cache_clear()
    return held()


@pytest.mark.unsanitized("too slow, and what is freed stays in quarantine")
def test_the_other_kinds_of_calls_leave_nothing_behind_either():
    async def main(count):
        for i in range(count):
            await tasks_of_every_kind(i)

    def use(count):
        for i in range(count):
            calls_of_the_other_kinds(i)
        asyncio.run(main(count // 10))
        return held_by_the_others()

    use(1000)
    references, objects = use(1000)
    references_then, objects_then = use(15_000)
    assert references_then == references
    assert objects_then <= objects + 10


class Cyclic(Backend):
    """Keeps in itself what it is a backend of."""

    shared = False

    def __init__(self):
        self.kept = {}

    def get(self, key):
        return self.kept.get(key)

    def put(self, key, value, expires):
        self.kept[key] = value

    def erase(self, key):
        self.kept.pop(key, None)


class AsyncCyclic(Cyclic):
    async def get(self, key):
        return self.kept.get(key)


def alone(backend):
    return dcache(backend, name="cyclic")(lambda n: n)


def behind_memory(backend):
    return dcache(multiple=[InMemoryBackend(), backend], name="cyclic")(lambda n: n)


def of_a_cache(backend):
    return Cache(backend)(name="cyclic")(lambda n: n)


def through_a_task(backend):
    @dcache(backend, name="cyclic")
    async def f(n):
        return n

    assert asyncio.run(f(7)) == 7
    return f


def mapped(backend):
    f = alone(backend)
    assert f.map([1, 2]) == [1, 2]
    return lambda n: f(n)


@pytest.mark.parametrize("kind", [Cyclic, AsyncCyclic])
@pytest.mark.parametrize("wrap", [alone, behind_memory, of_a_cache, through_a_task, mapped])
def test_a_backend_that_refers_to_its_own_cache_is_freed(kind, wrap):
    backend = kind()
    backend.f = f = wrap(backend)
    if wrap is not through_a_task:
        assert (f(1), f(1)) == (1, 1)
    gone = weakref.ref(backend)
    del backend, f
    for _ in range(100):  # A helper thread lets go of its last operation in its own time.
        gc.collect()
        if gone() is None:
            return
        time.sleep(0.01)
    assert gone() is None


def test_a_backend_lives_as_long_as_a_function_that_goes_to_it():
    f = alone(Cyclic())
    gc.collect()
    assert (f(1), f(1)) == (1, 1)
    assert f.stats()["tiers"][0]["hits"] == 1
    assert f.stats()["tiers"][0]["failures"] == 0


def test_a_backend_is_there_for_a_call_whose_function_has_got_others_meanwhile(caplog, request):
    request.addfinalizer(lambda: configure("memory:"))
    configure(Cyclic())

    @dcache(name="switched")
    def f(n):
        configure(Cyclic())
        gc.collect()
        return n

    assert (f(1), f(2)) == (1, 2)
    assert not caplog.records
