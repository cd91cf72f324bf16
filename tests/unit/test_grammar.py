"""The grammar itself: no conflict, no two terminals that collide where both can stand; its tables are current."""

from __future__ import annotations

import json

import lark

from archdsl.syntax import grammar, lark_tables, tables


def test_the_grammar_is_strictly_lalr() -> None:
    """Takes some seconds: lark compares every pair of terminals."""
    lark_tables.build(grammar.grammar(), strict=True)


def test_the_tables_in_the_package_are_current() -> None:
    """If this fails: python -m archdsl.syntax.tables."""
    text = grammar.grammar()
    stored = (grammar.FOLDER / grammar.FILE).read_bytes().partition(b"\n")[0]
    assert stored.decode() == grammar.stamp(text, lark.__version__)
    driving = json.loads((grammar.FOLDER / grammar.DRIVER_FILE).read_bytes())
    assert driving["stamp"] == grammar.stamp(text)
    assert driving == json.loads(json.dumps(lark_tables.driver_tables(tables.lark(), text)))


def test_tables_of_another_grammar_are_not_used() -> None:
    assert grammar.stamp(grammar.grammar()) != grammar.stamp(grammar.grammar() + " ")
