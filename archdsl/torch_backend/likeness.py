"""The structure of a level: what two levels must have in common to share a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import cast

from ..ir import graph as g
from ..ir.operator import Operator
from .bodies import numbers_of


class Likeness:
    """The structure of an instance: everything but its numbers, values counted in the order met."""

    def __init__(self, known: Mapping[int, object]) -> None:
        self.known = known
        self.numbers: dict[int, int] = {}

    def of(self, instance: g.Instance) -> object:
        for value in instance.entry:
            self.number(value)
        scope = instance.scope
        return scope.file, scope.title, self.shown(instance.body), self.number(instance.output)

    def number(self, value: int) -> int:
        return self.numbers.setdefault(value, len(self.numbers))

    def shown(self, node: object) -> object:
        if isinstance(node, tuple):
            return tuple(self.shown(part) for part in cast("tuple[object, ...]", node))
        if isinstance(node, Operator):
            return node.word, tuple(type(getattr(node, name)).__name__ for name in node.given())
        if isinstance(node, g.Instance):
            return self.known.get(id(node)) or (node.scope.file, node.name, id(node.scope))
        if isinstance(node, g.Label):
            return node.segments
        if isinstance(node, g.Run):
            return node.count, self.number(node.input), self.shown(node.body), self.number(node.output)
        if is_dataclass(node) and not isinstance(node, type):
            names = [f.name for f in fields(node) if f.name not in _NUMBERS]
            values = [self.number(v) for v in numbers_of(node)]
            return (type(node).__name__, *(self.shown(getattr(node, n)) for n in names), *values)
        return node


_NUMBERS = ("input", "inputs", "output", "value", "shares", "expressions", "claims", "span", "over", "tests", "test")
