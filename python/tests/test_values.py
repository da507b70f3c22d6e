# SPDX-License-Identifier: MIT
"""Values in far tiers: back exactly as they were, or refused."""

import contextlib
import dataclasses
import enum
import fractions
import gc
import math
import pathlib
import re
import struct
import sys
import zoneinfo
from collections import OrderedDict, defaultdict, namedtuple
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import attrs
import cbor2
import numpy
import pydantic
import pydantic.dataclasses
import pytest
from dcache import UnstorableError, UsageError, dcache, register
from dcache._engine import ValueCodec
from dcache._values import codec_of
from hypothesis import given
from hypothesis import strategies as st
from searching import searching

pytestmark = pytest.mark.full

search = searching(200, sanitized=50)
PLAIN = ValueCodec(())
NAN_WITH_PAYLOAD = struct.unpack(">d", bytes.fromhex("7ff8000000000123"))[0]
EAST = timezone(timedelta(hours=5, minutes=45))


def back(value, codec=PLAIN):
    return codec.decode(codec.encode(value))


def same(a, b):
    """Equal in type and content, recursively, order and bits included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, (set, frozenset)):
        return a == b and {type(each) for each in a} == {type(each) for each in b}
    if isinstance(a, Decimal):
        return str(a) == str(b)
    if isinstance(a, (datetime, time)):
        return (a.replace(tzinfo=None), a.fold, repr(a.tzinfo)) == (
            b.replace(tzinfo=None),
            b.fold,
            repr(b.tzinfo),
        )
    return a == b


VALUES = [
    None,
    True,
    False,
    *(0, 23, 24, 255, 256, 65535, 65536, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**100),
    *(-1, -24, -25, -256, -(2**31), -(2**63), -(2**63) - 1, -(2**64), -(2**64) - 1, -(10**100)),
    *(2**30 - 1, 2**30, 2**60 - 1, 2**60, 1 - 2**30, -(2**30), 1 - 2**60, -(2**60)),
    *(0.0, -0.0, 0.1, 1.5, 1e308, 5e-324, math.inf, -math.inf, math.nan, NAN_WITH_PAYLOAD),
    *(1 + 2j, complex(-0.0, math.nan)),
    *("", "a", "key", "x" * 100, "grüß", "日本", "\U0001f600", "\0", "a\ud800b"),
    *(b"", b"\x00\xff", bytes(range(256)) * 10),
    *([], [1, [2, [3]]], (), (1,), (1, (2, 3)), [(), []], {}, {"a": 1, "b": [2]}),
    {1: "int", "1": "text", 1.5: None, (1, 2): {"deep": {}}, b"x": 0, None: ()},
    *(set(), {1, 2, 3}, frozenset({"a"}), {frozenset({1}), frozenset()}),
    *(date(2026, 11, 27), date.min, date.max),
    *(time(2, 30), time(2, 30, fold=1), time(1, 2, 3, 4, tzinfo=EAST), time.max),
    *(datetime(2026, 11, 27, 2, 30), datetime.min, datetime.max),
    datetime(2026, 10, 25, 2, 30, 0, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=1),
    *(datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 1, tzinfo=EAST)),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET")),
    *(timedelta(0), timedelta(days=-1, microseconds=1), timedelta.max, timedelta.min),
    *(Decimal("1.0"), Decimal("1.00"), Decimal("-0E-10"), Decimal("1E+999999")),
    *(Decimal("NaN"), Decimal("sNaN123"), Decimal("-Infinity")),
    fractions.Fraction(-3, 7),
    UUID("12345678123456781234567812345678"),
    *(pathlib.PurePosixPath("a/b"), pathlib.Path("/a"), pathlib.PureWindowsPath("C:\\x")),
    *(range(10), range(5, -5, -2)),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_exactly(value):
    assert same(back(value), value)
    assert same(back([value, {"x": value}, (value,)]), [value, {"x": value}, (value,)])


@pytest.mark.parametrize("size", range(1, 41))
def test_a_text_of_any_length_comes_back_as_the_same_text(size):
    ascii_only = "".join(chr(ord("a") + n % 26) for n in range(size))
    texts = [ascii_only]
    for odd in "é日😀":
        texts += [ascii_only[:at] + odd + ascii_only[at + 1 :] for at in range(size)]
    for text in texts:
        # The last of all bytes, and with bytes after it; as a value and as a key; twice.
        for value in (text, [text, "x" * 20], {text: text}, [{text: 1}, {text: 2}, 0.5, 0.5]):
            rebuilt = back(value)
            assert same(rebuilt, value)
        assert sys.getsizeof(back(text)) == sys.getsizeof(text)
        assert hash(back(text)) == hash(text)
        assert back({text: 1})[text] == 1


@pytest.mark.parametrize("size", range(1, 24))
def test_a_text_that_is_no_utf_8_is_no_value(size):
    for at in range(size):
        wrong = b"a" * at + b"\xff" + b"a" * (size - at - 1)
        text = bytes([0x60 + size]) + wrong
        for data in (text, b"\x82" + text + b"\x74" + b"x" * 20, b"\xa1" + text + b"\xf6"):
            with pytest.raises(ValueError, match="mismatch"):
                PLAIN.decode(data)


def test_more_keys_than_are_remembered_come_back_exactly():
    keys = [f"{n:x}".rjust(2 + n % 32, "k") for n in range(20_000)]
    value = [{key: n} for n, key in enumerate(keys)]
    assert back(value) == value
    assert back([dict.fromkeys(keys, 1)]) == [dict.fromkeys(keys, 1)]


@pytest.mark.parametrize(
    "size", [0, 900, 1023, 1024, 10**5, 2**18 - 1, 2**18, 2**18 + 1, 2**20 + 7]
)
def test_bytes_of_any_number_come_back_exactly(size):
    value = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    for result in (value, [value, 1, "after it"], [value] * 3):
        encoded = PLAIN.encode(result)
        assert same(PLAIN.decode(encoded), result)
        assert cbor2.loads(encoded) == result
        assert encoded == bytes(bytearray(encoded))
        assert hash(encoded) == hash(bytes(bytearray(encoded)))
    array = numpy.frombuffer(value, "u1")
    assert back(array).tobytes() == value


def test_utc_is_the_one_object():
    assert back(datetime(2026, 1, 1, tzinfo=timezone.utc)).tzinfo is timezone.utc


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.decimals()
    | st.uuids(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.binary(), inner)
        | st.sets(st.integers() | st.text())
    ),
    max_leaves=30,
)


@given(plain)
@search
def test_whatever_is_built_of_values_comes_back_exactly(value):
    assert same(back(value), value)


@given(plain, st.data())
@search
def test_damaged_bytes_are_an_object_or_a_value_error(value, data):
    damaged = bytearray(PLAIN.encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    for wrong in (bytes(damaged), cut):
        with contextlib.suppress(ValueError):
            PLAIN.decode(wrong)


def test_another_library_reads_it():
    value = {"a": [1, -2, 2**70, 0.1], "b": b"bytes", "c": None, "d": True, "e": "grüß"}
    assert cbor2.loads(PLAIN.encode(value)) == value
    assert PLAIN.decode(cbor2.dumps(value)) == value


class Text(str):
    __slots__ = ()


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: int


Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass(frozen=True)
class Leg:
    start: Point
    colour: Colour = Colour.RED


@dataclasses.dataclass
class Route:
    name: str
    legs: list[Leg]
    parent: "Route | None" = None
    calls = 0

    def __post_init__(self):
        Route.calls += 1


@dataclasses.dataclass
class Slotted:
    __slots__ = ("x",)
    x: int


@attrs.define
class Stop:
    name: str
    minutes: int = 0


@attrs.frozen
class Frozen:
    stop: Stop


class Address(pydantic.BaseModel):
    street: str
    number: int = 1


class Person(pydantic.BaseModel):
    name: str
    address: Address
    _secret: int = pydantic.PrivateAttr(default=7)


class Opaque:
    pass


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(a=1),
        defaultdict(list),
        Text("a"),
        Colour.RED,
        Level.LOW,
        Point(1, 2),
        Leg(Point(1, 2)),
        Opaque(),
        object(),
        bytearray(b"x"),
        memoryview(b"x"),
        int,
        len,
        lambda: 0,
        ...,
        numpy.matrix([[1]]),
        numpy.array([None, object()]),
        numpy.ma.masked_array([1, 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_not_come_back_exactly_is_refused(value):
    for result in (value, [value], {"x": (value,)}):
        with pytest.raises(UnstorableError, match=r"no form in bytes.*register") as refused:
            PLAIN.encode(result)
        assert refused.value.result is result
        assert isinstance(refused.value, TypeError)


def codec_for(annotation):
    def f():
        pass

    f.__annotations__["return"] = annotation
    return codec_of(f)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Colour, Colour.GREEN),
        (list[Level], [Level.LOW]),
        (Point, Point(1, 2)),
        (Pair | None, Pair([1], "right")),
        (dict[str, "Leg"], {"a": Leg(Point(1, 2), Colour.GREEN)}),
        ("Route", Route("a", [Leg(Point(0, 0)), Leg(Point(1, 1))], Route("b", []))),
        (Slotted, Slotted(3)),
        (int | Frozen, Frozen(Stop("north", 5))),
        (Person, Person(name="Ada", address=Address(street="Main"))),
    ],
    ids=str,
)
def test_a_class_that_the_annotation_names_is_rebuilt(annotation, value):
    codec = codec_for(annotation)
    Route.calls = 0
    rebuilt = back([value, value], codec)
    assert rebuilt == [value, value]
    assert type(rebuilt[0]) is type(value)
    assert Route.calls == 0, "no __post_init__"


@pydantic.dataclasses.dataclass
class Checked:
    name: str


def test_a_dataclass_of_pydantic_is_a_dataclass():
    def load() -> Checked: ...

    codec = codec_of(load)
    assert codec.decode(codec.encode(Checked("a"))) == Checked("a")


def test_a_pydantic_model_keeps_what_only_it_knows():
    person = Person(name="Ada", address=Address(street="Main"))
    person._secret = 8
    rebuilt = back(person, codec_for(Person))
    assert rebuilt._secret == 8
    assert rebuilt.address.model_fields_set == {"street"}


def test_members_of_enums_are_the_very_objects():
    assert back(Colour.RED, codec_for(Colour)) is Colour.RED


def test_flags_that_are_no_member_of_their_own_are_refused_not_stored_for_nobody():
    class Right(enum.Flag):
        READ = 1
        WRITE = 2
        BOTH = 3

    codec = codec_for(Right)
    assert back(Right.READ, codec) is Right.READ
    assert back(Right.READ | Right.WRITE, codec) is Right.BOTH

    class Bit(enum.Flag):
        A = 1
        B = 2

    codec = codec_for(Bit)
    for none_of_them in (Bit.A | Bit.B, Bit(0)):
        with pytest.raises(UnstorableError, match="holds a Bit of which something would be lost"):
            codec.encode([none_of_them])


def test_instances_share_one_description():
    codec = codec_for(list[Stop])
    one = len(codec.encode([Stop("a", 1)]))
    assert len(codec.encode([Stop("a", 1)] * 101)) - one < 101 * 12


def test_nothing_is_rebuilt_because_bytes_name_it():
    known, plain_bytes = codec_for(Leg), codec_for(Leg).encode(Leg(Point(1, 2)))
    assert known.decode(plain_bytes) == Leg(Point(1, 2))
    for other in (PLAIN, codec_for(Route.__class__), codec_for(Colour)):
        with pytest.raises(ValueError, match="mismatch"):
            other.decode(plain_bytes)


def test_other_fields_than_today_are_no_value():
    def define(*fields):
        cls = dataclasses.make_dataclass("Changing", fields)
        cls.__module__ = __name__
        return cls

    old, new = define("a", "b"), define("a", "c")
    stored = codec_for(old).encode(old(1, 2))
    with pytest.raises(ValueError, match="mismatch"):
        codec_for(new).decode(stored)


def test_an_attribute_that_is_no_field_is_refused_not_lost():
    stop = Leg(Point(1, 2))
    object.__setattr__(stop, "note", "added")
    with pytest.raises(UnstorableError, match="is a Leg of which something would be lost"):
        codec_for(Leg).encode(stop)


def test_an_attribute_that_took_the_place_of_a_field_is_refused_too():
    leg = Leg(Point(1, 2))
    object.__delattr__(leg, "colour")  # The default of the class stands in for it.
    assert back(leg, codec_for(Leg)) == Leg(Point(1, 2))
    object.__setattr__(leg, "note", "added")
    with pytest.raises(UnstorableError):
        codec_for(Leg).encode(leg)


def test_fields_are_read_by_name_whatever_their_order_in_the_instance():
    route = Route("a", [Leg(Point(0, 0))], None)
    name, legs = route.name, route.legs
    del route.name, route.legs
    route.legs, route.name = legs, name
    assert list(vars(route)) == ["parent", "legs", "name"]
    assert back([Route("b", []), route], codec_for(Route)) == [Route("b", []), route]
    del route.name
    with pytest.raises(UnstorableError):
        codec_for(Route).encode(route)


def test_a_field_that_a_descriptor_keeps_is_what_that_says():
    cls = dataclasses.make_dataclass("Reading", ["place", "kelvin"])
    cls.__module__ = __name__
    codec, one = codec_for(cls), cls("here", 5)
    cls.kelvin = property(lambda self: vars(self)["kelvin"] + 1)
    assert cbor2.loads(codec.encode(one)).value[1:] == ["here", 6]


def test_nothing_is_seen_by_the_collector_before_it_is_complete():
    def lengths():
        return [len(list(each)) for each in gc.get_objects() if type(each) in (list, tuple)]

    def decode(cents):
        seen.extend(lengths())
        return Money(cents)

    described = (3, Money, f"{__name__}:Money", (), lambda money: money.cents, decode)
    codec = ValueCodec((described,))
    for result in ([*range(77_777), Money(1), 2], (*range(77_777), (Money(1),), 2)):
        seen: list[int] = []
        before = lengths().count(77_779)
        rebuilt = back(result, codec)
        assert rebuilt == result
        assert seen.count(77_779) == before
        assert gc.is_tracked(rebuilt)


class Money:
    def __init__(self, cents):
        self.cents = cents

    def __eq__(self, other):
        return self.cents == other.cents


def test_a_registered_class_is_encoded_by_its_own_functions():
    with pytest.raises(UnstorableError):
        codec_of(len).encode(Money(1))
    register(Money, encode=lambda money: money.cents, decode=Money)
    assert back([Money(499)], codec_of(len)) == [Money(499)]


def test_a_registered_class_needs_no_annotation():
    @register
    @dataclasses.dataclass
    class Late:
        x: int

    assert back(Late(1), codec_of(len)) == Late(1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: register(Opaque), "encode= and decode="),
        (lambda: register(Opaque, encode=str), "belong together"),
        (lambda: register("Opaque"), "expected a class"),
        (lambda: register(Opaque, encode=str, decode=2), "decode is 2; expected a callable"),
        (lambda: register(Opaque, encode="x", decode=str), "encode is 'x'; expected a callable"),
    ],
)
def test_a_registration_that_can_never_work_is_refused(wrong, words):
    with pytest.raises(UsageError, match=words):
        wrong()


ARRAYS = [
    numpy.arange(10),
    numpy.arange(24, dtype="<f4").reshape(2, 3, 4),
    numpy.asfortranarray(numpy.arange(6, dtype=">i2").reshape(2, 3)),
    numpy.arange(20)[::2],
    numpy.array(5.0),
    numpy.zeros((0, 3)),
    numpy.array([True, False]),
    numpy.array([1 + 2j]),
    numpy.array(["2026-11-27"], dtype="datetime64[D]"),
    numpy.array(["a", "bcd"]),
    numpy.array([b"a", b"bcd"]),
    numpy.array([numpy.nan, -0.0]),
    numpy.zeros(3, dtype="float16"),
    numpy.ndarray((3,), dtype="S0"),  # NumPy's own functions make it longer.
    numpy.ndarray((2, 0), dtype="U0"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_an_array_comes_back_exactly(array):
    rebuilt = back({"array": array})["array"]
    assert rebuilt.dtype.str == array.dtype.str
    assert rebuilt.shape == array.shape
    assert rebuilt.tobytes() == array.tobytes()
    assert rebuilt.flags.writeable
    assert rebuilt.flags.f_contiguous == array.flags.f_contiguous or not array.flags.c_contiguous


@pytest.mark.parametrize(
    "scalar",
    [
        numpy.float64(1.5),
        numpy.int8(-1),
        numpy.bool_(True),
        numpy.datetime64("2026-11-27"),
        numpy.str_("é"),
        numpy.str_(""),
        numpy.bytes_(b""),
    ],
    ids=repr,
)
def test_a_scalar_of_numpy_stays_one(scalar):
    rebuilt = back(scalar)
    assert type(rebuilt) is type(scalar)
    assert rebuilt == scalar


def test_typed_arrays_are_those_of_the_rfc():
    decoded = cbor2.loads(PLAIN.encode(numpy.arange(3, dtype="<u2")))
    assert decoded == cbor2.CBORTag(69, b"\0\0\1\0\2\0")


def test_what_holds_itself_or_is_nested_without_end_raises():
    endless: list = []
    endless.append(endless)
    with pytest.raises(RecursionError, match="a result"):
        PLAIN.encode(endless)
    with pytest.raises(ValueError, match="too_deep"):
        PLAIN.decode(b"\x81" * 100_000 + b"\x01")


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x1c",
        b"\x9f\x01\xff",
        b"\x18\x01",
        b"\x01\x01",
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\x7f" * 8,
        b"\xa2\x01\x02\x01\x03",
        b"\xd9\x01\x02\x82\x01\x01",
        b"\xc2\x41\x01",
        b"\xd9\xff\xff\x01",
        b"\xd8\x56\x47" + b"\0" * 7,
        b"\xd8\x28\x82\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x02\xd8\x56\x40",
    ],
    ids=bytes.hex,
)
def test_bytes_that_are_no_value_say_so(wrong):
    with pytest.raises(ValueError, match="no value"):
        PLAIN.decode(wrong)


def test_nested_counts_are_not_believed():
    bomb = b"".join(b"\x9a" + struct.pack(">I", 1000) for _ in range(900)) + b"\0" * 2000
    with pytest.raises(ValueError, match="no value"):
        PLAIN.decode(bomb)


def test_unhashable_members_of_a_stored_set_are_no_value():
    with pytest.raises(ValueError, match="mismatch"):
        PLAIN.decode(b"\xd9\x01\x02\x81\x81\x01")


def test_encoding_leaves_nothing_on_the_text():
    text = "grüß" * 100
    before = sys.getsizeof(text)
    PLAIN.encode([text])
    assert sys.getsizeof(text) == before


# --- Recipes of docs/values.md ---


def test_the_recipe_for_a_table_of_pandas():
    pandas = pytest.importorskip("pandas", reason="installed for the newest Python only")
    page = pathlib.Path(__file__).parents[2] / "docs" / "values.md"
    (recipe,) = re.findall(r"^(def columns.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    names = {}
    exec(recipe, names)
    register(pandas.DataFrame, encode=names["columns"], decode=names["frame_of"])
    frame = pandas.DataFrame(
        {"stock": ["ACME", "FOO"], "price": [1.5, 2.5], "count": [1, 2]}, index=[7, 9]
    )

    def load() -> pandas.DataFrame:
        """A table."""

    codec = codec_of(load)
    pandas.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    store = {}
    runs = []

    def body():
        runs.append(1)
        return frame

    f = dcache(store, name="frame")(name="frame")(body)
    pandas.testing.assert_frame_equal(f(), f())
    assert runs == [1]


@pytest.mark.filterwarnings("ignore:Data type alias")
def test_what_the_fuzzer_kept_is_values_and_every_refusal():
    import fuzz_values

    kept = fuzz_values.corpus()
    verdicts = {fuzz_values.verdict(data) for data in kept}
    assert len(verdicts) > 50
    refused = "dcache: these bytes are no value: "
    faults = {said.removeprefix(refused) for said in verdicts if said.startswith(refused)}
    assert faults == {"malformed", "mismatch", "too_deep"}
    for data in kept:
        fuzz_values.verdict(data[: len(data) // 2])


@pytest.mark.filterwarnings("ignore:Data type alias")
def test_the_first_inputs_of_the_fuzzer_do_no_harm():
    import fuzz_values

    assert 0 < fuzz_values.fuzz(20_000, seed=20261129) < 20_000
