"""Every layer word against torch's own layer: shape, arrays, multiply-adds and numbers, as a line and in a level.

Alone on its line a layer without arrays is written as a function, in a level as a module; both are held against the
same reference. What a word means for each kind of value is told by a case of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import archdsl
from archdsl.ir.dims import evaluate
from archdsl.torch_backend.verify import sample, sizes

Reference = Callable[..., Tensor]


@dataclass(frozen=True)
class Case:
    """A line, what flows into it, and what torch makes of the same."""

    line: str
    shape: str
    reference: Reference

    def __str__(self) -> str:
        return f"{self.line} on {self.shape}".replace(" ", "_")


def interpolate(**options: object) -> Reference:
    return lambda x: F.interpolate(x, align_corners=None if options["mode"] == "nearest" else False, **options)  # type: ignore[arg-type]


class States(nn.Module):
    """The states that torch's recurrent layer gives at every place, without the last one."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        return self.layer.load_state_dict(state_dict, strict, assign)


CASES = [
    Case("lstm 5", "7x3", States(nn.LSTM(3, 5, batch_first=True))),
    Case("lstm 5, no bias", "Tx3", States(nn.LSTM(3, 5, batch_first=True, bias=False))),
    Case("lstm 5, both", "7x3", States(nn.LSTM(3, 5, batch_first=True, bidirectional=True))),
    Case("gru 4", "Tx3", States(nn.GRU(3, 4, batch_first=True))),
    Case("gru 4, both, no bias", "7x3", States(nn.GRU(3, 4, batch_first=True, bias=False, bidirectional=True))),
    Case("upsample 2", "3x5x4", interpolate(scale_factor=2, mode="nearest")),
    Case("upsample 2, bilinear", "3x5x4", interpolate(scale_factor=2, mode="bilinear")),
    Case("upsample 1x3, nearest", "3x5x4", interpolate(scale_factor=(1, 3), mode="nearest")),
    Case("upsample 1.5, bilinear", "3x4x6", interpolate(scale_factor=1.5, mode="bilinear")),
    Case("upsample 1/2", "3x4x6", interpolate(scale_factor=0.5, mode="nearest")),
    Case("upsample 2, bilinear", "3x5 map", interpolate(scale_factor=2, mode="linear")),
    Case("upsample 2, bilinear", "3x5x4x2", interpolate(scale_factor=2, mode="trilinear")),
    Case("upsample 2", "3xHxW", interpolate(scale_factor=2, mode="nearest")),
    Case("resize to 7x3, nearest", "3x5x4", interpolate(size=(7, 3), mode="nearest")),
    Case("resize to 8, bilinear", "3x5x4", interpolate(size=(8, 8), mode="bilinear")),
    Case("resize to 7, bilinear", "3x5 map", interpolate(size=7, mode="linear")),
    Case("resize to 7, bilinear", "3xHxW", interpolate(size=7, mode="bilinear")),
    Case("reshape 60", "3x5x4", lambda x: x.flatten(1)),
    Case("reshape 6x10", "3x5x4", lambda x: x.reshape(-1, 6, 10)),
    Case("reshape 2x6x5", "3x5x4", lambda x: x.reshape(-1, 2, 6, 5)),
    Case("reshape (H*W)x3", "3xHxW", lambda x: x.reshape(x.shape[0], -1, 3)),
    Case("reshape 3x4xW", "6x2xW", lambda x: x.reshape(x.shape[0], 3, 4, -1)),
]


@pytest.mark.parametrize("level", [False, True], ids=["line", "level"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_word(case: Case, level: bool) -> None:
    torch.manual_seed(0)
    network = archdsl.loads(f"input: {case.shape}\nlayers:\n  y: {f'[{case.line}]' if level else case.line}\n")
    module = archdsl.build(network).eval()
    arrays = scrambled(module)
    x = torch.randn(2, *sizes(network.inputs["input"], sample(network)))
    with torch.no_grad():
        y = module(x)
    assert tuple(y.shape[1:]) == sizes(network.root.result, sample(network))
    assert torch.equal(y, expected(case.reference, arrays, x))
    counter = FlopCounterMode(display=False)
    with counter:  # on the meta device nothing is fused
        module.to("meta")(x.to("meta"))
    totals = archdsl.analyze(network).totals.of(training=False)
    assert counter.get_total_flops() == 2 * 2 * evaluate(totals.macs, sample(network))
    assert sum(a.numel() for a in arrays.values()) == totals.parameters + totals.buffers


def scrambled(module: nn.Module) -> dict[str, Tensor]:
    """Numbers at random for all arrays of a module; they by the names below its only layer."""
    arrays = module.state_dict()
    for array in arrays.values():
        if array.is_floating_point():
            array.uniform_(0.5, 1.5)
    return {name.split(".", 1)[-1].removeprefix("0."): array for name, array in arrays.items()}


def expected(reference: Reference, arrays: dict[str, Tensor], x: Tensor) -> Tensor:
    """What the reference makes of an input with the same arrays, which have to be all of its own."""
    with torch.no_grad():
        if isinstance(reference, nn.Module):
            reference.load_state_dict(arrays, strict=True)
            return reference.eval()(x)
        return reference(x, *arrays.values())


LIKE = "  small: maxpool 2x2\n  {}\n  {} like @small{}\n"


@pytest.mark.parametrize(
    ("mode", "torch_mode"), [("", "nearest"), (", nearest", "nearest"), (", bilinear", "bilinear")]
)
@pytest.mark.parametrize("shape", ["3x8x6", "3xHxW"])
def test_resize_like(shape: str, mode: str, torch_mode: str) -> None:
    """The other value need not come before: here the larger one is brought to the places of the smaller."""
    module = archdsl.build(archdsl.loads(f"input: {shape}\nlayers:\n" + LIKE.format("upsample 2", "resize", mode)))
    x = torch.randn(2, 3, 8, 6)
    y = interpolate(size=(4, 3), mode=torch_mode)(F.interpolate(F.max_pool2d(x, 2), scale_factor=2))
    assert torch.equal(module(x), y)


@pytest.mark.parametrize(
    ("shape", "line", "code"),
    [
        ("3x5x4", "upsample 1.5", "A0416"),
        ("3xHxW", "upsample 1.5", "A0416"),
        ("3x5x4", "upsample 2x2x2", "A0402"),
        ("3x5x4", "upsample 0", "A0305"),
        ("3x5x4", "upsample 2, nearest, bilinear", "A0303"),
        ("3x5x4", "flatten -> upsample 2", "A0401"),
        ("3x5x4", "resize", "A0304"),
        ("3x5x4", "resize to 4, like @input", "A0304"),
        ("3x5x4", "flatten -> resize to 4", "A0401"),
        ("3x5x4", "z: flatten -> @input -> resize like @z", "A0402"),
        ("3x5x4", "reshape 6x11", "A0417"),
        ("3xHxW", "reshape (H*W)x4", "A0417"),
    ],
)
def test_refusals(shape: str, line: str, code: str) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(f"input: {shape}\nlayers:\n  {line}\n")
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_what_torch_cannot_be_told() -> None:
    network = archdsl.loads("input: 4xHxW\nlayers:\n  reshape 2x(2H)xW\n")
    with pytest.raises(archdsl.SpecError, match="more than one symbolic size"):
        archdsl.build(network)
