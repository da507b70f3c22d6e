# SPDX-License-Identifier: MIT
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, overload, type_check_only

from typing_extensions import ParamSpec, Self, Unpack

from ._engine import (
    MISSING,
    AsyncFunction,
    ConfigError,
    Error,
    Function,
    UnkeyableError,
    UnstorableError,
    UsageError,
    clear_all,
)
from .backends import InMemoryBackend as _InMemoryBackend
from .testing import ManualClock as _ManualClock

__all__ = [
    "MISSING",
    "Cache",
    "ConfigError",
    "Dcache",
    "Error",
    "UnkeyableError",
    "UnstorableError",
    "UsageError",
    "cache",
    "clear_all",
    "configure",
    "dcache",
    "disabled",
    "register",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Seconds, a timedelta, or text such as "90s" and "1h30m".
_Duration: TypeAlias = float | timedelta | str
_Mode: TypeAlias = Literal["normal", "read-only", "refresh", "bypass", "offline"]

@type_check_only
class Options(TypedDict, total=False):
    """What `dcache` and a `Cache` take by name."""

    maxsize: int | None
    typed: bool
    policy: Literal["adaptive", "lru"]
    # A callable is asked with each result.
    ttl: _Duration | Callable[[Any], _Duration] | None
    stale_for: _Duration
    refresh_ahead: float | None
    wait: _Duration | None
    jitter: float
    cache_if: Callable[[Any], object] | None
    copy: Literal["never", "deep"]
    cache_errors: Mapping[type[Exception], _Duration] | None
    key: Callable[..., object] | None
    ignore: str | Iterable[str]
    # Is given what computes the result anew, and calls it; awaits it for an `async def`.
    on_background: Callable[[Callable[[], Any]], object] | None
    flight_timeout: _Duration
    clock: _ManualClock | None
    name: str | None
    version: str | None
    namespace: str | None

@type_check_only
class Decorator:
    """What `dcache(...)` and `cache(...)` return if they are given options only."""

    @overload  # A coroutine function is a function, too: the first that fits counts.
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[_P, Coroutine[Any, Any, _R]], /
    ) -> AsyncFunction[_P, _R]: ...
    @overload
    def __call__(self, function: Callable[_P, _R], /) -> Function[_P, _R]: ...

class Cache:
    """A cache that many functions share: `cache = dcache(InMemoryBackend())`, then `@cache`."""

    def __init__(self, backend: _InMemoryBackend, **options: Unpack[Options]) -> None: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[_P, Coroutine[Any, Any, _R]], /, **options: Unpack[Options]
    ) -> AsyncFunction[_P, _R]: ...
    @overload
    def __call__(
        self, function: Callable[_P, _R], /, **options: Unpack[Options]
    ) -> Function[_P, _R]: ...
    @overload
    def __call__(self, /, **options: Unpack[Options]) -> Decorator: ...

@overload
def dcache(backend: _InMemoryBackend, /, **options: Unpack[Options]) -> Cache: ...
@overload
def dcache(  # type: ignore[overload-overlap]
    function: Callable[_P, Coroutine[Any, Any, _R]], /, **options: Unpack[Options]
) -> AsyncFunction[_P, _R]: ...
@overload
def dcache(function: Callable[_P, _R], /, **options: Unpack[Options]) -> Function[_P, _R]: ...
@overload
def dcache(**options: Unpack[Options]) -> Decorator: ...
def configure(*, mode: _Mode | None = None) -> None: ...

_T = TypeVar("_T")
_C = TypeVar("_C", bound=type)

@overload
def register(cls: _C, /, *, encode: None = None, decode: None = None) -> _C: ...
@overload
def register(
    cls: type[_T], /, *, encode: Callable[[_T], object], decode: Callable[[Any], _T]
) -> type[_T]: ...
@overload
def register(
    cls: None = None, /, *, encode: None = None, decode: None = None
) -> Callable[[_C], _C]: ...
@overload
def register(
    cls: None = None, /, *, encode: Callable[[_T], object], decode: Callable[[Any], _T]
) -> Callable[[type[_T]], type[_T]]: ...

class disabled:
    """`with dcache.disabled():` is bypass for a block."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...

# The names of the first version.
class Dcache(Cache):
    """The first version's name of `dcache(InMemoryBackend())`."""

    def __init__(
        self,
        backend: _InMemoryBackend | None = None,
        key: Callable[..., object] | None = None,
    ) -> None: ...

cache: Dcache
