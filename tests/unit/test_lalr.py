"""The parser that is driven by lark's tables gives lark's trees, and refuses what lark refuses."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from lark import Token, Tree
from lark.exceptions import UnexpectedInput
from lark.indenter import DedentError

from archdsl.api import Project
from archdsl.diagnostics import SpecError
from archdsl.syntax import lalr, tables
from archdsl.syntax.first import first_characters

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "specs").glob("*.yaml")), *sorted((ROOT / "tests" / "fixtures" / "specs").rglob("*.*"))]


def texts(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every text that some specs give to the parser, with the rule it is to be of."""
    seen: dict[tuple[str, str], None] = {}
    parse = lalr.Parser.parse

    def recording(self: lalr.Parser, text: str, start: str) -> lalr.Node:
        seen[text, start] = None
        return parse(self, text, start)

    with monkeypatch.context() as patch:
        patch.setattr(lalr.Parser, "parse", recording)
        for path in paths:
            try:
                Project(path)
            except (SpecError, UnicodeError):
                continue
    return list(seen)


def of_lark(text: str, start: str) -> object:
    """What lark makes of a text, None if it refuses."""
    try:
        return shape_of_lark(tables.lark().parse(text, start=start))
    except (UnexpectedInput, DedentError):
        return None


def of_ours(text: str, start: str) -> object:
    """What our parser makes of it."""
    try:
        return shape_of_ours(tables.driver().parse(text, start))
    except lalr.Refused:
        return None


def shape_of_lark(node: object) -> object:
    if isinstance(node, Token):
        return node.type, str(node), node.line, node.column, node.end_line, node.end_column
    if isinstance(node, Tree):
        meta = node.meta
        place = () if meta.empty else (meta.line, meta.column, meta.end_line, meta.end_column)
        return str(node.data), place, [shape_of_lark(child) for child in node.children]
    return node


def shape_of_ours(node: object) -> object:
    if isinstance(node, lalr.Token):
        return node.type, str(node), node.line, node.column, node.end_line, node.end_column
    if isinstance(node, lalr.Tree):
        place = () if node.empty else (node.line, node.column, node.end_line, node.end_column)
        return node.data, place, [shape_of_ours(child) for child in node.children]
    return node


def test_every_text_of_the_specs_gives_the_tree_of_lark(monkeypatch: pytest.MonkeyPatch) -> None:
    found = texts(FILES, monkeypatch)
    assert {start for _, start in found} >= {"body", "signature", "shape", "sum", "renames"}
    for text, start in found:
        expected = of_lark(text, start)
        assert of_ours(text, start) == expected, text


def test_what_lark_refuses_is_refused_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(20)
    names = ["googlenet.yaml", "mobilenetv3.yaml", "gpt2.yaml", "densenet.yaml"]
    found = texts([ROOT / "specs" / name for name in names], monkeypatch)
    outcomes = {True: 0, False: 0}
    for _ in range(600):
        text, start = chance.choice(found)
        at = chance.randrange(len(text) + 1)
        piece = chance.choice(
            ["", "", "\n", "  ", "(", "]", "->", "x", "é", "\u00d7", ":", "=>", "if", "@a.b", "{i}", '"']
        )
        broken = text[:at] + piece + text[at + chance.randrange(3) :]
        expected = of_lark(broken, start)
        assert of_ours(broken, start) == expected, broken
        outcomes[expected is None] += 1
    assert min(outcomes.values()) > 50


@pytest.mark.parametrize(
    ("pattern", "first"),
    [(r"a?b", "ab"), (r"(?!c)[a-c]+", "abc"), (r"(x|y*)z", "xyz"), (r"\bno\b", "n"), (r'"[^"]*"', '"')],
)
def test_first_characters(pattern: str, first: str) -> None:
    assert first_characters(pattern) == first


def test_what_is_beyond_ascii_is_one_character() -> None:
    assert "\x80" in first_characters("\u00d7")
    assert set(first_characters(r"[^a]")) >= {"\x80", "b"}
    assert set(first_characters(r"(?i:a)")) >= {"a", "A"}
