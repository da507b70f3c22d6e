# SPDX-License-Identifier: MIT
"""What holds for any signature, any sequence of calls and any container: searched by hypothesis."""

import inspect
import itertools
import math
import struct

import pytest
from dcache import MISSING, dcache
from hypothesis import given
from hypothesis import strategies as st
from searching import searching

search = searching(100, sanitized=30)


def form(value):
    """Equal for what counts as one argument: same exact types, same content."""
    kind = type(value)
    if kind is float:
        content = "nan" if math.isnan(value) else struct.pack("d", value)
    elif kind in (list, tuple):
        content = tuple(map(form, value))
    elif kind in (set, frozenset):
        content = frozenset(map(form, value))
    elif kind is dict:
        content = frozenset((form(key), form(item)) for key, item in value.items())
    else:
        content = value
    return kind, content


# --- Signatures and spellings ---

KINDS = inspect.Parameter
VALUES = st.sampled_from([0, 1, True, 1.0, "1", None, (1,), [1]])
# Also the names of parameters: `def f(a, /, **more)` takes `f(1, a=2)`.
SURPLUS = ("a", "c", "x", "y")


@st.composite
def signatures(draw):
    """A signature as text: any mixture of kinds, with and without defaults."""
    names = iter("abcdefgh")
    only, either, keywords = (draw(st.integers(0, 2)) for _ in range(3))
    positional = list(itertools.islice(names, only + either))
    required = draw(st.integers(0, len(positional)))
    parts = [
        name if at < required else f"{name}={draw(VALUES)!r}" for at, name in enumerate(positional)
    ]
    if only:
        parts.insert(only, "/")
    if draw(st.booleans()):
        parts.append("*args")
    elif keywords:
        parts.append("*")
    for name in itertools.islice(names, keywords):
        parts.append(name if draw(st.booleans()) else f"{name}={draw(VALUES)!r}")
    if draw(st.booleans()):
        parts.append("**more")
    return ", ".join(parts)


@st.composite
def calls(draw, signature):
    """Positional and keyword arguments that mostly fit: each parameter given either way, or not."""
    args, kwargs, by_position = [], [], True
    for parameter in signature.parameters.values():
        if parameter.kind is KINDS.VAR_POSITIONAL:
            args += draw(st.lists(VALUES, max_size=2)) if by_position else []
        elif parameter.kind is KINDS.VAR_KEYWORD:
            kwargs += [(name, draw(VALUES)) for name in draw(st.sets(st.sampled_from(SURPLUS)))]
        elif parameter.default is not KINDS.empty and draw(st.booleans()):
            by_position = False
        else:
            default = parameter.default
            value = draw(VALUES if default is KINDS.empty else st.just(default) | VALUES)
            by_position &= parameter.kind is not KINDS.KEYWORD_ONLY
            by_position &= parameter.kind is KINDS.POSITIONAL_ONLY or draw(st.booleans())
            if by_position:
                args.append(value)
            else:
                kwargs.append((parameter.name, value))
    return args, dict(draw(st.permutations(kwargs)))


def bound(plain, args, kwargs):
    """What tells one call from another, judged by the language itself; None if they do not fit.

    `inspect` would do, but refuses `f(a=1)` of `def f(a=0, /, **more)` before Python 3.13.
    """
    try:
        arguments = plain(*args, **kwargs)
    except TypeError:
        return None
    # The function sees the order of its surplus keywords.
    more = tuple((name, form(value)) for name, value in arguments.pop("more", {}).items())
    return more, tuple(map(form, arguments.values()))


@search
@given(st.data())
def test_all_spellings_of_one_call_are_one_entry_and_other_calls_are_others(data):
    runs = itertools.count()
    parameters = data.draw(signatures())
    scope = {"runs": runs}
    exec(f"def body({parameters}): return next(runs)", scope)
    exec(f"def plain({parameters}): return locals()", scope)
    f, plain = dcache(maxsize=None)(scope["body"]), scope["plain"]
    results = {}
    for args, kwargs in data.draw(st.lists(calls(inspect.signature(plain)), max_size=8)):
        call = bound(plain, args, kwargs)
        if call is None:
            with pytest.raises(TypeError):
                f(*args, **kwargs)
        else:
            assert f(*args, **kwargs) == results.setdefault(call, len(results))
            assert f.peek(*args, **kwargs) == results[call]
    assert f.cache_info().currsize == len(results)


# --- Sequences of calls against a dict ---

STEPS = st.one_of(
    st.tuples(st.sampled_from(["call", "peek", "invalidate", "refresh"]), st.integers(0, 5)),
    st.tuples(st.just("put"), st.integers(0, 5), st.integers(-9, -1)),
    st.just(("cache_clear",)),
)


@search
@given(st.lists(STEPS, max_size=60), st.booleans())
def test_any_sequence_of_verbs_does_what_a_dict_does(steps, lru):
    runs = itertools.count()
    f = dcache(maxsize=None, policy="lru" if lru else "adaptive")(lambda x: next(runs))
    model, next_run = {}, 0
    for verb, *operands in steps:
        x = operands[0] if operands else None
        if verb == "call":
            if x not in model:
                model[x], next_run = next_run, next_run + 1
            assert f(x) == model[x]
        elif verb == "refresh":
            model[x], next_run = next_run, next_run + 1
            assert f.refresh(x) == model[x]
        elif verb == "peek":
            assert f.peek(x) == model.get(x, MISSING)
        elif verb == "invalidate":
            assert f.invalidate(x) == (model.pop(x, MISSING) is not MISSING)
        elif verb == "put":
            model[x] = operands[1]
            f.put(operands[1], x)
        else:
            model.clear()
            f.cache_clear()
        assert f.cache_info().currsize == len(model)


@search
@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 8))
def test_policy_lru_keeps_the_most_recently_used(calls, maxsize):
    runs = itertools.count()
    f = dcache(maxsize=maxsize, policy="lru")(lambda x: next(runs))
    model = {}
    for x in calls:
        hit = x in model
        model[x] = model.pop(x, None)
        if len(model) > maxsize:
            del model[next(iter(model))]
        before = f.cache_info().hits
        f(x)
        assert (f.cache_info().hits > before) == hit


# --- Containers ---

SMALL = st.one_of(
    st.sampled_from([None, False, True, 0, 1, -1, 2**63, 2**64, -(2**64), "", "1", b"", b"1"]),
    st.sampled_from([0.0, -0.0, 1.0, math.inf]),
    st.integers(-300, 300),
    st.text("a1é\u20ac\U0001f600\ud800", max_size=2),
    st.binary(max_size=2),
)
KEYS = SMALL | st.tuples(SMALL) | st.frozensets(SMALL, max_size=2)
NESTED = st.recursive(
    SMALL | st.just(math.nan),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
        st.sets(KEYS, max_size=3),
        st.frozensets(KEYS, max_size=3),
    ),
    max_leaves=8,
)


def rebuilt(value, shuffled):
    """An equal copy whose sets and dicts were filled in another order."""
    if type(value) in (list, tuple):
        return type(value)(rebuilt(item, shuffled) for item in value)
    if type(value) in (set, frozenset):
        return type(value)(shuffled([rebuilt(item, shuffled) for item in value]))
    if type(value) is dict:
        return dict(shuffled([(key, rebuilt(item, shuffled)) for key, item in value.items()]))
    return value


@search
@given(st.lists(NESTED, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_containers_of_equal_content_are_one_argument_and_others_are_others(values, random):
    runs = itertools.count()
    f = dcache(maxsize=None)(lambda x: next(runs))
    results = {}
    for value in values:
        expected = results.setdefault(form(value), len(results))
        assert f(value) == expected
        other = rebuilt(value, lambda items: random.sample(items, len(items)))
        assert f(other) == expected
    assert f.cache_info().currsize == len(results)
