# SPDX-License-Identifier: MIT
"""The names that the first version shipped, and its known faults."""

import threading
import time

import pytest
from dcache import Dcache, UsageError, cache, dcache
from dcache.backends import Base, InMemory, InMemoryBackend
from dcache.exceptions import NotExistError


def test_cache_is_a_ready_one():
    @cache
    def f(x):
        return object()

    assert f(1) is f(1)
    assert isinstance(cache, Dcache)


def test_dcache_takes_a_backend_and_a_key():
    mine = Dcache(InMemory(), key=lambda x: x % 10)

    @mine
    def f(x):
        return x

    assert (f(1), f(11), f(2)) == (1, 1, 2)
    with pytest.raises(UsageError, match="expected a backend"):
        Dcache(backend=3)


def test_a_dict_and_a_base_are_backends():
    class Mine(Base):
        def __init__(self):
            self.kept = {}

        def __getitem__(self, key):
            if key not in self.kept:
                raise NotExistError(key)
            return self.kept[key]

        def __setitem__(self, key, value):
            self.kept[key] = value

    for backend in ({}, Mine()):
        runs = []

        @Dcache(backend)
        def double(x, runs=None):
            return x * 2

        def body(x):
            runs.append(x)  # noqa: B023
            return x * 2

        counted = Dcache(backend)(name="doubled")(body)
        assert (counted(2), counted(2), counted(3)) == (4, 4, 6)
        assert runs == [2, 3]
        counted.invalidate(2)
        assert counted(2) == 4
        assert runs == [2, 3, 2]


def test_in_memory_is_a_mapping_with_bounds():
    memory = InMemory(maxsize=3)
    assert isinstance(memory, Base)
    assert isinstance(memory, InMemoryBackend)
    memory["a"] = 1
    assert memory["a"] == 1
    with pytest.raises(NotExistError) as missing:
        memory["b"]
    assert isinstance(missing.value, KeyError)
    for number in range(10):
        memory[number] = number
    assert len([number for number in range(10) if there(memory, number)]) <= 3


def there(memory, key):
    try:
        memory[key]
    except NotExistError:
        return False
    return True


def test_a_backend_must_say_how():
    for use in (lambda: Base()["a"], lambda: Base().__setitem__("a", 1)):
        with pytest.raises(NotImplementedError):
            use()


def test_the_name_of_the_package_is_that_of_the_decorator_and_no_module():
    assert callable(dcache)


# --- Its faults ---


def test_minus_one_and_minus_two_are_two_calls():
    f = dcache(lambda x: x)
    assert (f(-1), f(-2)) == (-1, -2)


def test_memory_is_bounded_by_default():
    f = dcache(lambda x: x)
    for x in range(20_000):
        f(x)
    assert f.cache_info().currsize <= f.cache_info().maxsize == 10_000


def test_threads_compute_once():
    runs = []

    @cache
    def f(x):
        time.sleep(0.1)
        runs.append(x)

    threads = [threading.Thread(target=f, args=(1,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert runs == [1]
