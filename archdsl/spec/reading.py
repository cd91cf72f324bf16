"""Sections -> spec: what each section says is read by a function of its own; mistakes go to the collector."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields, replace
from typing import Any, TypeVar

from .. import expr as ex
from ..diagnostics import Collector, SourceFile, Span, SpecError, fail
from ..syntax import tree as t
from ..syntax.parse import (
    parse_arguments,
    parse_body,
    parse_changes,
    parse_expression,
    parse_inits,
    parse_renames,
    parse_shape,
    parse_signature,
)  # fmt: skip
from ..syntax.reading import map_cells, table_cells
from ..syntax.sections import Entry, Fragment, Section, SourceLine
from .model import Cell, Column, Definition, Link, Map, Names, Spec, Table, validated

Result = TypeVar("Result")


# ---- sections -------------------------------------------------------------------------------------------------------


def read_spec(file: SourceFile, sections: Iterable[Section], collector: Collector) -> Spec:
    """The spec that a file's sections make. Mistakes go to the collector; what they spoil is left out."""
    reader = _Reader(collector)
    for section in sections:
        reader.take(section)
    span = Span(file, 1, 1, 1, 2)
    return validated(Spec, span, file=file, **reader.found)


class _Reader:
    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.found: dict[str, Any] = {f.name: {} for f in fields(Spec) if f.default_factory is not MISSING}

    def take(self, section: Section) -> None:
        if section.content is not None:  # else the container has reported why
            self.attempt(getattr(self, f"_{section.keyword}"), section)

    def attempt(self, read: Callable[..., Result], *args: Any) -> Result | None:
        try:
            return read(*args)
        except SpecError as error:
            for diagnostic in error.diagnostics:
                self.collector.add(diagnostic)
            return None

    def _network(self, section: Section) -> None:
        self.found["network"] = _text(section).text.strip()

    def _source(self, section: Section) -> None:
        self.found["source"] = " ".join(_text(section).text.split())

    def _extends(self, section: Section) -> None:
        self.found["extends"] = _link(_text(section))

    def _use(self, section: Section) -> None:
        name = _heading(section)
        _refuse_kept(name.text, name.span)
        self.found["uses"][name.text] = _link(_text(section))

    def _parameters(self, section: Section) -> None:
        for entry in _entries(section):
            cell = self.attempt(read_cell, entry.value)
            if cell is not None:
                self.found["parameters"][entry.key] = cell
                self.found["parameter_spans"][entry.key] = entry.key_span

    def _input(self, section: Section) -> None:
        if isinstance(section.content, Fragment):
            self.found["inputs"]["input"] = parse_shape(section.content)
            return
        for entry in _entries(section):
            shape = self.attempt(parse_shape, entry.value)
            if shape is not None:
                self.found["inputs"][entry.key] = shape

    def _output(self, section: Section) -> None:
        for entry in _entries(section):
            cell = self.attempt(read_cell, entry.value)
            if cell is not None:
                self.found["outputs"][entry.key] = cell

    def _default(self, section: Section) -> None:
        for entry in _entries(section):
            arguments = self.attempt(parse_arguments, entry.value)
            if arguments is not None:
                self.found["defaults"][entry.key] = arguments
                self.found["default_spans"][entry.key] = entry.key_span

    def _table(self, section: Section) -> None:
        name = _heading(section)
        self.found["tables"][name.text] = read_table(name, _text(section))

    def _map(self, section: Section) -> None:
        name = _heading(section)
        self.found["maps"][name.text] = read_map(name, _text(section))

    def _module(self, section: Section) -> None:
        heading = _heading(section)
        signature = self.attempt(parse_signature, heading)
        body = self.attempt(parse_body, _text(section))
        if signature is None or body is None:
            return
        _refuse_kept(signature.name, heading.span.first(len(signature.name)))
        known = self.found["definitions"].get(signature.name)
        if known is not None:
            fail("A0103", f"`{signature.name}` is defined twice", heading.span)
        self.found["definitions"][signature.name] = validated(
            Definition,
            heading.span,
            kind=section.keyword,
            signature=signature,
            body=body,
            heading=f"{section.keyword} {heading.text}",
            span=heading.span,
        )

    _def = _module

    def _layers(self, section: Section) -> None:
        self.found["layers"] = parse_body(_text(section))

    def _changes(self, section: Section) -> None:
        where, span = "", section.span
        if section.heading is not None:
            match = re.fullmatch(r"in\s+([A-Za-z_]\w*)", section.heading.text.strip())
            if match is None:
                problem = "changes speak of the layers, or of a module: `changes in inception:`"
                fail("A0105", problem, section.heading.span)
            where = match[1]
            span = section.heading.span.last(len(where))
        self.found["changes"][where] = replace(parse_changes(_text(section)), span=span)

    def _init(self, section: Section) -> None:
        self.found["inits"] = parse_inits(_text(section))

    def _names(self, section: Section) -> None:
        name, content = _heading(section), _text(section)
        own = content.text.strip() == "as written"
        rules = () if own else parse_renames(content)
        self.found["names"][name.text] = validated(Names, name.span, own=own, rules=rules, span=name.span)


def _text(section: Section) -> Fragment:
    if not isinstance(section.content, Fragment):
        fail("A0106", f"`{section.keyword}` takes text, not a mapping", section.span)
    return section.content


def _entries(section: Section) -> tuple[Entry, ...]:
    if isinstance(section.content, Fragment):
        fail("A0106", f"`{section.keyword}` takes lines `name: value`", section.content.span)
    return section.content or ()


def _heading(section: Section) -> Fragment:
    if section.heading is None:
        fail("A0105", f"`{section.keyword}` needs a name", section.span)
    return section.heading


def _link(fragment: Fragment) -> Link:
    line = fragment.lines[0]
    path, comma, _ = line.text.partition(",")
    arguments: tuple[t.Argument, ...] = ()
    if comma:
        rest = SourceLine(line.text[len(path) + 1 :], line.line, line.column + len(path) + 1)
        arguments = parse_arguments(Fragment(fragment.file, (rest,), True))
    return validated(Link, fragment.span, path=path.strip(), arguments=arguments, span=fragment.span)


def _refuse_kept(name: str, span: Span) -> None:
    """A module without a label is called by its word and a number, which Python would mangle or keep as well."""
    if name.startswith("__"):
        help = f"another name, such as `{name.strip('_') or 'module'}1`"
        fail("A0510", f"nothing can be called `{name}`: Python keeps such names for itself", span, help)


# ---- cells, tables, maps --------------------------------------------------------------------------------------------


def read_cell(fragment: Fragment) -> Cell:
    """A value by the rule for cells: yes and no, numbers, sizes, lists, expressions, else a word."""
    text, span = fragment.text.strip(), fragment.span
    if text in ("X", "yes", "true", "True"):
        return Cell(text, True, span)
    if text in ("-", "no", "false", "False"):
        return Cell(text, False, span)
    if re.fullmatch(r'"[^"\n]*"', text):
        return Cell(text[1:-1], None, span)
    if re.fullmatch(r"[A-Za-z_]\w*", text):
        return Cell(text, ex.Name(text, span), span)
    try:
        return Cell(text, parse_expression(fragment), span)
    except SpecError:
        if re.fullmatch(r"[\w.+/-]+", text):
            return Cell(text, None, span)
        raise


def read_table(name: Fragment, fragment: Fragment) -> Table:
    """A `table`: one header row, then rows, cells between bars."""
    header, *rows = table_cells(fragment) or [[]]
    if not header or not rows:
        fail("A0602", "a table has a heading and at least one row", fragment.span)
    columns = tuple(_column(cell) for cell in header)
    claims = [c.claim for c in columns] + [False] * max(map(len, rows))
    return validated(
        Table,
        name.span,
        name=name.text.strip(),
        columns=columns,
        rows=tuple(
            tuple(_claim_cell(cell) if claims[at] else read_cell(cell) for at, cell in enumerate(row)) for row in rows
        ),
        span=name.span,
    )


def _claim_cell(cell: Fragment) -> Cell:
    """What a row claims, a quantity as in a fact; `-` claims nothing."""
    if cell.text == "-":
        return Cell(cell.text, False, cell.span)
    if re.fullmatch(r"~?\d[\d_]*(\.\d+)?(Ki|[KMGT])?", cell.text) is None:
        fail("A0701", f"`{cell.text}` is no quantity", cell.span, "write `156`, `25.6M`, `~3.8G`, or `-`")
    return Cell(cell.text, None, cell.span)


def _column(cell: Fragment) -> Column:
    match = re.fullmatch(r"=>\s*([\w-]+)(\s+when\s+training)?", cell.text)
    if match is None:
        return validated(Column, cell.span, name=cell.text, span=cell.span)
    return validated(Column, cell.span, name=match[1], claim=True, training=match[2] is not None, span=cell.span)


def read_map(name: Fragment, fragment: Fragment) -> Map:
    """A `map`: a corner word and column headings, then rows of a heading and marks `X` or `.`."""
    header, *rows = map_cells(fragment) or [[]]
    if not rows:
        fail("A0602", "a map has a heading and at least one row", fragment.span)
    marks: list[tuple[bool, ...]] = []
    for row in rows:
        for cell in row[1:]:
            if cell.text not in ("X", "x", "."):
                fail("A0602", f"a mark is `X` or `.`, not `{cell.text}`", cell.span)
        marks.append(tuple(cell.text != "." for cell in row[1:]))
    return validated(
        Map,
        name.span,
        name=name.text.strip(),
        rows=tuple(marks),
        columns=len(header) - 1,
        span=name.span,
        row_spans=tuple(row[0].span.to(row[-1].span) for row in rows),
    )
