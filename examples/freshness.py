# SPDX-License-Identifier: MIT
"""Results that age: `ttl` and `stale_for`.

In tenths of a second, so that this needs no patience; write "10m" and "1h" in your program.
"""

import itertools
import time

from dcache import dcache


class Exchange:
    """A price that rises with each request, at a stock exchange that is sometimes closed."""

    is_open = True
    prices = itertools.count(101)


@dcache(ttl="400ms", stale_for="600ms")
def quote(stock):
    """Fresh for a while. After that it is, for a while, better than nothing."""
    if not Exchange.is_open:
        raise ConnectionError("the exchange is closed")
    return next(Exchange.prices)


print("first:", quote("ACME"))
print("soon after:", quote("ACME"))
time.sleep(0.5)
print("too old, so anew:", quote("ACME"))

Exchange.is_open = False
time.sleep(0.5)
print("closed, and there is an old one:", quote("ACME"))
time.sleep(0.6)
try:
    quote("ACME")
except ConnectionError as error:
    print("closed, and the old one is too old:", error)

Exchange.is_open = True
print("open again:", quote("ACME"))

# Prints:
# first: 101
# soon after: 101
# too old, so anew: 102
# closed, and there is an old one: 102
# closed, and the old one is too old: the exchange is closed
# open again: 103
