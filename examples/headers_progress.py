# SPDX-License-Identifier: MIT
"""A bar that shows how far the demo is, and numbers as people write them."""

import os
import shutil
import sys


def time_text(seconds):
    """Three digits and a unit: "4.65 s", "12.3 s", "104 ms", "0.3 ms", "0.04 ms"."""
    if seconds < 0.9995:
        return f"{1e3 * seconds:.{2 if seconds < 0.0001 else 1 if seconds < 0.01 else 0}f} ms"
    return f"{seconds:.{2 if seconds < 9.995 else 1}f} s"


def has_utf8():
    """Whether this terminal is told to show more than ASCII."""
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    told = "UTF-8" in locale or "utf8" in locale
    return told and (sys.stdout.encoding or "").lower().startswith("utf")


class Progress:
    """On a terminal it redraws one line; elsewhere it writes a line now and then."""

    def __init__(self, title, total):
        """`total` > 0: how many calls there will be."""
        self.title = title
        self.total = total
        self.terminal = sys.stdout.isatty()
        self.said = 0
        others = 54  # The columns beside the bar.
        columns = shutil.get_terminal_size((80, 24)).columns
        self.bar_width = min(26, max(4, columns - others))

    def show(self, done, elapsed):
        """Say that so many calls were made in so many seconds."""
        if self.terminal:
            print(f"\r{self._line(done, elapsed)}\033[K", end="", flush=True)
        elif done == self.total or done >= self.said + self.total // 4:
            self.said = done
            told = f"{done:,} of {self.total:,} calls"
            print(f"  {self.title:18} {told:>22} {time_text(elapsed):>9}", flush=True)

    def finish(self, elapsed):
        """Say that all calls were made."""
        self.show(self.total, elapsed)
        if self.terminal:
            print()

    def _line(self, done, elapsed):
        full, empty = "█░" if has_utf8() else "#."
        filled = done * self.bar_width // self.total
        bar = full * filled + empty * (self.bar_width - filled)
        percent = done * 100 // self.total
        return f"  {self.title:18} {bar} {percent:3} % {done:9,} calls {time_text(elapsed):>9}"
