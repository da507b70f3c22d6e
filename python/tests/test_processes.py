# SPDX-License-Identifier: MIT
"""Forks and the end of the interpreter: nothing hangs, nothing crashes, nothing is lost."""

import os
import subprocess
import sys
import textwrap
import time

import pytest


def run(script, timeout=30, **environment):
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
        check=False,
    )


def prints(script, expected, **options):
    done = run(script, **options)
    assert (done.returncode, done.stdout.split()) == (0, expected.split()), done.stderr
    assert "Fatal" not in done.stderr
    assert "terminate called" not in done.stderr
    return done


def test_a_child_has_the_entries_and_none_of_the_flights():
    prints(
        """
        import os, threading, time
        from dcache import dcache

        release, started = threading.Event(), threading.Event()

        @dcache
        def f(x):
            if x == 2 and os.getpid() == parent:
                started.set()
                release.wait(20)
            return x * 10

        parent = os.getpid()
        f(1)
        threading.Thread(target=f, args=(2,)).start()
        started.wait(10)
        child = os.fork()
        if child == 0:
            print(f.peek(1), f(2), f.invalidate(2), f(2), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        release.set()
        """,
        "10 20 True 20",
    )


def test_a_child_refreshes_in_the_background_with_threads_of_its_own():
    prints(
        """
        import os, time
        from dcache import dcache
        from dcache.testing import ManualClock

        clock = ManualClock()
        runs = []

        @dcache(ttl=100, refresh_ahead=0.5, clock=clock)
        def f(x):
            runs.append(x)
            return len(runs)

        def refresh(expected):
            clock.advance(60)
            f(1)
            end = time.monotonic() + 10
            while f.peek(1) < expected and time.monotonic() < end:
                time.sleep(0.01)
            os.write(1, f"{f(1)}\\n".encode())  # In one piece: both processes write.

        f(1)
        refresh(2)
        child = os.fork()
        refresh(3)
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        """,
        "2 3 3",
    )


def test_a_flight_of_tasks_is_dropped_in_a_child():
    prints(
        """
        import asyncio, os
        from dcache import dcache

        @dcache
        async def f(x):
            await asyncio.sleep(0.2)
            return x

        async def main():
            task = asyncio.create_task(f(1))
            await asyncio.sleep(0.05)
            child = os.fork()
            if child == 0:
                asyncio._set_running_loop(None)
                print(asyncio.new_event_loop().run_until_complete(f(1)), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            print(await task, flush=True)

        asyncio.run(main())
        """,
        "1 1",
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes_work(method, tmp_path):
    (tmp_path / "work.py").write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys
            from dcache import dcache

            @dcache
            def square(x):
                return x * x

            if __name__ == "__main__":
                square(3)
                context = multiprocessing.get_context(sys.argv[1])
                with context.Pool(2) as pool:
                    print(*pool.map(square, [1, 2, 3, 3]))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "work.py", method],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "1 4 9 9\n", done.stderr


def test_the_end_waits_for_no_refresh():
    started = time.monotonic()
    prints(
        """
        import time
        from dcache import dcache
        from dcache.testing import ManualClock

        clock, runs = ManualClock(), []

        @dcache(ttl=100, refresh_ahead=0.5, clock=clock)
        def f(x):
            runs.append(x)
            if len(runs) > 1:
                time.sleep(60)
            return x

        f(1)
        clock.advance(60)
        print(f(1))
        time.sleep(0.2)
        """,
        "1",
    )
    assert time.monotonic() - started < 20


def test_daemon_threads_in_a_body_and_in_a_wait_survive_the_end():
    for _ in range(3):
        prints(
            """
            import threading, time
            from dcache import dcache

            @dcache
            def f(x):
                while True:
                    time.sleep(0.001)

            for _ in range(4):
                threading.Thread(target=f, args=(1,), daemon=True).start()
            threading.Thread(target=f, args=(2,), daemon=True).start()
            time.sleep(0.2)
            print("end")
            """,
            "end",
        )


@pytest.mark.parametrize("stack", [0, 1 << 20])
@pytest.mark.parametrize(
    "decorator",
    [
        "dcache.dcache(maxsize=None)",
        "dcache.dcache(maxsize=None, cache_errors={OSError: 1})",
        "dcache.functools.cache",
    ],
)
def test_deep_recursion_is_an_error_and_no_crash_whatever_the_bound_of_the_interpreter(
    decorator, stack
):
    prints(
        f"""
        import sys, threading
        import dcache, dcache.functools

        @{decorator}
        def depth(n):
            return n and 1 + depth(n - 1)

        class Tower:
            @{decorator}
            def depth(self, n):
                return n and 1 + self.depth(n - 1)

        def climb():
            for call in (depth, Tower().depth):
                try:
                    call(200_000)
                except RecursionError:
                    print(call(20))

        sys.setrecursionlimit(10**6)
        threading.stack_size({stack})
        thread = threading.Thread(target=climb)
        thread.start()
        thread.join()
        climb()
        """,
        "20 20 20 20",
    )


def test_functions_may_be_called_while_the_interpreter_ends():
    prints(
        """
        import atexit
        from dcache import dcache

        class Last:
            @dcache
            def word(self, x):
                return x

            def __del__(self):
                print(self.word("late"), flush=True)

        last = Last()
        last.word(1)
        atexit.register(lambda: print(last.word("exit"), flush=True))
        """,
        "exit late",
    )


def test_a_second_interpreter_is_told_that_it_is_not_supported():
    prints(
        """
        import sys
        import dcache
        if sys.version_info >= (3, 13):
            import _interpreters as interpreters
            make = lambda: interpreters.create()
            run = lambda i, s: interpreters.exec(i, s)
        else:
            import _xxsubinterpreters as interpreters
            make, run = interpreters.create, interpreters.run_string
        script = '''if True:
            try:
                import dcache
                print("imported")
            except ImportError as error:
                print("ImportError")
            '''
        run(make(), script)
        """,
        "ImportError",
    )


def test_a_module_that_is_imported_anew_is_the_same():
    prints(
        """
        import sys
        import dcache
        first = dcache.dcache
        for name in [name for name in sys.modules if name.startswith("dcache")]:
            del sys.modules[name]
        import dcache
        f = dcache.dcache(lambda x: object())
        print(f(1) is f(1), dcache.dcache is not first)
        """,
        "True True",
    )


def test_functions_of_main_travel_by_value_where_the_pickler_wants_that(tmp_path):
    (tmp_path / "work.py").write_text(
        textwrap.dedent(
            """
            import pickle, subprocess, sys
            import cloudpickle
            from dcache import dcache

            @dcache(maxsize=7)
            def square(x):
                return x * x

            assert pickle.loads(pickle.dumps(square)) is square
            load = "import pickle, sys; f = pickle.load(sys.stdin.buffer);"
            load += "print(f(3), f(3), f.cache_info())"
            pickled = cloudpickle.dumps(square)
            subprocess.run([sys.executable, "-c", load], input=pickled, check=True)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "work.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "9 9 CacheInfo(hits=1, misses=1, maxsize=7, currsize=1)\n", done.stderr
