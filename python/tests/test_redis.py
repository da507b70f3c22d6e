# SPDX-License-Identifier: MIT
"""Redis and Valkey from Python: real servers, and what goes wrong with them."""

import asyncio
import contextlib
import logging
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import pytest
from dcache import ConfigError, InvalidationError, TierError, UsageError, dcache
from dcache.backends import InMemoryBackend, RedisBackend
from dcache.testing import check_backend
from redis_server import FLAVOURS, Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENT = {"timeout": "5s", "connect_timeout": "5s"}  # What is tested is not how busy this is.


@pytest.fixture(scope="module", params=FLAVOURS)
def shared(request):
    server = Server(request.param)
    yield server
    server.close()


@pytest.fixture
def server(shared):
    shared.ask("FLUSHALL")
    return shared


@pytest.fixture(params=FLAVOURS)
def own(request):
    """Makes servers of a test's own."""
    servers = []

    def make(**options):
        servers.append(Server(request.param, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def connect(server, **options):
    return RedisBackend("127.0.0.1", server.port, **{**PATIENT, **options})


def run(code, *args):
    """Another process's output."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip


def comes_true(condition):
    give_up = time.monotonic() + 20
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.005)
    return True


def acl_of_the_page():
    page = (ROOT / "docs" / "backends" / "redis.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("user dcache on ")]
    return line


def far(f):
    return f.stats()["tiers"][-1]


def test_what_one_process_has_computed_is_a_look_up_for_another(server):
    code = """
        import sys
        from dcache import dcache
        @dcache(f"redis://127.0.0.1:{sys.argv[1]}/0?timeout=5s&connect_timeout=5s", name="twice")
        def twice(n):
            print("computed")
            return 2 * n
        print(twice(4))
    """
    assert run(code, server.port) == "computed\n8\n"
    assert run(code, server.port) == "8\n"


def test_it_stands_behind_memory(server):
    bodies = []

    @dcache(multiple=[InMemoryBackend(), connect(server)], name="behind")
    def f(n):
        bodies.append(n)
        return [n]

    first = f(1)
    assert f(1) is first
    assert bodies == [1]
    assert far(f)["stores"] == 1


def test_it_does_what_every_backend_has_to(server):
    assert len(check_backend(lambda: connect(server))) > 10


def test_it_needs_no_more_than_the_page_says(own):
    line = acl_of_the_page()
    server = own(lines=[line, line.replace("dcache", "suite").replace("~shop:*", "~*")])
    check_backend(lambda: connect(server, username="suite", password="secret", db=1))

    @dcache(connect(server, username="dcache", password="secret"), namespace="shop", name="acl")
    def f(n):
        return n

    assert [f(1), f(1)] == [1, 1]
    f.invalidate(1)
    f.cache_clear()
    f(1)
    assert far(f)["hits"] == 1
    assert far(f)["failures"] == 0

    @dcache(connect(server, username="dcache", password="secret"), namespace="other", name="acl")
    def g(n):
        return n

    assert g(1) == 1
    assert far(g)["failures"] > 0


def is_asked_for(right, server):
    """Whether a function does anything that it may not do without."""

    def make(body):
        backend = connect(server, username="dcache", password="secret", db=1)
        return backend, dcache(backend, namespace="shop", name="needed")(body)

    def slow(n):
        computing.set()
        go_on.wait(20)
        return n

    backend, f = make(lambda n: n)
    assert f(0) == 0
    for verb in (lambda: f.invalidate(0), backend.check):
        with contextlib.suppress(TierError, ConfigError):
            verb()
    computing, go_on = threading.Event(), threading.Event()
    both = [threading.Thread(target=each, args=(1,)) for each in (make(slow)[1], f)]
    both[0].start()
    assert computing.wait(20)
    both[1].start()  # Some rights are for who waits.
    asked_for = comes_true(lambda: right.encode() in server.ask("ACL", "LOG"))
    go_on.set()
    for thread in both:
        thread.join()
    return asked_for


def test_it_needs_all_that_the_page_says(own):
    server = own(lines=[acl_of_the_page()])
    for right in acl_of_the_page().split("-@all ~shop:* +")[1].split(" +"):
        server.ask("FLUSHALL")
        server.ask("SCRIPT", "FLUSH")
        server.ask("ACL", "SETUSER", "dcache", f"-{right}")
        server.ask("ACL", "LOG", "RESET")
        assert is_asked_for(right, server), f"{right} is not needed"
        server.ask("ACL", "SETUSER", "dcache", f"+{right}")


def test_it_falls_back_to_resp2(own):
    old = own(lines=['rename-command HELLO ""', "requirepass secret"])
    check_backend(lambda: connect(old, password="secret", db=1))
    computing = threading.Event()

    def make(body):
        return dcache(connect(old, username="default", password="secret"), name="old")(body)

    def slow(n):
        computing.set()
        time.sleep(0.3)
        return n

    leader = threading.Thread(target=make(slow), args=(1,))
    leader.start()
    assert computing.wait(20)
    waiter = make(lambda n: 1 / 0)
    assert waiter(1) == 1  # It polls: nobody tells of changes.
    leader.join()
    assert far(waiter)["failures"] == 0


def test_a_wrong_password_is_said_by_nobody(own, caplog):
    server = own(lines=["requirepass right-secret"])
    backend = connect(server, password="wrong-secret")
    with pytest.raises(ConfigError, match="WRONGPASS") as refused:
        backend.check()

    @dcache(backend, name="refused")
    def f(n):
        return n

    with caplog.at_level(logging.WARNING, "dcache"):
        assert [f(1) for _ in range(10)] == [1] * 10
    with pytest.raises(InvalidationError) as unreached:
        f.invalidate(1)
    said = [caplog.text, repr(backend), str(refused.value), str(unreached.value)]
    said += [repr(f.stats()), f.explain(1), repr(f)]
    assert not [each for each in said if "secret" in each]
    assert "WRONGPASS" in caplog.text
    connect(server, password="right-secret").check()
    with pytest.raises(ConfigError) as bad:
        dcache(f"redis://:right-secret@127.0.0.1:{server.port}/zero")(len)
    assert "secret" not in str(bad.value)


def test_tls_checks_who_answers(own):
    server = own(tls=True)
    options = {**PATIENT, "tls": True}
    with pytest.raises(ConfigError):
        RedisBackend("localhost", server.port, **options).check()
    RedisBackend("localhost", server.port, ca_file=server.ca, **options).check()
    RedisBackend("localhost", server.port, verify=False, **options).check()
    with pytest.raises(ConfigError):
        RedisBackend("127.0.0.1", server.port, ca_file=str(server.ca), **options).check()

    @dcache(RedisBackend("localhost", server.port, ca_file=server.ca, **options), name="tls")
    def f(n):
        return n

    assert [f(1), f(1)] == [1, 1]
    assert far(f)["hits"] == 1


def test_a_unix_socket_does(server):
    RedisBackend(path=server.socket, db=2, **PATIENT).check()
    f = dcache(f"redis+unix://{server.socket}?db=2&timeout=5s", name="unix")(abs)
    assert [f(-1), f(-1)] == [1, 1]
    assert far(f)["hits"] == 1


@pytest.mark.parametrize(
    "options",
    [
        {"host": 7}, {"host": ""}, {"port": 0}, {"port": 70_000}, {"port": "6379"}, {"db": -1},
        {"db": True}, {"timeout": 0}, {"timeout": "soon"}, {"lease": 0.001}, {"password": b"x"},
        {"username": "alone"}, {"key_file": "alone"}, {"path": 7}, {"host": "a\0b"},
        {"host": "cache:7000"}, {"host": "a b"}, {"host": "a\nb"}, {"password": "secret\ud800"},
        {"ca_file": "/ca.pem"}, {"certificate_file": "/a", "key_file": "/b"}, {"server_name": "a"},
        {"host": "redis://app:secret@cache:7000/3"}, {"host": "app:secret@cache"},
    ],
)  # fmt: skip
def test_what_can_never_work_is_refused_at_once(options):
    with pytest.raises(ConfigError) as refused:
        RedisBackend(**options)
    assert "secret" not in "".join(traceback.format_exception_only(refused.value))
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("host", ["::1", "fe80::1%eth0", "10.0.0.7", "cache_1.example"])
def test_a_host_is_a_name_or_an_address(host):
    assert host in repr(RedisBackend(host))


def test_it_says_where_it_is_and_not_who_logs_in():
    backend = RedisBackend("cache", 7000, 3, username="app", password="secret", tls=True)
    assert repr(backend) == "<RedisBackend rediss://cache:7000/3>"
    assert repr(pickle.loads(pickle.dumps(backend))) == repr(backend)
    with pytest.raises(UsageError, match=r"RedisBackend\(\)"):
        dcache(RedisBackend)


def test_nothing_is_there():
    backend = RedisBackend("127.0.0.1", 1)
    with pytest.raises(TierError, match=r"redis://127\.0\.0\.1:1/0"):
        backend.check()
    assert dcache(backend, name="nothing")(abs)(-1) == 1


def test_a_clear_in_another_process_is_followed(server):
    def make():
        return dcache(connect(server), name="cleared")(lambda n: [n])

    one, other = make(), make()
    one(1)
    other(1)
    one.cache_clear()
    assert comes_true(lambda: other(1) and far(other)["dead"] > 0)


def test_a_frozen_server_holds_nobody_for_long(own):
    server = own()

    @dcache(connect(server, timeout="100ms"), name="frozen")
    def f(n):
        return n

    f(1)
    server.freeze()
    begun = time.monotonic()
    assert f(1) == 1
    assert time.monotonic() - begun < 3
    server.thaw()
    hits = far(f)["hits"]
    assert comes_true(lambda: f(1) and far(f)["hits"] > hits)


def test_a_restarted_server_is_used_again(own):
    server = own()
    f = dcache(connect(server), name="restarted")(abs)
    f(-1)
    server.kill()
    assert [f(-1) for _ in range(20)] == [1] * 20
    server.start()
    hits = far(f)["hits"]
    assert comes_true(lambda: f(-1) and far(f)["hits"] > hits)


def test_one_process_computes_for_all(server, tmp_path):
    code = """
        import sys, threading, time
        from dcache import dcache
        from dcache.backends import InMemoryBackend, RedisBackend
        backend = RedisBackend("127.0.0.1", int(sys.argv[1]), timeout=5, connect_timeout=5)
        @dcache(multiple=[InMemoryBackend(), backend], name="cold")
        def cold(n):
            with open(sys.argv[2], "a") as bodies:
                bodies.write("x")
            time.sleep(0.5)
            return n + 1
        sys.stdin.readline()
        results = []
        threads = [threading.Thread(target=lambda: results.append(cold(41))) for _ in range(10)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(results == [42] * 10)
    """
    bodies = tmp_path / "bodies"
    command = [sys.executable, "-c", textwrap.dedent(code), str(server.port), str(bodies)]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    time.sleep(0.5)
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.communicate(timeout=60)[0] for child in children] == ["True\n"] * 4
    assert bodies.read_text() == "x"


def test_a_forked_child_connects_anew(server):
    f = dcache(connect(server), name="forked")(abs)
    f(-1)
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            f(-1)

    traffic = [threading.Thread(target=ask) for _ in range(2)]
    for thread in traffic:
        thread.start()
    try:
        for _ in range(3):
            child = os.fork()
            if child == 0:
                hits = far(f)["hits"]
                right = [f(-n) for n in (1, 2, 1)] == [1, 2, 1] and far(f)["hits"] > hits
                os._exit(0 if right else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for thread in traffic:
            thread.join()


def test_tasks_share_a_look_up_and_a_computation(server):
    bodies = []

    def make():
        @dcache(connect(server), name="tasks")
        async def f(n):
            bodies.append(n)
            await asyncio.sleep(0.05)
            return n

        return f

    async def ask(f):
        assert await asyncio.gather(*(f(n % 4) for n in range(64))) == [n % 4 for n in range(64)]

    f = make()
    asyncio.run(ask(f))
    assert sorted(bodies) == [0, 1, 2, 3]
    g = make()
    asyncio.run(ask(g))
    asyncio.run(ask(g))  # Another loop.
    assert sorted(bodies) == [0, 1, 2, 3]


def test_a_task_waits_for_another_process(server):
    computing, go_on = threading.Event(), threading.Event()

    @dcache(connect(server), name="elsewhere")
    def leader(n):
        computing.set()
        go_on.wait(20)
        return n

    @dcache(connect(server), name="elsewhere")
    async def waiter(n):
        raise AssertionError("it runs elsewhere")

    thread = threading.Thread(target=leader, args=(1,))
    thread.start()

    async def main():
        task = asyncio.create_task(waiter(1))
        await asyncio.sleep(0.3)
        assert not task.done()
        go_on.set()
        return await task

    try:
        assert computing.wait(20)
        assert asyncio.run(main()) == 1
    finally:
        go_on.set()
        thread.join()
