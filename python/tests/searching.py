# SPDX-License-Identifier: MIT
"""How hypothesis searches here."""

import os

from hypothesis import HealthCheck, settings


def searching(examples, *, sanitized):
    """The same search every time, without a limit for one example and without files."""
    return settings(
        derandomize=True,
        deadline=None,
        database=None,
        max_examples=sanitized if "DCACHE_SANITIZED" in os.environ else examples,
        suppress_health_check=list(HealthCheck),
    )
