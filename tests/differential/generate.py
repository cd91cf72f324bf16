"""Random plans. What fits is not computed but tried: a node that torch refuses is thrown away."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import torch

from .reference import MAX_NUMBERS, Node, Plan, Runner, Scope, inputs, walk
from .words import WORDS, Value, divisors, features, space
from .write import inline

OFTEN = ("bn", "conv", "depthwise", "sepconv", "upconv", "maxpool", "avgpool", "linear", "attention", "lstm")
"""Words that come more often than others: those with rules."""
LABELLED = {"identity": 1.0, "linear": 0.5, "embedding": 0.7}
"""How often a layer has a label, where that is not a quarter of the time: an identity needs one, a matrix can be shared."""


def plan(seed: int) -> Plan:
    """The plan of a seed."""
    return _Generator(seed).plan()


class _Generator:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.words = [w for w in WORDS.values() if not w.joins and w.word not in ("rbf", "embedding")]
        self.labels = 0
        self.made: Plan = {}
        self.scratch: Runner

    # -- the file

    def plan(self) -> Plan:
        random = self.random
        self.made = {
            "container": random.choice(("yaml", "arch")), "parameters": {}, "inputs": self.inputs(), "default": {},
            "tables": {}, "maps": {}, "parts": [], "body": [],
        }  # fmt: skip
        if random.random() < 0.6:
            self.made["parameters"] = {"w": random.choice((2, 4, 6, 8)), "n": random.choice((1, 2, 3))}
            if random.random() < 0.5:
                self.made["parameters"]["v"] = random.choice((["*", 2, "w"], ["+", "w", 2], ["//", "w", 2]))
        if random.random() < 0.25:
            self.made["default"] = random.choice((
                {"conv": {"bias": False}}, {"bn": {"eps": 0.001}}, {"conv": {"valid": True}, "linear": {"bias": False}},
            ))  # fmt: skip
        values = inputs(self.made)
        self.scratch = Runner(self.made)
        first = next(iter(values.values()))
        body, _ = self.body(first, self.scratch.scope(values), random.randint(2, 9), 0)
        self.made["body"] = body
        self.made["parts"] = [p for p in self.made["parts"] if self.called(p["name"])]
        return copy.deepcopy(self.made)

    def called(self, name: str) -> bool:
        every = [*walk(self.made["body"]), *(n for p in self.made["parts"] for n in walk(p["body"]))]
        return any(n.get("part") == name for n in every)

    def inputs(self) -> dict[str, Any]:
        random = self.random
        count = random.choice((1, 1, 1, 1, 2, 3))
        names = ["input"] if count == 1 else ["left", "right", "middle"][:count]
        found = {name: self.input() for name in names}
        if count > 1 and random.random() < 0.6:
            found = dict.fromkeys(names, found[names[0]])
        kind, sizes, _ = found[names[0]]
        if kind in ("sequence", "numbers") and random.random() < 0.5:
            found = {"source" if name == "input" else name: given for name, given in found.items()}
            found["seen"] = ["numbers", [sizes[0]], 2]
        return found

    def input(self) -> list[Any]:
        random = self.random
        kind = random.choices(("map2", "map1", "map3", "sequence", "numbers", "vector"), (10, 4, 3, 4, 2, 1))[0]
        channels = random.choice((1, 2, 3, 4, 6, 8))
        if kind == "map2":
            return ["map", [channels, random.randint(3, 17), random.randint(3, 17)], None]
        if kind == "map1":
            return ["map", [channels, random.randint(3, 40)], None]
        if kind == "map3":
            return ["map", [channels, *(random.randint(2, 8) for _ in range(3))], None]
        if kind == "sequence":
            return ["sequence", [random.randint(1, 9), random.choice((2, 4, 6, 8, 12))], None]
        if kind == "numbers":
            return ["numbers", [random.randint(1, 9)], random.randint(2, 20)]
        return ["vector", [random.choice((4, 6, 10, 84, 84))], None]

    # -- bodies

    def body(self, value: Value, scope: Scope, length: int, depth: int) -> tuple[list[Node], Value]:
        """Nodes that can follow one another."""
        nodes: list[Node] = []
        for _ in range(length):
            for _ in range(4):
                node = self.node(value, scope, depth)
                found = node and self.tried(node, value, scope)
                if node and found:
                    node["arrow"] = self.random.random() < 0.5
                    nodes.append(node)
                    value = found
                    break
        return nodes, value

    def tried(self, node: Node, value: Value, scope: Scope) -> Value | None:
        """The value after a node, and the scope changed; None if torch or the language refuses it."""
        kept, outputs = scope.copy(), len(self.scratch.outputs)
        self.scratch.at = len(self.scratch.modules)
        try:
            with torch.no_grad():
                found = self.scratch.node(node, value, scope)
        except Exception:  # noqa: BLE001 - whatever torch raises, the node is not wanted
            found = None
        if found is None or found.tensor.numel() > MAX_NUMBERS:
            scope.names, scope.values, scope.items, scope.namer = kept.names, kept.values, kept.items, kept.namer
            del self.scratch.outputs[outputs:]
            return None
        return found

    def node(self, value: Value, scope: Scope, depth: int) -> Node | None:
        makers: list[tuple[int, Any]] = [(24, self.layer)]
        if depth < 2 and value.kind != "numbers":
            makers += [(3, self.residual), (4, self.join), (3, self.loop), (2, self.choice), (2, self.level)]
            makers += [(4, self.part)]
        if value.kind != "numbers" and scope.values:
            makers += [(2, self.start), (1, self.gate)]
        if value.kind != "numbers" and scope.items:
            makers += [(2, self.again)]
        if depth == 0 and scope.namer.path == () and value.kind != "numbers" and len(self.scratch.outputs) < 2:
            makers += [(1, self.output)]
        maker = self.random.choices([m for _, m in makers], [w for w, _ in makers])[0]
        return maker(value, scope, depth)

    def label(self, scope: Scope, chance: float = 1.0) -> str | None:
        """A new label, where labels may stand: not in a loop or a def, whose lines come more than once."""
        if "index" in scope.names or "nolabel" in scope.names or self.random.random() > chance:
            return None
        self.labels += 1
        return f"{self.random.choice(('stem', 'head', 'left_', 'part', 'Block', 'm'))}{self.labels}"

    # -- layers

    def layer(self, value: Value, scope: Scope, depth: int) -> Node | None:
        random = self.random
        fitting = [w for w in self.words if value.kind in w.kinds]
        if value.kind == "numbers":
            fitting = [WORDS["embedding"]]
        elif value.kind == "vector" and features(value) == 84 and random.random() < 0.5:
            fitting = [WORDS["rbf"]]
        elif random.random() < 0.6:
            fitting = [w for w in fitting if w.word in OFTEN] or fitting
        shared = self.shared(value, scope) if random.random() < 0.3 else None
        word = random.choice(fitting) if shared is None else WORDS[shared]
        given = word.propose(random, value)
        if word.word == "conv" and not given.get("groups") and random.random() < 0.12:
            given = {"connect": self.map(features(value), given["width"]), **given}
        if shared is not None or (word.word in ("linear", "embedding") and random.random() < 0.3):
            given |= self.tie(value, scope, word.word)
        if word.word in ("crop", "resize") and random.random() < 0.5:
            like = [k for k, v in scope.values.items() if v.kind == "map" and v.tensor.dim() == value.tensor.dim()]
            kept = {name: way for name, way in given.items() if name not in ("size", "to")}
            given = {"like": {"value": random.choice(like)}, **kept} if like else given
        if word.word == "attention" and not {"window", "grid"} & set(given):
            given |= self.mask(value, scope)
        given = {name: self.expression(argument, scope) for name, argument in given.items()}
        return {
            "is": "layer",
            "word": word.word,
            "args": given,
            "label": self.label(scope, LABELLED.get(word.word, 0.25)),
        }

    def mask(self, keys: Value, scope: Scope) -> dict[str, Any]:
        """Sometimes a mask of the keys, where there is one."""
        seen = scope.values.get("seen")
        if seen is None or seen.tensor.shape[1] != keys.tensor.shape[1] or self.random.random() < 0.3:
            return {}
        return {"mask": {"value": "seen"}}

    def map(self, incoming: int, width: int) -> dict[str, str]:
        name = f"links{len(self.made['maps'])}"
        rows = [["X" if self.random.random() < 0.5 else "." for _ in range(width)] for _ in range(incoming)]
        for o in range(width):
            rows[self.random.randrange(incoming)][o] = "X"
        self.made["maps"][name] = ["".join(row) for row in rows]
        return {"map": name}

    def shared(self, value: Value, scope: Scope) -> str | None:
        """The word of a layer that can have another's matrix here."""
        word = {"numbers": "embedding", "vector": "linear", "sequence": "linear"}.get(value.kind)
        return word if word is not None and self.tie(value, scope, word) else None

    def tie(self, value: Value, scope: Scope, word: str) -> dict[str, Any]:
        fitting = [
            (label, rows, columns)
            for label, (node, start, _, _) in scope.items.items()
            if node.get("word") in ("linear", "embedding")
            for rows, columns in [self.scratch.modules[start].weight.shape]  # type: ignore[union-attr]
            if (columns == features(value) if word == "linear" else rows >= (value.below or rows))
        ]
        if not fitting:
            return {}
        label, rows, columns = self.random.choice(fitting)
        sizes = {"width": rows} if word == "linear" else {"count": rows, "width": columns}
        return sizes | {"weight": {"tied": label}}

    def expression(self, argument: Any, scope: Scope) -> Any:
        """Sometimes a whole number as it follows from a name that is known."""
        random = self.random
        if isinstance(argument, bool) or not isinstance(argument, int) or random.random() < 0.75:
            return argument
        fitting: list[Any] = []
        for name, known in scope.names.items():
            if isinstance(known, bool):
                fitting.append(["if", name, argument if known else argument + 1, argument + 1 if known else argument])
            elif isinstance(known, int) and known == argument:
                fitting += [name, name]
            elif isinstance(known, int) and known and argument % known == 0 and argument:
                fitting.append(["*", argument // known, name])
            elif isinstance(known, int) and 0 < argument < known:
                fitting.append(
                    ["//", name, known // argument] if known // (known // argument) == argument else argument
                )
            elif isinstance(known, int) and known < argument:
                fitting.append(["+", name, argument - known])
        return random.choice(fitting) if fitting else argument

    # -- structure

    def inner(self, value: Value, scope: Scope, depth: int, low: int = 1, high: int = 3) -> tuple[list[Node], Value]:
        """The body of a construct, tried in a copy of the scope."""
        return self.body(value, scope.copy(), self.random.randint(low, high), depth + 1)

    def adapted(self, nodes: list[Node], value: Value, wanted: Value, scope: Scope) -> list[Node] | None:
        """Nodes followed by what makes their value as another one, where a layer can."""
        scope = scope.copy()
        if value.kind == wanted.kind and value.tensor.shape == wanted.tensor.shape:
            return nodes
        if value.kind != wanted.kind or value.tensor.dim() != wanted.tensor.dim():
            return None
        more: list[Node] = []
        if space(value) != space(wanted):
            if value.kind != "map":
                return None
            word = self.random.choice(("avgpool", "maxpool"))
            more.append({"is": "layer", "word": word, "args": {"to": {"size": list(space(wanted))}}})
        if features(value) != features(wanted):
            made = {"size": 1} if value.kind == "map" else {}
            made["width"] = self.expression(features(wanted), scope)
            more.append({"is": "layer", "word": "conv" if value.kind == "map" else "linear", "args": made})
        return [*nodes, *more]

    def residual(self, value: Value, scope: Scope, depth: int) -> Node | None:
        test = None
        if self.random.random() < 0.3:
            test = self.test(scope)
        nodes, found = self.inner(value, scope, depth)
        if not nodes:
            return None
        node: Node = {"is": "residual", "test": test, "body": nodes, "shortcut": None}
        if self.random.random() < 0.5:
            adapted = self.adapted([], value, found, scope)
            if not adapted:
                return None
            return node | {"shortcut": adapted}
        adapted = self.adapted(nodes, found, value, scope)
        return None if adapted is None else node | {"body": adapted, "oneline": self.random.random() < 0.5}

    def join(self, value: Value, scope: Scope, depth: int) -> Node | None:
        random = self.random
        words = ["concat", "concat", "add", "mul"] + (["attend"] * 4 if value.kind == "sequence" else [])
        word = random.choice(words)
        node: Node = {"is": "join", "word": word, "args": {}, "paths": []}
        if word == "attend":
            return self.attend(node, value, scope, depth)
        start, count = value, random.choice((1, 2, 2, 3))
        if value.kind != "numbers" and random.random() < 0.3:
            shares = [d for d in divisors(features(value)) if 1 < d <= 4]
            if shares:
                count = node["split"] = random.choice(shares)
                axis = 1 if value.kind == "map" else -1
                start = value._replace(tensor=value.tensor.chunk(count, axis)[0])
        inner = scope.copy()
        ends: list[Value] = []
        for _ in range(count):
            at = start
            nodes: list[Node] = []
            others = [k for k, v in scope.values.items() if v.kind == start.kind]
            if others and not node.get("split") and random.random() < 0.2:
                of = random.choice(others)
                nodes, at = [{"is": "from", "of": of}], scope.values[of]
            more, end = self.body(at, inner, random.randint(0, 2), depth + 1)
            nodes = nodes + more
            ends.append(end)
            node["paths"].append({"body": nodes})
        wanted = random.choice(ends)
        if word == "concat" and random.random() < 0.3:
            names = {2: ["length"], 3: ["height", "width"], 4: ["depth", "height", "width"]}
            if wanted.kind != "vector":
                known = ["length"] if wanted.kind == "sequence" else names[wanted.tensor.dim() - 1]
                node["args"]["along"] = {"word": random.choice(known)}
        for path, end in zip(node["paths"], ends, strict=True):
            target = wanted
            if word == "mul" and wanted.kind == "map" and random.random() < 0.4:
                ones = wanted.tensor[(slice(None), slice(None), *(slice(0, 1),) * len(space(wanted)))]
                target = wanted._replace(tensor=ones)
            elif word == "concat" and not node["args"] and end.kind == "map" and end.kind == wanted.kind:
                target = (
                    end._replace(tensor=wanted.tensor[:, :1].expand(-1, features(end), *wanted.tensor.shape[2:]))
                    if (end.tensor.dim() == wanted.tensor.dim())
                    else wanted
                )
            adapted = self.adapted(path["body"], end, target, scope)
            if adapted is None:
                return None
            path["body"] = adapted
        if word == "concat" and not node.get("split") and value.kind == "map" and random.random() < 0.3:
            sizes = random.sample((1, 3, 5), 2)
            turn: Node = {"is": "layer", "word": "conv", "args": {"size": "k", "width": random.choice((1, 2, 4))}}
            node["paths"].append({"each": "k", "in": sizes, "body": [turn]})
        return node

    def attend(self, node: Node, value: Value, scope: Scope, depth: int) -> Node | None:
        random = self.random
        width, heads = random.choice((2, 4, 6, 8)), random.choice((1, 1, 2))
        node["args"] = ({} if heads == 1 else {"heads": heads}) | ({"causal": True} if random.random() < 0.3 else {})
        node["args"] |= {"dropout": 0.1} if random.random() < 0.1 else {}
        memories = [k for k, v in scope.values.items() if v.kind == "sequence"]
        memory = random.choice(memories) if memories and random.random() < 0.6 else None
        node["args"] |= {"scale": 0.5} if random.random() < 0.2 else {}
        node["args"] |= self.mask(value if memory is None else scope.values[memory], scope)
        source = [{"is": "from", "of": memory}] if memory is not None else []
        linear = [{"is": "layer", "word": "linear", "args": {"width": w}} for w in (width, width, 2 * heads)]
        node["paths"] = [{"body": [linear[0]]}, {"body": [*source, linear[1]]}, {"body": [*source, linear[2]]}]
        return node

    def test(self, scope: Scope) -> Any:
        """A condition on what is known here."""
        random = self.random
        flags = [n for n, v in scope.names.items() if v is True or v is False]
        numbers = [n for n, v in scope.names.items() if isinstance(v, int) and not isinstance(v, bool)]
        found: Any
        if flags and random.random() < 0.6:
            found = random.choice(flags)
        elif numbers:
            name = random.choice([n for n in numbers if n != "nolabel"] or [1])
            found = [random.choice(("==", "!=", "<", ">")), name, random.choice((scope.names.get(name, 1), 1, 4))]
        else:
            return ["==", 1, random.choice((1, 1, 2))]
        return ["not", found] if isinstance(found, str) and random.random() < 0.4 else found

    def loop(self, value: Value, scope: Scope, depth: int) -> Node | None:
        random = self.random
        node: Node = {"is": "loop", "body": []}
        way = random.choice(("times", "times", "list", "range", "rows"))
        if way == "times":
            node["times"] = random.choice((1, 2, 3, self.expression(random.choice((2, 3)), scope)))
        elif way == "list":
            node |= {"each": "q", "in": [random.choice((1, 2, 3, 4, 8)) for _ in range(random.randint(1, 3))]}
        elif way == "range":
            low = random.choice((0, 1, 1, 2))
            many = random.randint(0, 2)
            up = random.random() < 0.7
            node |= {
                "each": "q",
                "in": [low, low + many] if up else [low + many, low],
                "range": ".." if up else " downto ",
            }
        else:
            node["rows"] = self.table()
        try:
            turns = self.scratch.turns(node, scope)
        except Exception:  # noqa: BLE001 - a loop that cannot be is not wanted
            return None
        if not turns:
            return None
        first = scope.copy().within(**turns[0])
        node["body"], _ = self.body(value, first, random.randint(1, 3), depth + 1)
        if "times" in node and inline(node) is not None and random.random() < 0.4:
            node["label"] = self.label(scope)
        return node if node["body"] else None

    def table(self) -> str:
        random = self.random
        name = f"rows{len(self.made['tables'])}"
        rows = [
            [random.choice((1, 3, 5)), random.choice((2, 4, 8)), random.random() < 0.5]
            for _ in range(random.randint(1, 4))
        ]
        self.made["tables"][name] = {"heads": ["k", "out", "flag"], "rows": rows}
        return name

    def choice(self, value: Value, scope: Scope, depth: int) -> Node | None:
        yes, _ = self.inner(value, scope, depth, 1, 2)
        no, _ = self.inner(value, scope, depth, 0, 2) if self.random.random() < 0.6 else ([], value)
        if not yes:
            return None
        return {"is": "choice", "test": self.test(scope), "then": yes, "else": no,
                "style": self.random.choice(("item", "block"))}  # fmt: skip

    def level(self, value: Value, scope: Scope, depth: int) -> Node | None:
        label = self.label(scope)
        nodes, _ = self.inner(value, scope, depth)
        if label is None or not nodes:
            return None
        return {"is": "level", "label": label, "body": nodes, "style": self.random.choice(("brackets", "block"))}

    def start(self, value: Value, scope: Scope, depth: int) -> Node | None:
        """The value of a label; whole numbers where there are vectors for them that can be shared."""
        numbers = [k for k, v in scope.values.items() if v.kind == "numbers" and self.tie(v, scope, "embedding")]
        fitting = [k for k, v in scope.values.items() if v.kind != "numbers"]
        if depth == 0 and numbers:
            fitting = numbers
        return {"is": "from", "of": self.random.choice(fitting)} if fitting else None

    def gate(self, value: Value, scope: Scope, depth: int) -> Node | None:
        """A join of this value with one that has a label."""
        fitting = [k for k, v in scope.values.items() if v.kind == value.kind and v.tensor.dim() == value.tensor.dim()]
        if not fitting:
            return None
        of = self.random.choice(fitting)
        word = self.random.choice(("add", "concat", "mul"))
        adapted = self.adapted([], value, scope.values[of], scope)
        if adapted is None:
            return None
        return {
            "is": "join",
            "word": word,
            "args": {},
            "paths": [{"body": [{"is": "from", "of": of}]}, {"body": adapted}],
        }

    def again(self, value: Value, scope: Scope, depth: int) -> Node | None:
        own = [label for label, (_, _, _, path) in scope.items.items() if path[:-1] == scope.namer.path]
        return {"is": "again", "of": self.random.choice(own)} if own else None

    def output(self, value: Value, scope: Scope, depth: int) -> Node | None:
        nodes, _ = self.body(value, scope.copy(), self.random.randint(1, 3), 2)
        if not nodes:
            return None
        for part in walk(nodes):
            part.pop("label", None)
        self.labels += 1
        return {"is": "output", "name": f"side{self.labels}", "training": self.random.random() < 0.5, "body": nodes,
                "oneline": self.random.random() < 0.5}  # fmt: skip

    def part(self, value: Value, scope: Scope, depth: int) -> Node | None:
        """A call of a module or def: one that is there, or a new one made for this value."""
        random = self.random
        if self.made["parts"] and random.random() < 0.6:
            part = random.choice(self.made["parts"])
        else:
            part = self.new_part(value, scope, depth)
        if part is None or part["name"] in scope.names.get("within", ()):
            return None
        given: dict[str, Any] = {}
        for name, default in part["formals"]:
            if name == "skip":
                others = [k for k, v in scope.values.items() if v.kind == part["skip"]]
                if not others:
                    return None
                given[name] = {"value": random.choice(others)}
            elif default is None or random.random() < 0.5:
                given[name] = self.expression(random.choice((1, 2, 2, 3, 4, 8)), scope)
        label = self.label(scope, 0.3)
        return {"is": "call", "part": part["name"], "args": given, "label": label}

    def new_part(self, value: Value, scope: Scope, depth: int) -> dict[str, Any] | None:
        random = self.random
        if depth > 1:
            return None
        what = random.choice(("module", "module", "def"))
        self.labels += 1
        name = f"{random.choice(('unit', 'cell', 'stage', 'Res'))}{self.labels}"
        formals = [["width", None], ["s", 1], ["f", ["*", 2, "width"]]][: random.randint(0, 3)]
        names: dict[str, Any] = {**self.scratch_parameters(), "width": random.choice((2, 4, 8)), "s": 1}
        names["f"] = 2 * names["width"]
        names = {n: v for n, v in names.items() if n in ("w", "n", "v") or [n] == [f[0] for f in formals if f[0] == n]}
        on = None
        if random.random() < 0.5:
            on = {"map": ["C", "L"], "sequence": ["T", "D"], "vector": ["F"]}.get(value.kind)
            if value.kind == "map":
                on = ["C", *("D", "H", "W")[4 - value.tensor.dim() + 1 :]] if value.tensor.dim() > 3 else ["C", "L"]
            names.update(zip(on or [], value.tensor.shape[1:], strict=True))
        values: dict[str, Value] = {}
        skip = None
        if what == "module" and scope.values and random.random() < 0.3:
            label = random.choice(list(scope.values))
            values, skip = {"skip": scope.values[label]}, scope.values[label].kind
            formals = [["skip", None], *formals]
        if what == "def":
            names["nolabel"] = None
        inner = Scope(names, values, {}, type(scope.namer)(("inside",), False))
        body, _ = self.body(value, inner, random.randint(1, 4), depth + 1)
        if not body:
            return None
        part = {"is": what, "name": name, "formals": formals, "on": on, "kind": value.kind, "body": body, "skip": skip}
        self.made["parts"].append(part)
        return part

    def scratch_parameters(self) -> dict[str, Any]:
        from .reference import parameters

        return dict(parameters(self.made))
