"""Where things stand in a module: paths of members, names of variables."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import cast

from ..ir import graph as g
from . import pycode as py

RESERVED = frozenset({"clear", "items", "keys", "update", "values"})
"""What no member of an nn.ModuleDict can be called, though one of an nn.Module can."""


def variable_name(name: str) -> str:
    """A value's name as a Python variable."""
    cleaned = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    if cleaned[:1].isdecimal():
        return f"x{cleaned}"
    return cleaned if py.identifier(cleaned) and cleaned not in ("self", "torch", "F", "nn") else f"{cleaned}_"


def output_name(name: str) -> str:
    """An output's name as a variable and as a field of a named tuple, which begins with no underscore."""
    return variable_name(name.lstrip("_") or "output")


def member_of(path: Sequence[str], dicts: Container[tuple[str, ...]] = (), listed: bool = False) -> py.Expr:
    """`self.a.b`, `self.a["0"]` in the containers of `dicts`, `self.stage[0]` in any other container.

    With `listed` the class is an nn.ModuleList itself: `self[0]`. What has no such form is fetched by its name.
    """
    code: py.Expr = py.Name("self")
    for at, segment in enumerate(path):
        if tuple(path[:at]) in dicts and (at or not py.identifier(segment)):
            code = py.Index(code, py.Lit(segment))
        elif not py.identifier(segment) and segment.isdecimal() and (at or listed):
            code = py.Index(code, py.Lit(int(segment)))
        else:
            code = attribute(code, segment)
    return code


def array_of(path: Sequence[str], dicts: Container[tuple[str, ...]] = (), listed: bool = False) -> py.Expr:
    """The same of an array, which is no item of a container but an attribute of it."""
    return attribute(member_of(path[:-1], dicts, listed), path[-1])


def attribute(of: py.Expr, name: str) -> py.Expr:
    """`of.name`, fetched by its text where that is no Python name."""
    if not py.identifier(name):
        return py.Call(py.Name("getattr"), (of, py.Lit(name)))
    return py.Name(f"{of.id}.{name}") if isinstance(of, py.Name) else py.Attr(of, name)


def installation(
    path: Sequence[str], made: py.Expr, dicts: Container[tuple[str, ...]] = (), listed: bool = False
) -> py.Stmt:
    """The statement that makes a module the member of a path."""
    if py.identifier(path[-1]) or tuple(path[:-1]) in dicts:
        return py.Assign(cast("py.Target", member_of(path, dicts, listed)), made)
    owner = member_of(path[:-1], dicts, listed)
    return py.ExprStmt(py.Call(py.Attr(owner, "add_module"), (py.Lit(path[-1]), made)))


def registration(
    path: Sequence[str], made: py.Expr, dicts: Container[tuple[str, ...]] = (), listed: bool = False
) -> py.Stmt:
    """The statement that makes an array what a path leads to."""
    if py.identifier(path[-1]):
        return py.Assign(cast("py.Target", array_of(path, dicts, listed)), made)
    owner = member_of(path[:-1], dicts, listed)
    return py.ExprStmt(py.Call(py.Attr(owner, "register_parameter"), (py.Lit(path[-1]), made)))


def first_input(body: g.Body, fallback: int) -> int:
    """The value that flows into a chain."""
    for node in body:
        match node:
            case g.Layer() | g.Invoke():
                return node.inputs[0]
            case g.Repeat():
                for run in node.runs[:1]:
                    return first_input(run.body, run.input)
            case g.Level() | g.Line() | g.Choice():
                found = first_input(node.body, -1)
                if found >= 0:
                    return found
            case _:
                return fallback
    return fallback
