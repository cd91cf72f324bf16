"""Layers that put places and features elsewhere: images of sequences, patches, shuffles, rolls."""

from __future__ import annotations

from fractions import Fraction

from ..expr import Binary, Expr, Name
from ..expr import Number as Literal
from ..ir.dims import Dim, compare, exact_div, product, show
from ..ir.operator import Axes, Operator, Refusal, Slot, TorchCall, TorchForm, axes, operator, position, spatial
from ..ir.reach import UNDEFINED, Reach, reach_of, resampled, window
from ..ir.shapes import Listed, Shape, Size
from .formula import call, listed, slot


def grid_slot(word: str, shape: Shape) -> Slot:
    """The axes of the map that a sequence came from; one that is symbolic follows from the others."""
    grid = shape.grid if shape.grid is not None else shape.space
    symbolic = [n for n in grid if not isinstance(n, int)]
    if len(symbolic) > 1:
        raise Refusal("A1001", f"`{word}` on places of a map of {Size(grid)!r}, more than one of them symbolic,")
    return Slot(Listed(n if isinstance(n, int) else -1 for n in grid), Name("grid"))


@operator
class Image(Operator):
    """A sequence as the map it came from, place by place: what `tokens` did, undone.

    Only a sequence that still has all places of its map has one; any other becomes a map of one axis, `DxT`.
    """

    word = "image"
    family = "sequence"
    placewise = True
    accepts = ("sequence",)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        places = inputs[0].grid if inputs[0].grid is not None else inputs[0].space
        return Shape("map", (inputs[0].features, *places))

    def torch(self, *inputs: Shape) -> TorchForm:
        if inputs[0].grid is None or len(inputs[0].grid) == 1:
            swapped = TorchCall("transpose", (Slot(1), Slot(2)))
            return TorchForm(module=TorchCall("Transpose"), function=swapped, method=True)
        grid = (grid_slot(self.word, inputs[0]),)
        return TorchForm(module=TorchCall("Image", grid), function=TorchCall("image", grid))


@operator
class Patches(Operator):
    """Neighbours side by side: a map, or a sequence that came from one, cut into patches that do not overlap, each of
    them one vector.

    The places of a patch follow one another column by column, each with all its features, as Swin Transformer merges
    them. A sequence that came from no map is cut along its length.
    """

    word = "patches"
    family = "sequence"
    accepts = ("map", "sequence")

    size: Axes = position("axes", "places of a patch, an axis")

    def _cut(self, shape: Shape) -> tuple[tuple[Dim, ...], tuple[Dim, ...]]:
        """Places and patch, an axis each."""
        places = shape.grid if shape.grid is not None else shape.space
        (patch,) = spatial(self.word, Shape("map", (shape.features, *places)), size=self.size)
        return places, patch

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        places, patch = self._cut(inputs[0])
        for n, p in zip(places, patch, strict=True):
            if compare(n % p, 0, "==") is False:
                raise Refusal("A0416", f"patches of {show(p)} do not divide {show(n)} places", argument="size")
        grid = tuple(exact_div(n, p) for n, p in zip(places, patch, strict=True))
        count = product(grid)
        return Shape("sequence", (count, inputs[0].features * product(patch)), grid=grid)

    def result_features(self, *inputs: Shape) -> Expr | None:
        if isinstance(self.size, Size):
            return None
        rank = len(self._cut(inputs[0])[0])
        return Binary("*", Binary("^", Name("size"), Literal(Fraction(rank))), Name("features"))

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (reach_of([window(p, p, 0) for p in self._cut(inputs[0])[1]]),)

    def torch(self, *inputs: Shape) -> TorchForm:
        _, patch = self._cut(inputs[0])
        args: tuple[Slot, ...] = (listed(patch, "size"),)
        if inputs[0].kind != "sequence":
            return TorchForm(module=TorchCall("Patches", args), function=TorchCall("patches", args))
        grid = (("grid", grid_slot(self.word, inputs[0]), None),)
        return TorchForm(module=TorchCall("GridPatches", args, grid), function=TorchCall("grid_patches", args, grid))


@operator
class PixelShuffle(Operator):
    """Features become places: `CxHxW` with `size` r becomes `(C/r^2)x(rH)x(rW)` (Shi et al. 2016)."""

    word = "pixelshuffle"
    family = "places"
    accepts = ("map",)

    size: Axes = position("axes", "how many times as many places, an axis")

    def output(self, *inputs: Shape) -> Shape:
        shape = inputs[0]
        self.check_kind(shape)
        (times,) = spatial(self.word, shape, size=self.size)
        block = product(times)
        if compare(shape.features % block, 0, "==") is False:
            message = f"pixelshuffle makes {show(block)} places of as many channels, here are {show(shape.features)}"
            raise Refusal("A0416", message, argument="size")
        places = (n * t for n, t in zip(shape.space, times, strict=True))
        return Shape("map", (exact_div(shape.features, block), *places))

    def result_features(self, *inputs: Shape) -> Expr | None:
        if isinstance(self.size, Size):
            return None
        rank = len(inputs[0].space)
        return Binary("/", Name("features"), Binary("^", Name("size"), Literal(Fraction(rank))))

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        times = axes(self.size, len(inputs[0].space))
        steps = [resampled(Fraction(1, t), linear=False) if isinstance(t, int) else None for t in times]
        return (reach_of(steps),)

    def torch(self, *inputs: Shape) -> TorchForm:
        times = axes(self.size, len(inputs[0].space))
        if len(times) == 2 and times[0] == times[1]:
            once = slot(times[0], "size")
            return TorchForm(module=call("nn.PixelShuffle", once), function=call("F.pixel_shuffle", once))
        each = Slot(Listed(times))
        return TorchForm(module=call("PixelShuffle", each), function=call("pixel_shuffle", each))


@operator
class Shuffle(Operator):
    """The channels of `groups` groups by turns: one of the first group, one of the second, ... (Zhang et al. 2018)."""

    word = "shuffle"
    family = "rearrangement"
    placewise = True
    accepts = ("map",)

    groups: Dim = position("whole", "number of groups of channels")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if compare(inputs[0].features % self.groups, 0, "==") is False:
            message = f"{show(self.groups)} groups do not divide the {show(inputs[0].features)} channels"
            raise Refusal("A0406", message, argument="groups")
        return inputs[0]

    def torch(self, *inputs: Shape) -> TorchForm:
        groups = slot(self.groups, "groups")
        return TorchForm(module=call("nn.ChannelShuffle", groups), function=call("F.channel_shuffle", groups))


@operator
class Roll(Operator):
    """Every place moved on by so many places along each axis; what leaves at the end comes in at the beginning.

    Negative amounts move back. A sequence that came from a map is rolled along the axes of the map.
    """

    word = "roll"
    family = "rearrangement"
    accepts = ("map", "sequence")

    amount: Axes = position("axes", "places to move on, an axis", minimum=None)

    def _amounts(self, shape: Shape) -> tuple[Dim, ...]:
        places = shape.grid if shape.grid is not None else shape.space
        return spatial(self.word, Shape("map", (shape.features, *places)), amount=self.amount)[0]

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        self._amounts(inputs[0])
        return inputs[0]

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (UNDEFINED,)  # what comes in around the end is no window

    def torch(self, *inputs: Shape) -> TorchForm:
        amounts = self._amounts(inputs[0])
        if inputs[0].kind == "sequence" and len(amounts) > 1:
            args = (Slot(Listed(amounts)), grid_slot(self.word, inputs[0]))
            return TorchForm(module=TorchCall("RollGrid", args), function=TorchCall("roll_grid", args))
        first = 2 if inputs[0].kind == "map" else 1
        dims = tuple(range(first, first + len(amounts)))
        args = (Slot(tuple(amounts)), Slot(dims))
        if len(amounts) == 1:
            args = (slot(amounts[0], "amount"), Slot(first))
        return TorchForm(module=TorchCall("Roll", args), function=TorchCall("roll", args), method=True)
