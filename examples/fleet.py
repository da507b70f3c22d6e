# SPDX-License-Identifier: MIT
"""The demo's slow function, in two processes that share what they find out through a Redis.

    python fleet.py SOCKET [CALLS]

SOCKET is where the Redis listens (fleet.sh starts one). Both processes ask about the same headers
at the same time, each in an order of its own: what one has computed the other finds, and what one
is computing the other waits for.
"""

import multiprocessing
import random
import signal
import sys
import time

from dcache import dcache
from dcache.backends import InMemoryBackend, RedisBackend
from headers import CALLS, REDRAW_EVERY, choose_calls
from headers_progress import Progress, has_utf8, time_text
from headers_survey import SearchPath, Summary, Survey, summarise, survey

PROCESSES = ("first process", "second process")
ANSWERING = ("memory", "redis", "body")
PATIENCE = 60  # Seconds, for a process to begin.


def ask_all(socket, which, calls, begin, done, results):
    """One process: make all calls, and say what they took, by who answered."""
    search = SearchPath()
    cache = dcache(multiple=[InMemoryBackend(), RedisBackend(path=socket)])

    @cache(name="examples:parse")
    def parse(path) -> Summary:
        return summarise(search, path)

    @cache(name="examples:ask")
    def ask(path) -> Survey:
        return survey(path, parse)

    def counts():
        return ask.cache_info().misses, ask.stats()["tiers"][0]["hits"]

    times = {name: [] for name in ANSWERING}
    answers = {}
    begin.wait(PATIENCE)
    for call in calls:
        bodies_before, found_before = counts()
        begun = time.perf_counter()
        answers[call] = ask(call)
        took = time.perf_counter() - begun
        bodies, found = counts()
        who = "body" if bodies > bodies_before else "redis" if found > found_before else "memory"
        times[who].append(took)
        done[which] += 1
    results.put((which, answers, times))


def run(socket, calls):
    """Run the processes: the answers and times of each."""
    spawn = multiprocessing.get_context("spawn")
    begin = spawn.Barrier(len(PROCESSES) + 1)
    done = spawn.Array("l", len(PROCESSES), lock=False)
    results = spawn.Queue()
    processes = []
    for which in range(len(PROCESSES)):
        own = random.Random(which).sample(calls, len(calls))
        words = (socket, which, own, begin, done, results)
        processes.append(spawn.Process(target=ask_all, args=words, daemon=True))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # They leave it to this one.
    for process in processes:
        process.start()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        begin.wait(PATIENCE)
        watch(processes, done, len(PROCESSES) * len(calls))
        return sorted(results.get(timeout=PATIENCE) for _ in processes)
    finally:
        for process in processes:
            process.kill()


def watch(processes, done, total):
    """Draw a bar until all calls were made."""
    progress = Progress("two processes", total)
    begun = time.perf_counter()
    while sum(done) < total:
        if any(process.exitcode for process in processes):
            sys.exit("fleet.py: a process has died")
        progress.show(sum(done), time.perf_counter() - begun)
        time.sleep(REDRAW_EVERY)
    progress.finish(time.perf_counter() - begun)


def print_table(results):
    """Who answered how many calls, and how long those took."""
    print()
    print(f"  {'':14}", *(f"{name:>17}" for name in ANSWERING))
    print(f"  {'':14}", *(f"{'calls':>7} {'time':>9}" for _ in ANSWERING), f"{'all':>7}")
    print(f"  {('─' if has_utf8() else '-') * 76}")
    for which, _, times in results:
        parts = (f"{len(times[who]):7,} {time_text(sum(times[who])):>9}" for who in ANSWERING)
        whole = sum(map(sum, times.values()))
        print(f"  {PROCESSES[which]:14}", *parts, f"{time_text(whole):>7}")


def main(socket, count=CALLS):
    """Run all calls in both processes and compare them."""
    calls = choose_calls(SearchPath().well_known(), count)
    print(
        f"  Two processes and a Redis: the same {count:,} calls in both, at the same time,\n"
        "  through multiple=[InMemoryBackend(), RedisBackend()]. Who answers?\n"
    )
    results = run(socket, calls)
    print_table(results)
    (_, first, _), (_, second, _) = results
    bodies = sum(len(times["body"]) for _, _, times in results)
    same = first == second
    print(
        f"\n  Together they ran {bodies:,} bodies for {len(first):,} different headers.\n"
        f"  {'All answers are' if same else 'ERROR: not all answers are'} the same in both.\n"
    )
    return 0 if same else 1


if __name__ == "__main__":
    words = sys.argv[1:]
    if not 1 <= len(words) <= 2 or not all(word.isdecimal() and int(word) for word in words[1:]):
        sys.exit("usage: fleet.py SOCKET [CALLS]")
    try:
        sys.exit(main(words[0], *map(int, words[1:])))
    except KeyboardInterrupt:
        sys.exit(130)
