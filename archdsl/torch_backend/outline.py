"""Levels that are no straight chain as modules of their own, before anything is written.

`body: [residual: ...] x 3` is in the IR a level with lines in it. In Python it is a class. So each such level becomes an
instance that is called, numbered as before: an instance and the levels cut out of it share one list of values. What a
level reads from outside is handed over; what is read of its inside comes back beside its output, as for any module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from .. import expr as ex
from ..ir import graph as g
from ..ir.names import Namer
from ..ir.shapes import Constant
from .bodies import entry_of, hoisted, labels, made_in, mentions, moved, nodes, paths
from .likeness import Likeness
from .recompute import has_loose
from .reopened import Opening, OpenLevel
from .sequence import is_chain
from .values import count_reads, inside

Segments = tuple[str, ...]
Origin = tuple[object, ...]


@dataclass
class Outline:
    """A network whose levels are chains or calls, and what is known of the instances that were levels."""

    root: g.Instance
    made: dict[int, g.Instance] = field(default_factory=dict[int, g.Instance])
    """What became of each instance of the network, by its identity."""
    loose: bool = False
    """Whether a level in which several layers are repeated is a call, too, since its `forward` says which."""
    origins: dict[int, Origin] = field(default_factory=dict[int, Origin])
    """Of each instance that was a level: the level of the definition it was, equal for equal iterations."""
    places: dict[int, Opening] = field(default_factory=dict[int, Opening])
    """Of each: where it was, so that it can be written out instead."""
    likeness: dict[int, object] = field(default_factory=dict[int, object])
    """Of each: its structure. Levels of one structure can share a class."""

    def was_level(self, instance: g.Instance) -> bool:
        return id(instance) in self.origins


def outlined(network: g.Network, loose: bool = False) -> Outline:
    """The network with every level that is no chain made an instance, where it can be one."""
    found = Outline(network.root, loose=loose)
    found.root = _Outliner(found).instance(network.root)
    return found


class _Outliner:
    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self.known: dict[int, g.Instance] = {}
        self.kept: list[g.Instance] = []  # so that no identity is used twice

    def instance(self, instance: g.Instance) -> g.Instance:
        """An instance with its levels cut out."""
        if id(instance) not in self.known:
            self.kept.append(instance)
            self.known[id(instance)] = self.outline.made[id(instance)] = _Cutter(self, instance).whole()
        return self.known[id(instance)]


@dataclass(frozen=True)
class _At:
    """Where a body stands: its path as labels say it, what levels there are called, its loops' names."""

    path: Segments
    called: str
    origin: Origin
    names: tuple[tuple[str, Constant], ...] = ()
    turn: str | None = None
    again: bool = False


class _Cutter:
    """Cuts the levels out of one instance, the inner before the outer."""

    def __init__(self, outliner: _Outliner, instance: g.Instance) -> None:
        self.outliner = outliner
        self.source = instance
        self.mentions = Counter(mentions(instance.body))
        self.mentions[instance.output] += 1
        self.value_names = dict(zip(instance.entry, instance.entry_names, strict=True))
        self.value_names.update(labels(instance.body))
        self.cut: dict[Segments, Origin] = {}
        self.reused = [n.path for n in nodes(instance.body) if isinstance(n, g.Reuse)]
        self.tied = [path for n in nodes(instance.body) if isinstance(n, g.Layer) for _, path in n.tied]

    def whole(self) -> g.Instance:
        source = self.source
        body = self.body(source.body, _At((), "", (source.scope.file, source.name)))
        return source if body is source.body else replace(source, body=body)

    # -- bodies

    def body(self, body: g.Body, at: _At) -> g.Body:
        found: list[g.Node] = []
        for number, node in enumerate(body):
            found.extend(self.node(node, replace(at, origin=(*at.origin, number))))
        same = len(found) == len(body) and all(a is b for a, b in zip(found, body, strict=True))
        return body if same else tuple(found)

    def node(self, node: g.Node, at: _At) -> g.Body:
        match node:
            case g.Invoke():
                made = self.outliner.instance(node.instance)
                return (node if made is node.instance else replace(node, instance=made),)
            case g.Level():
                return self.level(node, at)
            case g.Line() | g.Choice() | g.SideOutput():
                return (_with_body(node, self.body(node.body, at)),)
            case g.Residual():
                main = self.arm(node.main, at, "main")
                shortcut = None if node.shortcut is None else self.arm(node.shortcut, at, "shortcut")
                same = main is node.main and shortcut is node.shortcut
                return (node if same else replace(node, main=main, shortcut=shortcut),)
            case g.Join():
                ways = tuple(self.arm(arm, at, str(n)) for n, arm in enumerate(node.arms))
                same = all(a is b for a, b in zip(ways, node.arms, strict=True))
                return (node if same else replace(node, arms=ways),)
            case g.Repeat():
                return (self.repeat(node, at),)
            case g.Reuse():
                return self.reuse(node, at)
            case _:
                return (node,)

    def arm(self, arm: g.Arm, at: _At, name: str) -> g.Arm:
        body = self.body(arm.body, replace(at, origin=(*at.origin, name)))
        return arm if body is arm.body else replace(arm, body=body)

    def repeat(self, repeat: g.Repeat, at: _At) -> g.Repeat:
        runs: list[g.Run] = []
        for run in repeat.runs:
            inner = replace(at, names=(*at.names, *run.names), turn=str(run.index))
            body = self.body(run.body, inner)
            runs.append(run if body is run.body else replace(run, body=body))
        same = all(a is b for a, b in zip(runs, repeat.runs, strict=True))
        return repeat if same else replace(repeat, runs=tuple(runs))

    def reuse(self, reuse: g.Reuse, at: _At) -> g.Body:
        """`again`: what is a class there is one here, so `again` of a level that is one now calls it."""
        path = reuse.path
        within = replace(at, path=path, called=path[-1], origin=self.cut.get(path, at.origin), turn=None, again=True)
        body = self.body(reuse.body, within)
        if path not in self.cut:
            return (reuse if body is reuse.body else replace(reuse, body=body),)
        before, body = hoisted(body, path)
        made = self.called(g.Level(None, body, reuse.output), within, path[-1], [], [])
        return (*before, replace(reuse, body=(made,)))

    # -- levels

    def level(self, level: g.Level, at: _At) -> g.Body:
        segments = level.label.segments if level.label is not None else (at.turn or "_",)
        path = (*at.path, *segments)
        called = level.label.segments[-1] if level.label is not None else f"{at.called} block"
        within = replace(at, path=path, called=called, turn=None)
        body = self.body(level.body, within)
        made = level if body is level.body else replace(level, body=body)
        if at.again:
            return self.level_again(made, replace(within, origin=self.cut.get(path, at.origin)))
        chain = is_chain(made, self.uses(level, body), self.source.shapes) and not self.lends(level, path)
        chain = chain and not (self.outliner.outline.loose and has_loose(body))
        if chain or isinstance(level, OpenLevel) or _walked(body) or not self.fits(level, path):
            return (made,)
        before, body = hoisted(body, path)
        after = self.escaping(level, body, path)
        if after is None:
            return (level,)
        made = replace(level, body=body)
        self.cut[path] = at.origin
        label = [] if level.label is None else [level.label]
        return (*before, self.called(made, within, called, label, after), *after)

    def level_again(self, level: g.Level, at: _At) -> g.Body:
        """A level within what is applied again: a call if it is one there."""
        if at.path not in self.cut:
            return (level,)
        before, body = hoisted(level.body, at.path)
        label = [] if level.label is None else [level.label]
        return (*before, self.called(replace(level, body=body), at, at.called, label, []))

    def uses(self, level: g.Level, body: g.Body) -> Counter[int]:
        """How often the values of a level are read: in its body as it is now, and outside."""
        found, own = count_reads(body), Counter(mentions(level.body))
        for value in made_in(level.body):
            found[value] += self.mentions[value] - own[value]
        return found

    def lends(self, level: g.Level, path: Segments) -> bool:
        """Whether a layer outside of a level has the array of one directly in it, which then is an attribute."""
        inner = [p for n in nodes(level.body) if isinstance(n, g.Layer) for _, p in n.tied]
        found = Counter(p for p in self.tied if p[:-1] == path)
        return any(count > inner.count(p) for p, count in found.items())

    def fits(self, level: g.Level, path: Segments) -> bool:
        """Whether what a level mentions lies in it, or can be handed over, and what it hands on is made in it."""
        if level.output not in set(made_in(level.body)) or not any(
            _must(node, self.source) for node in _turned(level.body)
        ):
            return False
        for node in nodes(level.body):
            if isinstance(node, g.SideOutput):
                return False
            if isinstance(node, g.Layer) and any(p[: len(path)] != path for _, p in node.tied):
                return False
            if isinstance(node, g.Reuse) and node.path[: len(path)] != path:
                return False
        return not any(len(p) > len(path) and p[: len(path)] == path for p in self.reused)

    def escaping(self, level: g.Level, body: g.Body, path: Segments) -> list[g.Look] | None:
        """What is read of the inside of a level, as looks into it; None where it has no label to look by."""
        own = Counter(mentions(level.body))
        made = set(made_in(body)) - {level.output}
        seen = [v for v in made if self.mentions[v] > own[v]]
        if not seen:
            return []
        if level.label is None:
            return None
        names = dict(paths(body, len(path)))
        if any(v not in names for v in seen):
            return None
        return [g.Look((*path, *names[v]), v) for v in sorted(seen)]

    def called(self, level: g.Level, at: _At, name: str, label: list[g.Label], after: list[g.Look]) -> g.Invoke:
        """The call of an instance that is a level."""
        body = moved(level.body, len(at.path))
        entry = entry_of(replace(level, body=body))
        names = {**self.source.arguments, **self.source.sizes, **dict(at.names)}
        instance = replace(
            self.source,
            name=name,
            arguments=names,
            sizes={},
            formals=(),
            entry=entry,
            entry_names=self.names(entry),
            body=body,
            output=level.output,
            claims=(),
            heading="",
            span=level.span,
        )
        self.outliner.kept.append(instance)
        outline = self.outliner.outline
        outline.origins[id(instance)] = at.origin
        outline.places[id(instance)] = Opening((self.source.scope.file, self.source.name), at.path, cut=True)
        outline.likeness[id(instance)] = Likeness(self.outliner.outline.likeness).of(instance)
        written = tuple((n, cast("ex.Expr", ex.Name(n))) for n in names)
        return g.Invoke(instance, "", label[0] if label else None, entry, level.output, written, level.span)

    def names(self, entry: tuple[int, ...]) -> tuple[str, ...]:
        """What the values handed over are called: the first `x`, the others by their labels."""
        found = ["x"]
        for value in entry[1:]:
            name = self.value_names.get(value, "other")
            while name in found:
                name += "_"
            found.append(name)
        return tuple(found)


def _with_body(node: g.Line | g.Choice | g.SideOutput, body: g.Body) -> g.Node:
    return node if body is node.body else replace(node, body=body)


def _walked(body: g.Body) -> bool:
    """Whether a level is a repeat of one call that is handed more than what flows: `walks` writes those."""
    while len(body) == 1 and isinstance(body[0], g.Line):
        body = body[0].body
    if len(body) != 1 or not isinstance(body[0], g.Repeat):
        return False
    calls = [_only_call(run.body) for run in body[0].runs]
    return all(c is not None and c.label is None and len(c.inputs) > 1 for c in calls)


def _only_call(body: g.Body) -> g.Invoke | None:
    while len(body) == 1 and isinstance(body[0], g.Line):
        body = body[0].body
    return body[0] if len(body) == 1 and isinstance(body[0], g.Invoke) else None


def standing(instance: g.Instance) -> frozenset[int] | None:
    """The layers, by identity, that are members of a level whose members are called by their positions: all before the
    last that has arrays. None for a level where what has arrays has a label."""
    namer = Namer(True)
    items = [(node, namer.name(node)[0]) for node in _turned(instance.body)]
    last = max((n for n, (node, name) in enumerate(items) if name.isdigit() and _stores(node, instance)), default=None)
    if last is None:
        return None
    return frozenset(id(node) for node, _ in items[: last + 1])


def numbers_an_array(instance: g.Instance) -> bool:
    """Whether a level has an array of its own that is called by its position, which a list of modules cannot hold."""
    namer = Namer(True)
    for node in _turned(instance.body):
        numbered = namer.name(node)[0].isdigit()
        if numbered and isinstance(node, g.Layer):
            form = node.operator.torch(*(instance.shapes[v] for v in node.inputs))
            if form.array is not None:
                return True
    return False


def _stores(node: g.Layer | g.Invoke | g.Level, instance: g.Instance) -> bool:
    """Whether an item has arrays, whose keys say what it is called."""
    if not isinstance(node, g.Layer):
        return True
    return _own_arrays(node, instance)


def _own_arrays(node: g.Layer, instance: g.Instance) -> bool:
    """Whether a layer has arrays that are not another's."""
    tied = dict(node.tied)
    return any(array.name not in tied for array in node.operator.tensors(*(instance.shapes[v] for v in node.inputs)))


def _turned(body: g.Body) -> Iterator[g.Layer | g.Invoke | g.Level]:
    """What has a name in a body, in the order named."""
    for node in body:
        if isinstance(node, g.Layer | g.Invoke | g.Level):
            yield node
        elif isinstance(node, g.Repeat):
            for run in node.runs:
                for _ in range(run.count):
                    yield from _turned(run.body)
        elif not isinstance(node, g.Reuse):
            for part in inside(node):
                yield from _turned(part)


def _must(node: g.Layer | g.Invoke | g.Level, instance: g.Instance) -> bool:
    """Whether an item is a member whatever stands around it."""
    if not isinstance(node, g.Layer):
        return True
    if node.tied:
        return _own_arrays(node, instance)
    form = node.operator.torch(*(instance.shapes[v] for v in node.inputs))
    return form.state or form.function is None or form.array is not None or form.trained is not None
