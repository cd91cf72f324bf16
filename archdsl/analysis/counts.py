"""Adding up: parameters, statistics, multiply-adds and connections of any part of a network.

Each operator is asked for its own; equal parts are counted once and multiplied, so the cost follows the spec's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from ..ir.dims import Dim
from ..ir.graph import (
    Body,
    Choice,
    Instance,
    Invoke,
    Join,
    Layer,
    Level,
    Line,
    Node,
    Repeat,
    Residual,
    Reuse,
    SideOutput,
)
from ..ir.lookup import arms
from ..ir.shapes import Shape
from ..records import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers that add up. `parameters` are trained; buffers are statistics, counters and frozen numbers."""

    parameters: Dim = 0
    statistics: Dim = 0
    counters: Dim = 0
    frozen: Dim = 0
    macs: Dim = 0
    connections: Dim = 0

    @property
    def buffers(self) -> Dim:
        """All numbers a state_dict holds that are not trained."""
        return self.statistics + self.counters + self.frozen

    @property
    def stored(self) -> Dim:
        """Trained numbers, running statistics and frozen numbers, as Keras counts."""
        return self.parameters + self.statistics + self.frozen

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, times: Dim) -> Counts:
        return Counts(*(getattr(self, f.name) * times for f in fields(self)))

    def without_arrays(self) -> Counts:
        """The work alone: for what uses the arrays of another layer."""
        return Counts(macs=self.macs, connections=self.connections)


NOTHING = Counts()


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of what always runs, and of what exists in training only."""

    always: Counts = NOTHING
    training: Counts = NOTHING

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.always + other.always, self.training + other.training)

    def __mul__(self, times: Dim) -> Totals:
        return self if times == 1 else Totals(self.always * times, self.training * times)

    def of(self, training: bool) -> Counts:
        """With or without what exists in training only."""
        return self.always + self.training if training else self.always


_ROLES = {"trained": "parameters", "statistic": "statistics", "counter": "counters", "frozen": "frozen"}


def layer_counts(layer: Layer, shapes: Sequence[Shape]) -> Counts:
    """The counts of one layer; arrays it shares with another are that one's."""
    inputs = tuple(shapes[v] for v in layer.inputs)
    output = shapes[layer.output]
    found: dict[str, Dim] = {}
    shared = {name for name, _ in layer.tied}
    for tensor in layer.operator.tensors(*inputs):
        if tensor.name not in shared:
            role = _ROLES[tensor.role]
            found[role] = found.get(role, 0) + tensor.count
    op = layer.operator
    return Counts(**found, macs=op.macs(inputs, output), connections=op.connections(inputs, output))


class Counter:
    """Counts parts of one network, each instance once."""

    def __init__(self) -> None:
        self._known: dict[int, Totals] = {}

    def instance(self, instance: Instance) -> Totals:
        """The totals of a module or a whole network."""
        key = id(instance)
        if key not in self._known:
            self._known[key] = self.body(instance.body, instance.shapes)
        return self._known[key]

    def body(self, body: Body, shapes: Sequence[Shape]) -> Totals:
        """The totals of some nodes whose values have these shapes."""
        total = Totals()
        for node in body:
            total = total + self.node(node, shapes)
        return total

    def node(self, node: Node, shapes: Sequence[Shape]) -> Totals:
        """The totals of one node."""
        match node:
            case Layer():
                return Totals(layer_counts(node, shapes))
            case Invoke():
                return self.instance(node.instance)
            case Level() | Line() | Choice():
                return self.body(node.body, shapes)
            case Residual():
                return self.bodies([a.body for a in arms(node)], shapes)
            case Join():
                inputs = tuple(shapes[v] for v in node.inputs)
                work = Counts(macs=node.operator.macs(inputs, shapes[node.output]))
                return self.bodies([a.body for a in node.arms], shapes) + Totals(work)
            case Repeat():
                total = Totals()
                for run in node.runs:
                    total = total + self.body(run.body, shapes) * run.count
                return total
            case SideOutput():
                inner = self.body(node.body, shapes)
                return Totals(NOTHING, inner.of(True)) if node.training else inner
            case Reuse():
                inner = self.body(node.body, shapes)
                return Totals(inner.always.without_arrays(), inner.training.without_arrays())
            case _:
                return Totals()

    def bodies(self, bodies: Sequence[Body], shapes: Sequence[Shape]) -> Totals:
        total = Totals()
        for body in bodies:
            total = total + self.body(body, shapes)
        return total
