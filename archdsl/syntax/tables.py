"""The parser's tables: made from the grammar once, kept in the package, loaded in milliseconds.

    python -m archdsl.syntax.tables

writes them anew after a change of `grammar.lark`. They are a pickle, read from this package alone and from nowhere a user
or a spec can name; tables of another grammar or another lark are not used.
"""

from __future__ import annotations

import io
import pickle
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import lark
from lark import Lark
from lark.indenter import Indenter

STARTS = ["body", "signature", "shape", "defaults", "renames", "changes", "sum", "test", "label"]
FILE = "grammar.tables"


class SpecIndenter(Indenter):
    """Indentation as tokens; newlines inside brackets are none."""

    @property
    def NL_type(self) -> str:  # noqa: N802 - lark's names
        """The token of a newline."""
        return "_NL"

    @property
    def OPEN_PAREN_types(self) -> list[str]:  # noqa: N802
        """Tokens that open a bracket."""
        return ["LSQB", "LPAR", "FUNC"]

    @property
    def CLOSE_PAREN_types(self) -> list[str]:  # noqa: N802
        """Tokens that close one."""
        return ["RSQB", "RPAR"]

    @property
    def INDENT_type(self) -> str:  # noqa: N802
        """The token of a deeper line."""
        return "_INDENT"

    @property
    def DEDENT_type(self) -> str:  # noqa: N802
        """The token of a shallower line."""
        return "_DEDENT"

    @property
    def tab_len(self) -> int:
        """Blanks in a tab; the readers have refused tabs before."""
        return 8


def grammar() -> str:
    """The text of the grammar."""
    return files("archdsl.syntax").joinpath("grammar.lark").read_text(encoding="utf-8")


def stamp(text: str) -> bytes:
    """What tables must agree with: the grammar, its starts, and the version of lark."""
    return sha256("\n".join([lark.__version__, *STARTS, text]).encode()).hexdigest().encode()


def build(text: str, *, strict: bool = False) -> Lark:
    """A parser made from the grammar's text: about 0.2 s; with `strict`, lark proves that no terminals collide."""
    return Lark(
        text,
        parser="lalr",
        lexer="contextual",
        strict=strict,
        postlex=SpecIndenter(),
        propagate_positions=True,
        maybe_placeholders=True,
        start=STARTS,
    )


def load() -> Lark:
    """The parser, from the tables of the package where they are current, else from the grammar."""
    text = grammar()
    stored = files("archdsl.syntax").joinpath(FILE)
    if stored.is_file():
        mark, _, tables = stored.read_bytes().partition(b"\n")
        if mark == stamp(text):
            parser = Lark.__new__(Lark)
            return parser._load(pickle.loads(tables), postlex=SpecIndenter())  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]  # noqa: S301
    return build(text)


def save(path: Path) -> None:
    """Write the tables of the grammar as it stands."""
    text = grammar()
    written = io.BytesIO()
    build(text).save(written)  # pyright: ignore[reportUnknownMemberType] - untyped in lark
    tables = pickle.loads(written.getvalue())  # noqa: S301
    tables["data"]["options"]["postlex"] = None  # given anew when the tables are loaded
    path.write_bytes(stamp(text) + b"\n" + pickle.dumps(tables, protocol=4))


if __name__ == "__main__":
    save(Path(__file__).with_name(FILE))
