# SPDX-License-Identifier: MIT
"""The examples in Python: each prints what the comment at the end of its source says."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from redis_server import Server

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def run(name, *words):
    """What the example prints."""
    command = [sys.executable, EXAMPLES / name, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    "name", ["async_.py", "freshness.py", "memoize.py", "methods.py", "object_store.py"]
)
def test_an_example_prints_what_its_source_says(name):
    _, begin, says = (EXAMPLES / name).read_text(encoding="utf-8").partition("\n# Prints:\n")
    assert begin
    assert run(name) == re.sub("^# ?", "", says, flags=re.MULTILINE)


@pytest.mark.skipif(not os.path.isdir("/usr/include"), reason="the demo is about its headers")
def test_the_demo_gets_the_same_answers_with_and_without_dcache():
    assert "All answers are the same with and without dcache" in run("headers.py", "20")


@pytest.mark.unsanitized("the processes are others")
@pytest.mark.skipif(not os.path.isdir("/usr/include"), reason="the demo is about its headers")
def test_two_processes_of_the_demo_share_a_redis():
    server = Server()
    try:
        said = run("fleet.py", server.socket, "20")
    finally:
        server.close()
    assert "All answers are the same in both" in said
    rows = re.findall(r"^  \w+ process" + r" +(\d+) +[\d.]+ m?s" * 3, said, re.M)
    assert [sum(map(int, row)) for row in rows] == [20, 20]


def shared_program():
    """shared.cpp, compiled: by the C++ suites if they have run, else here."""
    for built in sorted((ROOT / "build").glob("*/examples/shared")):
        return built
    steps = (["--preset", "gcc"], ["--build", "--preset", "gcc", "--target", "example_shared"])
    for step in steps:
        subprocess.run(["cmake", *step], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return ROOT / "build" / "gcc" / "examples" / "shared"


@pytest.mark.unsanitized("the program is another process")
@pytest.mark.parametrize("cpp_first", [True, False])
def test_a_function_in_cpp_and_one_in_python_of_one_name_share_results(tmp_path, cpp_first):
    words = (tmp_path / "cache", EXAMPLES)

    def in_cpp():
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        command = [shared_program(), *words]
        return subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.split()[3:]

    def in_python():
        return run("shared.py", *words).split()[3:]

    first, second = (in_cpp, in_python) if cpp_first else (in_python, in_cpp)
    computed, *counts = first()
    assert computed == "computed"
    assert second() == first() == ["found", *counts]
