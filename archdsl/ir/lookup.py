"""Finding what a label names inside a node: `@layer3.5.conv2`, `@backbone.fpn.p3`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .nodes import (
    Arm,
    Body,
    Choice,
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
    Run,
    SideOutput,
)
from .shapes import Shape

Segments = tuple[str, ...]
Shapes = Sequence[Shape | None]
Place = tuple[Shapes, int]
"""A value by its number, with the shapes of the values of its instance."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a path leads within one body: to a value, or on into a call.

    `call` with `rest`: the path goes on inside that call, which stands at `path`. `turn`: the value is made in that
    iteration of the level at `path`, one of several equal ones, which share the number `value`; it is the iteration's
    output if there is no `rest`.
    """

    value: int
    call: Invoke | None = None
    path: Segments = ()
    rest: Segments = ()
    turn: int | None = None


def value_inside(node: Node, segments: Segments, shapes: Shapes) -> Place | None:
    """The value that `segments` name inside `node`, whose own values have `shapes`; None without such a label."""
    spot = _inside(node, segments, ())
    while spot is not None and spot.call is not None:
        shapes, spot = spot.call.instance.shapes, follow(spot.call.instance.body, spot.rest)
    return None if spot is None else (shapes, spot.value)


def follow(body: Body, segments: Segments, above: Segments = ()) -> Spot | None:
    """Where a path leads in a body that stands at `above`."""
    for node in named(body):
        label = node.label
        if label is None or segments[: len(label.segments)] != label.segments:
            continue
        rest = segments[len(label.segments) :]
        return _inside(node, rest, (*above, *label.segments)) if rest else Spot(node.output)
    return None


def _inside(node: Node, rest: Segments, path: Segments) -> Spot | None:
    if isinstance(node, Invoke):
        return Spot(node.output, node, path, rest)
    if not isinstance(node, Level):
        return None
    position, *below = rest
    repeat = node.body[0] if len(node.body) == 1 else None
    run = find_run(repeat, position) if isinstance(repeat, Repeat) else None
    items = [] if run is None else list(named(run.body))
    if run is None or len(items) != 1:
        return follow(node.body, rest, path)
    if below:
        spot = _inside(items[0], tuple(below), (*path, position))
        if spot is None or spot.call is not None or spot.turn is not None or run.count == 1:
            return spot
        return Spot(spot.value, path=path, rest=() if spot.value == run.output else tuple(below), turn=int(position))
    return Spot(run.output, path=path, turn=int(position) if run.count > 1 else None)


def find_run(repeat: Repeat, position: str) -> Run | None:
    """The run that holds an iteration, by its position."""
    if not position.isdigit():
        return None
    return next((r for r in repeat.runs if r.index <= int(position) < r.index + r.count), None)


def run_bodies(repeat: Repeat) -> Body:
    """The bodies of all runs, one after the other."""
    return tuple(node for run in repeat.runs for node in run.body)


def arms(node: Node) -> tuple[Arm, ...]:
    """The arms of a residual or a join, in the order written."""
    if isinstance(node, Join):
        return node.arms
    if not isinstance(node, Residual):
        return ()
    pair = (node.main,) if node.shortcut is None else (node.main, node.shortcut)
    return pair[::-1] if node.shortcut_first else pair


def parts(node: Node) -> Body:
    """The nodes directly inside one that has no name of its own; a run counts once."""
    if isinstance(node, (Line, Choice, SideOutput)):
        return node.body
    if isinstance(node, Repeat):
        return run_bodies(node)
    return tuple([inner for arm in arms(node) for inner in arm.body])


def side_outputs(body: Body) -> Iterator[SideOutput]:
    """The further outputs that a body makes, in the order written."""
    for node in body:
        if isinstance(node, SideOutput):
            yield node
        elif isinstance(node, Level | Reuse):
            yield from side_outputs(node.body)
        elif not isinstance(node, Invoke):
            yield from side_outputs(parts(node))


def named(body: Body) -> Iterator[Layer | Invoke | Level]:
    """The layers, modules and levels of a body, through whatever has no name."""
    for node in body:
        if isinstance(node, (Layer, Invoke, Level)):
            yield node
        elif not isinstance(node, Reuse):
            yield from named(parts(node))


def first_input(body: Body) -> tuple[int, ...]:
    """The value that flows into a body, as the first node that reads one has it; nothing where none does."""
    for node in body:
        match node:
            case Layer() | Invoke() | Reuse():
                return node.inputs[:1]
            case Residual():
                return (node.main.input,)
            case Join():
                return (node.input,)
            case Repeat(runs=runs):
                found = (runs[0].input,) if runs else ()
            case Look():
                return (node.output,)
            case _:
                found = first_input(node.body)
        if found:
            return found
    return ()
