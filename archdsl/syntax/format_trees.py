"""Sections as trees, each piece of text parsed: so two files are compared, whatever their layout and container."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..diagnostics import Collector, SpecError
from .format_spacing import without_comments
from .parse import (
    parse_arguments,
    parse_body,
    parse_changes,
    parse_expression,
    parse_inits,
    parse_renames,
    parse_shape,
    parse_signature,
)
from .reading import map_cells, table_cells
from .sections import Entry, Fragment, Section, SourceLine

AS_WRITTEN = "as written"
_WORDLIKE = re.compile(r'[\w.+/-]+|"[^"\n]*"')


def section_trees(sections: Sequence[Section], collector: Collector) -> list[object]:
    """One value a section, which differ where the trees differ and nowhere else; spans take no part.

    What cannot be parsed is reported and left out.
    """
    found: list[object] = []
    for section in sections:
        try:
            found.append((section.keyword, _heading(section), _content(section)))
        except SpecError as error:
            for diagnostic in error.diagnostics:
                collector.add(diagnostic)
    return found


def same_tree(a: Sequence[Section], b: Sequence[Section]) -> bool:
    """Whether two files say the same, section by section and in one order; False if one cannot be parsed."""
    collector = Collector()
    trees = section_trees(a, collector), section_trees(b, collector)
    return trees[0] == trees[1] and not collector.errors


def _heading(section: Section) -> object:
    if section.heading is None:
        return None
    if section.keyword in ("module", "def"):
        return parse_signature(section.heading)
    return section.heading.text.split()


def _content(section: Section) -> object:
    content = section.content
    if not isinstance(content, Fragment):
        return [(entry.key, _entry(section.keyword, entry)) for entry in content or ()]
    match section.keyword:
        case "table":
            return [[_table_cell(cell) for cell in row] for row in table_cells(content)]
        case "map":
            return [[cell.text for cell in row] for row in map_cells(content)]
        case "module" | "def" | "layers":
            return parse_body(content)
        case "changes":
            return parse_changes(content)
        case "init":
            return parse_inits(content)
        case "names":
            return AS_WRITTEN if content.text.strip() == AS_WRITTEN else parse_renames(content)
        case _:
            return _one_line(section.keyword, content)


def _one_line(keyword: str, content: Fragment) -> object:
    if keyword == "input":
        return parse_shape(content)
    if keyword == "source":
        return content.text.split()
    if keyword == "network":
        return content.text.strip()
    line, *others = content.lines
    path, comma, rest = line.text.partition(",")
    arguments = parse_arguments(_piece(content, line, rest, len(path) + 1)) if comma else ()
    return path.strip(), arguments, [other.text.strip() for other in others]


def _entry(keyword: str, entry: Entry) -> object:
    if keyword == "default":
        return parse_arguments(entry.value)
    if keyword == "input":
        return parse_shape(entry.value)
    return _cell(entry.value)


def _cell(fragment: Fragment) -> object:
    """A word by its letters, since `A-LRN` is one although it looks like a difference; an expression by its tree."""
    text = without_comments(fragment.text)[0].strip()
    if _WORDLIKE.fullmatch(text):
        return text
    try:
        return parse_expression(fragment)
    except SpecError:
        return text


def _piece(fragment: Fragment, line: SourceLine, text: str, at: int) -> Fragment:
    return Fragment(fragment.file, (SourceLine(text, line.line, line.column + at),), True)


def _table_cell(fragment: Fragment) -> object:
    return ("=>", fragment.text[2:].split()) if fragment.text.startswith("=>") else _cell(fragment)
