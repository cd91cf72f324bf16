"""Facts: what the spec claims, held against what was computed."""

from __future__ import annotations

from collections.abc import Iterator

from ..ir.dims import Dim, compare, equal, show, show_shape
from ..ir.graph import Body, Claim, Instance, Invoke, Level, Line, Network, Node, Repeat, Reuse
from ..ir.lookup import parts
from ..ir.shapes import Shape
from ..records import dataclass
from .counts import Counter, Totals

_QUANTITIES = {
    "params": "parameters",
    "multiply-adds": "macs",
    "connections": "connections",
    "statistics": "statistics",
    "frozen": "frozen",
    "stored": "stored",
}


@dataclass(frozen=True, slots=True)
class FactResult:
    """A claim, what was computed, and whether they agree; `subject` is the module it speaks of, or empty."""

    claim: Claim
    computed: Dim | tuple[Dim, ...]
    holds: bool
    subject: str = ""

    @property
    def shown(self) -> str:
        """What was computed, in the notation of facts."""
        return show_shape(self.computed) if isinstance(self.computed, tuple) else show(self.computed)


def check_facts(network: Network, counter: Counter) -> Iterator[FactResult]:
    """Every claim of a network, each module's once an instance."""
    root = network.root
    for claim in network.claims:
        yield _check(claim, root.result, counter.instance(root), "")
    yield from _Checker(counter).instance(root)


class _Checker:
    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self.seen: set[int] = set()

    def instance(self, instance: Instance) -> Iterator[FactResult]:
        if id(instance) in self.seen:
            return
        self.seen.add(id(instance))
        if instance.name:
            for claim in instance.claims:
                yield _check(claim, instance.result, self.counter.instance(instance), instance.name)
        yield from self.body(instance.body, instance)

    def body(self, body: Body, instance: Instance) -> Iterator[FactResult]:
        for node in body:
            yield from self.node(node, instance)

    def node(self, node: Node, instance: Instance) -> Iterator[FactResult]:
        if isinstance(node, Line) and node.claims:
            totals = self.counter.body(node.body, instance.shapes)
            for claim in node.claims:
                yield _check(claim, instance.shapes[node.output], totals, instance.name)
        if isinstance(node, Invoke):
            yield from self.instance(node.instance)
        elif isinstance(node, Level | Reuse):
            yield from self.body(node.body, instance)
        elif isinstance(node, Repeat):
            for run in node.runs:
                yield from self.body(run.body, instance)
        else:
            yield from self.body(parts(node), instance)


def _check(claim: Claim, shape: Shape, totals: Totals, subject: str) -> FactResult:
    if claim.expected is not None:
        agree = len(claim.expected) == len(shape.dims) and all(
            equal(a, b, sizes=True) for a, b in zip(claim.expected, shape.dims, strict=True)
        )
        return FactResult(claim, shape.dims, agree, subject)
    computed: Dim = getattr(totals.of(claim.training), _QUANTITIES[claim.quantity])
    holds = compare(claim.low, computed, "<=") is True and compare(computed, claim.high, "<=") is True
    return FactResult(claim, computed, holds, subject)
