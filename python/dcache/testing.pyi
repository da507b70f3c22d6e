# SPDX-License-Identifier: MIT
from datetime import timedelta

__all__ = ["ManualClock"]

class ManualClock:
    """A clock that stands still until told to move: `@dcache(ttl="10m", clock=clock)`."""

    def advance(self, by: float | timedelta | str) -> None: ...
