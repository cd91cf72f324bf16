"""Residuals and joins: where ways part and come together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from .. import expr as ex
from ..ir import graph as g
from ..ir.lookup import arms
from ..ir.names import Namer
from ..ir.operator import TorchForm
from ..ir.shapes import Constant
from . import pycode as py
from .formulas import UnmergeableError, literal
from .in_place import ResidualInPlace
from .layers import LayerWriter
from .values import Value
from .writer import Nodes, all_of

_INFIX = ("+", "*")


class JoinWriter(LayerWriter):
    """Writes residuals and joins."""

    def residual(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        residuals = all_of(nodes, g.Residual)
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
            outer = self.inlined
            self.inlined = _only_line(bodies) if first.shortcut is None else None
            self.bodies(bodies, namers)
            self.inlined = outer
        if len(taken) != len(residuals):
            self.maybe_residual(residuals, taken, x)
            return
        self.add(
            {n: r.main.output for n, r in taken.items()}, {n: _shortcut(r).output for n, r in taken.items()}, taken
        )

    def add(self, mains: Mapping[int, int], shortcuts: Mapping[int, int], nodes: Mapping[int, g.Residual]) -> None:
        y, other = self.get(mains), self.get(shortcuts)
        code = _sum(self.read(y), self.read(other), nodes, other.variable is not None)
        reads, depth = y.reads | other.reads, 1 + max(y.depth, other.depth)
        self.give({n: r.output for n, r in nodes.items()}, dict(nodes), code, y.features, depth, reads)

    def maybe_residual(self, residuals: Mapping[int, g.Residual], taken: Mapping[int, g.Residual], x: Value) -> None:
        """A residual where some instances have none: a flag decided when the module is built."""
        if self.repeating or any(r.shortcut is not None for r in taken.values()):
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
        summed = _sum(y.code, self.read(x), taken, True)
        x.uses -= 1
        code = py.IfExp(py.Name(f"self.{flag}"), summed, self.read(y))
        vids = {n: r.output for n, r in residuals.items()}
        shapes = {n: self.lanes[n].instance.shapes[v] for n, v in vids.items()}
        value = Value(shapes, y.features, code, max(self.uses[n][v] for n, v in vids.items()), 2, y.reads | x.reads)
        self.know(vids, value)
        self.variables.pending.add(value)

    def join(self, nodes: Nodes, namers: Mapping[int, Namer]) -> None:
        joins = all_of(nodes, g.Join)
        x = self.get({n: j.input for n, j in joins.items()})
        if len({len(j.arms) for j in joins.values()}) != 1:
            raise UnmergeableError
        self.settle(x)
        first = next(iter(joins.values()))
        if first.shares:
            self.split(joins, x)
        outer, self.in_arm = self.in_arm, True
        before = self.ahead
        for at in range(len(first.arms)):
            self.bodies({n: j.arms[at].body for n, j in joins.items()}, namers)
            self.ahead = (*self.ahead, self.get({n: j.arms[at].output for n, j in joins.items()}))
        self.in_arm, self.ahead = outer, before
        values = [self.get({n: j.inputs[at] for n, j in joins.items()}) for at in range(len(first.inputs))]
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
        if call.name in _INFIX:
            code = codes[0]
            for other in codes[1:]:
                code = py.Bin(call.name, code, other)
            return code
        self.emitter.use(call.name)
        if call.name != "torch.cat":
            made = self.join_call(joins, forms)
            paths = len(codes) - len(call.values)
            named = tuple(zip(call.values, codes[paths:], strict=True))
            return py.Call(made.func, (*codes[:paths], *made.args), (*named, *made.kwargs))
        values = {n: f.function.args[0].value for n, f in forms.items() if f.function}
        axis = self.formulas.render(values, None, "dim")
        return py.Call(py.Name(call.name), (py.List(tuple(codes)), axis))

    def join_call(self, joins: Mapping[int, g.Join], forms: Mapping[int, TorchForm]) -> py.Call:
        """The function of a join with its arguments."""
        calls = {n: f.function for n, f in forms.items() if f.function is not None}
        first = next(iter(calls.values()))
        defaults = {keyword: default for keyword, _, default in first.kwargs if keyword in first.training}
        made = self.call(joins, calls, [], None)
        kwargs = [
            (k, py.IfExp(py.Name("self.training"), code, _decimal(defaults[k])) if k in defaults else code)
            for k, code in made.kwargs
        ]
        return py.Call(made.func, made.args, tuple(kwargs))

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
        first = 1  # shares of another split that are still to be read keep their names
        while any(not self.variables.free(f"share{first + at}", x) for at in range(count)):
            first += 1
        for at in range(count):
            vids = {n: j.shares[at] for n, j in joins.items()}
            shapes = {n: self.lanes[n].instance.shapes[v] for n, v in vids.items()}
            features = None if x.features is None else ex.Binary("/", x.features, ex.Number(Fraction(count)))
            value = self.made(vids, py.Name("x"), features, shapes, 0, frozenset())
            name = f"share{first + at}"
            value.variable, value.code, value.reads = name, py.Name(name), frozenset({name})
            self.variables.holders[name] = value
            names.append(name)
        self.forward.append(py.Assign(py.Tuple(tuple(py.Name(n) for n in names)), source))


def _only_line(bodies: Mapping[int, g.Body]) -> g.Node | None:
    """The line that a body consists of, in the first lane."""
    body = next(iter(bodies.values()))
    return body[0] if len(body) == 1 else None


def _sum(main: py.Expr, other: py.Expr, nodes: Mapping[int, g.Residual], other_first: bool) -> py.Expr:
    """What a residual gives; its shortcut is first where it is a variable, and no second array is made of a form for inference."""
    if all(isinstance(node, ResidualInPlace) for node in nodes.values()):
        return py.Call(py.Attr(main, "add_"), (other,))
    return py.Bin("+", other, main) if other_first else py.Bin("+", main, other)


def _shortcut(residual: g.Residual) -> g.Arm:
    if residual.shortcut is not None:
        return residual.shortcut
    return g.Arm(residual.main.input, (), residual.main.input)


def _assigns(statement: py.Stmt, name: str) -> bool:
    return isinstance(statement, py.Assign) and statement.target == py.Name(name)


def _decimal(value: Constant) -> py.Expr:
    """What stands beside a decimal: to TorchScript both sides of a choice have one type."""
    return py.Lit(float(value)) if isinstance(value, int | Fraction) else literal(value)
