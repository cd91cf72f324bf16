"""Text of a section -> syntax tree: lark's parser, and the tree's own classes built from what it gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import TypeVar

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput
from lark.indenter import DedentError

from .. import expr as ex
from ..diagnostics import Span, fail
from . import tables
from . import tree as t
from .mistakes import explain_syntax_error
from .sections import Fragment, SourceLine

MAX_NESTING = 64
MAX_EXPRESSION_DEPTH = 100

Node = TypeVar("Node")
LarkNode = Tree[Token] | Token


@cache
def parser() -> Lark:
    """The LALR parser of the grammar, loaded once a process."""
    return tables.load()


def parse_body(fragment: Fragment) -> t.Block:
    """The statements of a `layers`, `module` or `def` section."""
    build = _Builder(fragment)
    tree = build.parse("body")
    return t.Block((), tuple(build.statement(child) for child in _trees(tree)), fragment.span)


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
    return tuple(build.rename(child) for child in _trees(build.parse("renames")))


def parse_changes(fragment: Fragment) -> t.Changes:
    """A `changes` section."""
    build = _Builder(fragment)
    return build.changes(build.parse("changes"))


def parse_expression(fragment: Fragment) -> t.Expr:
    """An expression alone: a parameter's value, a table's cell, what stands in braces."""
    build = _Builder(fragment)
    return build.expr(build.parse("sum"))


def parse_test(fragment: Fragment) -> t.Expr:
    """A condition alone."""
    build = _Builder(fragment)
    return build.expr(build.parse("test"))


def _trees(tree: LarkNode) -> list[Tree[Token]]:
    return [c for c in tree.children if isinstance(c, Tree)] if isinstance(tree, Tree) else []


def _check_nesting(fragment: Fragment) -> None:
    """Refuse brackets and indentation deeper than any network needs, before the parser sees them."""
    depth = 0
    for number, line in enumerate(fragment.lines, 1):
        text = line.text
        if len(text) - len(text.lstrip(" ")) > 2 * MAX_NESTING + 64:
            fail("A0801", f"lines are nested more than {MAX_NESTING} deep", fragment.place(number, 1))
        for match in re.finditer(r'"[^"\n]*"|#|[\[\](){}]', text):
            if match[0] == "#":
                break
            depth += 1 if match[0] in "[({" else -1 if match[0] in "])}" else 0
            if depth > MAX_NESTING:
                fail("A0801", f"brackets are nested more than {MAX_NESTING} deep", fragment.place(number, match.start() + 1))


class _Builder:
    """Builds the tree of one fragment. A method a rule; spans in the coordinates of the file."""

    def __init__(self, fragment: Fragment) -> None:
        self.fragment = fragment
        self.depth = 0

    def parse(self, start: str) -> Tree[Token]:
        _check_nesting(self.fragment)
        inline = start in ("sum", "test", "label", "signature", "shape", "defaults")
        text = self.fragment.text + ("" if inline else "\n")
        try:
            found = parser().parse(text, start=start)
        except UnexpectedInput as error:
            explain_syntax_error(self.fragment, text, error)
        except DedentError:
            self._indentation_error()
        return found if isinstance(found, Tree) else Tree("token", [found])  # type: ignore[reportReturnType]

    def _indentation_error(self) -> None:
        levels = [0]
        for number, line in enumerate(self.fragment.lines, 1):
            text = line.text
            if not text.strip() or text.lstrip().startswith("#"):
                continue
            indent = len(text) - len(text.lstrip())
            if indent > levels[-1]:
                levels.append(indent)
            while indent < levels[-1]:
                levels.pop()
            if indent != levels[-1]:
                fail(
                    "A0107",
                    "this indentation fits no line above",
                    self.fragment.place(number, indent + 1),
                    f"the lines above are indented by {' or '.join(map(str, levels))}",
                )
        fail("A0107", "the indentation fits no line above", self.fragment.span)

    # -- places

    def span(self, node: LarkNode) -> Span:
        if isinstance(node, Token):
            return self.fragment.place(node.line or 1, node.column or 1, node.end_line, node.end_column)
        meta = node.meta
        if meta.empty:
            return self.fragment.span
        end_line, end_column = meta.end_line, meta.end_column
        if end_column == 1 and end_line > meta.line:  # the newline that ends the last line was swallowed
            end_line -= 1
            end_column = len(self.fragment.lines[min(end_line, len(self.fragment.lines)) - 1].text) + 1
        return self.fragment.place(meta.line, meta.column, end_line, end_column)

    def inner(self, token: Token, start: int, end: int) -> Fragment:
        """A stretch of a token as a fragment of its own."""
        place = self.fragment.place(token.line or 1, (token.column or 1) + start)
        return Fragment(self.fragment.file, (SourceLine(str(token)[start:end], place.line, place.column),), True)

    # -- statements

    def statement(self, node: LarkNode) -> t.Statement:
        assert isinstance(node, Tree)
        self.depth += 1
        if self.depth > MAX_NESTING:
            fail("A0801", f"blocks are nested more than {MAX_NESTING} deep", self.span(node))
        try:
            return self._statement(node)
        finally:
            self.depth -= 1

    def _statement(self, node: Tree[Token]) -> t.Statement:
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
                return t.Dash(first, tuple(self.statement(c) for c in children[2:] if c is not None), span)  # type: ignore[reportUnnecessaryComparison]
            case _:
                return t.Claim(self.facts(children[0]), span)

    def branch(self, node: LarkNode) -> t.Block | t.Statement:
        if isinstance(node, Tree) and node.data == "block":
            return self.block(node)
        return self.statement(node)

    def choice(self, children: list[LarkNode], span: Span) -> t.Choice:
        test, then, otherwise = children
        alternative: t.Block | t.Statement | None = None
        if isinstance(otherwise, Tree):
            if len(otherwise.children) == 1:
                alternative = self.branch(otherwise.children[0])
            else:
                alternative = self.choice(otherwise.children, self.span(otherwise))
        return t.Choice(self.expr(test), self.branch(then), alternative, span)

    def block(self, node: Tree[Token]) -> t.Block:
        facts, *statements = node.children
        return t.Block(self.facts(facts), tuple(self.statement(s) for s in statements), self.span(node))

    def under(self, node: LarkNode) -> t.Block | t.Inline:
        if isinstance(node, Tree) and node.data == "block":
            return self.block(node)
        return self.inline(node)

    def inline(self, node: LarkNode) -> t.Inline:
        assert isinstance(node, Tree)
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

    def head(self, node: LarkNode) -> t.Head:
        assert isinstance(node, Tree)
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
                return t.Output(self.label(children[0]), children[1] is not None, span)  # type: ignore[reportUnnecessaryComparison]

    def loop(self, variable: str, over: LarkNode, span: Span) -> t.For:
        if isinstance(over, Tree) and over.data in ("upto", "downto"):
            start, stop = (self.expr(c) for c in over.children)
            return t.For(variable, start, stop, over.data == "downto", span)
        return t.For(variable, self.expr(over), None, False, span)

    # -- chains

    def chain(self, node: LarkNode) -> t.Chain:
        return t.Chain(tuple(self.item(c) for c in node.children), self.span(node))  # type: ignore[reportAttributeAccessIssue]

    def item(self, node: LarkNode) -> t.Item:
        assert isinstance(node, Tree)
        label, unit, test, alternative = node.children
        return t.Item(
            self.maybe(label, self.label),
            self.unit(unit),
            self.maybe(test, self.expr),
            self.maybe(alternative, self.alternative),
            self.span(node),
        )

    def alternative(self, node: LarkNode) -> t.Alternative:
        assert isinstance(node, Tree)
        unit, test, alternative = node.children
        return t.Alternative(
            self.unit(unit), self.maybe(test, self.expr), self.maybe(alternative, self.alternative), self.span(node)
        )

    def unit(self, node: LarkNode) -> t.Unit:
        assert isinstance(node, Tree)
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
                token = children[0]
                assert isinstance(token, Token)
                return t.Tap(self.ref(token), span)

    def group(self, node: LarkNode) -> t.Chain | t.Compound:
        assert isinstance(node, Tree)
        if node.data == "chain":
            return self.chain(node)
        head, body = node.children
        return t.Compound(self.head(head), self.group(body), self.span(node))

    def maybe(self, node: LarkNode | None, build: Callable[[LarkNode], Node]) -> Node | None:
        return None if node is None else build(node)

    # -- labels

    def label(self, node: LarkNode) -> ex.Path:
        token = node.children[0] if isinstance(node, Tree) else node
        assert isinstance(token, Token)
        return self.path(token, 0)

    def ref(self, token: Token) -> ex.Ref:
        return ex.Ref(self.path(token, 1), True, self.span(token))

    def path(self, token: Token, start: int) -> ex.Path:
        text = str(token)
        segments: list[list[str | ex.Expr]] = [[]]
        at = start
        for match in re.compile(r'"([^"]*)"|\{([^}]*)\}|(\.)|([^."{]+)').finditer(text, start):
            quoted, computed, dot, plain = match.groups()
            at = match.end()
            if dot:
                segments.append([])
            elif computed is not None:
                segments[-1].append(parse_expression(self.inner(token, match.start(2), match.end(2))))
            else:
                segments[-1].extend(self.quoted(token, match.start(1)) if quoted is not None else [plain])
        assert at == len(text)
        return ex.Path(tuple(tuple(s) for s in segments), self.span(token))

    def quoted(self, token: Token, start: int) -> list[str | ex.Expr]:
        """What stands between quotes: `block{q}-{i}` computes too."""
        parts: list[str | ex.Expr] = []
        text = str(token)
        end = text.index('"', start)
        for match in re.compile(r"\{([^{}]*)\}|([^{}]+)").finditer(text, start, end):
            computed, plain = match.groups()
            inner = None if computed is None else self.inner(token, match.start(1), match.end(1))
            parts.append(plain if inner is None else parse_expression(inner))
        return parts or [""]

    # -- arguments

    def arguments(self, nodes: list[LarkNode] | list[Tree[Token]]) -> tuple[t.Argument, ...]:
        return tuple(self.argument(n) for n in nodes if isinstance(n, Tree))

    def argument(self, node: Tree[Token]) -> t.Argument:
        children, span = node.children, self.span(node)
        match node.data:
            case "pair":
                return t.Pair(str(children[0]), self.expr(children[1]), self.span(children[0]), span)
            case "off":
                return t.Off(str(children[1]), span)
            case _:
                return t.Positional(self.expr(children[0]), span)

    # -- expressions

    def expr(self, node: LarkNode) -> ex.Expr:
        self.depth += 1
        if self.depth > MAX_EXPRESSION_DEPTH:
            fail("A0801", f"an expression is nested more than {MAX_EXPRESSION_DEPTH} deep", self.span(node))
        try:
            assert isinstance(node, Tree)
            return self._expr(node)
        finally:
            self.depth -= 1

    def _expr(self, node: Tree[Token]) -> ex.Expr:
        span = self.span(node)
        first = node.children[0] if node.children else None
        match node.data:
            case "name":
                return ex.Name(str(first), span)
            case "number":
                return ex.Number(self.number(first), span)
            case "string":
                return ex.Text(str(first)[1:-1], span)
            case "size" | "sizes":
                assert isinstance(first, Token)
                return ex.SizeExpr(self.dims(first), span)
            case "tap":
                assert isinstance(first, Token)
                return self.ref(first)
            case "dotted":
                assert isinstance(first, Token)
                return ex.Ref(self.path(first, 0), False, span)
            case "list":
                return ex.ListExpr(tuple(self.expr(c) for c in _trees(node)), span)
            case _:
                return self.operation(node, span)

    def operation(self, node: Tree[Token], span: Span) -> ex.Expr:
        children = node.children
        match node.data:
            case "times":
                return ex.Binary("*", ex.Number(self.number(children[0]), self.span(children[0])), self.expr(children[1]), span)
            case "func":
                name, *args = children
                return ex.Function(str(name)[:-1], tuple(self.expr(a) for a in args), span)
            case "paren":
                inside, test, orelse = children
                if test is None:  # type: ignore[reportUnnecessaryComparison]
                    return self.expr(inside)
                return ex.IfElse(self.expr(inside), self.expr(test), self.expr(orelse), span)
            case "arith":
                left, op, right = children
                return ex.Binary(str(op), self.expr(left), self.expr(right), span)
            case "power":
                return ex.Binary("^", self.expr(children[0]), self.expr(children[1]), span)
            case "minus":
                return ex.Negative(self.expr(children[0]), span)
            case _:
                return self.condition(node, span)

    def condition(self, node: Tree[Token], span: Span) -> ex.Expr:
        children = node.children
        match node.data:
            case "or_" | "and_":
                return ex.Logic(str(node.data)[:-1], self.expr(children[0]), self.expr(children[1]), span)
            case "not_":
                return ex.Not(self.expr(children[0]), span)
            case "compare":
                left, op, right = children
                return ex.Compare(str(op), self.expr(left), self.expr(right), span)
            case _:
                return ex.Is(self.expr(children[0]), str(children[1]), node.data == "is_not", span)

    def number(self, token: object) -> Fraction:
        text = str(token)
        if len(text) > 40 or ("e" in text.lower() and abs(int(re.split("[eE]", text)[1])) > 60):
            fail("A0801", "a number this large or small is surely a slip", self.span(token))  # type: ignore[reportArgumentType]
        return Fraction(text.replace("_", ""))

    def dims(self, token: Token) -> tuple[ex.Expr, ...]:
        """The dimensions of `CxHxW`, `(2C)x(H/2)`: parts between `x` outside parentheses."""
        text, start, depth, dims = str(token), 0, 0, list[ex.Expr]()
        for at, char in enumerate(text + "x"):
            depth += (char == "(") - (char == ")")
            if depth == 0 and char in "x×":
                dims.append(parse_expression(self.inner(token, start, at)))
                start = at + 1
        return tuple(dims)

    # -- facts and the smaller sections

    def facts(self, node: LarkNode | None) -> t.Facts:
        return tuple(self.fact(c) for c in _trees(node)) if node is not None else ()

    def fact(self, node: Tree[Token]) -> t.Fact:
        first = node.children[0]
        assert isinstance(first, Token)
        if node.data == "shape_fact":
            return t.ShapeFact(self.dims(first), self.span(node))
        return t.CountFact(str(first), str(node.children[1]), node.children[2] is not None, self.span(node))  # type: ignore[reportUnnecessaryComparison]

    def shape_tokens(self, node: LarkNode | None) -> tuple[ex.Expr, ...] | None:
        return self.dims(node) if isinstance(node, Token) else None

    def signature(self, node: Tree[Token]) -> t.Signature:
        name, *middle, entry, kind, result = node.children
        formals = tuple(self.formal(c) for c in middle if isinstance(c, Tree))
        kind = None if kind is None else str(kind)  # type: ignore[reportUnnecessaryComparison]
        return t.Signature(
            str(name), formals, self.shape_tokens(entry), kind, self.shape_tokens(result), self.span(node)
        )

    def formal(self, node: Tree[Token]) -> t.Formal:
        name, default = node.children
        if isinstance(default, Token):
            value: ex.Expr | None = ex.Name("no", self.span(default))
        else:
            value = self.maybe(default, self.expr)
        return t.Formal(str(name), value, self.span(name))

    def input_shape(self, node: Tree[Token]) -> t.InputShape:
        dims, below, kind = node.children
        assert isinstance(dims, Token)
        kind = None if kind is None else str(kind)  # type: ignore[reportUnnecessaryComparison]
        return t.InputShape(self.dims(dims), self.maybe(below, self.expr), kind, self.span(node))

    def rename(self, node: Tree[Token]) -> t.Rename | t.RenameScope:
        if node.data == "scope":
            module, *rules = node.children
            found = tuple(self.rename(r) for r in rules if isinstance(r, Tree))
            return t.RenameScope(str(module), tuple(r for r in found if isinstance(r, t.Rename)), self.span(node))
        pattern, replacement, transposed = node.children
        return t.Rename(
            str(pattern), str(replacement), isinstance(transposed, Token), self.span(pattern), self.span(node)
        )

    def changes(self, node: Tree[Token]) -> t.Changes:
        *changes, facts = node.children
        found: list[t.Change] = []
        for change in changes:
            if isinstance(change, Tree):
                found.extend(self.change(change))
        return t.Changes(tuple(found), self.facts(facts), self.span(node))

    def change(self, node: Tree[Token]) -> list[t.Change]:
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


def _label_of(statement: t.Statement) -> ex.Path | None:
    if isinstance(statement, t.Level):
        return statement.label
    if isinstance(statement, t.Line) and isinstance(statement.inline, t.Level):
        return statement.inline.label
    if isinstance(statement, t.Line) and isinstance(statement.inline, t.Chain):
        return statement.inline.items[0].label
    return None
