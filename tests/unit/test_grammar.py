"""The grammar itself: no conflict, no two terminals that collide where both can stand; its tables are current."""

from __future__ import annotations

from pathlib import Path

from archdsl.syntax import tables


def test_the_grammar_is_strictly_lalr() -> None:
    """Takes some seconds: lark compares every pair of terminals."""
    tables.build(tables.grammar(), strict=True)


def test_the_tables_in_the_package_are_current() -> None:
    """If this fails: python -m archdsl.syntax.tables."""
    stored = Path(tables.__file__).with_name(tables.FILE)
    assert stored.read_bytes().partition(b"\n")[0] == tables.stamp(tables.grammar())


def test_tables_of_another_grammar_are_not_used() -> None:
    assert tables.stamp(tables.grammar()) != tables.stamp(tables.grammar() + " ")
