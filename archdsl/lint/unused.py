"""What a file defines and never mentions: parameters, defs and modules, columns, maps, labels that only name a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from .. import expr as ex
from ..diagnostics import Diagnostic, Span
from ..elaborate.parameters import switches
from ..elaborate.unreached import nodes, segment_pattern
from ..spec import Cell, Spec, Table
from ..syntax import tree as t


def unused(spec: Spec) -> Iterator[Diagnostic]:
    """Warnings of all that is defined and not used."""
    mentioned = Mentioned(spec)
    yield from _parameters(spec, mentioned)
    yield from _formals(spec, mentioned)
    yield from _parts(spec, mentioned)
    yield from _tables(spec, mentioned)
    for name, known in spec.maps.items():
        if name not in mentioned.anywhere:
            help = f"`connect {name}` after a convolution uses it; or remove it"
            yield _warning("A1104", f"map `{name}` connects nothing", known.span, help)
    yield from _labels(spec)


def _warning(code: str, message: str, span: Span, help: str | None) -> Diagnostic:
    return Diagnostic(code, message, span, help=help, severity="warning")


class Mentioned:
    """The names that a file mentions: `anywhere`, where they have an effect (`live`), as `values` rather than called."""

    def __init__(self, spec: Spec) -> None:
        cells = [*spec.parameters.values(), *(c for table in spec.tables.values() for row in table.rows for c in row)]
        self.roots = frozenset(
            name
            for root in (spec.layers, *spec.inputs.values(), *spec.defaults.values(), *spec.inits, *_links(spec))
            for name in mentions(root)
        ) | frozenset(name for cell in cells for name in _cell(cell))
        self.live = set(self.roots)
        waiting = set(self.roots)
        parts = {n: frozenset(mentions((d.signature, d.body))) for n, d in spec.definitions.items()}
        while waiting:
            more = parts.get(waiting.pop(), frozenset()) - self.live
            self.live |= more
            waiting |= more
        self.anywhere = self.roots.union(*parts.values())
        bodies = [*(d.body for d in spec.definitions.values()), spec.layers]
        names = {node.id for body in bodies for node in nodes(body) if isinstance(node, ex.Name)}
        self.values = names.union(name for cell in cells for name in _cell(cell))


def _links(spec: Spec) -> Iterator[object]:
    for link in spec.uses.values():
        yield link.arguments
    if spec.extends is not None:
        yield spec.extends.arguments


def _cell(cell: Cell) -> Iterator[str]:
    if cell.value is None:
        yield from re.findall(r"[A-Za-z_]\w*", cell.text)
    elif not isinstance(cell.value, bool):
        yield from mentions(cell.value)


def mentions(root: object) -> Iterator[str]:
    """Every name below a node of the syntax that could stand for something defined elsewhere."""
    for node in nodes(root):
        match node:
            case ex.Name(id=name):
                yield name
                yield from name.split("x")
            case t.Call(word=word):
                yield word
                yield word.partition(".")[0]
            case t.ForRows(table=table):
                yield table
            case ex.Path(segments=[[str(name)], *_]):
                yield name
            case _:
                pass


def _parameters(spec: Spec, mentioned: Mentioned) -> Iterator[Diagnostic]:
    heads = {table.names[0] for table in spec.tables.values() if table.names}
    for name, span in spec.parameter_spans.items():
        if name not in mentioned.anywhere and name not in heads:
            yield _warning("A1101", f"parameter `{name}` changes nothing", span, "nothing mentions it: remove it")


def _formals(spec: Spec, mentioned: Mentioned) -> Iterator[Diagnostic]:
    for name, definition in spec.definitions.items():
        if name in mentioned.values:  # called through a word, it has the parameters of the others that can be
            continue
        signature = definition.signature
        defaults = tuple(f.default for f in signature.formals)
        used = set(mentions((definition.body, signature.entry, signature.result, defaults)))
        for formal in signature.formals:
            if formal.name not in used:
                problem = f"`{formal.name}` of {definition.kind} `{signature.name}` changes nothing"
                yield _warning("A1101", problem, formal.span, "nothing in it mentions the parameter: remove it")


def _parts(spec: Spec, mentioned: Mentioned) -> Iterator[Diagnostic]:
    for name, definition in spec.definitions.items():
        if name not in mentioned.live:
            word = definition.span.first(len(name))
            help = "only parts that nothing calls call it" if name in mentioned.anywhere else "call it, or remove it"
            yield _warning("A1102", f"{definition.kind} `{name}` is never called", word, help)
    for name, link in spec.uses.items():
        if name not in mentioned.live:
            yield _warning("A1102", f"the file used as `{name}` is never called", link.span, "call it, or remove it")


def _tables(spec: Spec, mentioned: Mentioned) -> Iterator[Diagnostic]:
    choosing = switches(spec)
    for name, table in spec.tables.items():
        if table in choosing:
            yield from _columns(table, table.names[1:], mentioned, "the parameter it would set")
        elif name not in mentioned.anywhere:
            help = f"`for each row of {name}:` walks over it; a table headed by a parameter chooses by it"
            yield _warning("A1103", f"table `{name}` chooses nothing, and nothing walks over it", table.span, help)
        else:  # the first column may say what a row is called, as papers print it
            yield from _columns(table, table.names[1:], mentioned, "the name")


def _columns(table: Table, names: Iterable[str], mentioned: Mentioned, what: str) -> Iterator[Diagnostic]:
    spans = {column.name: column.span for column in table.columns if not column.claim}
    for name in names:
        if name not in mentioned.anywhere:
            problem = f"column `{name}` of table {table.name} changes nothing"
            yield _warning("A1103", problem, spans[name], f"nothing mentions {what}: remove the column")


Segment: TypeAlias = tuple[str | ex.Expr, ...]

# ---- labels ---------------------------------------------------------------------------------------------------------


def _labels(spec: Spec) -> Iterator[Diagnostic]:
    """Labels that can only be meant for a reference, and have none: of a wire, which has no parameters to be named."""
    bodies = [d.body for d in spec.definitions.values()]
    if spec.layers is not None:
        bodies.append(spec.layers)
    references = [segment for body in bodies for segment in _references(body)]
    references.extend((part,) for label in spec.outputs.values() for part in label.text.split("."))
    for body in bodies:
        for item in nodes(body):
            if isinstance(item, t.Item) and item.label is not None and _is_wire(item.unit):
                segment, span = item.label.segments[-1], item.label.span
                name = "".join(part if isinstance(part, str) else "{}" for part in segment)
                if span is not None and name != "_" and not any(_may_be(segment, r) for r in references):
                    help = f"`@{name}` begins from the value it names; without that the label is not needed"
                    yield _warning("A1105", f"nothing takes the value that `{name}` names", span, help)


def _is_wire(unit: t.Unit) -> bool:
    return isinstance(unit, t.Tap) or (isinstance(unit, t.Call) and unit.word == "identity")


def _may_be(label: Segment, reference: Segment) -> bool:
    """Whether a reference can mean a label; of what both compute nothing is known."""
    texts = ["".join(part if isinstance(part, str) else "0" for part in segment) for segment in (label, reference)]
    computed = any(not isinstance(part, str) for part in (*label, *reference))
    matches = re.fullmatch(segment_pattern(label), texts[1]) or re.fullmatch(segment_pattern(reference), texts[0])
    return matches is not None if computed else texts[0] == texts[1]


def _references(body: t.Block) -> Iterator[Segment]:
    """Every segment by which a body refers to labels."""
    for node in nodes(body):
        if isinstance(node, ex.Ref | t.Again):
            yield from node.path.segments
        if isinstance(node, t.Pair) and node.name == "to" and isinstance(node.value, ex.Name | ex.Text):
            text = node.value.id if isinstance(node.value, ex.Name) else node.value.value
            yield from ((part,) for part in text.split("."))
