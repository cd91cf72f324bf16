"""Which names a piece of syntax mentions: what decides whether two iterations of a loop can differ."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

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
            names: set[str] = set()
            _collect(node, names)
            known = (node, frozenset(names))
            self._found[id(node)] = known
        return known[1]


def _collect(root: object, names: set[str]) -> None:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ex.Name):
            names.add(node.id)
            names.update(node.id.split("x"))
        elif isinstance(node, t.Call):
            names.add(node.word)
            waiting.extend(node.arguments)
        elif isinstance(node, t.ForRows):
            names.add(node.table)
        elif isinstance(node, tuple):
            waiting.extend(node)
        elif is_dataclass(node) and not isinstance(node, Span):
            if isinstance(node, ex.Ref) or (isinstance(node, ex.Path)):
                names.update(_taps(node))
            waiting.extend(getattr(node, f.name) for f in fields(node) if f.name != "span")


def _taps(node: ex.Ref | ex.Path) -> set[str]:
    path = node.path if isinstance(node, ex.Ref) else node
    first = path.segments[0] if path.segments else ()
    return {first[0]} if len(first) == 1 and isinstance(first[0], str) else set()
