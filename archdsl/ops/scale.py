"""Fixed arithmetic on every value."""

from __future__ import annotations

from fractions import Fraction

from ..expr import Binary, Name
from ..ir.operator import Operator, Refusal, TorchCall, TorchForm, Work, operator, position
from ..ir.shapes import Number, Shape
from .formula import slot


@operator
class Rescale(Operator):
    """x * factor + offset, both fixed: `rescale 1/255` brings pixels to 0..1."""

    word = "rescale"
    family = "arithmetic"
    placewise = True

    factor: Number = position("number", "what every value is multiplied by", minimum=None)
    offset: Number = position("number", "what is added then", default=0, minimum=None)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if not isinstance(self.factor, int | Fraction | float) or not isinstance(self.offset, int | Fraction | float):
            raise Refusal("A0404", "rescale needs numbers", argument="factor")
        return inputs[0]

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        return Work(elementwise=output.count)

    def torch(self, *inputs: Shape) -> TorchForm:
        factor, offset = slot(self.factor, "factor"), slot(self.offset, "offset")
        product = Binary("*", Name("x"), Name("factor"))
        formula = product if self.offset == 0 else Binary("+", product, Name("offset"))
        return TorchForm(
            module=TorchCall("Rescale", (factor, offset)),
            function=TorchCall("rescale", (factor, offset)),
            expression=formula,
        )
