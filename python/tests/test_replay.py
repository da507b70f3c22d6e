# SPDX-License-Identifier: MIT
"""The decorator hits as often as the table in C++ on a recorded sequence of requests."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).parents[2] / "bench" / "python"))

import replay

# What `bench/replay.cpp` says of this trace (docs/bench/hit-ratio.md), in percent.
MEMORY = {137: 42.74, 1375: 72.24}


@pytest.mark.full
@pytest.mark.unsanitized("half a million calls")
def test_the_hit_ratios_of_a_trace_are_those_of_the_replayer_in_cpp():
    found = dict(replay.cells(replay.CARRIED / "cache2k-web12.txt.gz"))
    ratios = {entries: ratio for (_, _, entries), ratio in found.items()}
    assert ratios == pytest.approx(MEMORY, abs=0.5)
