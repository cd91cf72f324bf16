"""A parser's surprise, said in a sentence a person can act on."""

from __future__ import annotations

import re
from typing import NoReturn

from lark import Token
from lark.exceptions import UnexpectedInput, UnexpectedToken
from lark.indenter import DedentError

from ..diagnostics import fail
from .sections import Fragment

RESERVED = frozenset({
    "no", "if", "else", "for", "in", "of", "on", "is", "not", "and", "or", "when", "x", "again", "output", "shortcut",
    "residual", "concat", "add", "mul", "attend", "mixture",
})  # fmt: skip
_JOINS = ("concat", "add", "mul", "attend")


def explain_syntax_error(fragment: Fragment, error: UnexpectedInput) -> NoReturn:
    """Raise the diagnostic for what the parser could not read."""
    line, column = _position(fragment, error)
    source = fragment.lines[line - 1].text if line <= len(fragment.lines) else ""
    at_end = column > len(source.rstrip())
    token = "" if at_end else _token_at(source, column)
    code, message, help, shift = _classify(source, column, token)
    column = max(1, column + shift)
    fail(code, message, fragment.place(line, column, line, column + max(1, len(token) if not shift else 1)), help)


def _position(fragment: Fragment, error: UnexpectedInput) -> tuple[int, int]:
    """The line and column of the culprit in the fragment, both from 1."""
    last = len(fragment.lines)
    token = _token(error)
    line = token.line or 1 if token is not None and token.type == "_NL" else last
    if token is None or (token.type not in ("$END", "_NL", "_INDENT", "_DEDENT") and error.line >= 1):
        return min(max(error.line, 1), last), max(error.column, 1)
    if token.type in ("_INDENT", "_DEDENT"):  # stands behind its newline: the culprit is the line below
        if token.line is not None and token.line > 0:
            line = token.line + str(token).count("\n")
        while line < last and not fragment.lines[line - 1].text.strip():
            line += 1
        line = min(line, last)
        source = fragment.lines[line - 1].text
        return line, len(source) - len(source.lstrip()) + 1
    line = min(max(line, 1), last)
    return line, len(_code(fragment.lines[line - 1].text)) + 1


def _token(error: UnexpectedInput) -> Token | None:
    """The token at which the parser stopped; None where the lexer found none."""
    found: object = getattr(error, "token", None) if isinstance(error, UnexpectedToken) else None
    return found if isinstance(found, Token) else None


def _code(line: str) -> str:
    """The line without its comment."""
    return re.sub(r'^((?:"[^"]*"|[^#"])*)#.*$', r"\1", line).rstrip()


def _token_at(source: str, column: int) -> str:
    match = re.compile(r"->|=>|[\w.@{}]+|\S").match(source, column - 1)
    return match[0] if match else ""


def _classify(source: str, column: int, piece: str) -> tuple[str, str, str | None, int]:
    """(code, message, help, shift of the caret) for the token at which reading stopped."""
    before = source[: column - 1].rstrip()
    word = re.search(r"(\w+)$", before)
    previous = word[1] if word else ""
    if not piece:
        return _at_line_end(before, previous)
    if _is_reserved_label(source, piece, previous, column):
        culprit = piece if piece in RESERVED else previous
        return "A0110", f"`{culprit}` is a reserved word", f'as a label write `"{culprit}": ...`', 0
    if piece == "mixture":
        return "A0902", "`mixture` is a word of the language that is kept for later", None, 0
    if piece == "=":
        return "A0111", "`=` stands only in signatures", f"write `{previous or 'name'} value`, without `=`", 0
    if piece == ";":
        return "A0111", "layers are separated by an arrow `->` or a newline, not by `;`", None, 0
    if piece == "(" and previous:
        return "A0111", f"arguments follow the word without parentheses: `{previous} ...`", None, 0
    if piece == "=>":
        return "A0109", "a fact cannot stand here", "facts end a line: `conv 3x3, 8 => 8x32x32, 224 params`", 0
    if piece == "x" and before.endswith(tuple("0123456789")):
        return "A0111", "a size is written without spaces: `3x3`", "a repeat needs brackets: `[unit 64] x 3`", 0
    if piece == "x":
        return "A0111", "a repeat needs brackets: `[unit 64] x 3`", None, 0
    if piece == "-" and not before.strip():
        return "A0109", "a dash makes a path: it belongs under `concat:`, `add:`, `mul:` or `attend:`", None, 0
    if piece == "[" and previous:
        return "A0111", "a list has no index", "widths by stage are columns of a table: `for each row of T:`", 0
    if piece in ("]", ")", "}"):
        return "A0109", f"`{piece}` closes nothing", None, 0
    return _missing(before, previous, piece)


def _at_line_end(before: str, previous: str) -> tuple[str, str, str | None, int]:
    code = _code(before)
    for open_, close in ("[]", "()", "{}"):
        if code.count(open_) > code.count(close):
            return "A0109", f"`{open_}` is not closed", None, 0
    if previous in (*_JOINS, "residual", "shortcut") or re.search(r"\b(if|for|else)\b", before):
        return "A0109", "a colon is missing, or what belongs below it", f"write `{before.strip()}:`", 0
    if before.endswith(":"):
        return "A0109", "nothing follows the colon", "write it behind the colon, or indented on the lines below", 0
    return "A0109", "the line is not finished", None, 0


def _is_reserved_label(source: str, piece: str, previous: str, column: int) -> bool:
    following = source[column - 1 + len(piece) :].lstrip()
    if piece in RESERVED and following.startswith(":"):
        return True
    return piece == ":" and previous in RESERVED and previous not in (*_JOINS, "residual", "shortcut", "else")


def _missing(before: str, previous: str, piece: str) -> tuple[str, str, str | None, int]:
    if not before:
        return "A0109", f"`{piece}` cannot begin a line here", None, 0
    if piece == ":":
        return (
            "A0109",
            "a colon cannot stand here",
            'a label is one word: `name: layer`, or in quotes `"my name": layer`',
            0,
        )
    if re.match(r"[\w@\[(\"{]", piece) and re.search(r"[\w)\]\"}]$", before):
        return (
            "A0112",
            "a comma is missing before this, or an arrow `->` if it is the next layer",
            f"`{previous}, {piece}` or `{previous} -> {piece}`" if previous else None,
            0,
        )
    return "A0109", f"`{piece}` cannot stand here", None, 0


__all__ = ["DedentError", "UnexpectedInput", "explain_syntax_error"]
