"""Statements -> nodes: one body, walked in the order written.

A mistake is reported and what depends on it has an unknown shape (None), on which nothing is checked: one mistake, one
message, and the rest of the body is still read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .. import expr as ex
from ..diagnostics import Diagnostic, Span, SpecError, did_you_mean, fail
from ..ir import graph as g
from ..ir.dims import compare, show
from ..ir.lookup import named, shape_inside
from ..ir.operator import Operator, Refusal, find_operator
from ..ir.shapes import Constant, Shape, Size
from ..ops import PLANNED, SYNONYMS
from ..ops.merge import Add
from ..spec import Definition, Link
from ..syntax import tree as t
from .arguments import bind_formals, bind_operator
from .claims import claims_of
from ..ir.evaluate import Bound, Env, ValueArgument, describe, evaluate, evaluate_dim, evaluate_test
from .labels import Labels, Target
from .parameters import same

if TYPE_CHECKING:
    from .network import Elaborator, File

MAX_LIST = 100_000
Made = tuple[list[g.Node], int]


@dataclass(frozen=True, slots=True)
class Iterations:
    """A loop: how often, and what its names are in iteration i."""

    kind: Literal["times", "list", "range", "rows"]
    variable: str | None
    over: ex.Expr | None
    count: int
    names: Callable[[int], dict[str, Bound]]
    varying: frozenset[str]


class BodyBuilder:
    """Builds the body of one instance."""

    def __init__(self, elaborator: Elaborator, file: File, env: Env, until: tuple[str, ...] | None) -> None:
        self.elaborator = elaborator
        self.file = file
        self.env = env
        self.until = until
        self.stopped = False
        self.shapes: list[Shape | None] = []
        self.labels = Labels()
        self.claims: list[g.Claim] = []
        self.abbreviations: list[str] = []
        self.border = file
        self.outermost = True

    # -- values and the finished instance

    def new_value(self, shape: Shape | None) -> int:
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def name_input(self, name: str, value: int, span: Span) -> None:
        self.labels.define((name,), Target(value, span))

    def instance(
        self,
        name: str,
        arguments: Mapping[str, Constant],
        sizes: Mapping[str, Constant],
        formals: tuple[tuple[str, ex.Expr | None], ...],
        entry: tuple[int, ...],
        entry_names: tuple[str, ...],
        body: list[g.Node],
        output: int,
        heading: str,
    ) -> g.Instance:
        shapes = tuple(s or Shape("vector", (0,)) for s in self.shapes)
        return g.Instance(
            name, self.border.scope, arguments, sizes, formals, entry, entry_names, shapes, tuple(body), output,
            tuple(self.claims), heading,
        )  # fmt: skip

    def check_until(self, span: Span) -> None:
        if self.until is not None and not self.stopped:
            fail("A0502", f"`to` a label that is not there: `{'.'.join(self.until)}`", span)

    # -- statements

    def block(self, block: t.Block, x: int) -> Made:
        """The statements of a section; facts that close it speak of all of it."""
        return self.statements(block.statements, x, closing=True)

    def statements(self, statements: Sequence[t.Statement], x: int, closing: bool = False) -> Made:
        nodes: list[g.Node] = []
        for number, statement in enumerate(statements):
            if self.stopped:
                break
            try:
                if isinstance(statement, t.Claim):
                    self.close(statement, closing and number == len(statements) - 1, x)
                    continue
                made, x = self.statement(statement, x)
                nodes.extend(made)
            except SpecError as error:
                self.recover(error)
                x = self.new_value(None)
        return nodes, x

    def recover(self, error: SpecError) -> None:
        from .network import TooLarge

        if isinstance(error, TooLarge):
            raise error
        self.elaborator.take(error)

    def close(self, claim: t.Claim, allowed: bool, x: int) -> None:
        if not allowed:
            fail("A0109", "facts alone on a line close a whole body: they are its last line", claim.span)
        self.claims.extend(self.claimed(claim.facts))

    def claimed(self, facts: t.Facts) -> tuple[g.Claim, ...]:
        """The claims of some facts, where facts speak: in the file itself, at its own parameters."""
        return claims_of(facts, self.env) if self.elaborator.claiming is self.file.spec else ()

    def statement(self, statement: t.Statement, x: int) -> Made:
        match statement:
            case t.Line():
                return self.line(*self.inline(statement.inline, x), statement.facts, statement.span)
            case t.Compound() | t.Level():
                facts = _head_facts(statement)
                return self.line(*self.inline(statement, x), facts, statement.span)
            case t.Choice():
                return self.choice(statement, x)
            case t.Dash():
                fail(
                    "A0109",
                    "a dash makes a path: it belongs under `concat:`, `add:`, `mul:` or `attend:`",
                    statement.span,
                )
            case _:
                fail("A0109", "facts cannot stand here", statement.span)

    def line(self, nodes: list[g.Node], x: int, facts: t.Facts, span: Span) -> Made:
        if not nodes and not facts:
            return nodes, x
        return [g.Line(tuple(nodes), x, self.claimed(facts), span)], x

    def inline(self, inline: t.Inline | t.Block, x: int) -> Made:
        match inline:
            case t.Block():
                return self.statements(inline.statements, x)
            case t.Chain():
                return self.chain(inline, x)
            case t.Level():
                return self.level(inline, x)
            case t.Compound():
                return self.compound(inline, x)

    def chain(self, chain: t.Chain, x: int) -> Made:
        nodes: list[g.Node] = []
        for item in chain.items:
            if self.stopped:
                break
            try:
                made, x = self.item(item, x)
                nodes.extend(made)
            except SpecError as error:
                self.recover(error)
                self.forget(item)
                x = self.new_value(None)
        return nodes, x

    def forget(self, item: t.Item) -> None:
        """A mistaken item still defines its label, so that nobody complains of that too."""
        if item.label is None:
            return
        try:
            self.labels.define(self.segments(item.label), Target(self.new_value(None), item.span))
        except SpecError:
            return

    def level(self, level: t.Level, x: int) -> Made:
        return self.named_level(level.label, level.span, x, lambda y: self.inline(level.body, y))

    def named_level(self, label: ex.Path, span: Span, x: int, make: Callable[[int], Made]) -> Made:
        """A label over several items. `_` is called by its position."""
        segments = self.segments(label)
        outer, scope = self.labels, Labels(self.labels, (*self.labels.path, *segments))
        self.labels = scope
        try:
            body, y = make(x)
        finally:
            self.labels = outer
        named_label = None if segments == ("_",) else g.Label(segments, label)
        node = g.Level(named_label, tuple(body), y, span)
        self.elaborator.count_nodes(span)
        if named_label is not None:
            self.define(segments, Target(y, label.span or span, scope, node, redo=lambda z: self.redo(make, z)))
        return [node], y

    def redo(self, make: Callable[[int], Made], x: int) -> tuple[g.Body, int]:
        """The same once more: its labels are not defined a second time."""
        outer = self.labels
        self.labels = Labels(outer, outer.path)
        try:
            body, y = make(x)
        finally:
            self.labels = outer
        return tuple(body), y

    def define(self, segments: tuple[str, ...], target: Target) -> None:
        self.labels.define(segments, target)
        if self.until is not None and (*self.labels.path, *segments) == self.until:
            self.stopped = True

    def segments(self, path: ex.Path) -> tuple[str, ...]:
        """A label's segments, what stands in braces computed."""
        found: list[str] = []
        for segment in path.segments:
            text = "".join(p if isinstance(p, str) else self.computed(p) for p in segment)
            found.append(text)
        return tuple(found)

    def computed(self, part: ex.Expr) -> str:
        value = evaluate(part, self.env)
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            fail("A0503", f"what a label computes is whole or a word, this is {describe(value)}", part.span)
        return str(value)

    # -- compounds

    def compound(self, compound: t.Compound, x: int) -> Made:
        head, body, span = compound.head, compound.body, compound.span
        match head:
            case t.Residual():
                return self.residual(head, body, x, span)
            case t.Join():
                return self.join(head, body, x, span)
            case t.For():
                return self.repeat(self.loop(head), body, lambda y: self.inline(body, y), x, span)
            case t.ForRows():
                return self.repeat(self.rows(head), body, lambda y: self.inline(body, y), x, span)
            case t.Output():
                return self.side_output(head, body, x, span)
            case t.Shortcut():
                fail("A0109", "`shortcut:` is the other arm of a residual and stands right under it", head.span)

    def residual(self, head: t.Residual, body: t.Block | t.Inline, x: int, span: Span) -> Made:
        taken = head.test is None or evaluate_test(head.test, self.env)
        statements = body.statements if isinstance(body, t.Block) else (t.Line(body, (), body.span),)
        shortcuts = [s for s in statements if isinstance(s, t.Compound) and isinstance(s.head, t.Shortcut)]
        inline = [s for s in statements if isinstance(s, t.Line) and isinstance(s.inline, t.Compound) and isinstance(s.inline.head, t.Shortcut)]
        shortcuts += [s.inline for s in inline]  # type: ignore[misc]
        if len(shortcuts) > 1:
            fail("A0109", "a residual has one shortcut", shortcuts[1].span)
        rest = [s for s in statements if s not in shortcuts and s not in inline]
        first = bool(shortcuts) and statements[0] not in rest
        shortcut = self.arm(shortcuts[0].body, x) if first and taken else None
        nodes, y = self.statements(rest, x)
        main = g.Arm(x, tuple(nodes), y, span)
        if shortcuts and shortcut is None and taken:
            shortcut = self.arm(shortcuts[0].body, x)
        if not taken:
            output = y
        else:
            other = x if shortcut is None else shortcut.output
            output = self.new_value(self.added(y, other, head.span))
        self.elaborator.count_nodes(span)
        test = None if head.test is None else self.env.express(head.test)
        return [g.Residual(test, taken, main, shortcut, first, output, span)], output

    def added(self, y: int, other: int, span: Span) -> Shape | None:
        a, b = self.shapes[y], self.shapes[other]
        if a is None or b is None:
            return None
        try:
            return Add().output(a, b)
        except Refusal:
            help = f"give it a `shortcut:` that makes {b} into {a}, or stride and width that keep {b}"
            self.elaborator.report(Diagnostic("A0410", f"residual adds {a} to {b}", span, help=help))
            return None

    def arm(self, body: t.Block | t.Inline, x: int) -> g.Arm:
        nodes, y = self.inline(body, x)
        return g.Arm(x, tuple(nodes), y, body.span)

    def join(self, head: t.Join, body: t.Block | t.Inline, x: int, span: Span) -> Made:
        cls = find_operator(head.kind)
        if cls is None:
            fail("A0902", f"`{head.kind}` is a word of the language that is not built yet", head.span)
        binding = bind_operator(cls, head.arguments, (), self.env, self.env, {}, head.span)
        dashes = self.paths(body)
        shares = self.shares(head, x, len(dashes))
        arms: list[g.Arm] = []
        for number, (dash, env) in enumerate(dashes):
            outer, self.env = self.env, env
            try:
                statements = (dash.first, *dash.rest)
                nodes, y = self.statements(statements, shares[number] if shares else x)
                arms.append(g.Arm(shares[number] if shares else x, tuple(nodes), y, dash.span))
            finally:
                self.env = outer
        inputs = tuple(a.output for a in arms)
        output = self.new_value(self.applied(binding.operator, inputs, head.span, binding.spans))
        self.elaborator.count_nodes(span)
        return [g.Join(binding.operator, x, shares, tuple(arms), inputs, output, binding.expressions, span)], output

    def paths(self, body: t.Block | t.Inline) -> list[tuple[t.Dash, Env]]:
        """The dashes under a joining word, loops and conditions between them decided."""
        statements = body.statements if isinstance(body, t.Block) else None
        if statements is None:
            fail("A0109", "paths stand on lines of their own, each behind a dash", body.span)
        found: list[tuple[t.Dash, Env]] = []
        for statement in statements:
            self._paths(statement, self.env, found)
        if not found:
            fail("A0109", "a joining word needs paths: lines that begin with a dash", body.span)
        return found

    def _paths(self, statement: t.Statement | t.Block | t.Inline, env: Env, found: list[tuple[t.Dash, Env]]) -> None:
        match statement:
            case t.Dash():
                found.append((statement, env))
            case t.Block():
                for inner in statement.statements:
                    self._paths(inner, env, found)
            case t.Compound(head=t.For() | t.ForRows() as head):
                outer, self.env = self.env, env
                try:
                    loop = self.loop(head) if isinstance(head, t.For) else self.rows(head)
                finally:
                    self.env = outer
                for number in range(loop.count):
                    self.elaborator.count_nodes(statement.span)
                    self._paths(statement.body, env.with_names(loop.names(number)), found)
            case t.Choice():
                branch = statement.then if evaluate_test(statement.test, env) else statement.otherwise
                if branch is not None:
                    self._paths(branch, env, found)
            case _:
                fail("A0109", "a path begins with a dash", statement.span)

    def shares(self, head: t.Join, x: int, paths: int) -> tuple[int, ...]:
        if head.split is None:
            return ()
        count = evaluate_dim(head.split, self.env, "a number of shares")
        if count != paths:
            fail("A0413", f"split {show(count)} makes {show(count)} shares, but there are {paths} paths", head.split.span)
        shape = self.shapes[x]
        if shape is None:
            return tuple(self.new_value(None) for _ in range(paths))
        if compare(shape.features % paths, 0, "==") is not True:
            fail("A0413", f"{paths} shares do not divide the {show(shape.features)} features of {shape}", head.split.span)
        share = shape.with_features(shape.features // paths)
        return tuple(self.new_value(share) for _ in range(paths))

    def side_output(self, head: t.Output, body: t.Block | t.Inline, x: int, span: Span) -> Made:
        if not self.outermost or len(self.elaborator.calls) != 1:
            fail("A0903", "an output inside a module is not built yet: it stands in `layers`", head.span)
        segments = self.segments(head.label)
        outer, scope = self.labels, Labels(self.labels, (*self.labels.path, *segments))
        self.labels = scope
        try:
            nodes, y = self.inline(body, x)
        finally:
            self.labels = outer
        items = list(named(tuple(nodes)))
        label = g.Label(segments, head.label)
        if len(items) == 1 and getattr(items[0], "label", None) is None:
            nodes = _labelled(nodes, items[0], label)
        elif items:
            nodes = [g.Level(label, tuple(nodes), y, span)]
        self.labels.define(segments, Target(y, head.span, scope, nodes[0] if nodes else None))
        return [g.SideOutput(label.text, head.training, tuple(nodes), y, span)], x

    def choice(self, choice: t.Choice, x: int) -> Made:
        tests: list[ex.Expr] = []
        branch: t.Block | t.Statement | None = choice
        while isinstance(branch, t.Choice):
            tests.append(self.env.express(branch.test))
            if evaluate_test(branch.test, self.env):
                body, y = self.branch(branch.then, x)
                return [g.Choice(tuple(tests), len(tests) - 1, tuple(body), y, choice.span)], y
            branch = branch.otherwise
        body, y = ([], x) if branch is None else self.branch(branch, x)
        return [g.Choice(tuple(tests), len(tests), tuple(body), y, choice.span)], y

    def branch(self, branch: t.Block | t.Statement, x: int) -> Made:
        return self.statements(branch.statements, x) if isinstance(branch, t.Block) else self.statement(branch, x)

    # -- loops

    def loop(self, head: t.For) -> Iterations:
        variable = head.variable
        if head.stop is None:
            values = evaluate(head.start, self.env)
            if not isinstance(values, tuple) or isinstance(values, Size):
                fail("A0306", f"`for` goes over a list or a range, this is {describe(values)}", head.start.span)
            items = values
            return Iterations(
                "list",
                variable,
                self.env.express(head.start),
                len(items),
                lambda i: {variable: Bound(items[i]), **_counters(i, len(items))},
                frozenset({variable, "index"}),
            )
        start, stop = self.whole(head.start), self.whole(head.stop)
        step = -1 if head.down else 1
        count = max(0, (stop - start) * step + 1)
        return Iterations(
            "range",
            variable,
            self.env.express(head.start),
            count,
            lambda i: {variable: Bound(start + step * i), **_counters(i, count)},
            frozenset({variable, "index"}),
        )

    def whole(self, expr: ex.Expr) -> int:
        value = evaluate(expr, self.env)
        if isinstance(value, bool) or not isinstance(value, int):
            fail("A0307", f"a loop's bound is a whole number, this is {describe(value)}", expr.span)
        return value

    def rows(self, head: t.ForRows) -> Iterations:
        name = head.table
        bound = self.env.names.get(name)
        if bound is not None and isinstance(bound.value, str):
            name = bound.value
        table = self.file.spec.tables.get(name)
        if table is None:
            help = did_you_mean(name, self.file.spec.tables)
            fail("A0206", f"no table `{name}`", head.table_span, help)
        cell = self.file.parameters.cell
        rows = [
            {c.name: Bound(cell(v)) for c, v in zip(table.columns, row, strict=True) if not c.claim}
            for row in table.rows
        ]
        over = ex.Name(head.table, head.table_span)
        names = lambda i: {**rows[i], **_counters(i, len(rows))}  # noqa: E731
        return Iterations("rows", None, over, len(rows), names, frozenset({*table.names, "index"}))

    def times(self, group: t.Group) -> Iterations:
        assert group.times is not None
        count = evaluate(group.times, self.env)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            fail("A0307", f"a repeat's count is a whole number, this is {describe(count)}", group.times.span)
        over = self.env.express(group.times)
        return Iterations("times", None, over, count, lambda i: _counters(i, count), frozenset({"index"}))

    def repeat(
        self, loop: Iterations, syntax: object, make: Callable[[int], Made], x: int, span: Span, numbered: bool = False
    ) -> Made:
        """Iterations in a row; equal neighbours become one run."""
        mentioned = self.elaborator.mentions.of(syntax)
        relevant = mentioned & {*loop.names(0), "first", "last", "index"} if loop.count else frozenset[str]()
        runs: list[g.Run] = []
        index = 0
        while index < loop.count and not self.stopped:
            names = loop.names(index)
            values = tuple((n, names[n].value) for n in sorted(relevant) if n in names)
            same_again = self.again_count(runs, loop, relevant, values, index, x)
            if same_again:
                last = runs[-1]
                runs[-1] = g.Run(last.count + same_again, last.index, last.names, last.input, last.body, last.output)
                index += same_again
                continue
            run, x = self.iteration(loop, index, values, make, x, numbered)
            runs.append(run)
            index += 1
        if numbered and self.iterations_are_levels(runs):
            runs = [
                g.Run(r.count, r.index, r.names, r.input, (g.Level(None, r.body, r.output, span),), r.output)
                for r in runs
            ]
        kept = tuple(runs)
        self.elaborator.count_nodes(span)
        return [g.Repeat(loop.kind, loop.variable, loop.over, kept, x, span)], x

    def again_count(
        self,
        runs: list[g.Run],
        loop: Iterations,
        relevant: frozenset[str],
        values: tuple[tuple[str, object], ...],
        index: int,
        x: int,
    ) -> int:
        """How many iterations from `index` on equal the last one, as far as one look can tell."""
        if not runs or self.made_labels or runs[-1].names != values:
            return 0
        entered, left = self.shapes[runs[-1].input], self.shapes[x]
        if left is None or entered != left:
            return 0
        if relevant & loop.varying:
            return 1
        return loop.count - index - (1 if "last" in relevant else 0) or 1

    def iteration(
        self,
        loop: Iterations,
        index: int,
        values: tuple[tuple[str, object], ...],
        make: Callable[[int], Made],
        x: int,
        numbered: bool,
    ) -> tuple[g.Run, int]:
        outer_env, outer_labels = self.env, self.labels
        self.env = outer_env.with_names(loop.names(index))
        if numbered:
            self.labels = Labels(outer_labels, (*outer_labels.path, str(index)))
        before = self.labels.defined()
        try:
            body, y = make(x)
        finally:
            self.made_labels = not numbered and self.labels.defined() > before
            self.has_labels = self.labels.defined() > before
            self.env, self.labels = outer_env, outer_labels
        return g.Run(1, index, values, x, tuple(body), y), y  # type: ignore[arg-type]

    made_labels = False
    has_labels = False

    def iterations_are_levels(self, runs: list[g.Run]) -> bool:
        """An iteration of more than one layer or call is a level."""
        return self.has_labels or any(sum(1 for _ in named(r.body)) > 1 for r in runs)

    # -- items

    def item(self, item: t.Item, x: int) -> Made:
        if item.test is None:
            return self.unit(item.unit, item.label, x)
        if isinstance(item.unit, t.Call) and item.unit.arguments and item.alternative is None:
            word = item.unit.word
            fail(
                "A0311",
                "does `if` speak of the layer or of its last argument?",
                item.test.span,
                f"`[{word} ...] if ...` leaves the layer out, `(2 if ... else 1)` chooses the argument",
            )
        tests: list[ex.Expr] = []
        unit, test, rest = item.unit, item.test, item.alternative
        while True:
            if test is not None:
                tests.append(self.env.express(test))
            if test is None or evaluate_test(test, self.env):
                taken = len(tests) - 1 if test is not None else len(tests)
                body, y = self.unit(unit, item.label, x)
                return [g.Choice(tuple(tests), taken, tuple(body), y, item.span)], y
            if rest is None:
                return [g.Choice(tuple(tests), len(tests), (), x, item.span)], x
            unit, test, rest = rest.unit, rest.test, rest.alternative

    def unit(self, unit: t.Unit, label: ex.Path | None, x: int) -> Made:
        match unit:
            case t.Call():
                return self.call(unit, unit.word, label, x)
            case t.Group(times=None):
                if label is None:
                    return self.inline(unit.body, x)
                return self.named_level(label, unit.span, x, lambda y: self.inline(unit.body, y))
            case t.Group():
                loop = self.times(unit)
                make = lambda y: self.inline(unit.body, y)  # noqa: E731
                if label is None:
                    return self.repeat(loop, unit.body, make, x, unit.span)
                return self.named_level(
                    label, unit.span, x, lambda y: self.repeat(loop, unit.body, make, y, unit.span, numbered=True)
                )
            case t.Again():
                return self.again(unit, label, x)
            case t.Tap():
                nodes, value = self.look(unit.ref)
                if label is not None:
                    self.define(self.segments(label), Target(value, unit.span))
                return nodes, value

    def look(self, ref: ex.Ref) -> Made:
        """The value of `@label`."""
        segments = self.segments(ref.path)
        bound = self.env.names.get(segments[0])
        try:
            target, path, rest = self.labels.find(segments, ref.span)
        except SpecError:
            if bound is not None and isinstance(bound.value, ValueArgument) and len(segments) == 1:
                return [], bound.value.value
            raise
        if not rest and target.value is not None:
            return [], target.value
        shape = None if target.node is None else shape_inside(target.node, rest, self.shapes)
        if shape is None:
            if target.value is not None and self.shapes[target.value] is None:
                return [], self.new_value(None)
            fail("A0502", f"no label `{'.'.join(rest)}` in `{'.'.join(path)}`", ref.span)
        value = self.new_value(shape)
        return [g.Look((*path, *rest), value, ref.span)], value

    def again(self, again: t.Again, label: ex.Path | None, x: int) -> Made:
        segments = self.segments(again.path)
        target, path, rest = self.labels.find(segments, again.span)
        if rest or target.redo is None:
            fail("A0504", f"`{'.'.join(segments)}` names nothing that can be applied again", again.span)
        body, y = target.redo(x)
        self.elaborator.count_nodes(again.span)
        old, new = target.node, body
        if old is not None and not _same_arrays((old,), new, self.shapes):
            fail("A0504", f"the weights of `{'.'.join(segments)}` do not fit {self.shapes[x]}", again.span)
        node = g.Reuse(path, body, (x,), y, again.span)
        if label is not None:
            self.define(self.segments(label), Target(y, again.span))
        return [node], y

    # -- calls

    def call(self, call: t.Call, word: str, label: ex.Path | None, x: int, hops: int = 0) -> Made:
        file, name, whole = self.file, word, None
        if "." in word:
            file, name = self.used_file(call, word)
        definition = file.spec.definitions.get(name)
        if definition is not None:
            if definition.kind == "def" and file is self.file:
                return self.splice(call, definition, label, x)
            if definition.kind == "def":
                fail("A0207", f"`{word}` is a def, an abbreviation of its own file; a module can be called", call.word_span)
            return self.invoke(call, file, definition, word, label, x)
        if "." in word:
            fail("A0207", f"no module `{word}`", call.word_span, did_you_mean(name, file.spec.definitions))
        whole = file.spec.uses.get(name)
        if whole is not None:
            return self.invoke_network(call, whole, word, label, x)
        cls = find_operator(name)
        if cls is not None and not cls.joins:
            return self.layer(call, cls, label, x)
        bound = self.env.names.get(name)
        if bound is not None and isinstance(bound.value, str) and hops < 8:
            return self.call(call, bound.value, label, x, hops + 1)
        self.unknown_word(call, name, bound)

    def unknown_word(self, call: t.Call, name: str, bound: Bound | None) -> None:
        span = call.word_span
        if bound is not None:
            if isinstance(bound.value, ValueArgument):
                fail("A0201", f"`{name}` is a value of the network, no layer", span, f"write `@{name}`")
            fail("A0201", f"`{name}` holds {describe(bound.value)}, no layer or module", span)
        if name in PLANNED:
            fail("A0902", f"`{name}` is a word of the language that is not built yet", span)
        synonym = SYNONYMS.get(name.lower())
        if synonym is not None:
            fail("A0201", f"no layer or module `{name}`; the word is `{synonym}`", span)
        from ..ir.operator import operators

        spec = self.file.spec
        known = [*operators(), *PLANNED, *spec.definitions, *spec.uses]
        fail("A0201", f"no layer or module `{name}`", span, did_you_mean(name, known))

    def layer(self, call: t.Call, cls: type[Operator], label: ex.Path | None, x: int) -> Made:
        spec = self.file.spec
        default = spec.defaults.get(cls.word, ())
        binding = bind_operator(
            cls, call.arguments, default, self.env, self.file.env(), self.file.grids, call.word_span
        )
        inputs, nodes = [x], list[g.Node]()
        tied: list[tuple[str, tuple[str, ...]]] = []
        for argument in cls.arguments():
            ref = binding.references.get(argument.name)
            if ref is None:
                continue
            if argument.use == "tied":
                tied.append((argument.name, self.tie(ref, argument.name)))
            else:
                made, value = self.look(ref)
                nodes.extend(made)
                inputs.append(value)
        if cls.word == "identity" and label is None:
            return nodes, x
        op = binding.operator
        y = self.new_value(self.applied(op, tuple(inputs), call.word_span, binding.spans))
        self.elaborator.count_nodes(call.span)
        path = None if label is None else g.Label(self.segments(label), label)
        abbreviation = self.abbreviations[-1] if self.abbreviations else None
        node = g.Layer(op, path, tuple(inputs), y, binding.expressions, tuple(tied), abbreviation, call.span)
        shapes = [self.shapes[v] for v in inputs]
        tensors = {} if None in shapes or self.shapes[y] is None else {a.name: a for a in op.tensors(*shapes)}  # type: ignore[arg-type]
        self.check_ties(node, tensors, binding.spans)
        if path is not None:
            redo = lambda z: self.redo(lambda w: self.layer(call, cls, None, w), z)  # noqa: E731
            self.define(path.segments, Target(y, (label and label.span) or call.span, None, node, tensors, redo))
        return [*nodes, node], y

    def applied(
        self, op: Operator, inputs: tuple[int, ...], span: Span, spans: Mapping[str, Span]
    ) -> Shape | None:
        """The shape an operator gives; a refusal is reported at the argument it names."""
        shapes = [self.shapes[v] for v in inputs]
        if any(s is None for s in shapes):
            return None
        try:
            return op.output(*shapes)  # type: ignore[arg-type]
        except Refusal as refusal:
            place = spans.get(refusal.argument or "", span)
            self.elaborator.report(Diagnostic(refusal.code, refusal.message, place, help=refusal.help))
            return None

    def tie(self, ref: ex.Ref, name: str) -> tuple[str, ...]:
        target, path, rest = self.labels.find(self.segments(ref.path), ref.span)
        if rest or name not in target.tensors:
            if target.node is not None or target.value is None or self.shapes[target.value] is not None:
                fail("A0504", f"`{'.'.join(path)}` has no `{name}` to share", ref.span)
        return path

    def check_ties(self, node: g.Layer, tensors: Mapping[str, object], spans: Mapping[str, Span]) -> None:
        for name, path in node.tied:
            target = self.labels.find(path[len(self.labels.path) :] if path[: len(self.labels.path)] == self.labels.path else path, None)[0]
            own, other = tensors.get(name), target.tensors.get(name)
            if own is not None and other is not None and own.shape != other.shape:  # type: ignore[attr-defined]
                theirs, ours = (("x".join(show(d) for d in a.shape)) for a in (other, own))  # type: ignore[attr-defined]
                message = f"the {name} of {'.'.join(path)} is {theirs}, here it must be {ours}"
                self.elaborator.report(Diagnostic("A0414", message, spans.get(name, node.span)))

    # -- defs, modules, whole networks

    def splice(self, call: t.Call, definition: Definition, label: ex.Path | None, x: int) -> Made:
        """A def: its lines stand where it is called, seeing its own parameters and the file's."""
        signature = definition.signature
        if any(a is definition for a in self.open_defs):
            fail("A0605", f"def `{signature.name}` contains itself", call.word_span)
        given = bind_formals(signature.name, signature.formals, call.arguments, self.env, call.word_span)
        names: dict[str, Bound] = {}
        base = self.file.env()
        for formal in signature.formals:
            if formal.name in given:
                names[formal.name] = self.passed(given[formal.name][0], self.env)
            else:
                assert formal.default is not None
                inner = base.with_names(names)
                names[formal.name] = Bound(evaluate(formal.default, inner), inner.express(formal.default))
        from .network import bind_sizes

        if signature.entry is not None and self.shapes[x] is not None:
            sizes = bind_sizes(signature, self.shapes[x], Env(names, self.file.words), self.file)  # type: ignore[arg-type]
            names |= {n: Bound(v, _literal(v)) for n, v in sizes.items()}
        inner_env = base.with_names(names)

        def make(y: int) -> Made:
            outer, self.env = self.env, inner_env
            self.open_defs.append(definition)
            self.abbreviations.append(signature.name)
            try:
                return self.statements(definition.body.statements, y)
            finally:
                self.env = outer
                self.open_defs.pop()
                self.abbreviations.pop()

        if label is None:
            return make(x)
        return self.named_level(label, call.span, x, make)

    @property
    def open_defs(self) -> list[Definition]:
        if not hasattr(self, "_open_defs"):
            self._open_defs: list[Definition] = []
        return self._open_defs

    def passed(self, value: ex.Expr, env: Env) -> Bound:
        """An argument on its way into a def or module."""
        if isinstance(value, ex.Ref) and value.tap:
            nodes, number = self.look(value)
            if nodes:
                fail("A0903", "a value inside a level as an argument is not built yet: name it first, `z: @...`", value.span)
            return Bound(ValueArgument(number))
        if isinstance(value, ex.Name):
            bound = env.names.get(value.id)
            if bound is not None and isinstance(bound.value, ValueArgument):
                return bound
            if bound is None and self.word_of(value.id):
                return Bound(value.id, value)
        return Bound(evaluate(value, env), env.express(value))

    def word_of(self, word: str) -> bool:
        return find_operator(word) is not None or self.file.words(word)

    def used_file(self, call: t.Call, word: str) -> tuple[File, str]:
        first, _, rest = word.partition(".")
        link = self.file.spec.uses.get(first)
        if link is None:
            fail("A0208", f"no file is used as `{first}`", call.word_span, did_you_mean(first, self.file.spec.uses))
        return self.linked(link, {}, call.span), rest

    def linked(self, link: Link, more: Mapping[str, Constant], span: Span) -> File:
        """The file of a `use` line with the pairs of that line and of the call."""
        library = self.elaborator.library
        spec = library.link(link, library.folder_of(self.file.spec))
        overrides: dict[str, Constant] = {}
        for argument in link.arguments:
            if isinstance(argument, t.Pair):
                overrides[argument.name] = evaluate(argument.value, self._word_env())
            elif isinstance(argument, t.Off):
                overrides[argument.name] = False
            else:
                fail("A0302", "a used file takes pairs: `stride_in 3x3`", argument.span)
        return self.elaborator.file(spec, {**overrides, **more}, span)

    def _word_env(self) -> Env:
        return Env(self.file.env().names, lambda _: True)

    def invoke(
        self, call: t.Call, file: File, definition: Definition, word: str, label: ex.Path | None, x: int
    ) -> Made:
        signature = definition.signature
        given = bind_formals(signature.name, signature.formals, call.arguments, self.env, call.word_span)
        arguments: dict[str, Constant] = {}
        values: list[tuple[str, int]] = []
        expressions: list[tuple[str, ex.Expr]] = []
        for name, (value, _) in given.items():
            bound = self.passed(value, self.env)
            if isinstance(bound.value, ValueArgument):
                values.append((name, bound.value.value))
            else:
                arguments[name] = bound.value
                expressions.append((name, bound.expression or value))
        shapes = [self.shapes[x], *(self.shapes[v] for _, v in values)]
        self.elaborator.count_nodes(call.span)
        segments = None if label is None else self.segments(label)
        path = None if segments is None else g.Label(segments, label)
        if any(s is None for s in shapes):
            y = self.new_value(None)
            if segments is not None:
                self.define(segments, Target(y, call.span, redo=lambda _: ((), y)))
            return [], y
        from .network import Given

        named_values = tuple((n, self.shapes[v]) for n, v in values)
        what = Given(arguments, (shapes[0],), named_values)  # type: ignore[arg-type]
        errors = len(self.elaborator.collector.errors)
        instance = self.elaborator.module(file, definition, what, call.word_span)
        broken = len(self.elaborator.collector.errors) > errors or 0 in instance.result.dims
        y = self.new_value(None if broken else instance.result)
        inputs = (x, *(v for _, v in values))
        node = g.Invoke(instance, word, path, inputs, y, tuple(expressions), call.span)
        if segments is not None:
            redo = lambda z: self.redo(lambda w: self.invoke(call, file, definition, word, None, w), z)  # noqa: E731
            self.define(segments, Target(y, call.span, None, node, {}, redo))
        return [node], y

    def invoke_network(self, call: t.Call, link: Link, word: str, label: ex.Path | None, x: int) -> Made:
        """`resnet depth 50, to layer4`: a whole file as a module."""
        until: tuple[str, ...] | None = None
        overrides: dict[str, Constant] = {}
        inputs = [x]
        first_value = True
        for argument in call.arguments:
            if isinstance(argument, t.Pair) and argument.name == "to":
                until = self.to_label(argument.value)
            elif isinstance(argument, t.Pair):
                overrides[argument.name] = evaluate(argument.value, self.env)
            elif isinstance(argument, t.Off):
                overrides[argument.name] = False
            elif isinstance(argument.value, ex.Ref):
                _, value = self.look(argument.value)
                inputs = [value] if first_value else [*inputs, value]
                first_value = False
            else:
                fail("A0302", "a used network takes pairs: `depth 50`, and values: `@image`", argument.span)
        file = self.linked(link, overrides, call.span)
        shapes = tuple(self.shapes[v] for v in inputs)
        if any(s is None for s in shapes):
            return [], self.new_value(None)
        self.check_entry(file, shapes, call.word_span)  # type: ignore[arg-type]
        instance = self.elaborator.whole(file, shapes, until, call.word_span)  # type: ignore[arg-type]
        y = self.new_value(instance.result)
        self.elaborator.count_nodes(call.span)
        path = None if label is None else g.Label(self.segments(label), label)
        node = g.Invoke(instance, word, path, tuple(inputs), y, (), call.span)
        if path is not None:
            self.define(path.segments, Target(y, call.span, None, node, {}, lambda z: self.redo(lambda w: self.invoke_network(call, link, word, None, w), z)))
        return [node], y

    def check_entry(self, file: File, shapes: tuple[Shape, ...], span: Span) -> None:
        """A value takes an input's place if it is of the same kind and rank."""
        wanted = self.elaborator.input_shapes(file, file.env())
        for shape, own in zip(shapes, wanted.values(), strict=False):
            if shape.kind != own.kind or len(shape.dims) != len(own.dims):
                fail("A0412", f"{file.spec.network or 'it'} takes {own.describe()}, but here comes {shape.describe()}", span)

    def to_label(self, value: ex.Expr) -> tuple[str, ...]:
        if isinstance(value, ex.Ref):
            return self.segments(value.path)
        if isinstance(value, ex.Name):
            return (value.id,)
        if isinstance(value, ex.Text):
            return tuple(value.value.split("."))
        fail("A0502", "`to` takes a label", value.span)


def _counters(index: int, count: int) -> dict[str, Bound]:
    return {"index": Bound(index), "first": Bound(index == 0), "last": Bound(index == count - 1)}


def _literal(value: Constant) -> ex.Expr | None:
    from fractions import Fraction

    return ex.Number(Fraction(value)) if isinstance(value, int) else None


def _head_facts(statement: t.Compound | t.Level) -> t.Facts:
    body = statement.body
    if isinstance(body, t.Block):
        return body.facts
    return _head_facts(body) if isinstance(body, t.Compound | t.Level) else ()


def _labelled(nodes: list[g.Node], item: g.Node, label: g.Label) -> list[g.Node]:
    from dataclasses import replace

    found: list[g.Node] = []
    for node in nodes:
        if node is item:
            assert isinstance(node, g.Layer | g.Invoke | g.Level)
            found.append(replace(node, label=label))
        elif isinstance(node, g.Line):
            found.append(replace(node, body=tuple(_labelled(list(node.body), item, label))))
        else:
            found.append(node)
    return found


def _same_arrays(old: g.Body, new: g.Body, shapes: Sequence[Shape | None]) -> bool:
    """Whether two applications of one thing have the same arrays."""

    def arrays(body: g.Body, known: Sequence[Shape | None]) -> list[object]:
        found: list[object] = []
        for node in named(body):
            if isinstance(node, g.Layer):
                inputs = [known[v] for v in node.inputs]
                if None not in inputs:
                    found.extend(t.shape for t in node.operator.tensors(*inputs))  # type: ignore[arg-type]
            elif isinstance(node, g.Invoke):
                found.extend(arrays(node.instance.body, node.instance.shapes))
            else:
                found.extend(arrays(node.body, known))
        return found

    return arrays(old, shapes) == arrays(new, shapes)


__all__ = ["BodyBuilder", "same"]
