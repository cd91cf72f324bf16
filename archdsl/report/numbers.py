"""Counts as text: exact with separators, rounded with a unit, symbolic as a formula."""

from __future__ import annotations

from ..ir.dims import Dim, show

GROUPED_FROM = 1_000_000
"""Numbers from here on get thousands separators."""

_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K"))


def exact(count: Dim) -> str:
    """A number as it is.

    >>> exact(25557032), exact(48120)
    ('25,557,032', '48120')
    """
    if not isinstance(count, int):
        return show(count)
    return f"{count:,}" if abs(count) >= GROUPED_FROM else str(count)


def rounded(count: Dim) -> str:
    """A number to three digits, its unit behind it.

    >>> rounded(3858000000), rounded(999999), rounded(12)
    ('3.86 G', '1.00 M', '12')
    """
    if not isinstance(count, int) or abs(count) < 1_000:
        return show(count)
    for unit, letter in _UNITS:
        value = count / unit
        if abs(value) >= 0.9995:
            digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
            return f"{value:.{digits}f} {letter}"
    return str(count)


def plural(count: int, one: str, many: str = "") -> str:
    """`1 fact`, `2 facts`.

    >>> plural(1, "fact"), plural(0, "fact")
    ('1 fact', '0 facts')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
