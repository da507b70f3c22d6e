#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What goes wrong with an object store, on demand: a small S3, and where credentials come from.

As a program it prints its port, then obeys its standard input, a command a line, and answers each
with a line:

    next FAULT [COUNT]    that happens to the next requests for objects: 503:SlowDown (any status
                          and code), truncate, etag, drip, reset, hang; html:403 (any status) and
                          a page, empty:403 and nothing, huge:403 and 96 MiB, endless:403 and as
                          much without a word of its length, lie:403 and one of 31 digits
    sent                  how many bytes of the last of these were sent, once it has ended
    garbage               is what all objects hold from now on
    tls CERTIFICATE KEY   new connections speak it; both are files
    set NAME VALUE        for good, of SETTINGS below
    seen                  `METHOD PATH ACCESS_KEY REGION` of what came since, as a JSON list
    headers NAME          values of a header in what came since `seen`, as a JSON list

It believes every signature; Ceph's gateway (radosgw.py) checks them.
"""

import base64
import collections
import datetime
import email.utils
import hashlib
import http.server
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

SETTINGS = {
    "region": "",  # Of the bucket: who signs for another one is sent there.
    "endpoint": "",  # Who asks is sent there, without a region.
    "skew": "0",  # Seconds that this clock is ahead.
    "conditional": "yes",  # "no": 501 for conditional writes.
    "tags": "yes",  # "no": 501; "denied": 403.
    "ended": "",  # An access key: ExpiredToken.
    "lifetime": "3600",  # Seconds, of the credentials that are given out.
    "machine": "yes",  # "no": 404 from the metadata service; "empty": it has no role.
    "container_token": "",  # What it wants to be shown.
}
HUGE = 96 << 20
CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/")


class Store:
    """What is there, and what is to happen."""

    def __init__(self):
        self.lock = threading.Lock()
        self.objects = {}
        self.faults = collections.deque()
        self.settings = dict(SETTINGS)
        self.seen, self.headers = [], []
        self.given_out = 0
        self.sent, self.sending = 0, 0
        self.tls = None  # An `ssl.SSLContext`.

    def obey(self, line):
        command, *words = line.split()
        if command == "sent":
            give_up = time.monotonic() + 20
            while self.sending and time.monotonic() < give_up:
                time.sleep(0.01)
        with self.lock:
            if command == "next":
                self.faults.extend([words[0]] * int(words[1] if len(words) > 1 else 1))
            elif command == "garbage":
                self.objects = dict.fromkeys(self.objects, b'{"id": 7, "wor')
            elif command == "set":
                self.settings[words[0]] = words[1] if len(words) > 1 else ""
            elif command == "seen":
                seen, self.seen, self.headers = self.seen, [], []
                return json.dumps(seen)
            elif command == "tls":
                self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.tls.load_cert_chain(*words)
            elif command == "sent":
                return str(self.sent)
            elif command == "headers":
                return json.dumps([each.get(words[0], "") for each in self.headers])
            else:
                return f"no such command: {command}"
        return "ok"

    def now(self):
        return time.time() + float(self.settings["skew"])

    def credentials(self, kind):
        with self.lock:
            self.given_out += 1
            ends = time.time() + float(self.settings["lifetime"])
            moment = datetime.datetime.fromtimestamp(ends, datetime.timezone.utc)
            return f"{kind}-{self.given_out}", moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # A reply is one packet, or as few as it takes.
    store: Store

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", headers=()):
        body = body.encode() if isinstance(body, str) else body
        self.send_response_only(status)
        self.send_header("Date", email.utils.formatdate(self.store.now(), usegmt=True))
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code, headers=(), more=""):
        text = f"<Error><Code>{code}</Code><Message>as it was told to</Message>{more}</Error>"
        self.reply(status, text, headers)

    def answer(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        signed = CREDENTIAL.search(self.headers.get("Authorization", ""))
        self.access_key, self.region = signed.groups() if signed else ("-", "-")
        with self.store.lock:
            self.store.seen.append(f"{self.command} {self.path} {self.access_key} {self.region}")
            self.store.headers.append(dict(self.headers))
        if self.path.startswith("/latest/"):
            self.machine()
        elif self.path.startswith("/container"):
            self.container()
        elif self.path in ("/", "/sts/"):
            self.sts()
        elif not self.refused() and not self.faulty():
            self.object()

    do_GET = do_PUT = do_DELETE = do_POST = answer  # noqa: N815

    # --- Where credentials come from ---

    def machine(self):
        roles = "/latest/meta-data/iam/security-credentials/"
        state = self.store.settings["machine"]
        if state == "no":
            self.reply(404)
        elif self.command == "PUT":
            self.reply(200, "the-token")
        elif self.headers.get("X-aws-ec2-metadata-token") != "the-token":
            self.reply(401)
        elif self.path == roles:
            self.reply(404 if state == "empty" else 200, "a-role\n")
        elif self.path == roles + "a-role":
            self.json("MACHINE")
        else:
            self.reply(404)

    def container(self):
        wanted = self.store.settings["container_token"]
        if wanted and self.headers.get("Authorization") != wanted:
            self.reply(403)
        else:
            self.json("CONTAINER")

    def json(self, kind):
        key, ends = self.store.credentials(kind)
        fields = {"Code": "Success", "AccessKeyId": key, "SecretAccessKey": "secret"}
        self.reply(200, json.dumps({**fields, "Token": "token", "Expiration": ends}))

    def sts(self):
        form = dict(urllib.parse.parse_qsl(self.body.decode()))
        if form.get("RoleArn", "").endswith("/forbidden"):
            return self.refuse(403, "AccessDenied")
        kind = {"AssumeRole": "ROLE", "AssumeRoleWithWebIdentity": "WEB"}[form["Action"]]
        who = form.get("WebIdentityToken", self.access_key)
        key, ends = self.store.credentials(f"{kind}-{who}")
        return self.reply(
            200,
            f"<{form['Action']}Response><Credentials><AccessKeyId>{key}</AccessKeyId>"
            "<SecretAccessKey>secret</SecretAccessKey><SessionToken>a&amp;b</SessionToken>"
            f"<Expiration>{ends}</Expiration></Credentials></{form['Action']}Response>",
        )

    # --- The store ---

    def refused(self):
        """Whether what is set is in the way."""
        settings = self.store.settings
        date = self.headers.get("x-amz-date", "")
        if settings["region"] and self.region != settings["region"]:
            self.refuse(301, "PermanentRedirect", [("x-amz-bucket-region", settings["region"])])
        elif settings["endpoint"]:
            where = f"<Endpoint>{settings['endpoint']}</Endpoint>"
            location = "http:" + f"//{settings['endpoint']}{self.path}"
            self.refuse(307, "TemporaryRedirect", [("Location", location)], where)
        elif settings["ended"] and self.access_key == settings["ended"]:
            self.refuse(400, "ExpiredToken")
        elif date and abs(self.seconds(date) - self.store.now()) > 900:
            self.refuse(403, "RequestTimeTooSkewed")
        elif settings["conditional"] == "no" and self.condition() != (None, None):
            self.refuse(501, "NotImplemented")
        elif settings["tags"] != "yes" and "x-amz-tagging" in self.headers:
            denied = settings["tags"] == "denied"
            self.refuse(*((403, "AccessDenied") if denied else (501, "NotImplemented")))
        else:
            return False
        return True

    def condition(self):
        return self.headers.get("If-None-Match"), self.headers.get("If-Match")

    @staticmethod
    def seconds(date):
        moment = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ")
        return moment.replace(tzinfo=datetime.timezone.utc).timestamp()

    def faulty(self):
        """Whether something else happened than was asked for."""
        with self.store.lock:
            fault = self.store.faults.popleft() if self.store.faults else ""
        status, _, code = fault.partition(":")
        if status.isdigit():
            self.refuse(int(status), code)
        elif code:
            self.strange(status, int(code))
        elif fault == "reset":
            self.reset()
        elif fault == "hang":
            self.close_connection = True
            self.connection.settimeout(60)
            while self.connection.recv(4096):
                pass
        elif fault:
            self.spoil(fault)
        return fault != ""

    def strange(self, kind, status):
        """What is no answer of S3."""
        if kind == "html":
            return self.reply(status, "<!DOCTYPE html><html><title>Hello</title></html>")
        if kind == "empty":
            return self.reply(status)
        store, piece = self.store, b"x" * (1 << 16)
        store.sent, store.sending = 0, 1
        self.send_response_only(status)
        if kind == "huge":
            self.send_header("Content-Length", str(HUGE))
        elif kind == "lie":
            self.send_header("Content-Length", str(10**30))
        else:
            self.send_header("Transfer-Encoding", "chunked")
            piece = b"10000\r\n" + piece + b"\r\n"
        self.end_headers()
        try:
            while store.sent < HUGE:
                self.wfile.write(piece)
                store.sent += 1 << 16
        finally:
            store.sending = 0
        return kind != "endless" or self.wfile.write(b"0\r\n\r\n")

    def reset(self):
        """The connection ends without a word."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for each in (self.rfile, self.wfile, self.connection):  # They share it.
            each.close()
        raise ConnectionResetError

    def spoil(self, fault):
        body = self.store.objects.get(self.path, b"")
        self.send_response_only(200)
        self.send_header("ETag", self.tag(b"another" if fault == "etag" else body))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "truncate":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif fault == "drip":
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                self.wfile.flush()
                time.sleep(0.05)
        else:
            self.wfile.write(body)

    def object(self):
        objects = self.store.objects
        if self.command == "POST":
            return self.delete_many()
        if self.command == "GET":
            body = objects.get(self.path)
            if body is None:
                return self.refuse(404, "NoSuchKey")
            if "Range" in self.headers:
                most = int(self.headers["Range"].rpartition("-")[2]) + 1
                return self.reply(206, body[:most], [("ETag", self.tag(body))])
            return self.reply(200, body, [("ETag", self.tag(body))])
        with self.store.lock:
            if self.command == "DELETE":
                objects.pop(self.path, None)
                status = 204
            elif not self.holds(objects.get(self.path)):
                status = 412
            else:
                objects[self.path] = self.body
                status = 200
        if status == 412:
            return self.refuse(412, "PreconditionFailed")
        return self.reply(status, b"", [("ETag", self.tag(self.body))])

    @staticmethod
    def tag(body):
        return f'"{hashlib.md5(body).hexdigest()}"'

    def holds(self, there):
        """Whether the condition of a write does."""
        none, match = self.condition()
        if none == "*" and there is not None:
            return False
        return match is None or (there is not None and match.strip('"') == self.tag(there)[1:-1])

    def delete_many(self):
        digest = base64.b64encode(hashlib.md5(self.body).digest()).decode()
        if digest != self.headers.get("Content-MD5"):
            return self.refuse(400, "BadDigest")
        bucket = self.path.partition("?")[0]
        keys = re.findall(r"<Key>(.*?)</Key>", self.body.decode())
        with self.store.lock:
            for key in keys:
                plain = key.replace("&lt;", "<").replace("&amp;", "&")
                self.store.objects.pop(bucket + urllib.parse.quote(plain, "/~"), None)
        return self.reply(200, "<DeleteResult></DeleteResult>")


class Server(http.server.ThreadingHTTPServer):
    """One with a store of its own, on a port of its own; it serves from `start` on."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        self.store = Store()
        self.connections = []
        super().__init__(("127.0.0.1", 0), type("Bound", (Handler,), {"store": self.store}))

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def get_request(self):
        connection, address = super().get_request()
        if self.store.tls:  # The greeting is for the connection's own thread.
            connection = self.store.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def process_request(self, request, client_address):
        self.connections.append(request)
        super().process_request(request, client_address)

    def stop(self):
        """Nobody answers any more, on connections that are there neither."""
        self.shutdown()
        self.server_close()
        for each in self.connections:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # It has ended.

    def handle_error(self, request, client_address):
        """Clients that leave are what this is for."""

    @property
    def port(self):
        return self.server_address[1]

    def tell(self, line):
        return self.store.obey(line)


def main():
    server = Server().start()
    print(server.port, flush=True)
    for line in sys.stdin:
        print(server.tell(line), flush=True)


if __name__ == "__main__":
    main()
