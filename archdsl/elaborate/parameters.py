"""Parameters of a file: its own values, the columns its tables choose, what the caller or the command line sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, cast

from .. import expr as ex
from ..diagnostics import Span, did_you_mean, fail
from ..ir.evaluate import Env, describe, evaluate
from ..ir.shapes import Constant, Size
from ..spec import Cell, Spec, Table


class Parameters:
    """Resolves the parameters of one spec, each when it is first asked for."""

    def __init__(self, spec: Spec, overrides: Mapping[str, Constant], spans: Mapping[str, Span] | None = None) -> None:
        """`spans` say where the overrides are written, those that are not given from outside."""
        self.spec = spec
        self.overrides = dict(overrides)
        self.override_spans = dict(spans or {})
        self.columns = switch_columns(spec)
        self._known: dict[str, Constant] = {}
        self._open: list[str] = []

    @property
    def names(self) -> list[str]:
        return [*self.spec.parameters, *(c for c in self.columns if c not in self.spec.parameters)]

    def all(self) -> dict[str, Constant]:
        """Every parameter and column with its value, in the order of the file."""
        return {name: self.value(name) for name in self.names}

    def value(self, name: str) -> Constant:
        if name not in self._known:
            self._known[name] = self._resolve(name)
        return self._known[name]

    def _resolve(self, name: str) -> Constant:
        if name in self.overrides:
            return self.overrides[name]
        if name in self._open:
            chain = " -> ".join([*self._open[self._open.index(name) :], name])
            fail("A0609", f"parameter `{name}` depends on itself: {chain}", self.spec.parameter_spans.get(name))
        self._open.append(name)
        try:
            if name in self.spec.parameters:
                return self.cell(self.spec.parameters[name], later=self._later(name))
            table = self.columns[name]
            row = self.row(table)
            return self.cell(row[[c.name for c in table.columns].index(name)])
        finally:
            self._open.pop()

    def _later(self, name: str) -> frozenset[str]:
        names = list(self.spec.parameters)
        return frozenset(names[names.index(name) :])

    def cell(self, cell: Cell, later: frozenset[str] = frozenset()) -> Constant:
        """A cell's value: an expression if all its names are known, else a word."""
        if cell.value is None:
            return cell.text
        if isinstance(cell.value, bool):
            return cell.value
        names = ex.names_in(cell.value)
        unknown = names - set(self.names)
        if unknown:
            if isinstance(cell.value, ex.Name) or _wordlike(cell.text):
                return cell.text
            name = min(unknown)
            fail("A0202", f"no parameter `{name}`", cell.span, did_you_mean(name, self.names), word=name)
        if self._open and self._open[-1] in names & later:
            fail("A0609", f"parameter `{self._open[-1]}` depends on itself", cell.span)
        for name in sorted(names & later):
            fail("A0609", f"`{name}` is defined later: a parameter follows from earlier ones", cell.span)
        return evaluate(cell.value, Env({n: self.value(n) for n in names}, lambda _: False))

    def row(self, table: Table) -> tuple[Cell, ...]:
        """The row of a switch that its head chooses."""
        head = table.names[0]
        wanted = self.value(head)
        at = [c.name for c in table.columns].index(head)
        chosen = next((row for row in table.rows if same(self.cell(row[at]), wanted)), None)
        if chosen is None:
            self._no_row(table, head, _plain(wanted), [row[at].text for row in table.rows])
        return chosen

    def _no_row(self, table: Table, head: str, wanted: str, rows: list[str]) -> NoReturn:
        """Refuse a choice that no row is for, at the place that chose."""
        root = root_of(self.spec, head)
        span: Span | None = table.span
        if root in self.overrides:
            span = self.override_spans.get(root)
        elif root in self.spec.parameters:
            span = self.spec.parameters[root].span
        verb = "is set to" if root in self.overrides else "is"
        problem = f"{head} {verb} {wanted}, but table {table.name} has rows for {', '.join(rows)}"
        help = None if wanted[:1].isdigit() else did_you_mean(wanted, rows)  # every number is close to another
        fail("A0604", problem, span, help)


def _plain(value: Constant) -> str:
    return value if isinstance(value, str) else describe(value)


def fingerprint(value: object) -> object:
    """Equal for values that are the same to a spec: unlike Python's, its yes is not 1, and its `3x3` no list."""
    if isinstance(value, bool | Size):
        return type(value), value
    return tuple(map(fingerprint, cast("tuple[object, ...]", value))) if isinstance(value, tuple) else value


def same(a: Constant, b: Constant) -> bool:
    """Equal as cells are: yes is not 1."""
    return fingerprint(a) == fingerprint(b)


def _wordlike(text: str) -> bool:
    return all(c.isalnum() or c in "._-+" for c in text)


def switches(spec: Spec) -> list[Table]:
    """The tables headed by a parameter, or by a column of such a table."""
    found: list[Table] = []
    known = set(spec.parameters)
    waiting = [t for t in spec.tables.values() if t.names]
    while True:
        ready = [t for t in waiting if t.names[0] in known]
        if not ready:
            return found
        for table in ready:
            found.append(table)
            waiting.remove(table)
            known.update(table.names[1:])


def switch_columns(spec: Spec) -> dict[str, Table]:
    """Each column of a switch with its table."""
    return {name: table for table in switches(spec) for name in table.names[1:]}


def rows_as_variants(spec: Spec) -> list[tuple[Table, str, Cell, tuple[Cell, ...]]]:
    """(table, head, head cell, row) for every row of every switch headed by a parameter."""
    found: list[tuple[Table, str, Cell, tuple[Cell, ...]]] = []
    for table in switches(spec):
        head = table.names[0]
        if head in spec.parameters:
            at = [c.name for c in table.columns].index(head)
            found.extend((table, head, row[at], row) for row in table.rows)
    return found


def claiming_rows(spec: Spec) -> list[tuple[Table, str, Cell, tuple[Cell, ...]]]:
    """As `rows_as_variants`, with the tables that a column of another chooses from."""
    found: list[tuple[Table, str, Cell, tuple[Cell, ...]]] = []
    for table in switches(spec):
        at = [c.name for c in table.columns].index(table.names[0])
        found.extend((table, table.names[0], row[at], row) for row in table.rows)
    return found


def root_of(spec: Spec, head: str) -> str:
    """The parameter that decides the head of a switch, through the tables that choose it."""
    columns = switch_columns(spec)
    while head not in spec.parameters and head in columns:
        head = columns[head].names[0]
    return head


def parse_override(spec: Spec, name: str, value: Constant, span: Span | None = None) -> None:
    """Refuse to set what is no parameter."""
    names = [*spec.parameters, *switch_columns(spec)]
    if name not in names:
        known = ", ".join(names)
        help = did_you_mean(name, names) or (f"its parameters are {known}" if known else "this spec has no parameters")
        place = None if span is None else span.first(len(name))  # of `depth 34`, or of `no bias`, the name
        if span is not None and not span.file.lines[span.line - 1][span.column - 1 :].startswith(name):
            place = span.last(len(name))
        fail("A0205", f"no parameter `{name}` to set to {_plain(value)}", place, help)
