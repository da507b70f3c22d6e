# SPDX-License-Identifier: MIT
"""For tests of code that caches."""

from . import _engine
from ._durations import seconds
from ._engine import UsageError

__all__ = ["ManualClock", "check_backend"]


class ManualClock(_engine.ManualClock):
    """A clock that stands still until told to move: `@dcache(ttl="10m", clock=clock)`."""

    def advance(self, by):
        """Move it forward: seconds, a `timedelta`, or text such as "11m"."""
        self._advance(seconds("by", by, least=0))


def check_backend(make, *, value_max=4 << 20):
    """Raise AssertionError unless the backends that `make()` gives do what every backend has to.

    make: gives another object each time, over the same store: a `dcache.backends.Backend`, a URL, a
        mapping of text to bytes.
    value_max: the largest value that it takes, in bytes.

    The suite is the one that the engine's own backends pass. It runs over the backend as it is,
    then with each of what may stand around it in a chain: a tier with its breaker, meter and
    budget, `ttl`, a secret, compression, a tier that is not read or not written to, a store with
    faults. Returns what was checked.
    """
    from ._tiers import engine_backend

    if not callable(make):
        raise UsageError(
            f"dcache: make is {make!r}; expected a callable that gives a backend: lambda: ..."
        )
    engine_backend(make())  # What that raises is told best by itself.
    results = _engine.check_backend(lambda: engine_backend(make()), value_max)
    wrong = [
        f"{sentence}: {why}" if hook == "bare" else f"{sentence}, in {hook}: {why}"
        for hook, sentence, why in results
        if why
    ]
    if wrong:
        raise AssertionError("\n".join(["this backend does not do what it has to:", *wrong]))
    return list(dict.fromkeys(sentence for _, sentence, _ in results))
