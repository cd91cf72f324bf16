"""What adds up and is shown only when asked for: work beside products, other tools' counts, memory and its traffic.

As in `analysis.counts`, equal parts are counted once and multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
from ..ir.operator import Operator, Work
from ..ir.shapes import Shape

WHOLE_NUMBER = 8
"""Bytes of a whole number: torch's int64."""


class Sums(NamedTuple):
    """What some part of a network adds up to, an example; the last three in bytes.

    `values` are the results of layers, joins and residuals; a view has none. `traffic` is every input read and every
    result written once; `arrays` every array read once, which does not depend on the batch.
    """

    biases: Dim = 0
    normalisation: Dim = 0
    activation: Dim = 0
    pooling: Dim = 0
    elementwise: Dim = 0
    fvcore: Dim = 0
    thop: Dim = 0
    values: Dim = 0
    traffic: Dim = 0
    arrays: Dim = 0

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(*[a + b for a, b in zip(self, other, strict=True)])

    def by(self, times: Dim) -> Sums:
        """So many of it."""
        return self if times == 1 else Sums(*[value * times for value in self])


ZERO = Sums()


class Both(NamedTuple):
    """Of what always runs, and of what exists in training only."""

    always: Sums = ZERO
    training: Sums = ZERO

    def plus(self, other: Both) -> Both:
        """Both together, each by itself."""
        return Both(self.always.plus(other.always), self.training.plus(other.training))

    def of(self, training: bool) -> Sums:
        """With or without what exists in training only."""
        return self.always.plus(self.training) if training else self.always


def bytes_of(shape: Shape, size: int) -> Dim:
    """What a value takes, `size` bytes a number."""
    return shape.count * (WHOLE_NUMBER if shape.kind == "numbers" else size)


def is_view(op: Operator, training: bool) -> bool:
    """Whether the result is the input's own memory."""
    return op.view or (op.training_only and not training)


class Adder:
    """Adds up parts of one network, each instance once; numbers take `size` bytes."""

    def __init__(self, size: int, training: bool) -> None:
        self.size, self.training = size, training
        self._known: dict[int, Both] = {}

    def instance(self, instance: Instance) -> Both:
        """The sums of a module or a whole network."""
        found = self._known.get(id(instance))
        if found is None:
            found = self._known[id(instance)] = self.body(instance.body, instance.shapes)
        return found

    def body(self, body: Body, shapes: Sequence[Shape]) -> Both:
        """The sums of some nodes whose values have these shapes."""
        total = Both()
        for node in body:
            total = total.plus(self.node(node, shapes))
        return total

    def node(self, node: Node, shapes: Sequence[Shape]) -> Both:
        """The sums of one node."""
        match node:
            case Layer():
                return Both(self.applied(node.operator, tuple(shapes[v] for v in node.inputs), shapes[node.output]))
            case Invoke():
                return self.instance(node.instance)
            case Level() | Line() | Choice() | Reuse():
                return self.body(node.body, shapes)
            case Residual():
                total = self.bodies([arm.body for arm in arms(node)], shapes)
                return total.plus(Both(self.sum(shapes[node.output]))) if node.taken else total
            case Join():
                work = self.applied(node.operator, tuple(shapes[v] for v in node.inputs), shapes[node.output])
                return self.bodies([arm.body for arm in node.arms], shapes).plus(Both(work))
            case Repeat():
                total = Both()
                for run in node.runs:
                    always, training = self.body(run.body, shapes)
                    total = total.plus(Both(always.by(run.count), training.by(run.count)))
                return total
            case SideOutput():
                inner = self.body(node.body, shapes)
                return Both(ZERO, inner.of(True)) if node.training else inner
            case _:
                return Both()

    def bodies(self, bodies: Sequence[Body], shapes: Sequence[Shape]) -> Both:
        total = Both()
        for body in bodies:
            total = total.plus(self.body(body, shapes))
        return total

    def applied(self, op: Operator, inputs: tuple[Shape, ...], output: Shape) -> Sums:
        """One layer, or what a joining word does."""
        if is_view(op, self.training):
            return ZERO
        work = op.work(inputs, output)
        made = bytes_of(output, self.size)
        traffic = made
        for shape, seen in zip(inputs, op.reach(inputs, output), strict=True):
            traffic = traffic + (0 if seen is None else bytes_of(shape, self.size))
        fvcore, thop = op.counted_by("fvcore", inputs, output), op.counted_by("thop", inputs, output)
        return Sums(*work, fvcore, thop, made, traffic, op.arrays_read(inputs, output) * self.size)

    def sum(self, shape: Shape) -> Sums:
        """What a residual adds."""
        made = bytes_of(shape, self.size)
        return Sums(*Work(elementwise=shape.count), 0, 0, made, 3 * made)
