# SPDX-License-Identifier: MIT
"""Far keys: which function, which call, the same text in every process."""

import base64
import dataclasses
import fractions
import functools
import hashlib
import math
import pathlib
import re
import subprocess
import sys
import typing
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import attrs
import cbor2
import numpy
import pydantic
import pydantic.dataclasses
import pytest
from dcache import ConfigError, UnkeyableError, UsageError, dcache, register
from dcache._engine import canonical_bytes
from dcache.keys import dhash


class Session:
    pass


@dcache
def load(user, depth=2, *, flag=False):
    return user


def test_a_far_key_is_readable_and_one_for_every_spelling():
    key = load.key(1)
    assert key == load.key(user=1) == load.key(1, 2) == load.key(1, flag=False, depth=2)
    assert key != load.key(2)
    function, digest = key.rsplit(":", 1)
    assert function == "test_far_keys:load"
    assert len(digest) == 52
    assert set(digest) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_name_version_and_namespace_are_part_of_it(monkeypatch):
    def key(**options):
        return dcache(**options)(lambda x: x).key(1)

    plain = key(name="load")
    assert plain.startswith("load:")
    assert key(name="load", version="2") != plain
    assert key(name="load", namespace="shop") == "shop:" + plain
    monkeypatch.setenv("DCACHE_NAMESPACE", "other")
    assert key(name="load") == "other:" + plain


def test_the_fingerprint_of_the_code_is_a_version():
    def key(body):
        return dcache(name="f", version="code")(body).key(1)

    assert key(lambda x: x + 1) == key(lambda x: x + 1)
    assert key(lambda x: x + 1) != key(lambda x: x + 2)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x, "is a lambda"),
        (functools.partial(print), "is a partial"),
        ((lambda y: lambda x: y)(1), "is a lambda"),
    ],
)
def test_what_has_no_name_of_its_own_needs_one(function, words):
    with pytest.raises(UsageError, match=words + ".*name=") as error:
        dcache(function).key(1)
    assert "dcache(name=...)" in str(error.value)


def test_a_function_with_free_variables_needs_a_name():
    free = 1

    @dcache
    def f(x):
        return x + free

    with pytest.raises(UsageError, match="has free variables"):
        f.key(1)


def test_a_default_without_a_canonical_form_is_the_default_of_its_parameter():
    unset = object()

    @dcache(name="f")
    def f(x, y=unset):
        return x

    assert f.key(1) == f.key(x=1)
    assert f.key(1) != f.key(1, None)
    with pytest.raises(UnkeyableError, match=r"argument 'y' of .* is a object, which has no ca"):
        f.key(1, object())


def test_a_method_has_no_far_key_unless_it_says_what_counts():
    class Shop:
        @dcache(name="price")
        def price(self, x):
            return x

        @dcache(name="other", key=lambda self, x: x)
        def other(self, x):
            return x

    with pytest.raises(UnkeyableError, match="argument 'self'"):
        Shop().price.key(1)
    assert Shop().other.key(1) == Shop().other.key(x=1)


@pytest.mark.parametrize("way", ["script", "module", "-c"])
def test_the_main_program_is_told_by_its_text(tmp_path, way):
    text = "from dcache import dcache\n@dcache\ndef f(x): return x\nprint(f.key(1))\n"
    (tmp_path / "work.py").write_text(text)
    arguments = {"script": ["work.py"], "module": ["-m", "work"], "-c": ["-c", text]}[way]

    first = run(tmp_path, *arguments)
    if way == "-c":
        assert "needs" in first.stderr or "give it a name" in first.stderr
        return
    (tmp_path / "work.py").write_text(text + "# changed\n")
    assert first.stdout.startswith("work")
    assert (run(tmp_path, *arguments).stdout == first.stdout) == (way == "module")


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


ARGUMENT_OF_MAIN = """
import enum
from library import load
class Color(enum.Enum):
    RED = 1
if __name__ == "__main__":
    print(load.key([Color.RED]), load([Color.RED]))
"""


def test_a_class_of_one_main_program_is_not_that_of_another(tmp_path):
    (tmp_path / "library.py").write_text(
        "from dcache import dcache\n@dcache\ndef load(x): return 'ran'\n"
    )
    (tmp_path / "one.py").write_text(ARGUMENT_OF_MAIN)
    (tmp_path / "other.py").write_text(ARGUMENT_OF_MAIN + "# other\n")
    said = [run(tmp_path, f"{name}.py").stdout for name in ("one", "one", "other")]
    assert said[0].startswith("library:load:")
    assert said[0] == said[1] != said[2]
    prompt = run(tmp_path, "-c", ARGUMENT_OF_MAIN)
    assert "UnkeyableError" in prompt.stderr
    assert "define it in a module" in prompt.stderr
    near = run(tmp_path, "-c", ARGUMENT_OF_MAIN.replace("load.key([Color.RED]), ", ""))
    assert near.stdout == "ran\n"


def test_a_process_that_a_program_starts_has_its_keys(tmp_path):
    (tmp_path / "work.py").write_text(
        "import enum, multiprocessing\n"
        "from dcache import dcache\n"
        "class Color(enum.Enum):\n    RED = 1\n"
        "@dcache\ndef f(x): return x\n"
        "def key(_): return f.key([Color.RED])\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(key, [0]) == [key(0)])\n"
    )
    assert run(tmp_path, "work.py").stdout == "True\n"


def test_what_is_bound_to_an_object_needs_a_name():
    for function in (Session().__eq__, [1].count, {}.get):
        with pytest.raises(UsageError, match=r"is bound to an object.*name="):
            dcache(function).key(1)
    same_name = functools.update_wrapper(functools.partial(of_this_module, 1), of_this_module)
    with pytest.raises(UsageError, match="is a partial"):
        dcache(same_name).key()
    assert dcache(math.sqrt).key(4).startswith("math:sqrt:")
    assert dcache(str.upper).key("a").startswith("builtins:str.upper:")


def of_this_module(x=0):
    return x


def test_what_a_function_wraps_counts_as_well():
    def wrapping(body):
        wrapper = functools.lru_cache(body)
        return dcache(name="f", version="code")(wrapper).key(1)

    assert wrapping(lambda x: x + 1) == wrapping(lambda x: x + 1)
    assert wrapping(lambda x: x + 1) != wrapping(lambda x: x + 2)
    free = 1
    with pytest.raises(UsageError, match="free variables"):
        dcache(functools.lru_cache(lambda_without_its_name(lambda x: x + free))).key(1)
    with pytest.raises(UsageError, match=r"no code.*version="):
        dcache(name="f", version="code")(len).key("a")


def lambda_without_its_name(function):
    function.__qualname__ = "f"
    return function


def test_functions_and_methods_of_one_name_are_told_apart():
    class One:
        @staticmethod
        @dcache
        def load(x):
            return x

    class Other:
        @staticmethod
        @dcache
        def load(x):
            return x

    def of(module, qualname):
        def f(x):
            return x

        f.__module__, f.__qualname__ = module, qualname
        return dcache(f).key(1)

    assert One.load.key(1) != Other.load.key(1)
    assert of("pkg.a", "bc") != of("pkg.ab", "c")


def test_a_key_is_what_every_store_takes():
    def key(**options):
        return dcache(**options)(lambda x: x).key(1)

    plain = re.compile(r"[!-z|~]{54,250}")  # Neither blanks nor braces.
    names = ["a b\r\n", "{x}", "naïve", "x" * 1000, "y" + "x" * 1000]
    keys = [key(name=name, namespace="n" * 64) for name in names]
    assert len(set(keys)) == len(keys)
    assert all(plain.fullmatch(each) for each in keys)
    for bad in ("a b", "a\n", "{a}", "é", "n" * 65):
        with pytest.raises(ConfigError, match="namespace is"):
            key(name="f", namespace=bad)


def test_a_namespace_of_the_environment_is_checked_as_well(monkeypatch):
    monkeypatch.setenv("DCACHE_NAMESPACE", "my shop")
    with pytest.raises(ConfigError, match="namespace is 'my shop'"):
        load.key(1)


def test_defaults_count_as_they_were_and_as_if_they_were_passed():
    options = [1]

    @dcache(name="f")
    def f(x, options=options, pair=(1, {2}), kind=int):
        return x

    before = f.key(1)
    assert before == f.key(1, [1]) == f.key(1, pair=(1, {2}), kind=int)
    options.append(2)
    assert f.key(1) == before != f.key(1, options)


def test_surplus_arguments_count_in_their_order():
    @dcache(name="f")
    def f(a, *args, **kw):
        return a

    keys = [
        *(f.key(1), f.key(1, 2), f.key(1, 2, 3), f.key(1, (2, 3)), f.key(1, "b", 2)),
        *(f.key(1, b=2), f.key(1, b=2, c=3), f.key(1, c=3, b=2), f.key(1, ["b", 2])),
    ]
    assert len(set(keys)) == len(keys)
    with pytest.raises(UnkeyableError, match=r"an argument of .* is a object, which has no"):
        f.key(1, b=object())


def test_what_does_not_count_has_no_part_in_it():
    @dcache(name="f", ignore=("session",))
    def f(x, session=None):
        return x

    assert f.key(1) == f.key(1, object()) == f.key(1, session=[object()])


def test_a_key_is_the_digest_of_an_array_that_another_library_reads():
    def digest(*parts):
        written = cbor2.dumps(list(parts), canonical=True)
        return base64.b32encode(hashlib.sha256(written).digest()).decode().rstrip("=").lower()

    @dcache(name="shop.load", version="2")
    def load(user, limit=10):
        return user

    assert load.key("ann") == "shop.load:" + digest("shop.load", "2", ["ann", 10])
    keyed = dcache(name="f", key=lambda x: x["id"])(lambda x: x)
    assert keyed.key({"id": 7}) == "f:" + digest("f", None, [7])


def test_dhash_is_the_same_in_every_process_and_tells_calls_apart():
    assert dhash(1, a=2) == dhash(1, a=2)
    assert len({dhash(-1), dhash(-2), dhash(1), dhash("1"), dhash(a=1), dhash(1.0)}) == 6
    assert len(dhash(1)) == 64


# --- Canonical bytes of what says itself what counts of it ---


class Pair(typing.NamedTuple):
    left: object
    right: object


@dataclasses.dataclass
class Dot:
    x: int
    y: int = 0


@dataclasses.dataclass
class Dot3(Dot):
    z: int = 0


@attrs.define
class Stop:
    name: str


class Keyed:
    def __init__(self, number, noise):
        self.number, self.noise = number, noise

    def __dcache_key__(self):
        return self.number


class Undressed(Dot):
    """A subclass that says nothing about itself: it may have more."""


class Cents:
    def __init__(self, cents):
        self.cents = cents


def test_instances_are_keyed_by_their_class_and_fields():
    forms = [Dot(1, 2), Dot(2, 1), Dot3(1, 2), Pair(1, 2), Stop("a"), Stop("b"), (1, 2), [1, 2]]
    assert len({canonical_bytes(each) for each in forms}) == len(forms)
    assert canonical_bytes(Dot(1)) == canonical_bytes(Dot(1, 0))
    assert cbor2.loads(canonical_bytes(Dot(1, 2))).value == [[f"{__name__}:Dot", "x", "y"], 1, 2]


@dataclasses.dataclass
class Shaped(Dot):
    """With what looks like a field and is none."""

    shared: typing.ClassVar[object] = object()
    scale: dataclasses.InitVar[int] = 1


def test_only_the_fields_of_a_dataclass_count():
    described, *values = cbor2.loads(canonical_bytes(Shaped(1, 2, 3))).value
    assert described == [f"{__name__}:Shaped", "x", "y"]
    assert values == [1, 2]


def test_instances_without_a_hash_are_keyed_near_as_well():
    f = dcache(lambda value: object())
    forms = [Dot(1, 2), Dot(2, 1), Dot3(1, 2), Stop("a"), Stop("b"), numpy.array([1, 2])]
    results = [f(value) for value in forms]
    assert len(set(map(id, results))) == len(forms)
    assert f(Dot(1, 2)) is results[0]
    assert f(numpy.array([1, 2])) is results[-1]
    with pytest.raises(UnkeyableError, match="is a Undressed, which has neither a hash nor a cano"):
        f(Undressed(1))


class Trip(pydantic.BaseModel):
    to: str
    days: int = 1


class LongTrip(Trip):
    pass


class Open(pydantic.BaseModel, extra="allow"):
    to: str


class Secretive(pydantic.BaseModel):
    to: str
    _seen: int = pydantic.PrivateAttr(default=0)


class Stops(pydantic.RootModel[list[Trip]]):
    pass


@pydantic.dataclasses.dataclass
class Checked:
    to: str


class Measured(Trip):
    @functools.cached_property
    def length(self):
        return 24 * self.days


def test_pydantic_models_are_keyed_by_their_class_and_fields():
    assert canonical_bytes(Trip(to="Rome")) == canonical_bytes(Trip(to="Rome"))
    forms = [Trip(to="Rome"), Trip(to="Oslo"), Trip(to="Rome", days=2), LongTrip(to="Rome")]
    forms += [Open(to="Rome"), Stops([Trip(to="Rome")]), Stops([]), Checked("Rome"), {"to": "Rome"}]
    assert len({canonical_bytes(each) for each in forms}) == len(forms)
    described, *values = cbor2.loads(canonical_bytes(Trip(to="Rome"))).value
    assert described == [f"{__name__}:Trip", "to", "days", "__pydantic_fields_set__"]
    assert values == ["Rome", 1, {"to"}]


def test_which_fields_of_a_pydantic_model_were_given_counts_for_its_function_sees_it():
    f = dcache(lambda trip: trip.model_dump(exclude_unset=True))
    assert f(Trip(to="Rome")) == {"to": "Rome"}
    assert f(Trip(to="Rome", days=1)) == {"to": "Rome", "days": 1}
    assert canonical_bytes(Trip(to="a", days=1)) == canonical_bytes(Trip(days=1, to="a"))


def test_what_a_pydantic_model_computes_from_its_fields_does_not_count():
    first, second = Measured(to="Rome"), Measured(to="Rome")
    assert first.length == 24
    assert canonical_bytes(first) == canonical_bytes(second)


def test_a_pydantic_model_with_more_than_its_fields_has_no_form():
    for more in (Open(to="Rome", by="train"), Secretive(to="Rome"), Trip.model_construct()):
        with pytest.raises(UnkeyableError):
            canonical_bytes(more)


def test_dcache_key_says_what_counts():
    assert canonical_bytes(Keyed(1, "a")) == canonical_bytes(Keyed(1, "b"))
    assert canonical_bytes(Keyed(1, "a")) != canonical_bytes(Keyed(2, "a"))
    assert canonical_bytes(Keyed(1, "a")) != canonical_bytes(1)


def test_a_registered_class_has_a_form():
    with pytest.raises(UnkeyableError):
        canonical_bytes(Cents(1))
    register(Cents, encode=lambda money: money.cents, decode=Cents)
    assert canonical_bytes([Cents(1)]) == canonical_bytes([Cents(1)])
    assert canonical_bytes(Cents(1)) != canonical_bytes(Cents(2))


def test_a_class_that_says_nothing_or_cannot_be_found_has_no_form():
    @dataclasses.dataclass
    class Local:
        x: int

    for without in (Undressed(1), Local(1), object()):
        with pytest.raises(UnkeyableError):
            canonical_bytes(without)


def test_arrays_are_keyed_by_type_shape_and_items():
    square = numpy.arange(4.0).reshape(2, 2)
    forms = [
        *(square, square.T, square.ravel(), square.astype("f4"), square.astype(">f8")),
        *(square.tolist(), numpy.float64(1.0), numpy.float32(1.0), 1.0, numpy.array(1.0)),
        *(numpy.bool_(True), True, numpy.datetime64("2026-11-27"), numpy.array(["a"])),
    ]
    assert len({canonical_bytes(each) for each in forms}) == len(forms)
    assert canonical_bytes(square) == canonical_bytes(numpy.asfortranarray(square))
    assert canonical_bytes(square) == canonical_bytes(numpy.array([[0, 9, 1], [2, 9, 3.0]])[:, ::2])


def test_one_type_of_numpy_under_two_names_is_one():
    assert numpy.dtype("q") == numpy.dtype("l")
    assert canonical_bytes(numpy.longlong(1)) == canonical_bytes(numpy.int64(1))
    assert canonical_bytes(numpy.array([1], "q")) == canonical_bytes(numpy.array([1], "l"))


# --- The same bytes in every version, and from C++ (tests/contract/golden_test.cpp) ---

GOLDEN = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "keys.txt"
NAMES = {
    "D": Decimal,
    "E": timezone(timedelta(hours=1), "CET"),
    "F": fractions.Fraction,
    "P": pathlib.PurePosixPath,
    "U": UUID,
    "date": date,
    "datetime": datetime,
    "inf": math.inf,
    "nan": math.nan,
    "time": time,
    "timedelta": timedelta,
    "utc": timezone.utc,
}


def golden():
    for line in GOLDEN.read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.split(" ", 1)


@pytest.mark.parametrize(("expected", "expression"), list(golden()), ids=lambda text: text[:40])
def test_the_bytes_of_keys_never_change(expected, expression):
    assert canonical_bytes(eval(expression, NAMES)).hex() == expected


def test_there_are_enough_golden_keys():
    assert len(list(golden())) >= 60
