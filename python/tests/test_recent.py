# SPDX-License-Identifier: MIT
"""Hits that are known by the identity of the arguments are the hits that they would be else."""

import gc
import sys
import weakref

import pytest
from dcache import MISSING, dcache
from dcache.testing import ManualClock


class Falls:
    """Calls back when it goes."""

    def __init__(self, back):
        self.back = back

    def __del__(self):
        self.back()


def hot(f, *args):
    """Hit often enough to be known by identity."""
    for _ in range(3):
        result = f(*args)
    return result


@pytest.mark.parametrize("args", [(1,), ("a", 1.5), (None, True, b"x"), (object(),), ()])
def test_what_is_forgotten_is_not_met(args):
    f = dcache(lambda *args: object())
    old = hot(f, *args)
    assert f.invalidate(*args)
    assert f.peek(*args) is MISSING
    assert hot(f, *args) is not old
    f.cache_clear()
    assert f.cache_info().misses == 0
    hot(f, *args)
    assert f.cache_info()[:2] == (2, 1)
    f.put("put", *args)
    assert f(*args) == "put"
    assert f.refresh(*args) is f(*args) != "put"


def test_what_is_cleared_is_not_met_by_what_runs_meanwhile_nor_after():
    first = True

    @dcache
    def f(x):
        return Falls(lambda: hot(f, 1 - x)) if first else "new"

    old = [weakref.ref(hot(f, x)) for x in (0, 1)]
    first = False
    f.cache_clear()
    gc.collect()
    assert [each() for each in old] == [None, None]
    assert (f(0), f(1)) == ("new", "new")


def test_what_is_replaced_is_not_met_by_what_runs_when_it_goes():
    seen = []
    f = dcache(lambda x: Falls(lambda: seen.append(f(x))))
    hot(f, 1)
    f.put("new", 1)
    assert seen == ["new"]


def test_what_is_evicted_and_gone_is_not_met():
    f = dcache(maxsize=2)(lambda x: [x])
    for x in range(1000):
        assert hot(f, x) == [x]
        assert f(x % 7) == [x % 7]


def test_time_passes_for_them_too():
    clock = ManualClock()
    runs = []
    f = dcache(ttl=10, stale_for=10, clock=clock)(lambda x: runs.append(x) or len(runs))
    assert hot(f, 1) == 1
    clock.advance(9.9)
    assert f(1) == 1
    clock.advance(0.2)
    assert f(1) == 2


def test_objects_that_change_are_asked_again():
    class Loose:
        def __init__(self, value):
            self.value = value

        def __hash__(self):
            return hash(self.value)

        def __eq__(self, other):
            return self.value == other.value

    f = dcache(lambda x: x.value)
    loose = Loose(1)
    assert hot(f, loose) == 1
    loose.value = 2
    assert f(loose) == 2


def test_a_list_that_changes_is_another_call():
    f = dcache(sum)
    numbers = [1, 2]
    assert hot(f, numbers) == 3
    numbers.append(3)
    assert f(numbers) == 6


def test_an_address_that_is_used_again_is_another_object():
    f = dcache(maxsize=4)(id)
    for _ in range(1000):
        thing = object()
        assert hot(f, thing) == id(thing)
        del thing


def test_they_are_counted_and_keep_their_place():
    f = dcache(maxsize=10, policy="lru")(lambda x: x)
    f(0)
    for x in range(1, 100):
        f(x)
        f(0)
    info = f.cache_info()
    assert info[:2] == (99, 100)
    assert f.stats()["memory"]["hits"] == 99


def test_they_do_not_hold_more_than_the_table():
    f = dcache(lambda x: object())
    result = hot(f, 1)
    before = sys.getrefcount(result)
    f.cache_clear()
    assert sys.getrefcount(result) == before - 1
