# SPDX-License-Identifier: MIT
"""Wrong answers and spurious misses of other caches, each a call that is right here: near, in the
table of the process, and far, in a store that other processes share."""

import dataclasses
import functools
import os
import pathlib
import subprocess
import sys

import pytest
from dcache import dcache
from dcache.backends import InMemoryBackend

pytestmark = pytest.mark.full


def anything(*args, **kwargs):
    return [repr(args), repr(kwargs)]


@pytest.fixture(params=["near", "far"])
def remember(request):
    """A decorator: near, or far over a store of its own."""
    if request.param == "near":
        return dcache
    return functools.partial(dcache({}), name=f"{request.node.name}")


class Text:
    """Looks like its neighbour to who asks for its text."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return "Text()"

    __str__ = __repr__

    def __dcache_key__(self):
        return self.text

    def __eq__(self, other):
        return self.text == other.text

    def __hash__(self):
        return 1


DIFFERENT = {
    "hash of -1 and -2 (dcache's first version)": [((-1,), {}), ((-2,), {})],
    "the same inside a tuple (cachebox)": [(((-1,),), {}), (((-2,),), {})],
    "numbers and text (cashews, dogpile, beaker, theine)": [((1,), {}), (("1",), {})],
    "truth and text (cashews)": [((True,), {}), (("true",), {}), (("True",), {})],
    "joined lists (cashews)": [((["a", "b"],), {}), (("a:b",), {}), ((["a:b"],), {})],
    "joined arguments (dogpile, beaker)": [(("a b", "c"), {}), (("a", "b c"), {})],
    "a mark between arguments (diskcache)": [((1, None, "x"), {}), ((1,), {"x": None})],
    "one that looks generated (theine)": [(("_auto:0",), {}), ((0,), {}), (("_auto", 0), {})],
    "all of *args and **kwargs (perscache)": [((1, 2), {}), ((1, 3), {}), ((1,), {"a": 2})],
    "falsy values (Flask-Caching)": [
        ((0,), {}),
        ((None,), {}),
        (("",), {}),
        ((False,), {}),
        ((), {}),
    ],
    "the order of keywords (cachetools)": [((), {"a": 1, "b": 2}), ((), {"b": 2, "a": 1})],
    "types inside of tuples (functools)": [(((1,),), {}), (((True,),), {}), (((1.0,),), {})],
    "signs of zero": [((0.0,), {}), ((-0.0,), {})],
    "objects of one text (aiocache, fastapi-cache)": [((Text("a"),), {}), ((Text("b"),), {})],
    "bytes and text": [((b"a",), {}), (("a",), {})],
    "lists and tuples": [(([1],), {}), (((1,),), {}), (({1},), {}), ((frozenset({1}),), {})],
}


@pytest.mark.parametrize("calls", DIFFERENT.values(), ids=DIFFERENT)
def test_what_collides_elsewhere_is_told_apart(calls, remember):
    f = remember(anything)
    for args, kwargs in (*calls, *calls):
        assert f(*args, **kwargs) == anything(*args, **kwargs)
    assert f.cache_info().misses == len(calls)
    assert len({f.key(*args, **kwargs) for args, kwargs in calls}) == len(calls)


def with_default(user="x", limit=10):
    return [user, limit]


def positional_only(a, /, b=1):
    return [a, b]


def equal_but_not_the_same():
    first, second = "".join(["ab", "c"]), "".join(["a", "bc"])
    return [((first, first), {}), ((first, second), {})]


SAME = {
    "a default (cashews)": (
        with_default,
        [(("x",), {}), ((), {"user": "x"}), ((), {}), (("x", 10), {})],
    ),
    "spellings (functools, joblib)": (positional_only, [((1, 2), {}), ((1,), {"b": 2})]),
    "keywords (functools)": (
        with_default,
        [((), {"user": "y", "limit": 2}), ((), {"limit": 2, "user": "y"}), (("y", 2), {})],
    ),
    "equal texts that are two objects (cachier, diskcache)": (anything, equal_but_not_the_same()),
    "sets in any order (joblib, cachier)": (
        anything,
        [(({"a", "b", 1, None},), {}), (({None, 1, "b", "a"},), {})],
    ),
    "dicts in any order (diskcache)": (
        anything,
        [(({"a": 1, "b": 2},), {}), (({"b": 2, "a": 1},), {})],
    ),
    "objects that are equal (aiocache)": (anything, [((Text("a"),), {}), ((Text("a"),), {})]),
}


@pytest.mark.parametrize(("function", "calls"), SAME.values(), ids=SAME)
def test_what_misses_elsewhere_is_one_call(function, calls, remember):
    f = remember(function)
    for args, kwargs in calls:
        f(*args, **kwargs)
    assert f.cache_info().misses == 1
    assert len({f.key(*args, **kwargs) for args, kwargs in calls}) == 1


def test_functions_of_one_cache_and_modules_that_run_together_share_nothing():
    # aiocache joins module and name; cachetools shares by design.
    one, two = (lambda n: ["one"]), (lambda n: ["two"])
    one.__module__, one.__qualname__ = "pkg.a", "bc"
    two.__module__, two.__qualname__ = "pkg.ab", "c"
    for cache in (dcache(InMemoryBackend()), dcache({})):
        f, g = cache(one), cache(two)
        assert (f(1), g(1)) == (["one"], ["two"])
        assert f.key(1) != g.key(1)


def test_methods_of_one_name_in_two_classes_share_nothing():
    class Cat:
        @dcache
        def say(self, n):
            return "miau"

    class Dog:
        @dcache
        def say(self, n):
            return "woof"

    assert (Cat().say(1), Dog().say(1)) == ("miau", "woof")


def test_a_method_is_never_keyed_by_an_address_that_another_object_may_get():
    class Shop:
        def __init__(self, name):
            self.name = name

        @dcache
        def price(self, item):
            return self.name

    for name in map(str, range(100)):  # Each dies before the next is born.
        assert Shop(name).price(1) == name


def test_a_digest_is_none_that_somebody_could_find_a_twin_for():
    # django-cache-memoize: MD5; Flask-Caching: cut to 96 bits.
    key = dcache(name="f")(anything).key("x")
    assert len(key.rpartition(":")[2]) == 52  # 256 bits in base32.


@pytest.mark.parametrize("text", ["a b", "line\nbreak", "tab\t", "\0", "é", "x" * 10_000, "\ud800"])
def test_a_key_has_nothing_in_it_that_a_store_does_not_take(text):
    # Django, dogpile: what the caller chose went into the key as it was.
    f = dcache(name=text)(anything)
    key = f.key(text)
    assert key.isascii()
    assert key.isprintable()
    assert " " not in key
    assert len(key) <= 250


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: frozenset


def test_keys_are_the_same_under_every_hash_seed():
    script = """
import sys; sys.path.insert(0, sys.argv[1])
import test_far_keys as golden
from dcache import dcache
from test_rivals import Point, anything
f = dcache(name="f")(anything)
for _, expression in golden.golden():
    print(f.key(eval(expression, golden.NAMES)))
print(f.key(Point(1, frozenset({"a", "b", "c"})), {"x": {"y", "z"}}, {"k": 1, "l": 2}))
"""
    here = pathlib.Path(__file__).parent
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, here],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711", "random")
    }
    (output,) = outputs
    assert len(output.splitlines()) > 60
