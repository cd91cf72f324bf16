"""A small model of Python code, safe by construction.

Every value that could carry foreign text (a name, a literal, a comment, a docstring) is checked when its node is built
or escaped when it is printed, so no tree of these nodes can print code that its nodes do not say. There is no node for
raw source. `archdsl.torch_backend.pyprint` turns a tree into text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from keyword import iskeyword
from types import EllipsisType
from typing import Final, TypeAlias, cast

ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "//", "%", "**", "@", "|"})
COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "is", "is not", "in", "not in"})
Value: TypeAlias = int | float | bool | str | EllipsisType | None

_LITERAL_TYPES: Final = (int, float, bool, type(None), str, EllipsisType)
_TOOLS: Final = "coding|fmt|yapf|type|noqa|ruff|isort|mypy|pyright|pylint|flake8|pragma"
_PRAGMA: Final = re.compile(rf"\b({_TOOLS})(?=[:=])", re.IGNORECASE)


def identifier(name: str) -> bool:
    """Return whether `name` can be written as one Python name: ASCII and no keyword."""
    return name.isascii() and name.isidentifier() and not iskeyword(name)


def visible(text: str) -> str:
    r"""Return `text` with unprintable characters (control, bidi, lone surrogates) as `\x`, `\u` and `\U` escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _check_names(names: Iterable[str], *, dotted: bool = False) -> None:
    for name in names:
        parts = name.split(".") if dotted else [name]
        _require(all(map(identifier, parts)), f"not a Python name: {name!r}")


@dataclass(frozen=True, slots=True)
class Lit:
    """A literal. Floats must be finite; a subclass of a literal type is refused since its `repr` is anyone's."""

    value: Value

    def __post_init__(self) -> None:
        """Check the type and, for floats, the range."""
        _require(type(self.value) in _LITERAL_TYPES, f"not a literal: {self.value!r}")
        _require(not isinstance(self.value, float) or math.isfinite(self.value), f"no literal for {self.value!r}")


@dataclass(frozen=True, slots=True)
class Name:
    """A name, dots allowed: `x`, `nn.Conv2d`, `self.conv1`."""

    id: str

    def __post_init__(self) -> None:
        """Check every segment."""
        _check_names([self.id], dotted=True)


@dataclass(frozen=True, slots=True)
class Attr:
    """`value.name`."""

    value: Expr
    name: str

    def __post_init__(self) -> None:
        """Check the name."""
        _check_names([self.name])


@dataclass(frozen=True, slots=True)
class Star:
    """`*value`, in a call, list or tuple."""

    value: Expr


@dataclass(frozen=True, slots=True)
class Call:
    """`func(*args, **kwargs)`; the keyword arguments are printed in the order given."""

    func: Expr
    args: tuple[Expr | Star, ...] = ()
    kwargs: tuple[tuple[str, Expr], ...] = ()

    def __post_init__(self) -> None:
        """Check the keywords."""
        names = [name for name, _ in self.kwargs]
        _check_names(names)
        _require(len(names) == len(set(names)), f"keyword repeated: {names}")


@dataclass(frozen=True, slots=True)
class Slice:
    """`lower:upper`, in an `Index`."""

    lower: Expr | None = None
    upper: Expr | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """`value[index]`; a Python tuple of two or more is `value[a, b]`."""

    value: Expr
    index: Expr | Slice | tuple[Expr | Slice, ...]

    def __post_init__(self) -> None:
        """Check the number of indices."""
        _require(not isinstance(self.index, tuple) or len(self.index) > 1, "an index tuple needs two or more parts")


@dataclass(frozen=True, slots=True)
class Bin:
    """`left op right`, an arithmetic operator or `|`."""

    op: str
    left: Expr
    right: Expr

    def __post_init__(self) -> None:
        """Check the operator."""
        _require(self.op in ARITHMETIC, f"not an arithmetic operator: {self.op!r}")


@dataclass(frozen=True, slots=True)
class Unary:
    """`-operand` or `not operand`."""

    op: str
    operand: Expr

    def __post_init__(self) -> None:
        """Check the operator."""
        _require(self.op in {"-", "not"}, f"not a unary operator: {self.op!r}")


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`, a single comparison."""

    op: str
    left: Expr
    right: Expr

    def __post_init__(self) -> None:
        """Check the operator."""
        _require(self.op in COMPARISONS, f"not a comparison: {self.op!r}")


@dataclass(frozen=True, slots=True)
class BoolOp:
    """Two or more operands joined by `and` or by `or`."""

    op: str
    operands: tuple[Expr, ...]

    def __post_init__(self) -> None:
        """Check the operator and the number of operands."""
        _require(self.op in {"and", "or"}, f"not a boolean operator: {self.op!r}")
        _require(len(self.operands) > 1, f"{self.op!r} needs two or more operands")


@dataclass(frozen=True, slots=True)
class IfExp:
    """`then if test else orelse`."""

    test: Expr
    then: Expr
    orelse: Expr


@dataclass(frozen=True, slots=True)
class Tuple:
    """`(a, b)`, printed bare where that is usual: targets and `return`."""

    items: tuple[Expr | Star, ...]


@dataclass(frozen=True, slots=True)
class List:
    """`[a, b]`."""

    items: tuple[Expr | Star, ...]


@dataclass(frozen=True, slots=True)
class ListComp:
    """`[element for target in iterable]`."""

    element: Expr
    target: Target
    iterable: Expr

    def __post_init__(self) -> None:
        """Check the target."""
        _check_target(self.target)


@dataclass(frozen=True, slots=True)
class Filtered:
    """`(name for name in iterable if test)`, which must fit on one line: it is never broken."""

    name: Name
    iterable: Expr
    test: Expr


@dataclass(frozen=True, slots=True)
class FString:
    """`f"..."`: text and expressions. The expressions may hold no string, so that no quotes nest."""

    parts: tuple[str | Expr, ...]

    def __post_init__(self) -> None:
        """Check that the expressions hold no string."""
        expressions = [part for part in self.parts if not isinstance(part, str)]
        _require(not any(map(_holds_string, expressions)), "a string in an expression of an f-string")


def _holds_string(node: object) -> bool:
    """Return whether a string literal or an f-string stands anywhere in `node`."""
    if isinstance(node, tuple):
        return any(map(_holds_string, cast("tuple[object, ...]", node)))
    if isinstance(node, FString) or (isinstance(node, Lit) and isinstance(node.value, str)):
        return True
    return is_dataclass(node) and any(_holds_string(getattr(node, field.name)) for field in fields(node))


Expr: TypeAlias = (
    Lit
    | Name
    | Attr
    | Call
    | Index
    | Bin
    | Unary
    | Compare
    | BoolOp
    | IfExp
    | Tuple
    | List
    | ListComp
    | Filtered
    | FString
)
Target: TypeAlias = Name | Attr | Index | Tuple
Decorator: TypeAlias = Name | Attr | Call


def _check_target(target: Target) -> None:
    if isinstance(target, Tuple):
        _require(bool(target.items), "an empty tuple is no target")
        for item in target.items:
            inner = item.value if isinstance(item, Star) else item
            _require(isinstance(inner, Name | Attr | Index | Tuple), f"not a target: {inner!r}")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on its own line. Line breaks become spaces, and words that tools obey are made inert."""

    text: str

    @property
    def line(self) -> str:
        """The comment as it is printed, with its `#`."""
        text = _PRAGMA.sub(r"\1 ", visible(" ".join(self.text.split())))
        return f"# {text}".rstrip()


@dataclass(frozen=True, slots=True)
class Assign:
    """`target = value  # comment` or `target: annotation = value`. The comment is left out where it does not fit."""

    target: Target
    value: Expr
    annotation: Expr | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        """Check the target."""
        _check_target(self.target)
        _require(self.annotation is None or not isinstance(self.target, Tuple), "a tuple target takes no annotation")


@dataclass(frozen=True, slots=True)
class Declare:
    """`name: annotation`, a field of a class."""

    name: str
    annotation: Expr

    def __post_init__(self) -> None:
        """Check the name."""
        _check_names([self.name])


@dataclass(frozen=True, slots=True)
class AugAssign:
    """`target op= value`."""

    op: str
    target: Name | Attr | Index
    value: Expr
    comment: str | None = None

    def __post_init__(self) -> None:
        """Check the operator."""
        _require(self.op in ARITHMETIC, f"not an arithmetic operator: {self.op!r}")


@dataclass(frozen=True, slots=True)
class ExprStmt:
    """A call as a statement. Other expressions would do nothing there, but for a string, which would be a docstring."""

    value: Call
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Return:
    """`return value`."""

    value: Expr | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class If:
    """`if test:`; an `orelse` of exactly one `If` prints as `elif`. An empty body prints `pass`."""

    test: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    """`for target in iterable:`."""

    target: Target
    iterable: Expr
    body: tuple[Stmt, ...]

    def __post_init__(self) -> None:
        """Check the target."""
        _check_target(self.target)


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: `name: annotation = default`."""

    name: str
    annotation: Expr | None = None
    default: Expr | None = None

    def __post_init__(self) -> None:
        """Check the name."""
        _check_names([self.name])


@dataclass(frozen=True, slots=True)
class FunctionDef:
    """`def name(params) -> returns:`."""

    name: str
    params: tuple[Param, ...]
    returns: Expr | None
    body: tuple[Stmt, ...]
    docstring: str | None = None
    decorators: tuple[Decorator, ...] = ()

    def __post_init__(self) -> None:
        """Check the names, and that no parameter without default follows one with a default."""
        names = [param.name for param in self.params]
        _check_names([self.name])
        _require(len(names) == len(set(names)), f"parameter repeated: {names}")
        optional = [param.default is not None for param in self.params]
        _require(optional == sorted(optional), f"a parameter without default follows one with: {names}")


@dataclass(frozen=True, slots=True)
class ClassDef:
    """`class name(bases):`."""

    name: str
    bases: tuple[Expr, ...]
    body: tuple[Stmt, ...]
    docstring: str | None = None
    decorators: tuple[Decorator, ...] = ()

    def __post_init__(self) -> None:
        """Check the name."""
        _check_names([self.name])


@dataclass(frozen=True, slots=True)
class Import:
    """`import module` or `import module as alias`."""

    module: str
    alias: str | None = None

    def __post_init__(self) -> None:
        """Check the names."""
        _check_names([self.module], dotted=True)
        _check_names([] if self.alias is None else [self.alias])


@dataclass(frozen=True, slots=True)
class ImportFrom:
    """`from module import names`."""

    module: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the names."""
        _check_names([self.module], dotted=True)
        _check_names(self.names)
        _require(bool(self.names), f"nothing to import from {self.module}")


Stmt: TypeAlias = (
    Assign | Declare | AugAssign | ExprStmt | Return | If | For | FunctionDef | ClassDef | Import | ImportFrom | Comment
)


@dataclass(frozen=True, slots=True)
class Module:
    """A file: its docstring and its statements."""

    docstring: str | None
    body: tuple[Stmt, ...]
