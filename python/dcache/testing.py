# SPDX-License-Identifier: MIT
"""For tests of code that caches."""

from . import _engine
from ._durations import seconds

__all__ = ["ManualClock"]


class ManualClock(_engine.ManualClock):
    """A clock that stands still until told to move: `@dcache(ttl="10m", clock=clock)`."""

    def advance(self, by):
        """Move it forward: seconds, a `timedelta`, or text such as "11m"."""
        self._advance(seconds("by", by, least=0))
