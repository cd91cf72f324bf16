"""Normalisation."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from ..ir.dims import Dim, compare, show
from ..ir.operator import Operator, Refusal, Tensor, Tool, TorchForm, attribute, operator, position, switch
from ..ir.reach import GLOBAL, Reach, here
from ..ir.shapes import Number, Shape
from .formula import call, name, slot, times

_EPS = Fraction(1, 100_000)


_BATCHES = Tensor("num_batches_tracked", (), "counter")


@lru_cache(maxsize=1024)
def _arrays(channels: Dim, affine: bool, statistics: bool = True) -> tuple[Tensor, ...]:
    """The arrays of a normalisation of each channel; `statistics`: it remembers those of its batches."""
    shape = (channels,)
    trained = (Tensor("weight", shape), Tensor("bias", shape))
    kept = (Tensor("running_mean", shape, "statistic"), Tensor("running_var", shape, "statistic"), _BATCHES)
    return (*(trained if affine else ()), *(kept if statistics else ()))


@operator
class BatchNorm(Operator):
    """Batch normalisation of each channel (Ioffe & Szegedy 2015). Its running mean and variance are statistics,
    not parameters.
    """

    word = "bn"
    family = "normalisation"
    placewise = True
    accepts = ("map", "vector")

    eps: Number = attribute("number", _EPS, "added to the variance", minimum=0)
    momentum: Number = attribute(
        "number", Fraction(1, 10), "weight of the newest batch in the running statistics", minimum=0
    )
    affine: bool = switch("a trained scale and shift a channel")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        return inputs[0]

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return _arrays(inputs[0].features, self.affine)

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return output.count * (1 + self.affine) * (1 if tool == "fvcore" else 2)

    def torch(self, *inputs: Shape) -> TorchForm:
        rank = max(1, len(inputs[0].space))
        made = call(
            f"nn.BatchNorm{rank}d",
            slot(inputs[0].features, "features"),
            eps=(_EPS, slot(self.eps, "eps")),
            momentum=(Fraction(1, 10), slot(self.momentum, "momentum")),
            affine=(True, slot(self.affine)),
        )
        return TorchForm(module=made, state=True)


@operator
class InstanceNorm(Operator):
    """Normalisation of each channel of each example over its places (Ulyanov et al. 2016).

    With `momentum` it keeps running statistics, as `bn` does, and uses them outside of training.
    """

    word = "instancenorm"
    family = "normalisation"
    accepts = ("map",)

    eps: Number = attribute("number", _EPS, "added to the variance", minimum=0)
    momentum: Number | None = attribute(
        "number", None, "weight of the newest batch in running statistics (default: none are kept)", minimum=0
    )
    affine: bool = switch("a trained scale and shift a channel")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if self.momentum is None and all(compare(n, 1, "==") is True for n in inputs[0].space):
            message = f"instancenorm has nothing to normalise over: {inputs[0]} has one place"
            raise Refusal("A0404", message, "torch refuses it too; `ln` and `gn` normalise over channels")
        return inputs[0]

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return _arrays(inputs[0].features, self.affine, self.momentum is not None)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (GLOBAL,)  # mean and variance are of all places

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return output.count * (4 + self.affine if tool == "fvcore" else 2 + 2 * self.affine)

    def torch(self, *inputs: Shape) -> TorchForm:
        tenth = Fraction(1, 10)
        made = call(
            f"nn.InstanceNorm{len(inputs[0].space)}d",
            slot(inputs[0].features, "features"),
            eps=(_EPS, slot(self.eps, "eps")),
            momentum=(tenth, slot(tenth if self.momentum is None else self.momentum, "momentum")),
            affine=(False, slot(self.affine)),
            track_running_stats=(False, slot(self.momentum is not None)),
        )
        return TorchForm(module=made, state=True)


@operator
class LocalResponseNorm(Operator):
    """Normalisation across neighbouring channels, x / (k + alpha * sum of squares)^beta, with the constants
    AlexNet prints.

    PyTorch divides alpha by the size; the emitted code multiplies it back.
    """

    word = "lrn"
    family = "normalisation"
    placewise = True
    accepts = ("map",)

    size: Dim = position("whole", "number of neighbouring channels", default=5)
    alpha: Number = attribute("number", Fraction(1, 10_000), "factor of the sum of squares", minimum=0)
    beta: Number = attribute("number", Fraction(3, 4), "exponent", minimum=0)
    k: Number = attribute("number", 2, "constant in the denominator", minimum=0)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        return inputs[0]

    def torch(self, *inputs: Shape) -> TorchForm:
        if not isinstance(self.size, int) or not isinstance(self.alpha, int | Fraction | float):
            raise Refusal("A0404", "lrn needs a size that is a number", argument="size")
        window = slot(self.size, "size")
        keywords = {
            "alpha": (Fraction(1, 10_000), slot(self.alpha * self.size, times(name("alpha"), name("size")))),
            "beta": (Fraction(3, 4), slot(self.beta, "beta")),
            "k": (1, slot(Fraction(self.k) if isinstance(self.k, int) else self.k)),
        }
        return TorchForm(
            module=call("nn.LocalResponseNorm", window, **keywords),
            function=call("F.local_response_norm", window, **keywords),
        )


@operator
class LayerNorm(Operator):
    """Normalisation of the features of each place (Ba et al. 2016), with a trained scale and shift a feature."""

    word = "ln"
    family = "normalisation"
    placewise = True

    eps: Number = attribute("number", _EPS, "added to the variance", minimum=0)
    affine: bool = switch("a trained scale and shift a feature")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        return inputs[0]

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        features = (inputs[0].features,)
        return (Tensor("weight", features), Tensor("bias", features)) if self.affine else ()

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return output.count * (4 + self.affine if tool == "fvcore" else 2 + 2 * self.affine)

    def torch(self, *inputs: Shape) -> TorchForm:
        made = call(
            "ChannelNorm" if inputs[0].kind == "map" else "nn.LayerNorm",
            slot(inputs[0].features, "features"),
            eps=(_EPS, slot(self.eps, "eps")),
            elementwise_affine=(True, slot(self.affine)),
        )
        return TorchForm(module=made, state=True)


@operator
class RmsNorm(Operator):
    """The features of each place divided by their root mean square (Zhang & Sennrich 2019), with a trained scale a
    feature.
    """

    word = "rmsnorm"
    family = "normalisation"
    placewise = True

    eps: Number = attribute("number", Fraction(1, 1_000_000), "added to the mean square", minimum=0)
    affine: bool = switch("a trained scale a feature")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        return inputs[0]

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return (Tensor("weight", (inputs[0].features,)),) if self.affine else ()

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return 0

    def torch(self, *inputs: Shape) -> TorchForm:
        made = call(
            "ChannelRMSNorm" if inputs[0].kind == "map" else "nn.RMSNorm",
            slot(inputs[0].features, "features"),
            eps=(None, slot(self.eps, "eps")),
            elementwise_affine=(True, slot(self.affine)),
        )
        return TorchForm(module=made, state=True)


@operator
class GroupNorm(Operator):
    """Normalisation over groups of channels and all places (Wu & He 2018); of a vector over groups of its features."""

    word = "gn"
    family = "normalisation"
    accepts = ("map", "vector")

    groups: Dim = position("whole", "number of groups of channels")
    eps: Number = attribute("number", _EPS, "added to the variance", minimum=0)
    affine: bool = switch("a trained scale and shift a channel")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if compare(inputs[0].features % self.groups, 0, "==") is False:
            message = f"{show(self.groups)} groups do not divide the {show(inputs[0].features)} channels"
            raise Refusal("A0406", message, argument="groups")
        places = all(compare(n, 1, "==") is True for n in inputs[0].space)
        if places and compare(inputs[0].features, self.groups, "==") is True:
            message = (
                f"gn has nothing to normalise over: in {inputs[0]} each of {show(self.groups)} groups is one number"
            )
            raise Refusal("A0404", message, "fewer groups; torch refuses it for one example", "groups")
        return inputs[0]

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        channels = (inputs[0].features,)
        return (Tensor("weight", channels), Tensor("bias", channels)) if self.affine else ()

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (GLOBAL if inputs[0].space else here(0),)  # mean and variance are of all places

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return output.count * (4 + self.affine) if tool == "fvcore" else 0

    def torch(self, *inputs: Shape) -> TorchForm:
        made = call(
            "nn.GroupNorm",
            slot(self.groups, "groups"),
            slot(inputs[0].features, "features"),
            eps=(_EPS, slot(self.eps, "eps")),
            affine=(True, slot(self.affine)),
        )
        return TorchForm(module=made, state=True)
