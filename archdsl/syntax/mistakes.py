"""A parser's surprise, said in a sentence a person can act on.

The parser says where it stopped (`Stop`). Rules look at that place in turn, first those that know what other languages
and typesetting would have there (`foreign`), then those of this language; the first that recognises the mistake has it.
"""

from __future__ import annotations

import re
from typing import NoReturn

from lark import Token
from lark.exceptions import UnexpectedInput, UnexpectedToken
from lark.indenter import DedentError

from ..diagnostics import Edit, Label, fail
from .foreign import FOREIGN
from .sections import Fragment
from .stops import JOINS, RESERVED, Found, Stop, code_of

_INDENTED = "_INDENT"


def explain_syntax_error(fragment: Fragment, error: UnexpectedInput) -> NoReturn:
    """Raise the diagnostic for what the parser could not read."""
    line, column = _position(fragment, error)
    token = _token(error)
    if token is not None and token.type == _INDENTED:
        _too_deep(fragment, line, column)
    _never_closed(fragment, line)
    source = fragment.lines[line - 1].text if line <= len(fragment.lines) else ""
    stop = Stop.at(source, column, _opens(fragment, line))
    found = next(found for rule in (*FOREIGN, *_RULES) if (found := rule(stop)) is not None)
    start = stop.column if found.start is None else found.start
    length = len(stop.piece) if found.start is None and found.length is None else found.length or 1
    fixes = [Edit(fragment.place(line, at, line, at + many), text) for at, many, text in found.edits]
    place = fragment.place(line, start, line, start + max(1, length))
    fail(found.code, found.message, place, found.help, fixes=fixes)


def _opens(fragment: Fragment, number: int) -> bool:
    """Whether the lines below a line are indented deeper."""
    code = _code_of_line(fragment, number)
    below = next((c for n in range(number + 1, len(fragment.lines) + 1) if (c := _code_of_line(fragment, n))), "")
    return len(below) - len(below.lstrip()) > len(code) - len(code.lstrip())


def _never_closed(fragment: Fragment, stopped: int) -> None:
    """Refuse a bracket of an earlier line that nothing closes: all that follows was read as if it stood inside."""
    waiting: list[tuple[int, int, str]] = []
    for number, line in enumerate(fragment.lines, 1):
        for match in re.finditer(r'"[^"\n]*"|[\[\](){}]', code_of(line.text)):
            if match[0] in ("[", "(", "{"):
                waiting.append((number, match.start() + 1, match[0]))
            elif match[0] in ("]", ")", "}") and waiting:
                waiting.pop()
    if waiting and waiting[-1][0] < stopped:
        number, column, bracket = waiting[-1]
        help = f"`{ {'[': ']', '(': ')', '{': '}'}[bracket] }` is missing"
        fail("A0109", f"`{bracket}` is not closed", fragment.place(number, column), help)


def _too_deep(fragment: Fragment, line: int, column: int) -> NoReturn:
    """A line indented below one that opens nothing."""
    text = fragment.lines[line - 1].text
    above = next((n for n in range(line - 1, 0, -1) if _code_of_line(fragment, n)), line)
    code = _code_of_line(fragment, above)
    place = fragment.place(line, column, line, len(code_of(text)) + 1)
    opened = fragment.place(above, len(code) - len(code.lstrip()) + 1, above, len(code) + 1)
    head = re.search(rf"(?:^|[\s:\[-])(residual|shortcut|for|if|else|output|{'|'.join(JOINS)})\b", code)
    if head and not code.endswith(":"):
        end = fragment.place(above, len(code) + 1)
        edit = Edit(fragment.place(above, len(code) + 1, above, len(code) + 1), ":")
        fail("A0109", "a colon is missing", end, f"write `{code.strip()}:`", fixes=[edit])
    help = "indent it like that line; lines go on deeper only below one that ends in a colon"
    fail("A0107", "this line is indented too far", place, help, [Label(opened, "nothing goes on below this line")])


def _code_of_line(fragment: Fragment, number: int) -> str:
    return code_of(fragment.lines[number - 1].text)


def _position(fragment: Fragment, error: UnexpectedInput) -> tuple[int, int]:
    """The line and column of the culprit in the fragment, both from 1."""
    last = len(fragment.lines)
    token = _token(error)
    line = token.line or 1 if token is not None and token.type == "_NL" else last
    if token is None or (token.type not in ("$END", "_NL", "_INDENT", "_DEDENT") and error.line >= 1):
        return min(max(error.line, 1), last), max(error.column, 1)
    if token.type in ("_INDENT", "_DEDENT"):  # begins with the newline above it: the culprit is the next line with code
        line = min((token.line or 1) + 1, last)
        while line < last and not _code_of_line(fragment, line):
            line += 1
        source = fragment.lines[line - 1].text
        return line, len(source) - len(source.lstrip()) + 1
    line = min(max(line, 1), last)
    while line > 1 and not _code_of_line(fragment, line):
        line -= 1
    return line, len(code_of(fragment.lines[line - 1].text)) + 1


def _token(error: UnexpectedInput) -> Token | None:
    """The token at which the parser stopped; None where the lexer found none."""
    found: object = getattr(error, "token", None) if isinstance(error, UnexpectedToken) else None
    return found if isinstance(found, Token) else None


# ---- the rules of this language -------------------------------------------------------------------------------------


def _line_end(stop: Stop) -> Found | None:
    if stop.piece:
        return None
    code = code_of(stop.before)
    for open_, close in ("[]", "()", "{}"):
        if code.count(open_) > code.count(close):
            at = _unclosed(code, open_, close)
            return Found("A0109", f"`{open_}` is not closed", f"`{close}` is missing", at + 1, 1)
    if code.count('"') % 2:
        return Found("A0109", "the quote is not closed", None, code.rindex('"') + 1, 1)
    if stop.previous in (*JOINS, "residual", "shortcut") or re.search(r"\b(if|for|else)\b", stop.before):
        help = f"write `{stop.before.strip()}:`"
        edits = ((len(stop.before) + 1, 0, ":"),) if stop.opens else ()
        return Found("A0109", "a colon is missing, or what belongs below it", help, edits=edits)
    if stop.before.endswith(":"):
        help = "write it behind the colon, or indented on the lines below"
        return Found("A0109", "nothing follows the colon", help)
    if re.search(r":\s*=>[^:]*$", stop.before):
        return Found("A0109", "nothing stands below this line that its facts could speak of")
    if stop.before.endswith(","):
        return Found(
            "A0109", "nothing follows the comma", "an argument is missing, or the comma is one too many", *_last(stop)
        )
    if stop.before.endswith("->"):
        return Found("A0109", "no layer follows the arrow", None, len(stop.before) - 1, 2)
    return Found("A0109", "the line is not finished")


def _last(stop: Stop) -> tuple[int, int]:
    return len(stop.before), 1


def _unclosed(code: str, open_: str, close: str) -> int:
    """Where the outermost bracket stands that nothing closes."""
    waiting: list[int] = []
    for at, char in enumerate(code):
        if char == open_:
            waiting.append(at)
        elif char == close and waiting:
            waiting.pop()
    return waiting[-1] if waiting else code.index(open_)


def _reserved(stop: Stop) -> Found | None:
    following = stop.rest[len(stop.piece) :].lstrip()
    if stop.piece in RESERVED and following.startswith(":"):
        return _reserved_word(stop.piece, stop.column)
    label = stop.piece == ":" and stop.previous in RESERVED
    if label and stop.previous not in (*JOINS, "residual", "shortcut", "else"):
        return _reserved_word(stop.previous, len(stop.before) - len(stop.previous) + 1)
    return None


def _reserved_word(word: str, column: int) -> Found:
    help, edit = f'as a label write `"{word}": ...`', (column, len(word), f'"{word}"')
    return Found("A0110", f"`{word}` is a reserved word", help, column, len(word), (edit,))


def _later(stop: Stop) -> Found | None:
    if stop.piece != "mixture":
        return None
    return Found("A0902", "`mixture` is a word of the language that is kept for later")


def _fact(stop: Stop) -> Found | None:
    if stop.piece != "=>":
        return None
    help = "facts end a line: `conv 3x3, 8 => 8x32x32, 224 params`"
    return Found("A0109", "a fact cannot stand here", help)


def _dash(stop: Stop) -> Found | None:
    if stop.piece != "-" or stop.before.strip():
        return None
    return Found("A0109", "a dash makes a path: it belongs under `concat:`, `add:`, `mul:` or `attend:`")


def _closing(stop: Stop) -> Found | None:
    return Found("A0109", f"`{stop.piece}` closes nothing") if stop.piece in ("]", ")", "}") else None


def _loop(stop: Stop) -> Found | None:
    if re.match(r"(?:.*:)?\s*(?:-\s+)?for\s", stop.before + " ") is None or ":" in stop.before.split("for ")[-1]:
        return None
    if re.search(r"\bfor\s+(each\s+)?row\s*$", stop.before):
        help = "`for each row of T:`"
        return Found("A0109", "a loop over the rows of a table is written `for each row of`", help)
    return Found(
        "A0109", f"`{stop.piece}` cannot stand here", "`for i in 1..3:`, `for w in widths:`, `for each row of T:`"
    )


def _times(stop: Stop) -> Found | None:
    """A repeat whose count is computed: of `[...] x n - 1` nobody can tell what is repeated."""
    count = re.search(r"\][ \t]*[x\u00d7][ \t]+(\w+)$", stop.before)
    rest = re.match(r"[-+*/%^][-+*/%^\w(). \t]*?(?=[ \t]*(?:->|=>|[]:,]|$))", stop.rest)
    if count is None or rest is None:
        return None
    first, last = count.start(1) + 1, stop.column + len(rest[0])
    help = f"write `x ({stop.source[first - 1 : last - 1]})`"
    edits = ((first, 0, "("), (last, 0, ")"))
    return Found("A0109", "a count that is computed stands in parentheses", help, first, last - first, edits)


def _colon(stop: Stop) -> Found | None:
    if stop.piece != ":" or not stop.before:
        return None
    help = 'a label is one word: `name: layer`, or in quotes `"my name": layer`'
    return Found("A0109", "a colon cannot stand here", help)


def _separator(stop: Stop) -> Found | None:
    """Two things side by side."""
    if not re.match(r"[\w@\[(\"{]", stop.piece) or not re.search(r"[\w)\]\"}]$", stop.before):
        return None
    help = f"`{stop.previous}, {stop.piece}` or `{stop.previous} -> {stop.piece}`" if stop.previous else None
    return Found("A0112", "a comma is missing before this, or an arrow `->` if it is the next layer", help)


def _comma(stop: Stop) -> Found | None:
    if stop.piece != ",":
        return None
    after = stop.rest[1:].strip()
    help = f"`{stop.before.split('->')[-1].strip()} -> {after}`" if after and stop.before else None
    if not stop.before or stop.before.endswith(("->", ":", "[", ",")):
        return Found("A0109", "nothing stands before this comma")
    return Found("A0112", "the next layer comes after an arrow `->`; a comma stands between arguments", help)


def _anything(stop: Stop) -> Found | None:
    if not stop.before:
        return Found("A0109", f"`{stop.piece}` cannot begin a line here")
    return Found("A0109", f"`{stop.piece}` cannot stand here")


_RULES = (_line_end, _reserved, _later, _fact, _dash, _closing, _loop, _times, _colon, _separator, _comma, _anything)

__all__ = ["RESERVED", "DedentError", "UnexpectedInput", "explain_syntax_error"]
