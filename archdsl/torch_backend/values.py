"""Values on their way through `forward`: which are still needed, and which variable holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .. import expr as ex
from ..ir.graph import (
    Body,
    Choice,
    Instance,
    Invoke,
    Join,
    Layer,
    Level,
    Line,
    Look,
    Node,
    Repeat,
    Residual,
    Reuse,
    Run,
    SideOutput,
)  # fmt: skip
from ..ir.lookup import arms
from ..ir.shapes import Shape
from . import pycode as py

MAX_CALLS = 3


@dataclass(eq=False)
class Value:
    """A value in all lanes: its shapes by lane, the formula of its features, the code that gives it.

    `depth` counts the calls of a code not yet assigned to a variable; `reads` are the variables it mentions.
    """

    shapes: dict[int, Shape]
    features: ex.Expr | None
    code: py.Expr
    uses: int
    depth: int = 0
    reads: frozenset[str] = frozenset()
    variable: str | None = None
    far: bool = False
    label: str | None = None
    """What the spec calls it."""
    kept: bool = False
    """Whether its variable stays to the end, however often it is read."""


def far_values(instance: Instance) -> set[int]:
    """The values that are read again after the next value has been made of them: those a name of their own helps."""
    found: set[int] = set()
    _far(instance.body, found)
    return found


def _far(body: Body, found: set[int]) -> None:
    made: dict[int, int] = {}
    for at, node in enumerate(body):
        for value in set(_reads(node)):
            between = body[made[value] + 1 : at] if value in made else ()
            if any(not isinstance(b, SideOutput) and any(True for _ in _made((b,))) for b in between):
                found.add(value)
        made.update(dict.fromkeys(_made((node,)), at))
        for inner in inside(node):
            _far(inner, found)


def _reads(node: Node) -> Iterable[int]:
    yield from consumed(node)
    for body in inside(node):
        for inner in body:
            yield from _reads(inner)


def count_uses(instance: Instance) -> Counter[int]:
    """How often each value of an instance is read, its output once more by the caller."""
    uses: Counter[int] = Counter()
    _count(instance.body, uses)
    uses[instance.output] += 1
    return uses


def count_reads(body: Body) -> Counter[int]:
    """How often each value is read in a body."""
    uses: Counter[int] = Counter()
    _count(body, uses)
    return uses


def _count(body: Body, uses: Counter[int]) -> None:
    for node in body:
        for value in consumed(node):
            uses[value] += 1
        if isinstance(node, Repeat):
            for run in node.runs:
                _count_run(run, uses)
            continue
        for inner in inside(node):
            _count(inner, uses)


def _count_run(run: Run, uses: Counter[int]) -> None:
    """What an iteration reads from outside is read by each of its equals."""
    inner: Counter[int] = Counter()
    _count(run.body, inner)
    own = {run.input, *_made(run.body)}
    for value, count in inner.items():
        uses[value] += count if value in own else count * run.count


def _made(body: Body) -> Iterable[int]:
    """The values that are new: what a level, a choice or a residual not taken hands on, it has not made."""
    for node in body:
        if isinstance(node, Layer | Invoke | Join | Look) or (isinstance(node, Residual) and node.taken):
            yield node.output
        if isinstance(node, Join):
            yield from node.shares
        for part in inside(node):
            yield from _made(part)


def consumed(node: Node) -> Iterable[int]:
    """The values a node itself reads, what is inside it aside."""
    match node:
        case Layer() | Invoke():
            return node.inputs
        case Join():
            return (*((node.input,) if node.shares else ()), *node.inputs)
        case Residual() if node.taken:
            return (node.main.output, node.main.input if node.shortcut is None else node.shortcut.output)
        case SideOutput():
            return (node.value,)
        case _:
            return ()


def inside(node: Node) -> Iterable[Body]:
    """The bodies inside a node."""
    match node:
        case Level() | Line() | Choice() | SideOutput() | Reuse():
            return (node.body,)
        case Residual() | Join():
            return [a.body for a in arms(node)]
        case Repeat():
            return [r.body for r in node.runs]
        case _:
            return ()


def reshaped(instance: Instance) -> set[int]:
    """The layers, by their identity, that `again` applies to places of another size, in every application of theirs."""
    applied: dict[tuple[str, ...], list[Body]] = {}
    for reuse in _reuses(instance.body):
        first = _labelled(instance.body, reuse.path)
        if first is not None:
            applied.setdefault(reuse.path, [(first,)]).append(reuse.body)
    found: set[int] = set()
    for bodies in applied.values():
        lists = [list(_layers(body)) for body in bodies]
        for at in range(min(map(len, lists))):
            layers = [there[at] for there in lists]
            shapes = {tuple(instance.shapes[v] for v in layer.inputs) for layer in layers}
            if len(shapes) > 1:
                found.update(map(id, layers))
    return found


def _reuses(body: Body) -> Iterable[Reuse]:
    for node in body:
        if isinstance(node, Reuse):
            yield node
        for inner in inside(node):
            yield from _reuses(inner)


def _layers(body: Body) -> Iterable[Layer]:
    for node in body:
        if isinstance(node, Layer):
            yield node
        for inner in inside(node):
            yield from _layers(inner)


def _labelled(body: Body, path: tuple[str, ...]) -> Node | None:
    """The item that labels lead to."""
    for node in body:
        if isinstance(node, Layer | Invoke | Level) and node.label is not None:
            segments = node.label.segments
            if segments == path:
                return node
            if isinstance(node, Level) and segments == path[: len(segments)]:
                return _labelled(node.body, path[len(segments) :])
        elif not isinstance(node, Reuse):
            for inner in inside(node):
                found = _labelled(inner, path)
                if found is not None:
                    return found
    return None


@dataclass
class Variables:
    """The variables of one `forward`. A name is free once what it holds is read no more."""

    holders: dict[str, Value] = field(default_factory=dict[str, Value])
    pending: set[Value] = field(default_factory=set[Value])

    def free(self, name: str, assigned: Value) -> bool:
        holder = self.holders.get(name)
        if holder is not None and (holder.uses > 0 or holder.kept) and holder is not assigned:
            return False
        return not any(name in value.reads for value in self.pending if value is not assigned)

    def choose(self, assigned: Value, label: str | None = None) -> str:
        """A name for a value: its label if it is read again later, else `x`, else `out`."""
        if (
            label is not None and assigned.far and py.identifier(label) and label not in ("self", "torch", "F", "nn")
        ) and self.free(label, assigned):
            return label
        for name in ("x", "out"):
            if self.free(name, assigned):
                return name
        number = 2
        while not self.free(f"out{number}", assigned):
            number += 1
        return f"out{number}"
