"""The terms of a size, as they are: numbers, monomials, wholeness, printing. `ir.dim_poly` has the arithmetic.

A size is a number or a sum of terms, a term a monomial and its coefficient, a monomial powers of factors, and a factor
a symbol's name or an atom: the application of a function that the algebra cannot take apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction
from itertools import product
from numbers import Rational
from typing import Protocol, TypeAlias, TypeVar

Number: TypeAlias = int | Fraction

MAX_NUMBER = 2**200
_WHOLE = ("floor", "ceil", "div", "round")  # whole whatever their arguments
_NO_X = re.compile(r"\d*[A-Za-wyz_][A-Za-wyz0-9_]*|\d+")  # stands in a shape as it is
# What may follow its coefficient: 2H, but not 2e3, 2xs, or 2H^2, which is (2H)^2.
_NEAR = re.compile(r"(?![eE]\d)[A-Za-wyz_]\w*")


class DimTooLarge(ValueError):
    """A size beyond what any network needs: too many terms, too high a power, too large a number."""


def number(value: Number) -> Number:
    """A number as the algebra keeps it: an int where it is whole. Raises TypeError for a float, DimTooLarge."""
    if type(value) is not int:
        if not isinstance(value, Rational):
            raise TypeError(f"a size cannot be computed with {type(value).__name__} {value!r}; use Fraction")
        if max(abs(value.numerator), value.denominator) > MAX_NUMBER:
            raise DimTooLarge("a number beyond 2**200")
        return int(value) if value.denominator == 1 else value
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise DimTooLarge("a number beyond 2**200")
    return value


class AtomLike(Protocol):
    """An atom, as far as it is read here."""

    @property
    def fn(self) -> str: ...
    @property
    def args(self) -> tuple[ValueLike, ...]: ...
    @property
    def text(self) -> str: ...
    @property
    def whole(self) -> bool: ...


class PolyLike(Protocol):
    """A polynomial, as far as it is read here."""

    @property
    def terms(self) -> Terms: ...


F = TypeVar("F", bound="str | AtomLike")
FactorLike: TypeAlias = "str | AtomLike"
MonomialLike: TypeAlias = "tuple[tuple[FactorLike, int], ...]"
Terms: TypeAlias = "tuple[tuple[MonomialLike, Number], ...]"
ValueLike: TypeAlias = "int | Fraction | PolyLike"


# ---- monomials ---------------------------------------------------------------------------------


def sort_key(factor: FactorLike) -> str:
    """Where a factor stands in a monomial: symbols first, then atoms, by their text."""
    return factor if isinstance(factor, str) else "~" + factor.text


def term_order(term: tuple[MonomialLike, Number]) -> tuple[int, list[str]]:
    """Where a term stands: by falling degree, then alphabetically."""
    return -sum(e for _, e in term[0]), [sort_key(factor) for factor, e in term[0] for _ in range(e)]


def times(a: tuple[tuple[F, int], ...], b: tuple[tuple[F, int], ...]) -> tuple[tuple[F, int], ...]:
    """The product of two monomials."""
    if not a or not b:
        return a or b
    powers = dict(a)
    for factor, e in b:
        powers[factor] = powers.get(factor, 0) + e
    return tuple(sorted(powers.items(), key=lambda item: sort_key(item[0])))


def over(a: tuple[tuple[F, int], ...], b: tuple[tuple[F, int], ...]) -> tuple[tuple[F, int], ...] | None:
    """The monomial a / b; None if b does not divide a."""
    powers = dict(a)
    for factor, e in b:
        powers[factor] = powers.get(factor, 0) - e
    return None if min(powers.values(), default=0) < 0 else tuple((f, e) for f, e in powers.items() if e)


def has_quotient(mono: MonomialLike) -> bool:
    """Whether a factor is a quotient that division left over."""
    return any(not isinstance(factor, str) and factor.fn == "truediv" for factor, _ in mono)


def denominator(terms: Iterable[tuple[MonomialLike, Number]]) -> int:
    """The least common denominator of the coefficients."""
    return math.lcm(*(coef.denominator for _, coef in terms))


def content(terms: Terms) -> Fraction:
    """The rational that makes the coefficients whole, without common divisor, the first positive."""
    scale = denominator(terms)
    common = math.gcd(*(int(coef * scale) for _, coef in terms))
    return Fraction(common if terms[0][1] > 0 else -common, scale)


def single(value: ValueLike) -> FactorLike | None:
    """The factor that `value` is; None if it is more than one factor, or a number."""
    if isinstance(value, int | Fraction):
        return None
    (mono, coef), *more = value.terms
    return mono[0][0] if not more and coef == 1 and len(mono) == 1 and mono[0][1] == 1 else None


# ---- wholeness ---------------------------------------------------------------------------------


def whole_monomial(mono: MonomialLike) -> bool:
    """Whether every factor is whole."""
    return all(isinstance(factor, str) or factor.whole for factor, _ in mono)


def whole_application(fn: str, args: tuple[ValueLike, ...]) -> bool:
    """Whether an application is whole for all whole symbols."""
    if fn == "divisible":
        return is_whole(args[1]) is True
    return fn in _WHOLE or (fn in ("max", "min") and all(is_whole(arg) for arg in args))


def is_whole(value: ValueLike) -> bool | None:
    """True if whole for all whole symbols, False if for none, None if it depends or is not seen.

    >>> from archdsl.ir.dims import symbol
    >>> h = symbol("H")
    >>> is_whole(h * (h + 1) / 2), is_whole(h + Fraction(1, 2)), is_whole(h / 2)
    (True, False, None)
    """
    if isinstance(value, int | Fraction):
        return value.denominator == 1
    if not all(whole_monomial(mono) for mono, _ in value.terms):
        return None
    scale = denominator(value.terms)
    if scale == 1:
        return True
    scaled = {mono: int(coef * scale) for mono, coef in value.terms}
    if scaled.pop((), 0) % math.gcd(scale, *scaled.values()):
        return False
    return True if _whole_on_grid(value.terms) else None


def _whole_on_grid(terms: Terms) -> bool:
    """A polynomial is whole everywhere if it is on the grid of its degrees (Newton's forward differences)."""
    degrees: dict[FactorLike, int] = {}
    for mono, _ in terms:
        degrees.update({factor: max(e, degrees.get(factor, 0)) for factor, e in mono})
    if math.prod(e + 1 for e in degrees.values()) > 256:
        return False
    for point in product(*(range(e + 1) for e in degrees.values())):
        at = dict(zip(degrees, point, strict=True))
        if sum(coef * math.prod(at[f] ** e for f, e in mono) for mono, coef in terms) % 1:
            return False
    return True


# ---- printing ----------------------------------------------------------------------------------


def show(dim: ValueLike) -> str:
    """In the language's notation; it reads back as the same size.

    >>> from archdsl.ir.dims import symbol
    >>> h, c = symbol("H"), symbol("C")
    >>> show(c * 4), show((h + 1) // 2 * c - 1), show(12 * h * c), show(2 * h**2 - h), show((h + 1) / 2)
    ('4C', 'C*((H + 1)//2) - 1', '12C*H', '2*H^2 - H', '(H + 1)/2')
    """
    return str(dim) if isinstance(dim, int | Fraction) else _show_terms(dim.terms)


def _show_terms(terms: Terms) -> str:
    scale = denominator(terms)
    if scale > 1:
        return _show_over(_scaled(terms, scale), "/", str(scale))
    first, *others = terms if terms[0][1] > 0 else sorted(terms, key=lambda term: term[1] < 0)
    text = "-" * (first[1] < 0) + _show_term(*first, alone=first[1] > 0)
    return text + "".join(f" {'-' if coef < 0 else '+'} {_show_term(mono, coef)}" for mono, coef in others)


def _scaled(terms: Terms, scale: int) -> Terms:
    return tuple((mono, coef * scale) for mono, coef in terms)


def _show_term(mono: MonomialLike, coef: Number, *, alone: bool = True) -> str:
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


def _show_power(factor: FactorLike, e: int, *, alone: bool) -> str:
    text = factor if isinstance(factor, str) else factor.text
    if not alone and not isinstance(factor, str) and _infix(factor.fn, factor.args):
        text = f"({text})"
    return text if e == 1 else f"{text}^{e}"


def _infix(fn: str, args: tuple[ValueLike, ...]) -> bool:
    """Whether an application is written with `/` or `//`."""
    return fn in ("div", "truediv") or (fn == "floor" and _scale(args[0]) > 1)


def _scale(value: ValueLike) -> int:
    return value.denominator if isinstance(value, int | Fraction) else denominator(value.terms)


def _terms(value: ValueLike) -> Terms:
    return (((), value),) if isinstance(value, int | Fraction) else value.terms


def show_application(fn: str, args: tuple[ValueLike, ...]) -> str:
    """An atom's text."""
    if fn in ("div", "truediv"):
        return _show_over(_terms(args[0]), "//" if fn == "div" else "/", show(args[1]))
    if _infix(fn, args):
        scale = _scale(args[0])
        return _show_over(_scaled(_terms(args[0]), scale), "//", str(scale))
    return f"{fn}({', '.join(map(show, args))})"


def _show_over(top: Terms, op: str, below: str) -> str:
    (mono, coef), *more = top
    one = mono[0][0] if not more and coef == 1 and len(mono) == 1 and mono[0][1] == 1 else ""
    bare = not more and coef > 0 and (isinstance(one, str) or not _infix(one.fn, one.args))
    above = str(coef) if not mono else _show_terms(top)
    simple = below.isidentifier() or below.isdigit()
    return (above if bare else f"({above})") + op + (below if simple else f"({below})")


def show_shape(shape: Iterable[ValueLike]) -> str:
    """Sizes joined by x, in parentheses where the language wants them.

    >>> from archdsl.ir.dims import symbol
    >>> show_shape((64, symbol("H"), symbol("H") // 2)), show_shape((2 * symbol("C"), symbol("exp")))
    ('64xHx(H//2)', '2Cx(exp)')
    """
    return "x".join(text if _NO_X.fullmatch(text) else f"({text})" for text in map(show, shape))
