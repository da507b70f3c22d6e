# SPDX-License-Identifier: MIT
"""How a decorated function of `__main__` is pickled.

By reference, as any function; except for picklers that take functions of `__main__` along by value,
which then get the function and the options.
"""

import sys

from ._decorate import decorate

_BY_VALUE = ("cloudpickle", "dill")


def reduce(function):
    """What `__reduce__` returns."""
    caller = sys._getframe(1).f_globals.get("__name__", "")
    if not any(name in caller.split(".") for name in _BY_VALUE):
        return function.__qualname__
    # Its table is of this process; there it has one of its own.
    options = {name: value for name, value in function._options.items() if name != "cache"}
    return decorate, (function.__wrapped__, options)
