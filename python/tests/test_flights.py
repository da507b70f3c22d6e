# SPDX-License-Identifier: MIT
"""One body per key, whoever asks at the same time."""

import _thread
import gc
import random
import sys
import threading
import time

import pytest
from dcache import MISSING, dcache


def together(count, call):
    """Runs `call` in so many threads at once; what each returned or raised."""
    answers = []
    start = threading.Barrier(count)

    def run():
        start.wait()
        try:
            answers.append(call())
        except BaseException as error:
            answers.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == count, "somebody hangs"
    return answers


class Gate:
    """A body that stops in the middle."""

    def __init__(self):
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self):
        self.reached.set()
        assert self.open.wait(30)


def start_until(gate, call, *args):
    """A thread that runs `call`, once it has reached the gate."""
    thread = threading.Thread(target=call, args=args)
    thread.start()
    assert gate.reached.wait(10)
    return thread


def test_threads_on_a_cold_key_run_the_body_once():
    runs = []

    @dcache
    def f(x):
        runs.append(x)
        time.sleep(0.1)
        return object()

    answers = together(50, lambda: f(1))
    assert len(runs) == 1
    assert len(set(map(id, answers))) == 1
    assert f.cache_info()[:2] == (49, 1)


def test_waiters_get_the_exception_and_the_next_call_runs_again():
    runs = []

    @dcache
    def f(x):
        runs.append(x)
        time.sleep(0.5)
        raise KeyError(x)

    answers = together(10, lambda: f(1))
    assert len(runs) == 1
    assert all(type(answer) is KeyError for answer in answers)
    with pytest.raises(KeyError):
        f(1)
    assert len(runs) == 2


def test_waiters_do_not_lengthen_each_others_traceback():
    @dcache
    def f(x):
        time.sleep(0.5)
        raise KeyError(x)

    def depth():
        try:
            f(1)
        except KeyError as error:
            trace, frames = error.__traceback__, 0
            while trace:
                trace, frames = trace.tb_next, frames + 1
            return frames

    assert set(together(10, depth)) <= {2}


def test_different_calls_run_at_once():
    gate = Gate()

    @dcache
    def f(x):
        if x == 1:
            gate()
        return x

    slow = start_until(gate, f, 1)
    assert f(2) == 2
    gate.open.set()
    slow.join(10)


def test_a_body_may_call_itself_with_the_same_arguments():
    depth = []

    @dcache
    def f(x):
        depth.append(x)
        return f(x) + 1 if len(depth) < 3 else 0

    assert f(1) == 2
    assert f(1) == 2


def test_recursion_over_other_arguments_is_plain():
    @dcache
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(200) == 280571172992510140037611932413038677189525
    assert fib.cache_info()[:2] == (198, 201)


def test_a_cycle_between_two_threads_is_broken():
    meet = threading.Barrier(2)

    @dcache
    def g(x):
        if not meet.broken and x in (1, 2):
            try:
                meet.wait(0.5)
            except threading.BrokenBarrierError:
                return x
        return x + g(3 - x)

    started = time.monotonic()
    numbers = iter([1, 2])
    lock = threading.Lock()

    def call():
        with lock:
            x = next(numbers)
        return g(x)

    answers = together(2, call)
    assert all(isinstance(answer, int) for answer in answers), answers
    assert time.monotonic() - started < 10


# Of a function that is known to be quick a flight is made when somebody wants to join it.


def test_a_quick_body_may_call_itself_with_arguments_of_the_same_hash():
    class Node:
        def __init__(self, number):
            self.number = number

        def __hash__(self):
            return hash(self.number)  # Of -1 it is that of -2.

        def __eq__(self, other):
            return self.number == other.number

    @dcache
    def depth(node, scale):
        return 0 if node.number != -1 else scale + depth(Node(-2), scale)

    for number in range(200):
        depth(Node(number), 1)
    assert depth(Node(-1), 1) == 1
    assert depth.cache_info()[:2] == (0, 202)


@pytest.mark.parametrize("change", ["end", "be invalidated"])
def test_a_quick_body_may_end_or_be_invalidated_while_its_key_is_compared(change):
    gate, other_gate = Gate(), Gate()
    stops = {"a": gate, "b": other_gate}
    changes = [True]

    class Word:
        def __init__(self, word):
            self.word = word

        def __hash__(self):
            return 1

        def __eq__(self, other):
            interrupted = threading.current_thread() is threading.main_thread()
            if interrupted and self.word != other.word and changes and changes.pop():
                if change == "end":
                    gate.open.set()
                    runner.join()
                else:
                    assert f.invalidate(Word("a"))
            return self.word == other.word

    @dcache
    def f(word):
        if isinstance(word, int):
            return None
        world = change if changes else "new"
        stops.pop(word.word, int)()
        return word.word, world

    for number in range(200):
        f(number)
    runner = start_until(gate, f, Word("a"))
    other = start_until(other_gate, f, Word("b"))
    f(Word("a"))
    gate.open.set()
    other_gate.open.set()
    runner.join(10)
    other.join(10)
    assert f(Word("a")) == ("a", "end" if change == "end" else "new")
    assert f(Word("b")) == ("b", change)


def test_a_quick_body_may_end_while_a_collection_interrupts_who_wants_to_join():
    gate = Gate()

    class Thing:
        @dcache
        def work(self, stops):
            if stops is True:
                gate()
            return "worked"

    class Finalised:
        def __init__(self):
            self.itself = self

        def __del__(self):
            gate.open.set()
            runner.join()

    for number in range(200):
        Thing().work(number)
    thing, thresholds = Thing(), gc.get_threshold()
    runner = start_until(gate, thing.work, True)
    gc.collect()
    gc.disable()
    Finalised()
    gc.set_threshold(1)  # Before 3.12 the next object that is made begins a collection.
    gc.enable()
    try:
        worked = thing.work(True)
    finally:
        gc.set_threshold(*thresholds)
    gate.open.set()
    runner.join(10)
    assert worked == "worked"


def test_what_began_before_an_invalidation_is_not_kept():
    gate = Gate()

    @dcache
    def f(x):
        gate()
        return object()

    answers = []
    thread = start_until(gate, lambda: answers.append(f(1)))
    assert f.invalidate(1)
    gate.open.set()
    thread.join(10)
    assert len(answers) == 1
    assert f.peek(1) is MISSING


def test_who_comes_during_a_refresh_joins_it():
    gate, runs = Gate(), []

    @dcache
    def f(x):
        runs.append(x)
        if len(runs) == 2:
            gate()
        return len(runs)

    assert f(1) == 1
    f.invalidate(1)
    thread = start_until(gate, f.refresh, 1)
    answers = []
    other = threading.Thread(target=lambda: answers.append(f(1)))
    other.start()
    time.sleep(0.1)
    gate.open.set()
    thread.join(10)
    other.join(10)
    assert answers == [2]
    assert f(1) == 2


def test_an_explicit_put_wins_over_a_flight():
    gate = Gate()

    @dcache
    def f(x):
        gate()
        return "computed"

    thread = start_until(gate, f, 1)
    f.put("put", 1)
    gate.open.set()
    thread.join(10)
    assert f(1) == "put"


@pytest.mark.parametrize("death", [KeyboardInterrupt, SystemExit])
def test_a_leader_that_is_told_to_stop_hands_over_to_a_waiter(death):
    gate, runs = Gate(), []

    @dcache
    def f(x):
        runs.append(x)
        if len(runs) == 1:
            gate()
            raise death
        return "second"

    answers = []

    def call():
        try:
            answers.append(f(1))
        except death as error:
            answers.append(type(error))

    threads = [threading.Thread(target=call) for _ in range(5)]
    threads[0].start()
    assert gate.reached.wait(10)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.1)
    gate.open.set()
    for thread in threads:
        thread.join(10)
    assert sorted(map(str, answers)) == sorted(["second"] * 4 + [str(death)])
    assert len(runs) == 2


def test_a_main_thread_that_waits_answers_ctrl_c():
    gate = Gate()

    @dcache
    def f(x):
        gate()

    leader = start_until(gate, f, 1)
    threading.Timer(0.2, _thread.interrupt_main).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        f(1)
    assert time.monotonic() - started < 5
    gate.open.set()
    leader.join(10)


def test_after_flight_timeout_one_waiter_takes_over():
    gate, runs = Gate(), []

    @dcache(flight_timeout=0.2)
    def f(x):
        runs.append(x)
        if len(runs) == 1:
            gate()
        return len(runs)

    leader = start_until(gate, f, 1)
    answers = together(10, lambda: f(1))
    assert answers == [2] * 10
    assert len(runs) == 2
    gate.open.set()
    leader.join(10)
    assert f(1) == 2


def test_what_was_computed_before_an_invalidation_is_never_given_after_it():
    count, seconds = 4, 0.7
    current, floor, wrong = [0] * count, [0] * count, []

    @dcache(maxsize=3)
    def f(key):
        version = current[key]
        if random.random() < 0.01:
            time.sleep(random.random() / 1000)
        return version

    def read():
        while time.monotonic() < end:
            key = random.randrange(count)
            least = floor[key]
            if (got := f(key)) < least:
                wrong.append((key, least, got))

    def write():
        while time.monotonic() < end:
            key = random.randrange(count)
            current[key] += 1
            version = current[key]
            verbs = (f.invalidate, key), (f.put, version, key), (f.refresh, key), (f.cache_clear,)
            verb, *args = random.choice(verbs)
            verb(*args)
            floor[key] = version
            time.sleep(0.0003)

    end = time.monotonic() + seconds
    threads = [threading.Thread(target=each) for each in (read, read, read, write)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    finally:
        sys.setswitchinterval(interval)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
