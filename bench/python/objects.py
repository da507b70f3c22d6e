# SPDX-License-Identifier: MIT
"""Measures what S3 costs from Python, beside boto3. Prints Markdown.

python objects.py --gateway FILE [--rounds N] [--check]
"""

import argparse
import asyncio
import contextlib
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import boto3
from botocore.config import Config
from dcache import dcache
from dcache.backends import S3Backend
from paired import Race, calls, ratios, spread_of

SLICE = 2e8  # Nanoseconds: requests take a millisecond and more.
MANY = 64
MANY_SLICE = 0.5  # Seconds.
VALUE = "x" * 4096
PATIENCE = 20  # Of every client: a machine that is not quiet is no failure.

NGINX = """
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  server {{ listen 127.0.0.1:{port} backlog=512; root {folder}/files; }}
}}
"""


def ours(endpoint, **keys):
    """A backend."""
    return S3Backend("tests", "bench", endpoint=endpoint, timeout=PATIENCE, **keys)


def client_of(endpoint, **keys):
    """A client of boto3's."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys["access_key"],
        aws_secret_access_key=keys["secret_key"],
        config=Config(max_pool_connections=MANY, read_timeout=PATIENCE),
    )


def theirs(endpoint, **keys):
    """What gets the bytes of an object by its key, with boto3."""
    client = client_of(endpoint, **keys)
    return lambda key: client.get_object(Bucket="tests", Key=key)["Body"].read()


def alone(endpoint, **keys):
    """The works of one caller, ours first."""
    runs = []

    @dcache(ours(endpoint, **keys), name="alone")
    def f(n):
        runs.append(n)
        return VALUE

    f(1)
    get = theirs(endpoint, **keys)
    clock = time.perf_counter_ns
    works = {
        "ours": calls("f(1)", f, clock=clock),
        "theirs": calls("f(given)", get, f"bench/{f.key(1)}", clock=clock),
    }
    return works, runs


@contextlib.contextmanager
def plain_server(objects):
    """Nginx, which serves these bytes by path."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        for path, content in objects.items():
            file = folder / "files" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        (folder / "conf").write_text(NGINX.format(folder=folder, port=port))
        server = subprocess.Popen(
            [program, "-c", folder / "conf", "-g", "daemon off;"], stderr=subprocess.DEVNULL
        )
        try:
            give_up = time.monotonic() + 10
            while time.monotonic() < give_up:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def by_threads(call):
    """Calls a second of many threads together."""
    counts = [0] * MANY
    stop = time.perf_counter() + MANY_SLICE

    def work(number):
        while time.perf_counter() < stop:
            call(number)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(MANY)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def by_tasks(call):
    """Calls a second of many tasks of one loop."""

    async def work(number, stop):
        count = 0
        while time.perf_counter() < stop:
            await call(number)
            count += 1
        return count

    async def gather():
        began = time.perf_counter()
        counts = await asyncio.gather(*(work(n, began + MANY_SLICE) for n in range(MANY)))
        return sum(counts) / (time.perf_counter() - began)

    return asyncio.run(gather())


def together(gateway, rounds, **keys):
    """Rates of tasks, threads and boto3, on a plain server that has what the gateway has."""

    def body(n):
        return VALUE

    async def later(n):
        raise RuntimeError("a call ran its body: it was no hit")

    first = dcache(ours(gateway, **keys), name="many")(body)
    get = theirs(gateway, **keys)
    for number in range(MANY):
        first(number)
    names = [f"bench/{first.key(number)}" for number in range(MANY)]
    mark = names[0].rpartition(":")[0]
    gateway_client = client_of(gateway, **keys)
    listed = gateway_client.list_objects_v2(Bucket="tests", Prefix=mark)["Contents"]
    objects = {f"tests/{each['Key']}": get(each["Key"]) for each in listed}
    with plain_server(objects) as endpoint:
        backend = ours(endpoint, **keys)
        threads = dcache(backend, name="many")(body)
        tasks = dcache(ours(endpoint, **keys), name="many")(later)
        plain = theirs(endpoint, **keys)
        ways = {
            "tasks": lambda: by_tasks(tasks),
            "threads": lambda: by_threads(threads),
            "theirs": lambda: by_threads(lambda number: plain(names[number])),
        }
        rates = {name: [] for name in ways}
        for way in ways.values():
            way()
        for _ in range(rounds):
            for name, way in ways.items():
                rates[name].append(way())
        if threads.stats()["tiers"][0]["stores"]:
            raise RuntimeError("a call ran its body: it was no hit")
    return rates


def row(name, unit, mine, other, measured, bar):
    """A line of the table, and whether it holds."""
    holds = measured.median >= bar
    spread = f"{measured.median:.2f} | {measured.low:.2f} to {measured.high:.2f}"
    print(f"| {name} | {unit(mine)} | {unit(other)} | {spread} | ≥ {bar:g} |"
          f" {'holds' if holds else '**fails**'} |")  # fmt: skip
    return holds


def main():
    """Print all rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--check", action="store_true", help="fail if a bar does not hold")
    parser.add_argument("--gateway", required=True, help="a file of radosgw.py")
    args = parser.parse_args()
    lines = pathlib.Path(args.gateway).read_text(encoding="utf-8").splitlines()
    said = dict(line.split("=", 1) for line in lines)
    endpoint = said["endpoint"]
    keys = {name: said[name] for name in ("access_key", "secret_key")}
    works, runs = alone(endpoint, **keys)
    race = Race(works, SLICE)
    race.run(args.rounds)
    if len(runs) != 1:
        raise RuntimeError("a call ran its body: it was no hit")
    rates = together(endpoint, args.rounds, **keys)
    print(f"Python {platform.python_version()}, boto3 {boto3.__version__}\n")
    print("| | ours | boto3 | measured | quartiles | bar | |")
    print("|---|--:|--:|--:|--:|--:|---|")
    one, other = race.samples["ours"], race.samples["theirs"]
    held = row("one caller, get of 4 KB, µs: boto3 ÷ ours",
               lambda samples: f"{spread_of(samples).median / 1000:.0f}",
               one, other, spread_of(ratios(other, one)), 1.5)  # fmt: skip
    for way, bar in (("tasks", 4), ("threads", 4)):
        held &= row(f"{MANY} {way}, gets a second on nginx: ours ÷ boto3",
                    lambda samples: f"{spread_of(samples).median:.0f}",
                    rates[way], rates["theirs"],
                    spread_of(ratios(rates[way], rates["theirs"])), bar)  # fmt: skip
    return 0 if held or not args.check else 1


if __name__ == "__main__":
    sys.exit(main())
