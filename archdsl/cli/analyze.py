"""`archdsl analyze`."""

from __future__ import annotations

import shutil

from .. import api
from ..report import analysis_table, fact_diagnostic, json_object, json_text
from .files import guarded, open_network, print_exactly, show_diagnostics
from .parser import Options


def run(options: Options) -> int:
    """Print the table or the object; 1 if a fact fails."""
    return guarded(lambda: _run(options))


def _run(options: Options) -> int:
    analysis = api.analyze(open_network(options.file, options.settings))
    if options.json:
        print_exactly(json_text(json_object(analysis, training=options.training)))
    else:
        width, connections = shutil.get_terminal_size((100, 24)).columns, options.connections or None
        print(analysis_table(analysis, width, options.depth, training=options.training, connections=connections))
    show_diagnostics([fact_diagnostic(fact) for fact in analysis.failed])
    return 1 if analysis.failed else 0
