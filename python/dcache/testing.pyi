# SPDX-License-Identifier: MIT
from collections.abc import Callable
from datetime import timedelta

__all__ = ["ManualClock", "check_backend"]

class ManualClock:
    """A clock that stands still until told to move: `@dcache(ttl="10m", clock=clock)`."""

    def advance(self, by: float | timedelta | str) -> None: ...

def check_backend(make: Callable[[], object], *, value_max: int = ...) -> list[str]: ...
