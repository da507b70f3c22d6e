# SPDX-License-Identifier: MIT
"""Damaged and invented values: whatever the bytes are, reading them is a value or a refusal.

    python fuzz_values.py [INPUTS [SEED]]
    python fuzz_values.py grow INPUTS

Part of `make fuzz`, under the sanitizers; the first inputs are part of every test run, and so is
the corpus, from which the search begins. `grow` adds to it what is read as nothing there is.
"""

import dataclasses
import datetime
import decimal
import enum
import fractions
import hashlib
import pathlib
import random
import re
import sys
import time
import uuid
from typing import NamedTuple

import numpy
from dcache._values import codec_of


@dataclasses.dataclass
class Order:
    """A class that may be rebuilt."""

    id: int
    name: str
    parts: list


class Place(NamedTuple):
    """And one that is a tuple."""

    x: float
    y: float


class Colour(enum.Enum):
    """And one of members."""

    RED = 1
    BLUE = "b"


def source() -> "tuple[Order, Place, Colour]":
    """The annotation names them."""


VALUES = [
    {"a": 1, "b": [2.5, None, True], "c": ("x", b"y"), "d": {"e": {1, 2}, "f": frozenset("ab")}},
    [2**70, -(2**70), 0, -1, 255, 1e300, float("nan"), "text", "\ud800", "é" * 20],
    [Order(1, "n", [Place(1.0, 2.0), Colour.RED]), Order(2, "m", [])],
    [
        datetime.datetime(2026, 11, 29, 3, 4, 5, 6, datetime.timezone.utc),
        datetime.date(2026, 1, 1),
        datetime.time(1, 2, 3),
        datetime.timedelta(3, 4, 5),
        decimal.Decimal("1.00"),
        fractions.Fraction(1, 3),
        uuid.UUID(int=7),
        pathlib.PurePosixPath("/a/b"),
        range(1, 9, 2),
    ],
    [numpy.arange(6.0).reshape(2, 3), numpy.array([1, 2], "int16"), numpy.float32(1.5)],
    numpy.array(["a", "bc"]),
    [[[[[[[[1]]]]]]]],
]


CORPUS = pathlib.Path(__file__).parents[2] / "tests" / "fuzz" / "corpus" / "python_value"


def corpus():
    """What the search kept."""
    return [path.read_bytes() for path in sorted(CORPUS.glob("*"))]


def verdict(data):
    """The types of a value, or the words of a refusal. Raises what no decoder should."""
    codec = codec_of(source)
    try:
        value = codec.decode(data)
    except ValueError as error:
        return re.sub(r"\d+", "#", str(error))
    codec.encode(value)
    return shape(value)


def shape(value, levels=8):
    """Of which types it is made, so many levels deep."""
    name = type(value).__name__
    inner = [*value, *value.values()] if isinstance(value, dict) else value
    if levels == 0 or not isinstance(value, (dict, list, tuple, set, frozenset)):
        return name
    return f"{name}({', '.join(sorted({shape(item, levels - 1) for item in inner}))})"


def damaged(samples, inputs, seed):
    """Samples with a few changes, one after the other."""
    draw = random.Random(seed)
    for turn in range(inputs):
        data = bytearray(samples[turn % len(samples)])
        for _ in range(draw.randrange(1, 4)):
            at = draw.randrange(len(data) + 1)
            kind = draw.randrange(4)
            if kind == 0 and at < len(data):
                data[at] = draw.randrange(256)
            elif kind == 1:
                del data[at : at + draw.randrange(4)]
            elif kind == 2:
                data[at:at] = data[at - 8 : at]
            else:
                data[at:at] = draw.randbytes(draw.randrange(1, 4))
        yield turn, data


def samples():
    """From where the search begins."""
    codec = codec_of(source)
    return [codec.encode(value) for value in VALUES] + corpus()


def fuzz(inputs, seed):
    """How many inputs were values after all. Raises what no decoder should."""
    codec = codec_of(source)
    believed = 0
    for turn, data in damaged(samples(), inputs, seed):
        try:
            value = codec.decode(data)
        except ValueError:
            continue
        believed += 1
        if turn % 64 == 0:
            codec.encode(value)
    return believed


def grow(inputs, seed):
    """Keeps what has a verdict that nothing kept has, if it is short."""
    kept = samples()
    known = {verdict(data) for data in kept}
    for whole in kept:
        for end in range(len(whole)):
            keep(whole[:end], known)
    for _, data in damaged(kept, inputs, seed):
        keep(bytes(data), known)


def keep(data, known):
    """Keeps one input, if it is new."""
    said = verdict(data)
    if said in known or len(data) > 256 or len(said) > 60:
        return
    known.add(said)
    CORPUS.mkdir(parents=True, exist_ok=True)
    (CORPUS / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    if sys.argv[1:2] == ["grow"]:
        sys.exit(grow(int(sys.argv[2]), random.SystemRandom().randrange(2**32)))
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(2**32)
    begun = time.monotonic()
    believed = fuzz(inputs, seed)
    print(f"{inputs:,} inputs of seed {seed} in {time.monotonic() - begun:.0f} s:"
          f" {believed:,} were values")  # fmt: skip
