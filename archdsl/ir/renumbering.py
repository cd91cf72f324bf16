"""Bodies with their values under other numbers, as they are put into another body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

from .nodes import Body, Invoke, Join, Layer, Look, Residual, Run
from .shapes import Shape

_VALUES = ("inputs", "output", "input", "value", "shares")
PARTS = ("body", "arms", "main", "shortcut", "runs")
"""The fields of a node that hold nodes."""


def turns(run: Run, bodies: Sequence[Body], shapes: list[Shape]) -> Iterator[Run]:
    """The turns of a run as runs of their own, with these bodies; `shapes` grows with the values that are new."""
    made = sorted({v for node in nodes_in(run.body) for v in _made(node)} - {run.input})
    flowing = run.input
    for turn, body in enumerate(bodies):
        numbers = {run.input: flowing}
        if turn < len(bodies) - 1:
            numbers |= {value: len(shapes) + at for at, value in enumerate(made)}
            shapes.extend([shapes[value] for value in made])
        output = numbers.get(run.output, run.output)
        yield Run(1, run.index + turn, run.names, flowing, renumbered(body, numbers), output)
        flowing = output


def _inside(node: object) -> Iterator[Any]:
    """The parts of a node that hold nodes: arms, runs, and the nodes themselves."""
    for name in PARTS:
        part = getattr(node, name, None)
        yield from part if isinstance(part, tuple) else () if part is None else (part,)  # type: ignore[reportUnknownVariableType]


def nodes_in(body: Sequence[Any]) -> Iterator[Any]:
    for node in body:
        yield node
        yield from nodes_in(tuple(_inside(node)))


def _made(node: Any) -> tuple[int, ...]:
    """The values that a node makes itself; what only holds others hands theirs on."""
    if isinstance(node, Join):
        return (*node.shares, node.output)
    makes = isinstance(node, Layer | Invoke | Look) or (isinstance(node, Residual) and node.taken)
    return (node.output,) if makes else ()


def renumbered(part: Any, numbers: Mapping[int, int]) -> Any:
    """A body, or a part of one, with other numbers for its values."""
    if isinstance(part, tuple):
        return tuple(renumbered(inner, numbers) for inner in cast("tuple[object, ...]", part))
    if not is_dataclass(part) or isinstance(part, type):
        return part
    found: dict[str, Any] = {f.name: getattr(part, f.name) for f in fields(part)}
    changes = {name: _renamed(value, numbers) for name, value in found.items() if name in _VALUES}
    changes |= {name: renumbered(value, numbers) for name, value in found.items() if name in PARTS}
    return replace(part, **changes)


def _renamed(value: int | tuple[int, ...], numbers: Mapping[int, int]) -> int | tuple[int, ...]:
    """A value's number, or some."""
    return tuple(numbers.get(v, v) for v in value) if isinstance(value, tuple) else numbers.get(value, value)


__all__ = ["PARTS", "nodes_in", "renumbered", "turns"]
