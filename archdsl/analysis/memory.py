"""How much memory values take at once in inference, and where.

The schedule is that of the emitted `forward`: layers one after another in the order written; a value is freed after
the layer that reads it last, a result exists beside what it is made of, a view takes nothing. Arrays are not values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..ir.dim_poly import factors_of
from ..ir.dims import Atom, Dim, Poly, dim_max
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
from ..ir.shapes import Shape
from .sums import bytes_of, is_view

MAX_FORMULAS = 64
"""Of more different formulas than these no largest one is sought."""
MAX_CANDIDATES = 4
"""If more formulas than these may be the largest, it depends on the sizes, and no one formula is given."""


@dataclass(slots=True)
class _Step:
    """One thing done: `node` reads and makes values. `close` ends the level or use `again` that `node` is."""

    node: Node | Run
    reads: tuple[int, ...] = ()
    makes: list[int] = field(default_factory=list[int])
    close: bool = False


@dataclass(slots=True)
class _Plan:
    """The steps of a body in order, and which values are others seen otherwise."""

    steps: list[_Step]
    same: dict[int, int]

    def root(self, value: int) -> int:
        """The value whose memory it is."""
        while value in self.same:
            value = self.same[value]
        return value


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes an example alive while each row runs, in the order of `walk`; None where it is not executed, or where
    too many formulas may be the largest. `peak` is the most at any moment.
    """

    rows: list[Dim | None]
    peak: Dim | None


def live_memory(root: Instance, size: int, fold: bool) -> Memory:
    """The memory of a network's values, `size` bytes a number; with `fold` a row speaks of the last of equal ones."""
    run = _Executor(size, fold)
    plan = run.plan(root, root.body)
    entries = {plan.root(v): bytes_of(root.shapes[v], size) for v in root.entry}
    run.execute(plan, root.shapes, (root.output, *_kept(root.body)), 0, entries)
    return Memory(list(map(largest, run.rows)), largest(run.seen))


def largest(values: set[Dim]) -> Dim | None:
    """The largest of some sizes, `max(...)` of a few formulas if it depends on the symbols; None of more, or of nothing.

    >>> from archdsl.ir.dims import show, symbol
    >>> s, t = symbol("S"), symbol("T")
    >>> show(largest({4 * s, 4 * s + 2 * t, 3 * t})), largest(set())
    ('max(3T, 4S + 2T)', None)
    """
    if not values:
        return None
    if not any(isinstance(value, Poly) for value in values):
        return max(values)  # type: ignore[type-var]
    if len(values) > MAX_FORMULAS:
        return None
    found = dim_max(*values)
    open_ones = (len(factor.args) for factor in factors_of(found) if isinstance(factor, Atom) and factor.fn == "max")
    return None if max(open_ones, default=0) > MAX_CANDIDATES else found


def _kept(body: Body) -> Iterator[int]:
    """The values of further outputs, which stay to the end."""
    for node in body:
        if isinstance(node, SideOutput) and not node.training:
            yield node.value
        elif isinstance(node, Line | Choice | Level):
            yield from _kept(node.body)


class _Executor:
    def __init__(self, size: int, fold: bool) -> None:
        self.size, self.fold = size, fold
        self.rows: list[set[Dim]] = []
        self.seen: set[Dim] = set()
        self.open: list[set[Dim]] = []
        self.silent = 0
        self.plans: dict[int, _Plan] = {}

    # -- plans

    def plan(self, key: object, body: Body) -> _Plan:
        """The plan of an instance's or a run's body, made once."""
        found = self.plans.get(id(key))
        if found is None:
            found = self.plans[id(key)] = _Plan([], {})
            for node in body:
                self.add(node, body, found)
        return found

    def add(self, node: Node, body: Body, plan: _Plan) -> None:
        match node:
            case Layer():
                if is_view(node.operator, False):
                    plan.same[node.output] = node.inputs[0]
                plan.steps.append(_Step(node, node.inputs, [node.output]))
            case Invoke():
                inner = self.plan(node.instance, node.instance.body)
                result = inner.root(node.instance.output)
                if result in node.instance.entry:
                    plan.same[node.output] = node.inputs[node.instance.entry.index(result)]
                plan.steps.append(_Step(node, node.inputs, [node.output]))
            case Level() | Reuse():
                plan.steps.append(_Step(node))
                self.add_all(node.body, body, plan)
                plan.steps.append(_Step(node, close=True))
            case SideOutput(training=True):
                plan.steps.append(_Step(node))
            case Line() | Choice() | SideOutput():
                self.add_all(node.body, body, plan)
            case Residual() | Join():
                self.add_arms(node, body, plan)
            case Repeat():
                for run in node.runs:
                    self.add_run(run, body, plan)
            case Look():
                self.add_look(node, body, plan)

    def add_all(self, inner: Body, body: Body, plan: _Plan) -> None:
        for node in inner:
            self.add(node, body, plan)

    def add_arms(self, node: Residual | Join, body: Body, plan: _Plan) -> None:
        if isinstance(node, Join):
            plan.same.update(dict.fromkeys(node.shares, node.input))
        for arm in arms(node):
            self.add_all(arm.body, body, plan)
        if isinstance(node, Join):
            plan.steps.append(_Step(node, node.inputs, [node.output]))
        elif node.taken:
            other = node.main.input if node.shortcut is None else node.shortcut.output
            plan.steps.append(_Step(node, (node.main.output, other), [node.output]))

    def add_run(self, run: Run, body: Body, plan: _Plan) -> None:
        if run.count == 1:
            self.add_all(run.body, body, plan)
        elif run.count:
            inner = self.plan(run, run.body)
            made = {v for step in inner.steps for v in step.makes} | set(inner.same)
            reads = {inner.root(v) for step in inner.steps for v in step.reads} - made
            plan.steps.append(_Step(run, tuple(sorted(reads | {run.input})), [run.output]))

    def add_look(self, look: Look, body: Body, plan: _Plan) -> None:
        """A value within a step is kept from that step on; one beside it is only called otherwise."""
        found = _source(body, look.path)
        if isinstance(found, int):
            plan.same[look.output] = found
            return
        step = next((s for s in plan.steps if s.node is found), None)
        if step is None:
            plan.steps.append(_Step(look, (), [look.output]))
        else:
            step.makes.append(look.output)

    # -- execution

    def execute(
        self,
        plan: _Plan,
        shapes: Sequence[Shape],
        results: tuple[int, ...],
        held: Dim,
        entries: Mapping[int, Dim],
    ) -> None:
        """Run the steps while `held` bytes are alive outside; `entries` are freed after their last use."""
        last = {plan.root(v): n for n, step in enumerate(plan.steps) for v in step.reads}
        last.update({plan.root(v): len(plan.steps) for v in results})
        live = dict(entries)
        total = held + sum(live.values(), 0)
        if live:
            self.note(total)
        for number, step in enumerate(plan.steps):
            if not step.makes:
                self.mark(step)
                continue
            total = self.step(step, number, plan, shapes, total, live, last)

    def step(
        self,
        step: _Step,
        number: int,
        plan: _Plan,
        shapes: Sequence[Shape],
        total: Dim,
        live: dict[int, Dim],
        last: Mapping[int, int],
    ) -> Dim:
        """One step; gives what is alive after it."""
        dying = {r: live[r] for v in step.reads if (r := plan.root(v)) in live and last[r] <= number}
        if isinstance(step.node, Invoke | Run):
            self.inside(step.node, plan, shapes, total, dying)
        for value in step.makes:
            root = plan.root(value)
            if root == value and root not in live:
                live[root] = bytes_of(shapes[value], self.size)
                total = total + live[root]
        if isinstance(step.node, Layer):
            self.row(total)
        elif not isinstance(step.node, Invoke | Run):
            self.note(total)
        unread = [v for v in step.makes if last.get(v, -1) < number and plan.root(v) == v]
        for root in {**dying, **dict.fromkeys(unread)}:
            total = total - live.pop(root)
        return total

    def inside(
        self, node: Invoke | Run, plan: _Plan, shapes: Sequence[Shape], total: Dim, dying: Mapping[int, Dim]
    ) -> None:
        """A module or an iteration: what dies here may be freed within it."""
        if isinstance(node, Invoke):
            instance, entries = node.instance, dict[int, Dim]()
            taken: dict[int, int] = {}
            inner = self.plan(instance, instance.body)
            for entry, value in zip(instance.entry, node.inputs, strict=True):
                root = plan.root(value)
                if root in taken:  # handed over twice
                    inner = _Plan(inner.steps, {**inner.same, entry: taken[root]})
                elif root in dying:
                    taken[root] = entry
                    entries[entry] = dying[root]
            held = total - sum(entries.values(), 0)
            with_row = self.start()
            self.execute(inner, instance.shapes, (instance.output,), held, entries)
            self.end(with_row)
            return
        inner, size, root = self.plan(node, node.body), bytes_of(shapes[node.input], self.size), plan.root(node.input)
        outside = total - dying[root] if root in dying else total
        for turn in range(1 if self.fold or self.silent else node.count):
            first = turn == 0 and not self.fold and not self.silent and root not in dying
            own = {} if first else {inner.root(node.input): size}
            self.execute(inner, shapes, (node.output,), outside, own)

    # -- what is noted

    def note(self, total: Dim) -> None:
        self.seen.add(total)
        for row in self.open:
            row.add(total)

    def row(self, total: Dim) -> None:
        self.note(total)
        if not self.silent:
            self.rows.append({total})

    def start(self) -> bool:
        """Open a row that has everything noted until it ends."""
        self.open.append(set())
        if not self.silent:
            self.rows.append(self.open[-1])
        return not self.silent

    def end(self, with_row: bool) -> None:
        self.open.pop()

    def mark(self, step: _Step) -> None:
        """The beginning or end of a level; what is not executed gives rows without a number."""
        if isinstance(step.node, SideOutput):
            self.rows.extend(set() for _ in range(_count_rows(step.node.body, self.fold)))
        elif step.close:
            self.silent -= isinstance(step.node, Reuse)
            self.end(True)
        else:
            self.start()
            self.silent += isinstance(step.node, Reuse)


def _count_rows(body: Body, fold: bool) -> int:
    """How many rows a body gives."""
    total = 0
    for node in body:
        match node:
            case Layer() | Reuse():
                total += 1
            case Invoke():
                total += 1 + _count_rows(node.instance.body, fold)
            case Level():
                total += 1 + _count_rows(node.body, fold)
            case Line() | Choice() | SideOutput():
                total += _count_rows(node.body, fold)
            case Residual() | Join():
                total += sum(_count_rows(arm.body, fold) for arm in arms(node))
            case Repeat():
                total += sum(_count_rows(run.body, fold) * (1 if fold else run.count) for run in node.runs)
            case _:
                pass
    return total


def _source(body: Body, segments: Sequence[str]) -> int | Node | Run | None:
    """Where a value seen from outside is made: a value beside it, or the step that holds it."""
    for node in named(body):
        label = node.label.segments if node.label is not None else ()
        if not label or tuple(segments[: len(label)]) != label:
            continue
        rest = segments[len(label) :]
        if not rest:
            return node.output
        if isinstance(node, Invoke):
            return node
        if isinstance(node, Level) and len(node.body) == 1 and isinstance(node.body[0], Repeat):
            run = find_run(node.body[0], rest[0])
            if run is None or run.count > 1:
                return run
            items = list(named(run.body))
            if len(rest) == 1 or not items:
                return run.output
            return (
                items[0]
                if isinstance(items[0], Invoke)
                else _source(items[0].body, rest[1:])
                if isinstance(items[0], Level)
                else None
            )
        return _source(node.body, rest) if isinstance(node, Level) else None
    return None
