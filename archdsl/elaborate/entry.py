"""What flows in: the shapes of inputs, and the names a signature's `on CxHxW` gives to sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn, get_args

from .. import expr as ex
from ..diagnostics import Span, did_you_mean, fail
from ..ir import dims
from ..ir.dims import Dim
from ..ir.evaluate import Env, Held, evaluate_dim
from ..ir.shapes import RANKS, Constant, Kind, Shape
from ..spec import Spec
from ..syntax import tree as t
from .session import File

_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
_BY_RANK: dict[int, Kind] = {1: "vector", 2: "sequence"}


def spec_span(spec: Spec) -> Span:
    """The beginning of a spec's file."""
    return Span(spec.file, 1, 1, 1, 2)


def input_shapes(file: File, at: Mapping[str, int] | None = None) -> dict[str, Shape]:
    """The inputs of a file, names that are no parameters being symbols; `at` gives some of these a value."""
    if not file.spec.inputs:
        fail("A0610", "this spec has no `input`", spec_span(file.spec), "say what flows in: `input: 3x224x224`")
    env = file.env()
    found: dict[str, Shape] = {}
    for name, shape in file.spec.inputs.items():
        sizes = tuple(dims.substitute(_entry_dim(d, env), at or {}) for d in shape.dims)
        below = None if shape.below is None else evaluate_dim(shape.below, env)
        kind = "numbers" if below is not None else _kind(len(sizes), shape.kind)
        if len(sizes) not in RANKS[kind]:
            _refuse_rank(kind, len(sizes), shape.span)
        found[name] = Shape(kind, sizes, below=below)
    return found


def known_sizes(file: File, at: Mapping[str, int]) -> Mapping[str, Held]:
    """The values given to symbols as names; refuses what is no symbol of an input."""
    symbols = {s for shape in input_shapes(file).values() for dim in shape.dims for s in dims.symbols(dim)}
    for name in at:
        if name not in symbols:
            known = did_you_mean(name, sorted(symbols)) or (
                f"its symbols are {', '.join(sorted(symbols))}" if symbols else "its sizes are numbers"
            )
            fail("A0205", f"no input has a size called `{name}`", None, known)
    return at


def symbols_of(file: File, shapes: Iterable[Shape]) -> dict[str, Held]:
    """The symbols of some shapes as names, where a parameter does not have that name."""
    names: dict[str, Held] = {}
    for shape in shapes:
        for dim in shape.dims:
            names.update({s: dims.symbol(s) for s in sorted(dims.symbols(dim)) if s not in file.scope.names})
    return names


def _entry_dim(expr: ex.Expr, env: Env) -> Dim:
    unknown = {n: dims.symbol(n) for n in sorted(ex.names_in(expr)) if n not in env.names}
    found = evaluate_dim(expr, env.with_names(unknown))
    if dims.compare(found, 1, "<"):
        fail("A0305", f"a size is at least 1, this is {dims.show(found)}", expr.span)
    return found


def _kind(rank: int, kind: str | None) -> Kind:
    return _BY_RANK.get(rank, "map") if kind is None else _KINDS[kind]


def _refuse_rank(kind: Kind, rank: int, span: Span) -> NoReturn:
    wanted = RANKS[kind]
    many = str(wanted[0]) if len(wanted) == 1 else f"{wanted[0]} to {wanted[-1]}"
    example = {"map": "3x224x224", "sequence": "Tx512", "vector": "100", "numbers": "T below 1000"}[kind]
    what = "whole numbers have" if kind == "numbers" else f"a {kind} has"
    fail("A0402", f"{what} {many} size{'' if many == '1' else 's'}, here are {rank}", span, f"such as `{example}`")


def bind_sizes(signature: t.Signature, shape: Shape, given: Mapping[str, Held], file: File) -> dict[str, Constant]:
    """`on CxHxW`: names for the entry's sizes; what is known already is checked."""
    if signature.entry is None:
        return {}
    kind = _kind(len(signature.entry), signature.kind)
    if kind != shape.kind or len(signature.entry) != len(shape.dims):
        wanted = "x".join(e.id if isinstance(e, ex.Name) else "n" for e in signature.entry)
        problem = f"{signature.name} takes a {kind} {wanted}, but here comes {shape.describe()}"
        fail("A0412", problem, signature.span)
    found: dict[str, Constant] = {}
    for expr, dim in zip(signature.entry, shape.dims, strict=True):
        env = file.env().with_names({**given, **found})
        if isinstance(expr, ex.Name) and expr.id not in env.names:
            found[expr.id] = dim
            continue
        wanted = evaluate_dim(expr, env)
        if not dims.equal(wanted, dim, sizes=True):
            fail("A0412", f"{signature.name} takes {dims.show(wanted)} here, but {shape} comes in", expr.span)
    return found
