"""Lists and mappings in place of text: they become the lines a person would have written, each at its own place.

A generated indentation or dash has no place in the file, so the column of such a line is that of its first written word
less what was put before it (it may be below 1); columns of the words themselves are right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..diagnostics import did_you_mean
from .reading import Report, is_blank, is_comment, is_empty, quoted
from .sections import SourceLine
from .yaml_events import ADVICE, ListNode, MapNode, Node, Refused, Scalar

_STEP = 2
_JOIN = re.compile(r"(?:.*:[ ]+)?(concat|add|mul|attend)(?![\w.{])")
_BETWEEN = re.compile(r"(for|if|else)(?![\w.{])")  # may stand between a joining word and its dashes


def body_lines(report: Report, value: ListNode | MapNode) -> tuple[SourceLine, ...] | None:
    """The lines of a body, or None if something in it was refused."""
    writer = _BodyWriter(report)
    writer.children(value, 0, paths=False)
    return None if writer.refused else tuple(writer.lines)


class _BodyWriter:
    def __init__(self, report: Report) -> None:
        self._report = report
        self.lines: list[SourceLine] = []
        self.refused = False

    def children(self, node: Node, indent: int, paths: bool) -> None:
        """What stands under a key. The depth of the recursion is that of the tree, which is limited."""
        if isinstance(node, ListNode):
            for item in node.items:
                self._element(item, indent, paths)
        elif isinstance(node, MapNode):
            for key, value in node.pairs:
                self._element(MapNode(((key, value),), key.span), indent, paths)
        elif isinstance(node, Scalar) and node.block:
            self._text(node.lines, indent)
        else:
            self._element(node, indent, paths)

    def _element(self, item: Node, indent: int, paths: bool) -> None:
        if paths and not _stands_without_dash(item):
            self._path(item, indent)
        elif isinstance(item, Scalar):
            self._scalar(item, indent)
        elif isinstance(item, MapNode):
            for key, value in item.pairs:
                self._entry(key, value, indent, paths)
        elif isinstance(item, ListNode):
            message = "a list inside a list has a meaning only as a path of `concat`, `add`, `mul` or `attend`"
            self._refuse("A0101", message, item, "if it is a group in brackets, put the line in quotes")
        else:
            self.refused = True

    def _path(self, item: Node, indent: int) -> None:
        start = len(self.lines)
        if isinstance(item, ListNode):
            self.children(item, indent + _STEP, paths=False)
        else:
            self._element(item, indent + _STEP, paths=False)
        for number in range(start, len(self.lines)):
            line = self.lines[number]
            if not is_blank(line.text) and not is_comment(line.text):
                text = " " * indent + "- " + line.text[indent + _STEP :]
                self.lines[number] = SourceLine(text, line.line, line.column)
                return

    def _entry(self, key: Scalar, value: Node, indent: int, paths: bool) -> None:
        name = key.lines[0]
        joins = _JOIN.match(name.text) is not None or (paths and _BETWEEN.match(name.text) is not None)
        if isinstance(value, Scalar) and is_empty(value.lines):
            self._refuse("A0106", f"nothing stands under {quoted(name.text)}", key)
        elif isinstance(value, Scalar) and not value.block and not joins and value.lines[0].line == name.line:
            text = value.lines[0]
            gap = max(1, text.column - name.column - len(name.text) - 1)
            self._line(SourceLine(f"{name.text}:{' ' * gap}{text.text}", name.line, name.column), indent)
        else:
            self._line(SourceLine(name.text + ":", name.line, name.column), indent)
            self.children(value, indent + _STEP, paths=joins)

    def _scalar(self, item: Scalar, indent: int) -> None:
        if is_empty(item.lines):
            self._refuse("A0106", "this line of the list is empty", item)
        else:
            self._text(item.lines, indent)

    def _text(self, lines: Sequence[SourceLine], indent: int) -> None:
        for line in lines:
            self._line(line, indent)

    def _line(self, line: SourceLine, indent: int) -> None:
        text = " " * indent + line.text if line.text else ""
        self.lines.append(SourceLine(text, line.line, line.column - indent))

    def _refuse(self, code: str, message: str, node: Node, help: str | None = None) -> None:
        self._report.error(code, message, node.span, help)
        self.refused = True


def _stands_without_dash(item: Node) -> bool:
    """Under a joining word: a loop or condition around paths, a fact, or a line that brings its own dash."""
    if isinstance(item, MapNode):
        return bool(item.pairs) and _BETWEEN.match(item.pairs[0][0].lines[0].text) is not None
    return isinstance(item, Scalar) and bool(item.lines) and item.lines[0].text.startswith(("- ", "=>"))


def flow_line(report: Report, lines: Sequence[str], value: ListNode) -> SourceLine | None:
    """A list as the text `[32, 64]`: as written if it stands on one line without quotes, else put together."""
    first = value.span
    if value.flow and value.end[0] == first.line:
        written = lines[first.line - 1][first.column - 1 : value.end[1] - 1]
        if '"' not in written and "'" not in written and not _has_mapping(value):
            return SourceLine(written, first.line, first.column)
    text = _flow_text(report, value)
    return None if text is None else SourceLine(text, first.line, first.column)


def _has_mapping(value: ListNode) -> bool:
    return any(
        not isinstance(item, Scalar) and (not isinstance(item, ListNode) or _has_mapping(item)) for item in value.items
    )


def _flow_text(report: Report, value: ListNode) -> str | None:
    parts: list[str] = []
    for item in value.items:
        part = _flow_text(report, item) if isinstance(item, ListNode) else None
        if isinstance(item, Scalar) and len(item.lines) == 1 and not item.block:
            part = item.lines[0].text
        if part is None:
            if not isinstance(item, ListNode | Refused):
                report.error("A0101", "an element of a list is a piece of text on one line", item.span)
            return None
        parts.append(part)
    return f"[{', '.join(parts)}]"


def table_lines(report: Report, lines: Sequence[str], value: ListNode) -> tuple[SourceLine, ...] | None:
    """A list of mappings as a header row and rows between bars, or None if a row cannot be used."""
    header: list[SourceLine] = []
    rows: list[SourceLine | None] = []
    for row in value.items:
        if not isinstance(row, MapNode):
            if not isinstance(row, Refused):
                report.error("A0101", "a row of this table is a mapping like the others", row.span, ADVICE)
            rows.append(None)
            continue
        header = header or [key.lines[0] for key, _ in row.pairs]
        rows.append(_table_row(report, lines, row, [name.text for name in header]))
    if not header or not all(rows):
        return None
    return (_bars(header), *(row for row in rows if row is not None))


def _table_row(report: Report, lines: Sequence[str], row: MapNode, header: list[str]) -> SourceLine | None:
    cells: dict[str, SourceLine] = {}
    complete = True
    for key, value in row.pairs:
        name = key.lines[0].text
        cell = _cell(report, lines, value)
        if name not in header:
            help = did_you_mean(name, header) or "the first row says which columns there are"
            report.error("A0101", f"the table has no column {quoted(name)}", key.span, help)
        complete = complete and cell is not None and name in header
        if cell is not None:
            cells[name] = cell
    missing = [name for name in header if name not in {key.lines[0].text for key, _ in row.pairs}]
    if missing:
        report.error("A0101", f"this row lacks the column {quoted(missing[0])}", row.span)
    return _bars([cells[name] for name in header]) if complete and not missing else None


def _cell(report: Report, lines: Sequence[str], value: Node) -> SourceLine | None:
    if isinstance(value, ListNode):
        return flow_line(report, lines, value)
    if isinstance(value, Scalar) and len(value.lines) == 1 and not value.block and "|" not in value.lines[0].text:
        return value.lines[0]
    if not isinstance(value, Refused):
        code = "A0106" if isinstance(value, Scalar) and not value.lines else "A0101"
        report.error(code, "a cell is a word, a number or a list; `-` says no", value.span)
    return None


def _bars(cells: Sequence[SourceLine]) -> SourceLine:
    """Cells between bars; those on the line of the first keep their columns where there is room."""
    first = cells[0]
    text = first.text
    for cell in cells[1:]:
        offset = cell.column - first.column if cell.line == first.line else 0
        text = f"{text.ljust(offset - 3)} | {cell.text}"
    return SourceLine(text, first.line, first.column)
