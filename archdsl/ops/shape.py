"""Layers that only rearrange numbers."""

from __future__ import annotations

from math import prod

from ..expr import Binary, Name
from ..ir.dims import Dim, compare, show
from ..ir.operator import Operator, Refusal, Slot, TorchCall, TorchForm, operator, position
from ..ir.shapes import Shape
from .formula import slot


@operator
class Flatten(Operator):
    """All numbers of a map or sequence as one vector, the last axis fastest."""

    word = "flatten"
    family = "rearrangement"

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        total: Dim = prod(inputs[0].dims)  # type: ignore[assignment]
        return Shape("vector", (total,))

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(module=TorchCall("nn.Flatten"), function=TorchCall("flatten", (Slot(1),)), method=True)


@operator
class Identity(Operator):
    """The value as it came. Unlabelled it is a wire and counts as nothing; labelled it names a value."""

    word = "identity"
    family = "rearrangement"
    accepts = ("map", "sequence", "vector", "numbers")

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

    width: Dim = position("whole", "features afterwards")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if compare(self.width, inputs[0].features, "<"):
            raise Refusal("A0409", f"widen goes up, but {show(inputs[0].features)} features come in", argument="width")
        return inputs[0].with_features(self.width)

    def torch(self, *inputs: Shape) -> TorchForm:
        behind = slot(self.width - inputs[0].features, Binary("-", Name("width"), Name("features")))
        axes = slot(len(inputs[0].space) if inputs[0].kind == "map" else 0)
        return TorchForm(module=TorchCall("Widen", (behind, axes)), function=TorchCall("widen", (behind, axes)))
