"""Shapes of values: a map `CxHxW`, a sequence `TxD`, a vector, whole numbers. The batch is implied throughout."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from ..records import dataclass
from .dims import Dim, Poly, product, show_shape

Kind = Literal["map", "sequence", "vector", "numbers"]

RANKS: dict[Kind, range] = {"map": range(2, 9), "sequence": range(2, 3), "vector": range(1, 2), "numbers": range(1, 9)}
"""How many sizes each kind has."""


class Size(tuple[Dim, ...]):
    """`3x3`, `CxHxW`: one number an axis."""

    __slots__ = ()

    def __repr__(self) -> str:
        return show_shape(self)


class Listed(tuple[Dim, ...]):
    """One number an axis for a function that TorchScript must read: it knows lists of any length, but no such tuples."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """A connection table: `rows[i][o]` says whether input map i feeds output map o."""

    name: str
    rows: tuple[tuple[bool, ...], ...]

    @property
    def links(self) -> int:
        """How many cells are marked."""
        return sum(sum(row) for row in self.rows)


Number = int | Fraction | float | Poly
"""A number as a spec writes it; sizes may be symbolic."""

Constant = Number | bool | str | Size | Grid | tuple["Constant", ...] | None
"""What a parameter can hold: a number, yes/no, a word, a size, a list, a connection table."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a value without its batch.

    `grid` of a sequence remembers the axes of the map it came from; `below` bounds whole numbers.

    >>> str(Shape("map", (64, 56, 56)))
    '64x56x56'
    """

    kind: Kind
    dims: tuple[Dim, ...]
    grid: tuple[Dim, ...] | None = None
    below: Dim | None = None

    def __str__(self) -> str:
        return show_shape(self.dims)

    def __hash__(self) -> int:
        return hash(self.dims)  # the rest seldom differs

    @property
    def features(self) -> Dim:
        """The channels of a map, the last axis of a sequence, the length of a vector."""
        return self.dims[0] if self.kind == "map" else self.dims[-1]

    @property
    def space(self) -> tuple[Dim, ...]:
        """The axes that are not features: height and width of a map, the length of a sequence."""
        return self.dims[1:] if self.kind == "map" else self.dims[:-1] if self.kind == "sequence" else ()

    @property
    def count(self) -> Dim:
        """How many numbers it has."""
        return product(self.dims)

    @property
    def axes(self) -> tuple[Dim, ...]:
        """The axes along which there are places: a map's, also of the sequence that was one; a sequence's length."""
        return self.grid or (self.dims if self.kind == "numbers" else self.space)

    def with_features(self, features: Dim) -> Shape:
        """The same shape with other features."""
        if self.kind == "map":
            return Shape("map", (features, *self.dims[1:]))
        return Shape(self.kind, (*self.dims[:-1], features), self.grid)

    def describe(self) -> str:
        """`the map 3x32x32`, for messages."""
        return f"{'the whole numbers' if self.kind == 'numbers' else f'the {self.kind}'} {self}"
