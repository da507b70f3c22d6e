#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that every #include points right or down (ARCHITECTURE.md, the level table).

The tables below are the law. A new public header is one word in PUBLIC, a new room one line in
ROOMS (and one in FOREIGN when it brings a library). `--self-test` plants offences and finds them.
"""

import pathlib
import re
import sys
import tempfile

# Each room: the rooms that it may include besides itself.
ROOMS = {
    "base": "",
    "work": "base",
    "wire": "base",
    "memory": "base",
    "net": "base work",
    "fs": "base work",
    "flight": "base work",
    "contract": "base work wire memory flight",
    "backends": "base work wire net fs contract",
    "tiers": "base work flight contract",
    "call": "base work memory flight contract tiers",
    "open": "base work wire memory net fs flight contract backends tiers call",
    "testing": "base contract tiers",
}

# Each public header (without `dcache/` and `.hpp`) belongs to one room. The umbrella includes any
# of them, and only front doors and tests include the umbrella.
UMBRELLA = "dcache/dcache.hpp"
PUBLIC = {
    "base": """
        clock
        engine/bias
        engine/drivable
        engine/fork
        engine/hash
        engine/hot
        engine/lock
        engine/random
        engine/ref
        engine/stack
        engine/stripes
        error
    """,
    "work": """
        engine/executor
    """,
    "memory": """
        engine/cells
        engine/column
        engine/ghost
        engine/index
        engine/index_group
        engine/memory_impl
        engine/monitor
        engine/nodes
        engine/queues
        engine/queues_impl
        engine/roster
        engine/shard
        engine/shard_impl
        engine/shard_store_impl
        engine/traits
        engine/wheel
        memory
        stats
    """,
    "flight": """
        engine/coalesce
        engine/idle_flights
        engine/context
        engine/flight
        engine/flight_table
        engine/flights
        engine/waiter
    """,
    "contract": """
        codec
        engine/aggregate
        engine/backend
        engine/cbor
        engine/cbor_reader
        engine/cbor_tags
        engine/codecs_impl
        engine/codecs_time
        engine/codecs_variant
        engine/digest
        engine/far_key
        engine/operation
        engine/record
        engine/record_fault
        engine/url
    """,
    "backends": """
        backends/file
        backends/redis
        backends/s3
    """,
    "tiers": """
        engine/default_tiers
        engine/far_batch
        engine/tiers
        engine/walk
    """,
    "call": """
        engine/far_side
        engine/freshness
        engine/later
        engine/memo
        engine/memo_far_impl
        engine/memo_impl
        engine/memo_map_impl
        engine/mode
        engine/signature
        memoize
        mode
        options
    """,
    "open": """
        cache
        engine/open
    """,
    "testing": """
        testing/backend_suite
    """,
}

# Each room: headers of the system and of libraries that its sources (never a public header) use.
FOREIGN = {
    "base": r"pthread\.h|dlfcn\.h|linux/membarrier\.h|sys/syscall\.h|unistd\.h",
    "work": r"pthread\.h",
    "net": r"openssl/.*|(sys|netinet|arpa)/.*|linux/futex\.h|netdb\.h|poll\.h|unistd\.h|fcntl\.h",
    "fs": r"sys/.*|unistd\.h|fcntl\.h|dirent\.h",
    "contract": r"openssl/.*|zstd\.h|xxhash\.h",
    "backends": r"openssl/.*|curl/.*|sqlite3\.h|libpq-fe\.h"
                r"|spawn\.h|poll\.h|fcntl\.h|unistd\.h|sys/wait\.h",
    "open": r"dlfcn\.h|unistd\.h",
}

# Who sees public headers only; what else they include is their own business.
FRONT_DOORS = ("bench", "cli", "examples", "python", "tests/consumer")

# The extension module is a front door whose includes are our business: public headers, its own, and
# those of the interpreter, and what writes to the descriptor that wakes an event loop.
EXTENSION = "python/src"
INTERPRETER = r"Python\.h|structmember\.h|frameobject\.h|datetime\.h|unistd\.h"

STANDARD = r"[a-z_]+|std(def|int)\.h"  # No folder and no suffix: only the standard library names headers so.
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
HEADERS = {f"dcache/{name}.hpp": room for room, names in PUBLIC.items() for name in names.split()}
HEADERS["dcache/plugin.h"] = "open"  # In C, for those who do not write C++.


def sources(root, folder):
    return sorted(p for p in (root / folder).rglob("*") if p.suffix in (".hpp", ".cpp", ".h"))


def room_in_src(root, path, included):
    """The room of a header under src/, written from src/ or from the includer's own folder."""
    for header in ((path.parent / included).resolve(), root / "src" / included):
        if header.is_file() and header.is_relative_to(root / "src"):
            return header.relative_to(root / "src").parts[0]
    return None


def fault(room, included, inner, public):
    """Why a file of `room` may not include `included`, which is `inner` of src/; None: it may."""
    if included == UMBRELLA:
        return "includes the umbrella"
    if inner and public:
        return f"is public and includes {included} of src/"
    if not inner and not included.startswith("dcache/"):
        known = STANDARD if public else f"{STANDARD}|{FOREIGN.get(room, STANDARD)}"
        return None if re.fullmatch(known, included) else f"includes the foreign header {included}"
    target = inner or HEADERS.get(included)
    if target is None:
        return f"includes {included}, which tools/layers.py does not list"
    allowed = target == room or target in ROOMS[room].split()
    return None if allowed else f"is in {room} and includes {included} of {target}"


def faults_of(root, path):
    """What is wrong with the includes of one file of include/ or src/."""
    public = path.is_relative_to(root / "include")
    name = str(path.relative_to(root / ("include" if public else "src")))
    included = INCLUDE.findall(path.read_text())
    if public and name == UMBRELLA:
        return [f"includes {i}, which is not public" for i in included if i not in HEADERS]
    room = HEADERS.get(name) if public else name.split("/")[0]
    if room not in ROOMS:
        return ["is in no room: tools/layers.py does not list it"]
    found = (fault(room, i, room_in_src(root, path, i), public) for i in included)
    return [why for why in found if why]


def faults_of_extension(root, path):
    for included in INCLUDE.findall(path.read_text()):
        own = "/" not in included and (root / EXTENSION / included).is_file()
        known = included in (*HEADERS, UMBRELLA) or re.fullmatch(f"{STANDARD}|{INTERPRETER}", included)
        if not (own or known):
            yield f"includes {included}: neither public, nor its own, nor the interpreter's"


def check(root):
    offences = [f"include/{name} is listed in tools/layers.py but not there"
                for name in HEADERS if not (root / "include" / name).is_file()]
    for path in sources(root, "include") + sources(root, "src"):
        offences += [f"{path.relative_to(root)} {why}" for why in faults_of(root, path)]
    for path in (p for door in FRONT_DOORS for p in sources(root, door)):
        offences += [f"{path.relative_to(root)} is a front door and includes {i} of src/"
                     for i in INCLUDE.findall(path.read_text()) if room_in_src(root, path, i)]
    offences += [f"{path.relative_to(root)} {why}" for path in sources(root, EXTENSION)
                 for why in faults_of_extension(root, path)]
    return offences


def self_test():
    fine = {f"include/{name}": "cstddef" for name in HEADERS} | {
        "src/base/secret.hpp": "memory", "src/flight/inner.hpp": "base/secret.hpp",
        "src/flight/own.cpp": "inner.hpp", "src/call/good.cpp": "dcache/engine/hash.hpp",
        "src/net/socket.cpp": "sys/socket.h", "examples/good.cpp": UMBRELLA,
        "python/src/own.hpp": "Python.h", "python/src/good.cpp": "own.hpp",
        "python/src/engine.cpp": "dcache/engine/hash.hpp", "python/src/all.cpp": UMBRELLA}
    bad = {
        "include/dcache/clock.hpp": "src/base/secret.hpp", "include/dcache/error.hpp": "zstd.h",
        "include/dcache/engine/hash.hpp": UMBRELLA, "include/dcache/stray.hpp": "vector",
        "include/dcache/engine/lock.hpp": "base/secret.hpp", UMBRELLA: "base/secret.hpp",
        "src/base/up.cpp": "flight/inner.hpp", "src/memory/side.cpp": "../flight/inner.hpp",
        "src/base/call.cpp": "dcache/stray.hpp", "src/attic/old.cpp": "vector",
        "src/call/loader.cpp": "dlfcn.h", "examples/peek.cpp": "base/secret.hpp",
        "bench/peek.cpp": "../src/base/secret.hpp", "python/src/peek.cpp": "base/secret.hpp",
        "python/src/other.cpp": "nanobind/nanobind.h", "python/src/stray.cpp": "dcache/stray.hpp",
        "python/src/system.cpp": "sys/socket.h"}
    bad["include/" + UMBRELLA] = bad.pop(UMBRELLA)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        for name, included in (fine | bad).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f'#include "{included}"\n')
        found = {line.split()[0] for line in check(root)}
    return [f"self test: {name} is judged wrongly" for name in sorted(found ^ set(bad))]


if __name__ == "__main__":
    tree = pathlib.Path(__file__).resolve().parent.parent
    problems = self_test() if "--self-test" in sys.argv else check(tree)
    print("\n".join(problems) or "layers: every include points right or down")
    sys.exit(1 if problems else 0)
