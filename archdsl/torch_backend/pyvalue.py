"""Expressions of `archdsl.torch_backend.pycode` outside of brackets: when they are put in parentheses to be broken.

The rules are those of `ruff format`. A value that is too long for its line is, in this order: broken at its own last
(or first) brackets, if what stands outside of them is simple enough; put in parentheses and broken at its operators;
or, if it has neither, put in parentheses on the next line where that makes it fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from archdsl.torch_backend import pycode as py
from archdsl.torch_backend import pyexpr as ex
from archdsl.torch_backend.pylayout import Doc, Group, If, Indent, Wrap

_numbers = count(1)


def wrapped(expr: py.Expr) -> Doc:
    """Return `expr` in parentheses if that, and only that, makes it fit."""
    number = next(_numbers)
    return Wrap(ex.doc(ex.Part(expr), number), number)


def value(expr: py.Expr, *, may_wrap: bool = True) -> Doc:
    """Return an expression outside of brackets, with parentheses where breaking it needs them."""
    match _needs(expr):
        case "parentheses":
            return _parenthesized(expr)
        case "room" if may_wrap:
            return wrapped(expr)
        case _:
            return ex.doc(ex.Part(expr), ex.BARE)


def returned(expr: py.Expr, *, has_params: bool) -> Doc:
    """Return the annotation of what a function returns; parameters are broken before a subscript in it."""
    if _needs(expr) != "room":
        return value(expr)
    if not has_params:
        return _parenthesized(expr)
    return ex.doc(ex.Part(expr), ex.BARE) if isinstance(expr, py.Index) else wrapped(expr)


def _parenthesized(expr: py.Expr) -> Doc:
    """Return `expr` in parentheses if it does not fit, or does not fit even with its own brackets broken."""
    if not _brackets_suffice(expr):
        return ex.parenthesized_if_broken(ex.doc(ex.Part(expr), ex.INSIDE))
    number = next(_numbers)
    content = Indent((ex.SOFT, ex.doc(ex.Part(expr), number)), when=number)
    return Group((If("("), content, ex.SOFT, If(")")), number)


def is_atom(expr: py.Expr) -> bool:
    """Return whether ruff gives `expr` a line of its own, as a value, whatever its length."""
    match expr:
        case py.Name(name):
            return "." not in name
        case py.FString():
            return True
        case py.Lit(value):
            return value is not ... and not ex.is_negative(expr)
        case _:
            return False


def needs_room(expr: py.Expr) -> bool:
    """Return whether a value may stand in parentheses so that what is left of the operator need not be broken."""
    return is_atom(expr) or (isinstance(expr, ex.Postfix | py.Name) and _needs(expr) == "room")


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
        return ex.bare(left)
    if _holds_brackets(left) or not can_break(left):
        return ex.doc(ex.Part(left), ex.BARE)
    return _parenthesized(left)


def _holds_brackets(expr: py.Expr) -> bool:
    """Return whether `expr`, without attributes at its end, ends in brackets."""
    while isinstance(expr, py.Attr) and not ex.base_of(expr).parens:
        expr = expr.value
    return isinstance(expr, py.Attr) or _own_brackets(ex.Part(expr)) is not None


def _needs(expr: py.Expr | py.Star) -> str:
    """Return what `expr` needs to be broken: "parentheses", "room" on the next line, or "nothing" but its brackets."""
    match expr:
        case py.Bin() | py.Compare() | py.BoolOp() | py.IfExp():
            return "parentheses"
        case py.Unary():
            operand = ex.operands_of(expr)[0]
            return "nothing" if operand.parens else _needs(operand.expr)
        case py.Attr() | py.Call() | py.Index():
            if ex.is_fluent(expr):
                return "parentheses"
            base = ex.base_of(expr)
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
    last: ex.Part | None = None
    first: ex.Part | str | None = None

    def operator(self, rank: int, times: int = 1) -> None:
        """Count operators of a rank, as `order` gives it."""
        if rank > self.loosest:
            self.loosest, self.times = rank, 0
        self.times += times if rank == self.loosest else 0

    def visit(self, part: ex.Part) -> None:
        """Walk through an operand."""
        self.last = part
        if part.parens:
            self.any_brackets = True
        else:
            self.enter(part)
        self.first = self.first or part

    def enter(self, part: ex.Part) -> None:
        """Walk through an expression whose parentheses do not matter."""
        match part.expr:
            case py.List() | py.ListComp() | py.Tuple():
                self.any_brackets = True
            case py.Call() | py.Index() as expr:
                self.any_brackets = True
                self.visit(ex.base_of(expr))
                self.last = part
            case py.Attr() as expr:
                self.visit(ex.base_of(expr))
                if _own_brackets(ex.base_of(expr)) is not None:
                    self.operator(1)
                self.last = part
            case py.Unary() | py.Bin() | py.Compare() | py.BoolOp() | py.IfExp() as expr:
                self._operators(expr)
            case _:
                pass

    def _operators(self, expr: ex.Infix | py.Unary | py.IfExp) -> None:
        operands = ex.operands_of(expr)
        if isinstance(expr, py.Unary):
            self.first = self.first or expr.op
        elif isinstance(expr, py.IfExp):
            self.operator(19, 2)
        else:
            self.operator(ex.order(expr.op), len(operands) - 1)
        for operand in operands:
            self.visit(operand)


def _brackets_suffice(expr: py.Expr) -> bool:
    """Return whether `expr` is broken at its own brackets, if that makes it fit, rather than at its operators."""
    survey = _Survey()
    survey.enter(ex.Part(expr))
    if not survey.any_brackets or survey.times > 1:
        return False
    if survey.loosest <= 1:
        return True
    ends = [survey.last, survey.first]
    return any(isinstance(end, ex.Part) and not isinstance(end.expr, py.Index) and _own_brackets(end) for end in ends)


def _own_brackets(part: ex.Part) -> bool | None:
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
