"""Layers without windows: linear, attention, normalisation, activation, sequences, rearrangement."""

from __future__ import annotations

import math
from functools import cache
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .words import Arguments, Function, Itself, Rule, Value, Word, divisors, features, maybe, space, word


class _Shared(nn.Module):
    """What has the matrix of another layer; that one, or the one it has it of, is none of its modules."""

    def __init__(self, other: nn.Module) -> None:
        super().__init__()
        self.owner = other.owner if isinstance(other, _Shared) else [other]

    @property
    def weight(self) -> Tensor:
        return self.owner[0].weight  # type: ignore[return-value]


class _Tied(_Shared):
    """A linear layer with the matrix of another one."""

    def __init__(self, width: int, other: nn.Module, bias: bool) -> None:
        super().__init__(other)
        self.bias = nn.Parameter(torch.empty(width)) if bias else None

    def forward(self, value: Tensor) -> Tensor:
        return F.linear(value, self.weight, self.bias)


class _TiedVectors(_Shared):
    """The vectors of whole numbers are the rows of another layer's matrix."""

    def forward(self, value: Tensor) -> Tensor:
        return self.weight[value]


@word
class Linear(Word):
    word = "linear"
    kinds = ("vector", "sequence")
    positions = ("width",)
    covers = ("width", "weight", "bias")

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"width": random.choice((1, 3, 4, 6, 8, 10, 12, 16))} | maybe(random, 0.3, bias=False)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        width, bias = given["width"], given.get("bias", True)
        other = given.get("weight")
        if other is None:
            return nn.Linear(features(value), width, bias=bias)
        if tuple(other.weight.shape) != (width, features(value)):
            raise Rule("a matrix of another shape")
        return _Tied(width, other, bias)


@word
class Embedding(Word):
    word = "embedding"
    kinds = ("numbers",)
    positions = ("count", "width")
    covers = ("count", "width", "weight")

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"count": (value.below or 1) + random.choice((0, 0, 3)), "width": random.choice((2, 4, 6, 8, 12))}

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        if value.below is not None and value.below > given["count"]:
            raise Rule("numbers without a vector")
        other = given.get("weight")
        if other is not None:
            if tuple(other.weight.shape) != (given["count"], given["width"]):
                raise Rule("a matrix of another shape")
            return _TiedVectors(other)
        return nn.Embedding(given["count"], given["width"])

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        return Value("sequence", tensor)


@word
class BatchNorm(Word):
    word = "bn"
    kinds = ("map", "vector")
    covers = ("eps", "momentum", "affine")
    smallest = {"eps": 0, "momentum": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        given = maybe(random, 0.3, eps=random.choice((0.001, 0.1))) | maybe(random, 0.3, momentum=0.01)
        return given | maybe(random, 0.2, affine=False)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        rank = max(1, value.tensor.dim() - 2)
        return getattr(nn, f"BatchNorm{rank}d")(features(value), **given)


@word
class LayerNorm(Word):
    word = "ln"
    covers = ("eps", "affine")
    smallest = {"eps": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        return maybe(random, 0.3, eps=0.001) | maybe(random, 0.2, affine=False)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        inner = nn.LayerNorm(features(value), given.get("eps", 1e-5), given.get("affine", True))
        return _LastAxis(inner) if value.kind == "map" else inner


class _LastAxis(nn.LayerNorm):
    def __init__(self, inner: nn.LayerNorm) -> None:
        super().__init__(inner.normalized_shape, inner.eps, inner.elementwise_affine)

    def forward(self, value: Tensor) -> Tensor:
        axes = (0, *range(2, value.dim()), 1)
        back = (0, value.dim() - 1, *range(1, value.dim() - 1))
        return super().forward(value.permute(axes)).permute(back)


@word
class GroupNorm(Word):
    word = "gn"
    kinds = ("map", "vector")
    positions = ("groups",)
    covers = ("groups", "eps", "affine")
    smallest = {"eps": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        given = {"groups": random.choice(divisors(features(value)))}
        return given | maybe(random, 0.3, eps=0.001) | maybe(random, 0.2, affine=False)

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if math.prod(space(value)) * features(value) == given["groups"]:
            raise Rule("groups of one number, which torch refuses where there is one example")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return nn.GroupNorm(given["groups"], features(value), given.get("eps", 1e-5), given.get("affine", True))


@word
class LocalResponseNorm(Word):
    word = "lrn"
    kinds = ("map",)
    positions = ("size",)
    covers = ("size", "alpha", "beta", "k")
    smallest = {"alpha": 0, "beta": 0, "k": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        given = maybe(random, 0.7, size=random.choice((1, 3, 5, 7))) | maybe(random, 0.4, alpha=0.01)
        return given | maybe(random, 0.3, beta=0.5) | maybe(random, 0.3, k=random.choice((1, 3)))

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        size = given.get("size", 5)
        alpha, beta, k = given.get("alpha", 1e-4), given.get("beta", 0.75), given.get("k", 2)

        def normal(x: Tensor) -> Tensor:
            around = [size // 2, (size - 1) // 2]
            squares = F.pad(x.square().movedim(1, -1), around).unfold(-1, size, 1).sum(-1).movedim(-1, 1)
            return x / (k + alpha * squares) ** beta

        return Function(normal)


class _Activation(Word):
    makes: Any

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return type(self).makes()


def _activations() -> None:
    plain = {
        "relu": nn.ReLU, "relu6": nn.ReLU6, "selu": nn.SELU, "silu": nn.SiLU, "mish": nn.Mish, "softplus": nn.Softplus,
        "hardswish": nn.Hardswish, "hardsigmoid": nn.Hardsigmoid, "sigmoid": nn.Sigmoid,
    }  # fmt: skip
    for name, made in plain.items():
        word(type(name, (_Activation,), {"word": name, "makes": made}))


_activations()


class _Sloped(Word):
    positions = ("slope",)
    covers = ("slope",)
    smallest = {"slope": -99}  # torch takes every slope, and so does the language

    def propose(self, random: Random, value: Value) -> Arguments:
        return maybe(random, 0.6, slope=random.choice((0.1, 0.25, 0.5, 2)))


@word
class LeakyRelu(_Sloped):
    word = "leakyrelu"

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return nn.LeakyReLU(given.get("slope", 0.01))


@word
class Elu(_Sloped):
    word = "elu"

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return nn.ELU(given.get("slope", 1))


@word
class Prelu(Word):
    word = "prelu"

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return nn.PReLU()


@word
class Gelu(Word):
    word = "gelu"
    covers = ("tanh",)

    def propose(self, random: Random, value: Value) -> Arguments:
        return maybe(random, 0.4, tanh=True)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return nn.GELU("tanh" if given.get("tanh") else "none")


@word
class Tanh(Word):
    word = "tanh"
    covers = ("amplitude", "slope")

    def propose(self, random: Random, value: Value) -> Arguments:
        return maybe(random, 0.4, amplitude=1.7159) | maybe(random, 0.4, slope=random.choice((0.5, 2)))

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        high, steep = given.get("amplitude", 1), given.get("slope", 1)
        return Function(lambda x: torch.tanh(x * steep) * high)


@word
class Softmax(Word):
    word = "softmax"

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return nn.Softmax(1 if value.kind == "map" else value.tensor.dim() - 1)


@word
class Dropout(Word):
    word = "dropout"
    positions = ("p",)
    covers = ("p",)
    smallest = {"p": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        return maybe(random, 0.7, p=random.choice((0, 0.1, 0.5)))

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if given.get("p", 0) > 1:
            raise Rule("a probability")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return nn.Dropout(given.get("p", 0.5))


@word
class Rescale(Word):
    word = "rescale"
    positions = ("factor", "offset")
    covers = ("factor", "offset")
    smallest = {"factor": -99, "offset": -99}

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"factor": random.choice((0.5, 2, 0.1, -1))} | maybe(random, 0.5, offset=random.choice((1, 0.5, -1)))

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return Function(lambda x: x * given["factor"] + given.get("offset", 0))


@word
class LayerScale(Word):
    word = "layerscale"
    positions = ("value",)
    covers = ("value",)
    smallest = {"value": -99}

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"value": random.choice((0.1, 1, 0.00001))}

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        ones = (1,) * len(space(value)) if value.kind == "map" else ()
        return Itself((features(value), *ones), lambda x, scale: x * scale)


@word
class Flatten(Word):
    word = "flatten"

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return nn.Flatten()

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        return Value("vector", tensor)


@word
class Identity(Word):
    word = "identity"
    kinds = ("map", "sequence", "vector", "numbers")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return nn.Identity()


@word
class Widen(Word):
    word = "widen"
    positions = ("width",)
    covers = ("width",)

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"width": features(value) + random.choice((0, 1, 2, 4))}

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        axis = 1 if value.kind == "map" else value.tensor.dim() - 1

        def wider(x: Tensor) -> Tensor:
            behind = list(x.shape)
            behind[axis] = given["width"] - x.shape[axis]
            if behind[axis] < 0:
                raise Rule("widen goes up")
            return torch.cat([x, x.new_zeros(behind)], axis)

        return Function(wider)


@word
class Tokens(Word):
    word = "tokens"
    kinds = ("map",)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return Function(lambda x: x.movedim(1, -1).reshape(x.shape[0], -1, x.shape[1]))

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        return Value("sequence", tensor, None, space(value))


@word
class Transpose(Word):
    word = "transpose"
    kinds = ("sequence",)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return Function(lambda x: x.permute(0, 2, 1))

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        return Value("sequence", tensor)


@word
class Prepend(Word):
    word = "prepend"
    kinds = ("sequence",)
    positions = ("count",)
    covers = ("count",)

    def propose(self, random: Random, value: Value) -> Arguments:
        return maybe(random, 0.5, count=random.choice((1, 2, 3)))

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        shape = (1, given.get("count", 1), features(value))
        return Itself(shape, lambda x, own: torch.cat([own.repeat(x.shape[0], 1, 1), x], 1))

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        return Value("sequence", tensor)


@word
class Positions(Word):
    word = "positions"
    kinds = ("sequence",)
    positions = ("count",)
    covers = ("count",)

    def propose(self, random: Random, value: Value) -> Arguments:
        return maybe(random, 0.5, count=space(value)[0] + random.choice((0, 0, 2)))

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if given.get("count", space(value)[0]) < space(value)[0]:
            raise Rule("more places than there are")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        if "count" not in given:
            return Itself((1, *value.tensor.shape[1:]), lambda x, own: x + own)
        return _Counted(given["count"], features(value))


class _Counted(nn.Embedding):
    def forward(self, value: Tensor) -> Tensor:
        return value + super().forward(torch.arange(value.shape[1], device=value.device))


@word
class Sinusoids(Word):
    word = "sinusoids"
    kinds = ("sequence",)

    def check(self, given: Arguments, value: Value) -> None:
        if features(value) % 2:
            raise Rule("an even number of features")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return Function(lambda x: x + _waves(*x.shape[1:]).to(x))


@cache
def _waves(length: int, many: int) -> Tensor:
    return torch.tensor(
        [
            [(math.cos if i % 2 else math.sin)(t / 10000 ** ((i - i % 2) / many)) for i in range(many)]
            for t in range(length)
        ],
        dtype=torch.float64,
    )


@word
class Take(Word):
    word = "take"
    kinds = ("sequence",)
    positions = ("index",)
    covers = ("index",)
    smallest = {"index": 0}

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"index": random.choice((0, 0, random.randrange(space(value)[0])))}

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return Function(lambda x: x.select(1, given["index"]))

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        return Value("vector", tensor)


DIGITS_VALUES = 84


@word
class Rbf(Word):
    word = "rbf"
    kinds = ("vector",)
    positions = ("width",)
    covers = ("width",)

    def propose(self, random: Random, value: Value) -> Arguments:
        return {"width": random.randint(1, 10)}

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        if features(value) != DIGITS_VALUES or given["width"] > 10:
            raise Rule("ten drawings of 84 pixels")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return _Distances(given["width"])


class _Distances(nn.Module):
    codes: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.empty(width, DIGITS_VALUES))

    def forward(self, value: Tensor) -> Tensor:
        return torch.stack([((value - code) ** 2).sum(1) for code in self.codes], 1)


class _Join(Word):
    joins = True


@word
class Add(_Join):
    word = "add"


@word
class Mul(_Join):
    word = "mul"


@word
class Concat(_Join):
    word = "concat"
    covers = ("along",)


@word
class Attend(_Join):
    word = "attend"
    kinds = ("sequence",)
    covers = ("heads", "scale", "mask", "causal", "dropout")
    smallest = {"dropout": 0}


@word
class Reshape(Word):
    word = "reshape"
    positions = ("shape",)
    covers = ("shape",)

    def propose(self, random: Random, value: Value) -> Arguments:
        left, sizes = value.tensor[0].numel(), []
        for _ in range(random.randint(0, 3)):
            sizes.append(random.choice(divisors(left)))
            left //= sizes[-1]
        sizes.insert(random.randint(0, len(sizes)), left)
        return {"shape": {"size": sizes} if len(sizes) > 1 else sizes[0]}

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        shape = given["shape"] if isinstance(given["shape"], tuple) else (given["shape"],)
        return Function(lambda x: x.reshape(x.shape[0], *shape))

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        return Value({2: "vector", 3: "sequence"}.get(tensor.dim(), "map"), tensor)
