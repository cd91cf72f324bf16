"""What both containers give: a file as a list of sections, every piece of text with its place in the file.

The YAML reader and the text reader end here; nothing after this knows which container a spec was written in.
"""

from __future__ import annotations

from ..diagnostics import SourceFile, Span
from ..records import dataclass


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of content: its text without the container's indentation, and where its first character stands."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """Text taken out of a file. `inline` content stands on the line of its key; a block stands on the lines below it.

    Lines keep their indentation relative to the block, and their comments. `text` joins them by newlines.
    """

    file: SourceFile
    lines: tuple[SourceLine, ...]
    inline: bool

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)

    def place(self, line: int, column: int, end_line: int | None = None, end_column: int | None = None) -> Span:
        """The span in the file of a stretch of `text` (1-based lines and columns of `text`, the end exclusive)."""
        end_line = line if end_line is None else end_line
        end_column = column + 1 if end_column is None else end_column
        first = self._line(line)
        last = first if end_line == line else self._line(end_line)
        return Span(self.file, first.line, first.column + column - 1, last.line, last.column + end_column - 1)

    def _line(self, number: int) -> SourceLine:
        lines = self.lines
        return lines[number - 1] if 1 <= number <= len(lines) else lines[0 if number < 1 else -1]

    @property
    def span(self) -> Span:
        return self.place(1, 1, len(self.lines), len(self.lines[-1].text) + 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """`key: value` inside a mapping section (`parameters`, `default`, several inputs)."""

    key: str
    key_span: Span
    value: Fragment


@dataclass(frozen=True, slots=True)
class Section:
    """A key at column 0 with its content: `keyword` is its first word, `heading` what follows it before the colon.

    `content` is a Fragment, or a tuple of entries for `parameters`, `default` and several `input`s.
    """

    keyword: str
    heading: Fragment | None
    content: Fragment | tuple[Entry, ...] | None
    span: Span
