"""The parser's tables: made from the grammar once by lark, kept in the package, loaded in milliseconds.

    python -m archdsl.syntax.tables

writes them anew after a change of `grammar.lark`. There are two files. `grammar.json` drives the parser of
`syntax.lalr`. `grammar.tables` is lark's own form, for lark itself, which says what is wrong with a text; it is a
pickle, read from this package alone and from nowhere a user or a spec can name. Tables of another grammar are not used.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from .grammar import DRIVER_FILE, FOLDER, grammar, stamp
from .lalr import Parser

if TYPE_CHECKING:
    from lark import Lark


@cache
def driver() -> Parser:
    """The parser of correct texts, from the tables of the package where they are current, else made by lark."""
    text = grammar()
    stored = FOLDER / DRIVER_FILE
    if stored.is_file():
        tables: dict[str, Any] = json.loads(stored.read_bytes())
        if tables["stamp"] == stamp(text):
            return Parser(tables)
    from .lark_tables import build, driver_tables

    return Parser(driver_tables(build(text), text))


@cache
def lark() -> Lark:
    """lark's parser of the grammar: its errors say what is wrong with a text."""
    from . import lark_tables

    return lark_tables.load()


if __name__ == "__main__":
    from .lark_tables import save

    save(FOLDER)
