"""What flows along the values of a network: receptive fields and depth, of every row of the table.

The walk is the one that names the layers (`ir.names.walk`), in the same order. Equal iterations are put behind one
another by squaring, so a repeat costs the logarithm of its count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..ir.graph import (
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
    Run,
    SideOutput,
)
from ..ir.lookup import arms, find_run, named
from ..ir.operator import Operator
from ..ir.reach import Reach, here, through, together
from ..ir.shapes import Shape

T = TypeVar("T")
State = dict[int, T]
"""What a value has of each source: of the network's inputs, or of the values that a body reads."""


@dataclass(frozen=True, slots=True)
class Rules(Generic[T]):
    """What is carried along: of a value itself, one behind another, two paths together, and through an operator."""

    own: Callable[[Shape], T]
    behind: Callable[[T, T], T]
    union: Callable[[T, T], T]
    layer: Callable[[Operator, tuple[Shape, ...], Shape], Sequence[T | None]]


FIELDS: Rules[Reach] = Rules(
    lambda shape: here(len(shape.axes)), through, together, lambda op, inputs, output: op.reach(inputs, output)
)
"""Receptive fields."""

DEPTHS: Rules[int] = Rules(
    lambda shape: 0,
    lambda outer, inner: outer + inner,
    max,
    lambda op, inputs, output: [
        None if seen is None else op.weighted(inputs, output) for seen in op.reach(inputs, output)
    ],
)
"""Trained layers of products on the longest path."""


def flow(root: Instance, rules: Rules[T], fold: bool) -> list[State[T]]:
    """What the output of each row has of each input, in the order of `walk`.

    With `fold` equal iterations are one row, which speaks of the last of them.
    """
    rows: list[State[T]] = []
    flows = _Flow(rules, fold)
    flows.body(root.body, _Values(root.shapes, rules, _inputs(root, rules)), rows)
    return rows


def _inputs(root: Instance, rules: Rules[T]) -> dict[int, State[T]]:
    return {value: {number: rules.own(root.shapes[value])} for number, value in enumerate(root.entry)}


class _Values(dict[int, State[T]]):
    """The values of an instance; one that is read before it is made comes from outside and is its own source."""

    def __init__(self, shapes: Sequence[Shape], rules: Rules[T], known: Mapping[int, State[T]] = {}) -> None:
        super().__init__(known)
        self.shapes, self.rules = shapes, rules

    def __missing__(self, value: int) -> State[T]:
        found: State[T] = {value: self.rules.own(self.shapes[value])}
        self[value] = found
        return found


class _Flow(Generic[T]):
    def __init__(self, rules: Rules[T], fold: bool) -> None:
        self.rules, self.fold = rules, fold
        self.layers: dict[tuple[int, tuple[Shape, ...]], Sequence[T | None]] = {}
        self.inside: dict[int, _Values[T]] = {}
        self.runs: dict[int, State[T]] = {}

    # -- putting states together

    def behind(self, outer: T, state: State[T]) -> State[T]:
        return {source: self.rules.behind(outer, inner) for source, inner in state.items()}

    def together(self, states: Sequence[State[T]]) -> State[T]:
        if len(states) == 1:
            return states[0]
        found: State[T] = {}
        for state in states:
            for source, value in state.items():
                found[source] = self.rules.union(found[source], value) if source in found else value
        return found

    def applied(self, op: Operator, inputs: Sequence[int], output: int, values: _Values[T]) -> State[T]:
        shapes = tuple(values.shapes[v] for v in inputs)
        key = (id(op), shapes)
        found = self.layers.get(key)
        if found is None:
            found = self.layers[key] = self.rules.layer(op, shapes, values.shapes[output])
        return self.together(
            [self.behind(t, values[v]) for t, v in zip(found, inputs, strict=True) if t is not None] or [{}]
        )

    def called(self, state: State[T], sources: Sequence[State[T]]) -> State[T]:
        """A state over numbered sources, seen through what those are."""
        return self.together([self.behind(t, sources[n]) for n, t in state.items()] or [{}])

    # -- walking

    def body(self, body: Body, values: _Values[T], rows: list[State[T]] | None) -> None:
        for node in body:
            self.node(node, body, values, rows)

    def node(self, node: Node, body: Body, values: _Values[T], rows: list[State[T]] | None) -> None:
        match node:
            case Layer():
                values[node.output] = self.applied(node.operator, node.inputs, node.output, values)
                if rows is not None:
                    rows.append(values[node.output])
            case Invoke() | Level() | Reuse():
                self.item(node, values, rows)
            case Line() | Choice() | SideOutput():
                self.body(node.body, values, rows)
            case Residual():
                for arm in arms(node):
                    self.body(arm.body, values, rows)
                if node.taken:
                    other = node.main.input if node.shortcut is None else node.shortcut.output
                    values[node.output] = self.together([values[node.main.output], values[other]])
            case Join():
                for share in node.shares:
                    values[share] = values[node.input]
                for arm in node.arms:
                    self.body(arm.body, values, rows)
                values[node.output] = self.applied(node.operator, node.inputs, node.output, values)
            case Repeat():
                for run in node.runs:
                    self.run(run, values, rows)
            case Look():
                values[node.output] = self.look(body, node.path, values) or {}

    def item(self, node: Invoke | Level | Reuse, values: _Values[T], rows: list[State[T]] | None) -> None:
        place = len(rows) if rows is not None else 0
        if rows is not None:
            rows.append({})
        if isinstance(node, Level):
            self.body(node.body, values, rows)
        elif isinstance(node, Reuse):
            self.body(node.body, values, None)
        elif rows is None:
            inner = self.instance(node.instance)
            values[node.output] = self.called(inner[node.instance.output], [values[v] for v in node.inputs])
        else:
            known = {entry: values[v] for entry, v in zip(node.instance.entry, node.inputs, strict=True)}
            inner = _Values(node.instance.shapes, self.rules, known)
            self.body(node.instance.body, inner, rows)
            values[node.output] = inner[node.instance.output]
        if rows is not None:
            rows[place] = values[node.output]

    def instance(self, instance: Instance) -> _Values[T]:
        """The values of an instance, over its entries by number."""
        found = self.inside.get(id(instance))
        if found is None:
            found = _Values(instance.shapes, self.rules, _inputs(instance, self.rules))
            self.inside[id(instance)] = found
            self.body(instance.body, found, None)
        return found

    # -- iterations

    def run(self, run: Run, values: _Values[T], rows: list[State[T]] | None) -> None:
        start = values[run.input]
        turns = run.count - 1 if rows is None or self.fold else 0
        values[run.input] = self.turns(run, start, turns, values)
        self.body(run.body, values, rows)
        if rows is not None and not self.fold:
            for _ in range(run.count - 1):
                values[run.input] = values[run.output]
                self.body(run.body, values, rows)
        if run.input != run.output:
            values[run.input] = start

    def turns(self, run: Run, state: State[T], count: int, values: _Values[T]) -> State[T]:
        """`state` after so many iterations."""
        if count < 1:
            return state
        once = self.runs.get(id(run))
        if once is None:
            inner = _Values(values.shapes, self.rules)
            self.body(run.body, inner, None)
            once = self.runs[id(run)] = inner[run.output]
        step = once.get(run.input)
        beside: State[T] = self.together([self.behind(t, values[v]) for v, t in once.items() if v != run.input] or [{}])
        while count:
            if count % 2:
                state = self.after(step, beside, state)
            beside = self.after(step, beside, beside)
            step = None if step is None else self.rules.behind(step, step)
            count //= 2
        return state

    def after(self, step: T | None, beside: State[T], state: State[T]) -> State[T]:
        return beside if step is None else self.together([self.behind(step, state), beside])

    # -- values seen from outside

    def look(self, body: Body, segments: Sequence[str], values: _Values[T]) -> State[T] | None:
        """What is labelled so inside a body whose values these are; None if it is not found."""
        for node in named(body):
            label = node.label.segments if node.label is not None else ()
            if not label or tuple(segments[: len(label)]) != label:
                continue
            rest = segments[len(label) :]
            if not rest:
                return values[node.output]
            if isinstance(node, Invoke):
                inner = self.look(node.instance.body, rest, self.instance(node.instance))
                return None if inner is None else self.called(inner, [values[v] for v in node.inputs])
            if isinstance(node, Level) and len(node.body) == 1 and isinstance(node.body[0], Repeat):
                return self.look_in_iteration(node.body[0], rest, values)
            return self.look(node.body, rest, values) if isinstance(node, Level) else None
        return None

    def look_in_iteration(self, repeat: Repeat, segments: Sequence[str], values: _Values[T]) -> State[T] | None:
        run = find_run(repeat, segments[0])
        if run is None:
            return None
        inner = _Values(values.shapes, self.rules, values)
        inner[run.input] = self.turns(run, values[run.input], int(segments[0]) - run.index, values)
        self.body(run.body, inner, None)
        if len(segments) == 1:
            return inner[run.output]
        items = list(named(run.body))
        if len(items) != 1:
            return None
        item = items[0]
        if isinstance(item, Invoke):
            found = self.look(item.instance.body, segments[1:], self.instance(item.instance))
            return None if found is None else self.called(found, [inner[v] for v in item.inputs])
        return self.look(item.body, segments[1:], inner) if isinstance(item, Level) else None
