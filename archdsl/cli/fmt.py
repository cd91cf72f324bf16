"""`archdsl fmt`."""

from __future__ import annotations

import re
import sys
from typing import Literal

from ..diagnostics import Collector, Diagnostic, SourceFile, SpecError, safe
from ..elaborate.find import find_spec
from ..syntax.containers import read_file
from .files import CommandError, matching, print_exactly, reading, show_diagnostics, show_failure, write_file
from .parser import Options


def run(options: Options) -> int:
    """Format every file; 1 if one is wrong (with --check: or would change), 2 if one cannot be read or written."""
    if len(options.files) > 1 and (options.to or options.output):
        show_failure(CommandError("`--to` and `-o` take one file at a time"))
        return 2
    if options.check and (options.to or options.output):
        show_failure(CommandError("`--check` changes nothing: leave out `--to` and `-o`"))
        return 2
    try:
        files = matching(options.files)
    except CommandError as failure:
        show_failure(failure)
        return 2
    code = 0
    found: list[Diagnostic] = []
    for name in files:
        try:
            code = max(code, _format(name, options))
        except SpecError as error:
            found.extend(error.diagnostics)
            code = max(code, 1)
        except CommandError as failure:
            show_failure(failure)
            code = 2
    show_diagnostics(found)
    return code


def _format(name: str, options: Options) -> int:
    path = str(find_spec(name)) if options.to else name
    file = reading(name, lambda: read_file(path))
    text = formatted(file, options.to or (_container_of(file) if name == "-" else None))
    if options.check:
        if text != file.text:
            print(safe(name))
        return int(text != file.text)
    if options.output not in (None, "-"):
        write_file(str(options.output), text)
    elif options.to or options.output or name == "-":
        print_exactly(text)
    elif text != file.text:
        write_file(name, text)
        print(f"formatted {safe(name)}", file=sys.stderr)
    return 0


def _container_of(file: SourceFile) -> Literal["arch", "yaml"]:
    """Standard input has no suffix: what has YAML's bars is YAML."""
    return "yaml" if re.search(r"^\w[^#\n]*: \|[-+]?[ \t]*(#.*)?$", file.text, re.MULTILINE) else "arch"


def formatted(file: SourceFile, to: Literal["arch", "yaml"] | None) -> str:
    """The canonical text of a spec; raises SpecError for one that cannot be read."""
    from ..syntax.formatter import format_spec

    collector = Collector()
    text = format_spec(file, collector, to)
    collector.raise_errors()
    return text
