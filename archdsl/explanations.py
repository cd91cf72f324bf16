"""What every diagnostic code means: read from explanations.md beside this file.

The Markdown is the table: `## A0405: title`, a few sentences, a failing example (a block marked `arch wrong` or `yaml
wrong`) and the mended one (`arch right`). A code without examples says why. docs/errors.md is made from it, and a test
runs every example.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from .records import dataclass

_ENTRY = re.compile(r"^## (A\d{4}): (.+)$", re.MULTILINE)
_CHAPTER = re.compile(r"^# (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(arch|yaml) (wrong|right)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """A small complete spec; `container` is arch or yaml."""

    container: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One diagnostic code. Without `wrong` and `right` the text says why there is no example."""

    code: str
    title: str
    chapter: str
    text: str
    wrong: Example | None
    right: Example | None


def source() -> str:
    """The Markdown as written."""
    return files("archdsl").joinpath("explanations.md").read_text(encoding="utf-8")


@cache
def explanations() -> dict[str, Explanation]:
    """Every code's explanation, in order.

    >>> explanations()["A0405"].title
    'an even kernel has no middle'
    """
    found: dict[str, Explanation] = {}
    text = source()
    chapters = [(match.start(), match[1]) for match in _CHAPTER.finditer(_without_blocks(text))]
    entries = list(_ENTRY.finditer(text))
    for number, match in enumerate(entries):
        end = entries[number + 1].start() if number + 1 < len(entries) else len(text)
        chapter = [title for start, title in chapters if start < match.start()][-1]
        found[match[1]] = _read(match[1], match[2], chapter, text[match.end() : end])
    return found


def _without_blocks(text: str) -> str:
    """The text with what stands in code blocks blanked, every place kept."""
    return _BLOCK.sub(lambda match: " " * len(match[0]), text)


def _read(code: str, title: str, chapter: str, body: str) -> Explanation:
    blocks = {match[2]: Example(match[1], match[3]) for match in _BLOCK.finditer(body)}
    prose = _CHAPTER.sub("", _BLOCK.sub("", body)).strip()
    return Explanation(code, title, chapter, prose, blocks.get("wrong"), blocks.get("right"))


__all__ = ["Example", "Explanation", "explanations", "source"]
