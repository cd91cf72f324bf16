"""The texts of the helpers that emitted files carry along."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

_PAIRS = {1: "tuple[int]", 3: "tuple[int, int, int]"}


@cache
def helper_texts() -> dict[str, tuple[str, frozenset[str]]]:
    """Each helper's text, and the other helpers it mentions, in the order of their file.

    A helper for maps of two axes that has no kin for one and three there has them by reading `1d` or `3d` for `2d`.
    """
    text = files("archdsl.torch_backend").joinpath("helpers.py").read_text(encoding="utf-8")
    nodes, lines = dict(_named(ast.parse(text).body)), text.splitlines(keepends=True)
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for name, node in nodes.items():
        mentions = frozenset({n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & nodes.keys() - {name})
        written = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])).rstrip()
        found[name] = written, mentions
        for axes, pair in _PAIRS.items():
            if name.endswith("2d") and _kin(name, axes) not in nodes:
                other = _kin(written.replace("tuple[int, int]", pair), axes)
                found[_kin(name, axes)] = other, frozenset(_kin(m, axes) for m in mentions)
    return found


def _named(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node


def _kin(text: str, axes: int) -> str:
    return text.replace("2d", f"{axes}d")
