# SPDX-License-Identifier: MIT
"""The words of `f.explain(...)`."""


def explain(function, wrapped, facts):
    """Lines about one call: what each tier says, and what calling would do."""
    maxsize = function.cache_parameters()["maxsize"]
    bound = "no bound" if maxsize is None else f"room for {maxsize:,}"
    name = getattr(wrapped, "__qualname__", None) or repr(wrapped)
    return "\n".join(
        [
            f"{name}: {_verdict(facts)}",
            f"  memory: {_entry(facts)} ({facts['entries']:,} entries, {bound})"
            if facts["keeps"]
            else "  memory: keeps nothing",
            *(f"  {tier}: {said} ({_short(took)})" for tier, said, took in facts["tiers"] or ()),
            f"  flight: {'being computed now' if facts['computing'] else 'nobody computes it'}",
        ]
    )


def _verdict(facts):
    verdict = _what_a_call_does(facts)
    return verdict if facts["mode"] == "normal" else f"{verdict} (the mode is {facts['mode']})"


def _what_a_call_does(facts):
    runs = "a call runs the function"
    waits = "a call waits for the one who computes it"
    if facts["mode"] == "bypass":
        return runs
    if facts["mode"] == "refresh":
        return waits if facts["computing"] else runs
    if facts["suspect"]:
        return "a call asks the far tiers whether what is in memory still holds"
    if facts["there"] and not facts["stale"]:
        return "a call raises what was remembered" if facts["failure"] else "a call is a hit"
    if facts["computing"]:
        return waits
    for tier, said, _ in facts["tiers"] or ():
        if said.startswith("hit"):
            return f"a call finds it in {tier}"
    return runs


def _entry(facts):
    if not facts["there"]:
        return "not there: never computed, evicted, expired or invalidated"
    if facts["stale"]:
        left = _span(facts["dies_in"])
        return f"stale since {_span(facts['fresh_for'])}, to be served for {left} more if need be"
    kind = "an exception" if facts["failure"] else "a result"
    if facts["fresh_for"] < 0:
        return f"{kind} without ttl"
    return f"{kind}, fresh for {_span(facts['fresh_for'])} more"


def _short(seconds):
    return f"{seconds * 1e6:.0f} us" if seconds < 0.001 else f"{seconds * 1e3:.1f} ms"


def _span(seconds):
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
