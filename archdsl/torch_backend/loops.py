"""A module that is nothing but a loop: a class made of nn.Sequential, its members added one after the other.

The lanes of such a class are its instances times their iterations. What flows in may grow by the same amount a turn, as
in a dense block; the number of turns is an argument where the instances differ in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from .. import expr as ex
from ..ir import graph as g
from ..ir.names import Namer
from ..ir.shapes import Constant, Shape
from . import pycode as py
from .formulas import Formal, Formulas, Lane, UnmergeableError, marked
from .values import Value

if TYPE_CHECKING:
    from .classes import ClassWriter

TURN = "#turn"
MIN_TURNS = 4


@dataclass(frozen=True)
class Turn:
    """One iteration in one lane: the module called, its name, what the loop's names are."""

    lane: int
    number: int
    node: g.Invoke
    name: str
    names: tuple[tuple[str, Constant], ...]
    entry: Shape


@dataclass(frozen=True)
class Loop:
    """What a class needs to be written as a loop."""

    statements: tuple[py.Stmt, ...]
    features: ex.Expr | None


def loop_of(writer: ClassWriter) -> Loop | None:
    """The loop that a definition is, if it is one in all its instances."""
    if writer.is_root:
        return None
    turns = _turns(writer.lanes)
    if turns is None or any(writer.emitter.writer(t.node.instance).returned for t in turns):
        return None
    try:
        return _written(writer, turns)
    except UnmergeableError:
        return None


def _turns(lanes: Sequence[Lane]) -> list[Turn] | None:
    found: list[Turn] = []
    longest = 0
    for number, lane in enumerate(lanes):
        repeat = _only(lane.instance.body)
        if not isinstance(repeat, g.Repeat) or repeat.output != lane.instance.output:
            return None
        namer, at = Namer(False), 0
        for run in repeat.runs:
            node = _only(run.body)
            if not isinstance(node, g.Invoke) or len(node.inputs) != 1:
                return None
            for _ in range(run.count):
                (name, *rest) = namer.name(node)
                if rest:
                    return None
                found.append(Turn(number, at, node, name, run.names, lane.instance.shapes[run.input]))
                at += 1
        longest = max(longest, at)
    return found if longest >= MIN_TURNS else None


def _only(body: g.Body) -> g.Node | None:
    while len(body) == 1:
        if not isinstance(body[0], g.Line):
            return body[0]
        body = body[0].body
    return None


def _written(writer: ClassWriter, turns: list[Turn]) -> Loop | None:
    prefix, first = _prefix(turns)
    growth = _growth(turns)
    if prefix is None or growth is None:
        return None
    outer = writer.lanes, writer.formulas
    counts = [sum(1 for t in turns if t.lane == n) for n in range(len(writer.lanes))]
    writer.lanes = [_lane(outer[0][t.lane], t) for t in turns]
    writer.formulas = Formulas(writer.lanes, outer[1].pinned)
    entry = writer.entry_features_of(outer[0])
    carried = _plus(entry, growth, ex.Name(TURN))
    try:
        shapes = {n: t.entry for n, t in enumerate(turns)}
        value = Value(shapes, writer.checked(carried, shapes), py.Name("x"), 1)
        made = writer.construction({n: t.node for n, t in enumerate(turns)}, [value])
        inner = writer.formulas
    finally:
        writer.lanes, writer.formulas = outer
    _adopt(outer[1], inner.formals, turns)
    count = outer[1].render(dict(enumerate(counts)), None, "count")
    number: py.Expr = marked(TURN)
    shown = number if first == 0 else py.Bin("+", number, py.Lit(first))
    label = py.FString((prefix, shown)) if prefix else py.Call(py.Name("str"), (shown,))
    add = py.ExprStmt(py.Call(py.Name("self.add_module"), (label, made)))
    loop = py.For(marked(TURN), py.Call(py.Name("range"), (count,)), (add,))
    return Loop((loop,), _result(outer[0], entry, growth, counts))


def _prefix(turns: Sequence[Turn]) -> tuple[str | None, int]:
    """The text before the number in the members' names, and the first number."""
    name = turns[0].name
    prefix = name.rstrip("0123456789")
    if prefix == name:
        return None, 0
    first = int(name[len(prefix) :])
    right = all(t.name == f"{prefix}{first + t.number}" for t in turns)
    return (prefix, first) if right else (None, 0)


def _growth(turns: Sequence[Turn]) -> int | None:
    """By how much the features of what flows in grow a turn, in all lanes alike."""
    found: set[int] = set()
    for before, after in pairwise(turns):
        if before.lane == after.lane:
            a, b = before.entry.features, after.entry.features
            if not isinstance(a, int) or not isinstance(b, int) or before.entry.space != after.entry.space:
                return None
            found.add(b - a)
    return found.pop() if len(found) == 1 else None


def _lane(lane: Lane, turn: Turn) -> Lane:
    names = {k: v for k, v in turn.names if k not in ("first", "last")}
    return Lane(lane.instance, {**lane.names, **names, TURN: turn.number})


def _plus(entry: ex.Expr, growth: int, turns: ex.Expr) -> ex.Expr:
    if growth == 0:
        return entry
    return ex.Binary("+", entry, ex.Binary("*", ex.Number(Fraction(growth)), turns))


def _adopt(formulas: Formulas, formals: dict[str, Formal], turns: Sequence[Turn]) -> None:
    """The class's own formals: those of the loop's lanes that do not change with the turn."""
    lanes = range(len(formulas.lanes))
    for name, formal in formals.items():
        if name == TURN:
            continue
        values = [{formal.values[at] for at, t in enumerate(turns) if t.lane == lane} for lane in lanes]
        if any(len(v) != 1 for v in values):
            raise UnmergeableError
        formulas.formals[name] = Formal(name, tuple(v.pop() for v in values), formal.slots)


def _result(lanes: Sequence[Lane], entry: ex.Expr, growth: int, counts: list[int]) -> ex.Expr | None:
    if growth == 0:
        return entry
    for name in lanes[0].instance.arguments:
        if [lane.names[name] for lane in lanes] == counts:
            return _plus(entry, growth, ex.Name(name))
    return _plus(entry, growth, ex.Number(Fraction(counts[0]))) if len(set(counts)) == 1 else None
