# SPDX-License-Identifier: MIT
"""The examples in Python: each prints what the comment at the end of its source says."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def run(name, *words):
    """What the example prints."""
    command = [sys.executable, EXAMPLES / name, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("name", ["async_.py", "freshness.py", "memoize.py", "methods.py"])
def test_an_example_prints_what_its_source_says(name):
    _, begin, says = (EXAMPLES / name).read_text(encoding="utf-8").partition("\n# Prints:\n")
    assert begin
    assert run(name) == re.sub("^# ?", "", says, flags=re.MULTILINE)


@pytest.mark.skipif(not os.path.isdir("/usr/include"), reason="the demo is about its headers")
def test_the_demo_gets_the_same_answers_with_and_without_dcache():
    assert "All answers are the same with and without dcache" in run("headers.py", "20")
