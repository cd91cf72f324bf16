"""The contract of an operator: everything archdsl knows of a layer word, in one class.

An operator is a frozen dataclass whose fields are its arguments as the language writes them: positions in order, then
attributes, flags (`valid`) and switches (`no bias`). Its methods are its rules. Adding an operator is writing one such
class in `archdsl.ops` and decorating it with `@operator`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, TypeVar, dataclass_transform

from ..expr import Expr, Name
from ..records import dataclass
from .dims import Dim, product
from .reach import UNDEFINED, Reach, here
from .shapes import Constant, Grid, Kind, Shape, Size

Axes: TypeAlias = "Dim | Size"
"""A number for every axis, or one an axis."""

Use = Literal["position", "attribute", "flag", "switch", "value", "tied"]
Type = Literal["axes", "whole", "number", "word", "grid", "factor", "numbers", "bool"]
Tool = Literal["fvcore", "thop"]
Role = Literal["trained", "statistic", "counter", "frozen"]


class Refusal(Exception):
    """An operator's word that it cannot be applied here. `argument` names the culprit, so that the caret finds it."""

    def __init__(self, code: str, message: str, help: str | None = None, argument: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.argument = code, message, help, argument


@dataclass(frozen=True, slots=True)
class Argument:
    """What the language knows of one argument of an operator."""

    name: str
    use: Use
    type: Type
    default: object
    minimum: int | None
    doc: str

    @property
    def required(self) -> bool:
        return self.default is MISSING


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array of a layer: its shape, and what it is to training.

    `parts`: how many rows belong to each of the matrices that it holds one after the other, where there are several.
    """

    name: str
    shape: tuple[Dim, ...]
    role: Role = "trained"
    parts: tuple[Dim, ...] = ()

    @property
    def count(self) -> Dim:
        return product(self.shape)


@dataclass(frozen=True, slots=True)
class Slot:
    """One argument of a torch call: its value here, and how it follows from the operator's arguments.

    `source` is an expression over the operator's argument names, `features` (of the first input) and `features2`, ...;
    None if there is no formula.
    """

    value: Constant
    source: Expr | None = None


@dataclass(frozen=True, slots=True)
class TorchCall:
    """A call of a torch class or function, the input aside.

    A keyword stays away where it has the default given with it. `values` are the keywords of the last inputs, if those
    go by keyword. The keywords `training` have their value in training only, else their default.
    """

    name: str
    args: tuple[Slot, ...] = ()
    kwargs: tuple[tuple[str, Slot, Constant], ...] = ()
    values: tuple[str, ...] = ()
    training: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TorchForm:
    """How a layer is written in PyTorch.

    `module` makes an nn.Module; `function` is applied to the input in `forward` (for layers without state). `method`
    is written `x.name(args)` instead of `name(x, args)`. `expression`, of `x` and the function's arguments, is written
    instead of the function where there is one; its functions are torch's. `array` makes the one array of a layer that
    is a parameter of its parent, called by the label itself; the function takes it after its input. With `batch` the
    size of the batch, `x.shape[0]`, comes before the function's arguments; with `places` the second input is only asked
    for its places, handed over under this keyword: `size=y.shape[2:]`. `trained` makes a module that is applied to what the
    function gives: together they do what `module` does, without a class of its own. With `first` the module gives a tuple
    that the value is the first of. `general` is a form right for entries of every size, where this one is right for some:
    it is taken where one class is made for both. What the function gives is multiplied by `factor`. Helpers are names of classes in the emitter's helper file.
    """

    module: TorchCall | None = None
    function: TorchCall | None = None
    method: bool = False
    state: bool = False
    expression: Expr | None = None
    array: TorchCall | None = None
    trained: TorchCall | None = None
    batch: bool = False
    places: str | None = None
    first: bool = False
    general: TorchForm | None = None
    factor: Slot | None = None


def _argument(use: Use, type: Type, default: object, minimum: int | None, doc: str) -> Any:
    metadata = {"use": use, "type": type, "minimum": minimum, "doc": doc}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def position(type: Type, doc: str, default: object = MISSING, minimum: int | None = 1) -> Any:
    """An argument that may stand without its name, in the order of the fields."""
    return _argument("position", type, default, minimum, doc)


def attribute(type: Type, default: object, doc: str, minimum: int | None = 1) -> Any:
    """An argument written `name value`."""
    return _argument("attribute", type, default, minimum, doc)


def flag(doc: str) -> Any:
    """An argument written as its name alone."""
    return _argument("flag", "bool", False, None, doc)


def switch(doc: str) -> Any:
    """What is there unless the line says `no name`."""
    return _argument("switch", "bool", True, None, doc)


def value(doc: str) -> Any:
    """An argument that is another value of the network, `@label`; its field says whether it was given."""
    return _argument("value", "bool", False, None, doc)


def tied(doc: str) -> Any:
    """An argument that is another layer, `@label`, whose array of this name is used here too."""
    return _argument("tied", "bool", False, None, doc)


class Work(NamedTuple):
    """What a layer does beside products, an example: additions of biases, numbers that a normalisation, an activation
    or a sum of values gives, numbers that a pooling reads.
    """

    biases: Dim = 0
    normalisation: Dim = 0
    activation: Dim = 0
    pooling: Dim = 0
    elementwise: Dim = 0


class Operator:
    """Base of all operators. The methods take the shapes of the inputs, first the value that flows in."""

    word: ClassVar[str]
    family: ClassVar[str]
    accepts: ClassVar[tuple[Kind, ...]] = ("map", "sequence", "vector")
    exclusive: ClassVar[tuple[str, ...]] = ()
    joins: ClassVar[bool] = False
    advice: ClassVar[dict[str, str]] = {}
    planned: ClassVar[frozenset[str]] = frozenset()
    """Arguments of the language that are not built yet."""
    placewise: ClassVar[bool] = False
    """Each place of the result sees the same place of every input, and no other."""
    view: ClassVar[bool] = False
    """The result is the first input, seen otherwise: it takes no memory of its own."""
    training_only: ClassVar[bool] = False
    """Outside training the result is the first input itself."""

    @classmethod
    def arguments(cls) -> tuple[Argument, ...]:
        """The arguments in order, from the dataclass fields."""
        found = _ARGUMENTS.get(cls)
        if found is None:
            found = tuple(
                Argument(
                    f.name,
                    f.metadata["use"],
                    f.metadata["type"],
                    f.default,
                    f.metadata["minimum"],
                    f.metadata["doc"],
                )
                for f in fields(cls)  # type: ignore[arg-type]
            )
            _ARGUMENTS[cls] = found
        return found

    def output(self, *inputs: Shape) -> Shape:
        """The shape of the result; raises Refusal."""
        return inputs[0]

    def arithmetic(self, *inputs: Shape) -> str | None:
        """How the sizes of the result come about, written out for a reader; None where there is nothing to compute."""
        return None

    def result_features(self, *inputs: Shape) -> Expr | None:
        """The formula of the result's features, over the arguments' names and `features`; None if there is none.

        `shape.0` is the first size of the argument `shape`.
        """
        return Name("width" if any(a.name == "width" for a in self.arguments()) else "features")

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        """The layer's arrays, named as PyTorch names them, in the order of its state_dict."""
        return ()

    def named(self, names: Mapping[str, str]) -> Operator | None:
        """The same layer that calls its arrays otherwise, each by its own name; None where no module has these names.

        Only the names of a dialect ask for it: no spec can say it, and the word and its arguments are the same.
        """
        return None

    def macs(self, inputs: tuple[Shape, ...], output: Shape, tensors: tuple[Tensor, ...]) -> Dim:
        """Multiply-adds an example: products of convolution, linear and attention, as papers count them.

        `tensors`: what that method gives.
        """
        return 0

    def connections(self, inputs: tuple[Shape, ...], output: Shape, macs: Dim) -> Dim:
        """Connections in LeNet's sense: every weight and bias counted each time it is used. `macs`: what that method gives."""
        return 0

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """What is done beside products; by default biases, and what the family of activations or normalisations says."""
        biases = output.count if getattr(self, "bias", False) is True else 0
        match self.family:
            case "activation":
                return Work(biases, activation=output.count)
            case "normalisation":
                return Work(biases, normalisation=output.count)
            case _:
                return Work(biases)

    def arrays_read(self, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        """How many numbers of its arrays a use reads, however many examples there are."""
        return sum((tensor.count for tensor in self.tensors(*inputs)), 0)

    def counted_by(self, tool: Tool, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        """What another tool counts for such a layer, by its convention."""
        return self.macs(inputs, output, self.tensors(*inputs))

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        """What a place of the result sees of each input; None for an input whose values do not matter."""
        if not self.placewise:
            return (UNDEFINED,) * len(inputs)
        return tuple(here(len(shape.axes)) for shape in inputs)

    def weighted(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        """How many trained layers of products lie behind one another in it."""
        tensors = self.tensors(*inputs)
        return int(any(tensor.role == "trained" for tensor in tensors) and self.macs(inputs, output, tensors) != 0)

    def torch(self, *inputs: Shape) -> TorchForm:
        """How the layer is written in PyTorch."""
        raise NotImplementedError(self.word)

    def value_arguments(self) -> tuple[str, ...]:
        """The names of the given arguments that are values, in order."""
        return tuple(a.name for a in self.arguments() if a.use == "value" and getattr(self, a.name))

    def given(self) -> dict[str, Constant]:
        """The arguments that differ from their defaults."""
        return {a.name: getattr(self, a.name) for a in self.arguments() if getattr(self, a.name) != a.default}

    def check_kind(self, shape: Shape) -> None:
        """Refuse a kind of value this layer does not take."""
        if shape.kind in self.accepts:
            return
        wanted = " or a ".join(self.accepts)
        help = self.advice.get(shape.kind)
        comes = "come" if shape.kind == "numbers" else "comes"
        raise Refusal("A0401", f"{self.word} takes a {wanted}, but here {comes} {shape.describe()}", help)


_ARGUMENTS: dict[type[Operator], tuple[Argument, ...]] = {}
_WORDS: dict[str, type[Operator]] = {}

OperatorClass = TypeVar("OperatorClass", bound=type[Operator])


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(position, attribute, flag, switch, value, tied)
)
def operator(cls: OperatorClass) -> OperatorClass:
    """Class decorator: make it a frozen dataclass and the meaning of its word."""
    made = dataclass(frozen=True, kw_only=True)(cls)
    if made.word in _WORDS:
        raise ValueError(f"two operators are called {made.word}")
    _WORDS[made.word] = made
    return made


class _Open:
    """An operator until it has its arguments and, with its class, the lock on them."""


def operator_of(cls: type[Operator], arguments: dict[str, Constant]) -> Operator:
    """An operator of the values of all of its arguments in their order, in half the time; the dictionary becomes its own."""
    made: Any = _Open()
    made.__dict__ = arguments
    made.__class__ = cls
    return made


def operators() -> dict[str, type[Operator]]:
    """Every operator by its word, in alphabetical order."""
    return dict(sorted(_WORDS.items()))


def find_operator(word: str) -> type[Operator] | None:
    """The operator a word means."""
    return _WORDS.get(word)


def axes(value: Axes, rank: int) -> tuple[Dim, ...]:
    """One number an axis.

    >>> axes(3, 2)
    (3, 3)
    """
    return tuple(value) if isinstance(value, Size) else (value,) * rank


def spatial(word: str, shape: Shape, **arguments: Axes) -> list[tuple[Dim, ...]]:
    """Each argument as one number an axis of the map; refuse one that speaks of another number of axes."""
    rank = len(shape.dims) - 1
    found: list[tuple[Dim, ...]] = []
    for name, given in arguments.items():
        each = axes(given, rank)
        if len(each) != rank:
            raise Refusal(
                "A0402",
                f"{word}: the {name} {given!r} speaks of {len(each)} axes, but here comes {shape}, which has {rank}",
                "a single number speaks of every axis",
                name,
            )
        found.append(each)
    return found


__all__ = [
    "MISSING", "Argument", "Axes", "Callable", "Grid", "Operator", "Refusal", "Slot", "Tensor", "Tool", "TorchCall",
    "TorchForm", "Work", "attribute", "axes", "find_operator", "flag", "operator", "operator_of", "operators", "position",
    "spatial", "switch", "tied", "value",
]  # fmt: skip
