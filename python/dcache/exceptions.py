# SPDX-License-Identifier: MIT
"""The first version's name of an error."""

__all__ = ["NotExistError"]


class NotExistError(KeyError):
    """Nothing is kept under this key."""
