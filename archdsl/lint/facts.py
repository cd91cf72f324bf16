"""Facts that say nothing: no network whatever could make them fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..diagnostics import Diagnostic, Span
from ..elaborate.unreached import nodes
from ..ir.graph import Claim, Instance, Invoke, Join, Layer, Line, Network
from ..ir.operator import Operator
from ..spec import Spec
from ..syntax import tree as t
from .bodies import inside, instances

_ARRAYS = ("params", "statistics", "frozen", "stored")


def empty_facts(spec: Spec, networks: Sequence[Network]) -> Iterator[Diagnostic]:
    """Warnings of facts that cannot fail: of nothing, said twice, a column that claims in no row."""
    yield from _columns(spec)
    yield from _twice(spec)
    yield from _of_nothing(networks)


def _columns(spec: Spec) -> Iterator[Diagnostic]:
    for table in spec.tables.values():
        for at, column in enumerate(table.columns):
            if column.claim and all(row[at].value is False for row in table.rows):
                problem = f"no row claims anything in this column of table {table.name}"
                yield _warning(problem, column.span, "`archdsl analyze` shows the number to claim")


def _twice(spec: Spec) -> Iterator[Diagnostic]:
    bodies = [d.body for d in spec.definitions.values()] + ([] if spec.layers is None else [spec.layers])
    for body in bodies:
        for node in nodes(body):
            facts = node.facts if isinstance(node, t.Line | t.Block | t.Claim) else ()
            for number, fact in enumerate(facts):
                if fact in facts[:number]:
                    yield _warning("this fact is claimed twice", fact.span, "remove one of them")


def _of_nothing(networks: Sequence[Network]) -> Iterator[Diagnostic]:
    """Counts of nothing: what stands on the line has no such numbers, whatever its sizes are."""
    said: set[str] = set()
    for instance in instances(networks):
        for node in inside(instance.body):
            if not isinstance(node, Line):
                continue
            for claim in node.claims:
                if str(claim.span) not in said and _is_nothing(claim, list(_operators(node))):
                    said.add(str(claim.span))
                    problem = f"this cannot fail: nothing on the line could have {claim.quantity}"
                    assert claim.span is not None
                    yield _warning(problem, claim.span, "remove it, or claim the shape that comes out")


def _operators(line: Line) -> Iterator[Operator]:
    waiting: list[Line | Instance] = [line]
    seen: set[int] = set()
    while waiting:
        for node in inside(waiting.pop().body):
            if isinstance(node, Layer | Join):
                yield node.operator
            elif isinstance(node, Invoke) and id(node.instance) not in seen:
                seen.add(id(node.instance))
                waiting.append(node.instance)


def _is_nothing(claim: Claim, operators: Sequence[Operator]) -> bool:
    if claim.quantity == "shape" or claim.low != 0 or claim.high != 0:
        return False
    method = "tensors" if claim.quantity in _ARRAYS else {"multiply-adds": "macs"}.get(claim.quantity, "connections")
    return all(getattr(type(op), method) is getattr(Operator, method) for op in operators)


def _warning(message: str, span: Span, help: str) -> Diagnostic:
    return Diagnostic("A1106", message, span, help=help, severity="warning")
