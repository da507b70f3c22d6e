# SPDX-License-Identifier: MIT
"""Backends that are written in Python, and the threads that they run on.

A plain one runs on a few helper threads of its own, so that one that hangs cannot hold its callers;
an asynchronous one on the event loop of who awaits, or on one of ours for all who block. The
engine's own threads never take the interpreter's lock.
"""

import collections.abc
import inspect
import os
import threading
import time
import weakref

from ._async import run_where_awaited
from ._durations import seconds
from .backends import Backend

THREADS_MAX = 4
QUEUE_MAX = 256
GET, PUT, ERASE, ADD = range(4)  # As `engine::Verb`.
_FOUND, _MISSING, _DONE = 1, 2, 3  # As `engine::Reply`.


def adapter_of(backend):
    """What the engine talks to."""
    if isinstance(backend, Backend):
        calls = (getattr(backend, name, None) for name in ("get", "put", "erase", "add"))
        if any(inspect.iscoroutinefunction(call) for call in calls):
            return _Async(backend)
        return _Plain(backend)
    if type(backend) is dict:
        return _Here(_Mapping(backend))
    return _Plain(_Mapping(backend))


class _Mapping:
    """A mapping of text to bytes as a backend. Not shared: nobody says that it is."""

    shared, timeout = False, 0.1
    near_ttl, mark_ttl = Backend.near_ttl, Backend.mark_ttl

    def __init__(self, mapping):
        self._mapping = mapping
        self.name = f"mapping:{type(mapping).__name__}"
        if type(mapping) is dict:  # Of any other nobody knows whether it is done in one step.
            self.add = self._add

    def get(self, key):
        try:
            return self._mapping[key]
        except KeyError:
            return None

    def put(self, key, value, expires):
        self._mapping[key] = value

    def erase(self, key):
        try:
            del self._mapping[key]
        except KeyError:
            pass
        except (AttributeError, TypeError):  # It has no way to forget: what is no record is a miss.
            self._mapping[key] = b""

    def _add(self, key, value, expires):
        return self._mapping.setdefault(key, value) is value


class _Adapter:
    """Operations of the engine as calls of a backend."""

    def __init__(self, backend):
        self.backend = backend
        self.name = str(getattr(backend, "name", None) or f"python:{type(backend).__name__}")
        self.shared = bool(backend.shared)
        self.adds = callable(getattr(backend, "add", None))
        self.batches = callable(getattr(backend, "get_many", None))
        self.timeout = seconds("timeout", backend.timeout)
        self.near_ttl = seconds("near_ttl", backend.near_ttl)
        self.mark_ttl = seconds("mark_ttl", backend.mark_ttl, 0)

    def check(self):
        check = getattr(self.backend, "check", None)
        if check is not None:
            check()

    def close(self):
        close = getattr(self.backend, "close", None)
        if close is not None:
            close()


def _found_of(keys, found):
    """What `get_many` means to the engine."""
    if not isinstance(found, collections.abc.Mapping):
        raise TypeError(f"get_many() returned a {type(found).__name__}; expected a dict")
    return [_reply(GET, found.get(key), None) for key in keys]


def _reply(verb, answer, value):
    """What an answer means to the engine."""
    if verb == GET:
        if answer is None:
            return _MISSING, None
        if not isinstance(answer, (bytes, bytearray, memoryview)):
            raise TypeError(f"get() returned a {type(answer).__name__}; expected bytes or None")
        return _FOUND, answer
    if verb == ADD and not answer:
        return _FOUND, value
    return _DONE, None


class _Here(_Adapter):
    """Runs on the caller's thread: for what cannot wait."""

    def submit(self, op):
        self._serve(op)

    def _serve(self, op):
        try:
            verb, questions = op.questions()
            op.complete(self._answers(verb, questions))
        except BaseException as error:  # Also of what ends a program: not on this thread.
            op.fail(f"{type(error).__name__}: {error}")

    def _answers(self, verb, questions):
        if verb == GET and len(questions) > 1 and self.batches:
            keys = [key for key, _, _ in questions]
            return _found_of(keys, self.backend.get_many(keys))
        return [self._answer(verb, *question) for question in questions]

    def _answer(self, verb, key, value, expires):
        backend = self.backend
        if verb == GET:
            return _reply(verb, backend.get(key), None)
        if verb == ERASE:
            backend.erase(key)
            return _DONE, None
        if verb == PUT:
            backend.put(key, value, expires)
            return _DONE, None
        added = backend.add(key, value, expires)
        return _reply(verb, added, None if added else backend.get(key))


class _Plain(_Here):
    """Runs on helper threads."""

    def __init__(self, backend):
        super().__init__(backend)
        self._threads = _Threads()
        _all.add(self)

    def submit(self, op):
        if not self._threads.submit(op, self._serve, self.timeout):
            op.fail(f"all {THREADS_MAX} of its threads hang")


class _Threads:
    """A few helper threads, started when they are needed, ended when they are not."""

    def __init__(self):
        self._changed = threading.Condition()
        self._queue = collections.deque()
        self._running = {}
        self._idle = 0

    def submit(self, op, serve, patience):
        """False: nobody will get to it. patience: after so many seconds a call hangs."""
        with self._changed:
            hang = len(self._running) == THREADS_MAX and all(
                running.abandoned() and time.monotonic() > begun + patience
                for running, begun in self._running.values()
            )
            if hang or len(self._queue) >= QUEUE_MAX:
                return False
            self._queue.append((op, serve))
            if self._idle >= len(self._queue):
                self._changed.notify()
            elif len(self._running) + self._idle < THREADS_MAX:
                try:
                    self._idle += 1
                    threading.Thread(target=self._work, name="dcache", daemon=True).start()
                except RuntimeError:  # At exit, or too many threads.
                    self._idle -= 1
                    return bool(self._running)
        return True

    def _work(self):
        me = threading.get_ident()
        while True:
            with self._changed:
                there = self._changed.wait_for(lambda: self._queue, 10)
                self._idle -= 1
                if not there:
                    return
                op, serve = self._queue.popleft()
                self._running[me] = op, time.monotonic()
            try:
                if op.abandoned():
                    op.fail("it waited too long for a thread")
                else:
                    serve(op)
            finally:
                with self._changed:
                    del self._running[me]
                    self._idle += 1
                del op, serve  # Idle, it keeps no backend alive.


class _Async(_Adapter):
    """Runs on the loop of the task that waits, and for whoever blocks on a loop of ours."""

    def submit(self, op):
        import asyncio

        serve = self._serve(op)
        if not run_where_awaited(serve):
            asyncio.run_coroutine_threadsafe(serve, _loop())

    async def _serve(self, op):
        import asyncio

        try:
            verb, questions = op.questions()
            # Nobody waits for longer than that: what hangs is not left behind.
            answers = asyncio.wait_for(self._answers(verb, questions), self.timeout * 2)
            op.complete(await answers)
        except BaseException as error:
            op.fail(f"{type(error).__name__}: {error}")

    async def _answers(self, verb, questions):
        try:
            if verb == GET and len(questions) > 1 and self.batches:
                keys = [key for key, _, _ in questions]
                return _found_of(keys, await _awaited(self.backend.get_many(keys)))
            return [await self._answer(verb, *question) for question in questions]
        except (SystemExit, KeyboardInterrupt) as error:  # They would end the loop.
            raise RuntimeError(f"{type(error).__name__}: {error}") from None

    async def _answer(self, verb, key, value, expires):
        backend = self.backend
        if verb == GET:
            return _reply(verb, await _awaited(backend.get(key)), None)
        if verb == ERASE:
            await _awaited(backend.erase(key))
            return _DONE, None
        if verb == PUT:
            await _awaited(backend.put(key, value, expires))
            return _DONE, None
        added = await _awaited(backend.add(key, value, expires))
        return _reply(verb, added, None if added else await _awaited(backend.get(key)))


async def _awaited(answer):
    return await answer if inspect.isawaitable(answer) else answer


_lock = threading.Lock()
_loops: list[object] = []


def _loop():
    import asyncio

    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="dcache-loop", daemon=True).start()
            _loops.append(loop)
        return _loops[0]


_all: weakref.WeakSet[object] = (
    weakref.WeakSet()
)  # Every adapter with threads: a forked child starts without.


def _forget_threads():
    global _lock
    _lock = threading.Lock()
    _loops.clear()
    for adapter in list(_all):
        adapter._threads = _Threads()


os.register_at_fork(after_in_child=_forget_threads)
