"""Expressions -> values. Arithmetic, comparisons and choices; nothing else is ever evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from .. import expr as ex
from ..diagnostics import Span, did_you_mean, fail
from . import dims
from .dims import Dim, DimTooLarge, Poly
from .shapes import Constant, Number, Size

MAX_NUMBER = 2**63


@dataclass(frozen=True, slots=True)
class ValueArgument:
    """A parameter that holds a value of the network: its number in the instance."""

    value: int


@dataclass(frozen=True, slots=True)
class Bound:
    """What a name stands for here, and how to say it in the words of the enclosing definition (None: by its name)."""

    value: Constant | ValueArgument
    expression: ex.Expr | None = None


class Env:
    """The names that an expression may mention; `words` are names of layers, modules, tables and maps."""

    __slots__ = ("names", "words")

    def __init__(self, names: Mapping[str, Bound], words: Callable[[str], bool]) -> None:
        self.names = names
        self.words = words

    def with_names(self, names: Mapping[str, Bound]) -> Env:
        return Env({**self.names, **names}, self.words) if names else self

    def constants(self, names: frozenset[str]) -> tuple[tuple[str, object], ...]:
        """The values of some names, for comparing iterations."""
        return tuple((n, self.names[n].value) for n in sorted(names) if n in self.names)

    def express(self, expr: ex.Expr) -> ex.Expr:
        """`expr` in the words of the enclosing definition."""
        replaced = {n: b.expression for n, b in self.names.items() if b.expression is not None}
        return ex.substitute(expr, replaced)


def evaluate(expr: ex.Expr, env: Env) -> Constant:
    """The value of an expression; raises SpecError with the place of what cannot be evaluated."""
    try:
        return _RULES[type(expr)](expr, env)
    except DimTooLarge:
        fail("A0801", "this number grows beyond any size", expr.span)


def evaluate_test(expr: ex.Expr, env: Env) -> bool:
    """The value of a condition."""
    found = evaluate(expr, env)
    if not isinstance(found, bool):
        fail("A0306", f"a condition is yes or no, this is {describe(found)}", expr.span, "compare it: `n > 1`, `a is word`")
    return found


def evaluate_number(expr: ex.Expr, env: Env) -> Number:
    """The value of a number."""
    found = evaluate(expr, env)
    if isinstance(found, bool) or not isinstance(found, int | Fraction | float | Poly):
        fail("A0306", f"a number is needed here, this is {describe(found)}", expr.span)
    return found


def evaluate_dim(expr: ex.Expr, env: Env, what: str = "a size") -> Dim:
    """The value of a size: whole, or symbolic."""
    found = evaluate_number(expr, env)
    if isinstance(found, Poly | int):
        return found
    fail("A0307", f"{what} is whole, this is {describe(found)}", expr.span)


def describe(value: object) -> str:
    """A value as a message calls it.

    >>> describe(Fraction(1, 2)), describe(True), describe("relu")
    ('0.5', 'yes', 'the word `relu`')
    """
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, str):
        return f"the word `{value}`"
    if isinstance(value, Fraction):
        return f"{float(value):g}"
    if isinstance(value, Size):
        return f"the size {value!r}"
    if isinstance(value, tuple):
        return "a list"
    if isinstance(value, ValueArgument):
        return "a value of the network"
    return dims.show(value) if isinstance(value, int | Poly) else str(value)


def normal(value: Fraction | float | Dim) -> Number:
    """Whole fractions as ints."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return value


def _bounded(value: Number, span: Span | None) -> Number:
    if not isinstance(value, Poly) and abs(value) > MAX_NUMBER:
        fail("A0801", "a number beyond 2^63 is surely a slip", span)
    return value


def _name(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Name)
    bound = env.names.get(expr.id)
    if bound is not None:
        if isinstance(bound.value, ValueArgument):
            fail("A0308", f"`{expr.id}` is a value of the network, no number", expr.span, f"write `@{expr.id}`")
        return bound.value
    if expr.id in ("yes", "no"):
        return expr.id == "yes"
    if env.words(expr.id):
        return expr.id
    parts = expr.id.split("x")
    if len(parts) > 1 and all(p in env.names or p.isdigit() for p in parts):
        return Size(evaluate_dim(ex.Name(p, expr.span) if not p.isdigit() else _whole(int(p)), env) for p in parts)
    help = did_you_mean(expr.id, env.names)
    fail("A0202", f"no parameter `{expr.id}` here", expr.span, help or _sees(env))


def _whole(value: int) -> ex.Number:
    return ex.Number(Fraction(value))


def _sees(env: Env) -> str | None:
    names = ", ".join(f"`{n}`" for n in list(env.names)[:8])
    return f"this body sees {names}" if names else None


def _number(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Number)
    return _bounded(normal(expr.value), expr.span)


def _text(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Text)
    return expr.value


def _size(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.SizeExpr)
    return Size(evaluate_dim(dim, env) for dim in expr.dims)


def _list(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.ListExpr)
    return tuple(evaluate(item, env) for item in expr.items)


def _ref(expr: ex.Expr, env: Env) -> Constant:
    fail("A0308", "a value of the network cannot stand here", expr.span)


def _negative(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Negative)
    return normal(-evaluate_number(expr.operand, env))


def _binary(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Binary)
    left, right = evaluate_number(expr.left, env), evaluate_number(expr.right, env)
    if expr.op in ("/", "//", "%") and right == 0:
        fail("A0306", "division by zero", expr.span)
    if expr.op == "^":
        return _power(left, right, expr.span)
    return _bounded(arithmetic(expr.op, left, right), expr.span)


def arithmetic(op: str, left: Number, right: Number) -> Number:
    """`left op right`, exact for whole numbers and fractions."""
    if isinstance(left, float) or isinstance(right, float):
        return _FLOAT[op](float(left), float(right))  # type: ignore[arg-type]
    if op == "/":
        return normal(dims.exact_div(left, right)) if isinstance(left, Poly) or isinstance(right, Poly) else normal(Fraction(left) / right)
    return normal(_EXACT[op](left, right))


_EXACT: dict[str, Callable[..., Number]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}
_FLOAT: dict[str, Callable[[float, float], float]] = {**_EXACT, "/": lambda a, b: a / b}  # type: ignore[dict-item]


def _power(left: Number, right: Number, span: Span | None) -> Number:
    if not isinstance(right, int) or not 0 <= right <= 64:
        fail("A0306", "an exponent is a whole number from 0 to 64", span)
    return _bounded(normal(left**right), span)


def _function(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Function)
    args = [evaluate_number(a, env) for a in expr.args]
    wanted = {"divisible": (2, 2), "min": (1, 99), "max": (1, 99)}.get(expr.name, (1, 1))
    if not wanted[0] <= len(args) <= wanted[1]:
        fail("A0306", f"`{expr.name}` takes {wanted[0]} number{'s' * (wanted[0] > 1)}, not {len(args)}", expr.span)
    if expr.name == "sqrt" and not isinstance(args[0], Poly) and args[0] < 0:
        fail("A0306", "the root of a negative number", expr.span)
    if expr.name == "divisible" and compare_numbers("<=", args[1], 0) is not False:
        fail("A0306", "`divisible` needs a divisor above 0", expr.span)
    return apply(expr.name, args)


def apply(name: str, args: list[Number]) -> Number:
    """One of the language's functions."""
    first: Number = args[0]
    if name in ("min", "max"):
        join = dims.dim_min if name == "min" else dims.dim_max
        for other in args[1:]:
            symbolic = isinstance(first, Poly) or isinstance(other, Poly)
            first = join(first, other) if symbolic else (min if name == "min" else max)(first, other)  # type: ignore[arg-type]
        return first
    if name == "divisible":
        return normal(dims.divisible(first, args[1]))  # type: ignore[arg-type]
    rounding = {"ceil": dims.dim_ceil, "floor": dims.dim_floor, "round": dims.dim_round, "sqrt": dims.dim_sqrt}[name]
    return normal(rounding(Fraction(first) if isinstance(first, float) and name != "sqrt" else first))  # type: ignore[arg-type]


def _if_else(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.IfElse)
    return evaluate(expr.then if evaluate_test(expr.test, env) else expr.orelse, env)


def compare_numbers(op: str, left: Number, right: Number) -> bool | None:
    """`left op right`; None if it depends on a symbol."""
    if isinstance(left, Poly) or isinstance(right, Poly):
        return dims.compare(left, right, op)  # type: ignore[arg-type]
    return _COMPARE[op](left, right)


_COMPARE: dict[str, Callable[[Number, Number], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,  # type: ignore[operator]
    ">": lambda a, b: a > b,  # type: ignore[operator]
    "<=": lambda a, b: a <= b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
}


def _compare(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Compare)
    left, right = evaluate(expr.left, env), evaluate(expr.right, env)
    for value, part in ((left, expr.left), (right, expr.right)):
        if isinstance(value, str):
            fail("A0309", f"`{expr.op}` compares numbers and sizes; a word is compared with `is`", part.span)
        if isinstance(value, bool) or not isinstance(value, int | Fraction | float | Poly | Size):
            fail("A0309", f"`{expr.op}` compares numbers and sizes, this is {describe(value)}", part.span)
    if isinstance(left, Size) or isinstance(right, Size):
        return _compare_sizes(expr, left, right)
    decided = compare_numbers(expr.op, left, right)  # type: ignore[arg-type]
    if decided is None:
        fail("A0411", "this condition depends on a symbol, whose value is not known when the network is built", expr.span)
    return decided


def _compare_sizes(expr: ex.Compare, left: object, right: object) -> bool:
    if expr.op not in ("==", "!="):
        fail("A0309", "sizes are equal or not; they have no order", expr.span)

    def spread(value: object, rank: int) -> tuple[object, ...]:
        return tuple(value) if isinstance(value, Size) else (value,) * rank

    rank = max(len(v) for v in (left, right) if isinstance(v, Size))
    return (spread(left, rank) == spread(right, rank)) == (expr.op == "==")


def _is(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Is)
    left = evaluate(expr.left, env)
    if expr.word in ("yes", "no") and isinstance(left, bool):
        return (left == (expr.word == "yes")) != expr.negated
    if not isinstance(left, str):
        fail("A0309", f"`is` compares words, this is {describe(left)}", expr.left.span, "numbers are compared with `==`")
    return (left == expr.word) != expr.negated


def _logic(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Logic)
    left = evaluate_test(expr.left, env)
    if left == (expr.op == "or"):
        return left
    return evaluate_test(expr.right, env)


def _not(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Not)
    return not evaluate_test(expr.operand, env)


_RULES: dict[type[ex.Expr], Callable[[ex.Expr, Env], Constant]] = {
    ex.Name: _name,
    ex.Number: _number,
    ex.Text: _text,
    ex.SizeExpr: _size,
    ex.ListExpr: _list,
    ex.Ref: _ref,
    ex.Negative: _negative,
    ex.Binary: _binary,
    ex.Function: _function,
    ex.IfElse: _if_else,
    ex.Compare: _compare,
    ex.Is: _is,
    ex.Logic: _logic,
    ex.Not: _not,
}
