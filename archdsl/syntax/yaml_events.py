"""YAML without its types: PyYAML's events become a small tree in which every scalar is text with its place.

Only events are used (PyYAML's own composer recurses, and crashes on deep nesting). What a spec has no use for is
refused here: anchors, aliases, tags, merge keys, directives, several documents, text folded over lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import cast

import yaml

from ..diagnostics import Label, Span
from ..records import dataclass
from .reading import (
    Report,
    block_lines,
    indentation,
    is_blank,
    is_comment,
    is_forbidden,
    quoted,
)
from .sections import SourceLine

ADVICE = "write the value after `|`, on indented lines below its key"
_BLOCK_KEY = re.compile(r"\S.*:[ ]+\|[-+]?([ ]+#.*)?$")
_BODY_KEY = re.compile(r"(?P<key>(?:layers|module|def|table|map|changes|names)\b[^#|]*:)[ ]*(?:#.*)?$")
# What PyYAML's scanner lets through on strange input besides its own errors.
_LEAKS = (ValueError, OverflowError, IndexError, AttributeError, TypeError)


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text. No lines: nothing stands there. `block` if it was a literal block or text with newlines in quotes."""

    lines: tuple[SourceLine, ...]
    block: bool
    span: Span


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list. `end` is the line and column after it, of use if it is in flow style."""

    items: tuple[Node, ...]
    span: Span
    end: tuple[int, int]
    flow: bool


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping; its keys are text on one line, and differ (but those of the root are not compared)."""

    pairs: tuple[tuple[Scalar, Node], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Refused:
    """Stands where something was refused, so that nothing more is said of it."""

    span: Span


Node = Scalar | ListNode | MapNode | Refused


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    event: yaml.SequenceStartEvent | yaml.MappingStartEvent
    items: list[Node] = field(default_factory=list["Node"])


def compose(report: Report, lines: Sequence[str]) -> Node | None:
    """The tree of one document, or None if it holds nothing.

    Mistakes are reported. Where YAML cannot read on, the tree holds what was complete before, and `Refused` after it.
    Raises `UnreadableError` beyond the limits on nesting and number of nodes.
    """
    for number, line in enumerate(lines, 1):
        if line.startswith("%"):
            report.error("A0102", "YAML directives are not used in a spec", report.span(number, 1, len(line)))
            return None
    composer = _Composer(report, lines)
    for event in _events(report, lines):
        if not composer.take(event):
            break
    return composer.root()


def _events(report: Report, lines: Sequence[str]) -> Iterator[yaml.Event]:
    """PyYAML's events; where it cannot go on that is reported, and they end."""
    line = column = 1
    parse = cast("Callable[..., Iterator[yaml.Event]]", yaml.parse)  # type: ignore[reportUnknownMemberType]
    try:
        for event in parse("\n".join(lines), Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)):
            line, column = _place(event.end_mark)
            yield event
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = _place(mark) if mark else (line, column)
        _explain(report, lines, line, column)
    except (yaml.YAMLError, *_LEAKS):
        _explain(report, lines, line, column)


def _place(mark: yaml.Mark) -> tuple[int, int]:
    return int(mark.line) + 1, int(mark.column) + 1


class _Composer:
    def __init__(self, report: Report, lines: Sequence[str]) -> None:
        self._report = report
        self._lines = lines
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._nodes = 0
        self._documents = 0

    def root(self) -> Node | None:
        """The finished tree, or the complete pairs of a root that YAML could not read to its end."""
        if self._root is None and self._stack:
            bottom = self._stack[0]
            if bottom.items and isinstance(bottom.event, yaml.MappingStartEvent):
                # What stands last is not known to be complete: nothing shall be concluded from it.
                last = bottom.items[-1] if len(bottom.items) % 2 else bottom.items.pop()
                bottom.items.append(Refused(last.span))
            return self._close(bottom, bottom.event.start_mark)
        return self._root

    def take(self, event: yaml.Event) -> bool:
        """Take one event; False when nothing after it is to be read."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._refuse(event, "a file holds one spec; this would begin a second document")
                return False
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._refuse(event, "YAML aliases (`*name`) are not used in a spec", "write the text again"))
        elif isinstance(event, yaml.ScalarEvent):
            self._add(self._tagged(event) or self._scalar(event))
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._push(event)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            opened = self._stack.pop()
            self._add(self._tagged(opened.event) or self._close(opened, event.end_mark))
        return True

    def _push(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        self._stack.append(_Open(event))
        self._report.check("nesting", len(self._stack), self._span(event))

    def _add(self, node: Node) -> None:
        self._nodes += 1
        self._report.check("pieces", self._nodes, node.span)
        if self._stack:
            self._stack[-1].items.append(node)
        else:
            self._root = node

    def _span(self, event: yaml.Event) -> Span:
        (line, column), (end_line, end_column) = _place(event.start_mark), _place(event.end_mark)
        return self._report.span(line, column, end_column - column if end_line == line else 1)

    def _refuse(self, event: yaml.Event, message: str, help: str | None = None, code: str = "A0102") -> Refused:
        span = self._span(event)
        self._report.error(code, message, span, help)
        return Refused(span)

    def _tagged(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> Refused | None:
        if event.anchor is not None:
            return self._refuse(event, "YAML anchors (`&name`) are not used in a spec", ADVICE)
        if event.tag is not None:
            return self._refuse(event, "YAML tags (`!name`) are not used in a spec", ADVICE)
        return None

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar | Refused:
        if event.style == ">":
            return self._refuse(event, "`>` joins lines, and lines have a meaning here", "write `|` instead")
        if event.style == "|":
            return self._literal(event)
        if event.start_mark.line != event.end_mark.line:
            if _explain_missing_bar(self._report, self._lines, _place(event.start_mark)[0]):
                return Refused(self._span(event))
            message = "YAML would join this line and the ones below it to one"
            return self._refuse(event, message, ADVICE)
        if event.style in ("'", '"'):
            return self._quoted(event)
        line, column = _place(event.start_mark)
        text = self._lines[line - 1][column - 1 : event.end_mark.column] if event.value else ""
        return Scalar((SourceLine(text, line, column),) if text else (), False, self._span(event))

    def _literal(self, event: yaml.ScalarEvent) -> Scalar:
        values = event.value.rstrip("\n").split("\n")
        line, column = _place(event.start_mark)
        first = line + 1
        numbers = [number for number in range(first, first + len(values)) if number <= len(self._lines)]
        indents = [
            len(self._lines[number - 1]) - len(value)
            for number, value in zip(numbers, values, strict=False)
            if not is_blank(value)
        ]
        lines = block_lines(self._lines, numbers, max(indents[0], 0)) if indents else ()
        return Scalar(lines, True, self._report.span(line, column))

    def _quoted(self, event: yaml.ScalarEvent) -> Scalar | Refused:
        if any(is_forbidden(char) for char in event.value):
            return self._refuse(event, "an escape in these quotes stands for a control character", code="A0108")
        line, column = _place(event.start_mark)
        found: list[SourceLine] = []
        for text in event.value.split("\n"):
            found.append(SourceLine(text.replace("\t", " ").rstrip(" "), line, column + 1))
            column += len(text) + 1
        while found and not found[-1].text:
            found.pop()
        return Scalar(tuple(found), len(found) > 1, self._span(event))

    def _close(self, opened: _Open, end: yaml.Mark) -> ListNode | MapNode:
        span = self._span(opened.event)
        if isinstance(opened.event, yaml.SequenceStartEvent):
            return ListNode(tuple(opened.items), span, _place(end), bool(opened.event.flow_style))
        pairs: list[tuple[Scalar, Node]] = []
        seen: dict[str, Span] = {}
        for key, value in zip(opened.items[::2], opened.items[1::2], strict=False):
            # The keys of the root are the sections, which know better what "twice" means.
            if self._key_fits(key, seen, root=not self._stack or opened is self._stack[0]):
                pairs.append((key, value))  # type: ignore[arg-type]
        return MapNode(tuple(pairs), span)

    def _key_fits(self, key: Node, seen: dict[str, Span], root: bool) -> bool:
        if isinstance(key, Refused):
            return False
        if not isinstance(key, Scalar) or key.block:
            self._report.error("A0101", "a key is a piece of text on one line", key.span)
            return False
        text = key.lines[0].text if key.lines else ""
        if text == "<<":
            self._report.error("A0102", "YAML merge keys (`<<`) are not used in a spec", key.span)
            return False
        if not text and not root:
            self._report.error("A0101", "a name is missing before the colon", key.span, ADVICE)
            return False
        first = seen.setdefault(text, key.span)
        if first is not key.span and not root:
            message = f"{quoted(text)} is given twice"
            self._report.error("A0103", message, key.span, labels=[Label(first, "first here")])
            return False
        return True


def _explain(report: Report, lines: Sequence[str], line: int, column: int) -> None:
    """Say in a sentence of our own what stopped YAML at a place."""
    text = lines[line - 1] if line <= len(lines) else ""
    span, at = report.span(line, column), text[column - 1 : column]
    if _explain_block(report, lines, line, span) or _explain_missing_bar(report, lines, line):
        return
    if at == ":" and re.search(r":[ ]", text[: column - 1]):
        message, help = "YAML cannot read a second `: ` in one line", ADVICE
    elif at in ("@", "`", "%", "&", "*", "!") and at:
        message, help = f"YAML does not let a value begin with `{at}`", ADVICE
    elif column > len(text) and line >= len(lines):
        message, help = "the file ends before YAML finds the end of a quote or bracket", None
    else:
        message = "YAML cannot read the file from here on"
        help = "a value that contains `: ` or begins with `[`, `{`, `@`, `-`, `*` or a quote is written after `|`, "
        help += "on indented lines below its key"
    report.error("A0101", message, span, help)


def _explain_missing_bar(report: Report, lines: Sequence[str], line: int) -> bool:
    """A body below its key without the `|` that makes it text; said once, however often YAML stumbles over it."""
    heads = [n for n in range(1, min(line, len(lines) + 1)) if lines[n - 1][:1] not in ("", " ", "#", "-")]
    match = _BODY_KEY.match(lines[heads[-1] - 1]) if heads else None
    if match is None:
        return False
    place = report.span(heads[-1], match.end("key"))
    help = f"write `{match['key']} |`"
    report.error("A0101", "`|` is missing after this colon: what stands below is text, not YAML", place, help)
    return True


def _explain_block(report: Report, lines: Sequence[str], line: int, span: Span) -> bool:
    """The two ways a literal block ends too early: a comment at column 0, a first line that was deeper."""
    depth = indentation(lines[line - 1]) if line <= len(lines) else 0
    heads = [n for n in range(1, line) if lines[n - 1][:1] not in ("", " ", "#")]
    if not depth or not heads or not _BLOCK_KEY.match(lines[heads[-1] - 1]):
        return False
    body = [n for n in range(heads[-1] + 1, line) if not is_blank(lines[n - 1])]
    comments = [n for n in body if is_comment(lines[n - 1]) and indentation(lines[n - 1]) < depth]
    if body and body[0] not in comments and indentation(lines[body[0] - 1]) > depth:
        first = report.span(body[0], indentation(lines[body[0] - 1]) + 1)
        help = "indent the first line of the block no deeper than the others"
        message = "this line is indented less than the first line of its block"
        report.error("A0107", message, span, help, [Label(first, "the first line")])
    elif comments:
        label = Label(report.span(comments[-1], indentation(lines[comments[-1] - 1]) + 1), "this comment")
        message = "a comment further left has ended the block this line belongs to"
        report.error("A0107", message, span, "indent the comment like the block", [label])
    else:
        return False
    return True
