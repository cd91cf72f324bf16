"""The table of an analysis for a terminal: the tree of modules, a line a layer, equal iterations folded; totals."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..analysis import Analysis, Counts, LayerRow
from ..diagnostics import safe
from ..ir.dims import Dim
from ..ir.shapes import Constant
from ..records import dataclass
from .constants import constant_text
from .facts import facts_line
from .numbers import exact, plural, rounded

MAX_WIDTH = 100
MIN_WIDTH = 60
FULL_ROWS = 40
"""A tree of more rows than these is shown only as deep as keeps it this short, unless a depth is asked for."""

_GAP = "  "
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class _Row:
    """One line before it is laid out: texts, and counts or None where there is nothing to count."""

    name: str
    operator: str
    output: str
    counts: tuple[Dim, ...]


def analysis_table(
    analysis: Analysis,
    width: int = MAX_WIDTH,
    depth: int | None = None,
    *,
    training: bool = False,
    connections: bool | None = None,
) -> str:
    """The table, without a newline at its end.

    `depth` says how many levels of the tree to show (default: all, or as many as keep the table short); `training`
    counts what exists in training only; `connections` adds LeNet's count, by default where the spec claims it.
    """
    if connections is None:
        connections = any(fact.claim.quantity == "connections" for fact in analysis.facts)
    width = min(max(width, MIN_WIDTH), MAX_WIDTH)
    shown = _shown(analysis.tree, depth)
    rows = [_row(row, parent, training, connections) for row, parent in _with_parents(shown)]
    total = analysis.totals.of(training)
    table = _layout([*rows, _Row("total", "", "", _counted(total, connections))], connections, width)
    hidden = len(analysis.tree) - len(shown)
    parts = [*_heading(analysis, width), "", *table]
    if hidden:
        deepest = 1 + max(row.depth for row in analysis.tree)
        parts.append(f"({plural(hidden, 'row')} inside not shown; --depth {deepest} shows everything)")
    parts += ["", *_totals(analysis, training, connections, width), "", facts_line(analysis.facts)]
    return "\n".join(line.rstrip() for line in parts)


# ---- which rows -----------------------------------------------------------------------------------------------------


def _shown(tree: Sequence[LayerRow], depth: int | None) -> list[LayerRow]:
    if depth is None:
        deepest = max((row.depth for row in tree), default=0)
        fitting = [d for d in range(deepest, 0, -1) if sum(row.depth <= d for row in tree) <= FULL_ROWS]
        depth = (fitting[0] if fitting else 0) + 1
    return [row for row in tree if row.depth < depth]


def _with_parents(rows: Iterable[LayerRow]) -> Iterator[tuple[LayerRow, LayerRow | None]]:
    """Each row with the module or level it stands in."""
    above: list[LayerRow] = []
    for row in rows:
        del above[row.depth :]
        yield row, above[-1] if above else None
        above.append(row)


def _row(row: LayerRow, parent: LayerRow | None, training: bool, connections: bool) -> _Row:
    outer = () if parent is None or row.path[: len(parent.path)] != parent.path else parent.path
    word = safe(row.operator)
    repeats = row.times // (parent.times if parent else 1)
    if repeats > 1:
        word += f" x {repeats}"
    if row.training and not (parent and parent.training):
        word += " (training)"
    counts = row.counts + row.inside if training else row.counts
    name = "  " * row.depth + safe(".".join(row.path[len(outer) :]))
    return _Row(name, word.strip(), str(row.output), _counted(counts, connections))


def _counted(counts: Counts, connections: bool) -> tuple[Dim, ...]:
    found = (counts.parameters, counts.macs)
    return (*found, counts.connections) if connections else found


# ---- laying out -----------------------------------------------------------------------------------------------------


def _layout(rows: Sequence[_Row], connections: bool, width: int) -> list[str]:
    """Lines no wider than `width`: shorter headings first, then rounded numbers, then cut names."""
    long = ["layer", "operator", "output", "parameters", "multiply-adds", "connections"]
    short = ["layer", "operator", "output", "params", "MACs", "connect."]
    count = 6 if connections else 5
    for heads, show in ((long, exact), (short, exact), (short, rounded)):
        grid = [heads[:count], *([r.name, r.operator, r.output, *map(_number(show), r.counts)] for r in rows)]
        widths = _widths(grid)
        if _total(widths) <= width:
            break
    else:
        widths = _shrunk(widths, width)
    lines = [_line(cells, widths) for cells in grid]
    rule = "-" * _total(widths)
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def _number(show: Callable[[Dim], str]) -> Callable[[Dim], str]:
    return lambda count: _NOTHING if count == 0 else show(count)


def _widths(grid: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(columns, cells)) for cells in zip(*grid, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _shrunk(widths: list[int], width: int) -> list[int]:
    """The widest columns give way first."""
    widths = list(widths)
    while _total(widths) > width:
        widest = max(range(len(widths)), key=lambda i: widths[i])
        widths[widest] -= 1
    return widths


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    texts: list[str] = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = cut(cell, width)
        blanks = " " * (width - columns(text))
        texts.append(text + blanks if number < 3 else blanks + text)
    return _GAP.join(texts).rstrip()


def columns(text: str) -> int:
    """How many columns of a terminal a text takes.

    >>> columns("conv"), columns("層")
    (4, 2)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) != 0 for char in text)


def cut(text: str, width: int) -> str:
    """`text` in at most `width` columns; what is cut out of its middle is marked.

    >>> cut("classification_head.conv.0", 16)
    'classifi..conv.0'
    """
    if columns(text) <= width:
        return text
    tail = max(0, (width - 2) * 3 // 7)
    head = width - 2 - tail
    while columns(text[:head]) + 2 + columns(text[len(text) - tail :]) > width and head > 0:
        head -= 1
    return text[:head] + ".." + text[len(text) - tail :]


# ---- above and below the table --------------------------------------------------------------------------------------


def _heading(analysis: Analysis, width: int) -> list[str]:
    network = analysis.network
    inputs = network.inputs
    single = list(inputs) == ["input"]
    entering = ", ".join(str(s) if single else f"{safe(n)} {s}" for n, s in inputs.items())
    lines = [f"{safe(network.title) or 'a network without a name'}, input {entering}"]
    chosen = ", ".join(f"{name} {_shown_constant(value)}" for name, value in network.parameters.items())
    if chosen:
        lines.append(chosen)
    if network.source:
        lines.append(safe(network.source))
    return [part for line in lines for part in _wrapped(line, width)]


def _shown_constant(value: Constant) -> str:
    return safe("yes" if value is True else "no" if value is False else constant_text(value))


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Broken at blanks; a longer word stays whole."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and columns(lines[-1]) + 1 + columns(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append((indent if lines else "") + word)
    return lines


def _totals(analysis: Analysis, training: bool, connections: bool, width: int) -> list[str]:
    counts = analysis.totals.of(training)
    entries = [("parameters", counts.parameters, "trainable"), ("buffers", counts.buffers, _buffers(counts))]
    entries += [("multiply-adds", counts.macs, "per example"), ("FLOPs", 2 * counts.macs, "twice the multiply-adds")]
    if connections:
        entries.append(("connections", counts.connections, "every use of a weight or bias"))
    numbers = [exact(count) for _, count, _ in entries]
    right = max((len(n) for n in numbers if len(n) <= 24), default=0)
    lines: list[str] = []
    for (name, count, note), number in zip(entries, numbers, strict=True):
        about = f"{rounded(count)}, " if isinstance(count, int) and count >= 10**6 else ""
        line = f"{name:13}  {number:>{right}}" + (f"  ({about}{note})" if count != 0 else "")
        lines.extend(_wrapped(line, width, " " * 15) if len(number) > right else [line])
    apart = analysis.totals.training
    if apart.parameters != 0 or apart.macs != 0 or apart.buffers != 0:
        lines.extend(_wrapped(_apart(apart, training), width))
    return lines


def _buffers(counts: Counts) -> str:
    kinds = {"running statistics": counts.statistics, "counts of batches": counts.counters, "frozen": counts.frozen}
    present = [(name, count) for name, count in kinds.items() if count != 0]
    if len(present) == 1:
        return present[0][0]
    return ", ".join(f"{exact(count)} {name}" for name, count in present)


def _apart(apart: Counts, training: bool) -> str:
    what = f"{exact(apart.parameters)} parameters, {exact(apart.macs)} multiply-adds of outputs in training only"
    return f"included: {what}" if training else f"not counted: {what} (--training counts them)"
