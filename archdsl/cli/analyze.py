"""`archdsl analyze`."""

from __future__ import annotations

import argparse
import shutil

from .. import api
from ..report import analysis_table, fact_diagnostic, json_object
from .files import guarded, open_network, print_exactly, show_diagnostics
from .parser import Options, Parser, add_file, add_settings

EXAMPLES = """\
  archdsl analyze lenet5
  archdsl analyze resnet --set depth=34 --depth 2
  archdsl analyze net.yaml --json > net.json
"""


def arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    add_file(parser)
    add_settings(parser)
    parser.add_argument("--json", action="store_true", help="one object for a program (docs/json.md describes it)")
    parser.add_argument("--training", action="store_true", help="count what exists in training only, too")
    parser.add_argument("--depth", type=_depth, metavar="N", help="how many levels of the tree to show")
    parser.add_argument("--connections", action="store_true", help="count connections, in the sense of LeNet-5's paper")


def _depth(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or not 1 <= int(text[:6]) <= 1000:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of levels, 1 or more")
    return int(text)


def run(options: Options) -> int:
    """Print the table or the object; 1 if a fact fails."""
    return guarded(lambda: _run(options))


def _run(options: Options) -> int:
    analysis = api.analyze(open_network(options.file, options.settings))
    if options.json:
        import json

        print_exactly(json.dumps(json_object(analysis, training=options.training), indent=2, ensure_ascii=False) + "\n")
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        connections = True if options.connections else None
        print(
            analysis_table(
                analysis, width=width, depth=options.depth, training=options.training, connections=connections
            )
        )
    show_diagnostics([fact_diagnostic(fact) for fact in analysis.failed])
    return 1 if analysis.failed else 0
