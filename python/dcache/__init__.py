# SPDX-License-Identifier: MIT
"""dcache: a distributed cache for humans. One line in front of a function remembers its results."""

from ._decorate import Cache, Dcache, dcache
from ._engine import MISSING, ConfigError, Error, UnkeyableError, UsageError, clear_all
from ._modes import configure, disabled

__all__ = [
    "MISSING",
    "Cache",
    "ConfigError",
    "Dcache",
    "Error",
    "UnkeyableError",
    "UsageError",
    "cache",
    "clear_all",
    "configure",
    "dcache",
    "disabled",
]

cache = Dcache()
