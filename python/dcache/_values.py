# SPDX-License-Identifier: MIT
"""Which classes the results of a function may be of, besides those that every program knows.

A class is known if the function's return annotation names it, anywhere inside it or inside the
annotations of the fields of a class that it names, or if it was registered. Nothing here runs in a
call: a function's codec is made once.
"""

import dataclasses
import enum
import functools
import sys
import types
import typing

from ._engine import ConfigError, UsageError, ValueCodec, _register
from ._identity import layers

# As `ValueClass::Kind`.
_RECORD, _TUPLE, _MEMBER, _CONVERTED = range(4)

_registered: dict[type, tuple] = {}


def register(cls=None, /, *, encode=None, decode=None):
    """Let results be of a class, for every function; also a decorator.

    A dataclass, a named tuple, an enum, an attrs class or a pydantic model needs nothing more. For
    any other class `encode` makes of an object something that has a form in bytes, and `decode`
    makes an object of that.

    Returns the class. Raises UsageError for what is no such class.
    """
    if cls is None:
        return functools.partial(register, encode=encode, decode=decode)
    if not isinstance(cls, type):
        raise UsageError(f"dcache.register({cls!r}): expected a class")
    if (encode is None) != (decode is None):
        raise UsageError("dcache.register: encode and decode belong together")
    for part, given in (("encode", encode), ("decode", decode)):
        if given is not None and not callable(given):
            raise UsageError(f"dcache.register: {part} is {given!r}; expected a callable")
    if encode is None:
        described = _described(cls)
        if described is None:
            raise UsageError(
                f"dcache.register({cls.__qualname__}): it is no dataclass, named tuple, enum, "
                "attrs class or pydantic model: say how with encode= and decode="
            )
    else:
        described = _CONVERTED, cls, _name_of(cls), (), encode, decode
        _register(cls, encode)
    _registered[cls] = described
    return cls


class PickleCodec:
    """Results as pickles, for what has no other form: `@cache(codec=PickleCodec(secret=...))`.

    Unpickling runs code, so records are signed with `secret`, at least 16 random bytes, and those
    that are not are never looked into. Whoever knows the secret can run code in every process that
    reads them.
    """

    name = "pickle"

    def __init__(self, *, secret):
        """Raises ConfigError for a secret that can be guessed."""
        secret = secret.encode() if isinstance(secret, str) else secret
        if not isinstance(secret, bytes) or len(secret) < 16:
            raise ConfigError("dcache: secret of PickleCodec: expected at least 16 random bytes")
        self.secret = secret

    def encode(self, value):
        """The pickle of a result."""
        import pickle

        return pickle.dumps(value, protocol=5)

    def decode(self, data):
        """The result of a pickle whose signature was found right."""
        import pickle

        return pickle.loads(data)

    def __repr__(self):
        """Without the secret."""
        return "PickleCodec(secret=...)"


def codec_of(function):
    """The codec of a function's results."""
    classes = dict(_registered)
    for annotated in _classes_in(*_return_annotation(function)):
        if annotated not in classes:
            described = _described(annotated)
            if described is not None:
                classes[annotated] = described
    return ValueCodec(tuple(classes.values()))


def _name_of(cls):
    return f"{cls.__module__}:{cls.__qualname__}"


def _described(cls):
    """(kind, class, name, fields, encode, decode), or None where a class says nothing about itself.

    Only the class itself counts: a subclass of a dataclass that is none has fields of its own.
    """
    own = vars(cls)
    if issubclass(cls, enum.Enum):
        return _MEMBER, cls, _name_of(cls), (), None, None
    if issubclass(cls, tuple) and isinstance(own.get("_fields"), tuple):
        return _TUPLE, cls, _name_of(cls), own["_fields"], None, None
    if "__dataclass_fields__" in own:  # Those of pydantic, too.
        fields = tuple(field.name for field in dataclasses.fields(cls))
        return _RECORD, cls, _name_of(cls), fields, None, None
    if "__pydantic_fields__" in own:
        return _CONVERTED, cls, _name_of(cls), (), _pydantic_state, _pydantic_maker(cls)
    if "__attrs_attrs__" in own:
        fields = tuple(attribute.name for attribute in own["__attrs_attrs__"])
        return _RECORD, cls, _name_of(cls), fields, None, None
    return None


# What pydantic itself keeps of a model when it copies or pickles it.
_PYDANTIC_SLOTS = ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")


def _pydantic_state(model):
    return (dict(vars(model)), *(getattr(model, name) for name in _PYDANTIC_SLOTS))


def _pydantic_maker(cls):
    names = frozenset(cls.__pydantic_fields__)

    def make(state):
        values, *slots = state
        if not names.issubset(values) or len(slots) != len(_PYDANTIC_SLOTS):
            raise ConfigError("its fields have changed")  # Becomes a miss.
        model = object.__new__(cls)
        object.__setattr__(model, "__dict__", values)
        for name, value in zip(_PYDANTIC_SLOTS, slots, strict=True):
            object.__setattr__(model, name, value)
        return model

    return make


def _return_annotation(function):
    """What the function says that it returns, and the function that says so."""
    function = layers(function)[-1]
    function = getattr(function, "__func__", function)
    return getattr(function, "__annotations__", {}).get("return"), function


def _evaluated(annotation, owner):
    """Text in an annotation is looked up where it was written; None where that cannot be told."""
    if not isinstance(annotation, (str, typing.ForwardRef)):
        return annotation
    text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
    module = sys.modules.get(getattr(owner, "__module__", None))
    names = getattr(owner, "__globals__", None) or getattr(module, "__dict__", {})
    local = dict(vars(owner)) if isinstance(owner, type) else {}
    try:
        return eval(text, names, local)  # The program's own source text.
    except Exception:
        return None  # Names that only type checkers see: the class can be registered.


def _classes_in(annotation, owner):
    """Every class that an annotation names, and that the fields of these name, each once.

    owner: the function or class that is annotated.
    """
    found, todo = {}, [(annotation, owner)]
    while todo:
        part, owner = todo.pop()
        part = _evaluated(part, owner)
        arguments = typing.get_args(part)
        if arguments:
            todo += [(argument, owner) for argument in arguments]
            part = typing.get_origin(part)
        if isinstance(part, typing.NewType):
            todo.append((part.__supertype__, owner))
        if isinstance(part, (list, tuple)):  # The parameters of a Callable.
            todo += [(each, owner) for each in part]
        if not isinstance(part, type) or part in found or isinstance(part, types.GenericAlias):
            continue
        found[part] = None
        for base in part.__mro__:
            annotations = vars(base).get("__annotations__")
            if isinstance(annotations, dict):  # `type` itself has another thing of this name.
                todo += [(each, base) for each in annotations.values()]
    return found
