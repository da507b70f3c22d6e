#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real S3 server for tests: Ceph's gateway over one monitor and one store in memory.

    radosgw.py start FILE     returns when it answers; FILE then says where, a `name=value` a line
    radosgw.py stop FILE      ends what FILE names

On loopback, in a temporary folder. It checks signatures, and its conditional writes are atomic. The
order of the steps matters, and each is needed: authentication has to stay on, the store has to be
made with the number that the monitor knows it by, and without `tcp_nodelay` a look-up takes 44 ms.
Debian's packages are ceph-mon, ceph-osd and radosgw.
"""

import datetime
import hashlib
import hmac
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

ACCESS_KEY, SECRET_KEY, BUCKET = "tests-access-key", "tests-secret-key/+", "tests"
PATIENCE = 60  # Seconds, for each of its parts.

CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
pid file = {folder}/run/$name.pid
log file = {folder}/log/$name.log
keyring = {folder}/keyring
crash dir = {folder}
[mon]
mon data = {folder}/mon
mon allow pool delete = true
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd class load list = *
osd class default list = *
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw thread pool size = 64
rgw enable usage log = false
rgw lc debug interval = 5
"""
CAPABILITIES = {
    "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *"),
    "client.rgw.a": ("mon", "allow rw", "osd", "allow rwx"),
}


def free_ports(count):
    """Ports that nobody has at this moment."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Servers:
    """Processes that are one S3 server together, in a folder of their own."""

    access_key, secret_key, bucket = ACCESS_KEY, SECRET_KEY, BUCKET

    def __init__(self, prefix):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
        self.processes = []
        self.port = 0

    def start(self):
        """Returns when there is a bucket."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def serve(self, *command):
        """A process of its own session, so that it outlives who starts it."""
        log = open(self.folder / "output", "ab")  # noqa: SIM115
        with log:
            self.processes.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            )

    def wait_for(self, condition, what):
        """Raises RuntimeError, with what the servers said, if it does not come true."""
        give_up = time.monotonic() + PATIENCE
        while not condition():
            ended = [p for p in self.processes if p.poll() is not None]
            if ended or time.monotonic() > give_up:
                logs = [*self.folder.glob("log/*.log"), self.folder / "output"]
                said = [log.read_text(errors="replace")[-2000:] for log in logs if log.exists()]
                raise RuntimeError("\n".join([f"{what} does not come up", *said]))
            time.sleep(0.1)

    def has_bucket(self):
        """Whether it is there now."""
        try:
            return self.ask("PUT", f"/{self.bucket}")[0] in (200, 202)
        except OSError:
            return False

    def ask(self, method, path, query="", body=b"", headers=()):
        """(status, body) of one request; `query` is encoded and sorted."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            target = f"{path}?{query}" if query else path
            client.request(method, target, body, self._signed(method, path, query, body, headers))
            reply = client.getresponse()
            return reply.status, reply.read()
        finally:
            client.close()

    def _signed(self, method, path, query, body, headers):
        """By Signature Version 4: written apart from what is tested."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        payload = hashlib.sha256(body).hexdigest()
        fields = {
            **dict(headers),
            "host": f"127.0.0.1:{self.port}",
            "x-amz-content-sha256": payload,
            "x-amz-date": now,
        }
        names = ";".join(sorted(fields))
        canonical = "".join(f"{name}:{fields[name]}\n" for name in sorted(fields))
        request = f"{method}\n{path}\n{query}\n{canonical}\n{names}\n{payload}"
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = b"AWS4" + self.secret_key.encode()
        for part in (*scope.split("/"), text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        fields["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={key.hex()}"
        )
        return fields

    def described(self):
        """What its file says."""
        return {
            "endpoint": f"http://127.0.0.1:{self.port}",
            "bucket": self.bucket,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "folder": str(self.folder),
            "processes": " ".join(str(p.pid) for p in self.processes),
        }

    def stop(self):
        """Nothing of it is kept."""
        end([p.pid for p in self.processes], self.folder)
        for process in self.processes:
            process.wait()


def end(processes, folder):
    """They keep nothing: there is nothing to end in order."""
    for process in processes:
        try:
            if is_of(process, folder):
                os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    shutil.rmtree(folder, ignore_errors=True)


def is_of(process, folder):
    """Each of the servers names its folder; a number may be another program's by now."""
    try:
        return os.fsencode(folder) in pathlib.Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def end_earlier(file):
    """What the file tells of, and the file."""
    if not file.exists():
        return
    said = dict(line.split("=", 1) for line in file.read_text().splitlines())
    end(map(int, said["processes"].split()), said["folder"])
    file.unlink()


class Cluster(Servers):
    """Ceph: runs from `start` on."""

    def __init__(self):
        super().__init__("dcache-ceph-")
        mon2, mon1, self.port = free_ports(3)
        self.fsid = str(uuid.uuid4())
        for name in ("run", "log", "mon", "osd"):
            (self.folder / name).mkdir()
        self.address = f"[v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]"
        self.conf = self.folder / "ceph.conf"
        self.conf.write_text(
            CONFIGURATION.format(
                fsid=self.fsid, mon2=mon2, mon1=mon1, folder=self.folder, port=self.port
            )
        )

    def run(self, *command):
        """What a command of Ceph's prints."""
        done = subprocess.run(
            [*command, "-c", self.conf], capture_output=True, text=True, timeout=PATIENCE,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr}")
        return done.stdout

    def daemon(self, *command):
        """One of Ceph's."""
        self.serve(*command, "-c", self.conf, "-f")

    def _start(self):
        keyring = self.folder / "keyring"
        make = ["ceph-authtool", keyring, "--gen-key", "-n"]
        self.run("ceph-authtool", "-C", keyring, "--gen-key", "-n", "mon.", "--cap", "mon",
                 "allow *")  # fmt: skip
        for name, allowed in CAPABILITIES.items():
            pairs = zip(allowed[::2], allowed[1::2], strict=True)
            self.run(*make, name, *(word for pair in pairs for word in ("--cap", *pair)))
        monmap, osd = self.folder / "monmap", str(uuid.uuid4())
        self.run("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", self.address, monmap)
        self.run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", keyring)
        self.daemon("ceph-mon", "-i", "a")
        self.run("ceph", "osd", "new", osd)
        self.run("ceph", "auth", "import", "-i", keyring)
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.daemon("ceph-osd", "-i", "0")
        self.run("ceph", "osd", "crush", "add", "osd.0", "1.0", "host=h", "root=default")
        self.wait_for(lambda: "1 up" in self.run("ceph", "osd", "stat"), "the store")
        self.daemon("radosgw", "-n", "client.rgw.a")
        self.wait_for(self._answers, "the gateway")
        self.run("radosgw-admin", "user", "create", "--uid", "tests", "--display-name", "tests",
                 "--access-key", ACCESS_KEY, "--secret", SECRET_KEY)  # fmt: skip
        self.wait_for(self.has_bucket, "a bucket")

    def _answers(self):
        try:
            return self.ask("GET", "/")[0] in (200, 403)
        except OSError:
            return False


def main(made, command, file):
    """What the command line says, for servers of this class."""
    file = pathlib.Path(file)
    end_earlier(file)  # Those of a run that was interrupted, too.
    if command == "start":
        servers = made()
        servers.start()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{name}={value}\n" for name, value in servers.described().items()))


if __name__ == "__main__":
    main(Cluster, *sys.argv[1:])
