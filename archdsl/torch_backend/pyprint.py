"""Print the code of `archdsl.torch_backend.pycode` as `ruff format` (its defaults, stable style) leaves it.

Four modules print: `pylayout` breaks documents into lines, `pyexpr` makes documents of expressions, `pyvalue` decides
about parentheses around what does not fit, and this one knows statements, blank lines and docstrings.

One known difference, where ruff changes its own output when it is run twice: an assignment whose target is a tuple or a
subscript, or whose annotation is a subscript or a union, and whose value is a chain of several calls over many lines.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Sequence
from inspect import cleandoc
from typing import Final, TypeAlias

from archdsl.torch_backend import pycode as py
from archdsl.torch_backend import pyexpr as ex
from archdsl.torch_backend import pyvalue as out
from archdsl.torch_backend.pylayout import INDENT, WIDTH, Doc, FirstOf, Group, Indent, render

flat = ex.flat
Definition: TypeAlias = py.FunctionDef | py.ClassDef
_QUOTES: Final = '"""'


def show(module: py.Module) -> str:
    """Return the source of `module`, a final line break included."""
    lines = _docstring(module.docstring, 0)
    body = _block(module.body, 0)
    if lines and body:
        lines += [""] * (2 if isinstance(_first(module.body), Definition) else 1)
    return "".join(f"{line}\n" for line in lines + body)


# -- blocks and the blank lines in them -------------------------------------------------------------------------------


def _block(body: Sequence[py.Stmt], indent: int) -> list[str]:
    """Return the lines of statements that follow each other."""
    lines: list[str] = []
    for index, statement in enumerate(body):
        if index:
            lines += [""] * _gap(body[index - 1], body[index:], indent)
        lines += _statement(statement, indent)
    return lines


def _suite(body: Sequence[py.Stmt], indent: int) -> list[str]:
    """Return the lines of a block that must not be empty."""
    lines = _block(body, indent)
    return lines if _first(body) else [*lines, " " * indent + "pass"]


def _first(body: Sequence[py.Stmt]) -> py.Stmt | None:
    """Return the first statement that is no comment: what the comments before it belong to."""
    return next((statement for statement in body if not isinstance(statement, py.Comment)), None)


def _gap(before: py.Stmt, rest: Sequence[py.Stmt], indent: int) -> int:
    """Return the number of blank lines between a statement and those after it in the same block."""
    after = _first(rest)
    if isinstance(before, py.Comment):
        return 0
    if isinstance(after, Definition) or _ends_in_definition(before):
        return 1 if indent else 2
    if isinstance(before, py.Import | py.ImportFrom):
        is_import = isinstance(after, py.Import | py.ImportFrom)
        return int(not is_import or _section(before) != _section(after))
    return 0


def _ends_in_definition(statement: py.Stmt) -> bool:
    match statement:
        case py.FunctionDef() | py.ClassDef():
            return True
        case py.If(_, body, orelse):
            last = (orelse or body)[-1:]
        case py.For(_, _, body):
            last = body[-1:]
        case _:
            return False
    return bool(last) and _ends_in_definition(last[0])


def _section(statement: py.Import | py.ImportFrom) -> int:
    """Return the section an import belongs to: from the future, the standard library, or elsewhere."""
    root = statement.module.split(".")[0]
    return 0 if root == "__future__" else 1 if root in sys.stdlib_module_names else 2


# -- statements -------------------------------------------------------------------------------------------------------


def _statement(statement: py.Stmt, indent: int) -> list[str]:
    match statement:
        case py.Comment():
            return [" " * indent + statement.line]
        case py.If():
            return _if(statement, indent, "if")
        case py.For(target, iterable, body):
            is_bare = isinstance(target, py.Tuple) and len(target.items) > 1
            header = ("for ", ex.bare(target) if is_bare else out.value(target), " in ", out.value(iterable), ":")
            return _compound(header, body, indent)
        case py.FunctionDef() | py.ClassDef():
            return _definition(statement, indent)
        case py.Declare(name, annotation):
            return _lines((f"{name}: ", out.value(annotation)), indent)
        case py.Import(module, alias):
            return _lines(f"import {module}" + (f" as {alias}" if alias else ""), indent)
        case py.ImportFrom(module, names):
            docs = ex.parenthesized_if_broken(ex.joined(names, always_comma=True))
            return _lines((f"from {module} import ", docs), indent)
        case _:
            lines = _lines(_simple(statement), indent)
            is_wrapped = len(lines) > 1 and statement.value is not None and out.is_atom(statement.value)
            return lines if is_wrapped else _commented(lines, statement.comment)


def _lines(doc: Doc, indent: int) -> list[str]:
    return (" " * indent + render(doc, indent)).split("\n")


def _commented(lines: list[str], comment: str | None) -> list[str]:
    """Return the lines of a statement with its comment after the last, if it fits there."""
    if not comment or comment.isspace():
        return lines
    line = f"{lines[-1]}  {py.Comment(comment).line}"
    width = len(line) + sum(not char.isascii() for char in line)  # at most two columns each
    return [*lines[:-1], line] if width <= WIDTH else lines


def _simple(statement: py.Assign | py.AugAssign | py.ExprStmt | py.Return) -> Doc:
    match statement:
        case py.Assign(target, value, annotation):
            if annotation is not None:
                return _assigned((ex.bare(target), ": "), annotation, "=", value)
            return _assigned((), target, "=", value)
        case py.AugAssign(op, target, value):
            return _assigned((), target, f"{op}=", value)
        case py.ExprStmt(value):
            return ex.doc(ex.Part(value), ex.BARE)
        case py.Return(value):
            if value is None:
                return "return"
            is_bare = isinstance(value, py.Tuple) and len(value.items) > 1
            return ("return ", ex.bare(value) if is_bare else _last(value))


def _last(value: py.Expr) -> Doc:
    """Return the value of an assignment or `return`."""
    return out.wrapped(value) if out.is_atom(value) else out.value(value)


def _assigned(start: Doc, left: py.Expr, op: str, value: py.Expr) -> Doc:
    """Return an assignment; `left` is its target or the annotation of it, whichever stands before the operator."""
    before = (out.left_side(left, is_annotation=bool(start)), f" {op} ")
    if not (out.can_break(left) if start else isinstance(left, py.Tuple | py.Index)):
        return (start, *before, _last(value))
    if not out.needs_room(value):
        return (start, *before, out.value(value))
    plain = ex.doc(ex.Part(value), ex.BARE)
    opened = ((*before, Group(plain, broken=True)),) if isinstance(value, ex.Postfix) else ()
    wrapped = (*before, "(", Group((Indent((ex.SOFT, plain)), ex.SOFT), broken=True), ")")
    return (start, FirstOf(((*before, plain), *opened, wrapped, (Group(before, broken=True), plain))))


def _compound(header: Doc, body: Sequence[py.Stmt], indent: int) -> list[str]:
    inner = _suite(body, indent + INDENT)
    space = [""] if body and isinstance(body[0], Definition) else []
    return [*_lines(header, indent), *space, *inner]


def _if(statement: py.If, indent: int, keyword: str) -> list[str]:
    lines = _compound((f"{keyword} ", out.value(statement.test), ":"), statement.body, indent)
    match statement.orelse:
        case ():
            return lines
        case (py.If() as other,):
            return lines + _if(other, indent, "elif")
        case orelse:
            return lines + _compound("else:", orelse, indent)


# -- definitions ------------------------------------------------------------------------------------------------------


def _definition(node: Definition, indent: int) -> list[str]:
    lines = [line for each in node.decorators for line in _lines(("@", out.value(each, may_wrap=False)), indent)]
    lines += _lines(_function(node) if isinstance(node, py.FunctionDef) else _class(node), indent)
    docstring = _docstring(node.docstring, indent + INDENT)
    if docstring and not node.body:
        return lines + docstring
    needs_blank = docstring and (isinstance(node, py.ClassDef) or isinstance(_first(node.body), Definition))
    return [*lines, *docstring, *([""] if needs_blank else []), *_suite(node.body, indent + INDENT)]


def _class(node: py.ClassDef) -> Doc:
    bases = [ex.doc(ex.Part(base), ex.INSIDE) for base in node.bases]
    return (f"class {node.name}", ex.bracket("(", Group(ex.joined(bases)), ")", ex.BARE) if bases else "", ":")


def _function(node: py.FunctionDef) -> Doc:
    params = ex.joined([_param(param) for param in node.params], always_comma=True)
    content = params if len(node.params) == 1 else Group(params)
    brackets: Doc = ("(", Indent((ex.SOFT, content)), ex.SOFT, ")") if node.params else "()"
    returns: Doc = "" if node.returns is None else (" -> ", out.returned(node.returns, has_params=bool(node.params)))
    return (f"def {node.name}", Group((brackets, returns)), ":")


def _param(param: py.Param) -> Doc:
    annotation: Doc = "" if param.annotation is None else (": ", ex.doc(ex.Part(param.annotation), ex.INSIDE))
    if param.default is None:
        return (param.name, annotation)
    equals = "=" if param.annotation is None else " = "
    return (param.name, annotation, equals, ex.doc(ex.Part(param.default), ex.INSIDE))


# -- docstrings -------------------------------------------------------------------------------------------------------


def _docstring(text: str | None, indent: int) -> list[str]:
    """Return the lines of a docstring; its own line breaks are kept and long lines are wrapped."""
    raw = cleandoc(text or "").strip()
    if not raw:
        return []
    margin = " " * indent
    start = _QUOTES + " " * raw.startswith('"')
    lines = _wrapped(start + _escaped(raw), WIDTH - indent)
    if len(lines) == 1:
        lines = _wrapped(lines[0], WIDTH - indent - len(_QUOTES))
    if len(lines) == 1:
        return [margin + lines[0] + _QUOTES]
    closed = f"{lines[-1]}{_QUOTES}"
    if lines[-1] and len(closed) <= WIDTH - indent and not lines[-1].endswith("\\"):
        return [(margin + line).rstrip() for line in [*lines[:-1], closed]]
    return [(margin + line).rstrip() for line in [*lines, _QUOTES]]


def _wrapped(text: str, width: int) -> list[str]:
    """Return the lines of `text`, the long ones wrapped at spaces with their indentation kept."""
    lines: list[str] = []
    for line in text.split("\n"):
        margin = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line, width, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return lines


def _escaped(text: str) -> str:
    """Return `text` so that it ends no triple-quoted string: backslashes, quotes and unprintable characters escaped."""
    lines = [py.visible(line.replace("\\", "\\\\")) for line in text.split("\n")]
    return re.sub(r'"""|"\Z', lambda match: '\\"' * len(match[0]), "\n".join(lines))
