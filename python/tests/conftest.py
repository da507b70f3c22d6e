# SPDX-License-Identifier: MIT
"""What the marks mean (pyproject.toml names them; `full` is tools/test's choice)."""

import os
import pathlib
import signal
import sys

import pytest

# Servers that the tests of both languages start.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "support"))

# A shell has what it starts in the background ignore Ctrl-C, and so would all that is started here.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    if "DCACHE_SANITIZED" not in os.environ:
        return
    for item in items:
        if mark := item.get_closest_marker("unsanitized"):
            item.add_marker(pytest.mark.skip(reason=f"under the sanitizers: {mark.args[0]}"))
