"""`archdsl check --fix`: the edits that surely mend a spec, made over and over until there are none left."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ..api import Project
from ..checking import check_project
from ..diagnostics import Collector, Diagnostic, Edit, SourceFile, SpecError, safe
from ..records import dataclass
from ..spec import read_spec
from ..syntax.containers import decode, read_sections
from .files import CommandError, reading, write_bytes

_MOST_ROUNDS = 1000
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Fixed:
    """A text with every sure edit made, and the diagnostics whose edits were; the same text if it cannot be read then."""

    text: str
    made: tuple[Diagnostic, ...]


def fix_file(name: str) -> None:
    """Mend a file in place, as a whole or not at all, and say on standard error what was done."""
    if name == "-" or not Path(name).is_file():
        what = "standard input" if name == "-" else f"`{name}`, which is no file"
        raise CommandError(f"`--fix` changes files, not {what}", "`archdsl check` without it says what is wrong")
    data = reading(name, lambda: Path(name).read_bytes())
    try:
        text = data.removeprefix(_MARK).decode("utf-8")
    except UnicodeDecodeError:
        return
    fixed = fix(name, text, Path(name).parent)
    if fixed.text == text:
        return
    write_bytes(name, (_MARK if data.startswith(_MARK) else b"") + fixed.text.encode("utf-8"))
    for d in fixed.made:
        print(safe(f"{d.span}: fixed[{d.code}]: {d.message}"), file=sys.stderr)


def fix(name: str, text: str, folder: Path | None = None) -> Fixed:
    """Mend the text of a spec; `folder` is where it looks for others.

    >>> fix("net.arch", "input: 3x8x8\\nlayers: conv(3x3, 8) → relu").text
    'input: 3x8x8\\nlayers: conv 3x3, 8 -> relu'
    """
    given, made, seen = text, list[Diagnostic](), {text}
    for _ in range(_MOST_ROUNDS):
        found = [d for d in _mistakes(name, text, folder) if _is_own(d, name)]
        edits = _apart(found)
        if not edits:
            break
        made.extend(d for d, _ in edits)
        text = edited(text, [edit for _, some in edits for edit in some])
        if text in seen:  # edits that undo each other
            return Fixed(given, ())
        seen.add(text)
    return Fixed(text, tuple(made)) if _is_readable(name, text) else Fixed(given, ())


def _mistakes(name: str, text: str, folder: Path | None) -> Sequence[Diagnostic]:
    try:
        file = decode(name, text.encode("utf-8"))
        return check_project(Project(None, file, folder)).diagnostics
    except SpecError as error:
        return error.diagnostics


def _is_own(diagnostic: Diagnostic, name: str) -> bool:
    return bool(diagnostic.fixes) and all(edit.span.file.name == name for edit in diagnostic.fixes)


def _apart(found: Sequence[Diagnostic]) -> list[tuple[Diagnostic, tuple[Edit, ...]]]:
    """The diagnostics whose edits do not touch those of one before; the others wait for the next round."""
    taken: list[tuple[tuple[int, int], tuple[int, int]]] = []
    kept: list[tuple[Diagnostic, tuple[Edit, ...]]] = []
    for diagnostic in found:
        places = [_range(edit) for edit in diagnostic.fixes]
        if any(start <= other_end and other_start <= end for start, end in places for other_start, other_end in taken):
            continue
        taken.extend(places)
        kept.append((diagnostic, diagnostic.fixes))
    return kept


def _range(edit: Edit) -> tuple[tuple[int, int], tuple[int, int]]:
    span = edit.span
    return (span.line, span.column), (span.end_line, span.end_column)


def edited(text: str, edits: Sequence[Edit]) -> str:
    """A text with edits made that do not touch each other."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for edit in sorted(edits, key=_range, reverse=True):
        first = starts[edit.span.line - 1] + edit.span.column - 1
        last = starts[edit.span.end_line - 1] + edit.span.end_column - 1
        text = text[:first] + edit.text + text[max(first, last) :]
    return text


def _is_readable(name: str, text: str) -> bool:
    """Whether every section of a text can be read."""
    collector = Collector()
    try:
        file: SourceFile = decode(name, text.encode("utf-8"))
        read_spec(file, read_sections(file, collector), collector)
    except SpecError:
        return False
    return not collector.errors
