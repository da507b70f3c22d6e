# SPDX-License-Identifier: MIT
"""First steps: a slow function that remembers, and the verbs that go with it."""

import time

from dcache import MISSING, dcache


@dcache
def vowels(text):
    """Stands for whatever is slow in your program."""
    print(f'  counting in "{text}"')
    time.sleep(0.02)
    return sum(letter in "aeiou" for letter in text)


print(vowels("banana"))  # The body runs,
print(vowels("banana"))  # and here it does not.
print(vowels(text="banana"))  # However the call is spelled, it is the same call.

# What would a call return without computing? MISSING, if it would have to compute.
for word in ("banana", "cherry"):
    print(f"{word} is known: {vowels.peek(word) is not MISSING}")

vowels.put(2, "cherry")  # We happen to know: the body need not run.
print(vowels("cherry"))

vowels.invalidate("banana")  # The world has changed: the next call computes.
print(vowels("banana"))
print(vowels.refresh("banana"))  # Computes at once, and keeps that.

info = vowels.cache_info()
print(f"{info.hits} hits, {info.misses} misses, {info.currsize} kept")


@dcache
def fibonacci(n):
    """Calls itself, through the cache: each step is computed once."""
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


print(f"fibonacci(90) = {fibonacci(90)}")

# Prints:
#   counting in "banana"
# 3
# 3
# 3
# banana is known: True
# cherry is known: False
# 2
#   counting in "banana"
# 3
#   counting in "banana"
# 3
# 3 hits, 3 misses, 2 kept
# fibonacci(90) = 2880067194370816120
