"""Sizes in normal form: polynomials over symbols and atoms, their arithmetic, their floors, and a lower bound of each.

What other packages use is in `ir.dims`. Making an atom asks for its lower bound, bounds are found by arithmetic, and
arithmetic makes atoms: that circle is why they stand in one file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias, cast

from ..records import dataclass
from .dim_terms import (
    MAX_NUMBER,
    DimTooLarge,
    Number,
    content,
    denominator,
    has_quotient,
    is_whole,
    number,
    over,
    show,
    show_application,
    term_order,
    times,
    whole_application,
    whole_monomial,
)

Dim: TypeAlias = "int | Poly"
Value: TypeAlias = "int | Fraction | Poly"  # what operators take: a size, or a number on the way to one
Factor: TypeAlias = "str | Atom"
Monomial: TypeAlias = "tuple[tuple[Factor, int], ...]"

MAX_TERMS = 2_000  # of one polynomial
MAX_SIZE = 4_000  # terms, those inside atoms counted too
MAX_EXPONENT = 64
MAX_DEPTH = 24  # of atoms within atoms


@dataclass(frozen=True, slots=True)
class Atom:
    """An application the algebra cannot take apart: floor, ceil, max, min, div, truediv, divisible, sqrt, round.

    What is asked of it often is worked out once: its text, whether it is whole, a number it never falls below.
    """

    fn: str
    args: tuple[Value, ...]
    depth: int = field(init=False, compare=False, repr=False)
    size: int = field(init=False, compare=False, repr=False)
    text: str = field(init=False, compare=False, repr=False)
    whole: bool = field(init=False, compare=False, repr=False)
    low: Number | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        inner = [factor for arg in self.args for factor in factors_of(arg) if isinstance(factor, Atom)]
        depth, size = 1 + max((atom.depth for atom in inner), default=0), 1 + sum(map(_size, self.args))
        if depth > MAX_DEPTH or size > MAX_SIZE:
            raise DimTooLarge(f"a size nested {depth} deep, with {size} terms")
        text, whole = show_application(self.fn, self.args), whole_application(self.fn, self.args)
        for name, fact in {"depth": depth, "size": size, "text": text, "whole": whole}.items():
            object.__setattr__(self, name, fact)
        object.__setattr__(self, "low", _atom_low(self))


@dataclass(frozen=True, slots=True, repr=False)
class Poly:
    """A polynomial in normal form, never constant; `==` compares normal forms, `equal` compares values.

    `terms` are (monomial, coefficient), by falling degree, then alphabetically. Build with `symbol` and operators.
    Division: `//` and `%` floor, `/` keeps rational coefficients.
    """

    terms: tuple[tuple[Monomial, Number], ...]

    def __add__(self, other: Value) -> Dim:
        return as_dim(add(self, other))

    def __sub__(self, other: Value) -> Dim:
        return as_dim(add(self, other, -1))

    def __rsub__(self, other: Value) -> Dim:
        return as_dim(add(other, self, -1))

    def __mul__(self, other: Value) -> Dim:
        return as_dim(multiply(self, other))

    def __truediv__(self, other: Value) -> Dim:
        return as_dim(divide(self, other))

    def __rtruediv__(self, other: Value) -> Dim:
        return as_dim(divide(other, self))

    def __floordiv__(self, other: Value) -> Dim:
        return floor_div(self, other)

    def __rfloordiv__(self, other: Value) -> Dim:
        return floor_div(other, self)

    def __mod__(self, other: Value) -> Dim:
        return as_dim(modulo(self, other))

    def __rmod__(self, other: Value) -> Dim:
        return as_dim(modulo(other, self))

    def __pow__(self, exponent: int) -> Dim:
        return power(self, exponent)

    def __neg__(self) -> Dim:
        return as_dim(multiply(self, -1))

    __radd__ = __add__
    __rmul__ = __mul__

    def __str__(self) -> str:
        return show(self)

    def __repr__(self) -> str:
        return f"<{show(self)}>"


# ---- building ----------------------------------------------------------------------------------


def symbol(name: str) -> Poly:
    """The size called `name`, a whole number >= 1. Raises ValueError unless it is an identifier."""
    if not name.isidentifier():
        raise ValueError(f"not a name: {name!r}")
    return poly(name)


def poly(factor: Factor) -> Poly:
    """A symbol or an atom as a polynomial."""
    return Poly(((((factor, 1),), 1),))


def atom(fn: str, *args: Value) -> Poly:
    """An application as a polynomial."""
    return poly(Atom(fn, args))


def as_dim(value: Value) -> Dim:
    """Operators are typed as giving sizes; a Fraction comes out only where the caller brought in a non-whole number."""
    return cast("Dim", value)


def terms_of(value: Value) -> tuple[tuple[Monomial, Number], ...]:
    """The terms of a value; a number is one term."""
    return value.terms if isinstance(value, Poly) else (((), number(value)),)


def factors_of(value: Value) -> Iterator[Factor]:
    """The symbols and atoms of a value, once a term."""
    return (factor for mono, _ in terms_of(value) for factor, _ in mono)


def _size(value: Value) -> int:
    return len(terms_of(value)) + sum(factor.size for factor in factors_of(value) if isinstance(factor, Atom))


def make(terms: Mapping[Monomial, Number]) -> Value:
    """The value of some terms: a number, or a polynomial with its terms in order."""
    kept = [(mono, number(coef)) for mono, coef in terms.items() if coef]
    if not any(mono for mono, _ in kept):
        return kept[0][1] if kept else 0
    if any(e > MAX_EXPONENT for mono, _ in kept for _, e in mono):
        raise DimTooLarge(f"a size with a power above {MAX_EXPONENT}")
    made = Poly(tuple(sorted(kept, key=term_order)))
    if len(kept) > MAX_TERMS or _size(made) > MAX_SIZE:
        raise DimTooLarge(f"a size of more than {MAX_TERMS} terms")
    return made


def add(a: Value, b: Value, sign: int = 1) -> Value:
    """a + b; with sign -1, a - b."""
    if not isinstance(a, Poly) and not isinstance(b, Poly):
        return number(a + sign * b)
    total = dict(terms_of(a))
    for mono, coef in terms_of(b):
        total[mono] = total.get(mono, 0) + sign * coef
    return make(total)


def multiply(a: Value, b: Value) -> Value:
    """a * b."""
    if not isinstance(a, Poly) and not isinstance(b, Poly):
        return number(a * b)
    left, right = terms_of(a), terms_of(b)
    if len(left) * len(right) > 50 * MAX_TERMS:
        raise DimTooLarge(f"a size of more than {MAX_TERMS} terms")
    total: dict[Monomial, Number] = {}
    for mono, coef in left:
        for other, factor in right:
            both = times(mono, other)
            total[both] = total.get(both, 0) + coef * factor
    broken = [mono for mono in total if has_quotient(mono) and sum(e for _, e in mono) > 1]
    pairs = [(_fraction(mono), total.pop(mono)) for mono in broken]
    result = make(total)
    for (top, bottom), coef in pairs:  # H * (W / H): one quotient again, so that it cancels
        result = add(result, divide(multiply(top, coef), bottom))
    return result


def _fraction(mono: Monomial) -> tuple[Value, Value]:
    """A monomial as numerator and denominator."""
    top: Value = 1
    bottom: Value = 1
    for factor, e in mono:
        if isinstance(factor, Atom) and factor.fn == "truediv":
            top, bottom = multiply(top, power(factor.args[0], e)), multiply(bottom, power(factor.args[1], e))
        else:
            top = multiply(top, make({((factor, e),): 1}))
    return top, bottom


def power(base: Value, exponent: int) -> Dim:
    """`base` to a whole power; only a number may have a negative one.

    Raises DimTooLarge before computing what is beyond the limits, so it is safe on what a user wrote.
    """
    if not isinstance(base, Poly):
        if max(abs(base.numerator), base.denominator).bit_length() * abs(exponent) > 2 * MAX_NUMBER.bit_length():
            if abs(base) != 1:
                raise DimTooLarge("a number beyond 2**200")
            exponent %= 2
        return as_dim(number(Fraction(base) ** exponent))
    if exponent < 0:
        raise ValueError(f"a size cannot have the power {exponent}")
    if exponent > MAX_EXPONENT:
        raise DimTooLarge(f"a size with a power above {MAX_EXPONENT}")
    result: Value = 1
    for _ in range(exponent):
        result = multiply(result, base)
    return as_dim(result)


# ---- division and rounding ---------------------------------------------------------------------


def divide(a: Value, b: Value) -> Value:
    """The value a / b: long division, and what remains as atoms `truediv(monomial, polynomial)`."""
    if not isinstance(b, Poly):
        return multiply(a, Fraction(1) / number(b))
    scale = 1 / content(b.terms)
    b = cast("Poly", multiply(b, scale))
    lead, lead_coef = b.terms[0]
    result: Value = 0
    rest: Value = multiply(a, scale)
    while rest != 0:
        mono, coef = terms_of(rest)[0]
        quotient = over(mono, lead)
        if quotient is None:
            rest = add(rest, make({mono: coef}), -1)
            result = add(result, _leftover(mono, coef, b))
        else:
            part = make({quotient: Fraction(coef) / lead_coef})
            rest = add(rest, multiply(part, b), -1)
            result = add(result, part)
    return result


def _leftover(mono: Monomial, coef: Number, b: Poly) -> Value:
    """coef * mono / b where the leading term of b does not divide mono; common factors cancel."""
    if has_quotient(mono):
        top, bottom = _fraction(mono)
        return divide(multiply(top, coef), multiply(bottom, b))
    powers = [dict(term) for term, _ in b.terms]
    common = tuple((f, n) for f, e in mono if (n := min(e, *(p.get(f, 0) for p in powers))))
    if common:
        below = make({over(term, common) or (): c for term, c in b.terms})
        return divide(make({over(mono, common) or (): coef}), below)
    return multiply(atom("truediv", make({mono: 1}), b), coef)


def floor_div(a: Value, b: Value) -> Dim:
    """The floor of a / b."""
    if type(a) is int and type(b) is int:
        return a // b
    return dim_floor(divide(a, b))


def modulo(a: Value, b: Value) -> Value:
    """a - (a // b) * b."""
    return add(a, multiply(floor_div(a, b), b), -1)


def dim_floor(value: Value) -> Dim:
    """The largest whole number not above `value`. Whole parts come out of it, and floors within floors merge."""
    if type(value) is int:
        return value
    return _floor_poly(value) if isinstance(value, Poly) else math.floor(number(value))


@lru_cache(maxsize=4096)
def _floor_poly(value: Poly) -> Dim:
    whole = {mono: coef for mono, coef in value.terms if whole_monomial(mono) and type(coef) is int}
    if not whole:
        return _floor_rest(value)
    out = make(whole)
    return as_dim(add(out, dim_floor(add(value, out, -1))))


def _floor_rest(value: Poly) -> Dim:
    """The floor where no term is whole as it stands."""
    pure = all(whole_monomial(mono) for mono, _ in value.terms)
    if value.terms[0][1] < 0 and pure:
        return as_dim(multiply(dim_ceil(multiply(value, -1)), -1))
    out = make({m: math.trunc(c) if m else math.floor(c) for m, c in value.terms if whole_monomial(m)})
    if out != 0:
        return as_dim(add(out, dim_floor(add(value, out, -1))))
    if (merged := _unnest(value)) is not None:
        return dim_floor(merged)
    if (rounded := _trim(value, math.floor)) != value:
        return dim_floor(rounded)
    if pure and is_whole(value):
        return value
    quotients = {factor.args[1] for factor in factors_of(value) if isinstance(factor, Atom) and factor.fn == "truediv"}
    if len(quotients) == 1 and isinstance(below := quotients.pop(), Poly):
        top, scale = multiply(value, below), denominator(value.terms)
        return atom("div", multiply(top, scale), multiply(below, scale))
    return atom("floor", value)


def _trim(value: Poly, rounding: Callable[[Number], int]) -> Value:
    """In a floor (ceiling), the constant counts by steps of the others' common denominator."""
    if not all(whole_monomial(mono) for mono, _ in value.terms):
        return value
    constant = dict(value.terms).get((), 0)
    scale = denominator(term for term in value.terms if term[0])
    return add(value, Fraction(rounding(constant * scale), scale) - constant)


def _unnest(value: Poly) -> Value | None:
    """floor(floor(x)/n + r) is floor(x/n + r) where n*r is whole; None if there is not one such floor."""
    found: Value | None = None
    for mono, coef in value.terms:
        factor = mono[0][0] if len(mono) == 1 and mono[0][1] == 1 else ""
        if not isinstance(factor, Atom) or factor.fn not in ("floor", "div") or coef.numerator != 1:
            continue
        rest = add(value, make({mono: coef}), -1)
        if all(whole_monomial(m) and (c * coef.denominator).denominator == 1 for m, c in terms_of(rest)):
            if found is not None:
                return None
            inner = factor.args[0] if factor.fn == "floor" else divide(*factor.args)
            found = add(multiply(inner, coef), rest)
    return found


def dim_ceil(value: Value) -> Dim:
    """The smallest whole number not below `value`; of a polynomial over whole atoms, written as a floor."""
    if type(value) is int:
        return value
    if not isinstance(value, Poly):
        return math.ceil(number(value))
    if all(whole_monomial(mono) for mono, _ in value.terms):
        if value.terms[0][1] < 0:
            return as_dim(multiply(dim_floor(multiply(value, -1)), -1))
        scale = denominator(term for term in value.terms if term[0])
        return dim_floor(add(_trim(value, math.ceil), Fraction(scale - 1, scale)))
    out = make({mono: math.trunc(coef) for mono, coef in value.terms if whole_monomial(mono)})
    return as_dim(add(out, atom("ceil", add(value, out, -1))))


# ---- what is never fallen below ----------------------------------------------------------------


def low_of(value: Value) -> Number | None:
    """A number that `value` never falls below; None if none is seen."""
    if not isinstance(value, Poly):
        return value
    try:
        bounds = [bound for bound in (_bound(value), _bound(_relax(value))) if bound is not None]
    except DimTooLarge:  # on the way to a bound, not the value itself
        return None
    if not bounds:
        return None
    return math.ceil(max(bounds)) if is_whole(value) else max(bounds)


def _relax(value: Value) -> Value:
    """A lower bound of `value` with fewer floors: floor(x) is in [x - (n-1)/n, x]."""
    for mono, coef in terms_of(value):
        for factor, e in mono:
            others = tuple((f, n) for f, n in mono if f != factor)
            if not isinstance(factor, Atom) or factor.fn != "floor" or e > 1:
                continue
            if all((low := _factor_low(f)) is not None and low >= 0 for f, _ in others):
                inner = factor.args[0]
                pure = all(whole_monomial(m) for m, _ in terms_of(inner))
                step = Fraction(1, denominator(terms_of(inner))) if pure else 0
                bound = add(inner, 1 - step, -1) if coef > 0 else inner
                change = multiply(make({others: coef}), add(bound, poly(factor), -1))
                return _relax(add(value, change))
    return value


def _bound(value: Value) -> Number | None:
    """The least value of a polynomial, seen by shifting every factor to begin at 0: no negative coefficient is left."""
    if not isinstance(value, Poly):
        return value
    lows: dict[Factor, Number] = {}
    for factor in factors_of(value):
        low = _factor_low(factor)
        if low is None:
            return None
        lows[factor] = low
    if all(coef > 0 for mono, coef in value.terms if mono) and min(lows.values()) >= 0:
        return sum(coef * math.prod(lows[f] ** e for f, e in mono) for mono, coef in value.terms)
    if len(value.terms) > 40 or any(sum(e for _, e in mono) > 6 for mono, _ in value.terms):
        return None
    names = {factor: add(poly(f"{i}"), low) for i, (factor, low) in enumerate(lows.items())}
    shifted: Value = 0
    for mono, coef in value.terms:
        part: Value = coef
        for factor, e in mono:
            part = multiply(part, power(names[factor], e))
        shifted = add(shifted, part)
    terms = dict(terms_of(shifted))
    least = terms.pop((), 0)
    return least if all(coef >= 0 for coef in terms.values()) else None


def _factor_low(factor: Factor) -> Number | None:
    return 1 if isinstance(factor, str) else factor.low


def _atom_low(atom: Atom) -> Number | None:
    if atom.fn == "sqrt":
        return 0
    lows = [low_of(arg) for arg in (atom.args[1:] if atom.fn == "divisible" else atom.args)]
    known = [low for low in lows if low is not None]
    if atom.fn == "max":
        return max(known, default=None)
    if len(known) < len(lows):
        return None
    if atom.fn in ("div", "truediv"):
        return 0 if known[0] >= 0 and known[1] > 0 else None
    if atom.fn in ("min", "divisible"):
        return min(known)
    return _ROUNDINGS[atom.fn](known[0])


_ROUNDINGS: dict[str, Callable[[Number], int]] = {"floor": math.floor, "ceil": math.ceil, "round": round}
