"""Linear layers."""

from __future__ import annotations

from ..ir.dims import Dim
from ..ir.operator import Operator, Tensor, TorchForm, operator, position, switch, tied
from ..ir.shapes import Shape
from .formula import call, slot


@operator
class Linear(Operator):
    """A fully connected layer on a vector, or on every place of a sequence alike: `W x + b`."""

    word = "linear"
    family = "linear"
    placewise = True
    accepts = ("vector", "sequence")
    advice = {
        "map": "put `flatten`, `avgpool global` or `tokens` before it",
        "numbers": "whole numbers become vectors by `embedding`",
    }

    width: Dim = position("whole", "number of units")
    weight: bool = tied("a label whose matrix this layer shares: `weight @embed`")
    bias: bool = switch("a bias a unit")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        return inputs[0].with_features(self.width)

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        weight = Tensor("weight", (self.width, inputs[0].features))
        return (weight, Tensor("bias", (self.width,))) if self.bias else (weight,)

    def _places(self, output: Shape) -> Dim:
        return output.space[0] if output.space else 1

    def macs(self, inputs: tuple[Shape, ...], output: Shape, tensors: tuple[Tensor, ...]) -> Dim:
        return inputs[0].features * self.width * self._places(output)

    def connections(self, inputs: tuple[Shape, ...], output: Shape, macs: Dim) -> Dim:
        return macs + (self.width * self._places(output) if self.bias else 0)

    def torch(self, *inputs: Shape) -> TorchForm:
        if self.weight and self.bias:
            sizes = slot(inputs[0].features, "features"), slot(self.width, "width")
            return TorchForm(module=call("TiedLinear", *sizes), state=True)
        if self.weight:
            return TorchForm(function=call("F.linear"))
        made = call(
            "nn.Linear",
            slot(inputs[0].features, "features"),
            slot(self.width, "width"),
            bias=(True, slot(self.bias)),
        )
        return TorchForm(module=made, state=True)
