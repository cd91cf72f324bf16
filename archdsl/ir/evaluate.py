"""Expressions -> values. Arithmetic, comparisons and choices; nothing else is ever evaluated."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Container, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import TypeAlias

from .. import expr as ex
from .. import limits
from ..diagnostics import Edit, Span, did_you_mean, fail
from ..records import dataclass
from . import dims
from .dims import Dim, DimTooLarge, Poly, Value
from .shapes import Constant, Number, Size

MAX_NUMBER = 2**63


@dataclass(frozen=True, slots=True)
class ValueArgument:
    """A parameter that holds a value of the network: its number in the instance."""

    value: int


Held: TypeAlias = Constant | ValueArgument
"""What a name stands for."""
NAMED_SO: Mapping[str, ex.Expr] = MappingProxyType({})
"""All names are said as they are."""


class Env:
    """The names that an expression may mention; `words` are names of layers, modules, tables and maps.

    `said` is how to say some names in the words of the enclosing definition, where the others go by themselves.
    """

    __slots__ = ("names", "said", "words")

    def __init__(
        self, names: Mapping[str, Held], words: Callable[[str], bool], said: Mapping[str, ex.Expr] = NAMED_SO
    ) -> None:
        self.names = names
        self.words = words
        self.said = said

    def with_names(self, names: Mapping[str, Held], said: Mapping[str, ex.Expr] = NAMED_SO) -> Env:
        """With more names; what one of these hides is not said any more."""
        return Env({**self.names, **names}, self.words, {**self.said_beside(names), **said}) if names else self

    def said_beside(self, names: Container[str]) -> Mapping[str, ex.Expr]:
        """How names are said where some others hide theirs."""
        return {name: expr for name, expr in self.said.items() if name not in names}

    def naming_words(self) -> list[str]:
        """The names that stand for a word, such as a layer's."""
        return [name for name, value in self.names.items() if isinstance(value, str)]

    def naming_values(self) -> list[str]:
        """The names that stand for a value of the network."""
        return [name for name, value in self.names.items() if isinstance(value, ValueArgument)]

    def express(self, expr: ex.Expr) -> ex.Expr:
        """`expr` in the words of the enclosing definition."""
        if isinstance(expr, ex.Name):
            return self.said.get(expr.id, expr)
        if isinstance(expr, (ex.Number, ex.Text)):
            return expr
        found = ex.substitute(expr, self.said)
        if found is not expr and ex.has_more_parts(found, limits.of("parts")):
            limits.refuse("parts", expr.span)
        return found


def evaluate(expr: ex.Expr, env: Env) -> Constant:
    """The value of an expression; raises SpecError with the place of what cannot be evaluated."""
    try:
        return _RULES[type(expr)](expr, env)
    except DimTooLarge:
        fail("A0801", "this number grows beyond any size", expr.span)


def evaluate_said(expr: ex.Expr, env: Env) -> tuple[Constant, ex.Expr]:
    """The value of an expression, and the expression in the words of the enclosing definition."""
    if isinstance(expr, ex.Name) and expr.id not in env.said:
        value = env.names.get(expr.id)
        if type(value) is int:  # as most are
            return value, expr
    return evaluate(expr, env), env.express(expr)


def evaluate_test(expr: ex.Expr, env: Env) -> bool:
    """The value of a condition."""
    found = evaluate(expr, env)
    if not isinstance(found, bool):
        problem = f"a condition is yes or no, this is {describe(found)}"
        fail("A0306", problem, expr.span, "compare it: `n > 1`, `a is word`")
    return found


def evaluate_number(expr: ex.Expr, env: Env) -> Value:
    """The value of a number, exact."""
    found = evaluate(expr, env)
    if isinstance(found, bool) or not isinstance(found, int | Fraction | float | Poly):
        fail("A0306", f"a number is needed here, this is {describe(found)}", expr.span)
    return _exact(found, expr.span)


def _exact(value: Number, span: Span | None) -> Value:
    """A float, which only a caller's parameter can be, as the decimal number it prints as."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        fail("A0306", f"a number is needed here, this is {value}", span)
    return normal(Fraction(str(value)))


def evaluate_dim(expr: ex.Expr, env: Env, what: str = "a size") -> Dim:
    """The value of a size: whole, or symbolic."""
    found = evaluate_number(expr, env)
    if isinstance(found, Fraction):
        fail("A0307", f"{what} is whole, this is {describe(found)}", expr.span)
    return found


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


def normal(value: Value) -> Value:
    """Whole fractions as ints."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return value


def _bounded(value: Value, span: Span | None) -> Value:
    if not isinstance(value, Poly) and abs(value) > MAX_NUMBER:
        fail("A0801", "a number beyond 2^63 is surely a slip", span)
    return value


def _name(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Name)
    if expr.id in env.names:
        value = env.names[expr.id]
        if isinstance(value, ValueArgument):
            fail("A0308", f"`{expr.id}` is a value of the network, no number", expr.span, f"write `@{expr.id}`")
        return value
    if expr.id in ("yes", "no"):
        return expr.id == "yes"
    if env.words(expr.id):
        return expr.id
    parts = _parts(expr, env)
    return Size(evaluate_dim(ex.Name(p, expr.span) if not p.isdigit() else _whole(int(p)), env) for p in parts)


def size_parts(word: str, names: Container[str]) -> tuple[str, ...]:
    """The names and numbers of a size such as `kx3`; none where the word is no size of these names.

    >>> size_parts("kx3", {"k"}), size_parts("box", {"k"})
    (('k', '3'), ())
    """
    parts = tuple(word.split("x"))
    return parts if len(parts) > 1 and all(p in names or p.isdigit() for p in parts) else ()


def _parts(name: ex.Name, env: Env) -> tuple[str, ...]:
    """The parts of a size; refuses a name that nothing has here."""
    parts = size_parts(name.id, env.names)
    if not parts:
        help = did_you_mean(name.id, env.names)
        fail("A0202", f"no parameter `{name.id}` here", name.span, help or _sees(env), word=name.id)
    return parts


def check_names(expr: ex.Expr, env: Env) -> None:
    """Refuse an expression that mentions a name nothing has here, whatever the values are."""
    for part in ex.walk(expr):
        if isinstance(part, ex.Name) and not (part.id in env.names or part.id in ("yes", "no") or env.words(part.id)):
            _parts(part, env)


def _whole(value: int) -> ex.Number:
    return ex.Number(Fraction(value))


def _sees(env: Env) -> str:
    names = ", ".join(f"`{n}`" for n in list(env.names)[:8])
    return f"this body sees {names}" if names else "there are no parameters here; a number is written in digits"


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


def arithmetic(op: str, left: Value, right: Value) -> Value:
    """`left op right`, exact."""
    return normal(_BINARY[op](left, right))


def _quotient(left: Value, right: Value) -> Value:
    return left / right if isinstance(right, Poly) else left / Fraction(right)


_BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _quotient,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}


def _power(left: Value, right: Value, span: Span | None) -> Value:
    if not isinstance(right, int) or not 0 <= right <= 64:
        fail("A0306", "an exponent is a whole number from 0 to 64", span)
    return _bounded(normal(dims.power(left, right)), span)


def _function(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Function)
    args = [evaluate_number(a, env) for a in expr.args]
    wanted = {"divisible": (2, 2), "min": (1, 99), "max": (1, 99)}.get(expr.name, (1, 1))
    if not wanted[0] <= len(args) <= wanted[1]:
        fail("A0306", f"`{expr.name}` takes {wanted[0]} number{'s' * (wanted[0] > 1)}, not {len(args)}", expr.span)
    if expr.name == "sqrt" and not isinstance(args[0], Poly) and args[0] < 0:
        fail("A0306", "the root of a negative number", expr.span)
    if expr.name == "log":
        return _logarithm(args[0], expr.span)
    if expr.name == "divisible" and compare_numbers("<=", args[1], 0) is not False:
        fail("A0306", "`divisible` needs a divisor above 0", expr.span)
    return apply(expr.name, args)


def _logarithm(value: Value, span: Span | None) -> Value:
    """The natural logarithm of a number, as near as a float comes."""
    if isinstance(value, Poly):
        fail("A0306", "the logarithm of a size that is known only when the network runs", span)
    if value <= 0:
        fail("A0306", "the logarithm of a number that is not above 0", span)
    return normal(Fraction(math.log(value)))


def apply(name: str, args: list[Value]) -> Value:
    """One of the language's functions."""
    first, *others = args
    if name in ("min", "max"):
        for other in others:
            first = _extreme(name, first, other)
        return first
    if name == "divisible":
        return normal(dims.divisible(first, args[1]))
    return normal(_ROUNDINGS[name](first))


_ROUNDINGS: dict[str, Callable[[Value], Dim]] = {
    "ceil": dims.dim_ceil,
    "floor": dims.dim_floor,
    "round": dims.dim_round,
    "sqrt": dims.dim_sqrt,
}


def _extreme(name: str, first: Value, other: Value) -> Value:
    if isinstance(first, Poly) or isinstance(other, Poly):
        return (dims.dim_min if name == "min" else dims.dim_max)(first, other)
    return min(first, other) if name == "min" else max(first, other)


def _if_else(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.IfElse)
    return evaluate(expr.then if evaluate_test(expr.test, env) else expr.orelse, env)


def compare_numbers(op: str, left: Value, right: Value) -> bool | None:
    """`left op right`; None if it depends on a symbol."""
    if isinstance(left, Poly) or isinstance(right, Poly):
        return dims.compare(left, right, op)
    return _COMPARE[op](left, right)


_COMPARE: dict[str, Callable[[int | Fraction, int | Fraction], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def _compare(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Compare)
    left = _comparable(expr.left, expr, env)
    right = _comparable(expr.right, expr, env)
    if isinstance(left, Size) or isinstance(right, Size):
        return _compare_sizes(expr, left, right)
    decided = compare_numbers(expr.op, left, right)
    if decided is None:
        problem = "this condition depends on a symbol, whose value is not known when the network is built"
        fail("A0411", problem, expr.span)
    return decided


def _comparable(expr: ex.Expr, whole: ex.Compare, env: Env) -> Value | Size:
    value = evaluate(expr, env)
    op = whole.op
    if isinstance(value, str):
        problem = f"`{op}` compares numbers and sizes; a word is compared with `is`"
        fail("A0309", problem, expr.span, fixes=_is_instead(whole))
    if isinstance(value, bool) or not isinstance(value, int | Fraction | float | Poly | Size):
        fail("A0309", f"`{op}` compares numbers and sizes, this is {describe(value)}", expr.span)
    return value if isinstance(value, Size) else _exact(value, expr.span)


def _is_instead(expr: ex.Compare) -> list[Edit]:
    """`a == word` written with `is`."""
    word = {"==": "is", "!=": "is not"}.get(expr.op)
    if word is None or not isinstance(expr.right, ex.Name) or expr.left.span is None or expr.right.span is None:
        return []
    left, right = expr.left.span, expr.right.span
    return [Edit(Span(left.file, left.end_line, left.end_column, right.line, right.column), f" {word} ")]


def _compare_sizes(expr: ex.Compare, left: Value | Size, right: Value | Size) -> bool:
    if expr.op not in ("==", "!="):
        fail("A0309", "sizes are equal or not; they have no order", expr.span)

    def spread(value: Value | Size, rank: int) -> tuple[Value, ...]:
        return tuple(value) if isinstance(value, Size) else (value,) * rank

    rank = max(len(v) for v in (left, right) if isinstance(v, Size))
    return (spread(left, rank) == spread(right, rank)) == (expr.op == "==")


def _is(expr: ex.Expr, env: Env) -> Constant:
    assert isinstance(expr, ex.Is)
    left = evaluate(expr.left, env)
    if expr.word in ("yes", "no") and isinstance(left, bool):
        return (left == (expr.word == "yes")) != expr.negated
    if not isinstance(left, str):
        help = "numbers are compared with `==`"
        fail("A0309", f"`is` compares words, this is {describe(left)}", expr.left.span, help)
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
