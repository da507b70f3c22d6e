# SPDX-License-Identifier: MIT
"""What the whole process does with its caches."""

import os

from . import _engine

_MODES = {"normal": 0, "refresh": 1, "bypass": 2, "read-only": 3, "offline": 4}


def configure(backend=None, /, *, multiple=None, mode=None):
    """Change what this process does with its caches, from the next call on.

    backend, multiple: the far tiers, behind their memory, of functions that name none themselves;
        "memory:" for none. At start it is what `DCACHE_URL` says.
    mode: "normal"; "refresh" (nothing is read, results are stored); "bypass" (functions are called
        as if they were not decorated); "read-only" (nothing is written to far tiers); "offline"
        (far tiers are left alone). At start it is what `DCACHE_MODE` says.

    Raises ConfigError; nothing has changed then.
    """
    if mode is not None and mode not in _MODES:
        _set_mode("mode", mode)
    if backend is not None and multiple is not None:
        raise _engine.ConfigError("dcache: a backend and multiple=[...]: put it into the list")
    if backend is not None or multiple is not None:
        from . import _far

        _far.configure([backend] if multiple is None else list(multiple))
    if mode is not None:
        _set_mode("mode", mode)


def _set_mode(name, mode):
    if mode not in _MODES:
        raise _engine.ConfigError(f"dcache: {name} is {mode!r}; expected one of {tuple(_MODES)}")
    _engine._set_mode(_MODES[mode])


_set_mode("DCACHE_MODE", os.environ.get("DCACHE_MODE") or "normal")


class disabled:
    """`with dcache.disabled():` calls functions in the block as if they were not decorated.

    Holds for the code of the block, and for the tasks and threads that inherit its context
    (`asyncio.create_task`, `asyncio.to_thread`); for the process see `configure(mode="bypass")`.
    """

    def __enter__(self):
        """Begin the block."""
        _engine.disabled.set(_engine.disabled.get() + 1)
        _engine._count_block(1)
        return self

    def __exit__(self, *error):
        """End it."""
        _engine._count_block(-1)
        blocks = _engine.disabled.get()
        if blocks == 0:
            raise _engine.UsageError(
                "dcache: disabled() ends in another context (task, thread) than it began in, "
                "where it has had no effect"
            )
        _engine.disabled.set(blocks - 1)
