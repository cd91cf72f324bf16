"""Fixed arithmetic on every value."""

from __future__ import annotations

from fractions import Fraction

from ..expr import Binary, Expr, Name
from ..ir.dims import Poly, compare, show
from ..ir.operator import Operator, Refusal, TorchCall, TorchForm, Work, attribute, operator, position
from ..ir.shapes import Number, Shape
from .formula import call, slot

Numbers = Number | tuple[Number, ...]


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


@operator
class Normalize(Operator):
    """(x - mean) / std, both fixed: one number for all features, or a list with one a feature, such as
    `normalize mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225]`.
    """

    word = "normalize"
    family = "arithmetic"
    placewise = True

    mean: Numbers = attribute("numbers", 0, "what is subtracted", minimum=None)
    std: Numbers = attribute("numbers", 1, "what is divided by then", minimum=None)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if not self.given():
            raise Refusal("A0304", "normalize takes `mean`, `std` or both")
        for name, given in (("mean", self.mean), ("std", self.std)):
            if isinstance(given, tuple) and compare(len(given), inputs[0].features, "==") is False:
                message = f"normalize: {len(given)} numbers for {show(inputs[0].features)} features"
                raise Refusal("A0404", message, argument=name)
        if any(not isinstance(n, Poly) and n == 0 for n in (self.std if isinstance(self.std, tuple) else (self.std,))):
            raise Refusal("A0305", "normalize divides by `std`, which is not 0", argument="std")
        return inputs[0]

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        return Work(elementwise=output.count)

    def torch(self, *inputs: Shape) -> TorchForm:
        mean, std = slot(self.mean, "mean"), slot(self.std, "std")
        if isinstance(self.mean, tuple) or isinstance(self.std, tuple):
            places = len(inputs[0].space) if inputs[0].kind == "map" else 0
            return TorchForm(module=call("Normalize", mean, std, axes=(0, slot(places))), state=True)
        formula: Expr = Name("x") if self.mean == 0 else Binary("-", Name("x"), Name("mean"))
        if self.std != 1:
            formula = Binary("/", formula, Name("std"))
        return TorchForm(module=call("Normalize", mean, std), function=call("normalize", mean, std), expression=formula)
