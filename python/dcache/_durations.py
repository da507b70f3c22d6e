# SPDX-License-Identifier: MIT
"""Durations as people write them."""

from ._engine import ConfigError

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MOST = 1e9


def seconds(name, value, least=None, bound=True):
    """Seconds from a number, a `timedelta`, or text such as "90s" or "1h30m".

    Raises ConfigError, naming `name`, for anything else, and unless `bound` is false for what is
    not above zero (with `least`: below it).
    """
    if isinstance(value, str):
        number = _parse(name, value)
    elif hasattr(value, "total_seconds"):
        number = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
    else:
        raise ConfigError(_expected(name, value))
    if not bound:
        return number
    if not (number > 0 if least is None else number >= least):
        bound = "above 0" if least is None else f"{least} or more"
        raise ConfigError(f"dcache: {name} is {value!r}; expected a duration {bound}")
    if number > _MOST:
        raise ConfigError(f"dcache: {name} is {value!r}; expected at most 1e9 seconds (31 years)")
    return number


def _parse(name, text):
    total, number = 0.0, ""
    rest = text.strip().lower()
    seen = False
    while rest:
        end = 0
        while end < len(rest) and (rest[end].isdigit() or rest[end] == "."):
            end += 1
        number, rest = rest[:end], rest[end:]
        end = 0
        while end < len(rest) and rest[end].isalpha():
            end += 1
        unit, rest = rest[:end], rest[end:].strip()
        if unit not in _UNITS:
            raise ConfigError(_expected(name, text))
        try:
            total += float(number) * _UNITS[unit]
        except ValueError:
            raise ConfigError(_expected(name, text)) from None
        seen = True
    if not seen:
        raise ConfigError(_expected(name, text))
    return total


def _expected(name, value):
    return (
        f"dcache: {name} is {value!r}; expected seconds, a timedelta, or text such as "
        '"90s" or "1h30m" (units: ms, s, m, h, d, w)'
    )
