"""Labels used: `@label` as a value, `again label`, `weight @label`."""

from __future__ import annotations

from collections.abc import Sequence

from .. import expr as ex
from ..diagnostics import fail
from ..ir import graph as g
from ..ir.dims import Dim, show
from ..ir.evaluate import ValueArgument
from ..ir.lookup import parts, value_inside
from ..ir.operator import Tensor
from ..ir.shapes import Shape
from ..syntax import tree as t
from .builder import UNKNOWN, Builder, Made
from .labels import Target

_Arrays = list[tuple[Dim, ...]]
_MOST_COMPARED = 100_000
"""Arrays of what is applied again; whether more of them fit is seen when the network is built."""


def tap(b: Builder, tap: t.Tap, label: ex.Path | None) -> Made:
    """`@label` as an item: begin from that value."""
    nodes, value = look(b, tap.ref)
    b.define_label(label, Target(value, tap.span))
    return nodes, value


def look(b: Builder, ref: ex.Ref) -> Made:
    """The value of `@label`."""
    nodes, value = _looked_up(b, ref)
    b.looked.add(value)
    return nodes, value


def _looked_up(b: Builder, ref: ex.Ref) -> Made:
    segments = b.segments(ref.path)
    argument = _argument(b, segments)
    if argument is not None:
        return [], argument
    found = b.find(segments, ref.span)
    if found is None:
        return [], b.unknown()
    target, path, rest = found
    if not rest and target.value is not None:
        return [], target.value
    if b.is_unknown(target):
        return [], b.unknown()
    place = None if target.node is None else value_inside(target.node, rest, b.shapes)
    if place is None and not b.incomplete:
        fail("A0502", f"no label `{'.'.join(rest)}` in `{'.'.join(path)}`", ref.span)
    shape = None if place is None else place[0][place[1]]
    value = b.new_value(shape)
    return ([] if shape is None else [g.Look((*path, *rest), value, ref.span)]), value


def _argument(b: Builder, segments: tuple[str, ...]) -> int | None:
    """The value that a parameter of this name holds, unless a label has the name."""
    held = b.env.names.get(segments[0])
    if not isinstance(held, ValueArgument) or len(segments) > 1:
        return None
    return held.value if b.labels.find(segments) is None else None


def again(b: Builder, again: t.Again, label: ex.Path | None, x: int) -> Made:
    """What is labelled so once more, with the same arrays."""
    segments = b.segments(again.path)
    found = b.find(segments, again.path.span or again.span)
    if found is None or b.is_unknown(found[0]):
        return _unknown(b, again, label)
    target, path, rest = found
    if rest or target.redo is None:
        fail("A0504", f"`{'.'.join(segments)}` names nothing that can be applied again", again.span)
    if b.shapes[x] is None:
        return _unknown(b, again, label)
    body, y = target.redo(x)
    b.session.count_nodes(again.span)
    if target.node is not None:
        old, new = _arrays((target.node,), b.shapes), _arrays(body, b.shapes)
        if old is not None and new is not None and old != new:
            fail("A0504", f"the weights of `{'.'.join(segments)}` do not fit {b.shapes[x]}", again.span)
    b.define_label(label, Target(y, again.span))
    return [g.Reuse(path, body, (x,), y, again.span)], y


def _unknown(b: Builder, again: t.Again, label: ex.Path | None) -> Made:
    value = b.unknown()
    b.define_label(label, Target(value, again.span))
    return [], value


def _arrays(body: g.Body, shapes: Sequence[Shape | None]) -> _Arrays | None:
    """The shapes of all arrays of a body, in order; None if one is unknown, or if there are too many to compare."""
    found: _Arrays = []
    for node in body:
        below = _arrays_of(node, shapes)
        if below is None or len(found) + len(below) > _MOST_COMPARED:
            return None
        found += below
    return found


def _arrays_of(node: g.Node, shapes: Sequence[Shape | None]) -> _Arrays | None:
    match node:
        case g.Layer():
            inputs = [shape for v in node.inputs if (shape := shapes[v]) is not None]
            if len(inputs) < len(node.inputs) or UNKNOWN in inputs:
                return None
            return [tensor.shape for tensor in node.operator.tensors(*inputs)]
        case g.Invoke():
            return _arrays(node.instance.body, node.instance.shapes)
        case g.Level():
            return _arrays(node.body, shapes)
        case g.Reuse():
            return []
        case g.Repeat():
            turns = [(run.count, _arrays(run.body, shapes)) for run in node.runs]
            known = [(count, arrays) for count, arrays in turns if arrays is not None]
            if len(known) < len(turns) or sum(count * len(arrays) for count, arrays in known) > _MOST_COMPARED:
                return None
            return [array for count, arrays in known for array in arrays * count]
        case _:
            return _arrays(parts(node), shapes)


def tied(b: Builder, ref: ex.Ref, name: str) -> tuple[tuple[str, ...], Tensor] | None:
    """The path of the layer whose array is shared, and that array; None where a mistake hides them."""
    found = b.find(b.segments(ref.path), ref.span)
    if found is None:
        return None
    target, path, rest = found
    if rest or name not in target.tensors:
        if not b.is_unknown(target):
            fail("A0504", f"`{'.'.join(path)}` has no `{name}` to share", ref.span)
        return None
    owner = dict(target.node.tied).get(name) if isinstance(target.node, g.Layer) else None
    return owner or path, target.tensors[name]


def tie_problem(path: tuple[str, ...], other: Tensor, own: Tensor) -> str | None:
    """What is wrong with sharing an array: it has another shape than this layer needs."""
    if own.shape == other.shape:
        return None
    theirs, ours = ("x".join(show(d) for d in tensor.shape) for tensor in (other, own))
    return f"the {own.name} of {'.'.join(path)} is {theirs}, here it must be {ours}"
