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


class Digits(nn.Module):
    """LeNet-5, LeCun et al. 1998, II.B, sentence by sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = _Sums(6)
        self.c3 = _Chosen()
        self.s4 = _Sums(16)
        self.c5, self.f6 = nn.Conv2d(16, 120, 5), nn.Linear(120, 84)
        self.output = _Distances()

    def forward(self, x: Tensor) -> Tensor:
        x = squashed(self.s2(squashed(self.c1(x))))
        x = squashed(self.s4(squashed(self.c3(x))))
        x = squashed(self.f6(squashed(self.c5(x)).flatten(1)))
        return self.output(x)


class _Chosen(nn.Module):
    """C3: every unit sees only some maps of S2."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(60, 5, 5).uniform_(-0.2, 0.2))
        self.bias = nn.Parameter(torch.empty(16).uniform_(-0.2, 0.2))
        threes = [{(first + i) % 6 for i in range(3)} for first in range(6)]  # every contiguous subset of three
        fours = [{(first + i) % 6 for i in range(4)} for first in range(6)]  # every contiguous subset of four
        apart = [{0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}]  # discontinuous subsets of four
        self.sources = [*threes, *fours, *apart, set(range(6))]

    def forward(self, x: Tensor) -> Tensor:
        kernels, maps = iter(self.weight), []
        for sources, bias in zip(self.sources, self.bias, strict=True):
            parts = [F.conv2d(x[:, [m]], next(kernels)[None, None]) for m in sorted(sources)]
            maps.append(torch.stack(parts).sum(0) + bias)
        return torch.cat(maps, 1)


class _Distances(nn.Module):
    """The output: the squared distance of what comes in to each of ten codes of +1 and -1."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Buffer(torch.randint(2, (10, 84)) * 2.0 - 1)

    def forward(self, x: Tensor) -> Tensor:
        return ((x[:, None] - self.codes) ** 2).sum(2)


class _Sums(nn.Module):
    """Each map's 2x2 sums, by one trained coefficient and bias a map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(maps).uniform_(0.1, 0.5))
        self.bias = nn.Parameter(torch.empty(maps).uniform_(-0.2, 0.2))

    def forward(self, x: Tensor) -> Tensor:
        sums = x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]
        return sums * self.weight[:, None, None] + self.bias[:, None, None]


def squashed(x: Tensor) -> Tensor:
    """A tanh(S a), Appendix A."""
    return 1.7159 * torch.tanh(2 / 3 * x)


class Segments(nn.Module):
    """U-Net, Ronneberger et al. 2015, Figure 1."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.down = nn.ModuleList([_twice(a, b) for a, b in zip([1, *widths], [*widths, 16 * width], strict=True)])
        self.up = nn.ModuleList([])
        for width in reversed(widths):
            self.up += [nn.ConvTranspose2d(2 * width, width, 2, stride=2), _twice(2 * width, width)]
        self.head, self.dropout = nn.Conv2d(width, 2, 1), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for twice in self.down[:-1]:
            skips.append(twice(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.dropout(self.down[-1](x))
        for raise_, twice in zip(self.up[::2], self.up[1::2], strict=True):
            x, skip = raise_(x), skips.pop()
            edge = (skip.shape[2] - x.shape[2]) // 2
            x = twice(torch.cat([skip[:, :, edge:-edge, edge:-edge], x], 1))
        return self.head(x)


def _twice(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3), nn.ReLU(), nn.Conv2d(after, after, 3), nn.ReLU())


@pytest.mark.parametrize(
    ("spec", "written", "size", "options"), [("lenet5", Digits, 32, {}), ("unet", Segments, 188, {"width": 8})]
)
def test_written_from_the_paper(spec: str, written: type[nn.Module], size: int, options: dict[str, int]) -> None:
    """The same outputs, and the same gradients of every array."""
    torch.manual_seed(0)
    theirs = written(**options).double().eval()
    ours = archdsl.build(archdsl.load(spec, **options)).double().eval()
    copied(theirs, ours)
    image = torch.randn(1, 1, size, size, dtype=torch.float64)
    found, expected = ours(image), theirs(image)
    torch.testing.assert_close(found, expected)
    for result in (found, expected):
        result.square().mean().backward()
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert own.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(own.grad.reshape(other.grad.shape), other.grad)


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
