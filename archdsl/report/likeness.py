"""What a picture asks of a network: which parts are built alike, what a body reads, what its values are called."""

from __future__ import annotations

from ..ir.lookup import arms
from ..ir.nodes import (
    Body,
    Choice,
    Instance,
    Invoke,
    Join,
    Layer,
    Level,
    Line,
    Look,
    Node,
    Repeat,
    Residual,
    Reuse,
    SideOutput,
)

Signature = tuple[object, ...]


def alike(node: Node, known: dict[int, Signature]) -> Signature:
    """What two nodes share that are built alike: words and structure, not widths or sizes."""
    match node:
        case Layer():
            op = node.operator
            return ("activation" if op.family == "activation" else op.word, tuple(name for name, _ in node.tied))
        case Invoke():
            return ("call", node.word, _instance_alike(node.instance, known))
        case Residual(main=main, shortcut=shortcut):
            return ("residual", node.taken, *(body_alike(a.body, known) for a in (main, shortcut) if a is not None))
        case Join():
            return (node.operator.word, *(body_alike(a.body, known) for a in node.arms))
        case Repeat():
            return ("repeat", *dict.fromkeys(body_alike(run.body, known) for run in node.runs))
        case Line() | Choice() | Level() | SideOutput():
            return body_alike(node.body, known)
        case Reuse() | Look():
            return (type(node).__name__,)


def body_alike(body: Body, known: dict[int, Signature]) -> Signature:
    """`alike` of a body; `known` remembers that of each instance."""
    return tuple(part for part in (alike(node, known) for node in body) if part)


def _instance_alike(instance: Instance, known: dict[int, Signature]) -> Signature:
    if id(instance) not in known:
        known[id(instance)] = body_alike(instance.body, known)
    return known[id(instance)]


def first_read(body: Body) -> int | None:
    """The value a body reads first."""
    for node in body:
        match node:
            case Layer() | Invoke() | Reuse():
                return node.inputs[0] if node.inputs else None
            case Residual():
                return node.main.input
            case Join():
                return node.input
            case Repeat():
                found = node.runs[0].input if node.runs else None
            case Look():
                return node.output
            case Line() | Choice() | Level() | SideOutput():
                found = first_read(node.body)
        if found is not None:
            return found
    return None


def value_names(instance: Instance) -> dict[int, str]:
    """What the values of an instance are called."""
    names: dict[int, str] = dict(zip(instance.entry[1:], instance.entry_names[1:], strict=False))
    _collect(instance.body, "", names)
    return names


def _collect(body: Body, above: str, names: dict[int, str]) -> None:
    for node in body:
        label = getattr(node, "label", None)
        name = f"{above}{label.text}" if label is not None else ""
        if name and isinstance(node, Layer | Invoke | Level):
            names.setdefault(node.output, name)
        match node:
            case Level():
                _collect(node.body, f"{name}." if name else above, names)
            case Line() | Choice() | SideOutput():
                _collect(node.body, above, names)
            case Residual() | Join():
                for arm in arms(node):
                    _collect(arm.body, above, names)
            case Repeat():
                for run in node.runs:
                    _collect(run.body, above, names)
            case _:
                pass
