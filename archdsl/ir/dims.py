"""The algebra of sizes: whole numbers, and polynomials with floors over the symbols of a shape.

A size is an `int` or a `Poly` in normal form. Symbols stand for whole numbers >= 1. Arithmetic goes through Python's
operators; what is a plain number stays one. A number that is not whole (it comes from `/`, a Fraction or a square root)
is a `Fraction`, never a float.

>>> h = symbol("H")
>>> show((h + 2 * 1 - 3) // 2 + 1), show(h // 2 // 2), show((4 * h + 6) // 2)
('(H + 1)//2', 'H//4', '2H + 3')
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import product
from numbers import Rational
from typing import TypeAlias, cast

Number: TypeAlias = int | Fraction
Dim: TypeAlias = "int | Poly"
Value: TypeAlias = "int | Fraction | Poly"  # what operators take: a size, or a number on the way to one
Factor: TypeAlias = "str | Atom"
Monomial: TypeAlias = "tuple[tuple[Factor, int], ...]"

MAX_TERMS = 2_000  # of one polynomial
MAX_SIZE = 4_000  # terms, those inside atoms counted too
MAX_EXPONENT = 64
MAX_DEPTH = 24  # of atoms within atoms
MAX_NUMBER = 2**200
SAMPLES = 240
_WHOLE = ("floor", "ceil", "div", "round")  # whole whatever their arguments
_NO_X = re.compile(r"\d*[A-Za-wyz_][A-Za-wyz0-9_]*|\d+")  # stands in a shape as it is
_NEAR = re.compile(
    r"(?![eE]\d)[A-Za-wyz_]\w*"
)  # may follow its coefficient: 2H, not 2e3, 2xs, or 2H^2, which is (2H)^2


class DimTooLarge(ValueError):
    """A size beyond what any network needs: too many terms, too high a power, too large a number."""


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
        inner = [factor for arg in self.args for factor in _factors(arg) if isinstance(factor, Atom)]
        depth, size = 1 + max((atom.depth for atom in inner), default=0), 1 + sum(map(_size, self.args))
        if depth > MAX_DEPTH or size > MAX_SIZE:
            raise DimTooLarge(f"a size nested {depth} deep, with {size} terms")
        facts = {"depth": depth, "size": size, "text": _show_atom(self), "whole": _atom_whole(self)}
        for name, fact in facts.items():
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
        return _dim(_add(self, other))

    def __sub__(self, other: Value) -> Dim:
        return _dim(_add(self, other, -1))

    def __rsub__(self, other: Value) -> Dim:
        return _dim(_add(other, self, -1))

    def __mul__(self, other: Value) -> Dim:
        return _dim(_mul(self, other))

    def __truediv__(self, other: Value) -> Dim:
        return _dim(_divide(self, other))

    def __rtruediv__(self, other: Value) -> Dim:
        return _dim(_divide(other, self))

    def __floordiv__(self, other: Value) -> Dim:
        return floor_div(self, other)

    def __rfloordiv__(self, other: Value) -> Dim:
        return floor_div(other, self)

    def __mod__(self, other: Value) -> Dim:
        return _dim(_mod(self, other))

    def __rmod__(self, other: Value) -> Dim:
        return _dim(_mod(other, self))

    def __pow__(self, exponent: int) -> Dim:
        return power(self, exponent)

    def __neg__(self) -> Dim:
        return _dim(_mul(self, -1))

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
    return _poly(name)


def _poly(factor: Factor) -> Poly:
    return Poly(((((factor, 1),), 1),))


def _atom(fn: str, *args: Value) -> Poly:
    return _poly(Atom(fn, args))


def _dim(value: Value) -> Dim:
    """Operators are typed as giving sizes; a Fraction comes out only where the caller brought in a non-whole number."""
    return cast("Dim", value)


def _number(value: Number) -> Number:
    if type(value) is not int:
        if not isinstance(value, Rational):
            raise TypeError(f"a size cannot be computed with {type(value).__name__} {value!r}; use Fraction")
        if max(abs(value.numerator), value.denominator) > MAX_NUMBER:
            raise DimTooLarge("a number beyond 2**200")
        return int(value) if value.denominator == 1 else value
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise DimTooLarge("a number beyond 2**200")
    return value


def _terms(value: Value) -> tuple[tuple[Monomial, Number], ...]:
    return value.terms if isinstance(value, Poly) else (((), _number(value)),)


def _factors(value: Value) -> Iterator[Factor]:
    return (factor for mono, _ in _terms(value) for factor, _ in mono)


def _key(factor: Factor) -> str:
    return factor if isinstance(factor, str) else "~" + factor.text  # symbols first


def _size(value: Value) -> int:
    return len(_terms(value)) + sum(factor.size for factor in _factors(value) if isinstance(factor, Atom))


def _order(term: tuple[Monomial, Number]) -> tuple[int, list[str]]:
    return -sum(e for _, e in term[0]), [_key(factor) for factor, e in term[0] for _ in range(e)]


def _make(terms: Mapping[Monomial, Number]) -> Value:
    kept = [(mono, _number(coef)) for mono, coef in terms.items() if coef]
    if not any(mono for mono, _ in kept):
        return kept[0][1] if kept else 0
    if any(e > MAX_EXPONENT for mono, _ in kept for _, e in mono):
        raise DimTooLarge(f"a size with a power above {MAX_EXPONENT}")
    made = Poly(tuple(sorted(kept, key=_order)))
    if len(kept) > MAX_TERMS or _size(made) > MAX_SIZE:
        raise DimTooLarge(f"a size of more than {MAX_TERMS} terms")
    return made


def _add(a: Value, b: Value, sign: int = 1) -> Value:
    if not isinstance(a, Poly) and not isinstance(b, Poly):
        return _number(a + sign * b)
    total = dict(_terms(a))
    for mono, coef in _terms(b):
        total[mono] = total.get(mono, 0) + sign * coef
    return _make(total)


def _mul(a: Value, b: Value) -> Value:
    if not isinstance(a, Poly) and not isinstance(b, Poly):
        return _number(a * b)
    left, right = _terms(a), _terms(b)
    if len(left) * len(right) > 50 * MAX_TERMS:
        raise DimTooLarge(f"a size of more than {MAX_TERMS} terms")
    total: dict[Monomial, Number] = {}
    for mono, coef in left:
        for other, factor in right:
            both = _times(mono, other)
            total[both] = total.get(both, 0) + coef * factor
    broken = [mono for mono in total if _quotients(mono) and sum(e for _, e in mono) > 1]
    pairs = [(_fraction(mono), total.pop(mono)) for mono in broken]
    result = _make(total)
    for (top, bottom), coef in pairs:  # H * (W / H): one quotient again, so that it cancels
        result = _add(result, _divide(_mul(top, coef), bottom))
    return result


def _times(a: Monomial, b: Monomial) -> Monomial:
    if not a or not b:
        return a or b
    powers = dict(a)
    for factor, e in b:
        powers[factor] = powers.get(factor, 0) + e
    return tuple(sorted(powers.items(), key=lambda item: _key(item[0])))


def _quotients(mono: Monomial) -> bool:
    return any(isinstance(factor, Atom) and factor.fn == "truediv" for factor, _ in mono)


def _fraction(mono: Monomial) -> tuple[Value, Value]:
    """A monomial as numerator and denominator."""
    top: Value = 1
    bottom: Value = 1
    for factor, e in mono:
        if isinstance(factor, Atom) and factor.fn == "truediv":
            top, bottom = _mul(top, power(factor.args[0], e)), _mul(bottom, power(factor.args[1], e))
        else:
            top = _mul(top, _make({((factor, e),): 1}))
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
        return _dim(_number(Fraction(base) ** exponent))
    if exponent < 0:
        raise ValueError(f"a size cannot have the power {exponent}")
    if exponent > MAX_EXPONENT:
        raise DimTooLarge(f"a size with a power above {MAX_EXPONENT}")
    result: Value = 1
    for _ in range(exponent):
        result = _mul(result, base)
    return _dim(result)


# ---- division and rounding ---------------------------------------------------------------------


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
        value = _divide(a, b)
        if not isinstance(value, Fraction):
            return value
    raise ValueError(f"{show(a)} is not divisible by {show(b)}")


def _divide(a: Value, b: Value) -> Value:
    """The value a / b: long division, and what remains as atoms `truediv(monomial, polynomial)`."""
    if not isinstance(b, Poly):
        return _mul(a, Fraction(1) / _number(b))
    content = _content(b)
    b = cast("Poly", _mul(b, 1 / content))
    lead, lead_coef = b.terms[0]
    result: Value = 0
    rest: Value = _mul(a, 1 / content)
    while rest != 0:
        mono, coef = _terms(rest)[0]
        over = _mono_over(mono, lead)
        if over is None:
            part = _make({mono: coef})
            rest = _add(rest, part, -1)
            result = _add(result, _leftover(mono, coef, b))
        else:
            part = _make({over: Fraction(coef) / lead_coef})
            rest = _add(rest, _mul(part, b), -1)
            result = _add(result, part)
    return result


def _leftover(mono: Monomial, coef: Number, b: Poly) -> Value:
    """coef * mono / b where the leading term of b does not divide mono; common factors cancel."""
    if _quotients(mono):
        top, bottom = _fraction(mono)
        return _divide(_mul(top, coef), _mul(bottom, b))
    powers = [dict(term) for term, _ in b.terms]
    common = tuple((f, n) for f, e in mono if (n := min(e, *(p.get(f, 0) for p in powers))))
    if common:
        below = _make({_mono_over(term, common) or (): c for term, c in b.terms})
        return _divide(_make({_mono_over(mono, common) or (): coef}), below)
    return _mul(_atom("truediv", _make({mono: 1}), b), coef)


def _mono_over(a: Monomial, b: Monomial) -> Monomial | None:
    powers = dict(a)
    for factor, e in b:
        powers[factor] = powers.get(factor, 0) - e
    return None if min(powers.values(), default=0) < 0 else tuple((f, e) for f, e in powers.items() if e)


def _content(poly: Poly) -> Fraction:
    """The rational that makes the coefficients whole, without common divisor, the first positive."""
    scale = _denominator(poly.terms)
    common = math.gcd(*(int(coef * scale) for _, coef in poly.terms))
    return Fraction(common if poly.terms[0][1] > 0 else -common, scale)


def _denominator(terms: Iterable[tuple[Monomial, Number]]) -> int:
    return math.lcm(*(coef.denominator for _, coef in terms))


def floor_div(a: Value, b: Value) -> Dim:
    """The floor of a / b."""
    if type(a) is int and type(b) is int:
        return a // b
    return dim_floor(_divide(a, b))


def ceil_div(a: Value, b: Value) -> Dim:
    """The ceiling of a / b: `same` padding, windows.

    >>> ceil_div(7, 2), show(ceil_div(symbol("H"), 2)), show(ceil_div(symbol("H"), symbol("s")))
    (4, '(H + 1)//2', '(H - 1)//s + 1')
    """
    if type(a) is int and type(b) is int:
        return -(-a // b)
    if isinstance(b, Poly) and is_whole(a) and is_whole(b) and (_low(b) or 0) > 0:
        return _dim(_add(floor_div(_add(a, 1, -1), b), 1))
    return dim_ceil(_divide(a, b))


def _mod(a: Value, b: Value) -> Value:
    return _add(a, _mul(floor_div(a, b), b), -1)


def dim_floor(value: Value) -> Dim:
    """The largest whole number not above `value`. Whole parts come out of it, and floors within floors merge."""
    if type(value) is int:
        return value
    return _floor_poly(value) if isinstance(value, Poly) else math.floor(_number(value))


@lru_cache(maxsize=4096)
def _floor_poly(value: Poly) -> Dim:
    whole = {mono: coef for mono, coef in value.terms if _whole_mono(mono) and type(coef) is int}
    if not whole:
        return _floor_rest(value)
    out = _make(whole)
    return _dim(_add(out, dim_floor(_add(value, out, -1))))


def _floor_rest(value: Poly) -> Dim:
    """The floor where no term is whole as it stands."""
    pure = all(_whole_mono(mono) for mono, _ in value.terms)
    if value.terms[0][1] < 0 and pure:
        return _dim(_mul(dim_ceil(_mul(value, -1)), -1))
    out = _make({m: math.trunc(c) if m else math.floor(c) for m, c in value.terms if _whole_mono(m)})
    if out != 0:
        return _dim(_add(out, dim_floor(_add(value, out, -1))))
    if (merged := _unnest(value)) is not None:
        return dim_floor(merged)
    if (rounded := _trim(value, math.floor)) != value:
        return dim_floor(rounded)
    if pure and is_whole(value):
        return value
    quotients = {factor.args[1] for factor in _factors(value) if isinstance(factor, Atom) and factor.fn == "truediv"}
    if len(quotients) == 1 and isinstance(below := quotients.pop(), Poly):
        top, scale = _mul(value, below), _denominator(value.terms)
        return _atom("div", _mul(top, scale), _mul(below, scale))
    return _atom("floor", value)


def _trim(value: Poly, rounding: Callable[[Number], int]) -> Value:
    """In a floor (ceiling), the constant counts by steps of the others' common denominator."""
    if not all(_whole_mono(mono) for mono, _ in value.terms):
        return value
    constant = dict(value.terms).get((), 0)
    scale = _denominator(term for term in value.terms if term[0])
    return _add(value, Fraction(rounding(constant * scale), scale) - constant)


def _unnest(value: Poly) -> Value | None:
    """floor(floor(x)/n + r) is floor(x/n + r) where n*r is whole; None if there is not one such floor."""
    found: Value | None = None
    for mono, coef in value.terms:
        factor = mono[0][0] if len(mono) == 1 and mono[0][1] == 1 else ""
        if not isinstance(factor, Atom) or factor.fn not in ("floor", "div") or coef.numerator != 1:
            continue
        rest = _add(value, _make({mono: coef}), -1)
        if all(_whole_mono(m) and (c * coef.denominator).denominator == 1 for m, c in _terms(rest)):
            if found is not None:
                return None
            inner = factor.args[0] if factor.fn == "floor" else _divide(*factor.args)
            found = _add(_mul(inner, coef), rest)
    return found


def dim_ceil(value: Value) -> Dim:
    """The smallest whole number not below `value`; of a polynomial over whole atoms, written as a floor."""
    if type(value) is int:
        return value
    if not isinstance(value, Poly):
        return math.ceil(_number(value))
    if all(_whole_mono(mono) for mono, _ in value.terms):
        if value.terms[0][1] < 0:
            return _dim(_mul(dim_floor(_mul(value, -1)), -1))
        scale = _denominator(term for term in value.terms if term[0])
        return dim_floor(_add(_trim(value, math.ceil), Fraction(scale - 1, scale)))
    out = _make({mono: math.trunc(coef) for mono, coef in value.terms if _whole_mono(mono)})
    return _dim(_add(out, _atom("ceil", _add(value, out, -1))))


def dim_round(value: Value) -> Dim:
    """The nearest whole number, halves to the even one as Python's round."""
    if type(value) is int or is_whole(value):
        return _dim(value)
    return _atom("round", value) if isinstance(value, Poly) else round(value)


def dim_sqrt(value: Value) -> Dim:
    """The square root: exact for squares, else a Fraction just below (52 binary places). ValueError if negative.

    >>> dim_sqrt(49), dim_floor(dim_sqrt(50)), show(dim_sqrt(4 * symbol("H") ** 2)), show(dim_sqrt(symbol("H")))
    (7, 7, '2H', 'sqrt(H)')
    """
    if isinstance(value, Poly):
        (mono, coef), *more = value.terms
        if not more and coef > 0 and all(isinstance(f, str) and e % 2 == 0 for f, e in mono):
            root = dim_sqrt(coef)
            if _mul(root, root) == coef:
                return _dim(_make({tuple((f, e // 2) for f, e in mono): cast("Number", root)}))
        return _atom("sqrt", value)
    value = _number(value)
    square = value.numerator * value.denominator
    if square < 0:
        raise ValueError(f"no square root of {value}")
    root = math.isqrt(square)
    if root * root != square:
        return _dim(_number(Fraction(math.isqrt(square << 104) // value.denominator, 1 << 52)))
    return _dim(_number(Fraction(root, value.denominator)))


def divisible(v: Value, d: Value) -> Dim:
    """The rounding of the MobileNets: to a multiple of d, at least d, and not below 0.9 v.

    >>> divisible(37, 8), divisible(3, 8), divisible(Fraction(45, 2), 8), show(divisible(symbol("C") * 8, 8))
    (40, 8, 24, '8C')
    """
    if isinstance(v, Poly) or isinstance(d, Poly):
        least = _low(_add(v, d, -1))
        same = least is not None and least >= 0 and not isinstance(d, Poly) and d > 1 and is_whole(_divide(v, d))
        return _dim(v) if same else _atom("divisible", v, d)
    new = max(d, int(v + Fraction(d) / 2) // d * d)
    return _dim(_number(new + d if 10 * new < 9 * v else new))


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
        if not any(_never_below(_mul(_add(other, value, -1), sign)) for other in kept):
            kept = [other for other in kept if not _never_below(_mul(_add(value, other, -1), sign))] + [value]
    return _dim(kept[0]) if len(kept) == 1 else _atom(fn, *sorted(kept, key=show))


def _parts(fn: str, value: Value) -> tuple[Value, ...]:
    """max(max(a, b), c) is max(a, b, c)."""
    if isinstance(value, Poly):
        (mono, coef), *more = value.terms
        factor = mono[0][0] if not more and coef == 1 and len(mono) == 1 and mono[0][1] == 1 else ""
        if isinstance(factor, Atom) and factor.fn == fn:
            return factor.args
    return (value if isinstance(value, Poly) else _number(value),)


# ---- what is known of a size -------------------------------------------------------------------


def _atom_whole(atom: Atom) -> bool:
    if atom.fn == "divisible":
        return is_whole(atom.args[1]) is True
    return atom.fn in _WHOLE or (atom.fn in ("max", "min") and all(is_whole(arg) for arg in atom.args))


def _whole_mono(mono: Monomial) -> bool:
    return all(isinstance(factor, str) or factor.whole for factor, _ in mono)


def is_whole(value: Value) -> bool | None:
    """True if whole for all whole symbols, False if for none, None if it depends or is not seen.

    >>> h = symbol("H")
    >>> is_whole(h * (h + 1) / 2), is_whole(h + Fraction(1, 2)), is_whole(h / 2)
    (True, False, None)
    """
    if not isinstance(value, Poly):
        return value.denominator == 1
    if not all(_whole_mono(mono) for mono, _ in value.terms):
        return None
    scale = _denominator(value.terms)
    if scale == 1:
        return True
    scaled = {mono: int(coef * scale) for mono, coef in value.terms}
    if scaled.pop((), 0) % math.gcd(scale, *scaled.values()):
        return False
    # A polynomial is whole everywhere if it is on the grid of its degrees (Newton's forward differences).
    degrees: dict[Factor, int] = {}
    for mono, _ in value.terms:
        degrees.update({factor: max(e, degrees.get(factor, 0)) for factor, e in mono})
    if math.prod(e + 1 for e in degrees.values()) > 256:
        return None
    for point in product(*(range(e + 1) for e in degrees.values())):
        at = dict(zip(degrees, point, strict=True))
        if sum(coef * math.prod(at[f] ** e for f, e in mono) for mono, coef in value.terms) % 1:
            return None
    return True


def _never_below(value: Value) -> bool:
    """Whether `value` is surely >= 0."""
    least = _low(value)
    return least is not None and least >= 0


def _low(value: Value) -> Number | None:
    """A number that `value` never falls below; None if none is seen."""
    if not isinstance(value, Poly):
        return value
    bounds = [bound for bound in (_bound(value), _bound(_relax(value))) if bound is not None]
    if not bounds:
        return None
    return math.ceil(max(bounds)) if is_whole(value) else max(bounds)


def _relax(value: Value) -> Value:
    """A lower bound of `value` with fewer floors: floor(x) is in [x - (n-1)/n, x]."""
    for mono, coef in _terms(value):
        for factor, e in mono:
            others = tuple((f, n) for f, n in mono if f != factor)
            if not isinstance(factor, Atom) or factor.fn != "floor" or e > 1:
                continue
            if all((low := _factor_low(f)) is not None and low >= 0 for f, _ in others):
                inner = factor.args[0]
                pure = all(_whole_mono(m) for m, _ in _terms(inner))
                step = Fraction(1, _denominator(_terms(inner))) if pure else 0
                bound = _add(inner, 1 - step, -1) if coef > 0 else inner
                change = _mul(_make({others: coef}), _add(bound, _poly(factor), -1))
                return _relax(_add(value, change))
    return value


def _bound(value: Value) -> Number | None:
    """The least value of a polynomial, seen by shifting every factor to begin at 0: no negative coefficient is left."""
    if not isinstance(value, Poly):
        return value
    lows: dict[Factor, Number] = {}
    for factor in _factors(value):
        low = _factor_low(factor)
        if low is None:
            return None
        lows[factor] = low
    if all(coef > 0 for mono, coef in value.terms if mono) and min(lows.values()) >= 0:
        return sum(coef * math.prod(lows[f] ** e for f, e in mono) for mono, coef in value.terms)
    if len(value.terms) > 40 or any(sum(e for _, e in mono) > 6 for mono, _ in value.terms):
        return None
    names = {factor: _add(_poly(f"{i}"), low) for i, (factor, low) in enumerate(lows.items())}
    shifted: Value = 0
    for mono, coef in value.terms:
        part: Value = coef
        for factor, e in mono:
            part = _mul(part, power(names[factor], e))
        shifted = _add(shifted, part)
    terms = dict(_terms(shifted))
    least = terms.pop((), 0)
    return least if all(coef >= 0 for coef in terms.values()) else None


def _factor_low(factor: Factor) -> Number | None:
    return 1 if isinstance(factor, str) else factor.low


def _atom_low(atom: Atom) -> Number | None:
    if atom.fn == "sqrt":
        return 0
    lows = [_low(arg) for arg in (atom.args[1:] if atom.fn == "divisible" else atom.args)]
    known = [low for low in lows if low is not None]
    if atom.fn == "max":
        return max(known, default=None)
    if len(known) < len(lows):
        return None
    if atom.fn in ("div", "truediv"):
        return 0 if known[0] >= 0 and known[1] > 0 else None
    if atom.fn in ("min", "divisible"):
        return min(known)
    return cast("Number", _APPLY[atom.fn](*known))  # floor, ceil, round do not fall


def compare(a: Value, b: Value, op: str) -> bool | None:
    """`a op b` if it is the same for all whole symbols >= 1, else None; op is one of < <= > >= == !=.

    >>> h = symbol("H")
    >>> compare(h // 2, h, "<="), compare(h, 0, "=="), compare(h, 7, ">")
    (True, False, None)
    """
    if op in (">", ">="):
        return compare(b, a, "<" if op == ">" else "<=")
    if op == "!=":
        same = compare(a, b, "==")
        return None if same is None else not same
    rise = _add(b, a, -1)
    least, greatest = _low(rise), _low(_mul(rise, -1))  # the second is minus the greatest
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
    rise = _add(a, b, -1)
    if not isinstance(rise, Poly):
        return rise == 0
    opaque = any(isinstance(factor, Atom) for factor in _factors(rise))
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
    source = random.Random(20_240)  # reproducible, not secret
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
        return _dim(dim)
    total: Value = 0
    for mono, coef in dim.terms:
        part: Value = coef
        for factor, e in mono:
            if isinstance(factor, str):
                value = values.get(factor)
                value = _poly(factor) if value is None else value
            else:
                value = _APPLY[factor.fn](*(substitute(arg, values) for arg in factor.args))
            part = _mul(part, power(value, e))
        total = _add(total, part)
    return _dim(total)


def evaluate(dim: Value, values: Mapping[str, int]) -> Number:
    """The value of `dim`. Raises KeyError for a symbol without a value, ZeroDivisionError, ValueError (roots)."""
    result = substitute(dim, values)
    if isinstance(result, Poly):
        raise KeyError(", ".join(sorted(symbols(result))))
    return result


def symbols(dim: Value) -> frozenset[str]:
    """The names in `dim`."""
    found: set[str] = set()
    for factor in _factors(dim):
        found |= {factor} if isinstance(factor, str) else frozenset().union(*map(symbols, factor.args))
    return frozenset(found)


_APPLY: dict[str, Callable[..., Value]] = {
    "floor": dim_floor,
    "ceil": dim_ceil,
    "max": dim_max,
    "min": dim_min,
    "mod": _mod,
    "div": floor_div,
    "truediv": _divide,
    "divisible": divisible,
    "sqrt": dim_sqrt,
    "round": dim_round,
}


# ---- printing ----------------------------------------------------------------------------------


def show(dim: Value) -> str:
    """In the language's notation; it reads back as the same size.

    >>> h, c = symbol("H"), symbol("C")
    >>> show(c * 4), show((h + 1) // 2 * c - 1), show(12 * h * c), show(2 * h**2 - h), show((h + 1) / 2)
    ('4C', 'C*((H + 1)//2) - 1', '12C*H', '2*H^2 - H', '(H + 1)/2')
    """
    if not isinstance(dim, Poly):
        return str(dim)
    scale = _denominator(dim.terms)
    if scale > 1:
        return _show_over(_mul(dim, scale), "/", scale)
    first, *others = dim.terms if dim.terms[0][1] > 0 else sorted(dim.terms, key=lambda term: term[1] < 0)
    text = "-" * (first[1] < 0) + _show_term(*first, alone=first[1] > 0)
    return text + "".join(f" {'-' if coef < 0 else '+'} {_show_term(mono, coef)}" for mono, coef in others)


def _show_term(mono: Monomial, coef: Number, *, alone: bool = True) -> str:
    """The term without its sign; `alone`: a quotient with nothing before it needs no parentheses."""
    coef = abs(coef)
    if not mono:
        return str(coef)
    alone = alone and coef == 1 and len(mono) == 1 and mono[0][1] == 1
    texts = [_show_power(factor, e, alone=alone) for factor, e in mono]
    if coef != 1:
        near = isinstance(mono[0][0], str) and _NEAR.fullmatch(texts[0])
        texts[0] = f"{coef}{texts[0]}" if near else f"{coef}*{texts[0]}"
    return "*".join(texts)


def _show_power(factor: Factor, e: int, *, alone: bool) -> str:
    text = factor if isinstance(factor, str) else factor.text
    if not alone and isinstance(factor, Atom) and _infix(factor):
        text = f"({text})"
    return text if e == 1 else f"{text}^{e}"


def _infix(factor: Factor) -> bool:
    if isinstance(factor, str):
        return False
    return factor.fn in ("div", "truediv") or (factor.fn == "floor" and _denominator(_terms(factor.args[0])) > 1)


def _show_atom(atom: Atom) -> str:
    if atom.fn in ("div", "truediv"):
        return _show_over(atom.args[0], "//" if atom.fn == "div" else "/", atom.args[1])
    if _infix(atom):
        scale = _denominator(_terms(atom.args[0]))
        return _show_over(_mul(atom.args[0], scale), "//", scale)
    return f"{atom.fn}({', '.join(map(show, atom.args))})"


def _show_over(top: Value, op: str, bottom: Value) -> str:
    (mono, coef), *more = _terms(top)
    bare = not more and coef > 0 and not (coef == 1 and len(mono) == 1 and mono[0][1] == 1 and _infix(mono[0][0]))
    above, below = show(top), show(bottom)
    simple = below.isidentifier() or below.isdigit()
    return (above if bare else f"({above})") + op + (below if simple else f"({below})")


def show_shape(shape: Iterable[Value]) -> str:
    """Sizes joined by x, in parentheses where the language wants them.

    >>> show_shape((64, symbol("H"), symbol("H") // 2)), show_shape((2 * symbol("C"), symbol("exp")))
    ('64xHx(H//2)', '2Cx(exp)')
    """
    texts = [show(dim) for dim in shape]
    return "x".join(text if _NO_X.fullmatch(text) else f"({text})" for text in texts)


# ---- JSON --------------------------------------------------------------------------------------


def to_json(dim: Value) -> object:
    """Ints, names and lists: `["/", 1, 2]`, `[fn, argument...]`, `["+", [coefficient, [factor, exponent]...]...]`.

    >>> to_json(symbol("H")), to_json((symbol("H") + 1) // 2)
    ('H', ['floor', ['+', [['/', 1, 2], ['H', 1]], [['/', 1, 2]]]])
    """
    if not isinstance(dim, Poly):
        return int(dim) if dim.denominator == 1 else ["/", dim.numerator, dim.denominator]
    (mono, coef), *more = dim.terms
    if not more and coef == 1 and len(mono) == 1 and mono[0][1] == 1:
        return _factor_json(mono[0][0])
    return ["+", *([to_json(c), *([_factor_json(f), e] for f, e in m)] for m, c in dim.terms)]


def _factor_json(factor: Factor) -> object:
    return factor if isinstance(factor, str) else [factor.fn, *map(to_json, factor.args)]


def from_json(value: object) -> Dim:
    """The inverse of `to_json`, in normal form whatever was written. Raises ValueError for anything else."""
    try:
        return _dim(_read(value, 0))
    except DimTooLarge:
        raise
    except (TypeError, ValueError, LookupError, ZeroDivisionError) as error:
        raise ValueError(f"not a size: {error}") from error


def _read(value: object, depth: int) -> Value:
    if depth > 3 * MAX_DEPTH:
        raise DimTooLarge("a size nested too deep")
    if type(value) is int:
        return _number(value)
    if isinstance(value, str):
        return symbol(value)
    head, *rest = cast("list[object]", value) if isinstance(value, list) and value else [None]
    if head == "/" and len(rest) == 2 and all(type(part) is int for part in rest):
        return _number(Fraction(*cast("list[int]", rest)))
    if head == "+":
        total: Value = 0
        for term in cast("list[list[object]]", rest):
            part = _read(term[0], depth + 1)
            for factor, e in cast("list[tuple[object, int]]", term[1:]):
                part = _mul(part, power(_read(factor, depth + 1), e))
            total = _add(total, part)
        return total
    if isinstance(head, str) and head in _APPLY:
        return _APPLY[head](*(_read(part, depth + 1) for part in rest))
    raise ValueError(f"unknown form {head!r}")
