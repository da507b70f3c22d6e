# SPDX-License-Identifier: MIT
"""Where results are kept: in the memory of this process, in files, in a store of your own."""

import os

from . import _engine
from ._durations import seconds
from ._engine import MISSING, ConfigError, SharedTable
from ._options import MAXSIZE, count, flag, size

__all__ = [
    "Backend",
    "Base",
    "FileBackend",
    "InMemory",
    "InMemoryBackend",
    "RedisBackend",
    "S3Backend",
    "Tier",
    "load_plugin",
]


class InMemoryBackend:
    """The near tier, described: its bounds hold for all functions of one cache together.

    maxsize: the most results kept; `None`: no bound on their number. Default: 10,000, or no bound
        if `max_bytes` is given.
    max_bytes: the most bytes, counted as `sys.getsizeof` of arguments and result (not of what they
        refer to), or as `weigher(result)`.
    policy: "adaptive", or "lru" for exact LRU order.

    Makes nothing but the table. Raises ConfigError for what can never work.
    """

    def __init__(self, *, maxsize=MAXSIZE, max_bytes=None, weigher=None, policy="adaptive"):
        """Raises ConfigError for bounds that can never work."""
        if maxsize is MAXSIZE and max_bytes is not None:
            maxsize = None
        if weigher is not None and (max_bytes is None or not callable(weigher)):
            raise ConfigError("dcache: weigher is a callable of the result, and needs max_bytes")
        if policy not in ("adaptive", "lru"):
            raise ConfigError(f'dcache: policy is {policy!r}; expected "adaptive" or "lru"')
        self.maxsize = count("maxsize", maxsize, 1)
        self.max_bytes = count("max_bytes", max_bytes, 1)
        self._weigher, self._lru = weigher, policy == "lru"
        self._table = self._make_table(None)

    def _make_table(self, clock):
        return SharedTable(
            maxsize=self.maxsize,
            max_bytes=self.max_bytes,
            weigher=self._weigher,
            lru=self._lru,
            clock=clock,
        )

    def __reduce__(self):
        """By its bounds: another process has another memory."""
        return _in_memory, (self.maxsize, self.max_bytes, self._weigher, self._lru)

    def __repr__(self):
        """Name the bounds."""
        bounds = [f"maxsize={self.maxsize!r}"]
        if self.max_bytes is not None:
            bounds.append(f"max_bytes={self.max_bytes!r}")
        return f"{type(self).__name__}({', '.join(bounds)})"


def _in_memory(maxsize, max_bytes, weigher, lru):
    policy = "lru" if lru else "adaptive"
    return InMemoryBackend(maxsize=maxsize, max_bytes=max_bytes, weigher=weigher, policy=policy)


class _Store:
    """A backend of the engine's own, `_backend`, made of `_options`."""

    def __reduce__(self):
        """By its options, secrets among them; what is open stays here."""
        return _remade, (type(self), self._options)

    def check(self):
        """Connect; raises ConfigError for what can never work, else TierError."""
        self._backend.check()

    def close(self):
        """Let go of files, sockets and threads; each call is a miss from then on."""
        self._backend.close()


def _remade(store, options):
    return store(**options)


class FileBackend(_Store):
    """Files on a disk of this machine: one for each entry, shared by its processes.

    path: a folder of this user's own, made when it is first used.
    max_bytes: the most bytes on the disk; a number, or text such as "1GB". A sweep in the
        background removes what was not used for longest.
    allow_shared: whether others may be able to write there. What they write is data and is checked,
        but they decide what functions return, unless records are signed (`secret=`). Without it
        such a folder is a ConfigError when it is first used.

    Safe with threads, with processes and with processes that are killed. Does no I/O here. Raises
    ConfigError for what can never work.
    """

    def __init__(self, path, *, max_bytes="1GB", allow_shared=False):
        """Raises ConfigError for bounds that can never work."""
        path = os.fsdecode(path)
        if "\0" in path:
            raise ConfigError(f"dcache: path {path!r} has a NUL character in it")
        self.path = os.path.abspath(path) if path else ""
        self.max_bytes = size("max_bytes", max_bytes)
        self.allow_shared = bool(allow_shared)
        self._options = {
            "path": self.path,
            "max_bytes": self.max_bytes,
            "allow_shared": self.allow_shared,
        }
        self._backend = _engine.file_backend(*self._options.values())

    def __repr__(self):
        """Name the path."""
        return f"{type(self).__name__}({self.path!r}, max_bytes={self.max_bytes!r})"


class RedisBackend(_Store):
    """Redis or Valkey: results that a fleet shares.

    host, port, db: where it is; or path: of its unix socket.
    username, password: of its ACL; a password alone is the default user's.
    tls: whether the connection is encrypted. ca_file: certificates in PEM to trust instead of the
        system's; certificate_file, key_file: what this side shows; server_name: what the server's
        certificate has to be for, in place of the host; verify: False takes any certificate.
    timeout: what a call may wait for it in all. connect_timeout: for connecting, TLS and login.
    lease: how long others wait for a process that computes and has died.

    Does no I/O here: it connects when it is first used. Raises ConfigError for what can never work.
    """

    def __init__(
        self,
        host="localhost",
        port=6379,
        db=0,
        *,
        path=None,
        username=None,
        password=None,
        tls=False,
        ca_file=None,
        certificate_file=None,
        key_file=None,
        server_name=None,
        verify=True,
        timeout=0.1,
        connect_timeout=0.25,
        lease=10,
    ):
        """Raises ConfigError for options that can never work."""
        files = {"path": path, "ca_file": ca_file, "certificate_file": certificate_file}
        files["key_file"] = key_file
        path, ca_file, certificate_file, key_file = map(_file, files, files.values())
        self._options = {
            "host": _text("host", host),
            "port": _number("port", port, 65_535),
            "db": _number("db", db, 1_000_000),
            "path": path,
            "username": _text("username", username),
            "password": _text("password", password),
            "tls": bool(tls),
            "ca_file": ca_file,
            "certificate_file": certificate_file,
            "key_file": key_file,
            "server_name": _text("server_name", server_name),
            "verify": bool(verify),
            "timeout": seconds("timeout", timeout),
            "connect_timeout": seconds("connect_timeout", connect_timeout),
            "lease": seconds("lease", lease),
        }
        self._backend = _engine.redis_backend(*self._options.values())

    def __repr__(self):
        """Name the server, without who logs in."""
        return f"<{type(self).__name__} {self._backend.name()}>"


class S3Backend(_Store):
    """S3 and what speaks like it: results that outlive machines.

    What is not said comes from where the tools of AWS look: the environment, then the profile in
    the shared files. That is done when it is first used, and what is missing is said then.

    bucket, prefix: else DCACHE_S3_BUCKET and DCACHE_S3_PREFIX.
    region: else AWS_REGION, AWS_DEFAULT_REGION, the profile's, "us-east-1".
    endpoint: of another server, "https://store.example:9000"; else AWS_ENDPOINT_URL_S3,
        AWS_ENDPOINT_URL, the profile's, that of AWS.
    access_key, secret_key, session_token: else the environment, a web identity, the profile (keys,
        a role, a process), the container, the machine. anonymous: requests are not signed.
    profile: of the shared files; else AWS_PROFILE, "default".
    ca_file: certificates in PEM to trust instead of the system's; else AWS_CA_BUNDLE.
    expiry_tags: whether records carry the tag that `lifecycle_rules` looks at.
    lease: how long others wait for a process that computes, at least a second: as long as computing
        may take, for it is not renewed; None: they do not, and compute, too. It costs more
        requests, on misses.
    max_bytes: the largest record; a number, or text such as "64MB".
    timeout: what a call may wait for it in all. connect_timeout: for connecting, TLS included.

    Does no I/O here; loads libcurl. Raises ConfigError for what can never work.
    """

    def __init__(
        self,
        bucket=None,
        prefix=None,
        *,
        region=None,
        endpoint=None,
        access_key=None,
        secret_key=None,
        session_token=None,
        profile=None,
        anonymous=False,
        ca_file=None,
        expiry_tags=True,
        lease=None,
        max_bytes="64MiB",
        timeout=2,
        connect_timeout=1,
    ):
        """Raises ConfigError for options that can never work."""
        if isinstance(max_bytes, str):
            max_bytes = _engine.parse_bytes(max_bytes, "max_bytes")
        self._options = {
            "bucket": _text("bucket", bucket),
            "prefix": _text("prefix", prefix),
            "region": _text("region", region),
            "endpoint": _text("endpoint", endpoint),
            "access_key": _text("access_key", access_key),
            "secret_key": _text("secret_key", secret_key),
            "session_token": _text("session_token", session_token),
            "profile": _text("profile", profile),
            "anonymous": bool(anonymous),
            "ca_file": _file("ca_file", ca_file),
            "expiry_tags": bool(expiry_tags),
            "lease": seconds("lease", lease) if lease else 0,
            "max_bytes": _number("max_bytes", max_bytes, 2**40),
            "timeout": seconds("timeout", timeout),
            "connect_timeout": seconds("connect_timeout", connect_timeout),
        }
        self._backend = _engine.open_backend(_s3_url(**self._options))

    def lifecycle_rules(self):
        """What `put_bucket_lifecycle_configuration` of boto3 takes, to delete what has ended.

        A day, a week, a month or a year after it was written, whichever covers its time. It
        replaces what the bucket has of rules.
        """
        prefix = self._options["prefix"] or os.environ.get("DCACHE_S3_PREFIX", "")
        prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""

        def rule(days):
            tag = {"Key": "dcache-days", "Value": str(days)}
            # `And` is of two things at least.
            found_by = {"And": {"Prefix": prefix, "Tags": [tag]}} if prefix else {"Tag": tag}
            return {
                "ID": f"dcache-{days}",
                "Status": "Enabled",
                "Filter": found_by,
                "Expiration": {"Days": days},
            }

        # As in C++: tests/golden/lifecycle.xml.
        return {"Rules": [rule(days) for days in (1, 7, 31, 366)]}

    def __repr__(self):
        """Name the bucket, without who asks."""
        return f"<{type(self).__name__} {self._backend.name()}>"


def _s3_url(bucket, prefix, access_key, secret_key, **options):
    """All of it as a URL: the module that opens it is a plugin like any other."""
    from urllib.parse import quote, urlencode

    login = f"{quote(access_key, '')}:{quote(secret_key, '')}@" if access_key or secret_key else ""
    query = {name: _url_text(value) for name, value in options.items() if value != ""}
    where = f"//{login}{quote(bucket, '')}" if login or bucket or prefix else ""
    where += f"/{quote(prefix)}" if prefix else ""
    return f"s3:{where}?{urlencode(query, quote_via=quote)}"


def _url_text(value):
    if isinstance(value, float):
        return f"{value:.9f}"
    return str(value).lower() if isinstance(value, bool) else value


def _text(name, value):
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigError(f"dcache: {name} is a {type(value).__name__}; expected text")
    if "\0" in value:
        raise ConfigError(f"dcache: {name} has a NUL character in it")
    try:
        value.encode()
    except UnicodeEncodeError:  # It holds the text, which may be a password.
        raise ConfigError(f"dcache: {name} has half of a surrogate pair in it") from None
    return value


def _file(name, value):
    if value is None:
        return ""
    try:
        return _text(name, os.fsdecode(value))
    except TypeError:
        raise ConfigError(f"dcache: {name} is a {type(value).__name__}; expected a path") from None


def _number(name, value, most):
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ConfigError(f"dcache: {name} is {value!r}; expected a number from 0 to {most}")
    return value


class Backend:
    """A store of your own: subclass it, with plain methods or with `async def`.

    Keys are text of printable ASCII, at most 250 characters; values are bytes that mean nothing to
    the store. Methods may raise: that is a miss and a counter. They are called from several
    threads. `dcache.testing.check_backend` tells whether it does what it has to.

    shared: whether other processes see what this one writes.
    timeout: what a call may wait for it in all, in seconds.
    near_ttl: how long nearer tiers may serve what others may have changed in this one.
    mark_ttl: how long it may take until one process notices that another has cleared a function.
    """

    shared = True
    timeout = 0.1
    near_ttl = 5
    mark_ttl = 1

    def get(self, key: str) -> bytes | None:
        """What is kept under `key`; None: nothing."""
        raise NotImplementedError(f"{type(self).__name__} has no get()")

    def put(self, key: str, value: bytes, expires: float | None) -> None:
        """Keep it, in place of what was there.

        expires: the Unix time in seconds after which it may be dropped; None: never.
        """
        raise NotImplementedError(f"{type(self).__name__} has no put()")

    def erase(self, key: str) -> None:
        """Forget it; fine if it is not there."""
        raise NotImplementedError(f"{type(self).__name__} has no erase()")

    # `add(key, value, expires) -> bool`, put-if-absent, is there if the store has it in one step;
    # `get_many(keys) -> dict` of what is found, if it can be asked for many in one.


class Tier:
    """A far tier and how it is used: `multiple=[InMemoryBackend(), Tier(backend, ttl="1h")]`.

    ttl: the most that a result is fresh in it.
    reads, writes: whether it is asked, and whether it is given anything.
    timeout: what a call may wait for it in all.
    """

    def __init__(self, backend, *, ttl=None, reads=True, writes=True, timeout=None):
        """Raises ConfigError or UsageError for what can never work. Opens nothing."""
        from ._tiers import refuse_no_backend

        refuse_no_backend(backend)
        self.backend = backend
        self.ttl = None if ttl is None else seconds("ttl", ttl)
        self.timeout = None if timeout is None else seconds("timeout", timeout)
        self.reads, self.writes = flag("reads", reads), flag("writes", writes)


def load_plugin(path):
    """Load a backend from a shared library (`dcache/plugin.h`), for good; returns its URL scheme.

    Raises ConfigError for what is no plugin.
    """
    return _engine.load_plugin(os.fspath(path))


class Base:
    """What a backend of the first version inherits from: `__getitem__` and `__setitem__`.

    A key that is not there is a `dcache.exceptions.NotExistError`.
    """

    def __getitem__(self, key):
        """What is kept under `key`."""
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")

    def __setitem__(self, key, value):
        """Keep `value` under `key`."""
        raise NotImplementedError(f"{type(self).__name__} has no __setitem__")


class InMemory(InMemoryBackend, Base):
    """The first version's name of `InMemoryBackend`, which can be used as a mapping, too."""

    def __init__(self, **bounds):
        """As InMemoryBackend."""
        super().__init__(**bounds)
        from ._decorate import Cache

        self._box = Cache(self)(_no_result)

    def __getitem__(self, key):
        """What is kept under `key`; NotExistError if nothing is."""
        value = self._box.peek(key)
        if value is MISSING:
            from .exceptions import NotExistError

            raise NotExistError(key)
        return value

    def __setitem__(self, key, value):
        """Keep `value` under `key`, within the bounds."""
        self._box.put(value, key)


def _no_result(key):
    """Stands behind the entries of a mapping: they are put and peeked at, never computed."""
    raise NotImplementedError
