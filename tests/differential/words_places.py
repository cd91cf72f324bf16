"""Layers that move numbers between places and features, and normalisations of places."""

from __future__ import annotations

import itertools
import math
from random import Random
from typing import Any

import torch
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


def places(value: Value) -> tuple[int, ...]:
    """The axes of a map, those of the map that a sequence was, or its length."""
    return space(value) if value.grid is None else value.grid


def as_map(tensor: Tensor, kind: str, axes: tuple[int, ...]) -> Tensor:
    """(batch, features, axes...) of a map or a sequence."""
    return tensor if kind == "map" else tensor.permute(0, 2, 1).reshape(tensor.shape[0], -1, *axes)


def as_sequence(tensor: Tensor) -> Tensor:
    return tensor.flatten(2).permute(0, 2, 1)


@word
class Image(Word):
    word = "image"
    anew = True
    kinds = ("sequence",)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        axes = places(value)
        return Function(lambda x: as_map(x, "sequence", axes if math.prod(axes) == x.shape[1] else (x.shape[1],)))

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        return Value("map", tensor)


@word
class Patches(Word):
    word = "patches"
    anew = True
    kinds = ("map", "sequence")
    positions = ("size",)
    covers = ("size",)

    def propose(self, random: Random, value: Value) -> Arguments:
        sizes = [random.choice(divisors(n)) for n in places(value)]
        return {"size": sizes[0] if len(set(sizes)) == 1 else {"size": sizes}}

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if any(n % p for n, p in zip(places(value), each(given["size"], len(places(value))), strict=True)):
            raise Rule("patches divide the places")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        axes = places(value)
        size = each(given["size"], len(axes))

        def cut(x: Tensor) -> Tensor:
            x = as_map(x, value.kind, axes)
            steps = itertools.product(*(range(p) for p in reversed(size)))  # the first axis is the fastest
            parts = [
                x[(slice(None), slice(None), *(slice(at, None, p) for at, p in zip(reversed(step), size, strict=True)))]
                for step in steps
            ]
            return as_sequence(torch.cat(parts, 1))

        return Function(cut)

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        axes = places(value)
        grid = tuple(n // p for n, p in zip(axes, each(given["size"], len(axes)), strict=True))
        return Value("sequence", tensor, None, grid)


@word
class PixelShuffle(Word):
    word = "pixelshuffle"
    kinds = ("map",)
    positions = ("size",)
    covers = ("size",)

    def propose(self, random: Random, value: Value) -> Arguments:
        left, sizes = features(value), []
        for _ in space(value):
            sizes.append(random.choice([d for d in divisors(left) if d <= 3]))
            left //= sizes[-1]
        return {"size": sizes[0] if len(set(sizes)) == 1 else {"size": sizes}}

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if features(value) % math.prod(each(given["size"], len(space(value)))):
            raise Rule("places of as many channels")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        def spread(x: Tensor) -> Tensor:
            size = each(given["size"], x.dim() - 2)
            made = x.new_zeros(
                x.shape[0], x.shape[1] // math.prod(size), *(n * t for n, t in zip(x.shape[2:], size, strict=True))
            )
            for number, step in enumerate(itertools.product(*map(range, size))):
                where = (slice(None), slice(None), *(slice(at, None, t) for at, t in zip(step, size, strict=True)))
                made[where] = x[:, number :: math.prod(size)]
            return made

        return Function(spread)


@word
class Pad(Word):
    word = "pad"
    kinds = ("map",)
    positions = ("amount",)
    covers = ("amount",)
    smallest = {"amount": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"amount": some_axes(random, value, (0, 1, 1, 2))}

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        def padded(x: Tensor) -> Tensor:
            for axis, amount in enumerate(each(given["amount"], x.dim() - 2), 2):
                zeros = list(x.shape)
                zeros[axis] = amount
                x = torch.cat([x.new_zeros(zeros), x, x.new_zeros(zeros)], axis)
            return x

        return Function(padded)


@word
class Roll(Word):
    word = "roll"
    anew = True
    kinds = ("map", "sequence")
    positions = ("amount",)
    covers = ("amount",)
    smallest = {"amount": -99}

    def propose(self, random: Random, value: Value) -> Arguments:
        if random.random() < 0.5:
            return {"amount": random.choice((-1, 1, 2))}
        return {"amount": {"size": [random.choice((0, 1, 2, 5)) for _ in places(value)]}}

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        axes, kind = places(value), value.kind
        each(given["amount"], len(axes))

        def rolled(x: Tensor) -> Tensor:
            y = as_map(x, kind, axes if kind == "sequence" else tuple(x.shape[2:]))
            for axis, amount in enumerate(each(given["amount"], len(axes)), 2):
                order = [(at - amount) % y.shape[axis] for at in range(y.shape[axis])]
                y = y.index_select(axis, torch.tensor(order, device=y.device))
            return y if kind == "map" else as_sequence(y)

        return Function(rolled)


@word
class Shuffle(Word):
    word = "shuffle"
    kinds = ("map",)
    positions = ("groups",)
    covers = ("groups",)

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"groups": random.choice(divisors(features(value)))}

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if features(value) % given["groups"]:
            raise Rule("groups divide the channels")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        groups = given["groups"]

        def shuffled(x: Tensor) -> Tensor:
            share = x.shape[1] // groups
            order = [group * share + at for at in range(share) for group in range(groups)]
            return x[:, order]

        return Function(shuffled)


@word
class InstanceNorm(Word):
    word = "instancenorm"
    kinds = ("map",)
    covers = ("eps", "momentum", "affine")
    smallest = {"eps": 0, "momentum": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        given = maybe(random, 0.3, eps=0.001) | maybe(random, 0.3, momentum=random.choice((0.1, 0.01)))
        return given | maybe(random, 0.3, affine=False)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        made = {"affine": True, **given, "track_running_stats": "momentum" in given}
        return torch_class("InstanceNorm", value)(features(value), **made)


@word
class RmsNorm(Word):
    word = "rmsnorm"
    covers = ("eps", "affine")
    smallest = {"eps": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        return maybe(random, 0.3, eps=0.001) | maybe(random, 0.3, affine=False)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return _Rms(features(value), 1 if value.kind == "map" else -1, given)


class _Rms(nn.Module):
    def __init__(self, many: int, axis: int, given: Arguments) -> None:
        super().__init__()
        self.axis, self.eps = axis, given.get("eps", 1e-6)
        self.weight = nn.Parameter(torch.ones(many)) if given.get("affine", True) else None

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(self.axis, -1)
        x = x / (x.square().mean(-1, keepdim=True) + self.eps).sqrt()
        return (x if self.weight is None else x * self.weight).movedim(-1, self.axis)


@word
class Normalize(Word):
    word = "normalize"
    covers = ("mean", "std")
    smallest = {"mean": -99, "std": -99}

    def propose(self, random: Random, value: Value) -> Arguments:
        given: Arguments = {}
        for name in random.choice((("mean",), ("std",), ("mean", "std"))):
            one = random.choice((0.5, 1, 2, 0.25))
            many = {"list": [random.choice((0.5, 1, 2, 0.25)) for _ in range(features(value))]}
            given[name] = many if random.random() < 0.4 else one
        return given

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if not given:
            raise Rule("mean or std")
        for name in given:
            numbers: Any = given[name] if isinstance(given[name], tuple) else (given[name],)
            if isinstance(given[name], tuple) and len(numbers) != features(value):
                raise Rule("one number a feature")
            if name == "std" and 0 in numbers:
                raise Rule("divided by nothing")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        def normal(x: Tensor) -> Tensor:
            mean, std = (torch.tensor(given.get(n, d), device=x.device).to(x) for n, d in (("mean", 0), ("std", 1)))
            y = (x.movedim(1, -1) if value.kind == "map" else x) - mean
            return (y / std).movedim(-1, 1) if value.kind == "map" else y / std

        return Function(normal)


@word
class DropPath(Word):
    word = "droppath"
    positions = ("p",)
    covers = ("p",)
    smallest = {"p": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"p": random.choice((0, 0.1, 0.5))}

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if given["p"] > 1:
            raise Rule("a probability")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return nn.Dropout(given["p"])
