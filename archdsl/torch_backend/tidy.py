"""The last look at a class: its arguments named, calls written as people write them."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar, cast

from . import pycode as py

Tree = TypeVar("Tree")

_WINDOWED = re.compile(r"(nn\.|[A-Z]\w*)?Conv(Transpose)?[123]d|nn\.(Max|Avg)Pool[123]d|F\.(max|avg)_pool[123]d")
"""Calls whose next arguments after the kernel's size are `stride` and `padding`."""


def tidied(tree: Tree, names: dict[str, str]) -> Tree:
    """A tree with the marks of formals replaced by their names.

    An argument that is called as its keyword stands in its position: `nn.Conv2d(c, c, 3, stride, padding=1)`.
    """
    return cast("Tree", _tidied(tree, names))


def _tidied(node: object, names: dict[str, str]) -> object:
    if isinstance(node, py.Name):
        return py.Name(names.get(node.id, node.id))
    if isinstance(node, tuple):
        return tuple(_tidied(part, names) for part in cast("tuple[object, ...]", node))
    if is_dataclass(node) and not isinstance(node, type):
        made = replace(node, **{f.name: _tidied(getattr(node, f.name), names) for f in fields(node)})
        return _windowed(made) if isinstance(made, py.Call) else made
    return node


def _windowed(call: py.Call) -> py.Call:
    """A stride that is a name in its position, and after it a padding that is a formula."""
    if not isinstance(call.func, py.Name) or not _WINDOWED.fullmatch(call.func.id):
        return call
    if call.kwargs[:1] != (("stride", py.Name("stride")),):
        return call
    moved = 2 if call.kwargs[1:] and call.kwargs[1][0] == "padding" and _formula(call.kwargs[1][1]) else 1
    return py.Call(call.func, (*call.args, *(v for _, v in call.kwargs[:moved])), call.kwargs[moved:])


def _formula(value: py.Expr) -> bool:
    return not isinstance(value, py.Lit | py.Tuple)
