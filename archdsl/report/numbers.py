"""Counts as text: exact with separators, rounded with a unit, symbolic as a formula."""

from __future__ import annotations

from collections.abc import Callable

from ..ir.dim_poly import poly
from ..ir.dims import Atom, Dim, Poly, show

GROUPED_FROM = 1_000_000
"""Numbers from here on get thousands separators."""

_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K"))


def exact(count: Dim) -> str:
    """A number as it is.

    >>> exact(25557032), exact(48120)
    ('25,557,032', '48120')
    """
    if not isinstance(count, int):
        return formula(count, exact)
    return f"{count:,}" if abs(count) >= GROUPED_FROM else str(count)


def rounded(count: Dim) -> str:
    """A number to three digits, its unit behind it.

    >>> rounded(3858000000), rounded(999999), rounded(12)
    ('3.86 G', '1.00 M', '12')
    """
    if not isinstance(count, int):
        return formula(count, rounded)
    if abs(count) < 1_000:
        return str(count)
    for unit, letter in _UNITS:
        value = count / unit
        if abs(value) >= 0.9995:
            digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
            return f"{value:.{digits}f} {letter}"
    return str(count)


def formula(count: Poly, number: Callable[[int], str]) -> str:
    """A formula as papers print one, its numbers written by `number`.

    >>> from archdsl.ir.dims import symbol
    >>> t, h = symbol("T"), symbol("H")
    >>> formula(18432 * t**2 + 84934656 * t, exact), formula(2 * h * (h // 2) - 3, exact), formula(12345 * t, rounded)
    ('18432 T^2 + 84,934,656 T', '2 H (H//2) - 3', '12.3 K T')
    """
    text = ""
    for mono, coef in count.terms:
        if not isinstance(coef, int):
            return show(count)
        size = abs(coef)
        parts = [] if size == 1 and mono else [number(size)]
        for factor, power in mono:
            name = factor if isinstance(factor, str) else _applied(factor, number)
            parts.append(name if power == 1 else f"{name}^{power}")
        sign = (" - " if coef < 0 else " + ") if text else "-" if coef < 0 else ""
        text += sign + " ".join(parts)
    return text


def _applied(atom: Atom, number: Callable[[int], str]) -> str:
    """A floor, a largest or the like, as a factor."""
    if atom.fn in ("max", "min"):
        args = [formula(arg, number) if isinstance(arg, Poly) else show(arg) for arg in atom.args]
        return f"{atom.fn}({', '.join(args)})"
    text = show(poly(atom))
    return f"({text})" if "/" in text else text


def in_bytes(count: Dim) -> str:
    """Bytes with a unit, to three digits.

    >>> in_bytes(102228128), in_bytes(512)
    ('97.5 MiB', '512 B')
    """
    if not isinstance(count, int):
        text = formula(count, exact)
        return f"({text}) B" if len(count.terms) > 1 else f"{text} B"
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if abs(value) < 1024:
            break
        value, unit = value / 1024, larger
    digits = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 fact`, `2 facts`.

    >>> plural(1, "fact"), plural(0, "fact")
    ('1 fact', '0 facts')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
