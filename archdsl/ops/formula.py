"""Short ways to write the formulas by which torch's arguments follow from an operator's own."""

from __future__ import annotations

from fractions import Fraction

from ..expr import Binary, Expr, Name, Number
from ..ir.dims import Dim
from ..ir.operator import Slot, TorchCall
from ..ir.shapes import Constant, Listed, Size


def name(id: str) -> Expr:
    """The operator's argument of that name, or `features`."""
    return Name(id)


def times(left: Expr, right: Expr) -> Expr:
    return Binary("*", left, right)


def half(of: Expr) -> Expr:
    """`of // 2`."""
    return Binary("//", of, Number(Fraction(2)))


def slot(value: Constant, source: str | Expr | None = None) -> Slot:
    """A slot whose source may be just an argument's name."""
    return Slot(value, Name(source) if isinstance(source, str) else source)


def size(dims: tuple[Dim, ...]) -> Constant:
    """What torch is given for one number an axis: a single one where all are equal.

    >>> size((3, 3)), size((1, 7))
    (3, 1x7)
    """
    return dims[0] if len(set(dims)) == 1 else Size(dims)


def listed(dims: tuple[Dim, ...], source: str | Expr | None = None) -> Slot:
    """A slot for one number an axis of a function of our own: a list where they differ, which has no formula."""
    return slot(dims[0], source) if len(set(dims)) == 1 else Slot(Listed(dims))


def call(torch_name: str, *args: Slot, **kwargs: tuple[Constant, Slot]) -> TorchCall:
    """A torch call; each keyword comes with its default in torch, and stays away while it has it."""
    return TorchCall(torch_name, args, tuple((k, s, default) for k, (default, s) in kwargs.items()))
