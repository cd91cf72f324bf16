"""Classes and functions that an emitted file carries along when it needs them.

This file is never imported by archdsl: the emitter copies the definitions it
needs out of its text, so each must stand alone on torch and on the other names
defined here.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class TableConv1d(nn.Conv1d):
    """A convolution with a kernel only where its table, inputs by outputs, has an X."""

    def __init__(self, *table: str, **options) -> None:
        super().__init__(len(table), len(table[0]), **options)
        cells = torch.tensor([[cell == "X" for cell in row] for row in table])
        kernels = self.weight.detach()
        links = cells.T[..., None].expand_as(kernels)
        self.links = nn.Buffer(links.contiguous(), persistent=False)
        count = "".join(table).count("X")
        self.weight = nn.Parameter(kernels.flatten(0, 1)[:count].clone())

    def forward(self, input: Tensor) -> Tensor:
        zeros = self.weight.new_zeros(self.links.shape)
        kernels = zeros.masked_scatter_(self.links, self.weight)
        return self._conv_forward(input, kernels, self.bias)


class TableConv2d(nn.Conv2d):
    """A convolution with a kernel only where its table, inputs by outputs, has an X."""

    def __init__(self, *table: str, **options) -> None:
        super().__init__(len(table), len(table[0]), **options)
        cells = torch.tensor([[cell == "X" for cell in row] for row in table])
        kernels = self.weight.detach()
        links = cells.T[..., None, None].expand_as(kernels)
        self.links = nn.Buffer(links.contiguous(), persistent=False)
        count = "".join(table).count("X")
        self.weight = nn.Parameter(kernels.flatten(0, 1)[:count].clone())

    def forward(self, input: Tensor) -> Tensor:
        zeros = self.weight.new_zeros(self.links.shape)
        kernels = zeros.masked_scatter_(self.links, self.weight)
        return self._conv_forward(input, kernels, self.bias)


class TableConv3d(nn.Conv3d):
    """A convolution with a kernel only where its table, inputs by outputs, has an X."""

    def __init__(self, *table: str, **options) -> None:
        super().__init__(len(table), len(table[0]), **options)
        cells = torch.tensor([[cell == "X" for cell in row] for row in table])
        kernels = self.weight.detach()
        links = cells.T[..., None, None, None].expand_as(kernels)
        self.links = nn.Buffer(links.contiguous(), persistent=False)
        count = "".join(table).count("X")
        self.weight = nn.Parameter(kernels.flatten(0, 1)[:count].clone())

    def forward(self, input: Tensor) -> Tensor:
        zeros = self.weight.new_zeros(self.links.shape)
        kernels = zeros.masked_scatter_(self.links, self.weight)
        return self._conv_forward(input, kernels, self.bias)


class Subsample1d(nn.Conv1d):
    """The sum of each window times a trained coefficient, plus a bias, one a map."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__(channels, channels, 1, groups=channels)
        self.window = window

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(
            F.avg_pool1d(input, self.window) * self.window, self.weight, self.bias
        )


class Subsample2d(nn.Conv2d):
    """The sum of each window times a trained coefficient, plus a bias, one a map."""

    def __init__(self, channels: int, window: int | tuple[int, int]) -> None:
        super().__init__(channels, channels, 1, groups=channels)
        self.window = window
        self.area = window**2 if isinstance(window, int) else window[0] * window[1]

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(
            F.avg_pool2d(input, self.window) * self.area, self.weight, self.bias
        )


class Subsample3d(nn.Conv3d):
    """The sum of each window times a trained coefficient, plus a bias, one a map."""

    def __init__(self, channels: int, window: int | tuple[int, int, int]) -> None:
        super().__init__(channels, channels, 1, groups=channels)
        self.window = window
        sizes = (window, window, window) if isinstance(window, int) else window
        self.volume = sizes[0] * sizes[1] * sizes[2]

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(
            F.avg_pool3d(input, self.window) * self.volume, self.weight, self.bias
        )


class DigitCodes(nn.Module):
    """Squared distances to ten digits, seven segments on 7x12 pixels, +1 for ink."""

    def __init__(self, units: int) -> None:
        super().__init__()
        pixels = " aaaaa " + 4 * "f     b" + " ggggg " + 5 * "e     c" + " ddddd "
        digits = "abcdef bc abdeg abcdg bcfg acdfg acdefg abc abcdefg abcdfg"
        codes = [[1.0 if p in d else -1.0 for p in pixels] for d in digits.split()]
        self.codes = nn.Buffer(torch.tensor(codes[:units]))

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, None] - self.codes).square().sum(2)


def scaled_tanh(x: Tensor, amplitude: float, slope: float) -> Tensor:
    """amplitude * tanh(slope * x)."""
    return amplitude * torch.tanh(slope * x)


class ScaledTanh(nn.Module):
    """amplitude * tanh(slope * x)."""

    def __init__(self, amplitude: float, slope: float) -> None:
        super().__init__()
        self.amplitude, self.slope = amplitude, slope

    def forward(self, x: Tensor) -> Tensor:
        return self.amplitude * torch.tanh(self.slope * x)


def widen(x: Tensor, width: int, axes: int) -> Tensor:
    """x with zero features behind its own, `width` in all, before `axes` axes."""
    return F.pad(x, (0, 0) * axes + (0, width - x.shape[-1 - axes]))


class Widen(nn.Module):
    """Zero features behind those that come in, `width` in all."""

    def __init__(self, width: int, axes: int) -> None:
        super().__init__()
        self.width, self.axes = width, axes

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 0) * self.axes + (0, self.width - x.shape[-1 - self.axes]))


class GlobalAvgPool(nn.Module):
    """The mean over all places."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.dims)


class GlobalMaxPool(nn.Module):
    """The maximum over all places."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(self.dims)


def same_padding(
    sizes: list[int], kernel: list[int], stride: list[int], dilation: list[int]
) -> list[int]:
    """What F.pad needs for ceil(size / stride) windows; the odd one goes to the end."""
    pads: list[int] = []
    for axis, n in enumerate(sizes):
        last = (n - 1) // stride[axis] * stride[axis]  # where the last window begins
        total = max(last + dilation[axis] * (kernel[axis] - 1) + 1 - n, 0)
        pads = [total // 2, total - total // 2] + pads
    return pads


class SameConv1d(nn.Conv1d):
    """A convolution with ceil(size / stride) places (TensorFlow's 'same')."""

    def forward(self, input: Tensor) -> Tensor:
        pads = same_padding(
            list(input.shape[2:]),
            list(self.kernel_size),
            list(self.stride),
            list(self.dilation),
        )
        return self._conv_forward(F.pad(input, pads), self.weight, self.bias)


class SameConv2d(nn.Conv2d):
    """A convolution with ceil(size / stride) places an axis (TensorFlow's 'same')."""

    def forward(self, input: Tensor) -> Tensor:
        pads = same_padding(
            list(input.shape[2:]),
            list(self.kernel_size),
            list(self.stride),
            list(self.dilation),
        )
        return self._conv_forward(F.pad(input, pads), self.weight, self.bias)


class SameConv3d(nn.Conv3d):
    """A convolution with ceil(size / stride) places an axis (TensorFlow's 'same')."""

    def forward(self, input: Tensor) -> Tensor:
        pads = same_padding(
            list(input.shape[2:]),
            list(self.kernel_size),
            list(self.stride),
            list(self.dilation),
        )
        return self._conv_forward(F.pad(input, pads), self.weight, self.bias)


class CausalConv1d(nn.Conv1d):
    """A convolution that sees no later place: all padding before the beginning."""

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(
            F.pad(input, [self.dilation[0] * (self.kernel_size[0] - 1), 0]),
            self.weight,
            self.bias,
        )


class CausalTableConv1d(TableConv1d):
    """A convolution by a table that sees no later place: all padding goes before."""

    def forward(self, input: Tensor) -> Tensor:
        zeros = self.weight.new_zeros(self.links.shape)
        kernels = zeros.masked_scatter_(self.links, self.weight)
        return self._conv_forward(
            F.pad(input, [self.dilation[0] * (self.kernel_size[0] - 1), 0]),
            kernels,
            self.bias,
        )


class SameTableConv1d(TableConv1d):
    """A convolution by a table, padded as TensorFlow's 'same'."""

    def forward(self, input: Tensor) -> Tensor:
        zeros = self.weight.new_zeros(self.links.shape)
        kernels = zeros.masked_scatter_(self.links, self.weight)
        pads = same_padding(
            list(input.shape[2:]),
            list(self.kernel_size),
            list(self.stride),
            list(self.dilation),
        )
        return self._conv_forward(F.pad(input, pads), kernels, self.bias)


class SameTableConv2d(TableConv2d):
    """A convolution by a table, padded as TensorFlow's 'same'."""

    def forward(self, input: Tensor) -> Tensor:
        zeros = self.weight.new_zeros(self.links.shape)
        kernels = zeros.masked_scatter_(self.links, self.weight)
        pads = same_padding(
            list(input.shape[2:]),
            list(self.kernel_size),
            list(self.stride),
            list(self.dilation),
        )
        return self._conv_forward(F.pad(input, pads), kernels, self.bias)


class SameTableConv3d(TableConv3d):
    """A convolution by a table, padded as TensorFlow's 'same'."""

    def forward(self, input: Tensor) -> Tensor:
        zeros = self.weight.new_zeros(self.links.shape)
        kernels = zeros.masked_scatter_(self.links, self.weight)
        pads = same_padding(
            list(input.shape[2:]),
            list(self.kernel_size),
            list(self.stride),
            list(self.dilation),
        )
        return self._conv_forward(F.pad(input, pads), kernels, self.bias)


def same_pads(x: Tensor, kernel_size: int, stride: int) -> list[int]:
    """What F.pad needs for ceil(size / stride) windows; the odd one goes to the end."""
    pads: list[int] = []
    for n in x.shape[2:]:
        last = (n - 1) // stride * stride  # where the last window begins
        total = max(last + kernel_size - n, 0)
        pads = [total // 2, total - total // 2] + pads
    return pads


def same_max_pool2d(x: Tensor, kernel_size: int, stride: int) -> Tensor:
    """Max pooling with ceil(size / stride) places; padding is never the maximum."""
    pads = same_pads(x, kernel_size, stride)
    return F.max_pool2d(F.pad(x, pads, value=-torch.inf), kernel_size, stride)


class SameMaxPool2d(nn.Module):
    """Max pooling with ceil(size / stride) places (TensorFlow's 'same')."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        return same_max_pool2d(x, self.kernel_size, self.stride)


def same_windows(
    x: Tensor, kernel: int | list[int], stride: int | list[int] | None
) -> tuple[list[int], list[int], list[int]]:
    """(kernel, stride, padding) an axis for 'same' pooling of x."""
    axes = x.dim() - 2
    size = each(kernel, axes)
    step = size if stride is None else each(stride, axes)
    return size, step, same_padding(list(x.shape[2:]), size, step, [1] * axes)


def general_same_max_pool2d(
    x: Tensor,
    kernel_size: int | list[int],
    stride: int | list[int] | None = None,
) -> Tensor:
    """Max pooling with ceil(size / stride) places; padding is never the maximum."""
    size, step, pads = same_windows(x, kernel_size, stride)
    return F.max_pool2d(F.pad(x, pads, value=-torch.inf), size, step)


class GeneralSameMaxPool2d(nn.Module):
    """Max pooling with ceil(size / stride) places (TensorFlow's 'same')."""

    def __init__(
        self,
        kernel_size: int | list[int],
        stride: int | list[int] | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        return general_same_max_pool2d(x, self.kernel_size, self.stride)


def same_avg_pool2d(x: Tensor, kernel_size: int, stride: int) -> Tensor:
    """Average pooling with ceil(size / stride) places; padding is not averaged."""
    pads = same_pads(x, kernel_size, stride)
    real = F.avg_pool2d(F.pad(torch.ones_like(x[:1, :1]), pads), kernel_size, stride)
    return F.avg_pool2d(F.pad(x, pads), kernel_size, stride) / real


class SameAvgPool2d(nn.Module):
    """Average pooling with ceil(size / stride) places (TensorFlow's 'same')."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        return same_avg_pool2d(x, self.kernel_size, self.stride)


def general_same_avg_pool2d(
    x: Tensor,
    kernel_size: int | list[int],
    stride: int | list[int] | None = None,
) -> Tensor:
    """Average pooling with ceil(size / stride) places; padding is not averaged."""
    size, step, pads = same_windows(x, kernel_size, stride)
    real = F.pad(torch.ones_like(x[:1, :1]), pads)
    return F.avg_pool2d(F.pad(x, pads), size, step) / F.avg_pool2d(real, size, step)


class GeneralSameAvgPool2d(nn.Module):
    """Average pooling with ceil(size / stride) places (TensorFlow's 'same')."""

    def __init__(
        self,
        kernel_size: int | list[int],
        stride: int | list[int] | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        return general_same_avg_pool2d(x, self.kernel_size, self.stride)


def make_divisible(value: float, divisor: int) -> int:
    """The multiple of `divisor` nearest to `value`, at most a tenth below it."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class SeparableConv2d(nn.Module):
    """A convolution of each channel by itself, then one of 1x1 that mixes them."""

    def __init__(
        self, in_channels: int, out_channels: int, *window, bias: bool = True, **options
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, *window, groups=in_channels, bias=False, **options
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class SameSeparableConv2d(nn.Module):
    """A separable convolution with ceil(size / stride) places (TensorFlow's 'same')."""

    def __init__(
        self, in_channels: int, out_channels: int, *window, bias: bool = True, **options
    ) -> None:
        super().__init__()
        self.depthwise = SameConv2d(
            in_channels, in_channels, *window, groups=in_channels, bias=False, **options
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class Rescale(nn.Module):
    """x * factor + offset."""

    def __init__(self, factor: float, offset: float = 0) -> None:
        super().__init__()
        self.factor, self.offset = factor, offset

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor + self.offset


class Normalize(nn.Module):
    """(x - mean) / std, both fixed; `axes` places follow the features."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: float | tuple[float, ...],
        std: float | tuple[float, ...],
        axes: int = 0,
    ) -> None:
        super().__init__()
        shape = (-1,) + (1,) * axes
        for name, value in (("mean", mean), ("std", std)):
            numbers = torch.tensor(value, dtype=torch.get_default_dtype()).view(shape)
            self.register_buffer(name, numbers, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class Reshape(nn.Module):
    """The same numbers in another shape; -1 follows from the others."""

    def __init__(self, *size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.size)


def tokens(x: Tensor) -> Tensor:
    """A map (n, c, ...) as a sequence of its places (n, places, c)."""
    return x.flatten(2).transpose(1, 2)


class Tokens(nn.Module):
    """A map (n, c, ...) as a sequence of its places (n, places, c)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


def image(x: Tensor, size: list[int]) -> Tensor:
    """A sequence of places (n, places, c) as the map (n, c, ...) of this size."""
    return x.transpose(1, 2).unflatten(2, size)


class Image(nn.Module):
    """A sequence of places (n, places, c) as the map (n, c, ...) of this size."""

    def __init__(self, size: list[int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).unflatten(2, self.size)


def each(value: int | list[int], axes: int) -> list[int]:
    """One number an axis."""
    return [value] * axes if isinstance(value, int) else value


def patches(x: Tensor, size: int | list[int]) -> Tensor:
    """A map (n, c, ...) as a sequence of its patches.

    The places of a patch follow one another column by column, each with its features.
    """
    axes = x.dim() - 2
    for axis, length in enumerate(each(size, axes)):
        x = x.unflatten(2 + 2 * axis, (-1, length))
    outer, inner = [0], [1]
    for axis in range(axes):
        outer, inner = outer + [2 + 2 * axis], [3 + 2 * axis] + inner
    return x.permute(outer + inner).flatten(1 + axes).flatten(1, axes)


class Patches(nn.Module):
    """The patches of a map as a sequence."""

    def __init__(self, size: int | list[int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return patches(x, self.size)


class GridPatches(nn.Module):
    """The patches of a sequence of the places of a grid."""

    def __init__(self, size: int | list[int], grid: list[int]) -> None:
        super().__init__()
        self.size, self.grid = size, grid

    def forward(self, x: Tensor) -> Tensor:
        return patches(image(x, self.grid), self.size)


def grid_patches(x: Tensor, size: int | list[int], grid: list[int]) -> Tensor:
    """The patches of a sequence of the places of a grid."""
    return patches(image(x, grid), size)


def pixel_shuffle(x: Tensor, size: list[int]) -> Tensor:
    """Features of a map as places: so many times as many along each axis."""
    axes = len(size)
    x = x.unflatten(1, [-1] + size)
    order = [0, 1]
    for axis in range(2, 2 + axes):
        order += [axis + axes, axis]
    x = x.permute(order)
    for axis in range(2, 2 + axes):
        x = x.flatten(axis, axis + 1)
    return x.contiguous()


class PixelShuffle(nn.Module):
    """Features of a map as places: so many times as many along each axis."""

    def __init__(self, size: list[int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return pixel_shuffle(x, self.size)


class Roll(nn.Module):
    """Places moved on along some axes, around the end."""

    def __init__(
        self, shifts: int | tuple[int, ...], dims: int | tuple[int, ...]
    ) -> None:
        super().__init__()
        self.shifts, self.dims = shifts, dims

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(self.shifts, self.dims)


def roll_grid(x: Tensor, shifts: list[int], grid: list[int]) -> Tensor:
    """A sequence of the places of a grid, moved along its axes, around the end."""
    dims = list(range(1, 1 + len(grid)))
    return x.unflatten(1, grid).roll(shifts, dims).flatten(1, len(grid))


class RollGrid(nn.Module):
    """A sequence of the places of a grid, moved along its axes, around the end."""

    def __init__(self, shifts: list[int], grid: list[int]) -> None:
        super().__init__()
        self.shifts, self.grid = shifts, grid

    def forward(self, x: Tensor) -> Tensor:
        return roll_grid(x, self.shifts, self.grid)


class Transpose(nn.Module):
    """A sequence (n, t, d) as (n, d, t)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class TiedLinear(nn.Module):
    """A linear layer whose matrix belongs to another layer; the bias is its own."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        bound = in_features**-0.5
        bias = torch.empty(out_features).uniform_(-bound, bound)
        self.bias = nn.Parameter(bias)

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.linear(x, weight, self.bias)


def prepend(x: Tensor, vectors: Tensor) -> Tensor:
    """A sequence with trained vectors (1, k, d) in front."""
    return torch.cat([vectors.expand(x.shape[0], -1, -1), x], 1)


class Positions(nn.Embedding):
    """Adds a trained vector a place."""

    def forward(self, input: Tensor) -> Tensor:
        return input + self.weight[: input.shape[1]]


def sinusoids(x: Tensor) -> Tensor:
    """x plus the fixed sines and cosines of its places."""
    length, features = x.shape[1], x.shape[2]
    place = torch.arange(length, device=x.device)[:, None]
    rate = 10000 ** (-torch.arange(0, features, 2, device=x.device) / features)
    waves = torch.stack([torch.sin(place * rate), torch.cos(place * rate)], 2)
    return x + waves.flatten(1).to(x.dtype)


class Sinusoids(nn.Module):
    """Adds the fixed sines and cosines of the places."""

    def forward(self, x: Tensor) -> Tensor:
        return sinusoids(x)


class Take(nn.Module):
    """One vector of a sequence."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.index]


def layer_scale(features: int, value: float, axes: int) -> Tensor:
    """The factors of a layer scale, for features followed by `axes` places."""
    return torch.full((features,) + (1,) * axes, float(value))


class DropPath(nn.Module):
    """In training zeroes each example with probability p, scaling the others up."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = x.new_empty(x.shape[:1] + (1,) * (x.dim() - 1)).bernoulli_(1.0 - self.p)
        return x * kept.div_(1 - self.p) if self.p < 1 else torch.zeros_like(x)


class ChannelRMSNorm(nn.RMSNorm):
    """Root mean square normalisation of the channels at each place of a map."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(1, -1)
        x = F.rms_norm(x, self.normalized_shape, self.weight, self.eps)
        return x.movedim(-1, 1)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of the channels at each place of a map."""

    def forward(self, input: Tensor) -> Tensor:
        x = input.movedim(1, -1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.movedim(-1, 1)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """softmax(q k^T / sqrt(d)) v, the features divided into heads; (n, t, d) each."""
    q = q.unflatten(2, (heads, -1)).transpose(1, 2)
    k = k.unflatten(2, (heads, -1)).transpose(1, 2)
    v = v.unflatten(2, (heads, -1)).transpose(1, 2)
    x = F.scaled_dot_product_attention(q, k, v)
    return x.transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Multi-head self-attention, its three projections in one matrix."""

    def __init__(self, features: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(features, 3 * features, bias=bias)
        self.proj = nn.Linear(features, features, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).flatten(2))


class CausalAttention(nn.Module):
    """Multi-head self-attention in which a place sees itself and those before it."""

    def __init__(
        self, features: int, heads: int, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(features, 3 * features, bias=bias)
        self.proj = nn.Linear(features, features, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        dropout = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, None, dropout, is_causal=True)
        return self.proj(x.transpose(1, 2).flatten(2))


class MultiheadSelfAttention(nn.Module):
    """Multi-head self-attention, its arrays called as in nn.MultiheadAttention."""

    def __init__(self, features: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        qkv = nn.Linear(features, 3 * features, bias=bias)
        self.in_proj_weight, self.in_proj_bias = qkv.weight, qkv.bias
        self.out_proj = nn.Linear(features, features, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        qkv = qkv.unflatten(2, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(x.transpose(1, 2).flatten(2))


class CausalMultiheadSelfAttention(nn.Module):
    """Self-attention in which a place sees itself and those before it.

    Its arrays are called as in nn.MultiheadAttention.
    """

    def __init__(
        self, features: int, heads: int, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        qkv = nn.Linear(features, 3 * features, bias=bias)
        self.in_proj_weight, self.in_proj_bias = qkv.weight, qkv.bias
        self.out_proj = nn.Linear(features, features, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        qkv = qkv.unflatten(2, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        dropout = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, None, dropout, is_causal=True)
        return self.out_proj(x.transpose(1, 2).flatten(2))


class SeparateRotaryAttention(nn.Module):
    """Causal self-attention whose queries and keys are turned by their places.

    Queries share the heads of keys and values, a group of them each.
    """

    def __init__(
        self,
        features: int,
        heads: int,
        base: float,
        kv_heads: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads or heads
        self.base = float(base)
        keys = features // heads * self.kv_heads
        self.q_proj = nn.Linear(features, features, bias=bias)
        self.k_proj = nn.Linear(features, keys, bias=bias)
        self.v_proj = nn.Linear(features, keys, bias=bias)
        self.o_proj = nn.Linear(features, features, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        q = rotated(self.q_proj(x).unflatten(2, (self.heads, -1)), self.base)
        k = rotated(self.k_proj(x).unflatten(2, (self.kv_heads, -1)), self.base)
        v = self.v_proj(x).unflatten(2, (self.kv_heads, -1))
        x = F.scaled_dot_product_attention(
            q.transpose(1, 2),
            k.transpose(1, 2),
            v.transpose(1, 2),
            is_causal=True,
            enable_gqa=self.kv_heads != self.heads,
        )
        return self.o_proj(x.transpose(1, 2).flatten(2))


class WindowAttention(nn.Module):
    """Self-attention within the windows of a map, which may be shifted.

    A trained bias is added for each distance of two places and each head.
    """

    relative_position_index: Tensor
    order: Tensor
    back: Tensor
    seen: Tensor

    def __init__(
        self,
        features: int,
        heads: int,
        size: int,
        window: int,
        shift: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.heads, self.places = heads, window * window
        self.shifted = shift > 0 and size > window
        self.qkv = nn.Linear(features, 3 * features, bias=bias)
        self.proj = nn.Linear(features, features, bias=bias)
        table = nn.init.trunc_normal_(
            torch.empty((2 * window - 1) ** 2, heads), std=0.02
        )
        self.relative_position_bias_table = nn.Parameter(table)
        self.register_buffer(
            "relative_position_index", relative_index([window, window])
        )
        shift = shift if self.shifted else 0
        places = (
            torch.arange(size * size).view(size, size).roll((-shift, -shift), (0, 1))
        )
        order = windows(places, window)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("back", order.flatten().argsort(), persistent=False)
        around = torch.arange(size) < shift  # what came around the end is no neighbour
        side = (2 * around[:, None] + around).flatten()[order]
        seen = (side[:, :, None] == side[:, None])[:, None]
        self.register_buffer("seen", seen, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[0]
        x = x[:, self.order].flatten(0, 1)
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.relative_position_bias_table[self.relative_position_index]
        bias = bias.unflatten(0, (self.places, -1)).permute(2, 0, 1)[None]
        if self.shifted:
            bias = bias.masked_fill(~self.seen.repeat(count, 1, 1, 1), -torch.inf)
        x = F.scaled_dot_product_attention(q, k, v, bias)
        x = x.transpose(1, 2).clone(memory_format=torch.contiguous_format).flatten(2)
        return self.proj(x).unflatten(0, (count, -1)).flatten(1, 2)[:, self.back]


class CosineWindowAttention(nn.Module):
    """Self-attention by angle within the windows of a map, which may be shifted.

    Each head has a trained temperature; a bias is made of the log distance of two
    places. Keys have no bias: its part of `qkv.bias` is not used.
    """

    relative_coords_table: Tensor
    relative_position_index: Tensor
    order: Tensor
    back: Tensor
    seen: Tensor

    def __init__(
        self, features: int, heads: int, size: int, window: int, shift: int = 0
    ) -> None:
        super().__init__()
        self.heads, self.places = heads, window * window
        self.shifted = shift > 0 and size > window
        self.qkv = nn.Linear(features, 3 * features)
        self.proj = nn.Linear(features, features)
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), 10.0).log())
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, heads, bias=False)
        )
        apart = torch.arange(1.0 - window, window) / max(window - 1, 1) * 8
        table = torch.stack(torch.meshgrid(apart, apart, indexing="ij"), -1)[None]
        table = table.sign() * (table.abs() + 1).log2() / 3
        self.register_buffer("relative_coords_table", table)
        self.register_buffer(
            "relative_position_index", relative_index([window, window])
        )
        shift = shift if self.shifted else 0
        places = (
            torch.arange(size * size).view(size, size).roll((-shift, -shift), (0, 1))
        )
        order = windows(places, window)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("back", order.flatten().argsort(), persistent=False)
        around = torch.arange(size) < shift  # what came around the end is no neighbour
        side = (2 * around[:, None] + around).flatten()[order]
        seen = (side[:, :, None] == side[:, None])[:, None]
        self.register_buffer("seen", seen, persistent=False)

    def distance_bias(self) -> Tensor:
        """What is added for the distance of two places: (1, heads, places, places)."""
        bias = self.cpb_mlp(self.relative_coords_table).flatten(0, -2)
        bias = bias[self.relative_position_index].unflatten(0, (self.places, -1))
        return 16 * bias.permute(2, 0, 1).sigmoid()[None]

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[0]
        x = x[:, self.order].flatten(0, 1)
        q, k, v = self.qkv.bias.chunk(3)
        qkv = F.linear(x, self.qkv.weight, torch.cat([q, torch.zeros_like(k), v]))
        q, k, v = qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        q = F.normalize(q, dim=3) * self.logit_scale.exp().clamp(max=100.0)
        bias = self.distance_bias()
        if self.shifted:
            bias = bias.masked_fill(~self.seen.repeat(count, 1, 1, 1), -torch.inf)
        x = F.scaled_dot_product_attention(q, F.normalize(k, dim=3), v, bias, scale=1.0)
        x = x.transpose(1, 2).clone(memory_format=torch.contiguous_format).flatten(2)
        return self.proj(x).unflatten(0, (count, -1)).flatten(1, 2)[:, self.back]


def windows(x: Tensor, window: int) -> Tensor:
    """What stands on a square map as (windows, places of a window)."""
    x = x.unflatten(1, (-1, window)).unflatten(0, (-1, window))
    return x.transpose(1, 2).flatten(2).flatten(0, 1)


def general_attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    heads: int,
    mask: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    causal: bool = False,
) -> Tensor:
    """softmax(q k^T / sqrt(d)) v, the features divided into heads; (n, t, d) each.

    `mask` (n, t) is 0 for keys that are not looked at; one of more axes is torch's own.
    """
    q = q.unflatten(2, (heads, -1)).transpose(1, 2)
    k = k.unflatten(2, (-1, q.shape[3])).transpose(1, 2)
    v = v.unflatten(2, (k.shape[1], -1)).transpose(1, 2)
    if mask is not None and mask.dim() == 2:
        mask = (mask != 0)[:, None, None]
        if causal:
            mask = mask & mask.new_ones(q.shape[2], k.shape[2]).tril()
            causal = False
    grouped = k.shape[1] != heads
    x = F.scaled_dot_product_attention(
        q, k, v, mask, dropout, causal, scale=scale, enable_gqa=grouped
    )
    x = x.transpose(1, 2)
    if mask is not None:  # the layout of a masked product is not the same everywhere
        x = x.clone(memory_format=torch.contiguous_format)
    return x.flatten(2)


class GeneralAttention(nn.Module):
    """Multi-head self-attention, its three projections in one matrix."""

    def __init__(
        self,
        features: int,
        heads: int,
        kv_heads: int | None = None,
        scale: float | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads or heads
        self.scale, self.dropout, self.causal = scale, dropout, causal
        keys = features // heads * self.kv_heads
        self.sizes = [features, keys, keys]
        self.qkv = nn.Linear(features, sum(self.sizes), bias=bias)
        self.proj = nn.Linear(features, features, bias=bias)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values."""
        q, k, v = self.qkv(x).split(self.sizes, 2)
        return q, k, v

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.project(x)
        dropout = self.dropout if self.training else 0.0
        x = general_attend(q, k, v, self.heads, mask, self.scale, dropout, self.causal)
        return self.proj(x)


class GeneralMultiheadSelfAttention(nn.Module):
    """Multi-head self-attention, its arrays called as in nn.MultiheadAttention."""

    def __init__(
        self,
        features: int,
        heads: int,
        kv_heads: int | None = None,
        scale: float | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads or heads
        self.scale, self.dropout, self.causal = scale, dropout, causal
        keys = features // heads * self.kv_heads
        self.sizes = [features, keys, keys]
        qkv = nn.Linear(features, sum(self.sizes), bias=bias)
        self.in_proj_weight, self.in_proj_bias = qkv.weight, qkv.bias
        self.out_proj = nn.Linear(features, features, bias=bias)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values."""
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = qkv.split(self.sizes, 2)
        return q, k, v

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.project(x)
        dropout = self.dropout if self.training else 0.0
        x = general_attend(q, k, v, self.heads, mask, self.scale, dropout, self.causal)
        return self.out_proj(x)


class GeneralSeparateAttention(nn.Module):
    """Multi-head self-attention with four projections."""

    def __init__(
        self,
        features: int,
        heads: int,
        kv_heads: int | None = None,
        scale: float | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads or heads
        self.scale, self.dropout, self.causal = scale, dropout, causal
        keys = features // heads * self.kv_heads
        self.q_proj = nn.Linear(features, features, bias=bias)
        self.k_proj = nn.Linear(features, keys, bias=bias)
        self.v_proj = nn.Linear(features, keys, bias=bias)
        self.o_proj = nn.Linear(features, features, bias=bias)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values."""
        return self.q_proj(x), self.k_proj(x), self.v_proj(x)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.project(x)
        dropout = self.dropout if self.training else 0.0
        x = general_attend(q, k, v, self.heads, mask, self.scale, dropout, self.causal)
        return self.o_proj(x)


def rotated(x: Tensor, base: float) -> Tensor:
    """Rotary positions: features i and i + d/2 turn by place * base^(-2i/d)."""
    width = x.shape[3]
    rate = 1 / base ** (torch.arange(0, width, 2, device=x.device) / width)
    angle = torch.arange(x.shape[1], device=x.device)[:, None, None] * rate
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.chunk(2, 3)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], 3)


def rotate(x: Tensor, heads: int, base: float) -> Tensor:
    """Rotary positions of (n, t, d), the features divided into heads."""
    return rotated(x.unflatten(2, (heads, -1)), base).flatten(2)


class GeneralRotaryAttention(GeneralAttention):
    """Self-attention whose queries and keys are turned by their places."""

    def __init__(
        self,
        features: int,
        heads: int,
        base: float,
        kv_heads: int | None = None,
        scale: float | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__(features, heads, kv_heads, scale, dropout, bias, causal)
        self.base = float(base)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.qkv(x).split(self.sizes, 2)
        q = rotate(q, self.heads, self.base)
        return q, rotate(k, self.kv_heads, self.base), v


class GeneralRotaryMultiheadSelfAttention(GeneralMultiheadSelfAttention):
    """Self-attention whose queries and keys are turned by their places."""

    def __init__(
        self,
        features: int,
        heads: int,
        base: float,
        kv_heads: int | None = None,
        scale: float | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__(features, heads, kv_heads, scale, dropout, bias, causal)
        self.base = float(base)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = qkv.split(self.sizes, 2)
        q = rotate(q, self.heads, self.base)
        return q, rotate(k, self.kv_heads, self.base), v


class GeneralSeparateRotaryAttention(GeneralSeparateAttention):
    """Self-attention whose queries and keys are turned by their places."""

    def __init__(
        self,
        features: int,
        heads: int,
        base: float,
        kv_heads: int | None = None,
        scale: float | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__(features, heads, kv_heads, scale, dropout, bias, causal)
        self.base = float(base)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        q = rotate(q, self.heads, self.base)
        return q, rotate(k, self.kv_heads, self.base), v


def per_axis(value: int | tuple[int, ...], axes: int) -> list[int]:
    """One number an axis."""
    return list(value) if isinstance(value, tuple) else [value] * axes


def tiled(x: Tensor, tile: list[int], spread: bool) -> Tensor:
    """What stands on a map as (tiles, places of a tile).

    A tile is a window of neighbours, or its places are spread evenly over the map.
    """
    axes = x.dim()
    for axis in reversed(range(axes)):
        x = x.unflatten(axis, (tile[axis], -1) if spread else (-1, tile[axis]))
    first, second = list(range(0, 2 * axes, 2)), list(range(1, 2 * axes, 2))
    x = x.permute(second + first if spread else first + second)
    return x.flatten(axes).flatten(0, axes - 1)


def relative_index(window: list[int]) -> Tensor:
    """The number of the distance of each two places of a window, flat."""
    places = torch.cartesian_prod(*(torch.arange(n) for n in window))
    places = places.view(-1, len(window))
    index = torch.zeros(len(places), len(places), dtype=torch.long)
    for axis, n in enumerate(window):
        distance = places[:, None, axis] - places[None, :, axis]
        index = index * (2 * n - 1) + distance + n - 1
    return index.flatten()


class GeneralWindowAttention(GeneralAttention):
    """Self-attention within tiles of a map: windows, or places spread evenly.

    `relative` adds a trained bias for each distance of two places and each head.
    """

    relative_position_index: Tensor
    order: Tensor
    back: Tensor
    seen: Tensor | None

    def __init__(
        self,
        features: int,
        heads: int,
        size: int | tuple[int, ...],
        window: int | tuple[int, ...] = 1,
        grid: int | tuple[int, ...] | None = None,
        shift: int | tuple[int, ...] = 0,
        axes: int = 2,
        relative: bool = False,
        kv_heads: int | None = None,
        scale: float | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__(features, heads, kv_heads, scale, dropout, bias)
        sizes = per_axis(size, axes)
        self.window = per_axis(window if grid is None else grid, axes)
        shifts = per_axis(shift, axes)  # an axis that is one window stays
        shifts = [
            s if n > w else 0
            for n, w, s in zip(sizes, self.window, shifts, strict=True)
        ]
        self.relative_position_bias_table = None
        if relative:
            distances = torch.Size([2 * n - 1 for n in self.window]).numel()
            table = nn.init.trunc_normal_(torch.empty(distances, heads), std=0.02)
            self.relative_position_bias_table = nn.Parameter(table)
            self.register_buffer("relative_position_index", relative_index(self.window))
        places = torch.arange(torch.Size(sizes).numel()).view(sizes)
        places = places.roll([-s for s in shifts], list(range(axes)))
        order = tiled(places, self.window, grid is not None)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("back", order.flatten().argsort(), persistent=False)
        seen = None
        if any(shifts) or causal:  # what came around the end is no neighbour
            sides = [torch.arange(n) < s for n, s in zip(sizes, shifts, strict=True)]
            around = torch.cartesian_prod(*sides).view(-1, axes)[order]
            seen = (around[:, :, None] == around[:, None]).all(3)
            if causal:
                seen = seen & (order[:, :, None] >= order[:, None])
            seen = seen[:, None]
        self.register_buffer("seen", seen, persistent=False)

    def distance_bias(self) -> Tensor | None:
        """What is added for the distance of two places: (1, heads, places, places)."""
        if self.relative_position_bias_table is None:
            return None
        bias = self.relative_position_bias_table[self.relative_position_index]
        return bias.unflatten(0, (self.order.shape[1], -1)).permute(2, 0, 1)[None]

    def tile_mask(self, count: int, mask: Tensor | None) -> Tensor | None:
        """Bias and masks of all tiles, as scaled_dot_product_attention takes them."""
        seen = self.seen
        if seen is not None:
            seen = seen.repeat(count, 1, 1, 1)
        if mask is not None:
            keys = (mask != 0)[:, self.order].flatten(0, 1)[:, None, None]
            seen = keys if seen is None else seen & keys
        bias = self.distance_bias()
        if bias is None or seen is None:
            return seen if bias is None else bias
        return bias.masked_fill(~seen, -torch.inf)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        count = x.shape[0]
        mask = self.tile_mask(count, mask)
        q, k, v = self.project(x[:, self.order].flatten(0, 1))
        dropout = self.dropout if self.training else 0.0
        x = self.proj(general_attend(q, k, v, self.heads, mask, self.scale, dropout))
        return x.unflatten(0, (count, -1)).flatten(1, 2)[:, self.back]


class CosineAttention(GeneralWindowAttention):
    """Attention by angle at a trained temperature, with a bias of log distances.

    Keys have no bias: its part of `qkv.bias` is not used.
    """

    relative_coords_table: Tensor

    def __init__(
        self,
        features: int,
        heads: int,
        size: int | tuple[int, ...],
        window: int | tuple[int, ...] = 1,
        grid: int | tuple[int, ...] | None = None,
        shift: int | tuple[int, ...] = 0,
        axes: int = 2,
        kv_heads: int | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__(
            features,
            heads,
            size,
            window,
            grid,
            shift,
            axes,
            kv_heads=kv_heads,
            scale=1.0,
            dropout=dropout,
            bias=bias,
            causal=causal,
        )
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), 10.0).log())
        self.cpb_mlp = nn.Sequential(
            nn.Linear(axes, 512), nn.ReLU(), nn.Linear(512, heads, bias=False)
        )
        apart = [torch.arange(1.0 - n, n) / max(n - 1, 1) * 8 for n in self.window]
        table = torch.stack(torch.meshgrid(*apart, indexing="ij"), -1)[None]
        table = table.sign() * (table.abs() + 1).log2() / 3
        self.register_buffer("relative_coords_table", table)
        self.register_buffer("relative_position_index", relative_index(self.window))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bias = self.qkv.bias
        if bias is not None:
            q, k, v = bias.split(self.sizes)
            bias = torch.cat([q, torch.zeros_like(k), v])
        q, k, v = F.linear(x, self.qkv.weight, bias).split(self.sizes, 2)
        q = F.normalize(q.unflatten(2, (self.heads, -1)), dim=3)
        k = F.normalize(k.unflatten(2, (self.kv_heads, -1)), dim=3)
        q = q * self.logit_scale[:, 0].exp().clamp(max=100.0)
        return q.flatten(2), k.flatten(2), v

    def distance_bias(self) -> Tensor:
        bias = self.cpb_mlp(self.relative_coords_table).flatten(0, -2)
        bias = bias[self.relative_position_index]
        bias = bias.unflatten(0, (self.order.shape[1], -1)).permute(2, 0, 1)
        return 16 * bias.sigmoid()[None]


def crop(x: Tensor, size: list[int]) -> Tensor:
    """The middle of a map."""
    for axis, wanted in enumerate(size, 2):
        x = x.narrow(axis, (x.shape[axis] - wanted) // 2, wanted)
    return x


def crop_like(x: Tensor, other: Tensor) -> Tensor:
    """The middle of a map, as large as another."""
    return crop(x, list(other.shape[2:]))


class Crop(nn.Module):
    """The middle of a map."""

    def __init__(self, size: list[int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return crop(x, self.size)


def fold_batch_norms(
    state: dict[str, Tensor],
    pairs: tuple[tuple[str, str], ...],
    eps: float,
    bias: bool = False,
    affine: bool = True,
) -> dict[str, Tensor]:
    """Take each batch norm into the layer before it, by the ends of their names.

    A name is whole if it begins with a dot. `bias` and `affine`: which arrays there are.
    """
    folded = dict(state)
    for key in state:
        name = key.removesuffix(".running_var")
        ends = next((p for p in pairs if f"..{name}".endswith(f".{p[0]}")), None)
        if name == key or ends is None:
            continue
        layer = (f"..{name}".removesuffix(ends[0]) + ends[1]).lstrip(".")
        scale = torch.rsqrt(folded.pop(key) + eps)
        shift = -folded.pop(f"{name}.running_mean")
        if bias:
            shift = shift + folded[f"{layer}.bias"]
        if affine:
            scale = scale * folded.pop(f"{name}.weight")
        shift = shift * scale
        if affine:
            shift = shift + folded.pop(f"{name}.bias")
        weight = folded[f"{layer}.weight"]
        places = [-1] + [1] * (weight.dim() - 1)
        folded[f"{layer}.weight"] = weight * scale.reshape(places)
        folded[f"{layer}.bias"] = shift
        folded.pop(f"{name}.num_batches_tracked", None)
    return folded


def without(state: dict[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    """The arrays whose names do not begin so."""
    return {k: v for k, v in state.items() if not k.startswith(prefixes)}


class StatisticsKept:
    """Within it batch norms leave their running statistics alone."""

    def __init__(self, module: nn.Module) -> None:
        found = [m for m in module.modules() if hasattr(m, "track_running_stats")]
        self.norms: list[Any] = [m for m in found if m.track_running_stats]

    def __enter__(self) -> None:
        self.momenta = [norm.momentum for norm in self.norms]
        self.counts = [norm.num_batches_tracked.clone() for norm in self.norms]
        for norm in self.norms:
            norm.momentum = 0.0

    def __exit__(self, *_: object) -> None:
        for norm, momentum, count in zip(self.norms, self.momenta, self.counts):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)


def recomputed_norms(
    module: nn.Module, function: Callable[..., Any], *inputs: Tensor
) -> Any:
    """What a function gives; in training it is computed again for the gradient.

    Little is kept until then, and batch norms count each batch once.
    """
    if not module.training:
        return function(*inputs)
    if torch.compiler.is_compiling():
        return checkpoint(function, *inputs, use_reentrant=False)

    def contexts() -> tuple[Any, Any]:
        return nullcontext(), StatisticsKept(module)

    return checkpoint(function, *inputs, use_reentrant=False, context_fn=contexts)


def recomputed(module: nn.Module, function: Callable[..., Any], *inputs: Tensor) -> Any:
    """What a function gives; in training it is computed again for the gradient.

    Little is kept until then.
    """
    if not module.training:
        return function(*inputs)
    return checkpoint(function, *inputs, use_reentrant=False)


class RecomputedNorms(nn.Module):
    """In training it is computed again for the gradient, so that little is kept."""

    def __call__(self, *inputs: Tensor) -> Any:
        return recomputed_norms(self, super().__call__, *inputs)


class Recomputed(nn.Module):
    """In training it is computed again for the gradient, so that little is kept."""

    def __call__(self, *inputs: Tensor) -> Any:
        return recomputed(self, super().__call__, *inputs)


class RecomputedNormsSequential(RecomputedNorms, nn.Sequential):
    """Modules one after the other, computed again for the gradient."""


class RecomputedSequential(Recomputed, nn.Sequential):
    """Modules one after the other, computed again for the gradient."""
