"""What writing a class needs: its lanes, the values in its `forward`, the members it has made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from .. import expr as ex
from ..ir import graph as g
from ..ir.names import Namer
from ..ir.shapes import Shape
from . import pycode as py
from .bodies import labels
from .formulas import FEATURES, Formulas, Lane, UnmergeableError, features_beside
from .members import RESERVED, array_of, installation, member_of, registration
from .outline import numbers_an_array, standing
from .pyprint import flat
from .reopened import Opening
from .taps import count_looks, looked_at
from .values import MAX_CALLS, Value, Variables, count_uses, far_values, reshaped

if TYPE_CHECKING:
    from .emitter import Emitter

MAX_WIDTH = 88 - len("        x = ")
Nodes = dict[int, g.Node]
Bodies = dict[int, g.Body]
Kind = TypeVar("Kind", bound=g.Node)


class Writer(ABC):
    """The state of one class while it is written."""

    def __init__(self, emitter: Emitter, instances: Sequence[g.Instance], name: str, pinned: frozenset[str]) -> None:
        self.emitter = emitter
        self.name = name
        self.lanes = [Lane.of(i) for i in instances]
        self.is_level = emitter.outline.was_level(instances[0])
        self.formulas = Formulas(self.lanes, pinned, own=not self.is_level)
        self.index = {id(i): n for n, i in enumerate(instances)}
        self.is_root = instances[0].name == ""
        self.uses = [count_uses(i) for i in instances]
        self.far: list[set[int]] = []
        self.returned = tuple(dict.fromkeys(path for i in instances for path in emitter.taps.returned(i)))
        self.tapped: dict[tuple[str, ...], Value] = {}
        for instance, uses in zip(instances, self.uses, strict=True):
            count_looks(instance, self.returned, uses)
            self.far.append(far_values(instance) | looked_at(instance, self.returned))
        self.reshaped = {number for i in instances for number in reshaped(i)}
        self.kinds: dict[tuple[str, ...], str] = {}
        """How each level was written, for `again`."""
        self.repeating = False
        """Whether what is written stands there already: `again`."""
        self.further: list[py.Stmt] = []
        """The members that `again` has made beside those that were there."""
        self.spoken_words: Counter[str] = Counter()
        self.known: list[dict[int, Value]] = [{} for _ in instances]
        self.before: list[dict[int, list[Value]]] = [{} for _ in instances]
        """What a number stands for as well in a lane that lacks an item, whose value is what came in: either does."""
        self.variables = Variables()
        self.init: list[py.Stmt] = []
        self.forward: list[py.Stmt] = []
        self.sides: list[tuple[str, bool]] = []
        self.result_features: ex.Expr | None = None
        self.comments = self.is_root
        self.in_arm = False
        self.ahead: tuple[Value, ...] = ()
        """What the paths before this one give: where this one needs statements, theirs come first."""
        self.inlined: g.Node | None = None
        self.prefix: tuple[str, ...] = ()
        self.dicts: set[tuple[str, ...]] = set()
        """The levels above members that are no classes of their own."""
        self.read_into: set[str] = set()
        """Those of them, by their outermost names, of which arrays are read."""
        self.standing = [standing(i) if self.is_level else None for i in instances]
        self.positional = any(found is not None for found in self.standing)
        """Whether the members of the class are called by their positions."""
        self.listed = self.positional and not any(map(numbers_an_array, instances))
        """Whether it is an nn.ModuleList, which holds modules only."""
        if (
            self.positional
            and not self.listed
            and not any(RESERVED.intersection(dict(labels(i.body)).values()) for i in instances)
        ):
            self.dicts.add(())  # an nn.ModuleDict
        self.base = "nn.Module"
        self.turn_count = 0
        """How many turns are functions within `forward`."""

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

    def entry_beside(self, at: int) -> ex.Expr | None:
        """The features of what a module is handed besides, where they are a number."""
        name = features_beside(self.lanes[0].instance, at)
        return ex.Name(name) if all(name in lane.names for lane in self.lanes) and not self.is_level else None

    @abstractmethod
    def bodies(self, bodies: Bodies, namers: Mapping[int, Namer]) -> None:
        """Write some nodes, the same in all lanes."""

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
        value.far = any(v in self.far[n] for n, v in vids.items())
        self.know(vids, value)
        return value

    def know(self, vids: Mapping[int, int], value: Value) -> None:
        """From here on some numbers stand for a value, each in its lane; iterations give theirs anew."""
        for n, v in vids.items():
            self.known[n][v] = value
            self.before[n].pop(v, None)

    def checked(self, features: ex.Expr | None, shapes: Mapping[int, Shape]) -> ex.Expr | None:
        """A formula for features, if it is right in every lane."""
        if features is None:
            return None
        values = self.formulas.values(features)
        right = values is not None and all(values[n] == s.features for n, s in shapes.items())
        return features if right else None

    def get(self, vids: Mapping[int, int]) -> Value:
        """The value that some numbers stand for, each in its lane."""
        found = [[self.known[n][vid], *self.before[n].get(vid, ())] for n, vid in vids.items()]
        for value in found[0]:
            if all(any(other is value for other in others) for others in found):
                return value
        raise UnmergeableError

    def read(self, value: Value) -> py.Expr:
        """The code for a value, now that something reads it."""
        value.uses -= 1
        self.variables.pending.discard(value)
        return value.code

    def fitting(self, inputs: Sequence[Value], build: Callable[[list[py.Expr]], py.Expr]) -> py.Expr:
        """Code made of some values; they are assigned first where it would not fit on a line otherwise."""
        if len(flat(build([v.code for v in inputs]))) > MAX_WIDTH:
            for value in inputs:
                if value.depth:
                    self.settle(value)
        return build([self.read(v) for v in inputs])

    def settle(self, value: Value, label: str | None = None, comment: str | None = None) -> None:
        """Assign a value to a variable unless it has one."""
        if value.variable is not None:
            self.annotate(value.variable, comment)
            return
        self.variables.pending.add(value)  # what its code reads is not overwritten before it is
        for earlier in self.ahead:
            if earlier is value:
                break
            self.settle(earlier)
        self.variables.pending.discard(value)
        name = self.variables.choose(value, label or value.label)
        if value.code != py.Name(name):
            self.forward.append(py.Assign(py.Name(name), value.code, comment=comment))
        self.hold(value, name)

    def annotate(self, variable: str, comment: str | None) -> None:
        """A comment for the last statement, if it is what assigned the variable."""
        last = self.forward[-1] if self.forward else None
        if comment is None or not isinstance(last, py.Assign) or last.comment is not None:
            return
        target = last.target.items[0] if isinstance(last.target, py.Tuple) else last.target
        if target == py.Name(variable):
            self.forward[-1] = replace(last, comment=comment)

    def give_first(self, vids: Mapping[int, int], nodes: Nodes, code: py.Expr, features: ex.Expr | None) -> None:
        """The result of a node whose module gives a tuple, of which it is the first: `x, _ = self.lstm(x)`."""
        shapes = {n: self.lanes[n].instance.shapes[v] for n, v in vids.items()}
        value = self.made(vids, code, features, shapes, 0, frozenset())
        name = self.variables.choose(value, label_text(nodes))
        self.forward.append(py.Assign(py.Tuple((py.Name(name), py.Name("_"))), code))
        self.hold(value, name)

    def hold(self, value: Value, name: str) -> None:
        """A value is now in a variable."""
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
        value.label = label_text(nodes)
        self.variables.pending.add(value)
        if value.uses != 1 or depth >= MAX_CALLS:
            self.settle(value)

    # -- members

    def path(self, nodes: Nodes, namers: Mapping[int, Namer]) -> tuple[str, ...]:
        """The name of an item, which all lanes must give it unless it is an expression, which has none in the code."""
        found = {namers[n].name(node) for n, node in nodes.items()}  # type: ignore[arg-type]
        if len(found) != 1 and not self.nameless(nodes):
            raise UnmergeableError
        path = (*self.prefix, *found.pop())
        return self.spoken(path, nodes) if self.is_level and not self.positional else path

    @abstractmethod
    def nameless(self, nodes: Nodes) -> bool:
        """Whether an item is an expression: an ordinal that only some lanes count is then no difference."""

    def spoken(self, path: tuple[str, ...], nodes: Nodes) -> tuple[str, ...]:
        """The name of a layer without arrays in a class whose other members have labels: no key tells its position."""
        node = next(iter(nodes.values()))
        if not path[-1].isdigit() or len(path) > 1 or not isinstance(node, g.Layer):
            return path
        word = node.operator.word
        self.spoken_words[word] += 1
        return (f"{word}{self.spoken_words[word]}",)

    def member(self, path: Sequence[str]) -> py.Expr:
        """`self.a.b`, `self.a["b"]` in a container made here, `self[0]` in a list."""
        return member_of(path, self.dicts, self.listed)

    def array(self, path: tuple[str, ...]) -> py.Expr:
        """The same of an array, which is an attribute of a container, too."""
        if any(path[:length] in self.dicts for length in range(1, len(path))):
            self.read_into.add(path[0])
        return array_of(path, self.dicts, self.listed)

    def install(self, path: tuple[str, ...], made: py.Expr) -> None:
        """Make something the member of a path, the levels above it being made first."""
        self.parents(path)
        array = isinstance(made, py.Call) and made.func == py.Name("nn.Parameter")
        made_by = registration if array else installation
        self.init.append(made_by(path, made, self.dicts, self.listed))

    def opening(self, path: tuple[str, ...]) -> Opening:
        """What to write out where an item cannot be made so that it does for both of its applications."""
        instance = self.lanes[0].instance
        place = self.emitter.outline.places.get(id(instance))
        return place if place is not None else Opening((instance.scope.file, instance.name), path)

    def parents(self, path: tuple[str, ...]) -> None:
        """Make the levels above a path."""
        for length in range(1, len(path)):
            if path[:length] not in self.dicts:
                self.init.append(installation(path[:length], py.Call(py.Name("nn.ModuleDict")), self.dicts))
                self.dicts.add(path[:length])

    def stands(self, layers: Mapping[int, g.Layer], path: tuple[str, ...]) -> bool:
        """Whether layers without weights are a member, since later members are called by their positions."""
        found = {id(layer) in (self.standing[n] or ()) for n, layer in layers.items()}
        return self.listed and len(path) == 1 and any(found)


def all_of(nodes: Mapping[int, g.Node], kind: type[Kind]) -> dict[int, Kind]:
    """The nodes as what they are."""
    found = {n: node for n, node in nodes.items() if isinstance(node, kind)}
    assert len(found) == len(nodes)
    return found


def _is(lane: Lane, name: str, axis: int) -> bool:
    shape = lane.instance.shapes[lane.instance.entry[0]]
    return list(lane.instance.sizes).index(name) == axis or lane.instance.sizes[name] == shape.dims[axis]


def label_text(nodes: Mapping[int, g.Node]) -> str | None:
    """The last segment of an item's label."""
    label = getattr(next(iter(nodes.values())), "label", None)
    return label.segments[-1] if label is not None else None
