"""`changes`: a body of the file extended, with items removed, replaced and inserted.

An item is named by its label, or by its ordinal as the base file's text gives it (`conv2`, `avgpool1`), whatever the
other changes do. A newline is a sequence as an arrow is, so a chain may be cut into lines around what changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..diagnostics import Span, did_you_mean, fail
from ..expr import Path
from ..spec import Definition
from ..syntax import tree as t


def apply_changes(body: t.Block, changes: t.Changes, definitions: Mapping[str, Definition]) -> t.Block:
    """`body` with the changes made and its closing facts added; raises SpecError for a place that is not there."""
    places = _Places(definitions)
    places.visit_all(body.statements)
    edits: dict[int, list[t.Change]] = {}
    for change in changes.changes:
        name = _text(change.label)
        found = places.found.get(name, [])
        if name in places.uncertain and not found:
            fail("A0607", f"the ordinal of `{name}` is not certain", change.span, "give it a label in the base file")
        if len(found) != 1:
            problem = f"no label `{name}` to change" if not found else f"`{name}` is not one place"
            fail("A0607", problem, change.label.span, did_you_mean(name, places.found))
        _check_replacement(change, found[0], name)
        edits.setdefault(id(found[0]), []).append(change)
    edited = _Editor(edits).all(body.statements)
    if changes.facts:
        edited.append(t.Claim(changes.facts, changes.span))
    return t.Block(body.facts, tuple(edited), body.span)


def _check_replacement(change: t.Change, place: _Place, name: str) -> None:
    """An output stands for an output, and nothing else does."""
    content = change.content.inline if isinstance(change.content, t.Line) else change.content
    new, old = isinstance(content, t.Compound), isinstance(place, t.Compound)
    if change.kind != "replace" or new == old:
        return
    problem = f"`{name}` is {'an' if old else 'no'} output"
    fail("A0607", problem, change.label.span, f"`replace {'output ' if old else ''}{name}: ...`")


def _text(path: Path) -> str:
    return ".".join("".join(p if isinstance(p, str) else "{}" for p in segment) for segment in path.segments)


_Place = t.Item | t.Level | t.Compound
"""What can be changed: an item, a level, an output."""


class _Places:
    """Every label and every certain ordinal of a body, with the node it names."""

    def __init__(self, definitions: Mapping[str, Definition]) -> None:
        self.definitions = definitions
        self.found: dict[str, list[_Place]] = {}
        self.counts: dict[str, int] = {}
        self.uncertain: set[str] = set()
        self.loose: set[str] = set()

    def visit_all(self, statements: tuple[t.Statement, ...], certain: bool = True, named: bool = True) -> None:
        for statement in statements:
            self.visit(statement, certain, named)

    def visit(self, node: object, certain: bool, named: bool) -> None:
        """`certain`: outside loops and conditions; `named`: where ordinals are counted, not positions."""
        match node:
            case t.Line(inline=inline):
                self.visit(inline, certain, named)
            case t.Dash(first=first, rest=rest):
                self.visit_all((first, *rest), certain, named)
            case t.Choice(then=then, otherwise=otherwise):
                self.visit(then, False, named)
                self.visit(otherwise, False, named)
            case t.Block(statements=statements):
                self.visit_all(statements, certain, named)
            case t.Compound(head=t.Output(label=label), body=body):
                self.note(_text(label), node)
                alone = isinstance(body, t.Chain) and len(body.items) == 1
                self.visit(body, certain, named and alone)
            case t.Compound(head=head, body=body):
                self.visit(body, certain and not isinstance(head, t.For | t.ForRows), named)
            case t.Level(label=label, body=body):
                self.note(_text(label), node)
                self.visit(body, certain, False)
            case t.Chain(items=items):
                for item in items:
                    self.item(item, certain and item.test is None, named)
            case _:
                pass

    def item(self, item: t.Item, certain: bool, named: bool) -> None:
        if item.label is not None:
            self.note(_text(item.label), item)
        units = [item.unit]
        alternative = item.alternative
        while alternative is not None:
            units.append(alternative.unit)
            alternative = alternative.alternative
        for unit in units:
            if isinstance(unit, t.Group):
                self.visit(unit.body, certain and unit.times is None, named and item.label is None)
            elif isinstance(unit, t.Call) and named:
                self.count(unit.word, item, certain)

    def count(self, word: str, item: t.Item, certain: bool) -> None:
        definition = self.definitions.get(word)
        if definition is not None and definition.kind == "def":
            if item.label is None:
                self.visit_inner(definition)
            return
        word = word.rpartition(".")[2]
        if not certain or word in self.loose:
            self.loose.add(word)
            self.uncertain.update(f"{word}{n}" for n in range(1, 1000))
            return
        self.counts[word] = self.counts.get(word, 0) + 1
        if item.label is None:
            self.note(f"{word}{self.counts[word]}", item)

    def visit_inner(self, definition: Definition) -> None:
        inner = _Places(self.definitions)
        inner.visit_all(definition.body.statements)
        for word, count in inner.counts.items():
            self.counts[word] = self.counts.get(word, 0) + count
        self.loose |= inner.loose
        self.uncertain |= inner.uncertain

    def note(self, name: str, node: _Place) -> None:
        self.found.setdefault(name, []).append(node)


class _Editor:
    def __init__(self, edits: dict[int, list[t.Change]]) -> None:
        self.edits = edits

    def all(self, statements: tuple[t.Statement, ...]) -> list[t.Statement]:
        return [new for old in statements for new in self.statement(old)]

    def statement(self, node: t.Statement) -> list[t.Statement]:
        match node:
            case t.Line(inline=t.Chain() as chain):
                return self.chain(chain, node)
            case t.Line(inline=t.Compound() | t.Level() as inner):
                return self.statement(inner)
            case t.Choice():
                otherwise = None if node.otherwise is None else self.branch(node.otherwise)
                return [replace(node, then=self.branch(node.then), otherwise=otherwise)]
            case t.Dash():
                first, *rest = self.all((node.first, *node.rest)) or [t.Claim((), node.span)]
                return [replace(node, first=first, rest=tuple(rest))]
            case t.Level():
                inside = replace(node, body=self.under(node.body))
                return self.around(node, [inside])
            case t.Compound():
                inside = replace(node, body=self.under(node.body))
                return self.around(node, [inside])
            case _:
                return [node]

    def branch(self, node: t.Block | t.Statement) -> t.Block | t.Statement:
        if isinstance(node, t.Block):
            return replace(node, statements=tuple(self.all(node.statements)))
        return self.one(self.statement(node), node.span)

    def under(self, node: t.Block | t.Inline) -> t.Block | t.Inline:
        if isinstance(node, t.Block):
            return replace(node, statements=tuple(self.all(node.statements)))
        line = t.Line(node, (), node.span)
        edited = self.statement(line)
        if edited == [line]:
            return node
        return t.Block((), tuple(edited), node.span)

    def one(self, statements: list[t.Statement], span: Span) -> t.Block | t.Statement:
        return statements[0] if len(statements) == 1 else t.Block((), tuple(statements), span)

    def around(self, node: _Place, inside: list[t.Statement]) -> list[t.Statement]:
        """What stands in a node's place after the changes to it."""
        before: list[t.Statement] = []
        after: list[t.Statement] = []
        for change in self.edits.get(id(node), []):
            if change.kind == "remove":
                inside = []
            elif change.kind == "replace":
                assert change.content is not None
                inside = [change.content]
            else:
                assert isinstance(change.content, t.Level)
                body = change.content.body
                new = list(body.statements) if isinstance(body, t.Block) else [t.Line(body, (), body.span)]
                before, after = (before + new, after) if change.kind == "before" else (before, new + after)
        return [*before, *inside, *after]

    def chain(self, chain: t.Chain, line: t.Line) -> list[t.Statement]:
        pieces: list[t.Statement] = []
        kept: list[t.Item] = []

        def close() -> None:
            if kept:
                pieces.append(t.Line(t.Chain(tuple(kept), chain.span), (), line.span))
                kept.clear()

        for item in map(self.inside_group, chain.items):
            if id(item) not in self.edits:
                kept.append(item)
                continue
            close()
            pieces.extend(self.around(item, [t.Line(t.Chain((item,), chain.span), (), line.span)]))
        if len(kept) == len(chain.items):
            return [t.Line(t.Chain(tuple(kept), chain.span), line.facts, line.span)]
        close()
        return pieces

    def inside_group(self, item: t.Item) -> t.Item:
        """Changes inside brackets: only what is a chain again can stand there."""
        if not isinstance(item.unit, t.Group) or not isinstance(item.unit.body, t.Chain) or id(item) in self.edits:
            return item
        chain = item.unit.body
        statements = self.chain(chain, t.Line(chain, (), chain.span))
        items: list[t.Item] = []
        for statement in statements:
            if not isinstance(statement, t.Line) or not isinstance(statement.inline, t.Chain):
                fail("A0607", "inside brackets only a chain can be changed", chain.span)
            items.extend(statement.inline.items)
        if tuple(items) == chain.items and all(a is b for a, b in zip(items, chain.items, strict=True)):
            return item
        return replace(item, unit=replace(item.unit, body=t.Chain(tuple(items), chain.span)))
