# SPDX-License-Identifier: MIT
"""The slow functions of the demo: what is in a header, and what does including it bring along?"""

import os
import re
from typing import NamedTuple


class Summary(NamedTuple):
    """One header: what is in it once comments and strings are out of the way.

    Functions and types are counted by the look of a line, since nothing here is a compiler.
    """

    bytes: int
    code_lines: int
    comment_lines: int
    macros: int
    functions: int
    types: int
    longest_line: int
    includes: tuple  # Of the files that it includes, where they were found; #if is not evaluated.


class Survey(NamedTuple):
    """A header with everything that it includes, directly or not."""

    headers: int
    bytes: int
    code_lines: int
    comment_lines: int
    macros: int
    functions: int
    types: int
    longest_line: int


class SearchPath:
    """Where a compiler of this machine would look."""

    def __init__(self, root="/usr/include"):
        """Raise FileNotFoundError if there is no `root`."""
        if not os.path.isdir(root):
            raise FileNotFoundError(f"there is no {root}; on Debian: apt-get install g++ libc6-dev")
        self.root = root
        version = _last_entry(os.path.join(root, "c++"))
        machine = _last_entry(root, "-linux-gnu")
        compiler = _last_entry(os.path.join("/usr/lib/gcc", os.path.basename(machine)))
        folders = (
            version,
            os.path.join(machine, "c++", os.path.basename(version)),
            os.path.join(compiler, "include"),
            machine,
            root,
        )
        self.folders = [folder for folder in folders if os.path.isdir(folder)]

    def find(self, beside, name):
        """The file that an #include means, or None; `beside` is the folder for one in quotes."""
        for folder in (beside, *self.folders) if beside else self.folders:
            candidate = os.path.join(folder, name)
            if os.path.isfile(candidate):
                return os.path.normpath(candidate)
        return None

    def well_known(self):
        """Headers that programs include by name: the C library's, the kernel's, the C++ ones."""
        found = set()
        for folder in (self.root, os.path.join(self.root, "linux"), self.folders[0]):
            if os.path.isdir(folder):
                found.update(
                    entry.path
                    for entry in os.scandir(folder)
                    if entry.is_file() and os.path.splitext(entry.name)[1] in (".h", "")
                )
        return sorted(found)


def _last_entry(folder, part_of_name=""):
    """The one whose name sorts last, such as the newest version of a compiler; "" if none."""
    names = [name for name in _names_in(folder) if part_of_name in name]
    last = max(names, key=lambda name: (len(name), name), default=None)  # "9" before "12"
    return os.path.join(folder, last) if last else ""


def _names_in(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


_NOISE = re.compile(
    r"""//.*|/\*.*?(?:\*/|$)|"(?:[^"\\]|\\.)*\\?"?|(?<!\w)'(?:[^'\\]|\\.)*\\?'?""", re.ASCII
)
_WORD = re.compile(r"\w+", re.ASCII)
_INCLUDED = re.compile(r'[^<"]*(?:<([^>]*)>|"([^"]*)")')
_BLANKS = " \t\r\f"
_STATEMENTS = {"if", "for", "while", "switch", "return", "sizeof", "delete", "throw"}


class _Stripper:
    """Takes comments and the inside of strings away, line by line."""

    def __init__(self):
        self.in_comment = False
        self.commented = False  # There was something of a comment in the last line.

    def strip(self, line):
        self.commented = self.in_comment
        if self.in_comment:
            _, end, line = line.partition("*/")
            if not end:
                return ""
            self.in_comment = False
        if "/" in line or '"' in line or "'" in line:
            line = _NOISE.sub(self._replace, line)
        return line.strip(_BLANKS)

    def _replace(self, match):
        noise = match[0]
        if noise[0] != "/":
            return noise[0] * 2
        self.commented = True
        self.in_comment = noise[1] == "*" and not (len(noise) > 3 and noise.endswith("*/"))
        return ""


def _first_word(text):
    match = _WORD.search(text)
    return match[0] if match else ""


def _declares_function(code):
    """`something name(...`, where `something` and `name` are no keywords of statements."""
    before, paren, _ = code.partition("(")
    if not paren or "=" in before or not (" " in before or "\t" in before):
        return False
    return _WORD.match(before[-1]) is not None and _first_word(code) not in _STATEMENTS


def summarise(search, path):
    """Read and parse one header."""
    with open(path, encoding="latin-1", newline="") as file:
        text = file.read()
    folder = os.path.dirname(path)
    code_lines = comment_lines = macros = functions = types = longest_line = 0
    includes = []
    stripper = _Stripper()
    for line in text.split("\n"):
        longest_line = max(longest_line, len(line))
        code = stripper.strip(line)
        comment_lines += stripper.commented
        if not code:
            continue
        code_lines += 1
        word = _first_word(code)
        if code[0] == "#":
            macros += word == "define"
            if word in ("include", "include_next", "import"):
                includes += _included(search, folder, line)
        elif word in ("class", "struct", "union", "enum") and code[-1] != ";":
            types += 1
        elif _declares_function(code):
            functions += 1
    return Summary(
        len(text),
        code_lines,
        comment_lines,
        macros,
        functions,
        types,
        longest_line,
        tuple(includes),
    )


def _included(search, folder, line):
    """The file that the line includes, if it is there."""
    match = _INCLUDED.match(line)
    if match:
        angled, quoted = match.groups()
        found = search.find(None, angled) if quoted is None else search.find(folder, quoted)
        if found:
            yield found


class _Tally:
    """The headers still to be looked at, and what was in the others."""

    def __init__(self, path):
        self.open = [path]
        self.seen = {path}
        self.summaries = []

    def add(self, summary):
        self.summaries.append(summary)
        for include in summary.includes:
            if include not in self.seen:
                self.seen.add(include)
                self.open.append(include)

    def survey(self):
        *counts, longest_lines, _ = zip(*self.summaries, strict=True)
        return Survey(len(self.summaries), *map(sum, counts), max(longest_lines))


def survey(path, summarise):
    """Summarise a header and everything that it includes."""
    tally = _Tally(path)
    while tally.open:
        tally.add(summarise(tally.open.pop()))
    return tally.survey()


async def survey_async(path, summarise):
    """`survey` where `summarise` is awaited."""
    tally = _Tally(path)
    while tally.open:
        tally.add(await summarise(tally.open.pop()))
    return tally.survey()
