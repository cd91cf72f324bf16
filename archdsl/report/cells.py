"""Cells of a table as text, and the headings above them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from ..analysis.columns import COLUMNS, Cell
from ..ir.dims import Dim, Poly, show, show_shape
from .constants import dim_json
from .numbers import exact, in_bytes

HEADINGS = {
    "parameters": ("parameters", "params"), "macs": ("multiply-adds", "MACs"), "flops": ("FLOPs", "FLOPs"),
    "connections": ("connections", "connect."), "normalisation": ("normalisation", "norm."),
    "activation": ("activation", "activ."), "elementwise": ("elementwise", "elem."),
    "gradients": ("gradients", "grads"), "optimizer": ("optimizer", "optim."),
    "intensity": ("FLOPs/byte", "FLOPs/B"), "rf": ("receptive field", "field"), "rf-stride": ("stride", "stride"),
    "rf-start": ("start", "start"),
}  # fmt: skip
NOTHING = "-"


def heading(name: str, short: bool) -> str:
    """What stands above a column."""
    return HEADINGS.get(name, (name, name))[short]


def cell_text(name: str, cell: Cell, number: Callable[[Dim], str] = exact) -> str:
    """A cell for people.

    >>> cell_text("macs", 1234567), cell_text("live", 2048), cell_text("rf", (7, 7)), cell_text("rf", (7, 5))
    ('1,234,567', '2.00 KiB', '7', '7x5')
    """
    unit = COLUMNS[name].unit
    if cell is None or (cell == 0 and unit in ("count", "bytes", "ratio")):
        return NOTHING
    if isinstance(cell, str):
        return cell
    if isinstance(cell, tuple):
        if unit == "shape":
            return show_shape([size for size in cell if not isinstance(size, Fraction)])
        texts = [str(size) if isinstance(size, int | Fraction) else show(size) for size in cell]
        return texts[0] if len(set(texts)) == 1 else "x".join(texts)
    if isinstance(cell, Fraction):
        return f"{float(cell):.3g}" if cell < 100 else f"{float(cell):,.0f}"
    return in_bytes(cell) if unit == "bytes" else number(cell)


def cell_plain(name: str, cell: Cell) -> str:
    """A cell for a program: exact, without separators; empty where the column says nothing.

    >>> cell_plain("macs", 1234567), cell_plain("live", 2048), cell_plain("rf-stride", (2, 2)), cell_plain("rf", None)
    ('1234567', '2048', '2', '')
    """
    if cell is None:
        return ""
    if isinstance(cell, tuple):
        sizes = [str(size) if isinstance(size, int | Fraction) else f"({show(size)})" for size in cell]
        return sizes[0] if name != "output" and len(set(sizes)) == 1 else "x".join(sizes)
    if isinstance(cell, Fraction):
        return f"{float(cell):.6g}"
    return show(cell) if isinstance(cell, Poly) else str(cell)


def cell_json(cell: Cell) -> object:
    """A cell as JSON has it: a number, a formula as text, a list with one an axis, or null."""
    if isinstance(cell, tuple):
        return [str(size) if isinstance(size, Fraction) else dim_json(size) for size in cell]
    if isinstance(cell, Fraction):
        return float(f"{float(cell):.6g}")
    return dim_json(cell) if isinstance(cell, int | Poly) else cell
