"""A level whose modules are handed values besides the one that flows: an nn.ModuleList, walked in `forward`."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir import graph as g
from ..ir.lookup import Segments
from . import pycode as py
from .joins import JoinWriter
from .members import installation
from .sequence import Member, Repeated, listing
from .taps import turns
from .values import Value


class WalkWriter(JoinWriter):
    """Writes `for layer in self.layers: x = layer(x, memory)`."""

    def walked(self, levels: Mapping[int, g.Level], path: Segments) -> bool:
        """Write a level so if it is one: a repeat of calls that are handed the same values. Whether it was."""
        repeats = {n: _repeat(level.body) for n, level in levels.items()}
        found = {n: r for n, r in repeats.items() if r is not None and self.alike(n, r)}
        counts = {tuple(run.count for run in r.runs) for r in found.values()}
        if len(found) != len(levels) or len(counts) != 1 or any(self.is_tapped(n, path) for n in levels):
            return False
        first = next(iter(found.values()))
        calls = [{n: _call(r.runs[at].body) for n, r in found.items()} for at in range(len(first.runs))]
        invokes = [{n: c for n, c in call.items() if c is not None} for call in calls]
        entry = self.get({n: r.runs[0].input for n, r in found.items()})
        count = len(next(iter(invokes[0].values())).inputs)
        beside = [self.get({n: i.inputs[at] for n, i in invokes[0].items()}) for at in range(1, count)]
        self.parents(path)
        turns: list[tuple[tuple[Member, ...], int]] = []
        current = entry
        for invoke, times in zip(invokes, counts.pop(), strict=True):
            code = self.construction(invoke, [current, *beside])
            shapes = {n: self.lanes[n].instance.shapes[i.output] for n, i in invoke.items()}
            features = self.checked(self.invoke_features(invoke, [current, *beside]), shapes)
            current = Value(shapes, features, code, 1)
            turns.append(((Member(None, code, ()),), times))
        made = py.Call(py.Name("nn.ModuleList"), (listing([Repeated(tuple(turns))]),))
        self.init.append(installation(path, made, self.dicts))
        self.walk_over(levels, path, entry, beside, current)
        return True

    def walk_over(
        self, levels: Mapping[int, g.Level], path: Segments, entry: Value, beside: list[Value], last: Value
    ) -> None:
        """The loop in `forward`."""
        for value in (entry, *beside):
            self.settle(value)
        start, others = self.read(entry), tuple(self.read(value) for value in beside)
        outputs = {n: level.output for n, level in levels.items()}
        result = self.made(outputs, start, last.features, last.shapes, 0, frozenset())
        for value in beside:
            value.uses += 1  # every turn reads it: the loop's variable is another
        name = self.variables.choose(result)
        for value in beside:
            value.uses -= 1
        if py.Name(name) != start:
            self.forward.append(py.Assign(py.Name(name), start))
        turn = "layer" if self.variables.free("layer", result) else "layer_"
        step = py.Assign(py.Name(name), py.Call(py.Name(turn), (py.Name(name), *others)))
        self.forward.append(py.For(py.Name(turn), self.member(path), (step,)))
        self.variables.holders[name] = result
        result.variable, result.code, result.reads = name, py.Name(name), frozenset({name})

    def alike(self, lane: int, repeat: g.Repeat) -> bool:
        """Whether each turn is one unlabelled call, handed the same values from outside."""
        calls = [_call(run.body) for run in repeat.runs]
        if any(c is None or c.label is not None or len(c.inputs) < 2 for c in calls):
            return False
        found = [c for c in calls if c is not None]
        made = {run.input for run in repeat.runs[1:]} | {run.output for run in repeat.runs}
        chained = all(c.inputs[0] == run.input for c, run in zip(found, repeat.runs, strict=True))
        return (
            chained
            and len({c.inputs[1:] for c in found}) == 1
            and not made & set(found[0].inputs[1:])
            and repeat.runs[0].input not in found[0].inputs[1:]
            and all(self.uses[lane][run.output] == 1 for run in repeat.runs[:-1])
            and not any(self.emitter.writer(c.instance).returned for c in found)
        )

    def is_tapped(self, lane: int, path: Segments) -> bool:
        """Whether something looks at a turn of a level."""
        return path in turns(self.lanes[lane].instance, self.returned)


def _repeat(body: g.Body) -> g.Repeat | None:
    while len(body) == 1:
        node = body[0]
        if isinstance(node, g.Repeat):
            return node if node.runs else None
        if not isinstance(node, g.Line):
            return None
        body = node.body
    return None


def _call(body: g.Body) -> g.Invoke | None:
    while len(body) == 1:
        node = body[0]
        if isinstance(node, g.Invoke):
            return node
        if not isinstance(node, g.Line):
            return None
        body = node.body
    return None
