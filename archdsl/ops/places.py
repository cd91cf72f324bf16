"""Layers that choose or make places of a map."""

from __future__ import annotations

from ..ir.dims import compare, show
from ..ir.operator import Axes, Operator, Refusal, Slot, TorchCall, TorchForm, axes, operator, position, spatial, value
from ..ir.reach import Reach, reach_of, window
from ..ir.shapes import Listed, Shape, Size
from .formula import slot


@operator
class Pad(Operator):
    """Zeros on both sides of every axis of a map."""

    word = "pad"
    family = "places"
    accepts = ("map",)

    amount: Axes = position("axes", "zeros on both sides, an axis", minimum=0)

    def output(self, *inputs: Shape) -> Shape:
        shape = inputs[0]
        self.check_kind(shape)
        (amounts,) = spatial(self.word, shape, amount=self.amount)
        return Shape("map", (shape.features, *(n + 2 * p for n, p in zip(shape.space, amounts, strict=True))))

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        amounts = axes(self.amount, len(inputs[0].space))
        return (reach_of([window(1, 1, amount) for amount in amounts]),)

    def torch(self, *inputs: Shape) -> TorchForm:
        amounts = axes(self.amount, len(inputs[0].space))
        sides = Slot(tuple(p for p in reversed(amounts) for _ in range(2)))
        module = slot(self.amount, "amount") if len(set(amounts)) == 1 and not isinstance(self.amount, Size) else sides
        return TorchForm(
            module=TorchCall(f"nn.ZeroPad{len(amounts)}d", (module,)), function=TorchCall("F.pad", (sides,))
        )


@operator
class Crop(Operator):
    """The middle of a map: so many places an axis, or as many as another value has (`crop like @up1`)."""

    word = "crop"
    family = "places"
    accepts = ("map",)
    view = True

    size: Axes | None = position("axes", "places of the output, an axis", default=None)
    like: bool = value("a value whose places it takes")

    def output(self, *inputs: Shape) -> Shape:
        shape = inputs[0]
        self.check_kind(shape)
        if (self.size is None) == (not self.like):
            raise Refusal("A0304", "crop takes a size, or `like` a value, and not both")
        wanted = inputs[1].space if self.size is None else spatial(self.word, shape, size=self.size)[0]
        if len(wanted) != len(shape.space):
            raise Refusal(
                "A0402", f"crop: {Size(wanted)!r} speaks of {len(wanted)} axes, but {shape} has {len(shape.space)}"
            )
        for have, want in zip(shape.space, wanted, strict=True):
            if compare(want, have, ">"):
                raise Refusal(
                    "A0403", f"crop makes smaller, but {show(want)} is more than {show(have)}", argument="size"
                )
        return Shape("map", (shape.features, *wanted))

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        before = [(have - want) // 2 for have, want in zip(inputs[0].space, output.space, strict=True)]
        seen = reach_of([window(1, 1, -cut) for cut in before])
        return (seen, *(None for _ in inputs[1:]))  # of the other value only the size matters

    def torch(self, *inputs: Shape) -> TorchForm:
        if self.like:
            return TorchForm(module=TorchCall("nn.Identity"), function=TorchCall("crop_like"))
        assert self.size is not None
        wanted = (Slot(Listed(spatial(self.word, inputs[0], size=self.size)[0])),)
        return TorchForm(module=TorchCall("Crop", wanted), function=TorchCall("crop", wanted))
