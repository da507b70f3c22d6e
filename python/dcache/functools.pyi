# SPDX-License-Identifier: MIT
from collections.abc import Callable
from typing import TypeVar, overload, type_check_only

from typing_extensions import ParamSpec

from ._engine import Function

__all__ = ["cache", "lru_cache"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

@type_check_only
class _Decorator:
    def __call__(self, function: Callable[_P, _R], /) -> Function[_P, _R]: ...

@overload
def lru_cache(maxsize: int | None = 128, typed: bool = False) -> _Decorator: ...
@overload
def lru_cache(maxsize: Callable[_P, _R], typed: bool = False) -> Function[_P, _R]: ...
def cache(user_function: Callable[_P, _R], /) -> Function[_P, _R]: ...
