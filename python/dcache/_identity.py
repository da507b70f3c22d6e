# SPDX-License-Identifier: MIT
"""Which function it is: the first part of a far key, the same in every process that runs it.

Nothing here runs in a call of a function without a far tier.
"""

import base64
import functools
import hashlib
import os
import string
import sys
import types

from ._engine import ConfigError, UnkeyableError, UsageError, canonical_bytes

# What every store takes in a key. Braces would tell a Redis cluster where a key lives.
_READABLE = frozenset(string.ascii_letters + string.digits + "!#$%&*+,-./:;<=>?@[]^_|~")
_NAMESPACE_LENGTH = 64
_FUNCTION_LENGTH = 120  # With namespace and digest below the 250 bytes of Memcached.
_MAINS = ("__main__", "__mp_main__")


def key(wrapped, identity, arguments, names_main):
    """The far key of a call as text: `namespace:function:digest`, without an empty namespace.

    arguments: canonical bytes; names_main: a name in them begins with `__main__`. The digest is
    SHA-256 in lower-case base32, of the canonical bytes of [function, version, arguments], or of
    [function, version, arguments, main program] where the arguments name it.
    """
    name, version, namespace = identity or (None, None, None)
    function = name or name_of(wrapped)
    if version == "code":
        version = fingerprint_of(wrapped)
    parts = [canonical_bytes(function), canonical_bytes(version), arguments]
    if names_main:
        parts.append(canonical_bytes(_main_of_arguments(wrapped)))
    hashed = hashlib.sha256(bytes([0x80 + len(parts)]))  # The head of an array.
    for part in parts:
        hashed.update(part)
    digest = base64.b32encode(hashed.digest()).decode().rstrip("=").lower()
    namespace = namespace or os.environ.get("DCACHE_NAMESPACE")
    if namespace:
        check_namespace(namespace)
        return f"{namespace}:{_readable(function)}:{digest}"
    return f"{_readable(function)}:{digest}"


def check_namespace(namespace, said_by="namespace"):
    """Raise ConfigError for a namespace that some store would not take as it stands."""
    if not _READABLE.issuperset(namespace) or len(namespace) > _NAMESPACE_LENGTH:
        raise ConfigError(
            f"dcache: {said_by} is {namespace!r}; expected at most {_NAMESPACE_LENGTH} letters, "
            "digits and signs, without blanks and braces"
        )


def name_of(wrapped):
    """`module:qualname` of a function that these two words tell all about.

    Raises UsageError for any other: it needs a name.
    """
    for function in layers(wrapped):
        _refuse_what_holds_more(wrapped, function)
    qualname = getattr(wrapped, "__qualname__", None)
    # Methods of built-in types say where they come from through their class.
    owner = getattr(wrapped, "__objclass__", None)
    module = getattr(wrapped, "__module__", None) or getattr(owner, "__module__", None)
    if not isinstance(qualname, str) or not isinstance(module, str):
        _refuse(wrapped, "is no function with a name of its own")
    if module in _MAINS:
        module, why = _main()
        if why:
            _refuse(wrapped, f"was defined {why}")
    return f"{module}:{qualname}"


def fingerprint_of(wrapped):
    """A short text that differs when the code of a function, or of what it wraps, does."""
    codes = [getattr(function, "__code__", None) for function in layers(wrapped)]
    if codes[-1] is None:
        _refuse_code(wrapped)
    essence = [_essence(code) for code in codes if code is not None]
    return hashlib.sha256(repr(essence).encode()).hexdigest()[:16]


def layers(wrapped):
    """A function, what it wraps, what that wraps, and so on."""
    layers = [wrapped]
    while len(layers) < 100:
        inner = getattr(layers[-1], "__wrapped__", None)
        if inner is None or any(inner is layer for layer in layers):
            break
        layers.append(inner)
    return layers


def _refuse_what_holds_more(wrapped, function):
    if isinstance(function, (functools.partial, functools.partialmethod)):
        _refuse(wrapped, "is a partial, whose arguments its name does not tell")
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        _refuse(wrapped, "is bound to an object, which its name does not tell")
    if "<lambda>" in str(getattr(function, "__qualname__", "")):
        _refuse(wrapped, "is a lambda")
    if getattr(function, "__closure__", None):
        _refuse(wrapped, "has free variables, whose values its name does not tell")


_main_found: list[tuple[str | None, str | None]] = []  # The file may be another one later.


def _main():
    """The name of the main program and None, or None and where it comes from instead."""
    if not _main_found:
        _main_found.append(_find_main())
    return _main_found[0]


def _find_main():
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return spec.name, None
    path = getattr(main, "__file__", None)
    if path is None:
        return None, "at a prompt or in -c, where nothing says which program it is"
    try:
        with open(path, "rb") as script:
            text = script.read()
    except OSError:
        return None, f"in {path}, which cannot be read any more"
    stem = os.path.splitext(os.path.basename(path))[0]
    return f"{stem}-{hashlib.sha256(text).hexdigest()[:16]}", None


def _main_of_arguments(wrapped):
    main, why = _main()
    if why:
        raise UnkeyableError(
            f"dcache: an argument of {_called(wrapped)} is, or holds, a class, function or enum "
            f"member that was defined {why}: define it in a module, or say what counts with key="
        )
    return main


def _readable(function):
    text = "".join(letter if letter in _READABLE else "_" for letter in function)
    return text[-_FUNCTION_LENGTH:]  # The digest knows all of it.


def _called(wrapped):
    return f"{getattr(wrapped, '__qualname__', wrapped)}()"


def _refuse(wrapped, why):
    raise UsageError(
        f"dcache: {wrapped!r} {why}: give it a name for its far keys with dcache(name=...)"
    )


def _refuse_code(wrapped):
    raise UsageError(
        f'dcache: {wrapped!r} has no code that version="code" could look at: '
        "give it a version of its own with dcache(version=...)"
    )


def _essence(code):
    constants = [
        _essence(each) if isinstance(each, types.CodeType) else _stable(each)
        for each in code.co_consts
    ]
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    exceptions = getattr(code, "co_exceptiontable", b"").hex()
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_code.hex(), exceptions, shape, names, constants


def _stable(constant):
    if isinstance(constant, frozenset):
        return "frozenset", sorted(map(repr, constant))
    return type(constant).__name__, repr(constant)
