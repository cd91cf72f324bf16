"""Spec + parameters -> network: instances made once, hierarchy and repeats kept, mistakes collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .. import expr as ex
from ..diagnostics import Collector, Diagnostic, Label, Span, SpecError, fail
from ..ir import dims
from ..ir.dims import Dim
from ..ir.graph import Claim, Dialect, Instance, Network, Scope
from ..ir.operator import find_operator
from ..ir.shapes import Constant, Grid, Shape
from ..spec import Definition, Spec
from ..syntax import tree as t
from .body import BodyBuilder
from .claims import claims_of, count_claim
from ..ir.evaluate import Bound, Env, ValueArgument, evaluate, evaluate_dim
from .files import Library
from .mentions import Mentions
from .parameters import Parameters, parse_override, rows_as_variants, same

MAX_NODES = 200_000
MAX_CALLS = 64


@dataclass(eq=False)
class File:
    """A spec with its parameters bound: what its bodies see."""

    spec: Spec
    scope: Scope
    parameters: Parameters
    grids: dict[str, Grid]
    memo: dict[object, Instance] = field(default_factory=dict[object, Instance])

    def words(self, word: str) -> bool:
        """Whether a word is the name of a layer, a module, a table or another file here."""
        spec = self.spec
        known = word in spec.definitions or word in spec.tables or word in spec.maps or word in spec.uses
        return known or find_operator(word) is not None

    def env(self) -> Env:
        return Env({n: Bound(v) for n, v in self.scope.names.items()}, self.words)


@dataclass(frozen=True)
class Given:
    """What a definition is called with."""

    arguments: Mapping[str, Constant]
    entry: tuple[Shape, ...]
    values: tuple[tuple[str, Shape], ...] = ()
    until: tuple[str, ...] | None = None


class Elaborator:
    """Makes networks of specs; files and instances are made once."""

    def __init__(self, library: Library, collector: Collector) -> None:
        self.library = library
        self.collector = collector
        self.mentions = Mentions()
        self.nodes = 0
        self.trail: list[Label] = []
        self.calls: list[tuple[int, str]] = []
        self.claiming: Spec | None = None
        self._files: dict[object, File] = {}

    # -- files

    def file(self, spec: Spec, overrides: Mapping[str, Constant], span: Span | None = None) -> File:
        """A spec at one choice of parameters."""
        for name, value in overrides.items():
            parse_override(spec, name, value, span)
        key = (id(spec), tuple(sorted(overrides.items(), key=lambda kv: kv[0])))
        if key not in self._files:
            parameters = Parameters(spec, overrides)
            scope = Scope(spec.file.name, spec.network, spec.source, parameters.all())
            grids = {n: Grid(n, m.rows) for n, m in spec.maps.items()}
            _check_words(spec)
            self._files[key] = File(spec, scope, parameters, grids)
        return self._files[key]

    # -- diagnostics

    def report(self, diagnostic: Diagnostic) -> None:
        """Take a mistake, with the calls that led to it."""
        trail = diagnostic.trail or tuple(reversed(self.trail))
        self.collector.add(
            Diagnostic(
                diagnostic.code,
                diagnostic.message,
                diagnostic.span,
                diagnostic.labels,
                diagnostic.help,
                trail,
                diagnostic.severity,
            )
        )

    def take(self, error: SpecError) -> None:
        for diagnostic in error.diagnostics:
            self.report(diagnostic)

    def count_nodes(self, span: Span | None) -> None:
        """Elaboration always ends: at most so many nodes."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise TooLarge([Diagnostic("A0801", f"this network has more than {MAX_NODES} different layers", span)])

    # -- instances

    def network(self, spec: Spec, overrides: Mapping[str, Constant]) -> Network:
        """The network of a spec; what is wrong goes to the collector."""
        file = self.file(spec, overrides)
        self.claiming = spec if _is_own_choice(spec, overrides) else None
        shapes = self.input_shapes(file, file.env())
        root = self.whole(file, tuple(shapes.values()), None, spec_span(spec))
        return Network(
            spec.network,
            spec.source,
            {n: v for n, v in file.scope.names.items() if n in spec.parameters},
            root,
            tuple(_dialects(spec)),
            (*row_claims(spec, file.parameters, overrides), *root.claims),
            spec.file.name,
        )

    def input_shapes(self, file: File, env: Env) -> dict[str, Shape]:
        """The inputs of a file, names that are no parameters being symbols."""
        if not file.spec.inputs:
            fail("A0610", "this spec has no `input`", spec_span(file.spec), "say what flows in: `input: 3x224x224`")
        found: dict[str, Shape] = {}
        for name, shape in file.spec.inputs.items():
            sizes = tuple(_entry_dim(d, env) for d in shape.dims)
            below = None if shape.below is None else evaluate_dim(shape.below, env)
            found[name] = Shape(_kind(sizes, shape.kind, below), sizes, below=below)
        return found

    def symbols(self, file: File, shapes: Iterable[Shape]) -> dict[str, Bound]:
        names: dict[str, Bound] = {}
        for shape in shapes:
            for dim in shape.dims:
                names.update({s: Bound(dims.symbol(s)) for s in sorted(dims.symbols(dim)) if s not in file.scope.names})
        return names

    def whole(self, file: File, entry: tuple[Shape, ...], until: tuple[str, ...] | None, span: Span) -> Instance:
        """The layers of a file, as one instance."""
        spec = file.spec
        key = ("", entry, until)
        if key in file.memo:
            return file.memo[key]
        if spec.layers is None:
            fail("A0610", "this spec has no `layers`", span)
        if len(entry) != max(1, len(spec.inputs)):
            fail("A0302", f"this network takes {len(spec.inputs)} inputs, not {len(entry)}", span)
        builder = BodyBuilder(self, file, file.env().with_names(self.symbols(file, entry)), until)
        ids = tuple(builder.new_value(shape) for shape in entry)
        names = tuple(spec.inputs) or ("input",)
        for name, value in zip(names, ids, strict=True):
            builder.name_input(name, value, spec.layers.span)
        self.enter(file, "", span)
        try:
            body, output = builder.block(spec.layers, ids[0])
        finally:
            self.calls.pop()
        builder.check_until(span)
        instance = builder.instance("", {}, {}, (), ids, names, body, output, spec.network)
        file.memo[key] = instance
        return instance

    def module(self, file: File, definition: Definition, given: Given, span: Span) -> Instance:
        """One module at one choice of arguments and entry shapes."""
        signature = definition.signature
        key = (signature.name, tuple(given.arguments.items()), given.entry, given.values)
        if key in file.memo:
            return file.memo[key]
        self.enter(file, signature.name, span)
        self.trail.append(Label(span, f"in {signature.name}, called at"))
        try:
            instance = self._module(file, definition, given, span)
        finally:
            self.trail.pop()
            self.calls.pop()
        file.memo[key] = instance
        return instance

    def enter(self, file: File, name: str, span: Span) -> None:
        call = (id(file.spec), name)
        if call in self.calls:
            what = f"module `{name}`" if name else "a file"
            fail("A0605", f"{what} contains itself", span, "modules cannot recurse")
        if len(self.calls) >= MAX_CALLS:
            fail("A0801", f"modules are nested more than {MAX_CALLS} deep", span)
        self.calls.append(call)

    def _module(self, file: File, definition: Definition, given: Given, span: Span) -> Instance:
        signature = definition.signature
        builder = BodyBuilder(self, file, file.env(), None)
        entry = builder.new_value(given.entry[0])
        names: dict[str, Bound] = {n: Bound(v) for n, v in given.arguments.items()}
        values = [builder.new_value(shape) for _, shape in given.values]
        names |= {n: Bound(ValueArgument(v)) for (n, _), v in zip(given.values, values, strict=True)}
        sizes = bind_sizes(signature, given.entry[0], Env(names, file.words), file)
        names |= {n: Bound(v) for n, v in sizes.items()}
        arguments = dict(given.arguments)
        for formal in signature.formals:
            if formal.name not in names:
                assert formal.default is not None
                arguments[formal.name] = evaluate(formal.default, file.env().with_names(names))
                names[formal.name] = Bound(arguments[formal.name])
        builder.env = file.env().with_names(names)
        body, output = builder.block(definition.body, entry)
        self._check_result(signature, builder, output)
        ordered = {f.name: arguments[f.name] for f in signature.formals if f.name in arguments}
        return builder.instance(
            signature.name,
            ordered,
            sizes,
            tuple((f.name, f.default) for f in signature.formals),
            (entry, *values),
            ("x", *(n for n, _ in given.values)),
            body,
            output,
            definition.heading,
        )

    def _check_result(self, signature: t.Signature, builder: BodyBuilder, output: int) -> None:
        shape = builder.shapes[output]
        if signature.result is None or shape is None:
            return
        expected = tuple(evaluate_dim(d, builder.env) for d in signature.result)
        agree = len(expected) == len(shape.dims) and all(dims.equal(a, b) for a, b in zip(expected, shape.dims, strict=True))
        if not agree:
            promised = dims.show_shape(expected)
            self.report(
                Diagnostic("A0412", f"{signature.name} promises {promised} and gives {shape}", signature.span)
            )


class TooLarge(SpecError):
    """A limit that ends elaboration at once."""


def spec_span(spec: Spec) -> Span:
    return Span(spec.file, 1, 1, 1, 2)


def _entry_dim(expr: ex.Expr, env: Env) -> Dim:
    unknown = {n: Bound(dims.symbol(n)) for n in sorted(ex.names_in(expr)) if n not in env.names}
    found = evaluate_dim(expr, env.with_names(unknown))
    if dims.compare(found, 1, "<"):
        fail("A0305", f"a size is at least 1, this is {dims.show(found)}", expr.span)
    return found


def _kind(sizes: tuple[Dim, ...], kind: str | None, below: Dim | None):  # type: ignore[no-untyped-def]
    if below is not None:
        return "numbers"
    if kind is not None:
        return kind
    return {1: "vector", 2: "sequence"}.get(len(sizes), "map")


def bind_sizes(signature: t.Signature, shape: Shape, env: Env, file: File) -> dict[str, Constant]:
    """`on CxHxW`: names for the entry's sizes; what is known already is checked."""
    if signature.entry is None:
        return {}
    kind = _kind(tuple(1 for _ in signature.entry), signature.kind, None)
    if kind != shape.kind or len(signature.entry) != len(shape.dims):
        wanted = "x".join(e.id if isinstance(e, ex.Name) else "n" for e in signature.entry)
        fail("A0412", f"{signature.name} takes a {kind} {wanted}, but here comes {shape.describe()}", signature.span)
    found: dict[str, Constant] = {}
    for expr, dim in zip(signature.entry, shape.dims, strict=True):
        names = file.env().with_names({**env.names, **{n: Bound(v) for n, v in found.items()}})
        if isinstance(expr, ex.Name) and expr.id not in names.names:
            found[expr.id] = dim
        elif not dims.equal(evaluate_dim(expr, names), dim):
            fail("A0412", f"{signature.name} takes {dims.show(evaluate_dim(expr, names))} here, but {shape} comes in", expr.span)
    return found


def _check_words(spec: Spec) -> None:
    for name, definition in spec.definitions.items():
        if find_operator(name) is not None:
            fail("A0611", f"`{name}` is a layer's word; a module or def needs another name", definition.span)


def _dialects(spec: Spec) -> Iterable[Dialect]:
    for name, names in spec.names.items():
        rules: list[tuple[str | None, str, str, bool]] = []
        spans: list[Span | None] = []
        for rule in names.rules:
            inner = rule.rules if isinstance(rule, t.RenameScope) else (rule,)
            scope = rule.module if isinstance(rule, t.RenameScope) else None
            rules.extend((scope, r.pattern, r.replacement, r.transposed) for r in inner)
            spans.extend(r.pattern_span for r in inner)
        yield Dialect(name, tuple(rules), tuple(spans), names.own)


def _is_own_choice(spec: Spec, overrides: Mapping[str, Constant]) -> bool:
    """Whether every parameter has the file's own value: only then do the facts of its bodies speak."""
    own = Parameters(spec, {})
    return all(same(own.value(name), value) for name, value in overrides.items())


def row_claims(spec: Spec, parameters: Parameters, overrides: Mapping[str, Constant]) -> Iterable[Claim]:
    """What the chosen row of a table claims, all other parameters being the file's own."""
    own = Parameters(spec, {})
    changed = {n for n, v in overrides.items() if not same(own.value(n), v)}
    for table, head, cell, row in rows_as_variants(spec):
        if changed - {head} or not same(parameters.cell(cell), parameters.value(head)):
            continue
        for column, value in zip(table.columns, row, strict=True):
            if column.claim and value.value is not False:
                yield count_claim(column.name, value.text, column.training, value.span)


__all__ = ["Elaborator", "File", "Given", "claims_of"]
