# SPDX-License-Identifier: MIT
"""Far tiers: where results go, in which order they are looked for, and what happens if not."""

import asyncio
import collections
import dataclasses
import logging
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import dcache as package
import pytest
from dcache import (
    MISSING,
    ConfigError,
    InvalidationError,
    ModeError,
    PickleCodec,
    TierError,
    UnkeyableError,
    UnstorableError,
    UsageError,
    configure,
    dcache,
)
from dcache.backends import Backend, FileBackend, InMemoryBackend, Tier, load_plugin
from dcache.testing import ManualClock, check_backend


class Store(Backend):
    """A backend in Python that counts what it is asked."""

    def __init__(self):
        self.kept, self.asked = {}, []

    def get(self, key):
        self.asked.append("get")
        return self.kept.get(key)

    def put(self, key, value, expires):
        self.asked.append("put")
        self.kept[key] = value

    def erase(self, key):
        self.asked.append("erase")
        self.kept.pop(key, None)


class AsyncStore(Store):
    async def get(self, key):
        await asyncio.sleep(0)
        return super().get(key)

    async def put(self, key, value, expires):
        await asyncio.sleep(0)
        super().put(key, value, expires)


class Down(Backend):
    def __init__(self):
        self.asked = 0

    def get(self, key):
        self.asked += 1
        raise OSError("connection refused")

    put = erase = lambda self, *args: self.get(None)


class Hanging(Backend):
    timeout = 0.05

    def __init__(self):
        self.released = threading.Event()

    def get(self, key):
        self.released.wait(30)

    put = erase = lambda self, *args: self.released.wait(30)


def counted(cache, name="f", **options):
    """A cached function and the list of its runs."""
    runs = []

    def body(n):
        runs.append(n)
        return {"n": n}

    return cache(name=name, **options)(body), runs


@pytest.fixture
def files(tmp_path):
    return FileBackend(tmp_path / "cache")


@pytest.fixture
def default_tiers(monkeypatch):
    monkeypatch.delenv("DCACHE_URL", raising=False)
    yield
    configure("memory:", mode="normal")


# --- The order of a look-up ---


def test_memory_first_then_each_farther_tier_then_the_function():
    near, far = Store(), Store()
    f, runs = counted(dcache(multiple=[InMemoryBackend(), near, far]))
    assert f(1) == {"n": 1}
    assert runs == [1]
    assert near.kept
    assert far.kept
    near.asked.clear()
    far.asked.clear()
    assert f(1) == {"n": 1}
    assert (near.asked, far.asked) == ([], [])


def test_a_hit_in_a_farther_tier_fills_all_nearer_ones():
    far = Store()
    counted(dcache(far))[0](1)
    near = Store()
    f, runs = counted(dcache(multiple=[InMemoryBackend(), near, far]))
    assert f(1) == {"n": 1}
    assert runs == []
    assert f.cache_info().currsize == 1
    assert len(near.kept) == 2  # The record and the mark.
    assert f.cache_info()[:2] == (1, 0)


def test_one_far_tier_alone_is_asked_by_each_call(files):
    f, runs = counted(dcache(files))
    first, second = f(1), f(1)
    assert first == second
    assert first is not second
    assert runs == [1]
    assert f.stats()["tiers"][0]["hits"] == 1
    assert f.cache_info().currsize == 0


def test_what_memory_has_is_the_very_object(files):
    f, _ = counted(dcache(multiple=[InMemoryBackend(), files]))
    assert f(1) is f(1)


def test_results_outlive_the_process_and_the_second_is_instant(tmp_path):
    script = tmp_path / "quotes.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time
        from dcache import dcache

        @dcache(f"file://{sys.argv[1]}")
        def quote(symbol):
            time.sleep(0.3)
            return {"symbol": symbol, "price": 12.5}

        begun = time.perf_counter()
        quote("ACME")
        print(time.perf_counter() - begun > 0.3, quote("ACME"))
        """)
    )
    command = [sys.executable, script, tmp_path / "cache"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert first.stdout == "True {'symbol': 'ACME', 'price': 12.5}\n"
    assert second.stdout == "False {'symbol': 'ACME', 'price': 12.5}\n"


def test_six_processes_on_one_cold_key_run_the_body_once(tmp_path):
    script = textwrap.dedent("""
        import os, sys, time
        from dcache import dcache

        @dcache(f"file://{sys.argv[1]}/cache", name="slow")
        def slow(n):
            open(f"{sys.argv[1]}/run-{os.getpid()}", "w").close()
            time.sleep(0.5)
            return n

        print(slow(1))
    """)
    command = [sys.executable, "-c", script, tmp_path]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(6)]
    assert [each.communicate(timeout=60)[0] for each in running] == [b"1\n"] * 6
    assert len(list(tmp_path.glob("run-*"))) == 1


def test_a_killed_leader_is_followed_by_the_next(tmp_path):
    script = textwrap.dedent("""
        import sys, time
        from dcache import dcache

        @dcache(f"file://{sys.argv[1]}/cache", name="slow")
        def slow(n):
            open(f"{sys.argv[1]}/started", "w").close()
            time.sleep(60)

        slow(1)
    """)
    leader = subprocess.Popen([sys.executable, "-c", script, tmp_path])
    while not (tmp_path / "started").exists():
        time.sleep(0.01)
    f = dcache(f"file://{tmp_path}/cache", name="slow")(name="slow")(lambda n: n + 1)
    results = []
    follower = threading.Thread(target=lambda: results.append(f(1)))
    follower.start()
    time.sleep(0.1)
    assert results == []
    leader.kill()
    leader.wait()
    follower.join(10)
    assert results == [2]


def test_ctrl_c_is_answered_while_another_process_computes(tmp_path):
    holder = dcache(f"file://{tmp_path}/cache")(name="slow")(lambda n: time.sleep(5))
    thread = threading.Thread(target=holder, args=(1,), daemon=True)
    thread.start()
    time.sleep(0.2)
    script = textwrap.dedent("""
        import os, signal, sys, threading, time
        from dcache import dcache

        slow = dcache(f"file://{sys.argv[1]}/cache")(name="slow")(lambda n: n)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        begun = time.perf_counter()
        try:
            slow(1)
        except KeyboardInterrupt:
            print(time.perf_counter() - begun < 2)
    """)
    command = [sys.executable, "-c", script, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "True\n", done.stderr


# --- Who shares what ---


def test_functions_of_one_cache_never_collide(files):
    cache = dcache(files)

    @cache
    def one(n):
        return ["one", n]

    @cache
    def two(n):
        return ["two", n]

    assert (one(1), two(1), one(1), two(1)) == (["one", 1], ["two", 1], ["one", 1], ["two", 1])


def test_versions_and_namespaces_keep_results_apart(files, monkeypatch):
    cache = dcache(files)
    f, _ = counted(cache)
    f(1)
    for options in ({"version": "2"}, {"namespace": "shop"}):
        other, other_runs = counted(cache, **options)
        other(1)
        assert other_runs == [1]
    monkeypatch.setenv("DCACHE_NAMESPACE", "env")
    other, other_runs = counted(cache)
    other(1)
    assert other_runs == [1]
    assert other.key(1).startswith("env:f:")


def test_two_functions_of_one_name_are_refused_and_the_message_names_both(files):
    cache = dcache(files)
    kept, _ = counted(cache, name="same")
    kept(1)
    other = cache(name="same")(lambda n: n)
    with pytest.raises(UsageError, match=r"share the far key 'same'.*body.*<lambda>"):
        other(1)


def test_a_function_that_is_defined_anew_takes_the_place_of_the_old_one(files):
    cache = dcache(files)
    namespace = {"cache": cache, "__name__": "notebook"}
    exec("@cache\ndef f(n): return [n]", namespace)
    old = namespace["f"]
    assert old(1) == [1]
    exec("\n\n@cache\ndef f(n): return [n, n]", namespace)
    assert namespace["f"](2) == [2, 2]


@pytest.mark.parametrize("make", [lambda: lambda n: n, lambda: (lambda k: lambda n: n + k)(1)])
def test_what_a_name_does_not_tell_all_about_needs_one(make, files):
    f = dcache(files)(make())
    with pytest.raises(UsageError, match=r"dcache\(name=\.\.\.\)"):
        f(1)


class Named:
    def __dcache_key__(self):
        return "the one"

    def price(self, item):
        return [item]


def test_a_method_needs_a_key(files):
    class Shop:
        @dcache(files, name="price")
        def price(self, item):
            return item

    with pytest.raises(UnkeyableError, match=r"argument 'self' of .*Shop"):
        Shop().price(1)

    price = dcache(files)(name="named price")(Named.price)
    assert price(Named(), 1) == price(Named(), 1) == [1]
    assert price.stats()["tiers"][0]["hits"] == 1


# --- Verbs ---


def test_the_verbs_reach_every_tier():
    near, far = Store(), Store()
    f, runs = counted(dcache(multiple=[InMemoryBackend(), near, far]))
    assert f.peek(1) is MISSING
    f(1)
    f.invalidate(1)
    assert f.peek(1) is MISSING
    assert (len(near.kept), len(far.kept)) == (1, 1)  # The marks.
    f.put("mine", 1)
    for store in (near, far):
        assert counted(dcache(store))[0](1) == "mine"
    assert f.refresh(1) == {"n": 1}
    for store in (near, far):
        assert counted(dcache(store))[0](1) == {"n": 1}
    assert runs == [1, 1]


def test_peek_asks_far_tiers_and_computes_nothing(files):
    counted(dcache(files))[0](1)
    f, runs = counted(dcache(multiple=[InMemoryBackend(), files]))
    assert f.peek(1) == {"n": 1}
    assert f.peek(2) is MISSING
    assert runs == []


def test_cache_clear_is_a_mark_for_everybody(files):
    f, runs = counted(dcache(multiple=[InMemoryBackend(), files]))
    g, _ = counted(dcache(files), name="g")
    f(1)
    g(1)
    f.cache_clear()
    assert counted(dcache(files))[0].peek(1) is MISSING
    assert g.peek(1) == {"n": 1}
    f(1)
    assert runs == [1, 1]
    assert f.peek(1) == {"n": 1}


def test_an_invalidation_elsewhere_beats_a_body_that_runs_here(files):
    other, _ = counted(dcache(files))

    def body(n):
        other.invalidate(n)
        return "old"

    f = dcache(multiple=[InMemoryBackend(), files])(name="f")(body)
    assert f(1) == "old"
    assert f.peek(1) is MISSING
    assert other.peek(1) is MISSING


def test_nothing_is_kept_of_what_was_invalidated_while_it_ran(files):
    f = None

    def body(n):
        f.invalidate(n)
        return "old"

    f = dcache(multiple=[InMemoryBackend(), files])(name="f")(body)
    assert f(1) == "old"
    assert f.peek(1) is MISSING


def test_clear_all_empties_memory_and_leaves_far_tiers_alone(files):
    f, runs = counted(dcache(multiple=[InMemoryBackend(), files]))
    f(1)
    package.clear_all()
    assert f.cache_info().currsize == 0
    f(1)
    assert runs == [1]


def test_dropping_the_function_leaves_far_tiers_alone(files):
    f, _ = counted(dcache(files))
    f(1)
    del f
    assert counted(dcache(files))[0].peek(1) == {"n": 1}


def test_explain_says_what_each_tier_says(files):
    f, _ = counted(dcache(multiple=[InMemoryBackend(), files]))
    assert "file://" in f.explain(1)
    assert "a call runs the function" in f.explain(1)
    f(1)
    assert "a call is a hit" in f.explain(1)
    package.clear_all()
    assert "a call finds it in file://" in f.explain(1)
    assert ": hit, without end (" in f.explain(1)
    clock = ManualClock()
    g, _ = counted(dcache(files, clock=clock), name="g", ttl=60, stale_for=60)
    g(1)
    clock.advance(30)
    assert ": hit, fresh for 30 s more (" in g.explain(1)
    clock.advance(40)
    assert ": stale since 10 s (" in g.explain(1)
    clock.advance(60)
    assert ": expired 10 s ago (" in g.explain(1)


def test_explain_says_what_a_mode_makes_of_a_call(files, default_tiers):
    f, _ = counted(dcache(multiple=[InMemoryBackend(), files]))
    f(1)
    assert "f: a call is a hit\n" in f.explain(1).replace("counted.<locals>.body", "f")
    for mode, verdict in {
        "bypass": "a call runs the function",
        "refresh": "a call runs the function",
        "read-only": "a call is a hit",
        "offline": "a call is a hit",
    }.items():
        configure(mode=mode)
        assert f.explain(1).splitlines()[0].endswith(f": {verdict} (the mode is {mode})")
    configure(mode="normal")
    with package.disabled():
        assert "a call runs the function (the mode is bypass)" in f.explain(1)


def test_explain_names_every_tier_those_that_are_not_asked_too():
    written, hanging = Store(), Hanging()
    f, _ = counted(dcache(multiple=[Tier(written, reads=False), hanging]))
    for n in range(6):
        f(n)
    hanging.released.set()
    said = f.explain(1).splitlines()
    assert said[2].startswith("  python:Store: not asked: it is not read (")
    assert said[3].startswith("  python:Hanging: left alone after it failed: ")
    # Which of the two it failed with last: on a busy machine enough of them take their whole time.
    assert "all 4 of its threads hang (" in said[3] or "no answer in time (" in said[3]
    for line in said[2:4]:  # As long as it took, which was no time.
        assert line.endswith(" us)")


def test_explain_says_long_times_in_days(files):
    f, _ = counted(dcache(multiple=[InMemoryBackend(), files]), ttl="9d")
    f(1)
    assert "a result, fresh for 9 days more" in f.explain(1)


# --- Time ---


def test_back_filling_never_extends_a_life(files):
    clock = ManualClock()
    f, _ = counted(dcache(files, clock=clock), ttl=10)
    f(1)
    clock.advance(9)
    g, runs = counted(dcache(multiple=[InMemoryBackend(), files], clock=clock), ttl=10)
    g(1)
    assert runs == []
    clock.advance(2)
    g(1)
    assert runs == [1]


def test_a_tier_can_have_a_shorter_life(files):
    clock = ManualClock()
    near = Store()
    near.shared = False
    f, runs = counted(dcache(multiple=[Tier(near, ttl=5), files], clock=clock), ttl=60)
    f(1)
    assert f.stats()["tiers"][0]["hits"] == 0
    f(1)
    assert [tier["hits"] for tier in f.stats()["tiers"]] == [1, 0]
    clock.advance(6)
    f(1)
    assert [tier["hits"] for tier in f.stats()["tiers"]] == [1, 1]
    assert runs == [1]


def test_a_tier_can_be_for_reading_or_writing_alone():
    kept = Store()
    counted(dcache(kept))[0](1)
    f, runs = counted(dcache(multiple=[Tier(kept, writes=False)]))
    f(1)
    f(2)
    assert runs == [2]
    assert counted(dcache(kept))[0].peek(2) is MISSING
    g, runs = counted(dcache(multiple=[Tier(kept, reads=False)]))
    g(1)
    g(1)
    assert runs == [1, 1]


def test_memory_asks_again_after_near_ttl(files):
    clock = ManualClock()
    cache = dcache(multiple=[InMemoryBackend(), files], near_ttl="5s", clock=clock)
    f, runs = counted(cache)
    other, _ = counted(dcache(files, clock=clock))
    f(1)
    other.put("changed", 1)
    assert f(1) == {"n": 1}
    clock.advance(5)
    assert f(1) == "changed"
    other.invalidate(1)
    clock.advance(5)
    assert f(1) == {"n": 1}
    assert runs == [1, 1]


@pytest.mark.parametrize(("says", "given", "believed"), [(60, None, 60), (60, 5, 5), (5, "1m", 60)])
def test_a_far_tier_says_for_how_long_memory_is_believed(says, given, believed):
    clock = ManualClock()
    store = Store()
    store.near_ttl = says
    f, _ = counted(dcache(multiple=[InMemoryBackend(), store], near_ttl=given, clock=clock))
    other, _ = counted(dcache(store, clock=clock))
    f(1)
    other.put("changed", 1)
    clock.advance(believed - 1)
    assert f(1) == {"n": 1}
    clock.advance(1)
    assert f(1) == "changed"


def test_memory_in_front_of_files_is_believed_for_five_seconds(files):
    clock = ManualClock()
    f, _ = counted(dcache(multiple=[InMemoryBackend(), files], clock=clock))
    other, _ = counted(dcache(files, clock=clock))
    f(1)
    other.put("changed", 1)
    clock.advance(4)
    assert f(1) == {"n": 1}
    clock.advance(1)
    assert f(1) == "changed"


@pytest.mark.parametrize(("says", "given", "believed"), [(10, None, 10), (10, 1, 1), (10, 0, 0)])
def test_a_far_tier_says_for_how_long_its_marks_are_believed(says, given, believed):
    clock = ManualClock()
    store = Store()
    store.mark_ttl = says
    f, runs = counted(dcache(store, mark_ttl=given, clock=clock))
    other, _ = counted(dcache(store, clock=clock))
    f(1)
    other.cache_clear()
    if believed > 0:
        clock.advance(believed / 2)
        f(1)
        assert runs == [1]
        clock.advance(believed / 2)
    f(1)
    assert runs == [1, 1]


def test_memory_serves_to_the_end_of_life_while_no_far_tier_answers():
    clock = ManualClock()
    store = Store()
    cache = dcache(multiple=[InMemoryBackend(), store], near_ttl=5, clock=clock)
    f, runs = counted(cache, ttl=60)
    f(1)
    store.get = Down().get
    clock.advance(6)
    assert f(1) == {"n": 1}
    clock.advance(60)
    f(1)
    assert runs == [1, 1]


@pytest.mark.parametrize("with_memory", [True, False])
def test_a_stale_result_of_a_far_tier_is_served_when_the_body_fails(files, with_memory):
    clock = ManualClock()
    tiers = [InMemoryBackend(), files] if with_memory else [files]

    def failing(n):
        raise OSError("down")

    f, _ = counted(dcache(multiple=[files], clock=clock), ttl=10, stale_for="1h")
    f(1)
    clock.advance(11)
    g = dcache(multiple=tiers, clock=clock)(name="f", ttl=10, stale_for="1h")(failing)
    assert g(1) == {"n": 1}
    assert g.peek(1) is MISSING
    clock.advance(3600)
    with pytest.raises(OSError, match="down"):
        g(1)


def test_a_result_that_is_found_late_in_its_life_is_refreshed_ahead(files):
    clock = ManualClock()
    f, _ = counted(dcache(files, clock=clock), ttl=10)
    f(1)
    clock.advance(9)
    cache = dcache(multiple=[InMemoryBackend(), files], clock=clock)
    g, runs = counted(cache, ttl=10, refresh_ahead=0.8)
    assert g(1) == {"n": 1}
    for _ in range(200):
        if runs:
            break
        time.sleep(0.01)
    assert runs == [1]


# --- Results ---


@dataclasses.dataclass
class Point:
    x: int
    y: int


def test_classes_come_back_where_the_annotation_names_them(files):
    def point(n) -> Point:
        return Point(n, n)

    f = dcache(files)(name="point")(point)
    f(1)
    assert dcache(files)(name="point")(point)(1) == Point(1, 1)


class Unannotated(collections.OrderedDict):
    pass


@pytest.mark.parametrize("value", [collections.OrderedDict(a=1), Unannotated(), object()])
def test_what_has_no_form_stays_near_with_one_warning(files, value):
    f = dcache(multiple=[InMemoryBackend(), files])(name="f")(lambda n: value)
    with pytest.warns(UserWarning, match="stay in this process: .*has no form in bytes"):
        assert f(1) is value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(1) is value
        f(2)
    assert f.stats()["tiers"][0]["stores"] == 0


def test_what_has_no_form_can_be_an_error_that_has_the_result(files):
    value = object()
    cache = dcache(multiple=[InMemoryBackend(), files], on_unstorable="raise")
    with pytest.raises(UnstorableError) as raised:
        cache(name="f")(lambda n: value)(1)
    assert raised.value.result is value


def test_what_has_no_form_can_be_ignored(files):
    f = dcache(files, on_unstorable="ignore")(name="f")(lambda n: object())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f(1)


def test_pickles_are_signed_and_others_are_never_looked_into(files):
    cache = dcache(files, codec=PickleCodec(secret="0123456789abcdef"))
    f = cache(name="f")(lambda n: Unannotated(n=n))
    assert f(1) == f(1) == Unannotated(n=1)
    assert f.stats()["tiers"][0]["hits"] == 1
    plain, runs = counted(dcache(files))
    plain(1)  # Another's records are none of its own, and it overwrites them.
    assert runs == [1]
    again = dcache(files, codec=PickleCodec(secret="0123456789abcdef"))(name="f")(lambda n: n)
    assert again(1) == 1
    assert again.stats()["tiers"][0]["faults"] == {"not_signed": 1}
    other = dcache(files, codec=PickleCodec(secret="fedcba9876543210"))(name="f")(lambda n: n)
    other(1)
    assert other.stats()["tiers"][0]["faults"] == {"badly_signed": 1}
    assert "0123456789abcdef" not in repr(PickleCodec(secret="0123456789abcdef"))


def test_a_codec_of_ones_own(files):
    class Upper:
        name = "upper"

        def encode(self, value):
            return value.upper().encode()

        def decode(self, data):
            return data.decode()

    f = dcache(files, codec=Upper())(name="f")(lambda n: "text")
    assert (f(1), f(1)) == ("text", "TEXT")


def test_cache_if_and_ttl_decide_for_far_tiers_too(files):
    cache = dcache(files)
    f = cache(name="f", cache_if=lambda value: value > 1)(lambda n: n)
    f(1)
    f(2)
    assert (f.peek(1), f.peek(2)) == (MISSING, 2)
    g = cache(name="g", ttl=lambda value: value)(lambda n: n)
    g(0)
    g(60)
    assert (g.peek(0), g.peek(60)) == (MISSING, 60)


# --- When things go wrong ---


def test_damaged_bytes_are_a_miss_and_a_counter_with_a_name():
    store = {}
    f, runs = counted(dcache(store))
    f(1)
    key = f.key(1)
    good = store[key]
    for damaged, fault in (
        (b"", "truncated"),
        (good[:20], "truncated"),
        (b"foreign bytes", "malformed"),
        (good[:-1] + bytes([good[-1] ^ 1]), "damaged"),
        (store[f.key(1)].replace(b"cbor", b"cbar"), "damaged"),
    ):
        store[key] = damaged
        assert f(1) == {"n": 1}
        assert f.stats()["tiers"][0]["faults"].get(fault), fault
    store[f.key(2)] = good
    assert f(2) == {"n": 2}
    assert f.stats()["tiers"][0]["faults"]["damaged"] >= 2  # The key is part of what is sealed.
    assert runs == [1] * 6 + [2]


def test_a_tier_that_is_down_is_a_miss_and_one_line_in_the_log(caplog):
    down = Down()
    f, runs = counted(dcache(multiple=[InMemoryBackend(), down]))
    with caplog.at_level(logging.WARNING, "dcache"):
        for n in range(20):
            assert f(n) == {"n": n}
            assert f(n) == {"n": n}
    assert runs == list(range(20))
    assert len(caplog.records) == 1
    assert "OSError: connection refused" in caplog.text
    assert down.asked <= 12  # Its breaker has opened.
    tier = f.stats()["tiers"][0]
    assert (tier["breaker"], tier["skipped"] > 0) == ("open", True)


def test_explicit_writes_that_do_not_reach_a_tier_raise_and_name_it():
    f, _ = counted(dcache(multiple=[InMemoryBackend(), Down()]))
    down = r"did not reach python:Down: OSError: connection refused; what is there "
    with pytest.raises(InvalidationError, match=down):
        f.invalidate(1)
    with pytest.raises(InvalidationError, match=down):
        f.cache_clear()
    with pytest.raises(TierError, match=f"put {down}"):
        f.put(3, 1)
    assert f(1) == 3


def test_explain_says_why_a_tier_is_left_alone():
    f, _ = counted(dcache(multiple=[InMemoryBackend(), Down()]))
    for n in range(10):
        f(n)
    tier = f.explain(11).splitlines()[2]
    assert "python:Down: left alone after it failed: OSError: connection refused" in tier
    assert tier.endswith(" us)")  # It was not asked: that took no time.


def test_a_tier_that_hangs_holds_its_caller_no_longer_than_its_timeout():
    hanging = Hanging()
    f, runs = counted(dcache(multiple=[InMemoryBackend(), hanging]))
    try:
        for n in range(3):
            begun = time.perf_counter()
            f(n)
            assert time.perf_counter() - begun < 2
        begun = time.perf_counter()
        for n in range(3, 50):
            f(n)  # All of its threads hang, and its breaker is open.
        assert time.perf_counter() - begun < 2
        assert f.stats()["tiers"][0]["timeouts"] >= 1
    finally:
        hanging.released.set()
    assert runs == list(range(50))


def test_a_hanging_tier_does_not_block_the_event_loop():
    hanging = Hanging()
    hanging.timeout = 0.3

    async def body(n):
        return n

    f = dcache(hanging)(name="f")(body)

    async def main():
        ticks = 0
        call = asyncio.create_task(f(1))
        while not call.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await call, ticks

    try:
        result, ticks = asyncio.run(main())
    finally:
        hanging.released.set()
    assert result == 1
    assert ticks > 5


def test_a_cancelled_look_up_leaves_nothing_behind():
    hanging = Hanging()
    hanging.timeout = 5

    async def body(n):
        return n

    f = dcache(hanging)(name="f")(body)

    async def main():
        call = asyncio.create_task(f(1))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    try:
        asyncio.run(main())
    finally:
        hanging.released.set()


def test_what_a_backend_returns_by_mistake_is_a_failure_that_says_so(caplog):
    class Wrong(Store):
        def get(self, key):
            return "text"

    f, _ = counted(dcache(Wrong()))
    with caplog.at_level(logging.WARNING, "dcache"):
        f(1)
    assert "get() returned a str; expected bytes or None" in caplog.text


def test_require_connects_and_raises_what_is_wrong(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((TierError, ConfigError), match="file"):
        dcache(FileBackend(tmp_path / "file" / "cache"), require=True)
    FileBackend(tmp_path / "fine").check()
    dcache(FileBackend(tmp_path / "fine"), require=True)


def test_a_folder_that_everybody_can_write_is_refused_at_first_use(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    f, _ = counted(dcache(FileBackend(shared)))
    with pytest.raises(ConfigError, match="can be written by everybody"):
        f(1)
    g, runs = counted(dcache(FileBackend(shared, allow_shared=True)))
    g(1)
    g(1)
    assert runs == [1]


def test_arguments_without_a_form_are_refused_by_name(files):
    f, _ = counted(dcache(files))
    with pytest.raises(UnkeyableError, match=r"argument 'n' of .*body\(\) is a object"):
        f(object())


# --- Coroutine functions ---


@pytest.mark.parametrize("make", [Store, AsyncStore, dict])
def test_coroutine_functions_go_far(make):
    store = make()
    runs = []

    async def body(n):
        runs.append(n)
        await asyncio.sleep(0.01)
        return [n]

    async def main():
        f = dcache(multiple=[InMemoryBackend(), store])(name="f")(body)
        assert await asyncio.gather(*(f(1) for _ in range(10))) == [[1]] * 10
        g = dcache(store)(name="f")(body)
        assert await g(1) == [1]
        assert await g.peek(1) == [1]
        await g.invalidate(1)
        assert await g.peek(1) is MISSING
        assert await f.refresh(1) == [1]
        assert await g(1) == [1]
        await g.put([2], 1)
        assert await g(1) == [2]
        assert "hit" in await g.explain(1)

    asyncio.run(main())
    assert runs == [1, 1]


def test_a_coroutine_function_waits_for_another_process_without_blocking(tmp_path):
    holder = dcache(f"file://{tmp_path}/cache")(name="slow")

    def body(n):
        time.sleep(0.4)
        return "theirs"

    thread = threading.Thread(target=holder(body), args=(1,))

    async def mine(n):
        return "mine"

    async def main():
        call = asyncio.create_task(dcache(f"file://{tmp_path}/cache")(name="slow")(mine)(1))
        ticks = 0
        while not call.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await call, ticks

    thread.start()
    time.sleep(0.1)
    result, ticks = asyncio.run(main())
    thread.join()
    assert result == "theirs"
    assert ticks > 5


# --- The application's choice ---


def test_functions_that_name_no_backend_go_where_the_application_says(files, default_tiers):
    f, runs = counted(dcache)
    f(1)
    configure(files)
    f(1)
    assert runs == [1]
    f(2)
    configure("memory:")
    f(3)
    configure(f"file://{files.path}")
    g, other_runs = counted(dcache)
    assert g.peek(2) == {"n": 2}
    g(2)
    g(3)
    assert other_runs == [3]


def test_a_backend_that_is_named_in_code_wins(files, default_tiers):
    mine = Store()
    f, _ = counted(dcache(mine))
    configure(files)
    f(1)
    assert mine.kept
    assert not os.path.exists(files.path)
    near, _ = counted(dcache(InMemoryBackend()))
    near(1)
    assert not os.path.exists(files.path)


def test_dcache_url_gives_functions_a_far_tier(tmp_path):
    script = textwrap.dedent("""
        from dcache import dcache

        @dcache(name="f")
        def f(n):
            print("ran")
            return n

        @dcache
        def stays(n):
            return n

        print(f(1), f(1), stays(1))
    """)
    environment = {**os.environ, "DCACHE_URL": f"file://{tmp_path}/cache"}
    command = [sys.executable, "-W", "ignore", "-c", script]
    outputs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert outputs == ["ran\n1 1 1\n", "1 1 1\n"]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("DCACHE_URL", "nowhere://user:secret@host", "DCACHE_URL: nothing opens nowhere:"),
        ("DCACHE_URL", "file:///x?max_byte=1", "DCACHE_URL: file:///x has an option"),
        ("DCACHE_URL", "memory:?maxsize=3", "DCACHE_URL: memory: has no options"),
        ("DCACHE_NAMESPACE", "a b", "DCACHE_NAMESPACE is 'a b'"),
    ],
)
def test_what_the_environment_says_wrong_is_named(
    variable, value, words, tmp_path, monkeypatch, default_tiers
):
    monkeypatch.setattr("dcache._far._configured", None)
    monkeypatch.setenv("DCACHE_URL", f"file://{tmp_path}/cache")
    monkeypatch.setenv(variable, value)
    f, runs = counted(dcache)
    for _ in range(2):
        with pytest.raises(ConfigError) as error:
            f(1)
        assert str(error.value).startswith(f"dcache: {words}")
        assert "secret" not in str(error.value)
    assert runs == []


def test_what_cannot_go_far_stays_near_with_one_warning(files, default_tiers):
    configure(files)
    f = dcache(lambda n: [n])
    with pytest.warns(UserWarning, match=r"all results stay in this process: .*is a lambda"):
        f(1)
    assert f(1) is f(1)
    g, runs = counted(dcache, name="g")
    something = object()
    with pytest.warns(UserWarning, match="calls stay in this process: .*argument 'n'"):
        g(something)
    g(something)
    assert runs == [something]


def test_read_only_writes_nothing_far(files, default_tiers):
    f, _ = counted(dcache(multiple=[InMemoryBackend(), files]))
    f(1)
    package.clear_all()
    configure(mode="read-only")
    assert f(1) == {"n": 1}
    f(2)
    with pytest.raises(ModeError, match="mode is read-only"):
        f.invalidate(1)
    with pytest.raises(ModeError):
        f.put("x", 3)
    assert f(3) == "x"
    configure(mode="normal")
    g, _ = counted(dcache(files))
    assert (g.peek(1), g.peek(2), g.peek(3)) == ({"n": 1}, MISSING, MISSING)


def test_offline_leaves_far_tiers_alone(files, default_tiers):
    f, runs = counted(dcache(multiple=[InMemoryBackend(), files]))
    configure(mode="offline")
    f(1)
    f(1)
    assert runs == [1]
    assert not os.path.exists(files.path)
    with pytest.raises(ModeError, match="offline"):
        f.cache_clear()
    assert f.cache_info().currsize == 0


def test_refresh_reads_no_tier_and_stores_in_all(files, default_tiers):
    f, runs = counted(dcache(multiple=[InMemoryBackend(), files]))
    f(1)
    configure(mode="refresh")
    f(1)
    configure(mode="normal")
    f(1)
    assert runs == [1, 1]


# --- Backends ---


class LoopStore(AsyncStore):
    """Says on which loop it is asked."""

    def __init__(self):
        super().__init__()
        self.loops = []

    async def get(self, key):
        self.loops.append(asyncio.get_running_loop())
        return await super().get(key)


def test_an_asynchronous_backend_runs_on_the_loop_of_who_awaits_it():
    store = LoopStore()

    @dcache(multiple=[InMemoryBackend(), store], name="double")
    async def double(n):
        return 2 * n

    async def main():
        assert await double(1) == 2
        assert await double.peek(9) is MISSING
        assert await double.map([1, 2, 3]) == [2, 4, 6]
        assert set(store.loops) == {asyncio.get_running_loop()}

    asyncio.run(main())
    store.loops.clear()
    asyncio.run(main())


def test_an_asynchronous_backend_runs_on_a_loop_of_ours_for_who_blocks_also_on_a_loops_thread():
    store = LoopStore()

    @dcache(multiple=[InMemoryBackend(), store], name="double")
    def double(n):
        return 2 * n

    async def main():
        return double(2), asyncio.get_running_loop()

    assert double(1) == 2
    result, loop = asyncio.run(main())
    assert result == 4
    assert loop not in store.loops
    assert len(set(store.loops)) == 1


@pytest.mark.parametrize("make", [Store, AsyncStore])
def test_backends_in_python_pass_the_suite(make):
    store = make()
    assert len(check_backend(lambda: store, value_max=1 << 20)) > 10


def test_files_mappings_and_urls_pass_the_suite(tmp_path):
    mapping = {}
    check_backend(lambda: mapping)
    # Through tiers as well: compressed, signed and plain records are there.
    zstd = b"\x28\xb5\x2f\xfd"
    records = [value for key, value in mapping.items() if key.startswith("suite")]
    assert any(zstd in value for value in records)
    assert any(b"x" * 1000 in value for value in records)
    check_backend(lambda: FileBackend(tmp_path / "files"))
    check_backend(lambda: f"file://{tmp_path}/url")


def test_the_case_of_a_scheme_does_not_count(tmp_path, default_tiers):
    f, _ = counted(dcache(f"FILE://{tmp_path}/Cache", name="capitals"))
    f(1)
    g, _ = counted(dcache(f"file://{tmp_path}/Cache", name="capitals"))
    assert g.peek(1) == {"n": 1}
    h, _ = counted(dcache("MEMORY:"))
    assert h.stats()["tiers"] == []
    assert h(1) is h(1)
    configure("Memory:")


def test_the_suite_says_what_a_backend_does_wrong():
    class Forgetful(Store):
        def put(self, key, value, expires):
            pass

    with pytest.raises(AssertionError, match="gives back any bytes: get of what was put"):
        check_backend(Forgetful)


def test_the_suite_says_with_what_around_a_backend_it_goes_wrong():
    class Short(Store):  # Takes what the suite puts, but not what a tier does.
        def put(self, key, value, expires):
            if "_tier" in key:
                raise ValueError(key)
            super().put(key, value, expires)

    store = Short()
    with pytest.raises(AssertionError, match="gives back any bytes, in a tier: put was not"):
        check_backend(lambda: store, value_max=1 << 20)


def test_the_suite_passes_on_what_making_a_backend_raises(capfd):
    def fails():
        raise OSError("no server")

    with pytest.raises(OSError, match="no server"):
        check_backend(fails)
    with pytest.raises(UsageError, match=r"make is .*; expected a callable that gives"):
        check_backend({})
    with pytest.raises(UsageError, match="3 is no backend"):
        check_backend(lambda: 3)
    assert capfd.readouterr().err == ""


def test_a_package_brings_a_scheme_by_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "tape.py").write_text("kept = {}\ndef open(url): return kept\n")
    info = tmp_path / "tape-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tape\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dcache.backends]\ntape = tape:open\n")
    monkeypatch.syspath_prepend(tmp_path)
    f, runs = counted(dcache("tape:whatever"))
    f(1)
    f(1)
    assert runs == [1]


def test_a_shared_library_brings_a_scheme(tmp_path):
    root = pathlib.Path(__file__).resolve().parents[2]
    library = tmp_path / "shelf.so"
    command = ["cc", "-shared", "-fPIC", f"-I{root}/include", root / "examples/plugin/shelf.c"]
    subprocess.run([*command, "-o", library], check=True)
    assert load_plugin(library) == "shelf"
    check_backend(lambda: "shelf:")
    f, runs = counted(dcache("shelf:"))
    assert (f(1), f(1), runs) == ({"n": 1}, {"n": 1}, [1])
    with pytest.raises(ConfigError, match="cannot load plugin"):
        load_plugin(tmp_path / "missing.so")


def test_a_forked_child_goes_on_with_every_tier(files):
    store = Store()
    f, _ = counted(dcache(multiple=[InMemoryBackend(), store, files]))
    f(1)
    child = os.fork()
    if child == 0:
        try:
            package.clear_all()
            fine = f(1) == {"n": 1} and f(2) == {"n": 2} and f.invalidate(1)
            os._exit(0 if fine else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    g, runs = counted(dcache(files))
    assert g(2) == {"n": 2}
    assert runs == []


# --- What a review found ---


def test_threads_that_the_interpreter_ends_do_no_harm(tmp_path):
    script = textwrap.dedent("""
        import sys, threading, time
        from dcache import dcache
        from dcache.backends import Backend

        class Store(Backend):
            def __init__(self): self.kept = {}
            def get(self, key): return self.kept.get(key)
            def put(self, key, value, expires): self.kept[key] = value
            def erase(self, key): self.kept.pop(key, None)

        tier = Store() if sys.argv[2] == "python" else f"file://{sys.argv[1]}/cache"
        f = dcache(tier)(name="f")(lambda n: n)
        def hammer():
            while True:
                for n in range(50): f(n)
        for _ in range(3): threading.Thread(target=hammer, daemon=True).start()
        time.sleep(0.15)
    """)
    for kind in ("file", "python") * 3:
        done = subprocess.run(
            [sys.executable, "-c", script, tmp_path, kind], capture_output=True, timeout=60
        )
        assert done.returncode == 0, (kind, done.stderr)


class Slow(Store):
    timeout = 2

    def put(self, key, value, expires):
        time.sleep(0.2)
        super().put(key, value, expires)


def test_an_invalidation_on_a_loop_does_not_wait_for_a_store_that_is_suspended_there():
    async def body(n):
        return n

    async def main():
        f = dcache(Slow())(name="f")(body)
        await f(0)
        storing = asyncio.create_task(f(1))
        await asyncio.sleep(0.3 if not f.stats()["tiers"][0]["stores"] else 0.05)
        begun = time.perf_counter()
        await f.invalidate(1)
        assert time.perf_counter() - begun < 2
        assert await storing == 1
        assert await f.peek(1) is MISSING

    asyncio.run(asyncio.wait_for(main(), 20))


def test_an_exception_that_somebody_keeps_keeps_no_lease(files):
    kept = []

    async def body(n):
        raise ValueError(n)

    async def main():
        f = dcache(files, flight_timeout=5)(name="f")(body)
        begun = time.perf_counter()
        for _ in range(3):
            kept.append((await asyncio.gather(f(1), return_exceptions=True))[0])
        return time.perf_counter() - begun

    assert asyncio.run(main()) < 2


def test_a_takeover_in_this_process_does_not_wait_for_a_lease_of_its_own(files):
    begun = []
    release = threading.Event()

    def body(n):
        begun.append(time.perf_counter())
        if len(begun) == 1:
            release.wait(20)
        return n

    f = dcache(files, flight_timeout=2)(name="f")(body)
    leader = threading.Thread(target=f, args=(1,))
    leader.start()
    while not begun:
        time.sleep(0.01)
    f(1)
    release.set()
    leader.join()
    assert begun[1] - begun[0] < 3.6


def test_later_callers_start_anew_after_a_clear(files):
    release = threading.Event()
    runs = []

    def body(n):
        runs.append(n)
        if len(runs) == 1:
            release.wait(20)
        return len(runs)

    f = dcache(files)(name="f")(body)
    leader = threading.Thread(target=f, args=(1,))
    leader.start()
    while not runs:
        time.sleep(0.01)
    f.cache_clear()
    assert f(1) == 2
    release.set()
    leader.join()
    assert f(1) == 2


def test_threads_that_call_while_the_tiers_are_being_found_use_them(files):
    counted(dcache(files))[0](1)
    for _ in range(5):
        f, runs = counted(dcache(files))
        barrier = threading.Barrier(8)

        def call(f=f, barrier=barrier):
            barrier.wait()
            f(1)

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert runs == []


def test_a_mark_that_was_read_before_a_clear_is_not_believed_after_it():
    class Held(Store):
        timeout = 5
        hold = None

        def get(self, key):
            value = super().get(key)
            if self.hold is not None and len(value or b"") == 16:
                self.reached.set()
                self.hold.wait(5)
            return value

    store = Held()
    f, _ = counted(dcache(store))
    f(1)
    g, _ = counted(dcache(store))  # It knows no mark yet.
    store.hold, store.reached = threading.Event(), threading.Event()
    reader = threading.Thread(target=g, args=(1,))
    reader.start()
    store.reached.wait(5)
    hold, store.hold = store.hold, None
    g.cache_clear()
    hold.set()
    reader.join()
    assert g.peek(1) is MISSING


def test_a_nearer_far_tier_follows_within_near_ttl():
    clock = ManualClock()
    own, shared = Store(), Store()
    f, _ = counted(dcache(multiple=[own, shared], near_ttl=5, clock=clock))
    other, _ = counted(dcache(shared, clock=clock))
    f(1)
    other.put("changed", 1)
    assert f(1) == {"n": 1}
    clock.advance(6)
    assert f(1) == "changed"


@pytest.mark.filterwarnings("ignore")
def test_what_has_no_form_takes_the_place_of_what_had_one(files):
    results = iter(["old", object(), "new"])
    f = dcache(files)(name="f")(lambda n: next(results))
    assert f(1) == "old"
    f.refresh(1)
    assert f.peek(1) is MISSING
    f.put("kept", 2)
    f.put(object(), 2)
    assert f.peek(2) is MISSING


def test_an_invalidation_reaches_folders_that_were_removed_and_made_anew(files):
    f, _ = counted(dcache(files))
    f(1)
    shutil.rmtree(files.path)
    other, runs = counted(dcache(FileBackend(files.path)))
    other(1)
    f.invalidate(1)
    other(1)
    assert runs == [1, 1]


def test_what_ends_a_program_ends_no_helper_thread():
    class Wild(Store):
        wild = True

        def get(self, key):
            if self.wild:
                raise SystemExit
            return super().get(key)

    store = Wild()
    f, _ = counted(dcache(store))
    for n in range(4):
        f(n)
    store.wild = False
    g, _ = counted(dcache(store))
    g(1)
    g(1)
    assert g.stats()["tiers"][0]["hits"] == 1


@pytest.mark.parametrize("mode", ["normal", "offline", "read-only"])
def test_what_is_in_memory_alone_is_not_computed_again(files, default_tiers, mode):
    clock = ManualClock()
    cache = dcache(multiple=[InMemoryBackend(), files], clock=clock, on_unstorable="ignore")
    runs = []

    def body(n):
        runs.append(n)
        return object() if mode == "normal" else n

    f = cache(name="f", ttl=3600)(body)
    configure(mode=mode)
    for _ in range(4):
        f(1)
        clock.advance(6)
    assert runs == [1]


def test_a_plain_function_on_a_loop_does_not_block_it_for_another_process(tmp_path):
    started, release = threading.Event(), threading.Event()

    def hold(n):
        started.set()
        release.wait(20)

    holder = dcache(f"file://{tmp_path}/cache")(name="slow")(hold)
    thread = threading.Thread(target=holder, args=(1,))
    thread.start()
    started.wait(10)

    async def main():
        begun = time.perf_counter()
        dcache(f"file://{tmp_path}/cache")(name="slow")(lambda n: n)(1)
        return time.perf_counter() - begun

    assert asyncio.run(main()) < 10
    release.set()
    thread.join()


@pytest.mark.parametrize("with_memory", [True, False])
def test_everybody_in_a_failing_flight_gets_the_stale_result(files, with_memory):
    clock = ManualClock()
    counted(dcache(files, clock=clock), ttl=10, stale_for="1h")[0](1)
    clock.advance(11)

    def failing(n):
        time.sleep(0.2)
        raise ValueError(n)

    tiers = [InMemoryBackend(), files] if with_memory else [files]
    f = dcache(multiple=tiers, clock=clock)(name="f", ttl=10, stale_for="1h")(failing)
    results = []
    threads = [threading.Thread(target=lambda: results.append(f(1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{"n": 1}] * 4


def test_a_stale_result_that_was_invalidated_meanwhile_is_not_served(files):
    clock = ManualClock()
    counted(dcache(files, clock=clock), ttl=10, stale_for="1h")[0](1)
    clock.advance(11)
    f = None

    def failing(n):
        f.invalidate(n)
        raise ValueError(n)

    f = dcache(files, clock=clock)(name="f", ttl=10, stale_for="1h")(failing)
    with pytest.raises(ValueError, match="1"):
        f(1)


@pytest.mark.parametrize("nearer", [[InMemoryBackend()], []], ids=["behind memory", "alone"])
def test_wait_serves_a_stale_result_of_a_far_tier_at_once(files, nearer):
    clock = ManualClock()
    counted(dcache(files, clock=clock), ttl=10, stale_for="1h")[0](1)
    clock.advance(11)
    started, release = threading.Event(), threading.Event()

    def slow(n):
        started.set()
        release.wait(20)
        return "new"

    cache = dcache(multiple=[*nearer, files], clock=clock)
    f = cache(name="f", ttl=10, stale_for="1h", wait=0)(slow)
    begun = time.perf_counter()
    assert f(1) == {"n": 1}
    assert time.perf_counter() - begun < 10
    assert started.wait(10)
    release.set()
    while f(1) != "new" and time.perf_counter() - begun < 20:
        time.sleep(0.01)
    assert f(1) == "new"


def test_the_budget_of_a_tier_is_for_get_and_put_together():
    class Sluggish(Store):
        timeout = 1.5

        def get(self, key):
            time.sleep(0.6)  # The record, and the mark.
            return super().get(key)

        def put(self, key, value, expires):
            time.sleep(1.4)

    f, _ = counted(dcache(Sluggish()))
    begun = time.perf_counter()
    f(1)
    assert time.perf_counter() - begun < 2.4


def test_one_process_of_many_refreshes_ahead(files):
    clock = ManualClock()
    counted(dcache(files, clock=clock), ttl=10)[0](1)
    clock.advance(9)
    runs = []
    release = threading.Event()

    def body(n):
        runs.append(n)
        release.wait(20)
        return "new"

    functions = [
        dcache(multiple=[InMemoryBackend(), FileBackend(files.path)], clock=clock)(
            name="f", ttl=10, refresh_ahead=0.5
        )(body)
        for _ in range(4)
    ]
    for f in functions:
        assert f(1) == {"n": 1}
    time.sleep(1)
    release.set()
    assert runs == [1]


def test_peek_does_not_believe_what_others_may_have_changed(files):
    clock = ManualClock()
    f, _ = counted(dcache(multiple=[InMemoryBackend(), files], near_ttl=5, clock=clock))
    f(1)
    counted(dcache(files, clock=clock))[0].put("changed", 1)
    clock.advance(60)
    assert f.peek(1) == "changed"


def test_warnings_that_were_made_exceptions_fail_nobody(files, default_tiers):
    configure(files)
    f = dcache(lambda n: [n])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(1) == [1]


@pytest.mark.parametrize("make", [dict, Store])
def test_after_close_every_far_tier_is_a_miss(make):
    cache = dcache(make())
    f, runs = counted(cache)
    f(1)
    cache.close()
    f(1)
    assert runs == [1, 1]


# --- What a second review found ---


@pytest.mark.parametrize("verb", ["refresh", "put"])
def test_an_older_body_elsewhere_does_not_overwrite_a_refresh(files, verb):
    started, release = threading.Event(), threading.Event()

    def old(n):
        started.set()
        release.wait(10)
        return "old"

    other = dcache(FileBackend(files.path))(name="f")(old)
    thread = threading.Thread(target=other, args=(1,))
    thread.start()
    started.wait(10)
    f = dcache(files)(name="f")(lambda n: "new")
    if verb == "refresh":
        f.refresh(1)
    else:
        f.put("new", 1)
    release.set()
    thread.join()
    assert f(1) == other.peek(1) == "new"


def test_a_write_that_begins_while_an_invalidation_runs_does_not_survive_it():
    class SlowToForget(Store):
        timeout = 5

        def erase(self, key):
            super().erase(key)
            self.erasing.set()
            time.sleep(0.2)

    class SlowToKeep(Store):
        timeout = 5

        def put(self, key, value, expires):
            if len(value) > 16:  # No mark.
                time.sleep(0.4)
            super().put(key, value, expires)

    near, far = SlowToKeep(), SlowToForget()
    far.erasing = threading.Event()
    f, _ = counted(dcache(multiple=[near, far]))
    near.put = lambda *args: Store.put(near, *args)
    f(1)
    del near.put
    near.kept = {key: value for key, value in near.kept.items() if len(value) == 16}
    reader = threading.Thread(target=f, args=(1,))
    reader.start()  # It finds the record in the far tier, and fills the near one.
    time.sleep(0.1)
    f.invalidate(1)
    reader.join()
    assert f.peek(1) is MISSING


def test_damage_in_the_place_of_a_mark_is_mended():
    store = {}
    f, _ = counted(dcache(store))
    f(1)
    (mark,) = set(store) - {f.key(1)}
    store[mark] = b"no mark"
    g, runs = counted(dcache(store))
    g(1)
    g(1)
    assert runs == [1]


def test_untyped_functions_have_no_far_tier(files, default_tiers):
    with pytest.raises(ConfigError, match="typed=False makes one call of"):
        dcache(files)(typed=False)
    configure(files)
    f, runs = counted(dcache, typed=False)
    with pytest.warns(UserWarning, match="all results stay in this process: .*typed=False"):
        f(1)
    f(1.0)
    assert runs == [1]
    assert not os.path.exists(files.path)


def test_what_ends_a_program_does_not_end_the_loop_of_asynchronous_backends():
    class Wild(AsyncStore):
        wild = True

        async def get(self, key):
            if self.wild:
                raise SystemExit
            return await super().get(key)

    store = Wild()
    f, _ = counted(dcache(store))
    f(1)
    store.wild = False
    g, _ = counted(dcache(store))
    g(1)
    g(1)
    assert g.stats()["tiers"][0]["hits"] == 1


def test_remembered_failures_of_a_coroutine_function_stay_near(files):
    runs = []

    async def body(n):
        runs.append(n)
        raise LookupError(n)

    async def main():
        cache = dcache(multiple=[InMemoryBackend(), files])
        f = cache(name="f", cache_errors={LookupError: 60})(body)
        for _ in range(3):
            with pytest.raises(LookupError):
                await f(1)

    asyncio.run(main())
    assert runs == [1]
    with pytest.raises(ConfigError, match="cache_errors"):
        dcache(files)(cache_errors={LookupError: 60})


def test_a_put_takes_the_place_of_what_a_tier_that_is_only_read_has():
    store = Store()
    counted(dcache(store))[0](1)
    clock = ManualClock()
    cache = dcache(multiple=[InMemoryBackend(), Tier(store, writes=False)], clock=clock)
    f, _ = counted(cache)
    f.put("new", 1)
    clock.advance(60)
    assert f(1) == "new"


def test_caches_and_what_they_decorate_are_pickled_by_what_they_were_made_of(files):
    cloudpickle = pytest.importorskip("cloudpickle")
    cache = dcache(multiple=[InMemoryBackend(maxsize=3), files], near_ttl=7)
    again = pickle.loads(pickle.dumps(cache))
    assert repr(again) == repr(cache)
    f, _ = counted(cache)
    f(1)
    namespace = {"cache": cache, "__name__": "__main__"}
    exec("@cache(name='f')\ndef f(n): return 'anew'", namespace)
    copy = cloudpickle.loads(cloudpickle.dumps(namespace["f"]))
    assert copy(1) == {"n": 1}
    assert copy(2) == "anew"


def test_a_cancelled_invalidation_has_forgotten_in_memory():
    class SlowToForget(Store):
        timeout = 5

        def erase(self, key):
            super().erase(key)
            time.sleep(0.3)

    async def body(n):
        return [n]

    async def main():
        store = SlowToForget()
        f = dcache(multiple=[InMemoryBackend(), store])(name="f")(body)
        first = await f(1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(f.invalidate(1), 0.1)
        assert await f(1) is not first

    asyncio.run(main())


@pytest.mark.parametrize("hostile", ["symlink", "loop", "fifo", "folder", "full folder", "huge"])
@pytest.mark.parametrize("whose", ["entry", "mark"])
def test_whatever_is_planted_in_the_place_of_a_file_is_a_miss_and_replaced(files, hostile, whose):
    f, runs = counted(dcache(files))
    f(1)
    (entry,) = pathlib.Path(files.path).glob(f"entries/*/{f.key(1)}")
    (mark,) = set(pathlib.Path(files.path).glob("entries/*/*")) - {entry}
    path = entry if whose == "entry" else mark
    path.unlink()
    if hostile == "symlink":
        path.symlink_to("/etc/passwd")
    elif hostile == "loop":
        path.symlink_to(path)
    elif hostile == "fifo":
        os.mkfifo(path)
    elif hostile == "huge":
        with open(path, "wb") as file:
            file.truncate(1 << 40)
    else:
        path.mkdir()
        if hostile == "full folder":
            (path / "file").write_text("x")
    g, runs = counted(dcache(FileBackend(files.path)))
    g(1)
    g(1)
    assert runs == [1]
    g.invalidate(1)
    g.cache_clear()
    assert g.peek(1) is MISSING


def test_a_shared_folder_can_be_written_by_others_whatever_the_umask(tmp_path):
    f, _ = counted(dcache(FileBackend(tmp_path / "shared", allow_shared=True)))
    f(1)
    for path in (tmp_path / "shared").rglob("*"):
        assert path.stat().st_mode & 0o006 == 0o006, path


def test_peek_gives_each_caller_his_own_where_copies_are_asked_for():
    clock = ManualClock()
    store = Store()
    cache = dcache(multiple=[InMemoryBackend(), store], near_ttl=5, clock=clock, copy="deep")
    f = cache(name="f")(lambda n: [n])
    f(1)
    clock.advance(10)
    store.get = Down().get
    f.peek(1).append(2)
    assert f.peek(1) == [1]


def test_a_hit_of_a_far_tier_alone_does_not_wait_for_its_refresh(files):
    clock = ManualClock()
    counted(dcache(files, clock=clock), ttl=10)[0](1)
    clock.advance(9)

    release = threading.Event()

    def slow(n):
        release.wait(20)
        return "new"

    f = dcache(files, clock=clock)(name="f", ttl=10, refresh_ahead=0.5)(slow)
    begun = time.perf_counter()
    assert f(1) == {"n": 1}
    assert f(1) == {"n": 1}
    assert time.perf_counter() - begun < 10
    release.set()
