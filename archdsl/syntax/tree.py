"""The syntax tree: a spec as written, before any name is looked up. Both containers end here.

What is edited, formatted and compared. Spans say where a piece stands in the file and take no part in comparison.
"""

from __future__ import annotations

from dataclasses import field

from ..diagnostics import Span
from ..expr import Expr, Path, Ref
from ..records import dataclass

__all__ = ["Expr", "Path", "Ref"]


# ---- arguments ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Positional:
    """`64`; or a flag (`valid`), which only the layer's word can tell."""

    value: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Pair:
    """`stride 2`."""

    name: str
    value: Expr
    name_span: Span = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Off:
    """`no bias`."""

    name: str
    span: Span = field(compare=False, repr=False)


Argument = Positional | Pair | Off


# ---- facts ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShapeFact:
    """`=> 6x28x28`."""

    dims: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CountFact:
    """`=> 156 params`, `=> ~3.8G multiply-adds`, `=> 13378280 params when training`."""

    claim: str
    unit: str
    training: bool
    span: Span = field(compare=False, repr=False)


Fact = ShapeFact | CountFact
Facts = tuple[Fact, ...]


# ---- what stands in a line ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """A word with its arguments: a layer, a module, a def, `file.module`, or a parameter that holds one."""

    word: str
    arguments: tuple[Argument, ...]
    word_span: Span = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Group:
    """`[...]`, perhaps `x n`."""

    body: Chain | Compound
    times: Expr | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Again:
    """`again enc`: what is labelled so once more, with the same weights."""

    path: Path
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Tap:
    """`@label`: begin from that value."""

    ref: Ref
    span: Span = field(compare=False, repr=False)


Unit = Call | Group | Again | Tap


@dataclass(frozen=True, slots=True)
class Alternative:
    """`else gelu`, with what may follow it."""

    unit: Unit
    test: Expr | None
    alternative: Alternative | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """One link of a chain: `label: unit if test else unit`."""

    label: Path | None
    unit: Unit
    test: Expr | None
    alternative: Alternative | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """`a -> b -> c`."""

    items: tuple[Item, ...]
    span: Span = field(compare=False, repr=False)


# ---- heads ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Residual:
    """`residual:`, `residual if s == 1:`."""

    test: Expr | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Join:
    """`concat:`, `add:`, `mul:`, `attend heads 8:`; `concat of split 2:`, `concat along length:`."""

    kind: str
    arguments: tuple[Argument, ...]
    split: Expr | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`shortcut:`: the other arm of a residual."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class For:
    """`for w in [32, 64]:`, `for i in 1..4:`, `for i in 4 downto 1:`."""

    variable: str
    start: Expr
    stop: Expr | None
    down: bool
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ForRows:
    """`for each row of T:`."""

    table: str
    table_span: Span = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Output:
    """`output aux1 when training:`."""

    label: Path
    training: bool
    span: Span = field(compare=False, repr=False)


Head = Residual | Join | Shortcut | For | ForRows | Output


# ---- statements -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """The lines indented below a head or a label, and the facts on the head's own line."""

    facts: Facts
    statements: tuple[Statement, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Line:
    """What fits on one line, with its facts."""

    inline: Inline
    facts: Facts
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Compound:
    """A head and what it speaks of."""

    head: Head
    body: Block | Inline
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Level:
    """A label with lines or a compound under it: `features:`."""

    label: Path
    body: Block | Inline
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """`if test:` with its branches."""

    test: Expr
    then: Block | Statement
    otherwise: Block | Statement | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Dash:
    """`- path`: what stands behind the dash, and the lines indented under it."""

    first: Statement
    rest: tuple[Statement, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """Facts alone on a line: they speak of the whole body."""

    facts: Facts
    span: Span = field(compare=False, repr=False)


Inline = Chain | Compound | Level
Statement = Line | Compound | Level | Choice | Dash | Claim


# ---- the smaller sections -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Formal:
    """A parameter of a module or def; `default` None means it must be given."""

    name: str
    default: Expr | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Signature:
    """`basic w, s=1 on CxHxW -> (2C)x(H/2)x(W/2)`."""

    name: str
    formals: tuple[Formal, ...]
    entry: tuple[Expr, ...] | None
    kind: str | None
    result: tuple[Expr, ...] | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class InputShape:
    """`3x224x224`, `T below vocab`, `256xT map`."""

    dims: tuple[Expr, ...]
    below: Expr | None
    kind: str | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Rename:
    """`pattern -> replacement`, perhaps `, transposed`.

    Several patterns or replacements stand in one text: `q, k, v` are arrays merged or split, `a = b` two names of one.
    """

    pattern: str
    replacement: str
    transposed: bool
    pattern_span: Span = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RenameScope:
    """`in encoder:` and its rules."""

    module: str
    rules: tuple[Rename, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Fill:
    """One recipe of an `init` row: `bias constant 0.5`. `pieces` follow the first word; a pair is a range `low..high`."""

    array: str | None
    word: str
    pieces: tuple[Expr | tuple[Expr, Expr], ...]
    word_span: Span = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Init:
    """A row of `init`: what it speaks of, inside the calls of a module or everywhere, and how it is filled."""

    module: str | None
    targets: tuple[str, ...]
    fills: tuple[Fill, ...]
    test: Expr | None
    module_span: Span | None = field(compare=False, repr=False)
    target_spans: tuple[Span, ...] = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """One change to a body: `kind` is remove, replace, before or after; `label` is the place."""

    kind: str
    label: Path
    content: Statement | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Changes:
    """A `changes` section: changes in order, and the facts that close it. `span` is its key, or the module it speaks of."""

    changes: tuple[Change, ...]
    facts: Facts
    span: Span = field(compare=False, repr=False)
