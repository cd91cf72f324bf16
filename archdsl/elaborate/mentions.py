"""What a piece of syntax mentions: the names that decide whether two iterations of a loop can differ, and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import cast

from .. import expr as ex
from ..diagnostics import Span
from ..syntax import tree as t


class Mentions:
    """Remembers what it found for each node, as long as it lives."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[object, frozenset[str]]] = {}

    def of(self, node: object) -> frozenset[str]:
        """Every name in expressions, call words and label templates below `node`."""
        known = self._found.get(id(node))
        if known is None:
            known = (node, frozenset(name for piece in _pieces(node) for name in _names(piece)))
            self._found[id(node)] = known
        return known[1]


def has_label(root: object, below: bool = False) -> bool:
    """Whether something in a piece of syntax has a label; `below`: its own does not count."""
    return any(
        isinstance(node, t.Level | t.Output) or (isinstance(node, t.Item) and node.label is not None)
        for node in _pieces(root)
        if not (below and node is root)
    )


def _pieces(root: object) -> Iterator[object]:
    """Every node of the syntax below `root`, itself included."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            waiting.extend(cast("tuple[object, ...]", node))
        else:
            inside = _fields(type(node))
            if inside is not None:
                yield node
                waiting.extend([getattr(node, name) for name in inside])


@cache
def _fields(kind: type) -> tuple[str, ...] | None:
    """What a node of a kind has beside places; None of what is no node."""
    if not is_dataclass(kind) or kind is Span:
        return None
    return tuple(f.name for f in fields(kind) if f.name not in ("span", "word_span"))


def _names(node: object) -> Iterator[str]:
    match node:
        case ex.Name(id=name):
            yield name
            yield from name.split("x")
        case t.Call(word=word):
            yield word
        case t.ForRows(table=table):
            yield table
        case ex.Ref(path=path) | (ex.Path() as path) if path.segments:
            first = path.segments[0]
            if len(first) == 1 and isinstance(first[0], str):
                yield first[0]
        case _:
            return
