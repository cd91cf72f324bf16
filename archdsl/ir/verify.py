"""Whether an instance makes sense: every value made once and before it is read, every shape what its operator gives.

Elaboration makes only such instances; this is for those that come from elsewhere, and for tests.
"""

from __future__ import annotations

from collections.abc import Iterable

from .dims import compare
from .names import is_taken
from .nodes import (
    Arm,
    Body,
    Choice,
    Instance,
    Invoke,
    Join,
    Layer,
    Level,
    Line,
    Look,
    Node,
    Repeat,
    Residual,
    Reuse,
    SideOutput,
)
from .operator import Operator, Refusal
from .shapes import RANKS, Shape


class VerifyError(ValueError):
    """What makes an instance impossible, in one plain sentence."""


def verify(instance: Instance) -> None:
    """Raise VerifyError unless elaboration could have made the instance. Those it calls are taken as verified."""
    _check_entry(instance)
    checker = _Checker(instance)
    checker.make(instance.entry)
    checker.body(instance.body)
    checker.read(instance.output)


def _check_entry(instance: Instance) -> None:
    if len(instance.entry) != len(instance.entry_names) or not instance.entry:
        raise VerifyError("an instance has one name for each of its entry values, and at least one")
    for shape in instance.shapes:
        if len(shape.dims) not in RANKS[shape.kind] or any(compare(d, 1, "<") for d in shape.dims):
            raise VerifyError(f"{shape.describe()} is no shape of that kind")


class _Checker:
    def __init__(self, instance: Instance) -> None:
        self.shapes = instance.shapes
        self.made: set[int] = set()

    # -- values

    def make(self, values: Iterable[int]) -> None:
        for value in values:
            if not 0 <= value < len(self.shapes):
                raise VerifyError(f"there is no value {value}")
            if value in self.made:
                raise VerifyError(f"value {value} is made twice")
            self.made.add(value)

    def read(self, *values: int) -> None:
        for value in values:
            if value not in self.made:
                raise VerifyError(f"value {value} is read before it is made")

    def equal(self, value: int, shape: Shape, what: str) -> None:
        if self.shapes[value] != shape:
            raise VerifyError(f"value {value} is {self.shapes[value].describe()}, but {what} gives {shape.describe()}")

    def inputs(self, values: tuple[int, ...]) -> list[Shape]:
        self.read(*values)
        return [self.shapes[v] for v in values]

    # -- nodes

    def body(self, body: Body) -> None:
        for node in body:
            self.node(node)

    def node(self, node: Node) -> None:
        for segment in node.label.segments if isinstance(node, Layer | Invoke | Level) and node.label else ():
            if is_taken(segment):
                raise VerifyError(f"nothing can be called {segment}: every nn.Module has something of this name")
        match node:
            case Layer():
                self.layer(node)
            case Invoke():
                self.invoke(node)
            case Join():
                self.join(node)
            case Residual():
                self.residual(node)
            case Repeat():
                self.repeat(node)
            case Reuse():
                self.read(*node.inputs)
                self.inside(node.body, node.output)
            case Look():
                self.make((node.output,))
            case Choice() if not 0 <= node.taken <= len(node.tests):
                raise VerifyError(f"there is no branch {node.taken}")
            case Level() | Line() | Choice():
                self.inside(node.body, node.output)
            case SideOutput():
                self.inside(node.body, node.value)

    def inside(self, body: Body, output: int) -> None:
        self.body(body)
        self.read(output)

    def layer(self, node: Layer) -> None:
        op = node.operator
        if op.joins:
            raise VerifyError(f"{op.word} joins paths and is no layer")
        if len(node.inputs) != 1 + len(op.value_arguments()):
            raise VerifyError(f"{op.word} reads {1 + len(op.value_arguments())} values here, not {len(node.inputs)}")
        shared = {a.name for a in op.arguments() if a.use == "tied" and getattr(op, a.name)}
        if {name for name, _ in node.tied} != shared:
            raise VerifyError(f"what {op.word} shares and what it says it shares differ")
        self.written(op, [name for name, _ in node.expressions])
        self.applied(op, self.inputs(node.inputs), node.output)

    def written(self, op: Operator, names: list[str]) -> None:
        known = {a.name for a in op.arguments()}
        for name in names:
            if name not in known:
                raise VerifyError(f"{op.word} has no argument {name}")

    def applied(self, op: Operator, inputs: list[Shape], output: int) -> None:
        try:
            shape = op.output(*inputs)
            op.tensors(*inputs)
        except Refusal as refusal:
            raise VerifyError(refusal.message) from refusal
        except Exception as error:
            raise VerifyError(f"{op.word} cannot be applied to {', '.join(map(str, inputs))}") from error
        self.make((output,))
        self.equal(output, shape, op.word)

    def invoke(self, node: Invoke) -> None:
        inner = node.instance
        given = self.inputs(node.inputs)
        if given != [inner.shapes[v] for v in inner.entry]:
            raise VerifyError(f"{node.word} is made for other shapes than those it is called with")
        formals = {name for name, _ in inner.formals}
        if any(name not in formals for name, _ in node.expressions):
            raise VerifyError(f"{node.word} is called with an argument it does not have")
        self.make((node.output,))
        self.equal(node.output, inner.result, node.word)

    def arm(self, arm: Arm) -> None:
        self.read(arm.input)
        self.inside(arm.body, arm.output)

    def residual(self, node: Residual) -> None:
        arms = [arm for arm in (node.main, node.shortcut) if arm is not None]
        for arm in arms[::-1] if node.shortcut_first else arms:
            self.arm(arm)
        if not node.taken:
            if node.shortcut is not None or node.output != node.main.output:
                raise VerifyError("a residual that is not taken gives what its main path gives")
            return
        if node.shortcut is not None and node.shortcut.input != node.main.input:
            raise VerifyError("the arms of a residual begin at one value")
        self.make((node.output,))
        added = node.shortcut.output if node.shortcut is not None else node.main.input
        for value in (node.main.output, added):
            mine, its = self.shapes[value], self.shapes[node.output]
            if (mine.kind, mine.dims) != (its.kind, its.dims):
                raise VerifyError(f"a residual adds {mine} and gives {its}")

    def join(self, node: Join) -> None:
        op = node.operator
        if not op.joins:
            raise VerifyError(f"{op.word} does not join paths")
        self.read(node.input)
        if node.shares:
            self.shares(node)
        starts = node.shares or (node.input,) * len(node.arms)
        if tuple(arm.input for arm in node.arms) != starts:
            raise VerifyError("a path of a join begins elsewhere than it should")
        for arm in node.arms:
            self.arm(arm)
        paths = len(node.arms)
        if node.inputs[:paths] != tuple(arm.output for arm in node.arms):
            raise VerifyError("a join brings together other values than its paths give")
        if len(node.inputs) != paths + len(op.value_arguments()):
            raise VerifyError(f"{op.word} reads {len(op.value_arguments())} further values here")
        self.written(op, [name for name, _ in node.expressions])
        self.applied(op, self.inputs(node.inputs), node.output)

    def shares(self, node: Join) -> None:
        if len(node.shares) != len(node.arms):
            raise VerifyError("a split makes as many shares as there are paths")
        self.make(node.shares)
        whole = self.shapes[node.input]
        if compare(whole.features % len(node.arms), 0, "==") is False:
            raise VerifyError(f"{len(node.arms)} shares do not divide {whole}")
        for share in node.shares:
            self.equal(share, whole.with_features(whole.features // len(node.arms)), "the split")

    def repeat(self, node: Repeat) -> None:
        index = 0
        for run in node.runs:
            if run.count < 1 or run.index != index:
                raise VerifyError(f"a run counts at least 1 and begins where the last ended, at {index}")
            self.read(run.input)
            self.inside(run.body, run.output)
            if run.count > 1 and self.shapes[run.input] != self.shapes[run.output]:
                raise VerifyError("equal iterations keep the shape")
            index += run.count
        self.read(node.output)
