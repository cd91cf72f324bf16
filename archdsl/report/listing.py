"""Which lines a report has: the tree to some depth, layers in the order of a column, or layers put together."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod

from ..analysis import LayerRow
from ..analysis.columns import COLUMNS, Cell, Details, Grouping
from ..records import dataclass

FULL_ROWS = 40
"""A tree of more rows than these is shown only as deep as keeps it this short, unless a depth is asked for."""


class UnsortableError(ValueError):
    """A column has formulas, which have no order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what it is called, its word and how often it is there; `depth` is how far it is set in."""

    name: str
    word: str
    times: int
    depth: int
    training: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """The lines of a report below `first`, the heading of their names; `hidden` rows of the tree are not shown."""

    first: str
    entries: tuple[Entry, ...]
    hidden: int = 0


def tree(details: Details, names: Sequence[str], depth: int | None) -> Listing:
    """The tree of modules; without a depth as deep as keeps it short."""
    rows = details.rows
    if depth is None:
        deepest = max((row.depth for row in rows), default=0)
        fitting = [d for d in range(deepest, 0, -1) if sum(row.depth <= d for row in rows) <= FULL_ROWS]
        depth = (fitting[0] if fitting else 0) + 1
    shown = [number for number, row in enumerate(rows) if row.depth < depth]
    columns = [details.cells(name) for name in names]
    entries: list[Entry] = []
    above: list[LayerRow] = []
    for number in shown:
        row = rows[number]
        del above[row.depth :]
        parent = above[-1] if above else None
        above.append(row)
        inner = parent is not None and row.path[: len(parent.path)] == parent.path
        name = ".".join(row.path[len(parent.path) if parent is not None and inner else 0 :])
        times = row.times // (parent.times if parent else 1)
        training = row.training and not (parent and parent.training)
        cells = tuple(column[number] for column in columns)
        entries.append(Entry(name, row.operator, times, row.depth, training, cells))
    return Listing("layer", tuple(entries), len(rows) - len(shown))


def layers(details: Details, names: Sequence[str], sort: str | None = None) -> Listing:
    """The layers alone, by falling values of a column, or in the order written."""
    columns = [details.cells(name) for name in names]
    entries = [
        Entry(".".join(row.path), row.operator, row.times, 0, row.training, tuple(column[n] for column in columns))
        for n, row in ((n, details.rows[n]) for n in layer_numbers(details, sort))
    ]
    return Listing("layer", tuple(entries))


def layer_numbers(details: Details, sort: str | None = None) -> list[int]:
    """Which rows are layers, in the order written or by falling values of a column."""
    numbers = [n for n, row in enumerate(details.rows) if row.kind in ("layer", "again")]
    if sort is not None:
        order = [_order(sort, cell) for cell in details.cells(sort)]
        numbers.sort(key=lambda n: order[n], reverse=True)
    return numbers


def grouped(details: Details, names: Sequence[str], by: Grouping, sort: str | None = None) -> Listing:
    """Layers put together, by falling values of a column, or in the order in which each first comes."""
    groups = details.groups(by)
    made = [
        Entry(group.name or "(the network itself)", "", group.layers, 0, False, tuple(details.of_group(n, group) for n in names))
        for group in groups
    ]  # fmt: skip
    if sort is not None:
        order = [_order(sort, details.of_group(sort, group)) for group in groups]
        made = [made[n] for n in sorted(range(len(made)), key=lambda n: order[n], reverse=True)]
    rest = tuple(details.between(name, groups) for name in names)
    if any(cell not in (0, None) for cell in rest):
        made.append(Entry("(joins and sums)", "", 0, 0, False, rest))
    return Listing(by, tuple(made))


def _order(name: str, cell: Cell) -> tuple[int, Fraction]:
    """A cell's place: of a shape how many numbers it has, of a number an axis the largest."""
    if isinstance(cell, tuple):
        sizes = [_order(name, size)[1] for size in cell]
        cell = (prod(sizes) if COLUMNS[name].unit == "shape" else max(sizes)) if sizes else None
    if cell is None:
        return -1, Fraction(0)
    if isinstance(cell, str):
        return 1, Fraction(0)
    if not isinstance(cell, int | Fraction):
        raise UnsortableError
    return 0, Fraction(cell)
