# SPDX-License-Identifier: MIT
"""dcache: a distributed cache for humans. One line in front of a function remembers its results."""

from ._decorate import Cache, Dcache, dcache
from ._engine import (
    MISSING,
    ConfigError,
    Error,
    InvalidationError,
    ModeError,
    TierError,
    UnkeyableError,
    UnstorableError,
    UsageError,
    clear_all,
)
from ._modes import configure, disabled

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

cache = Dcache()


def __getattr__(name):
    """What needs modules that `import dcache` alone does without."""
    if name not in ("register", "PickleCodec"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _values

    globals()[name] = getattr(_values, name)
    return globals()[name]
