"""The members of a class as lists of modules: what was installed one by one, as a person would write it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import cast

from . import pycode as py
from .members import RESERVED, attribute
from .sequence import Member, listing

SUPER = py.Attr(py.Call(py.Name("super")), "__init__")
_DICT = py.Call(py.Name("nn.ModuleDict"))


def listed(init: Sequence[py.Stmt]) -> list[py.Stmt]:
    """The `__init__` of an nn.ModuleList: its members in their positions, those with a label between them.

    A position that nothing stands at holds an identity, so that the others keep theirs.
    """
    found: list[py.Stmt] = []
    waiting: list[py.Expr] = []
    count = 0

    def flush() -> None:
        if waiting:
            found.append(
                _extended(
                    listing([Member(None, code, ()) for code in waiting]),
                    initialised(found) or any(map(_of_self, found)),
                )
            )
            waiting.clear()

    for statement in init:
        member = _numbered(statement)
        if member is not None:
            position, made = member
            waiting.extend([py.Call(py.Name("nn.Identity"))] * (position - count))
            waiting.append(made)
            count = position + 1
        elif _makes_member(statement):
            flush()
            found.append(statement)
            count += 1
        else:
            if not isinstance(statement, py.Assign) or not isinstance(statement.target, py.Name):
                flush()  # it may speak of the members
            found.append(statement)
    flush()
    return found


def initialised(statements: Sequence[py.Stmt]) -> bool:
    """Whether `super().__init__` is called."""
    return any(isinstance(s, py.ExprStmt) and s.value.func == SUPER for s in statements)


def _extended(members: py.Expr, later: bool) -> py.Stmt:
    if not later:
        return py.ExprStmt(py.Call(SUPER, (members,)))
    one = members.items[0] if isinstance(members, py.List) and len(members.items) == 1 else None
    if one is not None and not isinstance(one, py.Star):
        return py.ExprStmt(py.Call(py.Name("self.append"), (one,)))
    return py.ExprStmt(py.Call(py.Name("self.extend"), (members,)))


def _of_self(node: object) -> bool:
    """Whether code speaks of the module itself, which must be initialised before."""
    if isinstance(node, py.Name):
        return node.id.partition(".")[0] == "self"
    if isinstance(node, tuple):
        return any(_of_self(part) for part in cast("tuple[object, ...]", node))
    return is_dataclass(node) and any(_of_self(getattr(node, f.name)) for f in fields(node))


def _numbered(statement: py.Stmt) -> tuple[int, py.Expr] | None:
    """The position and the constructor of a member without a label."""
    if not isinstance(statement, py.ExprStmt) or statement.value.func != py.Attr(py.Name("self"), "add_module"):
        return None
    name, made = statement.value.args
    if not isinstance(name, py.Lit) or not str(name.value).isdecimal() or isinstance(made, py.Star):
        return None
    return int(str(name.value)), made


def _makes_member(statement: py.Stmt) -> bool:
    """Whether a statement makes a module a member under its label."""
    if isinstance(statement, py.ExprStmt):
        return statement.value.func == py.Attr(py.Name("self"), "add_module")
    if not isinstance(statement, py.Assign) or not isinstance(statement.target, py.Name):
        return False
    made = statement.value
    called = made.func.id if isinstance(made, py.Call) and isinstance(made.func, py.Name) else ""
    attribute = statement.target.id.startswith("self.") and statement.target.id.count(".") == 1
    return attribute and called != "nn.Parameter" and called.rpartition(".")[2][:1].isupper()


def gathered(init: Sequence[py.Stmt], forward: Sequence[py.Stmt]) -> tuple[list[py.Stmt], list[py.Stmt]]:
    """The dicts of modules whose keys are 0, 1, 2, ... as lists; those with keys that no dict can have as modules."""
    made, used = list(init), list(forward)
    for statement in reversed(init):  # those in others first, while the others are still what they were
        if not isinstance(statement, py.Assign) or statement.value != _DICT:
            continue
        container = statement.target
        children = [s for s in made if isinstance(s, py.Assign) and _child(s, container)]
        keys = [_key(s.target) for s in children]
        if RESERVED.intersection(keys):
            whole, change = py.Call(py.Name("nn.Module")), _plain
        elif keys and keys == [str(n) for n in range(len(children))]:
            members = listing([Member(None, s.value, ()) for s in children])
            whole, change = py.Call(py.Name("nn.ModuleList"), (members,)), _renumbered
            made = [s for s in made if not _child(s, container)]
        else:
            continue
        made = [py.Assign(container, whole) if s == statement else s for s in made]
        made = cast("list[py.Stmt]", [change(s, container) for s in made])
        used = cast("list[py.Stmt]", [change(s, container) for s in used])
    return made, used


def untyped(init: Sequence[py.Stmt], names: Collection[str]) -> Iterator[py.Stmt]:
    """Some containers without a type: to a type checker an array that is read off one could as well be a module."""
    for statement in init:
        if isinstance(statement, py.Assign) and any(statement.target == py.Name(f"self.{name}") for name in names):
            yield replace(statement, annotation=py.Name("Any"))
        else:
            yield statement


def _child(statement: py.Stmt, container: py.Expr) -> bool:
    if not isinstance(statement, py.Assign):
        return False
    return isinstance(statement.target, py.Index) and statement.target.value == container


def _plain(node: object, container: py.Expr) -> object:
    """Code with the items of a container as attributes."""
    if isinstance(node, py.Assign) and _child(node, container):
        found = attribute(container, _key(node.target))
        if not isinstance(found, py.Call):
            return py.Assign(cast("py.Target", found), node.value)
        return py.ExprStmt(py.Call(py.Attr(container, "add_module"), (py.Lit(_key(node.target)), node.value)))
    if isinstance(node, py.Index) and node.value == container and isinstance(node.index, py.Lit):
        return attribute(container, _key(node))
    if isinstance(node, tuple):
        return tuple(_plain(part, container) for part in cast("tuple[object, ...]", node))
    if is_dataclass(node) and not isinstance(node, type):
        return replace(node, **{f.name: _plain(getattr(node, f.name), container) for f in fields(node)})
    return node


def _key(item: py.Expr | py.Star) -> str:
    """The key of `container["key"]`."""
    index = item.index if isinstance(item, py.Index) else None
    return str(index.value) if isinstance(index, py.Lit) else ""


def _renumbered(node: object, container: py.Expr) -> object:
    """Code with the keys of a container as numbers."""
    if isinstance(node, py.Index) and node.value == container and isinstance(node.index, py.Lit):
        return py.Index(node.value, py.Lit(int(str(node.index.value))))
    if isinstance(node, tuple):
        return tuple(_renumbered(part, container) for part in cast("tuple[object, ...]", node))
    if is_dataclass(node) and not isinstance(node, type):
        return replace(node, **{f.name: _renumbered(getattr(node, f.name), container) for f in fields(node)})
    return node
