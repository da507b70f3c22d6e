# SPDX-License-Identifier: MIT
"""The decorator: checks what it is given, and wraps.

Nothing here runs in a call. What is imported here is paid by every `import dcache`.
"""

from functools import update_wrapper

from ._durations import seconds
from ._engine import ConfigError, Function, UsageError

MAXSIZE = 10_000
_COROUTINE_FLAGS = 0x80 | 0x200  # CO_COROUTINE | CO_ASYNC_GENERATOR
_GENERATOR_FLAG = 0x20
_POLICIES = ("adaptive", "lru")


def wrap(function, **options):
    """A `Function` in front of `function`; the options are checked already."""
    return update_wrapper(Function(function, **options), function)


def dcache(
    function=None,
    /,
    *,
    maxsize=MAXSIZE,
    typed=True,
    policy="adaptive",
    ttl=None,
    stale_for=0,
    jitter=0,
    cache_if=None,
    key=None,
    ignore=(),
    flight_timeout=30,
):
    """Remember what a function returned, in this process.

    Bare (`@dcache`) or with options (`@dcache(ttl="10m")`).

    maxsize: the most results kept, > 0; `None`: as many as memory holds; 0: none.
    typed: whether `f(1)`, `f(1.0)` and `f(True)` are three calls (the default) or one.
    policy: who leaves when room is needed: "adaptive", or "lru" for exact LRU order.
    ttl: how long a result is fresh: seconds, a `timedelta`, or text such as "1h30m"; > 0.
    stale_for: how long after that it may still be served when computing it anew fails.
    jitter: the fraction of `ttl`, 0 to 1, that is taken away at random.
    cache_if: a predicate of the result: whether to keep it.
    key: called with the arguments of the call; what it returns is the key.
    ignore: names of parameters that do not count; one name may be given as text.
    flight_timeout: after how long a caller that waits for another's computation runs it, too.
    """
    if policy not in _POLICIES:
        raise ConfigError(f"dcache: policy is {policy!r}; expected one of {_POLICIES}")
    if maxsize is not None and (not isinstance(maxsize, int) or isinstance(maxsize, bool)):
        raise ConfigError(f"dcache: maxsize is {maxsize!r}; expected a whole number or None")
    if not 0 <= jitter <= 1:
        raise ConfigError(f"dcache: jitter is {jitter!r}; expected a fraction from 0 to 1")
    for name, value in (("cache_if", cache_if), ("key", key)):
        if value is not None and not callable(value):
            raise ConfigError(f"dcache: {name} is {value!r}; expected a callable")
    if isinstance(ignore, str):
        ignore = (ignore,)
    options = {
        "maxsize": None if maxsize is None else max(maxsize, 0),
        "policy": policy == "lru",
        "typing": 0 if typed else 2,
        "ttl": None if ttl is None else seconds("ttl", ttl),
        "stale_for": seconds("stale_for", stale_for, least=0),
        "jitter": jitter,
        "cache_if": cache_if,
        "key": key,
        "ignore": tuple(ignore) or None,
        "flight_timeout": seconds("flight_timeout", flight_timeout),
    }

    def decorate(function):
        check_callable(function)
        return wrap(function, **options)

    return decorate if function is None else decorate(function)


def check_callable(function):
    """Refuse what cannot be decorated, with the way out."""
    if isinstance(function, int):
        raise UsageError(
            f"dcache({function!r}): to bound the table say dcache(maxsize={function!r})"
        )
    if not callable(function):
        raise UsageError(f"dcache: expected a function to decorate, got {function!r}")
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if flags & _COROUTINE_FLAGS:
        raise UsageError(f"dcache: {function!r} is async, which is not supported yet")
    if flags & _GENERATOR_FLAG:
        raise UsageError(
            f"dcache: {function!r} is a generator, whose items can be consumed only once: "
            "return a list or a tuple"
        )
