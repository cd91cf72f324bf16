"""A spec as the formatter sees it: sections in order, each with the comments and blank lines that belong to it.

Comments inside bodies are lines of the body. Those outside (of YAML, between sections, behind a key) are found as what
no key and no value covers, and put where they belong: on the key's line, in front of a section, or into its content.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import field
from itertools import pairwise

from ..diagnostics import Collector, SourceFile
from ..records import dataclass
from .containers import looks_like_yaml
from .format_rows import squeezed
from .format_spacing import without_comments
from .reading import ENTRY_SECTIONS, LINE_SECTIONS, Report, is_blank, is_comment, only, prepare
from .sections import Entry, Fragment, Section, SourceLine
from .yaml_events import ListNode, MapNode, Node, Scalar, compose

_HASH = re.compile(r"(?<![^ ,|\[\]{}\"'])#")  # libyaml takes one behind a bracket, too
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'")
_BAR = re.compile(r"(:[ ]+)\|[-+]?(?=[ ]*(?:[ ]#|$))")


@dataclass(frozen=True, slots=True)
class Inline:
    """What follows a key on its line."""

    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """The lines below a key, with comments, less their common indentation."""

    lines: tuple[str, ...]


@dataclass(slots=True)
class Item:
    """`key: value`; `before` are the comments and blank lines in front of it."""

    key: str
    value: str
    before: list[str]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A mapping, in braces if `flow`; `after` are the comments below the last item."""

    items: tuple[Item, ...]
    after: tuple[str, ...]
    flow: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A section, its comment on the key's line, and the comments and blank lines (empty) in front of it."""

    keyword: str
    heading: str | None
    content: Inline | Block | Items
    comment: str
    before: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A file; `after` are the comments and blank lines behind the last section."""

    pieces: tuple[Piece, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Comment:
    """A comment at a line and column (from 1); `own` if nothing else stands on its line."""

    line: int
    column: int
    text: str
    own: bool


def read_document(file: SourceFile, sections: Sequence[Section]) -> Document:
    """The document of a file that has been read into these sections without a mistake."""
    report = Report(file, Collector())
    lines = prepare(report)
    places = [(section.span.line, section.span.column) for section in sections]
    parts = [_Part(section, lines) for section in sections]
    before: list[list[_Comment]] = [[] for _ in range(len(sections) + 1)]
    for comment in _outer_comments(report, lines, sections):
        at = sum(place <= (comment.line, comment.column) for place in places) - 1
        margin = places[min(at + 1, len(places) - 1)][1]
        if at < 0 or (comment.own and comment.line > parts[at].end and comment.column <= margin):
            before[at + 1].append(comment)
        else:
            parts[at].comments.append(comment)
    starts = [1, *(part.last + 1 for part in parts)]
    ends = [*(line for line, _ in places), len(lines) + 1]
    between = [_between(lines, s, e, c) for s, e, c in zip(starts, ends, before, strict=True)]
    pieces = [part.piece(found) for part, found in zip(parts, between, strict=False)]
    return Document(tuple(pieces), tuple(between[-1]))


def _between(lines: Sequence[str], start: int, end: int, comments: Iterable[_Comment]) -> list[str]:
    """The comments and blank lines from one line to before another, every comment given among them."""
    texts = {comment.line: comment.text for comment in comments}
    numbers = range(min([start, *texts]), max([end, *(number + 1 for number in texts)]))
    return [texts.get(number, "") for number in numbers if number in texts or is_blank(lines[number - 1])]


# ---- where comments stand -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Cover:
    """What is no comment: whole lines, and stretches of lines (columns from 0, the end exclusive)."""

    lines: set[int] = field(default_factory=set[int])
    stretches: dict[int, list[tuple[int, int]]] = field(default_factory=dict[int, list[tuple[int, int]]])

    def add(self, written: str, piece: SourceLine) -> None:
        start = piece.column - 1
        quoted = _QUOTED.match(written, start - 1) if start else None
        end = quoted.end() if quoted else start + len(piece.text)
        self.stretches.setdefault(piece.line, []).append((start, end))

    def comments(self, lines: Sequence[str]) -> Iterator[_Comment]:
        for number, text in enumerate(lines, 1):
            stretches = self.stretches.get(number, ())
            for match in _HASH.finditer(text if number not in self.lines else ""):
                if not any(start <= match.start() < end for start, end in stretches):
                    yield _Comment(number, match.start() + 1, text[match.start() :], is_comment(text))
                    break


def _outer_comments(report: Report, lines: Sequence[str], sections: Sequence[Section]) -> Iterator[_Comment]:
    cover = _Cover()
    if looks_like_yaml(report.file.name):
        root = compose(report, lines)
        if isinstance(root, MapNode):
            for key, value in root.pairs:
                _cover_section(cover, report, lines, key, value)
    else:
        ends = [*(section.span.line for section in sections[1:]), len(lines) + 1]
        for section, end in zip(sections, ends, strict=True):
            _cover_text(cover, report, lines, section, end)
    return cover.comments(lines)


def _cover_section(cover: _Cover, report: Report, lines: Sequence[str], key: Scalar, value: Node) -> None:
    keyword = key.lines[0].text.split()[0]
    _cover_node(cover, lines, key)
    literal = isinstance(value, Scalar) and value.block and value.lines[0].line > value.span.line
    if keyword in ENTRY_SECTIONS and literal and isinstance(value, Scalar):
        inner = compose(report, only(lines, value.lines[0].line, value.lines[-1].line))
        value = value if inner is None else inner
    _cover_node(cover, lines, value)


def _cover_node(cover: _Cover, lines: Sequence[str], node: Node) -> None:
    if isinstance(node, ListNode):
        for item in node.items:
            _cover_node(cover, lines, item)
    elif isinstance(node, MapNode):
        for key, value in node.pairs:
            _cover_node(cover, lines, key)
            _cover_node(cover, lines, value)
    elif isinstance(node, Scalar) and node.lines:
        if node.block and node.lines[0].line > node.span.line:
            cover.lines.update(line.line for line in node.lines)
        else:
            cover.add(lines[node.lines[0].line - 1], node.lines[0])


def _cover_text(cover: _Cover, report: Report, lines: Sequence[str], section: Section, end: int) -> None:
    """The same for a section of the text container, whose entries alone are YAML."""
    if section.heading is not None:
        cover.add(lines[section.span.line - 1], section.heading.lines[0])
    if section.keyword in ENTRY_SECTIONS:
        own = ["" if line.startswith("#") else line for line in only(lines, section.span.line, end - 1)]
        own[section.span.line - 1] = _BAR.sub(r"\1", lines[section.span.line - 1])
        root = compose(report, own)
        for key, value in root.pairs if isinstance(root, MapNode) else ():
            _cover_section(cover, report, lines, key, value)
    elif isinstance(section.content, Fragment):
        if section.content.inline:
            line = section.content.lines[0]
            cover.add(lines[line.line - 1], line)
        else:
            cover.lines.update(line.line for line in section.content.lines)


# ---- what belongs to a section --------------------------------------------------------------------------------------


class _Part:
    """A section while its comments are gathered."""

    def __init__(self, section: Section, lines: Sequence[str]) -> None:
        self.section = section
        self.lines = lines
        self.comments: list[_Comment] = []
        self.end = max([section.span.line, *_content_lines(section)])

    @property
    def last(self) -> int:
        """The last line of the section, comments counted."""
        return max([self.end, *(comment.line for comment in self.comments)])

    def piece(self, before: Sequence[str]) -> Piece:
        section, content = self.section, self.section.content
        key_line = section.span.line
        comment = next((c for c in self.comments if c.line == key_line), None)
        inner = [c for c in self.comments if c is not comment]
        text = comment.text if comment else ""
        heading = section.heading.text if section.heading else None
        if heading and section.keyword in ("module", "def"):
            heading, smuggled = without_comments(heading)
            before = [*before, *smuggled]
        if not isinstance(content, Fragment):
            return Piece(section.keyword, heading, self._items(content or (), inner), text, tuple(before))
        if len(content.lines) == 1 and section.keyword in (*LINE_SECTIONS, *ENTRY_SECTIONS):
            value, smuggled = _value(section.keyword, content.text)
            aside = [*before, *(c.text for c in inner if c.own or text), *smuggled]
            text = text or next((c.text for c in inner if not c.own), "")
            return Piece(section.keyword, heading, Inline(value), text, tuple(aside))
        if content.inline and not inner:
            return Piece(section.keyword, heading, Inline(content.text.strip()), text, tuple(before))
        if section.keyword in LINE_SECTIONS:  # where a comment inside would be text
            return Piece(section.keyword, heading, _block(content.lines, ()), text, (*before, *(c.text for c in inner)))
        return Piece(section.keyword, heading, _block(content.lines, inner), text, tuple(before))

    def _items(self, entries: Sequence[Entry], inner: Sequence[_Comment]) -> Items:
        starts = [entry.key_span.line for entry in entries]
        values = [without_comments(entry.value.text) for entry in entries]
        items = [Item(entry.key, value.strip(), []) for entry, (value, _) in zip(entries, values, strict=True)]
        loose: list[list[_Comment]] = [[] for _ in range(len(items) + 1)]
        for comment in inner:
            at = sum(start <= comment.line for start in starts)
            if comment.own or at == 0 or items[at - 1].comment:
                loose[at].append(comment)
            else:
                items[at - 1].comment = comment.text
        for at, item in enumerate(items):
            above = starts[at - 1] + 1 if at else starts[0]
            item.before[:] = [*_between(self.lines, above, starts[at], loose[at]), *values[at][1]]
        after = squeezed(comment.text for comment in loose[-1])
        return Items(tuple(items), tuple(after), starts[0] == self.section.span.line)


def _value(keyword: str, text: str) -> tuple[str, list[str]]:
    """The text of a section of one line, and comments in it where it is not free text."""
    free, comma, rest = ("", "", text) if keyword == "input" else text.partition(",")
    if keyword in ("network", "source") or not rest:
        return text.strip(), []
    code, comments = without_comments(rest)
    return (free + comma + code).strip(), comments


def _content_lines(section: Section) -> list[int]:
    content = section.content
    fragments = [content] if isinstance(content, Fragment) else [entry.value for entry in content or ()]
    return [line.line for fragment in fragments for line in fragment.lines]


def _block(lines: Sequence[SourceLine], comments: Collection[_Comment]) -> Block:
    """The lines of a body with the comments that stood outside of it, each behind or above the line it stood at."""
    texts = [line.text for line in lines]
    margin = min(line.column for line in lines)
    written = all(line.column == margin for line in lines) and all(a.line + 1 == b.line for a, b in pairwise(lines))
    above: list[list[str]] = [[] for _ in range(len(lines) + 1)]
    for comment in comments:
        at = sum(line.line <= comment.line for line in lines)
        if at and lines[at - 1].line == comment.line and not comment.own:
            texts[at - 1] += f"  {comment.text}"
            continue
        like = texts[min(at, len(lines) - 1)]
        indent = max(0, comment.column - margin) if written else len(like) - len(like.lstrip(" "))
        above[at].append(" " * indent + comment.text)
    found = [part for loose, text in zip(above, [*texts, None], strict=True) for part in (*loose, text)]
    return Block(tuple(part for part in found if part is not None))
