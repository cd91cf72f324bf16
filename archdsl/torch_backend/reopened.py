"""What `again` needs written out: levels and modules of which one object could not do both applications.

An object of a class is made once. Where the second application needs other numbers than the first (a crop of another
size, another class altogether), what is applied twice gets no class: its lines stand in the `forward` around it, once for
each application, its members in a container under its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from ..ir import graph as g
from ..ir.names import Namer
from ..ir.renumbering import PARTS, renumbered, turns
from ..ir.shapes import Shape
from ..records import dataclass

Segments = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """An item that needs its lines written out: its definition (file and name) and its path there.

    `cut` is the path of the level that has become a class, as labels say it, in which it was found: that is opened first.
    """

    definition: tuple[str, str]
    path: Segments
    cut: bool = False


class ReopenError(Exception):
    """Raised while a class is written: once more, with one more item written out."""

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self.opening = opening


@dataclass(frozen=True, slots=True)
class OpenLevel(g.Level):
    """A level that is written out where it stands."""


def reopened(root: g.Instance, openings: frozenset[Opening]) -> g.Instance:
    """The same network with some levels and calls made levels that are written out."""
    return _Reopener(openings).instance(root) if openings else root


class _Reopener:
    def __init__(self, openings: frozenset[Opening]) -> None:
        self.openings = openings
        self.known: dict[int, tuple[g.Instance, g.Instance]] = {}

    def instance(self, instance: g.Instance) -> g.Instance:
        if id(instance) not in self.known:
            self.known[id(instance)] = (instance, _Body(self, instance).whole())
        return self.known[id(instance)][1]


@dataclass(frozen=True, slots=True)
class _At:
    """Where a body stands: its path, and as labels say it."""

    path: Segments
    said: Segments
    turn: str | None = None


class _Body:
    """Rewrites the body of one instance."""

    def __init__(self, reopener: _Reopener, instance: g.Instance) -> None:
        self.reopener, self.source = reopener, instance
        definition = (instance.scope.file, instance.name)
        own = [o for o in reopener.openings if o.definition == definition]
        self.paths = {o.path for o in own if not o.cut}
        self.cuts = {o.path for o in own if o.cut}
        self.shapes: list[Shape] = list(instance.shapes)
        self.same: dict[int, int] = {}

    def whole(self) -> g.Instance:
        source = self.source
        body = self.body(source.body, Namer(False), _At((), ()))
        same = {value: self.actual(value) for value in self.same}
        body = cast("g.Body", renumbered(body, same)) if same else body
        output = same.get(source.output, source.output)
        return replace(source, body=body, output=output, shapes=tuple(self.shapes))

    def actual(self, value: int) -> int:
        """The value that one is, which was the output of a call."""
        while value in self.same:
            value = self.same[value]
        return value

    def body(self, body: g.Body, namer: Namer, at: _At) -> g.Body:
        return tuple(self.node(node, namer, at) for node in body)

    def node(self, node: g.Node, namer: Namer, at: _At) -> g.Node:
        match node:
            case g.Layer():
                namer.name(node)
                return node
            case g.Level():
                return self.level(node, namer, at)
            case g.Invoke():
                return self.invoke(node, namer, at)
            case g.Repeat():
                return replace(node, runs=tuple(made for run in node.runs for made in self.runs(run, namer, at)))
            case g.Reuse():
                return self.reuse(node)
            case _:
                return self.parts(node, namer, at)

    def parts(self, node: Any, namer: Namer, at: _At) -> Any:
        """A node, an arm or a run with its bodies rewritten, in the order they are named."""
        if node is None:
            return None
        if isinstance(node, tuple):
            return tuple(self.parts(part, namer, at) for part in cast("tuple[object, ...]", node))
        if isinstance(node, g.Arm | g.Run):
            return replace(node, body=self.body(node.body, namer, at))
        if isinstance(node, g.Line | g.Choice | g.SideOutput):
            return replace(node, body=self.body(node.body, namer, at))
        names = [name for name in PARTS if hasattr(node, name)]
        if getattr(node, "shortcut_first", False):
            names.sort(reverse=True)
        return replace(node, **{name: self.parts(getattr(node, name), namer, at) for name in names})

    def runs(self, run: g.Run, namer: Namer, at: _At) -> list[g.Run]:
        """A run, or its turns where one of them has something to open."""
        inner = replace(at, turn=str(run.index))
        if run.count == 1 or not any(path[: len(at.path)] == at.path for path in self.paths):
            before = dict(namer.counts)
            made = replace(run, body=self.body(run.body, namer, inner))
            namer.skip(before, run.count - 1)
            return [made]
        bodies = [self.body(run.body, namer, replace(at, turn=str(run.index + n))) for n in range(run.count)]
        return list(turns(run, bodies, self.shapes))

    def level(self, level: g.Level, namer: Namer, at: _At) -> g.Level:
        path = (*at.path, *namer.name(level))
        said = (*at.said, *(level.label.segments if level.label is not None else (at.turn or "_",)))
        body = self.body(level.body, Namer(True), _At(path, said))
        kind = OpenLevel if path in self.paths or said in self.cuts else type(level)
        return kind(level.label, body, level.output, level.span)

    def invoke(self, invoke: g.Invoke, namer: Namer, at: _At) -> g.Invoke | g.Level:
        name = namer.name(invoke)
        path = (*at.path, *name)
        if path not in self.paths:
            return replace(invoke, instance=self.reopener.instance(invoke.instance))
        made = self.dissolved(invoke, path)
        return OpenLevel(g.Label(name), made, self.same[invoke.output], invoke.span)

    def reuse(self, reuse: g.Reuse) -> g.Reuse:
        if reuse.path in self.paths and len(reuse.body) == 1 and isinstance(reuse.body[0], g.Invoke):
            return replace(reuse, body=self.dissolved(reuse.body[0], reuse.path))
        return replace(reuse, body=self.body(reuse.body, Namer(True), _At(reuse.path, reuse.path)))

    # -- a call as a level

    def dissolved(self, invoke: g.Invoke, path: Segments) -> g.Body:
        """The body of a called instance among the values of this one; its items labelled as it names them."""
        inner = self.reopener.instance(invoke.instance)
        numbers = dict(zip(inner.entry, invoke.inputs, strict=True))
        for value, shape in enumerate(inner.shapes):
            if value not in numbers:
                numbers[value] = len(self.shapes)
                self.shapes.append(shape)
        self.same[invoke.output] = numbers[inner.output]
        body = cast("g.Body", renumbered(inner.body, numbers))
        return self.labelled(body, Namer(False), path)

    def labelled(self, body: Any, namer: Namer, path: Segments) -> Any:
        """Nodes with their names as labels, and what they say of paths counted from outside."""
        if isinstance(body, tuple):
            return tuple(self.labelled(node, namer, path) for node in cast("tuple[object, ...]", body))
        node: Any = body
        if node is None:
            return None
        if isinstance(node, g.Repeat):
            return replace(node, runs=tuple(made for run in node.runs for made in self.labelled_runs(run, namer, path)))
        if isinstance(node, g.Layer | g.Invoke | g.Level):
            return _outside(replace(node, label=g.Label(namer.name(node))), path)
        if isinstance(node, g.Reuse | g.Look):
            return _outside(node, path)
        names = [name for name in PARTS if hasattr(node, name)]
        if getattr(node, "shortcut_first", False):
            names.sort(reverse=True)
        found = {name: self.labelled(getattr(node, name), namer, path) for name in names}
        return replace(node, **found, **({"expressions": ()} if isinstance(node, g.Join) else {}))

    def labelled_runs(self, run: g.Run, namer: Namer, path: Segments) -> list[g.Run]:
        bodies = [self.labelled(run.body, namer, path) for _ in range(run.count)]
        return list(turns(run, bodies, self.shapes))


def _outside(node: Any, path: Segments) -> Any:
    """A node without the words of the definition it stood in, its paths counted from the one it stands in now."""
    if isinstance(node, tuple):
        return tuple(_outside(part, path) for part in cast("tuple[object, ...]", node))
    if node is None:
        return None
    changes: Mapping[str, Any] = {name: _outside(getattr(node, name), path) for name in PARTS if hasattr(node, name)}
    if isinstance(node, g.Layer):
        tied = tuple((name, (*path, *of)) for name, of in node.tied)
        return replace(node, expressions=(), tied=tied, abbreviation=None)
    if isinstance(node, g.Invoke | g.Join):
        return replace(node, expressions=(), **changes)
    if isinstance(node, g.Reuse | g.Look):
        return replace(node, path=(*path, *node.path), **changes)
    return replace(node, **changes)
