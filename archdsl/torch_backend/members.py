"""Where things stand in a module: paths of members, names of variables."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ..ir import graph as g
from . import pycode as py


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
        if tuple(path[:at]) in dicts:
            code = py.Index(code, py.Lit(segment))
        elif py.identifier(segment):
            code = py.Name(f"{code.id}.{segment}") if isinstance(code, py.Name) else py.Attr(code, segment)
        elif segment.isdecimal() and (at or listed):
            code = py.Index(code, py.Lit(int(segment)))
        else:
            code = py.Call(py.Attr(code, "get_submodule"), (py.Lit(segment),))
    return code


def installation(path: Sequence[str], made: py.Expr, dicts: Container[tuple[str, ...]] = ()) -> py.Stmt:
    """The statement that makes something the member of a path."""
    target = member_of(path, dicts)
    if isinstance(target, py.Name | py.Attr | py.Index) and (py.identifier(path[-1]) or tuple(path[:-1]) in dicts):
        return py.Assign(target, made)
    return py.ExprStmt(py.Call(py.Attr(member_of(path[:-1], dicts), "add_module"), (py.Lit(path[-1]), made)))


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
