"""Chains with a pattern: `for` over rows of numbers, as people write `make_layers`.

A chain comes as rows of pieces, as the spec has its lines and its repeats. Rows that differ in numbers only become one
loop over a table of these numbers. What flows in is carried from turn to turn; every number that is printed is one that
was there, so unrolling the loop gives the chain again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import groupby, pairwise
from typing import TypeAlias, cast

from . import pycode as py

Step: TypeAlias = tuple[int, int]
"""A row and a turn of the repeat in it."""

MIN_ROWS, MAX_ROWS = 3, 64
LOCAL = "local__"
"""Marks a local variable, so that it can be told from the class's arguments when these are named."""

_INPUTS = ("in_channels", "in_features")
_SLOTS: Mapping[str, tuple[str, ...]] = {
    "Conv1d": ("in_channels", "width", "kernel"),
    "Conv2d": ("in_channels", "width", "kernel"),
    "Conv3d": ("in_channels", "width", "kernel"),
    "Linear": ("in_features", "width"),
    "BatchNorm1d": ("width",),
    "BatchNorm2d": ("width",),
    "BatchNorm3d": ("width",),
}


@dataclass(frozen=True)
class Times:
    """A repeat: the members of a turn, and how many turns in a row have them."""

    turns: tuple[tuple[tuple[py.Expr, ...], int], ...]


Piece: TypeAlias = "py.Expr | Times"
Row: TypeAlias = tuple[Piece, ...]
Signature: TypeAlias = Callable[[str], "tuple[tuple[str, py.Expr | None], ...] | None"]
"""The arguments of an emitted class by its name, with their defaults."""


class NoPatternError(Exception):
    """Rows that are not one loop."""


def local(name: str) -> py.Name:
    """A local variable of `__init__`."""
    return py.Name(f"{LOCAL}{name}")


def loop(rows: Sequence[Row], signature: Signature) -> list[py.Stmt] | None:
    """The statements that append the members of some rows to `layers`; None if they have no common pattern."""
    if not MIN_ROWS <= len(rows) <= MAX_ROWS or len({len(row) for row in rows}) != 1:
        return None
    try:
        return _Loop(rows, signature).statements()
    except NoPatternError:
        return None


@dataclass
class _Hole:
    """A place in the pattern where the rows differ: its name, and the value at each step."""

    name: str
    values: dict[Step, py.Expr]
    code: py.Expr = field(default_factory=lambda: py.Lit(None))


class _Loop:
    def __init__(self, rows: Sequence[Row], signature: Signature) -> None:
        self.rows = rows
        self.signature = signature
        self.columns: dict[str, list[py.Expr]] = {}
        self.carried: dict[str, py.Expr] = {}

    def statements(self) -> list[py.Stmt]:
        body: list[py.Stmt] = []
        for repeats, group in groupby(range(len(self.rows[0])), lambda at: isinstance(self.rows[0][at], Times)):
            columns = [[row[at] for row in self.rows] for at in group]
            if repeats:
                body.extend(statement for column in columns for statement in self.repeat(column))
            else:
                body.extend(self.plain(columns))
        start: list[py.Stmt] = [py.Assign(local(name), value) for name, value in self.carried.items()]
        if not self.columns:
            return [*start, py.For(py.Name("_"), _range(py.Lit(len(self.rows))), tuple(body))]
        names = tuple(local(name) for name in self.columns)
        table = [tuple(column[r] for column in self.columns.values()) for r in range(len(self.rows))]
        single = len(names) == 1
        items = tuple(row[0] if single else py.Tuple(row) for row in table)
        return [*start, py.For(names[0] if single else py.Tuple(names), py.Tuple(items), tuple(body))]

    def plain(self, columns: Sequence[Sequence[Piece]]) -> list[py.Stmt]:
        """The statements of neighbouring members."""
        if any(isinstance(piece, Times) for column in columns for piece in column):
            raise NoPatternError
        rows = cast("list[tuple[py.Expr, ...]]", list(zip(*columns, strict=True)))
        members, update = self.members({(r, 0): row for r, row in enumerate(rows)})
        return [*appended(members), *update]

    def repeat(self, pieces: Sequence[Piece]) -> list[py.Stmt]:
        """The statements of a repeat in the rows, each of which has it once or more."""
        if not all(isinstance(p, Times) and p.turns for p in pieces):
            raise NoPatternError
        repeats = cast("Sequence[Times]", pieces)
        steps = {(r, j): turn for r, p in enumerate(repeats) for j, turn in enumerate(_steps(p))}
        if len(steps) > MAX_ROWS or len({len(turn) for turn in steps.values()}) != 1:
            raise NoPatternError
        members, update = self.members(steps)
        counts: list[py.Expr] = [py.Lit(sum(count for _, count in p.turns)) for p in repeats]
        count = counts[0] if len(set(counts)) == 1 else self.column("count", counts)
        turn = local("i") if any(_mentions(m, f"{LOCAL}i") for m in members) else py.Name("_")
        return [py.For(turn, _range(count), (*appended(members), *update))]

    def members(self, steps: Mapping[Step, tuple[py.Expr, ...]]) -> tuple[list[py.Expr], list[py.Stmt]]:
        """The members of a turn with their numbers named, and what is carried to the next."""
        holes: list[_Hole] = []
        size = len(next(iter(steps.values())))
        patterns = [self.pattern({s: turn[at] for s, turn in steps.items()}, "size", holes) for at in range(size)]
        update: list[py.Stmt] = []
        inputs = [h for h in holes if h.name in _INPUTS]
        for hole in holes:
            if hole not in inputs:
                hole.code = self.named(hole)
        for hole in inputs:
            same = next((h for h in holes if h not in inputs and h.values == hole.values), None)
            hole.code = same.code if same is not None else self.carry(hole, holes, update)
        return [_filled(pattern, holes) for pattern in patterns], update

    def carry(self, hole: _Hole, holes: Sequence[_Hole], update: list[py.Stmt]) -> py.Expr:
        """What flows in: at each step but the first, what the step before gave out."""
        for other in holes:
            follows = all(hole.values[b] == other.values[a] for a, b in pairwise(hole.values))
            if other.name not in _INPUTS and follows and other.code != hole.code:
                first = next(iter(hole.values.values()))
                if self.carried.setdefault(hole.name, first) != first:
                    raise NoPatternError
                statement = py.Assign(local(hole.name), other.code)
                if statement not in update:
                    update.append(statement)
                return local(hole.name)
        return self.named(hole)

    def named(self, hole: _Hole) -> py.Expr:
        """A number that is the same in all turns of a row is a column; one of the first turn alone, a choice."""
        firsts = [hole.values[r, 0] for r in range(len(self.rows))]
        if all(value == firsts[r] for (r, _), value in hole.values.items()):
            return self.column(hole.name, firsts)
        rest = {value for (_, j), value in hole.values.items() if j}
        if len(rest) != 1:
            raise NoPatternError
        first = firsts[0] if len(set(firsts)) == 1 else self.column(hole.name, firsts)
        return py.IfExp(py.Compare("==", local("i"), py.Lit(0)), first, rest.pop())

    def column(self, name: str, values: list[py.Expr]) -> py.Name:
        """A column of the table; equal columns are one."""
        for known, column in self.columns.items():
            if column == values:
                return local(known)
        base, number = name, 2
        while name in self.columns:
            name, number = f"{base}{number}", number + 1
        self.columns[name] = values
        return local(name)

    # -- what the members have in common

    def pattern(self, codes: Mapping[Step, object], name: str, holes: list[_Hole]) -> object:
        """The code that the members have in common, with holes where they differ."""
        first = next(iter(codes.values()))
        if all(code == first for code in codes.values()):
            return first
        if all(_leaf(code) for code in codes.values()):
            hole = _Hole(name, {s: cast("py.Expr", code) for s, code in codes.items()})
            holes.append(hole)
            return hole
        if len({type(code) for code in codes.values()}) != 1:
            raise NoPatternError
        if isinstance(first, py.Call):
            return self.call(cast("Mapping[Step, py.Call]", codes), holes)
        if isinstance(first, tuple):
            parts = cast("Mapping[Step, tuple[object, ...]]", codes)
            if len({len(part) for part in parts.values()}) != 1:
                raise NoPatternError
            size = len(cast("tuple[object, ...]", first))
            return tuple(self.pattern({s: p[at] for s, p in parts.items()}, name, holes) for at in range(size))
        if not is_dataclass(first) or isinstance(first, py.Lit | py.Name):
            raise NoPatternError
        made = {
            f.name: self.pattern({s: getattr(c, f.name) for s, c in codes.items()}, name, holes) for f in fields(first)
        }
        return replace(cast("py.Bin", first), **made)

    def call(self, calls: Mapping[Step, py.Call], holes: list[_Hole]) -> object:
        first = next(iter(calls.values()))
        if not isinstance(first.func, py.Name) or any(c.func != first.func for c in calls.values()):
            raise NoPatternError
        names = self.slots(first.func.id)
        full = [_full(call, self.signature(first.func.id)) for call in calls.values()]
        if len({(len(c.args), tuple(k for k, _ in c.kwargs)) for c in full}) != 1:
            raise NoPatternError
        known = dict(zip(calls, full, strict=True))
        args = tuple(
            self.pattern({s: c.args[at] for s, c in known.items()}, names[at] if at < len(names) else "size", holes)
            for at in range(len(full[0].args))
        )
        kwargs = tuple(
            (keyword, self.pattern({s: c.kwargs[at][1] for s, c in known.items()}, keyword, holes))
            for at, (keyword, _) in enumerate(full[0].kwargs)
        )
        return _Pattern(first.func, args, kwargs)

    def slots(self, function: str) -> tuple[str, ...]:
        own = self.signature(function)
        if own is not None:
            return tuple(name for name, _ in own)
        return _SLOTS.get(function.removeprefix("nn."), ())


@dataclass(frozen=True)
class _Pattern:
    """A call with holes."""

    func: py.Name
    args: tuple[object, ...]
    kwargs: tuple[tuple[str, object], ...]


def _filled(pattern: object, holes: Sequence[_Hole]) -> py.Expr:
    return cast("py.Expr", _fill(pattern))


def _fill(pattern: object) -> object:
    if isinstance(pattern, _Hole):
        return pattern.code
    if isinstance(pattern, _Pattern):
        args = cast("tuple[py.Expr, ...]", tuple(_fill(a) for a in pattern.args))
        return py.Call(pattern.func, args, tuple((k, cast("py.Expr", _fill(v))) for k, v in pattern.kwargs))
    if isinstance(pattern, tuple):
        return tuple(_fill(part) for part in cast("tuple[object, ...]", pattern))
    if is_dataclass(pattern) and not isinstance(pattern, type):
        return replace(pattern, **{f.name: _fill(getattr(pattern, f.name)) for f in fields(pattern)})
    return pattern


def _full(call: py.Call, signature: tuple[tuple[str, py.Expr | None], ...] | None) -> py.Call:
    """A call of an emitted class with all its keywords, left out or not."""
    if signature is None:
        return call
    given = dict(call.kwargs)
    rest = [(name, default) for name, default in signature[len(call.args) :] if default is not None]
    return py.Call(call.func, call.args, tuple((name, given.get(name, default)) for name, default in rest))


def _leaf(code: object) -> bool:
    """A number, a word, or a class of torch."""
    if isinstance(code, py.Tuple):
        return all(isinstance(item, py.Lit) for item in code.items)
    return isinstance(code, py.Lit) or (isinstance(code, py.Name) and code.id.startswith("nn."))


def _mentions(node: object, name: str) -> bool:
    if isinstance(node, py.Name):
        return node.id == name
    if isinstance(node, tuple):
        return any(_mentions(part, name) for part in cast("tuple[object, ...]", node))
    return is_dataclass(node) and any(_mentions(getattr(node, f.name), name) for f in fields(node))


def _steps(repeat: Times) -> list[tuple[py.Expr, ...]]:
    """The turns whose members tell what all do: of many equal ones in a row, two, for what flows from each to the next."""
    return [turn for turn, count in repeat.turns for _ in range(min(count, 2))]


def _range(count: py.Expr) -> py.Expr:
    return py.Call(py.Name("range"), (count,))


def appended(members: Sequence[py.Expr | py.Star]) -> list[py.Stmt]:
    """The statement that puts members at the end of `layers`."""
    if len(members) == 1 and not isinstance(members[0], py.Star):
        return [py.ExprStmt(py.Call(py.Attr(local("layers"), "append"), (members[0],)))]
    if len(members) == 1 and isinstance(members[0], py.Star):
        return [py.AugAssign("+", local("layers"), members[0].value)]
    return [py.AugAssign("+", local("layers"), py.List(tuple(members)))] if members else []
