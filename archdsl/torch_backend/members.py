"""Where things stand in a module: paths of members, names of variables."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import graph as g
from . import pycode as py


def variable_name(name: str) -> str:
    """A value's name as a Python variable."""
    cleaned = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    return cleaned if py.identifier(cleaned) and cleaned not in ("self", "torch", "F", "nn") else f"{cleaned}_"


def member_of(path: Sequence[str]) -> py.Expr:
    """`self.a.b`; what is no Python name is fetched by its string."""
    if all(py.identifier(segment) for segment in path):
        return py.Name(".".join(("self", *path)))
    return py.Call(py.Name("self.get_submodule"), (py.Lit(".".join(path)),))


def installation(path: Sequence[str], made: py.Expr) -> py.Stmt:
    """The statement that makes something the member of a path."""
    if py.identifier(path[-1]):
        target = member_of(path) if len(path) == 1 else py.Attr(member_of(path[:-1]), path[-1])
        if isinstance(target, py.Attr) and isinstance(target.value, py.Name):
            target = py.Name(f"{target.value.id}.{target.name}")
        assert isinstance(target, py.Name | py.Attr)
        return py.Assign(target, made)
    owner = py.Name("self") if len(path) == 1 else member_of(path[:-1])
    return py.ExprStmt(py.Call(py.Attr(owner, "add_module"), (py.Lit(path[-1]), made)))


def first_input(body: g.Body, fallback: int) -> int:
    """The value that flows into a chain."""
    for node in body:
        match node:
            case g.Layer() | g.Invoke():
                return node.inputs[0]
            case g.Repeat():
                for run in node.runs:
                    return run.input
            case g.Level() | g.Line() | g.Choice():
                found = first_input(node.body, -1)
                if found >= 0:
                    return found
            case _:
                return fallback
    return fallback
