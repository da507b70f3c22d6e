# SPDX-License-Identifier: MIT
"""What a type checker makes of `dcache`: read by mypy and pyright (test_typing.py), never run.

Each `assert_type` is a promise. A line that is wrong on purpose says what either checker has to
report there: one that is not reported is an error too.
"""

import asyncio
import functools as standard
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, Literal

import dcache as package
from dcache import (
    MISSING,
    Cache,
    ConfigError,
    Dcache,
    Error,
    InvalidationError,
    PickleCodec,
    TierError,
    UnkeyableError,
    UsageError,
    cache,
    configure,
    dcache,
)
from dcache.backends import (
    Backend,
    Base,
    FileBackend,
    InMemory,
    InMemoryBackend,
    S3Backend,
    Tier,
)
from dcache.exceptions import NotExistError
from dcache.functools import cache as strict_cache
from dcache.functools import lru_cache
from dcache.keys import dhash
from typing_extensions import assert_type

# --- A function keeps its parameters and its result ---


@dcache
def bare(a: int, b: str = "", *, c: float = 1.0) -> list[str]:
    return [b] * a


assert_type(bare(1), list[str])
assert_type(bare(1, b="x", c=2), list[str])
assert_type(bare.__wrapped__(1), list[str])
assert_type(bare.__name__, str)
assert_type(bare.map([1, 2], "xy", c=2.0), list[list[str]])
bare("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
bare()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bare(1, d=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bare(1, ttl=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
wrong: int = bare(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def takes_a_function(function: Callable[[int], list[str]]) -> None: ...


takes_a_function(bare)

# --- The verbs take the arguments of the call ---

assert_type(bare.invalidate(1, "x"), bool)
assert_type(bare.refresh(1, c=0), list[str])
assert_type(bare.key(1), str)
assert_type(bare.explain(1), str)
assert_type(bare.stats(), dict[str, Any])
assert_type(bare.cache_info().hits, int)
assert_type(bare.cache_parameters()["typed"], bool)
bare.cache_clear()
bare.put(["x"], 1, "x")
bare.put("x", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
bare.put(["x"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bare.invalidate("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
bare.peek(1, 2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
bare.forget(1)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

found = bare.peek(1)
found.append("x")  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
if found is MISSING:
    found = []
assert_type(found, list[str])
if (other := bare.peek(2)) is not MISSING:
    assert_type(other, list[str])

# --- Options ---


def by_user(user: int, session: object) -> int:
    return user


@dcache(
    maxsize=50_000,
    typed=False,
    policy="lru",
    ttl="10m",
    stale_for=timedelta(hours=1),
    refresh_ahead=0.8,
    wait=0,
    jitter=0.1,
    cache_if=lambda result: result is not None,
    copy="deep",
    cache_errors={KeyError: "30s", OSError: 1.5},
    key=by_user,
    ignore=("session",),
    on_background=lambda run: run(),
    flight_timeout=60,
    name="load",
    version="code",
    namespace="shop",
)
def load(user: int, session: object) -> str | None:
    return None


assert_type(load(1, object()), str | None)


@dcache(ttl=lambda result: 60 if result else 0, maxsize=None, ignore="session")
def dynamic(user: int, session: object) -> int:
    return user


assert_type(dynamic(1, session=None), int)
assert_type(dcache(str.upper, ttl=3)("x"), str)


def plain(n: int) -> int:
    return n


dcache(plain, maxsize="big")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
dcache(maxsize="big")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
dcache(policy="fifo")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
dcache(copy="shallow")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
dcache(ttl=[1])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
dcache(cache_errors={"KeyError": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
dcache(ttl_seconds=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
dcache(128)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

# --- async ---


@dcache(ttl=60)
async def fetch(url: str, *, retries: int = 3) -> bytes:
    return b""


async def use() -> None:
    call = fetch("x")
    call_type: Coroutine[Any, Any, bytes] = call
    assert_type(await call_type, bytes)
    assert_type(await fetch("x", retries=1), bytes)
    assert_type(fetch.invalidate("x"), Awaitable[bool])
    assert_type(await fetch.invalidate("x"), bool)
    assert_type(await fetch.refresh("x"), bytes)
    assert_type(await fetch.key("x"), str)
    assert_type(await fetch.explain("x"), str)
    await fetch.put(b"", "x")
    await fetch.put("", "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await fetch(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await fetch.peek(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(fetch.cache_clear(), None)
    assert_type(fetch.cache_info().misses, int)
    assert_type(await asyncio.create_task(fetch("x")), bytes)
    assert_type(await asyncio.wait_for(fetch("x"), 1), bytes)
    assert_type(await asyncio.gather(fetch("x"), fetch("y")), tuple[bytes, bytes])
    found = await fetch.peek("x")
    if found is MISSING:
        found = b""
    assert_type(found, bytes)


asyncio.run(fetch("x"))


async def run_later(run: Callable[[], Awaitable[object]]) -> None:
    await run()


dcache(on_background=run_later)(fetch.__wrapped__)

# --- Methods ---


class Shop:
    @dcache
    def price(self, item: str, amount: int = 1) -> float:
        return 1.0

    @dcache(ttl="1m")
    async def stock(self, item: str) -> int:
        return 1

    @staticmethod
    @dcache
    def tax(amount: float) -> float:
        return amount

    @dcache
    @staticmethod
    def rate(amount: float) -> float:
        return amount

    @classmethod
    @dcache
    def named(cls, name: str) -> "Shop":
        return cls()

    @property
    @dcache
    def size(self) -> int:
        return 1


shop = Shop()
assert_type(shop.price("tea"), float)
assert_type(shop.price("tea", amount=2), float)
assert_type(shop.price.invalidate("tea"), bool)
assert_type(shop.price.refresh("tea"), float)
shop.price.put(2.5, "tea")
assert_type(Shop.price(shop, "tea"), float)
assert_type(Shop.price.invalidate(shop, "tea"), bool)
shop.price(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
shop.price.peek()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
shop.price.put("dear", "tea")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Shop.price("tea")  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportCallIssue]
assert_type(Shop.tax(1.0), float)
assert_type(Shop.tax.invalidate(1.0), bool)
assert_type(Shop.rate(1.0), float)
# What neither checker, or mypy alone, can tell from a method: they bind it by its type.
shop.tax(1.0)  # type: ignore[call-arg]
Shop.named("x")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
assert_type(shop.size, int)


async def use_method() -> None:
    assert_type(await shop.stock("tea"), int)
    assert_type(await shop.stock.invalidate("tea"), bool)
    await shop.stock(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- One cache for many functions ---

many = dcache(InMemoryBackend(maxsize=1000, max_bytes=1 << 20, weigher=len))
assert_type(many, Cache)


@many
def first(n: int) -> int:
    return n


@many(ttl=60)
def second(n: int) -> str:
    return str(n)


@many(ttl=60)
async def third(n: int) -> str:
    return str(n)


assert_type(first(1), int)
assert_type(second(1), str)
assert_type(asyncio.run(third(1)), str)
first("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
many(ttl=[1])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
InMemoryBackend(maxsize="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# --- The drop-in ---


@lru_cache
def strict(n: int) -> str:
    return str(n)


@lru_cache(maxsize=None, typed=True)
def strict_with_options(n: int) -> str:
    return str(n)


@strict_cache
def unbounded(n: int) -> str:
    return str(n)


assert_type(strict(1), str)
assert_type(strict_with_options(1), str)
assert_type(unbounded(1), str)
strict("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
strict_with_options("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
info: standard._CacheInfo = strict.cache_info()  # pyright: ignore[reportPrivateUsage]

# --- The application, errors, and the names of the first version ---

package.configure(mode="refresh")
package.configure(mode="fast")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
package.clear_all()
with package.disabled():
    pass
missing: Literal[package._engine.Missing.MISSING] = MISSING  # pyright: ignore[reportPrivateUsage]


def errors() -> tuple[Error, ValueError, TypeError, TypeError, KeyError]:
    unkeyable, usage = UnkeyableError(), UsageError()
    return unkeyable, ConfigError(), unkeyable, usage, NotExistError()


class Mine(Base):
    def __getitem__(self, key: Any) -> Any:
        raise NotExistError(key)


@cache
def ready(n: int) -> str:
    return str(n)


@Dcache(key=dhash)
def old(n: int) -> str:
    return str(n)


Dcache()(plain)
Dcache(backend=InMemory())(plain)
Dcache(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
InMemory()["a"] = Mine()
assert_type(ready(1), str)
assert_type(old(1), str)


class MyStore(Backend):
    def get(self, key: str) -> bytes | None:
        return None

    async def put(self, key: str, value: bytes, expires: float | None) -> None: ...


files = dcache(FileBackend("/var/cache/app", max_bytes="1GB"), secret="0123456789abcdef")
chain = dcache(
    multiple=[InMemoryBackend(), Tier(MyStore(), ttl="1h"), "file:///x"], near_ttl=5, mark_ttl="1s"
)


@files(ttl="10m", codec=PickleCodec(secret="0123456789abcdef"))
def priced(symbol: str) -> float:
    return len(symbol)


@chain
async def fetched(symbol: str) -> float:
    return len(symbol)


assert_type(priced("ACME"), float)
assert_type(dcache({})(plain)(1), int)
assert_type(dcache("file:///x")(plain)(1), int)


async def wait_for_far() -> None:
    assert_type(await fetched("ACME"), float)
    await fetched(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


bucket = S3Backend("results", "app", endpoint="https://store.example", timeout="3s")
assert_type(dcache(bucket)(plain)(1), int)
S3Backend(region=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
rules: dict[str, object] = bucket.lifecycle_rules()
files(near_ttl=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
configure("file:///x", mode="read-only")
unreached: TierError = InvalidationError()
