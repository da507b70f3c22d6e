# SPDX-License-Identifier: MIT
"""Refreshes of plain functions: a few daemon threads, started when they are needed.

Loaded with the first refresh. At exit what runs is abandoned: nobody waits for daemon threads.
"""

import collections
import contextvars
import os
import threading

from ._async import log_failure

THREADS_MAX = 4
QUEUE_MAX = 1024
IDLE = 10  # Seconds; then a thread without work ends.


class Pool:
    """Runs what it is given, soon, on one of its threads."""

    def __init__(self):
        self._changed = threading.Condition()
        self._queue = collections.deque()
        self._threads = self._idle = 0

    def submit(self, run):
        """False: the queue is full, or no thread can be started."""
        with self._changed:
            if len(self._queue) >= QUEUE_MAX:
                return False
            self._queue.append(run)
            if self._idle >= len(self._queue):
                self._changed.notify()
            elif self._threads < THREADS_MAX and not self._start():
                self._queue.pop()
                return False
        return True

    def _start(self):
        try:
            threading.Thread(target=self._work, name="dcache", daemon=True).start()
        except RuntimeError:  # At exit, or too many threads.
            return self._threads > 0
        self._threads += 1
        return True

    def _work(self):
        while (run := self._next()) is not None:
            contextvars.Context().run(run)
            del run

    def _next(self):
        with self._changed:
            self._idle += 1
            there = self._changed.wait_for(lambda: self._queue, IDLE)
            self._idle -= 1
            if there:
                return self._queue.popleft()
            self._threads -= 1
            return None


_pool = Pool()


def _forget_threads():
    global _pool
    _pool = Pool()


os.register_at_fork(after_in_child=_forget_threads)


def start(miss, on_background):
    """Refreshes on a thread of the pool; False if it cannot be had."""

    # The thread is ours: a body that exits means its own.
    def run():
        try:
            miss.run()
        except BaseException:
            log_failure(miss)

    def run_by_hook():
        try:
            on_background(run)
        except BaseException:
            log_failure(miss)

    return _pool.submit(run if on_background is None else run_by_hook)
