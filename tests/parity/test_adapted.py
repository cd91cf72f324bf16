"""Networks of the papers against torchvision's of today, changed into them: bit for bit, in training too."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import archdsl

from .adapted import alexnet_towers, cifar_resnet, googlenet_of_the_paper, hand_to_towers


def shapes(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, tuple(array.shape)) for key, array in module.state_dict().items()]


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110, 1202])
def test_cifar_keys(depth: int) -> None:
    with torch.device("meta"):
        theirs, ours = cifar_resnet(depth), archdsl.build(archdsl.load("resnet_cifar", depth=depth))
    assert shapes(ours) == shapes(theirs)


def test_cifar_numbers() -> None:
    """Outputs in eval, and after a training step the gradients and running statistics."""
    torch.manual_seed(0)
    theirs, ours = cifar_resnet(20), archdsl.build(archdsl.load("resnet_cifar", depth=20))
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(ours.eval()(image), theirs.eval()(image))
    for module in (ours, theirs):
        module.train()(image).square().mean().backward()
    for (key, own), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert own.grad is not None
        assert other.grad is not None
        assert torch.equal(own.grad, other.grad), key
    for (key, own), other in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        assert torch.equal(own, other), key


def test_googlenet_of_the_paper() -> None:
    torch.manual_seed(0)
    theirs, ours = googlenet_of_the_paper().eval(), archdsl.build(archdsl.load("googlenet")).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        result = ours(image)
        assert torch.equal(result, theirs(image))
        for head in ("aux1", "aux2"):  # eval does not depend on them
            for array in ours.get_submodule(head).parameters():
                array.fill_(torch.nan)
        assert torch.equal(ours(image), result)


def test_alexnet_in_two_towers() -> None:
    torch.manual_seed(0)
    theirs, ours = alexnet_towers().eval(), archdsl.build(archdsl.load("alexnet")).eval()
    hand_to_towers(theirs, ours)
    image = torch.randn(2, 3, 227, 227)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs(image))
