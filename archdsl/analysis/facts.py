"""Facts: what the spec claims, held against what was computed."""

from __future__ import annotations

from ..ir.dims import Dim, compare, equal, show, show_shape
from ..ir.graph import Body, Claim, Instance, Invoke, Layer, Level, Line, Network, Node, Repeat, Reuse
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


def check_facts(network: Network, counter: Counter) -> list[FactResult]:
    """Every claim of a network, each module's once an instance."""
    root = network.root
    checker = _Checker(counter)
    checker.found = [_check(claim, root.result, counter.instance(root), "") for claim in network.claims]
    checker.instance(root)
    return checker.found


class _Checker:
    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self.seen: set[int] = set()
        self.found: list[FactResult] = []

    def instance(self, instance: Instance) -> None:
        if id(instance) in self.seen:
            return
        self.seen.add(id(instance))
        if instance.name and instance.claims:
            self.check(instance.claims, instance.result, self.counter.instance(instance), instance)
        self.body(instance.body, instance)

    def check(self, claims: tuple[Claim, ...], shape: Shape, totals: Totals, instance: Instance) -> None:
        self.found.extend([_check(claim, shape, totals, instance.name) for claim in claims])

    def body(self, body: Body, instance: Instance) -> None:
        for node in body:
            if not isinstance(node, Layer):
                self.node(node, instance)

    def node(self, node: Node, instance: Instance) -> None:
        match node:
            case Line():
                if node.claims:
                    totals = self.counter.node(node, instance.shapes)
                    self.check(node.claims, instance.shapes[node.output], totals, instance)
                self.body(node.body, instance)
            case Invoke():
                self.instance(node.instance)
            case Level() | Reuse():
                self.body(node.body, instance)
            case Repeat():
                for run in node.runs:
                    self.body(run.body, instance)
            case _:
                self.body(parts(node), instance)


def _check(claim: Claim, shape: Shape, totals: Totals, subject: str) -> FactResult:
    if claim.expected is not None:
        agree = len(claim.expected) == len(shape.dims) and all(
            equal(a, b, sizes=True) for a, b in zip(claim.expected, shape.dims, strict=True)
        )
        return FactResult(claim, shape.dims, agree, subject)
    computed: Dim = getattr(totals.of(claim.training), _QUANTITIES[claim.quantity])
    holds = compare(claim.low, computed, "<=") is True and compare(computed, claim.high, "<=") is True
    return FactResult(claim, computed, holds, subject)
