"""Expressions of `archdsl.torch_backend.pycode` as layout documents: their parentheses and their possible breaks.

The rules are those of `ruff format`; where they look arbitrary, they are Black's, which ruff follows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from types import EllipsisType
from typing import Final, TypeAlias

from archdsl.torch_backend import pycode as py
from archdsl.torch_backend.pylayout import Doc, Group, If, Indent, Line, MayBreak, Wrap, render

# Where an expression stands decides where it may break: nowhere outside of brackets (BARE), everywhere inside of them
# (INSIDE), or, for a positive number, wherever the optional parentheses of that number are printed.
BARE: Final = 0
INSIDE: Final = -1
SOFT: Final = Line()
SPACE: Final = Line(" ")

# How tightly operators bind (https://docs.python.org/3/reference/expressions.html#operator-precedence), loosest first.
_IF, _OR, _AND, _NOT, _COMPARE, _BIT_OR, _ADD, _MUL, _MINUS, _POW, _ATOM = range(1, 12)
_ARITHMETIC: Final = {"|": _BIT_OR, "+": _ADD, "-": _ADD, "**": _POW}
_numbers = count(1)

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
        case py.Lit(int() | float() as value) if str(value).startswith("-"):
            return _MINUS
        case _:
            return _ATOM


def _part(expr: py.Expr, minimum: int) -> Part:
    """Return `expr` as an operand of what binds with `minimum`."""
    return Part(expr, _strength(expr) < minimum)


def _operands(expr: Infix | py.Unary | py.IfExp) -> list[Part]:
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


def _base(expr: Postfix) -> Part:
    """Return what stands before the dot or bracket."""
    base = expr.func if isinstance(expr, py.Call) else expr.value
    is_number = isinstance(expr, py.Attr) and isinstance(base, py.Lit) and isinstance(base.value, int | float)
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
            return ("not " if op == "not" else op, doc(_operands(expr)[0], level))
        case py.IfExp() as expr:
            return _group(_conditional(expr, level), level)
        case py.Star(value):
            return ("*", doc(_part(value, _BIT_OR), level))
        case py.List(items):
            return bracket("[", _items(items), "]", level) if items else "[]"
        case py.Tuple([]):
            return "()"
        case py.Tuple([single]):
            return bracket("(", (doc(Part(single), INSIDE), ","), ")", level)
        case py.Tuple(items):
            return bracket("(", _items(items), ")", level)
        case py.ListComp() as expr:
            return bracket("[", Group(_comprehension(expr)), "]", level)


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
    then, test, orelse = _operands(expr)
    last = _conditional(orelse.expr, level) if isinstance(orelse.expr, py.IfExp) else _group(doc(orelse, level), level)
    return (doc(then, level), _break(level), "if ", doc(test, level), _break(level), "else ", last)


# -- operators --------------------------------------------------------------------------------------------------------


def _flatten(expr: Infix) -> Iterator[Part | str]:
    """Yield the operands and operators of `expr` and of the operands that stand in it without parentheses."""
    operator = expr.op
    for index, operand in enumerate(_operands(expr)):
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
    loosest = max(_order(op) for op in parts if isinstance(op, str))
    cuts = [i for i, op in enumerate(parts) if isinstance(op, str) and _order(op) == loosest]
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
    return (_break(level, SOFT), op, "" if level == BARE else If(" "))


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


def _order(op: str) -> int:
    """Return when a line breaks at `op`, later for the tighter ones; 1 is for attributes."""
    if op in py.ARITHMETIC:
        return 20 - _ARITHMETIC.get(op, _MUL)
    return 18 if op in {"and", "or"} else 17


# -- calls, attributes, subscripts ------------------------------------------------------------------------------------


def _chain(expr: Postfix, level: int, inherited: bool | None) -> Doc:
    """Return the document of a chain; a fluent one has two or more dots after brackets and may break at them."""
    fluent = level != BARE and _is_fluent(expr) if inherited is None else inherited
    base = _base(expr)
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


def _is_fluent(expr: py.Expr) -> bool:
    """Return whether two or more attributes follow a bracket."""
    dots = 0
    while isinstance(expr, Postfix):
        base = _base(expr)
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


# -- optional parentheses ---------------------------------------------------------------------------------------------


def parenthesized_if_broken(content: Doc) -> Doc:
    """Return `content`, built for INSIDE, in parentheses if it does not fit on the line."""
    return Group((If("("), Indent((SOFT, content)), SOFT, If(")")))


def wrapped(expr: py.Expr) -> Doc:
    """Return `expr` in parentheses if that, and only that, makes it fit."""
    number = next(_numbers)
    return Wrap(doc(Part(expr), number), number)


def bare(expr: py.Expr, level: int = BARE) -> Doc:
    """Return a target or a value of `return`: a tuple of two or more has no parentheses on one line."""
    if isinstance(expr, py.Tuple) and len(expr.items) > 1:
        return parenthesized_if_broken(_items(expr.items))
    return doc(Part(expr), level)


def value(expr: py.Expr, *, may_wrap: bool = True) -> Doc:
    """Return an expression outside of brackets, with parentheses where breaking it needs them."""
    match _needs(expr):
        case "parentheses":
            return _parenthesized(expr)
        case "room" if may_wrap:
            return wrapped(expr)
        case _:
            return doc(Part(expr), BARE)


def returned(expr: py.Expr, *, has_params: bool) -> Doc:
    """Return the annotation of what a function returns; parameters are broken before a subscript in it."""
    if _needs(expr) != "room":
        return value(expr)
    if not has_params:
        return _parenthesized(expr)
    return doc(Part(expr), BARE) if isinstance(expr, py.Index) else wrapped(expr)


def _parenthesized(expr: py.Expr) -> Doc:
    """Return `expr` in parentheses if it does not fit, or does not fit even with its own brackets broken."""
    if not _brackets_suffice(expr):
        return parenthesized_if_broken(doc(Part(expr), INSIDE))
    number = next(_numbers)
    content = Indent((SOFT, doc(Part(expr), number)), when=number)
    return Group((If("("), content, SOFT, If(")")), number)


def is_infix(expr: py.Expr) -> bool:
    """Return whether `expr` is operands and operators."""
    return isinstance(expr, Infix)


def is_atom(expr: py.Expr) -> bool:
    """Return whether ruff gives `expr` a line of its own, as a value, whatever its length."""
    match expr:
        case py.Name(name):
            return "." not in name
        case py.FString():
            return True
        case py.Lit(value):
            return value is not ...
        case _:
            return False


def needs_room(expr: py.Expr) -> bool:
    """Return whether a value may stand in parentheses so that what is left of the operator need not be broken."""
    return isinstance(expr, Postfix | py.Name | py.Lit | py.FString) and _needs(expr) == "room"


def can_break(left: py.Expr) -> bool:
    """Return whether a target or an annotation has a place to break at."""
    match left:
        case py.Attr(value):
            return can_break(value)
        case py.Unary(_, operand):
            return can_break(operand)
        case py.List(items):
            return bool(items)
        case _:
            return not isinstance(left, py.Name | py.Lit | py.FString)


def left_side(left: py.Expr, *, is_annotation: bool) -> Doc:
    """Return what stands before the operator of an assignment: a target or an annotation."""
    if not is_annotation:
        return bare(left)
    if _holds_brackets(left) or not can_break(left):
        return doc(Part(left), BARE)
    return _parenthesized(left)


def _holds_brackets(expr: py.Expr) -> bool:
    """Return whether `expr`, without attributes at its end, ends in brackets."""
    while isinstance(expr, py.Attr) and not _base(expr).parens:
        expr = expr.value
    return isinstance(expr, py.Attr) or _own_brackets(Part(expr)) is not None


def _needs(expr: py.Expr | py.Star) -> str:
    """Return what `expr` needs to be broken: "parentheses", "room" on the next line, or "nothing" but its brackets."""
    match expr:
        case py.Bin() | py.Compare() | py.BoolOp() | py.IfExp():
            return "parentheses"
        case py.Unary():
            operand = _operands(expr)[0]
            return "nothing" if operand.parens else _needs(operand.expr)
        case py.Attr() | py.Call() | py.Index():
            if _is_fluent(expr):
                return "parentheses"
            base = _base(expr)
            return "nothing" if base.parens else _needs(base.expr)
        case py.Name() | py.Lit() | py.FString():
            return "room"
        case _:
            return "nothing"


@dataclass(slots=True)
class _Survey:
    """What is found on a walk through an expression outside of its brackets."""

    loosest: int = 0
    times: int = 0
    any_brackets: bool = False
    last: Part | None = None
    first: Part | str | None = None

    def operator(self, order: int, times: int = 1) -> None:
        """Count an operator."""
        if order > self.loosest:
            self.loosest, self.times = order, 0
        self.times += times if order == self.loosest else 0

    def visit(self, part: Part) -> None:
        """Walk through an operand."""
        self.last = part
        if part.parens:
            self.any_brackets = True
        else:
            self.enter(part)
        self.first = self.first or part

    def enter(self, part: Part) -> None:
        """Walk through an expression whose parentheses do not matter."""
        match part.expr:
            case py.List() | py.ListComp() | py.Tuple():
                self.any_brackets = True
            case py.Call() | py.Index() as expr:
                self.any_brackets = True
                self.visit(_base(expr))
                self.last = part
            case py.Attr() as expr:
                self.visit(_base(expr))
                if _own_brackets(_base(expr)) is not None:
                    self.operator(1)
                self.last = part
            case py.Unary() | py.Bin() | py.Compare() | py.BoolOp() | py.IfExp() as expr:
                self._operators(expr)
            case _:
                pass

    def _operators(self, expr: Infix | py.Unary | py.IfExp) -> None:
        operands = _operands(expr)
        if isinstance(expr, py.Unary):
            self.first = self.first or expr.op
        elif isinstance(expr, py.IfExp):
            self.operator(19, 2)
        else:
            self.operator(_order(expr.op), len(operands) - 1)
        for operand in operands:
            self.visit(operand)


def _brackets_suffice(expr: py.Expr) -> bool:
    """Return whether `expr` is broken at its own brackets, if that makes it fit, rather than at its operators."""
    survey = _Survey()
    survey.enter(Part(expr))
    if not survey.any_brackets or survey.times > 1:
        return False
    if survey.loosest <= 1:
        return True
    ends = [survey.last, survey.first]
    return any(isinstance(end, Part) and not isinstance(end.expr, py.Index) and _own_brackets(end) for end in ends)


def _own_brackets(part: Part) -> bool | None:
    """Return whether the brackets at the end of `part` hold anything, or None if there are none."""
    if part.parens:
        return True
    match part.expr:
        case py.ListComp() | py.Index():
            return True
        case py.List(items) | py.Tuple(items):
            return bool(items)
        case py.Call(_, args, kwargs):
            return bool(args or kwargs)
        case _:
            return None
