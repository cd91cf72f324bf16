"""Adding up: parameters, statistics, multiply-adds and connections of any part of a network.

Each operator is asked for its own; equal parts are counted once and multiplied, so the cost follows the spec's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from operator import add, attrgetter

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
from ..ir.operator import Operator
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
        if self is NOTHING or other is NOTHING:
            return other if self is NOTHING else self
        return Counts(*map(add, _numbers(self), _numbers(other)))

    def __mul__(self, times: Dim) -> Counts:
        return Counts(*(number * times for number in _numbers(self)))

    def without_arrays(self) -> Counts:
        """The work alone: for what uses the arrays of another layer."""
        return Counts(macs=self.macs, connections=self.connections)


NOTHING = Counts()
_numbers = attrgetter(*(f.name for f in fields(Counts)))


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of what always runs, and of what exists in training only."""

    always: Counts = NOTHING
    training: Counts = NOTHING

    def __add__(self, other: Totals) -> Totals:
        if self is NONE or other is NONE:
            return other if self is NONE else self
        return Totals(self.always + other.always, self.training + other.training)

    def __mul__(self, times: Dim) -> Totals:
        return self if times == 1 else Totals(self.always * times, self.training * times)

    def of(self, training: bool) -> Counts:
        """With or without what exists in training only."""
        return self.always + self.training if training else self.always


NONE = Totals()
_ROLES = {"trained": "parameters", "statistic": "statistics", "counter": "counters", "frozen": "frozen"}


def layer_counts(layer: Layer, shapes: Sequence[Shape]) -> Counts:
    """The counts of one layer; arrays it shares with another are that one's."""
    inputs = tuple([shapes[v] for v in layer.inputs])
    return _counts(layer.operator, inputs, shapes[layer.output], tuple([name for name, _ in layer.tied]))


@lru_cache(maxsize=1 << 14)
def _counts(op: Operator, inputs: tuple[Shape, ...], output: Shape, shared: tuple[str, ...]) -> Counts:
    """Equal layers are counted once."""
    found: dict[str, Dim] = {}
    for tensor in op.tensors(*inputs):
        if tensor.name not in shared:
            role = _ROLES[tensor.role]
            found[role] = found.get(role, 0) + tensor.count
    return Counts(**found, macs=op.macs(inputs, output), connections=op.connections(inputs, output))


class Counter:
    """Counts parts of one network, each instance once."""

    def __init__(self) -> None:
        self._known: dict[int, Totals] = {}
        self._nodes: dict[int, tuple[Node, Totals]] = {}

    def instance(self, instance: Instance) -> Totals:
        """The totals of a module or a whole network."""
        key = id(instance)
        if key not in self._known:
            self._known[key] = self.body(instance.body, instance.shapes)
        return self._known[key]

    def body(self, body: Body, shapes: Sequence[Shape]) -> Totals:
        """The totals of some nodes whose values have these shapes."""
        total = NONE
        for node in body:
            total = total + self.node(node, shapes)
        return total

    def node(self, node: Node, shapes: Sequence[Shape]) -> Totals:
        """The totals of one node; what holds others is counted once, however often it is asked for."""
        if isinstance(node, Layer):
            return Totals(layer_counts(node, shapes))
        known = self._nodes.get(id(node))
        if known is None:
            known = self._nodes[id(node)] = node, self._node(node, shapes)
        return known[1]

    def _node(self, node: Node, shapes: Sequence[Shape]) -> Totals:
        match node:
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
                total = NONE
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
                return NONE

    def bodies(self, bodies: Sequence[Body], shapes: Sequence[Shape]) -> Totals:
        total = NONE
        for body in bodies:
            total = total + self.body(body, shapes)
        return total
