# SPDX-License-Identifier: MIT
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Literal

__all__ = [
    "Backend",
    "Base",
    "FileBackend",
    "InMemory",
    "InMemoryBackend",
    "RedisBackend",
    "S3Backend",
    "Tier",
    "load_plugin",
]

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

class _Store:
    def check(self) -> None: ...
    def close(self) -> None: ...

class FileBackend(_Store):
    """Files on a disk of this machine, shared by its processes."""

    path: str
    max_bytes: int
    allow_shared: bool
    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int | str = "1GB",
        allow_shared: bool = False,
    ) -> None: ...

class RedisBackend(_Store):
    """Redis or Valkey: results that a fleet shares."""

    def __init__(
        self,
        host: str = "localhost",
        port: int = 6379,
        db: int = 0,
        *,
        path: str | os.PathLike[str] | None = None,
        username: str | None = None,
        password: str | None = None,
        tls: bool = False,
        ca_file: str | os.PathLike[str] | None = None,
        certificate_file: str | os.PathLike[str] | None = None,
        key_file: str | os.PathLike[str] | None = None,
        server_name: str | None = None,
        verify: bool = True,
        timeout: float | timedelta | str = 0.1,
        connect_timeout: float | timedelta | str = 0.25,
        lease: float | timedelta | str = 10,
    ) -> None: ...

class S3Backend(_Store):
    """S3 and what speaks like it: results that outlive machines."""

    def __init__(
        self,
        bucket: str | None = None,
        prefix: str | None = None,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        profile: str | None = None,
        anonymous: bool = False,
        ca_file: str | os.PathLike[str] | None = None,
        expiry_tags: bool = True,
        lease: float | timedelta | str | None = None,
        max_bytes: int | str = "64MiB",
        timeout: float | timedelta | str = 2,
        connect_timeout: float | timedelta | str = 1,
    ) -> None: ...
    def lifecycle_rules(self) -> dict[str, Any]: ...

class Backend:
    """A store of your own: subclass it, with plain methods or with `async def`."""

    shared: bool
    timeout: float
    near_ttl: float
    mark_ttl: float
    def get(self, key: str) -> bytes | Awaitable[bytes | None] | None: ...
    def put(self, key: str, value: bytes, expires: float | None) -> Awaitable[None] | None: ...
    def erase(self, key: str) -> Awaitable[None] | None: ...

class Tier:
    """A far tier and how it is used."""

    backend: Any
    ttl: float | None
    timeout: float | None
    reads: bool
    writes: bool
    def __init__(
        self,
        backend: Any,
        *,
        ttl: float | timedelta | str | None = None,
        reads: bool = True,
        writes: bool = True,
        timeout: float | timedelta | str | None = None,
    ) -> None: ...

def load_plugin(path: str | os.PathLike[str]) -> str: ...

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
