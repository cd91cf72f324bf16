"""Text of a section -> syntax tree: the tree's own classes built from what the parser gives, section by section."""

from __future__ import annotations

from .. import expr as ex
from .. import limits
from ..diagnostics import Span, fail
from . import tree as t
from .expressions import (
    ExpressionBuilder,
    ParseNode,
    absent,
    parse_expression,
    token_of,
    tree_of,
    trees,
)
from .lalr import Token, Tree
from .sections import Fragment


def parse_body(fragment: Fragment) -> t.Block:
    """The statements of a `layers`, `module` or `def` section."""
    build = _Builder(fragment)
    tree = build.parse("body")
    return t.Block((), tuple(build.statement(child) for child in trees(tree)), fragment.span)


def parse_signature(fragment: Fragment) -> t.Signature:
    """What stands behind `module` or `def`."""
    build = _Builder(fragment)
    return build.signature(build.parse("signature"))


def parse_shape(fragment: Fragment) -> t.InputShape:
    """One `input`."""
    build = _Builder(fragment)
    return build.input_shape(build.parse("shape"))


def parse_arguments(fragment: Fragment) -> tuple[t.Argument, ...]:
    """One line of `default`, or what follows the file in `use`."""
    build = _Builder(fragment)
    return build.arguments(build.parse("defaults").children)


def parse_renames(fragment: Fragment) -> tuple[t.Rename | t.RenameScope, ...]:
    """A `names` section."""
    build = _Builder(fragment)
    return tuple(build.rename(child) for child in trees(build.parse("renames")))


def parse_inits(fragment: Fragment) -> tuple[t.Init, ...]:
    """An `init` section."""
    build = _Builder(fragment)
    return tuple(row for child in trees(build.parse("inits")) for row in build.inits(child))


def parse_changes(fragment: Fragment) -> t.Changes:
    """A `changes` section."""
    build = _Builder(fragment)
    return build.changes(build.parse("changes"))


class _Builder(ExpressionBuilder):
    """Builds the tree of one fragment. A method a rule."""

    # -- statements

    def statement(self, node: ParseNode) -> t.Statement:
        assert isinstance(node, Tree)
        self.depth += 1
        if self.depth > limits.of("nesting"):
            limits.refuse("nesting", self.span(node))
        try:
            return self._statement(node)
        finally:
            self.depth -= 1

    def _statement(self, node: Tree) -> t.Statement:
        children = node.children
        span = self.span(node)
        match node.data:
            case "line":
                return t.Line(self.inline(children[0]), self.facts(children[1]), span)
            case "compound" | "level":
                found = self.inline(node)
                assert isinstance(found, t.Compound | t.Level)
                return found
            case "choice":
                return self.choice(children, span)
            case "path" if len(children) == 1:
                return t.Dash(self.statement(children[0]), (), span)
            case "path":
                first = t.Line(self.inline(children[0]), self.facts(children[1]), self.span(children[0]))
                return t.Dash(first, tuple(self.statement(c) for c in children[2:] if not absent(c)), span)
            case _:
                return t.Claim(self.facts(children[0]), span)

    def branch(self, node: ParseNode) -> t.Block | t.Statement:
        if isinstance(node, Tree) and node.data == "block":
            return self.block(node)
        return self.statement(node)

    def choice(self, children: list[ParseNode], span: Span) -> t.Choice:
        test, then, otherwise = children
        alternative: t.Block | t.Statement | None = None
        if isinstance(otherwise, Tree):
            if len(otherwise.children) == 1:
                alternative = self.branch(otherwise.children[0])
            else:
                alternative = self.choice(otherwise.children, self.span(otherwise))
        return t.Choice(self.expr(test), self.branch(then), alternative, span)

    def block(self, node: Tree) -> t.Block:
        facts, *statements = node.children
        return t.Block(self.facts(facts), tuple(self.statement(s) for s in statements), self.span(node))

    def under(self, node: ParseNode) -> t.Block | t.Inline:
        if isinstance(node, Tree) and node.data == "block":
            return self.block(node)
        return self.inline(node)

    def inline(self, node: ParseNode) -> t.Inline:
        node = tree_of(node)
        children, span = node.children, self.span(node)
        if node.data == "chain":
            return self.chain(node)
        if node.data == "compound":
            return t.Compound(self.head(children[0]), self.under(children[1]), span)
        label, *rest = children
        if len(rest) == 1:
            return t.Level(self.label(label), self.under(rest[0]), span)
        head, body = rest
        compound = t.Compound(self.head(head), self.under(body), self.span(head).to(self.span(body)))
        return t.Level(self.label(label), compound, span)

    def head(self, node: ParseNode) -> t.Head:
        node = tree_of(node)
        children, span = node.children, self.span(node)
        match node.data:
            case "wrap":
                return t.Residual(self.maybe(children[1], self.expr), span)
            case "join":
                kind, *rest = children
                known = [c for c in rest if isinstance(c, Tree)]
                split = known.pop() if known and known[-1].data not in ("positional", "pair", "off") else None
                return t.Join(str(kind), self.arguments(known), self.expr(split) if split else None, span)
            case "shortcut":
                return t.Shortcut(span)
            case "for_":
                return self.loop(str(children[0]), children[1], span)
            case "rows":
                return t.ForRows(str(children[0]), self.span(children[0]), span)
            case _:
                return t.Output(self.label(children[0]), not absent(children[1]), span)

    def loop(self, variable: str, over: ParseNode, span: Span) -> t.For:
        if isinstance(over, Tree) and over.data in ("upto", "downto"):
            start, stop = (self.expr(c) for c in over.children)
            return t.For(variable, start, stop, over.data == "downto", span)
        return t.For(variable, self.expr(over), None, False, span)

    # -- chains

    def chain(self, node: ParseNode) -> t.Chain:
        return t.Chain(tuple(self.item(c) for c in tree_of(node).children), self.span(node))

    def item(self, node: ParseNode) -> t.Item:
        assert isinstance(node, Tree)
        label, unit, test, alternative = node.children
        return t.Item(
            self.maybe(label, self.label),
            self.unit(unit),
            self.maybe(test, self.expr),
            self.maybe(alternative, self.alternative),
            self.span(node),
        )

    def alternative(self, node: ParseNode) -> t.Alternative:
        assert isinstance(node, Tree)
        unit, test, alternative = node.children
        return t.Alternative(
            self.unit(unit), self.maybe(test, self.expr), self.maybe(alternative, self.alternative), self.span(node)
        )

    def unit(self, node: ParseNode) -> t.Unit:
        node = tree_of(node)
        children, span = node.children, self.span(node)
        match node.data:
            case "call":
                word = children[0]
                return t.Call(str(word), self.arguments(children[1:]), self.span(word), span)
            case "group":
                inside, _, times = children
                return t.Group(self.group(inside), self.maybe(times, self.expr), span)
            case "again":
                return t.Again(self.label(children[0]), span)
            case _:
                return t.Tap(self.ref(token_of(children[0])), span)

    def group(self, node: ParseNode) -> t.Chain | t.Compound:
        assert isinstance(node, Tree)
        if node.data == "chain":
            return self.chain(node)
        head, body = node.children
        return t.Compound(self.head(head), self.group(body), self.span(node))

    # -- facts and the smaller sections

    def facts(self, node: ParseNode | None) -> t.Facts:
        return tuple(self.fact(c) for c in trees(node)) if node is not None else ()

    def fact(self, node: Tree) -> t.Fact:
        first = node.children[0]
        if node.data == "shape_fact":
            return t.ShapeFact(self.dims(token_of(first)), self.span(node))
        return t.CountFact(str(first), str(node.children[1]), not absent(node.children[2]), self.span(node))

    def shape_tokens(self, node: ParseNode | None) -> tuple[ex.Expr, ...] | None:
        return self.dims(node) if isinstance(node, Token) else None

    def signature(self, node: Tree) -> t.Signature:
        name, *middle, entry, kind, result = node.children
        formals = tuple(self.formal(c) for c in middle if isinstance(c, Tree))
        word = None if absent(kind) else str(kind)
        return t.Signature(
            str(name), formals, self.shape_tokens(entry), word, self.shape_tokens(result), self.span(node)
        )

    def formal(self, node: Tree) -> t.Formal:
        name, default = node.children
        return t.Formal(str(name), self.maybe(default, self.expr), self.span(name))

    def input_shape(self, node: Tree) -> t.InputShape:
        dims, below, kind = node.children
        word = None if absent(kind) else str(kind)
        return t.InputShape(self.dims(token_of(dims)), self.maybe(below, self.expr), word, self.span(node))

    def rename(self, node: Tree) -> t.Rename | t.RenameScope:
        if node.data == "scope":
            module, *rules = node.children
            found = tuple(self.rename(r) for r in rules if isinstance(r, Tree))
            return t.RenameScope(str(module), tuple(r for r in found if isinstance(r, t.Rename)), self.span(node))
        pattern, replacement, transposed = node.children
        return t.Rename(
            _joined(pattern), _joined(replacement), isinstance(transposed, Token), self.span(pattern), self.span(node)
        )

    def inits(self, node: Tree) -> list[t.Init]:
        if node.data != "within":
            return [self.init(node, None)]
        module, *rows = node.children
        return [self.init(row, token_of(module)) for row in rows if isinstance(row, Tree)]

    def init(self, node: Tree, module: Token | None) -> t.Init:
        *children, test = node.children
        targets = [child for child in children if isinstance(child, Token)]
        return t.Init(
            None if module is None else str(module),
            tuple(str(target) for target in targets),
            tuple(self.fill(child) for child in children if isinstance(child, Tree)),
            self.maybe(test, self.expr),
            None if module is None else self.span(module),
            tuple(self.span(target) for target in targets),
            self.span(node),
        )

    def fill(self, node: Tree) -> t.Fill:
        array, word, *pieces = node.children
        return t.Fill(
            None if absent(array) else str(array),
            str(word),
            tuple(self.piece(piece) for piece in pieces if not absent(piece)),
            self.span(word),
            self.span(node),
        )

    def piece(self, node: ParseNode) -> ex.Expr | tuple[ex.Expr, ex.Expr]:
        if isinstance(node, Tree) and node.data == "upto":
            low, high = (self.expr(child) for child in node.children)
            return low, high
        return self.expr(node)

    def changes(self, node: Tree) -> t.Changes:
        *changes, facts = node.children
        found: list[t.Change] = []
        for change in changes:
            if isinstance(change, Tree):
                found.extend(self.change(change))
        return t.Changes(tuple(found), self.facts(facts), self.span(node))

    def change(self, node: Tree) -> list[t.Change]:
        children, span = node.children, self.span(node)
        if node.data == "remove":
            return [t.Change("remove", self.label(c), None, self.span(c)) for c in children]
        if node.data == "insert":
            place, label, content = children
            under = self.under(content)
            return [t.Change(str(place), self.label(label), t.Level(ex.Path(()), under, self.span(content)), span)]
        statement = self.statement(children[0])
        label = _label_of(statement)
        if label is None:
            fail("A0109", "`replace` needs the label it replaces: `replace conv2: conv 3x3, 64`", span)
        return [t.Change("replace", label, statement, span)]


def _joined(names: ParseNode) -> str:
    """The names on one side of a rename, with what stands between them."""
    assert isinstance(names, Tree)
    return (" = " if names.data == "same" else ", ").join(str(name) for name in names.children)


def _label_of(statement: t.Statement) -> ex.Path | None:
    if isinstance(statement, t.Line) and isinstance(statement.inline, t.Compound):
        statement = statement.inline
    if isinstance(statement, t.Compound) and isinstance(statement.head, t.Output):
        return statement.head.label
    if isinstance(statement, t.Level):
        return statement.label
    if isinstance(statement, t.Line) and isinstance(statement.inline, t.Level):
        return statement.inline.label
    if isinstance(statement, t.Line) and isinstance(statement.inline, t.Chain):
        return statement.inline.items[0].label
    return None


__all__ = [
    "parse_arguments", "parse_body", "parse_changes", "parse_expression", "parse_inits", "parse_renames", "parse_shape",
    "parse_signature",
]  # fmt: skip
