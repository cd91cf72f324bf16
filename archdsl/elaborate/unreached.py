"""What no network was made of: bodies never called, branches never taken. Their words, arguments and names are checked.

Elaboration checks what it builds. Here the rest of a file is walked with names whose values are not known, so that a
misspelt word is found wherever it stands. Shapes and values are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import cast

from .. import expr as ex
from ..diagnostics import Collector, Span, SpecError, did_you_mean, fail
from ..ir.evaluate import Env, Held, check_names
from ..ir.operator import Argument, Operator, find_operator
from ..ir.shapes import Constant, Grid
from ..spec import Cell, Spec
from ..syntax import tree as t
from .arguments import Binder, bind_formals, refuse_missing
from .body import refuse_ambiguous
from .calls import refuse_module, unknown_word
from .files import Library
from .loops import refuse_table
from .modules import file_and_module
from .parameters import Parameters, parse_override, switches
from .session import knows_word

_SOME = ""
"""What a name stands for whose value is not known."""
_COUNTERS = ("index", "first", "last")


def check_unreached(spec: Spec, library: Library, reached: Mapping[int, object], collector: Collector) -> None:
    """Report misspelt words, arguments, parameters and labels in what was not built (by the ids of its nodes)."""
    names = {name: _bound(spec.parameters.get(name)) for name in Parameters(spec, {}).names}
    env = Env(names, lambda word: knows_word(spec, word))
    if spec.layers is not None:
        symbols = {name for shape in spec.inputs.values() for dim in shape.dims for name in _sizes(dim)}
        inside = env.with_names({name: _SOME for name in sorted(symbols) if name not in names})
        labels = [*(spec.inputs or ("input",)), *_labels(spec.layers)]
        _Walk(spec, library, reached, collector, labels).visit(spec.layers, inside)
    for definition in spec.definitions.values():
        signature, known = definition.signature, dict[str, Held]()
        walk = _Walk(spec, library, reached, collector, [f.name for f in signature.formals])
        for formal in signature.formals:
            if formal.default is not None:
                walk.attempt(lambda e=formal.default, k=dict(known): check_names(e, env.with_names(k)))
            known[formal.name] = _SOME
        known |= {name: _SOME for dim in signature.entry or () for name in _sizes(dim)}
        inside = env.with_names(known)
        for dim in signature.result or ():
            walk.attempt(lambda e=dim, i=inside: check_names(e, i))
        walk.labels.extend(_labels(definition.body))
        walk.visit(definition.body, inside)


def _bound(cell: Cell | None) -> Held:
    """A parameter whose value is a word stands for one."""
    return _SOME if cell is None or isinstance(cell.value, ex.Name) else 0


def _sizes(dim: ex.Expr) -> Iterator[str]:
    return (part.id for part in ex.walk(dim) if isinstance(part, ex.Name))


def nodes(root: object) -> Iterator[object]:
    """Every node of the syntax below `root`, itself included, in the order written."""
    if isinstance(root, tuple):
        for part in cast("tuple[object, ...]", root):
            yield from nodes(part)
    elif is_dataclass(root) and not isinstance(root, Span):
        yield root
        for known in fields(root):
            if "span" not in known.name:
                yield from nodes(getattr(root, known.name))


def label_of(node: object) -> ex.Path | None:
    """The label that a node of the syntax sets."""
    if isinstance(node, t.Output):
        return node.label
    return node.label if isinstance(node, t.Item | t.Level) else None


def segment_pattern(segment: tuple[str | ex.Expr, ...]) -> str:
    """A segment of a label as a regular expression; what it computes is anything."""
    return "".join(re.escape(part) if isinstance(part, str) else ".*" for part in segment)


def _labels(body: t.Block) -> list[str]:
    """Patterns of the first segments of all labels of a body."""
    paths = [path for node in nodes(body) if (path := label_of(node)) is not None and path.segments]
    return [segment_pattern(path.segments[0]) for path in paths]


class _Names(Binder):
    """Takes the arguments of a call whose values are not known."""

    def __init__(self, cls: type[Operator], env: Env, spec: Spec, label: Callable[[ex.Ref], None]) -> None:
        super().__init__(cls, env, {name: Grid(name, known.rows) for name, known in spec.maps.items()})
        self.label = label

    def convert(self, argument: Argument, value: ex.Expr) -> Constant:
        if argument.type == "grid":
            return "" if isinstance(value, ex.Name) and value.id in self.env.names else self.grid(value)
        if argument.type != "word" or not isinstance(value, ex.Name):
            check_names(value, self.env)
        return ""

    def assign(self, argument: Argument, value: ex.Expr, span: Span) -> None:
        super().assign(argument, value, span)
        if isinstance(value, ex.Ref) and value.tap:
            self.label(value)


class _Walk:
    """Goes through one body."""

    def __init__(
        self, spec: Spec, library: Library, reached: Mapping[int, object], collector: Collector, labels: list[str]
    ) -> None:
        self.spec, self.library, self.reached, self.collector = spec, library, reached, collector
        self.labels = labels

    def attempt(self, check: Callable[[], None]) -> None:
        """Take what a check refuses; what elaboration found at the same place is not told twice."""
        try:
            check()
        except SpecError as error:
            for diagnostic in error.diagnostics:
                self.collector.add(diagnostic)

    def visit(self, node: object, env: Env) -> None:
        """Check a node and all below it."""
        match node:
            case t.Call():
                self.call(node, env)
            case t.Group(times=ex_times, body=body) if ex_times is not None:
                self.names(ex_times, env)
                self.visit(body, env.with_names(dict.fromkeys(_COUNTERS, _SOME)))
            case t.Tap(ref=ref):
                self.attempt(lambda: self.label(ref.path, ref.span))
            case t.Again(path=path, span=span):
                self.attempt(lambda: self.label(path, path.span or span))
            case t.Item(unit=t.Call(arguments=[_, *_]) as call, test=ex_test, alternative=None) if ex_test is not None:
                self.attempt(lambda: refuse_ambiguous(call.word, ex_test))
                self.below(node, env)
            case t.Compound(head=head, body=body):
                self.visit(body, self.head(head, env))
            case _ if isinstance(node, ex.EXPRESSIONS):
                self.names(node, env)
            case _:
                self.below(node, env)

    def below(self, node: object, env: Env) -> None:
        if isinstance(node, tuple):
            for part in cast("tuple[object, ...]", node):
                self.visit(part, env)
        elif is_dataclass(node) and not isinstance(node, Span):
            for known in fields(node):
                if "span" not in known.name:
                    self.visit(getattr(node, known.name), env)

    def names(self, expr: ex.Expr, env: Env) -> None:
        self.attempt(lambda: check_names(expr, env))

    def head(self, head: t.Head, env: Env) -> Env:
        """What the body below a head sees."""
        counters = dict.fromkeys(_COUNTERS, _SOME)
        match head:
            case t.Join():
                cls = find_operator(head.kind)
                if cls is not None:
                    self.attempt(lambda: self.operator(cls, head.arguments, head.span, env))
            case t.For():
                env = env.with_names({head.variable: _SOME, **counters})
            case t.ForRows():
                self.attempt(lambda: self.table(head, env))
                env = env.with_names(dict.fromkeys(self.columns(head, env), _SOME) | counters)
            case _:
                pass
        for expr in _expressions(head):
            self.names(expr, env)
        return env

    def table(self, head: t.ForRows, env: Env) -> None:
        if head.table not in env.names and head.table not in self.spec.tables:
            refuse_table(head.table, head.table_span, self.spec.tables)

    def columns(self, head: t.ForRows, env: Env) -> Iterator[str]:
        """The names a row gives; of a table that a parameter names, those of every table that chooses no network."""
        chosen = self.spec.tables.get(head.table)
        every = [table for table in self.spec.tables.values() if table not in switches(self.spec)]
        for table in every if chosen is None or head.table in env.names else [chosen]:
            yield from table.names

    # -- calls

    def call(self, call: t.Call, env: Env) -> None:
        if id(call) not in self.reached:
            self.attempt(lambda: self.word(call, env))
            return
        for part in nodes(call.arguments):  # what was built need not have evaluated all of its conditions
            if isinstance(part, ex.IfElse | ex.Logic):
                self.names(part, env)

    def word(self, call: t.Call, env: Env) -> None:
        word = call.word
        if "." in word:
            self.qualified(call, env)
            return
        definition = self.spec.definitions.get(word)
        if definition is not None:
            self.formals(definition.signature, call, env)
        elif word in self.spec.uses:
            self.network(call, env)
        elif (cls := find_operator(word)) is not None and not cls.joins:
            self.operator(cls, call.arguments, call.word_span, env)
        elif word not in env.names:
            unknown_word(self.spec, env, call, word)
        else:
            self.given(call.arguments, env)

    def qualified(self, call: t.Call, env: Env) -> None:
        first, name = file_and_module(self.spec, call, call.word)
        other = self.library.link(self.spec.uses[first], self.library.folder_of(self.spec))
        definition = other.definitions.get(name)
        if definition is None:
            refuse_module(other, call, call.word)
        self.formals(definition.signature, call, env)

    def network(self, call: t.Call, env: Env) -> None:
        other = self.library.link(self.spec.uses[call.word], self.library.folder_of(self.spec))
        for argument in call.arguments:
            if isinstance(argument, t.Pair | t.Off) and argument.name != "to":
                parse_override(other, argument.name, 0, argument.span)
        self.given([a for a in call.arguments if not (isinstance(a, t.Pair) and a.name == "to")], env)

    def formals(self, signature: t.Signature, call: t.Call, env: Env) -> None:
        bind_formals(signature.name, signature.formals, call.arguments, env, call.word_span)
        flags = {f.name for f in signature.formals}
        self.given([a for a in call.arguments if not _is_flag(a, flags)], env)

    def given(self, arguments: list[t.Argument] | tuple[t.Argument, ...], env: Env) -> None:
        for argument in arguments:
            if isinstance(argument, t.Off):
                continue
            value = argument.value
            if isinstance(value, ex.Ref):
                if value.tap:
                    self.label(value.path, value.span)
            else:
                check_names(value, env)

    def operator(self, cls: type[Operator], arguments: tuple[t.Argument, ...], span: Span, env: Env) -> None:
        binder = _Names(cls, env, self.spec, lambda ref: self.label(ref.path, ref.span))
        given = set(binder.take(arguments).values)
        binder = _Names(cls, env, self.spec, lambda ref: None)
        refuse_missing(cls, given | set(binder.take(self.spec.defaults.get(cls.word, ())).values), span)

    def label(self, path: ex.Path, span: Span | None) -> None:
        """Refuse a label that stands nowhere in the body."""
        first = path.segments[0]
        if any(not isinstance(part, str) for part in first):
            return
        name = "".join(map(str, first))
        if not any(re.fullmatch(pattern, name) for pattern in self.labels):
            help = did_you_mean(name, [re.sub(r"\\(.)", r"\1", label) for label in self.labels])
            fail("A0502", f"no label `{name}` above", span, help, word=name)


def _is_flag(argument: t.Argument, flags: set[str]) -> bool:
    return isinstance(argument, t.Positional) and isinstance(argument.value, ex.Name) and argument.value.id in flags


def _expressions(head: t.Head) -> list[ex.Expr]:
    """The expressions of a head itself."""
    match head:
        case t.Residual():
            found = (head.test,)
        case t.Join():
            found = (head.split,)
        case t.For():
            found = (head.start, head.stop)
        case _:
            found = ()
    return [expr for expr in found if expr is not None]


__all__ = ["check_unreached", "label_of", "nodes", "segment_pattern"]
