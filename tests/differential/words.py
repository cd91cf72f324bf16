"""Every layer word once more, as torch has it: which arguments a random layer gets, and the nn.Module it stands for.

Independent of archdsl on purpose. A word is one class; `WORDS` has them by name. What the language itself forbids though
torch would do it raises `Rule`; all else that is refused, torch refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

Arguments = dict[str, Any]


class Rule(Exception):
    """What the language forbids, though torch might do it."""


class Value(NamedTuple):
    """A value: what kind the language calls it, and a tensor with the batch first.

    `below` bounds whole numbers; `grid` is the map that a sequence was.
    """

    kind: str
    tensor: Tensor
    below: int | None = None
    grid: tuple[int, ...] | None = None


def features(value: Value) -> int:
    """The channels of a map, the last axis of all else."""
    return value.tensor.shape[1] if value.kind == "map" else value.tensor.shape[-1]


def space(value: Value) -> tuple[int, ...]:
    """The places of a map or sequence."""
    sizes = tuple(value.tensor.shape[1:])
    return sizes[1:] if value.kind == "map" else sizes[:-1]


def each(given: Any, rank: int) -> tuple[int, ...]:
    """One number an axis."""
    if isinstance(given, tuple):
        if len(given) != rank:
            raise Rule("a size of another number of axes")
        return given
    return (given,) * rank


def torch_class(name: str, value: Value) -> Any:
    """`Conv` and the like for as many axes as the map has."""
    return getattr(nn, f"{name}{value.tensor.dim() - 2}d")


class Word:
    """A layer word. `covers` names the arguments that random layers get; `check` is what the language forbids."""

    word: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ("map", "sequence", "vector")
    positions: ClassVar[tuple[str, ...]] = ()
    covers: ClassVar[tuple[str, ...]] = ()
    exclusive: ClassVar[tuple[str, ...]] = ()
    smallest: ClassVar[dict[str, int]] = {}
    joins: ClassVar[bool] = False
    anew: ClassVar[bool] = False
    """Whether the module depends on the places it is made for."""

    def propose(self, random: Random, value: Value) -> Arguments:
        """Arguments for a random layer on such a value; they may turn out to be wrong."""
        return {}

    def check(self, given: Arguments, value: Value) -> None:
        """Raise Rule for numbers that the language refuses wherever they stand."""
        for name, argument in given.items():
            for number in argument if isinstance(argument, tuple) else (argument,):
                if isinstance(number, int) and not isinstance(number, bool) and number < self.smallest.get(name, 1):
                    raise Rule(f"{name} {number}")
                if isinstance(number, float) and name in self.whole():
                    raise Rule(f"{name} {number} is no whole number")

    def whole(self) -> tuple[str, ...]:
        """Arguments that are whole numbers."""
        return ("size", "width", "stride", "pad", "groups", "dilation", "heads", "count")

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        """The module."""
        raise NotImplementedError(self.word)

    def others(self, given: Arguments) -> tuple[Tensor, ...]:
        """The tensors of the arguments that are values."""
        return tuple(v.tensor for v in given.values() if isinstance(v, Value))

    def result(self, given: Arguments, value: Value, tensor: Tensor) -> Value:
        """The value that has come out."""
        return Value(value.kind, tensor, value.below, value.grid)


WORDS: dict[str, Word] = {}


def word(cls: type[Word]) -> type[Word]:
    """Class decorator: one more word."""
    WORDS[cls.word] = cls()
    return cls


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *values: Tensor) -> Tensor:
        return self.function(*values)


class Itself(nn.Module):
    """A single array that is called by the label itself, and what is done with it."""

    def __init__(self, shape: tuple[int, ...], function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.itself = nn.Parameter(torch.empty(shape))
        self.function = function

    def forward(self, value: Tensor) -> Tensor:
        return self.function(value, self.itself)


def some_axes(random: Random, value: Value, numbers: tuple[int, ...]) -> Any:
    """A number for every axis, or one an axis."""
    rank = value.tensor.dim() - 2
    if random.random() < 0.3:
        return {"size": [random.choice(numbers) for _ in range(rank)]}
    return random.choice(numbers)


def maybe(random: Random, chance: float, **given: Any) -> Arguments:
    """These arguments, or none."""
    return given if random.random() < chance else {}


def divisors(number: int) -> list[int]:
    """What divides a number."""
    return [n for n in range(1, number + 1) if number % n == 0]


from . import words_attention, words_places, words_plain, words_recurrent, words_windows  # noqa: E402, F401
