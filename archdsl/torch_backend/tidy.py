"""The last look at a class: its arguments named, calls written as people write them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar, cast

from . import pycode as py
from .counted import COUNTER
from .repeats import LOCAL

Tree = TypeVar("Tree")

_WINDOWED = re.compile(r"(nn\.|[A-Z]\w*)?Conv(Transpose)?[123]d|nn\.(Max|Avg)Pool[123]d|F\.(max|avg)_pool[123]d")
"""Calls whose next arguments after the kernel's size are `stride` and `padding`."""


def tidied(tree: Tree, names: dict[str, str]) -> Tree:
    """A tree with the marks of formals replaced by their names, and those of local variables.

    An argument that is called as its keyword stands in its position: `nn.Conv2d(c, c, 3, stride, padding=1)`.
    """
    return cast("Tree", _tidied(tree, names))


def _tidied(node: object, names: dict[str, str]) -> object:
    if isinstance(node, py.Name):
        return py.Name(names.get(node.id) or _local(node.id, names))
    if isinstance(node, tuple):
        return tuple(_tidied(part, names) for part in cast("tuple[object, ...]", node))
    if is_dataclass(node) and not isinstance(node, type):
        made = replace(node, **{f.name: _tidied(getattr(node, f.name), names) for f in fields(node)})
        return _windowed(made) if isinstance(made, py.Call) else made
    return node


def _local(name: str, names: dict[str, str]) -> str:
    """A local variable, told from the arguments by an underscore where it must be."""
    base = name.removeprefix(LOCAL)
    taken = (python for mark, python in names.items() if mark != COUNTER)  # no loop stands in a counting one
    return f"{base}_" if base != name and base in taken else base


def _windowed(call: py.Call) -> py.Call:
    """A stride that is a name in its position, and after it a padding that is a formula; a probability of 0 as 0.0,
    since TorchScript takes no whole number there."""
    if call.func == py.Name("nn.Dropout") and len(call.args) == 1 and not call.kwargs:
        (p,) = call.args
        return py.Call(call.func, (py.Lit(float(p.value)),)) if isinstance(p, py.Lit) and p.value in (0, 1) else call
    if not isinstance(call.func, py.Name) or not _WINDOWED.fullmatch(call.func.id):
        return call
    if call.kwargs[:1] != (("stride", py.Name("stride")),):
        return call
    moved = 2 if call.kwargs[1:] and call.kwargs[1][0] == "padding" and _formula(call.kwargs[1][1]) else 1
    return py.Call(call.func, (*call.args, *(v for _, v in call.kwargs[:moved])), call.kwargs[moved:])


def _formula(value: py.Expr) -> bool:
    return not isinstance(value, py.Lit | py.Tuple)


def hoisted(body: tuple[py.Stmt, ...]) -> tuple[py.Stmt, ...]:
    """The statements of `__init__` with what they compute again and again in a variable of its own."""
    for formula, count in Counter(_formulas(body)).items():
        if count < (2 if isinstance(formula, py.Call) else 3):
            continue
        name = next(n for n in ("hidden", *(f"hidden{i}" for i in range(2, 99))) if not _uses(body, py.Name(n)))
        first = next(at for at, statement in enumerate(body) if _uses(statement, formula))
        named = cast("tuple[py.Stmt, ...]", _replaced(body, formula, py.Name(name)))
        return hoisted((*named[:first], py.Assign(py.Name(name), formula), *named[first:]))
    return body


def unshadowed(forward: py.FunctionDef) -> py.FunctionDef:
    """A function whose variables are called otherwise than the functions and classes that it calls.

    A label may be any name, those of a def and of the file's helpers among them. No variable is called itself.
    """
    called = {part.func for part in _all_parts(forward) if isinstance(part, py.Call) and isinstance(part.func, py.Name)}
    bound = {py.Name(part.name) for part in _all_parts(forward) if isinstance(part, py.Param)}
    for part in _all_parts(forward):
        if isinstance(part, py.Assign):
            bound.update(name for name in _all_parts(part.target) if isinstance(name, py.Name))
    others: dict[str, str] = {}
    for name in sorted(name.id for name in called & bound):
        others[name] = f"{name}_"
        while py.Name(others[name]) in bound:
            others[name] += "_"
    return cast("py.FunctionDef", _renamed(forward, others)) if others else forward


def _renamed(node: object, others: Mapping[str, str]) -> object:
    if isinstance(node, py.Name):
        return py.Name(others.get(node.id, node.id))
    if isinstance(node, tuple):
        return tuple(_renamed(part, others) for part in cast("tuple[object, ...]", node))
    if is_dataclass(node) and not isinstance(node, type):
        called = isinstance(node, py.Call) and isinstance(node.func, py.Name)
        kept = ("func" if called else "", "annotation", "returns")
        changed = {f.name: _renamed(getattr(node, f.name), others) for f in fields(node) if f.name not in kept}
        if isinstance(node, py.Param):
            changed["name"] = others.get(node.name, node.name)
        return replace(node, **changed)
    return node


def _all_parts(node: object) -> Iterator[object]:
    yield node
    for part in _parts(node):
        yield from _all_parts(part)


def _formulas(node: object) -> Iterator[py.Expr]:
    """The products of names, and the calls of functions on them."""
    if isinstance(node, py.Bin) and isinstance(node.left, py.Name) and isinstance(node.right, py.Name):
        yield node
    if isinstance(node, py.Call) and node.func in (py.Name("make_divisible"), py.Name("max"), py.Name("min")):
        yield node
        return
    for part in _parts(node):
        yield from _formulas(part)


def _uses(node: object, wanted: py.Expr) -> bool:
    return any(part == wanted for part in _all_parts(node))


def _parts(node: object) -> Iterator[object]:
    if isinstance(node, tuple):
        yield from cast("tuple[object, ...]", node)
    elif is_dataclass(node):
        yield from (getattr(node, f.name) for f in fields(node))


def _replaced(node: object, old: py.Expr, new: py.Expr) -> object:
    if node == old:
        return new
    if isinstance(node, tuple):
        return tuple(_replaced(part, old, new) for part in cast("tuple[object, ...]", node))
    if is_dataclass(node) and not isinstance(node, type):
        return replace(node, **{f.name: _replaced(getattr(node, f.name), old, new) for f in fields(node)})
    return node
