# SPDX-License-Identifier: MIT
"""S3 from Python: Ceph's gateway, which checks signatures, and what goes wrong with stores."""

import asyncio
import base64
import hashlib
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import xml.sax.saxutils

import fault_server
import pytest
import radosgw
from dcache import ConfigError, InvalidationError, TierError, dcache
from dcache.backends import FileBackend, InMemoryBackend, S3Backend
from dcache.testing import ManualClock, check_backend

GOLDEN = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "lifecycle.xml"
PATIENT = {"timeout": "20s", "connect_timeout": "5s"}  # What is tested is not how busy this is.
KEYS = {"access_key": radosgw.ACCESS_KEY, "secret_key": radosgw.SECRET_KEY}
NOBODY = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
          "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}  # fmt: skip


@pytest.fixture(scope="module")
def gateway():
    cluster = radosgw.Cluster()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def server():
    server = fault_server.Server().start()
    yield server
    server.stop()


@pytest.fixture
def environment(monkeypatch):
    """Without anything of AWS's but what a test sets."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "DCACHE_"))]:
        monkeypatch.delenv(name)
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def at(server, **options):
    """A backend over either of them."""
    said = {"endpoint": f"http://127.0.0.1:{server.port}", **KEYS, **PATIENT, **options}
    return S3Backend(radosgw.BUCKET, said.pop("prefix", "tests"), **said)


def run(code, *args, **environment):
    """Another process's output."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
        env={**os.environ, **NOBODY, **environment},
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip


def as_xml(rules):
    """What boto3 sends of them."""

    def text(name, value):
        return f"<{name}>{xml.sax.saxutils.escape(str(value))}</{name}>"

    def tag(one):
        return f"<Tag>{text('Key', one['Key'])}{text('Value', one['Value'])}</Tag>"

    def rule(one):
        both = one["Filter"].get("And")
        found_by = tag(one["Filter"].get("Tag") or both["Tags"][0])
        if both:
            found_by = f"<And>{text('Prefix', both['Prefix'])}{found_by}</And>"
        return (
            f"<Rule>{text('ID', one['ID'])}<Filter>{found_by}</Filter>"
            f"{text('Status', one['Status'])}<Expiration>"
            f"{text('Days', one['Expiration']['Days'])}</Expiration></Rule>"
        )

    space = GOLDEN.read_text().partition(' xmlns="')[2].partition('"')[0]
    inner = "".join(map(rule, rules["Rules"]))
    return f'<LifecycleConfiguration xmlns="{space}">{inner}</LifecycleConfiguration>'


def far(f):
    return f.stats()["tiers"][-1]


# --- On Ceph's gateway ---


@pytest.mark.full
def test_it_does_what_every_backend_does(gateway):
    assert "gives back large values" in check_backend(lambda: at(gateway))


@pytest.mark.full
def test_what_one_process_has_computed_is_a_look_up_for_another(gateway):
    code = """
        import sys
        from dcache import dcache

        @dcache(sys.argv[1], name="shared")
        def shared(n):
            print("ran")
            return {"n": n, "list": [1.5, None]}

        print(shared(int(sys.argv[2])))
    """
    url = f"s3://tests/other?endpoint=http://127.0.0.1:{gateway.port}&timeout=20s"
    keys = {
        "AWS_ACCESS_KEY_ID": radosgw.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": radosgw.SECRET_KEY,
    }
    assert run(code, url, 3, **keys) == "ran\n{'n': 3, 'list': [1.5, None]}\n"
    assert run(code, url, 3, **keys) == "{'n': 3, 'list': [1.5, None]}\n"


@pytest.mark.full
def test_the_usual_chain_fills_what_is_nearer(gateway, tmp_path):
    def chain():
        tiers = [InMemoryBackend(), FileBackend(tmp_path / "files"), at(gateway)]

        @dcache(multiple=tiers, name="usual")
        def usual(n):
            return [n, time.time()]

        return usual

    first = chain()(1)
    again = chain()
    assert again(1) == first
    assert [tier["hits"] for tier in again.stats()["tiers"]] == [1, 0]
    (tmp_path / "files").rename(tmp_path / "gone")
    again = chain()
    assert again(1) == first
    assert [tier["hits"] for tier in again.stats()["tiers"]] == [0, 1]
    again.invalidate(1)
    assert chain()(1) != first


@pytest.mark.full
def test_a_signature_that_is_wrong_is_refused_and_a_call_goes_on(gateway):
    wrong = at(gateway, secret_key="not-the-secret")
    with pytest.raises(ConfigError, match="SignatureDoesNotMatch") as raised:
        wrong.check()
    told = "".join(traceback.format_exception(raised.value))
    assert "not-the-secret" not in told
    f = dcache(wrong)(abs)
    assert f(-3) == 3
    assert far(f)["failures"] > 0
    with pytest.raises(InvalidationError):
        f.invalidate(-3)
    at(gateway).check()
    with pytest.raises(ConfigError, match="NoSuchBucket"):
        S3Backend("nowhere", endpoint=f"http://127.0.0.1:{gateway.port}", **KEYS).check()


@pytest.mark.full
def test_an_event_loop_asks_for_many_at_once(gateway):
    cache = dcache(at(gateway))

    @cache(name="gathered")
    async def gathered(n):
        return n * n

    async def ask():
        return await asyncio.gather(*(gathered(n) for n in range(200)))

    assert asyncio.run(ask()) == [n * n for n in range(200)]
    assert asyncio.run(ask()) == [n * n for n in range(200)]
    assert far(gathered)["hits"] == 200


@pytest.mark.full
def test_with_leases_one_computes_and_the_others_wait(gateway):
    runs = []

    def compute():
        @dcache(at(gateway, lease="30s"), name="leased")
        def leased(n):
            runs.append(n)
            time.sleep(0.5)
            return n + 0.25

        return leased(1)

    results = []
    threads = [threading.Thread(target=lambda: results.append(compute())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1.25] * 4
    assert runs == [1]


@pytest.mark.full
def test_many_calls_are_asked_for_side_by_side(gateway):
    @dcache(at(gateway), name="mapped")
    def mapped(n):
        return n + 0.5

    assert mapped.map(range(300)) == [n + 0.5 for n in range(300)]
    assert mapped.map(range(300)) == [n + 0.5 for n in range(300)]
    assert far(mapped)["hits"] == 300


@pytest.mark.full
@pytest.mark.unsanitized("it waits for the clock of the gateway")
def test_the_rules_delete_records_and_leave_marks(gateway):
    # A day is five seconds there.
    backend = at(gateway, prefix="ending")

    @dcache(backend, ttl="1h", name="ending")
    def ending(n):
        return n

    @dcache(backend, ttl="300d", name="lasting")
    def lasting(n):
        return n

    ending(1), lasting(1)
    body = as_xml(backend.lifecycle_rules()).encode()
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    status, text = gateway.ask("PUT", "/tests", "lifecycle=", body, {"content-md5": digest})
    assert status == 200, text

    def keys():
        listing = gateway.ask("GET", "/tests", "prefix=ending%2F")[1]
        return listing.count(b"<Key>")

    assert keys() == 4  # Two records and the marks of two functions.
    give_up = time.monotonic() + 60
    while keys() != 3 and time.monotonic() < give_up:
        time.sleep(0.5)
    assert keys() == 3
    assert lasting(1) == 1
    assert far(lasting)["hits"] == 1


# --- Where things go wrong ---


def counted(backend, **options):
    runs = []

    @dcache(backend, name="counted", **options)
    def body(n):
        runs.append(n)
        return n

    return body, runs


def test_a_store_that_is_slow_holds_a_call_for_its_timeout_and_no_longer(server):
    f, runs = counted(at(server, timeout="200ms"))
    f(1)
    server.tell("next hang 2")
    begun = time.monotonic()
    assert f(1) == 1
    assert time.monotonic() - begun < 10
    assert runs == [1, 1]
    assert far(f)["timeouts"] + far(f)["failures"] >= 1


def test_a_store_that_is_down_is_a_miss(server):
    f, _ = counted(at(server))
    f(1)
    server.stop()
    for _ in range(10):
        assert f(2) == 2
    assert far(f)["breaker"] != "closed" or far(f)["failures"]
    with pytest.raises(InvalidationError):
        f.invalidate(1)
    with pytest.raises(TierError):
        at(server).check()


def test_garbage_in_the_store_is_a_miss_and_is_replaced(server):
    f, runs = counted(at(server))
    f(1)
    (record,) = [path for path in server.store.objects if len(server.store.objects[path]) > 16]
    whole = server.store.objects[record]
    for garbage in (b"", b"garbage", whole[:-1], whole[:-1] + b"?", whole + b"more"):
        server.store.objects[record] = garbage
        assert f(1) == 1
        assert server.store.objects[record] != garbage
    assert len(runs) == 6


def test_memory_in_front_of_it_is_believed_for_a_minute_and_a_mark_for_ten_seconds(server):
    clock = ManualClock()
    near, _ = counted(None, multiple=[InMemoryBackend(), at(server)], clock=clock)
    told, _ = counted(None, multiple=[InMemoryBackend(), at(server)], clock=clock, near_ttl=5)
    far_alone, runs = counted(at(server), clock=clock)
    other, _ = counted(at(server), clock=clock)
    near(1), told(1), far_alone(1)
    other.put("changed", 1)
    clock.advance(5)
    assert told(1) == "changed"
    clock.advance(54)
    assert near(1) == 1
    clock.advance(1)
    assert near(1) == far_alone(1) == "changed"
    other.cache_clear()
    clock.advance(9)
    assert far_alone(1) == "changed"
    clock.advance(1)
    assert far_alone(1) == 1
    assert runs == [1]


def test_passing_trouble_is_not_seen(server):
    f, runs = counted(at(server))
    f(1)
    for fault in ("503:SlowDown", "500:InternalError", "reset", "truncate", "etag"):
        server.tell(f"next {fault} 2")
        assert f(1) == 1
    assert runs == [1]


# --- Setting it up ---


def test_the_rules_are_those_of_cpp(environment):
    golden = GOLDEN.read_text().splitlines()
    for prefix in ("a&b", "/a&b/"):
        assert as_xml(S3Backend("b", prefix).lifecycle_rules()) == golden[0]
    environment.setenv("DCACHE_S3_PREFIX", "/a&b")
    assert as_xml(S3Backend("b").lifecycle_rules()) == golden[0]
    environment.delenv("DCACHE_S3_PREFIX")
    assert as_xml(S3Backend("b").lifecycle_rules()) == golden[1]


def test_a_bare_one_takes_all_from_the_environment(server, environment):
    f, _ = counted(S3Backend())
    with pytest.raises(ConfigError, match="DCACHE_S3_BUCKET"):
        f(1)
    environment.setenv("DCACHE_S3_BUCKET", "mine")
    environment.setenv("DCACHE_S3_PREFIX", "app/")
    environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    bare = S3Backend()
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID"):
        bare.check()
    environment.setenv("AWS_ACCESS_KEY_ID", "me")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    environment.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    S3Backend().check()
    assert server.tell("seen") == '["GET /mine/app/dcache-check me eu-west-3"]'
    assert S3Backend().lifecycle_rules()["Rules"][0]["Filter"]["And"]["Prefix"] == "app/"


def test_the_environment_can_switch_a_function_to_it(server, environment):
    environment.setenv("AWS_ACCESS_KEY_ID", "me")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    url = f"s3://switched/p?endpoint=http://127.0.0.1:{server.port}"
    environment.setenv("DCACHE_URL", url)
    script = """
        from dcache import dcache

        @dcache(name="switched")
        def switched(n):
            return n

        print(switched(1))
    """
    assert run(script) == "1\n"
    assert len(server.store.objects) == 2
    assert all(path.startswith("/switched/p/switched%3A") for path in server.store.objects)


def test_options_that_can_never_work_are_refused(server):
    for options, says in [
        ({"bucket": "a/b"}, "letters, digits"),
        ({"bucket": "b", "endpoint": "store.example"}, "no address"),
        ({"bucket": "b", "access_key": "a"}, "belong together"),
        ({"bucket": "b", "timeout": 0}, "timeout"),
        ({"bucket": "b", "max_bytes": 0}, "max_bytes"),
        ({"bucket": 3}, "expected text"),
        ({"bucket": "b", "anonymous": True, **KEYS}, "one of them"),
        ({"bucket": "b", "region": "us east"}, "eu-west-1"),
    ]:
        with pytest.raises(ConfigError, match=says):
            S3Backend(**options)
    with pytest.raises(ConfigError, match="expected one of: region"):
        dcache("s3://b/p?regoin=x")
    for url, says in [
        ("s3://b:9000/p", "s3://b:9000/p: has a port; expected s3://bucket/prefix, and"),
        ("s3://b/p?timeout=x", 's3://b/p: timeout is "x"; expected a duration'),
        ("s3:b/p", "s3:b/p: has no bucket; expected two slashes"),
        ("s3:/b/p", "s3:///b/p: has no bucket; expected two slashes"),
    ]:
        with pytest.raises(ConfigError) as raised:
            dcache(url)
        assert str(raised.value).startswith(f"dcache: {says}")


def test_a_time_out_may_be_of_any_length():
    assert repr(S3Backend("b", timeout=0.00001)) == "<S3Backend s3://b>"
    assert repr(S3Backend("b", timeout="60d", connect_timeout=1e-9)) == "<S3Backend s3://b>"


def test_a_secret_is_in_nothing_that_is_said(server):
    backend = at(server, secret_key="hush/hush", session_token="token+token")
    f, _ = counted(backend)
    f(1)
    server.tell("next 403:SignatureDoesNotMatch 9")
    with pytest.raises(ConfigError) as raised:
        backend.check()
    said = [repr(backend), f.explain(1), str(f.stats()), *traceback.format_exception(raised.value)]
    for text in said:
        assert "hush" not in text
        assert "token+token" not in text
    assert repr(backend) == "<S3Backend s3://tests/tests>"


def test_a_session_token_is_sent(server):
    at(server, session_token="a+b/c").check()
    assert server.tell("headers x-amz-security-token") == '["a+b/c"]'


def test_it_is_pickled_by_its_options(server):
    backend = pickle.loads(pickle.dumps(at(server, prefix="pickled", expiry_tags=False)))
    f, _ = counted(backend, ttl=60)
    f(1)
    assert all(path.startswith("/tests/pickled/") for path in server.store.objects)
    assert set(server.tell("headers x-amz-tagging")) <= set('["", ]')


def test_a_forked_child_asks_by_connections_of_its_own(server):
    f, runs = counted(at(server))
    f(1)
    child = os.fork()
    if child == 0:
        os._exit(0 if f(1) == 1 and runs == [1] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert f(1) == 1
    assert runs == [1]


def test_threads_share_one_backend(server):
    f, runs = counted(at(server))
    for n in range(20):
        f(n)
    wrong = []

    def ask():
        wrong.extend(n for n in range(20) if f(n) != n)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(runs) == 20


def test_nobody_loads_libcurl_who_does_not_use_it():
    code = """
        from dcache import dcache
        from dcache.backends import S3Backend

        def loaded():
            with open("/proc/self/maps") as maps:
                return "libcurl" in maps.read()

        dcache(abs)(-1)
        print(loaded())
        S3Backend("b")
        print(loaded())
    """
    assert run(code) == "False\nTrue\n"


def test_a_process_that_ends_with_a_request_under_way_ends_well(server):
    code = """
        import sys, threading, time
        from dcache import dcache

        f = dcache(sys.argv[1], name="ending")(abs)
        f(-1)
        threading.Thread(target=f, args=(-2,), daemon=True).start()
        time.sleep(0.1)
        print("ended")
    """
    url = f"s3://k:s@b/p?endpoint=http://127.0.0.1:{server.port}&timeout=30s"
    assert run(code, url) == "ended\n"
    threading.Timer(0.05, lambda: server.tell("next hang 3")).start()
    assert run(code, url) == "ended\n"
