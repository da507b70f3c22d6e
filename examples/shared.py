# SPDX-License-Identifier: MIT
"""Two programs share one result through files: shared.cpp, and this one.

    python shared.py CACHE FOLDER

counts the words of every file under FOLDER, which takes a while, unless somebody has done so. The
name is what the two have in common: it stands for what the function does.
"""

import collections
import os
import pathlib
import re
import sys
import time

from dcache import dcache
from dcache.backends import FileBackend

if len(sys.argv) != 3:
    sys.exit("usage: shared.py CACHE FOLDER")

computed = False
cache = dcache(FileBackend(sys.argv[1]))


@cache(name="examples:most_frequent_words")
def most_frequent_words(folder):
    """The three most frequent ones."""
    global computed
    computed = True
    counts = collections.Counter()
    for path, _, files in os.walk(folder):
        for name in files:
            text = pathlib.Path(path, name).read_bytes()
            counts.update(word.decode() for word in re.findall(rb"[A-Za-z_]+", text))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]


begun = time.perf_counter()
found = most_frequent_words(sys.argv[2])
took = (time.perf_counter() - begun) * 1000
print(f"  Python  {took:9.1f} ms  {'computed' if computed else 'found':8} ", end="")
print("".join(f" {word} {times}" for word, times in found))
