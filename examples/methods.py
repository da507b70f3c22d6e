# SPDX-License-Identifier: MIT
"""Methods: each object has results of its own, and they leave with it."""

from dcache import dcache


class Report:
    """Something that computes from what it holds."""

    def __init__(self, numbers):
        """`numbers`: what to compute from."""
        self.numbers = numbers

    @dcache
    def above(self, limit):
        """A method with an argument: results by object and argument."""
        print(f"  looking for what is above {limit}")
        return [number for number in self.numbers if number > limit]

    @property
    @dcache
    def total(self):
        """A property: one result an object."""
        print("  adding up")
        return sum(self.numbers)

    @staticmethod
    @dcache
    def rounded(number):
        """Knows no object: one result for all of them."""
        print(f"  rounding {number}")
        return round(number)


one, other = Report([1, 5, 9]), Report([2, 6])
print(one.above(4), one.above(4), one.above(limit=4))
print(other.above(4))
print(one.total, one.total)
print(one.rounded(2.6), other.rounded(2.6))

one.above.invalidate(4)  # The verbs know the object, too: the other's result stays.
print(one.above(4), other.above(4))

print("kept:", Report.above.cache_info().currsize)
del one  # Nothing here keeps it alive.
print("kept:", Report.above.cache_info().currsize)

# Prints:
#   looking for what is above 4
# [5, 9] [5, 9] [5, 9]
#   looking for what is above 4
# [6]
#   adding up
# 15 15
#   rounding 2.6
# 3 3
#   looking for what is above 4
# [5, 9] [6]
# kept: 2
# kept: 1
