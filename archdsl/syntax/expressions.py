"""Text of an expression -> its tree; and what all readers of the parser's trees need: children, places."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import NoReturn, TypeVar

from .. import expr as ex
from .. import limits
from ..diagnostics import Span, fail
from . import tables
from . import tree as t
from .lalr import Node as ParseNode
from .lalr import Refused, Token, Tree
from .sections import Fragment, SourceLine

MAX_DIGITS = 40

Node = TypeVar("Node")


def parse_expression(fragment: Fragment) -> t.Expr:
    """An expression alone: a parameter's value, a table's cell, what stands in braces. Most are numbers."""
    if len(fragment.lines) == 1 and is_whole(text := fragment.lines[0].text):
        return ex.Number(Fraction(int(text)), fragment.span)
    build = ExpressionBuilder(fragment)
    return build.expr(build.parse("sum"))


def is_whole(text: str) -> bool:
    """Whether a text is digits alone, so that it is read without a parser."""
    return text.isdecimal() and text.isascii() and len(text) <= MAX_DIGITS


# ---- the parser's trees ---------------------------------------------------------------------------------------------


def absent(node: object) -> bool:
    """Whether a child is the placeholder of something optional: None, which the tree's types do not tell."""
    return node is None


def tree_of(node: ParseNode) -> Tree:
    """A node that the grammar makes a tree."""
    assert isinstance(node, Tree)
    return node


def token_of(node: ParseNode) -> Token:
    """A node that the grammar makes a token."""
    assert isinstance(node, Token)
    return node


def trees(tree: ParseNode) -> list[Tree]:
    """The children that are trees."""
    return [c for c in tree.children if isinstance(c, Tree)] if isinstance(tree, Tree) else []


def _check_nesting(fragment: Fragment) -> None:
    """Refuse brackets and indentation deeper than any network needs, before the parser sees them."""
    depth, most = 0, limits.of("nesting")
    for number, line in enumerate(fragment.lines, 1):
        text = line.text
        if len(text) - len(text.lstrip(" ")) > 2 * most + 64:
            limits.refuse("nesting", fragment.place(number, 1))
        for match in re.finditer(r'"[^"\n]*"|#|[\[\](){}]', text):
            if match[0] == "#":
                break
            depth += 1 if match[0] in "[({" else -1 if match[0] in "])}" else 0
            if depth > most:
                limits.refuse("nesting", fragment.place(number, match.start() + 1))


class ExpressionBuilder:
    """Builds the expressions of one fragment. A method a rule; spans in the coordinates of the file."""

    def __init__(self, fragment: Fragment) -> None:
        self.fragment = fragment
        self.depth = 0

    def parse(self, start: str) -> Tree:
        _check_nesting(self.fragment)
        inline = start in ("sum", "test", "label", "signature", "shape", "defaults")
        text = self.fragment.text + ("" if inline else "\n")
        found = self._parsed(text, start)
        return found if isinstance(found, Tree) else Tree("token", [found])

    def _parsed(self, text: str, start: str) -> ParseNode:
        try:
            return tables.driver().parse(text, start)
        except Refused:
            self._explain(text, start)

    def _explain(self, text: str, start: str) -> NoReturn:
        """Raise the diagnostic for a text that is not of the grammar; lark says where it ends to be."""
        from .mistakes import DedentError, UnexpectedInput, explain_syntax_error

        try:
            tables.lark().parse(text, start=start)  # pyright: ignore[reportUnknownMemberType]
        except UnexpectedInput as error:
            explain_syntax_error(self.fragment, error)
        except DedentError:
            self._indentation_error()
        raise AssertionError(f"lark reads what the parser refuses: {text!r}")

    def _indentation_error(self) -> NoReturn:
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

    def span(self, node: ParseNode) -> Span:
        if isinstance(node, Token):
            return self.fragment.place(node.line or 1, node.column or 1, node.end_line, node.end_column)
        if node.empty:
            return self.fragment.span
        end_line, end_column = node.end_line, node.end_column
        if end_column == 1 and end_line > node.line:  # the newline that ends the last line was swallowed
            end_line -= 1
            end_column = len(self.fragment.lines[min(end_line, len(self.fragment.lines)) - 1].text) + 1
        return self.fragment.place(node.line, node.column, end_line, end_column)

    def inner(self, token: Token, start: int, end: int) -> Fragment:
        """A stretch of a token as a fragment of its own."""
        place = self.fragment.place(token.line or 1, (token.column or 1) + start)
        return Fragment(self.fragment.file, (SourceLine(str(token)[start:end], place.line, place.column),), True)

    def maybe(self, node: ParseNode | None, build: Callable[[ParseNode], Node]) -> Node | None:
        return None if node is None else build(node)

    # -- labels

    def label(self, node: ParseNode) -> ex.Path:
        token = node.children[0] if isinstance(node, Tree) else node
        assert isinstance(token, Token)
        limits.check("name", len(token), self.span(token))
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

    def arguments(self, nodes: list[ParseNode] | list[Tree]) -> tuple[t.Argument, ...]:
        return tuple(self.argument(n) for n in nodes if isinstance(n, Tree))

    def argument(self, node: Tree) -> t.Argument:
        children, span = node.children, self.span(node)
        match node.data:
            case "pair":
                return t.Pair(str(children[0]), self.expr(children[1]), self.span(children[0]), span)
            case "off":
                return t.Off(str(children[1]), span)
            case _:
                return t.Positional(self.expr(children[0]), span)

    # -- expressions

    def expr(self, node: ParseNode) -> ex.Expr:
        self.depth += 1
        if self.depth > limits.of("expression"):
            limits.refuse("expression", self.span(node))
        try:
            assert isinstance(node, Tree)
            return self._expr(node)
        finally:
            self.depth -= 1

    def _expr(self, node: Tree) -> ex.Expr:
        span = self.span(node)
        first = node.children[0] if node.children else node
        match node.data:
            case "name":
                return ex.Name(str(first), span)
            case "number":
                return ex.Number(self.number(first), span)
            case "string":
                return ex.Text(str(first)[1:-1], span)
            case "size" | "sizes":
                return ex.SizeExpr(self.dims(token_of(first)), span)
            case "tap":
                return self.ref(token_of(first))
            case "dotted":
                return ex.Ref(self.path(token_of(first), 0), False, span)
            case "list":
                return ex.ListExpr(tuple(self.expr(c) for c in trees(node)), span)
            case _:
                return self.operation(node, span)

    def operation(self, node: Tree, span: Span) -> ex.Expr:
        children = node.children
        match node.data:
            case "times":
                return ex.Binary(
                    "*", ex.Number(self.number(children[0]), self.span(children[0])), self.expr(children[1]), span
                )
            case "func":
                name, *args = children
                return ex.Function(str(name)[:-1], tuple(self.expr(a) for a in args), span)
            case "paren":
                inside, test, orelse = children
                if absent(test):
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

    def condition(self, node: Tree, span: Span) -> ex.Expr:
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

    def number(self, token: ParseNode) -> Fraction:
        text = str(token)
        if len(text) > MAX_DIGITS or ("e" in text.lower() and abs(int(re.split("[eE]", text)[1])) > 60):
            fail("A0801", "a number this large or small is surely a slip", self.span(token))
        return Fraction(int(text)) if text.isdecimal() else Fraction(text.replace("_", ""))

    def dim(self, token: Token, start: int, end: int) -> ex.Expr:
        """A stretch of a token as an expression; most are numbers, which need no parser."""
        text = token[start:end]
        if is_whole(text):
            line, column = token.line, token.column + start
            return ex.Number(Fraction(int(text)), self.fragment.place(line, column, line, column + end - start))
        return parse_expression(self.inner(token, start, end))

    def dims(self, token: Token) -> tuple[ex.Expr, ...]:
        """The dimensions of `CxHxW`, `(2C)x(H/2)`: parts between `x` outside parentheses."""
        text, start, depth, dims = str(token), 0, 0, list[ex.Expr]()
        for at, char in enumerate(text + "x"):
            depth += (char == "(") - (char == ")")
            if depth == 0 and char in "x\u00d7":
                dims.append(self.dim(token, start, at))
                start = at + 1
        return tuple(dims)
