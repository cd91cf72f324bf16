"""Operators that bring paths together."""

from __future__ import annotations

from ..ir.dims import Dim, compare
from ..ir.operator import Operator, Refusal, Slot, TorchCall, TorchForm, Work, attribute, operator
from ..ir.reach import UNDEFINED, Reach, here
from ..ir.shapes import Shape

_AXES = {"length": (1,), "height": (2,), "width": (1, 2), "depth": (3,)}


def _together(inputs: tuple[Shape, ...]) -> str:
    return ", ".join(map(str, inputs))


@operator
class Add(Operator):
    """The sum of values of equal shape."""

    word = "add"
    family = "joining"
    placewise = True
    joins = True

    def output(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        for other in inputs[1:]:
            if (other.kind, other.dims) != (first.kind, first.dims):
                raise Refusal("A0410", f"add needs equal shapes, these are {_together(inputs)}")
        return first

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        return Work(elementwise=(len(inputs) - 1) * output.count)

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(function=TorchCall("+"))


@operator
class Mul(Operator):
    """The product of values whose sizes are equal or 1: a gate."""

    word = "mul"
    family = "joining"
    joins = True

    def output(self, *inputs: Shape) -> Shape:
        rank, kind = len(inputs[0].dims), inputs[0].kind
        if any(len(s.dims) != rank or s.kind != kind for s in inputs):
            gate = "a gate keeps the places: `avgpool to 1`, then `conv 1x1, ...` instead of `linear`"
            help = gate if {s.kind for s in inputs} == {"map", "vector"} else None
            raise Refusal("A0410", f"mul needs values of one kind and rank, these are {_together(inputs)}", help)
        dims: list[Dim] = []
        for sizes in zip(*(s.dims for s in inputs), strict=True):
            wide = {d for d in sizes if d != 1}
            if len(wide) > 1:
                raise Refusal("A0410", f"mul needs sizes that are equal or 1, these are {_together(inputs)}")
            dims.append(wide.pop() if wide else 1)
        grid = inputs[0].grid if dims[: len(inputs[0].space)] == list(inputs[0].space) else None
        return Shape(kind, tuple(dims), grid)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        return Work(elementwise=(len(inputs) - 1) * output.count)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return tuple(here(len(s.axes)) if s.axes == output.axes else UNDEFINED for s in inputs)

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(function=TorchCall("*"))


@operator
class Concat(Operator):
    """Values side by side: their features, or with `along` one of the other axes (length, height, width, depth)."""

    word = "concat"
    family = "joining"
    joins = True

    along: str | None = attribute("word", None, "the axis: length, height, width or depth (default: the features)")

    def axis(self, shape: Shape) -> int:
        """Which axis grows, counted without the batch."""
        if self.along is None or self.along == "channels":
            return 0 if shape.kind == "map" else len(shape.dims) - 1
        if self.along == "length" and (shape.kind == "sequence" or len(shape.space) == 1):
            return 0 if shape.kind == "sequence" else 1
        places = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
        names = places.get(len(shape.space), ()) if shape.kind == "map" else ("length",)
        if self.along not in names:
            known = ", ".join(names)
            raise Refusal("A0404", f"{shape} has no axis called {self.along}", f"its axes are {known}", "along")
        return 1 + names.index(self.along)

    def output(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        for shape in inputs:
            self.check_kind(shape)
        if any(s.kind != first.kind or len(s.dims) != len(first.dims) for s in inputs):
            raise Refusal("A0410", f"concat needs values of one kind and rank, these are {_together(inputs)}")
        axis = self.axis(first)
        for other in inputs[1:]:
            if any(a != b for i, (a, b) in enumerate(zip(first.dims, other.dims, strict=True)) if i != axis):
                raise Refusal(
                    "A0410", f"concat needs equal sizes but for the joined axis, these are {_together(inputs)}"
                )
        total: Dim = sum((s.dims[axis] for s in inputs), 0)
        if compare(total, 0, "<="):
            raise Refusal("A0410", "concat of nothing")
        grid = first.grid if axis > 0 else None  # a sequence remembers its map until its length changes
        return Shape(first.kind, (*first.dims[:axis], total, *first.dims[axis + 1 :]), grid)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return tuple(here(len(s.axes)) if s.axes == output.axes else UNDEFINED for s in inputs)

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(function=TorchCall("torch.cat", (Slot(self.axis(inputs[0]) + 1),)))
