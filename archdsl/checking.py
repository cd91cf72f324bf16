"""Everything that can be wrong with a spec: each variant built, each fact and each `names` section verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import limits
from .analysis import FactResult, analyze
from .api import Project, uncollected
from .diagnostics import Collector, Diagnostic, SpecError
from .elaborate.unreached import check_unreached
from .ir.graph import Network
from .ir.initial import check_rows
from .ir.keys import Entry, Listing, entries
from .ir.shapes import Constant
from .ir.weights import check_dialects
from .lint import merged, warnings
from .records import dataclass
from .report.constants import constant_text
from .report.facts import fact_diagnostic

_MOST_PLACES = 10_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one file: its network's title, how many variants were tried, their facts, what is wrong, and what is
    probably a slip, which is asked only where nothing is wrong."""

    title: str
    variants: int
    facts: tuple[FactResult, ...]
    diagnostics: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...] = ()


@uncollected()
def check_project(project: Project) -> Checked:
    """Build the file's own choice and every variant, once each, and check all that they claim.

    A choice that is too large ends it: the variants after it are not built.
    """
    collector = Collector()
    networks: list[Network] = []
    listed = _remembering()
    seen: list[object] = []
    facts: list[FactResult] = []
    for choice in _choices(project, collector):
        network = _built(project, choice, collector)
        made = choice if network is None else _identity(network)
        if made in seen:  # the file's own choice is a row of its table, too
            continue
        seen.append(made)
        if network is None:
            if any(d.code == "A0801" for d in collector.diagnostics):
                break  # one that is too large takes as long to refuse as the largest that is allowed takes to build
            continue
        networks.append(network)
        _check_keys(network, listed, collector)
        analysis = analyze(network)
        facts.extend(analysis.facts)
        for fact in analysis.failed:
            collector.add(fact_diagnostic(fact, _chosen(choice)))
    if project.reached:  # else the file as a whole is wrong, and that is all there is to say
        check_unreached(project.spec, project.library, project.reached, collector)
    if len(networks) == len(seen):
        for diagnostic in check_dialects(networks, listed):
            collector.add(diagnostic)
    undone = _check_rows(networks, listed, project, collector) if len(networks) == len(seen) else []
    found: list[Diagnostic] = []
    if networks and all(d.code == "A0702" for d in collector.diagnostics):
        found = _in_order([*warnings(project.spec, networks, project.reached), *undone])
    return Checked(
        project.spec.network,
        len(seen),
        tuple(facts),
        tuple(merged(_in_order(collector.diagnostics), project.spec)),
        tuple(found),
    )


def _in_order(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """In the order of the text, what stands in no file first."""
    files = list(dict.fromkeys(d.span.file.name if d.span else "" for d in diagnostics))
    return sorted(
        diagnostics, key=lambda d: (files.index(d.span.file.name), d.span.line, d.span.column) if d.span else (-1, 0, 0)
    )


def _remembering() -> Listing:
    """The entries of networks, each of which lives on, listed once."""
    known: dict[int, list[Entry]] = {}

    def listed(network: Network) -> list[Entry]:
        if id(network) not in known:
            known[id(network)] = entries(network)
        return known[id(network)]

    return listed


def _check_keys(network: Network, listed: Listing, collector: Collector) -> None:
    """Report layers whose arrays would have one key in the state_dict, if they are not too many to be listed."""
    try:
        with limits.raised(places=min(_MOST_PLACES, limits.of("places"))):
            listed(network)
    except SpecError as error:
        if any(d.code != "A0801" for d in error.diagnostics):
            _take(error, collector)


def _check_rows(
    networks: Sequence[Network], listed: Listing, project: Project, collector: Collector
) -> list[Diagnostic]:
    """Report rows of `init` that speak of nothing; returned are warnings of those that later rows undo."""
    spec = project.spec
    if not any(row.span.file.name == spec.file.name for row in spec.inits):
        return []
    try:
        with limits.raised(places=min(_MOST_PLACES, limits.of("places"))):
            mistakes, undone = check_rows(networks, spec.file.name, listed)
    except SpecError:  # two arrays of one name, or more than can be listed: reported, or nothing to say
        return []
    for diagnostic in mistakes:
        collector.add(diagnostic)
    return undone


def _choices(project: Project, collector: Collector) -> list[dict[str, Constant]]:
    try:
        return project.variants()
    except SpecError as error:
        _take(error, collector)
        return []


def _built(project: Project, choice: Mapping[str, Constant], collector: Collector) -> Network | None:
    try:
        return project.network(choice)
    except SpecError as error:
        _take(error, collector)
        return None


def _take(error: SpecError, collector: Collector) -> None:
    for diagnostic in error.diagnostics:
        collector.add(diagnostic)


def _identity(network: Network) -> tuple[tuple[str, str], ...]:
    return tuple((name, constant_text(value)) for name, value in network.parameters.items())


def _chosen(choice: Mapping[str, Constant]) -> str:
    return ", ".join(f"{name} {constant_text(value)}" for name, value in choice.items())
