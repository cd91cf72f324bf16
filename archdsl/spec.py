"""Sections -> spec: what a file says, each section checked by itself, nothing looked up or evaluated yet.

The models are pydantic's; what they refuse comes out as diagnostics with the place of the very cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from . import expr as ex
from .diagnostics import Collector, Diagnostic, SourceFile, Span, SpecError, fail
from .syntax import tree as t
from .syntax.parse import (
    parse_arguments,
    parse_body,
    parse_changes,
    parse_expression,
    parse_renames,
    parse_shape,
    parse_signature,
)  # fmt: skip
from .syntax.sections import Entry, Fragment, Section, SourceLine

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Model = TypeVar("Model", bound=BaseModel)
Result = TypeVar("Result")

UNITS = ("params", "multiply-adds", "connections", "statistics", "frozen", "stored")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as written in `parameters` or a table: yes or no, an expression, or a word."""

    text: str
    value: ex.Expr | bool | None
    span: Span = field(compare=False, repr=False)


class Column(_Model):
    """One heading: a parameter's name, or a claim (`=> params`)."""

    name: str
    claim: bool = False
    training: bool = False
    span: Span

    @model_validator(mode="after")
    def _known(self) -> Column:
        if self.claim and self.name not in UNITS:
            raise _error("A0601", f"a column can claim {', '.join(UNITS)}, not `{self.name}`", self.span)
        if not self.claim and not re.fullmatch(r"[A-Za-z_]\w{0,63}", self.name):
            raise _error("A0601", f"a column's heading is a name, not `{self.name}`", self.span)
        return self


class Table(_Model):
    """A `table` section: rectangular, no heading twice."""

    name: Identifier
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    span: Span

    @model_validator(mode="after")
    def _rectangular(self) -> Table:
        seen: set[tuple[str, bool]] = set()
        for column in self.columns:
            if (column.name, column.training) in seen:
                raise _error("A0601", f"two columns are called `{column.name}`", column.span)
            seen.add((column.name, column.training))
        for row in self.rows:
            if len(row) != len(self.columns):
                last = row[-1].span
                raise _error("A0602", f"this row has {len(row)} cells, the heading {len(self.columns)}", last)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The headings that are not claims."""
        return tuple(c.name for c in self.columns if not c.claim)


class Map(_Model):
    """A `map` section: which rows feed which columns."""

    name: Identifier
    rows: tuple[tuple[bool, ...], ...]
    columns: int
    span: Span
    row_spans: tuple[Span, ...]

    @model_validator(mode="after")
    def _connected(self) -> Map:
        for row, span in zip(self.rows, self.row_spans, strict=True):
            if len(row) != self.columns:
                raise _error("A0602", f"this row has {len(row)} marks, the heading {self.columns} columns", span)
        for number, column in enumerate(zip(*self.rows, strict=True)):
            if not any(column):
                raise _error("A0603", f"no input feeds output {number} of map {self.name}", self.span)
        return self


class Definition(_Model):
    """A `module` or `def`."""

    kind: Literal["module", "def"]
    signature: t.Signature
    body: t.Block
    heading: str
    span: Span


class Link(_Model):
    """Another file, with the parameters it is used with."""

    path: str
    arguments: tuple[t.Argument, ...] = ()
    span: Span


class Names(_Model):
    """A `names` section; `own` says that the spec's own names already are the dialect's."""

    own: bool
    rules: tuple[t.Rename | t.RenameScope, ...]
    span: Span


class Spec(_Model):
    """A file, section by section."""

    file: SourceFile
    network: str = ""
    source: str = ""
    extends: Link | None = None
    uses: dict[Identifier, Link] = {}
    parameters: dict[Identifier, Cell] = {}
    parameter_spans: dict[str, Span] = {}
    inputs: dict[Identifier, t.InputShape] = {}
    defaults: dict[str, tuple[t.Argument, ...]] = {}
    default_spans: dict[str, Span] = {}
    tables: dict[Identifier, Table] = {}
    maps: dict[Identifier, Map] = {}
    definitions: dict[Identifier, Definition] = {}
    layers: t.Block | None = None
    changes: dict[str, t.Changes] = {}
    names: dict[Identifier, Names] = {}


def _error(code: str, message: str, span: Span) -> PydanticCustomError:
    return PydanticCustomError(code, message.replace("{", "{{").replace("}", "}}"), {"span": span})  # type: ignore[arg-type]


def _validate(model: type[Model], span: Span, /, **values: Any) -> Model:
    """Make a model; what pydantic refuses is raised as diagnostics."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise SpecError([_diagnostic(problem, span) for problem in error.errors(include_url=False)]) from None


def _diagnostic(problem: Any, span: Span) -> Diagnostic:
    place = problem.get("ctx", {}).get("span", span)
    if problem["type"] == "string_pattern_mismatch":
        what = f"`{problem['input']}` is no name: letters, digits and `_`, at most 64, a letter first"
        return Diagnostic("A0113", what, place)
    code = problem["type"] if re.fullmatch(r"A\d{4}", problem["type"]) else "A0113"
    return Diagnostic(code, problem["msg"], place)


# ---- sections -------------------------------------------------------------------------------------------------------


def read_spec(file: SourceFile, sections: Iterable[Section], collector: Collector) -> Spec:
    """The spec that a file's sections make. Mistakes go to the collector; what they spoil is left out."""
    reader = _Reader(collector)
    for section in sections:
        reader.take(section)
    span = Span(file, 1, 1, 1, 2)
    return _validate(Spec, span, file=file, **reader.found)


class _Reader:
    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.found: dict[str, Any] = {key: {} for key, field in Spec.model_fields.items() if field.default == {}}

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
        known = self.found["definitions"].get(signature.name)
        if known is not None:
            fail("A0103", f"`{signature.name}` is defined twice", heading.span)
        self.found["definitions"][signature.name] = _validate(
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
        where = ""
        if section.heading is not None:
            match = re.fullmatch(r"in\s+([A-Za-z_]\w*)", section.heading.text.strip())
            if match is None:
                problem = "changes speak of the layers, or of a module: `changes in inception:`"
                fail("A0105", problem, section.heading.span)
            where = match[1]
        self.found["changes"][where] = parse_changes(_text(section))

    def _names(self, section: Section) -> None:
        name, content = _heading(section), _text(section)
        own = content.text.strip() == "as written"
        rules = () if own else parse_renames(content)
        self.found["names"][name.text] = _validate(Names, name.span, own=own, rules=rules, span=name.span)


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
    return _validate(Link, fragment.span, path=path.strip(), arguments=arguments, span=fragment.span)


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


def _words(fragment: Fragment, pattern: str) -> list[list[Fragment]]:
    """Each line's matches of `pattern`, comments and blank lines left out."""
    rows: list[list[Fragment]] = []
    for line in fragment.lines:
        code = re.sub(r"(^|\s)#.*$", "", line.text)
        cells = [
            Fragment(fragment.file, (SourceLine(m[0], line.line, line.column + m.start()),), True)
            for m in re.finditer(pattern, code)
        ]
        if cells:
            rows.append(cells)
    return rows


def read_table(name: Fragment, fragment: Fragment) -> Table:
    """A `table`: one header row, then rows, cells between bars."""
    header, *rows = _words(fragment, r"[^|\s](?:[^|]*[^|\s])?") or [[]]
    if not header or not rows:
        fail("A0602", "a table has a heading and at least one row", fragment.span)
    columns = tuple(_column(cell) for cell in header)
    claims = [c.claim for c in columns] + [False] * max(map(len, rows))
    return _validate(
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
        return _validate(Column, cell.span, name=cell.text, span=cell.span)
    return _validate(Column, cell.span, name=match[1], claim=True, training=match[2] is not None, span=cell.span)


def read_map(name: Fragment, fragment: Fragment) -> Map:
    """A `map`: a corner word and column headings, then rows of a heading and marks `X` or `.`."""
    header, *rows = _words(fragment, r"\S+") or [[]]
    if not rows:
        fail("A0602", "a map has a heading and at least one row", fragment.span)
    marks: list[tuple[bool, ...]] = []
    for row in rows:
        for cell in row[1:]:
            if cell.text not in ("X", "x", "."):
                fail("A0602", f"a mark is `X` or `.`, not `{cell.text}`", cell.span)
        marks.append(tuple(cell.text != "." for cell in row[1:]))
    return _validate(
        Map,
        name.span,
        name=name.text.strip(),
        rows=tuple(marks),
        columns=len(header) - 1,
        span=name.span,
        row_spans=tuple(row[0].span.to(row[-1].span) for row in rows),
    )
