"""Convolutions, poolings and what else slides over maps."""

from __future__ import annotations

from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .words import (
    Arguments,
    Function,
    Rule,
    Value,
    Word,
    divisors,
    each,
    features,
    maybe,
    some_axes,
    space,
    torch_class,
    word,
)


def same_pads(sizes: tuple[int, ...], kernel: Any, stride: Any, dilation: Any) -> list[int]:
    """What F.pad needs for `same`: the fewest zeros with which there are ceil(n / s) windows, the odd one behind.

    Found by trying, not by a formula.
    """
    pads: list[int] = []
    for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        wanted = len(range(0, n, s))
        total = 0
        while len([at for at in range(0, n + total, s) if at + d * (k - 1) < n + total]) < wanted:
            total += 1
        pads = [total // 2, total - total // 2, *pads]
    return pads


class Padded(nn.Module):
    """A layer behind a padding that depends on the size that comes in."""

    def __init__(self, inner: nn.Module, pads: Any) -> None:
        super().__init__()
        self.inner, self.pads = inner, pads
        self.register_state_dict_post_hook(_without_inner)

    def forward(self, value: Tensor) -> Tensor:
        return self.inner(F.pad(value, self.pads(tuple(value.shape[2:]))))


def _without_inner(module: nn.Module, state: Any, prefix: str, _: Any) -> None:
    for key in list(state):
        state[key.replace(f"{prefix}inner.", prefix, 1)] = state.pop(key)


class TableConv(nn.Module):
    """One convolution an output map, of the input maps that feed it."""

    def __init__(self, rows: list[str], size: tuple[int, ...], bias: bool, **how: Any) -> None:
        super().__init__()
        self.feeding = [[i for i, row in enumerate(rows) if row[o] == "X"] for o in range(len(rows[0]))]
        self.weight = nn.Parameter(torch.empty(sum(map(len, self.feeding)), *size))
        self.bias = nn.Parameter(torch.empty(len(rows[0]))) if bias else None
        self.incoming, self.how = len(rows), how

    def forward(self, value: Tensor) -> Tensor:
        function = (F.conv1d, F.conv2d, F.conv3d)[value.dim() - 3]
        if value.shape[1] != self.incoming:
            raise ValueError("other maps than the table has rows")
        found: list[Tensor] = []
        at = 0
        for o, feeding in enumerate(self.feeding):
            kernels = self.weight[at : at + len(feeding)][None]
            at += len(feeding)
            bias = None if self.bias is None else self.bias[o : o + 1]
            found.append(function(value[:, feeding], kernels, bias, **self.how))
        return torch.cat(found, 1)


class _Windowed(Word):
    kinds = ("map",)
    smallest = {"pad": 0}
    exclusive: Any = ("pad", "valid", "same", "causal")

    def padding(self, random: Random, value: Value, size: Any) -> Arguments:
        """One of the ways to pad."""
        ways = ["half", "valid", "same", "pad"]
        if value.tensor.dim() == 3 and "causal" in self.exclusive:
            ways += ["causal"] * 3
        sizes = size["size"] if isinstance(size, dict) else [size]
        way = random.choice(ways)
        if way == "half" and any(k % 2 == 0 for k in sizes):
            way = "same"
        return {"half": {}, "pad": {"pad": some_axes(random, value, (0, 1, 1, 2))}}.get(way, {way: True})

    def window(self, random: Random, value: Value) -> Arguments:
        size = some_axes(random, value, (1, 2, 3, 3, 3, 4, 5))
        given = {"size": size}
        given |= maybe(random, 0.4, stride=some_axes(random, value, (1, 2, 2, 3, 5)))
        given |= self.padding(random, value, size)
        return given | maybe(random, 0.25, dilation=some_axes(random, value, (1, 2, 3)))

    def made(self, given: Arguments, value: Value, width: int, groups: int, bias: bool) -> nn.Module:
        """The convolution with its padding."""
        rank = value.tensor.dim() - 2
        size, stride = each(given["size"], rank), each(given.get("stride", 1), rank)
        dilation = each(given.get("dilation", 1), rank)
        pad, pads = self.pads(given, rank, size, stride, dilation)
        how = {"stride": stride, "dilation": dilation, "padding": pad}
        if given.get("connect") is not None:
            rows = given["connect"]
            if len(rows) != features(value) or len(rows[0]) != width:
                raise Rule("another map of connections")
            if groups != 1:
                raise Rule("groups or connect")
            inner: nn.Module = TableConv(rows, size, bias, **how)
        else:
            inner = torch_class("Conv", value)(features(value), width, size, groups=groups, bias=bias, **how)
        return inner if pads is None else Padded(inner, pads)

    def pads(self, given: Arguments, rank: int, size: Any, stride: Any, dilation: Any) -> tuple[Any, Any]:
        """Zeros on both sides, or what else is to be padded."""
        if given.get("valid"):
            return (0,) * rank, None
        if given.get("same"):
            return (0,) * rank, lambda sizes: same_pads(sizes, size, stride, dilation)
        if given.get("causal"):
            if rank != 1:
                raise Rule("causal is of one axis")
            return (0,), lambda _: [dilation[0] * (size[0] - 1), 0]
        if "pad" in given:
            return each(given["pad"], rank), None
        if any(k % 2 == 0 for k in size):
            raise Rule("no middle")
        return tuple(d * (k // 2) for k, d in zip(size, dilation, strict=True)), None


@word
class Conv(_Windowed):
    word = "conv"
    positions = ("size", "width")
    covers = (
        "size", "width", "stride", "pad", "groups", "dilation", "connect", "bias", "valid", "same", "causal",
    )  # fmt: skip

    def propose(self, random: Random, value: Value) -> Arguments:
        given = {**self.window(random, value), "width": random.choice((1, 2, 3, 4, 6, 8, 8, 12))}
        if random.random() < 0.3:
            given["groups"] = random.choice(divisors(features(value)))
            given["width"] = given["groups"] * random.choice((1, 1, 2, 3))
        return given | maybe(random, 0.4, bias=False)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return self.made(given, value, given["width"], given.get("groups", 1), given.get("bias", True))


@word
class Depthwise(_Windowed):
    word = "depthwise"
    positions = ("size",)
    covers = ("size", "stride", "pad", "dilation", "multiplier", "bias", "valid", "same", "causal")

    def propose(self, random: Random, value: Value) -> Arguments:
        given = self.window(random, value) | maybe(random, 0.4, bias=False)
        return given | maybe(random, 0.4, multiplier=random.choice((1, 2, 3)))

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        many = features(value)
        return self.made(given, value, many * given.get("multiplier", 1), many, given.get("bias", True))


class Separable(nn.Module):
    """Each channel by itself, then a mixture of them."""

    def __init__(self, depthwise: nn.Module, pointwise: nn.Module) -> None:
        super().__init__()
        self.depthwise, self.pointwise = depthwise, pointwise

    def forward(self, value: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(value))


@word
class SepConv(_Windowed):
    word = "sepconv"
    positions = ("size", "width")
    covers = ("size", "width", "stride", "pad", "dilation", "bias", "valid", "same")
    exclusive = ("pad", "valid", "same")

    def propose(self, random: Random, value: Value) -> Arguments:
        given = {**self.window(random, value), "width": random.choice((1, 2, 4, 6, 8))}
        return given | maybe(random, 0.4, bias=False)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        many, bias = features(value), given.get("bias", True)
        depthwise = self.made(given, value, many, many, False)
        pointwise = torch_class("Conv", value)(many, given["width"], 1, bias=bias)
        return Separable(depthwise, pointwise)


@word
class UpConv(Word):
    word = "upconv"
    kinds = ("map",)
    positions = ("size", "width")
    covers = ("size", "width", "stride", "pad", "bias")
    smallest = {"pad": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        given = {"size": some_axes(random, value, (1, 2, 2, 3, 4)), "width": random.choice((1, 2, 3, 4, 6))}
        given |= maybe(random, 0.7, stride=some_axes(random, value, (1, 2, 2, 3)))
        return given | maybe(random, 0.3, pad=some_axes(random, value, (0, 1))) | maybe(random, 0.4, bias=False)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        rank = value.tensor.dim() - 2
        size, stride, pad = (each(given.get(n, d), rank) for n, d in (("size", 0), ("stride", 1), ("pad", 0)))
        return torch_class("ConvTranspose", value)(
            features(value), given["width"], size, stride, pad, bias=given.get("bias", True)
        )


class _Pool(Word):
    kinds = ("map", "sequence")
    positions = ("size",)
    covers = ("size", "stride", "pad", "to", "same", "ceil", "global_")
    exclusive = ("pad", "same")
    smallest = {"pad": 0}
    torch_name: str

    def propose(self, random: Random, value: Value) -> Arguments:
        way = random.random()
        if value.kind == "sequence" or way < 0.12:
            return {"global_": True}
        if way < 0.25:
            return {"to": some_axes(random, value, (1, 1, 2, 3, 5))}
        given: Arguments = {"size": some_axes(random, value, (1, 2, 2, 3, 3, 4))}
        given |= maybe(random, 0.6, stride=some_axes(random, value, (1, 2, 2, 3, 5)))
        given |= maybe(random, 0.25, same=True) or maybe(random, 0.4, pad=some_axes(random, value, (0, 1, 1, 2)))
        return given | ({} if given.get("same") else maybe(random, 0.35, ceil=True))

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if sum(bool(given.get(name)) for name in ("size", "to", "global_")) != 1:
            raise Rule("one of size, to and global")
        if value.kind == "sequence" and not given.get("global_"):
            raise Rule("over a sequence only global")

    def whole_map(self, value: Tensor, dims: tuple[int, ...]) -> Tensor:
        raise NotImplementedError

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        if given.get("global_"):
            dims = (1,) if value.kind == "sequence" else tuple(range(2, value.tensor.dim()))
            return Function(lambda x: self.whole_map(x, dims))
        rank = value.tensor.dim() - 2
        if "to" in given:
            return torch_class(f"Adaptive{self.torch_name}", value)(each(given["to"], rank))
        size = each(given["size"], rank)
        stride = each(given.get("stride", given["size"]), rank)
        if given.get("same"):
            return self.same(value, size, stride)
        return self.pool(value, size, stride, each(given.get("pad", 0), rank), given.get("ceil", False))

    def pool(self, value: Value, size: Any, stride: Any, pad: Any, ceil: bool) -> nn.Module:
        return torch_class(self.torch_name, value)(size, stride, pad, ceil_mode=ceil)

    def same(self, value: Value, size: Any, stride: Any) -> nn.Module:
        raise NotImplementedError

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        return Value("vector" if given.get("global_") else "map", tensor)


@word
class MaxPool(_Pool):
    word = "maxpool"
    torch_name = "MaxPool"

    def whole_map(self, value: Tensor, dims: tuple[int, ...]) -> Tensor:
        return value.flatten(dims[0], dims[-1]).max(dims[0]).values

    def same(self, value: Value, size: Any, stride: Any) -> nn.Module:
        inner = torch_class("MaxPool", value)(size, stride)
        return Function(
            lambda x: inner(F.pad(x, same_pads(x.shape[2:], size, stride, (1,) * len(size)), value=-torch.inf))
        )


@word
class AvgPool(_Pool):
    word = "avgpool"
    torch_name = "AvgPool"

    def whole_map(self, value: Tensor, dims: tuple[int, ...]) -> Tensor:
        return value.flatten(dims[0], dims[-1]).mean(dims[0])

    def pool(self, value: Value, size: Any, stride: Any, pad: Any, ceil: bool) -> nn.Module:
        return torch_class("AvgPool", value)(size, stride, pad, ceil_mode=ceil, count_include_pad=False)

    def same(self, value: Value, size: Any, stride: Any) -> nn.Module:
        inner = torch_class("AvgPool", value)(size, stride)

        def mean(x: Tensor) -> Tensor:
            pads = same_pads(x.shape[2:], size, stride, (1,) * len(size))
            return inner(F.pad(x, pads)) / inner(F.pad(torch.ones_like(x), pads))

        return Function(mean)


@word
class Subsample(Word):
    word = "subsample"
    kinds = ("map",)
    positions = ("size",)
    covers = ("size",)

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"size": some_axes(random, value, (1, 2, 2, 3))}

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return Subsampling(features(value), each(given["size"], value.tensor.dim() - 2))


class Subsampling(nn.Module):
    """The sum of each window by unfolding, times a coefficient, plus a bias, a channel."""

    def __init__(self, channels: int, size: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.empty(channels, 1, *(1 for _ in size)))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, value: Tensor) -> Tensor:
        for axis, k in enumerate(self.size, 2):
            value = value.unfold(axis, k, k).sum(-1)
        ones = (1,) * len(self.size)
        return value * self.weight[:, 0] + self.bias.reshape(-1, *ones)


@word
class Crop(Word):
    word = "crop"
    kinds = ("map",)
    positions = ("size",)
    covers = ("size", "like")

    def propose(self, random: Random, value: Value) -> Arguments:
        places = space(value)
        if random.random() < 0.4:
            return {"size": random.randint(1, min(places))}
        return {"size": {"size": [random.randint(1, n) for n in places]}}

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if ("size" in given) == ("like" in given):
            raise Rule("a size or a value")
        like = given.get("like")
        wanted = space(like) if like is not None else each(given["size"], value.tensor.dim() - 2)
        if len(wanted) != len(space(value)) or any(a > b for a, b in zip(wanted, space(value), strict=True)):
            raise Rule("crop makes smaller")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        def middle(x: Tensor, like: Tensor | None = None) -> Tensor:
            wanted = each(given["size"], x.dim() - 2) if like is None else like.shape[2:]
            for axis, size in enumerate(wanted, 2):
                before = (x.shape[axis] - size) // 2
                x = x.index_select(axis, torch.arange(before, before + size, device=x.device))
            return x

        return Function(middle)


class _Resampling(Word):
    kinds = ("map",)
    exclusive = ("nearest", "bilinear")

    def way(self, random: Random) -> Arguments:
        return random.choice(({}, {"nearest": True}, {"bilinear": True}))

    def mode(self, given: Arguments, rank: int) -> str:
        return ("linear", "bilinear", "trilinear")[rank - 1] if given.get("bilinear") else "nearest"

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        return Value("map", tensor)


@word
class Upsample(_Resampling):
    word = "upsample"
    positions = ("factor",)
    covers = ("factor", "nearest", "bilinear")

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"factor": some_axes(random, value, (1, 2, 2, 3))} | self.way(random)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        rank = value.tensor.dim() - 2
        factors = each(given["factor"], rank)
        return nn.Upsample(scale_factor=tuple(map(float, factors)), mode=self.mode(given, rank))


@word
class Resize(_Resampling):
    word = "resize"
    covers = ("to", "like", "nearest", "bilinear")

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"to": some_axes(random, value, (1, 2, 3, 5, 8))} | self.way(random)

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if ("to" in given) == ("like" in given):
            raise Rule("a size or a value")
        like = given.get("like")
        if like is not None and (like.kind != "map" or like.tensor.dim() != value.tensor.dim()):
            raise Rule("like a map of as many axes")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        def resized(x: Tensor, like: Tensor | None = None) -> Tensor:
            wanted = each(given["to"], x.dim() - 2) if like is None else like.shape[2:]
            return nn.Upsample(size=wanted, mode=self.mode(given, x.dim() - 2))(x)

        return Function(resized)
