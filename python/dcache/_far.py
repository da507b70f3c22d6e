# SPDX-License-Identifier: MIT
"""Which functions have far tiers (`_tiers.py`), under which identity; and what stays near.

Loaded when a far tier is first named. In a call nothing here runs.
"""

import logging
import os
import warnings
import weakref

from . import _engine, _identity
from ._engine import ConfigError, UnkeyableError, UnstorableError, UsageError
from ._options import is_memory_url
from ._tiers import Tiers, bytes_of
from .backends import InMemoryBackend

_UNSTORABLE = {"warn": 0, "raise": 1, "ignore": 2}

log = logging.getLogger("dcache")


class Settings:
    """What one function says about far tiers; `tiers` None: those of the application."""

    def __init__(self, tiers, codec, on_unstorable):
        """Raises ConfigError."""
        if on_unstorable not in _UNSTORABLE:
            raise ConfigError(
                f"dcache: on_unstorable is {on_unstorable!r}; expected one of {tuple(_UNSTORABLE)}"
            )
        if codec is not None:
            _check_codec(codec)
        self.tiers, self.codec, self.unstorable = tiers, codec, _UNSTORABLE[on_unstorable]


def _check_codec(codec):
    if isinstance(codec, type):
        raise UsageError(
            f"dcache: codec {codec.__name__} is the class; expected an object: "
            f"{codec.__name__}(...)"
        )
    for part in ("name", "encode", "decode"):
        if not hasattr(codec, part):
            raise ConfigError(
                f"dcache: codec is {codec!r}; expected an object with name, encode and decode"
            )
    # By it readers tell whose bytes these are.
    if not isinstance(codec.name, str) or codec.name in ("", _OURS):
        raise ConfigError(
            f"dcache: name of {codec!r} is {codec.name!r}; expected text of its own, which is not "
            f"{_OURS!r}"
        )


_OURS = "cbor"
_DEFAULTS = Settings(None, None, "warn")
_configured = None  # What `configure` said: Tiers, or False for memory alone.
_of_environment: dict[str, Tiers] = {}


def configure(backends):
    """Give functions that name no backend these tiers, from their next miss on."""
    global _configured
    backends = [backend for backend in backends if not _is_memory(backend)]
    _configured = Tiers(backends, near=True) if backends else False
    _engine.renew_far_sides()


def _is_memory(backend):
    return is_memory_url(backend) or isinstance(backend, InMemoryBackend)


def _default_tiers():
    if _configured is not None:
        return _configured or None
    url = os.environ.get("DCACHE_URL")
    if not url or is_memory_url(url):
        return None
    if url not in _of_environment:
        try:
            _of_environment[url] = Tiers([url], near=True)
        except ConfigError as error:
            why = str(error).removeprefix("dcache: ")
            raise ConfigError(f"dcache: DCACHE_URL: {why}") from None
    return _of_environment[url]


def resolve(wrapped, identity, settings, typed):
    """The `FarSide` of a function, or None. Raises UsageError for one that cannot go far."""
    settings = settings or _DEFAULTS
    named = settings.tiers is not None
    tiers = settings.tiers or _default_tiers()
    if tiers is None:
        return None
    try:
        if not typed:
            raise UsageError(_UNTYPED)
        space, name, version = _names(wrapped, identity)
        _take_identity(tiers, (space, name, version), wrapped)
    except UsageError as error:
        if named:
            raise
        _warn(wrapped, error)
        return None
    codec = settings.codec
    if codec is None:
        from ._values import codec_of

        codec = codec_of(wrapped)
    return _engine.FarSide(
        tiers.chain,
        space,
        name,
        version,
        secret=bytes_of("secret of the codec", getattr(codec, "secret", None)),
        codec=codec,
        codec_name=getattr(codec, "name", _OURS),
        near_ttl=tiers.near_ttl,
        unstorable=settings.unstorable,
        named=named,
    )


_UNTYPED = (
    "dcache: typed=False makes one call of f(1) and f(1.0), and a far tier tells them apart: leave "
    "it out, or say what counts with key="
)


def _names(wrapped, identity):
    name, version, namespace = identity or (None, None, None)
    if version == "code":
        version = _identity.fingerprint_of(wrapped)
    if not namespace:
        namespace = os.environ.get("DCACHE_NAMESPACE") or ""
        _identity.check_namespace(namespace, "DCACHE_NAMESPACE")
    return namespace, name or _identity.name_of(wrapped), version or ""


def _place(function):
    code = getattr(_identity.layers(function)[-1], "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else (repr(function), 0)


def _take_identity(tiers, identity, wrapped):
    """One identity, one function: another one would be given results that are not its own."""
    before = tiers.live.get(identity)
    before = before and before()
    if before is not None and before is not wrapped and not _replaces(wrapped, before):
        raise UsageError(
            "dcache: two functions would share the far key {!r}: {} ({}:{}) and {} ({}:{}): give "
            "one of them another name= or version=".format(
                identity[1], _named(before), *_place(before), _named(wrapped), *_place(wrapped)
            )
        )
    try:
        tiers.live[identity] = weakref.ref(wrapped)
    except TypeError:  # It takes no weak references, so nobody can tell whether it lives.
        tiers.live.pop(identity, None)


def _named(function):
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"


def _replaces(new, old):
    if _place(new) == _place(old):
        return True
    name = getattr(new, "__qualname__", "")
    return (
        name.rpartition(".")[2] not in ("<lambda>", "_")
        and name == getattr(old, "__qualname__", None)
        and getattr(new, "__module__", None) == getattr(old, "__module__", None)
    )


# --- What calls ask for ---


def program_of(wrapped):
    """Canonical bytes of what tells the main program apart. Raises UnkeyableError."""
    return _engine.canonical_bytes(_identity._main_of_arguments(wrapped))


def _warn(wrapped, why):
    """Whoever makes exceptions of warnings has not asked for failing calls."""
    try:
        warn_stays_near(wrapped, why)
    except Warning as warning:
        log.warning("%s", warning)


_warned: weakref.WeakSet[object] = weakref.WeakSet()


def warn_stays_near(wrapped, why):
    """Say once for each function that results of it are not kept in its far tiers."""
    try:
        if wrapped in _warned:
            return
        _warned.add(wrapped)
    except TypeError:
        pass
    kind = "calls" if isinstance(why, UnkeyableError) else "results"
    if isinstance(why, UsageError):
        kind = "all results"
    words = why if isinstance(why, _engine.Error) else f"{type(why).__name__}: {why}"
    warnings.warn(f"{_named(wrapped)}: {kind} stay in this process: {words}", stacklevel=2)


def raise_unstorable(wrapped, result, why):
    """As `on_unstorable="raise"` has it."""
    error = why if isinstance(why, UnstorableError) else UnstorableError(f"dcache: {why!r}")
    error.result = result
    raise error
