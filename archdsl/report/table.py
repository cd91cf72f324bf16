"""The table of an analysis for a terminal: the tree of modules, a line a layer, equal iterations folded; totals."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from ..analysis import Analysis, Counts
from ..analysis.columns import COLUMNS, DEFAULT, MEMORY, Details
from ..diagnostics import safe
from ..ir.dims import Dim
from ..ir.shapes import Constant
from .cells import cell_text, heading
from .constants import constant_text
from .facts import facts_line
from .listing import Entry, Listing, tree
from .numbers import exact, in_bytes, plural, rounded

MAX_WIDTH = 100
"""Of text; a table may be as wide as the terminal."""
MIN_WIDTH = 60
NAME_WIDTH = 24
"""Names are cut to this before columns are left out."""

MAX_NUMBER = 24
"""Of longer numbers, which are formulas, the end is not aligned."""

_GAP = "  "


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
    details = Details(analysis, training=training)
    names = default_columns(analysis, connections)
    return details_table(details, names, tree(details, names, depth), min(width, MAX_WIDTH))


def default_columns(analysis: Analysis, connections: bool | None = None) -> tuple[str, ...]:
    """The columns that are shown unless others are asked for."""
    if connections is None:
        connections = any(fact.claim.quantity == "connections" for fact in analysis.facts)
    return (*DEFAULT, "connections") if connections else DEFAULT


def details_table(details: Details, names: Sequence[str], listing: Listing, width: int, *, memory: bool = False) -> str:
    """A table with any columns and lines, and what is known of the whole; `memory` adds what it needs to run."""
    width = max(width, MIN_WIDTH)
    texts = min(width, MAX_WIDTH)
    analysis = details.analysis
    parts = [*_heading(analysis, texts), "", *_table(details, names, listing, width)]
    if listing.hidden:
        deepest = 1 + max(row.depth for row in details.rows)
        note = f"({plural(listing.hidden, 'row')} inside not shown; --depth {deepest} shows everything)"
        parts.extend(_wrapped(note, texts))
    parts += ["", *_totals(analysis, details.training, "connections" in names, texts)]
    if "live" in names and _undecided(details):
        note = "(live: `-` where it depends on the sizes which of many formulas is the largest; --at gives numbers)"
        parts.extend(_wrapped(note, texts))
    if memory or MEMORY & set(names):
        parts += ["", *(part for line in _memory(details) for part in _wrapped(line, texts, " " * 4))]
    parts += ["", facts_line(analysis.facts)]
    return "\n".join(line.rstrip() for line in parts)


# ---- laying out -----------------------------------------------------------------------------------------------------


def _table(details: Details, names: Sequence[str], listing: Listing, width: int) -> list[str]:
    """Lines no wider than `width`: shorter headings first, then rounded numbers, cut names, fewer columns."""
    total = Entry("total", "", 0, 0, False, tuple(details.total(name) for name in names))
    kept = list(range(len(names)))
    while True:
        shown = _fitted(names, kept, [*listing.entries, total], listing.first, width)
        if shown is not None or len(kept) < 2:
            break
        kept.pop()
    lines = shown or []
    missing = [name for at, name in enumerate(names) if at not in kept]
    if missing:
        note = f"(no room for {', '.join(missing)}: a wider terminal or --format csv has them)"
        lines.extend(_wrapped(note, min(width, MAX_WIDTH)))
    return lines


def _fitted(
    names: Sequence[str], kept: Sequence[int], entries: Sequence[Entry], first: str, width: int
) -> list[str] | None:
    """The lines with the columns that are kept; None if they do not fit."""
    words = first == "layer"
    many = not words
    left = [True, *([True] * words), *([False] * many), *(COLUMNS[names[at]].unit == "shape" for at in kept)]
    steps: tuple[tuple[bool, Callable[[Dim], str]], ...] = ((False, exact), (True, exact), (True, rounded))
    grid: list[list[str]] = []
    widths: list[int] = []
    for short, number in steps:
        head = [first, *(["operator"] * words), *(["layers"] * many), *(heading(names[at], short) for at in kept)]
        grid = [head]
        for entry in entries:
            cells = [cell_text(names[at], entry.cells[at], number) for at in kept]
            if entry is entries[-1]:
                cells = ["" if COLUMNS[names[at]].unit == "shape" else c for at, c in zip(kept, cells, strict=True)]
            counted = [str(entry.times or "")] * many
            grid.append(["  " * entry.depth + safe(entry.name), *([_word(entry)] * words), *counted, *cells])
        widths = [max(map(columns, cells)) for cells in zip(*grid, strict=True)]
        if _wide(widths) <= width:
            break
    else:
        widths = _shrunk(widths, width, left, len(kept) <= len(DEFAULT))
        if _wide(widths) > width:
            return None
    lines = [_line(cells, widths, left) for cells in grid]
    rule = "-" * _wide(widths)
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def _word(entry: Entry) -> str:
    word = safe(entry.word) + (f" x {entry.times}" if entry.times > 1 else "")
    return (word + " (training)" * entry.training).strip()


def _wide(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _shrunk(widths: list[int], width: int, left: Sequence[bool], all_give: bool) -> list[int]:
    """Names and shapes give way first, to a limit; where columns are few, all give way altogether."""
    widths = list(widths)
    loose = [at for at, is_text in enumerate(left) if is_text or all_give]
    while _wide(widths) > width:
        widest = max(loose, key=lambda i: widths[i])
        if not all_give and widths[widest] <= NAME_WIDTH:
            return widths
        widths[widest] -= 1
    return widths


def _line(cells: Sequence[str], widths: Sequence[int], left: Sequence[bool]) -> str:
    texts: list[str] = []
    for cell, width, is_text in zip(cells, widths, left, strict=True):
        text = cut(cell, width)
        blanks = " " * (width - columns(text))
        texts.append(text + blanks if is_text else blanks + text)
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
    right = max((len(n) for n in numbers if len(n) <= MAX_NUMBER), default=0)
    lines: list[str] = []
    for (name, count, note), number in zip(entries, numbers, strict=True):
        about = f"{rounded(count)}, " if isinstance(count, int) and count >= 10**6 else ""
        line = f"{name:13}  {number:>{right}}" + (f"  ({about}{note})" if count != 0 else "")
        lines.extend(_wrapped(line, width, " " * 15))
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


def _memory(details: Details) -> list[str]:
    """What the network needs to run and to be trained."""
    given = details.given
    peak, at = details.peak
    arrays, gradients, state = map(details.array_bytes, ("weights", "gradients", "optimizer"))
    kept = details.kept
    training = _plus(_plus(arrays, gradients), _plus(state, kept))
    assumed = f"batch {given.batch}, {given.dtype}, {given.optimizer}"
    lines = [f"memory ({assumed})"]
    where = f"values alive at once, most in {safe(at)}" if at else "values alive at once"
    entries = (
        ("parameters and buffers", arrays, ""),
        ("inference: values", peak, where if peak is not None else "which of many formulas: give sizes by --at"),
        ("inference: together", _plus(arrays, peak), ""),
        ("training: gradients", gradients, "of the parameters"),
        ("training: optimizer", state, f"state of {given.optimizer}"),
        ("training: values", kept, "all results and inputs, kept for the backward pass"),
        ("training: together", training, ""),
    )
    texts = [(name, in_bytes(n) if n is not None else "-", note) for name, n, note in entries]
    right = max((len(text) for _, text, _ in texts if len(text) <= MAX_NUMBER), default=0)
    lines += [f"  {name:24}{text:>{right}}" + (f"  ({note})" if note else "") for name, text, note in texts]
    return lines


def _undecided(details: Details) -> bool:
    """Whether it depends on open sizes what some part takes at most."""
    rows = zip(details.rows, details.cells("live"), strict=True)
    return details.total("live") is None or any(live is None and not row.training for row, live in rows)


def _plus(one: Dim | None, other: Dim | None) -> Dim | None:
    return None if one is None or other is None else one + other
