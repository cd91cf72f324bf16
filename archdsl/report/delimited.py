"""Listings as CSV and as Markdown: every cell exact, no column left out."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from ..analysis.columns import COLUMNS, Details
from ..diagnostics import safe
from .cells import cell_plain, cell_text, heading
from .listing import Listing

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def csv_text(details: Details, names: Sequence[str], listing: Listing) -> str:
    """CSV as RFC 4180 has it, names of columns first.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    grouped = listing.first != "layer"
    writer.writerow([listing.first, *(["layers"] if grouped else ["operator", "times", "training"]), *names])
    for entry in listing.entries:
        cells = [cell_plain(name, cell) for name, cell in zip(names, entry.cells, strict=True)]
        about = [str(entry.times)] if grouped else [entry.word, str(entry.times), "yes" if entry.training else "no"]
        writer.writerow([harmless(text) for text in (entry.name, *about, *cells)])
    return out.getvalue()


def harmless(text: str) -> str:
    """A cell that no spreadsheet computes.

    >>> harmless("=1+1"), harmless("-90"), harmless("@home"), harmless("conv1")
    ("'=1+1", '-90', "'@home", 'conv1')
    """
    return f"'{text}" if text[:1] in tuple("=+-@\t\r\n") and not _NUMBER.fullmatch(text) else text


def markdown_text(details: Details, names: Sequence[str], listing: Listing) -> str:
    """A table as GitHub shows one."""
    grouped = listing.first != "layer"
    heads = [listing.first, "layers" if grouped else "operator", *(heading(name, False) for name in names)]
    left = [":--", "--:" if grouped else ":--", *(":--" if COLUMNS[n].unit == "shape" else "--:" for n in names)]
    lines = [_row(heads), _row(left)]
    for entry in listing.entries:
        word = entry.word + (f" x {entry.times}" if entry.times > 1 else "") + " (training)" * entry.training
        name = "&emsp;" * entry.depth + _cell(entry.name)
        cells = (_cell(cell_text(n, c)) for n, c in zip(names, entry.cells, strict=True))
        lines.append(_row([name, str(entry.times) if grouped else _cell(word), *cells]))
    totals = ["" if COLUMNS[n].unit == "shape" else _cell(cell_text(n, details.total(n))) for n in names]
    lines.append(_row(["**total**", "", *totals]))
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return "".join(_escaped(safe(text)))


def _escaped(text: str) -> Iterator[str]:
    for char in text:
        yield "&lt;" if char == "<" else f"\\{char}" if char in "|*_`[]\\" else char
