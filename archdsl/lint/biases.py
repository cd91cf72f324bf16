"""A convolution's bias before a batch norm, which takes every channel's mean away, and the bias with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .. import expr as ex
from ..diagnostics import Diagnostic, Label, Span
from ..elaborate.unreached import nodes
from ..ir.graph import Instance, Invoke, Join, Layer, Look, Network, Repeat, Residual, Reuse, SideOutput
from ..spec import Spec
from ..syntax import tree as t
from .bodies import inside, instances

CONVOLUTIONS = ("conv", "depthwise", "sepconv", "upconv")
_Place = tuple[str, int, int]


def superfluous_biases(spec: Spec, networks: Sequence[Network]) -> Iterator[Diagnostic]:
    """Warnings of convolutions that have a bias nobody asked for, and whose values go into a batch norm wherever they stand."""
    asked = _asked(spec)
    behind: dict[_Place, list[Layer | None]] = {}
    spans: dict[_Place, Span] = {}
    for instance in instances(networks):
        for layer, norm in _followed(instance):
            if layer.span is not None:
                place = _place(layer.span)
                behind.setdefault(place, []).append(norm)
                spans[place] = layer.span
    for place, norms in behind.items():
        if place in asked or None in norms:
            continue
        labels = tuple(
            Label(_word(n.span), "the batch norm") for n in norms[:1] if n is not None and n.span is not None
        )
        problem = "the bias of this convolution has no effect: the batch norm behind it takes it away"
        help = "write `no bias`; or `bias`, if it is meant to be there"
        span = _word(spans[place])
        yield Diagnostic("A1107", problem, span, labels, help, severity="warning")


def _word(span: Span) -> Span:
    """The word that a call begins with."""
    text = span.file.lines[span.line - 1][span.column - 1 :]
    word = re.match(r"[\w.]+", text)
    return Span(span.file, span.line, span.column, span.line, span.column + (word.end() if word else 1))


def _place(span: Span) -> _Place:
    return span.file.name, span.line, span.column


def _asked(spec: Spec) -> set[_Place]:
    """The calls whose bias is written, on the line or in `default`."""
    bodies = [d.body for d in spec.definitions.values()] + ([] if spec.layers is None else [spec.layers])
    by_default = {word for word, arguments in spec.defaults.items() if _says_bias(arguments)}
    calls = [node for body in bodies for node in nodes(body) if isinstance(node, t.Call)]
    return {_place(call.span) for call in calls if call.word in by_default or _says_bias(call.arguments)}


def _says_bias(arguments: Sequence[t.Argument]) -> bool:
    return any(isinstance(a, t.Positional) and a.value == ex.Name("bias") for a in arguments)


def _followed(instance: Instance) -> Iterator[tuple[Layer, Layer | None]]:
    """Each convolution with a bias, and the batch norm that alone takes its value (None: something else does, too)."""
    takers: dict[int, list[Layer | None]] = {}
    convolutions: list[Layer] = []
    takers.setdefault(instance.output, []).append(None)
    for node in inside(instance.body):
        if isinstance(node, Layer) and node.operator.word in CONVOLUTIONS and getattr(node.operator, "bias", False):
            convolutions.append(node)
        if isinstance(node, Layer) and node.operator.word == "bn":
            takers.setdefault(node.inputs[0], []).append(node)
            continue
        for value in _taken(node):
            takers.setdefault(value, []).append(None)
    for layer in convolutions:
        norms = takers.get(layer.output, [None])
        yield layer, None if None in norms else norms[0]


def _taken(node: object) -> Sequence[int]:
    """The values that a node which is no batch norm takes."""
    match node:
        case Layer() | Invoke() | Reuse():
            return node.inputs
        case Join():
            return (*node.inputs, *((node.input,) if node.shares else ()))
        case Residual():
            return _summands(node) if node.taken else ()
        case Repeat():
            return [run.output for run in node.runs if run.count > 1]
        case SideOutput():
            return (node.value,)
        case Look():
            return ()
        case _:
            return ()


def _summands(node: Residual) -> Sequence[int]:
    other = node.main.input if node.shortcut is None else node.shortcut.output
    return node.main.output, other
