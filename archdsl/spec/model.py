"""What a file says: a dataclass a section, each validated by itself, nothing looked up or evaluated yet.

pydantic's core validates, from a schema a class (`pydantic_core`: pydantic itself takes longer to load, and to derive these
schemas from annotations, than the analysis of ResNet-152). What it refuses comes out as diagnostics with the place of
the very cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic_core import CoreConfig, CoreSchema, PydanticCustomError, SchemaValidator, ValidationError
from pydantic_core import core_schema as cs

from .. import expr as ex
from ..diagnostics import Diagnostic, SourceFile, Span, SpecError
from ..records import dataclass
from ..syntax import tree as t

Model = TypeVar("Model")

UNITS = ("params", "multiply-adds", "connections", "statistics", "frozen", "stored")
_FORBID = CoreConfig(extra_fields_behavior="forbid")
_IDENTIFIER = cs.str_schema(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
_SPAN = cs.is_instance_schema(Span)


def _schema(model: type[Model], check: Callable[[Model], Model] | None = None, **schemas: CoreSchema) -> CoreSchema:
    """The schema of a dataclass: one of each field, then perhaps a check of the whole."""
    parts: list[cs.DataclassField] = []
    for known in fields(model):  # type: ignore[arg-type]
        schema = schemas[known.name]
        if known.default is not MISSING:
            schema = cs.with_default_schema(schema, default=known.default)
        elif known.default_factory is not MISSING:
            schema = cs.with_default_schema(schema, default_factory=known.default_factory)
        parts.append(cs.dataclass_field(known.name, schema))
    arguments = cs.dataclass_args_schema(model.__name__, parts)
    made = cs.dataclass_schema(model, arguments, [part["name"] for part in parts], slots=True, config=_FORBID)
    return made if check is None else cs.no_info_after_validator_function(check, made)


def _tuple_of(part: CoreSchema) -> CoreSchema:
    return cs.tuple_schema([part], variadic_item_index=0)


def _dict_of(key: CoreSchema, value: type) -> CoreSchema:
    return cs.dict_schema(key, cs.is_instance_schema(value))


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as written in `parameters` or a table: yes or no, an expression, or a word."""

    text: str
    value: ex.Expr | bool | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Column:
    """One heading: a parameter's name, or a claim (`=> params`)."""

    name: str
    span: Span
    claim: bool = False
    training: bool = False


def _known_column(column: Column) -> Column:
    if column.claim and column.name not in UNITS:
        raise _error("A0601", f"a column can claim {', '.join(UNITS)}, not `{column.name}`", column.span)
    if not column.claim and not re.fullmatch(r"[A-Za-z_]\w{0,63}", column.name):
        raise _error("A0601", f"a column's heading is a name, not `{column.name}`", column.span)
    return column


@dataclass(frozen=True, slots=True)
class Table:
    """A `table` section: rectangular, no heading twice."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    span: Span

    @property
    def names(self) -> tuple[str, ...]:
        """The headings that are not claims."""
        return tuple(c.name for c in self.columns if not c.claim)


def _rectangular(table: Table) -> Table:
    seen: set[tuple[str, bool]] = set()
    for column in table.columns:
        if (column.name, column.training) in seen:
            raise _error("A0601", f"two columns are called `{column.name}`", column.span)
        seen.add((column.name, column.training))
    for row in table.rows:
        if len(row) != len(table.columns):
            last = row[-1].span
            raise _error("A0602", f"this row has {len(row)} cells, the heading {len(table.columns)}", last)
    return table


@dataclass(frozen=True, slots=True)
class Map:
    """A `map` section: which rows feed which columns."""

    name: str
    rows: tuple[tuple[bool, ...], ...]
    columns: int
    span: Span
    row_spans: tuple[Span, ...]


def _connected(found: Map) -> Map:
    for row, span in zip(found.rows, found.row_spans, strict=True):
        if len(row) != found.columns:
            raise _error("A0602", f"this row has {len(row)} marks, the heading {found.columns} columns", span)
    for number, column in enumerate(zip(*found.rows, strict=True)):
        if not any(column):
            raise _error("A0603", f"no input feeds output {number} of map {found.name}", found.span)
    return found


@dataclass(frozen=True, slots=True)
class Definition:
    """A `module` or `def`."""

    kind: Literal["module", "def"]
    signature: t.Signature
    body: t.Block
    heading: str
    span: Span


@dataclass(frozen=True, slots=True)
class Link:
    """Another file, with the parameters it is used with."""

    path: str
    span: Span
    arguments: tuple[t.Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """A `names` section; `own` says that the spec's own names already are the dialect's."""

    own: bool
    rules: tuple[t.Rename | t.RenameScope, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Spec:
    """A file, section by section."""

    file: SourceFile
    network: str = ""
    source: str = ""
    extends: Link | None = None
    uses: dict[str, Link] = field(default_factory=dict[str, Link])
    parameters: dict[str, Cell] = field(default_factory=dict[str, Cell])
    parameter_spans: dict[str, Span] = field(default_factory=dict[str, Span])
    inputs: dict[str, t.InputShape] = field(default_factory=dict[str, t.InputShape])
    outputs: dict[str, Cell] = field(default_factory=dict[str, Cell])
    defaults: dict[str, tuple[t.Argument, ...]] = field(default_factory=dict[str, tuple[t.Argument, ...]])
    default_spans: dict[str, Span] = field(default_factory=dict[str, Span])
    tables: dict[str, Table] = field(default_factory=dict[str, Table])
    maps: dict[str, Map] = field(default_factory=dict[str, Map])
    definitions: dict[str, Definition] = field(default_factory=dict[str, Definition])
    layers: t.Block | None = None
    changes: dict[str, t.Changes] = field(default_factory=dict[str, t.Changes])
    names: dict[str, Names] = field(default_factory=dict[str, Names])
    inits: tuple[t.Init, ...] = ()


_ARGUMENTS = _tuple_of(cs.is_instance_schema(t.Argument))
_SCHEMAS: dict[type, Callable[[], CoreSchema]] = {
    Column: lambda: _schema(
        Column, _known_column, name=cs.str_schema(), span=_SPAN, claim=cs.bool_schema(), training=cs.bool_schema()
    ),
    Table: lambda: _schema(
        Table,
        _rectangular,
        name=_IDENTIFIER,
        columns=_tuple_of(cs.is_instance_schema(Column)),
        rows=_tuple_of(_tuple_of(cs.is_instance_schema(Cell))),
        span=_SPAN,
    ),
    Map: lambda: _schema(
        Map,
        _connected,
        name=_IDENTIFIER,
        rows=_tuple_of(_tuple_of(cs.bool_schema())),
        columns=cs.int_schema(),
        span=_SPAN,
        row_spans=_tuple_of(_SPAN),
    ),
    Definition: lambda: _schema(
        Definition,
        kind=cs.literal_schema(["module", "def"]),
        signature=cs.is_instance_schema(t.Signature),
        body=cs.is_instance_schema(t.Block),
        heading=cs.str_schema(),
        span=_SPAN,
    ),
    Link: lambda: _schema(Link, path=cs.str_schema(), span=_SPAN, arguments=_ARGUMENTS),
    Names: lambda: _schema(
        Names, own=cs.bool_schema(), rules=_tuple_of(cs.is_instance_schema(t.Rename | t.RenameScope)), span=_SPAN
    ),
    Spec: lambda: _schema(
        Spec,
        file=cs.is_instance_schema(SourceFile),
        network=cs.str_schema(),
        source=cs.str_schema(),
        extends=cs.nullable_schema(cs.is_instance_schema(Link)),
        uses=_dict_of(_IDENTIFIER, Link),
        parameters=_dict_of(_IDENTIFIER, Cell),
        parameter_spans=_dict_of(cs.str_schema(), Span),
        inputs=_dict_of(_IDENTIFIER, t.InputShape),
        outputs=_dict_of(_IDENTIFIER, Cell),
        defaults=cs.dict_schema(cs.str_schema(), _ARGUMENTS),
        default_spans=_dict_of(cs.str_schema(), Span),
        tables=_dict_of(_IDENTIFIER, Table),
        maps=_dict_of(_IDENTIFIER, Map),
        definitions=_dict_of(_IDENTIFIER, Definition),
        layers=cs.nullable_schema(cs.is_instance_schema(t.Block)),
        changes=_dict_of(cs.str_schema(), t.Changes),
        names=_dict_of(_IDENTIFIER, Names),
        inits=_tuple_of(cs.is_instance_schema(t.Init)),
    ),
}


@cache
def _validator(model: type) -> SchemaValidator:
    """The validator of a class, made when it is first needed."""
    return SchemaValidator(_SCHEMAS[model]())


def _error(code: str, message: str, span: Span) -> PydanticCustomError:
    return PydanticCustomError(code, message.replace("{", "{{").replace("}", "}}"), {"span": span})  # type: ignore[arg-type]


def validated(model: type[Model], span: Span, /, **values: Any) -> Model:
    """Make a section; what pydantic refuses is raised as diagnostics."""
    try:
        found: Model = _validator(model).validate_python(values)
        return found
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise SpecError([_diagnostic(problem, _place(problem, values, span)) for problem in problems]) from None


def _place(problem: Any, values: Mapping[str, Any], span: Span) -> Span:
    """Where a problem is: a name in a mapping has the place of that name, or of what it stands for."""
    where = problem["loc"]
    if len(where) != 3 or where[2] != "[key]":
        return span
    spans: Mapping[str, Span] = values.get(f"{where[0].removesuffix('s')}_spans", {})
    found: Span = spans.get(where[1]) or getattr(values[where[0]][where[1]], "span", span)
    return found


def _diagnostic(problem: Any, span: Span) -> Diagnostic:
    place = problem.get("ctx", {}).get("span", span)
    if problem["type"] == "string_pattern_mismatch":
        what = f"`{problem['input']}` is no name: letters, digits and `_`, at most 64, a letter first"
        return Diagnostic("A0113", what, place)
    code = problem["type"] if re.fullmatch(r"A\d{4}", problem["type"]) else "A0113"
    return Diagnostic(code, problem["msg"], place)
