"""Emitted modules against torchvision's: keys, shapes, outputs, gradients and running statistics, to the last bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import archdsl

from .torchvision_models import models

RESNETS = [f"resnet{depth}" for depth in (18, 34, 50, 101, 152)]
VGGS = [
    (f"vgg{layers}{'_bn' if bn else ''}", {"config": config, "batchnorm": bn})
    for layers, config in ((11, "A"), (13, "B"), (16, "D"), (19, "E"))
    for bn in (False, True)
]
CASES = [
    *((name, name, {"stride_in": "3x3"}) for name in RESNETS),
    ("alexnet", "alexnet_one_column", {}),
    *((name, "vgg", parameters) for name, parameters in VGGS),
    ("googlenet", "googlenet_torchvision", {}),
    *((f"densenet{depth}", "densenet", {"depth": depth}) for depth in (121, 161, 169, 201)),
    ("squeezenet1_0", "squeezenet", {"version": "1.0"}),
    ("squeezenet1_1", "squeezenet", {"version": "1.1"}),
    ("mobilenet_v2", "mobilenetv2", {}),
    ("mobilenet_v3_large", "mobilenetv3", {}),
    ("mobilenet_v3_small", "mobilenetv3_small", {}),
    ("r3d_18", "video_resnet", {"net": "R3D"}),
    ("mc3_18", "video_resnet", {"net": "MC3"}),
    ("r2plus1d_18", "video_resnet", {"net": "R2P1D"}),
]
VALUES = [c for c in CASES if not c[0].startswith("densenet") or c[0] == "densenet121"]
VIDEO = ("r3d_18", "mc3_18", "r2plus1d_18")
UNINITIALISED = {"init_weights": False}  # torchvision's own initialisation of these takes seconds


def theirs_of(name: str) -> nn.Module:
    options = UNINITIALISED if name.startswith(("vgg", "googlenet")) else {}
    return getattr(models.video if name in VIDEO else models, name)(**options)


def arrays(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, tuple(array.shape)) for key, array in module.state_dict().items()]


def training_step(module: nn.Module, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a module gives in training, each output by its name, after a step backwards from all of them."""
    torch.manual_seed(1)
    outputs = module.train()(image)
    results = outputs._asdict() if isinstance(outputs, tuple) else {"output": outputs}
    torch.stack([result.square().mean() for result in results.values()]).sum().backward()
    return results


@pytest.mark.parametrize(("name", "spec", "parameters"), CASES, ids=[c[0] for c in CASES])
def test_same_keys_shapes_and_order(name: str, spec: str, parameters: dict[str, str | bool]) -> None:
    """All variants, on the meta device."""
    with torch.device("meta"):
        theirs = theirs_of(name)
        ours = archdsl.build(archdsl.load(spec, **parameters))
    if name == "googlenet":  # torchvision makes the auxiliary heads after the blocks that follow them
        assert sorted(arrays(ours)) == sorted(arrays(theirs))
    else:
        assert arrays(ours) == arrays(theirs)


@pytest.mark.parametrize(("name", "spec", "parameters"), VALUES, ids=[c[0] for c in VALUES])
def test_same_numbers(name: str, spec: str, parameters: dict[str, str | bool]) -> None:
    """Strict load; eval outputs, and after a training step the gradients and statistics, bit for bit."""
    torch.manual_seed(0)
    theirs = theirs_of(name)
    ours = archdsl.build(archdsl.load(spec, **parameters))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = (
        torch.randn(2, 3, 4, 32, 32)
        if name in VIDEO
        else (
            torch.randn(1, 3, 224, 224)
            if name.startswith(("vgg", "alexnet", "googlenet"))
            else torch.randn(2, 3, 96, 96)
        )
    )
    if name != "alexnet":  # a batch of its own for the last batch norms
        image = image.expand(2, -1, -1, -1) * torch.tensor([1.0, 0.5])[:, None, None, None] if "bn" in name else image
    with torch.no_grad():
        assert torch.equal(ours.eval()(image), theirs.eval()(image))
    results = [training_step(ours, image), training_step(theirs, image)]
    assert results[0].keys() == results[1].keys()
    assert list(results[0]) == (["logits", "aux_logits2", "aux_logits1"] if name == "googlenet" else ["output"])
    for field, result in results[0].items():
        assert torch.equal(result, results[1][field]), field
    gradients = {n: p.grad for n, p in theirs.named_parameters()}
    for key, parameter in ours.named_parameters():
        assert parameter.grad is not None, key
        assert torch.equal(parameter.grad, gradients[key]), key
    statistics = dict(theirs.named_buffers())
    for key, buffer in ours.named_buffers():
        assert torch.equal(buffer, statistics[key]), key


def test_the_paper_strides_elsewhere() -> None:
    """The comparison can fail: with the stride in the 1x1, as the paper has it, outputs differ."""
    torch.manual_seed(0)
    theirs = models.resnet50()
    ours = archdsl.build(archdsl.load("resnet50"))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.equal(ours.eval()(image), theirs.eval()(image))
