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

    mean: Numbers | None = attribute("numbers", None, "what is subtracted (default: nothing)", minimum=None)
    std: Numbers | None = attribute("numbers", None, "what is divided by then (default: nothing)", minimum=None)

    def _numbers(self) -> tuple[Numbers, Numbers]:
        """Mean and deviation."""
        return 0 if self.mean is None else self.mean, 1 if self.std is None else self.std

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if self.mean is None and self.std is None:
            raise Refusal("A0304", "normalize takes `mean`, `std` or both")
        means, deviations = self._numbers()
        for name, given in (("mean", means), ("std", deviations)):
            if isinstance(given, tuple) and compare(len(given), inputs[0].features, "==") is False:
                message = f"normalize: {len(given)} numbers for {show(inputs[0].features)} features"
                raise Refusal("A0404", message, argument=name)
        if any(
            not isinstance(n, Poly) and n == 0 for n in (deviations if isinstance(deviations, tuple) else (deviations,))
        ):
            raise Refusal("A0305", "normalize divides by `std`, which is not 0", argument="std")
        return inputs[0]

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        return Work(elementwise=output.count)

    def torch(self, *inputs: Shape) -> TorchForm:
        means, deviations = self._numbers()
        mean, std = slot(means, "mean"), slot(deviations, "std")
        if isinstance(means, tuple) or isinstance(deviations, tuple):
            places = len(inputs[0].space) if inputs[0].kind == "map" else 0
            return TorchForm(module=call("Normalize", mean, std, axes=(0, slot(places))), state=True)
        formula: Expr = Name("x") if means == 0 else Binary("-", Name("x"), Name("mean"))
        if deviations != 1:
            formula = Binary("/", formula, Name("std"))
        return TorchForm(module=call("Normalize", mean, std), function=call("normalize", mean, std), expression=formula)
