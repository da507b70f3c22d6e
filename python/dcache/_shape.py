# SPDX-License-Identifier: MIT
"""What a callable that is no plain function takes: builtins, partials, classes, instances."""

import inspect


def shape(function):
    """`(positional only, positional, names, defaults, *name, **name)`; None: it has none."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    of_kind = {kind: [] for kind in inspect._ParameterKind}
    for parameter in parameters:
        of_kind[parameter.kind].append(parameter)
    only, either = of_kind[inspect._POSITIONAL_ONLY], of_kind[inspect._POSITIONAL_OR_KEYWORD]
    slots = [*only, *either, *of_kind[inspect._KEYWORD_ONLY]]
    positional, keywords = of_kind[inspect._VAR_POSITIONAL], of_kind[inspect._VAR_KEYWORD]
    return (
        len(only),
        len(only) + len(either),
        tuple(each.name for each in slots),
        {each.name: each.default for each in slots if each.default is not each.empty},
        positional[0].name if positional else None,
        keywords[0].name if keywords else None,
    )
