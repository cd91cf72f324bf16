"""Adding up: parameters, statistics, multiply-adds and connections of any part of a network.

Each operator is asked for its own; equal parts are counted once and multiplied, so the cost follows the spec's length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from ..ir.dims import Dim, product
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
from ..records import maker


class Counts(NamedTuple):
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

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return _sum((self, other))

    def by(self, times: Dim) -> Counts:
        """So many of it."""
        return NOTHING if self is NOTHING else Counts(*[number * times for number in self])

    def without_arrays(self) -> Counts:
        """The work alone: for what uses the arrays of another layer."""
        return Counts(macs=self.macs, connections=self.connections)


NOTHING = Counts()
_made = maker(Counts)


def _sum(parts: Iterable[Counts]) -> Counts:
    """All of some counts together."""
    some = [part for part in parts if part is not NOTHING]
    if len(some) < 2:
        return some[0] if some else NOTHING
    return _made(tuple(map(sum, zip(*some, strict=True))))


class Totals(NamedTuple):
    """Counts of what always runs, and of what exists in training only."""

    always: Counts = NOTHING
    training: Counts = NOTHING

    def by(self, times: Dim) -> Totals:
        """So many of it."""
        return self if times == 1 else Totals(self.always.by(times), self.training.by(times))

    def of(self, training: bool) -> Counts:
        """With or without what exists in training only."""
        return self.always.plus(self.training) if training else self.always


NONE = Totals()


@cache
def _idle(cls: type[Operator]) -> bool:
    """Whether layers of a word have neither arrays nor products, whatever their arguments."""
    return (cls.tensors, cls.macs, cls.connections) == (Operator.tensors, Operator.macs, Operator.connections)


def _counts(layer: Layer, shapes: Sequence[Shape]) -> Counts:
    """The counts of one layer; arrays it shares with another are that one's."""
    op, numbers, output = layer.operator, layer.inputs, shapes[layer.output]
    inputs = (shapes[numbers[0]],) if len(numbers) == 1 else tuple([shapes[v] for v in numbers])
    tensors = op.tensors(*inputs)
    macs = op.macs(inputs, output, tensors)
    connections = op.connections(inputs, output, macs)
    if not tensors and macs == 0 == connections:
        return NOTHING
    theirs = dict(layer.tied) if layer.tied else ()
    trained: Dim = 0
    statistics: Dim = 0
    counters: Dim = 0
    frozen: Dim = 0
    for tensor in tensors:
        if theirs and tensor.name in theirs:
            continue
        count, role = product(tensor.shape), tensor.role
        if role == "trained":
            trained += count
        elif role == "statistic":
            statistics += count
        elif role == "counter":
            counters += count
        else:
            frozen += count
    return _made((trained, statistics, counters, frozen, macs, connections))


class Counter:
    """Counts parts of one network: each instance once, each layer once, what holds others once."""

    def __init__(self) -> None:
        self._instances: dict[int, Totals] = {}
        self._layers: dict[int, Counts] = {}
        self._nodes: dict[int, Totals] = {}
        self.claimed = False
        """Whether a line or a module that has been counted claims anything."""

    def instance(self, instance: Instance) -> Totals:
        """The totals of a module or a whole network."""
        key = id(instance)
        if key not in self._instances:
            self.claimed = self.claimed or bool(instance.claims)
            self._instances[key] = self.body(instance.body, instance.shapes)
        return self._instances[key]

    def body(self, body: Body, shapes: Sequence[Shape]) -> Totals:
        """The totals of some nodes whose values have these shapes."""
        return self.bodies((body,), shapes)

    def layer(self, layer: Layer, shapes: Sequence[Shape]) -> Counts:
        """The counts of one layer, worked out once however often they are asked for."""
        key = id(layer)
        found = self._layers.get(key)
        if found is None:
            found = NOTHING if _idle(type(layer.operator)) else _counts(layer, shapes)
            self._layers[key] = found
        return found

    def node(self, node: Node, shapes: Sequence[Shape]) -> Totals:
        """The totals of one node, worked out once however often it is asked for."""
        key = id(node)
        if key not in self._nodes:
            self._nodes[key] = self._node(node, shapes)
        return self._nodes[key]

    def _node(self, node: Node, shapes: Sequence[Shape]) -> Totals:
        match node:
            case Line() | Level() | Choice():
                return self.body(node.body, shapes)
            case Invoke():
                return self.instance(node.instance)
            case Join():
                inputs = tuple(shapes[v] for v in node.inputs)
                work = Counts(macs=node.operator.macs(inputs, shapes[node.output], ()))
                always, training = self.bodies([a.body for a in node.arms], shapes)
                return Totals(always.plus(work), training)
            case Layer() | Residual() | Repeat():
                return self.body((node,), shapes)
            case SideOutput():
                inner = self.body(node.body, shapes)
                return Totals(NOTHING, inner.of(True)) if node.training else inner
            case Reuse():
                inner = self.body(node.body, shapes)
                return Totals(inner.always.without_arrays(), inner.training.without_arrays())
            case _:
                return NONE

    def bodies(self, bodies: Iterable[Body], shapes: Sequence[Shape]) -> Totals:
        """The totals of several bodies."""
        layers: list[Counts] = []
        others: list[Totals] = []
        for body in bodies:
            self._gather(body, shapes, layers, others)
        return Totals(_sum([*layers, *[part.always for part in others]]), _sum([part.training for part in others]))

    def _gather(self, body: Body, shapes: Sequence[Shape], layers: list[Counts], others: list[Totals]) -> None:
        """What adds up to a body, added up once: what has no name has no sum of its own unless one is asked for."""
        waiting = [*body]
        for node in waiting:  # which grows meanwhile
            if type(node) is Layer:
                layers.append(self.layer(node, shapes))
            elif type(node) is Line:
                if node.claims:
                    self.claimed = True
                waiting.extend(node.body)
            elif isinstance(node, Choice):
                waiting.extend(node.body)
            elif isinstance(node, Residual):
                for arm in arms(node):
                    waiting.extend(arm.body)
            elif isinstance(node, Repeat):
                for run in node.runs:
                    if run.count == 1:
                        waiting.extend(run.body)
                    else:
                        others.append(self.body(run.body, shapes).by(run.count))
            else:
                others.append(self.node(node, shapes))
