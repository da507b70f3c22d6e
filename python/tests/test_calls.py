# SPDX-License-Identifier: MIT
"""What is one call: binding, types, containers, objects with an `==` of their own."""

import dataclasses
from typing import NamedTuple

import pytest
from dcache import MISSING, ConfigError, UnkeyableError, dcache


def counted(function=None, **options):
    """A cached function that counts how often its body runs, in `.runs`."""
    runs = []

    def body(*args, **kwargs):
        runs.append(args)
        return len(runs)

    cached = dcache(**options)(function(runs) if function else body)
    cached.runs = runs
    return cached


@pytest.fixture
def f():
    def make(runs):
        def f(a, b=2, *args, c=3, **kw):
            runs.append((a, b, args, c, kw))
            return runs[-1]

        return f

    return counted(make)


def test_every_spelling_of_a_call_is_one_call(f):
    for _ in range(2):
        f(1)
        f(1, 2)
        f(1, b=2)
        f(a=1)
        f(b=2, a=1)
        f(1, c=3)
    assert len(f.runs) == 1


def test_surplus_arguments_count(f):
    calls = [
        lambda: f(1, 2, 3),
        lambda: f(1, 2, 3, 4),
        lambda: f(1, 2, (3, 4)),
        lambda: f(1, x=3),
        lambda: f(1, y=3),
        lambda: f(1, 2, "x", 3),
        lambda: f(1, 2, x=1, y=2),
        lambda: f(1, 2, y=2, x=1),
    ]
    answers = [call() for call in calls]
    assert len(f.runs) == len(calls)
    assert [call() for call in calls] == answers
    assert len(f.runs) == len(calls)


def test_positional_only_names_may_be_surplus_keywords():
    @dcache
    def g(a, /, **kw):
        return a, kw

    assert g(1, a=2) == (1, {"a": 2})
    assert g(1, a=3) == (1, {"a": 3})
    assert g(1) == (1, {})


def test_a_default_counts_as_it_was_when_the_function_was_decorated():
    f = counted(lambda runs: lambda a=[1]: runs.append(a))
    f()
    f([1])
    assert len(f.runs) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: f(), "missing a required argument: 'a'"),
        (lambda f: f(1, a=2), "multiple values for argument 'a'"),
        (lambda f: dcache(lambda a: a)(1, 2), "takes 1 positional argument but 2 were given"),
        (lambda f: dcache(lambda a: a)(1, b=2), "unexpected keyword argument 'b'"),
    ],
)
def test_arguments_that_do_not_fit_are_a_type_error(f, call, words):
    with pytest.raises(TypeError, match=words):
        call(f)


DIFFERENT = [
    1, True, 1.0, "1", b"1", None, 0, False, 0.0, -0.0, "", b"", (), [], {}, set(), frozenset(),
    (1,), (True,), (1.0,), [1], [1.0], [(1,)], [[1]], {1: 2}, {1: 2.0}, {True: 2}, {1}, {1.0},
    frozenset({1}), -1, -2, 2**62, 2**63, 2**64, -(2**63), -(2**63) - 1, -(2**64) - 1, 2**200,
    -(2**200), "\ud800", "\ud801", "é", "e\u0301", (1, 2), ((1, 2),), ((1,), 2), ("a", "b"),
    ("ab",),
]  # fmt: skip


def test_different_arguments_never_share_a_result():
    f = counted()
    for value in DIFFERENT:
        f(value)
    assert len(f.runs) == len(DIFFERENT)
    for place, value in enumerate(DIFFERENT, 1):
        assert f(value) == place
    assert len(f.runs) == len(DIFFERENT)


def test_nan_equals_nan():
    f = counted()
    f(float("nan"))
    f(float("nan"))
    f([float("nan")])
    f([float("nan")])
    assert len(f.runs) == 2


def test_order_counts_in_lists_and_not_in_sets_and_dicts():
    f = counted()
    f({"a": 1, "b": [2, {3, 1000003, -5}]})
    f({"b": [2, {-5, 1000003, 3}], "a": 1})
    assert len(f.runs) == 1
    f([1, 2])
    f([2, 1])
    assert len(f.runs) == 3


def test_a_changed_list_is_another_argument():
    f = counted()
    argument = [1]
    f(argument)
    argument.append(2)
    f(argument)
    assert len(f.runs) == 2


@dataclasses.dataclass(frozen=True)
class Order:
    items: object


class Row(NamedTuple):
    items: object


@pytest.mark.parametrize("make", [Order, Row])
def test_what_cannot_be_hashed_for_what_it_holds_goes_by_content(make):
    f = counted()
    assert [f(make([1])), f(make([1])), f(make([True])), f(make({"a": 1}))] == [1, 1, 2, 3]
    assert (f(make((1,))), f(make((1,)))) == (4, 4)
    assert (f(Order([1])) == f(Row([1]))) is False
    assert f.peek(make([1])) == 1
    assert f.invalidate(make([1]))
    assert f.peek(make([1])) is MISSING
    by_key = counted(key=lambda x: make(x))
    assert [by_key([1]), by_key([1]), by_key([2])] == [1, 1, 2]


def test_what_a_hash_raised_is_told_when_no_key_can_be_made():
    class Broken:
        def __hash__(self):
            return len(1)

    with pytest.raises(UnkeyableError, match=r"argument 'x' of .* is a Broken") as caught:
        dcache(lambda x: x)(Broken())
    assert "has no len" in str(caught.value.__cause__)
    with pytest.raises(UnkeyableError, match="is a Order that holds a object"):
        dcache(lambda x: x)(Order([object()]))


@pytest.mark.parametrize("bad", [bytearray(b"x"), [object()], {"k": bytearray()}])
def test_what_no_key_can_be_made_of_is_refused_with_the_way_out(bad):
    with pytest.raises(UnkeyableError, match=r"ignore=.*key=") as caught:
        dcache(lambda x: x)(bad)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "call",
    [lambda: dcache(lambda *a: 1)(bytearray()), lambda: dcache(key=lambda x: bytearray())(abs)(1)],
)
def test_what_has_no_name_is_not_to_be_ignored(call):
    with pytest.raises(UnkeyableError, match="key=") as caught:
        call()
    assert "is a bytearray, which has" in str(caught.value)
    assert "ignore" not in str(caught.value)


class Loud:
    """Equal by content; every instance has one hash, so that `==` decides."""

    asked = 0

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return 7

    def __eq__(self, other):
        Loud.asked += 1
        return self.value == other.value


def test_objects_are_told_apart_by_their_own_equality():
    f = counted()
    assert [f(Loud(i % 5)) for i in range(50)] == [i % 5 + 1 for i in range(50)]
    assert f.invalidate(Loud(3))
    assert f.peek(Loud(3)) is MISSING
    assert f.peek(Loud(4)) == 5


def test_an_equality_that_raises_reaches_the_caller_and_breaks_nothing():
    class Bad:
        def __hash__(self):
            return 1

        def __eq__(self, other):
            raise ZeroDivisionError

    f = counted()
    f(Bad())
    with pytest.raises(ZeroDivisionError):
        f(Bad())
    assert f(1) == 2


def test_an_equality_may_call_back_into_the_same_table():
    class Nosy:
        def __hash__(self):
            return 1

        def __eq__(self, other):
            f.cache_clear()
            f(5)
            return True

    f = counted()
    f(Nosy())
    f(Nosy())
    assert f.cache_info().currsize <= 2


def test_untyped_goes_by_plain_equality():
    f = counted(typed=False)
    assert f(1) == f(1.0) == f(True) == 1
    assert f((1,)) == f((1.0,))


def test_ignored_parameters_do_not_count():
    f = counted(lambda runs: lambda user, session=None: runs.append(user), ignore="session")
    f(1, object())
    f(1, session=[])
    f(1)
    assert len(f.runs) == 1


def test_an_unknown_name_in_ignore_is_an_error():
    with pytest.raises(ConfigError, match=r"no parameter 'sesion' to ignore; it has \['session'\]"):
        dcache(ignore="sesion")(lambda session: 1)


def test_key_says_what_counts():
    f = counted(lambda runs: lambda user: runs.append(user), key=lambda user: user["id"])
    f({"id": 1, "name": "a"})
    f({"id": 1, "name": "b"})
    f({"id": 2, "name": "b"})
    assert len(f.runs) == 2


def test_builtins_without_a_signature_go_by_their_spelling():
    f = dcache(max)
    assert f(1, 2) == f(1, 2) == 2
    assert f([3, 4], key=str) == 4
    assert f.cache_info().hits == 1
