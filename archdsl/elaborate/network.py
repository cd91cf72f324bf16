"""Spec + parameters -> network: instances made once, hierarchy and repeats kept, mistakes collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..diagnostics import Diagnostic, Label, Span, SpecError, fail
from ..ir import dims
from ..ir.evaluate import Held, ValueArgument, evaluate, evaluate_dim
from ..ir.graph import Claim, Dialect, Instance, Network
from ..ir.operator import find_operator
from ..ir.shapes import Constant, Shape
from ..spec import Definition, Spec
from ..syntax import tree as t
from .arguments import check_arguments
from .body import BodyBuilder
from .builder import Builder
from .claims import count_claim
from .entry import bind_sizes, input_shapes, known_sizes, spec_span, symbols_of
from .outputs import ordered
from .parameters import Parameters, claiming_rows, root_of, same
from .session import File, Given, Session


class Elaborator(Session):
    """Makes networks of specs; files and instances are made once."""

    def network(self, spec: Spec, overrides: Mapping[str, Constant], at: Mapping[str, int] | None = None) -> Network:
        """The network of a spec, symbols of its inputs having the values `at`; what is wrong goes to the collector."""
        file = self.file(spec, overrides)
        self.sizes = known_sizes(file, at) if at else {}
        self.claiming = spec if _is_own_choice(spec, overrides) else None
        root = self.whole(file, tuple(input_shapes(file, at).values()), None, spec_span(spec))
        network = Network(
            spec.network,
            spec.source,
            {n: v for n, v in file.scope.names.items() if n in spec.parameters},
            root,
            tuple(_dialects(spec)),
            (*row_claims(spec, file.parameters, overrides), *root.claims),
            spec.file.name,
            self.outputs,
        )
        if spec.inits and not self.collector.errors:  # else the layers that rows speak of are not all there
            from .inits import check_inits

            for diagnostic in check_inits(network, spec):
                self.report(diagnostic)
        return network

    def opened(self, file: File) -> None:
        """Report what is wrong with a default, whether its layer is used or not."""
        for word, arguments in file.spec.defaults.items():
            cls = find_operator(word)
            if cls is not None:
                try:
                    check_arguments(cls, file, arguments)
                except SpecError as error:
                    self.take(error)

    def whole(self, file: File, entry: tuple[Shape, ...], until: tuple[str, ...] | None, span: Span) -> Instance:
        """The layers of a file, up to a label, as one instance."""
        spec = file.spec
        key = ("", entry, until)
        if key in file.memo:
            return file.memo[key]
        if spec.layers is None:
            fail("A0610", "this spec has no `layers`", span)
        if len(entry) != max(1, len(spec.inputs)):
            fail("A0302", f"this network takes {len(spec.inputs)} inputs, not {len(entry)}", span)
        sizes = {} if self.calls else dict(self.sizes)
        builder = BodyBuilder(self, file, file.env().with_names(symbols_of(file, entry) | sizes), until)
        ids = tuple(builder.new_value(shape) for shape in entry)
        names = tuple(spec.inputs) or ("input",)
        for name, value in zip(names, ids, strict=True):
            builder.name_input(name, value, spec.layers.span)
        self.enter(file, "", span)
        used = [lambda: Label(span, f"in {spec.file.name}, used at")] if len(self.calls) > 1 else []
        self.trail.extend(used)
        try:
            body, output = builder.block(spec.layers, ids[0])
            if len(self.calls) == 1:
                self.outputs = ordered(builder, spec.outputs, output)
        finally:
            self.calls.pop()
            del self.trail[len(self.trail) - len(used) :]
        builder.check_until(span)
        instance = builder.instance(body, output, entry=ids, entry_names=names, heading=spec.network)
        file.memo[key] = instance
        return instance

    def module(self, file: File, definition: Definition, given: Given, span: Span) -> Instance:
        """One module at one choice of arguments and entry shapes."""
        name = definition.signature.name
        key = (name, given.key)
        if key in file.memo:
            return file.memo[key]
        self.enter(file, name, span)
        self.trail.append(lambda: Label(span, f"in {name}, called at"))
        try:
            instance = self._module(file, definition, given)
        finally:
            self.trail.pop()
            self.calls.pop()
        file.memo[key] = instance
        return instance

    def _module(self, file: File, definition: Definition, given: Given) -> Instance:
        signature = definition.signature
        builder = BodyBuilder(self, file, file.env())
        entry = builder.new_value(given.entry)
        values = {name: builder.new_value(shape) for name, shape in given.values}
        names: dict[str, Held] = {**given.arguments, **{n: ValueArgument(v) for n, v in values.items()}}
        sizes = bind_sizes(signature, given.entry, names, file)
        names |= sizes
        arguments = dict(given.arguments)
        for formal in signature.formals:
            if formal.name not in names:
                assert formal.default is not None
                arguments[formal.name] = evaluate(formal.default, file.env().with_names(names))
                names[formal.name] = arguments[formal.name]
        builder.env = file.env().with_names(names)
        body, output = builder.block(definition.body, entry)
        self._check_result(signature, builder, output)
        return builder.instance(
            body,
            output,
            name=signature.name,
            arguments={f.name: arguments[f.name] for f in signature.formals if f.name in arguments},
            sizes=sizes,
            formals=tuple((f.name, f.default) for f in signature.formals),
            entry=(entry, *values.values()),
            entry_names=("x", *values),
            heading=definition.heading,
        )

    def _check_result(self, signature: t.Signature, builder: Builder, output: int) -> None:
        shape = builder.shapes[output]
        if signature.result is None or shape is None:
            return
        expected = tuple(evaluate_dim(d, builder.env) for d in signature.result)
        if len(expected) != len(shape.dims) or not all(
            dims.equal(a, b, sizes=True) for a, b in zip(expected, shape.dims, strict=True)
        ):
            promised = dims.show_shape(expected)
            problem = f"{signature.name} promises {promised} and gives {shape}"
            self.report(Diagnostic("A0412", problem, signature.span))


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
    for table, head, cell, row in claiming_rows(spec):
        if changed - {root_of(spec, head)} or not same(parameters.cell(cell), parameters.value(head)):
            continue
        for column, value in zip(table.columns, row, strict=True):
            if column.claim and value.value is not False:
                yield count_claim(column.name, value.text, column.training, value.span)


__all__ = ["Elaborator", "File"]
