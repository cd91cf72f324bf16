"""`archdsl schema`."""

from __future__ import annotations

from importlib.resources import files

from .files import print_exactly
from .parser import Options


def run(options: Options) -> int:
    """Print the JSON Schema of one of the objects that archdsl prints."""
    print_exactly(files("archdsl").joinpath("report", "schemas", f"{options.word}.json").read_text("utf-8"))
    return 0
