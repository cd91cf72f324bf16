"""The canonical layout of a spec, comments kept, in either container: what `archdsl format` prints.

The author's line breaks and the order of sections stay; blanks are canonical. `format_spec` never returns a text that
says something else than the file: it reads back what it wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from ..diagnostics import Collector, SourceFile
from . import format_rows as rows
from . import format_spacing as spacing
from .containers import looks_like_yaml, read_sections
from .format_comments import Block, Document, Inline, Item, Items, Piece, read_document
from .format_rows import Row
from .format_trees import AS_WRITTEN, section_trees
from .reading import ENTRY_SECTIONS, LINE_SECTIONS

Container = Literal["yaml", "arch"]

WIDTH = 100
KEY_COMMENT_COLUMN = 32
_SHOW: dict[str, Callable[[str], str]] = {
    "network": str,
    "source": lambda text: " ".join(text.split()),
    "extends": spacing.link,
    "use": spacing.link,
    "parameters": spacing.cell,
    "default": lambda text: spacing.line(text, "defaults"),
    "output": spacing.cell,
    "input": lambda text: spacing.line(text, "shape"),
}
# Where comments stand at least, where it is not with the facts.
_LEAST = {"table": 0, "map": 0, "names": KEY_COMMENT_COLUMN, "init": KEY_COMMENT_COLUMN}
# What YAML reads as it is written: in a block, and between braces.
_PLAIN = re.compile(r"(?![.]{3}(?: |$))(?:[\w(./+~^$]|-(?=[\w.(]))(?:(?!: | #).)*(?<!:)")
_FLOW_PLAIN = re.compile(r"(?:[\w(./+~^$]|-(?=[\w.(]))[^,:#\[\]{}\"']*")
_LIST = re.compile(r"\[(?:[\w(./+^ ,%)\[\]]|(?<=[\w)])[ ]*\*|-(?=[\w.(]))*\]")
# What the text container does not read as it is written behind a colon.
_NOT_TEXT = re.compile(r"[\"'#]|\|[-+]?$|.* #")


class FormatterError(Exception):
    """The formatter would have changed what a spec says: a mistake of its own, never of the spec."""


def format_spec(file: SourceFile, collector: Collector, to: Container | None = None) -> str:
    """The spec in its canonical layout, in the container `to`, or its own.

    >>> text = "layers:" + chr(10) + "   conv 3x3,8->relu=>8x32x32 # one"
    >>> print(format_spec(SourceFile("tiny.arch", text), Collector(), "yaml"), end="")
    layers: |
      conv 3x3, 8 -> relu                                       => 8x32x32  # one

    Raises `SpecError` with all that was collected if the file cannot be read or a section not be parsed, and
    `FormatterError` rather than return another spec or lose a comment.
    """
    sections = read_sections(file, collector)
    collector.raise_errors()
    trees = section_trees(sections, collector)
    collector.raise_errors()
    to = to or ("yaml" if looks_like_yaml(file.name) else "arch")
    document = read_document(file, sections)
    text = "\n".join(_document_lines(document, to)) + "\n"
    _check(trees, document, SourceFile(f"{file.name}.{to}", text))
    return text


def _check(trees: Sequence[object], document: Document, result: SourceFile) -> None:
    """Read back what was written, and compare trees and comments."""
    collector = Collector()
    sections = read_sections(result, collector)
    if section_trees(sections, collector) != trees or collector.errors:
        raise FormatterError(f"the layout of {result.name} would change what the spec says")
    kept = read_document(result, sections)
    if sorted(filter(None, _comments(document))) != sorted(filter(None, _comments(kept))):
        raise FormatterError(f"the layout of {result.name} would change its comments")


def _comments(document: Document) -> Iterator[str]:
    for piece in document.pieces:
        yield from (*piece.before, piece.comment)
        if isinstance(piece.content, Items):
            yield from piece.content.after
            for item in piece.content.items:
                yield from (*item.before, item.comment)
        elif piece.keyword not in LINE_SECTIONS and piece.keyword not in ENTRY_SECTIONS:
            lines = piece.content.lines if isinstance(piece.content, Block) else [piece.content.text]
            yield from (row.comment for row in _rows(piece.keyword, lines))
    yield from document.after


# ---- the file -------------------------------------------------------------------------------------------------------


def _document_lines(document: Document, to: Container) -> list[str]:
    lines: list[str] = []
    block_above = False
    for piece in document.pieces:
        own = _piece_lines(piece, to)
        block = len(own) > 1 and piece.keyword not in ENTRY_SECTIONS
        lines += _gap(piece.before, block or block_above, first=not lines)
        lines += own
        block_above = block
    below = rows.squeezed(document.after)
    gap = _gap(("", *below) if document.after[:1] == ("",) else below, block_above, first=False)
    return [*lines, *gap] if below else lines


def _gap(before: Sequence[str], apart: bool, first: bool) -> list[str]:
    """What stands in front of a section: a blank line if it is a block or below one, else if the author left one."""
    if first:
        before = before[next((at for at, text in enumerate(before) if text), len(before)) :]
    elif apart:
        before = ["", *before]
    return [text for at, text in enumerate(before) if text or at == 0 or before[at - 1]]


def _piece_lines(piece: Piece, to: Container) -> list[str]:
    key = f"{piece.keyword} {_heading(piece)}:" if piece.heading else f"{piece.keyword}:"
    content = piece.content
    if isinstance(content, Items):
        return _items_lines(piece, key, content)
    if isinstance(content, Inline):
        text = _inline(piece.keyword, content.text, to)
        if text is not None:
            return [_commented(f"{key} {text}", piece.comment)]
        content = Block((content.text,))
    if piece.keyword in LINE_SECTIONS or piece.keyword in ENTRY_SECTIONS:
        body = [line.strip() if piece.keyword == "source" else line for line in content.lines]
    else:
        least = _LEAST.get(piece.keyword, rows.FACT_COLUMN) - rows.STEP
        body = rows.printed(_rows(piece.keyword, content.lines), least)
    first = _commented(key + (" |" if to == "yaml" else ""), piece.comment)
    return [first, *_indented(body)]


def _heading(piece: Piece) -> str:
    heading = piece.heading or ""
    return spacing.line(heading, "signature") if piece.keyword in ("module", "def") else " ".join(heading.split())


def _commented(line: str, comment: str) -> str:
    return rows.beside(line, comment, KEY_COMMENT_COLUMN)


def _indented(lines: Iterable[str]) -> list[str]:
    return [" " * rows.STEP + line if line else "" for line in lines]


def _rows(keyword: str, lines: Sequence[str]) -> list[Row]:
    """The rows of a section that holds lines."""
    if keyword == "table":
        return rows.table_rows(lines)
    if keyword == "map":
        return rows.map_rows(lines)
    if keyword == "names":
        if "\n".join(lines).strip() == AS_WRITTEN:
            return [Row(code=AS_WRITTEN)]
        found = rows.body_rows(lines, "renames")
        rows.align_arrows(found)
        return found
    if keyword == "init":
        found = rows.body_rows(lines, "inits")
        rows.align_colons(found)
        return found
    found = rows.body_rows(lines, "changes" if keyword == "changes" else "body")
    rows.align_numbers(found)
    return found


# ---- one line -------------------------------------------------------------------------------------------------------


def _inline(keyword: str, text: str, to: Container) -> str | None:
    """What follows the colon, or None if it has to go below."""
    if keyword in _SHOW:
        text = _SHOW[keyword](text)
        readable = _NOT_TEXT.match(text) is None if to == "arch" else _PLAIN.fullmatch(text) is not None
        return text if readable else _quoted(text)
    if keyword in ("table", "map"):
        return None
    (row,) = _rows(keyword, [text])
    text = " ".join(part for part in (row.code, row.facts) if part)
    misread = _NOT_TEXT.match(text) if to == "arch" else not _PLAIN.fullmatch(text)
    return None if misread or row.comment else text


def _quoted(text: str) -> str:
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


# ---- mappings, which both containers read as YAML -------------------------------------------------------------------


def _items_lines(piece: Piece, key: str, content: Items) -> list[str]:
    if content.flow and not any(item.before or item.comment for item in content.items) and not content.after:
        inside = ", ".join(": ".join(_pair(piece.keyword, item, _FLOW_PLAIN)) for item in content.items)
        if len(key) + len(inside) + 3 <= WIDTH:
            return [_commented(f"{key} {{{inside}}}", piece.comment)]
    found: list[Row] = []
    for item in content.items:
        found += (Row(comment=text) for text in item.before)
        found.append(Row(code=": ".join(_pair(piece.keyword, item, _PLAIN)), comment=item.comment))
    found += (Row(comment=text) for text in content.after)
    return [_commented(key, piece.comment), *_indented(rows.printed(found, KEY_COMMENT_COLUMN - rows.STEP))]


def _pair(keyword: str, item: Item, plain: re.Pattern[str]) -> tuple[str, str]:
    value = _SHOW[keyword](item.value)
    key = item.key if _FLOW_PLAIN.fullmatch(item.key) else _quoted(item.key)
    return key, value if plain.fullmatch(value) or _LIST.fullmatch(value) else _quoted(value)
