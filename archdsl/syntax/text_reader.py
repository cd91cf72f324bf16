"""The text container: a section begins at column 0, what it holds follows its colon or stands indented below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field

from ..diagnostics import Label
from ..records import dataclass
from .reading import (
    ENTRY_SECTIONS,
    Report,
    SectionKey,
    SectionKeys,
    block_lines,
    indentation,
    is_blank,
    is_comment,
    is_empty,
    only,
)
from .sections import Entry, Fragment, Section, SourceLine
from .yaml_reader import read_entries

_COLON = re.compile(r":(?= |$)")
_COMMENT = re.compile(r"(?<![^ ])#")
_BAR = re.compile(r"\|[-+]?$")
_QUOTED = re.compile(r"\"(?P<double>[^\"\\]*)\"$|'(?P<single>(?:[^']|'')*)'$")
_QUOTED_START = re.compile(r"(?:\"[^\"\\]*\"|'(?:[^']|'')*')(?=[ ]+#|$)")


@dataclass(slots=True)
class _Chunk:
    """The line a section begins with, and the numbers of the lines indented below it."""

    number: int
    below: list[int] = field(default_factory=list[int])


def read_text(report: Report, lines: Sequence[str]) -> tuple[Section, ...]:
    """The sections of a text spec, given as prepared lines; mistakes are reported."""
    keys = SectionKeys(report)
    sections: list[Section] = []
    for chunk in _chunks(report, lines):
        section = _section(report, lines, keys, chunk)
        if section is not None:
            sections.append(section)
    return tuple(sections)


def _chunks(report: Report, lines: Sequence[str]) -> list[_Chunk]:
    chunks: list[_Chunk] = []
    stray = False
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            continue
        if is_blank(line) or line.startswith(" "):
            if chunks:
                chunks[-1].below.append(number)
            elif not stray and not is_blank(line) and not is_comment(line):
                stray = True
                place = report.span(number, indentation(line) + 1, len(line) - indentation(line))
                report.error("A0107", "an indented line needs a section above it", place)
        elif line == "---" or line.startswith("--- "):
            if chunks or _content(line[3:].lstrip(" ")):
                message = "a file holds one spec; this would begin a second document"
                report.error("A0102", message, report.span(number, 1, 3))
        else:
            chunks.append(_Chunk(number))
    return chunks


def _section(report: Report, lines: Sequence[str], keys: SectionKeys, chunk: _Chunk) -> Section | None:
    line = lines[chunk.number - 1]
    colon = _COLON.search(line)
    if colon is None or _COMMENT.search(line, 0, colon.start()):
        message = "a section begins with a word and a colon; this line has no colon before a blank or its end"
        help = "what belongs to the section above is indented"
        report.error("A0101", message, report.span(chunk.number, 1, len(line)), help)
        return None
    opened = keys.open(SourceLine(line[: colon.start()].rstrip(" "), chunk.number, 1))
    if opened is None:
        return None
    rest = line[colon.end() :].lstrip(" ")
    text = _content(rest)
    column = len(line) - len(rest) + 1
    if opened.keyword in ENTRY_SECTIONS:
        content = _entries(report, lines, opened, chunk, column if _BAR.match(text) else None)
    else:
        content = _fragment(report, lines, opened, chunk, SourceLine(text, chunk.number, column))
    return Section(opened.keyword, opened.heading, content, opened.span)


def _content(rest: str) -> str:
    """What follows a colon, without a comment."""
    quoted = _QUOTED_START.match(rest)
    return quoted.group() if quoted else _COMMENT.split(rest, maxsplit=1)[0].rstrip(" ")


def _entries(
    report: Report, lines: Sequence[str], key: SectionKey, chunk: _Chunk, bar: int | None
) -> Fragment | tuple[Entry, ...] | None:
    """`name: value` lines are read as in YAML, so that both containers agree; `bar` is the column of a ` |`."""
    last = chunk.below[-1] if chunk.below else chunk.number
    own = only(lines, chunk.number, last)
    own = ["" if line.startswith("#") else line for line in own]
    if bar is not None:
        own[chunk.number - 1] = own[chunk.number - 1][: bar - 1]
    return read_entries(report, own, key)


def _fragment(
    report: Report, lines: Sequence[str], key: SectionKey, chunk: _Chunk, inline: SourceLine
) -> Fragment | None:
    block = _block(report, lines, chunk.below)
    has_block = not is_empty(block)
    if not inline.text or _BAR.match(inline.text):
        if has_block:
            return Fragment(report.file, block, False)
        report.error("A0106", f"`{key.keyword}` is empty", key.span)
        return None
    if has_block:
        first = next(line for line in block if not is_empty([line]))
        message = f"`{key.keyword}` goes on below although something follows its colon"
        help = "write all of it on the indented lines, or all after the colon"
        report.error("A0107", message, report.line_span(first), help, [Label(report.line_span(inline), "begun here")])
        return None
    inline = _unquoted(inline)
    if not inline.text:
        report.error("A0106", f"`{key.keyword}` is empty", key.span)
        return None
    return Fragment(report.file, (inline,), True)


def _unquoted(line: SourceLine) -> SourceLine:
    """The inside of a value that is in quotes as a whole, as YAML has it."""
    match = _QUOTED.match(line.text)
    if match is None:
        return line
    single = match["single"]
    text = match["double"] if single is None else single.replace("''", "'")
    return SourceLine(text.rstrip(" "), line.line, line.column + 1)


def _block(report: Report, lines: Sequence[str], numbers: Sequence[int]) -> tuple[SourceLine, ...]:
    """The lines below a key less the indentation of the first; comments further left belong to nothing."""
    written = [number for number in numbers if not is_blank(lines[number - 1])]
    if not written:
        return ()
    first = written[0]
    indent = indentation(lines[first - 1])
    kept: list[int] = []
    for number in numbers:
        line = lines[number - 1]
        if is_blank(line) or indentation(line) >= indent:
            kept.append(number)
        elif not is_comment(line):
            place = report.span(number, indentation(line) + 1, len(line) - indentation(line))
            help = "indent the first line of the block no deeper than the others"
            message = "this line is indented less than the first line of its block"
            report.error("A0107", message, place, help, [Label(report.span(first, indent + 1), "the first line")])
            kept.append(number)
    return block_lines(lines, kept, indent)
