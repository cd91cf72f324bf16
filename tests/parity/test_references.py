"""Networks that no library has, against modules written from their papers: the same numbers give the same outputs."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archdsl

from .torchvision_models import models


def copied(theirs: nn.Module, ours: nn.Module) -> None:
    """Hand the arrays of one over to the other in order; both must be used up."""
    pairs = zip(theirs.state_dict().values(), ours.state_dict().values(), strict=True)
    with torch.no_grad():
        for source, target in pairs:
            assert source.numel() == target.numel()
            target.copy_(source.reshape(target.shape))


def randomised(module: nn.Module) -> nn.Module:
    """Statistics and norms away from 0 and 1."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            for array in (part.weight, part.bias, part.running_mean, part.running_var):
                assert array is not None
                nn.init.uniform_(array, 0.5, 1.5)
    return module


class Twins(nn.Module):
    """Koch et al. 2015, Figure 4."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList([nn.Conv2d(1, 64, 10), nn.Conv2d(64, 128, 7), nn.Conv2d(128, 128, 4)])
        self.last, self.code = nn.Conv2d(128, 256, 4), nn.Linear(9216, 4096)
        self.score = nn.Linear(4096, 1)

    def encode(self, x: Tensor) -> Tensor:
        for conv in self.maps:
            x = F.max_pool2d(F.relu(conv(x)), 2)
        return torch.sigmoid(self.code(torch.flatten(F.relu(self.last(x)), 1)))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return torch.sigmoid(self.score(torch.abs(self.encode(first) - self.encode(second))))


class Waves(nn.Module):
    """Dai et al. 2016, Table 1: convolutions over raw sound, each with its batch normalisation."""

    def __init__(self, width: int, counts: tuple[int, ...]) -> None:
        super().__init__()
        self.convs, self.pools = nn.ModuleList([nn.Conv1d(1, width, 80, 4)]), [True]
        self.norms = nn.ModuleList([nn.BatchNorm1d(width)])
        before = width
        for stage, count in enumerate(counts):
            for at in range(count):
                after = width * 2**stage
                self.convs.append(nn.Conv1d(before, after, 3, padding=1))
                self.norms.append(nn.BatchNorm1d(after))
                self.pools.append(at == count - 1 and stage < 3)
                before = after
        self.fc = nn.Linear(before, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (38, 38))  # 'same': 8000 places of 32000
        for conv, norm, pool in zip(self.convs, self.norms, self.pools, strict=True):
            x = torch.relu(norm(conv(x)))
            if pool:
                odd = -x.shape[-1] % 4
                x = F.max_pool1d(F.pad(x, (odd // 2, odd - odd // 2), value=-torch.inf), 4)
        return self.fc(x.mean(-1))

    def ordered(self) -> nn.Module:
        """The same modules in the order they are applied."""
        return nn.ModuleList([m for pair in zip(self.convs, self.norms, strict=True) for m in pair] + [self.fc])


def test_siamese() -> None:
    """Two images through one set of weights; the weights get both gradients."""
    torch.manual_seed(0)
    theirs, ours = Twins(), archdsl.build(archdsl.load("siamese"))
    copied(theirs, ours)
    first, second = torch.randn(2, 2, 1, 105, 105).unbind()
    torch.testing.assert_close(ours(first, second), theirs(first, second))
    for module in (ours, theirs):
        module(first, second).sum().backward()
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert own.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(own.grad, other.grad)


@pytest.mark.parametrize(
    ("net", "width", "counts"),
    [("M3", 256, (1, 0, 0, 0)), ("M5", 128, (1, 1, 1, 0)), ("M11", 64, (2, 2, 3, 2)), ("M18", 64, (4, 4, 4, 4))],
)
def test_raw_waveforms(net: str, width: int, counts: tuple[int, ...]) -> None:
    """A network over one axis, every depth of the table."""
    theirs = Waves(width, counts)
    randomised(theirs).eval()
    ours = archdsl.build(archdsl.load("m5", net=net)).eval()
    copied(theirs.ordered(), ours)
    x = torch.randn(2, 1, 32000)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


def test_vgg_applied_densely() -> None:
    """On the size it was trained for the convolutions give what torchvision's fully connected layers give; on a larger
    image, the mean over all places where the classic network could have been laid."""
    theirs = models.vgg11(init_weights=False).eval()
    ours = archdsl.build(archdsl.load("vgg_dense", config="A")).eval()
    copied(theirs, ours)
    image = torch.randn(1, 3, 224, 256)
    with torch.no_grad():
        torch.testing.assert_close(ours(image[..., :224]), theirs(image[..., :224]), rtol=1e-3, atol=1e-5)
        maps = theirs.features(image)
        windows = [torch.flatten(maps[..., at : at + 7], 1) for at in range(2)]
        expected = torch.stack([theirs.classifier(window) for window in windows]).mean(0)
        torch.testing.assert_close(ours(image), expected, rtol=1e-3, atol=1e-5)
