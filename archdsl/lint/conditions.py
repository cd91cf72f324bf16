"""Conditions that come out alike in every variant, though nothing from outside could change them.

A parameter that heads no table may be set to anything (`--set`), so a condition that follows from one is left alone. What
follows from one switch alone has been seen at each of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TypeAlias, cast

from .. import expr as ex
from ..diagnostics import Diagnostic, Label, Span
from ..elaborate.parameters import root_of, switch_columns, switches
from ..elaborate.unreached import nodes
from ..spec import Spec
from ..syntax import tree as t
from .unused import mentions

Causes: TypeAlias = frozenset[str]
"""The parameters that something follows from."""
_COUNTERS = ("index", "first", "last")


def decided(spec: Spec, reached: Mapping[int, object]) -> Iterator[Diagnostic]:
    """Warnings of lines that no variant reaches."""
    causes = _Causes(spec)
    if spec.layers is not None:
        yield from _Walk(causes, reached, {}).visit(spec.layers, {})
    for name, definition in spec.definitions.items():
        if id(definition.body) in reached:
            known = {f.name: causes.formals.get((name, f.name), frozenset()) for f in definition.signature.formals}
            sizes = {n: causes.every for dim in definition.signature.entry or () for n in mentions(dim)}
            yield from _Walk(causes, reached, sizes).visit(definition.body, known)


class _Causes:
    """What the names of a file follow from."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        heads = {root_of(spec, table.names[0]) for table in switches(spec)}
        self.open = frozenset(n for n in spec.parameters if n not in heads)
        self.every: Causes = frozenset(spec.parameters) | {"input"}
        self.names: dict[str, Causes] = {name: frozenset({name}) for name in spec.parameters}
        self.names |= {name: frozenset({root_of(spec, table.names[0])}) for name, table in switch_columns(spec).items()}
        self.words = {
            name
            for cell in [*spec.parameters.values(), *(c for t_ in spec.tables.values() for r in t_.rows for c in r)]
            for name in (mentions(cell.value) if isinstance(cell.value, ex.EXPRESSIONS) else [cell.text])
        }
        self.formals: dict[tuple[str, str], Causes] = {}
        bodies = [(d.body, name) for name, d in spec.definitions.items()]
        bodies += [] if spec.layers is None else [(spec.layers, "")]
        for _ in range(len(spec.definitions) + 1):
            before = dict(self.formals)
            for body, name in bodies:
                self._calls(body, name)
            if self.formals == before:
                break

    def of(self, expr: object, local: Mapping[str, Causes]) -> Causes:
        """What an expression, or anything else of the syntax, follows from."""
        found: Causes = frozenset()
        for name in mentions(expr):
            found |= local.get(name, self.names.get(name, frozenset()))
        return found

    def _calls(self, body: t.Block, owner: str) -> None:
        """Take in what the calls of a body hand over; what follows from a loop there follows from anything."""
        definition = self.spec.definitions.get(owner)
        formals = definition.signature.formals if definition else ()
        local = {f.name: self.formals.get((owner, f.name), frozenset()) for f in formals}
        loops = {name for node in nodes(body) for name in _loop_names(node, self.spec)}
        sizes = {n for dim in (definition.signature.entry if definition else ()) or () for n in mentions(dim)}
        local |= dict.fromkeys(sizes, self.every)
        for node in nodes(body):
            if not isinstance(node, t.Call):
                continue
            called = self.spec.definitions.get(node.word)
            if called is None:
                continue
            for formal in called.signature.formals:
                key = node.word, formal.name
                given = self.of((node.arguments, formal.default), {**local, **dict.fromkeys(loops, frozenset())})
                given = self.every if node.word in self.words or owner in self.words else given
                self.formals[key] = self.formals.get(key, frozenset()) | given


def _loop_names(node: object, spec: Spec) -> Iterator[str]:
    """The names that a loop gives to what it repeats."""
    match node:
        case t.For(variable=variable):
            yield from (variable, *_COUNTERS)
        case t.ForRows():
            yield from (name for table in spec.tables.values() for name in table.names)
            yield from _COUNTERS
        case t.Group(times=ex_times) if ex_times is not None:
            yield from _COUNTERS
        case _:
            pass


class _Walk:
    """Goes through what was built of one body."""

    def __init__(self, causes: _Causes, reached: Mapping[int, object], sizes: Mapping[str, Causes]) -> None:
        self.causes, self.reached, self.sizes = causes, reached, sizes
        self.loops: Causes = frozenset()

    def visit(self, node: object, local: Mapping[str, Causes]) -> Iterator[Diagnostic]:
        """The warnings of a node and of what was built below it; below what was not built there are none."""
        local = {**local, **self.sizes}
        for inner, around in _below(node, self.causes, local):
            match inner:
                case t.Choice():
                    yield from self.choice(inner, around)
                case t.Item(test=ex_test) if ex_test is not None:
                    yield from self.item(inner, around)
                case t.Group(times=ex_times, body=body) if ex_times is not None and self.has(inner):
                    if not self.has(body) and self.closed(ex_times, around):
                        yield _warning(body, ex_times.span, "is repeated 0 times in every variant")
                case _:
                    pass

    def has(self, node: object) -> bool:
        return id(node) in self.reached

    def closed(self, test: object, local: Mapping[str, Causes]) -> bool:
        """Whether nothing but the rows of one table decides."""
        found = self.causes.of(test, local)
        return len(found) <= 1 and not found & self.causes.open and "input" not in found

    def choice(self, node: t.Choice, local: Mapping[str, Causes]) -> Iterator[Diagnostic]:
        taken, other = self.has(node.then), self._any(node.otherwise)
        if not self.closed(node.test, local) or not (taken or other or node.otherwise is None):
            return
        if not taken and (other or self.has(node)):
            yield _warning(node.then, node.test.span, "this condition holds in none")
        elif node.otherwise is not None and not other:
            yield _warning(node.otherwise, node.test.span, "this condition holds in each")

    def _any(self, branch: t.Block | t.Statement | None) -> bool:
        if isinstance(branch, t.Choice):
            return self.has(branch.then) or self._any(branch.otherwise)
        return self.has(branch)

    def item(self, node: t.Item, local: Mapping[str, Causes]) -> Iterator[Diagnostic]:
        unit: t.Unit = node.unit
        test, rest = node.test, node.alternative
        units: list[t.Unit] = [unit]
        tests = [test]
        while rest is not None:
            units.append(rest.unit)
            tests.append(rest.test)
            rest = rest.alternative
        if not any(map(self.has, units)) and len(units) > 1:
            return
        for number, one in enumerate(units):
            deciding = tests[: number + 1] if number < len(tests) else tests
            if not self.has(one) and self.closed(tuple(deciding), local):
                says = "this condition holds in none" if tests[number] is not None else "this condition holds in each"
                yield _warning(one, (tests[number] or tests[number - 1] or one).span, says)


def _below(node: object, causes: _Causes, local: Mapping[str, Causes]) -> Iterator[tuple[object, Mapping[str, Causes]]]:
    """Every node below one, with what the names follow from there: those of a loop follow from what it goes over."""
    if isinstance(node, tuple):
        for part in cast("tuple[object, ...]", node):
            yield from _below(part, causes, local)
        return
    if not is_dataclass(node) or isinstance(node, Span):
        return
    yield node, local
    if isinstance(node, t.Compound) and isinstance(node.head, t.For | t.ForRows):
        local = {**local, **dict.fromkeys(_loop_names(node.head, causes.spec), causes.of(node.head, local))}
    elif isinstance(node, t.Group) and node.times is not None:
        local = {**local, **dict.fromkeys(_COUNTERS, causes.of(node.times, local))}
    for known in fields(node):
        if "span" not in known.name:
            yield from _below(getattr(node, known.name), causes, local)


def _warning(node: t.Block | t.Statement | t.Unit | t.Inline, test: Span | None, says: str) -> Diagnostic:
    span = node.statements[0].span if isinstance(node, t.Block) and node.statements else node.span
    if span.end_line != span.line:  # its first line
        text = span.file.lines[span.line - 1].split("#")[0].rstrip()
        span = Span(span.file, span.line, span.column, span.line, len(text) + 1)
    labels = () if test is None else (Label(test, says),)
    help = "remove it, or mend the condition or the table"
    return Diagnostic("A1108", "no variant of this spec reaches this", span, labels, help, severity="warning")
