# SPDX-License-Identifier: MIT
"""`lru_cache` and `cache` as in `functools`, exactly: raw spelling, plain `==`, exact LRU order, no
coalescing, unhashable arguments refused.
"""

from ._decorate import wrap

__all__ = ["cache", "lru_cache"]


def lru_cache(maxsize=128, typed=False):
    """As `functools.lru_cache`."""
    if isinstance(maxsize, int):
        maxsize = max(maxsize, 0)
    elif callable(maxsize) and isinstance(typed, bool):
        return _strict(maxsize, 128, typed)
    elif maxsize is not None:
        raise TypeError("Expected first argument to be an integer, a callable, or None")
    return lambda function: _strict(function, maxsize, typed)


def cache(user_function, /):
    """As `functools.cache`."""
    return _strict(user_function, None, False)


def _strict(function, maxsize, typed):
    if not callable(function):
        raise TypeError("the first argument must be callable")
    return wrap(
        function,
        maxsize=maxsize,
        policy=True,
        coalesces=False,
        raw=True,
        typing=1 if typed else 2,
    )
