# SPDX-License-Identifier: MIT
"""`f.map(...)`: what many calls return, and that each far tier is asked once for them."""

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import warnings

import pytest
from dcache import MISSING, UnkeyableError, dcache
from dcache.backends import Backend, FileBackend, InMemoryBackend


class Store(Backend):
    """A backend in Python that can be asked for many keys, and counts what it is asked."""

    timeout = 5

    def __init__(self):
        self.kept, self.asked, self.meanwhile = {}, [], None

    def get(self, key):
        self.asked.append(1)
        return self.kept.get(key)

    def get_many(self, keys):
        self.asked.append(len(keys))
        found = {key: self.kept[key] for key in keys if key in self.kept}
        if self.meanwhile is not None:
            self.meanwhile()
        return found

    def put(self, key, value, expires):
        self.kept[key] = value

    def erase(self, key):
        self.kept.pop(key, None)


class OneByOne(Store):
    """The same without `get_many`."""

    get_many = None


class AsyncStore(Store):
    async def get(self, key):
        return super().get(key)

    async def get_many(self, keys):
        await asyncio.sleep(0)
        return super().get_many(keys)


def squares(*tiers, ran=None, name="square"):
    @dcache(multiple=[InMemoryBackend(), *tiers], name=name)
    def square(n):
        if ran is not None:
            ran.append(n)
        return n * n

    return square


def async_squares(*tiers, ran=None):
    @dcache(multiple=[InMemoryBackend(), *tiers], name="square")
    async def square(n):
        if ran is not None:
            ran.append(n)
        await asyncio.sleep(0)
        return n * n

    return square


class Shop:
    def __init__(self, tax):
        self.tax = tax

    def __dcache_key__(self):
        return self.tax

    @dcache(multiple=[InMemoryBackend(), Store()], name="Shop.price")
    def price(self, net):
        return net + self.tax


def test_it_returns_what_the_calls_would_in_their_order():
    f = squares(Store())
    assert f.map([3, 1, 2, 1]) == [9, 1, 4, 1]
    assert f.map([]) == []
    assert f.map(iter(range(300))) == [n * n for n in range(300)]


def test_it_ends_with_the_shortest_iterable_and_passes_keywords_to_each_call():
    @dcache(multiple=[InMemoryBackend(), Store()], name="f")
    def f(a, b, *, c=0):
        return a, b, c

    assert f.map([1, 2, 3], "xy", c=7) == [(1, "x", 7), (2, "y", 7)]
    with pytest.raises(TypeError, match="an iterable for each argument"):
        f.map(c=1)


@pytest.mark.parametrize("make", [Store, AsyncStore])
def test_each_tier_is_asked_once_for_all(make):
    near, far, ran = make(), make(), []
    squares(far).map(range(20))
    f = squares(near, far, ran=ran)
    f(-1)  # Marks are known from here on.
    ran.clear()
    near.asked.clear()
    far.asked.clear()
    assert f.map(range(30)) == [n * n for n in range(30)]
    assert ran == list(range(20, 30))
    assert near.asked[0] == 30
    assert far.asked[0] == 30
    assert [n for n in near.asked + far.asked if n != 1] == [30, 30]


def test_what_is_found_far_away_fills_what_is_nearer():
    near, far, ran = Store(), Store(), []
    squares(far).map(range(5))
    squares(near, far).map(range(5))
    assert squares(near, ran=ran).map(range(5)) == [0, 1, 4, 9, 16]
    assert ran == []
    f = squares(far, ran=ran)
    f.map(range(5))
    far.asked.clear()
    assert f.map(range(5)) == [0, 1, 4, 9, 16]
    assert far.asked == []


def test_a_store_that_takes_one_key_at_a_time_is_asked_for_each():
    store, ran = OneByOne(), []
    squares(store).map(range(100))
    assert squares(store, ran=ran).map(range(100)) == [n * n for n in range(100)]
    assert ran == []


def test_without_far_tiers_it_calls():
    @dcache
    def f(n):
        return -n

    assert f.map([1, 2, 1]) == [-1, -2, -1]
    assert f.cache_info().misses == 2


def test_hits_and_misses_are_counted_as_of_calls():
    store = Store()
    squares(store).map(range(3))
    f = squares(store)
    f.map([0, 1, 2, 3, 0])
    assert f.cache_info()[:2] == (4, 1)


def test_a_result_that_is_asked_for_twice_is_computed_once():
    ran = []
    squares(Store(), ran=ran).map([5, 5, 5])
    assert ran == [5]


def test_one_far_tier_alone_gives_results_too():
    ran = []

    @dcache(Store(), name="square")
    def square(n):
        ran.append(n)
        return n * n

    assert square.map([1, 2]) == square.map([1, 2]) == [1, 4]
    assert ran == [1, 2]


def test_of_a_coroutine_function_it_is_awaited_and_bodies_run_side_by_side():
    store, running, most = Store(), set(), []

    @dcache(multiple=[InMemoryBackend(), store], name="slow")
    async def slow(n):
        running.add(n)
        await asyncio.sleep(0.01)
        most.append(len(running))
        running.remove(n)
        return n

    async def main():
        assert await slow.map(range(10)) == list(range(10))
        assert await slow.map(range(12)) == list(range(12))

    asyncio.run(main())
    assert max(most) == 10
    assert store.asked[0] == 11  # With the mark.


def test_results_are_shared_by_functions_that_wait_and_that_do_not():
    store, ran = AsyncStore(), []
    squares(store).map(range(4))
    assert asyncio.run(async_squares(store, ran=ran).map(range(4))) == [0, 1, 4, 9]
    assert ran == []


def test_it_maps_over_a_method_of_an_instance():
    assert Shop(2).price.map([1, 2]) == [3, 4]
    assert Shop(3).price.map([1, 2]) == [4, 5]


def test_what_a_body_raises_is_raised_and_what_came_before_is_kept():
    ran = []

    @dcache(multiple=[InMemoryBackend(), Store()], name="picky")
    def picky(n):
        ran.append(n)
        if n == 2:
            raise LookupError(n)
        return n

    with pytest.raises(LookupError):
        picky.map(range(5))
    assert ran == [0, 1, 2]
    assert [picky(n) for n in (0, 1, 3, 4)] == [0, 1, 3, 4]  # Nobody holds them any more.
    assert ran == [0, 1, 2, 3, 4]


def test_of_coroutines_the_first_failure_is_raised_after_the_others_have_ended():
    ended = []

    @dcache(multiple=[InMemoryBackend(), Store()], name="picky")
    async def picky(n):
        await asyncio.sleep(0.01 * n)
        if n == 1:
            raise LookupError(n)
        ended.append(n)
        return n

    async def main():
        with pytest.raises(LookupError):
            await picky.map(range(4))

    asyncio.run(main())
    assert ended == [0, 2, 3]


def test_arguments_that_no_key_can_be_made_of_are_refused_as_of_a_call():
    f = squares(Store())
    with pytest.raises(UnkeyableError, match="argument 'n'"):
        f.map([1, object()])
    assert f(1) == 1


def test_nobody_waits_for_what_was_to_be_mapped_before_an_argument_was_refused():
    def key(n):
        if n == 2:
            raise LookupError(n)
        return n

    @dcache(multiple=[InMemoryBackend(), Store()], name="f", key=key)
    def f(n):
        return n

    with pytest.raises(LookupError) as kept:
        f.map([0, 1, 2])
    other = threading.Thread(target=f, args=(1,), daemon=True)
    other.start()
    other.join(10)  # Not until its flight times out.
    assert not other.is_alive()
    del kept


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_without_a_loop_no_coroutine_is_left_behind_when_one_raises():
    @dcache(multiple=[InMemoryBackend(), Store()], name="picky")
    async def picky(n):
        if n == 1:
            raise LookupError(n)
        return n

    walk = picky.map(range(4))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(LookupError):
            walk.send(None)
        del walk
        gc.collect()
    assert [str(each.message) for each in said] == []


def test_who_waits_for_one_result_does_not_wait_for_all_that_come_before_it():
    begun, there, ran = threading.Event(), threading.Event(), []

    @dcache(multiple=[InMemoryBackend(), Store()], name="slow")
    def slow(n):
        begun.set()
        if n != 60:
            there.wait(0.05)
        ran.append(n)
        return n

    def ask():
        begun.wait(10)
        slow(60)
        there.set()

    other = threading.Thread(target=ask)
    other.start()
    assert slow.map(range(61)) == list(range(61))
    other.join()
    assert sorted(ran) == list(range(61))
    assert ran[-1] != 60


@pytest.mark.parametrize("numbers", [range(20), range(19, -1, -1)], ids=["up", "down"])
def test_a_body_that_calls_what_is_being_mapped_over_runs_once_for_each(numbers):
    ran = []

    @dcache(multiple=[InMemoryBackend(), Store()], name="fib")
    def fib(n):
        ran.append(n)
        return n if n < 2 else fib(n - 1) + sum(fib.map([n - 2]))

    assert fib.map(numbers)[-1] == fib(numbers[-1])
    assert sorted(ran) == list(range(20))


def test_a_body_may_call_what_is_to_come_after_others_were_found():
    store = Store()
    squares(store, name="f").map([1])

    @dcache(multiple=[InMemoryBackend(), store], name="f")
    def f(n):
        return f(3) + 1 if n == 2 else n * n

    results = []
    other = threading.Thread(target=lambda: results.append(f.map([2, 3, 1])), daemon=True)
    other.start()
    other.join(10)  # Not until a flight times out.
    assert results == [[10, 9, 1]]


def test_so_does_one_of_a_coroutine_function():
    ran = []

    @dcache(multiple=[InMemoryBackend(), Store()], name="fib")
    async def fib(n):
        ran.append(n)
        await asyncio.sleep(0)
        return n if n < 2 else await fib(n - 1) + sum(await fib.map([n - 2]))

    assert asyncio.run(fib.map(range(19, -1, -1)))[0] == 4181
    assert sorted(ran) == list(range(20))


def test_threads_that_map_over_the_same_calls_in_another_order_do_not_wait_for_each_other():
    f = squares(Store())
    meet = threading.Barrier(2, timeout=30)
    results = []

    def run(order):
        meet.wait()
        results.append(sorted(f.map(order)))

    for _ in range(20):
        f.cache_clear()
        threads = [
            threading.Thread(target=run, args=(order,))
            for order in (list(range(40)), list(range(39, -1, -1)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
    assert results == [[n * n for n in range(40)]] * 40


def test_another_threads_computation_is_waited_for():
    begun, go = threading.Event(), threading.Event()
    ran = []

    @dcache(multiple=[InMemoryBackend(), Store()], name="slow")
    def slow(n):
        ran.append(n)
        if n == 1:
            begun.set()
            go.wait(30)
        return n

    first = threading.Thread(target=slow, args=(1,))
    first.start()
    begun.wait(30)
    threading.Timer(0.1, go.set).start()
    assert slow.map([0, 1, 2]) == [0, 1, 2]
    first.join()
    assert sorted(ran) == [0, 1, 2]


def test_nothing_is_kept_of_what_was_invalidated_while_it_was_looked_for():
    store = Store()
    squares(store).map(range(3))
    f = squares(store)

    def invalidate():
        store.meanwhile = None
        f.invalidate(1)

    store.meanwhile = invalidate
    assert f.map(range(3)) == [0, 1, 4]
    assert f.peek(1) is MISSING
    assert f.peek(2) == 4


def test_a_store_that_answers_with_no_dict_is_a_miss():
    store = Store()
    f = squares(store)
    f.map([1])
    store.get_many = lambda keys: [None for _ in keys]
    g = squares(store)
    assert g.map([1, 2]) == [1, 4]
    assert g.stats()["tiers"][0]["failures"] > 0


@pytest.mark.full
def test_processes_that_map_over_the_same_calls_run_each_body_once(tmp_path):
    program = textwrap.dedent(
        """
        import sys, time
        from dcache import dcache
        from dcache.backends import FileBackend, InMemoryBackend

        @dcache(multiple=[InMemoryBackend(), FileBackend(sys.argv[1])], name="slow")
        def slow(n):
            time.sleep(0.02)
            with open(sys.argv[2], "a") as log:
                log.write(f"{n}\\n")
            return n * n

        order = list(range(20))
        if int(sys.argv[3]) % 2:
            order.reverse()
        assert slow.map(order) == [n * n for n in order]
        """
    )
    log = tmp_path / "log"
    arguments = [sys.executable, "-c", program, tmp_path / "cache", log]
    processes = [subprocess.Popen([*arguments, str(number)]) for number in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert sorted(int(line) for line in log.read_text().split()) == list(range(20))


def test_files_hold_what_was_mapped(tmp_path):
    ran = []
    squares(FileBackend(tmp_path)).map(range(10))
    assert squares(FileBackend(tmp_path), ran=ran).map(range(10)) == [n * n for n in range(10)]
    assert ran == []
