"""Expressions: what stands where a value is written. Data only; the syntax tree, the IR and the emitter share them.

Nothing here evaluates. Spans are kept for messages and take no part in comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, fields, replace
from fractions import Fraction
from functools import cache
from operator import is_not
from typing import Any, cast

from .diagnostics import Span
from .records import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """`64`, `0.5`, `1e-5`: exact, whatever its notation."""

    value: Fraction
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A parameter, a column, a loop variable, a size, or a word."""

    id: str
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string."""

    value: str
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SizeExpr:
    """`3x3`, `CxHxW`, `(2C)x(H/2)`: one expression an axis."""

    dims: tuple[Expr, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ListExpr:
    """`[32, 64, 128]`."""

    items: tuple[Expr, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Path:
    """A label as written: segments between dots, each made of texts and `{expressions}`."""

    segments: tuple[tuple[str | Expr, ...], ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Ref:
    """`@label`, or a dotted name where a label is meant (`to features.norm5`: `tap` is false)."""

    path: Path
    tap: bool = True
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic: `+ - * / // % ^`; `4w` is `4 * w`."""

    op: str
    left: Expr
    right: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """`-a`."""

    operand: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Function:
    """`divisible(v, 8)` and the other six."""

    name: str
    args: tuple[Expr, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class IfElse:
    """`(2 if first else 1)`."""

    then: Expr
    test: Expr
    orelse: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """`==` and its kin, between numbers or sizes."""

    op: str
    left: Expr
    right: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Is:
    """`a is word`, `a is not word`."""

    left: Expr
    word: str
    negated: bool = False
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Logic:
    """`and`, `or`."""

    op: str
    left: Expr
    right: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Not:
    """`not a`."""

    operand: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


Expr = (
    Number
    | Name
    | Text
    | SizeExpr
    | ListExpr
    | Ref
    | Binary
    | Negative
    | Function
    | IfElse
    | Compare
    | Is
    | Logic
    | Not
)

FUNCTIONS = ("min", "max", "ceil", "floor", "round", "sqrt", "log", "divisible")


def _each(value: object, change: Callable[[Expr], Expr]) -> object:
    if isinstance(value, Path):
        segments = _each(value.segments, change)
        return value if segments is value.segments else replace(value, segments=segments)
    if isinstance(value, tuple):
        parts = cast("tuple[object, ...]", value)
        changed = tuple([_each(part, change) for part in parts])
        return changed if any(map(is_not, changed, parts)) else parts
    if isinstance(value, EXPRESSIONS):
        return change(value)
    return value


EXPRESSIONS = (
    Number, Name, Text, SizeExpr, ListExpr, Ref, Binary, Negative, Function, IfElse, Compare, Is, Logic, Not
)  # fmt: skip


def rebuild(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """`expr` with `change` applied to each of its direct subexpressions; itself if none of them changes."""
    changes: dict[str, Any] = {}
    for name in _fields(type(expr)):
        part = getattr(expr, name)
        changed = _each(part, change)
        if changed is not part:
            changes[name] = changed
    return replace(expr, **changes) if changes else expr


@cache
def _fields(kind: type[Expr]) -> tuple[str, ...]:
    """What an expression of a kind has beside its place."""
    return tuple(f.name for f in fields(kind) if f.name != "span")


def substitute(expr: Expr, names: Mapping[str, Expr]) -> Expr:
    """`expr` with names replaced by expressions.

    >>> substitute(Binary("*", Number(Fraction(4)), Name("w")), {"w": Name("width")}).right
    Name(id='width')
    """
    if not names:
        return expr
    if isinstance(expr, Name):
        return names.get(expr.id, expr)
    return rebuild(expr, lambda part: substitute(part, names))


def has_more_parts(expr: Expr, most: int) -> bool:
    """Whether `expr` has more than so many parts, each counted as often as it is written out.

    >>> has_more_parts(Binary("*", Name("a"), Name("b")), 2)
    True
    """
    waiting: list[object] = [expr]
    while waiting and most >= 0:
        part = waiting.pop()
        if isinstance(part, EXPRESSIONS):
            most -= 1
            waiting.extend(_parts(part))
    return most < 0


def _parts(expr: Expr) -> list[Expr]:
    """The direct subexpressions."""
    found: list[Expr] = []

    def take(part: Expr) -> Expr:
        found.append(part)
        return part

    for name in _fields(type(expr)):
        _each(getattr(expr, name), take)
    return found


def walk(expr: Expr) -> Iterator[Expr]:
    """`expr` and every expression in it, in the order written.

    >>> [type(part).__name__ for part in walk(Negative(Name("a")))]
    ['Negative', 'Name']
    """
    yield expr
    for part in _parts(expr):
        yield from walk(part)


def names_in(expr: Expr | Path) -> frozenset[str]:
    """Every name that `expr` mentions."""
    found: set[str] = set()

    def visit(part: Expr) -> Expr:
        if isinstance(part, Name):
            found.add(part.id)
        rebuild(part, visit)
        return part

    if isinstance(expr, Path):
        _each(expr, visit)
    else:
        visit(expr)
    return frozenset(found)
