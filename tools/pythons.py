# SPDX-License-Identifier: MIT
"""Builds the Python package and runs its tests on every Python there is, two at a time.

The oldest and the newest run the whole suite, the others what is not marked `full`; the newest runs
it once more under the address and undefined-behaviour sanitizers. Each has its own environment, wheel
and report under build/python/<version>.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from reports import Result, read

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "python"
TESTS = ROOT / "python" / "tests"
OLDEST = (3, 10)
PYRIGHT = "1.1.414"  # The package of npm brings all it needs; that of PyPI fetches it later.
SANITIZED = "asan"
# Which CPython this is, if the package can be built for it.
PROBE = """
import os, platform, sys, sysconfig, venv, ensurepip
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
if (platform.python_implementation() == "CPython" and os.path.exists(header)
        and not sysconfig.get_config_var("Py_GIL_DISABLED")):
    print(*sys.version_info[:2])
"""


def candidates():
    """Paths that may be interpreters, those that come first preferred."""
    yield pathlib.Path(sys.executable)
    for folder in os.get_exec_path():
        yield from sorted(pathlib.Path(folder).glob("python3.*"))
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=False)
        if root.returncode == 0:
            yield from sorted(pathlib.Path(root.stdout.strip()).glob("versions/*/bin/python3"),
                              reverse=True)
    yield pathlib.Path("/usr/bin/python3")


def find():
    """One interpreter for each minor version from `OLDEST` on, by version."""
    found = {}
    for path in candidates():
        if not re.fullmatch(r"python(3(\.\d+)?)?", path.name):
            continue
        said = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False)
        version = tuple(map(int, said.stdout.split())) if said.returncode == 0 else ()
        if version >= OLDEST:
            found.setdefault(version, path)
    return {f"{major}.{minor}": found[major, minor] for major, minor in sorted(found)}


class Job:
    """One Python and what is done on it."""

    def __init__(self, name, python, whole):
        self.name, self.python, self.whole = name, python, whole
        self.sanitized = name == SANITIZED
        self.folder = BUILD / name
        self.log = []

    def run(self):
        started = ready = time.monotonic()
        result = Result()
        try:
            built = self.build()
            ready = time.monotonic()
            if built:
                result += self.test()
            else:
                result.fail(f"the build for python {self.name}")
        except OSError as error:
            result.fail(f"python {self.name}", f"  {error}")
        self.log.append(f"python {self.name}: {result}"
                        f" in {ready - started:.0f} + {time.monotonic() - ready:.0f} s")
        return result

    def shell(self, command, **more):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False, **more)
        if done.stdout.strip():
            self.log.append(done.stdout.rstrip())
        return done.returncode

    def build(self):
        """Installs the package into an environment of its own, as a user would."""
        python = self.folder / "venv" / "bin" / "python"
        pip = [python, "-m", "pip", "--disable-pip-version-check"]
        # What is said of ccache is what it asks of those who precompile headers, and that objects are
        # the same in whatever folder they are made: the library's are those of the other suites.
        environment = {**os.environ, "CMAKE_CXX_COMPILER_LAUNCHER": "ccache",
                       "CCACHE_SLOPPINESS": "pch_defines,time_macros", "CCACHE_NOHASHDIR": "1",
                       "CMAKE_BUILD_PARALLEL_LEVEL": "1"}
        steps = [
            [self.python, "-m", "venv", self.folder / "venv"],
            [*pip, "install", "--quiet", "--requirement", TESTS / "requirements.txt"],
            [*pip, "install", "--quiet", "--force-reinstall", "--no-deps", "--no-build-isolation",
             f"--config-settings=build-dir={self.folder / 'wheel'}", *self.settings(), "."],
        ]
        return all(self.shell(step, cwd=ROOT, env=environment) == 0 for step in steps)

    def settings(self):
        """Our warnings as errors, and the sanitizers: as in the presets, and only here."""
        presets = json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
        variables = {preset["name"]: preset.get("cacheVariables", {}) for preset in presets}
        defined = {name: variables["base"][name]
                   for name in ("CMAKE_COMPILE_WARNING_AS_ERROR", "CMAKE_CXX_FLAGS")}
        if self.sanitized:
            # The interpreter is not built with them: they are a library, which is there before it.
            defined |= variables[SANITIZED]
            defined["CMAKE_MODULE_LINKER_FLAGS"] = "-shared-libasan"
            yield "--config-settings=cmake.build-type=Debug"
            yield "--config-settings=install.strip=false"
        for name, value in defined.items():
            yield f"--config-settings=cmake.define.{name}={value}"

    def test(self):
        report = self.folder / "junit.xml"
        report.unlink(missing_ok=True)
        command = [self.folder / "venv" / "bin" / "python", "-m", "pytest",
                   f"--junitxml={report}", "-o", f"cache_dir={self.folder / 'pytest'}"]
        if not self.whole:
            command += ["-m", "not full"]
        if self.sanitized:  # Frames are several times as large.
            command = ["prlimit", f"--stack={1 << 28}", *command]
        # From its own folder, so that the package is the one that was installed.
        status = self.shell(command, cwd=TESTS, env=self.environment())
        result = read(report, f"python {self.name}")
        if status != 0 and result.failed == 0:
            result.fail(f"pytest of python {self.name} ended with status {status}"
                        f" after {result.passed} tests")
        return result

    def environment(self):
        tools = BUILD / "node" / "node_modules" / ".bin"
        environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                       "HYPOTHESIS_STORAGE_DIRECTORY": str(self.folder / "hypothesis")}
        if self.sanitized:
            library = subprocess.run(
                ["clang++-19", "-print-file-name=libclang_rt.asan-x86_64.so"], text=True,
                capture_output=True, check=True).stdout.strip()
            environment |= {"LD_PRELOAD": library, "PYTHONMALLOC": "malloc",
                            "ASAN_OPTIONS": "detect_leaks=0:intercept_send=0", "UBSAN_OPTIONS": "print_stacktrace=1",
                            "DCACHE_SANITIZED": "1"}
        return environment


def jobs():
    """By name, in the order in which they start: those that take longest first."""
    pythons = find()
    ends = [*pythons][:1] + [*pythons][1:][-1:]
    found = [Job(version, pythons[version], whole=True) for version in ends]
    if ends:
        found.insert(1, Job(SANITIZED, pythons[ends[-1]], whole=True))
    found += [Job(version, python, whole=False)
              for version, python in pythons.items() if version not in ends]
    return {job.name: job for job in found}


def install_pyright():
    folder = BUILD / "node"
    there = folder / "node_modules" / "pyright" / "package.json"
    if there.exists() and json.loads(there.read_text())["version"] == PYRIGHT:
        return True
    command = ["npm", "install", "--prefix", folder, "--no-save", "--no-fund", "--no-audit",
               "--silent", f"pyright@{PYRIGHT}"]
    return shutil.which("npm") and subprocess.run(command, check=False).returncode == 0


def run(only=None):
    """The result over all Pythons, or that of the job named `only`."""
    result = Result()
    chosen = [job for job in jobs().values() if only in (None, job.name)]
    if not chosen:
        result.fail(f"no Python called {only}" if only else "no Python to test")
        return result
    print("\n".join(f"{job.name}: {job.python}" for job in chosen), flush=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    if not install_pyright():
        result.fail("the installation of pyright")
    with ThreadPoolExecutor(min(2, len(os.sched_getaffinity(0)))) as pool:
        running = {pool.submit(job.run): job for job in chosen}
        for done in as_completed(running):
            print(f"\n---- python {running[done].name} ".ljust(80, "-"))
            print("\n".join(running[done].log), flush=True)
            result += done.result()
    return result


def fuzz():
    """Runs the fuzzer of values under the sanitizers; its exit status."""
    job = jobs()[SANITIZED]
    built = job.build()
    print("\n".join(job.log), flush=True)
    if not built:
        return 1
    command = ["nice", job.folder / "venv" / "bin" / "python", "-W", "ignore", "fuzz_values.py"]
    return subprocess.run(command, cwd=TESTS, env=job.environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(fuzz() if sys.argv[1:] == ["fuzz"] else "usage: pythons.py fuzz")
