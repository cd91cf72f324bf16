"""Recurrent layers along a sequence."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

from ..expr import Binary, Expr, Name
from ..expr import Number as Literal
from ..ir.dims import Dim
from ..ir.operator import Operator, Tensor, Tool, TorchForm, Work, flag, operator, position, switch
from ..ir.reach import GLOBAL, Reach
from ..ir.shapes import Shape
from .formula import call, slot


class _Recurrent(Operator):
    """What the recurrent layers have in common: gates of `width` units, each fed by the place and by the last state."""

    family = "recurrent"
    accepts = ("sequence",)
    advice: ClassVar[dict[str, str]] = {
        "map": "`tokens` makes a sequence of its places",
        "numbers": "whole numbers become a sequence by `embedding`",
    }
    gates: ClassVar[int]
    torch_name: ClassVar[str]

    width: Dim
    both: bool
    bias: bool

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        return inputs[0].with_features(self.width * 2 if self.both else self.width)

    def result_features(self, *inputs: Shape) -> Expr | None:
        return Binary("*", Literal(Fraction(2)), Name("width")) if self.both else Name("width")

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        rows, found = self.width * self.gates, list[Tensor]()
        for direction in ("", "_reverse") if self.both else ("",):
            found.append(Tensor(f"weight_ih_l0{direction}", (rows, inputs[0].features)))
            found.append(Tensor(f"weight_hh_l0{direction}", (rows, self.width)))
            if self.bias:
                found.extend(Tensor(f"bias_{of}_l0{direction}", (rows,)) for of in ("ih", "hh"))
        return tuple(found)

    def macs(self, inputs: tuple[Shape, ...], output: Shape, tensors: tuple[Tensor, ...]) -> Dim:
        length, features = inputs[0].dims
        return length * output.features * self.gates * (features + self.width)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        biases = 2 * self.gates * output.count if self.bias else 0
        return Work(biases, activation=(self.gates + (self.word == "lstm")) * output.count)

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        if tool == "fvcore":  # which knows no recurrent layer
            return 0
        gate = inputs[0].features + self.width + (3 if self.bias else 1)
        return output.count * (self.gates * gate + 4)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (GLOBAL,)  # the last state has seen every place

    def torch(self, *inputs: Shape) -> TorchForm:
        made = call(
            self.torch_name,
            slot(inputs[0].features, "features"),
            slot(self.width, "width"),
            bias=(True, slot(self.bias)),
            batch_first=(False, slot(True)),
            bidirectional=(False, slot(self.both)),
        )
        return TorchForm(module=made, state=True, first=True)


@operator
class Lstm(_Recurrent):
    """Long short-term memory along a sequence (Hochreiter & Schmidhuber 1997, with forget gates): the hidden state at
    every place. It begins at zero.

    Two biases a gate, and names of the arrays, as in PyTorch. `both` reads the sequence in both directions and puts the
    states side by side: twice the width. Several layers are several lines, or `[lstm 512] x 2`.
    """

    word = "lstm"
    gates, torch_name = 4, "nn.LSTM"

    width: Dim = position("whole", "units of the state")
    both: bool = flag("in both directions, side by side")
    bias: bool = switch("biases of the gates")


@operator
class Gru(_Recurrent):
    """Gated recurrent units along a sequence (Cho et al. 2014): the state at every place. It begins at zero.

    The reset gate acts after the product with the state, and there are two biases a gate, as in PyTorch. `both` reads
    the sequence in both directions and puts the states side by side: twice the width.
    """

    word = "gru"
    gates, torch_name = 3, "nn.GRU"

    width: Dim = position("whole", "units of the state")
    both: bool = flag("in both directions, side by side")
    bias: bool = switch("biases of the gates")
