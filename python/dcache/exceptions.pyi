# SPDX-License-Identifier: MIT
# The names of the first version.
__all__ = ["NotExistError"]

class NotExistError(KeyError): ...
