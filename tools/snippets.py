#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Takes the C++ out of the pages, for tests/docs/pages_test.cpp to compile and run.

    snippets.py FOLDER CACHE    writes FOLDER/PAGE.inc, and FOLDER/headers.inc with what all include
    snippets.py --list          names the pages with C++

CACHE/PAGE stands in for /var/cache: others run the same pages.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FENCED = re.compile(r"^```cpp\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages():
    """The C++ of each page that has some."""
    found = {}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]:
        snippets = FENCED.findall(page.read_text())
        if snippets:
            found[page.relative_to(ROOT).as_posix()] = "\n".join(snippets)
    return found


def write(folder, cache):
    folder.mkdir(parents=True, exist_ok=True)
    headers = set()
    for page, text in pages().items():
        stem = pathlib.Path(page).stem
        lines = text.replace("/var/cache", f"{cache}/{stem}").splitlines(keepends=True)
        headers.update(line for line in lines if line.startswith("#include"))
        body = "".join(line for line in lines if not line.startswith("#include"))
        replace(folder / f"{stem}.inc", body)
    replace(folder / "headers.inc", "".join(sorted(headers)))


def replace(path, text):
    if not path.exists() or path.read_text() != text:  # Nothing is compiled in vain.
        path.write_text(text)


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(";".join(pages()), end="")
    else:
        write(pathlib.Path(sys.argv[1]), sys.argv[2])
