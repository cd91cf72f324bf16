"""A layer: an operator with its arguments, its values and the arrays it shares."""

from __future__ import annotations

from collections.abc import Mapping

from .. import expr as ex
from ..diagnostics import Diagnostic, Span
from ..ir import graph as g
from ..ir.operator import Operator, Tensor
from ..records import constructor
from ..syntax import tree as t
from .arguments import bind_operator
from .builder import Builder, Made
from .labels import Redo, Target
from .references import look, tie_problem, tied

_layer = constructor(g.Layer)
Ties = dict[str, tuple[tuple[str, ...], Tensor]]
_NO_TIES: Ties = {}


def layer(b: Builder, call: t.Call, cls: type[Operator], label: ex.Path | None, x: int) -> Made:
    """One operator applied."""
    operator, expressions, references, spans = bind_operator(cls, b.file, b.env, call.arguments, call.word_span)
    nodes, inputs, ties = _references(b, cls, references, x) if references else ([], (x,), _NO_TIES)
    if cls.word == "identity" and label is None:
        return nodes, x
    y = b.applied(operator, inputs, call.word_span, spans)
    b.session.count_nodes(call.span)
    path = None if label is None else b.label(label)
    shared = tuple([(name, where) for name, (where, _) in ties.items()]) if ties else ()
    abbreviation = b.defs[-1].signature.name if b.defs else None
    node = _layer(operator, path, inputs, y, expressions, shared, abbreviation, call.span)
    nodes.append(node)
    if path is not None or ties:
        shapes = b.known((*inputs, y))
        tensors = {} if shapes is None else {a.name: a for a in operator.tensors(*shapes[:-1])}
        _check_ties(b, ties, tensors, spans, call.span)
        if path is not None:
            span = (label and label.span) or call.span
            b.define(path.segments, Target(y, span, None, node, tensors, _once_more(b, call, cls)))
    return nodes, y


def _once_more(b: Builder, call: t.Call, cls: type[Operator]) -> Redo:
    return b.redo(lambda x: layer(b, call, cls, None, x))


def _references(
    b: Builder, cls: type[Operator], references: Mapping[str, ex.Ref], x: int
) -> tuple[list[g.Node], tuple[int, ...], Ties]:
    """What a layer takes of others: nodes that fetch values, its inputs, and the arrays it shares."""
    nodes: list[g.Node] = []
    inputs, ties = [x], Ties()
    for argument in cls.arguments():
        ref = references.get(argument.name)
        if ref is None:
            continue
        if argument.use != "tied":
            made, value = look(b, ref)
            nodes.extend(made)
            inputs.append(value)
        elif (found := tied(b, ref, argument.name)) is not None:
            ties[argument.name] = found
    return nodes, tuple(inputs), ties


def _check_ties(b: Builder, ties: Ties, tensors: Mapping[str, Tensor], spans: Mapping[str, Span], span: Span) -> None:
    for name, (path, other) in ties.items():
        problem = tie_problem(path, other, tensors[name]) if name in tensors else None
        if problem is not None:
            b.session.report(Diagnostic("A0414", problem, spans.get(name, span)))
