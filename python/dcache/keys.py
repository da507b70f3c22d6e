# SPDX-License-Identifier: MIT
"""The first version's name of a key of arguments."""

import hashlib

from ._engine import canonical_bytes

__all__ = ["dhash"]


def dhash(*args, **kwargs):
    """Text that is the same for equal arguments in every process, and different for others.

    SHA-256 of their canonical bytes, as hexadecimal digits. Raises UnkeyableError for arguments
    without a canonical form.
    """
    return hashlib.sha256(canonical_bytes((args, kwargs))).hexdigest()
