"""The parts of the intermediate representation: instances, the nodes of their bodies, the scopes they see.

A network (`ir.graph`) is a tree of *instances*. An `Instance` is one definition (a module, or a whole file's layers)
at one choice of arguments and entry shapes; equal calls share one instance. Its body is a tuple of nodes that read
and make *values*, numbered within the instance. A repeat whose iterations are equal is one `Run` with a count, so the
representation is as long as the spec, not as deep as the network.

Arguments keep the expressions they were written as, beside their values, so that a code generator can print formulas.
Standard library only; immutable; nothing here knows how a spec is written or what torch is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from ..diagnostics import Span
from ..expr import Expr, Path
from ..records import dataclass
from .dims import Dim
from .operator import Operator
from .shapes import Constant, Shape

Names = Mapping[str, Constant]


def _span() -> Span | None:
    return field(default=None, compare=False, repr=False)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Label:
    """What a node is called: its segments as they came out, and as they were written."""

    segments: tuple[str, ...]
    written: Path | None = None

    @property
    def text(self) -> str:
        return ".".join(self.segments)


@dataclass(frozen=True, slots=True)
class Claim:
    """A fact of the spec. `quantity` is shape, params, multiply-adds, connections, statistics, frozen or stored.

    A count holds if it lies within `low` and `high`; a shape if it equals `expected`.
    """

    quantity: str
    text: str
    expected: tuple[Dim, ...] | None = None
    low: Dim = 0
    high: Dim = 0
    training: bool = False
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Layer:
    """An operator applied. `tied` names arrays that belong to another layer, by the path of that layer's label."""

    operator: Operator
    label: Label | None
    inputs: tuple[int, ...]
    output: int
    expressions: tuple[tuple[str, Expr], ...] = ()
    tied: tuple[tuple[str, tuple[str, ...]], ...] = ()
    abbreviation: str | None = None
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Invoke:
    """A module called: `inputs` are the value that flows in and the values handed over."""

    instance: Instance
    word: str
    label: Label | None
    inputs: tuple[int, ...]
    output: int
    expressions: tuple[tuple[str, Expr], ...] = ()
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Level:
    """A level of names: a label over several items. Without a label it is called by its position."""

    label: Label | None
    body: Body
    output: int
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the spec (or a block with its head), and what is claimed of it."""

    body: Body
    output: int
    claims: tuple[Claim, ...] = ()
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Arm:
    """A way from one value to another."""

    input: int
    body: Body
    output: int
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Residual:
    """`f(x) + shortcut(x)`; `taken` False leaves `f(x)` alone."""

    test: Expr | None
    taken: bool
    main: Arm
    shortcut: Arm | None
    shortcut_first: bool
    output: int
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Join:
    """Paths brought together by an operator. With `shares`, path i sees the i-th share of the features.

    `inputs` are what the paths give, then the operator's arguments that are values.
    """

    operator: Operator
    input: int
    shares: tuple[int, ...]
    arms: tuple[Arm, ...]
    inputs: tuple[int, ...]
    output: int
    expressions: tuple[tuple[str, Expr], ...] = ()
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Run:
    """Equal iterations in a row: the first has the given index; `names` are the loop's names in it."""

    count: int
    index: int
    names: tuple[tuple[str, Constant], ...]
    input: int
    body: Body
    output: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """`[...] x n` or a `for`. `kind` is times, list, range or rows; `over` is how the count or list was written."""

    kind: Literal["times", "list", "range", "rows"]
    variable: str | None
    over: Expr | None
    runs: tuple[Run, ...]
    output: int
    span: Span | None = _span()

    @property
    def count(self) -> int:
        return sum(run.count for run in self.runs)


@dataclass(frozen=True, slots=True)
class Choice:
    """A condition that was decided: branch `taken` of `tests` and the else."""

    tests: tuple[Expr, ...]
    taken: int
    body: Body
    output: int
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class SideOutput:
    """`output NAME: ...`: a further output of the network, perhaps in training only."""

    name: str
    training: bool
    body: Body
    value: int
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Reuse:
    """`again path`: what is labelled so once more, with the same arrays. `body` is that application."""

    path: tuple[str, ...]
    body: Body
    inputs: tuple[int, ...]
    output: int
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Look:
    """`@level.label`: a value inside a module or an iteration, seen from outside."""

    path: tuple[str, ...]
    output: int
    span: Span | None = _span()


Node = Layer | Invoke | Level | Line | Residual | Join | Repeat | Choice | SideOutput | Reuse | Look
Body = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """How arrays begin: a scheme of `ir.initial`, its words and numbers. `part` is weight, bias, or not said."""

    part: str | None
    scheme: str
    words: tuple[str, ...] = ()
    numbers: tuple[tuple[str, Constant], ...] = ()
    expressions: tuple[tuple[str, Expr], ...] = ()
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Init:
    """A row of `init`, inside the calls of `module` or everywhere; `taken` False: its condition does not hold."""

    targets: tuple[str, ...]
    fills: tuple[Fill, ...]
    module: str | None = None
    test: Expr | None = None
    taken: bool = True
    spans: tuple[Span | None, ...] = field(default=(), compare=False, repr=False)
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Scope:
    """One file with its parameters bound."""

    file: str
    title: str
    source: str
    names: Names = field(hash=False)
    inits: tuple[Init, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One definition at one choice of arguments and entry shapes. `name` is empty for the layers of a file."""

    name: str
    scope: Scope
    arguments: Names
    sizes: Names
    formals: tuple[tuple[str, Expr | None], ...]
    entry: tuple[int, ...]
    entry_names: tuple[str, ...]
    shapes: tuple[Shape, ...]
    body: Body
    output: int
    claims: tuple[Claim, ...] = ()
    heading: str = ""
    span: Span | None = _span()

    @property
    def result(self) -> Shape:
        """The shape of the main output."""
        return self.shapes[self.output]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The renames of one `names` section: (scope module or None, pattern, replacement, transposed).

    `own`: the spec's own names already are the dialect's (`names torchvision: as written`).
    """

    name: str
    rules: tuple[tuple[str | None, str, str, bool], ...]
    spans: tuple[Span | None, ...] = field(default=(), compare=False, repr=False)
    own: bool = False
