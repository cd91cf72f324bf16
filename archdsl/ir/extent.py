"""How many layers, calls and levels a network has to list, counted before much is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from .. import limits
from ..diagnostics import Span
from .lookup import arms
from .names import Step, steps
from .nodes import (
    Body,
    Choice,
    Instance,
    Invoke,
    Join,
    Layer,
    Level,
    Line,
    Look,
    Node,
    Repeat,
    Residual,
    Reuse,
    SideOutput,
)

_FEW = 6_000
"""So many places are sooner listed than counted."""


def check_places(root: Instance, fold: bool = False) -> None:
    """Refuse (A0801) to list more places than the limit, at what alone has more; `fold`: equal iterations count once."""
    most, counter = limits.of("places"), _Counter(fold)
    if counter.instance(root) <= most:
        return
    body, span = root.body, _first(root.body)
    while True:
        large = next((node for node in body if counter.node(node) > most), None)
        if large is None:
            limits.refuse("places", span)
        span = large.span or span
        body = tuple(_inside(large))
        if isinstance(large, Repeat) and counter.body(body) <= most:  # it is how often, not what
            limits.refuse("places", span)


def listed(root: Instance, fold: bool = False) -> list[Step]:
    """The places that `steps` gives; refuses as `check_places` does, which is asked only if there are many."""
    walked = steps(root, fold)
    found = list(islice(walked, _FEW))
    if len(found) == _FEW or limits.of("places") < _FEW:
        check_places(root, fold)
        found.extend(walked)
    return found


def _first(body: Body) -> Span | None:
    return next((node.span for node in body if node.span is not None), None)


class _Counter:
    """Counts the places of instances, each once."""

    def __init__(self, fold: bool) -> None:
        self.fold = fold
        self.known: dict[int, int] = {}

    def instance(self, instance: Instance) -> int:
        key = id(instance)
        if key not in self.known:
            self.known[key] = self.body(instance.body)
        return self.known[key]

    def body(self, body: Body) -> int:
        total = 0
        for node in body:
            if isinstance(node, Layer):  # most are, and a function a layer would take most of the time
                total += 1
            elif isinstance(node, Line):
                total += self.body(node.body)
            else:
                total += self.node(node)
        return total

    def node(self, node: Node) -> int:
        match node:
            case Residual() | Join():
                return sum([self.body(arm.body) for arm in arms(node)])
            case Invoke():
                return 1 + self.instance(node.instance)
            case Repeat():
                return sum([(1 if self.fold else run.count) * self.body(run.body) for run in node.runs])
            case Line() | Choice() | SideOutput():
                return self.body(node.body)
            case Level():
                return 1 + self.body(node.body)
            case Layer() | Reuse():
                return 1
            case Look():
                return 0


def _inside(node: Node) -> Iterator[Node]:
    """The nodes that are listed below one."""
    match node:
        case Invoke(instance=instance):
            yield from instance.body
        case Level() | Line() | Choice() | SideOutput():
            yield from node.body
        case Repeat(runs=runs):
            yield from (inner for run in runs for inner in run.body)
        case _:
            yield from (inner for arm in arms(node) for inner in arm.body)
