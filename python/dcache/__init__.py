# SPDX-License-Identifier: MIT
"""dcache: a distributed cache for humans. One line in front of a function remembers its results."""

from ._decorate import dcache
from ._engine import MISSING, ConfigError, Error, UnkeyableError, UsageError

__all__ = ["MISSING", "ConfigError", "Error", "UnkeyableError", "UsageError", "dcache"]
