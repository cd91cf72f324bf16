"""Bodies of the IR taken apart: what they read and make, and the same body seen from a level further in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from ..ir import graph as g
from ..ir.lookup import arms, first_input
from .values import inside

Segments = tuple[str, ...]
Numbered = TypeVar("Numbered", bound="g.Node | g.Arm | g.Run")
Part = TypeVar("Part", g.Arm, g.Run)


def hoisted(body: g.Body, path: Segments) -> tuple[list[g.Look], g.Body]:
    """The looks of a body that lead out of it, each once, and the body without them."""
    outside: dict[Segments, g.Look] = {}
    same: dict[int, int] = {}

    def kept(body: g.Body) -> g.Body:
        found: list[g.Node] = []
        for node in body:
            if isinstance(node, g.Look) and node.path[: len(path)] != path:
                same[node.output] = outside.setdefault(node.path, node).output
            else:
                found.append(mapped(_renumbered(node, same), kept, same))
        return tuple(found)

    inner = kept(body)
    return list(outside.values()), inner


def _renumbered(node: Numbered, same: Mapping[int, int]) -> Numbered:
    """A node, an arm or a run that reads values under other numbers."""
    if not any(v in same for v in numbers_of(node)):
        return node
    found: dict[str, object] = {}
    for name in ("input", "inputs", "value", "output"):
        value = getattr(node, name, None)
        if isinstance(value, tuple):
            found[name] = tuple(same.get(v, v) for v in cast("tuple[int, ...]", value))
        elif isinstance(value, int):
            found[name] = same.get(value, value)
    return replace(node, **found)  # pyright: ignore[reportArgumentType]


def moved(body: g.Body, depth: int) -> g.Body:
    """A body whose paths are counted from a level `depth` labels further in."""

    def moved(body: g.Body) -> g.Body:
        return tuple(node(n) for n in body)

    def node(node: g.Node) -> g.Node:
        if isinstance(node, g.Look | g.Reuse):
            node = replace(node, path=node.path[depth:])
        elif isinstance(node, g.Layer) and node.tied:
            node = replace(node, tied=tuple((n, p[depth:]) for n, p in node.tied))
        return mapped(node, moved)

    return moved(body)


def mapped(node: g.Node, change: Callable[[g.Body], g.Body], same: Mapping[int, int] | None = None) -> g.Node:
    """A node with the bodies in it changed, and the values it reads under other numbers."""
    same = same or {}

    def within(part: Part) -> Part:
        return replace(_renumbered(part, same), body=change(part.body))

    match node:
        case g.Level() | g.Line() | g.Choice() | g.SideOutput() | g.Reuse():
            return replace(node, body=change(node.body))
        case g.Residual():
            other = None if node.shortcut is None else within(node.shortcut)
            return replace(node, main=within(node.main), shortcut=other)
        case g.Join():
            return replace(node, arms=tuple(within(arm) for arm in node.arms))
        case g.Repeat():
            return replace(node, runs=tuple(within(run) for run in node.runs))
        case _:
            return node


def nodes(body: g.Body) -> Iterator[g.Node]:
    for node in body:
        yield node
        for inner in inside(node):
            yield from nodes(inner)


def mentions(body: g.Body) -> Iterator[int]:
    """Every value that a body reads, or hands on."""
    for node in nodes(body):
        match node:
            case g.Layer() | g.Invoke():
                yield from node.inputs
            case g.Join():
                yield node.input
                yield from node.inputs
                yield from (arm.output for arm in node.arms)
            case g.Residual():
                yield node.main.input
                yield from (arm.output for arm in arms(node))
            case g.Repeat():
                yield from (run.input for run in node.runs)
                yield node.output
            case g.SideOutput():
                yield node.value
            case g.Level() | g.Line() | g.Choice():
                yield node.output
            case _:
                pass


def made_in(body: g.Body) -> Iterator[int]:
    """Every value that is made in a body."""
    for node in nodes(body):
        makes = isinstance(node, g.Layer | g.Invoke | g.Join | g.Look | g.Reuse | g.Residual)
        if makes and not (isinstance(node, g.Residual) and not node.taken):
            yield node.output
        if isinstance(node, g.Join):
            yield from node.shares


def entry_of(level: g.Level) -> tuple[int, ...]:
    """What a level reads from outside, first the value that flows."""
    made = set(made_in(level.body))
    free = dict.fromkeys([*first_input(level.body), *mentions(level.body)])
    return tuple(v for v in free if v not in made)


def labels(body: g.Body) -> Iterable[tuple[int, str]]:
    """The values that labels name."""
    for node in nodes(body):
        if isinstance(node, g.Layer | g.Invoke | g.Level) and node.label is not None:
            yield node.output, node.label.segments[-1]
        elif isinstance(node, g.Look):
            yield node.output, node.path[-1] if not node.path[-1].isdigit() else "_".join(node.path[-2:])


def paths(body: g.Body, depth: int) -> Iterator[tuple[int, Segments]]:
    """The values of a body, `depth` labels into its instance, with the labels that lead to them from there."""
    for node in body:
        match node:
            case g.Layer() | g.Invoke() if node.label is not None:
                yield node.output, node.label.segments
            case g.Look():
                yield node.output, node.path[depth:]
            case g.Level() if node.label is not None:
                yield node.output, node.label.segments
                own = node.label.segments
                yield from ((v, (*own, *path)) for v, path in paths(node.body, depth + len(own)))
            case g.Layer() | g.Invoke() | g.Level() | g.Reuse() | g.Repeat():
                if isinstance(node, g.Repeat):
                    yield from (found for run in node.runs for found in paths(run.body, depth))
            case _:
                yield from (found for part in inside(node) for found in paths(part, depth))


def numbers_of(node: object) -> Iterator[int]:
    for name in ("input", "inputs", "value", "shares", "output"):
        value = getattr(node, name, ())
        yield from value if isinstance(value, tuple) else (value,)
