# SPDX-License-Identifier: MIT
"""Tasks that wait for a far store: the future that they await, and connections that loops drive."""

import asyncio
import collections
import contextlib
import contextvars
import gc
import sys
import threading
import time
import weakref

import pytest
from dcache import dcache
from dcache.backends import RedisBackend
from redis_server import Server

LONG = 20  # Of what is not to happen while a test runs.


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def own():
    server = Server()
    yield server
    server.close()


class Calls:
    """A coroutine function over a Redis, which has the results of 0 to 99, and its runs."""

    def __init__(self, server, name, **options):
        self.backend = RedisBackend(
            "127.0.0.1", server.port, **{"timeout": LONG, "connect_timeout": LONG, **options}
        )
        self.runs = []

        @dcache(self.backend, name=name)
        async def f(n):
            self.runs.append(n)
            return [n]

        self.f = f

    async def warm_up(self):
        """From here on a hit asks the server one thing, and this loop drives."""
        assert await asyncio.gather(*map(self.f, range(100))) == [[n] for n in range(100)]
        await asyncio.sleep(0.02)
        await self.f(0)
        await self.f(0)
        self.runs.clear()


@contextlib.contextmanager
def frozen(server):
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


async def in_flight(*coroutines):
    tasks = [asyncio.create_task(each) for each in coroutines]
    await asyncio.sleep(0.02)
    assert not any(task.done() for task in tasks)
    return tasks


def run(main):
    return asyncio.run(asyncio.wait_for(main(), LONG))


def test_every_task_gets_its_own_result(server):
    calls = Calls(server, "own")

    async def main():
        await calls.warm_up()

        async def ask(first):
            return [(await calls.f(n % 100))[0] for n in range(first, first + 50)]

        for first, got in enumerate(await asyncio.gather(*map(ask, range(200)))):
            assert got == [n % 100 for n in range(first, first + 50)]

    run(main)
    assert calls.runs == []


def test_a_hit_leaves_the_context_of_its_task_alone(server):
    calls = Calls(server, "context")
    var = contextvars.ContextVar("var")

    async def ask(n):
        for _ in range(5):
            var.set(n)
            await calls.f(n)
            assert var.get() == n

    async def main():
        await calls.warm_up()
        await asyncio.gather(*map(ask, range(64)))
        assert var.get(None) is None

    run(main)


def test_a_task_that_is_cancelled_while_the_server_is_asked_ends(server):
    calls = Calls(server, "cancelled")

    async def main():
        await calls.warm_up()
        with frozen(server):
            one, other = await in_flight(calls.f(1), calls.f(2))
            assert one.cancel("the reason")
            with pytest.raises(asyncio.CancelledError) as raised:
                await one
            assert not other.done()
        if sys.version_info >= (3, 11):
            assert raised.value.args == ("the reason",)
        assert await other == [2]
        assert await calls.f(1) == [1]

    run(main)
    assert calls.runs == []


def test_a_task_that_is_cancelled_after_its_reply_has_come_ends(server):
    calls = Calls(server, "late")

    async def main():
        await calls.warm_up()
        for _ in range(200):
            tasks = [asyncio.create_task(calls.f(n)) for n in range(8)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            tasks[3].cancel()
            got = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(got.pop(3), asyncio.CancelledError) or tasks[3].result() == [3]
            assert got == [[n] for n in range(8) if n != 3]

    run(main)
    assert calls.runs == []


def test_who_waits_may_have_a_deadline_of_his_own(server):
    calls = Calls(server, "deadline")

    async def main():
        await calls.warm_up()
        with frozen(server):
            began = time.monotonic()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(calls.f(1), 0.05)
            if sys.version_info >= (3, 11):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await calls.f(1)
            assert time.monotonic() - began < LONG / 2
        assert await calls.f(1) == [1]

    run(main)
    assert calls.runs == []


def test_what_takes_longer_than_its_time_is_a_miss(own):
    calls = Calls(own, "frozen", timeout=0.1)

    async def main():
        await calls.warm_up()
        with frozen(own):
            assert await asyncio.gather(*map(calls.f, range(8))) == [[n] for n in range(8)]
            assert sorted(calls.runs) == list(range(8))
        calls.runs.clear()
        give_up = time.monotonic() + LONG / 2
        while True:  # Its breaker was open.
            assert await calls.f(50) == [50]
            if not calls.runs:
                break
            assert time.monotonic() < give_up
            calls.runs.clear()
            await asyncio.sleep(0.05)

    run(main)


def test_a_server_that_dies_is_a_miss_until_there_is_another_one(own):
    calls = Calls(own, "dies")

    async def main():
        await calls.warm_up()
        with frozen(own):
            tasks = await in_flight(*map(calls.f, range(8)))
            own.process.kill()
        assert await asyncio.gather(*tasks) == [[n] for n in range(8)]
        assert sorted(calls.runs) == list(range(8))
        own.process.wait()
        own.start()
        give_up = time.monotonic() + LONG / 2
        while calls.f.stats()["tiers"][-1]["hits"] < 1000:
            await asyncio.gather(*map(calls.f, range(64)))
            assert time.monotonic() < give_up

    run(main)


def test_two_loops_share_a_connection(server):
    calls = Calls(server, "two")
    failures = []

    async def main():
        await calls.warm_up()

        async def ask(n):
            for _ in range(100):
                assert await calls.f(n) == [n]
                if n == 7:
                    await asyncio.sleep(0.001)

        await asyncio.gather(*map(ask, range(16)))

    def go():
        try:
            run(main)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert failures == []
    assert not any(thread.is_alive() for thread in threads)


def test_threads_and_a_loop_share_a_connection(server):
    calls = Calls(server, "shared")
    failures, over = [], threading.Event()

    @dcache(calls.backend, name="blocking")
    def g(n):
        return [n]

    def ask():
        try:
            n = 0
            while not over.is_set():
                n = (n + 1) % 20
                assert g(n) == [n]
                time.sleep(0.0001 * (n % 3) ** 6)  # From never to once in 6 ms.
        except BaseException as error:
            failures.append(error)

    async def main():
        await calls.warm_up()
        slowest = 0
        for n in range(3000):
            began = time.monotonic()
            assert await asyncio.gather(*(calls.f((n + i) % 100) for i in range(n % 5))) == [
                [(n + i) % 100] for i in range(n % 5)
            ]
            slowest = max(slowest, time.monotonic() - began)
            if n % 300 == 0:
                await asyncio.sleep(0.03)
        return slowest

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        slowest = run(main)
    finally:
        over.set()
        for thread in threads:
            thread.join(LONG)
    assert failures == []
    assert slowest < LONG / 2
    assert calls.runs == []


def test_a_loop_that_is_closed_while_it_waits_holds_nobody_up(server):
    calls = Calls(server, "closed")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(calls.warm_up())
    with frozen(server):
        task = loop.create_task(calls.f(1))
        loop.run_until_complete(asyncio.sleep(0.02))
        assert not task.done()
        loop.close()
    task._log_destroy_pending = False
    task, loop = None, weakref.ref(loop)

    async def main():
        assert await asyncio.gather(*map(calls.f, range(2, 66))) == [[n] for n in range(2, 66)]
        assert await calls.f(1) == [1]

    run(main)
    gc.collect()
    assert loop() is None


def test_a_task_that_nobody_holds_goes_on(server):
    calls = Calls(server, "dropped")
    got = []

    async def ask():
        got.append(await calls.f(1))

    async def main():
        await calls.warm_up()
        with frozen(server):
            (task,) = await in_flight(ask())
            task = weakref.ref(task)
            gc.collect()
            assert task() is not None
        while not got:
            await asyncio.sleep(0.01)

    run(main)
    assert got == [[1]]


def test_nothing_of_a_wait_is_left_behind(server):
    calls = Calls(server, "left")

    def ours():
        gc.collect()
        kinds = ("LoopFuture", "Coroutine", "Miss")
        # Tests before this one may have left some. A class's module may be a descriptor.
        return collections.Counter(
            type(each).__name__
            for each in gc.get_objects()
            if type(each).__name__ in kinds and "dcache" in str(type(each).__module__)
        )

    async def main():
        await calls.warm_up()
        with frozen(server):
            tasks = await in_flight(*map(calls.f, range(8)))
            for task in tasks[:4]:
                task.cancel()
            await asyncio.gather(*tasks[:4], return_exceptions=True)
        await asyncio.gather(*tasks[4:])

    before = ours()
    run(main)
    assert ours() <= before


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt])
def test_a_task_that_ends_the_program_after_a_hit_ends_the_loop(server, ending):
    calls = Calls(server, "ending")
    loop = asyncio.new_event_loop()

    async def ask(n):
        result = await calls.f(n)
        if n == 3:
            raise ending("now")
        return result

    try:
        loop.run_until_complete(calls.warm_up())
        tasks = [loop.create_task(ask(n)) for n in range(8)]
        with pytest.raises(ending, match="now"):
            loop.run_until_complete(asyncio.wait(tasks))
        # Who goes on all the same finds everything in order.
        others = [task for n, task in enumerate(tasks) if n != 3]
        got = loop.run_until_complete(asyncio.wait_for(asyncio.gather(*others), LONG))
        assert got == [[n] for n in range(8) if n != 3]
        with pytest.raises(ending):
            tasks[3].result()
    finally:
        loop.close()


def test_what_a_task_awaits_is_a_future(server):
    calls = Calls(server, "future")

    async def main():
        await calls.warm_up()
        loop = asyncio.get_running_loop()
        told = []
        with frozen(server):
            coroutine = calls.f(1)
            future = coroutine.send(None)
            assert asyncio.isfuture(future)
            assert future.get_loop() is loop
            assert future._asyncio_future_blocking is True
            assert (future.done(), future.cancelled()) == (False, False)
            with pytest.raises(asyncio.InvalidStateError):
                future.result()
            context = contextvars.copy_context()
            future.add_done_callback(told.append)
            future.add_done_callback(told.append, context=context)
            future.add_done_callback(print)
            assert future.remove_done_callback(print) == 1
            with pytest.raises(TypeError, match="add_done_callback"):
                future.add_done_callback(print, contexts=context)
        while len(told) < 2:
            await asyncio.sleep(0.01)
        assert told == [future, future]
        assert future.done()
        assert not future.cancel()
        assert future.result() is None
        assert future.result() is None
        assert future.exception() is None
        future.add_done_callback(told.append)
        assert len(told) == 2  # Soon.
        await asyncio.sleep(0)
        assert len(told) == 3
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        assert stop.value.value == [1]

    run(main)


def test_such_a_future_can_be_cancelled_by_itself(server):
    calls = Calls(server, "itself")

    async def main():
        await calls.warm_up()
        told = []
        with frozen(server):
            coroutine = calls.f(1)
            future = coroutine.send(None)
            future.add_done_callback(told.append)
            assert future.cancel(msg="enough")
            assert not future.cancel()
            assert (future.done(), future.cancelled()) == (True, True)
            assert told == []  # Soon.
            await asyncio.sleep(0)
            assert told == [future]
            with pytest.raises(asyncio.CancelledError, match="enough"):
                future.result()
            coroutine.close()
        assert await calls.f(1) == [1]
        assert told == [future]

    run(main)


def test_a_task_of_another_loop_is_refused(server):
    calls = Calls(server, "foreign")

    class Foreign:
        def __init__(self, future):
            self.future = future

        def __await__(self):
            yield self.future

    async def main():
        await calls.warm_up()
        with frozen(server):
            coroutine = calls.f(1)
            future = coroutine.send(None)

            async def wait():
                await Foreign(future)

            def go():
                with pytest.raises(RuntimeError, match="different loop"):
                    asyncio.run(wait())
                return True

            assert await asyncio.to_thread(go)
            coroutine.close()

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks begin at once since 3.12")
def test_eager_tasks_wait_as_well(server):
    calls = Calls(server, "eager")

    async def main():
        await calls.warm_up()
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        for _ in range(5):
            got = await asyncio.gather(*map(calls.f, range(50)))
            assert got == [[n] for n in range(50)]

    run(main)
    assert calls.runs == []


def test_many_calls_at_once_go_through_two_servers(server, own):
    runs = []
    near, far = (
        RedisBackend("127.0.0.1", each.port, timeout=LONG, connect_timeout=LONG)
        for each in (server, own)
    )

    @dcache(multiple=[near, far], name="many")
    async def f(n):
        runs.append(n)
        return [n]

    async def main():
        for given in (range(30), range(60), range(60)):
            assert await f.map(given) == [[n] for n in given]
        server.ask("FLUSHALL")
        assert await f.map(range(60)) == [[n] for n in range(60)]

    run(main)
    assert sorted(runs) == list(range(60))
