"""torchvision's networks changed into what their papers say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .torchvision_models import models

Settings = Mapping[str, str]


def changed(spec: str, settings: Settings) -> tuple[Callable[[nn.Module], nn.Module], str]:
    """What has to be changed in torchvision's module to be the paper's."""
    if spec == "vgg" and settings["config"] == "A-LRN":
        return _normalised, ", LRN put in"
    if spec == "vgg" and settings["config"] == "C":
        return _closed, ", 1x1 put in"
    if spec.startswith("plain"):
        return _plain, ", ways around taken out"
    if spec.startswith("resnet") and int(settings["depth"]) >= 50 and settings["stride_in"] == "1x1":
        return _strided_first, ", stride moved"
    return lambda module: module, ""


def _strided_first(module: nn.Module) -> nn.Module:
    """The stride of each bottleneck in its first 1x1, as the paper has it."""
    for block in module.modules():
        if isinstance(block, models.resnet.Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
    return module


def _plain(module: nn.Module) -> nn.Module:
    """Each block without its way around."""

    def forward(block: Any, x: Tensor) -> Tensor:
        return block.relu(block.bn2(block.conv2(block.relu(block.bn1(block.conv1(x))))))

    for block in module.modules():
        if isinstance(block, models.resnet.BasicBlock):
            block.downsample = None
            block.forward = MethodType(forward, block)
    return module


def _normalised(module: nn.Module) -> nn.Module:
    # torch divides alpha by the size, the paper does not
    module.features.insert(2, nn.LocalResponseNorm(5, alpha=5e-4, k=2))
    return module


def _closed(module: nn.Module) -> nn.Module:
    """A 1x1 convolution behind the 3x3 ones of the last three stages."""
    layers = list(module.features)
    poolings = [at for at, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    for at, width in reversed(list(zip(poolings[2:], (256, 512, 512), strict=True))):
        layers[at:at] = [nn.Conv2d(width, width, 1), nn.ReLU(inplace=True)]
    module.features = nn.Sequential(*layers)
    return module


# ---- the CIFAR-10 ResNets ------------------------------------------------------------------------------------------


class _OptionA(nn.Module):
    """Every second place, and zeros for the channels that are missing."""

    def __init__(self, added: int) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.added))


def cifar_resnet(depth: int) -> nn.Module:
    """torchvision's ResNet with three stages of 16, 32 and 64 channels on 32x32 images, shortcuts without parameters."""
    block, count = models.resnet.BasicBlock, (depth - 2) // 6
    module: Any = models.ResNet(block, [1, 1, 1, 1])
    module.inplanes = 16
    module.conv1, module.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
    module.maxpool = module.layer4 = nn.Identity()
    module.layer1 = module._make_layer(block, 16, count)
    for number, width in ((2, 32), (3, 64)):
        stage = module._make_layer(block, width, count, stride=2)
        stage[0].downsample = _OptionA(width // 2)
        setattr(module, f"layer{number}", stage)
    module.fc = nn.Linear(64, 10)
    return module


# ---- GoogLeNet ------------------------------------------------------------------------------------------------------


class _Plain(nn.Module):
    """torchvision's BasicConv2d before batch normalisation was known."""

    def __init__(self, in_channels: int, out_channels: int, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, **options)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


def googlenet_of_the_paper() -> nn.Module:
    """torchvision's GoogLeNet with biases for batch norms, 5x5 for the third branch, local response normalisation."""
    inside: Any = import_module("torchvision.models.googlenet")  # models.googlenet is the function
    blocks = [_Plain, *(partial(block, conv_block=_Plain) for block in (inside.Inception, inside.InceptionAux))]
    module: Any = inside.GoogLeNet(init_weights=False, blocks=blocks)
    for part in module.modules():
        if isinstance(part, inside.Inception):
            old = part.branch3[1].conv
            part.branch3[1].conv = nn.Conv2d(old.in_channels, old.out_channels, 5, padding=2)
    norm = nn.LocalResponseNorm(5, alpha=5e-4, k=2)  # torch divides alpha by the size, the paper does not
    module.maxpool1 = nn.Sequential(module.maxpool1, norm)
    module.maxpool2 = nn.Sequential(norm, module.maxpool2)
    module.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    return module


# ---- AlexNet --------------------------------------------------------------------------------------------------------


class _NormOfEach(nn.Module):
    """Local response normalisation of each tower by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LocalResponseNorm(5, alpha=5e-4, k=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.norm(half) for half in x.chunk(2, 1)], 1)


def alexnet_towers() -> nn.Module:
    """torchvision's AlexNet with the paper's widths; groups are the two towers."""
    module: Any = models.alexnet()
    relu, pool = nn.ReLU(), nn.MaxPool2d(3, stride=2)
    module.features = nn.Sequential(
        *(nn.Conv2d(3, 96, 11, stride=4), relu, _NormOfEach(), pool),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=2), relu, _NormOfEach(), pool),
        *(nn.Conv2d(256, 384, 3, padding=1), relu),
        *(nn.Conv2d(384, 384, 3, padding=1, groups=2), relu),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=2), relu, pool),
    )
    return module


def hand_to_towers(theirs: nn.Module, ours: nn.Module) -> None:
    """The halves of grouped convolutions go to the two towers; every array is used, and has the shape it goes to."""
    convs = [part for part in theirs.modules() if isinstance(part, nn.Conv2d)]
    numbers = [(1, 3), (2, 4), (5,), (6, 8), (7, 9)]
    given: dict[str, Tensor] = {}
    for conv, own in zip(convs, numbers, strict=True):
        for name, array in conv.state_dict().items():
            given |= {f"conv{number}.{name}": part for number, part in zip(own, array.chunk(len(own)), strict=True)}
    linears = [part for part in theirs.modules() if isinstance(part, nn.Linear)]
    for number, linear in zip((6, 7, 8), linears, strict=True):
        given |= {f"fc{number}.{name}": array for name, array in linear.state_dict().items()}
    wanted = {key: array.shape for key, array in ours.state_dict().items()}
    if wanted != {key: array.shape for key, array in given.items()}:
        raise ValueError("the towers have other arrays")
    ours.load_state_dict(given)
