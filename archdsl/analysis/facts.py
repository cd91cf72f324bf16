"""Facts: what the spec claims, held against what was computed."""

from __future__ import annotations

from dataclasses import replace

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
    arithmetic: str | None = None
    """How the layers of the line come to the shape that was computed, where it is another one than claimed."""

    @property
    def shown(self) -> str:
        """What was computed, in the notation of facts."""
        return show_shape(self.computed) if isinstance(self.computed, tuple) else show(self.computed)


def check_facts(network: Network, counter: Counter) -> list[FactResult]:
    """Every claim of a network, each module's once an instance."""
    root = network.root
    checker = _Checker(counter)
    totals = counter.instance(root)
    checker.found = [_check(claim, root.result, totals, "") for claim in network.claims]
    if counter.claimed:
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

    def check(
        self, claims: tuple[Claim, ...], shape: Shape, totals: Totals, instance: Instance, body: Body = ()
    ) -> None:
        for claim in claims:
            found = _check(claim, shape, totals, instance.name)
            if claim.expected is not None and not found.holds:
                found = replace(found, arithmetic=_arithmetic(body, instance))
            self.found.append(found)

    def body(self, body: Body, instance: Instance) -> None:
        for node in body:
            if isinstance(node, Line):
                if node.claims:
                    totals = self.counter.node(node, instance.shapes)
                    self.check(node.claims, instance.shapes[node.output], totals, instance, node.body)
                self.body(node.body, instance)
            elif not isinstance(node, Layer):
                self.node(node, instance)

    def node(self, node: Node, instance: Instance) -> None:
        match node:
            case Invoke():
                self.instance(node.instance)
            case Level() | Reuse():
                self.body(node.body, instance)
            case Repeat():
                for run in node.runs:
                    self.body(run.body, instance)
            case _:
                self.body(parts(node), instance)


def _arithmetic(body: Body, instance: Instance) -> str | None:
    """The sizes that the layers of a line compute, written out."""
    said: list[str] = []
    for node in body:
        if isinstance(node, Layer):
            lines = node.operator.arithmetic(*(instance.shapes[v] for v in node.inputs))
            if lines is not None:
                said.append(f"{node.operator.word}: {lines}")
    return "; ".join(said) or None


def _check(claim: Claim, shape: Shape, totals: Totals, subject: str) -> FactResult:
    if claim.expected is not None:
        agree = len(claim.expected) == len(shape.dims) and all(
            equal(a, b, sizes=True) for a, b in zip(claim.expected, shape.dims, strict=True)
        )
        return FactResult(claim, shape.dims, agree, subject)
    computed: Dim = getattr(totals.of(claim.training), _QUANTITIES[claim.quantity])
    holds = compare(claim.low, computed, "<=") is True and compare(computed, claim.high, "<=") is True
    return FactResult(claim, computed, holds, subject)
