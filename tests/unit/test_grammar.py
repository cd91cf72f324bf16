"""The grammar itself: no conflict, no two terminals that collide where both can stand."""

from __future__ import annotations

from importlib.resources import files

from lark import Lark

from archdsl.syntax.parse import STARTS, _Indenter


def test_the_grammar_is_strictly_lalr() -> None:
    """Takes some seconds: lark compares every pair of terminals."""
    text = files("archdsl.syntax").joinpath("grammar.lark").read_text(encoding="utf-8")
    Lark(text, parser="lalr", lexer="contextual", strict=True, postlex=_Indenter(), maybe_placeholders=True, start=STARTS)
