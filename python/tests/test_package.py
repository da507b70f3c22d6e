# SPDX-License-Identifier: MIT
"""What the wheel brings, and what an import costs."""

import importlib.metadata
import os
import pathlib
import subprocess
import sys
import sysconfig

from dcache import _engine

HEAVY = ("asyncio", "inspect", "typing", "dataclasses", "logging")


def shipped():
    return [file.as_posix() for file in importlib.metadata.files("dcache")]


def test_the_wheel_has_the_extension_and_the_types():
    expected = {
        f"_engine{sysconfig.get_config_var('EXT_SUFFIX')}",
        *("__init__.py", "__init__.pyi", "_engine.pyi", "functools.pyi", "backends.pyi"),
        *("exceptions.pyi", "keys.pyi", "py.typed"),
    }
    assert {f"dcache/{name}" for name in expected} <= set(shipped())


def test_the_wheel_has_nothing_else():
    ours = [name for name in shipped() if not name.startswith("dcache-") and ".pyc" not in name]
    assert all(name.startswith("dcache/") for name in ours)
    assert {name.rsplit(".", 1)[-1] for name in ours} == {"py", "pyi", "so", "typed"}


def test_the_extension_has_the_sanitizers_only_where_they_are_asked_for():
    sanitized = b"__asan_" in pathlib.Path(_engine.__file__).read_bytes()
    assert sanitized == ("DCACHE_SANITIZED" in os.environ)


def test_an_import_brings_no_heavy_module():
    # -S: `site` may run code of others, which imports what it likes.
    program = f"""
import sys
sys.path[:] = {sys.path!r}
import dcache
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
