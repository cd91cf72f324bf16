"""`archdsl analyze`."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from .cache import Cache, Printed
from .files import CommandError, guarded, network_of, open_project, print_exactly, refuse_foreign, show_diagnostics
from .parser import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..analysis import Analysis
    from ..analysis.columns import Details
    from ..report.json_report import More
    from ..report.listing import Listing

TABLE_WIDTH = 100


def run(options: Options) -> int:
    """Print the table, the object, or whatever was asked for; 1 if a fact fails."""
    if options.plot is not None:
        return guarded(lambda: _plot(options))
    terminal = shutil.get_terminal_size((TABLE_WIDTH, 24)).columns if _format(options) == "table" else None
    cache = Cache("analyze", options.file, vars(options), terminal)
    printed = cache.recall()
    if printed is not None:
        _print(printed)
        return 0
    return guarded(lambda: _run(options, cache))


def _run(options: Options, cache: Cache) -> int:
    from .. import api  # here, for what is remembered needs none of it
    from ..report import fact_diagnostic
    from ..report.listing import UnsortableError

    _check(options)
    project = open_project(options.file)
    analysis = api.analyze(network_of(project, options.settings, options.at))
    try:
        printed = _printed(analysis, options, _format(options))
    except UnsortableError:
        help = "give sizes to the symbols of the input: `--at T=1024`"
        raise CommandError(f"`{options.sort}` has formulas, which have no order", help) from None
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


def _format(options: Options) -> str:
    return "json" if options.json else options.format or "table"


def _check(options: Options) -> None:
    """Refuse options that exclude each other."""
    if options.json and options.format not in (None, "json"):
        raise CommandError(f"`--json` and `--format {options.format}` exclude each other")
    if options.depth is not None and (options.by or options.sort):
        raise CommandError(f"`--depth` is of the tree, `--{'by' if options.by else 'sort'}` shows none")
    if options.force and options.plot is None:
        raise CommandError("`--force` is for `--plot`: nothing else is written")
    for name in ("columns", "sort", "by", "format", "json", "depth", "connections") if options.plot is not None else ():
        if getattr(options, name):
            raise CommandError(
                f"`--plot` and `--{name}` exclude each other", "a plot always shows the same four columns"
            )


def _details(analysis: Analysis, options: Options, fold: bool) -> Details:
    from ..analysis.columns import Assumptions, Details

    given = Assumptions(options.batch or 1, options.dtype or "float32", options.optimizer or "adam")
    return Details(analysis, given, training=options.training, fold=fold)


def _plot(options: Options) -> int:
    from .. import api
    from ..report import fact_diagnostic
    from ..report.listing import UnsortableError
    from .plot import check_plot, write_plot

    assert options.plot is not None
    _check(options)
    check_plot(options.plot)
    refuse_foreign(options.plot, options.file, options.force)
    project = open_project(options.file)
    analysis = api.analyze(network_of(project, options.settings, options.at))
    try:
        write_plot(_details(analysis, options, False), options.plot)
    except UnsortableError:
        help = "give sizes to the symbols of the input: `--at T=1024`"
        raise CommandError("a plot needs numbers", help) from None
    print(f"wrote {options.plot}", file=sys.stderr)
    show_diagnostics([fact_diagnostic(fact) for fact in analysis.failed])
    return 1 if analysis.failed else 0


def _printed(analysis: Analysis, options: Options, form: str) -> Printed:
    from ..report import json_object, json_text
    from ..report.table import default_columns, details_table

    tabled = form in ("table", "markdown") or (form == "csv" and bool(options.by or options.depth))
    details = _details(analysis, options, tabled)
    if form == "json":
        return Printed(json_text(json_object(analysis, training=options.training, more=_more(details, options))), True)
    names = options.columns or default_columns(analysis, options.connections or None)
    if options.by is not None and options.columns is None:
        names = tuple(name for name in names if name != "output")  # layers of one group differ in it
    listing = _listing(details, names, options, form != "csv")
    if form == "table":
        width = shutil.get_terminal_size((TABLE_WIDTH, 24)).columns
        if options.columns is None:
            width = min(width, TABLE_WIDTH)
        return Printed(details_table(details, names, listing, width, memory=_of_memory(options)), False)
    from ..report.delimited import csv_text, markdown_text

    return Printed((csv_text if form == "csv" else markdown_text)(details, names, listing), True)


def _listing(details: Details, names: Sequence[str], options: Options, as_tree: bool) -> Listing:
    from ..report.listing import grouped, layers, tree

    if options.by is not None:
        return grouped(details, names, options.by, options.sort)
    if options.sort is not None or not (as_tree or options.depth is not None):
        return layers(details, names, options.sort)
    return tree(details, names, options.depth)


def _of_memory(options: Options) -> bool:
    return any(value is not None for value in (options.batch, options.dtype, options.optimizer))


def _more(details: Details, options: Options) -> More | None:
    """What goes into the object beside what is always there."""
    from ..report.json_report import More

    if not (options.columns or options.by or options.sort or _of_memory(options)):
        return None
    return More(details, options.columns or (), options.sort, options.by, _of_memory(options))
