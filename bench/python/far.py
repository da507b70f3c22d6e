# SPDX-License-Identifier: MIT
"""Measures what far tiers need from Python: results as bytes and back, keys. Prints Markdown.

python far.py [--rounds N] [--check]
"""

import argparse
import dataclasses
import hashlib
import operator
import pickle
import platform
import random
import sys

import msgpack
import msgspec
import numpy
from dcache import dcache
from dcache._values import codec_of
from paired import Race, calls, ratios, spread_of

SLICE = 4e6


@dataclasses.dataclass
class Order:
    """What a service might return."""

    id: int
    name: str
    price: float
    tags: list[str]


def make(seed=2024):
    """The seven cases, by name: a value, and the class that it is of (or None)."""
    draw = random.Random(seed)

    def word():
        return "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(4, 10)))

    small = [
        {"id": n, "name": word(), "price": draw.random() * 100, "active": n % 2 == 0}
        for n in range(1000)
    ]
    one = {f"field_{n}": draw.choice([n, n * 1.5, word(), None, True]) for n in range(10)}
    orders = [Order(n, word(), draw.random(), [word(), word()]) for n in range(1000)]
    nested = {
        word(): {word(): [draw.randint(0, 10**6), word(), draw.random(), {word(): word()}]
                 for _ in range(12)}
        for _ in range(70)
    }  # fmt: skip
    return {
        "a: 1,000 dicts of 4 fields": (small, None),
        "b: one dict of 10 fields": (one, None),
        "c: 100 KB of bytes": (draw.randbytes(100_000), None),
        "d: 10,000 ints": ([draw.randint(-(2**40), 2**40) for _ in range(10_000)], None),
        "e: 1,000 dataclasses": (orders, Order),
        "f: NumPy, 1 MB": (numpy.array([draw.random() for _ in range(131_072)]), None),
        "g: nested, 50 KB": (nested, None),
    }


BARS = {
    "a": (0.65, 0.40, 0.90),
    "b": (0.33, 0.33, 0.80),
    "c": (1.0, 0.65, 1.05),
    "d": (0.75, 0.65, 1.0),
    "e": (0.25, 0.33, 0.75),
    "f": (0.80, 0.35, 0.80),
    "g": (0.75, 0.45, 0.85),
}


def codecs(value, cls):
    """(encode, decode) by name; what a library does not take is helped along as its users do."""

    def source() -> list[Order]:
        """The annotation names the class."""

    ours = codec_of(source)
    found = {
        "dcache": (ours.encode, ours.decode),
        "pickle": (lambda v: pickle.dumps(v, 5), pickle.loads),
    }
    if isinstance(value, numpy.ndarray):

        def pack(array):
            return [array.dtype.str, array.shape, array.tobytes()]

        def unpack(parts):
            return numpy.frombuffer(parts[2], parts[0]).reshape(parts[1]).copy()

        decoder = msgspec.msgpack.Decoder()
        encoder = msgspec.msgpack.Encoder()
        found["msgpack"] = (
            lambda v: msgpack.packb(pack(v)),
            lambda b: unpack(msgpack.unpackb(b)),
        )
        found["msgspec"] = (lambda v: encoder.encode(pack(v)), lambda b: unpack(decoder.decode(b)))
        return found
    encoder = msgspec.msgpack.Encoder()
    if cls is None:
        decoder = msgspec.msgpack.Decoder()
        found["msgpack"] = (msgpack.packb, msgpack.unpackb)
    else:
        decoder = msgspec.msgpack.Decoder(list[cls])
        fields = tuple(field.name for field in dataclasses.fields(cls))

        def plain(order):
            return [getattr(order, name) for name in fields]

        found["msgpack"] = (
            lambda v: msgpack.packb(v, default=plain),
            lambda b: [cls(*parts) for parts in msgpack.unpackb(b)],
        )
    found["msgspec"] = (encoder.encode, decoder.decode)
    return found


def values(rounds):
    """Rows of the table of values, and whether all bars hold."""
    rows, all_hold = [], True
    for title, (value, cls) in make().items():
        works = {}
        for name, (encode, decode) in codecs(value, cls).items():
            data = encode(value)
            works[name, "encode"] = calls("f(given)", encode, value)
            works[name, "decode"] = calls("f(given)", decode, data)
        race = Race(works, SLICE)
        race.run(rounds)
        both = {
            name: [
                one + other
                for one, other in zip(
                    race.samples[name, "encode"], race.samples[name, "decode"], strict=True
                )
            ]
            for name in ("dcache", "pickle", "msgpack", "msgspec")
        }
        cells = [title, f"{spread_of(both['dcache']).median / 1000:,.1f}"]
        for rival, bar in zip(("pickle", "msgpack", "msgspec"), BARS[title[0]], strict=True):
            measured = spread_of(ratios(both["dcache"], both[rival]))
            holds = measured.median <= bar
            all_hold &= holds
            text = f"{measured.median:.2f}"
            cells.append(f"{text if holds else f'**{text}**'} ({bar:g})")
        rows.append(cells)
        print(*cells, file=sys.stderr)
    return rows, all_hold


def keys(rounds, digest_alone):
    """Rows of the table of keys, and whether all bars hold."""

    def f(number, text="abc"):
        return number

    ten = {f"key_{n}": n for n in range(10)}
    plain = dcache(name="f")(f)
    far = dcache({}, name="f")(name="f")(f)
    far(1)
    far(ten)
    data = plain._canonical(1, "abc")
    digest = hashlib.sha256
    works = {
        "empty": calls("f(1, 'abc')", operator.is_, None),
        "bytes": calls("f(1, 'abc')", plain._canonical, None),
        "key": calls("f(1, 'abc')", far.key, None),
        "dict": calls("f(given)", plain._canonical, ten),
        "sha": calls("f(given).digest()", digest, data),
    }
    race = Race(works, SLICE)
    race.run(rounds)
    medians = {name: spread_of(samples).median for name, samples in race.samples.items()}
    over = medians["bytes"] - medians["empty"]
    return [
        ["bind and encode of `f(1, \"abc\")`, ns over an empty call", f"{over:.0f}", "50"],
        ["with digest, as text: `f.key(1, \"abc\")`, ns over an empty call",
         f"{medians['key'] - medians['empty']:.0f}", ""],
        ["the same ÷ `hashlib.sha256` of the same bytes",
         f"{spread_of(ratios(race.samples['key'], race.samples['sha'])).median:.2f}", "2"],
        ["the same, over an empty call ÷ SHA-256 with algorithm and context at hand, as above",
         f"{(medians['key'] - medians['empty']) / digest_alone:.2f}", "2"],
        ["a dict of ten keys, ns", f"{medians['dict']:.0f}", "1000"],
    ]  # fmt: skip


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--check", action="store_true", help="fail if a bar does not hold")
    parser.add_argument("--digest", type=float, required=True, help="ns of SHA-256, from C++")
    args = parser.parse_args()
    rows, held = values(args.rounds)
    version = platform.python_version()
    print(f"Python {version}, encode + decode: µs, and the ratio to each (at most)\n")
    print("| | µs | ÷ pickle | ÷ msgpack | ÷ msgspec |\n|---|--:|--:|--:|--:|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print("\n| keys from Python | | at most |\n|---|--:|--:|")
    for row in keys(args.rounds, args.digest):
        print(f"| {' | '.join(row)} |")
    return 1 if args.check and not held else 0


if __name__ == "__main__":
    sys.exit(main())
