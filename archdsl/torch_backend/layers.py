"""Layers and calls of modules: how they are constructed, how they are applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import expr as ex
from ..ir import graph as g
from ..ir.names import Namer
from ..ir.operator import Slot, TorchCall, TorchForm
from . import pycode as py
from .formulas import FEATURES, NotEmittedError, UnmergeableError, features_beside, literal, number
from .looks import LookWriter
from .members import installation, variable_name
from .reopened import ReopenError
from .values import Value
from .writer import Nodes, all_of, label_text


class LayerWriter(LookWriter):
    """Writes layers and calls of modules."""

    def layer(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        self.apply(all_of(nodes, g.Layer), nodes, self.path(nodes, namers))

    def nameless(self, nodes: Nodes) -> bool:
        layers = {n: node for n, node in nodes.items() if isinstance(node, g.Layer) and node.label is None}
        if len(layers) != len(nodes) or self.listed:
            return False
        forms = self.forms(layers)
        members = (
            f.state or f.function is None or f.array is not None or f.trained is not None for f in forms.values()
        )
        return not any(members) and not _varies(forms)

    def apply(self, layers: Mapping[int, g.Layer], nodes: Nodes, path: tuple[str, ...]) -> None:
        """A layer at its path."""
        forms = self.forms(layers)
        form = next(iter(forms.values()))
        inputs = self.inputs(layers)
        self.named(inputs, form)
        features = self.layer_features(layers, inputs)
        first = next(iter(layers.values()))
        made_member = self.stands(layers, path) and all(f.module is not None for f in forms.values())
        if form.array is not None:
            self.install_array(layers, forms, inputs, path)
            code = self.fitting(inputs, lambda codes: self.with_array(form, codes[0], self.array(path)))
        elif first.tied:
            shared = tuple(self.array((*where, name)) for name, where in first.tied)
            function = self.tied_function(layers, forms, inputs, path)
            code = self.fitting(inputs, lambda codes: py.Call(function, (*codes, *shared)))
        elif form.trained is not None:
            calls = {n: f.trained for n, f in forms.items() if f.trained is not None}
            self.install(path, self.call(layers, calls, inputs, None))
            made = self.member(path)
            code = self.fitting(inputs, lambda codes: py.Call(made, (self.applied(layers, forms, inputs, codes),)))
        elif any(f.state or f.function is None for f in forms.values()) or _varies(forms) or made_member:
            path = self.placed(layers, path, self.constructed(layers, forms, inputs))
            if form.module == TorchCall("nn.Identity") and len(inputs) > 1:  # it only holds the position
                code = self.fitting(inputs, lambda codes: self.applied(layers, forms, inputs, codes))
            else:
                code = self.fitting(inputs, lambda codes: py.Call(self.member(path), tuple(codes)))
        else:
            code = self.fitting(inputs, lambda codes: self.applied(layers, forms, inputs, codes))
        outputs = {n: layer.output for n, layer in layers.items()}
        if form.first:
            self.give_first(outputs, nodes, code, features)
            return
        reads = frozenset[str]().union(*(v.reads for v in inputs))
        depth = max(v.depth for v in inputs) + (not form.method)
        self.give(outputs, nodes, code, features, depth, reads)

    def placed(self, layers: Mapping[int, g.Layer], path: tuple[str, ...], made: py.Expr) -> tuple[str, ...]:
        """Install the module of a layer, and where it is: `again` of one without arrays makes another if it must."""
        before = list(self.init)
        self.install(path, made)
        stores = any(
            layer.operator.tensors(*(self.lanes[n].instance.shapes[v] for v in layer.inputs))
            for n, layer in layers.items()
        )
        if not self.repeating or stores or self.init[-1] in before:
            return path
        if self.listed:
            raise ReopenError(self.opening(path))
        self.init = before
        base, number = variable_name(f"{path[-1]}_again"), 2
        other = (base,)
        while any(_installs(s, self.member(other)) and s != installation(other, made) for s in self.init):
            other, number = (f"{base}{number}",), number + 1
        self.install(other, made)
        self.further.append(self.init[-1])
        return other

    def inputs(self, nodes: Mapping[int, g.Layer | g.Invoke]) -> list[Value]:
        count = len(next(iter(nodes.values())).inputs)
        return [self.get({n: node.inputs[at] for n, node in nodes.items()}) for at in range(count)]

    def forms(self, layers: Mapping[int, g.Layer]) -> dict[int, TorchForm]:
        """How a layer is written, in each lane; where that differs, as it can be written for all."""
        found = {n: self.form(n, layer) for n, layer in layers.items()}
        while len({(f.module and f.module.name, f.function and f.function.name) for f in found.values()}) > 1:
            most = max(map(_generality, found.values()))
            if not most:
                break
            found = {n: (f.general or f) if _generality(f) == most else f for n, f in found.items()}
        return found

    def form(self, lane: int, layer: g.Layer) -> TorchForm:
        shapes = self.lanes[lane].instance.shapes
        found = layer.operator.torch(*(shapes[v] for v in layer.inputs))
        return found.general if found.general is not None and id(layer) in self.reshaped else found

    def layer_features(self, layers: Mapping[int, g.Layer], inputs: Sequence[Value]) -> ex.Expr | None:
        """The formula of a layer's output features: its width, or what came in."""
        lane, first = next(iter(layers.items()))
        shapes = self.lanes[lane].instance.shapes
        formula = first.operator.result_features(*(shapes[v] for v in first.inputs))
        return self.resolved(first, formula, inputs)

    def argument(self, layer: g.Layer | g.Join, name: str) -> ex.Expr | None:
        """How an operator's argument was written; `shape.0` is the first size of `shape`."""
        base, _, at = name.partition(".")
        written = dict(layer.expressions).get(base)
        found = written if written is not None else number(getattr(layer.operator, base, None))
        if not at:
            return found
        return found.dims[int(at)] if isinstance(found, ex.SizeExpr) else None

    def source(self, layer: g.Layer | g.Join, slot: Slot, inputs: Sequence[Value]) -> ex.Expr | None:
        """A slot's formula in the words of the definition."""
        return self.resolved(layer, slot.source, inputs)

    def resolved(self, layer: g.Layer | g.Join, formula: ex.Expr | None, inputs: Sequence[Value]) -> ex.Expr | None:
        """An operator's formula in the words of the definition; None if one of its names has none."""
        if formula is None:
            return None
        names: dict[str, ex.Expr] = {}
        for name in ex.names_in(formula):
            features = inputs[0].features if inputs else None
            found = features if name == "features" else self.argument(layer, name)
            if found is None:
                return None
            names[name] = found
        return ex.substitute(formula, names)

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
        for at, (keyword, slot, _) in enumerate(first.kwargs):
            values = {n: c.kwargs[at][1].value for n, c in calls.items()}
            if any(v != calls[n].kwargs[at][2] for n, v in values.items()):
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
        if len({c.name for c in calls.values()}) > 1 and len({(c.args, c.kwargs) for c in calls.values()}) == 1:
            words = {n: layer.operator.word for n, layer in layers.items()}
            made = self.formulas.layer_word(words, {words[n]: c.name for n, c in calls.items()})
            kwargs = tuple((keyword, literal(slot.value)) for keyword, slot, _ in next(iter(calls.values())).kwargs)
            if made is not None and not any(c.args for c in calls.values()):
                return py.Call(made, (), kwargs)
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
            return self.expressed(layers, forms, inputs, codes[0])
        made = self.call(layers, calls, inputs, None)
        if form.places is not None:
            places = py.Index(py.Attr(codes[1], "shape"), py.Slice(py.Lit(2)))
            return py.Call(made.func, (codes[0], *made.args), ((form.places, places), *made.kwargs))
        if form.factor is not None:
            values = {n: f.factor.value for n, f in forms.items() if f.factor is not None}
            factor = self.formulas.render(
                values, self.source(next(iter(layers.values())), form.factor, inputs), "factor"
            )
            return py.Bin("*", factor, py.Call(made.func, (*codes, *made.args), made.kwargs))
        if not form.method:
            return py.Call(made.func, (*codes, *made.args), made.kwargs)
        assert isinstance(made.func, py.Name)
        batch = (py.Index(py.Attr(codes[0], "shape"), py.Lit(0)),) if form.batch else ()
        return py.Call(py.Attr(codes[0], made.func.id), (*batch, *made.args), made.kwargs)

    def named(self, inputs: Sequence[Value], form: TorchForm) -> None:
        """Variables for what is mentioned more than once, or asked for its shape."""
        if form.batch:
            self.settle(inputs[0])
        if form.places is not None:
            self.settle(inputs[1])

    def install_array(
        self,
        layers: Mapping[int, g.Layer],
        forms: Mapping[int, TorchForm],
        inputs: Sequence[Value],
        path: tuple[str, ...],
    ) -> None:
        """Make the one array of a layer a parameter of the class."""
        made = self.call(layers, {n: f.array for n, f in forms.items() if f.array is not None}, inputs, None)
        self.install(path, py.Call(py.Name("nn.Parameter"), (made,)))

    def with_array(self, form: TorchForm, x: py.Expr, member: py.Expr) -> py.Expr:
        """A layer whose one array is a parameter of the class, applied."""
        if form.expression is not None:
            return _formula(form.expression, {"x": x, "array": member})
        assert form.function is not None
        self.emitter.use(form.function.name)
        return py.Call(py.Name(form.function.name), (x, member))

    def expressed(
        self, layers: Mapping[int, g.Layer], forms: Mapping[int, TorchForm], inputs: Sequence[Value], x: py.Expr
    ) -> py.Expr:
        """A stateless layer as a formula of its input; a def that only abbreviates it becomes a function."""
        layer, form = next(iter(layers.values())), next(iter(forms.values()))
        assert form.expression is not None
        assert form.function is not None
        names: dict[str, py.Expr] = {}
        for at, slot in enumerate(form.function.args):
            if isinstance(slot.source, ex.Name):
                values = {n: f.function.args[at].value for n, f in forms.items() if f.function is not None}
                names[slot.source.id] = self.formulas.render(values, self.source(layer, slot, inputs), slot.source.id)
        short = layer.abbreviation
        if short is not None and all(isinstance(c, py.Lit | py.Bin) for c in names.values()):
            body = _formula(form.expression, {**names, "x": py.Name("x")})
            return py.Call(py.Name(self.emitter.function(short, body)), (x,))
        return _formula(form.expression, {**names, "x": x})

    def tied_function(
        self,
        layers: Mapping[int, g.Layer],
        forms: Mapping[int, TorchForm],
        inputs: Sequence[Value],
        path: tuple[str, ...],
    ) -> py.Expr:
        """What is applied to the input and the arrays of another layer: a function, or a module with what is left."""
        if len({f.module is None for f in forms.values()}) > 1:
            raise UnmergeableError
        function = next(iter(forms.values())).function
        if function is None:
            self.install(path, self.constructed(layers, forms, inputs))
            return self.member(path)
        self.emitter.use(function.name)
        return py.Name(function.name)

    # -- modules

    def invoke(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        self.called(all_of(nodes, g.Invoke), nodes, self.path(nodes, namers))

    def called(self, invokes: Mapping[int, g.Invoke], nodes: Nodes, path: tuple[str, ...]) -> None:
        """A call of a module at its path."""
        inputs = self.inputs(invokes)
        before = len(self.init)
        self.install(path, self.construction(invokes, inputs))
        if self.repeating and any(made not in self.init[:before] for made in self.init[before:]):
            raise ReopenError(self.opening(path))
        member = self.member(path)
        features = self.invoke_features(invokes, inputs)
        code = self.fitting(inputs, lambda codes: py.Call(member, tuple(codes)))
        reads = frozenset[str]().union(*(v.reads for v in inputs))
        depth = 1 + max(v.depth for v in inputs)
        vids = {n: node.output for n, node in invokes.items()}
        beside = self.beside(invokes, path)
        if any(beside):
            shapes = {n: self.lanes[n].instance.shapes[v] for n, v in vids.items()}
            self.unpack(self.made(vids, code, features, shapes, depth, reads), beside, label_text(nodes))
        else:
            self.give(vids, nodes, py.Index(code, py.Lit(0)) if beside else code, features, depth, reads)

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
            code = self.formulas.classes(code, parameter.formal.modules)
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
        for at in range(1, len(inputs)):
            if name == features_beside(invoke.instance, at):
                return inputs[at].features
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


def _installs(statement: py.Stmt, member: py.Expr) -> bool:
    return isinstance(statement, py.Assign) and statement.target == member


def _varies(forms: Mapping[int, TorchForm]) -> bool:
    """Whether a function's arguments are not the same in all lanes: then a module is made with them."""
    if any(f.module is None or f.function is None for f in forms.values()):
        return False
    calls = [f.function for f in forms.values() if f.function is not None]
    return len({(tuple(s.value for s in c.args), tuple(s.value for _, s, _ in c.kwargs)) for c in calls}) > 1


def slot_name(slot: Slot, at: int) -> str:
    """What an argument is called if it must become one of the class."""
    source = slot.source
    if isinstance(source, ex.Name):
        base = source.id.partition(".")[0]
        return {"size": "kernel", "features": "in_channels", "shape": "size"}.get(base, base)
    return f"argument{at + 1}"


def _formula(expression: ex.Expr, names: Mapping[str, py.Expr]) -> py.Expr:
    """An operator's formula with its arguments filled in."""
    match expression:
        case ex.Name():
            return names[expression.id]
        case ex.Binary(op="*") if names.get("factor") == py.Unary("-", py.Lit(1)):
            return py.Unary("-", _formula(expression.left, names))
        case ex.Binary():
            return py.Bin(expression.op, _formula(expression.left, names), _formula(expression.right, names))
        case ex.Function(name="take"):
            value, index = (_formula(a, names) for a in expression.args)
            return py.Index(value, (py.Slice(), index))
        case ex.Function():
            return py.Call(py.Name(f"torch.{expression.name}"), tuple(_formula(a, names) for a in expression.args))
        case _:
            raise NotEmittedError("a formula of this form")


def _generality(form: TorchForm) -> int:
    """How many more general forms there are."""
    return 0 if form.general is None else 1 + _generality(form.general)
