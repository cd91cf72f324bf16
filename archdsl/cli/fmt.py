"""`archdsl fmt`."""

from __future__ import annotations

import sys

from ..diagnostics import Collector, Diagnostic, SourceFile, SpecError, safe
from ..elaborate.files import find_spec
from ..syntax.containers import read_file
from .files import Failure, print_exactly, reading, show_diagnostics, show_failure, write_file
from .parser import Options, Parser, add_file

EXAMPLES = """\
  archdsl fmt net.yaml
  archdsl fmt --check specs/*.yaml
  archdsl fmt --to arch net.yaml -o net.arch
  cat net.yaml | archdsl fmt -
"""


def arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    add_file(parser, many=True, bundled=False)
    parser.add_argument("--check", action="store_true", help="change nothing; list the files that would, and exit with 1")
    parser.add_argument("--to", choices=("arch", "yaml"), help="the other container; printed, or written to -o")
    parser.add_argument("-o", "--output", metavar="OUT", help="write there instead of in place")


def run(options: Options) -> int:
    """Format every file; 1 if one is wrong (with --check: or would change), 2 if one cannot be read or written."""
    if len(options.files) > 1 and (options.to or options.output):
        show_failure(Failure("`--to` and `-o` take one file at a time"))
        return 2
    if options.check and (options.to or options.output):
        show_failure(Failure("`--check` changes nothing: leave out `--to` and `-o`"))
        return 2
    code = 0
    found: list[Diagnostic] = []
    for name in options.files:
        try:
            code = max(code, _format(name, options))
        except SpecError as error:
            found.extend(error.diagnostics)
            code = max(code, 1)
        except Failure as failure:
            show_failure(failure)
            code = 2
    show_diagnostics(found)
    return code


def _format(name: str, options: Options) -> int:
    path = str(find_spec(name)) if options.to else name
    file = reading(name, lambda: read_file(path))
    text = formatted(file, options.to)
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


def formatted(file: SourceFile, to: str | None) -> str:
    """The canonical text of a spec; raises SpecError for one that cannot be read."""
    from ..syntax.formatter import format_spec

    collector = Collector()
    text = format_spec(file, collector, to)
    collector.raise_errors()
    return text
