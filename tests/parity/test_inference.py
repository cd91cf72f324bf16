"""The form for inference: equal to the trained network within rounding, with nothing left that is for training."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.diagnostics import SpecError
from benchmarks import everywhere

from ..differential.compare import close
from ..differential.generate import plan
from ..differential.reference import inputs
from ..differential.run import quiet
from ..differential.write import spec
from .inference import folded, trained

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


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("input: 4x8x8\nlayers: conv 3x3, 8 -> bn -> pixelshuffle 2 -> reshape 32x16 -> flatten -> linear 3", True),
        ("input: 4x8x8\nlayers: upconv 2x2, 6, stride 2 -> avgpool global -> linear 3", True),
        ("input: 4x8x8\nlayers: sepconv 3x3, 6 -> bn -> shuffle 2 -> gn 2", True),
        ("input: 4x8x8\nlayers: bn -> maxpool 2 -> flatten -> linear 3", False),
        ("input: 4x8 map\nlayers: conv 3, 6 -> bn", False),
        ("input: 2x4x8x8\nlayers: conv 3x3x3, 6 -> bn", False),
        ("input: S below 9\nlayers: embedding 9, 4 -> linear 3", False),
        ("input: 2x8x8\nlayers: conv 3x3, 2 -> conv 3x3, 2, connect t\nmap t: |\n  . 0 1\n  0 X .\n  1 . X\n", False),
    ],
)
def test_layout(text: str, last: bool) -> None:
    """Convolutions of maps of two axes have their channels last, before and after weights are loaded."""
    network = archdsl.loads(text)
    source, made = folded(network, trained(network))
    assert ("channels_last" in source) == last
    kernels = [p for p in made.parameters() if p.dim() == 4]
    assert not last or kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) == last for kernel in kernels)
    if "embedding" not in text:
        compare(network)


@pytest.mark.parametrize("check", everywhere.CHECKS)
def test_works_everywhere(check: str) -> None:
    text = (
        "input: 4x12x12\nlayers:\n  conv 3x3, 8 -> bn -> relu -> depthwise 3x3 -> bn -> pixelshuffle 2\n"
        "  add:\n    - conv 1x1, 6 -> bn\n    - conv 3x3, 6\n  upconv 2x2, 4, stride 2 -> gn 2 -> flatten -> linear 5"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case = everywhere.Case("maps", "maps", archdsl.loads(text), inference=True)
        assert "channels_last" in case.source
        assert not everywhere.checked(everywhere.CHECKS[check], case).startswith("FAILS")


@pytest.mark.parametrize("seed", [*range(1_000_000, 1_000_040), 1_000_074, 1_000_391])
def test_random_networks(seed: int) -> None:
    made = plan(seed)
    with quiet():
        network = archdsl.loads(spec(made))
        module = trained(network).double()
        try:
            form = folded(network, module)[1].double()
        except SpecError as error:
            assert "other arrays would have other names" in str(error)  # noqa: PT017
            return
        given = [v.tensor.double() if v.tensor.is_floating_point() else v.tensor for v in inputs(made).values()]
        with torch.no_grad():
            wanted, found = everywhere.outputs(module(*given)), everywhere.outputs(form(*given))
        assert len(found) == len(wanted)
        assert all(a.shape == b.shape and close(a, b) for a, b in zip(wanted, found, strict=True))


def test_whole_names() -> None:
    """A batch norm whose name others end with: one that is folded elsewhere, and one that stays."""
    inner = "a: [linear: linear 4 -> bn: bn]\n  b: [relu -> bn: bn]"
    source = compare(archdsl.loads(f"input: 4\nlayers:\n  {inner}\n  fc: linear 5 -> bn: bn\n"))
    assert '("a.bn", "a.linear"), (".bn", ".fc")' in source
    assert source.count("nn.BatchNorm") == 1


def test_outputs_for_training_are_gone() -> None:
    head = "  output aux when training: conv 1x1, 2 -> bn -> flatten -> linear 3\n"
    text = "input: 4x8x8\nlayers:\n  conv 3x3, 4 -> bn\n" + head + "  flatten -> fc: linear 3\n"
    try:
        network = archdsl.loads(text)
    except SpecError:
        pytest.fail("the notation of outputs for training has changed")
    assert compare(network)


def test_outputs_for_training_beside_what_stays() -> None:
    """Of a level only the arrays of the output are left out."""
    head = "    output aux when training: [h: conv 1x1, 2 -> flatten -> linear 3]\n"
    layers = "  body:\n    a: conv 3x3, 4 -> bn\n" + head + "    b: conv 1x1, 4\n  flatten -> fc: linear 3\n"
    assert '"body.aux."' in compare(archdsl.loads(f"input: 4x8x8\nlayers:\n{layers}"))


@pytest.mark.parametrize("missing", ["a.weight", "a.bias", "b.weight", "b.bias", "b.running_mean"])
def test_what_is_missing_is_not_made_up(missing: str) -> None:
    network = archdsl.loads(
        "input: 4x8x8\nlayers: a: conv 3x3, 4 -> b: bn -> c: conv 3x3, 4, no bias -> d: bn no affine\n"
    )
    module = trained(network)
    source, _ = folded(network, module)
    scope: dict[str, Any] = {"__name__": "net"}
    exec(compile(source, "net.py", "exec"), scope)
    state = dict(module.state_dict())
    del state[missing]
    with pytest.raises(KeyError, match=missing):
        scope["fold"](state)


@pytest.mark.parametrize("shortcut", ["conv 1x1, w, stride s, no bias -> bn", "unit w, s"])
def test_a_projection_that_some_blocks_have(shortcut: str) -> None:
    source = compare(
        archdsl.loads(
            "input: 3x16x16\nmodule unit w, s: conv 1x1, w, stride s, no bias -> bn\nmodule block w, s=1:\n  residual:\n"
            f"    conv 3x3, w, stride s, no bias -> bn -> relu\n    shortcut: [{shortcut}] if s != 1\n  relu\n"
            "layers:\n  conv 3x3, 8\n  block 8 -> block 16, s 2 -> block 16\n"
        )
    )
    assert "class Block2" not in source
    assert "nn.BatchNorm" not in source
