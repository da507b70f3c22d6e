# SPDX-License-Identifier: MIT
"""The stubs: what mypy and pyright make of them, and whether they say what is there."""

import ast
import inspect
import os
import pathlib
import shutil
import subprocess
import sys

import dcache as package
import pytest
from dcache import dcache

pytestmark = [
    pytest.mark.full,
    pytest.mark.unsanitized("mypy and node run, hardly anything of ours"),
]
TYPED = pathlib.Path(__file__).parent / "typed"


def run(*command, cache="."):
    environment = {**os.environ, "MYPY_CACHE_DIR": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_sees_the_types_and_the_mistakes_of_the_examples(tmp_path):
    run(sys.executable, "-m", "mypy", "--strict", "--python-version=3.10",
        TYPED / "examples.py", cache=tmp_path)  # fmt: skip


def test_pyright_sees_the_types_and_the_mistakes_of_the_examples():
    pyright = shutil.which("pyright")
    if not pyright:
        pytest.skip("pyright is not on the path: tools/test installs it from npm")
    run(pyright, "--project", TYPED, "--pythonpath", sys.executable)


def test_the_stubs_say_what_is_there_at_run_time(tmp_path):
    allowed = TYPED / "stubtest.txt"
    run(sys.executable, "-m", "mypy.stubtest", "dcache", "--concise", f"--allowlist={allowed}",
        cache=tmp_path)  # fmt: skip


def test_the_stubs_have_every_option_of_the_decorator():
    stub = pathlib.Path(package.__file__).with_suffix(".pyi").read_text()
    typed = {
        field.target.id
        for node in ast.parse(stub).body
        if isinstance(node, ast.ClassDef) and node.name in ("Options", "_Chained", "TierOptions")
        for field in node.body
        if isinstance(field, ast.AnnAssign)
    }
    parameters = inspect.signature(dcache).parameters.values()
    there = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    assert there == typed
