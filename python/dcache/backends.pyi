# SPDX-License-Identifier: MIT
from collections.abc import Callable
from typing import Any, Literal

__all__ = ["Base", "InMemory", "InMemoryBackend"]

class InMemoryBackend:
    """The near tier: its bounds hold for all functions of one `Cache` together."""

    maxsize: int | None
    max_bytes: int | None
    def __init__(
        self,
        *,
        maxsize: int | None = 10_000,
        max_bytes: int | None = None,
        weigher: Callable[[Any], int] | None = None,
        policy: Literal["adaptive", "lru"] = "adaptive",
    ) -> None: ...

# The names of the first version.
class Base:
    """What a backend of the first version inherits from."""

    def __getitem__(self, key: Any) -> Any: ...
    def __setitem__(self, key: Any, value: Any) -> None: ...

class InMemory(InMemoryBackend, Base):
    """The same as a mapping, too."""

    def __init__(
        self,
        *,
        maxsize: int | None = 10_000,
        max_bytes: int | None = None,
        weigher: Callable[[Any], int] | None = None,
        policy: Literal["adaptive", "lru"] = "adaptive",
    ) -> None: ...
