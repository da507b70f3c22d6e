# SPDX-License-Identifier: MIT
"""What the decorator takes, checked, as the engine takes it."""

from ._durations import seconds
from ._engine import ConfigError, ManualClock, parse_bytes

MAXSIZE = 10_000
MOST = 2**48  # Entries; more than any memory holds.
_POLICIES = ("adaptive", "lru")
_COPIES = ("never", "deep")


def engine_options(
    *,
    maxsize,
    typed,
    policy,
    ttl,
    stale_for,
    refresh_ahead,
    wait,
    jitter,
    cache_if,
    cache_errors,
    copy,
    key,
    ignore,
    on_background,
    flight_timeout,
    name,
    version,
    namespace,
    clock,
    codec=None,
    on_unstorable="warn",
    far=None,
):
    """Raises ConfigError, which names what was expected and what came."""
    _one_of("policy", policy, _POLICIES)
    _one_of("copy", copy, _COPIES)
    options = {"cache_if": cache_if, "key": key, "on_background": on_background}
    for option, value in options.items():
        if value is not None and not callable(value):
            raise ConfigError(f"dcache: {option} is {value!r}; expected a callable")
    if clock is not None and not isinstance(clock, ManualClock):
        raise ConfigError(f"dcache: clock is {clock!r}; expected a dcache.testing.ManualClock")
    ignored = _names(ignore)
    if key is not None and ignored:
        raise ConfigError("dcache: key and ignore exclude each other: the key says what counts")
    options.update(
        maxsize=count("maxsize", maxsize),
        policy=policy == "lru",
        typing=0 if typed else 2,
        ignore=ignored or None,
        copies=copy == "deep",
        cache_errors=_errors(cache_errors),
        flight_timeout=seconds("flight_timeout", flight_timeout),
        clock=clock,
        identity=_identity(name=name, version=version, namespace=namespace),
        **_freshness(ttl, stale_for, refresh_ahead, wait, jitter),
    )
    if far is not None and not typed:
        from ._far import _UNTYPED

        raise ConfigError(_UNTYPED)
    if far is not None or codec is not None or on_unstorable != "warn":
        from ._far import Settings

        options["far"] = Settings(far, codec, on_unstorable)
    return options


def flag(name, value):
    """True or False: of "no" nobody knows."""
    if not isinstance(value, bool):
        raise ConfigError(f"dcache: {name} is {value!r}; expected True or False")
    return value


def size(name, value):
    """A number of bytes, given as one or as text such as "1GB"."""
    if isinstance(value, str):
        value = parse_bytes(value, name)
    if not isinstance(value, int):
        raise ConfigError(
            f'dcache: {name} is {value}; expected bytes, such as 4096, "64MiB" or "1GB"'
        )
    return count(name, value, 1)


def count(name, value, least=0):
    """A whole number or None."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigError(f"dcache: {name} is {value!r}; expected a whole number or None")
    if not least <= value <= MOST:
        raise ConfigError(
            f"dcache: {name} is {value!r}; expected {least} to 2**48, or None for no bound"
        )
    return value


def _freshness(ttl, stale_for, refresh_ahead, wait, jitter):
    if not _is_number(jitter) or not 0 <= jitter <= 1:
        raise ConfigError(f"dcache: jitter is {jitter!r}; expected a fraction from 0 to 1")
    if refresh_ahead is not None and not (_is_number(refresh_ahead) and 0 < refresh_ahead < 1):
        raise ConfigError(
            f"dcache: refresh_ahead is {refresh_ahead!r}; expected a fraction between 0 and 1"
        )
    options = {
        "ttl": None,
        "ttl_of": None,
        "stale_for": seconds("stale_for", stale_for, least=0),
        "refresh_ahead": refresh_ahead,
        "wait": None if wait is None else seconds("wait", wait, least=0),
        "jitter": jitter,
    }
    if callable(ttl):
        options["ttl_of"] = _seconds_of_result(ttl)
    elif ttl is not None:
        options["ttl"] = seconds("ttl", ttl)
    else:
        for name, given in (
            ("stale_for", options["stale_for"]),
            ("refresh_ahead", refresh_ahead),
            ("jitter", jitter),
        ):
            if given:
                raise ConfigError(f"dcache: {name} says something about ttl, which is not given")
    if wait is not None and not options["stale_for"]:
        raise ConfigError("dcache: wait is for stale results, and stale_for is not given")
    return options


def _seconds_of_result(ttl):
    def of(result):
        value = ttl(result)
        if value is None or type(value) is float or type(value) is int:
            return value
        return seconds("ttl", value, bound=False)

    return of


def _identity(**parts):
    for name, part in parts.items():
        if part is not None and not (isinstance(part, str) and part):
            raise ConfigError(f"dcache: {name} is {part!r}; expected text")
    if parts["namespace"] is not None:
        from ._identity import check_namespace

        check_namespace(parts["namespace"])
    return tuple(parts.values())


def _errors(cache_errors):
    if not cache_errors:
        return None
    if not hasattr(cache_errors, "items"):
        raise ConfigError(
            f"dcache: cache_errors is {cache_errors!r}; expected a dict of exception classes and "
            'durations: {NotFound: "30s"}'
        )
    for error in cache_errors:
        if not (isinstance(error, type) and issubclass(error, Exception)):
            raise ConfigError(
                f"dcache: cache_errors has {error!r}; expected subclasses of Exception"
            )
    return tuple(
        (error, seconds(f"cache_errors of {error.__name__}", ttl))
        for error, ttl in cache_errors.items()
    )


def _names(ignore):
    if isinstance(ignore, str):
        return (ignore,)
    try:
        names = tuple(ignore)
    except TypeError:
        names = (None,)
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"dcache: ignore is {ignore!r}; expected the names of parameters")
    return names


def _one_of(name, value, allowed):
    if value not in allowed:
        raise ConfigError(f"dcache: {name} is {value!r}; expected one of {allowed}")


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_memory_url(backend):
    """Whether it is the URL of the near tier."""
    return isinstance(backend, str) and backend.lower() == "memory:"


def is_mapping(backend):
    """Whether it may be a mapping of text to bytes."""
    return (
        not isinstance(backend, (list, type))
        and hasattr(backend, "__setitem__")
        and hasattr(backend, "__getitem__")
    )
