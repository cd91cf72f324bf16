"""The columns of an analysis: what each says of a row, and of the whole network.

Only what is asked for is computed. Cells are exact: numbers, formulas, fractions, one number an axis, or None where a
column says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..ir.dims import Dim, Poly
from ..ir.names import Place, walk
from ..ir.reach import Reach, Window
from ..records import dataclass
from .analyze import Analysis, LayerRow
from .counts import Counts

if TYPE_CHECKING:  # what takes work is loaded when a column that needs it is asked for
    from .flow import State
    from .memory import Memory
    from .sums import Adder, Both, Sums

Cell: TypeAlias = "Dim | Fraction | tuple[Dim | Fraction, ...] | str | None"
Optimizer = Literal["sgd", "momentum", "adam"]
SIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1,
}  # fmt: skip
"""Bytes a number."""
STATES: dict[Optimizer, int] = {"sgd": 0, "momentum": 1, "adam": 2}
"""How many numbers an optimiser keeps a trained number."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What memory depends on beside the network."""

    batch: int = 1
    dtype: str = "float32"
    optimizer: Optimizer = "adam"

    @property
    def size(self) -> int:
        """Bytes a number."""
        return SIZES[self.dtype]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, what it says, what its numbers are, and whether those of parts add up."""

    name: str
    says: str
    unit: Literal["count", "bytes", "ratio", "places", "shape"] = "count"
    adds: bool = True


Grouping = Literal["operator", "module", "stage"]


@dataclass(frozen=True, slots=True)
class Group:
    """Some layers of a network, by the numbers of their rows; `layers` counts each iteration."""

    name: str
    layers: int
    rows: tuple[int, ...]


def _columns(*columns: Column) -> dict[str, Column]:
    return {column.name: column for column in columns}


COLUMNS = _columns(
    Column("output", "shape of the result, without the batch", "shape", adds=False),
    Column("parameters", "trained numbers, shared ones once"),
    Column("frozen", "numbers that are stored and never trained"),
    Column("buffers", "running statistics, counts of batches, frozen numbers"),
    Column("macs", "multiply-adds of convolution, linear and attention products"),
    Column("flops", "twice the multiply-adds"),
    Column("connections", "every weight and bias each time it is used, as in LeNet-5's paper"),
    Column("biases", "additions of a bias"),
    Column("normalisation", "numbers that normalisations give"),
    Column("activation", "numbers that activations give, attention's softmax included"),
    Column("pooling", "numbers that the windows of poolings read"),
    Column("elementwise", "sums and products of single numbers: residuals, gates, positions"),
    Column("fvcore", "what fvcore counts as flops"),
    Column("thop", "what thop counts as MACs"),
    Column("memory", "bytes of the results, a batch", "bytes"),
    Column("live", "bytes of all values alive while it runs in inference, a batch", "bytes", adds=False),
    Column("weights", "bytes of parameters and buffers", "bytes"),
    Column("gradients", "bytes of the parameters' gradients", "bytes"),
    Column("optimizer", "bytes of the optimiser's state", "bytes"),
    Column("intensity", "arithmetic intensity: FLOPs a byte read or written", "ratio", adds=False),
    Column("rf", "receptive field: places of the input, an axis", "places", adds=False),
    Column("rf-stride", "how far the receptive field moves from place to place", "places", adds=False),
    Column("rf-start", "where the first place's receptive field begins; negative in the padding", "places", adds=False),
    Column("depth", "trained layers of products on the longest path to the result", adds=False),
)  # fmt: skip

DEFAULT = ("output", "parameters", "macs")
MEMORY = frozenset({"memory", "live", "weights", "gradients", "optimizer"})

_COUNTED: dict[str, Callable[[Counts], Dim]] = {
    "parameters": lambda counts: counts.parameters,
    "frozen": lambda counts: counts.frozen,
    "buffers": lambda counts: counts.buffers,
    "macs": lambda counts: counts.macs,
    "flops": lambda counts: 2 * counts.macs,
    "connections": lambda counts: counts.connections,
}


class Details:
    """The columns of one analysis, each made when it is asked for.

    `fold`: equal iterations are one row, as in `Analysis.tree`; else every layer has its own.

    >>> import archdsl
    >>> details = Details(archdsl.analyze(archdsl.load("vgg")))
    >>> details.total("fvcore"), details.total("depth"), details.cells("rf")[0]
    (15470264320, 16, (212, 212))
    """

    def __init__(
        self, analysis: Analysis, given: Assumptions | None = None, *, training: bool = False, fold: bool = True
    ) -> None:
        self.analysis, self.given, self.training = analysis, given or Assumptions(), training
        self.fold = fold or analysis.folds
        self.root = analysis.network.root
        self._known: dict[str, list[Cell]] = {}

    @cached_property
    def rows(self) -> Sequence[LayerRow]:
        """What the cells are of."""
        return self.analysis.tree if self.fold else self.analysis.every_row

    def groups(self, by: Grouping) -> list[Group]:
        """Layers put together by their word, by the module they stand in, or by the places of their result.

        What joins paths and computes is no layer; it makes a last group, so that groups add up to the network.
        """
        found: dict[str, list[int]] = {}
        for number, (row, place) in enumerate(zip(self.rows, self.places, strict=True)):
            if row.kind in ("layer", "again") and (self.training or not row.training):
                found.setdefault(_group(by, row, place), []).append(number)
        return [Group(name, sum(self.rows[n].times for n in rows), tuple(rows)) for name, rows in found.items()]

    def of_group(self, name: str, group: Group) -> Cell:
        """A column of a group: the sum where it adds up, else the most, the last or nothing."""
        if name == "intensity":
            return self._group_intensity(group)
        cells = self._column(name)
        picked = [cells[n] for n in group.rows]
        if COLUMNS[name].adds:
            total: Dim = 0
            for number, cell in zip(group.rows, picked, strict=True):
                assert isinstance(cell, int | Poly)
                total = total + cell * self.rows[number].times
            return total
        if name == "live":
            from .memory import largest

            return largest({cell for cell in picked if isinstance(cell, int | Poly)})
        return picked[-1]

    def between(self, name: str, groups: Sequence[Group]) -> Cell:
        """What the network has of a column beyond its layers: sums and joins of paths."""
        if not COLUMNS[name].adds:
            return None
        total = self.total(name)
        assert isinstance(total, int | Poly)
        for group in groups:
            part = self.of_group(name, group)
            assert isinstance(part, int | Poly)
            total = total - part
        return total

    def _column(self, name: str) -> list[Cell]:
        if name not in self._known:
            self._known[name] = self.cells(name)
        return self._known[name]

    def _group_intensity(self, group: Group) -> Fraction | None:
        macs: Dim = 0
        traffic: Dim = 0
        for number in group.rows:
            row, sums = self.rows[number], self._sums[number].of(self.training)
            macs = macs + row.counts.macs * row.times
            traffic = traffic + (sums.traffic * self.given.batch + sums.arrays) * row.times
        return _ratio(2 * macs * self.given.batch, traffic)

    @cached_property
    def places(self) -> list[Place]:
        """The same as places of the network."""
        return list(walk(self.root, self.fold))

    def cells(self, name: str) -> list[Cell]:
        """One column, a cell a row."""
        if name in _COUNTED:
            read = _COUNTED[name]
            return [read(row.counts.plus(row.inside) if self.training else row.counts) for row in self.rows]
        match name:
            case "output":
                return [row.output.dims for row in self.rows]
            case "weights" | "gradients" | "optimizer":
                return [self._array_bytes(name, row.counts) for row in self.rows]
            case "live":
                return [None if live is None else live * self.given.batch for live in self._live.rows]
            case "depth":
                return [max(depth.values(), default=0) for depth in self._depths]
            case "rf" | "rf-stride" | "rf-start":
                return [_field(name, state) for state in self._fields]
            case "intensity":
                work = zip(self.rows, self._sums, strict=True)
                return [self.intensity(row.counts.macs, sums.of(self.training)) for row, sums in work]
            case _:
                return [self._summed(name, sums.of(self.training)) for sums in self._sums]

    def total(self, name: str) -> Cell:
        """A column of the whole network: the sum, the most, or what holds for its main output."""
        counts = self.analysis.totals.of(self.training)
        if name in _COUNTED:
            return _COUNTED[name](counts)
        match name:
            case "output":
                return None
            case "weights" | "gradients" | "optimizer":
                return self._array_bytes(name, counts)
            case "live":
                return None if self._live.peak is None else self._live.peak * self.given.batch
            case "depth":
                return max((max(depth.values(), default=0) for depth in self._depths), default=0)
            case "rf" | "rf-stride" | "rf-start":
                return _field(name, self._fields[-1]) if self._fields else None
            case "intensity":
                return self.intensity(counts.macs, self.sums)
            case _:
                return self._summed(name, self.sums)

    # -- of the whole network

    def array_bytes(self, name: str) -> Dim:
        """The `weights`, `gradients` or `optimizer` bytes of the whole network."""
        return self._array_bytes(name, self.analysis.totals.of(self.training))

    @cached_property
    def sums(self) -> Sums:
        """The sums of the whole network."""
        return self._adder.instance(self.root).of(self.training)

    @property
    def input_bytes(self) -> Dim:
        """What the network's inputs take, a batch."""
        from .sums import bytes_of

        return sum((bytes_of(self.root.shapes[v], self.given.size) for v in self.root.entry), 0) * self.given.batch

    @property
    def peak(self) -> tuple[Dim | None, str]:
        """The most bytes alive at once in inference, a batch, and the layer that runs then, or the module."""
        peak = self._live.peak
        if peak is None:
            return None, ""
        found = [place for place, live in zip(self.places, self._live.rows, strict=True) if live == peak]
        layers = [place.name for place in found if place.operator is not None]
        return peak * self.given.batch, next(iter(layers), found[-1].name if found else "")

    @property
    def kept(self) -> Dim:
        """Bytes of all values of a training step at the end of the forward pass: inputs and every result."""
        from .sums import Adder

        made = Adder(self.given.size, True).instance(self.root).of(True).values
        return made * self.given.batch + self.input_bytes

    def intensity(self, macs: Dim, sums: Sums) -> Fraction | None:
        """FLOPs a byte; None where nothing is moved, or sizes are symbolic."""
        return _ratio(2 * macs * self.given.batch, sums.traffic * self.given.batch + sums.arrays)

    # -- how cells come about

    @cached_property
    def _adder(self) -> Adder:
        from .sums import Adder

        return Adder(self.given.size, self.training)

    @cached_property
    def _sums(self) -> list[Both]:
        return [self._adder.node(place.node, place.instance.shapes) for place in self.places]

    @cached_property
    def _live(self) -> Memory:
        from .memory import live_memory

        return live_memory(self.root, self.given.size, self.fold)

    @cached_property
    def _fields(self) -> list[State[Reach]]:
        from .flow import FIELDS, flow

        return flow(self.root, FIELDS, self.fold)

    @cached_property
    def _depths(self) -> list[State[int]]:
        from .flow import DEPTHS, flow

        return flow(self.root, DEPTHS, self.fold)

    def _summed(self, name: str, sums: Sums) -> Dim:
        if name == "memory":
            return sums.values * self.given.batch
        found: Dim = getattr(sums, name)
        return found

    def _array_bytes(self, name: str, counts: Counts) -> Dim:
        size = self.given.size
        if name == "weights":
            return (counts.parameters + counts.statistics + counts.frozen) * size + counts.counters * 8  # int64
        return counts.parameters * size * (1 if name == "gradients" else STATES[self.given.optimizer])


def _ratio(above: Dim, below: Dim) -> Fraction | None:
    if not isinstance(above, int) or not isinstance(below, int) or below == 0:
        return None
    return Fraction(above, below)


def _group(by: Grouping, row: LayerRow, place: Place) -> str:
    if by == "operator":
        return row.operator
    if by == "module":
        return "" if place.call is None else place.call.word
    return "x".join(map(str, row.output.axes)) or row.output.kind


def _field(name: str, state: State[Reach]) -> Cell:
    """The receptive field on the first input that there is one of."""
    if not state:
        return None
    reach = state[min(state)]
    if isinstance(reach, str):
        return reach if reach == "global" and name == "rf" else None
    return tuple(_of_window(name, window) for window in reach) or None


def _of_window(name: str, window: Window) -> Dim | Fraction:
    if name == "rf":
        return window.size
    stride = window.stride
    return window.start if name == "rf-start" else int(stride) if stride.denominator == 1 else stride


__all__ = [
    "COLUMNS",
    "DEFAULT",
    "MEMORY",
    "SIZES",
    "STATES",
    "Assumptions",
    "Cell",
    "Column",
    "Details",
    "Group",
    "Grouping",
    "Optimizer",
]
