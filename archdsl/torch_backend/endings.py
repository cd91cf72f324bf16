"""How a constructor fills arrays: steps, and the statements that they are written as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..ir.graph import Fill, Init, Names
from . import pycode as py
from .arrays import Path
from .classes import ClassWriter
from .members import member_of
from .pyprint import flat
from .repeats import LOCAL
from .schemes import filling

FEW = 2
"""So many members are named one by one."""
_WIDTH = 88


@dataclass(eq=False)
class Wish:
    """The arrays that a recipe of a row fills in the end, by their keys, and the parameters its numbers are made of."""

    row: Init
    fill: Fill
    names: Names
    keys: list[str] = field(default_factory=list[str])


@dataclass(eq=False)
class Step:
    """A wish as a constructor grants it: for which arrays, and by what.

    `form`: by classes of torch or of helpers below the member `under`; by the members of an emitted class, which is then `under`; by
    members; by the ends of names of parameters, or whole names. These stand in `by`. `guarded`: some have no such array;
    `optional`: torch declares them so, as a convolution's bias.
    """

    wish: Wish
    form: Literal["kind", "class", "name", "ends", "names"]
    covers: frozenset[str]
    under: Path = ()
    by: tuple[str, ...] = ()
    guarded: bool = False
    optional: bool = False


def written(steps: Sequence[Step], writer: ClassWriter) -> list[py.Stmt]:
    """The statements of one constructor."""
    found: list[py.Stmt] = []
    for group in _groups(steps):
        first = group[0]
        match first.form:
            case "kind":
                found.append(_loop(group))
            case "class":
                found.append(_class_loop(first))
            case "name":
                found.extend(_named(first, writer))
            case _:
                found.append(_parameters(first))
    return found


def in_order(steps: Sequence[Step]) -> list[Step]:
    """The steps of a constructor in the order in which it takes them."""
    return [step for group in _groups(steps) for step in group]


def _groups(steps: Sequence[Step]) -> list[list[Step]]:
    """Steps that are one loop, each in the place of its first."""
    found: list[list[Step]] = []
    for step in steps:
        same: list[Step] | None = None
        for group in reversed(found) if step.form == "kind" else ():
            if group[0].form == "kind" and group[0].under == step.under:
                same = group
                break
            if any(not step.covers.isdisjoint(other.covers) for other in group):
                break
        if same is not None:
            same.append(step)
        else:
            found.append([step])
    return found


def _local(name: str) -> py.Name:
    return py.Name(f"{LOCAL}{name}")


def _modules_of(under: Path) -> py.Expr:
    return py.Call(py.Attr(member_of(under), "modules"))


def _is(kinds: Sequence[str]) -> py.Expr:
    names = tuple(py.Name(kind) for kind in kinds)
    return py.Call(py.Name("isinstance"), (_local("m"), names[0] if len(names) == 1 else py.Tuple(names)))


def _loop(group: Sequence[Step]) -> py.Stmt:
    """A loop over modules by their classes; those that get the same stand together."""
    bodies: dict[str, list[tuple[py.Stmt, py.Expr]]] = {}
    guarded: set[tuple[str, py.Expr]] = set()
    for step in group:
        array = py.Attr(_local("m"), step.wish.keys[0].rpartition(".")[2])
        fill = filling(step.wish.fill, step.wish.names, array)
        for kind in step.by:
            bodies.setdefault(kind, []).append((fill, array))
            if step.guarded or (step.optional and "Conv" in kind):
                guarded.add((kind, array))
    alike: list[tuple[list[str], list[tuple[py.Stmt, py.Expr]]]] = []
    for kind, body in bodies.items():
        same = next((kinds for kinds, other in alike if other == body), None)
        if same is None:
            alike.append(([kind], body))
        else:
            same.append(kind)
    branches = [(kinds, [_guarded(*f, any((k, f[1]) in guarded for k in kinds)) for f in b]) for kinds, b in alike]
    modules = _modules_of(group[0].under)
    if len(branches) == 1:
        filtered = py.Filtered(_local("m"), modules, _is(branches[0][0]))
        if len(flat(filtered)) - len(LOCAL) * 3 + len("for m in :") <= _WIDTH - 8:
            return py.For(_local("m"), filtered, tuple(branches[0][1]))
    chosen: tuple[py.Stmt, ...] = ()
    for kinds, body in reversed(branches):
        chosen = (py.If(_is(kinds), tuple(body), chosen),)
    return py.For(_local("m"), modules, chosen)


def _guarded(fill: py.Stmt, array: py.Expr, perhaps: bool) -> py.Stmt:
    """What fills an array, if it is there."""
    return py.If(py.Compare("is not", array, py.Lit(None)), (fill,)) if perhaps else fill


def _class_loop(step: Step) -> py.Stmt:
    arrays = (_array(_local("m"), name, not step.optional) for name in step.by)
    body = tuple(filling(step.wish.fill, step.wish.names, array) for array in arrays)
    filtered = py.Filtered(_local("m"), _modules_of(()), _is(step.under))
    return py.For(_local("m"), filtered, body)


def _array(base: py.Expr, name: str, plain: bool) -> py.Expr:
    """An array of a module: `m.conv1.weight`, or by its name, which type checkers take for one whatever holds it."""
    path = name.split(".")
    if not plain or len(path) > FEW or not all(map(py.identifier, path)):
        return py.Call(py.Attr(base, "get_parameter"), (py.Lit(name),))
    for segment in path:
        base = py.Attr(base, segment)
    return base


def _named(step: Step, writer: ClassWriter) -> Iterator[py.Stmt]:
    plain = not step.optional and not writer.dicts
    owners = [name.rpartition(".") for name in step.by]
    one = len({name for _, _, name in owners}) == 1 and all(owner for owner, _, _ in owners)
    if len(step.by) <= FEW:
        for name in step.by:
            yield filling(step.wish.fill, step.wish.names, _array(py.Name("self"), name, plain))
    elif plain and one and all(len(name.split(".")) <= FEW for name in step.by):
        members = py.Tuple(tuple(py.Name(f"self.{owner}") for owner, _, _ in owners))
        fill = filling(step.wish.fill, step.wish.names, py.Attr(_local("layer"), owners[0][2]))
        yield py.For(_local("layer"), members, (fill,))
    else:
        array = py.Call(py.Name("self.get_parameter"), (_local("name"),))
        names = py.Tuple(tuple(py.Lit(name) for name in step.by))
        yield py.For(_local("name"), names, (filling(step.wish.fill, step.wish.names, array),))


def _parameters(step: Step) -> py.Stmt:
    """A loop over parameters by their names."""
    name, value = _local("name"), _local("parameter")
    texts = tuple(py.Lit(text) for text in step.by)
    test: py.Expr = py.Compare("in", name, py.Tuple(texts))
    if step.form == "ends":
        test = py.Call(py.Attr(name, "endswith"), (texts[0] if len(texts) == 1 else py.Tuple(texts),))
    fill = filling(step.wish.fill, step.wish.names, value)
    pairs = py.Call(py.Name("self.named_parameters"))
    return py.For(py.Tuple((name, value)), pairs, (py.If(test, (fill,)),))
