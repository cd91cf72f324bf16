"""One class a definition: all its instances walked side by side.

The instances come from the same lines of the spec, so their bodies agree node by node but for conditions; what the lanes
have in common is the skeleton, what differs becomes arguments and conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..ir import graph as g
from ..ir.names import Namer
from . import pycode as py
from .containers import gathered, listed, untyped
from .formulas import NotEmittedError, UnmergeableError, placed
from .in_place import ResidualInPlace
from .loops import loop_of
from .members import first_input, output_name, variable_name
from .options import OptionWriter
from .pyprint import flat
from .recompute import has_loose, is_closed, is_loose
from .reopened import OpenLevel, ReopenError
from .sequence import Sequencer, is_chain
from .taps import invokes
from .values import MAX_CALLS, Value, count_reads
from .writer import Bodies, Nodes, all_of

if TYPE_CHECKING:
    from .emitter import Emitter, Parameter

MAX_UNROLLED = 64


class ClassWriter(OptionWriter):
    """Writes the class of one definition from its lanes."""

    def __init__(self, emitter: Emitter, instances: Sequence[g.Instance], name: str, pinned: frozenset[str]) -> None:
        super().__init__(emitter, instances, name, pinned)
        loop = None if self.returned else loop_of(self)
        if loop is None:
            self.walk()
        else:
            self.base, self.result_features = "nn.Sequential", loop.features
            self.init.extend(loop.statements)

    def walk(self) -> None:
        first = self.lanes[0].instance
        for at, name in enumerate(first.entry_names):
            variable = "x" if (at == 0 and len(first.entry) == 1) or name == "x" else variable_name(name)
            shapes = {n: lane.instance.shapes[lane.instance.entry[at]] for n, lane in enumerate(self.lanes)}
            features = self.entry_features() if at == 0 else self.entry_beside(at)
            vids = {n: lane.instance.entry[at] for n, lane in enumerate(self.lanes)}
            value = self.made(vids, py.Name(variable), features, shapes, 0, frozenset({variable}))
            value.variable = variable
            self.variables.holders[variable] = value
        everyone = {n: lane.instance.body for n, lane in enumerate(self.lanes)}
        self.bodies(everyone, {n: Namer(self.is_level) for n in everyone})
        self.finish()
        self.init, self.forward = gathered(self.init, self.forward)
        self.init = list(untyped(self.init, self.read_into))
        if self.listed:
            self.base, self.init = "nn.ModuleList", listed(self.init)
        elif () in self.dicts and any(_keyed(s) for s in self.init):
            self.base = "nn.ModuleDict"

    def finish(self) -> None:
        vids = {n: lane.instance.output for n, lane in enumerate(self.lanes)}
        value = self.get(vids)
        self.result_features = value.features
        code = self.read(value)
        if self.returned:
            if self.sides:
                raise NotEmittedError("a value inside a module that has outputs of its own")
            seen = (self.read(self.seen(dict.fromkeys(vids, path))) for path in self.returned)
            given = py.Tuple((code, *seen))
            last = self.forward[-1] if self.forward else None
            if isinstance(last, py.Assign) and last.target == given:
                self.forward[-1] = py.Return(last.value, last.comment)
            else:
                self.forward.append(py.Return(given))
            return
        if isinstance(code, py.Name) and self.forward and not self.sides:
            last = self.forward[-1]
            if isinstance(last, py.Assign) and last.target == code:
                self.forward[-1] = py.Return(last.value, last.comment)
                return
        self.forward.extend(self.outputs(code))

    def outputs(self, code: py.Expr) -> list[py.Stmt]:
        """The main output alone, or with the side outputs; alone, too, where they are for training only and this is not."""
        if not self.sides:
            return [py.Return(code)]
        codes = {name: py.Name(name) for name, _ in self.sides}
        given = (codes.get(field, code) for field in self.emitter.output_fields(self))
        full = py.Call(py.Name(self.emitter.outputs(self)), tuple(given))
        if not all(training for _, training in self.sides):
            return [py.Return(full)]
        return [py.If(py.Name("self.training"), (py.Return(full),)), py.Return(code)]

    # -- nodes

    def bodies(self, bodies: Bodies, namers: Mapping[int, Namer]) -> None:
        lengths = {len(b) for b in bodies.values()}
        if len(lengths) != 1:
            raise UnmergeableError
        for at in range(lengths.pop()):
            nodes = {n: b[at] for n, b in bodies.items()}
            if len({type(node) for node in nodes.values()}) != 1:
                raise UnmergeableError
            self.node(nodes, namers)

    def node(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        first = next(iter(nodes.values()))
        rules: dict[type[g.Node], Callable[[Nodes, Mapping[int, Namer]], None]] = {
            g.Layer: self.layer,
            g.Invoke: self.invoke,
            g.Level: self.level,
            OpenLevel: self.level,
            g.Line: self.line,
            g.Choice: self.choice,
            g.Residual: self.residual,
            ResidualInPlace: self.residual,
            g.Join: self.join,
            g.Repeat: self.repeat,
            g.SideOutput: self.side_output,
            g.Reuse: self.reuse,
            g.Look: self.look,
        }
        with placed(first):
            rules[type(first)](nodes, namers)

    def line(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        lines = all_of(nodes, g.Line)
        self.bodies({n: line.body for n, line in lines.items()}, namers)
        value = self.get({n: line.output for n, line in lines.items()})
        first = next(iter(lines.values()))
        if not self.comments and (_joins(first) or (self.inlined is first and value.depth < MAX_CALLS)):
            return
        if (self.in_arm and value.depth <= 1) or _flattens(first):
            return
        comment = str(next(iter(value.shapes.values()))) if self.comments and len(self.lanes) == 1 else None
        self.settle(value, None, comment)
        last = self.forward[-1] if self.forward else None
        if comment and isinstance(last, py.Assign) and last.target == value.code and not last.comment:
            self.forward[-1] = replace(last, comment=comment)

    # -- levels, repeats, conditions

    def level(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        levels = all_of(nodes, g.Level)
        self.written_level(levels, nodes, self.path(nodes, namers))

    def written_level(self, levels: Mapping[int, g.Level], nodes: Nodes, path: tuple[str, ...]) -> None:
        """A level at its path, written as it was the first time if it stands there already."""
        chain = all(self.is_chain(n, level) for n, level in levels.items()) and not self.cut_below(path)
        kind = self.kinds.get(path) if self.repeating else None
        if kind == "chain" or (kind is None and chain):
            self.kinds[path] = "chain"
            self.chain(levels, nodes, path)
        elif kind != "open" and not _opened(levels) and self.walked(levels, path):
            self.kinds[path] = "walked"
        else:
            self.kinds[path] = "open"
            self.open_level(levels, path)

    def chain(self, levels: Mapping[int, g.Level], nodes: Nodes, path: tuple[str, ...]) -> None:
        """A level that is an nn.Sequential."""
        entry = self.entry_of(levels)
        input_value = self.get(entry)
        sequencer = Sequencer(self)
        self.parents(path)
        made = sequencer.statements(path, levels)
        turns = self.emitter.turns
        if turns is not None and any(id(level) in turns.levels for level in levels.values()):
            made = [replace(s, value=sequencer.again(s.value)) if isinstance(s, py.Assign) else s for s in made]
        if self.repeating and any(statement not in self.init for statement in made):
            raise ReopenError(self.opening(path))
        self.init.extend(made)
        code = self.cut(path, levels, self.member(path), self.read(input_value))
        outputs = {n: level.output for n, level in levels.items()}
        self.give(outputs, nodes, code, sequencer.features, 1 + input_value.depth, input_value.reads)

    def is_chain(self, lane: int, level: g.Level) -> bool:
        """Whether a level can be an nn.Sequential: it is a chain, and its modules return one value."""
        chain = is_chain(level, self.uses[lane], self.lanes[lane].instance.shapes)
        if self.emitter.turns is not None and has_loose(level.body):
            return False
        return chain and not any(self.emitter.writer(i.instance).returned for i in invokes(level.body))

    def open_level(self, levels: Mapping[int, g.Level], path: tuple[str, ...]) -> None:
        """A level that is no straight chain: its members stand under it, its lines in this `forward`."""
        outer, self.prefix = self.prefix, path
        self.bodies({n: level.body for n, level in levels.items()}, {n: Namer(True) for n in levels})
        self.prefix = outer

    def entry_of(self, levels: Mapping[int, g.Level]) -> dict[int, int]:
        """The value that flows into a level, in each lane."""
        return {n: first_input(level.body, level.output) for n, level in levels.items()}

    def repeat(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        repeats = all_of(nodes, g.Repeat)
        shapes = {tuple(run.count for run in r.runs) for r in repeats.values()}
        if len(shapes) != 1:
            raise UnmergeableError
        total = sum(next(iter(shapes)))
        if total > MAX_UNROLLED:
            raise NotEmittedError(f"a repeat of {total} without a label")
        for at in range(len(next(iter(shapes)))):
            self.run({n: r.runs[at] for n, r in repeats.items()}, namers)

    def run(self, runs: Mapping[int, g.Run], namers: Mapping[int, Namer]) -> None:
        """Equal iterations: what comes out of one goes into the next under the number of what came in."""
        entry = {n: self.known[n][run.input] for n, run in runs.items()}
        reads = max(count_reads(run.body)[run.input] for run in runs.values())
        bodies = {n: run.body for n, run in runs.items()}
        before: dict[int, Value] = {}  # which holds them: another value must not come to lie where one was
        for step in range(next(iter(runs.values())).count):
            if step:
                value = self.get({n: run.output for n, run in runs.items()})
                value.uses = reads + (value.uses if id(value) in before or value.kept else 0)
                if reads != 1:
                    self.settle(value)
                self.know({n: run.input for n, run in runs.items()}, value)
            before = {id(value): value for known in self.known for value in known.values()}
            if self.emitter.turns is not None and all(self.is_loose(n, run) for n, run in runs.items()):
                self.recomputed(runs, namers)
            else:
                self.bodies(bodies, namers)
            self.note_turn(runs, step)
        for n, value in entry.items():
            self.know({n: runs[n].input}, value)

    def is_loose(self, lane: int, run: g.Run) -> bool:
        """Whether a turn is layers alone, and nothing outside reads what is made in it."""
        repeat = g.Repeat("times", None, None, (replace(run, count=2),), run.output)
        return is_loose(repeat) and is_closed(run, self.uses[lane])

    def recomputed(self, runs: Mapping[int, g.Run], namers: Mapping[int, Namer]) -> None:
        """A turn as a function within `forward`, computed again in training."""
        turns = self.emitter.turns
        assert turns is not None
        turns.found = True
        self.emitter.use(turns.function)
        entry = self.get({n: run.input for n, run in runs.items()})
        for pending in list(self.variables.pending):
            self.settle(pending)
        self.settle(entry)
        held, begun = set(self.variables.holders), len(self.forward)
        self.bodies({n: run.body for n, run in runs.items()}, namers)
        result = self.get({n: run.output for n, run in runs.items()})
        block = self.forward[begun:]
        del self.forward[begun:]
        targets = [s.target.id for s in block if isinstance(s, py.Assign) and isinstance(s.target, py.Name)]
        given = dict.fromkeys([flat(entry.code), *(name for name in targets if name in held)])
        tensor, self.turn_count = py.Name("Tensor"), self.turn_count + 1
        name = f"turn{self.turn_count}"
        last = block[-1] if block else None
        if isinstance(last, py.Assign) and last.target == result.code:
            body = (*block[:-1], py.Return(last.value))
        else:
            body = (*block, py.Return(result.code))
        self.forward.append(py.FunctionDef(name, tuple(py.Param(v, tensor) for v in given), tensor, body))
        code = py.Call(py.Name(turns.function), (py.Name("self"), py.Name(name), *map(py.Name, given)))
        if result.variable is not None:
            self.forward.append(py.Assign(py.Name(result.variable), code))
            return
        result.code, result.depth, result.reads = code, 1, frozenset(given)
        self.settle(result)

    def choice(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        choices = all_of(nodes, g.Choice)
        taken = {c.taken for c in choices.values()}
        if len(taken) == 1:
            self.bodies({n: c.body for n, c in choices.items()}, namers)
            return
        self.optional(choices, namers)

    # -- outputs, reuse

    def side_output(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        sides = all_of(nodes, g.SideOutput)
        first = next(iter(sides.values()))
        if first.training:
            for pending in list(self.variables.pending):
                self.settle(pending)
        begun = len(self.forward)
        self.bodies({n: s.body for n, s in sides.items()}, namers)
        value = self.get({n: s.value for n, s in sides.items()})
        name = output_name(first.name)
        code = self.read(value)
        assign: list[py.Stmt] = [py.Assign(py.Name(name), code)]
        last = self.forward[-1] if len(self.forward) > begun else None
        if (
            isinstance(last, py.Assign)
            and last.target == code
            and all(self.uses[n][s.value] == 1 for n, s in sides.items())
        ):
            code = last.value
            assign = [replace(last, target=py.Name(name))]
            self.forward.pop()
        if first.training and len(self.forward) > begun:
            block = (*self.forward[begun:], *assign)
            assign = [py.Assign(py.Name(name), py.Lit(None)), py.If(py.Name("self.training"), block)]
            del self.forward[begun:]
        elif first.training:
            assign = [py.Assign(py.Name(name), py.IfExp(py.Name("self.training"), code, py.Lit(None)))]
        self.forward.extend(assign)
        self.variables.holders[name] = Value(value.shapes, None, py.Name(name), 1, 0, frozenset({name}), name)
        self.sides.append((name, first.training))

    def reuse(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        """`again`: written as the first time, but for the members, which are there."""
        del namers
        reuses = all_of(nodes, g.Reuse)
        path = next(iter(reuses.values())).path
        for pending in list(self.variables.pending):
            if "self." in flat(pending.code):  # running statistics see the first application first
                self.settle(pending)
        outer, repeating = self.init, self.repeating
        self.init, self.repeating = list(outer), True
        if path in self.kinds:
            levels = {n: g.Level(None, r.body, r.output) for n, r in reuses.items()}
            self.written_level(levels, nodes, path)
        else:
            self.applied_again({n: r.body for n, r in reuses.items()}, nodes, path)
        made = [statement for statement in self.init[len(outer) :] if statement not in outer]
        if any(statement not in self.further for statement in made):
            raise NotEmittedError(
                f"`again {'.'.join(path)}` where it would have to be made otherwise than the first time"
            )
        self.init, self.repeating = [*outer, *made], repeating

    def applied_again(self, bodies: Bodies, nodes: Nodes, path: tuple[str, ...]) -> None:
        """A layer or a call of a module once more; the body of an identity is empty."""
        items = {n: body[0] for n, body in bodies.items() if len(body) == 1}
        layers = {n: item for n, item in items.items() if isinstance(item, g.Layer)}
        invokes = {n: item for n, item in items.items() if isinstance(item, g.Invoke)}
        if len(layers) == len(bodies):
            self.apply(layers, nodes, path)
        elif len(invokes) == len(bodies):
            self.called(invokes, nodes, path)
        elif any(bodies.values()):
            raise UnmergeableError

    def look(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        del namers
        found = all_of(nodes, g.Look)
        value = self.seen({n: look.path for n, look in found.items()})
        self.know({n: look.output for n, look in found.items()}, value)

    def parameters(self) -> tuple[Parameter, ...]:
        """The arguments of the class."""
        return self.emitter.parameters_of(self)


def _joins(line: g.Line) -> bool:
    """Whether a line is a residual, a join, or a layer without weights: what its code is part of says more."""
    if len(line.body) != 1:
        return False
    node = line.body[0]
    return isinstance(node, g.Residual | g.Join) or (isinstance(node, g.Layer) and not node.label)


def _opened(levels: Mapping[int, g.Level]) -> bool:
    """Whether a level is to be written out."""
    return any(isinstance(level, OpenLevel) for level in levels.values())


def _keyed(statement: py.Stmt) -> bool:
    """Whether a statement is `self["0"] = ...`."""
    target = statement.target if isinstance(statement, py.Assign) else None
    return isinstance(target, py.Index) and target.value == py.Name("self")


def _flattens(line: g.Line) -> bool:
    """Whether a line only writes a map as a vector."""
    return len(line.body) == 1 and isinstance(line.body[0], g.Layer) and line.body[0].operator.word == "flatten"
