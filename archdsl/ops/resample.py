"""More or fewer places, by interpolation."""

from __future__ import annotations

from fractions import Fraction

from ..ir.dims import Dim, Poly, compare, exact_div, show
from ..ir.operator import (
    Axes,
    Operator,
    Refusal,
    Slot,
    Tool,
    TorchCall,
    TorchForm,
    attribute,
    axes,
    flag,
    operator,
    position,
    spatial,
    value,
)  # fmt: skip
from ..ir.reach import HERE, UNDEFINED, Reach, Window, reach_of, resampled
from ..ir.shapes import Constant, Number, Shape, Size
from .formula import size, slot

_COUNTED = {"fvcore": (1, 4), "thop": (1, 11)}
"""What other tools count for a number of the result on maps of two axes, nearest and bilinear."""
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def _mode(shape: Shape, bilinear: bool) -> tuple[str, Slot, Constant]:
    """torch's `mode`, always printed: which way it is says more than that it is the default."""
    return ("mode", slot(_LINEAR[len(shape.space)] if bilinear else "nearest"), None)


def _check_axes(word: str, shape: Shape) -> None:
    if len(shape.space) not in _LINEAR:
        raise Refusal("A0404", f"{word} takes maps of one to three axes, but here comes {shape}")


def _resized(length: Dim, places: Dim, bilinear: bool) -> Window | None:
    if length == places:
        return HERE
    if not isinstance(length, int) or not isinstance(places, int):
        return None
    return resampled(Fraction(length, places), bilinear)


@operator
class Upsample(Operator):
    """Every axis of a map so many times as long. A place of the output takes the `nearest` place of the input, unless
    the line says `bilinear`.

    `bilinear` interpolates linearly along every axis, whatever their number, and counts a place as an area (PyTorch's
    `align_corners=False`). A factor need not be whole, if the sizes that come out are.
    """

    word = "upsample"
    family = "places"
    accepts = ("map",)
    exclusive = ("nearest", "bilinear")

    factor: Number | Size = position("factor", "how many times as long, an axis", minimum=None)
    nearest: bool = flag("copies of the nearest place, as without a word")
    bilinear: bool = flag("linear interpolation between places")

    def output(self, *inputs: Shape) -> Shape:
        shape = inputs[0]
        self.check_kind(shape)
        _check_axes(self.word, shape)
        return Shape(
            "map",
            (shape.features, *(self._longer(n, f) for n, f in zip(shape.space, self._factors(shape), strict=True))),
        )

    def _factors(self, shape: Shape) -> tuple[Number, ...]:
        if isinstance(self.factor, Size):
            return spatial(self.word, shape, factor=self.factor)[0]
        return (self.factor,) * len(shape.space)

    def _longer(self, length: Dim, factor: Number) -> Dim:
        if isinstance(factor, int | Fraction | float) and factor <= 0:
            raise Refusal("A0305", f"upsample needs a factor above 0, this is {float(factor):g}", argument="factor")
        if isinstance(factor, float):
            factor = Fraction(repr(factor))
        if isinstance(factor, Fraction):
            long = length * factor.numerator
            if compare(long % factor.denominator, 0, "==") is False:
                times = f"{show(length)} * {float(factor):g}"
                raise Refusal("A0416", f"upsample: {times} places do not come out whole", argument="factor")
            return exact_div(long, factor.denominator)
        return length * factor

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        ratios = [Fraction(1) / Fraction(str(f)) for f in self._factors(inputs[0]) if not isinstance(f, Poly)]
        found = [resampled(ratio, self.bilinear) for ratio in ratios]
        return (reach_of(found) if len(found) == len(inputs[0].space) else UNDEFINED,)

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return output.count * _COUNTED[tool][self.bilinear] if len(output.space) == 2 else 0

    def torch(self, *inputs: Shape) -> TorchForm:
        shape = inputs[0]
        factor = slot(size(self.factor) if isinstance(self.factor, Size) else self.factor, "factor")
        mode = _mode(shape, self.bilinear)
        scripted = Slot(_floats(factor.value))  # TorchScript takes no whole number for it
        return TorchForm(
            module=TorchCall("nn.Upsample", (), (("scale_factor", factor, None), mode)),
            function=TorchCall("F.interpolate", (), (("scale_factor", scripted, None), mode)),
        )


def _floats(factor: Constant) -> Constant:
    if isinstance(factor, tuple):
        return tuple(_floats(each) for each in factor)
    return float(factor) if isinstance(factor, int) else factor


@operator
class Resize(Operator):
    """A map with so many places an axis, or as many as another value has (`resize like @c4`). A place of the output
    takes the `nearest` place of the input, unless the line says `bilinear`.

    `bilinear` interpolates linearly along every axis, whatever their number, and counts a place as an area (PyTorch's
    `align_corners=False`).
    """

    word = "resize"
    family = "places"
    accepts = ("map",)
    exclusive = ("nearest", "bilinear")

    to: Axes | None = attribute("axes", None, "places of the output, an axis")
    like: bool = value("a map whose places it takes")
    nearest: bool = flag("copies of the nearest place, as without a word")
    bilinear: bool = flag("linear interpolation between places")

    def output(self, *inputs: Shape) -> Shape:
        shape = inputs[0]
        self.check_kind(shape)
        _check_axes(self.word, shape)
        if (self.to is None) == (not self.like):
            raise Refusal("A0304", "resize takes `to` with a size, or `like` with a value, and not both")
        if self.to is not None:
            return Shape("map", (shape.features, *spatial(self.word, shape, to=self.to)[0]))
        other = inputs[1]
        if other.kind != "map" or len(other.space) != len(shape.space):
            what = f"resize needs a map of {len(shape.space)} axes to be like, this is {other.describe()}"
            raise Refusal("A0402", what, argument="like")
        return Shape("map", (shape.features, *other.space))

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        found = [_resized(n, m, self.bilinear) for n, m in zip(inputs[0].space, output.space, strict=True)]
        return (reach_of(found), *(None for _ in inputs[1:]))  # of the other value only the size matters

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return output.count * _COUNTED[tool][self.bilinear] if len(output.space) == 2 else 0

    def torch(self, *inputs: Shape) -> TorchForm:
        shape = inputs[0]
        mode = _mode(shape, self.bilinear)
        if self.to is None:
            return TorchForm(function=TorchCall("F.interpolate", (), (mode,)), places="size")
        target = ("size", slot(size(axes(self.to, len(shape.space))), "to"), None)
        return TorchForm(
            module=TorchCall("nn.Upsample", (), (target, mode)),
            function=TorchCall("F.interpolate", (), (target, mode)),
        )
