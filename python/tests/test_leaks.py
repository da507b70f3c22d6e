# SPDX-License-Identifier: MIT
"""Nothing is left behind: references, objects and memory after a million calls of every kind."""

import contextlib
import gc
import resource
import sys

from dcache import UnkeyableError, dcache


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
