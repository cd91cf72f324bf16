"""Layers of 1998: LeNet-5's trained subsampling and its Euclidean output units."""

from __future__ import annotations

from ..ir.dims import Dim, product
from ..ir.operator import Axes, Operator, Refusal, Tensor, TorchForm, Work, axes, operator, position, spatial
from ..ir.reach import Reach, reach_of, window
from ..ir.shapes import Shape
from .formula import call, size, slot
from .windows import windows


@operator
class Subsample(Operator):
    """The sum of each window, times a trained coefficient, plus a trained bias, one of each a map
    (LeCun et al. 1998, II.B).
    """

    word = "subsample"
    family = "historical"
    accepts = ("map",)

    size: Axes = position("axes", "extent of the window, which is also its step")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        (kernel,) = spatial(self.word, inputs[0], size=self.size)
        places = (windows(self.word, n, k, k, (0, 0)) for n, k in zip(inputs[0].space, kernel, strict=True))
        return Shape("map", (inputs[0].features, *places))

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        features = inputs[0].features
        return Tensor("weight", (features, 1, *(1 for _ in inputs[0].space))), Tensor("bias", (features,))

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        read = product(axes(self.size, len(output.space)))
        return Work(output.count, pooling=read * output.count)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (reach_of([window(k, k, 0) for k in axes(self.size, len(output.space))]),)

    def connections(self, inputs: tuple[Shape, ...], output: Shape, macs: Dim) -> Dim:
        read = product(axes(self.size, len(output.space)))
        return (read + 1) * output.count

    def torch(self, *inputs: Shape) -> TorchForm:
        rank = len(inputs[0].space)
        kernel, features = slot(size(axes(self.size, rank)), "size"), slot(inputs[0].features, "features")
        made = call(f"Subsample{rank}d", features, kernel)
        if rank == 1:
            return TorchForm(module=made, state=True)
        mean = call(f"F.avg_pool{rank}d", kernel)  # ONNX has no divisor of its own
        area = slot(product(axes(self.size, rank)))
        trained = call(f"nn.Conv{rank}d", features, features, slot(1), groups=(1, features))
        return TorchForm(module=made, function=mean, trained=trained, state=True, factor=area)


@operator
class Rbf(Operator):
    """Euclidean radial basis units: the squared distance to each of ten fixed codes, drawings of the digits of
    7x12 pixels.

    The paper shows its codes only as a picture; these are drawn anew. They are frozen: stored, never trained.
    """

    word = "rbf"
    family = "historical"
    accepts = ("vector",)
    placewise = True

    width: Dim = position("whole", "number of units, at most the ten digits")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        if inputs[0].dims != (84,):
            raise Refusal("A0404", f"rbf compares with drawings of 7x12 = 84 pixels, but {inputs[0]} values come in")
        if not isinstance(self.width, int) or self.width > 10:
            raise Refusal("A0305", "rbf has codes for the ten digits", argument="width")
        return Shape("vector", (self.width,))

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return (Tensor("codes", (self.width, inputs[0].features), "frozen"),)

    def connections(self, inputs: tuple[Shape, ...], output: Shape, macs: Dim) -> Dim:
        return self.width * inputs[0].features

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(module=call("DigitCodes", slot(self.width, "width")), state=True)
