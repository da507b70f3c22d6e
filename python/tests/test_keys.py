# SPDX-License-Identifier: MIT
"""Canonical bytes: one form for equal contents of equal types, in every process."""

import collections
import datetime
import decimal
import enum
import fractions
import functools
import gc
import itertools
import math
import os
import pathlib
import resource
import subprocess
import sys
import threading
import uuid
import zoneinfo

import cbor2
import pytest
from dcache import Cache, UnkeyableError, dcache
from dcache._engine import canonical_bytes
from dcache.backends import InMemoryBackend
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.full

UTC = datetime.timezone.utc
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NOON = datetime.datetime(2026, 10, 25, 2, 30)


class Color(enum.Enum):
    RED = 1
    CRIMSON = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


def of_this_module():
    return 1


def told_apart(*values):
    """How many calls the values are, near; asks twice."""
    f = dcache(lambda value: object())
    results = [f(value) for value in values]
    assert [f(value) for value in values] == results
    return len(set(map(id, results)))


# --- What CBOR says of it ---

# Values that every reader of CBOR knows, and how they are written: cbor2 is the judge.
PLAIN = [
    *(0, 1, 23, 24, 255, 256, 65535, 65536, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**40),
    *(-1, -24, -25, -256, -(2**63), -(2**63) - 1, -(2**64), -(2**64) - 1, -(10**40)),
    *(0.0, -0.0, 1.5, 1.1, 1e300, 5e-324, 65505.0, math.inf, -math.inf, 2.0**-24),
    *(True, False, None, "", "IETF", "ü", "水", "𐅑", b"", b"\x01\x02", "a" * 300),
    *([], [1, [2, 3]], {}, {"a": 1, "b": [2, 3]}, {"b": 1, "aa": 2, 10: 3}),
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_are_what_another_library_writes_deterministically(value):
    assert canonical_bytes(value) == cbor2.dumps(value, canonical=True, string_referencing=False)


# The bytes of the other types. cbor2 reads those whose tags are registered.
GOLDEN = [
    ((), "d9dca080"),
    ((1, "a"), "d9dca082016161"),
    ({1, 2}, "d90102820102"),
    ({-1, 100, 10, "a"}, "d90102840a1864206161"),  # By their bytes, not by their length.
    ({-1: 0, 100: 0}, "a21864002000"),
    (frozenset(), "d9dca180"),
    (frozenset("ba"), "d9dca18261616162"),
    ("\ud800", "d9dca243eda080"),
    (["a\udfffé"], "81d9dca24661edbfbfc3a9"),
    (1 + 2j, "d9a7f882f93c00f94000"),
    (complex(-0.0, math.nan), "d9a7f882f98000f97e00"),
    (fractions.Fraction(-1, 3), "d81e822003"),
    (range(1, 9, 3), "d9dcab83010903"),
    (slice(None, 2), "d9dcac83f602f6"),
    (..., "d9dca9716275696c74696e733a456c6c6970736973"),
    (decimal.Decimal("1.00"), "d9dca364312e3030"),
    (decimal.Decimal("-0"), "d9dca3622d30"),
    (decimal.Decimal("sNaN7"), "d9dca365734e614e37"),
    (decimal.Decimal("1E+5"), "d9dca36431452b35"),
    (datetime.date(2026, 11, 27), "d903ec6a323032362d31312d3237"),
    (datetime.date(7, 1, 2), "d903ec6a303030372d30312d3032"),
    (datetime.time(2, 30), "d9dca4836830323a33303a303000f6"),
    (datetime.time(2, 30, 1, 7, fold=1), "d9dca4836f30323a33303a30312e30303030303701f6"),
    (NOON, "d9dca58373323032362d31302d32355430323a33303a303000f6"),
    (
        NOON.replace(tzinfo=UTC),
        "d9dca58373323032362d31302d32355430323a33303a303000828300000063555443",
    ),
    (
        NOON.replace(tzinfo=BERLIN, fold=1),
        "d9dca58373323032362d31302d32355430323a33303a303001816d4575726f70652f4265726c696e",
    ),
    (datetime.timedelta(1, 2, 3), "d9dca683010203"),
    (datetime.timedelta(seconds=-1), "d9dca683201a0001517f00"),
    (uuid.UUID(int=1), "d8255000000000000000000000000000000001"),
    (pathlib.PurePosixPath("/a"), "d9dca7826d50757265506f736978506174686" + "22f61"),
    (pathlib.PureWindowsPath("a"), "d9dca7826f5075726557696e646f7773506174686161"),
    (Color.CRIMSON, "d9dca882" + canonical_bytes(f"{__name__}:Color").hex() + "63524544"),
    (int, "d9dca96c6275696c74696e733a696e74"),
    (len, "d9dca96c6275696c74696e733a6c656e"),
    (of_this_module, "d9dca9" + canonical_bytes(f"{__name__}:of_this_module").hex()),
    (math.nan, "f97e00"),
]


@pytest.mark.parametrize(("value", "expected"), GOLDEN, ids=repr)
def test_the_bytes_of_the_other_types(value, expected):
    assert canonical_bytes(value).hex() == expected


def revived(decoder, tag):
    """A value of ours from what cbor2 makes of a tag that it does not know."""
    value = tag.value
    zone = {1: lambda key: zoneinfo.ZoneInfo(*key), 2: lambda pair: UTC}
    kinds = {
        0xDCA0: tuple,
        0xDCA1: frozenset,
        0xDCA2: lambda text: text.decode("utf-8", "surrogatepass"),
        0xDCA3: decimal.Decimal,
        0xDCA6: lambda parts: datetime.timedelta(*parts),
        0xDCA7: lambda parts: getattr(pathlib, parts[0])(parts[1]),
        0xDCAB: lambda parts: range(*parts),
        0xDCAC: lambda parts: slice(*parts),
    }
    if tag.tag in (0xDCA4, 0xDCA5):
        text, fold, where = value
        kind = datetime.time if tag.tag == 0xDCA4 else datetime.datetime
        where = where and zone[len(where)](where)
        return kind.fromisoformat(text).replace(fold=fold, tzinfo=where)
    return kinds[tag.tag](value)


@pytest.mark.parametrize(
    "value",
    [value for value, _ in GOLDEN if not isinstance(value, (enum.Enum, type)) and value is not ...],
    ids=repr,
)
def test_another_library_reads_back_what_was_written(value):
    if callable(value):
        return
    read = cbor2.loads(canonical_bytes([value, {"a": value}]), tag_hook=revived)
    assert content(read) == content([value, {"a": value}])


# --- What is the same, and what is not ---

DIFFERENT = [
    *(1, 1.0, True, "1", b"1", decimal.Decimal(1), 1 + 0j, [1], (1,), {1}, frozenset({1}), {1: 1}),
    *(0, 0.0, -0.0, False, None, "", b"", (), [], {}, set(), frozenset()),
    *(0j, complex(-0.0, 0.0), complex(0.0, -0.0), fractions.Fraction(1), fractions.Fraction(1, 2)),
    *map(decimal.Decimal, ("1.0", "1.00", "-0", "0", "NaN", "sNaN", "-NaN", "1E+1", "10")),
    *(math.nan, math.inf, -math.inf, -1, -2, 2**64, -(2**64)),
    *((1, 2), (1, (2,)), ((1,), 2), [1, 2], [[1], 2], "ab", ["a", "b"], ["ab"], ["a b"]),
    *({"a": 1, "b": 2}, {"a": 2, "b": 1}, {1: "a"}, [1, "a"], {"a": {}}, {"a": []}),
    *(
        range(0),
        range(1),
        range(0, 3, 2),
        range(0, 4, 2),
        slice(1),
        slice(1, None),
        slice(0, 1),
        ...,
    ),
    *(NOON, NOON.replace(fold=1), NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=BERLIN)),
    NOON.replace(tzinfo=BERLIN, fold=1),
    NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
    NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=1), "X")),
    *(NOON.date(), NOON.time(), NOON.isoformat(), NOON.time().replace(tzinfo=UTC)),
    *(NOON.time().replace(fold=1), NOON.replace(microsecond=1)),
    *(datetime.timedelta(1), datetime.timedelta(0), datetime.timedelta(seconds=1)),
    *(uuid.UUID(int=1), uuid.UUID(int=1).bytes, str(uuid.UUID(int=1))),
    *(pathlib.PurePosixPath("a"), pathlib.PosixPath("a"), pathlib.PurePosixPath("A")),
    *(pathlib.PureWindowsPath("a"), pathlib.PureWindowsPath("A")),
    *(Color.RED, Color.BLUE, Level.LOW, Color, Level, int, str, len, of_this_module),
    *("\ud800", "\udfff", "a\x00b", "a", "b"),
]


def test_different_contents_have_different_bytes():
    by_bytes = collections.defaultdict(list)
    for value in DIFFERENT:
        by_bytes[canonical_bytes(value)].append(value)
        by_bytes[canonical_bytes([value, value])].append([value])
    assert [values for values in by_bytes.values() if len(values) > 1] == []


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [value]])
def test_different_contents_are_different_calls(wrap):
    assert told_apart(*map(wrap, DIFFERENT)) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1, 2, 3, "x"}, {"x", 3, 2, 1}),
        (math.nan, -math.nan),
        (complex(math.nan, 0), complex(-math.nan, 0)),
        (Color.RED, Color.CRIMSON),
        ([1, [2]], [1, [2]]),
        (["ab", "ab"], ["ab", "".join("ab")]),  # pickle remembers which are one object.
        (NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(0)))),
    ],
)
def test_equal_contents_have_equal_bytes_and_are_one_call(one, other):
    assert canonical_bytes(one) == canonical_bytes(other)
    assert told_apart(one, other) == 1


def test_a_decimal_is_the_same_in_every_context():
    value = decimal.Decimal("1E+5")
    usual = canonical_bytes(value)
    with decimal.localcontext() as context:
        context.capitals = 0
        context.prec = 1
        assert canonical_bytes(value) == usual


def test_a_zone_from_a_file_may_have_any_rules_under_any_name():
    for folder in zoneinfo.TZPATH:
        path = pathlib.Path(folder, "Asia", "Tokyo")
        if path.is_file():
            break
    else:
        pytest.skip("no zones on this machine")
    with path.open("rb") as rules:
        odd = zoneinfo.ZoneInfo.from_file(rules, key="Europe/Berlin")
    with pytest.raises(UnkeyableError, match="ZoneInfo"):
        canonical_bytes(NOON.replace(tzinfo=odd))
    assert told_apart(NOON.replace(tzinfo=odd), NOON.replace(tzinfo=BERLIN)) == 2


ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(), max_size=5)
    | st.text(st.sampled_from("a\udc80é\U0001f600"), max_size=4)
    | st.binary(max_size=5)
    | st.decimals()
    | st.fractions()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.sampled_from([None, UTC, BERLIN]))
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([Color.RED, Level.LOW, int, len, ..., range(3), pathlib.PurePath("a")])
)
HASHABLE = st.recursive(
    ATOMS.filter(lambda value: "sNaN" not in repr(value)),
    lambda each: st.tuples(each, each) | st.frozensets(each, max_size=3),
    max_leaves=4,
)
VALUES = st.recursive(
    ATOMS | HASHABLE,
    lambda each: (
        st.lists(each, max_size=4)
        | st.tuples(each, each)
        | st.sets(HASHABLE, max_size=4)
        | st.dictionaries(HASHABLE, each, max_size=4)
    ),
    max_leaves=8,
)


def content(value):
    """What must be equal for the bytes to be, told without them."""
    kind = type(value)
    if kind is float:
        return kind, "nan" if value != value else (value, math.copysign(1, value))
    if kind is complex:
        return kind, content(value.real), content(value.imag)
    if kind is dict:
        pairs = [(content(key), content(item)) for key, item in value.items()]
        return kind, sorted(pairs, key=repr)
    if kind in (list, tuple):
        return kind, [content(item) for item in value]
    if kind in (set, frozenset):
        return kind, sorted(map(content, value), key=repr)
    if kind in (range, slice):
        return kind, value.start, value.stop, value.step
    if kind is datetime.datetime:
        return kind, str(value), value.fold, repr(value.tzinfo)
    if kind in (decimal.Decimal, datetime.time):
        return kind, str(value), getattr(value, "fold", 0)
    return kind, value


@settings(max_examples=400, deadline=None, derandomize=True)
@given(VALUES, VALUES)
def test_bytes_are_equal_if_and_only_if_contents_are(one, other):
    assert (canonical_bytes(one) == canonical_bytes(other)) == (content(one) == content(other))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(VALUES)
def test_bytes_are_well_formed_and_deterministic(value):
    written = canonical_bytes(value)
    assert canonical_bytes(value) == written
    cbor2.loads(written, tag_hook=lambda decoder, tag: (tag.tag, str(tag.value)))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.dictionaries(HASHABLE, VALUES, max_size=30), st.randoms(use_true_random=False), st.booleans()
)
def test_the_order_of_a_dict_or_set_does_not_count(value, random, as_set):
    items = list(value.items())
    random.shuffle(items)
    if as_set:
        one, other = set(value), {key for key, _ in items}
    else:
        one, other = value, dict(items)
    assert canonical_bytes(one) == canonical_bytes(other)


def test_the_bytes_are_the_same_in_every_process():
    script = (
        "import datetime, decimal, uuid, pathlib; from dcache._engine import canonical_bytes;"
        "print(canonical_bytes([{'a', 'b', 'c', 1, None}, frozenset('xyz'), {'k': 1, 'a': 2},"
        "decimal.Decimal('1.5'), datetime.date(2026, 1, 1), uuid.UUID(int=7), int]).hex())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "12345")
    }
    assert len(said) == 1
    assert said.pop()


# --- What other caches take for one call, or for two ---


def test_no_scheme_of_joined_texts_or_hashes():
    f = dcache(lambda *args, **kwargs: object())
    calls = [
        *(((-1,), {}), ((-2,), {}), (((-1,),), {}), (((-2,),), {})),
        *(((1,), {}), (("1",), {}), ((True,), {}), (("true",), {}), (("True",), {})),
        *(((["a", "b"],), {}), (("a:b",), {}), (("a", "b"), {})),
        *((("a b", "c"), {}), (("a", "b c"), {}), (("a", "b", "c"), {})),
        *(((1, None, "x"), {}), ((1,), {"x": None}), ((1, "x", None), {}), ((1, ("x", None)), {})),
        *(((), {"a": 1, "b": 2}), ((), {"b": 2, "a": 1})),  # The function sees the order.
        *(((False,), {}), ((None,), {}), ((0,), {}), ((), {})),
        *((([1], {"a": 1}), {}), (([1],), {"a": 1}), (({"a": 1},), {})),
    ]
    results = [f(*args, **kwargs) for args, kwargs in calls]
    assert len(set(map(id, results))) == len(calls)
    named = dcache(name="f")(lambda *args, **kwargs: None)
    assert len({named.key(*args, **kwargs) for args, kwargs in calls}) == len(calls)


def test_one_call_however_it_is_spelled():
    @dcache(name="f")
    def f(user, /, b=1, *, options=(), limit=decimal.Decimal(1)):
        return object()

    spellings = [
        *(((7,), {}), ((7, 1), {}), ((7,), {"b": 1}), ((7,), {"options": ()})),
        ((7,), {"limit": decimal.Decimal(1), "options": (), "b": 1}),
    ]
    assert len({id(f(*args, **kwargs)) for args, kwargs in spellings}) == 1
    assert len({f.key(*args, **kwargs) for args, kwargs in spellings}) == 1


def test_an_object_is_never_keyed_by_its_text_or_address():
    class Noted:
        __hash__ = None

        def __repr__(self):
            return "same"

    with pytest.raises(UnkeyableError):
        dcache(lambda x: x)(Noted())
    with pytest.raises(UnkeyableError):
        dcache(name="f")(lambda x: x).key(object())


def test_sets_of_what_has_no_order_have_one_form():
    values = [1, "a", None, (1,), 2.5, b"a", frozenset({1})]
    forms = {canonical_bytes(set(order)) for order in itertools.permutations(values, 7)}
    assert len(forms) == 1


def test_two_functions_of_one_cache_share_nothing():
    cache = Cache(InMemoryBackend())
    f = cache(lambda x: ("f", x))
    g = cache(lambda x: ("g", x))
    assert (f([1]), g([1]), f(1), g(1)) == (("f", [1]), ("g", [1]), ("f", 1), ("g", 1))


# --- What has no canonical form ---


class Session:
    pass


class Text(str):
    __slots__ = ()


NO_FORM = [
    *(Session(), Text("a"), collections.OrderedDict(), bytearray(), lambda: 1, object(), iter([])),
    *(type("Local", (), {}), functools.partial(len), [].append, Session.__init__),
    NOON.replace(tzinfo=type("Zone", (datetime.tzinfo,), {"utcoffset": lambda s, d: None})()),
    type("Odd", (decimal.Decimal,), {})(1),
]


@pytest.mark.parametrize("value", NO_FORM, ids=repr)
def test_what_has_no_canonical_form(value):
    for whole in (value, [value], {"a": (value,)}, {"a": 1, "b": [{"c": value}]}):
        with pytest.raises(UnkeyableError, match="has no canonical form"):
            canonical_bytes(whole)


def test_an_argument_without_a_key_is_named_with_the_ways_out():
    @dcache
    def load(user, session):
        return user

    with pytest.raises(UnkeyableError) as error:
        load(1, [Session(), {}])
    assert str(error.value) == (
        "dcache: argument 'session' of test_an_argument_without_a_key_is_named_with_the_ways_out."
        "<locals>.load() is a list that holds a Session, which has neither a hash nor a canonical "
        "form: leave it out of the key with ignore=('session',), say what counts with key=, or "
        "dcache.register(Session, encode=..., decode=...)"
    )
    with pytest.raises(UnkeyableError, match=r"is a slice that holds a Session, which has nei"):
        load(1, slice(Session()) if sys.version_info < (3, 12) else slice([Session()]))


def test_what_has_no_key_and_no_parameter_of_its_own_says_where_it_came_from():
    @dcache({}, name="surplus")
    def surplus(*items, **more):
        return 1

    for call in (lambda: surplus(1, Session()), lambda: surplus(a=Session())):
        with pytest.raises(
            UnkeyableError, match=r"an argument of .*surplus\(\) is a Session"
        ) as error:
            call()
        assert "dcache.register(Session" in str(error.value)

    @dcache({}, name="keyed", key=lambda user: [user])
    def keyed(user):
        return 1

    with pytest.raises(UnkeyableError, match=r"what key= makes of a call of .*keyed\(\) is a list"):
        keyed(Session())
    with pytest.raises(UnkeyableError) as error:
        surplus(n for n in ())
    assert "register" not in str(error.value)  # Nobody registers generators.


def test_a_name_counts_only_while_it_leads_to_the_object():
    module = sys.modules[__name__]
    old = of_this_module
    try:
        module.of_this_module = lambda: 2
        with pytest.raises(UnkeyableError):
            canonical_bytes(old)
    finally:
        module.of_this_module = old
    assert canonical_bytes(old)


def test_containers_that_hold_themselves_are_refused_and_no_crash():
    for make in (lambda box: box.append(box), lambda box: box.append([{"a": (box,)}])):
        box = []
        make(box)
        with pytest.raises(RecursionError, match=r"key is made|holds itself"):
            dcache(lambda x: x)(box)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        dcache(lambda x: x)(deep)


def test_no_crash_whatever_the_bound_of_the_interpreter():
    script = (
        "import sys; sys.setrecursionlimit(10**8); from dcache import dcache\n"
        "box = []; box.append(box)\n"
        "try: dcache(lambda x: x)(box)\n"
        "except RecursionError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "nested more than 1000 levels" in done.stdout, done.stderr


# --- What changes while its key is made ---


def changing(change):
    """A class whose name, when asked for, changes what holds it."""

    class Meta(type):
        @property
        def __module__(cls):
            change()
            return "builtins"

    return Meta("int", (), {})


@pytest.mark.parametrize("size", [1, 3, 40])
@pytest.mark.parametrize(
    "change",
    [
        lambda box: box.clear(),
        lambda box: box.pop(),
        lambda box: box.append(1) if isinstance(box, list) else None,
        lambda box: box.add(object()) if isinstance(box, set) else None,
        lambda box: box.update(dict.fromkeys(range(1000), 1)) if isinstance(box, dict) else None,
    ],
)
@pytest.mark.parametrize("kind", [list, set, dict])
def test_what_changes_while_its_key_is_made_is_noticed_and_no_crash(kind, change, size):
    def now():
        for _ in range(2):
            try:
                change(box)
            except (TypeError, IndexError, KeyError):  # Nothing is left to remove.
                if isinstance(box, dict) and box:
                    box.popitem()

    evil = [changing(now) for _ in range(size)]
    box = dict.fromkeys(evil, evil[0]) if kind is dict else kind(evil)
    f = dcache(lambda x: 1)
    with pytest.raises((RuntimeError, UnkeyableError)):
        f(box)
    assert f([1]) == f([1]) == 1


def test_other_threads_may_change_an_argument():
    stop = threading.Event()
    shared = [{"a": [1, 2], "b": {1, 2}}, [1]]

    def change():
        while not stop.is_set():
            shared[0]["c"] = [3]
            shared[0]["b"].add(3)
            shared[1].append(2)
            del shared[0]["c"], shared[1][1:]
            shared[0]["b"].discard(3)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        forms = {canonical_bytes(shared) for _ in range(20_000)}
    finally:
        stop.set()
        thread.join()
    for form in forms:
        read = cbor2.loads(form, tag_hook=revived)
        assert content(read[0]["a"]) == content([1, 2])
        assert read[0]["b"] in ({1, 2}, {1, 2, 3})


# --- What is left behind ---


def test_making_keys_leaves_nothing_behind():
    values = [value for value in DIFFERENT if value is not None]

    def keys(times):
        for value in values:
            for _ in range(times):
                canonical_bytes(value)

    def state():
        gc.collect()
        return len(gc.get_objects())

    keys(10)
    references = [sys.getrefcount(value) for value in values]
    objects, memory = state(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # References to small numbers come and go; one that is lost in each key would be 100,000.
    keys(1_000 if "DCACHE_SANITIZED" in os.environ else 100_000)
    assert (
        max(abs(sys.getrefcount(v) - n) for v, n in zip(values, references, strict=True)) < 10_000
    )
    assert state() <= objects + 10
    if "DCACHE_SANITIZED" not in os.environ:
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss <= memory + 1024  # KiB.


def test_what_has_no_form_and_what_is_refused_leaves_nothing_behind():
    f = dcache(lambda x: x)
    deep = []
    deep.append(deep)
    values = [[value] for value in NO_FORM] + [deep]

    def refuse():
        for value in values:
            with pytest.raises((UnkeyableError, RecursionError)):
                f(value)

    refuse()
    before = [sys.getrefcount(value[0]) for value in values]
    for _ in range(200):
        refuse()
    gc.collect()
    assert [sys.getrefcount(value[0]) for value in values] == before


def test_text_is_not_left_with_a_copy_of_itself():
    text = "é" * 1000
    size = sys.getsizeof(text)
    dcache(lambda x: x)([text])
    assert sys.getsizeof(text) == size


def test_an_import_brings_no_type_that_has_a_form():
    program = (
        f"import sys; sys.path[:] = {sys.path!r}; import dcache;"
        "dcache.dcache(lambda x: x)([1, (2, {3: {4}})])\n"
        "names = 'datetime decimal enum fractions hashlib pathlib uuid zoneinfo'.split()\n"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
