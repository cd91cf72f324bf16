"""Straight chains of modules: `nn.Sequential`, with equal neighbours compressed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import expr as ex
from ..ir import graph as g
from ..ir.names import Namer
from ..ir.shapes import Shape
from . import pycode as py
from .formulas import NotEmittedError, UnmergeableError
from .members import first_input, installation, member_of
from .values import Value, consumed, inside

if TYPE_CHECKING:
    from .classes import ClassWriter

_CHAIN = g.Layer | g.Invoke | g.Level | g.Line | g.Choice | g.Repeat
MAX_MEMBERS = 2_000


def is_chain(item: g.Level | g.Layer | g.Invoke, uses: Counter[int], shapes: Sequence[Shape]) -> bool:
    """Whether an item hands one value from layer to layer and nothing outside looks into it."""
    made: list[int] = []
    body = item.body if isinstance(item, g.Level) else (item,)
    return _chain(body, made, shapes) and all(uses[v] == 1 for v in made if v != item.output)


def _chain(body: g.Body, made: list[int], shapes: Sequence[Shape]) -> bool:
    for node in body:
        if not isinstance(node, _CHAIN) or len(tuple(consumed(node))) > 1 or getattr(node, "tied", ()):
            return False
        if isinstance(node, g.Layer):
            form = node.operator.torch(*(shapes[v] for v in node.inputs))
            if form.module is None or form.first:
                return False
        if isinstance(node, g.Layer | g.Invoke):
            made.append(node.output)
        if not all(_chain(b, made, shapes) for b in inside(node)):
            return False
    return True


@dataclass(frozen=True)
class Member:
    """One item of a sequence: its name, its constructor, how many equal ones follow one another."""

    name: str
    code: py.Expr | None
    inner: tuple[Member, ...]
    count: int = 1


class Sequencer:
    """Writes one chain as a container."""

    def __init__(self, writer: ClassWriter) -> None:
        self.writer = writer
        self.features: ex.Expr | None = None
        self.current: Value | None = None

    def statements(self, target: tuple[str, ...], levels: Mapping[int, g.Level]) -> list[py.Stmt]:
        """The statements that make `target` the container of a level."""
        entry = {n: first_input(level.body, level.output) for n, level in levels.items()}
        self.current = self.writer.get(entry)
        members = self.members({n: level.body for n, level in levels.items()}, {n: Namer(True) for n in levels})
        self.features = self.current.features
        return self.assigned(target, members)

    def item(
        self, target: tuple[str, ...], nodes: Mapping[int, g.Layer | g.Invoke | g.Level], value: Value
    ) -> tuple[list[py.Stmt], ex.Expr | None]:
        """The statements that make `target` one layer, module or level."""
        first = next(iter(nodes.values()))
        self.current = value
        if isinstance(first, g.Level):
            members = self.members({n: i.body for n, i in nodes.items()}, {n: Namer(True) for n in nodes})  # type: ignore[union-attr]
            return self.assigned(target, members), self.features
        return [installation(target, self.one(dict(nodes)))], self.features

    def assigned(self, target: tuple[str, ...], members: Sequence[Member]) -> list[py.Stmt]:
        """The statements that make a path the container of some members."""
        if self.numbered(members):
            return [installation(target, self.sequential(members))]
        found: list[py.Stmt] = [installation(target, py.Call(py.Name("nn.Sequential")))]
        for at, member in enumerate(members):
            if member.count != 1:
                raise NotEmittedError("a repeat among labelled items of a level")
            if member.code is None:
                found.extend(self.assigned((*target, member.name), member.inner))
            elif member.name == str(at):
                found.append(py.ExprStmt(py.Call(py.Attr(member_of(target), "append"), (member.code,))))
            else:
                found.append(installation((*target, member.name), member.code))
        return found

    def numbered(self, members: Sequence[Member]) -> bool:
        """Whether every name is the member's position, all the way down."""
        at = 0
        for member in members:
            if member.name != str(at) or not self.numbered(member.inner):
                return False
            at += member.count
        return True

    def sequential(self, members: Sequence[Member]) -> py.Expr:
        items: list[py.Expr | py.Star] = []
        for member in members:
            code = member.code if member.code is not None else self.sequential(member.inner)
            if member.count == 1:
                items.append(code)
            else:
                count = py.Call(py.Name("range"), (py.Lit(member.count),))
                items.append(py.Star(py.ListComp(code, py.Name("_"), count)))
        return py.Call(py.Name("nn.Sequential"), tuple(items))

    # -- members

    def members(self, bodies: Mapping[int, g.Body], namers: Mapping[int, Namer]) -> list[Member]:
        if len({len(b) for b in bodies.values()}) != 1:
            raise UnmergeableError
        found: list[Member] = []
        for at in range(len(next(iter(bodies.values())))):
            nodes = {n: b[at] for n, b in bodies.items()}
            if len({type(node) for node in nodes.values()}) != 1:
                raise UnmergeableError
            found.extend(self.node(nodes, namers))
        return _compressed(found)

    def node(self, nodes: Mapping[int, g.Node], namers: Mapping[int, Namer]) -> list[Member]:
        first = next(iter(nodes.values()))
        match first:
            case g.Layer() | g.Invoke():
                name = ".".join(self.writer.path(dict(nodes), namers))
                return [Member(name, self.one(dict(nodes)), ())]
            case g.Level():
                name = ".".join(self.writer.path(dict(nodes), namers))
                inner = self.members(_bodies(nodes), {n: Namer(True) for n in nodes})
                return [Member(name, None, tuple(inner))]
            case g.Line():
                return self.members(_bodies(nodes), namers)
            case g.Choice():
                if len({node.taken for node in nodes.values() if isinstance(node, g.Choice)}) != 1:
                    raise UnmergeableError
                return self.members(_bodies(nodes), namers)
            case _:
                return self.repeat({n: r for n, r in nodes.items() if isinstance(r, g.Repeat)}, namers)

    def repeat(self, repeats: Mapping[int, g.Repeat], namers: Mapping[int, Namer]) -> list[Member]:
        counts = {tuple(run.count for run in r.runs) for r in repeats.values()}
        if len(counts) != 1:
            raise UnmergeableError
        found: list[Member] = []
        for at, count in enumerate(next(iter(counts))):
            bodies = {n: r.runs[at].body for n, r in repeats.items()}
            once = self.members(bodies, namers)
            if len(once) == 1 and once[0].count == 1:
                found.append(Member(once[0].name, once[0].code, once[0].inner, count))
                for namer in namers.values():
                    namer.skip({**namer.counts, "": namer.counts[""] - 1}, count - 1)
                continue
            found.extend(once)
            if len(once) * count > MAX_MEMBERS:
                raise NotEmittedError(f"a repeat of {count} with several layers each")
            for _ in range(count - 1):
                found.extend(self.members(bodies, namers))
        return found

    def one(self, nodes: dict[int, g.Node]) -> py.Expr:
        """The constructor of one layer or module; what flows on is its output."""
        writer, value = self.writer, self.current
        assert value is not None
        first = next(iter(nodes.values()))
        if isinstance(first, g.Layer):
            layers = {n: node for n, node in nodes.items() if isinstance(node, g.Layer)}
            forms = {n: writer.form(n, layer) for n, layer in layers.items()}
            code = writer.constructed(layers, forms, [value])
            features = writer.layer_features(layers, [value])
        else:
            invokes = {n: node for n, node in nodes.items() if isinstance(node, g.Invoke)}
            if writer.emitter.writer(next(iter(invokes.values())).instance).returned:
                raise NotEmittedError("a value inside a module that some instances leave out")
            code = writer.construction(invokes, [value])
            features = writer.invoke_features(invokes, [value])
        outputs = {n: node.output for n, node in nodes.items() if isinstance(node, g.Layer | g.Invoke)}
        shapes = {n: writer.lanes[n].instance.shapes[v] for n, v in outputs.items()}
        self.current = Value(shapes, writer.checked(features, shapes), code, 1)
        self.features = self.current.features
        return code


def _bodies(nodes: Mapping[int, g.Node]) -> dict[int, g.Body]:
    return {n: node.body for n, node in nodes.items() if isinstance(node, g.Level | g.Line | g.Choice)}


def _compressed(members: Sequence[Member]) -> list[Member]:
    """Equal neighbours called by their positions as one with a count."""
    found: list[Member] = []
    for member in members:
        last = found[-1] if found else None
        same = last is not None and (last.code, last.inner) == (member.code, member.inner)
        if same and last is not None and last.name.isdigit() and member.name == str(int(last.name) + last.count):
            found[-1] = Member(last.name, last.code, last.inner, last.count + member.count)
        else:
            found.append(member)
    return found
