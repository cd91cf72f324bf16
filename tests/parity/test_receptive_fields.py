"""Receptive fields against gradients: what one place of a layer's result depends on in the real module.

Weights are positive, so that nothing cancels, and maxima are taken as means, which see all of their window.
"""

from __future__ import annotations

import random

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archdsl
from archdsl.analysis.columns import Details
from archdsl.analysis.flow import FIELDS, flow
from archdsl.ir.names import walk
from archdsl.ir.reach import Window


class Reached(Exception):
    """The layer that is looked at has been computed."""


def mean_pool(
    x: Tensor,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode)


@pytest.fixture(autouse=True)
def _means(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(F, "max_pool2d", mean_pool)


def positive(module: nn.Module) -> nn.Module:
    """Every layer a mean with positive weights, normalisation as it begins: scale 1, shift 0, variance 1."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            with torch.no_grad():
                layer.weight.uniform_(0.5, 1.5).div_(layer.weight[0].numel())
                if layer.bias is not None:
                    layer.bias.zero_()
    return module.double().eval()


def seen(module: nn.Module, path: str, channels: int, size: tuple[int, int], places: list[int], axis: int):
    """First and last place of the input that places in the middle of a layer's result depend on, along an axis."""
    found: list[Tensor] = []

    def stop(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found.append(output)
        raise Reached

    handle = module.get_submodule(path).register_forward_hook(stop)
    x = torch.rand(1, channels, *size, dtype=torch.float64, requires_grad=True)
    with pytest.raises(Reached):
        module(x)
    handle.remove()
    result = found[0].sum(1)[0]
    result = result if axis == 0 else result.T
    for place in places:
        (gradient,) = torch.autograd.grad(result[place].sum(), x, retain_graph=True)
        hit = gradient.abs().sum((0, 1, 3 - axis)).nonzero().flatten()
        yield place, int(hit.min()), int(hit.max())


def edges(window: Window, place: int) -> tuple[int, int]:
    turn, rest = divmod(place, len(window.lows))
    low, high = window.lows[rest] + turn * window.step, window.highs[rest] + turn * window.step
    assert isinstance(low, int)
    assert isinstance(high, int)
    return low, high


def windows_of(net: archdsl.Network, path: str) -> tuple[Window, ...]:
    rows = zip(walk(net.root), flow(net.root, FIELDS, False), strict=True)
    reach = next(state[0] for place, state in rows if place.name == path)
    assert isinstance(reach, tuple)
    return reach


@pytest.mark.parametrize(
    ("spec", "path", "size", "stride", "start", "length", "place"),
    [
        ("vgg", "features.30", 212, 32, -90, 320, 3),
        ("resnet50", "layer4.2", 483, 32, -241, 512, 8),
        ("googlenet", "inception5b", 715, 32, -327, 768, 11),
    ],
)
@pytest.mark.parametrize("axis", [0, 1])
def test_networks(spec: str, path: str, size: int, stride: int, start: int, length: int, place: int, axis: int):
    net = archdsl.load(spec)
    window = windows_of(net, path)[axis]
    assert (window.size, window.stride, window.start) == (size, stride, start)
    module = positive(archdsl.build(net))
    shape = (length, 32) if axis == 0 else (32, length)
    for at, low, high in seen(module, path, 3, shape, [place - 1, place], axis):
        first, last = edges(window, at)
        assert (low, high) == (max(first, 0), last)  # the place before may begin in the padding
    assert edges(window, place)[0] >= 0


DILATED = """
network: Dilated
input: 2x64x64
layers: |
  down: conv 3x3, 4, stride 2
  a: conv 3x3, 4, dilation 2
  concat:
    - conv 3x3, 2, dilation 4
    - conv 1x5, 2, same
  b: conv 5x3, 4, pad 2x1
  up: upconv 3x3, 2, stride 2, pad 1
  c: conv 3x3, 2
"""


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("path", ["a", "b", "up", "c"])
def test_dilated(path: str, axis: int):
    net = archdsl.loads(DILATED)
    window = windows_of(net, path)[axis]
    module = positive(archdsl.build(net))
    middle = [15, 16] if path in "ab" else [29, 30, 31, 32]
    for place, low, high in seen(module, path, 2, (64, 64), middle, axis):
        assert (low, high) == edges(window, place)


def test_unet_by_turns():
    """Sixteen places of the decoder share one of the bottom, so each of them has a window of its own."""
    net = archdsl.load("unet")
    down_and_up = walk(net.root)
    last = [place.name for place in down_and_up if place.word == "upconv"][-1]
    window = windows_of(net, last)[0]
    assert window.stride == 1
    assert len(window.lows) > 1
    assert max(high - low + 1 for low, high in zip(window.lows, window.highs, strict=True)) == window.size


@pytest.mark.parametrize("seed", range(12))
def test_random_chains(seed: int):
    """Convolutions, poolings and transposed convolutions in any order, each a different window an axis."""
    source = random.Random(seed)
    lines: list[str] = []
    for number in range(source.randint(2, 5)):
        k, d = source.choice([(1, 1), (3, 1), (3, 2), (5, 1), (3, 3)])
        s = source.choice([1, 1, 2])
        match source.choice(["conv", "conv", "pool", "up", "residual"]):
            case "conv":
                lines.append(f"  l{number}: conv {k}x3, 2, stride {s}, dilation {d}")
            case "pool":
                lines.append(f"  l{number}: maxpool 3, stride {s + 1}, pad {source.choice([0, 1])}")
            case "up":
                lines.append(f"  l{number}: upconv 3x2, 2, stride 2, pad {source.choice([0, 1])}x0")
            case _:
                lines.append(f"  residual: conv 3x3, 2, dilation {d} -> conv {k}x{k}, 2")
    text = "\n".join(["input: 2x96x96", "layers: |", *lines, "  end: conv 3x3, 2", ""])
    net = archdsl.loads(text)
    places = net["end"].output.dims[1]
    module = positive(archdsl.build(net))
    window = windows_of(net, "end")[0]
    assert isinstance(places, int)
    for place, low, high in seen(module, "end", 2, (96, 96), [places // 2, places // 2 + 1], 0):
        expected = edges(window, place)
        assert (low, high) == (max(expected[0], 0), min(expected[1], 95)), text


def test_global_and_undefined():
    """A squeeze-and-excitation gate sees everything; what does not move in equal steps has no window."""
    text = "input: 4x16x16\nlayers: |\n  a: conv 3x3, 4\n  mul:\n    - identity\n    - avgpool to 1 -> conv 1x1, 4\n  b: conv 3x3, 4\n"
    net = archdsl.loads(text)
    assert Details(archdsl.analyze(net)).cells("rf")[-1] == "global"
    uneven = archdsl.loads("input: 4x16x16\nlayers: |\n  avgpool to 5\n  conv 3x3, 4\n")
    assert Details(archdsl.analyze(uneven)).cells("rf") == [None, None]
