"""The algebra of sizes: whole numbers, and polynomials with floors over the symbols of a shape.

A size is an `int` or a `Poly` in normal form. Symbols stand for whole numbers >= 1. Arithmetic goes through Python's
operators; what is a plain number stays one. A number that is not whole (it comes from `/`, a Fraction or a square root)
is a `Fraction`, never a float. Printing is in `ir.dim_terms`, arithmetic in `ir.dim_poly`; their names are here too.

>>> h = symbol("H")
>>> show((h + 2 * 1 - 3) // 2 + 1), show(h // 2 // 2), show((4 * h + 6) // 2)
('(H + 1)//2', 'H//4', '2H + 3')
"""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import cast

from .dim_poly import (
    MAX_DEPTH,
    Atom,
    Dim,
    Factor,
    Monomial,
    Poly,
    Value,
    add,
    as_dim,
    atom,
    dim_ceil,
    dim_floor,
    divide,
    factors_of,
    floor_div,
    low_of,
    make,
    modulo,
    multiply,
    poly,
    power,
    symbol,
)
from .dim_terms import MAX_NUMBER, DimTooLarge, Number, is_whole, number, show, show_shape, single

SAMPLES = 240

product = cast("Callable[[Iterable[Dim]], Dim]", math.prod)
"""All of some sizes multiplied; 1 of none."""


# ---- more operations ---------------------------------------------------------------------------


def exact_div(a: Value, b: Value) -> Dim:
    """a / b, which must be whole if it is a number; a polynomial keeps rational coefficients.

    >>> exact_div(12, 4), show(exact_div(symbol("H"), 2)), show(exact_div(symbol("H") * symbol("W"), symbol("W")))
    (3, 'H/2', 'H')
    """
    if type(a) is int and type(b) is int:
        quotient, rest = divmod(a, b)
        if not rest:
            return quotient
    else:
        value = divide(a, b)
        if not isinstance(value, Fraction):
            return value
    raise ValueError(f"{show(a)} is not divisible by {show(b)}")


def ceil_div(a: Value, b: Value) -> Dim:
    """The ceiling of a / b: `same` padding, windows.

    >>> ceil_div(7, 2), show(ceil_div(symbol("H"), 2)), show(ceil_div(symbol("H"), symbol("s")))
    (4, '(H + 1)//2', '(H - 1)//s + 1')
    """
    if type(a) is int and type(b) is int:
        return -(-a // b)
    if isinstance(b, Poly) and is_whole(a) and is_whole(b) and (low_of(b) or 0) > 0:
        return as_dim(add(floor_div(add(a, 1, -1), b), 1))
    return dim_ceil(divide(a, b))


def dim_round(value: Value) -> Dim:
    """The nearest whole number, halves to the even one as Python's round."""
    if type(value) is int or is_whole(value):
        return as_dim(value)
    return atom("round", value) if isinstance(value, Poly) else round(value)


def dim_sqrt(value: Value) -> Dim:
    """The square root: exact for squares, else a Fraction just below (52 binary places). ValueError if negative.

    >>> dim_sqrt(49), dim_floor(dim_sqrt(50)), show(dim_sqrt(4 * symbol("H") ** 2)), show(dim_sqrt(symbol("H")))
    (7, 7, '2H', 'sqrt(H)')
    """
    if isinstance(value, Poly):
        (mono, coef), *more = value.terms
        if not more and coef > 0 and all(isinstance(f, str) and e % 2 == 0 for f, e in mono):
            root = dim_sqrt(coef)
            if multiply(root, root) == coef:
                return as_dim(make({tuple((f, e // 2) for f, e in mono): cast("Number", root)}))
        return atom("sqrt", value)
    value = number(value)
    square = value.numerator * value.denominator
    if square < 0:
        raise ValueError(f"no square root of {value}")
    root = math.isqrt(square)
    if root * root != square:
        return as_dim(number(Fraction(math.isqrt(square << 104) // value.denominator, 1 << 52)))
    return as_dim(number(Fraction(root, value.denominator)))


def divisible(v: Value, d: Value) -> Dim:
    """The rounding of the MobileNets: to a multiple of d, at least d, and not below 0.9 v.

    >>> divisible(37, 8), divisible(3, 8), divisible(Fraction(45, 2), 8), show(divisible(symbol("C") * 8, 8))
    (40, 8, 24, '8C')
    """
    if isinstance(v, Poly) or isinstance(d, Poly):
        least = low_of(add(v, d, -1))
        same = least is not None and least >= 0 and not isinstance(d, Poly) and d > 1 and is_whole(divide(v, d))
        return as_dim(v) if same else atom("divisible", v, d)
    new = max(d, int(v + Fraction(d) / 2) // d * d)
    return as_dim(number(new + d if 10 * new < 9 * v else new))


def dim_max(*values: Value) -> Dim:
    """The largest; undecided ones stay as an atom.

    >>> h = symbol("H")
    >>> dim_max(3, 4), show(dim_max(h, h + 1, 1)), show(dim_max(h, 7, 5)), show(dim_min(h // 2, h))
    (4, 'H + 1', 'max(7, H)', 'H//2')
    """
    return max(cast("tuple[int, ...]", values)) if _plain(values) else _extreme("max", values)


def dim_min(*values: Value) -> Dim:
    """The smallest; undecided ones stay as an atom."""
    return min(cast("tuple[int, ...]", values)) if _plain(values) else _extreme("min", values)


def _plain(values: tuple[Value, ...]) -> bool:
    return all(type(value) is int for value in values)


def _extreme(fn: str, values: Iterable[Value]) -> Dim:
    kept: list[Value] = []
    sign = 1 if fn == "max" else -1
    for value in (part for whole in values for part in _parts(fn, whole)):
        if not any(_never_below(multiply(add(other, value, -1), sign)) for other in kept):
            kept = [other for other in kept if not _never_below(multiply(add(value, other, -1), sign))] + [value]
    return as_dim(kept[0]) if len(kept) == 1 else atom(fn, *sorted(kept, key=show))


def _never_below(value: Value) -> bool:
    """Whether `value` is surely >= 0."""
    least = low_of(value)
    return least is not None and least >= 0


def _parts(fn: str, value: Value) -> tuple[Value, ...]:
    """max(max(a, b), c) is max(a, b, c)."""
    factor = single(value)
    if isinstance(factor, Atom) and factor.fn == fn:
        return factor.args
    return (value if isinstance(value, Poly) else number(value),)


_ORDERS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


# ---- comparing ---------------------------------------------------------------------------------


def compare(a: Value, b: Value, op: str) -> bool | None:
    """`a op b` if it is the same for all whole symbols >= 1, else None; op is one of < <= > >= == !=.

    >>> h = symbol("H")
    >>> compare(h // 2, h, "<="), compare(h, 0, "=="), compare(h, 7, ">")
    (True, False, None)
    """
    if type(a) is int and type(b) is int and -MAX_NUMBER <= b - a <= MAX_NUMBER and op in _ORDERS:
        return _ORDERS[op](a, b)
    if op in (">", ">="):
        return compare(b, a, "<" if op == ">" else "<=")
    if op == "!=":
        same = compare(a, b, "==")
        return None if same is None else not same
    rise = add(b, a, -1)
    least, greatest = low_of(rise), low_of(multiply(rise, -1))  # the second is minus the greatest
    above = least is not None and least > 0
    below = greatest is not None and greatest > 0
    match op:
        case "==":
            return True if rise == 0 else False if above or below or is_whole(rise) is False else None
        case "<":
            return True if above else False if greatest is not None and greatest >= 0 else None
        case "<=":
            return True if least is not None and least >= 0 else False if below else None
        case _:
            raise ValueError(f"no comparison {op!r}")


def equal(a: Value, b: Value, *, sizes: bool = False) -> bool | None:
    """Whether a and b have the same value for all symbols: proved, or where floors remain seen at 240 sample points.

    With `sizes`, points at which a side is not whole do not count (`/` must divide where a size is wanted), so that
    H/2 equals H//2. None if there is no point at which both sides can be computed.

    >>> h = symbol("H")
    >>> equal(h - h // 2, (h + 1) // 2), equal(h // 2, h / 2), equal(h // 2, h / 2, sizes=True)
    (True, False, True)
    """
    if type(a) is int and type(b) is int:
        return a == b
    rise = add(a, b, -1)
    if not isinstance(rise, Poly):
        return rise == 0
    opaque = any(isinstance(factor, Atom) for factor in factors_of(rise))
    if not opaque and (not sizes or (is_whole(a) and is_whole(b))):
        return False  # a polynomial that is not 0 is not 0 everywhere
    return _sampled(a, b, sizes)


@lru_cache(maxsize=4096)
def _sampled(a: Value, b: Value, sizes: bool) -> bool | None:
    seen = False
    for point in _points(sorted(symbols(a) | symbols(b))):
        try:
            left, right = evaluate(a, point), evaluate(b, point)
        except (ArithmeticError, ValueError):
            continue  # divided by 0, the root of a negative number, too large
        if sizes and not left.denominator == right.denominator == 1:
            continue
        if left != right:
            return False
        seen = True
    return True if seen else None


def _points(names: list[str]) -> Iterator[dict[str, int]]:
    source = random.Random(20_240)  # noqa: S311 - reproducible, not secret
    for i in range(SAMPLES):
        top = (6, 64, 1_000, 1_000_000)[i * 4 // SAMPLES]
        yield {name: source.randint(1, top) for name in names}


# ---- putting values in -------------------------------------------------------------------------


def substitute(dim: Value, values: Mapping[str, Value]) -> Dim:
    """`dim` with symbols replaced, and simplified again.

    >>> show(substitute(symbol("H") // 4, {"H": 2 * symbol("W")}))
    'W//2'
    """
    if not isinstance(dim, Poly):
        return as_dim(dim)
    if not values:
        return dim
    total: Value = 0
    for mono, coef in dim.terms:
        part: Value = coef
        for factor, e in mono:
            if isinstance(factor, str):
                value = values.get(factor)
                value = poly(factor) if value is None else value
            else:
                value = _APPLY[factor.fn](*(substitute(arg, values) for arg in factor.args))
            part = multiply(part, power(value, e))
        total = add(total, part)
    return as_dim(total)


def evaluate(dim: Value, values: Mapping[str, int]) -> Number:
    """The value of `dim`. Raises KeyError for a symbol without a value, ZeroDivisionError, ValueError (roots)."""
    result = substitute(dim, values)
    if isinstance(result, Poly):
        raise KeyError(", ".join(sorted(symbols(result))))
    return result


def symbols(dim: Value) -> frozenset[str]:
    """The names in `dim`."""
    found: set[str] = set()
    for factor in factors_of(dim):
        found |= {factor} if isinstance(factor, str) else frozenset().union(*map(symbols, factor.args))
    return frozenset(found)


_APPLY: dict[str, Callable[..., Value]] = {
    "floor": dim_floor,
    "ceil": dim_ceil,
    "max": dim_max,
    "min": dim_min,
    "mod": modulo,
    "div": floor_div,
    "truediv": divide,
    "divisible": divisible,
    "sqrt": dim_sqrt,
    "round": dim_round,
}


# ---- JSON --------------------------------------------------------------------------------------


def to_json(dim: Value) -> object:
    """Ints, names and lists: `["/", 1, 2]`, `[fn, argument...]`, `["+", [coefficient, [factor, exponent]...]...]`.

    >>> to_json(symbol("H")), to_json((symbol("H") + 1) // 2)
    ('H', ['floor', ['+', [['/', 1, 2], ['H', 1]], [['/', 1, 2]]]])
    """
    if not isinstance(dim, Poly):
        return int(dim) if dim.denominator == 1 else ["/", dim.numerator, dim.denominator]
    factor = single(dim)
    if isinstance(factor, str | Atom):
        return _factor_json(factor)
    return ["+", *([to_json(c), *([_factor_json(f), e] for f, e in m)] for m, c in dim.terms)]


def _factor_json(factor: Factor) -> object:
    return factor if isinstance(factor, str) else [factor.fn, *map(to_json, factor.args)]


def from_json(value: object) -> Dim:
    """The inverse of `to_json`, in normal form whatever was written. Raises ValueError for anything else."""
    try:
        return as_dim(_read(value, 0))
    except DimTooLarge:
        raise
    except (TypeError, ValueError, LookupError, ZeroDivisionError) as error:
        raise ValueError(f"not a size: {error}") from error


def _read(value: object, depth: int) -> Value:
    if depth > 3 * MAX_DEPTH:
        raise DimTooLarge("a size nested too deep")
    if type(value) is int:
        return number(value)
    if isinstance(value, str):
        return symbol(value)
    head, *rest = cast("list[object]", value) if isinstance(value, list) and value else [None]
    if head == "/" and len(rest) == 2 and all(type(part) is int for part in rest):
        return number(Fraction(*cast("list[int]", rest)))
    if head == "+":
        total: Value = 0
        for term in cast("list[list[object]]", rest):
            part = _read(term[0], depth + 1)
            for factor, e in cast("list[tuple[object, int]]", term[1:]):
                part = multiply(part, power(_read(factor, depth + 1), e))
            total = add(total, part)
        return total
    if isinstance(head, str) and head in _APPLY:
        return _APPLY[head](*(_read(part, depth + 1) for part in rest))
    raise ValueError(f"unknown form {head!r}")


__all__ = [
    "Atom", "Dim", "DimTooLarge", "Factor", "Monomial", "Number", "Poly", "Value", "ceil_div", "compare", "dim_ceil",
    "dim_floor", "dim_max", "dim_min", "dim_round", "dim_sqrt", "divisible", "equal", "evaluate", "exact_div",
    "floor_div", "from_json", "is_whole", "power", "product", "show", "show_shape", "substitute", "symbol", "symbols", "to_json",
]  # fmt: skip
