# SPDX-License-Identifier: MIT
"""The far tiers of one cache: what was named, opened as the engine knows it.

Loaded when a far tier is first named. In a call nothing here runs.
"""

import logging

from . import _engine
from ._backend_threads import adapter_of
from ._durations import seconds
from ._engine import ConfigError, UsageError
from ._options import is_mapping, is_memory_url
from .backends import Backend, Base, InMemoryBackend, Tier, _Store

RETAIN = 30 * 86400  # Seconds.

log = logging.getLogger("dcache")


class Tiers:
    """The far tiers of one cache, nearest first. Opens nothing before they are used.

    Raises ConfigError for what can never work.
    """

    def __init__(
        self, tiers, *, near, near_ttl=None, mark_ttl=None, secret=None, retain=None, clock=None
    ):
        """tiers: URLs, backends, mappings or `Tier`s; near: whether memory comes before them."""
        options = {"near_ttl": near_ttl, "mark_ttl": mark_ttl, "secret": secret, "retain": retain}
        self._given = list(tiers), {"near": near, **options, "clock": clock}
        self._tiers = [_described(tier) for tier in tiers]
        self.names = [backend.name() for backend, *_ in self._tiers]
        self._near = near
        self.chain = _engine.Chain(
            self._tiers,
            secret=bytes_of("secret", secret),
            retain=seconds("retain", RETAIN if retain is None else retain),
            mark_ttl=None if mark_ttl is None else seconds("mark_ttl", mark_ttl, 0),
            near_ttl=None if near_ttl is None else seconds("near_ttl", near_ttl),
            compress_from=4096,
            on_trouble=_log_trouble,
            clock=clock,
        )
        self.live = {}  # Which function has which identity here.

    def __reduce__(self):
        """By what it was made of; a mapping becomes another one."""
        return _remade, self._given

    @property
    def near_ttl(self):
        """For how long memory is believed; None: others cannot change what it has."""
        return self.chain.near_ttl() if self._near else None

    def check(self):
        """Connect to every tier; raises what is wrong with the first that cannot be used."""
        self.chain.check()

    def __repr__(self):
        """Name the tiers."""
        return ", ".join(self.names)


def _remade(tiers, options):
    return Tiers(tiers, **options)


def refuse_no_backend(backend):
    """Raise, with the way out, for what can never be a far tier. Opens nothing."""
    if isinstance(backend, type):
        raise UsageError(
            f"dcache: {backend.__name__} is the class; expected an object: {backend.__name__}(...)"
        )
    if isinstance(backend, InMemoryBackend) or is_memory_url(backend):
        raise ConfigError("dcache: memory comes first in a chain: it is the nearest tier")
    if isinstance(backend, str):
        if backend.lower().startswith("memory:"):
            raise ConfigError(
                "dcache: memory: has no options: say InMemoryBackend(maxsize=...) in its place"
            )
    elif not (isinstance(backend, (_Store, Backend, Base)) or is_mapping(backend)):
        raise UsageError(
            f"dcache: {backend!r} is no backend; expected a URL, a dcache.backends.Backend, or a "
            "mapping of text to bytes"
        )
    if isinstance(backend, Backend):
        lacks = [name for name in ("get", "put", "erase") if _is_inherited(backend, name)]
        if lacks:
            raise UsageError(
                f"dcache: {type(backend).__name__} has no {'() and no '.join(lacks)}(); expected "
                "get(key), put(key, value, expires) and erase(key), plain or async"
            )


def _is_inherited(backend, method):
    return getattr(getattr(backend, method), "__func__", None) is getattr(Backend, method)


def engine_backend(backend):
    """The engine's own object for a URL, a backend or a mapping."""
    refuse_no_backend(backend)
    if isinstance(backend, str):
        return _open(backend)
    if isinstance(backend, _Store):
        return backend._backend
    adapter = adapter_of(backend)
    return _engine.python_backend(
        adapter,
        adapter.name,
        adapter.shared,
        adapter.adds,
        adapter.batches,
        adapter.timeout,
        adapter.near_ttl,
        adapter.mark_ttl,
    )


def _described(tier):
    if not isinstance(tier, Tier):
        tier = Tier(tier)
    backend = engine_backend(tier.backend)
    return backend, tier.ttl, tier.reads, tier.writes, tier.timeout


def _open(url):
    scheme = url.partition(":")[0].lower()
    if ":" in url and scheme not in _engine.known_schemes():
        import importlib.metadata

        for entry in importlib.metadata.entry_points(group="dcache.backends", name=scheme):
            return engine_backend(entry.load()(url))
    return _engine.open_backend(url)


def bytes_of(name, secret):
    if secret is None:
        return b""
    if isinstance(secret, str):
        secret = secret.encode()
    if not isinstance(secret, bytes):
        raise ConfigError(f"dcache: {name} is a {type(secret).__name__}; expected text or bytes")
    if not secret:
        raise ConfigError(f"dcache: {name} is empty; expected at least 16 random bytes")
    return secret


def _log_trouble(tier, why):
    log.warning("far tier %s fails, calls go on without it: %s", tier, why)
