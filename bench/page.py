# SPDX-License-Identifier: MIT
"""A page of docs/bench that two programs write, one in C++ and one in Python."""

import argparse
import pathlib
import subprocess

from run import ROOT, machine, write


def measure(name, title, about, script, words):
    """Measure, print and write docs/bench/`name`.md; the exit status.

    script: in bench/python. words(args, said): what it is told besides, of what the first has said.
    """
    parser = argparse.ArgumentParser(description=f"Measures what docs/bench/{name}.md says.")
    parser.add_argument("python", nargs="?", default="python3")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--check", action="store_true", help="fail if a bar does not hold")
    args = parser.parse_args()
    folder = ROOT / "build" / f"bench-{name}"
    programs = ROOT / "bench" / "python"
    requirements = programs / f"requirements-{name}.txt"
    subprocess.run([ROOT / "tools" / "venv", folder, args.python, requirements], check=True)
    rounds = ["--rounds", str(args.rounds), *(["--check"] if args.check else [])]
    said, held = [], True
    for command in (
        lambda: [args.build / "bench" / name],
        lambda: [folder / "bin" / "python", programs / script, *words(args, said[0])],
    ):
        done = subprocess.run(
            [*command(), *rounds], stdout=subprocess.PIPE, text=True, cwd=folder, check=False
        )
        if done.returncode not in (0, 1):
            return done.returncode
        held &= done.returncode == 0
        print(done.stdout)
        said.append(done.stdout.strip())
    write(f"{name}.md", f"# {title}", machine(args.build) + ".", about, *said,
          f"`make bench-{name}` measures this again.")  # fmt: skip
    return 0 if held or not args.check else 1
