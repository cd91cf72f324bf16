"""A plan as a module of torch's own layers, and what torch says of every layer of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .expressions import evaluate
from .words import WORDS, Rule, Value, features
from .words_attention import attention, earlier, hidden

Plan = dict[str, Any]
Node = dict[str, Any]
BATCH = 2
MAX_NUMBERS = 40_000
"""No value of a random network is larger."""


class TooLargeError(Exception):
    """A value too large to be worth the time; it says nothing of the network."""


@dataclass
class Record:
    """What torch says of one layer: where it is, what comes out, its arrays and multiply-adds."""

    word: str
    path: tuple[str, ...]
    output: tuple[int, ...]
    macs: int
    training: bool
    module: nn.Module | None
    kind: str = "layer"


@dataclass
class Namer:
    """Names the items of one level as the language says: by label, by position, or by word and number."""

    path: tuple[str, ...]
    positional: bool
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def items(self) -> int:
        """How many it has named."""
        return self.counts.get("position", 0)

    def name(self, label: str | None, word: str) -> tuple[str, ...]:
        self.counts[word] = self.counts.get(word, 0) + 1
        position = self.counts.get("position", 0)
        self.counts["position"] = position + 1
        if label is not None and label != "_":
            return (*self.path, label)
        return (*self.path, str(position) if self.positional or label == "_" else f"{word}{self.counts[word]}")


@dataclass
class Scope:
    """What a body sees: names, values and layers by label, and how its items are called."""

    names: dict[str, Any]
    values: dict[str, Value]
    items: dict[str, tuple[Node, int, int, tuple[str, ...]]]
    namer: Namer
    training: bool = False

    def copy(self) -> Scope:
        """A scope of which changes do not show in this one."""
        namer = Namer(self.namer.path, self.namer.positional, dict(self.namer.counts))
        return replace(self, names=dict(self.names), values=dict(self.values), items=dict(self.items), namer=namer)

    def level(self, path: tuple[str, ...], positional: bool = True) -> Scope:
        """The same names and labels, below a level of names."""
        return replace(self, namer=Namer(path, positional))

    def within(self, **names: Any) -> Scope:
        """The same with more names."""
        return replace(self, names={**self.names, **names})


class Runner:
    """Runs a plan. Modules are made as they are met, or taken in that same order from those made before."""

    def __init__(
        self, plan: Plan, modules: Iterable[nn.Module] | None = None, training: bool = True, ended: Iterable[int] = ()
    ) -> None:
        self.plan, self.training = plan, training
        self.ended: list[int] = []
        """Where the modules of each training output end, which eval mode leaves out."""
        self.ends = iter(list(ended))
        self.modules: list[nn.Module] = [] if modules is None else list(modules)
        self.building = modules is None
        self.at = 0
        self.records: list[Record] = []
        self.outputs: list[tuple[str, Value]] = []
        self.counter: FlopCounterMode | None = None
        self.reusing = False
        self.training_joins = 0
        """Multiply-adds of joins that exist in training only."""

    # -- the whole

    def scope(self, values: dict[str, Value]) -> Scope:
        """The scope of the layers of the network."""
        return Scope(dict(parameters(self.plan)), dict(values), {}, Namer((), False))

    def run(self, values: dict[str, Value]) -> list[Tensor]:
        """The main output and the others in the order written."""
        first = next(iter(values.values()))
        self.main = self.body(self.plan["body"], first, self.scope(values))
        return [self.main.tensor, *(value.tensor for _, value in self.outputs)]

    def measure(self, values: dict[str, Value]) -> None:
        """Run once, counting multiply-adds."""
        self.counter = FlopCounterMode(display=False)
        with self.counter, torch.no_grad():
            self.run(values)
        self.total = self.macs()

    def macs(self) -> int:
        """Multiply-adds so far, of one example."""
        return self.counter.get_total_flops() // (2 * BATCH) if self.counter is not None else 0

    # -- nodes

    def body(self, nodes: list[Node], value: Value, scope: Scope) -> Value:
        for node in nodes:
            value = self.node(node, value, scope)
        return value

    def node(self, node: Node, value: Value, scope: Scope) -> Value:
        start = self.at
        value = getattr(self, f"do_{node['is']}")(node, value, scope)
        if value.tensor.numel() > 2 * MAX_NUMBERS:
            raise TooLargeError("larger than a random network may be")
        label = node.get("label")
        if label is not None and label != "_":
            if label in scope.values:
                raise Rule(f"{label} is there already")
            scope.values[label] = value
            scope.items[label] = (node, start, self.at, (*scope.namer.path, label))
        return value

    def do_layer(self, node: Node, value: Value, scope: Scope) -> Value:
        word = WORDS[node["word"]]
        if value.kind not in word.kinds:
            raise Rule(f"{word.word} takes no {value.kind}")
        if word.word == "identity" and node.get("label") is None:
            return value
        before = self.macs()
        path = scope.namer.name(node.get("label"), word.word)
        given = self.arguments(node, word.word, scope)
        word.check(given, value)
        module = self.take(lambda: word.layer(given, value).eval(), word.anew)
        tensor = module(value.tensor, *word.others(given))
        self.sized(tensor)
        result = word.result(given, value, tensor)
        if not self.reusing:
            macs = self.macs() - before
            self.records.append(Record(word.word, path, tuple(tensor.shape[1:]), macs, scope.training, module))
        return result

    def arguments(self, node: Node, word: str, scope: Scope) -> dict[str, Any]:
        """The arguments of a layer, those of the file's `default` included."""
        written = dict(node["args"])
        exclusive = WORDS[word].exclusive if word in WORDS else ()
        for name, given in self.plan.get("default", {}).get(word, {}).items():
            if name not in exclusive or not any(written.get(other) for other in exclusive):
                written.setdefault(name, given)
        return {name: self.argument(given, scope) for name, given in written.items()}

    def argument(self, given: Any, scope: Scope) -> Any:
        if isinstance(given, dict) and "value" in given:
            return scope.values[given["value"]]
        if isinstance(given, dict) and "tied" in given:
            return self.modules[scope.items[given["tied"]][1]]
        if isinstance(given, dict) and "map" in given:
            return self.plan["maps"][given["map"]]
        if isinstance(given, dict) and "word" in given:
            return given["word"]
        return evaluate(given, scope.names)

    def take(self, make: Any, anew: bool) -> nn.Module:
        """The next module: made, or the one that stands there."""
        if self.building and self.at == len(self.modules):
            self.modules.append(make())
        elif self.building:
            wanted, there = (
                {key: array.shape for key, array in module.state_dict().items()}
                for module in (make(), self.modules[self.at])
            )
            if wanted != there:
                raise Rule("the arrays used again have other shapes")
        self.at += 1
        found = self.modules[self.at - 1]
        return self.anew(found, make()) if self.reusing and (anew or not found.state_dict()) else found

    @staticmethod
    def anew(there: nn.Module, made: nn.Module) -> nn.Module:
        """What `again` makes of a layer that depends on the places it is applied to: the same arrays, made anew."""
        state = there.state_dict()
        dtypes = [array.dtype for array in state.values() if array.is_floating_point()]
        made = made.to(dtypes[0]) if dtypes else made
        if any(array.is_meta for array in (*state.values(), *there.buffers())):
            made = made.to("meta")
        made.load_state_dict(state)
        return made.train(there.training)

    def sized(self, tensor: Tensor) -> None:
        if any(size < 1 for size in tensor.shape):
            raise Rule("nothing is left")

    def do_call(self, node: Node, value: Value, scope: Scope) -> Value:
        part = next(p for p in self.plan["parts"] if p["name"] == node["part"])
        given = {name: self.argument(e, scope) for name, e in node["args"].items()}
        for name, default in part["formals"]:
            if name not in given:
                given[name] = evaluate(default, {**scope.names, **given})
        values = {name: v for name, v in given.items() if isinstance(v, Value)}
        names = {**parameters(self.plan), **{n: v for n, v in given.items() if n not in values}}
        if part["on"] is not None:
            sizes = value.tensor.shape[1:]
            if part["kind"] != value.kind or len(sizes) != len(part["on"]):
                raise Rule("the heading speaks of another shape")
            names.update(zip(part["on"], sizes, strict=True))
        if part["is"] == "module":
            namer = Namer(scope.namer.name(node.get("label"), part["name"]), False)
        elif node.get("label") is not None:
            namer = Namer(scope.namer.name(node["label"], ""), True)
        else:
            namer = scope.namer
        return self.body(part["body"], value, Scope(names, values, {}, namer, scope.training))

    def do_level(self, node: Node, value: Value, scope: Scope) -> Value:
        inner = scope.copy().level(scope.namer.name(node["label"], ""))
        value = self.body(node["body"], value, inner)
        for label in inner.values.keys() - scope.values.keys():
            name = f"{node['label']}.{label}"
            scope.values[name], scope.items[name] = inner.values[label], inner.items[label]
        return value

    def do_from(self, node: Node, value: Value, scope: Scope) -> Value:
        return scope.values[node["of"]]

    def do_again(self, node: Node, value: Value, scope: Scope) -> Value:
        wanted, start, end, path = scope.items[node["of"]]
        inner = scope.copy()
        for label in labels([wanted]):
            inner.values.pop(label, None)
        for label in [k for k in inner.values if k.startswith(f"{wanted['label']}.")]:
            inner.values.pop(label)
        before, at, reusing = self.macs(), self.at, self.reusing
        self.at, self.reusing = start, True
        value = self.node(wanted, value, inner)
        if self.at != end:
            raise Rule("other layers than the first time")
        self.at, self.reusing = at, reusing
        if not self.reusing:
            macs = self.macs() - before
            self.records.append(
                Record("again", path, tuple(value.tensor.shape[1:]), macs, scope.training, None, "again")
            )
        return value

    def do_residual(self, node: Node, value: Value, scope: Scope) -> Value:
        taken = node["test"] is None or evaluate(node["test"], scope.names)
        main = self.body(node["body"], value, scope)
        if not taken:
            return main
        shortcut = value if node["shortcut"] is None else self.body(node["shortcut"], value, scope)
        if main.kind != shortcut.kind or main.tensor.shape != shortcut.tensor.shape:
            raise Rule("a residual adds equal shapes")
        return Value(main.kind, main.tensor + shortcut.tensor, None, main.grid)

    def do_join(self, node: Node, value: Value, scope: Scope) -> Value:
        starts = self.starts(node, value)
        found: list[Value] = []
        for path in node["paths"]:
            turns = self.turns(path, scope) if "each" in path else [{}]
            found.extend(self.body(path["body"], next(starts), scope.within(**names)) for names in turns)
        given = self.arguments(node, node["word"], scope)
        before = self.macs()
        result = JOINS[node["word"]](given, found)
        if scope.training:
            self.training_joins += self.macs() - before
        self.sized(result.tensor)
        return result

    def starts(self, node: Node, value: Value) -> Any:
        count = sum(len(p["in"]) if "each" in p else 1 for p in node["paths"])
        if not node.get("split"):
            return iter([value] * count)
        if features(value) % node["split"] or count != node["split"]:
            raise Rule("a split is into equal shares, one a path")
        axis = 1 if value.kind == "map" else -1
        return iter([value._replace(tensor=part) for part in value.tensor.chunk(node["split"], axis)])

    def turns(self, node: Node, scope: Scope) -> list[dict[str, Any]]:
        """The loop's names in each of its turns."""
        if "times" in node:
            count = evaluate(node["times"], scope.names)
            rows: list[dict[str, Any]] = [{}] * count
        elif "rows" in node:
            table = self.plan["tables"][node["rows"]]
            rows = [{h: evaluate(c, {}) for h, c in zip(table["heads"], row, strict=True)} for row in table["rows"]]
        else:
            items = [evaluate(e, scope.names) for e in node["in"]]
            if node.get("range") is not None:
                low, high = items
                items = list(range(low, high + 1)) if node["range"] == ".." else list(range(low, high - 1, -1))
            rows = [{node["each"]: item} for item in items]
        return [{**row, "index": i, "first": i == 0, "last": i == len(rows) - 1} for i, row in enumerate(rows)]

    def do_loop(self, node: Node, value: Value, scope: Scope) -> Value:
        if node.get("label") is None:
            for names in self.turns(node, scope):
                value = self.body(node["body"], value, scope.within(**names))
            return value
        path, start = scope.namer.name(node["label"], ""), len(self.records)
        items: list[int] = []
        for number, names in enumerate(self.turns(node, scope)):
            turn = scope.within(**names).level((*path, str(number)))
            value = self.body(node["body"], value, turn)
            items.append(turn.namer.items)
        if max(items, default=0) <= 1:
            self.collapse(start, path, items)
        return value

    def collapse(self, start: int, path: tuple[str, ...], items: list[int]) -> None:
        """Levels of a single item each are called as that item is: by its position among all of them."""
        depth = len(path)
        for record in self.records[start:]:
            if record.path[:depth] == path and len(record.path) > depth + 1:
                before = sum(items[: int(record.path[depth])])
                record.path = (*record.path[:depth], str(before), *record.path[depth + 2 :])

    def do_choice(self, node: Node, value: Value, scope: Scope) -> Value:
        return self.body(node["then" if evaluate(node["test"], scope.names) else "else"], value, scope)

    def direct(self, nodes: list[Node]) -> bool:
        """Whether one of these nodes is an item itself, not in a join or the like; a def stands for its lines."""
        for node in nodes:
            if node["is"] == "call":
                part = next(p for p in self.plan["parts"] if p["name"] == node["part"])
                if part["is"] == "module" or self.direct(part["body"]):
                    return True
            elif node["is"] == "layer" and node["word"] != "identity":
                return True
        return False

    def do_output(self, node: Node, value: Value, scope: Scope) -> Value:
        if node["training"] and not self.training:
            self.at = next(self.ends)
            return value
        inner = replace(scope, training=scope.training or node["training"])
        path, start = scope.namer.name(node["name"], ""), len(self.records)
        inner = inner.copy().level(path)
        found = self.body(node["body"], value, inner)
        if inner.namer.items == 1 and self.direct(node["body"]):
            counts = scope.namer.counts
            counts.update({w: counts.get(w, 0) + 1 for w in inner.namer.counts if w != "position"})
            for record in self.records[start:]:
                if record.path[: len(path)] == path:
                    record.path = (*path, *record.path[len(path) + 1 :])
        self.outputs.append((node["name"], found))
        if node["training"]:
            self.ended.append(self.at)
        return value


def labels(nodes: list[Node]) -> set[str]:
    """All labels in some nodes."""
    found: set[str] = set()
    for node in nodes:
        found.update(part["label"] for part in walk(node) if part.get("label") is not None)
    return found


def walk(part: Any) -> Iterable[Node]:
    """Every node in a part of a plan, the outer before the inner."""
    if isinstance(part, dict):
        if "is" in part:
            yield part
        for inner in part.values():
            yield from walk(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from walk(inner)


def parameters(plan: Plan) -> Mapping[str, Any]:
    """The parameters of the file."""
    names: dict[str, Any] = {}
    for name, expression in plan.get("parameters", {}).items():
        names[name] = evaluate(expression, names)
    return names


def inputs(plan: Plan, device: str = "cpu") -> dict[str, Value]:
    """A batch of two for every input, always the same."""
    found: dict[str, Value] = {}
    generator = torch.Generator().manual_seed(1)
    for name, (kind, sizes, below) in plan["inputs"].items():
        if kind == "numbers":
            made = torch.randint(below, (BATCH, *sizes), generator=generator)
            if name == "seen":
                made[:, 0] = 1
        else:
            made = torch.randn(BATCH, *sizes, generator=generator)
        found[name] = Value(kind, made.to(device), below)
    return found


def join_add(given: dict[str, Any], values: list[Value]) -> Value:
    if any(v.kind != values[0].kind or v.tensor.shape != values[0].tensor.shape for v in values):
        raise Rule("add joins equal shapes")
    return Value(values[0].kind, sum(v.tensor for v in values[1:]) + values[0].tensor, None, values[0].grid)


def join_mul(given: dict[str, Any], values: list[Value]) -> Value:
    if any(v.kind != values[0].kind or v.tensor.dim() != values[0].tensor.dim() for v in values):
        raise Rule("mul joins values of one rank")
    product = values[0].tensor
    for value in values[1:]:
        product = product * value.tensor
    kept = product.dim() == 3 and product.shape[1] == values[0].tensor.shape[1]
    return Value(values[0].kind, product, None, values[0].grid if kept else None)


def join_concat(given: dict[str, Any], values: list[Value]) -> Value:
    kind, rank = values[0].kind, values[0].tensor.dim()
    if any(v.kind != kind or v.tensor.dim() != rank for v in values):
        raise Rule("concat joins values of one rank")
    axis = 1 if kind == "map" else rank - 1
    along = given.get("along")
    if along is not None:
        axes = {1: ["length"], 2: ["height", "width"], 3: ["depth", "height", "width"]}
        names = axes[rank - 2] if kind == "map" else ["length"] if kind == "sequence" else []
        if along not in names:
            raise Rule("no such axis")
        axis = names.index(along) + (2 if kind == "map" else 1)
    grid = values[0].grid if axis == rank - 1 else None
    return Value(kind, torch.cat([v.tensor for v in values], axis), None, grid)


def join_attend(given: dict[str, Any], values: list[Value]) -> Value:
    if len(values) != 3 or any(v.kind != "sequence" for v in values):
        raise Rule("attend joins three sequences")
    heads = given.get("heads", 1)
    q, k, v = (v.tensor for v in values)
    if any(t.shape[-1] % heads for t in (q, k, v)):
        raise Rule("heads divide the features")
    if k.shape[1] != v.shape[1] or q.shape[-1] != k.shape[-1]:
        raise Rule("keys and values belong together")
    added = torch.zeros(q.shape[1], k.shape[1], device=q.device)
    if given.get("mask") is not None:
        if tuple(given["mask"].tensor.shape[1:]) != (k.shape[1],):
            raise Rule("a mask has one number a key")
        added = added + hidden(given["mask"].tensor != 0)[:, None, None]
    if given.get("causal"):
        added = added + hidden(earlier(q.shape[1], k.shape[1], q.device))
    found = attention(q, k, v, heads, scale=given.get("scale"), bias=added.to(q))
    return Value("sequence", found, None, values[0].grid)


JOINS = {"add": join_add, "mul": join_mul, "concat": join_concat, "attend": join_attend}


class Reference(nn.Module):
    """The nn.Module of a plan."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        runner = Runner(plan)
        runner.measure(inputs(plan))
        self.parts = nn.ModuleList(runner.modules)
        self.records, self.total, self.main = runner.records, runner.total, runner.main
        self.ended = runner.ended
        self.outputs, self.training_joins = runner.outputs, runner.training_joins

    def forward(self, values: dict[str, Value]) -> list[Tensor]:
        return Runner(self.plan, self.parts, self.training, self.ended).run(values)

    def arrays(self) -> dict[str, tuple[nn.Module, str]]:
        """Every array by its key: the module that has it and what it is called there."""
        found: dict[str, tuple[nn.Module, str]] = {}
        for record in self.records:
            if record.module is not None:
                for name in record.module.state_dict():
                    key = ".".join(record.path if name == "itself" else (*record.path, name))
                    if key in found:
                        raise Rule("two layers have one name")
                    found[key] = (record.module, name)
        return found
