"""The YAML container: keys are sections; bodies are literal blocks, or lists and mappings written by a program."""

from __future__ import annotations

from collections.abc import Sequence

from ..diagnostics import Span
from .reading import (
    ENTRY_SECTIONS,
    LINE_SECTIONS,
    Report,
    SectionKey,
    SectionKeys,
    is_empty,
    only,
    quoted,
)
from .sections import Entry, Fragment, Section, SourceLine
from .yaml_events import ADVICE, ListNode, MapNode, Node, Scalar, compose
from .yaml_lists import body_lines, flow_line, table_lines

Content = Fragment | tuple[Entry, ...] | None


def read_yaml(report: Report, lines: Sequence[str]) -> tuple[Section, ...]:
    """The sections of a YAML spec, given as prepared lines; mistakes are reported."""
    root = compose(report, lines)
    if root is None or (isinstance(root, Scalar) and not root.lines):
        return ()
    if not isinstance(root, MapNode):
        message = "a spec is a list of sections: a word, a colon and what it holds"
        report.error("A0101", message, root.span, "for example `layers: |` and indented lines below it")
        return ()
    keys = SectionKeys(report)
    contents = _Contents(report, lines)
    sections: list[Section] = []
    for key, value in root.pairs:
        opened = keys.open(key.lines[0] if key.lines else SourceLine("", key.span.line, key.span.column))
        if opened is not None:
            content = contents.read(opened, value)
            sections.append(Section(opened.keyword, opened.heading, content, opened.span))
    return tuple(sections)


def read_entries(report: Report, lines: Sequence[str], key: SectionKey) -> Content:
    """The content of one `parameters`, `default` or `input` section, all other lines being empty."""
    root = compose(report, lines)
    if not isinstance(root, MapNode) or len(root.pairs) != 1:
        return None
    return _Contents(report, lines).read(key, root.pairs[0][1])


class _Contents:
    def __init__(self, report: Report, lines: Sequence[str]) -> None:
        self._report = report
        self._lines = lines

    def read(self, key: SectionKey, value: Node) -> Content:
        """What a section holds, or None if it cannot be used; what is wrong is reported."""
        if isinstance(value, Scalar):
            if is_empty(value.lines):
                self._report.error("A0106", f"`{key.keyword}` is empty", key.span)
                return None
            if key.keyword in ENTRY_SECTIONS and value.block:
                value = self._reread(value)
        if isinstance(value, Scalar):
            if key.keyword in ("parameters", "default", "output"):
                self._refuse_kind(key, "`name: value` lines", value.span)
                return None
            return self._fragment(value, key.span.line)
        if isinstance(value, MapNode) and key.keyword in ENTRY_SECTIONS:
            return self._entries(value)
        if isinstance(value, ListNode | MapNode):
            return self._program(key, value)
        return None

    def _reread(self, block: Scalar) -> Node:
        """A literal block where a mapping belongs: its lines are the mapping."""
        inner = compose(self._report, only(self._lines, block.lines[0].line, block.lines[-1].line))
        return block if inner is None else inner

    def _fragment(self, value: Scalar, key_line: int) -> Fragment:
        inline = not value.block and value.lines[0].line == key_line
        return Fragment(self._report.file, value.lines, inline)

    def _refuse_kind(self, key: SectionKey, holds: str, span: Span, help: str | None = None) -> None:
        self._report.error("A0101", f"`{key.keyword}` holds {holds}", span, help)

    def _program(self, key: SectionKey, value: ListNode | MapNode) -> Fragment | None:
        """A body, table, map or list of renames handed over as lists and mappings."""
        is_table = key.keyword in ("table", "map")
        if key.keyword in LINE_SECTIONS:
            self._refuse_kind(key, "one line of text", value.span, "put it in quotes")
            return None
        if key.keyword in ENTRY_SECTIONS:
            self._refuse_kind(key, "`name: value` lines", value.span)
            return None
        if is_table and isinstance(value, MapNode):
            self._refuse_kind(key, "lines, or a list of rows", value.span, ADVICE)
            return None
        if is_table and isinstance(value, ListNode) and any(isinstance(row, MapNode) for row in value.items):
            lines = table_lines(self._report, self._lines, value)
        else:
            lines = body_lines(self._report, value)
        if lines is None:
            return None
        if is_empty(lines):
            self._report.error("A0106", f"`{key.keyword}` is empty", key.span)
            return None
        return Fragment(self._report.file, lines, False)

    def _entries(self, mapping: MapNode) -> Content:
        entries: list[Entry] = []
        for key, value in mapping.pairs:
            name = key.lines[0]
            fragment = self._entry_value(key, value)
            if fragment is not None:
                entries.append(Entry(name.text, self._report.line_span(name), fragment))
        if not mapping.pairs:
            self._report.error("A0106", "nothing stands between these braces", mapping.span)
            return None
        return tuple(entries)

    def _entry_value(self, key: Scalar, value: Node) -> Fragment | None:
        if isinstance(value, ListNode):
            line = flow_line(self._report, self._lines, value)
            return Fragment(self._report.file, (line,), True) if line else None
        if isinstance(value, Scalar):
            if not is_empty(value.lines):
                return self._fragment(value, key.span.line)
            name = key.lines[0].text
            help = "a blank follows the colon" if ":" in name else "in braces a comma ends the value before it"
            self._report.error("A0106", f"{quoted(name)} has no value", key.span, help)
        if isinstance(value, MapNode):
            self._report.error("A0101", "a value is one piece of text or a list", value.span)
        return None
