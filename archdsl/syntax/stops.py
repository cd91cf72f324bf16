"""Where a parser stopped, and what a rule says of it."""

from __future__ import annotations

import re

from ..records import dataclass

RESERVED = frozenset({
    "no", "if", "else", "for", "in", "of", "on", "is", "not", "and", "or", "when", "x", "again", "output", "shortcut",
    "residual", "concat", "add", "mul", "attend", "mixture",
})  # fmt: skip
JOINS = ("concat", "add", "mul", "attend")
FUNCTIONS = ("min", "max", "ceil", "floor", "round", "sqrt", "log", "divisible")


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong; the caret stands under the piece at which reading stopped unless `start` (a column) says else.

    `edits` surely mend it, all together: (column, how many characters go, what comes).
    """

    code: str
    message: str
    help: str | None = None
    start: int | None = None
    length: int | None = None
    edits: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """A line of source and the column (from 1) at which reading stopped.

    `piece` is what stands there, empty at the end of a line; `before` what stands before it, `rest` from there on;
    `previous` is the word that ends `before`.
    """

    source: str
    column: int
    piece: str
    before: str
    rest: str
    previous: str
    opens: bool = False

    @classmethod
    def at(cls, source: str, column: int, opens: bool = False) -> Stop:
        """The stop at a column of a line; a comment is no part of it. `opens`: the lines below it are indented deeper."""
        code = code_of(source)
        before = source[: column - 1].rstrip()
        match = re.compile(r"->|=>|[\w.@{}]+|\S").match(source, column - 1)
        piece = match[0] if match and column <= len(code) else ""
        word = re.search(r"(\w+)$", before)
        return cls(source, column, piece, before, code[column - 1 :], word[1] if word else "", opens)


def code_of(line: str) -> str:
    """A line without its comment."""
    return re.sub(r'^((?:"[^"]*"|[^#"])*)#.*$', r"\1", line).rstrip()
