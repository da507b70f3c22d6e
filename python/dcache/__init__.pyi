# SPDX-License-Identifier: MIT
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, TypeVar, overload, type_check_only

from typing_extensions import ParamSpec, Self, Unpack

from ._engine import (
    MISSING,
    AsyncFunction,
    ConfigError,
    Error,
    Function,
    InvalidationError,
    ModeError,
    TierError,
    UnkeyableError,
    UnstorableError,
    UsageError,
    clear_all,
)
from .backends import Backend as _Backend
from .backends import Base as _Base
from .backends import FileBackend as _FileBackend
from .backends import InMemoryBackend as _InMemoryBackend
from .backends import RedisBackend as _RedisBackend
from .backends import S3Backend as _S3Backend
from .backends import Tier as _Tier
from .testing import ManualClock as _ManualClock

__all__ = [
    "MISSING",
    "Cache",
    "ConfigError",
    "Dcache",
    "Error",
    "InvalidationError",
    "ModeError",
    "PickleCodec",
    "TierError",
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
class _Mapping(Protocol):
    """A mapping of text to bytes."""

    def __getitem__(self, key: str, /) -> Any: ...
    def __setitem__(self, key: str, value: bytes, /) -> Any: ...

# Where results are kept: a backend, a URL or a mapping.
_Far: TypeAlias = _FileBackend | _RedisBackend | _S3Backend | _Backend | _Base | str | _Mapping
_Store: TypeAlias = _InMemoryBackend | _Far

@type_check_only
class Codec(Protocol):
    """How results become bytes."""

    @property
    def name(self) -> str: ...
    def encode(self, value: Any, /) -> bytes: ...
    def decode(self, data: bytes, /) -> Any: ...

@type_check_only
class Options(TypedDict, total=False):
    """What `dcache` and the functions of a `Cache` take by name."""

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
    codec: Codec | None
    on_unstorable: Literal["warn", "raise", "ignore"]

@type_check_only
class _Chained(Options, total=False):
    near_ttl: _Duration | None
    mark_ttl: _Duration | None
    secret: str | bytes | None
    retain: _Duration | None
    require: bool

@type_check_only
class TierOptions(_Chained, total=False):
    """What a `Cache` takes by name."""

    multiple: Iterable[_Store | _Tier] | None

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
    """A cache that many functions share: `cache = dcache(FileBackend(...))`, then `@cache`."""

    def __init__(self, backend: _Store | None = None, **options: Unpack[TierOptions]) -> None: ...
    def check(self) -> None: ...
    def stats(self) -> list[dict[str, Any]]: ...
    def close(self) -> None: ...
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

class PickleCodec:
    """Results as signed pickles."""

    name: str
    secret: bytes
    def __init__(self, *, secret: str | bytes) -> None: ...
    def encode(self, value: Any) -> bytes: ...
    def decode(self, data: bytes) -> Any: ...

@overload
def dcache(backend: _Store, /, **options: Unpack[TierOptions]) -> Cache: ...
@overload
def dcache(*, multiple: Iterable[_Store | _Tier], **options: Unpack[_Chained]) -> Cache: ...
@overload
def dcache(  # type: ignore[overload-overlap]
    function: Callable[_P, Coroutine[Any, Any, _R]], /, **options: Unpack[Options]
) -> AsyncFunction[_P, _R]: ...
@overload
def dcache(function: Callable[_P, _R], /, **options: Unpack[Options]) -> Function[_P, _R]: ...
@overload
def dcache(**options: Unpack[Options]) -> Decorator: ...
def configure(
    backend: _Store | None = None,
    /,
    *,
    multiple: Iterable[_Store | _Tier] | None = None,
    mode: _Mode | None = None,
) -> None: ...

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
    """The first version's name of `dcache(backend)`."""

    def __init__(
        self,
        backend: _Store | None = None,
        key: Callable[..., object] | None = None,
    ) -> None: ...

cache: Dcache
