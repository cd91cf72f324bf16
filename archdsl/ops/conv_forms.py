"""Convolutions of special form: depthwise, separable, transposed."""

from __future__ import annotations

from collections.abc import Callable

from ..expr import Name
from ..ir.dims import Dim, compare, product, show
from ..ir.operator import (
    Axes,
    Operator,
    Refusal,
    Slot,
    Tensor,
    Tool,
    TorchCall,
    TorchForm,
    attribute,
    axes,
    flag,
    operator,
    position,
    spatial,
    switch,
)  # fmt: skip
from ..ir.reach import Reach, reach_of, spread
from ..ir.shapes import Shape
from .conv import Conv
from .formula import call, size, slot, times


@operator
class Depthwise(Operator):
    """A convolution of each channel by itself, with `multiplier` kernels a channel. Padding as for `conv`."""

    word = "depthwise"
    family = "convolution"
    accepts = ("map",)
    exclusive = ("pad", "valid", "same", "causal")

    size: Axes = position("axes", "extent of the kernel, an axis")
    stride: Axes = attribute("axes", 1, "step of the kernel, an axis")
    pad: Axes | None = attribute("axes", None, "zeros on both sides, an axis (default: half the kernel)", minimum=0)
    dilation: Axes = attribute("axes", 1, "distance between the kernel's taps, an axis")
    multiplier: Dim = attribute("whole", 1, "kernels a channel")
    bias: bool = switch("a bias a kernel")
    valid: bool = flag("no padding")
    same: bool = flag("as many places as ceil(n / stride); the odd zero goes to the end (TensorFlow, Keras)")
    causal: bool = flag("all padding before the beginning, on maps of one axis")

    def conv(self, shape: Shape) -> Conv:
        """The grouped convolution that it is."""
        self.check_kind(shape)
        return Conv(
            size=self.size, width=shape.features * self.multiplier, stride=self.stride, pad=self.pad,
            groups=shape.features, dilation=self.dilation, bias=self.bias, valid=self.valid, same=self.same,
            causal=self.causal, connect=None,
        )  # fmt: skip

    def output(self, *inputs: Shape) -> Shape:
        return self.conv(inputs[0]).output(*inputs)

    def arithmetic(self, *inputs: Shape) -> str | None:
        return self.conv(inputs[0]).arithmetic(*inputs)

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return self.conv(inputs[0]).tensors(*inputs)

    def macs(self, inputs: tuple[Shape, ...], output: Shape, tensors: tuple[Tensor, ...]) -> Dim:
        return self.conv(inputs[0]).macs(inputs, output, tensors)

    def connections(self, inputs: tuple[Shape, ...], output: Shape, macs: Dim) -> Dim:
        return self.conv(inputs[0]).connections(inputs, output, macs)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return self.conv(inputs[0]).reach(inputs, output)

    def torch(self, *inputs: Shape) -> TorchForm:
        return _converted(self.conv(inputs[0]).torch(*inputs), self._module)

    def _module(self, made: TorchCall) -> TorchCall:
        features, width, *rest = made.args
        many = times(Name("features"), Name("multiplier"))
        width = Slot(width.value, Name("features") if self.multiplier == 1 else many)
        kwargs = tuple(
            (k, Slot(s.value, Name("features")) if k == "groups" else s, default) for k, s, default in made.kwargs
        )
        return TorchCall(made.name, (features, width, *rest), kwargs)


@operator
class SepConv(Operator):
    """A depthwise convolution, then a 1x1 convolution that mixes the channels (Chollet 2017); the bias is the 1x1's."""

    word = "sepconv"
    family = "convolution"
    accepts = ("map",)
    exclusive = ("pad", "valid", "same")

    size: Axes = position("axes", "extent of the depthwise kernel, an axis")
    width: Dim = position("whole", "channels of the output")
    stride: Axes = attribute("axes", 1, "step of the kernel, an axis")
    pad: Axes | None = attribute("axes", None, "zeros on both sides, an axis (default: half the kernel)", minimum=0)
    dilation: Axes = attribute("axes", 1, "distance between the kernel's taps, an axis")
    bias: bool = switch("a bias a kernel of the 1x1")
    valid: bool = flag("no padding")
    same: bool = flag("as many places as ceil(n / stride); the odd zero goes to the end (TensorFlow, Keras)")

    def depthwise(self) -> Depthwise:
        """Its first half."""
        return Depthwise(
            size=self.size, stride=self.stride, pad=self.pad, dilation=self.dilation, bias=False, valid=self.valid,
            same=self.same, multiplier=1, causal=False,
        )  # fmt: skip

    def output(self, *inputs: Shape) -> Shape:
        return self.depthwise().output(*inputs).with_features(self.width)

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        (depthwise,) = self.depthwise().tensors(*inputs)
        ones = (1,) * len(inputs[0].space)
        found = (
            Tensor("depthwise.weight", depthwise.shape),
            Tensor("pointwise.weight", (self.width, inputs[0].features, *ones)),
        )
        return (*found, Tensor("pointwise.bias", (self.width,))) if self.bias else found

    def macs(self, inputs: tuple[Shape, ...], output: Shape, tensors: tuple[Tensor, ...]) -> Dim:
        places = product(output.space)
        kernel = product(axes(self.size, len(output.space)))
        return (inputs[0].features * kernel + inputs[0].features * self.width) * places

    def connections(self, inputs: tuple[Shape, ...], output: Shape, macs: Dim) -> Dim:
        return macs + (self.width * product(output.space) if self.bias else 0)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return self.depthwise().reach(inputs, output)

    def weighted(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return 2

    def torch(self, *inputs: Shape) -> TorchForm:
        rank = len(inputs[0].space)
        features = slot(inputs[0].features, "features")
        return _converted(self.depthwise().torch(*inputs), lambda inner: self._module(inner, rank, features))

    def _module(self, inner: TorchCall, rank: int, features: Slot) -> TorchCall:
        special = "Same" if inner.name.startswith("Same") else ""
        kwargs = tuple((k, s, d) for k, s, d in inner.kwargs if k not in ("groups", "bias"))
        return TorchCall(
            f"{special}SeparableConv{rank}d",
            (features, slot(self.width, "width"), inner.args[2]),
            (*kwargs, ("bias", slot(self.bias), True)),
        )


def _converted(form: TorchForm, module: Callable[[TorchCall], TorchCall]) -> TorchForm:
    """The form of a layer whose module is made from that of another."""
    assert form.module is not None
    general = None if form.general is None else _converted(form.general, module)
    return TorchForm(module=module(form.module), state=True, general=general)


@operator
class UpConv(Operator):
    """A transposed convolution: (n - 1)s - 2p + k places an axis."""

    word = "upconv"
    family = "convolution"
    accepts = ("map",)

    size: Axes = position("axes", "extent of the kernel, an axis")
    width: Dim = position("whole", "number of kernels, the channels of the output")
    stride: Axes = attribute("axes", 1, "places of the output a place of the input, an axis")
    pad: Axes = attribute("axes", 0, "places cut off on both sides, an axis", minimum=0)
    bias: bool = switch("a bias a kernel")

    def output(self, *inputs: Shape) -> Shape:
        shape = inputs[0]
        self.check_kind(shape)
        kernel, stride, pad = spatial(self.word, shape, size=self.size, stride=self.stride, pad=self.pad)
        places = tuple((n - 1) * s - 2 * p + k for n, k, s, p in zip(shape.space, kernel, stride, pad, strict=True))
        for n in places:
            if compare(n, 1, "<"):
                raise Refusal("A0403", f"upconv: padding {show(pad[0])} leaves {show(n)} places", argument="pad")
        return Shape("map", (self.width, *places))

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        weight = Tensor("weight", (inputs[0].features, self.width, *axes(self.size, len(inputs[0].space))))
        return (weight, Tensor("bias", (self.width,))) if self.bias else (weight,)

    def macs(self, inputs: tuple[Shape, ...], output: Shape, tensors: tuple[Tensor, ...]) -> Dim:
        return tensors[0].count * product(inputs[0].space)

    def connections(self, inputs: tuple[Shape, ...], output: Shape, macs: Dim) -> Dim:
        return macs + (self.width * product(output.space) if self.bias else 0)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        rank = len(inputs[0].space)
        kernel, stride, pad = axes(self.size, rank), axes(self.stride, rank), axes(self.pad, rank)
        return (reach_of(list(map(spread, kernel, stride, pad))),)

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        if tool == "fvcore":
            return super().counted_by(tool, inputs, output)
        kernel = product(axes(self.size, len(output.space)))
        return output.count * inputs[0].features * kernel  # as if it were no transposed convolution

    def torch(self, *inputs: Shape) -> TorchForm:
        kernel, stride, pad = spatial(self.word, inputs[0], size=self.size, stride=self.stride, pad=self.pad)
        made = call(
            f"nn.ConvTranspose{len(inputs[0].space)}d",
            slot(inputs[0].features, "features"),
            slot(self.width, "width"),
            slot(size(kernel), "size"),
            stride=(1, slot(size(stride), "stride")),
            padding=(0, slot(size(pad), "pad")),
            bias=(True, slot(self.bias)),
        )
        return TorchForm(module=made, state=True)
