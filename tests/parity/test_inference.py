"""The form for inference: equal to the trained network within rounding, with nothing left that is for training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.diagnostics import SpecError
from archdsl.torch_backend.verify import instantiate

NETWORKS: dict[str, dict[str, Any]] = {
    "resnet": {"depth": 18},
    "resnet_cifar": {"n": 3},
    "vgg": {"config": "A", "batchnorm": "yes"},
    "googlenet_torchvision": {},
    "densenet": {},
    "mobilenetv3": {},
    "xception_mini": {},
    "m5": {},
}


def trained(network: archdsl.Network) -> nn.Module:
    """A module whose statistics and scales are none of the values they begin with."""
    torch.manual_seed(0)
    module = archdsl.build(network)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            if layer.affine:
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.normal_(layer.bias, 0, 0.1)
    return module.eval()


def folded(network: archdsl.Network, module: nn.Module) -> tuple[str, nn.Module]:
    """The source of the form for inference, and its module with converted weights, strictly loaded."""
    source = archdsl.compile(network, inference=True)
    scope: dict[str, Any] = {"__name__": "net"}
    exec(compile(source, "net.py", "exec"), scope)
    made = instantiate(source)
    state = dict(module.state_dict())
    made.load_state_dict(scope["fold"](state) if "fold" in scope else state)
    assert state.keys() == module.state_dict().keys()  # what was handed in stays as it is
    return source, made.eval()


def compare(network: archdsl.Network) -> str:
    module = trained(network)
    source, made = folded(network, module)
    x = torch.randn(2, *next(iter(network.inputs.values())).dims)  # type: ignore[arg-type]
    with torch.no_grad():
        wanted, found = module(x), made(x)
    assert isinstance(wanted, Tensor) == isinstance(found, Tensor)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert not any(isinstance(layer, nn.Dropout) for layer in made.modules())
    return source


@pytest.mark.parametrize("name", NETWORKS)
def test_equal_to_the_trained_network(name: str) -> None:
    source = compare(archdsl.load(name, **NETWORKS[name]))
    left = {"densenet": 3, "xception_mini": 1}  # one that comes first, or after a sum, has no layer before it
    assert source.count("nn.BatchNorm") == left.get(name, 0)


@pytest.mark.parametrize(
    ("layers", "left"),
    [
        ("conv 3x3, 4 -> bn -> relu", 0),
        ("conv 3x3, 4, no bias -> bn eps 1e-3 -> conv 1x1, 4 -> bn no affine", 0),
        ("depthwise 3x3 -> bn -> sepconv 3x3, 4, no bias -> bn", 0),
        ("flatten -> linear 5 -> bn", 0),
        ("[conv 3x3, 4 -> bn -> relu -> dropout] x 3", 0),
        ("body: [conv 3x3, 4 -> bn -> relu -> dropout 0.1] x 3", 0),
        ("bn -> conv 3x3, 4", 1),
        ("conv 3x3, 4 -> relu -> bn", 1),
        ("upconv 2x2, 4, stride 2 -> bn", 1),
        ("c: conv 3x3, 4\n  bn\n  concat:\n    - relu\n    - @c -> sigmoid", 1),
        ("c: conv 3x3, 4\n  bn\n  again c\n  bn", 2),
        ("conv 3x3, 4\n  [bn -> relu] x 2", 2),
        ("flatten -> a: linear 256, no bias -> relu\n  b: linear 256, no bias, weight @a -> bn\n  bn", 2),
    ],
)
def test_what_is_folded(layers: str, left: int) -> None:
    source = compare(archdsl.loads(f"input: 4x8x8\nlayers:\n  {layers}\n"))
    scope: dict[str, Any] = {"__name__": "net"}
    exec(compile(source, "net.py", "exec"), scope)
    assert sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in scope["Network"]().modules()) == left


def test_outputs_for_training_are_gone() -> None:
    head = "  output aux when training: conv 1x1, 2 -> bn -> flatten -> linear 3\n"
    text = "input: 4x8x8\nlayers:\n  conv 3x3, 4 -> bn\n" + head + "  flatten -> fc: linear 3\n"
    try:
        network = archdsl.loads(text)
    except SpecError:
        pytest.fail("the notation of outputs for training has changed")
    assert compare(network)
