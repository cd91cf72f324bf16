"""What acts in training only."""

from __future__ import annotations

from fractions import Fraction

from ..ir.operator import Operator, Refusal, TorchForm, operator, position
from ..ir.shapes import Number, Shape
from .formula import call, slot


def _check_probability(p: Number) -> None:
    if isinstance(p, int | float | Fraction) and p > 1:
        raise Refusal("A0305", f"a probability is at most 1, this one is {float(p):g}", argument="p")


@operator
class Dropout(Operator):
    """In training each value is zeroed with probability p and the others scaled by 1/(1 - p); otherwise nothing."""

    word = "dropout"
    family = "regularisation"
    placewise = True
    training_only = True

    p: Number = position("number", "probability of zeroing a value", default=Fraction(1, 2), minimum=0)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        _check_probability(self.p)
        return inputs[0]

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(module=call("nn.Dropout", slot(self.p, "p")))


@operator
class DropPath(Operator):
    """In training the whole value of an example is zeroed with probability p, and that of the others scaled by
    1/(1 - p); otherwise nothing. At the end of a residual's path it is stochastic depth (Huang et al. 2016).
    """

    word = "droppath"
    family = "regularisation"
    placewise = True

    p: Number = position("number", "probability of zeroing an example", minimum=0)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        _check_probability(self.p)
        return inputs[0]

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(module=call("DropPath", slot(self.p, "p")))
