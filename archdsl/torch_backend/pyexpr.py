"""Expressions of `archdsl.torch_backend.pycode` as layout documents: their parentheses and their possible breaks.

The rules are those of `ruff format`; where they look arbitrary, they are Black's, which ruff follows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Final, TypeAlias

from archdsl.torch_backend import pycode as py
from archdsl.torch_backend.pylayout import Doc, Group, If, Indent, Line, MayBreak, render

# Where an expression stands decides where it may break: nowhere outside of brackets (BARE), everywhere inside of them
# (INSIDE), or, for a positive number, wherever the optional parentheses of that number are printed.
BARE: Final = 0
INSIDE: Final = -1
SOFT: Final = Line()
SPACE: Final = Line(" ")

# How tightly operators bind (https://docs.python.org/3/reference/expressions.html#operator-precedence), loosest first.
_IF, _OR, _AND, _NOT, _COMPARE, _BIT_OR, _ADD, _MUL, _MINUS, _POW, _ATOM = range(1, 12)
_ARITHMETIC: Final = {"|": _BIT_OR, "+": _ADD, "-": _ADD, "**": _POW}

Postfix: TypeAlias = py.Attr | py.Call | py.Index
Infix: TypeAlias = py.Bin | py.Compare | py.BoolOp


@dataclass(frozen=True, slots=True)
class Part:
    """An expression where it stands: whether it needs parentheses there."""

    expr: py.Expr | py.Star
    parens: bool = False


def flat(expr: py.Expr) -> str:
    """Return `expr` on one line, however long."""
    return render(doc(Part(expr), BARE), width=sys.maxsize)


# -- parentheses ------------------------------------------------------------------------------------------------------


def is_negative(expr: py.Expr | py.Star) -> bool:
    """Return whether `expr` is a number with a minus, which Python reads as an operator."""
    return isinstance(expr, py.Lit) and isinstance(expr.value, int | float) and repr(expr.value).startswith("-")


def _strength(expr: py.Expr | py.Star) -> int:
    """Return how tightly the outermost operator of `expr` binds."""
    match expr:
        case py.IfExp():
            return _IF
        case py.BoolOp(op):
            return _OR if op == "or" else _AND
        case py.Compare():
            return _COMPARE
        case py.Bin(op):
            return _ARITHMETIC.get(op, _MUL)
        case py.Unary(op):
            return _NOT if op == "not" else _MINUS
        case py.Lit() if is_negative(expr):
            return _MINUS
        case _:
            return _ATOM


def _part(expr: py.Expr, minimum: int) -> Part:
    """Return `expr` as an operand of what binds with `minimum`."""
    return Part(expr, _strength(expr) < minimum)


def operands_of(expr: Infix | py.Unary | py.IfExp) -> list[Part]:
    """Return the operands in the order in which they are written."""
    match expr:
        case py.Bin("**", left, right):
            return [_part(left, _ATOM), _part(right, _MINUS)]
        case py.Bin(_, left, right):
            return [_part(left, _strength(expr)), _part(right, _strength(expr) + 1)]
        case py.Compare(_, left, right):
            return [_part(left, _BIT_OR), _part(right, _BIT_OR)]
        case py.BoolOp(_, operands):
            return [_part(operand, _strength(expr) + 1) for operand in operands]
        case py.Unary(_, operand):
            is_power = isinstance(operand, py.Bin) and operand.op == "**"
            return [Part(operand, is_power or _strength(operand) < _strength(expr))]
        case py.IfExp(test, then, orelse):
            return [_part(then, _OR), _part(test, _OR), Part(orelse)]


def base_of(expr: Postfix) -> Part:
    """Return what stands before the dot or bracket."""
    base = expr.func if isinstance(expr, py.Call) else expr.value
    is_number = isinstance(expr, py.Attr) and isinstance(base, py.Lit) and type(base.value) in (int, float)
    return Part(base, is_number or _strength(base) < _ATOM)


# -- documents --------------------------------------------------------------------------------------------------------


def bracket(left: str, content: Doc, right: str, level: int) -> Doc:
    """Return `content`, built for INSIDE, in brackets."""
    inner = Group((left, Indent((SOFT, content)), SOFT, right))
    return MayBreak(left, inner, level) if level > 0 else inner


def joined(docs: Sequence[Doc], *, always_comma: bool = False) -> Doc:
    """Return `docs` with commas between, and one after the last if they stand on lines of their own."""
    last: Doc = If(",") if always_comma or len(docs) > 1 else ""
    return (*((item, ",", SPACE) for item in docs[:-1]), *docs[-1:], last)


def doc(part: Part, level: int) -> Doc:
    """Return the document of an expression."""
    if part.parens:
        return bracket("(", doc(Part(part.expr), INSIDE), ")", level)
    match part.expr:
        case py.Lit(value):
            return _literal(value)
        case py.Name(name):
            return name
        case py.FString(parts):
            return _f_string(parts)
        case py.Attr() | py.Call() | py.Index() as expr:
            return _chain(expr, level, None)
        case py.Bin() | py.Compare() | py.BoolOp() as expr:
            return _group(_infix(list(_flatten(expr)), level), level)
        case py.Unary(op) as expr:
            return ("not " if op == "not" else op, doc(operands_of(expr)[0], level))
        case py.IfExp() as expr:
            return _group(_conditional(expr, level), level)
        case py.Star(value):
            return ("*", doc(_part(value, _BIT_OR), level))
        case py.List(items):
            return bracket("[", _items(items), "]", level) if items else "[]"
        case py.Tuple(items):
            only_comma: Doc = "," if len(items) == 1 else ""
            return bracket("(", (_items(items), only_comma), ")", level) if items else "()"
        case py.ListComp() as expr:
            return bracket("[", Group(_comprehension(expr)), "]", level)
        case py.Filtered(name, iterable, test):
            parts = (bare(name, BARE), doc(_part(iterable, _OR), BARE), doc(_part(test, _OR), BARE))
            return ("(", parts[0], " for ", parts[0], " in ", parts[1], " if ", parts[2], ")")


def _items(items: Sequence[py.Expr | py.Star]) -> Doc:
    return joined([doc(Part(item), INSIDE) for item in items])


def _comprehension(expr: py.ListComp) -> Doc:
    iterable = doc(_part(expr.iterable, _OR), INSIDE)
    return (Group(doc(Part(expr.element), INSIDE)), SPACE, "for ", bare(expr.target, INSIDE), " in ", iterable)


def _group(content: Doc, level: int) -> Doc:
    """Return `content` as a group where it can break."""
    if level == BARE:
        return content
    return Group(content) if level == INSIDE else Group(content, when=level)


def _break(level: int, line: Line = SPACE) -> Doc:
    """Return `line` where an expression can break, else its flat form."""
    if level == BARE:
        return line.flat
    return line if level == INSIDE else If(line, line.flat, level)


def _conditional(expr: py.IfExp, level: int) -> Doc:
    then, test, orelse = operands_of(expr)
    last = _conditional(orelse.expr, level) if isinstance(orelse.expr, py.IfExp) else _group(doc(orelse, level), level)
    return (doc(then, level), _break(level), "if ", doc(test, level), _break(level), "else ", last)


def parenthesized_if_broken(content: Doc) -> Doc:
    """Return `content`, built for INSIDE, in parentheses if it does not fit on the line."""
    return Group((If("("), Indent((SOFT, content)), SOFT, If(")")))


def bare(expr: py.Expr, level: int = BARE) -> Doc:
    """Return a target or a value of `return`: a tuple of two or more has no parentheses on one line."""
    if isinstance(expr, py.Tuple) and len(expr.items) > 1:
        return parenthesized_if_broken(_items(expr.items))
    return doc(Part(expr), level)


# -- operators --------------------------------------------------------------------------------------------------------


def _flatten(expr: Infix) -> Iterator[Part | str]:
    """Yield the operands and operators of `expr` and of the operands that stand in it without parentheses."""
    operator = expr.op
    for index, operand in enumerate(operands_of(expr)):
        if index:
            yield operator
        if isinstance(operand.expr, Infix) and not operand.parens:
            yield from _flatten(operand.expr)
        else:
            yield operand


def _infix(parts: Sequence[Part | str], level: int) -> Doc:
    """Return the document of operands and operators: it breaks before the loosest operators, all or none."""
    if isinstance(parts[0], Part) and len(parts) == 1:
        return doc(parts[0], level)
    loosest = max(order(op) for op in parts if isinstance(op, str))
    cuts = [i for i, op in enumerate(parts) if isinstance(op, str) and order(op) == loosest]
    docs: list[Doc] = []
    for start, end in zip([0, *(cut + 1 for cut in cuts)], [*cuts, len(parts)], strict=True):
        run = _infix(parts[start:end], level)
        docs.append(run if end - start == 1 else _group(run, level))
        if end < len(parts):
            docs.append(_operator(parts[end - 1], str(parts[end]), parts[end + 1], level))
    return tuple(docs)


def _operator(left: Part | str, op: str, right: Part | str, level: int) -> Doc:
    """Return an operator with the break before and the space after it; none around `**` between simple operands."""
    if op != "**" or not (_is_simple(left) and _is_simple(right)):
        return (_break(level), op, " ")
    return (_break(level, SOFT), op, "" if level == BARE else If(" ", "", max(level, 0)))


def _is_simple(part: Part | str | py.Expr) -> bool:
    """Return whether ruff writes no spaces around `**` beside this operand."""
    match part:
        case Part(expr, parens):
            return not parens and not isinstance(expr, py.Star) and _is_simple(expr)
        case py.Name():
            return True
        case py.Lit(value):
            return not isinstance(value, str | EllipsisType)
        case py.Unary("-", operand):
            return _is_simple(operand)
        case py.Attr(value):
            return _is_simple(value)
        case _:
            return False


def order(op: str) -> int:
    """Return when a line breaks at `op`, later for the tighter ones; 1 is for attributes."""
    if op in py.ARITHMETIC:
        return 20 - _ARITHMETIC.get(op, _MUL)
    return 18 if op in {"and", "or"} else 17


# -- calls, attributes, subscripts ------------------------------------------------------------------------------------


def _chain(expr: Postfix, level: int, inherited: bool | None) -> Doc:
    """Return the document of a chain; a fluent one has two or more dots after brackets and may break at them."""
    fluent = level != BARE and is_fluent(expr) if inherited is None else inherited
    base = base_of(expr)
    content: Doc
    match expr:
        case py.Attr(value, name):
            may_break = fluent and (base.parens or isinstance(value, py.Call | py.Index))
            pass_on = inherited if isinstance(value, py.Attr) else fluent
            content = (_link(base, level, pass_on if fluent else None), SOFT if may_break else "", f".{name}")
        case py.Call():
            content = (_link(base, level, fluent), _arguments(expr, level))
        case py.Index(_, index):
            content = (_link(base, level, fluent), bracket("[", _subscript(index), "]", level))
    return Group(content) if fluent and inherited is None else content


def _link(base: Part, level: int, fluent: bool | None) -> Doc:
    if isinstance(base.expr, Postfix) and not base.parens:
        return _chain(base.expr, level, fluent)
    return doc(base, level)


def is_fluent(expr: py.Expr | py.Star) -> bool:
    """Return whether two or more attributes follow a bracket."""
    dots = 0
    while isinstance(expr, Postfix):
        base = base_of(expr)
        dots += isinstance(expr, py.Attr) and (base.parens or isinstance(base.expr, py.Call | py.Index))
        if base.parens:
            break
        expr = base.expr
    return dots > 1


def _arguments(call: py.Call, level: int) -> Doc:
    docs: list[Doc] = [doc(Part(arg), INSIDE) for arg in call.args]
    docs += [(f"{name}=", doc(Part(value), INSIDE)) for name, value in call.kwargs]
    return bracket("(", Group(joined(docs)), ")", level) if docs else "()"


def _subscript(index: py.Expr | py.Slice | tuple[py.Expr | py.Slice, ...]) -> Doc:
    match index:
        case tuple(items):
            return Group(joined([_subscript(item) for item in items]))
        case py.Slice(lower, upper):
            is_simple = all(bound is None or _is_simple_bound(bound) for bound in (lower, upper))
            left: Doc = "" if lower is None else (doc(Part(lower), INSIDE), "" if is_simple else " ")
            right: Doc = "" if upper is None else ("" if is_simple else " ", doc(Part(upper), INSIDE))
            return (left, ":", right)
        case _:
            return doc(Part(index), INSIDE)


def _is_simple_bound(expr: py.Expr) -> bool:
    """Return whether ruff writes no spaces around `:` beside this bound."""
    match expr:
        case py.Name(name):
            return "." not in name
        case py.Unary("-", operand):
            return _is_simple_bound(operand)
        case _:
            return isinstance(expr, py.Lit)


# -- literals ---------------------------------------------------------------------------------------------------------


def _literal(value: py.Value) -> str:
    match value:
        case str():
            return _quoted(value.encode("unicode_escape").decode("ascii"))
        case float():
            return repr(value).replace("e+", "e")
        case EllipsisType():
            return "..."
        case _:
            return repr(value)


def _quoted(escaped: str) -> str:
    """Return text without unprintable characters in the quotes that need fewer escapes, double ones if in doubt."""
    quote = "'" if escaped.count('"') > escaped.count("'") else '"'
    return quote + escaped.replace(quote, "\\" + quote) + quote


def _f_string(parts: Sequence[str | py.Expr]) -> str:
    texts = [part.encode("unicode_escape").decode("ascii") if isinstance(part, str) else part for part in parts]
    written = [
        text.replace("{", "{{").replace("}", "}}") if isinstance(text, str) else f"{{{flat(text)}}}" for text in texts
    ]
    return f"f{_quoted(''.join(written))}"
