"""How values become JSON and are read back: a codec is a pair of functions, and codecs are put together from codecs.

Reading trusts nothing: whatever is not as it should be raises `IRFormatError`, which says where and what in one
sentence.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn, cast

from ..diagnostics import SourceFile, safe
from ..records import dataclass
from .nodes import Instance, Scope

Json = object
"""What `json.loads` makes: None, bool, int, float, str, list, dict."""

MAX_NODES = 1_000_000
MAX_INT = 2**63


class IRFormatError(ValueError):
    """JSON that is no network: `problem` in one plain sentence, `where` the keys and indices that lead there."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps: list[str | int] = []

    @property
    def where(self) -> str:
        """Like `instances[3].body[0].label`; empty for the whole."""
        steps = reversed(self.steps[-40:])
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")

    def __str__(self) -> str:
        return safe(f"{self.where}: {self.problem}" if self.steps else self.problem)


class Step:
    """A context in which an error gets one more step on its way in: `with Step("body"): ...`."""

    __slots__ = ("key",)

    def __init__(self, key: str | int) -> None:
        self.key = key

    def __enter__(self) -> None:
        return

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, IRFormatError):
            self.add(error)

    def add(self, error: IRFormatError) -> None:
        error.steps.append(self.key[:60] if isinstance(self.key, str) else self.key)


class Writer:
    """The tables of a document while it is written: what is shared is numbered once."""

    def __init__(self) -> None:
        self.files: dict[int, tuple[int, SourceFile]] = {}
        self.scopes: dict[int, tuple[int, Scope]] = {}
        self.instances: dict[int, tuple[int, Instance]] = {}

    def file(self, file: SourceFile) -> int:
        return self.files.setdefault(id(file), (len(self.files), file))[0]

    def scope(self, scope: Scope) -> int:
        return self.scopes.setdefault(id(scope), (len(self.scopes), scope))[0]

    def instance(self, instance: Instance) -> int:
        return self.instances.setdefault(id(instance), (len(self.instances), instance))[0]


class Reader:
    """The tables of a document while it is read."""

    def __init__(self) -> None:
        self.files: list[SourceFile] = []
        self.scopes: list[Scope] = []
        self.instances: list[Instance] = []
        self.nodes = 0

    def count_node(self) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            wrong(f"there are more than {MAX_NODES} nodes")


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of value is written and read."""

    write: Callable[[Writer, Any], Json]
    read: Callable[[Reader, Json], Any]


def wrong(problem: str) -> NoReturn:
    """Raise what is wrong."""
    raise IRFormatError(problem)


def shown(value: Json) -> str:
    """A piece of JSON as a message calls it."""
    if isinstance(value, list | tuple | dict):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) > MAX_INT:
        return "a huge number"
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# ---- plain values ---------------------------------------------------------------------------------------------------


def as_list(value: Json) -> list[Any]:
    if not isinstance(value, list | tuple):
        wrong(f"a list is needed here, this is {shown(value)}")
    return list(cast("list[Any]", value))


def as_object(value: Json) -> dict[str, Any]:
    if not isinstance(value, dict):
        wrong(f"an object is needed here, this is {shown(value)}")
    found = cast("dict[object, Any]", value)
    for key in found:
        as_text(key)
    return cast("dict[str, Any]", found)


def as_text(value: Json) -> str:
    if not isinstance(value, str):
        wrong(f"text is needed here, this is {shown(value)}")
    return value


def as_int(value: Json) -> int:
    if type(value) is not int or abs(value) > MAX_INT:
        wrong(f"a whole number is needed here, this is {shown(value)}")
    return value


def as_bool(value: Json) -> bool:
    if not isinstance(value, bool):
        wrong(f"true or false is needed here, this is {shown(value)}")
    return value


def as_name(value: Json) -> str:
    """A name as the language has them, so that generated code may rely on it."""
    text = as_text(value)
    if not text.isidentifier() or len(text) > 100:
        wrong(f"a name is needed here, this is {shown(text)}")
    return text


def _as_word(value: Json) -> str:
    """A module's word, perhaps of another file: `resnet.bottleneck`."""
    for part in as_text(value).split("."):
        as_name(part)
    return as_text(value)


def _as_segment(value: Json) -> str:
    """One segment of a label: printable, without quotes."""
    text = as_text(value)
    if not text or len(text) > 200 or not text.isprintable() or '"' in text:
        wrong(f"a label is needed here, this is {shown(text)}")
    return text


def _plain(read: Callable[[Json], Any]) -> Codec:
    return Codec(lambda _, value: value, lambda _, value: read(value))


TEXT, INT, BOOL = _plain(as_text), _plain(as_int), _plain(as_bool)
NAME, WORD, SEGMENT = _plain(as_name), _plain(_as_word), _plain(_as_segment)


def one_of(what: str, *known: str) -> Codec:
    """One of some words."""

    def read(_: Reader, value: Json) -> str:
        if as_text(value) not in known:
            wrong(f"{what} is one of {' '.join(known)}, not {shown(value)}")
        return as_text(value)

    return Codec(lambda _, value: value, read)


# ---- codecs of codecs -----------------------------------------------------------------------------------------------


def optional(codec: Codec) -> Codec:
    """The value or null."""
    return Codec(
        lambda w, value: None if value is None else codec.write(w, value),
        lambda r, value: None if value is None else codec.read(r, value),
    )


def tuple_of(codec: Codec, least: int = 0) -> Codec:
    """A tuple as a list."""

    def read(r: Reader, value: Json) -> tuple[Any, ...]:
        found: list[Any] = []
        for number, part in enumerate(as_list(value)):
            with Step(number):
                found.append(codec.read(r, part))
        if len(found) < least:
            wrong("this list is empty")
        return tuple(found)

    return Codec(lambda w, value: [codec.write(w, part) for part in value], read)


def row(*codecs: Codec) -> Codec:
    """A tuple of a fixed length as a list."""

    def read(r: Reader, value: Json) -> tuple[Any, ...]:
        parts = as_list(value)
        if len(parts) != len(codecs):
            wrong(f"{len(codecs)} parts are needed here, not {len(parts)}")
        return tuple(codec.read(r, part) for codec, part in zip(codecs, parts, strict=True))

    return Codec(lambda w, value: [c.write(w, part) for c, part in zip(codecs, value, strict=True)], read)


def mapping(key: Codec, codec: Codec) -> Codec:
    """A mapping as an object, in its own order."""

    def read(r: Reader, value: Json) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, part in as_object(value).items():
            with Step(name):
                found[key.read(r, name)] = codec.read(r, part)
        return found

    return Codec(lambda w, value: {name: codec.write(w, part) for name, part in value.items()}, read)


def pairs(key: Codec, codec: Codec) -> Codec:
    """A tuple of pairs (name, value), no name twice, as an object."""
    inner = mapping(key, codec)

    def write(w: Writer, value: tuple[tuple[str, Any], ...]) -> Json:
        if len(dict(value)) < len(value):
            wrong("a name stands twice in what has one of each")
        return inner.write(w, dict(value))

    return Codec(write, lambda r, value: tuple(inner.read(r, value).items()))


def record(made: type[Any], codecs: Mapping[str, Codec], tag: Mapping[str, str] | None = None) -> Codec:
    """A dataclass as an object of its fields; what has its default is left out. `tag` is written first."""
    fields = {f.name: f for f in dataclasses.fields(made)}
    assert fields.keys() == codecs.keys(), made
    marks = dict(tag or {})

    def write(w: Writer, value: Any) -> Json:
        parts = {name: getattr(value, name) for name in codecs}
        kept = {n: p for n, p in parts.items() if not (type(p) is type(fields[n].default) and p == fields[n].default)}
        return {**marks, **{name: codecs[name].write(w, part) for name, part in kept.items()}}

    def read(r: Reader, value: Json) -> Any:
        given = as_object(value)
        found: dict[str, Any] = {}
        for name, part in given.items():
            if name in marks:
                continue
            if name not in codecs:
                wrong(f"there is no field {shown(name)} here; it has {', '.join(codecs)}")
            with Step(name):
                found[name] = codecs[name].read(r, part)
        for name, field in fields.items():
            if name not in found and field.default is dataclasses.MISSING:
                wrong(f"the field {name!r} is missing")
        return made(**found)

    return Codec(write, read)


def one_record(key: str, records: Mapping[str, tuple[type[Any], Mapping[str, Codec]]]) -> Codec:
    """One of several dataclasses, told apart by what stands under `key`."""
    codecs = {name: record(made, fields, {key: name}) for name, (made, fields) in records.items()}
    names = {made: name for name, (made, _) in records.items()}

    def read(r: Reader, value: Json) -> Any:
        kind = as_object(value).get(key)
        if not isinstance(kind, str) or kind not in codecs:
            wrong(f"{key!r} is one of {' '.join(codecs)}, not {shown(kind)}")
        return codecs[kind].read(r, value)

    return Codec(lambda w, value: codecs[names[type(value)]].write(w, value), read)
