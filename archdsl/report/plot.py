"""A plot of a network over its layers: parameters, multiply-adds, activation memory, receptive field. SVG by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from ..analysis.columns import Cell, Details
from ..diagnostics import safe
from ..records import dataclass
from .listing import UnsortableError, layer_numbers
from .numbers import in_bytes, rounded

WIDTH, LEFT, RIGHT, PANEL, GAP, TOP = 860, 78, 22, 104, 38, 86
COLOURS = ("#4c78a8", "#e07b39", "#4f9a5b", "#8a63b4")
GREY = "#dedede"
MAX_BARS = 4000
"""Above so many layers neighbours are drawn as one, the largest of them."""
LETTER, LINE, SHARE = 6.2, 13, 24
"""How wide a letter of a part's name is, how far apart slanted names stand, and which share of the layers is large."""


@dataclass(frozen=True, slots=True)
class Series:
    """One panel: what it shows and of it all, a number a layer (None: nothing, -1: everything), and marked heights."""

    title: str
    total: str
    values: tuple[float | None, ...]
    ticks: tuple[tuple[float, str], ...]

    @property
    def top(self) -> float:
        """The height of the panel."""
        return self.ticks[-1][0]


@dataclass(frozen=True, slots=True)
class Part:
    """Layers in a row whose paths begin alike: the first, how many, and that beginning."""

    first: int
    layers: int
    name: str

    @property
    def centre(self) -> float:
        """Its middle, in layers."""
        return self.first + self.layers / 2


@dataclass(frozen=True, slots=True)
class Plot:
    """What a plot shows: a title and what stands below it, the panels, and the parts of the network."""

    title: str
    subtitle: str
    series: tuple[Series, ...]
    parts: tuple[Part, ...]
    layers: int


def plot_of(details: Details) -> Plot:
    """The panels of a network, without what exists in training only unless that was asked for.

    Raises UnsortableError where sizes are symbolic.
    """
    rows, given = details.rows, details.given
    numbers = [n for n in layer_numbers(details) if details.training or not rows[n].training]
    inputs = ", ".join(str(shape) for shape in details.analysis.network.inputs.values())
    parts: list[Part] = []
    for name, same in groupby(numbers, lambda n: safe("".join(rows[n].path[:1]))[:24]):
        parts.append(Part(parts[-1].first + parts[-1].layers if parts else 0, len(list(same)), name))

    def series(title: str, name: str, sums: bool, written: Callable[[int], str], base: int = 10) -> Series:
        cells = details.cells(name)
        values = tuple(_number(cells[n]) for n in numbers)
        most = max((v for v in values if v is not None), default=0)
        whole = details.total(name) if sums else None
        total = (
            f"{written(whole)} in all" if isinstance(whole, int) else "grey: the whole input" if -1 in values else ""
        )
        ticks = tuple((height, _plain(written(int(height)))) for height in _ticks(most, base))
        return Series(title, total, values, ticks)

    return Plot(
        details.analysis.network.title or "a network without a name",
        f"input {inputs}; {len(numbers):,} layers, left to right in the order they run",
        (
            series("parameters", "parameters", True, rounded),
            series("multiply-adds", "macs", True, rounded),
            series(f"activation memory (batch {given.batch}, {given.dtype})", "memory", True, in_bytes, 2),
            series("receptive field (places along the longest axis)", "rf", False, rounded),
        ),
        tuple(parts),
        len(numbers),
    )


def _number(cell: Cell) -> float | None:
    """A cell as a height; -1 for a receptive field that is everything."""
    if isinstance(cell, tuple):
        heights = [h for h in map(_number, cell) if h is not None]
        return max(heights) if heights else None
    if isinstance(cell, str):
        return -1.0
    if cell is None or isinstance(cell, int):
        return None if cell is None else float(cell)
    raise UnsortableError


def _plain(text: str) -> str:
    """A round number without the zeros of its fraction: `50.0 M`, `8.00 MiB`, `0 B`."""
    number, space, unit = text.partition(" ")
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return "0" if number == "0" else number + space + unit


def _ticks(most: float, base: int) -> list[float]:
    """Round heights from 0 to the first that no value passes, three or four of them.

    >>> _ticks(48120, 10), _ticks(3_211_264, 2), _ticks(1, 10)
    ([0, 20000, 40000, 60000], [0, 1048576, 2097152, 3145728, 4194304], [0, 1])
    """
    most = max(most, 1)
    scale = 1
    while scale * base <= most / 3:
        scale *= base
    steps = [scale * factor for factor in ((1, 2, 5, 10) if base == 10 else (1, 2))]
    step = next(step for step in steps if most <= 4 * step)
    return [step * n for n in range(-(-int(most) // step) + 1)]


def names_below(plot: Plot) -> tuple[list[Part], bool]:
    """The parts that are named, and whether their names stand slanted: those of larger parts do not fit otherwise."""
    step = (WIDTH - RIGHT - LEFT) / max(plot.layers, 1)
    fitting = [part for part in plot.parts if len(part.name) * LETTER <= part.layers * step]
    if set(fitting) >= {part for part in plot.parts if part.layers * SHARE >= plot.layers}:
        return fitting, False
    found: list[Part] = []
    for part in sorted(plot.parts, key=lambda part: -part.layers):
        if all(abs(part.centre - other.centre) * step >= LINE for other in found):
            found.append(part)
    return sorted(found, key=lambda part: part.first), True


def borders(plot: Plot) -> list[int]:
    """Where a part that is worth a line begins or ends, between layers."""
    large = [part for part in plot.parts if part.layers * SHARE >= plot.layers and part.layers > 1]
    ends = {part.first for part in large} | {part.first + part.layers for part in large}
    return sorted(ends - {0, plot.layers})


# ---- SVG ------------------------------------------------------------------------------------------------------------


def plot_svg(details: Details) -> str:
    """The plot as SVG."""
    return "\n".join(_svg(plot_of(details))) + "\n"


def _svg(plot: Plot) -> Iterator[str]:
    step = (WIDTH - RIGHT - LEFT) / max(plot.layers, 1)
    names, slanted = names_below(plot)
    longest = max((len(part.name) for part in names), default=0)
    bottom = TOP + len(plot.series) * (PANEL + GAP) - GAP
    height = bottom + (24 + int(longest * LETTER * 0.6) if slanted else 32)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="11" role="img">'
    )
    title = escape(safe(plot.title))
    yield f"<title>{title}</title>"
    yield f"<desc>{title} layer by layer; made by archdsl</desc>"
    yield f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    yield f'<text x="{LEFT}" y="26" font-size="17" font-weight="bold" fill="#222222">{title}</text>'
    yield f'<text x="{LEFT}" y="44" fill="#666666">{escape(safe(plot.subtitle))}</text>'
    for number, series in enumerate(plot.series):
        yield from _panel(plot, series, TOP + number * (PANEL + GAP), COLOURS[number])
    for part in names:
        x, y, text = LEFT + part.centre * step, bottom + 15, escape(part.name)
        turned = f' text-anchor="end" transform="rotate(-35 {x:.1f} {y})"' if slanted else ' text-anchor="middle"'
        yield f'<text x="{x:.1f}" y="{y}" fill="#444444"{turned}>{text}</text>'
    yield "</svg>"


def _panel(plot: Plot, series: Series, top: int, colour: str) -> Iterator[str]:
    bottom, right = top + PANEL, WIDTH - RIGHT
    step = (right - LEFT) / max(plot.layers, 1)
    yield f'<text x="{LEFT}" y="{top - 9}" font-size="12" font-weight="bold" fill="#333333">{series.title}</text>'
    yield f'<text x="{right}" y="{top - 9}" text-anchor="end" fill="#666666">{series.total}</text>'
    for height, label in series.ticks:
        y = bottom - height / series.top * PANEL
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{"#ececec" if height else "#888888"}"/>'
        yield f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end" fill="#666666">{label}</text>'
    for x in (LEFT + at * step for at in borders(plot)):
        yield f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="#d0d0d0" stroke-dasharray="2 3"/>'
    bars = _bars(series, bottom, right)
    for fill, paths in bars.items():
        yield f'<path fill="{fill or colour}" d="{"".join(paths)}"/>'
    if not bars:
        yield f'<text x="{LEFT + 8}" y="{bottom - 8}" fill="#999999">none</text>'


def _bars(series: Series, bottom: int, right: int) -> dict[str, list[str]]:
    """The outlines of the bars by their colour; empty for the panel's own."""
    values = _thinned(series.values)
    step = (right - LEFT) / max(len(values), 1)
    bars: dict[str, list[str]] = {}
    for at, value in enumerate(values):
        if value is None or value == 0:
            continue
        tall = PANEL if value < 0 else max(value / series.top * PANEL, 0.6)
        wide = step + 0.2 if value < 0 else max(step * 0.82, 0.5)
        path = f"M{LEFT + at * step + (step - wide) / 2:.2f} {bottom}v{-tall:.2f}h{wide:.2f}v{tall:.2f}z"
        bars.setdefault(GREY if value < 0 else "", []).append(path)
    return bars


def _thinned(values: Sequence[float | None]) -> list[float | None]:
    many = -(-len(values) // MAX_BARS)
    if many <= 1:
        return list(values)
    groups = (values[at : at + many] for at in range(0, len(values), many))
    return [max((v for v in group if v is not None), default=None) for group in groups]
