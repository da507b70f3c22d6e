# SPDX-License-Identifier: MIT
"""The decorator: finds out what it is given, and wraps.

Nothing here runs in a call. What is imported here is paid by every `import dcache`.
"""

import sys

from ._engine import ConfigError, Function, UsageError
from ._options import MAXSIZE, engine_options, is_mapping, is_memory_url
from .backends import Backend, Base, FileBackend, InMemoryBackend, Tier, _Store

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
    multiple=None,
    near_ttl=None,
    mark_ttl=None,
    secret=None,
    retain=None,
    require=False,
    codec=None,
    on_unstorable="warn",
):
    """Remember what a function returned: in this process, and in far tiers if there are any.

    Bare (`@dcache`), with options (`@dcache(ttl="10m")`), or made once for many functions
    (`cache = dcache(FileBackend("/var/cache/app"))`, then `@cache` or `@cache(ttl="1h")`). First
    comes where results are kept: an `InMemoryBackend`, a far tier (a backend, a URL, a mapping of
    text to bytes), or `multiple=[...]` tiers, nearest first. A far tier alone has no memory before
    it. Without any it is memory, and what `DCACHE_URL` or `dcache.configure` say.

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
    multiple: tiers, nearest first: an `InMemoryBackend`, URLs, backends, mappings, `Tier`s.
    near_ttl: how long memory may serve what another process has overwritten or invalidated; else
        what the far tiers say, the least of it: 60 s in front of S3, 5 s in front of most.
    mark_ttl: how long it may take until one process notices that another has cleared a function;
        else what each far tier says: 10 s of S3, 1 s of most.
    secret: signs what far tiers get, and takes nothing else; at least 16 random bytes.
    retain: how long far tiers keep a result without `ttl`.
    require: connect now, and raise what is wrong.
    codec: how results become bytes; an object with `name`, `encode` and `decode`.
    on_unstorable: a result that has no form in bytes stays near, with one warning ("warn"), raises
        UnstorableError ("raise"), or stays near silently ("ignore").
    """
    options = {name: value for name, value in locals().items() if name != "first"}
    if multiple is not None or is_store(first):
        del options["multiple"]
        return Cache(first, multiple=multiple, **options)
    for name in _OF_TIERS:
        if options.pop(name):
            raise ConfigError(f"dcache: {name} is about far tiers, and none is given")
    checked = engine_options(**options)
    if first is None:
        return lambda function: decorate(function, checked)
    return decorate(first, checked)


_OF_TIERS = ("multiple", "near_ttl", "mark_ttl", "secret", "retain", "require")


def is_store(first):
    """Whether results can be kept there: a backend, a URL or a mapping."""
    known = (InMemoryBackend, _Store, Backend, Base, Tier, str)
    return isinstance(first, known) or is_mapping(first)


class Cache:
    """Tiers for many functions, which never collide; made by `dcache(backend)`.

    `@cache` decorates with the options that it was made with, `@cache(ttl="1h")` with others.
    """

    def __init__(self, backend=None, *, multiple=None, **options):
        """Raises ConfigError for tiers and options that can never work. Connects to nothing."""
        of_tiers = {name: options.pop(name, None) for name in _OF_TIERS if name != "multiple"}
        self._given = (backend, multiple, {**of_tiers, **options})
        self._near, self._far = _split(backend, multiple, of_tiers, options)
        self._options = {**_OF_FUNCTIONS, **options}
        # The default is one object: whoever passes 10_000 passes another.
        if self._options["maxsize"] is not MAXSIZE:
            raise ConfigError(_TWO_BOUNDS if self._near else _NO_MEMORY)
        engine_options(**self._options)
        clock = self._options["clock"]
        if self._near:
            self._table = self._near._make_table(clock) if clock else self._near._table

    def __call__(self, first=None, /, **options):
        """Decorate; see `dcache.dcache`."""
        if "maxsize" in options:
            raise ConfigError(_TWO_BOUNDS if self._near else _NO_MEMORY)
        for name in _OF_TIERS:
            if name in options:
                raise ConfigError(f"dcache: {name} belongs to the cache, not to one function of it")
        checked = engine_options(**{**self._options, **options, "far": self._far})
        if not self._near and checked["cache_errors"]:
            raise ConfigError(_NO_ERRORS)
        if self._near:
            checked.update(maxsize=self._near.maxsize, cache=self._table)
        else:
            checked.update(maxsize=0)
        if first is None:
            return lambda function: decorate(function, checked)
        return decorate(first, checked)

    def __reduce__(self):
        """By what it was made of; the default of maxsize is one object."""
        backend, multiple, options = self._given
        return _remade, (backend, multiple, {k: v for k, v in options.items() if k != "maxsize"})

    def check(self):
        """Connect to every far tier; raises what is wrong with the first that cannot be used."""
        if self._far:
            self._far.check()

    def stats(self):
        """What each far tier counted, a dict each."""
        return self._far.chain.stats() if self._far else []

    def close(self):
        """Let go of files, sockets and threads; every far tier is a miss from then on."""
        if self._far:
            self._far.chain.close()

    def __repr__(self):
        """Name the tiers."""
        return f"dcache({', '.join(repr(tier) for tier in (self._near, self._far) if tier)})"


def _remade(backend, multiple, options):
    return Cache(backend, multiple=multiple, **options)


def _split(backend, multiple, of_tiers, options):
    """The near tier and the far ones, each perhaps None."""
    if backend is not None and multiple is not None:
        raise ConfigError("dcache: a backend and multiple=[...]: put it into the list")
    if multiple is not None:
        if isinstance(multiple, (str, bytes)) or not hasattr(multiple, "__iter__"):
            raise ConfigError(f"dcache: multiple is {multiple!r}; expected a list of tiers")
        tiers = list(multiple)
        if not tiers:
            raise ConfigError("dcache: multiple is empty; expected tiers, nearest first")
    else:
        tiers = [backend]
    near = None
    if isinstance(tiers[0], InMemoryBackend):
        near = tiers.pop(0)
    elif is_memory_url(tiers[0]):
        tiers.pop(0)
        near = InMemoryBackend()
    if not tiers:
        for name in (name for name in _OF_TIERS if of_tiers.get(name)):
            raise ConfigError(f"dcache: {name} is about far tiers, and none is given")
        return near, None
    from ._tiers import Tiers

    require = of_tiers.pop("require")
    far = Tiers(tiers, near=near is not None, clock=options.get("clock"), **of_tiers)
    if require:
        far.check()
    return near, far


_OF_FUNCTIONS = {
    name: value for name, value in (dcache.__kwdefaults__ or {}).items() if name not in _OF_TIERS
}


class Dcache(Cache):
    """The first version's name of `dcache(backend)`, without options but `key`."""

    def __init__(self, backend=None, key=None):
        if backend is None:
            backend = InMemoryBackend()
        if not is_store(backend):
            raise UsageError(
                f"Dcache: backend is {backend!r}; expected a backend, a mapping or None"
            )
        super().__init__(backend, key=key)


_TWO_BOUNDS = (
    "dcache: maxsize is given twice: the bound of this cache is that of its "
    "InMemoryBackend(maxsize=...), for all of its functions together"
)
_NO_ERRORS = (
    "dcache: cache_errors are kept in the memory of this process, and this cache has none: put an "
    "InMemoryBackend() first, multiple=[InMemoryBackend(), ...]"
)
_NO_MEMORY = (
    "dcache: maxsize bounds the memory of this process, and this cache has none: put an "
    "InMemoryBackend(maxsize=...) first, multiple=[InMemoryBackend(...), ...]"
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


_CLASSES = (InMemoryBackend, _Store, Backend, Base)


def check_callable(function):
    """Refuse what cannot be decorated, with the way out."""
    if isinstance(function, (list, tuple)):
        raise UsageError("dcache([...]): several tiers are given as dcache(multiple=[...])")
    if isinstance(function, int):
        raise UsageError(
            f"dcache({function!r}): to bound the table say dcache(maxsize={function!r})"
        )
    if isinstance(function, type) and issubclass(function, _CLASSES):
        raise UsageError(
            f"dcache({function.__name__}): this is the class; say dcache({_example_of(function)})"
        )
    if not callable(function):
        raise UsageError(f"dcache: expected a function to decorate or a backend, got {function!r}")
    if _flags(function) & _GENERATORS:
        raise UsageError(
            f"dcache: {function!r} is a generator, whose items can be consumed only once: "
            "return a list or a tuple"
        )


def _example_of(cls):
    return f'{cls.__name__}("/var/cache/app")' if cls is FileBackend else f"{cls.__name__}()"


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
