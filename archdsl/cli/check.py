"""`archdsl check`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .. import api
from ..analysis import FactResult
from ..api import Project
from ..diagnostics import Collector, Diagnostic, SpecError, safe
from ..ir.graph import Network
from ..ir.shapes import Constant
from ..report import fact_diagnostic, facts_line
from ..report.constants import constant_text
from ..report.numbers import plural
from .files import Failure, open_project, show_diagnostics, show_failure
from .parser import Options, Parser, add_file

EXAMPLES = """\
  archdsl check net.yaml
  archdsl check specs/*.yaml
  cat net.arch | archdsl check -
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one file: its network's title, how many variants were built, their facts, and what is wrong."""

    title: str
    variants: int
    facts: tuple[FactResult, ...]
    diagnostics: tuple[Diagnostic, ...]


def arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    add_file(parser, many=True)


def run(options: Options) -> int:
    """Print a line a file and a total; 1 if anything fails, 2 if a file cannot be read."""
    width = max(len(safe(name)) for name in options.files)
    results: list[Checked] = []
    unreadable = 0
    found: list[Diagnostic] = []
    for name in options.files:
        try:
            checked = check_file(name)
        except Failure as failure:
            show_failure(failure)
            unreadable += 1
            continue
        results.append(checked)
        found.extend(checked.diagnostics)
        print(f"{safe(name):{width}}  {_line(checked)}", flush=True)
    print(_total(results))
    show_diagnostics(found)
    return 2 if unreadable else 1 if found else 0


def check_file(name: str) -> Checked:
    """Every variant of a spec built, every fact checked. Raises Failure for a file that cannot be read."""
    try:
        project = open_project(name)
    except SpecError as error:
        return Checked("", 0, (), error.diagnostics)
    try:
        choices = project.variants()
    except SpecError as error:
        return Checked(project.spec.network, 0, (), error.diagnostics)
    return _check(project, choices)


def _check(project: Project, choices: list[dict[str, Constant]]) -> Checked:
    collector = Collector()
    seen: list[object] = []
    facts: list[FactResult] = []
    for choice in choices:
        try:
            network = project.network(choice)
        except SpecError as error:
            for diagnostic in error.diagnostics:
                collector.add(diagnostic)
            seen.append(choice)
            continue
        made = _identity(network)
        if made in seen:  # the file's own choice is a row of its table, too
            continue
        seen.append(made)
        analysis = api.analyze(network)
        facts.extend(analysis.facts)
        for fact in analysis.failed:
            collector.add(fact_diagnostic(fact, _chosen(choice)))
    return Checked(project.spec.network, len(seen), tuple(facts), tuple(collector.diagnostics))


def _identity(network: Network) -> tuple[tuple[str, str], ...]:
    return tuple((name, constant_text(value)) for name, value in network.parameters.items())


def _chosen(choice: Mapping[str, Constant]) -> str:
    return ", ".join(f"{name} {constant_text(value)}" for name, value in choice.items())


def _line(checked: Checked) -> str:
    mistakes = sum(1 for d in checked.diagnostics if d.code != "A0702")
    parts = [safe(checked.title)] if checked.title else []
    if checked.variants:
        parts.append(plural(checked.variants, "variant"))
    parts.append(plural(mistakes, "mistake") if mistakes else facts_line(checked.facts))
    return ", ".join(parts)


def _total(results: list[Checked]) -> str:
    facts = [fact for checked in results for fact in checked.facts]
    variants = sum(checked.variants for checked in results)
    return f"{plural(len(results), 'file')}, {plural(variants, 'variant')}, {_held(facts)}"


def _held(facts: list[FactResult]) -> str:
    return facts_line(facts) if facts else "0 facts hold"
