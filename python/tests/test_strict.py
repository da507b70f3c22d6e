# SPDX-License-Identifier: MIT
"""`dcache.functools` against CPython's own tests of `lru_cache` and `cache`.

Each test runs in a process of its own with a time limit: hangs happen.
"""

import subprocess
import sys
import unittest

import pytest
from dcache.functools import cache, lru_cache
from test import test_functools

PROGRAM = """
import functools, sys, types, unittest
import test.test_functools as theirs
import dcache.functools as ours

module = types.SimpleNamespace(**vars(functools))
module.lru_cache, module.cache = ours.lru_cache, ours.cache

@ours.lru_cache()
def cached_func(x, y):
    return 3 * x + y

@ours.lru_cache(maxsize=None)
def cached_func_unbounded(x, y):
    return 3 * x + y

class TestLRU(theirs.TestLRU, unittest.TestCase):
    module = module
    cached_func = cached_func,

    @ours.lru_cache()
    def cached_meth(self, x, y):
        return 3 * x + y

    @staticmethod
    @ours.lru_cache()
    def cached_staticmeth(x, y):
        return 3 * x + y

class TestCache(theirs.TestCache, unittest.TestCase):
    module = module

suite = unittest.defaultTestLoader.loadTestsFromName(sys.argv[1], sys.modules[__name__])
sys.exit(0 if unittest.TextTestRunner().run(suite).wasSuccessful() else 1)
"""


def names():
    loader = unittest.defaultTestLoader
    for case in ("TestLRU", "TestCache"):
        for name in loader.getTestCaseNames(getattr(test_functools, case)):
            yield f"{case}.{name}"


@pytest.mark.parametrize("name", list(names()))
def test_of_cpython(name):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("decorate", [cache, lru_cache(), lru_cache(maxsize=None)])
def test_what_cannot_be_called_is_refused_as_the_library_does(decorate):
    with pytest.raises(TypeError, match="the first argument must be callable"):
        decorate(5)
