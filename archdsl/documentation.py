"""The reference of operators and of diagnostic codes, made from the classes and the explanations.

`python -m archdsl.documentation docs` writes docs/operators.md and docs/errors.md; a test says when they are not
current.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from . import explanations as ex
from .diagnostics import safe
from .ir.operator import Argument, Operator, operators
from .ops import PLANNED, SYNONYMS

_PLACEHOLDERS = {
    "axes": "SIZE", "whole": "N", "number": "NUMBER", "word": "WORD", "grid": "MAP", "factor": "NUMBER", "numbers": "NUMBERS", "bool": "",
}  # fmt: skip
_DEFAULT = re.compile(r"\s*\(default: (.+?)\)")
_KINDS = {"map": "a map", "sequence": "a sequence", "vector": "a vector", "numbers": "whole numbers"}
_WORDS = ("needed", "on", "off", "-")


@dataclass(frozen=True, slots=True)
class ArgumentDoc:
    """One argument: its name in the language, how it is written, what it is unless written, what it means."""

    name: str
    written: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class OperatorDoc:
    """What the class of an operator says of it."""

    word: str
    family: str
    summary: str
    details: str
    usage: str
    arguments: tuple[ArgumentDoc, ...]
    takes: str
    advice: tuple[tuple[str, str], ...]
    elsewhere: tuple[str, ...]
    example: str


def operator_doc(cls: type[Operator]) -> OperatorDoc:
    """The documentation of one operator."""
    summary, _, details = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")
    return OperatorDoc(
        cls.word,
        cls.family,
        " ".join(summary.split()),
        details,
        usage(cls),
        tuple(_argument(argument) for argument in cls.arguments()),
        "paths, brought together" if cls.joins else _or([_KINDS[kind] for kind in cls.accepts]),
        tuple((_KINDS[kind], text) for kind, text in cls.advice.items()),
        tuple(sorted(word for word, meant in SYNONYMS.items() if meant == cls.word and word != cls.word)),
        str(getattr(cls, "example", "")),
    )


def usage(cls: type[Operator]) -> str:
    """How a line with this operator is written; brackets hold what may be left out, bars what excludes each other.

    >>> from .ops.linear import Linear
    >>> usage(Linear)
    'linear width [, weight @LABEL] [, no bias]'
    """
    text, first, seen = cls.word, True, False
    for argument in cls.arguments():
        if argument.name in cls.exclusive:
            if seen:
                continue
            seen = True
            choices = [_written(a) for a in cls.arguments() if a.name in cls.exclusive]
            text += f" [, {' | '.join(choices)}]"
            continue
        separator = " " if first else ", "
        if argument.required:
            text += separator + _written(argument)
        else:
            text += f" [{separator.strip()}{' ' if not first else ''}{_written(argument)}]"
        first = first and argument.use != "position"
    return f"{text}:\n  - one path\n  - another path" if cls.joins else text


def _written(argument: Argument) -> str:
    name = argument.name.rstrip("_")
    match argument.use:
        case "position" | "flag":
            return name
        case "switch":
            return f"no {name}"
        case "value" | "tied":
            return f"{name} @LABEL"
        case _:
            return f"{name} {_PLACEHOLDERS[argument.type]}"


def _argument(argument: Argument) -> ArgumentDoc:
    stated = _DEFAULT.search(argument.doc)
    meaning = _DEFAULT.sub("", argument.doc)
    if argument.minimum is not None and argument.minimum != 1:
        meaning += f"; at least {argument.minimum}"
    default = stated[1] if stated else _default(argument)
    return ArgumentDoc(argument.name.rstrip("_"), _written(argument), default, meaning)


def _default(argument: Argument) -> str:
    value = argument.default
    if argument.required:
        return "needed"
    if argument.use in ("switch", "flag"):
        return "on" if argument.use == "switch" else "off"
    if argument.use in ("value", "tied") or value is None:
        return "-"
    return f"{float(value):g}" if isinstance(value, Fraction) else str(value)


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


# ---- text for `archdsl explain` -------------------------------------------------------------------------------------


def plain(doc: OperatorDoc, width: int = 88) -> str:
    """An operator's documentation for a terminal."""
    parts = [f"{doc.word}: {doc.summary}", "usage:\n" + "\n".join(_usage_lines(doc.usage, width))]
    if doc.details:
        parts.append(doc.details)
    if doc.arguments:
        parts.append("\n".join(_columns([(a.written, a.default, a.meaning) for a in doc.arguments], width)))
    parts.append(f"takes {doc.takes}" + "".join(f"\n  {kind}: {text}" for kind, text in doc.advice))
    if doc.elsewhere:
        parts.append(f"elsewhere called {', '.join(doc.elsewhere)}")
    if doc.example:
        parts.append(f"example:\n{textwrap.indent(doc.example.strip(), '  ')}")
    return "\n\n".join(_filled(part, width) for part in parts)


def plain_explanation(entry: ex.Explanation, width: int = 88) -> str:
    """A diagnostic code's explanation for a terminal."""
    parts = [f"{entry.code}: {entry.title}", _filled(entry.text, width)]
    for heading, example in (("wrong:", entry.wrong), ("right:", entry.right)):
        if example is not None:
            lines = "\n".join(safe(line) for line in example.text.rstrip().split("\n"))
            parts.append(f"{heading}\n\n{textwrap.indent(lines, '    ')}")
    return "\n\n".join(parts)


def overview(width: int = 88) -> str:
    """Every word that can be explained, by family."""
    parts = ["layer words:"]
    rows = [(family, ", ".join(doc.word for doc in docs)) for family, docs in families()]
    rows.append(("not built yet", ", ".join(sorted(PLANNED))))
    parts.append("\n".join(_columns(rows, width)))
    parts.append("diagnostic codes:")
    parts.append("\n".join(_columns([(e.code, e.title) for e in ex.explanations().values()], width)))
    return "\n\n".join(parts)


def _usage_lines(usage: str, width: int) -> Iterator[str]:
    """The usage, indented, broken only before a bracket."""
    for number, line in enumerate(usage.split("\n")):
        if number or len(line) + 2 <= width:
            yield f"  {line}"
            continue
        first, *rest = line.split(" [")
        text = f"  {first}"
        for piece in rest:
            if len(text) + len(piece) + 2 > width:
                yield text
                text = "     "
            text += f" [{piece}"
        yield text


def _columns(rows: list[tuple[str, ...]], width: int) -> Iterator[str]:
    """Cells below each other; the last one is broken into lines of its own column."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        head = "  " + "".join(f"{cell:{w}}  " for cell, w in zip(row[:-1], widths, strict=True))
        lines = textwrap.wrap(row[-1], max(20, width - len(head))) or [""]
        yield (head + lines[0]).rstrip()
        yield from (" " * len(head) + line for line in lines[1:])


def _filled(text: str, width: int) -> str:
    """Paragraphs broken to the width; indented lines stay as they are."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(p if "\n " in p or p.startswith(" ") else textwrap.fill(p, width) for p in paragraphs)


# ---- pages ----------------------------------------------------------------------------------------------------------


def families() -> list[tuple[str, list[OperatorDoc]]]:
    """The operators family by family, both in alphabetical order."""
    found: dict[str, list[OperatorDoc]] = {}
    for cls in operators().values():
        found.setdefault(cls.family, []).append(operator_doc(cls))
    return sorted(found.items())


def operators_page() -> str:
    """docs/operators.md."""
    lines = [
        "# Layer words", "",
        "Made from the operator classes by `python -m archdsl.documentation docs`; not to be edited.", "",
        "Positions come first, in their order; then, in any order, pairs (`stride 2`), flags (`valid`), and `no` with",
        "what is there by default (`no bias`). In the usage lines brackets hold what may be left out, bars separate",
        "what excludes each other. A SIZE is one number for every axis of a map, or one an axis: `3`, `3x3`.", "",
        "| family | words |", "|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {family} | {', '.join(f'[`{doc.word}`](#{doc.word})' for doc in docs)} |" for family, docs in families()
    ]
    for family, docs in families():
        lines += ["", f"## {family.capitalize()}"]
        for doc in docs:
            lines += ["", *_markdown(doc)]
    planned = "The language keeps these words for later; this version refuses them by name:"
    lines += ["", "## Not built yet", "", planned, ""]
    lines += textwrap.wrap(", ".join(f"`{word}`" for word in sorted(PLANNED)) + ".", 120)
    return "\n".join(lines) + "\n"


def _markdown(doc: OperatorDoc) -> Iterable[str]:
    yield from (f"### {doc.word}", "", doc.summary, "", "```", doc.usage, "```")
    if doc.details:
        yield from ("", doc.details)
    if doc.arguments:
        yield from ("", "| argument | written | default | meaning |", "|---|---|---|---|")
        for a in doc.arguments:
            default = a.default if a.default in _WORDS or " " in a.default else f"`{a.default}`"
            cells = (a.name, f"`{a.written}`", default, a.meaning)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield from ("", f"Takes {doc.takes}." + "".join(f" For {kind}: {text}." for kind, text in doc.advice))
    if doc.elsewhere:
        yield f"Elsewhere called {', '.join(f'`{word}`' for word in doc.elsewhere)}."
    if doc.example:
        yield from ("", "```arch", doc.example.strip(), "```")


def errors_page() -> str:
    """docs/errors.md."""
    head = (
        "# Diagnostic codes\n\n"
        "Made from archdsl/explanations.md by `python -m archdsl.documentation docs`; not to be edited.\n"
        "`archdsl explain A0405` prints one entry. Each has an example that fails with the code, and the same mended;\n"
        "a test runs them.\n\n"
    )
    # the page has a title of its own: chapters and entries go one level down, what stands in blocks stays
    text = re.sub(r"^(#+ )(?=A\d{4}: |[A-Z][a-z, ]+$)", r"#\1", ex.source(), flags=re.MULTILINE)
    return head + text


PAGES = {"operators.md": operators_page, "errors.md": errors_page}


def main(folder: str) -> None:
    """Write the pages into a folder."""
    for name, page in PAGES.items():
        (Path(folder) / name).write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs")
