"""One class a definition: all its instances walked side by side.

The instances come from the same lines of the spec, so their bodies agree node by node but for conditions; what the lanes
have in common is the skeleton, what differs becomes arguments and conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from .. import expr as ex
from ..ir import graph as g
from ..ir.lookup import arms
from ..ir.names import Namer
from ..ir.operator import Slot, TorchCall, TorchForm
from ..ir.shapes import Constant, Shape
from . import pycode as py
from .formulas import FEATURES, Formulas, Lane, NotEmittedError, UnmergeableError, literal, number
from .loops import loop_of
from .members import first_input, installation, member_of, variable_name
from .sequence import Sequencer, is_chain
from .values import MAX_CALLS, Value, Variables, count_uses

if TYPE_CHECKING:
    from .emitter import Emitter

MAX_UNROLLED = 64
_OUTLINE = {"add": "+", "mul": "*"}
Nodes = dict[int, g.Node]
Bodies = dict[int, g.Body]


class ClassWriter:
    """Writes the class of one definition from its lanes."""

    def __init__(self, emitter: Emitter, instances: Sequence[g.Instance], name: str, pinned: frozenset[str]) -> None:
        self.emitter = emitter
        self.name = name
        self.lanes = [Lane.of(i) for i in instances]
        self.formulas = Formulas(self.lanes, pinned)
        self.index = {id(i): n for n, i in enumerate(instances)}
        self.is_root = instances[0].name == ""
        self.uses = [count_uses(i) for i in instances]
        self.known: list[dict[int, Value]] = [{} for _ in instances]
        self.variables = Variables()
        self.init: list[py.Stmt] = []
        self.forward: list[py.Stmt] = []
        self.sides: list[tuple[str, bool]] = []
        self.result_features: ex.Expr | None = None
        self.comments = self.is_root
        self.in_arm = False
        self.prefix: tuple[str, ...] = ()
        self.containers: set[tuple[str, ...]] = set()
        self.base = "nn.Module"
        loop = loop_of(self)
        if loop is None:
            self.walk()
        else:
            self.base, self.result_features = "nn.Sequential", loop.features
            self.init.extend(loop.statements)

    # -- the whole

    def walk(self) -> None:
        first = self.lanes[0].instance
        for at, name in enumerate(first.entry_names):
            variable = "x" if (at == 0 and len(first.entry) == 1) or name == "x" else variable_name(name)
            shapes = {n: lane.instance.shapes[lane.instance.entry[at]] for n, lane in enumerate(self.lanes)}
            features = self.entry_features() if at == 0 else None
            vids = {n: lane.instance.entry[at] for n, lane in enumerate(self.lanes)}
            value = self.made(vids, py.Name(variable), features, shapes, 0, frozenset({variable}))
            value.variable = variable
            self.variables.holders[variable] = value
        everyone = {n: lane.instance.body for n, lane in enumerate(self.lanes)}
        self.bodies(everyone, {n: Namer(False) for n in everyone})
        self.finish()

    def entry_features(self) -> ex.Expr:
        """The features of what comes in, by the heading's name for them if it has one."""
        return self.entry_features_of(self.lanes)

    def entry_features_of(self, lanes: Sequence[Lane]) -> ex.Expr:
        """The same for lanes of one's own."""
        instance = lanes[0].instance
        shape = instance.shapes[instance.entry[0]]
        names = list(instance.sizes)
        at = 0 if shape.kind == "map" else len(shape.dims) - 1
        heading = [n for n in names if all(_is(lane, n, at) for lane in lanes)]
        return ex.Name(heading[0]) if heading else ex.Name(FEATURES)

    def finish(self) -> None:
        vids = {n: lane.instance.output for n, lane in enumerate(self.lanes)}
        value = self.get(vids)
        self.result_features = value.features
        code = self.read(value)
        if isinstance(code, py.Name) and self.forward and not self.sides:
            last = self.forward[-1]
            if isinstance(last, py.Assign) and last.target == code:
                self.forward[-1] = py.Return(last.value, last.comment)
                return
        self.forward.append(py.Return(self.outputs(code)))

    def outputs(self, code: py.Expr) -> py.Expr:
        """The main output alone, or with the side outputs; what is for training only comes in training only."""
        if not self.sides:
            return code
        always = (code, *(py.Name(n) for n, training in self.sides if not training))
        full = (code, *(py.Name(n) for n, _ in self.sides))
        small = py.Tuple(always) if len(always) > 1 else code
        if len(full) == len(always):
            return small
        return py.IfExp(py.Name("self.training"), py.Tuple(full), small)

    # -- values

    def made(
        self,
        vids: Mapping[int, int],
        code: py.Expr,
        features: ex.Expr | None,
        shapes: dict[int, Shape],
        depth: int,
        reads: frozenset[str],
    ) -> Value:
        """A new value, known in its lanes by their own numbers."""
        uses = max(self.uses[n][v] for n, v in vids.items())
        value = Value(shapes, self.checked(features, shapes), code, uses, depth, reads)
        for n, v in vids.items():
            self.known[n][v] = value
        return value

    def checked(self, features: ex.Expr | None, shapes: Mapping[int, Shape]) -> ex.Expr | None:
        """A formula for features, if it is right in every lane."""
        if features is None:
            return None
        values = self.formulas.values(features)
        right = values is not None and all(values[n] == s.features for n, s in shapes.items())
        return features if right else None

    def get(self, vids: Mapping[int, int]) -> Value:
        found = {id(v): v for v in (self.known[n][vid] for n, vid in vids.items())}
        if len(found) != 1:
            raise UnmergeableError
        return next(iter(found.values()))

    def read(self, value: Value) -> py.Expr:
        """The code for a value, now that something reads it."""
        value.uses -= 1
        self.variables.pending.discard(value)
        return value.code

    def settle(self, value: Value, label: str | None = None, comment: str | None = None) -> None:
        """Assign a value to a variable unless it has one."""
        if value.variable is not None:
            return
        self.variables.pending.discard(value)
        name = self.variables.choose(value, label)
        self.forward.append(py.Assign(py.Name(name), value.code, comment=comment))
        self.variables.holders[name] = value
        value.variable, value.code, value.depth, value.reads = name, py.Name(name), 0, frozenset({name})

    def give(
        self,
        vids: Mapping[int, int],
        nodes: Nodes,
        code: py.Expr,
        features: ex.Expr | None,
        depth: int,
        reads: frozenset[str],
    ) -> None:
        """The result of a node: kept as an expression while one reads it and it is short, else assigned."""
        shapes = {n: self.lanes[n].instance.shapes[v] for n, v in vids.items()}
        value = self.made(vids, code, features, shapes, depth, reads)
        self.variables.pending.add(value)
        if value.uses != 1 or depth >= MAX_CALLS:
            self.settle(value, _label_text(nodes))

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
            g.Line: self.line,
            g.Choice: self.choice,
            g.Residual: self.residual,
            g.Join: self.join,
            g.Repeat: self.repeat,
            g.SideOutput: self.side_output,
            g.Reuse: self.reuse,
            g.Look: self.look,
        }
        rules[type(first)](nodes, namers)

    def path(self, nodes: Nodes, namers: Mapping[int, Namer]) -> tuple[str, ...]:
        """The name of an item, which all lanes must give it."""
        found = {namers[n].name(node) for n, node in nodes.items()}  # type: ignore[arg-type]
        if len(found) != 1:
            raise UnmergeableError
        return (*self.prefix, *found.pop())

    def line(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        self.bodies({n: node.body for n, node in nodes.items()}, namers)  # type: ignore[union-attr]
        value = self.get({n: node.output for n, node in nodes.items()})  # type: ignore[union-attr]
        first = next(iter(nodes.values()))
        joined = isinstance(first, g.Line) and len(first.body) == 1 and isinstance(first.body[0], g.Residual | g.Join)
        if (joined and not self.comments) or (self.in_arm and value.depth <= 1):
            return
        comment = str(next(iter(value.shapes.values()))) if self.comments and len(self.lanes) == 1 else None
        self.settle(value, None, comment)

    def layer(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        layers = _all(nodes, g.Layer)
        path = self.path(nodes, namers)
        forms = {n: self.form(n, layer) for n, layer in layers.items()}
        inputs = self.inputs(layers)
        reads = frozenset[str]().union(*(v.reads for v in inputs))
        depth = 1 + max(v.depth for v in inputs)
        features = self.layer_features(layers, inputs)
        tied = next(iter(layers.values())).tied
        codes = [self.read(v) for v in inputs]
        if next(iter(forms.values())).array is not None:
            code = self.with_array(layers, forms, inputs, codes[0], self.member(path))
        elif tied:
            code = self.tied_call(next(iter(layers.values())), codes)
        elif any(f.state or f.function is None for f in forms.values()):
            self.install(path, self.constructed(layers, forms, inputs))
            code = py.Call(self.member(path), tuple(codes))
        else:
            code = self.applied(layers, forms, inputs, codes)
        self.give({n: layer.output for n, layer in layers.items()}, nodes, code, features, depth, reads)

    def inputs(self, nodes: Mapping[int, g.Layer | g.Invoke | g.Reuse]) -> list[Value]:
        count = len(next(iter(nodes.values())).inputs)
        return [self.get({n: node.inputs[at] for n, node in nodes.items()}) for at in range(count)]

    def form(self, lane: int, layer: g.Layer) -> TorchForm:
        shapes = self.lanes[lane].instance.shapes
        return layer.operator.torch(*(shapes[v] for v in layer.inputs))

    def layer_features(self, layers: Mapping[int, g.Layer], inputs: Sequence[Value]) -> ex.Expr | None:
        """The formula of a layer's output features: its width, or what came in."""
        first = next(iter(layers.values()))
        if any(a.name == "width" for a in first.operator.arguments()):
            return self.argument(first, "width")
        if first.operator.word == "flatten":
            return _flattened(inputs[0])
        return inputs[0].features

    def argument(self, layer: g.Layer | g.Join, name: str) -> ex.Expr | None:
        """How an operator's argument was written."""
        written = dict(layer.expressions).get(name)
        return written if written is not None else number(getattr(layer.operator, name, None))

    def source(self, layer: g.Layer | g.Join, slot: Slot, inputs: Sequence[Value]) -> ex.Expr | None:
        """A slot's formula in the words of the definition."""
        if slot.source is None:
            return None
        names: dict[str, ex.Expr] = {}
        for name in ex.names_in(slot.source):
            features = inputs[0].features if inputs else None
            found = features if name == "features" else self.argument(layer, name)
            if found is None:
                return None
            names[name] = found
        return ex.substitute(slot.source, names)

    def call(
        self,
        layers: Mapping[int, g.Layer] | Mapping[int, g.Join],
        calls: Mapping[int, TorchCall],
        inputs: Sequence[Value],
        x: py.Expr | None,
    ) -> py.Call:
        """A torch call merged over the lanes; keywords that have their default everywhere stay away."""
        first = next(iter(calls.values()))
        if len({c.name for c in calls.values()}) != 1 or len({len(c.args) for c in calls.values()}) != 1:
            raise UnmergeableError
        layer = next(iter(layers.values()))
        args = tuple(
            self.formulas.render(
                {n: c.args[at].value for n, c in calls.items()}, self.source(layer, s, inputs), slot_name(s, at)
            )
            for at, s in enumerate(first.args)
        )
        kwargs: list[tuple[str, py.Expr]] = []
        for at, (keyword, slot, default) in enumerate(first.kwargs):
            values = {n: c.kwargs[at][1].value for n, c in calls.items()}
            if any(v != default for v in values.values()):
                kwargs.append((keyword, self.formulas.render(values, self.source(layer, slot, inputs), keyword)))
        self.emitter.use(first.name)
        return py.Call(py.Name(first.name), args if x is None else (x, *args), tuple(kwargs))

    def constructed(
        self, layers: Mapping[int, g.Layer], forms: Mapping[int, TorchForm], inputs: Sequence[Value]
    ) -> py.Expr:
        """The module of a layer."""
        calls = {n: f.module for n, f in forms.items() if f.module is not None}
        if len(calls) != len(forms):
            raise NotEmittedError(f"{next(iter(layers.values())).operator.word} has no module form")
        return self.call(layers, calls, inputs, None)

    def applied(
        self,
        layers: Mapping[int, g.Layer],
        forms: Mapping[int, TorchForm],
        inputs: Sequence[Value],
        codes: Sequence[py.Expr],
    ) -> py.Expr:
        """A stateless layer as a function of its input."""
        calls = {n: f.function for n, f in forms.items() if f.function is not None}
        form = next(iter(forms.values()))
        if form.function is not None and form.function.name == "":
            return codes[0]
        if form.expression is not None:
            return self.expressed(layers, form, inputs, codes[0])
        made = self.call(layers, calls, inputs, None)
        if not form.method:
            return py.Call(made.func, (*codes, *made.args), made.kwargs)
        assert isinstance(made.func, py.Name)
        return py.Call(py.Attr(codes[0], made.func.id), made.args, made.kwargs)

    def with_array(
        self,
        layers: Mapping[int, g.Layer],
        forms: Mapping[int, TorchForm],
        inputs: Sequence[Value],
        x: py.Expr,
        member: py.Expr,
    ) -> py.Expr:
        """A layer whose one array is a parameter of the class."""
        arrays = {n: f.array for n, f in forms.items() if f.array is not None}
        made = self.call(layers, arrays, inputs, None)
        if not isinstance(member, py.Name):
            raise NotEmittedError("an array whose label is no Python name")
        self.init.append(py.Assign(member, py.Call(py.Name("nn.Parameter"), (made,))))
        form = next(iter(forms.values()))
        if form.expression is not None:
            return _formula(form.expression, {"x": x, "array": member})
        assert form.function is not None
        self.emitter.use(form.function.name)
        return py.Call(py.Name(form.function.name), (x, member))

    def expressed(self, layers: Mapping[int, g.Layer], form: TorchForm, inputs: Sequence[Value], x: py.Expr) -> py.Expr:
        """A stateless layer as a formula of its input; a def that only abbreviates it becomes a function."""
        layer = next(iter(layers.values()))
        assert form.expression is not None
        assert form.function is not None
        slots = {s.source.id: s for s in form.function.args if isinstance(s.source, ex.Name)}
        names = {n: self.formulas.render({0: s.value}, self.source(layer, s, inputs), n) for n, s in slots.items()}
        short = layer.abbreviation
        if short is not None and all(isinstance(c, py.Lit | py.Bin) for c in names.values()):
            body = _formula(form.expression, {**names, "x": py.Name("x")})
            return py.Call(py.Name(self.emitter.function(short, body)), (x,))
        return _formula(form.expression, {**names, "x": x})

    def tied_call(self, layer: g.Layer, codes: Sequence[py.Expr]) -> py.Expr:
        """A linear layer whose matrix is another's."""
        if layer.operator.word != "linear" or any(
            t.name == "bias" for t in layer.operator.tensors(Shape("vector", (1,)))
        ):
            raise NotEmittedError(f"{layer.operator.word} with a shared array")
        (_, path), *_ = layer.tied
        self.emitter.use("F.linear")
        return py.Call(py.Name("F.linear"), (codes[0], py.Attr(self.member(path), "weight")))

    def member(self, path: Sequence[str]) -> py.Expr:
        """`self.a.b`."""
        return member_of(path)

    def install(self, path: tuple[str, ...], made: py.Expr) -> None:
        """Make something the member of a path, the levels above it being made first."""
        self.parents(path)
        self.init.append(installation(path, made))

    # -- modules

    def invoke(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        invokes = _all(nodes, g.Invoke)
        path = self.path(nodes, namers)
        inputs = self.inputs(invokes)
        self.install(path, self.construction(invokes, inputs))
        member = self.member(path)
        features = self.invoke_features(invokes, inputs)
        reads = frozenset[str]().union(*(v.reads for v in inputs))
        depth = 1 + max(v.depth for v in inputs)
        code = py.Call(member, tuple(self.read(v) for v in inputs))
        self.give({n: node.output for n, node in invokes.items()}, nodes, code, features, depth, reads)

    def construction(self, invokes: Mapping[int, g.Invoke], inputs: Sequence[Value]) -> py.Expr:
        """The call of another class: exactly the arguments that are left of it."""
        writers = {id(w): w for w in (self.emitter.writer(i.instance) for i in invokes.values())}
        if len(writers) != 1:
            raise UnmergeableError
        writer = next(iter(writers.values()))
        first = next(iter(invokes.values()))
        args: list[py.Expr] = []
        kwargs: list[tuple[str, py.Expr]] = []
        for parameter in writer.parameters():
            lanes = {n: writer.index[id(i.instance)] for n, i in invokes.items()}
            values = {n: parameter.formal.values[at] for n, at in lanes.items()}
            code = self.formulas.render(values, self.handed(parameter.formal.name, first, inputs), parameter.python)
            if parameter.default is None:
                args.append(code)
            elif code != parameter.default:
                kwargs.append((parameter.python, code))
        return py.Call(py.Name(writer.name), tuple(args), tuple(kwargs))

    def handed(self, name: str, invoke: g.Invoke, inputs: Sequence[Value]) -> ex.Expr | None:
        """What a call hands over for one of the callee's names, in the caller's words."""
        if name in invoke.instance.arguments:
            written = dict(invoke.expressions).get(name)
            return written if written is not None else number(invoke.instance.arguments[name])
        if name == FEATURES:
            return inputs[0].features
        if name in invoke.instance.sizes:
            shape = invoke.instance.shapes[invoke.instance.entry[0]]
            return inputs[0].features if invoke.instance.sizes[name] == shape.features else None
        own = self.lanes[0].instance.scope
        return ex.Name(name) if name in own.names and invoke.instance.scope is own else None

    def invoke_features(self, invokes: Mapping[int, g.Invoke], inputs: Sequence[Value]) -> ex.Expr | None:
        """The callee's formula for its output features, in the caller's words."""
        first = next(iter(invokes.values()))
        writer = self.emitter.writer(first.instance)
        if writer.result_features is None:
            return None
        names: dict[str, ex.Expr] = {}
        for name in ex.names_in(writer.result_features):
            found = self.handed(name, first, inputs)
            if found is None:
                return None
            names[name] = found
        return ex.substitute(writer.result_features, names)

    # -- levels, repeats, conditions

    def level(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        levels = _all(nodes, g.Level)
        path = self.path(nodes, namers)
        if not all(is_chain(level, self.uses[n], self.lanes[n].instance.shapes) for n, level in levels.items()):
            self.open_level(levels, path)
            return
        entry = self.entry_of(levels)
        input_value = self.get(entry)
        sequencer = Sequencer(self)
        member = self.member(path)
        self.parents(path)
        self.init.extend(sequencer.statements(path, levels))
        code = py.Call(member, (self.read(input_value),))
        shapes = {n: self.lanes[n].instance.shapes[level.output] for n, level in levels.items()}
        features = sequencer.features
        del shapes
        outputs = {n: level.output for n, level in levels.items()}
        self.give(outputs, nodes, code, features, 1 + input_value.depth, input_value.reads)

    def open_level(self, levels: Mapping[int, g.Level], path: tuple[str, ...]) -> None:
        """A level that is no straight chain: its members stand under it, its lines in this `forward`."""
        outer, self.prefix = self.prefix, path
        self.bodies({n: level.body for n, level in levels.items()}, {n: Namer(True) for n in levels})
        self.prefix = outer

    def parents(self, path: tuple[str, ...]) -> None:
        """Make the levels above a path."""
        for length in range(1, len(path)):
            if path[:length] not in self.containers:
                self.containers.add(path[:length])
                self.init.append(installation(path[:length], py.Call(py.Name("nn.Module"))))

    def entry_of(self, levels: Mapping[int, g.Level]) -> dict[int, int]:
        """The value that flows into a level, in each lane."""
        return {n: first_input(level.body, level.output) for n, level in levels.items()}

    def repeat(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        repeats = _all(nodes, g.Repeat)
        shapes = {tuple(run.count for run in r.runs) for r in repeats.values()}
        if len(shapes) != 1:
            raise UnmergeableError
        total = sum(next(iter(shapes)))
        if total > MAX_UNROLLED:
            raise NotEmittedError(f"a repeat of {total} without a label")
        for at, count in enumerate(next(iter(shapes))):
            for step in range(count):
                bodies = {n: r.runs[at].body for n, r in repeats.items()}
                if step:
                    self.chain_on({n: r.runs[at] for n, r in repeats.items()})
                self.bodies(bodies, namers)

    def chain_on(self, runs: Mapping[int, g.Run]) -> None:
        """One more of equal iterations: what came out goes in."""
        value = self.get({n: run.output for n, run in runs.items()})
        value.uses = max(value.uses, 1) if value.uses > 0 else 1
        for n, run in runs.items():
            self.known[n][run.input] = value

    def choice(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        choices = _all(nodes, g.Choice)
        taken = {c.taken for c in choices.values()}
        if len(taken) == 1:
            self.bodies({n: c.body for n, c in choices.items()}, namers)
            return
        self.optional(choices, namers)

    def optional(self, choices: Mapping[int, g.Choice], namers: Mapping[int, Namer]) -> None:
        """An item that some lanes have: a member that is an identity in the others, so that `forward` has no branch."""
        present = {n: c for n, c in choices.items() if c.body}
        absent = {n: c for n, c in choices.items() if not c.body}
        first = next(iter(choices.values()))
        if (
            len(first.tests) != 1
            or {c.taken for c in absent.values()} != {1}
            or len({len(c.body) for c in present.values()}) != 1
        ):
            raise UnmergeableError
        items = {n: _single(c.body) for n, c in present.items()}
        if any(i is None or i.label is None for i in items.values()):
            raise UnmergeableError
        found = {n: i for n, i in items.items() if i is not None}
        path = self.path(dict(found), namers)
        input_value = self.get({**{n: _input(i) for n, i in found.items()}, **{n: c.output for n, c in absent.items()}})
        test = self.formulas.test(first.tests[0], {n: c.taken == 0 for n, c in choices.items()}, f"has_{path[-1]}")
        member = self.member(path)
        sequencer = Sequencer(self)
        self.parents(path)
        statements, features = sequencer.item(path, found, input_value)
        self.init.append(installation(path, py.Call(py.Name("nn.Identity"))))
        self.init.append(py.If(test, tuple(statements)))
        del features
        vids = {**{n: i.output for n, i in found.items()}}
        code = py.Call(member, (self.read(input_value),))
        shapes = {n: self.lanes[n].instance.shapes[c.output] for n, c in choices.items()}
        uses = max(self.uses[n][v] for n, v in vids.items())
        value = Value(shapes, None, code, uses, 1 + input_value.depth, input_value.reads)
        for n, choice in choices.items():
            self.known[n][choice.output] = value
        self.variables.pending.add(value)
        if uses != 1:
            self.settle(value)

    # -- residuals and joins

    def residual(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        residuals = _all(nodes, g.Residual)
        x = self.get({n: r.main.input for n, r in residuals.items()})
        taken = {n: r for n, r in residuals.items() if r.taken}
        if not taken:
            self.bodies({n: r.main.body for n, r in residuals.items()}, namers)
            return
        self.settle(x)
        first = next(iter(taken.values()))
        for arm in arms(first):
            main = arm is first.main
            lanes = residuals if main else taken
            bodies = {n: (r.main if main else _shortcut(r)).body for n, r in lanes.items()}
            self.bodies(bodies, namers)
        if len(taken) != len(residuals):
            self.maybe_residual(residuals, taken, x)
            return
        self.add(
            {n: r.main.output for n, r in taken.items()}, {n: _shortcut(r).output for n, r in taken.items()}, taken
        )

    def add(self, mains: Mapping[int, int], shortcuts: Mapping[int, int], nodes: Mapping[int, g.Residual]) -> None:
        y, other = self.get(mains), self.get(shortcuts)
        code = py.Bin("+", self.read(y), self.read(other))
        reads, depth = y.reads | other.reads, 1 + max(y.depth, other.depth)
        self.give({n: r.output for n, r in nodes.items()}, dict(nodes), code, y.features, depth, reads)

    def maybe_residual(self, residuals: Mapping[int, g.Residual], taken: Mapping[int, g.Residual], x: Value) -> None:
        """A residual where some instances have none: a flag decided when the module is built."""
        if any(r.shortcut is not None for r in taken.values()):
            raise UnmergeableError
        test = next(iter(residuals.values())).test
        if test is None:
            raise UnmergeableError
        flag = f"residual{sum(1 for s in self.init if isinstance(s, py.Assign)) or ''}"
        flag = "residual" if not any(_assigns(s, "self.residual") for s in self.init) else flag
        made = self.formulas.test(test, {n: r.taken for n, r in residuals.items()}, "residual")
        self.init.append(py.Assign(py.Name(f"self.{flag}"), made))
        y = self.get({n: r.main.output for n, r in residuals.items()})
        x.uses += 1
        self.settle(y)
        summed = py.Bin("+", self.read(x), y.code)
        x.uses -= 1
        code = py.IfExp(py.Name(f"self.{flag}"), summed, self.read(y))
        vids = {n: r.output for n, r in residuals.items()}
        shapes = {n: self.lanes[n].instance.shapes[v] for n, v in vids.items()}
        value = Value(shapes, y.features, code, max(self.uses[n][v] for n, v in vids.items()), 2, y.reads | x.reads)
        for n, v in vids.items():
            self.known[n][v] = value
        self.variables.pending.add(value)

    def join(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        joins = _all(nodes, g.Join)
        x = self.get({n: j.input for n, j in joins.items()})
        if len({len(j.arms) for j in joins.values()}) != 1:
            raise UnmergeableError
        self.settle(x)
        first = next(iter(joins.values()))
        if first.shares:
            self.split(joins, x)
        outer, self.in_arm = self.in_arm, True
        for at in range(len(first.arms)):
            self.bodies({n: j.arms[at].body for n, j in joins.items()}, namers)
        self.in_arm = outer
        values = [self.get({n: j.inputs[at] for n, j in joins.items()}) for at in range(len(first.arms))]
        codes = [self.read(v) for v in values]
        forms = {n: self.join_form(n, j) for n, j in joins.items()}
        code = self.joined(joins, forms, codes)
        reads = frozenset[str]().union(*(v.reads for v in values))
        features = self.join_features(first, values)
        depth = 1 + max(v.depth for v in values)
        self.give({n: j.output for n, j in joins.items()}, nodes, code, features, depth, reads)

    def join_form(self, lane: int, join: g.Join) -> TorchForm:
        shapes = self.lanes[lane].instance.shapes
        return join.operator.torch(*(shapes[v] for v in join.inputs))

    def joined(self, joins: Mapping[int, g.Join], forms: Mapping[int, TorchForm], codes: Sequence[py.Expr]) -> py.Expr:
        call = next(iter(forms.values())).function
        assert call is not None
        if call.name in _OUTLINE.values():
            code = codes[0]
            for other in codes[1:]:
                code = py.Bin(call.name, code, other)
            return code
        self.emitter.use(call.name)
        if call.name != "torch.cat":
            made = self.join_call(joins, forms)
            return py.Call(made.func, (*codes, *made.args), made.kwargs)
        values = {n: f.function.args[0].value for n, f in forms.items() if f.function}
        axis = self.formulas.render(values, None, "dim")
        return py.Call(py.Name(call.name), (py.List(tuple(codes)), axis))

    def join_call(self, joins: Mapping[int, g.Join], forms: Mapping[int, TorchForm]) -> py.Call:
        """The function of a join with its arguments."""
        calls = {n: f.function for n, f in forms.items() if f.function is not None}
        return self.call(joins, calls, [], None)

    def join_features(self, join: g.Join, values: Sequence[Value]) -> ex.Expr | None:
        """Features add up where they are put side by side."""
        if join.operator.word != "concat" or join.operator.given():
            return values[0].features
        parts = [v.features for v in values]
        total = parts[0]
        for part in parts[1:]:
            if total is None or part is None:
                return None
            total = ex.Binary("+", total, part)
        return total

    def split(self, joins: Mapping[int, g.Join], x: Value) -> None:
        count = len(next(iter(joins.values())).shares)
        names: list[str] = []
        axis = 1 if next(iter(x.shapes.values())).kind == "map" else -1
        source = py.Call(py.Attr(self.read(x), "chunk"), (py.Lit(count), literal(axis)))
        for at in range(count):
            vids = {n: j.shares[at] for n, j in joins.items()}
            shapes = {n: self.lanes[n].instance.shapes[v] for n, v in vids.items()}
            features = None if x.features is None else ex.Binary("/", x.features, ex.Number(_fraction(count)))
            value = self.made(vids, py.Name("x"), features, shapes, 0, frozenset())
            name = f"share{at + 1}"
            value.variable, value.code, value.reads = name, py.Name(name), frozenset({name})
            self.variables.holders[name] = value
            names.append(name)
        self.forward.append(py.Assign(py.Tuple(tuple(py.Name(n) for n in names)), source))

    # -- outputs, reuse

    def side_output(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        sides = _all(nodes, g.SideOutput)
        first = next(iter(sides.values()))
        self.bodies({n: s.body for n, s in sides.items()}, namers)
        value = self.get({n: s.value for n, s in sides.items()})
        name = variable_name(first.name)
        code = self.read(value)
        if first.training:
            if value.variable is not None:
                raise NotEmittedError("a training output of several lines outside a module")
            code = py.IfExp(code and py.Name("self.training"), code, py.Lit(None))
        self.forward.append(py.Assign(py.Name(name), code))
        self.variables.holders[name] = Value(value.shapes, None, py.Name(name), 1, 0, frozenset({name}), name)
        self.sides.append((name, first.training))

    def reuse(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        del namers
        reuses = _all(nodes, g.Reuse)
        (x,) = self.inputs(reuses)
        first = next(iter(reuses.values()))
        code = py.Call(self.member(first.path), (self.read(x),))
        vids = {n: r.output for n, r in reuses.items()}
        self.give(vids, nodes, code, None, 1 + x.depth, x.reads)

    def look(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        del namers
        first = next(iter(nodes.values()))
        assert isinstance(first, g.Look)
        raise NotEmittedError(f"`@{'.'.join(first.path)}`, a value inside a module,")

    # -- what callers ask

    def parameters(self):  # type: ignore[no-untyped-def]
        return self.emitter.parameters_of(self)


def slot_name(slot: Slot, at: int) -> str:
    """What an argument is called if it must become one of the class."""
    source = slot.source
    if isinstance(source, ex.Name):
        return {"size": "kernel_size", "features": "in_channels"}.get(source.id, source.id)
    return f"argument{at + 1}"


Kind = TypeVar("Kind", bound=g.Node)


def _all(nodes: Mapping[int, g.Node], kind: type[Kind]) -> dict[int, Kind]:
    """The nodes as what they are."""
    found = {n: node for n, node in nodes.items() if isinstance(node, kind)}
    assert len(found) == len(nodes)
    return found


def _is(lane: Lane, name: str, axis: int) -> bool:
    shape = lane.instance.shapes[lane.instance.entry[0]]
    return list(lane.instance.sizes).index(name) == axis or lane.instance.sizes[name] == shape.dims[axis]


def _label_text(nodes: Mapping[int, g.Node]) -> str | None:
    label = getattr(next(iter(nodes.values())), "label", None)
    return label.segments[-1] if label is not None else None


def _single(body: g.Body) -> g.Layer | g.Invoke | g.Level | None:
    while len(body) == 1:
        node = body[0]
        if isinstance(node, g.Layer | g.Invoke | g.Level):
            return node
        if not isinstance(node, g.Line | g.Choice):
            return None
        body = node.body
    return None


def _input(node: g.Layer | g.Invoke | g.Level) -> int:
    return first_input((node,), node.output)


def _shortcut(residual: g.Residual) -> g.Arm:
    if residual.shortcut is not None:
        return residual.shortcut
    return g.Arm(residual.main.input, (), residual.main.input)


def _assigns(statement: py.Stmt, name: str) -> bool:
    return isinstance(statement, py.Assign) and statement.target == py.Name(name)


def _flattened(value: Value) -> ex.Expr | None:
    """Features of a flattened map, if its places are the same numbers in all lanes."""
    shapes = list(value.shapes.values())
    places = {s.space for s in shapes}
    if value.features is None or len(places) != 1:
        return None
    total = 1
    for size in places.pop():
        if not isinstance(size, int):
            return None
        total *= size
    return value.features if total == 1 else ex.Binary("*", value.features, ex.Number(_fraction(total)))


def _formula(expression: ex.Expr, names: Mapping[str, py.Expr]) -> py.Expr:
    """An operator's formula with its arguments filled in."""
    match expression:
        case ex.Name():
            return names[expression.id]
        case ex.Binary():
            return py.Bin(expression.op, _formula(expression.left, names), _formula(expression.right, names))
        case ex.Function(name="take"):
            value, index = (_formula(a, names) for a in expression.args)
            return py.Index(value, (py.Slice(), index))
        case ex.Function():
            return py.Call(py.Name(f"torch.{expression.name}"), tuple(_formula(a, names) for a in expression.args))
        case _:
            raise NotEmittedError("a formula of this form")


def _fraction(value: int):  # type: ignore[no-untyped-def]
    from fractions import Fraction

    return Fraction(value)


__all__ = ["ClassWriter", "Constant"]
