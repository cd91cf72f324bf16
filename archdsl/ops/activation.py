"""Activations: functions of each value alone (softmax: of the features)."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

from ..expr import Binary, Function, Name
from ..ir.dims import Dim
from ..ir.operator import Operator, Tensor, Tool, TorchCall, TorchForm, attribute, flag, operator, position
from ..ir.shapes import Number, Shape
from .formula import call, slot


class _Activation(Operator):
    family = "activation"
    placewise = True
    module_name: ClassVar[str]
    function_name: ClassVar[str]

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        return inputs[0]

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(module=TorchCall(self.module_name), function=TorchCall(self.function_name))


@operator
class Relu(_Activation):
    """max(x, 0)."""

    word = "relu"
    module_name, function_name = "nn.ReLU", "F.relu"


@operator
class Relu6(_Activation):
    """min(max(x, 0), 6)."""

    word = "relu6"
    module_name, function_name = "nn.ReLU6", "F.relu6"


@operator
class LeakyRelu(_Activation):
    """x, or slope * x below zero."""

    word = "leakyrelu"
    slope: Number = position("number", "slope below zero", default=Fraction(1, 100), minimum=None)

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(
            module=TorchCall("nn.LeakyReLU", (slot(self.slope, "slope"),)),
            function=TorchCall("F.leaky_relu", (slot(self.slope, "slope"),)),
        )


@operator
class Elu(_Activation):
    """x, or slope * (exp(x) - 1) below zero."""

    word = "elu"
    slope: Number = position("number", "scale below zero", default=1, minimum=None)

    def torch(self, *inputs: Shape) -> TorchForm:
        slope = {"alpha": (1, slot(self.slope, "slope"))}
        return TorchForm(module=call("nn.ELU", **slope), function=call("F.elu", **slope))


@operator
class Selu(_Activation):
    """Scaled ELU with the constants of Klambauer et al. (2017)."""

    word = "selu"
    module_name, function_name = "nn.SELU", "F.selu"


@operator
class Prelu(_Activation):
    """x, or a trained slope times x below zero; one slope for all channels."""

    word = "prelu"

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return (Tensor("weight", (1,)),)

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return output.count if tool == "thop" else 0

    def torch(self, *inputs: Shape) -> TorchForm:
        return TorchForm(module=TorchCall("nn.PReLU"), state=True)


@operator
class Gelu(_Activation):
    """x * Phi(x), the normal distribution function; `tanh` takes its approximation, as GPT-2 does."""

    word = "gelu"
    tanh: bool = flag("the tanh approximation")

    def torch(self, *inputs: Shape) -> TorchForm:
        approximate = {"approximate": ("none", slot("tanh" if self.tanh else "none"))}
        return TorchForm(module=call("nn.GELU", **approximate), function=call("F.gelu", **approximate))


@operator
class Silu(_Activation):
    """x * sigmoid(x), also called swish."""

    word = "silu"
    module_name, function_name = "nn.SiLU", "F.silu"


@operator
class Mish(_Activation):
    """x * tanh(softplus(x))."""

    word = "mish"
    module_name, function_name = "nn.Mish", "F.mish"


@operator
class Softplus(_Activation):
    """log(1 + exp(x))."""

    word = "softplus"
    module_name, function_name = "nn.Softplus", "F.softplus"


@operator
class Hardswish(_Activation):
    """x * relu6(x + 3) / 6."""

    word = "hardswish"
    module_name, function_name = "nn.Hardswish", "F.hardswish"


@operator
class Hardsigmoid(_Activation):
    """relu6(x + 3) / 6."""

    word = "hardsigmoid"
    module_name, function_name = "nn.Hardsigmoid", "F.hardsigmoid"


@operator
class Sigmoid(_Activation):
    """1 / (1 + exp(-x))."""

    word = "sigmoid"
    module_name, function_name = "nn.Sigmoid", "torch.sigmoid"


@operator
class Tanh(_Activation):
    """amplitude * tanh(slope * x); LeNet-5 squashes by 1.7159 tanh(2x/3)."""

    word = "tanh"
    amplitude: Number = attribute("number", 1, "factor of the result", minimum=None)
    slope: Number = attribute("number", 1, "factor of the argument", minimum=None)

    def torch(self, *inputs: Shape) -> TorchForm:
        if self.amplitude == 1 and self.slope == 1:
            return TorchForm(module=TorchCall("nn.Tanh"), function=TorchCall("torch.tanh"))
        scales = (slot(self.amplitude, "amplitude"), slot(self.slope, "slope"))
        inner = Function("tanh", (Binary("*", Name("slope"), Name("x")),))
        formula = Binary("*", Name("amplitude"), inner)
        return TorchForm(
            module=TorchCall("ScaledTanh", scales), function=TorchCall("scaled_tanh", scales), expression=formula
        )


@operator
class Softmax(_Activation):
    """exp(x) / sum of exp over the features."""

    word = "softmax"

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        return 3 * output.count - output.count // output.features if tool == "thop" else 0

    def torch(self, *inputs: Shape) -> TorchForm:
        dim = (slot(1 if inputs[0].kind == "map" else -1),)
        return TorchForm(module=TorchCall("nn.Softmax", dim), function=TorchCall("F.softmax", dim))
