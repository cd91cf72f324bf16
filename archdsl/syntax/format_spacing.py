"""Canonical blanks between the tokens of a line, after the parser's own tokens, so that the grammar alone says what is what.

One blank around arrows, comparisons, `+` and `-`; none around `^`, `..`, `=`, nor inside braces and the dimensions of a
shape. Products are tight (`C/2`, `anchors*classes`), except beside a power (`width * 2^(i-1)`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field

from ..records import dataclass
from .lalr import Refused, Token
from .tables import driver

FACTS = "=>"
_OPENING = frozenset({"LSQB", "LPAR", "FUNC"})
_CLOSING = frozenset({"RSQB", "RPAR"})
_NONE_BEFORE = frozenset({"COMMA", "COLON", "TRANSPOSED"}) | _CLOSING
_NONE_AFTER = frozenset({"COEF"}) | _OPENING
_NONE_AROUND = frozenset({"^", "=", ".."})
_ENDS_A_SUM = frozenset(
    {"COMMA", "COLON", "CMP", "_ARROW", "IF", "ELSE", "AND", "OR", "IS", "NOT", "IN", "DOWNTO", "OF"}
)
_LAYOUT = frozenset({"_NL", "_INDENT", "_DEDENT"})
_WORDLIKE = re.compile(r'[\w.+/-]+|"[^"\n]*"')
_STRING_OR_COMMENT = re.compile(r'"[^"\n]*"|(#.*)')
_BRACES = re.compile(r'"[^"\n]*"|\{([^{}\n]*)\}')


def lex(text: str, start: str) -> list[Token]:
    """The tokens of a text that begins with the rule `start`.

    Raises `Refused` if the text is not of that rule.
    """
    return driver().tokens(text, start)


def is_arrow(token: Token) -> bool:
    """Whether the token is `->`, which swallows the newlines behind it."""
    return token.type == "_ARROW"


def depth_change(token: Token) -> int:
    """1 for an opening bracket, -1 for a closing one."""
    return (token.type in _OPENING) - (token.type in _CLOSING)


def word(token: Token) -> str:
    """The token as it is printed."""
    text = str(token)
    if token.type == "_ARROW":
        return "->"
    if token.type == "WHEN":
        return " ".join(text.split())
    if token.type == "TRANSPOSED":
        return ", transposed"
    if " " not in text or token.type not in ("SIZES", "SHAPE", "TEMPLATE", "TAP"):
        return text
    return _tight_dims(text) if token.type in ("SIZES", "SHAPE") else _BRACES.sub(_tight_braces, text)


def _tight_braces(match: re.Match[str]) -> str:
    if match[1] is None:  # a text in quotes
        return match[0]
    try:
        return f"{{{expression(match[1], tight=True)}}}"
    except Refused:  # in a word, where elaboration refuses it, and not a label, whose braces are parsed
        return match[0]


def _tight_dims(text: str) -> str:
    """A shape whose expressions in parentheses are written without blanks."""
    done, start, depth = "", 0, 0
    for at, char in enumerate(text):
        if char == "(":
            depth += 1
            if depth == 1:
                done, start = done + text[start:at], at
        elif char == ")":
            depth -= 1
            if depth == 0:
                done, start = done + expression(text[start : at + 1], tight=True), at + 1
    return done + text[start:]


def expression(text: str, tight: bool = False) -> str:
    """An expression alone.

    >>> expression("width*2 ^ (i - 1)"), expression("2 * ( a+b )"), expression("n -1", tight=True)
    ('width * 2^(i-1)', '2*(a + b)', 'n-1')
    """
    return joined(lex(text.strip(), "sum"), tight)


def line(text: str, start: str) -> str:
    """One line of a rule: `signature`, `shape` or `defaults`.

    >>> line("basic  w,s = 1 on CxHxW->(2C)x(H / 2)x(W/2)", "signature")
    'basic w, s=1 on CxHxW -> (2C)x(H/2)x(W/2)'
    """
    return joined(lex(text.strip(), start), tight=start == "signature")


def link(text: str) -> str:
    """A file and what follows it in `use` and `extends`.

    >>> link("resnet.yaml,stride_in  3x3")
    'resnet.yaml, stride_in 3x3'
    """
    path, comma, rest = text.partition(",")
    return f"{path.strip()}, {line(rest, 'defaults')}" if comma else path.strip()


def without_comments(text: str) -> tuple[str, list[str]]:
    """A text of the language and the comments in it, as those that YAML's quotes and blocks can smuggle into a value.

    >>> without_comments('4d # "four"')
    ('4d ', ['# "four"'])
    """
    comments = [match[1].rstrip() for match in _STRING_OR_COMMENT.finditer(text) if match[1]]
    return _STRING_OR_COMMENT.sub(lambda match: "" if match[1] else match[0], text), comments


def cell(text: str) -> str:
    """A cell of a table or the value of a parameter: words stay as they are, expressions get canonical blanks.

    >>> cell("A-LRN"), cell("[32,64]"), cell("~3.8G")
    ('A-LRN', '[32, 64]', '~3.8G')
    """
    text = text.strip()
    if _WORDLIKE.fullmatch(text):
        return text
    try:
        shown = expression(text)
    except Refused:
        return text
    return text if _WORDLIKE.fullmatch(shown) else shown  # `- d` does not become the word `-d`


def joined(tokens: Sequence[Token], tight: bool = False) -> str:
    """The tokens of one line as text."""
    shown = [token for token in tokens if token.type not in _LAYOUT]
    return "".join(gap + word(token) for gap, token in zip(gaps(shown, tight), shown, strict=True))


def gaps(tokens: Sequence[Token], tight: bool = False, dash: bool = False) -> list[str]:
    """What stands before each token: a blank or nothing. `dash`: a minus in front makes a path."""
    spaced = _spaced_operators(tokens, tight)
    found: list[str] = []
    for at, token in enumerate(tokens):
        glued = at == 0 or _glued_before(token, at in spaced) or _glued_after(tokens[at - 1], at - 1, spaced, dash)
        if "=" in (token, tokens[at - 1]) and "PATTERN" in (token.type, tokens[at - 1].type):  # two names of one array
            glued = False
        found.append("" if glued else " ")
    return found


def _glued_before(token: Token, spaced: bool) -> bool:
    if token.type in ("PM", "MUL"):
        return not spaced
    return token.type in _NONE_BEFORE or str(token) in _NONE_AROUND


def _glued_after(token: Token, at: int, spaced: set[int], dash: bool) -> bool:
    if token.type in ("PM", "MUL"):
        return at not in spaced
    if token.type == "MINUS":
        return not (dash and at == 0)
    return token.type in _NONE_AFTER or str(token) in _NONE_AROUND


@dataclass(slots=True)
class _Sum:
    """The operators of one expression at one depth of brackets; `inside` says how its neighbours begin."""

    inside: bool
    tight: bool
    sums: list[int] = field(default_factory=list[int])
    products: list[int] = field(default_factory=list[int])
    power: bool = False

    def spaced(self) -> list[int]:
        """The operators with blanks around them."""
        if self.tight:
            return []
        return self.sums or (self.products if self.power else [])


def _spaced_operators(tokens: Sequence[Token], tight: bool) -> set[int]:
    """The places of the operators that have blanks around them."""
    open_ = [_Sum(tight, tight)]
    spaced: set[int] = set()
    for at, token in enumerate(tokens):
        here, text = open_[-1], str(token)
        if token.type in _OPENING:
            inside = here.tight or (at > 0 and tokens[at - 1] == "^")
            open_.append(_Sum(inside, inside))
        elif token.type in _CLOSING:
            spaced.update(open_.pop().spaced())
        elif token.type == "PM":
            here.sums.append(at)
        elif token.type == "MUL":
            here.products.append(at)
        elif text == "^":
            here.power = True
        elif text == "..":
            open_[-1] = _Sum(here.inside, True)
        elif token.type in _ENDS_A_SUM or text == FACTS:
            spaced.update(here.spaced())
            open_[-1] = _Sum(here.inside, here.inside)
    for rest in open_:
        spaced.update(rest.spaced())
    return spaced
