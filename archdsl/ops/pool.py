"""Poolings."""

from __future__ import annotations

from typing import ClassVar

from ..ir.dims import Dim, ceil_div, compare, product, show
from ..ir.operator import (
    Axes,
    Operator,
    Refusal,
    Slot,
    Tool,
    TorchCall,
    TorchForm,
    Work,
    attribute,
    axes,
    flag,
    operator,
    position,
    spatial,
)  # fmt: skip
from ..ir.reach import GLOBAL, HERE, Reach, Window, reach_of, window
from ..ir.shapes import Constant, Listed, Shape, Size
from .formula import call, half, listed, name, size, slot
from .windows import each_axis, same_padding, windows, windows_up, written_out


class _Pool(Operator):
    """What the poolings have in common."""

    accepts = ("map", "sequence")
    exclusive = ("pad", "same")
    advice: ClassVar[dict[str, str]] = {"vector": "a vector has no places left to pool"}
    torch_name: ClassVar[str]
    function_name: ClassVar[str]
    reduction: ClassVar[str]

    size: Axes | None
    stride: Axes | None
    pad: Axes
    to: Axes | None
    same: bool
    ceil: bool
    # `global` is a Python keyword; the field carries an underscore, the language's word does not
    global_: bool

    def output(self, *inputs: Shape) -> Shape:
        shape = inputs[0]
        self.check_kind(shape)
        self._check_combination(shape)
        if self.global_:
            return Shape("vector", (shape.features,))
        if self.to is not None:
            (target,) = spatial(self.word, shape, to=self.to)
            return Shape("map", (shape.features, *target))
        kernel, stride, pads = self._window(shape)
        places = (self._places(*nksp) for nksp in zip(shape.space, kernel, stride, pads, strict=True))
        return Shape("map", (shape.features, *places))

    def arithmetic(self, *inputs: Shape) -> str | None:
        shape = inputs[0]
        if self.size is None or shape.kind != "map":
            return None
        kernel, stride, pads = self._window(shape)
        if self.same:
            return each_axis(
                f"ceil({show(n)}/{show(s)}) = {show(ceil_div(n, s))}" for n, s in zip(shape.space, stride, strict=True)
            )
        axis = zip(shape.space, kernel, stride, pads, strict=True)
        return each_axis(written_out(*nksp, ceil=self.ceil) for nksp in axis)

    def _check_combination(self, shape: Shape) -> None:
        ways = [("a size", self.size is not None), ("`to`", self.to is not None), ("`global`", self.global_)]
        given = [what for what, present in ways if present]
        if not given:
            raise Refusal("A0304", f"{self.word} takes a size, `to` with a size, or `global`")
        if len(given) > 1:
            raise Refusal("A0304", f"{self.word} takes {given[0]} or {given[1]}, not both")
        if shape.kind == "sequence" and not self.global_:
            raise Refusal(
                "A0401", f"{self.word} over a sequence is `{self.word} global`, but here comes {shape.describe()}"
            )

    def _window(self, shape: Shape) -> tuple[tuple[Dim, ...], tuple[Dim, ...], tuple[tuple[Dim, Dim], ...]]:
        assert self.size is not None
        stride = self.size if self.stride is None else self.stride
        kernel, steps, pad = spatial(self.word, shape, size=self.size, stride=stride, pad=self.pad)
        if self.same:
            return (
                kernel,
                steps,
                tuple(same_padding(n, k, s) for n, k, s in zip(shape.space, kernel, steps, strict=True)),
            )
        for k, p in zip(kernel, pad, strict=True):
            if compare(2 * p, k, ">"):
                raise Refusal(
                    "A0408", f"{self.word}: padding {show(p)} is more than half of the window {show(k)}", None, "pad"
                )
        if _larger(self.word, shape, kernel):
            message = f"{self.word}: torch takes no window of {Size(kernel)!r} on a map of {Size(shape.space)!r}"
            raise Refusal("A0403", message, "with three axes the padding does not count; `same` is possible", "size")
        return kernel, steps, tuple((p, p) for p in pad)

    def _places(self, length: Dim, kernel: Dim, stride: Dim, pad: tuple[Dim, Dim]) -> Dim:
        if self.same:
            return ceil_div(length, stride)
        if self.ceil:
            return windows_up(self.word, length, kernel, stride, pad[0])
        return windows(self.word, length, kernel, stride, pad)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        if self.size is None:
            return Work(pooling=inputs[0].count)
        read = product(axes(self.size, len(inputs[0].space)))
        return Work(pooling=read * output.count)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        shape = inputs[0]
        if self.global_ or all(n == 1 for n in output.space):
            return (GLOBAL,)
        if self.to is not None:
            return (reach_of(list(map(_adaptive, shape.space, output.space))),)
        kernel, stride, pads = self._window(shape)
        return (reach_of([window(k, s, p[0]) for k, s, p in zip(kernel, stride, pads, strict=True)]),)

    def torch(self, *inputs: Shape) -> TorchForm:
        shape = inputs[0]
        rank = len(shape.space)
        if self.global_:
            dims = tuple(range(2, 2 + rank)) if shape.kind == "map" else (1,)
            function = TorchCall(self.reduction, (Slot(dims if rank > 1 else min(dims)),))
            return TorchForm(
                module=TorchCall(f"Global{self.torch_name}", (Slot(dims),)), function=function, method=True
            )
        if self.to is not None:
            target = slot(size(spatial(self.word, shape, to=self.to)[0]), "to")
            return TorchForm(
                module=call(f"nn.Adaptive{self.torch_name}{rank}d", target),
                function=call(f"F.adaptive_{self.function_name}{rank}d", target),
            )
        return self._windowed(shape, rank)

    def _windowed(self, shape: Shape, rank: int) -> TorchForm:
        kernel, stride, pads = self._window(shape)
        symmetric = all(before == after for before, after in pads)
        padding = size(tuple(before for before, _ in pads)) if symmetric else 0
        hanging = self.same and any(b + a > 0 for b, a in pads if isinstance(b, int) and isinstance(a, int))
        keywords: dict[str, tuple[Constant, Slot]] = {
            "stride": (size(kernel), slot(size(stride), "size" if self.stride is None else "stride")),
            "padding": (0, slot(padding, half(name("size")) if self.same else "pad")),
            "ceil_mode": (False, slot(self.ceil and any(s != 1 for s in stride))),
        }
        if self.word == "avgpool":
            keywords["count_include_pad"] = (True, slot(padding == 0 and not hanging))
        window = slot(size(kernel), "size")
        any_size = self._any_size(rank, listed(kernel, "size"), listed(stride, keywords["stride"][1].source))
        if not symmetric or (self.same and _larger(self.word, shape, kernel)):
            return any_size
        return TorchForm(
            module=call(f"nn.{self.torch_name}{rank}d", window, **keywords),
            function=call(f"F.{self.function_name}{rank}d", window, **keywords),
            general=any_size if self.same else None,
        )

    def _any_size(self, rank: int, kernel: Slot, stride: Slot) -> TorchForm:
        """The form of `same` for maps of every size: windows alike on all axes, which most are, or any."""
        module, function = f"Same{self.torch_name}{rank}d", f"same_{self.function_name}{rank}d"
        step = kernel.value, stride
        general = TorchForm(
            module=call(f"General{module}", kernel, stride=step),
            function=call(f"general_{function}", kernel, stride=step),
        )
        if isinstance(kernel.value, Listed) or isinstance(stride.value, Listed):
            return general
        always = None, stride
        return TorchForm(
            module=call(module, kernel, stride=always), function=call(function, kernel, stride=always), general=general
        )


def _adaptive(length: Dim, places: Dim) -> Window | None:
    """The windows of an adaptive pooling, where they are alike."""
    if not isinstance(length, int) or not isinstance(places, int) or length % places:
        return HERE if length == places else None
    return window(length // places, length // places, 0)


def _larger(word: str, shape: Shape, kernel: tuple[Dim, ...]) -> bool:
    """Whether this is an average over three axes whose window is larger than the map, which torch refuses whatever the padding."""
    if word != "avgpool" or len(kernel) != 3:
        return False
    return any(compare(n, k, "<") is True for n, k in zip(shape.space, kernel, strict=True))


@operator
class MaxPool(_Pool):
    """The largest value of each window. Its stride is its size unless the line says otherwise; `to` makes the windows
    adaptive.
    """

    word = "maxpool"
    family = "pooling"
    torch_name, function_name, reduction = "MaxPool", "max_pool", "amax"

    size: Axes | None = position("axes", "extent of the window, an axis", default=None)
    stride: Axes | None = attribute("axes", None, "step of the window, an axis (default: its size)")
    pad: Axes = attribute("axes", 0, "padding on both sides, never the maximum", minimum=0)
    to: Axes | None = attribute("axes", None, "the output's places; windows adapt")
    same: bool = flag("as many places as ceil(n / stride)")
    ceil: bool = flag("round the number of windows up")
    global_: bool = flag("one window over everything: a vector")


@operator
class AvgPool(_Pool):
    """The mean of each window; zeros of the padding are not averaged.

    PyTorch's own layer averages them unless told otherwise, and so do its Inception v3 and MaxViT: that is
    `pad 1 -> avgpool 3x3, stride 1`.
    """

    word = "avgpool"
    family = "pooling"
    torch_name, function_name, reduction = "AvgPool", "avg_pool", "mean"

    size: Axes | None = position("axes", "extent of the window, an axis", default=None)
    stride: Axes | None = attribute("axes", None, "step of the window, an axis (default: its size)")
    pad: Axes = attribute("axes", 0, "padding on both sides", minimum=0)
    to: Axes | None = attribute("axes", None, "the output's places; windows adapt")
    same: bool = flag("as many places as ceil(n / stride)")
    ceil: bool = flag("round the number of windows up")
    global_: bool = flag("one window over everything: a vector")

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        if tool == "fvcore":
            return inputs[0].count if self.size is None else 0
        if self.size is not None:
            return output.count
        return inputs[0].count + output.count  # (window + 1) an output; windows of different sizes by their mean
