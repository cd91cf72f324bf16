"""Dataclasses that cost little to define.

The standard `dataclass` compiles six functions a class, which takes most of the time that importing a module of data does.
This one gives the same classes - fields, equality, hash, representation, errors - with functions that all classes share,
and compiles only `__init__`, when a class has made some objects. To type checkers it is the standard one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(
        cls: type | None = None,
        /,
        *,
        frozen: bool = False,
        slots: bool = False,
        eq: bool = True,
        repr: bool = True,
        kw_only: bool = False,
    ) -> Any:
        """As `dataclasses.dataclass`."""

        def made(plain: type) -> type:
            found = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(plain)
            return _finished(found, frozen, slots, eq, repr)

        return made if cls is None else made(cls)


_ABSENT = object()
_FEW = 3
_RARE = 20
"""How many objects of a class are made before compiling its `__init__` is worth while."""
_become = object.__dict__["__class__"].__set__


def _finished(cls: type, frozen: bool, slots: bool, eq: bool, repr: bool) -> type:
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cls)
    methods: dict[str, Any] = {"__init__": _first_init(cls, fields, frozen, slots)}
    if repr:
        methods["__repr__"] = _repr
    if eq:
        values = _getter(tuple(f.name for f in fields if f.compare))
        methods["__eq__"] = _equality(values)
        hashed = _getter(tuple(f.name for f in fields if (f.compare if f.hash is None else f.hash)))
        methods["__hash__"] = _hash(hashed) if frozen else None
    if frozen:
        methods["__setattr__"], methods["__delattr__"] = _no_setting, _no_deleting
        if slots:
            methods["__getstate__"], methods["__setstate__"] = _state, _restore
    for name, method in methods.items():
        if name not in vars(cls) or (name == "__hash__" and vars(cls)[name] is None):
            setattr(cls, name, method)
    return cls


def _getter(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """Some attributes as a tuple."""
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda record: (get(record),)


def _equality(values: Callable[[Any], Any]) -> Callable[[Any, object], Any]:
    def __eq__(self: Any, other: object) -> Any:  # noqa: N807
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _hash(values: Callable[[Any], Any]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(values(self))

    return __hash__


def _repr(self: Any) -> str:
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _no_setting(self: object, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _no_deleting(self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, f.name) for f in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


def _first_init(
    cls: type, fields: tuple[dataclasses.Field[Any], ...], frozen: bool, slots: bool
) -> Callable[..., None]:
    """An `__init__` for the first objects, and for wrong arguments, that then puts the compiled one in its place."""
    plain = tuple(field.name for field in fields if field.init and not field.kw_only)
    made = 0

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        nonlocal made
        made += 1
        given = dict(zip(plain, args, strict=False)) | kwargs
        if made > _RARE or len(given) != len(args) + len(kwargs) or not _filled(self, fields, given):
            if vars(cls)["__init__"] is __init__:
                type.__setattr__(cls, "__init__", _compiled_init(cls, fields, frozen, slots))
            vars(cls)["__init__"](self, *args, **kwargs)
        elif hasattr(cls, "__post_init__"):
            self.__post_init__()

    return __init__


def _filled(record: Any, fields: tuple[dataclasses.Field[Any], ...], given: dict[str, Any]) -> bool:
    """Set the fields of an object; False if one is missing or a value belongs to none."""
    used = 0
    for field in fields:
        if field.init and field.name in given:
            used += 1
            value = given[field.name]
        elif field.default is not dataclasses.MISSING:
            value = field.default
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        elif field.init:
            return False
        else:
            continue  # `__post_init__` sets it
        object.__setattr__(record, field.name, value)
    return used == len(given)


def _compiled_init(
    cls: type, fields: tuple[dataclasses.Field[Any], ...], frozen: bool, slots: bool
) -> Callable[..., None]:
    names: dict[str, Any] = {"_absent": _ABSENT}
    plain: list[str] = []
    opened = frozen and slots and len(fields) > _FEW and cls.__bases__ == (object,) and all(f.init for f in fields)
    named: list[str] = []
    body: list[str] = []
    values: list[str] = []
    for field in fields:
        name = field.name
        value = name
        default = ""
        if field.default is not dataclasses.MISSING:
            names[f"_default_{name}"] = field.default
            default = f"=_default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"] = field.default_factory
            default, value = "=_absent", f"_make_{name}() if {name} is _absent else {name}"
        if field.init:
            (named if field.kw_only else plain).append(name + default)
        elif not default:
            continue  # `__post_init__` sets it
        values.append(value)
        if not frozen or opened:
            body.append(f"self.{name} = {value}")
        elif slots:
            names[f"_set_{name}"] = getattr(cls, name).__set__
            body.append(f"_set_{name}(self, {value})")
        else:
            body.append(f"{name!r}: {value}")
    if frozen and not slots and body:  # attributes are found quicker in a dictionary of its own than in a shared one
        names["_set_fields"] = next(vars(c)["__dict__"] for c in cls.__mro__ if "__dict__" in vars(c)).__set__
        body = [f"_set_fields(self, {{{', '.join(body)}}})"]
    if opened:  # while its fields are set it is of a class that lets them: quicker than each behind a lock
        names["_open"], names["_own"], names["_become"], names["_restore"] = _opened(cls), cls, _become, _restore
        open_body = ["_become(self, _open)", *body, "self.__class__ = _own"]
        subclass_body = f"_restore(self, [{', '.join(values)}])"
        body = ["if self.__class__ is _own:", *(f" {line}" for line in open_body), "else:", f" {subclass_body}"]
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    signature = ", ".join(["self", *plain, *(["*", *named] if named else [])])
    lines = "\n ".join(body or ["pass"])
    exec(f"def __init__({signature}):\n {lines}", names)  # noqa: S102 - the text is made of field names alone
    made: Callable[..., None] = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


@cache
def _opened(cls: type) -> type:
    """A class of the same slots that lets them be set."""
    return type(cls.__name__, (), {"__slots__": tuple(f.name for f in dataclasses.fields(cls))})


Row = TypeVar("Row", bound="tuple[Any, ...]")
Made = TypeVar("Made")
Arguments = ParamSpec("Arguments")


def maker(row: type[Row]) -> Callable[[tuple[Any, ...]], Row]:
    """What makes a NamedTuple of all its fields, in less than half the time: for what is made by the thousand."""
    return partial(tuple.__new__, row)  # pyright: ignore[reportUnknownMemberType]


def constructor(cls: Callable[Arguments, Made]) -> Callable[Arguments, Made]:
    """What makes an object of one of our frozen dataclasses of slots, in half the time: for what is made by the thousand.

    It takes all fields in their order, a default that is one value aside.
    """
    own: Any = cls
    fields = dataclasses.fields(own)
    names: dict[str, Any] = {f"_default_{f.name}": f.default for f in fields if f.default is not dataclasses.MISSING}
    names |= {"_open": _opened(own), "_own": own}
    taken = ", ".join(f.name + (f"=_default_{f.name}" if f"_default_{f.name}" in names else "") for f in fields)
    body = "\n ".join(["_self = _open()", *(f"_self.{f.name} = {f.name}" for f in fields), "_self.__class__ = _own"])
    exec(f"def _made({taken}):\n {body}\n return _self", names)  # noqa: S102 - the text is made of field names alone
    return names["_made"]


__all__ = ["constructor", "dataclass", "maker"]
