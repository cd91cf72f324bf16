"""Calls of what a spec defines: defs, modules, whole files."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

from .. import expr as ex
from .. import limits
from ..diagnostics import Span, did_you_mean, fail
from ..ir import graph as g
from ..ir.evaluate import Env, Held, ValueArgument, evaluate
from ..ir.operator import find_operator
from ..ir.shapes import Constant, Shape
from ..ops import synonym_of
from ..spec import Definition, Link, Spec
from ..syntax import tree as t
from .arguments import bind_formals
from .builder import Builder, Made, Site
from .entry import bind_sizes, input_shapes
from .labels import Labels, Target
from .references import look
from .session import File, Given

Settings: TypeAlias = dict[str, tuple[Constant, Span]]
"""Parameters of another file, each with the argument that sets it."""

# ---- defs -----------------------------------------------------------------------------------------------------------


def splice(b: Builder, site: Site, definition: Definition) -> Made:
    """A def: its lines stand where it is called, seeing its own parameters and the file's."""
    signature, call = definition.signature, site.call
    if any(open_def is definition for open_def in b.defs):
        fail("A0605", f"def `{signature.name}` contains itself", call.word_span)
    b.session.count_nodes(call.span)
    limits.check("calls", len(b.session.calls) + len(b.defs) + 1, call.word_span)
    env = b.file.env().with_names(*_def_names(b, call, signature, site.x))

    def make(y: int) -> Made:
        with b.within(env=env, labels=Labels(None, b.labels.path), defs=(*b.defs, definition)):
            return b.inline(definition.body, y)

    return make(site.x) if site.label is None else b.named_level(site.label, call.span, site.x, make)


def _def_names(b: Builder, call: t.Call, signature: t.Signature, x: int) -> tuple[dict[str, Held], dict[str, ex.Expr]]:
    """What the names of a def stand for, and how they are said where it is called."""
    given = bind_formals(signature.name, signature.formals, call.arguments, b.env, call.word_span)
    names: dict[str, Held] = {}
    said: dict[str, ex.Expr] = {}
    for formal in signature.formals:
        if formal.name in given:
            held, expression = _passed(b, given[formal.name])
        else:
            assert formal.default is not None
            inner = b.file.env().with_names(names, said)
            held, expression = evaluate(formal.default, inner), inner.express(formal.default)
        names[formal.name] = held
        if expression is not None:
            said[formal.name] = expression
    shape = b.shapes[x]
    if shape is not None:
        sizes = bind_sizes(signature, shape, names, b.file)
        names |= sizes
        said |= {n: ex.Number(Fraction(v)) for n, v in sizes.items() if isinstance(v, int)}
    return names, said


def _passed(b: Builder, value: ex.Expr) -> tuple[Held, ex.Expr | None]:
    """An argument on its way into a def or module, and how it is said here."""
    if isinstance(value, ex.Ref) and value.tap:
        nodes, number = look(b, value)
        if nodes:
            problem = "a value inside a level as an argument is not built yet: name it first, `z: @...`"
            fail("A0903", problem, value.span)
        return ValueArgument(number), None
    if isinstance(value, ex.Name):
        held = b.env.names.get(value.id)
        if isinstance(held, ValueArgument):
            return held, None
        if value.id not in b.env.names and b.file.words(value.id):
            return value.id, value
    return evaluate(value, b.env), b.env.express(value)


# ---- modules --------------------------------------------------------------------------------------------------------


def invoke(b: Builder, site: Site, file: File, definition: Definition) -> Made:
    """A module, of this file or another."""
    signature, call = definition.signature, site.call
    given = bind_formals(signature.name, signature.formals, call.arguments, b.env, call.word_span)
    arguments: dict[str, Constant] = {}
    values: list[tuple[str, int]] = []
    expressions: list[tuple[str, ex.Expr]] = []
    for name, value in given.items():
        held, expression = _passed(b, value)
        if isinstance(held, ValueArgument):
            values.append((name, held.value))
        else:
            arguments[name] = held
            expressions.append((name, expression or value))
    inputs = (site.x, *(v for _, v in values))
    shapes = b.known(inputs)
    b.session.count_nodes(call.span)
    path = b.label(site.label)
    if shapes is None:
        return _unknown(b, call, path)
    what = Given(arguments, shapes[0], tuple((n, s) for (n, _), s in zip(values, shapes[1:], strict=True)))
    errors = len(b.session.collector.errors)
    instance = b.session.module(file, definition, what, call.word_span)
    y = b.result_of(instance, errors)
    node = g.Invoke(instance, site.word, path, inputs, y, tuple(expressions), call.span)
    if path is not None:
        redo = b.redo(lambda z: invoke(b, site.again(z), file, definition))
        b.define(path.segments, Target(y, call.span, None, node, {}, redo))
    return [node], y


def _unknown(b: Builder, call: t.Call, path: g.Label | None) -> Made:
    y = b.unknown()
    if path is not None:
        b.define(path.segments, Target(y, call.span))
    return [], y


# ---- whole files ----------------------------------------------------------------------------------------------------


def invoke_network(b: Builder, site: Site, link: Link) -> Made:
    """`resnet depth 50, to layer4`: a whole file as a module."""
    call = site.call
    until, overrides, values = _network_arguments(b, call)
    inputs = tuple(values) or (site.x,)
    file = linked_file(b, link, overrides)
    shapes = b.known(inputs)
    path = b.label(site.label)
    if shapes is None:
        return _unknown(b, call, path)
    _check_entry(file, shapes, call.word_span)
    errors = len(b.session.collector.errors)
    instance = b.session.whole(file, shapes, until, call.word_span)
    y = b.result_of(instance, errors)
    b.session.count_nodes(call.span)
    node = g.Invoke(instance, site.word, path, inputs, y, (), call.span)
    if path is not None:
        redo = b.redo(lambda z: invoke_network(b, site.again(z), link))
        b.define(path.segments, Target(y, call.span, None, node, {}, redo))
    return [node], y


def _network_arguments(b: Builder, call: t.Call) -> tuple[tuple[str, ...] | None, Settings, list[int]]:
    """(the label after `to`, parameters, values) of a call of a whole file."""
    until: tuple[str, ...] | None = None
    overrides: Settings = {}
    values: list[int] = []
    for argument in call.arguments:
        if isinstance(argument, t.Pair) and argument.name == "to":
            until = _to_label(b, argument.value)
        elif isinstance(argument, t.Pair):
            overrides[argument.name] = evaluate(argument.value, b.env), argument.span
        elif isinstance(argument, t.Off):
            overrides[argument.name] = False, argument.span
        elif isinstance(argument.value, ex.Ref):
            values.append(look(b, argument.value)[1])
        else:
            fail("A0302", "a used network takes pairs: `depth 50`, and values: `@image`", argument.span)
    return until, overrides, values


def _to_label(b: Builder, value: ex.Expr) -> tuple[str, ...]:
    if isinstance(value, ex.Ref):
        return b.segments(value.path)
    if isinstance(value, ex.Name):
        return (value.id,)
    if not isinstance(value, ex.Text):
        fail("A0502", "`to` takes a label", value.span)
    return tuple(value.value.split("."))


def _check_entry(file: File, shapes: tuple[Shape, ...], span: Span) -> None:
    """A value takes an input's place if it is of the same kind and rank."""
    for shape, own in zip(shapes, input_shapes(file).values(), strict=False):
        if shape.kind != own.kind or len(shape.dims) != len(own.dims):
            problem = f"{file.spec.network or 'it'} takes {own.describe()}, but here comes {shape.describe()}"
            fail("A0412", problem, span)


def used_file(b: Builder, call: t.Call, word: str) -> tuple[File, str]:
    """The file and the module that `file.module` means."""
    first, rest = file_and_module(b.file.spec, call, word)
    return linked_file(b, b.file.spec.uses[first], {}), rest


def file_and_module(spec: Spec, call: t.Call, word: str) -> tuple[str, str]:
    """The two names in `file.module`; refuses a file that is not used."""
    first, _, rest = word.partition(".")
    meant = rest if find_operator(rest) else synonym_of(rest)
    if first not in spec.uses and meant is not None:
        fail("A0201", f"no layer or module `{word}`", call.word_span, f"the word is `{meant}`")
    if first not in spec.uses:
        fail("A0208", f"no file is used as `{first}`", call.word_span, did_you_mean(first, spec.uses), word=first)
    return first, rest


def linked_file(b: Builder, link: Link, more: Mapping[str, tuple[Constant, Span]]) -> File:
    """The file of a `use` line with the pairs of that line and of the call."""
    library = b.session.library
    spec = library.link(link, library.folder_of(b.file.spec))
    env = Env(b.file.env().names, lambda _: True)
    overrides: Settings = {}
    for argument in link.arguments:
        if isinstance(argument, t.Pair):
            overrides[argument.name] = evaluate(argument.value, env), argument.span
        elif isinstance(argument, t.Off):
            overrides[argument.name] = False, argument.span
        else:
            fail("A0302", "a used file takes pairs: `stride_in 3x3`", argument.span)
    chosen = {**overrides, **more}
    values = {name: value for name, (value, _) in chosen.items()}
    return b.session.file(spec, values, {name: span for name, (_, span) in chosen.items()})
