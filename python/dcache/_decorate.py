# SPDX-License-Identifier: MIT
"""The decorator: finds out what it is given, and wraps.

Nothing here runs in a call. What is imported here is paid by every `import dcache`.
"""

import sys

from ._engine import ConfigError, Function, UsageError
from ._options import MAXSIZE, engine_options
from .backends import InMemoryBackend

# As `functools.WRAPPER_ASSIGNMENTS`, whose import would cost as much as all the rest of ours.
_COPIED: tuple[str, ...] = (
    *("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"),
)
if sys.version_info >= (3, 12):
    _COPIED += ("__type_params__",)
_COROUTINE = 0x80  # CO_COROUTINE
_GENERATORS = 0x20 | 0x200  # CO_GENERATOR | CO_ASYNC_GENERATOR


def dcache(
    first=None,
    /,
    *,
    maxsize=MAXSIZE,
    typed=True,
    policy="adaptive",
    ttl=None,
    stale_for=0,
    refresh_ahead=None,
    wait=None,
    jitter=0,
    cache_if=None,
    cache_errors=None,
    copy="never",
    key=None,
    ignore=(),
    on_background=None,
    flight_timeout=30,
    name=None,
    version=None,
    namespace=None,
    clock=None,
):
    """Remember what a function returned, in this process.

    Bare (`@dcache`), with options (`@dcache(ttl="10m")`), or made once for many functions
    (`cache = dcache(InMemoryBackend(max_bytes=50_000_000))`, then `@cache` or `@cache(ttl="1h")`).
    Works on `def`, `async def`, methods, static and class methods and properties.

    Durations are seconds, a `timedelta`, or text such as "1h30m". Callers share the stored object.

    maxsize: the most results kept, > 0; `None`: as many as memory holds; 0: none.
    typed: whether `f(1)`, `f(1.0)` and `f(True)` are three calls (the default) or one.
    policy: who leaves when room is needed: "adaptive", or "lru" for exact LRU order.
    ttl: how long a result is fresh, > 0; or a callable of the result, where <= 0 means "do not
        keep".
    stale_for: how long after that it may still be served when a new one cannot be had.
    refresh_ahead: the fraction of `ttl`, between 0 and 1, after which a hit also starts a refresh
        in the background.
    wait: how long a caller with a stale result waits for a new one, which is then computed in the
        background; 0: not at all. Without it the caller computes.
    jitter: the fraction of `ttl`, 0 to 1, that is taken away at random.
    cache_if: a predicate of the result: whether to keep it.
    cache_errors: which exceptions are kept, too, and how long: `{NotFound: "30s"}`.
    copy: "deep" gives each caller a copy of his own.
    key: called with the arguments of the call; what it returns is the key.
    ignore: names of parameters that do not count; one name may be given as text.
    on_background: called with each refresh in the background, to run it (async for `async def`).
    flight_timeout: after how long a caller that waits for another's computation runs it, too.
    name, version, namespace: the identity of the function in `f.key(...)`: text. Without a name it
        is module and qualified name; version="code" is a fingerprint of the function's code; the
        default namespace is `DCACHE_NAMESPACE`.
    clock: a `dcache.testing.ManualClock`.
    """
    options = {name: value for name, value in locals().items() if name != "first"}
    if isinstance(first, InMemoryBackend):
        # The default is one object: whoever passes 10_000 passes another.
        if maxsize is not MAXSIZE:
            raise ConfigError(_TWO_BOUNDS)
        return Cache(first, **options)
    checked = engine_options(**options)
    if first is None:
        return lambda function: decorate(function, checked)
    return decorate(first, checked)


class Cache:
    """One near tier for many functions, which never collide; made by `dcache(InMemoryBackend())`.

    `@cache` decorates with the options that it was made with, `@cache(ttl="1h")` with others.
    """

    def __init__(self, backend, **options):
        self._backend, self._options = backend, {**DEFAULTS, **options}
        engine_options(**self._options)

    def __call__(self, first=None, /, **options):
        """Decorate; see `dcache.dcache`."""
        if "maxsize" in options:
            raise ConfigError(_TWO_BOUNDS)
        checked = engine_options(**{**self._options, **options})
        checked.update(maxsize=self._backend.maxsize, cache=self._backend._table)
        if first is None:
            return lambda function: decorate(function, checked)
        return decorate(first, checked)

    def __repr__(self):
        """Name the backend."""
        return f"dcache({self._backend!r})"


DEFAULTS = dcache.__kwdefaults__


class Dcache(Cache):
    """The first version's name of `dcache(InMemoryBackend())`, without options but `key`."""

    def __init__(self, backend=None, key=None):
        if backend is None:
            backend = InMemoryBackend()
        if not isinstance(backend, InMemoryBackend):
            raise UsageError(
                f"Dcache: backend is {backend!r}; expected an InMemoryBackend(...) or None"
            )
        super().__init__(backend, key=key)


_TWO_BOUNDS = (
    "dcache: maxsize is given twice: the bound of this cache is that of its "
    "InMemoryBackend(maxsize=...), for all of its functions together"
)


def wrap(function, **options):
    """A `Function` in front of `function`; the options are checked already."""
    wrapper = Function(function, **options)
    for name in _COPIED:
        if hasattr(function, name):
            setattr(wrapper, name, getattr(function, name))
    wrapper.__dict__.update(getattr(function, "__dict__", ()))
    wrapper.__wrapped__ = function
    return wrapper


def decorate(function, options):
    """The same for whatever can be decorated."""
    if isinstance(function, staticmethod):
        return staticmethod(decorate(function.__func__, options))
    if isinstance(function, classmethod):
        return decorate(function.__func__, {**options, "binds_class": True})
    if isinstance(function, property):
        getter = decorate(function.fget, options)
        return property(getter, function.fset, function.fdel, function.__doc__)
    check_callable(function)
    wrapper = wrap(
        function,
        **options,
        asynchronous=is_async(function),
        method=_is_method(function) or "binds_class" in options,
    )
    wrapper._options = options
    return wrapper


def check_callable(function):
    """Refuse what cannot be decorated, with the way out."""
    if isinstance(function, int):
        raise UsageError(
            f"dcache({function!r}): to bound the table say dcache(maxsize={function!r})"
        )
    if isinstance(function, type) and issubclass(function, InMemoryBackend):
        raise UsageError(
            f"dcache({function.__name__}): this is the class; say dcache({function.__name__}())"
        )
    if not callable(function):
        raise UsageError(
            f"dcache: expected a function to decorate or an InMemoryBackend(...), got {function!r}"
        )
    if _flags(function) & _GENERATORS:
        raise UsageError(
            f"dcache: {function!r} is a generator, whose items can be consumed only once: "
            "return a list or a tuple"
        )


def is_async(function):
    """Whether calling it gives a coroutine."""
    inspect = sys.modules.get("inspect")  # If somebody marked it, he has imported that.
    return bool(_flags(function) & _COROUTINE) or bool(
        inspect and inspect.iscoroutinefunction(function)
    )


def _flags(function):
    functools = sys.modules.get("functools")
    while functools and isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    if not hasattr(function, "__code__") and not isinstance(function, type):
        function = getattr(type(function), "__call__", None)  # noqa: B004
    return getattr(getattr(function, "__code__", None), "co_flags", 0)


def _is_method(function):
    """Defined in a class, with a first parameter named `self`."""
    code = getattr(function, "__code__", None)
    owner = getattr(function, "__qualname__", "").rpartition(".")[0]
    return bool(
        code
        and owner
        and not owner.endswith("<locals>")
        and code.co_argcount
        and code.co_varnames[0] == "self"
    )
