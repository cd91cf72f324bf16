"""Straight chains of modules: `nn.Sequential`, written out with equal neighbours compressed, or as a list that is built.

A list is built where an item is there in some instances only, and where a loop over a table is shorter than its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .. import expr as ex
from ..ir import graph as g
from ..ir.names import Namer
from ..ir.shapes import Shape
from . import pycode as py
from .counted import alike, looped
from .formulas import NotEmittedError, UnmergeableError, marked, placed
from .members import first_input, installation
from .pyprint import show
from .reopened import OpenLevel
from .repeats import MIN_ROWS, Piece, Row, Times, appended, local, loop
from .tidy import tidied
from .values import Value, consumed, inside

if TYPE_CHECKING:
    from .layers import LayerWriter

_CHAIN = g.Layer | g.Invoke | g.Level | g.Line | g.Choice | g.Repeat
_IDENTITY = py.Call(py.Name("nn.Identity"))
MAX_MEMBERS = 2_000
MAX_ROWS = 100
TABLE = 20
"""So many lines more a loop may take where the spec itself has the table."""


def is_chain(item: g.Level | g.Layer | g.Invoke, uses: Counter[int], shapes: Sequence[Shape]) -> bool:
    """Whether an item hands one value from layer to layer and nothing outside looks into it."""
    if isinstance(item, OpenLevel):
        return False
    made: list[int] = []
    body = item.body if isinstance(item, g.Level) else (item,)
    linked = _chain(body, made, shapes) and made[-1:] == [item.output] and _flows(body, None)[0]
    return linked and all(uses[v] == 1 for v in made[:-1])


def _flows(body: g.Body, value: int | None) -> tuple[bool, int | None]:
    """Whether every node hands on what it is given or makes, never a value from elsewhere, and the value at the end."""
    for node in body:
        steps = node.runs if isinstance(node, g.Repeat) else (node,)
        for step in steps:
            if isinstance(step, g.Layer | g.Invoke | g.Run):
                entered = step.input if isinstance(step, g.Run) else step.inputs[0]
                if value is not None and entered != value:
                    return False, value
                value = entered
            if isinstance(step, g.Layer | g.Invoke):
                value = step.output
                continue
            assert isinstance(step, g.Level | g.Line | g.Choice | g.Run)
            fine, value = _flows(step.body, value)
            if not fine or (value is not None and value != step.output):
                return False, value
    return True, value


def _chain(body: g.Body, made: list[int], shapes: Sequence[Shape]) -> bool:
    for node in body:
        if not isinstance(node, _CHAIN) or len(tuple(consumed(node))) > 1 or getattr(node, "tied", ()):
            return False
        if isinstance(node, OpenLevel):
            return False
        if isinstance(node, g.Layer):
            form = node.operator.torch(*(shapes[v] for v in node.inputs))
            if form.module is None or form.first:
                return False
        if isinstance(node, g.Layer | g.Invoke | g.Level) and node.label and len(node.label.segments) > 1:
            return False
        if isinstance(node, g.Layer | g.Invoke):
            made.append(node.output)
        if not all(_chain(b, made, shapes) for b in inside(node)):
            return False
    return True


@dataclass(frozen=True)
class Member:
    """One item of a sequence: its label (None: called by its position), its constructor, how many equal ones follow."""

    name: str | None
    code: py.Expr | None
    inner: tuple[Member, ...]
    count: int = 1


@dataclass(frozen=True)
class Together:
    """What stands on one line of the spec."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Repeated:
    """The turns of a repeat, equal neighbours as one with a count."""

    turns: tuple[tuple[tuple[Part, ...], int], ...]


@dataclass(frozen=True)
class Decided:
    """What is there in some instances only."""

    test: py.Expr
    then: tuple[Part, ...]
    orelse: tuple[Part, ...]


Part: TypeAlias = Member | Together | Repeated | Decided


class Sequencer:
    """Writes one chain as a container."""

    def __init__(self, writer: LayerWriter) -> None:
        self.writer = writer
        self.features: ex.Expr | None = None
        self.current: Value | None = None

    def statements(self, target: tuple[str, ...], levels: Mapping[int, g.Level]) -> list[py.Stmt]:
        """The statements that make `target` the container of a level."""
        entry = {n: first_input(level.body, level.output) for n, level in levels.items()}
        return self.level(target, levels, self.writer.get(entry))

    def level(self, target: tuple[str, ...], levels: Mapping[int, g.Level], value: Value) -> list[py.Stmt]:
        """The same for a value that flows in."""
        self.current = value
        parts = self.parts({n: level.body for n, level in levels.items()}, {n: Namer(True) for n in levels})
        self.features = self.current.features
        if any(_decides(part) for part in parts):
            return self.listed(target, parts)
        members = flat(parts)
        if not numbered(members):
            return self.assigned(target, members)
        plain: list[py.Stmt] = [self.installation(target, sequential(members))]
        spare = TABLE if any(_tabled(level.body) for level in levels.values()) else 0
        for begin in (0, 1):  # the first row may have no part in the pattern
            looped = self.looped(target, parts, begin)
            if looped is not None and self.height(looped) < self.height(plain) + spare:
                return looped
        return plain

    def item(
        self, target: tuple[str, ...], nodes: Mapping[int, g.Layer | g.Invoke | g.Level], value: Value
    ) -> list[py.Stmt]:
        """The statements that make `target` one layer, module or level."""
        levels = {n: node for n, node in nodes.items() if isinstance(node, g.Level)}
        if levels:
            return self.level(target, levels, value)
        self.current = value
        return [self.installation(target, self.one(dict(nodes)))]

    def assigned(self, target: tuple[str, ...], members: Sequence[Member]) -> list[py.Stmt]:
        """The statements that make a path the container of members with labels."""
        if numbered(members):
            return [self.installation(target, sequential(members))]
        found: list[py.Stmt] = [self.installation(target, py.Call(py.Name("nn.Sequential")))]
        for at, member in enumerate(members):
            counted = alike(members, at)
            if counted:
                found.extend(looped(self.writer.member(target), counted) if counted[0] is member else ())
                continue
            code = member.code if member.code is not None else self.ordered(member.inner)
            if member.count != 1:
                turns = py.Call(py.Name("range"), (py.Lit(member.count),))
                equal = py.ListComp(code, py.Name("_"), turns)
                found.append(py.ExprStmt(py.Call(py.Attr(self.writer.member(target), "extend"), (equal,))))
            elif member.name is None:
                found.append(py.ExprStmt(py.Call(py.Attr(self.writer.member(target), "append"), (code,))))
            else:
                found.append(self.installation((*target, member.name), code))
        return found

    def ordered(self, members: Sequence[Member]) -> py.Expr:
        """A container within a container, its members under their names."""
        if numbered(members):
            return sequential(members)
        pairs: list[py.Expr] = []
        at = 0
        for member in members:
            code = member.code if member.code is not None else self.ordered(member.inner)
            for _ in range(member.count):
                pairs.append(py.Tuple((py.Lit(member.name or str(at)), code)))
                at += 1
        self.writer.emitter.use("OrderedDict")
        return py.Call(py.Name("nn.Sequential"), (py.Call(py.Name("OrderedDict"), (py.List(tuple(pairs)),)),))

    def again(self, made: py.Expr) -> py.Expr:
        """The container of a turn as one that is computed again in training."""
        turns = self.writer.emitter.turns
        if turns is None or not isinstance(made, py.Call) or made.func != py.Name("nn.Sequential"):
            return made
        turns.found = True
        self.writer.emitter.use(turns.sequential)
        return py.Call(py.Name(turns.sequential), made.args, made.kwargs)

    # -- lists that are built

    def listed(self, target: tuple[str, ...], parts: Sequence[Part]) -> list[py.Stmt]:
        """The chain as a list, what is there in some instances only under its condition."""
        return self.built(target, self.appending(parts))

    def appending(self, parts: Sequence[Part]) -> list[py.Stmt]:
        """The statements that append some parts to `layers`."""
        found: list[py.Stmt] = []
        waiting: list[Part] = []
        for part in _unwrapped(parts):
            if not isinstance(part, Decided):
                waiting.append(part)
                continue
            found.extend(_flushed(waiting))
            waiting = []
            then, orelse = (tuple(self.appending(p)) for p in (part.then, part.orelse))
            test = part.test if then else py.Unary("not", part.test)
            found.append(py.If(test, then or orelse, orelse if then else ()))
        return [*found, *_flushed(waiting)]

    def looped(self, target: tuple[str, ...], parts: Sequence[Part], begin: int) -> list[py.Stmt] | None:
        """The chain with loops over what follows a pattern from some row on; None where there is none."""
        rows = [row for part in parts for row in _rows(part)]
        if len(rows) > MAX_ROWS or len(flat(parts)) == 1:
            return None
        found: list[py.Stmt] = []
        plain: list[py.Expr | py.Star] = []
        at, any_loop = 0, False
        while at < len(rows):
            end, best = self.pattern(rows, at) if at >= begin else (at, None)
            if best is None:
                plain.extend(_codes(rows[at]))
                at += 1
                continue
            found.extend([*appended(plain), *best])
            plain, at, any_loop = [], end, True
        return self.built(target, [*found, *appended(plain)]) if any_loop else None

    def built(self, target: tuple[str, ...], statements: Sequence[py.Stmt]) -> list[py.Stmt]:
        """`layers` begun with what is there always, appended to, and made the container."""
        first, rest = statements[0], list(statements[1:])
        begin: py.Expr = py.List(())
        if isinstance(first, py.AugAssign):
            begin = first.value
        elif isinstance(first, py.ExprStmt) and isinstance(first.value.args[0], py.Call):
            begin = py.List((first.value.args[0],))
        else:
            rest.insert(0, first)
        annotation = py.Index(py.Name("list"), py.Name("nn.Module"))
        made = py.Call(py.Name("nn.Sequential"), (py.Star(local("layers")),))
        return [py.Assign(local("layers"), begin, annotation), *rest, self.installation(target, made)]

    def installation(self, target: tuple[str, ...], made: py.Expr) -> py.Stmt:
        """The statement that makes something the member of a path."""
        return installation(target, made, self.writer.dicts)

    def pattern(self, rows: Sequence[Row], at: int) -> tuple[int, list[py.Stmt] | None]:
        """The longest run of rows from here that is one loop shorter than its rows, and where it ends."""
        best: list[py.Stmt] | None = None
        end = at
        for stop in range(at + MIN_ROWS, len(rows) + 1):
            found = loop(rows[at:stop], self.signature)
            if found is None:
                break
            end, best = stop, found
        plain = appended([code for row in rows[at:end] for code in _codes(row)])
        return (end, best) if best is not None and self.height(best) < self.height(plain) + TABLE else (at, None)

    def signature(self, name: str) -> tuple[tuple[str, py.Expr | None], ...] | None:
        """The arguments of an emitted class."""
        for writer in self.writer.emitter.order:
            if writer.name == name:
                return tuple((p.python, p.default) for p in writer.parameters())
        return None

    def height(self, statements: Sequence[py.Stmt]) -> int:
        """How many lines some statements of `__init__` take."""
        names = {marked(name).id: name.lstrip("#") for name in self.writer.formulas.formals}
        body = tuple(tidied(s, names) for s in statements)
        return show(py.Module(None, (py.ClassDef("C", (), (py.FunctionDef("f", (), None, body),)),))).count("\n")

    # -- parts

    def parts(self, bodies: Mapping[int, g.Body], namers: Mapping[int, Namer]) -> tuple[Part, ...]:
        if len({len(b) for b in bodies.values()}) != 1:
            raise UnmergeableError
        found: list[Part] = []
        for at in range(len(next(iter(bodies.values())))):
            nodes = {n: b[at] for n, b in bodies.items()}
            if len({type(node) for node in nodes.values()}) != 1:
                raise UnmergeableError
            with placed(next(iter(nodes.values()))):
                found.append(self.node(nodes, namers))
        return tuple(found)

    def node(self, nodes: Mapping[int, g.Node], namers: Mapping[int, Namer]) -> Part:
        first = next(iter(nodes.values()))
        match first:
            case g.Layer() | g.Invoke():
                return Member(self.name(nodes, namers), self.one(dict(nodes)), ())
            case g.Level():
                name = self.name(nodes, namers)
                inner = self.parts(_bodies(nodes), {n: Namer(True) for n in nodes})
                if any(_decides(part) for part in inner):
                    raise UnmergeableError
                members = flat(inner)
                turns = self.writer.emitter.turns
                if turns is not None and any(id(node) in turns.levels for node in nodes.values()):
                    return Member(name, self.again(self.ordered(members)), ())
                return Member(name, None, tuple(members))
            case g.Line():
                return Together(self.parts(_bodies(nodes), namers))
            case g.Choice():
                return self.choice({n: c for n, c in nodes.items() if isinstance(c, g.Choice)}, namers)
            case _:
                return self.repeat({n: r for n, r in nodes.items() if isinstance(r, g.Repeat)}, namers)

    def name(self, nodes: Mapping[int, g.Node], namers: Mapping[int, Namer]) -> str | None:
        """The label that all lanes give an item; None where it is called by its position."""
        labels: set[str | None] = set()
        for n, node in nodes.items():
            assert isinstance(node, g.Layer | g.Invoke | g.Level)
            name = namers[n].name(node)
            labels.add(None if node.label is None else name[0])
        if len(labels) != 1:
            raise UnmergeableError
        return labels.pop()

    def choice(self, choices: Mapping[int, g.Choice], namers: Mapping[int, Namer]) -> Part:
        taken = {c.taken for c in choices.values()}
        if len(taken) == 1:
            return Together(self.parts(_bodies(choices), namers))
        first = next(iter(choices.values()))
        if taken != {0, 1} or len(first.tests) != 1:
            raise UnmergeableError
        test = self.writer.formulas.test(first.tests[0], {n: c.taken == 0 for n, c in choices.items()}, "optional")
        before = self.current
        assert before is not None
        branches: list[tuple[Part, ...]] = []
        ends: list[Value] = []
        for branch in (0, 1):
            self.current = before
            branches.append(self.parts({n: c.body for n, c in choices.items() if c.taken == branch}, namers))
            ends.append(self.current)
        shapes = {n: self.writer.lanes[n].instance.shapes[c.output] for n, c in choices.items()}
        formulas = [self.writer.checked(end.features, shapes) for end in ends]
        features = next((f for f in formulas if f is not None), None)
        self.current = Value(shapes, features, before.code, 1)
        return Decided(test, *branches)

    def repeat(self, repeats: Mapping[int, g.Repeat], namers: Mapping[int, Namer]) -> Part:
        counts = {tuple(run.count for run in r.runs) for r in repeats.values()}
        if len(counts) != 1:
            raise UnmergeableError
        turns: list[tuple[tuple[Part, ...], int]] = []
        for at, count in enumerate(next(iter(counts))):
            once = self.parts({n: r.runs[at].body for n, r in repeats.items()}, namers)
            if len(flat(once)) > 1 and len(flat(once)) * count > MAX_MEMBERS:
                raise NotEmittedError(f"a repeat of {count} with several layers each")
            turns.append((once, count))
        return Repeated(tuple(turns))

    def one(self, nodes: dict[int, g.Node]) -> py.Expr:
        """The constructor of one layer or module; what flows on is its output."""
        writer, value = self.writer, self.current
        assert value is not None
        first = next(iter(nodes.values()))
        if isinstance(first, g.Layer):
            layers = {n: node for n, node in nodes.items() if isinstance(node, g.Layer)}
            forms = writer.forms(layers)
            code = writer.constructed(layers, forms, [value])
            features = writer.layer_features(layers, [value])
        else:
            invokes = {n: node for n, node in nodes.items() if isinstance(node, g.Invoke)}
            code = writer.construction(invokes, [value])
            features = writer.invoke_features(invokes, [value])
        outputs = {n: node.output for n, node in nodes.items() if isinstance(node, g.Layer | g.Invoke)}
        shapes = {n: writer.lanes[n].instance.shapes[v] for n, v in outputs.items()}
        self.current = Value(shapes, writer.checked(features, shapes), code, 1)
        self.features = self.current.features
        return code


def flat(parts: Sequence[Part]) -> list[Member]:
    """The members of some parts, equal neighbours called by their positions as one with a count."""
    found: list[Member] = []
    for part in parts:
        match part:
            case Member():
                _join(found, part)
            case Together():
                for member in flat(part.parts):
                    _join(found, member)
            case Repeated():
                for turn, count in part.turns:
                    members = flat(turn)
                    if len(members) == 1 and members[0].name is None:
                        once = members[0]
                        _join(found, Member(None, once.code, once.inner, once.count * count))
                        continue
                    for member in members * count:
                        _join(found, member)
            case Decided():
                raise UnmergeableError
    return found


def _join(found: list[Member], member: Member) -> None:
    last = found[-1] if found else None
    same = last is not None and (last.code, last.inner) == (member.code, member.inner)
    if last is not None and same and last.name is None and member.name is None:
        found[-1] = Member(None, last.code, last.inner, last.count + member.count)
    else:
        found.append(member)


def numbered(members: Sequence[Member]) -> bool:
    """Whether every name is the member's position, all the way down."""
    at = 0
    for member in members:
        if member.name not in (None, str(at)) or not numbered(member.inner):
            return False
        at += member.count
    return True


def sequential(members: Sequence[Member]) -> py.Expr:
    """`nn.Sequential(...)`; an identity at its end holds no other's position, and is left out."""
    found = list(members)
    while len(found) > 1 and found[-1].code == _IDENTITY:
        found.pop()
    return py.Call(py.Name("nn.Sequential"), tuple(_starred(found)))


def listing(parts: Sequence[Part]) -> py.Expr:
    """The members as a list."""
    members = flat(parts)
    if len(members) == 1 and members[0].count > 1:
        return py.ListComp(_code(members[0]), py.Name("_"), py.Call(py.Name("range"), (py.Lit(members[0].count),)))
    return py.List(tuple(_starred(members)))


def _starred(members: Sequence[Member]) -> list[py.Expr | py.Star]:
    items: list[py.Expr | py.Star] = []
    for member in members:
        code = _code(member)
        if member.count == 1:
            items.append(code)
        else:
            count = py.Call(py.Name("range"), (py.Lit(member.count),))
            items.append(py.Star(py.ListComp(code, py.Name("_"), count)))
    return items


def _code(member: Member) -> py.Expr:
    return member.code if member.code is not None else sequential(member.inner)


def _decides(part: Part) -> bool:
    match part:
        case Decided():
            return True
        case Together():
            return any(_decides(p) for p in part.parts)
        case Repeated():
            return any(_decides(p) for turn, _ in part.turns for p in turn)
        case _:
            return False


def _unwrapped(parts: Sequence[Part]) -> list[Part]:
    """The parts with lines that only hold others dissolved where something is decided in them."""
    found: list[Part] = []
    for part in parts:
        inner = part.parts if isinstance(part, Together) else ()
        if isinstance(part, Repeated) and _decides(part):
            inner = tuple(p for turn, count in part.turns for p in turn * count)
        found.extend(_unwrapped(inner) if inner else [part])
    return found


def _flushed(parts: Sequence[Part]) -> list[py.Stmt]:
    members = flat(parts)
    if not numbered([Member(None, m.code, m.inner, m.count) if m.name is None else m for m in members]):
        raise UnmergeableError
    return appended(_starred(members))


def _rows(part: Part) -> list[Row]:
    """The rows of a part: the turns of a repeat, or the line that it is."""
    while isinstance(part, Together) and len(part.parts) == 1:
        part = part.parts[0]
    if isinstance(part, Repeated):
        return [tuple(_pieces(turn)) for turn, count in part.turns for _ in range(min(count, MAX_ROWS + 1))]
    return [tuple(_pieces((part,)))]


def _pieces(parts: Sequence[Part]) -> list[Piece]:
    found: list[Piece] = []
    for part in parts:
        if isinstance(part, Together):
            found.extend(_pieces(part.parts))
        elif isinstance(part, Repeated):
            found.append(Times(tuple((tuple(_expanded(turn)), count) for turn, count in part.turns)))
        else:
            found.extend(_expanded((part,)))
    return found


def _expanded(parts: Sequence[Part]) -> list[py.Expr]:
    return [code for member in flat(parts) for code in [_code(member)] * member.count]


def _tabled(body: g.Body) -> bool:
    """Whether the spec walks over the rows of a table here."""
    return any(isinstance(n, g.Repeat) and n.kind == "rows" for n in body) or any(
        _tabled(n.body) for n in body if isinstance(n, g.Line)
    )


def _codes(row: Row) -> list[py.Expr | py.Star]:
    found: list[py.Expr | py.Star] = []
    for piece in row:
        if isinstance(piece, Times):
            members = [Member(None, c, (), count if len(t) == 1 else 1) for t, count in piece.turns for c in t]
            found.extend(_starred(members))
        else:
            found.append(piece)
    return found


def _bodies(nodes: Mapping[int, g.Node]) -> dict[int, g.Body]:
    return {n: node.body for n, node in nodes.items() if isinstance(node, g.Level | g.Line | g.Choice)}
