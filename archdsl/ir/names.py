"""What every layer is called: the paths of modules and the keys of the state_dict.

In a network or a module an item is called by its label, or else by its word and ordinal (`conv2`); in a level by its
label or else by its position. Joins, residuals, conditions and unlabelled identities have no name. Names follow from
the structure alone and are given last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .graph import Arm, Body, Invoke, Join, Layer, Level, Line, Choice, Node, Repeat, Residual, Reuse, SideOutput, Instance
from .lookup import arms

Path = tuple[str, ...]


class Namer:
    """Gives the items of one level their names, in the order written."""

    def __init__(self, positional: bool) -> None:
        self.positional = positional
        self.counts: dict[str, int] = {}
        self.opened: set[str] = set()

    def name(self, node: Layer | Invoke | Level) -> Path:
        """The name of the next item."""
        word = _word(node)
        if word:
            self.counts[word] = self.counts.get(word, 0) + 1
        label = node.label.segments if node.label is not None else None
        position = self.counts.get("", 0)
        if label is None or label[0] not in self.opened:
            self.counts[""] = position + 1
        if label is not None:
            if len(label) > 1:
                self.opened.add(label[0])
            return label
        return (str(position),) if self.positional or not word else (f"{word}{self.counts[word]}",)

    def skip(self, before: dict[str, int], times: int) -> None:
        """As if what has come since `before` came `times` more."""
        for word, count in list(self.counts.items()):
            self.counts[word] = count + times * (count - before.get(word, 0))


def _word(node: Layer | Invoke | Level) -> str:
    if isinstance(node, Layer):
        return node.operator.word
    return node.word.rpartition(".")[2] if isinstance(node, Invoke) else ""


@dataclass(frozen=True, slots=True)
class Place:
    """A node with its path. `times`: how often it stands there if repeats are folded; `training`: in training only."""

    path: Path
    node: Node
    instance: Instance
    times: int = 1
    training: bool = False
    depth: int = 0
    owner: Path = ()
    """The path from which labels in the node's body are counted: that of its module."""


def walk(instance: Instance, fold: bool = False) -> Iterator[Place]:
    """Every layer, module and level of a network, in order, the outer before the inner.

    With `fold` the first of equal iterations stands for all of them.
    """
    walker = _Walker(fold)
    yield from walker.body(instance.body, Namer(False), Place((), instance.body[0] if instance.body else _nothing(), instance))


def _nothing() -> Node:
    return Line((), 0)


class _Walker:
    def __init__(self, fold: bool) -> None:
        self.fold = fold

    def body(self, body: Body, namer: Namer, at: Place) -> Iterator[Place]:
        for node in body:
            yield from self.node(node, namer, at)

    def node(self, node: Node, namer: Namer, at: Place) -> Iterator[Place]:
        match node:
            case Layer() | Invoke() | Level():
                path = (*at.path, *namer.name(node))
                yield Place(path, node, at.instance, at.times, at.training, at.depth, at.owner)
                yield from self.inside(node, path, at)
            case Line() | Choice():
                yield from self.body(node.body, namer, at)
            case Residual() | Join():
                for arm in arms(node):
                    yield from self.arm(arm, namer, at)
            case Repeat():
                yield from self.repeat(node, namer, at)
            case SideOutput():
                training = at.training or node.training
                inner = Place(at.path, node, at.instance, at.times, training, at.depth, at.owner)
                yield from self.body(node.body, namer, inner)
            case Reuse():
                yield Place((*at.owner, *node.path), node, at.instance, at.times, at.training, at.depth, at.owner)
            case _:
                pass

    def arm(self, arm: Arm, namer: Namer, at: Place) -> Iterator[Place]:
        yield from self.body(arm.body, namer, at)

    def inside(self, node: Node, path: Path, at: Place) -> Iterator[Place]:
        if isinstance(node, Invoke):
            inner = Place(path, node, node.instance, at.times, at.training, at.depth + 1, path)
            yield from self.body(node.instance.body, Namer(False), inner)
        elif isinstance(node, Level):
            inner = Place(path, node, at.instance, at.times, at.training, at.depth + 1, at.owner)
            yield from self.body(node.body, Namer(True), inner)

    def repeat(self, repeat: Repeat, namer: Namer, at: Place) -> Iterator[Place]:
        for run in repeat.runs:
            if self.fold and run.count > 1:
                before = dict(namer.counts)
                times = at.times * run.count
                inner = Place(at.path, repeat, at.instance, times, at.training, at.depth, at.owner)
                yield from self.body(run.body, namer, inner)
                namer.skip(before, run.count - 1)
                continue
            for _ in range(run.count):
                yield from self.body(run.body, namer, at)
