"""What the YAML reader and the text reader share: limits, prepared lines, the rules for the key of a section."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice

from .. import limits
from ..diagnostics import Collector, Diagnostic, Edit, Label, SourceFile, Span, did_you_mean, fail
from ..records import dataclass
from .sections import Fragment, SourceLine

# What may follow the word of a section before its colon.
HEADINGS = {
    "network": "none",
    "source": "none",
    "extends": "none",
    "use": "name",
    "parameters": "none",
    "input": "none",
    "output": "none",
    "default": "none",
    "table": "name",
    "map": "name",
    "module": "signature",
    "def": "signature",
    "layers": "none",
    "changes": "in",
    "init": "none",
    "names": "name",
}
PLANNED = ("operator",)
ENTRY_SECTIONS = ("parameters", "default", "input", "output")
LINE_SECTIONS = ("network", "source", "extends", "use")
EXAMPLES = {
    "use": "use resnet: resnet.yaml",
    "table": "table depths: |",
    "map": "map S2_to_C3: |",
    "module": "module basic w, s=1: |",
    "def": "def conv3 w: conv 3x3, w",
    "changes": "changes in basic: |",
    "names": "names torchvision: |",
}

_TOKEN = re.compile(r"\w+|[^\w\s]")
_SUSPECT = re.compile(r"[^\t\n -~]")
_NONCHARACTER = 0xFFFE
_COMMENT = re.compile(r"(^|\s)#.*$")
_TABLE_CELL, _MAP_CELL = re.compile(r"[^|\s](?:[^|]*[^|\s])?"), re.compile(r"\S+")
_SHOWN = 60


class UnreadableError(Exception):
    """Reading cannot go on; what is wrong has been reported."""


class Report:
    """Takes the mistakes of one file, and makes spans that lie inside it."""

    def __init__(self, file: SourceFile, collector: Collector) -> None:
        self.file = file
        self._lines = file.lines
        self._collector = collector
        self._count = 0

    @property
    def failed(self) -> bool:
        """Whether a mistake was reported."""
        return self._count > 0

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        help: str | None = None,
        labels: Iterable[Label] = (),
        fixes: Iterable[Edit] = (),
    ) -> None:
        """Take one mistake; raises `UnreadableError` when there are too many to be of use."""
        self._collector.add(Diagnostic(code, message, span, tuple(labels), help, fixes=tuple(fixes)))
        self._count += 1
        if self._count >= limits.of("errors"):
            raise UnreadableError

    def check(self, limit: str, value: int, span: Span) -> None:
        """Report a limit that was passed, and end reading."""
        if value > limits.of(limit):
            message, help = limits.sentence(limit)
            self.error("A0801", message, span, help)
            raise UnreadableError

    def span(self, line: int, column: int, length: int = 1) -> Span:
        """The stretch of `length` characters at a 1-based line and column, moved into the file if it is outside."""
        line = min(max(line, 1), len(self._lines))
        column = min(max(column, 1), len(self._lines[line - 1]) + 1)
        return Span(self.file, line, column, line, column + max(length, 1))

    def line_span(self, line: SourceLine) -> Span:
        """The stretch of a whole line of content."""
        return self.span(line.line, line.column, len(line.text))


def quoted(text: str) -> str:
    """A word of the file as messages show it, not longer than a line."""
    return f"`{text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}`"


def table_cells(fragment: Fragment) -> list[list[Fragment]]:
    """The cells of each line of a table, between bars; comments and empty lines left out.

    Raises SpecError for more cells than the limit allows (A0801), and for one that begins as a comment does, but for
    the space before it (A0602); in a heading the cell begins after its arrow.
    """
    rows = _cells(fragment, _TABLE_CELL)
    for cell in (cell for row in rows for cell in row if cell.text.removeprefix("=>").lstrip().startswith("#")):
        fail(
            "A0602",
            f"a cell does not begin with `#`: {quoted(cell.text)}",
            cell.span,
            "a comment has a space before it",
        )
    return rows


def map_cells(fragment: Fragment) -> list[list[Fragment]]:
    """The words of each line of a map; the same limit."""
    return _cells(fragment, _MAP_CELL)


def _cells(fragment: Fragment, pattern: re.Pattern[str]) -> list[list[Fragment]]:
    rows: list[list[Fragment]] = []
    count = 0
    for line in fragment.lines:
        cells = [
            Fragment(fragment.file, (SourceLine(m[0], line.line, line.column + m.start()),), True)
            for m in pattern.finditer(_COMMENT.sub("", line.text))
        ]
        if cells:
            rows.append(cells)
            count += len(cells)
            limits.check("cells", count, cells[0].span)
    return rows


def is_blank(line: str) -> bool:
    """Whether a prepared line holds nothing."""
    return not line.strip(" ")


def is_comment(line: str) -> bool:
    """Whether a prepared line holds a comment alone."""
    return line.lstrip(" ").startswith("#")


def indentation(line: str) -> int:
    """How many blanks a prepared line begins with."""
    return len(line) - len(line.lstrip(" "))


def check_characters(report: Report) -> None:
    """Report every control, bidirectional, private or otherwise invisible character of the file."""
    text = report.file.text
    line, line_start = 1, 0
    for match in _SUSPECT.finditer(text):
        char, at = match.group(), match.start()
        if not is_forbidden(char) or (char == "\r" and text[at + 1 : at + 2] == "\n"):
            continue
        line += text.count("\n", line_start, at)
        line_start = text.rfind("\n", 0, at) + 1
        name = unicodedata.name(char, "a control character").lower()
        message = f"the character U+{ord(char):04X} ({name}) cannot stand in a spec"
        place = report.span(line, at - line_start + 1)
        fixes = [Edit(place, "")] if unicodedata.category(char) == "Cf" else []
        report.error("A0108", message, place, "delete it; it may be invisible", fixes=fixes)


def check_tokens(report: Report) -> None:
    """Refuse a file of more tokens than the limit, at the first one too many."""
    text, most = report.file.text, limits.of("tokens")
    if len(text) <= most:
        return
    beyond = next(islice(_TOKEN.finditer(text), most, None), None)
    if beyond is not None:
        start = beyond.start()
        line = text.count("\n", 0, start) + 1
        report.check("tokens", most + 1, report.span(line, start - text.rfind("\n", 0, start)))


def is_forbidden(char: str) -> bool:
    """Whether a character is invisible or steers a terminal; a tab and a newline are not forbidden."""
    hidden = unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co") and char not in "\t\n"
    return hidden or ord(char) & _NONCHARACTER == _NONCHARACTER


def prepare(report: Report) -> list[str]:
    """The lines of the file without blanks at their ends, tabs made blanks; every column stays what it was.

    Raises `UnreadableError` if the file is too long, holds forbidden characters or is indented by tabs.
    """
    text = report.file.text
    report.check("bytes", len(text), report.span(1, 1))
    check_tokens(report)
    check_characters(report)
    lines = [line.rstrip(" \t\r") for line in text.split("\n")]
    alone = not any(re.match(r"\t* ", line) for line in lines)
    for number, line in enumerate(lines, 1):
        if re.match(r" *\t", line):
            place = report.span(number, line.index("\t") + 1)
            tabs = len(line) - len(line.lstrip("\t"))
            fixes = [Edit(report.span(number, 1, tabs), "  " * tabs)] if alone else []
            report.error("A0107", "a tab indents this line", place, "indent with blanks", fixes=fixes)
    if report.failed:
        raise UnreadableError
    return [line.replace("\t", " ") for line in lines]


def only(lines: Sequence[str], first: int, last: int) -> list[str]:
    """The lines from number `first` to `last` at their places, all others empty."""
    return [""] * (first - 1) + list(lines[first - 1 : last])


def block_lines(lines: Sequence[str], numbers: Sequence[int], indent: int) -> tuple[SourceLine, ...]:
    """The numbered lines without `indent` blanks, and without blank lines at both ends."""
    kept = list(numbers)
    while kept and is_blank(lines[kept[-1] - 1]):
        kept.pop()
    while kept and is_blank(lines[kept[0] - 1]):
        kept.pop(0)
    return tuple(SourceLine(lines[number - 1][indent:], number, indent + 1) for number in kept)


def is_empty(lines: Iterable[SourceLine]) -> bool:
    """Whether there is nothing but blanks and comments."""
    return all(is_blank(line.text) or is_comment(line.text) for line in lines)


@dataclass(frozen=True, slots=True)
class SectionKey:
    """What stands before the colon of a section, checked."""

    keyword: str
    heading: Fragment | None
    span: Span


class SectionKeys:
    """Checks the keys of one file's sections: known, with a heading where one belongs, given once."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._seen: dict[tuple[str, str], Span] = {}

    def open(self, key: SourceLine) -> SectionKey | None:
        """The key taken apart, or None if the section cannot be used; what is wrong is reported."""
        words = key.text.split()
        keyword = words[0] if words else ""
        word_span = self._report.span(key.line, key.column, len(keyword))
        if keyword not in HEADINGS:
            self._refuse_unknown(keyword, word_span)
            return None
        heading = _heading(key, keyword, self._report.file)
        if not self._heading_fits(keyword, words[1:], heading, word_span):
            return None
        span = self._report.line_span(key)
        first = self._seen.setdefault((keyword, " ".join(words[1:])), span)
        if first is not span:
            message = f"{quoted(' '.join(words))} is given twice"
            self._report.error("A0103", message, span, labels=[Label(first, "first here")])
            return None
        return SectionKey(keyword, heading, span)

    def _refuse_unknown(self, keyword: str, span: Span) -> None:
        if keyword in PLANNED:
            self._report.error("A0901", f"`{keyword}` is planned, but not there yet", span)
            return
        message = f"no section is called {quoted(keyword)}" if keyword else "the name of a section is missing"
        known = f"what belongs to the section above is indented; the sections are {', '.join(HEADINGS)}"
        self._report.error("A0104", message, span, did_you_mean(keyword, HEADINGS) or known)

    def _heading_fits(self, keyword: str, words: list[str], heading: Fragment | None, span: Span) -> bool:
        kind, example = HEADINGS[keyword], EXAMPLES.get(keyword)
        if heading is None:
            if kind in ("name", "signature"):
                self._report.error("A0105", f"`{keyword}` needs a name", span, f"for example `{example}`")
            return kind in ("none", "in")
        place = self._report.line_span(heading.lines[0])
        if kind == "none":
            self._report.error("A0105", f"`{keyword}` has no name: the colon follows at once", place)
        elif kind == "name" and len(words) != 1:
            self._report.error("A0105", f"`{keyword}` takes one name", place, f"for example `{example}`")
        elif kind == "in" and (words[0] != "in" or len(words[1:]) != 1):
            help = "write `changes:`, or `changes in MODULE:`"
            self._report.error("A0105", "`changes` takes `in` and a module, or nothing", place, help)
        else:
            return True
        return False


def _heading(key: SourceLine, keyword: str, file: SourceFile) -> Fragment | None:
    start = key.text.index(keyword) + len(keyword)
    rest = key.text[start:]
    text = rest.strip(" ")
    if not text:
        return None
    column = key.column + start + len(rest) - len(rest.lstrip(" "))
    return Fragment(file, (SourceLine(text, key.line, column),), True)
