"""The grammar's text, and what tables made of it must agree with."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

STARTS = ["body", "signature", "shape", "defaults", "renames", "inits", "changes", "sum", "test", "label"]
FILE = "grammar.tables"
DRIVER_FILE = "grammar.json"
FOLDER = Path(__file__).parent


def grammar() -> str:
    """The text of the grammar."""
    return (FOLDER / "grammar.lark").read_text(encoding="utf-8")


def stamp(text: str, maker: str = "") -> str:
    """What tables must agree with: the grammar, its starts, and for lark's own the version of lark."""
    return sha256("\n".join([maker, *STARTS, text]).encode()).hexdigest()
