# SPDX-License-Identifier: MIT
"""What `dcache(...)` takes, one cache for many functions, and what the process switches."""

import asyncio
import contextvars
import functools
import os
import subprocess
import sys
import threading

import dcache as package
import pytest
from dcache import (
    MISSING,
    ConfigError,
    PickleCodec,
    UsageError,
    clear_all,
    configure,
    dcache,
    disabled,
)
from dcache.backends import Backend, Base, FileBackend, InMemoryBackend, Tier


def counting(decorate):
    runs = []

    @decorate
    def f(x):
        runs.append(x)
        return len(runs)

    f.runs = runs
    return f


# --- One cache for many functions ---


def test_functions_of_one_cache_never_collide():
    cache = dcache(InMemoryBackend(maxsize=100))

    @cache
    def f(x):
        return "f", x

    @cache(ttl="1h")
    def g(x):
        return "g", x

    assert (f(1), g(1), f(1), g(1)) == (("f", 1), ("g", 1), ("f", 1), ("g", 1))
    assert f.cache_info()[:2] == g.cache_info()[:2] == (1, 1)
    f.cache_clear()
    assert f.peek(1) is MISSING
    assert g.peek(1) == ("g", 1)


def test_the_bound_holds_for_all_of_them_together():
    cache = dcache(InMemoryBackend(maxsize=10))
    f, g = counting(cache), counting(cache)
    for x in range(20):
        f(x)
        g(x)
    assert f.cache_info().currsize + g.cache_info().currsize <= 10
    assert f.cache_parameters()["maxsize"] == 10


def test_bytes_are_bounded_by_what_arguments_and_results_take():
    cache = dcache(InMemoryBackend(max_bytes=100_000))

    @cache
    def page(n):
        return bytes(10_000)

    for n in range(50):
        page(n)
    assert 5 <= page.cache_info().currsize <= 9
    assert 50_000 < page.stats()["memory"]["weight"] <= 100_000


def test_a_weigher_says_what_a_result_weighs():
    cache = dcache(InMemoryBackend(max_bytes=10, weigher=len))
    f = cache(lambda n: "x" * n)
    for n in (4, 5, 1, 3):
        f(n)
    assert f.stats()["memory"]["weight"] <= 10
    f(11)
    assert f.peek(11) is MISSING


def test_what_a_weigher_raises_is_the_callers():
    f = dcache(InMemoryBackend(max_bytes=10, weigher=len))(lambda n: n)
    with pytest.raises(TypeError, match="has no len"):
        f(1)


def test_options_of_the_cache_are_those_of_its_functions():
    cache = dcache(InMemoryBackend(), cache_if=bool)
    f = cache(lambda x: x)
    f(0), f(1)
    assert (f.peek(0), f.peek(1)) == (MISSING, 1)
    g = cache(cache_if=None)(lambda x: x)
    g(0)
    assert g.peek(0) == 0


def test_a_function_that_goes_takes_its_entries_along():
    cache = dcache(InMemoryBackend())
    f, g = counting(cache), counting(cache)
    f(1), g(1)
    del f
    assert g.stats()["memory"]["entries"] == 1


def test_methods_and_coroutines_of_one_cache():
    cache = dcache(InMemoryBackend())

    class Shop:
        @cache
        def price(self, x):
            return id(self), x

        @cache
        async def name(self):
            return id(self)

    one, other = Shop(), Shop()
    assert one.price(1) == one.price(x=1) == (id(one), 1)
    assert other.price(1) == (id(other), 1)
    assert asyncio.run(one.name()) == id(one)
    del one
    assert Shop.price.cache_info().currsize == 1
    assert Shop.name.cache_info().currsize == 0


# --- Obvious mistakes ---


class Nameless:
    name = ""
    encode = decode = staticmethod(bytes)


class Old(Base):
    pass


class Half(Backend):
    def get(self, key):
        return None


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: dcache(128), UsageError, r"say dcache\(maxsize=128\)"),
        (lambda: dcache(InMemoryBackend), UsageError, r"say dcache\(InMemoryBackend\(\)\)"),
        (
            lambda: dcache("nowhere://localhost"),
            ConfigError,
            r"nothing opens nowhere: .*package.* of the group dcache\.backends",
        ),
        (lambda: dcache("/var/cache"), ConfigError, "expected a URL such as file:///var/cache/app"),
        (
            lambda: dcache(FileBackend),
            UsageError,
            r"say dcache\(FileBackend\(\"/var/cache/app\"\)\)",
        ),
        (lambda: dcache(Old), UsageError, r"this is the class; say dcache\(Old\(\)\)"),
        (lambda: dcache({}, maxsize=3), ConfigError, "this cache has none: put an InMemoryBackend"),
        (lambda: dcache({})(maxsize=3), ConfigError, "this cache has none"),
        (lambda: dcache({})(secret="x" * 16), ConfigError, "belongs to the cache"),
        (lambda: dcache(multiple=[]), ConfigError, "multiple is empty"),
        (lambda: dcache(multiple="file:///x"), ConfigError, "expected a list of tiers"),
        (lambda: dcache({}, multiple=[{}]), ConfigError, "put it into the list"),
        (lambda: dcache(multiple=[{}, InMemoryBackend()]), ConfigError, "memory comes first"),
        (lambda: dcache([{}, {}]), UsageError, "several tiers are given as dcache"),
        (lambda: dcache(multiple=[{}, 3]), UsageError, "3 is no backend; expected a URL"),
        (lambda: dcache(multiple=[FileBackend]), UsageError, "FileBackend is the class"),
        (lambda: dcache({}, secret="short"), ConfigError, "at least 16"),
        (lambda: dcache({}, near_ttl=0), ConfigError, "near_ttl is 0"),
        (lambda: dcache({}, on_unstorable="x"), ConfigError, "on_unstorable is 'x'"),
        (lambda: dcache({}, codec=3), ConfigError, "codec is 3"),
        (lambda: dcache(secret="x" * 16), ConfigError, "secret is about far tiers"),
        (lambda: dcache(InMemoryBackend(), retain=3), ConfigError, "retain is about far tiers"),
        (lambda: FileBackend(""), ConfigError, "path of a file backend is empty"),
        (lambda: FileBackend("x", max_bytes="big"), ConfigError, "max_bytes is"),
        (lambda: FileBackend("x", max_bytes=None), ConfigError, "max_bytes is None"),
        (lambda: PickleCodec(secret="short"), ConfigError, "at least 16"),
        (
            lambda: dcache({}, codec=PickleCodec),
            UsageError,
            r"is the class; .*PickleCodec\(\.\.\.\)",
        ),
        (lambda: dcache({}, codec=Nameless()), ConfigError, "name of .* is ''; expected text"),
        (lambda: FileBackend("x", max_bytes=1.5), ConfigError, "expected bytes, such as 4096"),
        (lambda: FileBackend("a\0b"), ConfigError, "has a NUL character in it"),
        (lambda: dcache("file:///a%00b"), ConfigError, "has a NUL character in it"),
        (lambda: dcache("file:///a\0b"), ConfigError, "has a NUL character in it"),
        (
            lambda: dcache("file:///x?max_bytes=1GB&max_bytes=2GB"),
            ConfigError,
            'has "max_bytes" twice',
        ),
        (lambda: dcache("file:///x?max_bytes="), ConfigError, 'max_bytes of file:///x is ""'),
        (lambda: dcache("memory:?maxsize=3"), ConfigError, r"say InMemoryBackend\(maxsize="),
        (lambda: configure("memory:?maxsize=3"), ConfigError, r"say InMemoryBackend\(maxsize="),
        (lambda: dcache(multiple=[{}, "memory:"]), ConfigError, "memory comes first"),
        (lambda: Tier(3), UsageError, "3 is no backend; expected a URL"),
        (lambda: Tier(FileBackend), UsageError, "FileBackend is the class"),
        (lambda: Tier({}, reads="no"), ConfigError, "reads is 'no'; expected True or False"),
        (lambda: Tier({}, writes=0), ConfigError, "writes is 0; expected True or False"),
        (lambda: dcache(Half()), UsageError, r"Half has no put\(\) and no erase\(\)"),
        (lambda: configure("nowhere:"), ConfigError, "nothing opens nowhere:"),
        (lambda: dcache(None)(3), UsageError, "dcache"),
        (lambda: dcache(InMemoryBackend(), maxsize=10_000), ConfigError, "given twice"),
        (lambda: dcache(InMemoryBackend())(maxsize=1), ConfigError, "given twice"),
        (lambda: InMemoryBackend(maxsize=0), ConfigError, "maxsize is 0; expected 1 to"),
        (lambda: InMemoryBackend(weigher=len), ConfigError, "needs max_bytes"),
        (lambda: InMemoryBackend(policy="x"), ConfigError, "policy is 'x'"),
        (lambda: configure(mode="off"), ConfigError, "mode is 'off'; expected one of"),
    ],
)
def test_obvious_mistakes_get_the_fix(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="max_size"):
        dcache(max_size=3)


def test_it_prints_as_what_it_is():
    assert repr(InMemoryBackend(maxsize=5)) == "InMemoryBackend(maxsize=5)"
    assert repr(InMemoryBackend(max_bytes=5)) == "InMemoryBackend(maxsize=None, max_bytes=5)"
    assert repr(dcache(InMemoryBackend(maxsize=5))) == "dcache(InMemoryBackend(maxsize=5))"


# --- What can be decorated ---


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (len, ("abc",)),
        (functools.partial(int, base=2), ("101",)),
        (int, ("5",)),
        ("a b c".split, (" ",)),
        (max, (1, 2)),
        (type("Callable", (), {"__call__": lambda self, x: x})(), (1,)),
    ],
)
def test_any_callable_can_be_decorated(function, args):
    cached = dcache(function)
    assert cached(*args) == cached(*args) == function(*args)
    assert cached.cache_info()[:2] == (1, 1)


def test_a_partial_of_a_coroutine_function_is_one():
    async def f(x, y):
        return x, y

    assert asyncio.run(dcache(functools.partial(f, y=2))(1)) == (1, 2)


def test_key_is_called_with_the_bound_arguments():
    seen = []

    def key(a, b, *args, c, **kw):
        seen.append((a, b, args, c, kw))
        return a

    @dcache(key=key)
    def f(a, b=[2], *args, c=3, **kw):  # noqa: B006
        return object()

    assert f(1) is f(1, 5) is f(a=1, c=4, d=5) is f(1, 2, 3, 4)
    assert seen == [
        (1, [2], (), 3, {}),
        (1, 5, (), 3, {}),
        (1, [2], (), 4, {"d": 5}),
        (1, 2, (3, 4), 3, {}),
    ]


# --- Switching ---


@pytest.fixture(autouse=True)
def _normal():
    yield
    configure(mode="normal")


def test_disabled_is_for_the_block_and_what_inherits_its_context():
    f = counting(dcache)
    assert f(1) == 1
    with disabled():
        assert f(1) == 2
        other = []
        thread = threading.Thread(target=lambda: other.append(f(1)))
        thread.start()
        thread.join(10)
        assert other == [1]
        assert asyncio.run(asyncio.to_thread(f, 1)) == 3
        with disabled():
            assert f(1) == 4
        assert f(1) == 5
    assert f(1) == 1


def test_one_disabled_serves_blocks_in_blocks_and_in_several_threads():
    f = counting(dcache)
    without = disabled()
    begun, ended = threading.Event(), threading.Event()
    other = []

    def elsewhere():
        with without:
            begun.set()
            ended.wait(10)
            other.append(f(2))
        other.append(f(2))
        other.append(f(2))

    assert f(1) == 1
    thread = threading.Thread(target=elsewhere)
    with without:
        with without:
            assert f(1) == 2
        thread.start()
        assert begun.wait(10)
        assert f(1) == 3
    assert f(1) == 1
    ended.set()
    thread.join(10)
    assert other == [4, 5, 5]
    with disabled():
        assert f(1) == 6
    assert f(1) == 1


def test_a_disabled_block_that_ends_in_another_context_is_told():
    f = counting(dcache)
    block = disabled()
    contextvars.copy_context().run(block.__enter__)
    with pytest.raises(UsageError, match="ends in another context"):
        block.__exit__(None, None, None)
    assert f(1) == f(1)


def test_bypass_calls_the_function_and_leaves_the_verbs_alone():
    f = counting(dcache)

    @dcache
    async def g(x):
        return object()

    first, old = f(1), asyncio.run(g(1))
    configure(mode="bypass")
    assert f(1) == 2
    assert asyncio.run(g(1)) is not old
    f.put("put", 1)
    configure(mode="normal")
    assert first == 1
    assert f(1) == "put"
    assert asyncio.run(g(1)) is old


def test_refresh_reads_nothing_and_stores():
    f = counting(dcache)

    @dcache
    async def g(x):
        return object()

    old = f(1), asyncio.run(g(1))
    configure(mode="refresh")
    new = f(1), asyncio.run(g(1))
    assert f(1) == 3
    configure(mode="normal")
    assert (f(1), asyncio.run(g(1))) == (3, new[1])
    assert old[1] is not new[1]


def test_the_mode_of_the_environment():
    script = "import dcache; f = dcache.dcache(lambda: object()); print(f() is f())"

    def run(mode):
        return subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "DCACHE_MODE": mode},
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("").stdout == "True\n"
    assert run("bypass").stdout == "False\n"
    assert run("offline").stdout == "True\n"
    assert "DCACHE_MODE is 'off'; expected one of" in run("off").stderr


def test_clear_all_empties_every_near_tier():
    f, g = counting(dcache), counting(dcache(InMemoryBackend()))
    f(1), g(1)
    clear_all()
    assert f.cache_info() == (0, 0, 10_000, 0)
    assert g.peek(1) is MISSING


def test_what_the_package_exports_is_there():
    assert all(hasattr(package, name) for name in package.__all__)
