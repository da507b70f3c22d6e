# SPDX-License-Identifier: MIT
"""A Redis or Valkey of a test's own, on loopback and a unix socket; it goes with its folder."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

FLAVOURS = ("redis", "valkey")


def program(flavour):
    """Debian's redis-tools and valkey-tools have the server as one with its checker."""
    for name in (f"{flavour}-server", f"{flavour}-check-rdb"):
        if found := shutil.which(name):
            return found
    raise RuntimeError(f"no {flavour}-server here: tools/setup test installs it")


class Server:
    """Answers once it is made. `tls`: on `port`, with a certificate for localhost by `ca`."""

    def __init__(self, flavour="redis", *, tls=False, lines=()):
        self.flavour, self.tls, self.lines = flavour, tls, lines
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dcache-redis-"))
        self.socket, self.ca = self.folder / "socket", self.folder / "ca.crt"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if tls:
            self._make_certificates()
        self.start()

    def start(self):
        """REQUIRES: it does not run."""
        lines = [
            "bind 127.0.0.1",
            f"dir {self.folder}",
            'save ""',
            f"unixsocket {self.socket}",
            f"logfile {self.folder / 'log'}",
            *self.lines,
        ]
        if self.tls:
            lines += ["port 0", f"tls-port {self.port}", f"tls-ca-cert-file {self.ca}"]
            lines += [
                f"tls-{part}-file {self.folder / f'server.{end}'}"
                for part, end in (("cert", "crt"), ("key", "key"))
            ]
            lines += ["tls-auth-clients no"]
        else:
            lines += [f"port {self.port}"]
        (self.folder / "conf").write_text("\n".join(lines))
        self.process = subprocess.Popen(
            [f"{self.flavour}-server", str(self.folder / "conf")],
            executable=program(self.flavour),
            env={name: os.environ[name] for name in os.environ if name != "LD_PRELOAD"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        give_up = time.monotonic() + 10
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"{self.flavour} does not start: {self._log()}")
            time.sleep(0.005)

    def _log(self):
        log = self.folder / "log"
        return log.read_text() if log.exists() else "it wrote no log"

    def _answers(self):
        try:
            return not self.ask("PING").startswith(b"-LOADING")
        except OSError:
            return False

    def ask(self, *words):
        """The beginning of its reply to a command, as it comes."""
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        command = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(self.socket))
            client.sendall(b"*%d\r\n%b" % (len(parts), command))
            reply = client.recv(1 << 20)
            if reply[:1] == b"$" and reply[:2] != b"$-":
                whole = int(reply[1 : reply.index(b"\r\n")]) + reply.index(b"\r\n") + 4
                while len(reply) < whole:
                    reply += client.recv(1 << 20)
            return reply

    def kill(self):
        """As a power cut would."""
        self.process.kill()
        self.process.wait()

    def freeze(self):
        """It answers nothing and keeps its connections, until `thaw`."""
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make_certificates(self):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        (self.folder / "server.ext").write_text("subjectAltName=DNS:localhost")
        for command in (
            ["req", *key, "-x509", "-subj", "/CN=tests", "-keyout", "ca.key", "-out", "ca.crt"],
            ["req", *key, "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"],
            ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "2",
             "-CAcreateserial", "-extfile", "server.ext", "-out", "server.crt"],
        ):  # fmt: skip
            subprocess.run(
                ["openssl", *command], cwd=self.folder, check=True, capture_output=True, text=True
            )
