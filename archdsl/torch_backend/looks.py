"""`@module.label` in a `forward`: the tuple of a call taken apart, a chain cut where something looks into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..ir import graph as g
from ..ir.lookup import Segments
from ..ir.shapes import Shape
from . import pycode as py
from .formulas import NotEmittedError, UnmergeableError
from .members import variable_name
from .taps import looks, spot_of, turns
from .values import Value
from .writer import Writer


class LookWriter(Writer):
    """Keeps the values inside modules that something outside looks at."""

    def seen(self, paths: Mapping[int, Segments]) -> Value:
        """The value that a path leads to."""
        path = next(iter(paths.values()))
        spots = {n: spot_of(self.lanes[n].instance, p) for n, p in paths.items()}
        if len(set(paths.values())) != 1 or len({(s.call is None, s.turn) for s in spots.values()}) != 1:
            raise UnmergeableError
        if all(s.call is None and s.turn is None for s in spots.values()):
            return self.get({n: s.value for n, s in spots.items()})
        spot = next(iter(spots.values()))
        kept = path if spot.turn is None or spot.rest else (*spot.path, str(spot.turn))
        if kept not in self.tapped:
            raise NotEmittedError(f"`@{'.'.join(path)}`, a value inside a module,")
        return self.tapped[kept]

    def beside(self, invokes: Mapping[int, g.Invoke], path: Segments) -> list[str | None]:
        """The variables for what a call returns beside its output; None for what nothing here looks at."""
        names: list[str | None] = []
        for rest in self.emitter.writer(next(iter(invokes.values())).instance).returned:
            whole = (*path, *rest)
            if whole in self.wanted():
                shapes = {n: _shape(i.instance, rest) for n, i in invokes.items()}
                self.tapped[whole] = self.kept(rest, shapes)
            names.append(self.tapped[whole].variable if whole in self.tapped else None)
        return names

    def unpack(self, value: Value, beside: Sequence[str | None], label: str | None) -> None:
        """The output of a call, assigned together with what it returns beside."""
        code = value.code
        self.settle(value, label)
        names = (py.Name(name or "_") for name in beside)
        self.forward[-1] = py.Assign(py.Tuple((value.code, *names)), code)

    def wanted(self) -> set[Segments]:
        """The paths that this class looks at, or returns."""
        found = {look.path for lane in self.lanes for look in looks(lane.instance.body)}
        return found | set(self.returned)

    def kept(self, path: Segments, shapes: Mapping[int, Shape]) -> Value:
        """A value in a variable of its own, called after the end of its path."""
        value = Value(dict(shapes), None, py.Name("x"), 1, kept=True)
        base = variable_name("_".join(path) if path[-1].isdigit() else path[-1])
        name, number = base, 2
        while name in ("x", "out") or not self.variables.free(name, value):
            name, number = f"{base}{number}", number + 1
        self.variables.holders[name] = value
        value.variable, value.code, value.reads = name, py.Name(name), frozenset({name})
        return value

    def cut_below(self, path: Segments) -> bool:
        """Whether something looks at an iteration of a level that stands below a path."""
        found = (key for lane in self.lanes for key in turns(lane.instance, self.returned))
        return any(len(key) > len(path) and key[: len(path)] == path for key in found)

    def cut(self, path: Segments, levels: Mapping[int, g.Level], member: py.Expr, entry: py.Expr) -> py.Expr:
        """A chain applied; after the iterations that something looks at it is cut."""
        found = {tuple(turns(self.lanes[n].instance, self.returned).get(path, ())) for n in levels}
        if len(found) != 1:
            raise UnmergeableError
        begin, code = 0, entry
        for turn in found.pop():
            shapes = {n: self.lanes[n].instance.shapes[level.output] for n, level in levels.items()}
            value = self.kept((*path, str(turn)), shapes)
            piece = py.Index(member, py.Slice(py.Lit(begin) if begin else None, py.Lit(turn + 1)))
            self.forward.append(py.Assign(py.Name(value.variable or "_"), py.Call(piece, (code,))))
            self.tapped[*path, str(turn)] = value
            begin, code = turn + 1, value.code
        return py.Call(py.Index(member, py.Slice(py.Lit(begin))) if begin else member, (code,))

    def note_turn(self, runs: Mapping[int, g.Run], step: int) -> None:
        """Keep what an iteration that was written out made, if something looks at it: its output, and what is in it."""
        number = next(iter(runs.values())).index + step
        for path in sorted(self.wanted()):
            if path not in self.tapped and path[: len(self.prefix) + 1] == (*self.prefix, str(number)):
                spots = {n: spot_of(self.lanes[n].instance, path) for n in runs}
                if all(spot.rest and spot.call is None for spot in spots.values()):
                    value = self.get({n: spot.value for n, spot in spots.items()})
                    value.kept = True
                    self.tapped[path] = value
        if any(number in turns(self.lanes[n].instance, self.returned).get(self.prefix, ()) for n in runs):
            value = self.get({n: run.output for n, run in runs.items()})
            value.kept = True
            self.settle(value)
            self.tapped[*self.prefix, str(number)] = value


def _shape(instance: g.Instance, path: Segments) -> Shape:
    spot = spot_of(instance, path)
    return instance.shapes[spot.value] if spot.call is None else _shape(spot.call.instance, spot.rest)
