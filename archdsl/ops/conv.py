"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..expr import Expr
from ..ir.dims import Dim, ceil_div, compare, product, show
from ..ir.operator import (
    Axes,
    Grid,
    Operator,
    Refusal,
    Slot,
    Tensor,
    TorchForm,
    attribute,
    axes,
    flag,
    operator,
    position,
    spatial,
    switch,
)  # fmt: skip
from ..ir.reach import Reach, reach_of, window
from ..ir.shapes import Constant, Shape, Size
from ..records import constructor
from .formula import call, half, name, size, slot, times
from .windows import all_windows, each_axis, half_padded, half_padding, same_padding, written_out

_shape = constructor(Shape)
_tensor = constructor(Tensor)


@operator
class Conv(Operator):
    """A convolution (cross-correlation, as everywhere) over a map of one, two or three axes.

    The output has floor((n + p - d(k - 1) - 1)/s) + 1 places an axis. Without a word on padding an odd kernel gets half
    padding, (k - 1)/2 a side, which keeps the size at stride 1; an even kernel has no middle and must say.
    """

    word = "conv"
    family = "convolution"
    accepts = ("map",)
    exclusive = ("pad", "valid", "same", "causal")
    advice = {
        "sequence": "`image` turns a sequence back into its map",
        "vector": "a convolution needs places: remove the `flatten`, or use `linear`",
    }

    size: Axes = position("axes", "extent of the kernel, an axis")
    width: Dim = position("whole", "number of kernels, the channels of the output")
    stride: Axes = attribute("axes", 1, "step of the kernel, an axis")
    pad: Axes | None = attribute("axes", None, "zeros on both sides, an axis (default: half the kernel)", minimum=0)
    groups: Dim = attribute("whole", 1, "groups of channels that do not see each other")
    dilation: Axes = attribute("axes", 1, "distance between the kernel's taps, an axis")
    connect: Grid | None = attribute("grid", None, "a `map` section: which input map feeds which output map")
    bias: bool = switch("a bias a kernel")
    valid: bool = flag("no padding")
    same: bool = flag("as many places as ceil(n / stride); the odd zero goes to the end (TensorFlow, Keras)")
    causal: bool = flag("all padding before the beginning, on maps of one axis")

    def padding(self, shape: Shape) -> tuple[tuple[Dim, Dim], ...]:
        """(before, after) an axis."""
        return self._pads(shape, *self._windows(shape))

    def _windows(self, shape: Shape) -> list[tuple[Dim, ...]]:
        """Kernel, stride and dilation, one number an axis."""
        rank = len(shape.dims) - 1
        kernel, stride, dilation = axes(self.size, rank), axes(self.stride, rank), axes(self.dilation, rank)
        if len(kernel) == len(stride) == len(dilation) == rank:
            return [kernel, stride, dilation]
        return spatial(self.word, shape, size=self.size, stride=self.stride, dilation=self.dilation)

    def _pads(
        self, shape: Shape, kernel: tuple[Dim, ...], stride: tuple[Dim, ...], dilation: tuple[Dim, ...]
    ) -> tuple[tuple[Dim, Dim], ...]:
        rank = len(kernel)
        if self.valid:
            return ((0, 0),) * rank
        if self.pad is not None:
            (pad,) = spatial(self.word, shape, pad=self.pad)
            return tuple((p, p) for p in pad)
        if self.same:
            return tuple(same_padding(*nksd) for nksd in zip(shape.space, kernel, stride, dilation, strict=True))
        if self.causal:
            if rank != 1:
                raise Refusal("A0404", f"`causal` needs a map of one axis, but here comes {shape}", argument="causal")
            return ((dilation[0] * (kernel[0] - 1), 0),)
        return half_padding(kernel, dilation)

    def output(self, *inputs: Shape) -> Shape:
        shape = inputs[0]
        if shape.kind != "map":
            self.check_kind(shape)
        if self.groups != 1 or self.connect is not None:
            self._windows(shape)  # what speaks of another number of axes is said first
            self._check_groups(shape.features)
        space = None
        if self.pad is None and not (self.valid or self.same or self.causal):
            space = half_padded(self.word, shape.dims[1:], self.size, self.stride, self.dilation)
        width = (self.width,)
        return _shape("map", width + (self._space(shape) if space is None else space))

    def _space(self, shape: Shape) -> tuple[Dim, ...]:
        """The places of the result; refuses what does not fit."""
        kernel, stride, dilation = self._windows(shape)
        pads = self._pads(shape, kernel, stride, dilation)
        if self.same:
            return tuple(ceil_div(n, s) for n, s in zip(shape.space, stride, strict=True))
        return all_windows(self.word, shape.dims[1:], kernel, stride, pads, dilation)

    def arithmetic(self, *inputs: Shape) -> str | None:
        shape = inputs[0]
        kernel, stride, dilation = spatial(self.word, shape, size=self.size, stride=self.stride, dilation=self.dilation)
        if self.same:
            return each_axis(
                f"ceil({show(n)}/{show(s)}) = {show(ceil_div(n, s))}" for n, s in zip(shape.space, stride, strict=True)
            )
        axis = zip(shape.space, kernel, stride, self.padding(shape), dilation, strict=True)
        return each_axis(written_out(*nkspd) for nkspd in axis)

    def _check_groups(self, channels: Dim) -> None:
        for count, what in ((channels, "channels that come in"), (self.width, "kernels")) if self.groups != 1 else ():
            if compare(count % self.groups, 0, "==") is False:
                raise Refusal(
                    "A0406", f"{show(self.groups)} groups do not divide the {show(count)} {what}", argument="groups"
                )
        if self.connect is None:
            return
        table = (len(self.connect.rows), len(self.connect.rows[0]))
        if (channels, self.width) != table:
            raise Refusal(
                "A0407",
                f"map {self.connect.name} connects {table[0]} maps to {table[1]}, "
                f"but here {show(channels)} maps come in and {show(self.width)} go out",
                argument="connect",
            )
        if self.groups != 1:
            raise Refusal("A0407", "a convolution takes `groups` or `connect`, not both", argument="connect")

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        dims, size = inputs[0].dims, self.size
        kernels = (self.width, dims[0] // self.groups) if self.connect is None else (self.connect.links,)
        weight = _tensor("weight", kernels + (size if isinstance(size, Size) else (size,) * (len(dims) - 1)))
        return (weight, _tensor("bias", (self.width,))) if self.bias else (weight,)

    def macs(self, inputs: tuple[Shape, ...], output: Shape, tensors: tuple[Tensor, ...]) -> Dim:
        return product(tensors[0].shape + output.dims[1:])

    def connections(self, inputs: tuple[Shape, ...], output: Shape, macs: Dim) -> Dim:
        return macs + product(output.dims) if self.bias else macs

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        shape, rank = inputs[0], len(inputs[0].space)
        kernel, stride, dilation = axes(self.size, rank), axes(self.stride, rank), axes(self.dilation, rank)
        pads = self.padding(shape)
        return (reach_of([window(k, s, p[0], d) for k, s, p, d in zip(kernel, stride, pads, dilation, strict=True)]),)

    def torch(self, *inputs: Shape) -> TorchForm:
        shape = inputs[0]
        pads = self.padding(shape)
        symmetric = all(before == after for before, after in pads)
        if self.same and symmetric:
            return replace(self._form(shape, pads, ""), general=self._form(shape, pads, "Same"))
        return self._form(shape, pads, "Same" if self.same else "Causal" if self.causal else "")

    def _form(self, shape: Shape, pads: Sequence[tuple[Dim, Dim]], special: str) -> TorchForm:
        rank = len(shape.space)
        kernel, stride, dilation = spatial(self.word, shape, size=self.size, stride=self.stride, dilation=self.dilation)
        padding = 0 if special else size(tuple(before for before, _ in pads))
        kwargs: dict[str, tuple[Constant, Slot]] = {
            "stride": (1, slot(size(stride), "stride")),
            "padding": (0, slot(padding, None if self.same else self._padding_formula())),
            "dilation": (1, slot(size(dilation), "dilation")),
            "groups": (1, slot(self.groups, "groups")),
            "bias": (True, slot(self.bias)),
        }
        features, width = slot(shape.features, "features"), slot(self.width, "width")
        window = slot(size(kernel), "size")
        if self.connect is not None:
            rows = ("".join("X" if cell else "." for cell in row) for row in self.connect.rows)
            rest = {k: v for k, v in kwargs.items() if k != "groups"}
            made = call(f"{special}TableConv{rank}d", *(slot(row) for row in rows), kernel_size=(0, window), **rest)
        else:
            made = call(f"{special}Conv{rank}d" if special else f"nn.Conv{rank}d", features, width, window, **kwargs)
        return TorchForm(module=made, state=True)

    def _padding_formula(self) -> Expr:
        if self.pad is not None:
            return name("pad")
        return times(half(name("size")), name("dilation"))
