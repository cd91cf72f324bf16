"""Parameters, shapes and places as reports give them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..diagnostics import Span
from ..ir.dims import Dim, Poly, show
from ..ir.shapes import Constant, Grid, Size


def constant_text(value: Constant) -> str:
    """A parameter as a spec would write it.

    >>> constant_text(Size((3, 3))), constant_text((1, 2)), constant_text(Fraction(1, 3)), constant_text(Fraction(1, 2))
    ('3x3', '[1, 2]', '1/3', '0.5')
    """
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, Size):
        return repr(value)
    if isinstance(value, Grid):
        return value.name
    if isinstance(value, tuple):
        return f"[{', '.join(map(constant_text, value))}]"
    if isinstance(value, Fraction):
        short = f"{float(value):g}"
        return short if Fraction(short) == value else str(value)
    return show(value) if isinstance(value, Poly) else str(value)


def constant_json(value: Constant) -> object:
    """A parameter for a program: numbers, yes and no and lists as they are, all else as text.

    >>> constant_json(Size((3, 3))), constant_json((1, True)), constant_json(Fraction(1, 2))
    ('3x3', [1, True], 0.5)
    """
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, tuple) and not isinstance(value, Size):
        return [constant_json(item) for item in value]
    return float(value) if isinstance(value, Fraction) else constant_text(value)


def dim_json(dim: Dim) -> int | str:
    """A size or count: an int, or the formula as text."""
    return dim if isinstance(dim, int) else show(dim)


def dims_json(dims: Sequence[Dim]) -> list[int | str]:
    """A shape, axis by axis."""
    return [dim_json(dim) for dim in dims]


def span_json(span: Span | None) -> dict[str, object] | None:
    """Where something stands in the spec: lines and columns from 1."""
    return None if span is None else {"file": span.file.name, "line": span.line, "column": span.column}
