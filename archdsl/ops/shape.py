"""Layers that only rearrange numbers."""

from __future__ import annotations

from fractions import Fraction

from ..expr import Binary, Expr, Name
from ..expr import Number as Literal
from ..ir.dims import Dim, compare, equal, product, show
from ..ir.operator import Axes, Operator, Refusal, Slot, TorchCall, TorchForm, operator, position
from ..ir.reach import GLOBAL, UNDEFINED, Reach, here
from ..ir.shapes import Kind, Shape, Size
from .formula import slot


@operator
class Flatten(Operator):
    """All numbers of a map or sequence as one vector, the last axis fastest."""

    word = "flatten"
    family = "rearrangement"
    view = True

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        total = product(inputs[0].dims)
        return Shape("vector", (total,))

    def result_features(self, *inputs: Shape) -> Expr | None:
        places = product(inputs[0].space)
        if not isinstance(places, int):
            return None
        return Name("features") if places == 1 else Binary("*", Name("features"), Literal(Fraction(places)))

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (GLOBAL if inputs[0].axes else here(0),)

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(module=TorchCall("nn.Flatten"), function=TorchCall("flatten", (Slot(1),)), method=True)


@operator
class Reshape(Operator):
    """The same numbers in another shape, in the same order, the last axis fastest: it never transposes.

    One size is a vector, two are a sequence, more are a map. `transpose`, `tokens` and `image` change the order.
    """

    word = "reshape"
    family = "rearrangement"
    view = True

    shape: Axes = position("axes", "the new shape, without the batch")

    def target(self) -> tuple[Dim, ...]:
        """The sizes wanted."""
        return tuple(self.shape) if isinstance(self.shape, Size) else (self.shape,)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        dims = self.target()
        have, want = product(inputs[0].dims), product(dims)
        if equal(have, want, sizes=True) is False:
            message = f"reshape: {inputs[0]} holds {show(have)} numbers, {Size(dims)!r} {show(want)}"
            raise Refusal("A0417", message, "the numbers stay as they are; only their arrangement changes", "shape")
        kinds: dict[int, Kind] = {1: "vector", 2: "sequence"}
        kind = kinds.get(len(dims), "map")
        return Shape(kind, dims)

    def result_features(self, *inputs: Shape) -> Expr | None:
        at = len(self.target()) - 1 if len(self.target()) < 3 else 0
        return Name(f"shape.{at}")

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (UNDEFINED if output.axes else GLOBAL if inputs[0].axes else here(0),)

    def torch(self, *inputs: Shape) -> TorchForm:
        dims = self.target()
        if len(dims) == 1:
            return TorchForm(module=TorchCall("nn.Flatten"), function=TorchCall("flatten", (Slot(1),)), method=True)
        found = self._arguments(dims)
        return TorchForm(
            module=TorchCall("Reshape", found), function=TorchCall("reshape", found), method=True, batch=True
        )

    def _arguments(self, dims: tuple[Dim, ...]) -> tuple[Slot, ...]:
        """The sizes behind the batch. One may follow from the others: the symbolic one, else a sequence's length."""
        symbolic = [at for at, dim in enumerate(dims) if not isinstance(dim, int)]
        if len(symbolic) > 1:
            message = f"reshape to {Size(dims)!r}, which has more than one symbolic size,"
            raise Refusal("A1001", message, argument="shape")
        free = symbolic[0] if symbolic else 0 if len(dims) == 2 else None
        return tuple(Slot(-1) if at == free else slot(dim, f"shape.{at}") for at, dim in enumerate(dims))


@operator
class Identity(Operator):
    """The value as it came. Unlabelled it is a wire and counts as nothing; labelled it names a value."""

    word = "identity"
    family = "rearrangement"
    accepts = ("map", "sequence", "vector", "numbers")
    placewise = True
    view = True

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(module=TorchCall("nn.Identity"), function=TorchCall(""))


@operator
class Widen(Operator):
    """Zero features behind those that came, up to the width: the parameter-free shortcut of option A
    (He et al. 2015).
    """

    word = "widen"
    family = "rearrangement"
    accepts = ("map", "vector", "sequence")
    placewise = True

    width: Dim = position("whole", "features afterwards")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if compare(self.width, inputs[0].features, "<"):
            raise Refusal("A0409", f"widen goes up, but {show(inputs[0].features)} features come in", argument="width")
        return inputs[0].with_features(self.width)

    def torch(self, *inputs: Shape) -> TorchForm:
        width = slot(self.width, "width")
        places = Slot(len(inputs[0].space) if inputs[0].kind == "map" else 0)
        return TorchForm(module=TorchCall("Widen", (width, places)), function=TorchCall("widen", (width, places)))
