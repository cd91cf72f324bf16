"""Recurrent layers, step by step as their papers have them; torch's modules only hold the arrays.

Its own kernels on the CPU are one operation whose multiply-adds torch's counter does not see.
"""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .words import Arguments, Value, Word, features, maybe, word


class _Stepwise:
    """Runs the cell along the sequence, there and perhaps back."""

    hidden_size: int
    bidirectional: bool
    bias: bool

    def cell(self, come: Tensor, gone: Tensor, state: Any) -> Any:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        ways = [self.along(x, "")]
        if self.bidirectional:
            ways.append(self.along(x.flip(1), "_reverse").flip(1))
        return torch.cat(ways, 2)

    def along(self, x: Tensor, way: str) -> Tensor:
        weights = [getattr(self, f"weight_{of}_l0{way}") for of in ("ih", "hh")]
        biases = [getattr(self, f"bias_{of}_l0{way}") if self.bias else None for of in ("ih", "hh")]
        zero = x.new_zeros(x.shape[0], self.hidden_size)
        state: Any = (zero, zero)
        found: list[Tensor] = []
        for place in x.unbind(1):
            state = self.cell(F.linear(place, weights[0], biases[0]), F.linear(state[0], weights[1], biases[1]), state)
            found.append(state[0])
        return torch.stack(found, 1)


class _StepwiseLstm(_Stepwise, nn.LSTM):
    def cell(self, come: Tensor, gone: Tensor, state: Any) -> Any:
        add, forget, new, out = (come + gone).chunk(4, 1)
        memory = forget.sigmoid() * state[1] + add.sigmoid() * new.tanh()
        return out.sigmoid() * memory.tanh(), memory


class _StepwiseGru(_Stepwise, nn.GRU):
    def cell(self, come: Tensor, gone: Tensor, state: Any) -> Any:
        (a, b, c), (d, e, f) = come.chunk(3, 1), gone.chunk(3, 1)
        reset, keep = (a + d).sigmoid(), (b + e).sigmoid()
        new = (c + reset * f).tanh()
        return (1 - keep) * new + keep * state[0], None


class _Recurrent(Word):
    kinds = ("sequence",)
    positions = ("width",)
    covers = ("width", "both", "bias")
    made: ClassVar[Any]

    def propose(self, random: Random, value: Value) -> Arguments:
        given = {"width": random.choice((1, 2, 3, 4, 6))} | maybe(random, 0.4, both=True)
        return given | maybe(random, 0.3, bias=False)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        both = given.get("both", False)
        return self.made(features(value), given["width"], bias=given.get("bias", True), bidirectional=both)


@word
class Lstm(_Recurrent):
    word = "lstm"
    made = _StepwiseLstm


@word
class Gru(_Recurrent):
    word = "gru"
    made = _StepwiseGru
