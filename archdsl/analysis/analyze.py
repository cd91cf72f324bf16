"""The analysis of a network: a row a layer, totals, facts."""

from __future__ import annotations

from typing import NamedTuple

from ..diagnostics import Span, fail
from ..ir.dims import DimTooLarge
from ..ir.extent import listed
from ..ir.graph import Invoke, Layer, Network, Reuse
from ..ir.shapes import Shape
from ..records import dataclass, maker
from .counts import NOTHING, Counter, Counts, Totals
from .facts import FactResult, check_facts

MAX_ROWS = 20_000


class LayerRow(NamedTuple):
    """One line of the table. `times`: how many equal ones it stands for; `kind` is layer, module, level or again.

    `counts` are of one of them; `training`: it belongs to an output that exists in training only. `inside` counts what
    exists in training only within a module or level that always does.
    """

    path: tuple[str, ...]
    operator: str
    kind: str
    input: Shape
    output: Shape
    counts: Counts
    times: int
    training: bool
    depth: int
    span: Span | None
    inside: Counts = NOTHING


_row = maker(LayerRow)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is known of a network: `tree` has modules, levels and layers with equal iterations folded."""

    network: Network
    totals: Totals
    facts: tuple[FactResult, ...]
    tree: tuple[LayerRow, ...]

    @property
    def layer_count(self) -> int:
        """How many layers there are, iterations written out."""
        return sum([row.times for row in self.tree if row.kind in ("layer", "again")])

    @property
    def layers(self) -> tuple[LayerRow, ...]:
        """A row a layer, iterations written out; above 20,000 of them they stay folded (`times`)."""
        return tuple(row for row in self.every_row if row.kind in ("layer", "again"))

    @property
    def folds(self) -> bool:
        """Whether there are too many layers to write iterations out."""
        return self.layer_count > MAX_ROWS

    @property
    def every_row(self) -> tuple[LayerRow, ...]:
        """As `tree`, with iterations written out where there are not too many."""
        return self.tree if self.folds else tuple(rows(self.network, Counter(), False))

    @property
    def failed(self) -> tuple[FactResult, ...]:
        """The facts that do not hold."""
        return tuple(f for f in self.facts if not f.holds)


def analyze(network: Network) -> Analysis:
    """Shapes, parameters, multiply-adds and connections of a network, and its facts checked.

    Nothing is run and torch is not needed. Counts are per example; sizes may be symbolic. Raises SpecError where
    symbolic counts grow beyond any bound.
    """
    try:
        return _analyze(network)
    except DimTooLarge as error:
        place = next((node.span for node in network.root.body if node.span is not None), None)
        fail("A0801", f"a count of this network is {error}, more than any needs", place)


def _analyze(network: Network) -> Analysis:
    counter = Counter()
    tree = tuple(rows(network, counter, True))
    return Analysis(network, counter.instance(network.root), tuple(check_facts(network, counter)), tree)


def rows(network: Network, counter: Counter, fold: bool) -> list[LayerRow]:
    """The rows of a network in the order written."""
    found: list[LayerRow] = []
    for path, node, instance, times, training, depth, _, _ in listed(network.root, fold):
        shapes = instance.shapes
        if isinstance(node, Layer):
            always, inside = counter.layer(node, shapes), NOTHING
            word, kind, first = node.operator.word, "layer", node.inputs[0]
        else:
            always, inside = counter.node(node, shapes)
            if isinstance(node, Invoke):
                word, kind, first = node.word, "module", node.inputs[0]
            elif isinstance(node, Reuse):
                word, kind, first = "again", "again", node.inputs[0]
            else:
                word, kind, first = "", "level", node.output
        span, output = node.span, shapes[node.output]
        found.append(_row((path, word, kind, shapes[first], output, always, times, training, depth, span, inside)))
    return found
