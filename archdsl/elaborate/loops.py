"""Loops: `[...] x n`, `for`. What their names are in each iteration, and which iterations are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Literal, NoReturn, TypeAlias

from .. import expr as ex
from ..diagnostics import Label, Span, did_you_mean, fail
from ..ir import graph as g
from ..ir.evaluate import Env, describe, evaluate
from ..ir.lookup import parts
from ..ir.shapes import Constant, Size
from ..records import constructor, dataclass
from ..spec import Table
from ..syntax import tree as t
from .builder import Builder, Made, Make
from .labels import Labels
from .parameters import fingerprint, switches

_run = constructor(g.Run)
Values: TypeAlias = tuple[tuple[str, Constant], ...]


@dataclass(frozen=True, slots=True)
class Iterations:
    """A loop: how often, and what its names are in iteration i. `own` are its variable or the columns of its table."""

    kind: Literal["times", "list", "range", "rows"]
    variable: str | None
    over: ex.Expr | None
    count: int
    own: tuple[str, ...] = ()
    at: Callable[[str], Callable[[int], Constant]] | None = None
    """One of its own names in each iteration."""

    @property
    def varying(self) -> frozenset[str]:
        """The names that may be different each time."""
        return frozenset({*self.own, "index"})

    def of(self, name: str) -> Callable[[int], Constant]:
        """What a name of the loop is, iteration by iteration."""
        if name == "index":
            return lambda index: index
        if name in ("first", "last"):
            edge = 0 if name == "first" else self.count - 1
            return lambda index: index == edge
        assert self.at is not None
        return self.at(name)

    def names(self, index: int) -> dict[str, Constant]:
        """All that an iteration sees of the loop."""
        return {name: self.of(name)(index) for name in (*self.own, "index", "first", "last")}

    def said(self, index: int) -> str:
        """Which iteration it is, for messages."""
        if self.variable is None:
            return f"in {'row' if self.kind == 'rows' else 'repeat'} {index + 1} of {self.count}, at"
        return f"with {self.variable} = {describe(self.of(self.variable)(index))}, in"


def loop_of(b: Builder, head: t.For | t.ForRows) -> Iterations:
    """The iterations of a `for`."""
    if isinstance(head, t.ForRows):
        return _rows(b, head)
    return _list(b, head) if head.stop is None else _range(b, head, head.stop)


def _list(b: Builder, head: t.For) -> Iterations:
    variable, items = head.variable, evaluate(head.start, b.env)
    if not isinstance(items, tuple) or isinstance(items, Size):
        fail("A0306", f"`for` goes over a list or a range, this is {describe(items)}", head.start.span)

    over = b.env.express(head.start)
    return Iterations("list", variable, over, len(items), (variable,), lambda _: lambda index: items[index])


def _range(b: Builder, head: t.For, end: ex.Expr) -> Iterations:
    variable, start, stop = head.variable, _whole(b, head.start), _whole(b, end)
    step = -1 if head.down else 1
    count = max(0, (stop - start) * step + 1)

    over = b.env.express(head.start)
    return Iterations("range", variable, over, count, (variable,), lambda _: lambda index: start + step * index)


def _whole(b: Builder, expr: ex.Expr) -> int:
    value = evaluate(expr, b.env)
    if isinstance(value, bool) or not isinstance(value, int):
        fail("A0307", f"a loop's bound is a whole number, this is {describe(value)}", expr.span)
    return value


def _rows(b: Builder, head: t.ForRows) -> Iterations:
    name, tables = head.table, b.file.spec.tables
    held = b.env.names.get(name)
    if isinstance(held, str):
        name = held
    if name not in tables:
        refuse_table(name, head.table_span, tables)
    table, cell = tables[name], b.file.parameters.cell
    _check_no_claims(b, table)
    rows = [{c.name: cell(v) for c, v in zip(table.columns, row, strict=True) if not c.claim} for row in table.rows]
    over, own = ex.Name(head.table, head.table_span), tuple(c.name for c in table.columns if not c.claim)
    return Iterations("rows", None, over, len(rows), own, lambda name: lambda index: rows[index][name])


def refuse_table(name: str, span: Span, tables: Iterable[str]) -> NoReturn:
    """Refuse to walk over a table that is not there."""
    fail("A0206", f"no table `{name}`", span, did_you_mean(name, tables), word=name)


def _check_no_claims(b: Builder, table: Table) -> None:
    """Refuse claims in a table whose rows choose no network: nothing would ever check them."""
    if table in switches(b.file.spec):
        return
    for column in table.columns:
        if column.claim:
            problem = f"`{column.name}` of a row is claimed, but the rows of {table.name} choose no network"
            help = "a loop walks them: claim it at the end of the lines in the loop, or of all layers"
            fail("A0601", problem, column.span, help)


def times_of(b: Builder, times: ex.Expr) -> Iterations:
    """The iterations of `[...] x n`."""
    count = evaluate(times, b.env)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        fail("A0307", f"a repeat's count is a whole number, this is {describe(count)}", times.span)

    return Iterations("times", None, b.env.express(times), count)


def repeat(
    b: Builder, loop: Iterations, body: t.Block | t.Inline, x: int, span: Span, *, numbered: bool = False
) -> Made:
    """Iterations in a row. With `numbered` they are a level each, called by their positions."""
    unroller = _Unroller(b, loop, b.session.mentions.of(body), lambda y: b.inline(body, y), numbered, span)
    runs, y = unroller.runs(x, span)
    b.session.count_nodes(span)
    return [g.Repeat(loop.kind, loop.variable, loop.over, tuple(runs), y, span)], y


class _Unroller:
    """Builds iterations; neighbours that are seen to be equal become one run."""

    def __init__(
        self, b: Builder, loop: Iterations, mentioned: frozenset[str], make: Make, numbered: bool, span: Span
    ) -> None:
        self.span = span
        self.b, self.loop, self.make, self.numbered = b, loop, make, numbered
        self.relevant = sorted(mentioned & {*loop.own, "index", "first", "last"}) if loop.count else []
        self.reads = [(name, loop.of(name)) for name in self.relevant]
        self.varies = not loop.varying.isdisjoint(self.relevant)
        self.found: list[g.Run] = []
        self.index = 0
        self.defines = False  # whether the last iteration defined labels
        self.labelled = False  # whether any did
        self.rereads = False  # whether the last iteration names the value that flowed into it

    def runs(self, x: int, span: Span) -> tuple[list[g.Run], int]:
        b, env, labels, looked = self.b, self.b.env, self.b.labels, self.b.looked
        b.session.trail.append(lambda: Label(self.span, self.loop.said(self.index)))
        try:
            with b.within():
                x = self.iterations(x, env, labels)
        finally:
            b.looked |= looked
            b.session.trail.pop()
        if self.numbered and (self.labelled or any(_several(run.body) for run in self.found)):
            return [_as_level(run, span) for run in self.found], x
        return self.found, x

    def iterations(self, x: int, env: Env, labels: Labels) -> int:
        b, loop, found = self.b, self.loop, self.found
        seen: set[int] = set()
        b.looked = set()
        first = loop.names(0) if loop.count else {}  # what no iteration mentions stays as it is
        names, said = {**env.names, **first}, env.said_beside(first)
        while self.index < loop.count and not b.stopped:
            index = self.index
            values = tuple([(name, read(index)) for name, read in self.reads])
            more = self.equal_to_last(values, x) if found and found[-1].names == values else 0
            if more:
                last = found[-1]
                found[-1] = g.Run(last.count + more, last.index, last.names, last.input, last.body, last.output)
                self.index += more
                continue
            names = names.copy()
            for name, value in values:
                names[name] = value
            b.env = Env(names, env.words, said)
            if self.numbered:
                b.labels = Labels(labels, (*labels.path, str(index)))
            targets = b.labels.targets
            before = len(targets)
            body, y = self.make(x)
            self.defines = len(targets) > before
            self.labelled = self.labelled or self.defines
            self.rereads = x in b.looked
            if b.looked:
                seen |= b.looked
                b.looked = set()
            if not body:  # a mistake: all that others count is missing
                b.session.count_nodes(self.span)
            found.append(_run(1, index, values, x, tuple(body), y))
            self.index, x = index + 1, y
        b.looked = seen
        return x

    def equal_to_last(self, values: Values, x: int) -> int:
        """How many iterations from this one on equal the last one, whose names held as much, as far as one look can tell."""
        if self.rereads or (self.defines and not self.numbered):
            return 0
        last, b = self.found[-1], self.b
        if fingerprint(last.names) != fingerprint(values):  # 1 and yes
            return 0
        if b.shapes[last.input] != b.shapes[x]:  # behind a mistake neither is known, and the turns are equal too
            return 0
        if self.varies:
            return 1
        return self.loop.count - self.index - (1 if "last" in self.relevant else 0) or 1


def _several(body: g.Body) -> bool:
    """Whether a body has more than one layer or call, which makes an iteration a level; each turn of a repeat counts."""
    return sum(islice(_counts(body), 2)) > 1


def _counts(body: g.Body) -> Iterator[int]:
    """How often each layer, call or level of a body is there."""
    for node in body:
        if isinstance(node, g.Layer | g.Invoke | g.Level):
            yield 1
        elif isinstance(node, g.Repeat):
            for run in node.runs:
                yield run.count * sum(islice(_counts(run.body), 2))
        elif not isinstance(node, g.Reuse):
            yield from _counts(parts(node))


def _as_level(run: g.Run, span: Span) -> g.Run:
    level = g.Level(None, run.body, run.output, span)
    return g.Run(run.count, run.index, run.names, run.input, (level,), run.output)
