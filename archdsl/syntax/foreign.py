"""What people write who know another language, and what a PDF or a word processor makes of plain characters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from ..diagnostics import nearest
from .stops import FUNCTIONS, JOINS, Found, Stop, code_of

Edits: TypeAlias = tuple[tuple[int, int, str], ...]
UNITS = ("params", "multiply-adds", "connections", "statistics", "frozen", "stored")
_UNIT_SYNONYMS = {
    "parameters": "params", "parameter": "params", "param": "params", "weights": "params", "trainable": "params",
    "macs": "multiply-adds", "mac": "multiply-adds", "madds": "multiply-adds", "mults": "multiply-adds",
    "mult-adds": "multiply-adds", "madd": "multiply-adds", "maccs": "multiply-adds", "multiply-add": "multiply-adds",
    "flops": "multiply-adds", "flop": "multiply-adds", "gflops": "multiply-adds", "mflops": "multiply-adds",
    "links": "connections", "buffers": "statistics",
}  # fmt: skip
_SAME_UNITS = frozenset({
    "parameters", "parameter", "param", "macs", "mac", "madds", "mult-adds", "madd", "maccs", "multiply-add",
})  # fmt: skip
"""Those that surely mean the same."""
_TYPESET = {
    "\u2192": "->", "\u27f6": "->", "\u21d2": "=>", "\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2010": "-", "\u2011": "-",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"', "\u2018": '"', "\u2019": '"', "'": '"',
    "\u2264": "<=", "\u2265": ">=", "\u2260": "!=", "\u00b7": "*", "\u2217": "*", "\u22c5": "*", "\u2044": "/", "\u00f7": "/",
    "\uff0c": ",", "\uff1a": ":", "\uff08": "(", "\uff09": ")", "\u2026": "..", "\u00a0": " ", "\u2009": " ", "\u202f": " ",
    "\u3000": " ", "\u2715": "x", "\u2a2f": "x",
}  # fmt: skip
_SAID = {
    "->": "the arrow is `->`",
    " ": "a plain blank separates words",
    "x": "`x` stands between sizes, as does `\u00d7`",
}


def _letters(stop: Stop) -> Found | None:
    """A name with letters that are not ASCII, some of which look as if they were."""
    word = re.match(r"\w+", stop.rest)
    strange = next((c for c in word[0] if not c.isascii()), None) if word else None
    if word is None or strange is None:
        return None
    import unicodedata  # of use to mistakes alone

    said = f"`{strange}` is U+{ord(strange):04X}, {unicodedata.name(strange, 'a letter without a name').lower()}"
    help = f"{said}; names have the letters A to Z, a label in quotes any"
    return Found("A0111", "this name has a letter that is not ASCII", help, stop.column, len(word[0]))


GROUPED = "write `[a -> b]`, with ` x 3` behind it for a repeat, or `name: ` before it for a part with a name"


def _typeset(stop: Stop) -> Found | None:
    """A character that is printed like one of the language's."""
    char = stop.rest[:1]
    plain = _TYPESET.get(char)
    if plain is None:
        return None
    shown = "this blank is a special one" if plain == " " else f"`{char}` is a character of typesetting"
    quotes = [at for at, c in enumerate(code_of(stop.source), 1) if _TYPESET.get(c) == '"']  # one needs the other
    edits = tuple((at, 1, plain) for at in (quotes if plain == '"' else [stop.column]))
    return Found("A0111", shown, _SAID.get(plain, f"write `{plain}`"), stop.column, 1, edits)


def _call(stop: Stop) -> Found | None:
    """`conv(3x3, 8)`; `max (2, 3)`."""
    match = re.match(r"([A-Za-z_]\w*)[ \t]*\(", stop.rest)
    if match is None or re.search(r"\bin$", stop.before):
        return _spaced_call(stop)
    word, at = match[1], stop.column + match.end() - 1
    if stop.before and not stop.before.endswith(("->", ":", "[", "-")) and stop.previous != "else":
        near = nearest(word, FUNCTIONS)
        help = f"did you mean `{near}`?" if near else f"the functions are {', '.join(FUNCTIONS)}"
        return Found("A0111", f"there is no function `{word}`", help, stop.column, len(word))
    return _parenthesised(word, stop.source, at)


def _spaced_call(stop: Stop) -> Found | None:
    if stop.piece == "(" and (not stop.before or stop.before.endswith(("->", ":", "[", "- "))):
        return Found("A0111", "layers are put together in brackets, not in parentheses", GROUPED, stop.column, 1)
    if stop.piece != "(" or not stop.previous:
        return None
    return _parenthesised(stop.previous, stop.source, stop.column)


def _parenthesised(word: str, source: str, column: int) -> Found:
    """Arguments in parentheses, the first of which stands at a column of a line."""
    code = code_of(source)
    inside = code[column:]
    end = _closing(inside)
    arguments = (inside.split(")", maxsplit=1)[0] if end is None else inside[:end]).strip()
    arguments = re.sub(r"(?<![=!<>])\s*=\s*(?!=)", " ", arguments)
    help = f"write `{word} {arguments}`" if arguments else f"write `{word}`"
    if re.match(r"[A-Za-z_]\w* +[\d(]", arguments):  # a layer in a layer's parentheses, if its word is one
        help, end = f"arguments: `{word} {arguments}`; layers: `{arguments} -> {word}`", None
    start = len(source[: column - 1].rstrip())
    mended = f" {arguments}" if arguments else ""
    edits = () if end is None else ((start + 1, column + end - start + 1, mended),)
    return Found("A0111", "arguments follow the word without parentheses", help, column, 1, edits)


def _opening(before: str) -> int:
    """Where the bracket opens that closes at the end of a text."""
    depth = 0
    for at in range(len(before) - 1, -1, -1):
        depth += {"]": 1, "[": -1}.get(before[at], 0)
        if depth == 0:
            return at
    return 0


def _closing(inside: str) -> int | None:
    """Where the parenthesis closes that stands before a text."""
    depth = 1
    for at, char in enumerate(inside):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth == 0:
            return at
    return None


def _equals(stop: Stop) -> Found | None:
    if stop.piece != "=" or re.search(r"\bfor\s+\w+$", stop.before):
        return None
    value = re.match(r"=\s*(\S+?)(?=[,\s]|$)", stop.rest)
    name, given = stop.previous or "name", value[1] if value else "value"
    label = re.fullmatch(r"\s*(?:-\s+)?\w+", stop.before)
    problem, end = "`=` stands only in signatures", len(stop.before)
    if label and value is not None and stop.rest != value[0]:
        edits = ((end + 1, stop.column - 1 - end + value.start(1), ": "),)
        return Found("A0111", problem, f"a label ends in a colon: `{name}: ...`", edits=edits)
    if given.lower() in ("false", "no", "none"):
        return Found("A0111", problem, f"write `no {name}`", edits=_pair(stop, value, f"no {name}"))
    if given.lower() in ("true", "yes"):
        return Found("A0111", problem, f"write `{name}`", edits=_pair(stop, value, name))
    help = f"write `{name} {given}`, without `=`"
    return Found("A0111", problem, help, edits=_pair(stop, value, f"{name} {given}"))


def _pair(stop: Stop, value: re.Match[str] | None, mended: str) -> Edits:
    """The edit of `name = value`, if the name is one."""
    if value is None or not stop.previous.isidentifier():
        return ()
    start = len(stop.before) - len(stop.previous)
    return ((start + 1, stop.column - 1 + value.end() - start, mended),)


def _slash(stop: Stop) -> Found | None:
    """`conv 3x3, 64, /2`, as figures write a stride."""
    stride = re.match(r"/\s*(\d+)", stop.rest)
    if stride is None or not stop.before.endswith(","):
        return None
    help, edits = f"write `stride {stride[1]}`", ((stop.column, stride.end(), f"stride {stride[1]}"),)
    return Found("A0111", "a stride is written in words", help, stop.column, stride.end(), edits)


def _semicolon(stop: Stop) -> Found | None:
    if stop.piece not in (";", "|", ">", ">>"):
        return None
    message = f"layers are separated by an arrow `->` or a newline, not by `{stop.piece}`"
    sign = re.match(r"(?:>>?|\|>?|;)\s*", stop.rest)
    end, length = len(stop.before), sign.end() if sign else 1
    if sign is not None and sign[0].strip() == "|":  # elsewhere it parts what stands side by side
        help = "one after the other: `a -> b`; side by side: below `concat:`, `add:` or `mul:`, a dash `-` each"
        return Found("A0111", message, help)
    mended = " -> " if stop.rest[length:] else ""
    return Found("A0111", message, edits=((end + 1, stop.column - 1 - end + length, mended),) if end else ())


def _times(stop: Stop) -> Found | None:
    """`unit 64 x 3`, `[relu] * 3`, `3 * [relu]`, `relu * 3`."""
    if stop.piece == "x":
        return _repeat(stop)
    after = stop.rest[1:].strip()
    if stop.piece == "*" and stop.before.endswith("]"):
        help = f"write `{stop.before[_opening(stop.before) :]} x {after.split(' ')[0]}`"
        return Found("A0111", "a repeat is written with `x`", help, edits=_spaced(stop, " x "))
    if stop.piece == "*":
        return Found(
            "A0111", "a repeat needs brackets and an `x`", f"write `[{_unit(stop.before)}] x {after.split(' ')[0]}`"
        )
    counted = re.match(r"(\d+)\s*[*x\u00d7]?\s*[\[:(]?\s*(.*?)[\])]?$", stop.rest)
    begins = not stop.before or stop.before.endswith("->")
    sized = re.match(r"(\d+(?:[x\u00d7]\d+)+)\s+([A-Za-z_]\w*)(.*)", stop.rest)
    if sized and begins:
        size, word, others = sized.groups()
        comma = "" if not others or others.lstrip().startswith((",", "->")) else ","
        help = f"write `{word} {size}{comma}{others}`"
        return Found("A0111", "a layer begins with its word", help, stop.column, len(size))
    if counted and begins and re.match(r"\d+\s*([*x\u00d7]|\[)", stop.rest):
        return Found(
            "A0111", "a repeat puts the count behind", f"write `[{counted[2].lstrip('*x: [(')}] x {counted[1]}`"
        )
    return None


def _repeat(stop: Stop) -> Found | None:
    count = re.match(r"x\s*([\w(]+)", stop.rest)
    times = count[1] if count else "3"
    size = re.search(r"(\d+)$", stop.before)
    inside = _unit(stop.before)
    if not inside:
        return None
    if stop.before.endswith("}"):
        return Found(
            "A0111", "layers are put together in brackets, not in braces", GROUPED, stop.before.rfind("{") + 1, 1
        )
    if stop.before.count("[") > stop.before.count("]"):
        help = f"write `{stop.before.strip()}] x {times}`"
        return Found("A0109", "`[` is not closed", help, stop.before.rindex("[") + 1, 1)
    help = f"write `[{inside}] x {times}`"
    if size and re.match(r"x\s*\d+\s*,", stop.rest):
        return Found(
            "A0111", "a size is written without blanks", f"write `{size[1]}x{times}`", edits=_spaced(stop, "x")
        )
    if size and times.isdecimal():
        help += f", or without spaces `{size[1]}x{times}` if it is a size"
    return Found("A0111", "a repeat needs brackets around what is repeated", help)


def _spaced(stop: Stop, mended: str) -> Edits:
    """The edit of a sign of one character with the blanks around it."""
    end, after = len(stop.before), len(stop.rest) - len(stop.rest[1:].lstrip())
    return ((end + 1, stop.column - 1 - end + after, mended),)


def _unit(before: str) -> str:
    return re.split(r"->|(?:^|\s)\w+:\s", before)[-1].strip()


def _argument_choice(stop: Stop) -> Found | None:
    """`conv 3x3, 8 if a else 9`: the condition would choose a layer."""
    match = re.match(r"(.*?)([^\s,]+)\s+(if\b.*\belse)$", stop.before)
    if match is None or not re.match(r"[\d(]|no\b", stop.rest):
        return None
    start, value, test = match.groups()
    other = re.split(r"[,\s]", stop.rest)[0]
    if re.search(r"\($", start):
        return None
    help = f"an argument is chosen in parentheses: `({value} {test} {other})`"
    return Found("A0311", "here `if` chooses between layers, not between arguments", help, match.start(3) + 1, 2)


def _elif(stop: Stop) -> Found | None:
    match = re.match(r"(\s*)(elif|elsif|elseif)\s+(.*)$", stop.source)
    if match is None:
        return None
    return Found(
        "A0111",
        f"`{match[2]}` is `else if`",
        f"write `else if {match[3]}`",
        match.start(2) + 1,
        len(match[2]),
        ((match.start(2) + 1, len(match[2]), "else if"),),
    )


def _range(stop: Stop) -> Found | None:
    """`for i in range(3)`, `for i = 1..3`, `1...3`, `for each row in T`."""
    called = re.match(r"range\s*\((.*?)\)", stop.rest)
    if called and re.search(r"\bin$", stop.before):
        ends = [part.strip() for part in called[1].split(",")]
        first, last = (ends[0], f"{ends[1]} - 1") if len(ends) > 1 else ("1", ends[0])
        return Found("A0111", "a range is written with two dots", f"write `{first}..{last}`", stop.column, len("range"))
    if re.search(r"\bfor\s+\w+$", stop.before) and stop.piece in ("=", "of", "from", "over"):
        if stop.previous == "row":
            return None
        edits = ((stop.column, len(stop.piece), "in"),)
        return Found(
            "A0111", "a loop's variable is followed by `in`", "`for i in 1..3:`, `for w in widths:`", edits=edits
        )
    if re.search(r"\bfor\b.*\d\.*$", stop.before) and stop.rest.startswith("."):
        start = stop.column - (len(stop.before) - len(stop.before.rstrip(".")))
        edits = ((start, 3, ".."),) if stop.source[start - 1 : start + 3].count(".") == 3 else ()
        return Found("A0111", "a range is written with two dots", "`for i in 1..3:`", start, 3, edits)
    if stop.piece == "in" and re.search(r"\bfor\s+each\s+row$", stop.before):
        table = re.match(r"in\s+(\w+)", stop.rest)
        help = f"write `for each row of {table[1] if table else 'T'}:`"
        return Found("A0111", "the rows are those `of` a table", help, edits=((stop.column, 2, "of"),))
    return None


def _index(stop: Stop) -> Found | None:
    if stop.piece != "[" or not stop.previous or not stop.source[: stop.column - 1].endswith(stop.previous):
        return None
    return Found("A0111", "a list has no index", "widths by stage are columns of a table: `for each row of T:`")


def _size(stop: Stop) -> Found | None:
    """`(3, 3)` for a size."""
    pair = re.search(r"\(\s*(\w+)$", stop.before)
    other = re.match(r",\s*(\w+)\s*(?:,\s*(\w+)\s*)?\)", stop.rest)
    if pair is None or other is None:
        return None
    sizes = "x".join(size for size in (pair[1], *other.groups()) if size)
    edits = ((pair.start() + 1, stop.column - 1 + other.end() - pair.start(), sizes),)
    return Found("A0111", "a size is written with `x`, not in parentheses", f"write `{sizes}`", edits=edits)


def _fact(stop: Stop) -> Found | None:
    """`224 parameters`, `1.2k params`: facts with other words."""
    start = stop.source.rfind("=>", 0, stop.column) + 2
    if start < 2:
        return None
    for match in re.compile(r"\s*([^,]+)").finditer(stop.source, start):
        if match.end() >= stop.column:
            return _quantity(match[1], match.start(1) + 1, stop)
    return None


def _quantity(text: str, column: int, stop: Stop) -> Found | None:
    match = re.match(r"(~?[\d_]+(?:\.\d+)?)([A-Za-z]*)(?:\s+([\w-]+))?", text)
    if match is None:
        return None
    number, suffix, unit = match.groups()
    synonym = _UNIT_SYNONYMS.get((unit or suffix).lower())
    if unit is None and synonym is None:
        return _without_unit(number, suffix, column, match, stop)
    known = unit if unit in UNITS else synonym or (nearest(unit, UNITS) if unit else None)
    if suffix and unit and suffix not in ("K", "M", "G", "T", "Ki"):
        right = {"k": "K", "m": "M", "g": "G", "b": "G", "t": "T", "bn": "G"}.get(suffix.lower())
        if right is None:
            return None
        help = f"write `{number}{right} {known or 'params'}`"
        return Found(
            "A0701",
            f"`{suffix}` is no order of magnitude; those are K, M, G and T",
            help,
            column + match.start(2),
            len(suffix),
            ((column + match.start(2), len(suffix), right),),
        )
    if unit in UNITS:
        return None
    said, at = (unit, match.start(3)) if unit else (suffix, match.start(2))
    help = f"write `{number}{suffix if unit else ''} {known}`" if known else f"the units are {', '.join(UNITS)}"
    edits = ((column + at, len(said), known),) if unit and known and said.lower() in _SAME_UNITS else ()
    return Found("A0701", f"`{said}` is no unit of a fact", help, column + at, len(said), edits)


def _without_unit(number: str, suffix: str, column: int, match: re.Match[str], stop: Stop) -> Found | None:
    if not suffix and "." not in number and stop.piece:
        return None
    help = f"`{number}{suffix} params`, `{number}{suffix} multiply-adds`"
    return Found("A0701", f"a unit is missing after `{number}{suffix}`", help, column, match.end())


def _dots(stop: Stop) -> Found | None:
    """`--> relu`, `8, -> relu`."""
    if stop.piece == ">" and stop.before.endswith("-") and stop.before[:-1].rstrip().endswith(","):
        at = len(stop.before[:-1].rstrip())
        return Found(
            "A0109", "nothing follows the comma", "an argument is missing, or the comma is one too many", at, 1
        )
    if stop.piece == "->" and stop.source[stop.column - 2 : stop.column - 1] in "-=":
        return Found("A0111", "the arrow is `->`", None, stop.column - 1, 3, ((stop.column - 1, 3, "->"),))
    if stop.piece in ("-", "~") and re.match(r"[-~]{1,2}>", stop.rest):
        length = stop.rest.index(">") + 1
        return Found("A0111", "the arrow is `->`", None, stop.column, length, ((stop.column, length, "->"),))
    return None


def _listed(stop: Stop) -> Found | None:
    """`residual add`, a joining word without its colon."""
    if stop.previous not in (*JOINS, "residual", "shortcut") or not re.match(r"[\w\[@]", stop.piece):
        return None
    if stop.before.strip() != stop.previous:
        return None
    help, edits = f"write `{stop.before.strip()}: {stop.rest}`", ((len(stop.before) + 1, 0, ":"),)
    return Found("A0109", f"a colon is missing after `{stop.previous}`", help, edits=edits)


FOREIGN: tuple[Callable[[Stop], Found | None], ...] = (
    _typeset, _letters, _elif, _range, _fact, _argument_choice, _call, _equals, _dots, _slash, _semicolon, _times, _index, _size, _listed,
)  # fmt: skip
"""In this order: the first that knows the mistake has it."""
