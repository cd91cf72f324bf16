"""Labels: what a body has named so far, level by level."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import NoReturn, TypeAlias

from ..diagnostics import Span, did_you_mean, fail
from ..ir.graph import Body, Node
from ..ir.operator import Tensor, find_operator
from ..records import dataclass

Redo = Callable[[int], tuple[Body, int]]


def _below(name: str, span: Span | None) -> str | None:
    """That a label stands further down, if it does: a value cannot be used before it is there."""
    if span is None:
        return None
    for number, line in enumerate(span.file.lines[span.line - 1 :], span.line):
        if number > span.line and line[:1] not in ("", " ", "#"):
            return None  # another section
        if re.search(rf'(?:^|[\s\[>-])"?{re.escape(name)}"?:(?:\s|$)', line.split("#")[0]):
            return f"it stands in line {number}: values flow downwards, and nothing goes back"
    return None


def _automatic(name: str) -> str | None:
    """What to do about `conv1`, which is what a layer without a label is called."""
    match = re.fullmatch(r"([A-Za-z_]+?)\d*", name)
    if match is None or find_operator(match[1]) is None:
        return None
    return f"only a written label can be referred to: `{name}: {match[1]} ...`"


@dataclass(slots=True)
class Target:
    """What a label names: its value, the labels under it, and how to apply it once more.

    `implied`: a level that only the labels in it name; its value is the last of theirs.
    """

    value: int | None
    span: Span
    scope: Labels | None = None
    node: Node | None = None
    tensors: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    redo: Redo | None = None
    implied: bool = False


Found: TypeAlias = tuple[Target, tuple[str, ...], tuple[str, ...]]
"""A target, its path from the border of the module, and the segments that lie inside it."""


class Labels:
    """The labels of one level. Looking up goes outwards to the border of the module."""

    def __init__(self, parent: Labels | None = None, path: tuple[str, ...] = ()) -> None:
        self.parent = parent
        self.path = path
        self.targets: dict[str, Target] = {}

    def define(self, segments: tuple[str, ...], target: Target) -> None:
        """Name something; `convs.0` makes the level `convs` when it is first named."""
        scope = self
        for segment in segments[:-1]:
            made = scope.targets.setdefault(segment, Target(None, target.span, implied=True))
            if made.scope is None:
                made.scope = Labels(scope, (*scope.path, segment))
            if made.implied:
                made.value = target.value
            scope = made.scope
        last = segments[-1]
        known = scope.targets.get(last)
        if known is not None:
            fail(
                "A0501",
                f"the label `{'.'.join(segments)}` is used twice",
                target.span,
                f"it stands at {known.span} too; in a loop a label needs the loop's variable: `{last}{{i}}: ...`",
            )
        scope.targets[last] = target

    def find(self, segments: tuple[str, ...]) -> Found | None:
        """What a label names, as far as its segments are levels of this body; None for an unknown label."""
        scope: Labels | None = self
        while scope is not None and segments[0] not in scope.targets:
            scope = scope.parent
        if scope is None:
            return None
        target, path = scope.targets[segments[0]], (*scope.path, segments[0])
        rest = segments[1:]
        while rest and target.scope is not None and rest[0] in target.scope.targets:
            target, path, rest = target.scope.targets[rest[0]], (*path, rest[0]), rest[1:]
        return target, path, rest

    def missing(self, segments: tuple[str, ...], span: Span | None, values: Sequence[str] = ()) -> NoReturn:
        """Refuse a label that is not there; `values` are names that can stand in its place."""
        names: list[str] = list(values)
        scope: Labels | None = self
        while scope is not None:
            names.extend(scope.targets)
            scope = scope.parent
        help = _below(segments[0], span) or did_you_mean(segments[0], names) or _automatic(segments[0])
        fail(
            "A0502",
            f"no label `{'.'.join(segments)}` above",
            span,
            help or "a module or def sees only its own labels: hand the value over as an argument",
            word=segments[0],
        )
