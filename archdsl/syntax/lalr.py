"""A parser driven by the tables that lark makes of the grammar: the same trees as lark's own, in a fraction of the time.

lark loads slowly, compiles one large pattern a parser state and builds generic trees. All that a correct text needs is
its tables; they are read here from JSON (`syntax.tables` writes them). What this parser refuses is given to lark itself,
which says what is wrong. `tests/unit/test_lalr.py` holds the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias


class Refused(Exception):
    """The text is not of the grammar."""


class Token(str):
    """A piece of text with its terminal's name and its place; lines and columns from 1, the end exclusive."""

    __slots__ = ("column", "end_column", "end_line", "line", "type")
    type: str
    line: int
    column: int
    end_line: int
    end_column: int


class Tree:
    """A rule's node. Its place is that of its first and last piece of text; `line` is 0 if it has none.

    `outer` and `outer_end` are the place with what was left out around a node that stands for a whole rule, such as
    brackets: the place of a node above begins and ends there.
    """

    __slots__ = ("children", "column", "data", "end_column", "end_line", "line", "outer", "outer_end")

    def __init__(self, data: str, children: list[Any]) -> None:
        self.data = data
        self.children = children
        self.line = self.column = self.end_line = self.end_column = 0
        self.outer: tuple[int, int] | None = None
        self.outer_end: tuple[int, int] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is no text under the node."""
        return self.line == 0


Node: TypeAlias = "Tree | Token"
Terminal: TypeAlias = "tuple[Callable[[str, int], re.Match[str] | None], str, bool, bool, dict[str, str]]"
"""How a terminal matches, its name, whether it is left out, whether it may span lines, its texts of another name."""


class Rule:
    """One production: how many children it takes, and which node it makes of them."""

    __slots__ = ("data", "inlined", "keep", "origin", "plain", "size", "through", "trailing")

    def __init__(self, origin: str, size: int, data: str, inlined: bool, keep: list[list[int]], trailing: int) -> None:
        self.origin = origin
        self.size = size
        self.data = data
        self.inlined = inlined
        """Whether a single child stands for the node."""
        self.keep = keep
        """For each child kept: its number, whether its own children take its place, how many absent ones precede."""
        self.trailing = trailing
        """How many absent ones follow."""
        self.plain = not trailing and keep == [[i, 0, 0] for i in range(size)]
        self.through = self.plain and inlined and size == 1
        """Whether the one child stands for the node as it is."""

    def node(self, children: list[Any]) -> Any:
        """The node of some children, with its place."""
        kept = children if self.plain else self._kept(children)
        found = kept[0] if self.inlined and len(kept) == 1 else Tree(self.data, kept)
        if type(found) is Tree:
            _place(found, children)
        return found

    def _kept(self, children: list[Any]) -> list[Any]:
        kept: list[Any] = []
        for number, expand, absent in self.keep:
            if absent:
                kept += [None] * absent
            if expand and not kept:
                kept = children[number].children  # the list goes on growing: a rule's repetition is as long as its text
            elif expand:
                kept += children[number].children
            else:
                kept.append(children[number])
        if self.trailing:
            kept += [None] * self.trailing
        return kept


def _place(tree: Tree, children: list[Any]) -> None:
    for first in children:
        if type(first) is Tree and first.outer is not None:
            start = first.outer
        elif type(first) is Token:
            start = first.line, first.column
        else:
            continue
        if tree.line == 0:
            tree.line, tree.column = start
        tree.outer = start
        break
    else:
        return
    for last in reversed(children):
        if type(last) is Tree and last.outer_end is not None:
            end = last.outer_end
        elif type(last) is Token:
            end = last.end_line, last.end_column
        else:
            continue
        if tree.end_line == 0:
            tree.end_line, tree.end_column = end
        tree.outer_end = end
        return


class Lexer:
    """The next token where only some terminals may stand; their patterns are compiled when first tried."""

    def __init__(self, tables: dict[str, Any]) -> None:
        self._terminals: dict[str, dict[str, Any]] = tables["terminals"]
        self._ignored = frozenset(tables["ignore"])
        self._scanners: list[list[str]] = tables["scanners"]
        self._keywords: list[dict[str, dict[str, str]]] = tables["keywords"]
        self._compiled: dict[str, Callable[[str, int], re.Match[str] | None]] = {}
        self.candidates: dict[tuple[int, str], tuple[Terminal, ...]] = {}

    def find_candidates(self, scanner: int, char: str) -> tuple[Terminal, ...]:
        """The terminals that may begin with a character, in the order in which they are tried; kept in `candidates`."""
        first = min(char, "\x80")  # all beyond ASCII are one
        keywords = self._keywords[scanner]
        found = tuple(
            self._terminal(name, keywords.get(name, {}))
            for name in self._scanners[scanner]
            if first in self._terminals[name]["first"]
        )
        if char < "\x80":
            self.candidates[scanner, char] = found
        return found

    def _terminal(self, name: str, keywords: dict[str, str]) -> Terminal:
        known = self._terminals[name]
        if name not in self._compiled:
            self._compiled[name] = re.compile(known["pattern"]).match
        return self._compiled[name], name, name in self._ignored, known["newline"], keywords


class Parser:
    """An LALR(1) parser with a contextual lexer and tokens for indentation."""

    def __init__(self, tables: dict[str, Any]) -> None:
        self.lexer = Lexer(tables)
        self.rules = [Rule(*rule) for rule in tables["rules"]]
        self.states: list[tuple[int, dict[str, int]]] = [(scanner, actions) for scanner, actions in tables["states"]]
        self.starts: dict[str, list[int]] = tables["starts"]
        self.indents: dict[str, Any] = tables["indents"]

    def parse(self, text: str, start: str) -> Node:
        """The tree of a text; raises Refused."""
        return _Run(self, text, start).run()

    def tokens(self, text: str, start: str) -> list[Token]:
        """The tokens of a text, with those for indentation; raises Refused."""
        run = _RecordingRun(self, text, start)
        run.run()
        return run.tokens


class _Run:
    """One text being parsed."""

    def __init__(self, parser: Parser, text: str, start: str) -> None:
        self.parser = parser
        self.text = text
        first, self.end = parser.starts[start]
        self.stack = [first]
        self.values: list[Any] = []
        self.levels = [0]
        self.depth = 0

    def run(self) -> Node:
        text, length, lexer = self.text, len(self.text), self.parser.lexer
        candidates = lexer.candidates
        states, stack, indents = self.parser.states, self.stack, self.parser.indents
        newline, opening, closing = indents["newline"], frozenset(indents["opening"]), frozenset(indents["closing"])
        at, line, line_start = 0, 1, 0
        token: Token | None = None
        while at < length:
            found = terminal = None
            place = states[stack[-1]][0], text[at]
            for terminal in candidates.get(place) or lexer.find_candidates(*place):
                found = terminal[0](text, at)
                if found is not None:
                    break
            if found is None or terminal is None:
                raise Refused
            _, name, ignored, spans_lines, keywords = terminal
            end = found.end()
            value = found[0]
            column, first_line = at - line_start + 1, line
            at = end
            if spans_lines and "\n" in value:
                line += value.count("\n")
                line_start = end - len(value) + value.rindex("\n") + 1
            if ignored:
                continue
            token = _token(value, keywords.get(value, name), first_line, column, line, end - line_start + 1)
            if token.type == newline:
                if not self.depth:
                    self._newline(token)
                continue
            self._feed(token)
            if token.type in opening:
                self.depth += 1
            elif token.type in closing:
                self.depth -= 1
        return self._finish(token)

    def _newline(self, token: Token) -> None:
        self._feed(token)
        indents, levels = self.parser.indents, self.levels
        blanks = token.rsplit("\n", 1)[1]
        indent = blanks.count(" ") + blanks.count("\t") * indents["tab"]
        if indent > levels[-1]:
            levels.append(indent)
            self._feed(_at(token, indents["indent"]))
            return
        while indent < levels[-1]:
            levels.pop()
            self._feed(_at(token, indents["dedent"]))
        if indent != levels[-1]:
            raise Refused

    def _finish(self, last: Token | None) -> Node:
        last = last if last is not None else _token("", "", 0, 0, 0, 0)
        while len(self.levels) > 1:
            self.levels.pop()
            self._feed(_at(last, self.parser.indents["dedent"]))
        while True:
            action = self.parser.states[self.stack[-1]][1].get("$END")
            if action is None or action >= 0:
                raise Refused
            self._reduce(self.parser.rules[~action])
            if self.stack[-1] == self.end:
                found: Node = self.values[-1]
                return found

    def _feed(self, token: Token) -> None:
        states, rules, stack = self.parser.states, self.parser.rules, self.stack
        kind = token.type
        while True:
            action = states[stack[-1]][1].get(kind)
            if action is None:
                raise Refused
            if action >= 0:
                stack.append(action)
                self.values.append(token)
                return
            rule = rules[~action]
            if rule.through:
                stack[-1] = states[stack[-2]][1][rule.origin]
            else:
                self._reduce(rule)

    def _reduce(self, rule: Rule) -> None:
        stack, values, size = self.stack, self.values, rule.size
        children: list[Any] = []
        if size:
            children = values[-size:]
            del stack[-size:]
            del values[-size:]
        values.append(rule.node(children))
        stack.append(self.parser.states[stack[-1]][1][rule.origin])


class _RecordingRun(_Run):
    """A run that keeps what it was fed."""

    def __init__(self, parser: Parser, text: str, start: str) -> None:
        super().__init__(parser, text, start)
        self.tokens: list[Token] = []

    def _feed(self, token: Token) -> None:
        super()._feed(token)
        self.tokens.append(token)


def _token(text: str, kind: str, line: int, column: int, end_line: int, end_column: int) -> Token:
    token = Token(text)
    token.type = kind
    token.line, token.column, token.end_line, token.end_column = line, column, end_line, end_column
    return token


def _at(token: Token, kind: str) -> Token:
    """A token of no text at the place of another."""
    return _token("", kind, token.line, token.column, token.end_line, token.end_column)
