"""The JSON form of what is no node: constants, sizes, shapes, spans, expressions, operators. See `ir.json_form`."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

from .. import expr as ex
from ..diagnostics import Span
from . import dims
from .dims import Dim, Poly, Value
from .json_codec import (
    BOOL,
    NAME,
    SEGMENT,
    TEXT,
    Codec,
    Json,
    Reader,
    Step,
    Writer,
    as_int,
    as_list,
    as_name,
    as_object,
    as_text,
    one_of,
    optional,
    record,
    shown,
    tuple_of,
    wrong,
)  # fmt: skip
from .nodes import Label
from .operator import Argument, Operator, find_operator
from .shapes import Constant, Grid, Shape, Size

MAX_PARTS = 10_000  # of one expression, one size or one constant

# ---- sizes and shapes -----------------------------------------------------------------------------------------------


def _read_dim(_: Reader, value: Json) -> Dim:
    if _parts_of(value) > MAX_PARTS:
        wrong("this size has too many parts")
    try:
        found = cast("Value", dims.from_json(value))  # a Fraction where a number is not whole
    except ValueError as error:
        wrong(f"this is no size: {error}")
    if not isinstance(found, int | Poly):
        wrong(f"a size is whole, this is {found}")
    return found


def _parts_of(value: Json, limit: int = MAX_PARTS) -> int:
    """How many values there are in a piece of JSON, counted up to a limit."""
    waiting, seen = [value], 0
    while waiting and seen <= limit:
        part = waiting.pop()
        seen += 1
        if isinstance(part, list | tuple):
            waiting.extend(cast("list[Json]", part))
    return seen


DIM = Codec(lambda _, value: dims.to_json(value), _read_dim)
DIMS = tuple_of(DIM)
SHAPE = record(
    Shape,
    {
        "kind": one_of("a kind of value", "map", "sequence", "vector", "numbers"),
        "dims": tuple_of(DIM),
        "grid": optional(DIMS),
        "below": optional(DIM),
    },
)


# ---- constants ------------------------------------------------------------------------------------------------------


def _write_constant(w: Writer, value: Constant) -> Json:
    match value:
        case Size():
            return {"size": DIMS.write(w, value)}
        case tuple():
            return {"list": [_write_constant(w, part) for part in value]}
        case Grid():
            return {"grid": value.name, "rows": ["".join(".X"[cell] for cell in line) for line in value.rows]}
        case Fraction():
            return {"fraction": [value.numerator, value.denominator]}
        case Poly():
            return {"dim": dims.to_json(value)}
        case float() if not math.isfinite(value):
            return {"float": repr(value)}
        case _:
            return value


def _read_constant(r: Reader, value: Json) -> Constant:
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else wrong("a number is beyond what a float holds")
    tags = as_object(value)
    kind = next(iter(tags), "")
    if kind not in _TAGGED or set(tags) != ({"grid", "rows"} if kind == "grid" else {kind}):
        wrong(f"a constant is marked by one of {' '.join(_TAGGED)}, not by {shown(kind)}")
    with Step(kind):
        return _TAGGED[kind](r, tags)


def _read_fraction(_: Reader, tags: dict[str, Json]) -> Constant:
    parts = as_list(tags["fraction"])
    if len(parts) != 2 or any(type(part) is not int for part in parts) or parts[1] < 1:
        wrong("a fraction is [numerator, denominator]")
    return Fraction(parts[0], parts[1])


def _read_grid(_: Reader, tags: dict[str, Json]) -> Constant:
    lines = [as_text(line) for line in as_list(tags["rows"])]
    if not lines or not lines[0] or any(len(line) != len(lines[0]) or set(line) - {".", "X"} for line in lines):
        wrong("a map has rows of equal length, of X and dots")
    return Grid(as_name(tags["grid"]), tuple(tuple(mark == "X" for mark in line) for line in lines))


def _read_float(_: Reader, tags: dict[str, Json]) -> Constant:
    if tags["float"] not in ("inf", "-inf", "nan"):
        wrong("a float that is no number is inf, -inf or nan")
    return float(as_text(tags["float"]))


_TAGGED: dict[str, Callable[[Reader, dict[str, Json]], Constant]] = {
    "size": lambda r, tags: Size(DIMS.read(r, tags["size"])),
    "list": lambda r, tags: tuple(_read_constant(r, part) for part in as_list(tags["list"])),
    "grid": _read_grid,
    "fraction": _read_fraction,
    "dim": lambda r, tags: DIM.read(r, tags["dim"]),
    "float": _read_float,
}

CONSTANT = Codec(_write_constant, _read_constant)


# ---- spans, expressions, labels -------------------------------------------------------------------------------------


def _write_span(w: Writer, span: Span) -> Json:
    return [w.file(span.file), span.line, span.column, span.end_line, span.end_column]


def _read_span(r: Reader, value: Json) -> Span:
    numbers = [as_int(part) for part in as_list(value)]
    if len(numbers) != 5 or min(numbers) < 0 or numbers[0] >= len(r.files):
        wrong("a span is [file, line, column, end_line, end_column]")
    return Span(r.files[numbers[0]], *numbers[1:])


SPAN = optional(Codec(_write_span, _read_span))


def _read_number(r: Reader, value: Json) -> Fraction:
    found = CONSTANT.read(r, value)
    if isinstance(found, bool) or not isinstance(found, int | Fraction):
        wrong(f"an exact number is needed here, this is {shown(value)}")
    return Fraction(found)


def _write_number(_: Writer, value: Fraction) -> Json:
    return value.numerator if value.denominator == 1 else {"fraction": [value.numerator, value.denominator]}


class _Budget:
    """Counts the parts of one expression: substitution can make small specs say very long things."""

    def __init__(self) -> None:
        self.parts = 0

    def part(self) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            wrong(f"an expression has more than {MAX_PARTS} parts")


def _write_expression(w: Writer, expr: ex.Expr) -> Json:
    return _write_part(w, expr, _Budget())


def _write_part(w: Writer, expr: ex.Expr, budget: _Budget) -> Json:
    budget.part()
    tag, codecs = _TAGS[type(expr)]
    parts = [getattr(expr, name) for name in type(expr).__dataclass_fields__ if name != "span"]
    written = [_written(w, codec, part, budget) for codec, part in zip(codecs, parts, strict=True)]
    return [tag, SPAN.write(w, expr.span), *written]


def _written(w: Writer, codec: Codec, part: Any, budget: _Budget) -> Json:
    if codec is EXPRESSION:
        return _write_part(w, part, budget)
    return [_write_part(w, inner, budget) for inner in part] if codec is _EXPRESSIONS else codec.write(w, part)


def _read_expression(r: Reader, value: Json) -> ex.Expr:
    tag, *rest = as_list(value) or [None]
    if not isinstance(tag, str) or tag not in _FORMS:
        wrong(f"an expression begins with one of {' '.join(_FORMS)}, not with {shown(tag)}")
    made, codecs = _FORMS[tag]
    if len(rest) != len(codecs) + 1:
        wrong(f"`{tag}` is followed by its span and {len(codecs)} parts, not by {len(rest)} values")
    with Step(tag):
        parts = [codec.read(r, part) for codec, part in zip(codecs, rest[1:], strict=True)]
        return made(*parts, SPAN.read(r, rest[0]))


EXPRESSION = Codec(_write_expression, _read_expression)
_EXPRESSIONS = tuple_of(EXPRESSION)
_SEGMENT_PART = Codec(
    lambda w, part: part if isinstance(part, str) else EXPRESSION.write(w, part),
    lambda r, part: part if isinstance(part, str) else EXPRESSION.read(r, part),
)
PATH = record(ex.Path, {"segments": tuple_of(tuple_of(_SEGMENT_PART), 1), "span": SPAN})
LABEL = record(Label, {"segments": tuple_of(SEGMENT, 1), "written": optional(PATH)})
_FORMS: dict[str, tuple[type[Any], tuple[Codec, ...]]] = {
    "number": (ex.Number, (Codec(_write_number, _read_number),)),
    "name": (ex.Name, (NAME,)),
    "text": (ex.Text, (TEXT,)),
    "size": (ex.SizeExpr, (_EXPRESSIONS,)),
    "list": (ex.ListExpr, (_EXPRESSIONS,)),
    "ref": (ex.Ref, (PATH, BOOL)),
    "arithmetic": (ex.Binary, (one_of("arithmetic", "+", "-", "*", "/", "//", "%", "^"), EXPRESSION, EXPRESSION)),
    "negative": (ex.Negative, (EXPRESSION,)),
    "function": (ex.Function, (one_of("a function", *ex.FUNCTIONS), _EXPRESSIONS)),
    "if": (ex.IfElse, (EXPRESSION, EXPRESSION, EXPRESSION)),
    "compare": (ex.Compare, (one_of("a comparison", "==", "!=", "<", "<=", ">", ">="), EXPRESSION, EXPRESSION)),
    "is": (ex.Is, (EXPRESSION, TEXT, BOOL)),
    "logic": (ex.Logic, (one_of("logic", "and", "or"), EXPRESSION, EXPRESSION)),
    "not": (ex.Not, (EXPRESSION,)),
}
_TAGS = {made: (tag, codecs) for tag, (made, codecs) in _FORMS.items()}


# ---- operators ------------------------------------------------------------------------------------------------------


def _write_operator(w: Writer, op: Operator) -> Json:
    given = {a.name: getattr(op, a.name) for a in op.arguments()}
    kept = {a.name for a in op.arguments() if type(given[a.name]) is not type(a.default) or given[a.name] != a.default}
    return {"word": op.word, "arguments": {n: CONSTANT.write(w, v) for n, v in given.items() if n in kept}}


def _read_operator(r: Reader, value: Json) -> Operator:
    parts = as_object(value)
    if parts.keys() != {"word", "arguments"}:
        wrong("an operator has a `word` and `arguments`")
    word = as_text(parts["word"])
    cls = find_operator(word)
    if cls is None:
        wrong(f"there is no operator {shown(word)}")
    arguments = {a.name: a for a in cls.arguments()}
    values: dict[str, Constant] = {}
    for name, part in as_object(parts["arguments"]).items():
        if name not in arguments:
            wrong(f"{word} has no argument {shown(name)}")
        with Step(name):
            values[name] = CONSTANT.read(r, part)
            _check_argument(arguments[name], values[name])
    for name, argument in arguments.items():
        if argument.required and name not in values:
            wrong(f"{word} needs its {name}")
    return cls(**values)


def _check_argument(argument: Argument, value: Constant) -> None:
    if value is None and argument.default is None:
        return
    fits = _FITS.get(argument.type)
    if fits is not None and not fits(value):
        wrong(f"this does not fit an argument that is of type {argument.type}")
    least = argument.minimum
    numbers = value if isinstance(value, Size) else (value,)
    if least is not None and any(isinstance(n, int | Fraction | float) and not n >= least for n in numbers):
        wrong(f"this is at least {least}")


def _whole(value: object) -> bool:
    return isinstance(value, int | Poly) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | Fraction | float | Poly) and not isinstance(value, bool)


_FITS: dict[str, Callable[[Constant], bool]] = {
    "axes": lambda v: all(map(_whole, v)) and bool(v) if isinstance(v, Size) else _whole(v),
    "whole": _whole,
    "number": _number,
    "numbers": lambda v: all(map(_number, v)) and bool(v) if isinstance(v, tuple) else _number(v),
    "word": lambda v: isinstance(v, str),
    "grid": lambda v: isinstance(v, Grid),
    "factor": lambda v: all(map(_whole, v)) and bool(v) if isinstance(v, Size) else _number(v),
    "bool": lambda v: isinstance(v, bool),
}
OPERATOR = Codec(_write_operator, _read_operator)

__all__ = ["CONSTANT", "DIM", "DIMS", "EXPRESSION", "LABEL", "OPERATOR", "PATH", "SHAPE", "SPAN"]
