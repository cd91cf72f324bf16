"""Adding up: parameters, statistics, multiply-adds and connections of any part of a network.

Each operator is asked for its own; equal parts are counted once and multiplied, so the cost follows the spec's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

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
from ..ir.operator import Operator, Role
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
        return _sum([self, other])

    def __mul__(self, times: Dim) -> Counts:
        return NOTHING if self is NOTHING else Counts(*[number * times for number in _numbers(self)])

    def without_arrays(self) -> Counts:
        """The work alone: for what uses the arrays of another layer."""
        return Counts(macs=self.macs, connections=self.connections)


NOTHING = Counts()
_numbers = attrgetter(*(f.name for f in fields(Counts)))


def _sum(parts: list[Counts]) -> Counts:
    """All of some counts together."""
    some = [part for part in parts if part is not NOTHING]
    if len(some) < 2:
        return some[0] if some else NOTHING
    parameters = statistics = counters = frozen = macs = connections = 0
    for part in some:
        parameters += part.parameters
        statistics += part.statistics
        counters += part.counters
        frozen += part.frozen
        macs += part.macs
        connections += part.connections
    return Counts(parameters, statistics, counters, frozen, macs, connections)


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of what always runs, and of what exists in training only."""

    always: Counts = NOTHING
    training: Counts = NOTHING

    def __mul__(self, times: Dim) -> Totals:
        return self if times == 1 else Totals(self.always * times, self.training * times)

    def of(self, training: bool) -> Counts:
        """With or without what exists in training only."""
        return self.always + self.training if training else self.always


NONE = Totals()


def _together(parts: list[Totals]) -> Totals:
    """All of some totals."""
    some = [part for part in parts if part is not NONE]
    if len(some) < 2:
        return some[0] if some else NONE
    return Totals(_sum([part.always for part in some]), _sum([part.training for part in some]))


def _counts(op: Operator, inputs: tuple[Shape, ...], output: Shape, shared: tuple[tuple[str, object], ...]) -> Counts:
    """The counts of one layer; arrays it shares with another are that one's."""
    tensors, macs, connections = op.tensors(*inputs), op.macs(inputs, output), op.connections(inputs, output)
    if not tensors and macs == 0 == connections:
        return NOTHING
    found: dict[Role, Dim] = {"trained": 0, "statistic": 0, "counter": 0, "frozen": 0}
    for tensor in tensors:
        if not shared or tensor.name not in dict(shared):
            found[tensor.role] += tensor.count
    return Counts(found["trained"], found["statistic"], found["counter"], found["frozen"], macs, connections)


class Counter:
    """Counts parts of one network: each instance once, equal layers once, what holds others once."""

    def __init__(self) -> None:
        self._instances: dict[int, Totals] = {}
        self._nodes: dict[int, tuple[Node, Totals]] = {}
        self._layers: dict[object, Totals] = {}

    def instance(self, instance: Instance) -> Totals:
        """The totals of a module or a whole network."""
        key = id(instance)
        if key not in self._instances:
            self._instances[key] = self.body(instance.body, instance.shapes)
        return self._instances[key]

    def body(self, body: Body, shapes: Sequence[Shape]) -> Totals:
        """The totals of some nodes whose values have these shapes."""
        return self.bodies((body,), shapes)

    def node(self, node: Node, shapes: Sequence[Shape]) -> Totals:
        """The totals of one node, worked out once however often it is asked for."""
        known = self._nodes.get(id(node))
        if known is None:
            found = self._layer(node, shapes) if isinstance(node, Layer) else self._node(node, shapes)
            known = self._nodes[id(node)] = node, found
        return known[1]

    def _layer(self, layer: Layer, shapes: Sequence[Shape]) -> Totals:
        inputs = tuple(map(shapes.__getitem__, layer.inputs))
        key = layer.operator, inputs, layer.tied  # the result follows from these
        found = self._layers.get(key)
        if found is None:
            counts = _counts(layer.operator, inputs, shapes[layer.output], layer.tied)
            found = self._layers[key] = NONE if counts is NOTHING else Totals(counts)
        return found

    def _node(self, node: Node, shapes: Sequence[Shape]) -> Totals:
        match node:
            case Line() | Level() | Choice():
                return self.body(node.body, shapes)
            case Invoke():
                return self.instance(node.instance)
            case Residual():
                return self.bodies([a.body for a in arms(node)], shapes)
            case Join():
                inputs = tuple(shapes[v] for v in node.inputs)
                work = Counts(macs=node.operator.macs(inputs, shapes[node.output]))
                return _together([self.bodies([a.body for a in node.arms], shapes), Totals(work)])
            case Repeat():
                return _together([self.body(run.body, shapes) * run.count for run in node.runs])
            case SideOutput():
                inner = self.body(node.body, shapes)
                return Totals(NOTHING, inner.of(True)) if node.training else inner
            case Reuse():
                inner = self.body(node.body, shapes)
                return Totals(inner.always.without_arrays(), inner.training.without_arrays())
            case _:
                return NONE

    def bodies(self, bodies: Sequence[Body], shapes: Sequence[Shape]) -> Totals:
        """The totals of several bodies."""
        found: list[Totals] = []
        for body in bodies:
            self._gather(body, shapes, found)
        return _together(found)

    def _gather(self, body: Body, shapes: Sequence[Shape], found: list[Totals]) -> None:
        """What adds up to a body, added up once: lines and residuals have no sum of their own unless one is asked for."""
        for node in body:
            if isinstance(node, Line):
                self._gather(node.body, shapes, found)
            elif isinstance(node, Residual):
                for arm in arms(node):
                    self._gather(arm.body, shapes, found)
            else:
                found.append(self.node(node, shapes))
