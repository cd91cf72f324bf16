"""Sequences: from whole numbers and maps, positions, and what is taken from them."""

from __future__ import annotations

from ..expr import Binary, Function, Name
from ..ir.dims import Dim, compare, show
from ..ir.operator import MISSING, Operator, Refusal, Slot, Tensor, TorchCall, TorchForm, Work, operator, position, tied
from ..ir.reach import GLOBAL, Reach, reach_of, window
from ..ir.shapes import Number, Shape
from .formula import call, slot


@operator
class Embedding(Operator):
    """A trained vector for each whole number: `T` numbers below `count` become a sequence `TxD`.

    With `weight` the vectors are the rows of another layer's matrix.
    """

    word = "embedding"
    family = "sequence"
    placewise = True
    accepts = ("numbers",)

    count: Dim = position("whole", "how many vectors there are")
    width: Dim = position("whole", "features of a vector")
    weight: bool = tied("a label whose matrix this layer shares: `weight @output`")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        below = inputs[0].below
        if below is not None and compare(below, self.count, ">"):
            raise Refusal(
                "A0415",
                f"numbers below {show(below)} need {show(below)} vectors, there are {show(self.count)}",
                argument="count",
            )
        if len(inputs[0].dims) != 1:
            raise Refusal("A0401", f"embedding takes one axis of whole numbers, but here comes {inputs[0]}")
        return Shape("sequence", (*inputs[0].dims, self.width))

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return (Tensor("weight", (self.count, self.width)),)

    def arrays_read(self, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return output.count  # the vectors of the numbers that came

    def torch(self, *inputs: Shape) -> TorchForm:
        if self.weight:
            return TorchForm(function=call("F.embedding"))
        made = call("nn.Embedding", slot(self.count, "count"), slot(self.width, "width"))
        return TorchForm(module=made, state=True)


@operator
class Tokens(Operator):
    """A map as a sequence of its places, row by row; the sequence remembers the map's axes."""

    word = "tokens"
    family = "sequence"
    placewise = True
    view = True
    accepts = ("map",)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        length: Dim = 1
        for size in inputs[0].space:
            length = length * size
        return Shape("sequence", (length, inputs[0].features), grid=inputs[0].space)

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(module=TorchCall("Tokens"), function=TorchCall("tokens"))


@operator
class Transpose(Operator):
    """A sequence `TxD` as a sequence `DxT`."""

    word = "transpose"
    family = "sequence"
    view = True
    accepts = ("sequence",)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        return Shape("sequence", inputs[0].dims[::-1])

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (GLOBAL,)  # a place of the result is a feature of every place

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(
            module=TorchCall("Transpose"), function=TorchCall("transpose", (Slot(1), Slot(2))), method=True
        )


@operator
class Prepend(Operator):
    """Trained vectors in front of a sequence, such as a class token. The array is called by the label itself."""

    word = "prepend"
    family = "sequence"
    accepts = ("sequence",)

    count: Dim = position("whole", "how many vectors", default=1)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        length, features = inputs[0].dims
        return Shape("sequence", (length + self.count, features))

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return (Tensor("", (1, self.count, inputs[0].features)),)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (reach_of([window(1, 1, self.count)]),)

    def torch(self, *inputs: Shape) -> TorchForm:
        array = (Slot(1), slot(self.count, "count"), slot(inputs[0].features, "features"))
        return TorchForm(array=TorchCall("torch.zeros", array), function=TorchCall("prepend"), state=True)


@operator
class Positions(Operator):
    """Adds a trained vector a place. With a count there are so many places, of which a sequence uses the first.

    The array is called by the label itself, as ViT's `pos_embedding`; with a count it is a `weight` below the label, as an
    embedding's.
    """

    word = "positions"
    family = "sequence"
    placewise = True
    accepts = ("sequence",)

    count: Dim | None = position("whole", "how many places there are (default: the sequence's length)", default=None)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        length = inputs[0].dims[0]
        if self.count is not None and compare(length, self.count, ">"):
            raise Refusal(
                "A0415", f"there are {show(self.count)} places, the sequence has {show(length)}", argument="count"
            )
        if self.count is None and not isinstance(length, int):
            raise Refusal("A0415", f"the length {show(length)} is not known: say how many places, `positions 1024`")
        return inputs[0]

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        length, features = inputs[0].dims
        if self.count is None:
            return (Tensor("", (1, length, features)),)
        return (Tensor("weight", (self.count, features)),)

    def arrays_read(self, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return output.count  # the places there are in this sequence

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        return Work(elementwise=output.count)

    def torch(self, *inputs: Shape) -> TorchForm:
        length, features = inputs[0].dims
        if self.count is not None:
            made = TorchCall("Positions", (slot(self.count, "count"), slot(features, "features")))
            return TorchForm(module=made, state=True)
        array = (Slot(1), Slot(length), slot(features, "features"))
        formula = Binary("+", Name("x"), Name("array"))
        return TorchForm(array=TorchCall("torch.zeros", array), function=TorchCall(""), expression=formula, state=True)


@operator
class Sinusoids(Operator):
    """Adds the fixed sines and cosines of Vaswani et al. (2017), 3.5."""

    word = "sinusoids"
    family = "sequence"
    placewise = True
    accepts = ("sequence",)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if compare(inputs[0].features % 2, 0, "==") is False:
            raise Refusal("A0404", f"sines and cosines need an even number of features, here are {inputs[0].features}")
        return inputs[0]

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        return Work(elementwise=output.count)

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(module=TorchCall("Sinusoids"), function=TorchCall("sinusoids"))


@operator
class Take(Operator):
    """One vector of a sequence: `take 0` is the first."""

    word = "take"
    family = "sequence"
    view = True
    accepts = ("sequence",)

    index: Dim = position("whole", "which one, from 0", minimum=0, default=MISSING)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if compare(self.index, inputs[0].dims[0], ">="):
            raise Refusal("A0305", f"the sequence has {show(inputs[0].dims[0])} vectors, from 0 on", argument="index")
        return Shape("vector", (inputs[0].features,))

    def torch(self, *inputs: Shape) -> TorchForm:
        index = (slot(self.index, "index"),)
        formula = Function("take", (Name("x"), Name("index")))
        return TorchForm(module=TorchCall("Take", index), function=TorchCall("take", index), expression=formula)


@operator
class LayerScale(Operator):
    """One trained factor a feature (Touvron et al. 2021). The array is called by the label itself."""

    word = "layerscale"
    family = "sequence"
    placewise = True

    value: Number = position("number", "where the factors begin", minimum=None)

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        return inputs[0]

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        ones = (1,) * len(inputs[0].space) if inputs[0].kind == "map" else ()
        return (Tensor("", (inputs[0].features, *ones)),)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        return Work(elementwise=output.count)

    def torch(self, *inputs: Shape) -> TorchForm:
        places = len(inputs[0].space) if inputs[0].kind == "map" else 0
        array = TorchCall(
            "layer_scale", (slot(inputs[0].features, "features"), slot(self.value, "value"), Slot(places))
        )
        formula = Binary("*", Name("x"), Name("array"))
        return TorchForm(array=array, function=TorchCall(""), expression=formula, state=True)
