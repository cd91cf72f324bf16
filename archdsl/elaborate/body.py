"""Statements -> nodes: one body, walked in the order written.

A mistake is reported and what depends on it has an unknown shape (None), on which nothing is checked: one mistake, one
message, and the rest of the body is still read.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import expr as ex
from .. import limits
from ..diagnostics import Span, SpecError, fail
from ..ir import graph as g
from ..ir.dims import DimTooLarge
from ..ir.evaluate import evaluate_test
from ..records import constructor
from ..syntax import tree as t
from .builder import Builder, Made
from .calls import call
from .compounds import compound
from .loops import repeat, times_of
from .references import again, tap

_line = constructor(g.Line)


class BodyBuilder(Builder):
    """Builds the body of one instance."""

    def block(self, block: t.Block, x: int) -> Made:
        """The statements of a section; facts that close it speak of all of it."""
        self.session.reached[id(block)] = block
        return self.statements(block.statements, x, closing=True)

    def statements(self, statements: Sequence[t.Statement], x: int, closing: bool = False) -> Made:
        nodes: list[g.Node] = []
        for statement in statements:
            if self.stopped:
                break
            try:
                if type(statement) is t.Claim:
                    self._close(statement, closing and statement is statements[-1])
                    continue
                made, x = self._statement(statement, x)
                nodes.extend(made)
            except (SpecError, DimTooLarge) as error:
                x = self.recover(error, statement)
        return nodes, x

    def _close(self, claim: t.Claim, allowed: bool) -> None:
        if self.defs and not allowed:
            help = "write the facts at the end of the line they speak of, or make it a `module`"
            fail("A0109", "a def is written out where it is called, so no facts close it", claim.span, help)
        if not allowed:
            fail("A0109", "facts alone on a line close a whole body: they are its last line", claim.span)
        self.claims.extend(self.claimed(claim.facts))

    def _statement(self, statement: t.Statement, x: int) -> Made:
        if isinstance(statement, t.Line):  # most are
            inline = statement.inline
            nodes, y = self._chain(inline, x) if isinstance(inline, t.Chain) else self.inline(inline, x)
            return self._line(nodes, y, statement.facts, statement.span)
        match statement:
            case t.Compound() | t.Level():
                return self._line(*self.inline(statement, x), _head_facts(statement), statement.span)
            case t.Choice():
                return self._choice(statement, x)
            case t.Dash():
                problem = "a dash makes a path: it belongs under `concat:`, `add:`, `mul:` or `attend:`"
                return fail("A0109", problem, statement.span)
            case t.Claim():
                return fail("A0109", "facts cannot stand here", statement.span)

    def _line(self, nodes: list[g.Node], x: int, facts: t.Facts, span: Span) -> Made:
        if not nodes and not facts:
            return nodes, x
        return [_line(tuple(nodes), x, self.claimed(facts) if facts else (), span)], x

    def inline(self, inline: t.Inline | t.Block, x: int) -> Made:
        session = self.session
        if session.depth >= session.most_depth:
            limits.refuse("depth", inline.span)
        session.depth += 1
        session.reached[id(inline)] = inline
        try:
            if isinstance(inline, t.Block):
                return self.statements(inline.statements, x)
            if isinstance(inline, t.Chain):
                return self._chain(inline, x)
            if isinstance(inline, t.Level):
                return self._level(inline.label, inline.body, inline.span, x)
            return compound(self, inline, x)
        finally:
            session.depth -= 1

    def _level(self, label: ex.Path, body: t.Inline | t.Block, span: Span, x: int) -> Made:
        return self.named_level(label, span, x, lambda y: self.inline(body, y))

    def _choice(self, choice: t.Choice, x: int) -> Made:
        self.session.reached[id(choice)] = choice
        tests: list[ex.Expr] = []
        branch: t.Block | t.Statement | None = choice
        taken = -1
        while isinstance(branch, t.Choice) and taken < 0:
            tests.append(self.env.express(branch.test))
            if evaluate_test(branch.test, self.env):
                taken, branch = len(tests) - 1, branch.then
            else:
                branch = branch.otherwise
        body, y = ([], x) if branch is None else self._branch(branch, x)
        return [g.Choice(tuple(tests), len(tests) if taken < 0 else taken, tuple(body), y, choice.span)], y

    def _branch(self, branch: t.Block | t.Statement, x: int) -> Made:
        if not isinstance(branch, t.Block):
            self.session.reached[id(branch)] = branch
            return self._statement(branch, x)
        return (
            self._line(*self.inline(branch, x), branch.facts, branch.span) if branch.facts else self.inline(branch, x)
        )

    # -- chains

    def _chain(self, chain: t.Chain, x: int) -> Made:
        nodes: list[g.Node] = []
        for item in chain.items:
            if self.stopped:
                break
            try:
                made, x = self._unit(item.unit, item.label, x) if item.test is None else self._chosen(item, x)
                nodes.extend(made)
            except (SpecError, DimTooLarge) as error:
                x = self.recover(error, item)
        return nodes, x

    def _chosen(self, item: t.Item, x: int) -> Made:
        """An item with a condition."""
        assert item.test is not None
        if isinstance(item.unit, t.Call) and item.unit.arguments and item.alternative is None:
            refuse_ambiguous(item.unit.word, item.test)
        tests: list[ex.Expr] = []
        unit: t.Unit | None = item.unit
        test, rest = item.test, item.alternative
        taken = -1
        while unit is not None and test is not None and taken < 0:
            tests.append(self.env.express(test))
            if evaluate_test(test, self.env):
                taken = len(tests) - 1
            else:
                unit = None if rest is None else rest.unit
                test, rest = (None, None) if rest is None else (rest.test, rest.alternative)
        body, y = ([], x) if unit is None else self._unit(unit, item.label, x)
        return [g.Choice(tuple(tests), len(tests) if taken < 0 else taken, tuple(body), y, item.span)], y

    def _unit(self, unit: t.Unit, label: ex.Path | None, x: int) -> Made:
        self.session.reached[id(unit)] = unit
        if isinstance(unit, t.Call):  # most are
            return call(self, unit, label, x)
        match unit:
            case t.Group(times=None):
                return self.inline(unit.body, x) if label is None else self._level(label, unit.body, unit.span, x)
            case t.Group():
                return self._repeated(unit, label, x)
            case t.Again():
                return again(self, unit, label, x)
            case t.Tap():
                return tap(self, unit, label)

    def _repeated(self, group: t.Group, label: ex.Path | None, x: int) -> Made:
        assert group.times is not None
        loop = times_of(self, group.times)
        if label is None:
            return repeat(self, loop, group.body, x, group.span)
        return self.named_level(
            label, group.span, x, lambda y: repeat(self, loop, group.body, y, group.span, numbered=True)
        )


def refuse_ambiguous(word: str, test: ex.Expr) -> None:
    """Refuse a condition after a call with arguments."""
    fail(
        "A0311",
        "does `if` speak of the layer or of its last argument?",
        test.span,
        f"`[{word} ...] if ...` leaves the layer out, `(2 if ... else 1)` chooses the argument",
    )


def _head_facts(statement: t.Compound | t.Level) -> t.Facts:
    """The facts on the line of the innermost head."""
    body = statement.body
    if isinstance(body, t.Block):
        return body.facts
    return _head_facts(body) if isinstance(body, t.Compound | t.Level) else ()
