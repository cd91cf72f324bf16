"""A plot of a network over its layers: parameters, multiply-adds, activation memory, receptive field. SVG by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from ..analysis.columns import Cell, Details
from ..diagnostics import safe
from ..records import dataclass
from .listing import UnsortableError, layer_numbers
from .numbers import in_bytes, rounded

WIDTH, LEFT, RIGHT, PANEL, GAP, TOP = 860, 92, 18, 118, 34, 54
COLOURS = ("#4c78a8", "#e07b39", "#4f9a5b", "#8a63b4")
MAX_BARS = 4000
"""Above so many layers neighbours are drawn as one, the largest of them."""


@dataclass(frozen=True, slots=True)
class Series:
    """One panel: what it shows, a number a layer or None where there is none, and the label of its largest."""

    title: str
    values: tuple[float | None, ...]
    most: str


@dataclass(frozen=True, slots=True)
class Plot:
    """What a plot shows: a title, the panels, and where the parts of the network begin."""

    title: str
    series: tuple[Series, ...]
    parts: tuple[tuple[int, str], ...]
    layers: int


def plot_of(details: Details) -> Plot:
    """The panels of a network. Raises UnsortableError where sizes are symbolic."""
    numbers = layer_numbers(details)
    given = details.given
    made: list[Series] = []
    for title, name in (
        ("parameters", "parameters"),
        ("multiply-adds", "macs"),
        (f"activation memory (batch {given.batch}, {given.dtype})", "memory"),
        ("receptive field (places; grey: everything)", "rf"),
    ):
        cells = details.cells(name)
        values = tuple(_number(cells[n]) for n in numbers)
        most = max((v for v in values if v is not None), default=0)
        label = in_bytes(int(most)) if name == "memory" else rounded(int(most))
        made.append(Series(title, values, label))
    parts: list[tuple[int, str]] = []
    for at, number in enumerate(numbers):
        first = details.rows[number].path[:1]
        if first and (not parts or parts[-1][1] != first[0]):
            parts.append((at, first[0]))
    return Plot(details.analysis.network.title or "a network without a name", tuple(made), tuple(parts), len(numbers))


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


def plot_svg(details: Details) -> str:
    """The plot as SVG."""
    return "\n".join(_svg(plot_of(details))) + "\n"


def _svg(plot: Plot) -> Iterator[str]:
    height = TOP + len(plot.series) * (PANEL + GAP) + 30
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="12">'
    )
    title = escape(safe(plot.title))
    yield f"<title>{title}</title>"
    yield f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    yield f'<text x="{LEFT}" y="24" font-size="16" font-weight="600">{title}</text>'
    yield f'<text x="{LEFT}" y="42" fill="#666666">{plot.layers:,} layers, in the order they run</text>'
    for number, series in enumerate(plot.series):
        yield from _panel(series, TOP + 18 + number * (PANEL + GAP), COLOURS[number], plot.layers)
    yield from _parts(plot, TOP + 18 + len(plot.series) * (PANEL + GAP) - GAP)
    yield "</svg>"


def _panel(series: Series, top: int, colour: str, layers: int) -> Iterator[str]:
    bottom, right = top + PANEL - 18, WIDTH - RIGHT
    yield f'<text x="{LEFT}" y="{top - 5}" fill="#333333">{escape(series.title)}</text>'
    yield f'<line x1="{LEFT}" y1="{top}" x2="{right}" y2="{top}" stroke="#e6e6e6"/>'
    yield f'<line x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="#999999"/>'
    yield f'<text x="{LEFT - 8}" y="{top + 4}" text-anchor="end" fill="#666666">{series.most}</text>'
    yield f'<text x="{LEFT - 8}" y="{bottom + 4}" text-anchor="end" fill="#666666">0</text>'
    values = _thinned(series.values)
    most = max((v for v in values if v is not None), default=0) or 1
    step = (right - LEFT) / max(len(values), 1)
    bars: dict[str, list[str]] = {}
    for at, value in enumerate(values):
        if value is None or value == 0:
            continue
        tall = (bottom - top) if value < 0 else max(value / most * (bottom - top), 0.6)
        x, wide = LEFT + at * step, max(step * 0.82, 0.5)
        path = f"M{x:.2f} {bottom}v{-tall:.2f}h{wide:.2f}v{tall:.2f}z"
        bars.setdefault("#e3e3e3" if value < 0 else colour, []).append(path)
    for fill, paths in bars.items():
        yield f'<path fill="{fill}" d="{"".join(paths)}"/>'
    if not bars:
        yield f'<text x="{LEFT + 8}" y="{bottom - 8}" fill="#999999">none</text>'


def _thinned(values: Sequence[float | None]) -> list[float | None]:
    many = -(-len(values) // MAX_BARS)
    if many <= 1:
        return list(values)
    groups = (values[at : at + many] for at in range(0, len(values), many))
    return [max((v for v in group if v is not None), default=None) for group in groups]


def _parts(plot: Plot, top: int) -> Iterator[str]:
    """The names of the parts below, as many as there is room for."""
    step = (WIDTH - RIGHT - LEFT) / max(plot.layers, 1)
    free = 0.0
    for at, name in plot.parts:
        x = LEFT + at * step
        if x < free:
            continue
        text = safe(name)[:24]
        yield f'<line x1="{x:.1f}" y1="{top - 14}" x2="{x:.1f}" y2="{top - 8}" stroke="#999999"/>'
        if x + len(text) * 6.6 > WIDTH - 4:
            continue
        yield f'<text x="{x:.1f}" y="{top + 4}" fill="#444444" font-size="11">{escape(text)}</text>'
        free = x + len(text) * 6.6 + 8
