# SPDX-License-Identifier: MIT
# The names of the first version.
__all__ = ["dhash"]

def dhash(*args: object, **kwargs: object) -> str: ...
