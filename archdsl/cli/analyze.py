"""`archdsl analyze`."""

from __future__ import annotations

import shutil

from .cache import Cache, Printed
from .files import guarded, network_of, open_project, print_exactly, show_diagnostics
from .parser import Options


def run(options: Options) -> int:
    """Print the table or the object; 1 if a fact fails."""
    terminal = None if options.json else shutil.get_terminal_size((100, 24)).columns
    cache = Cache("analyze", options.file, vars(options), terminal)
    printed = cache.recall()
    if printed is not None:
        _print(printed)
        return 0
    return guarded(lambda: _run(options, cache))


def _run(options: Options, cache: Cache) -> int:
    from .. import api  # here, for what is remembered needs none of it
    from ..report import analysis_table, fact_diagnostic, json_object, json_text

    project = open_project(options.file)
    analysis = api.analyze(network_of(project, options.settings))
    if options.json:
        printed = Printed(json_text(json_object(analysis, training=options.training)), True)
    else:
        width, connections = shutil.get_terminal_size((100, 24)).columns, options.connections or None
        table = analysis_table(analysis, width, options.depth, training=options.training, connections=connections)
        printed = Printed(table, False)
    _print(printed)
    show_diagnostics([fact_diagnostic(fact) for fact in analysis.failed])
    if not analysis.failed:
        cache.keep(printed, project.library.sources)
    return 1 if analysis.failed else 0


def _print(printed: Printed) -> None:
    if printed.exact:
        print_exactly(printed.text)
    else:
        print(printed.text)
