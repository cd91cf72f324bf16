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

from .torchvision_models import StochasticDepth

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


def space_to_depth(x: Tensor) -> Tensor:
    """Swin Transformer's merging of a map as torchvision writes it, its channels last."""
    x = x.permute(0, 2, 3, 1)
    parts = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
    return torch.cat(parts, -1).flatten(1, 2)


def on_map(f: Reference, *grid: int) -> Reference:
    """The same of a sequence of a map's places."""
    return lambda x: f(x.transpose(1, 2).unflatten(2, grid))


def channels_last(layer: nn.Module) -> nn.Module:
    """A layer that acts on the last axis, for maps."""

    class Moved(type(layer)):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.movedim(1, -1)).movedim(-1, 1)

    layer.__class__ = Moved
    return layer


RGB = "mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225]"
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

CASES = [
    Case("instancenorm", "3x5x4", nn.InstanceNorm2d(3, affine=True)),
    Case("instancenorm eps 0.1, no affine", "3x5 map", nn.InstanceNorm1d(3, eps=0.1)),
    Case(
        "instancenorm momentum 0.2",
        "3x5x4x2",
        nn.InstanceNorm3d(3, momentum=0.2, affine=True, track_running_stats=True),
    ),
    Case("rmsnorm", "Tx6", nn.RMSNorm(6, eps=1e-6)),
    Case("rmsnorm eps 0.1, no affine", "6", nn.RMSNorm(6, eps=0.1, elementwise_affine=False)),
    Case("rmsnorm", "3x5x4", channels_last(nn.RMSNorm(3, eps=1e-6))),
    Case("tokens -> image", "3x5x4", lambda x: x),
    Case("tokens -> image", "3x5xW", lambda x: x),
    Case("image", "Tx6", lambda x: x.transpose(1, 2)),
    Case("patches 2", "3x6x4", space_to_depth),
    Case("patches 2", "3xHxW", space_to_depth),
    Case("tokens -> patches 2", "3x6x4", space_to_depth),
    Case("patches 2", "6x3", lambda x: x.unflatten(1, (-1, 2)).flatten(2)),
    Case("patches 3x1", "2x6x4", lambda x: x.unflatten(2, (2, 3)).permute(0, 2, 4, 3, 1).flatten(3).flatten(1, 2)),
    Case("pixelshuffle 2", "12x3x4", nn.PixelShuffle(2)),
    Case("pixelshuffle 1x3", "6x5x4", lambda x: x.unflatten(1, (2, 3)).permute(0, 1, 3, 4, 2).flatten(3)),
    Case("pixelshuffle 3", "6xT map", lambda x: x.unflatten(1, (2, 3)).transpose(2, 3).flatten(2)),
    Case("shuffle 3", "12x5x4", nn.ChannelShuffle(3)),
    Case("shuffle 2", "4xT map", lambda x: x.unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2)),
    Case("roll 2", "3x5x4", lambda x: x.roll((2, 2), (2, 3))),
    Case("roll (-1)x2", "3x5x4", lambda x: x.roll((-1, 2), (2, 3))),
    Case("roll -2", "3x5x4x3", lambda x: x.roll((-2, -2, -2), (2, 3, 4))),
    Case("roll 2", "Tx4", lambda x: x.roll(2, 1)),
    Case("tokens -> roll 1x2", "3x5x4", lambda x: x.roll((1, 2), (2, 3)).flatten(2).transpose(1, 2)),
    Case("crop 3", "2x6x5", lambda x: x[:, :, 1:4, 1:4]),
    Case("crop 3x4", "2x6x5", lambda x: x[:, :, 1:4, :4]),
    Case("pad 2", "3x5x4", nn.ZeroPad2d(2)),
    Case("pad 1x2", "3xHxW", nn.ZeroPad2d((2, 2, 1, 1))),
    Case("pad 3", "3x5 map", nn.ZeroPad1d(3)),
    Case("normalize mean 0.5, std 0.25", "3x5x4", lambda x: (x - 0.5) / 0.25),
    Case("normalize std 255", "7", lambda x: x / 255),
    Case("normalize mean [1, 2]", "Tx2", lambda x: x - torch.tensor([1.0, 2.0])),
    Case(f"normalize {RGB}", "3x5x4", lambda x: (x - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)),
    Case("droppath 0.3", "3x5x4", lambda x: x),
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
    Case("upsample 1.5", "3xHxW", interpolate(scale_factor=1.5, mode="nearest")),
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
        ("3x5x4", "upsample 2x2x2", "A0402"),
        ("3x5x4", "upsample 0", "A0305"),
        ("3x5x4", "upsample 2, nearest, bilinear", "A0303"),
        ("3x5x4", "flatten -> upsample 2", "A0401"),
        ("3x5x4", "resize", "A0304"),
        ("3x5x4", "resize to 4, like @input", "A0304"),
        ("3x5x4", "flatten -> resize to 4", "A0401"),
        ("3x5x4", "z: flatten -> @input -> resize like @z", "A0402"),
        ("3x5x4", "patches 2", "A0416"),
        ("3x6x4", "flatten -> patches 2", "A0401"),
        ("3x6x4", "pixelshuffle 2", "A0416"),
        ("3x6x4", "shuffle 2", "A0406"),
        ("3x6x4", "roll 1x1x1", "A0402"),
        ("3x6x4", "pad 1x1x1", "A0402"),
        ("3x6x4", "pad -1", "A0305"),
        ("3x6x4", "droppath 2", "A0305"),
        ("3x6x4", "droppath", "A0301"),
        ("3x6x4", "image", "A0401"),
        ("3x6x4", "flatten -> instancenorm", "A0401"),
        ("3x6x4", "normalize", "A0304"),
        ("3x6x4", "normalize mean [1, 2]", "A0404"),
        ("3x6x4", "normalize mean []", "A0307"),
        ("3x6x4", "normalize std [1, 0, 1]", "A0305"),
        ("3x6x4", "mixture top 2", "A0902"),
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


@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_droppath_in_training(p: float) -> None:
    """As torchvision's StochasticDepth a row, the same examples with the same seed; the mean of many as it came."""
    module = archdsl.build(archdsl.loads(f"input: 3x2x2\nlayers: droppath {p}\n")).train()
    torch.manual_seed(0)
    y = module(torch.ones(4000, 3, 2, 2))
    kept = y[:, 0, 0, 0] != 0
    scale = 1 / (1 - p) if p < 1 else 0
    assert torch.equal(y, (kept * scale)[:, None, None, None].expand_as(y))
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=0.03)
    x = torch.randn(50, 3, 2, 2)
    torch.manual_seed(1)
    ours = module(x)
    torch.manual_seed(1)
    assert torch.equal(ours, StochasticDepth(p, "row").train()(x))


@pytest.mark.parametrize("line", ["instancenorm momentum 0.3", "instancenorm momentum 0.3, no affine"])
def test_running_statistics_in_training(line: str) -> None:
    module = archdsl.build(archdsl.loads(f"input: 3x5x4\nlayers: y: {line}\n")).train()
    theirs = nn.InstanceNorm2d(3, momentum=0.3, affine="no affine" not in line, track_running_stats=True)
    x = torch.randn(2, 3, 5, 4) * 3 + 1
    assert torch.equal(module(x), theirs(x))
    assert {f"y.{k}": v.tolist() for k, v in theirs.state_dict().items()} == {
        k: v.tolist() for k, v in module.state_dict().items()
    }
