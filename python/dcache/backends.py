# SPDX-License-Identifier: MIT
"""Where results are kept. So far: in the memory of this process."""

from ._engine import MISSING, ConfigError, SharedTable
from ._options import MAXSIZE, count

__all__ = ["Base", "InMemory", "InMemoryBackend"]


class InMemoryBackend:
    """The near tier, described: its bounds hold for all functions of one cache together.

    maxsize: the most results kept; `None`: no bound on their number. Default: 10,000, or no bound
        if `max_bytes` is given.
    max_bytes: the most bytes, counted as `sys.getsizeof` of arguments and result (not of what they
        refer to), or as `weigher(result)`.
    policy: "adaptive", or "lru" for exact LRU order.

    Makes nothing but the table. Raises ConfigError for what can never work.
    """

    def __init__(self, *, maxsize=MAXSIZE, max_bytes=None, weigher=None, policy="adaptive"):
        """Raises ConfigError for bounds that can never work."""
        if maxsize is MAXSIZE and max_bytes is not None:
            maxsize = None
        if weigher is not None and (max_bytes is None or not callable(weigher)):
            raise ConfigError("dcache: weigher is a callable of the result, and needs max_bytes")
        if policy not in ("adaptive", "lru"):
            raise ConfigError(f'dcache: policy is {policy!r}; expected "adaptive" or "lru"')
        self.maxsize = count("maxsize", maxsize, 1)
        self.max_bytes = count("max_bytes", max_bytes, 1)
        self._table = SharedTable(
            maxsize=self.maxsize,
            max_bytes=self.max_bytes,
            weigher=weigher,
            lru=policy == "lru",
        )

    def __repr__(self):
        """Name the bounds."""
        bounds = [f"maxsize={self.maxsize!r}"]
        if self.max_bytes is not None:
            bounds.append(f"max_bytes={self.max_bytes!r}")
        return f"{type(self).__name__}({', '.join(bounds)})"


class Base:
    """What a backend of the first version inherits from: `__getitem__` and `__setitem__`.

    A key that is not there is a `dcache.exceptions.NotExistError`.
    """

    def __getitem__(self, key):
        """What is kept under `key`."""
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")

    def __setitem__(self, key, value):
        """Keep `value` under `key`."""
        raise NotImplementedError(f"{type(self).__name__} has no __setitem__")


class InMemory(InMemoryBackend, Base):
    """The first version's name of `InMemoryBackend`, which can be used as a mapping, too."""

    def __init__(self, **bounds):
        """As InMemoryBackend."""
        super().__init__(**bounds)
        from ._decorate import Cache

        self._box = Cache(self)(_no_result)

    def __getitem__(self, key):
        """What is kept under `key`; NotExistError if nothing is."""
        value = self._box.peek(key)
        if value is MISSING:
            from .exceptions import NotExistError

            raise NotExistError(key)
        return value

    def __setitem__(self, key, value):
        """Keep `value` under `key`, within the bounds."""
        self._box.put(value, key)


def _no_result(key):
    """Stands behind the entries of a mapping: they are put and peeked at, never computed."""
    raise NotImplementedError
