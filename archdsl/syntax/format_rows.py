"""The lines of a section as rows of code, facts and a comment: indented by depth, aligned in columns, printed.

The author's line breaks are kept. Blank lines and lines of comment alone end a group of aligned lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from itertools import groupby, takewhile

from ..records import dataclass
from .format_spacing import FACTS, cell, depth_change, gaps, is_arrow, lex, word
from .lalr import Token

STEP = 2
FACT_COLUMN = 60
PUSHING = 100  # longer lines than this do not push the column of the others
_MIN_NUMBERS = 3
_TABLE_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")
_NUMBERS = re.compile(r"(?P<head>(?:[\w{}.-]+: )?[A-Za-z_][\w.]* )(?P<numbers>\d[\d.x]*(?:, \d[\d.x]*)+)")


@dataclass(slots=True)
class Row:
    """One line. Without code it is a comment alone, or blank."""

    indent: int = 0
    code: str = ""
    facts: str = ""
    comment: str = ""


# ---- bodies, changes, renames ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Statement:
    """A line of the language, perhaps over several lines of text. `levels` are the indentations open at it, each as
    written and as it will be printed; its own is the last."""

    levels: tuple[tuple[int, int], ...]
    tokens: list[Token] = field(default_factory=list[Token])

    @property
    def indent(self) -> int:
        return self.levels[-1][1]

    @property
    def first(self) -> int:
        return self.tokens[0].line or 1

    @property
    def last(self) -> int:
        return self.tokens[-1].line or 1

    def step(self) -> int:
        """How much deeper the lines below it stand: a block behind `- residual:` is inside the dash and the block."""
        code = list(takewhile(lambda token: token != FACTS, self.tokens))
        opens = bool(code) and code[-1].type == "COLON"
        return 2 * STEP if opens and code[0].type == "MINUS" else STEP


def body_rows(lines: Sequence[str], start: str) -> list[Row]:
    """The rows of a body, of `changes` or of `names`; `start` is the grammar's rule."""
    statements = _statements(lex("\n".join(lines) + "\n", start))
    rows: list[Row] = []
    number = 1
    above: _Statement | None = None
    for statement in [*statements, None]:
        last = len(lines) if statement is None else statement.first - 1
        rows += (_loose_row(lines[n - 1], above, statement) for n in range(number, last + 1))
        if statement is not None:
            rows += _statement_rows(statement, lines)
            number = statement.last + 1
        above = statement
    return rows


def _statements(tokens: Iterable[Token]) -> list[_Statement]:
    found: list[_Statement] = []
    levels: list[tuple[int, int]] = [(0, 0)]
    new = True
    for token in tokens:
        if token.type == "_NL":
            new = True
        elif token.type == "_INDENT":
            levels.append((0, levels[-1][1] + found[-1].step()))
        elif token.type == "_DEDENT":
            levels.pop()
        else:
            if new:
                levels[-1] = ((token.column or 1) - 1, levels[-1][1])
                found.append(_Statement(tuple(levels)))
                new = False
            found[-1].tokens.append(token)
    return found


def _loose_row(text: str, above: _Statement | None, below: _Statement | None) -> Row:
    """A blank line, or a comment that stands as deep as the line below it or as one of the blocks that end there."""
    comment = text.strip()
    if not comment:
        return Row()
    lowest = below.indent if below else 0
    if above is None or (below is not None and below.indent >= above.indent):
        return Row(lowest, comment=comment)
    written = len(text) - len(text.lstrip())
    fitting = [shown for level, shown in above.levels if level <= written and shown >= lowest]
    return Row(max(fitting, default=lowest), comment=comment)


def _statement_rows(statement: _Statement, lines: Sequence[str]) -> Iterator[Row]:
    spaces = gaps(statement.tokens, dash=True)
    depth, at = 0, 0
    tokens = statement.tokens
    for number in range(statement.first, statement.last + 1):
        start, began = at, depth
        code, facts, end = "", "", 0
        while at < len(tokens) and tokens[at].line == number:
            token = tokens[at]
            gap = spaces[at] if at > start else ""
            if facts or (token == FACTS and at > 0):
                facts += (gap if facts else "") + word(token)
            else:
                code += gap + word(token)
            depth += depth_change(token)
            end = (token.column or 1) + 1 if is_arrow(token) else (token.end_column or 1) - 1
            at += 1
        closing = next((n for n, token in enumerate(tokens[start:at]) if depth_change(token) >= 0), at - start)
        more = 0 if number == statement.first else _hanging(began, began - closing)
        rest = lines[number - 1][end:].strip()
        yield Row(statement.indent + more if code or rest else 0, code, facts, rest)


def _hanging(began: int, depth: int) -> int:
    """How much deeper a line stands that goes on in brackets, or behind an arrow."""
    return STEP * depth if began else 2 * STEP


def align_numbers(rows: Sequence[Row]) -> None:
    """Calls of one module with three numbers or more, as papers tabulate them, get columns of numbers."""
    groups: dict[tuple[int, str, int], list[tuple[Row, str, list[str]]]] = {}
    for row in rows:
        match = _NUMBERS.fullmatch(row.code)
        numbers = match["numbers"].split(", ") if match else []
        if match and len(numbers) >= _MIN_NUMBERS:
            head = match["head"]
            called = head.split()[-1]
            groups.setdefault((row.indent + len(head), called, len(numbers)), []).append((row, head, numbers))
    for group in groups.values():
        width = max(len(number) for *_, numbers in group for number in numbers)
        for row, head, numbers in group:
            row.code = head + " ".join([*(f"{number},".ljust(width + 1) for number in numbers[:-1]), numbers[-1]])


def align_arrows(rows: Sequence[Row]) -> None:
    """The arrows of renames that follow each other in one scope stand in one column."""

    def scope(row: Row) -> tuple[bool, int]:
        return " -> " in row.code and not row.code.startswith("in "), row.indent

    for (is_rule, _), group in groupby(rows, scope):
        if is_rule:
            split = [(row, *row.code.split(" -> ", 1)) for row in group]
            width = max(len(pattern) for _, pattern, _ in split)
            for row, pattern, replacement in split:
                row.code = f"{pattern.ljust(width)} -> {replacement}"


def align_colons(rows: Sequence[Row]) -> None:
    """The colons of `init` rows that follow each other in one scope are followed by one column of recipes."""

    def scope(row: Row) -> tuple[bool, int]:
        return ": " in row.code and not row.code.startswith("in "), row.indent

    for (is_row, _), group in groupby(rows, scope):
        if is_row:
            split = [(row, *row.code.split(": ", 1)) for row in group]
            width = max(len(targets) for _, targets, _ in split)
            for row, targets, recipe in split:
                row.code = f"{f'{targets}:'.ljust(width + 1)} {recipe}"


# ---- tables and maps ------------------------------------------------------------------------------------------------


def table_rows(lines: Iterable[str]) -> list[Row]:
    """The rows of a `table`, its columns padded between bars."""
    rows, cells = _cells(lines, lambda code: [cell(text) for text in code.split("|") if text.strip()])
    header = next(filter(None, cells), list[str]())
    header[:] = [f"{FACTS} {' '.join(name[2:].split())}" if name.startswith(FACTS) else name for name in header]
    for row, texts in zip(rows, _padded(cells), strict=True):
        row.code = " | ".join(texts).rstrip()
    return rows


def map_rows(lines: Iterable[str]) -> list[Row]:
    """The rows of a `map`: two blanks behind the heading of a row, one between the marks."""
    rows, cells = _cells(lines, str.split)
    for row, texts in zip(rows, _padded(cells), strict=True):
        row.code = f"{texts[0]}  {' '.join(texts[1:])}".rstrip() if texts else ""
    return rows


def _cells(lines: Iterable[str], split: Callable[[str], list[str]]) -> tuple[list[Row], list[list[str]]]:
    rows: list[Row] = []
    cells: list[list[str]] = []
    for text in lines:
        comment = _TABLE_COMMENT.search(text)
        rows.append(Row(comment=comment[0].rstrip() if comment else ""))
        cells.append(split(text[: comment.start()] if comment else text))
    return rows, cells


def _padded(cells: Sequence[Sequence[str]]) -> list[list[str]]:
    widths = [0] * max(map(len, cells), default=0)
    for row in cells:
        for at, text in enumerate(row):
            widths[at] = max(widths[at], len(text))
    return [[text.ljust(width) for text, width in zip(row, widths, strict=False)] for row in cells]


# ---- printing -------------------------------------------------------------------------------------------------------


def printed(rows: Iterable[Row], least: int = FACT_COLUMN) -> list[str]:
    """The rows as lines, facts and comments each in a column not left of `least`; one blank line at most in a row."""
    lines: list[str] = []
    for has_code, group in groupby(rows, lambda row: bool(row.code)):
        members = list(group)
        if has_code:
            texts = _aligned([" " * row.indent + row.code for row in members], [row.facts for row in members], least)
            lines += _aligned(texts, [row.comment for row in members], least)
        else:
            lines += [" " * row.indent + row.comment if row.comment else "" for row in members]
    return squeezed(lines)


def _aligned(texts: Sequence[str], tails: Sequence[str], least: int) -> list[str]:
    """Each text with its tail, if it has one, the tails in one column unless a text is too long for it."""
    widths = [len(text) for text, tail in zip(texts, tails, strict=True) if tail and len(text) <= PUSHING]
    column = max(least, max(widths, default=0) + 2)
    return [beside(text, tail, column) for text, tail in zip(texts, tails, strict=True)]


def beside(text: str, tail: str, column: int) -> str:
    """`text` with `tail`, if there is one, at a column (from 0), or two blanks behind a longer text."""
    return f"{text.ljust(max(column, len(text) + 2))}{tail}" if tail else text


def squeezed(lines: Iterable[str]) -> list[str]:
    """The lines without blank ones at both ends, and with at most one in a row."""
    found: list[str] = []
    for text in lines:
        if text or (found and found[-1]):
            found.append(text)
    return found[:-1] if found and not found[-1] else found
