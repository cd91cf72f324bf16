"""The state of one body being built, and what every kind of statement needs of it.

`elaborate.body` walks the statements; `loops`, `compounds`, `calls`, `layers`, `modules` and `references` are functions
over a builder. They come back to the walk through the two abstract methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from .. import expr as ex
from ..diagnostics import Diagnostic, Label, Span, SpecError, fail
from ..ir import graph as g
from ..ir.dims import DimTooLarge
from ..ir.evaluate import Env, describe, evaluate
from ..ir.names import is_taken
from ..ir.operator import Operator, Refusal
from ..ir.shapes import Constant, Shape
from ..spec import Definition
from ..syntax import tree as t
from .claims import claims_of
from .labels import Found, Labels, Redo, Target
from .mentions import has_label
from .session import File, Session, TooLargeError

Party: TypeAlias = tuple[Span, str]
"""Where a value comes from, and what a message says before its shape."""
Made: TypeAlias = tuple[list[g.Node], int]
Make: TypeAlias = Callable[[int], Made]


class Site(NamedTuple):
    """Where something is called: the call as written, the word it comes down to, its label, the value that flows in."""

    call: t.Call
    word: str
    label: ex.Path | None
    x: int

    def again(self, x: int) -> Site:
        """The same once more, for `again`."""
        return self._replace(label=None, x=x)


UNKNOWN = Shape("vector", (0,))  # stands in an instance whose body has a mistake; no network with one is given out


class _Within:
    """A stretch of the walk that sees other names; a loop of thousands of iterations enters thousands of them."""

    __slots__ = ("builder", "inner", "outer")

    def __init__(self, builder: Builder, env: Env, labels: Labels, defs: tuple[Definition, ...]) -> None:
        self.builder = builder
        self.inner = env, labels, defs
        self.outer = builder.env, builder.labels, builder.defs

    def __enter__(self) -> None:
        self.builder.env, self.builder.labels, self.builder.defs = self.inner

    def __exit__(self, *error: object) -> None:
        self.builder.env, self.builder.labels, self.builder.defs = self.outer


class Builder(ABC):
    """One instance in the making: its values, and where the walk is.

    `env`, `labels` and `defs` (the abbreviations being written out) change as the walk goes in and out of things. A
    value whose shape is None depends on a mistake that has been reported. `incomplete`: a mistake hid what may have
    defined labels, so that a label not found is no second mistake.
    """

    def __init__(self, session: Session, file: File, env: Env, until: tuple[str, ...] | None = None) -> None:
        self.session = session
        self.file = file
        self.env: Env = env
        self.labels = Labels()
        self.defs: tuple[Definition, ...] = ()
        self.until = until
        self.stopped = False
        self.incomplete = False
        self.shapes: list[Shape | None] = []
        self.claims: list[g.Claim] = []
        self.looked: set[int] = set()  # the values that labels were used for

    @abstractmethod
    def statements(self, statements: Sequence[t.Statement], x: int, closing: bool = False) -> Made:
        """Nodes for some statements, `x` flowing in; `closing`: facts that end them speak of the whole body."""

    @abstractmethod
    def inline(self, inline: t.Inline | t.Block, x: int) -> Made:
        """Nodes for what stands in a line, or in lines below a head."""

    # -- values

    def new_value(self, shape: Shape | None) -> int:
        """The number of a new value."""
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def unknown(self) -> int:
        """A value that depends on a mistake."""
        return self.new_value(None)

    def known(self, values: Sequence[int]) -> tuple[Shape, ...] | None:
        """The shapes of some values; None if one is unknown."""
        if len(values) == 1:
            shape = self.shapes[values[0]]
            return None if shape is None else (shape,)
        shapes: tuple[Any, ...] = tuple([self.shapes[value] for value in values])
        return shapes if all(shapes) else None

    def result_of(self, instance: g.Instance, errors_before: int) -> int:
        """A value for what an instance gives, unknown if making it brought mistakes to light."""
        broken = len(self.session.collector.errors) > errors_before or 0 in instance.result.dims
        return self.new_value(None if broken else instance.result)

    def applied(
        self, op: Operator, inputs: Sequence[int], span: Span, spans: Mapping[str, Span], parties: Sequence[Party] = ()
    ) -> int:
        """A value for what an operator gives; a refusal is reported at the argument it names, with the inputs' places."""
        shapes = self.known(inputs)
        if shapes is None:
            return self.unknown()
        try:
            self.shapes.append(op.output(*shapes))
            return len(self.shapes) - 1
        except Refusal as refusal:
            place = spans.get(refusal.argument or "", span)
            labels = tuple(
                Label(where, f"{what} {shape}") for (where, what), shape in zip(parties, shapes, strict=False)
            )
            self.session.report(Diagnostic(refusal.code, refusal.message, place, labels, refusal.help))
            return self.unknown()

    # -- where the walk is

    def within(
        self, *, env: Env | None = None, labels: Labels | None = None, defs: tuple[Definition, ...] | None = None
    ) -> _Within:
        """What is built inside sees other names."""
        return _Within(self, env or self.env, labels or self.labels, self.defs if defs is None else defs)

    # -- labels

    def name_input(self, name: str, value: int, span: Span) -> None:
        """An input is called like a labelled value."""
        self.labels.define((name,), Target(value, span))

    def define(self, segments: tuple[str, ...], target: Target) -> None:
        """Name something here; if it is the label up to which the body is wanted, nothing after it is built."""
        self.labels.define(segments, target)
        if self.until is not None and (*self.labels.path, *segments) == self.until:
            self.stopped = True

    def define_label(self, label: ex.Path | None, target: Target) -> None:
        """Name something by its label, if it has one."""
        if label is not None:
            self.define(self.segments(label), target)

    def label(self, label: ex.Path | None) -> g.Label | None:
        """A label as nodes carry it."""
        return None if label is None else g.Label(self.names(label), label)

    def names(self, label: ex.Path) -> tuple[str, ...]:
        """A label's segments as names of modules. Raises SpecError (A0510) for one that PyTorch keeps for itself."""
        found = self.segments(label)
        for segment in found:
            if not segment:
                fail("A0503", "a label cannot be empty", label.span)
            if is_taken(segment):
                message = f"nothing can be called `{segment}`: every module of PyTorch has something of this name"
                fail("A0510", message, label.span, f"another label, such as `{segment.strip('_')}1`")
        return found

    def find(self, segments: tuple[str, ...], span: Span | None) -> Found | None:
        """What a label names; None if a mistake may be why it is not there."""
        found = self.labels.find(segments)
        if found is None and not self.incomplete:
            self.labels.missing(segments, span, self.env.naming_values())
        return found

    def is_unknown(self, target: Target) -> bool:
        """Whether what a label names depends on a mistake."""
        return target.value is not None and self.shapes[target.value] is None

    def segments(self, path: ex.Path) -> tuple[str, ...]:
        """A label's segments, what stands in braces computed."""
        return tuple("".join(p if isinstance(p, str) else self._computed(p) for p in s) for s in path.segments)

    def _computed(self, part: ex.Expr) -> str:
        value = evaluate(part, self.env)
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            fail("A0503", f"what a label computes is whole or a word, this is {describe(value)}", part.span)
        return str(value)

    def named_level(self, label: ex.Path, span: Span, x: int, make: Make) -> Made:
        """A label over several items. `_` is called by its position."""
        segments = self.names(label)
        scope = Labels(self.labels, (*self.labels.path, *segments))
        redo = self.redo(make, segments)
        with self.within(labels=scope):
            body, y = make(x)
        named = None if segments == ("_",) else g.Label(segments, label)
        node = g.Level(named, tuple(body), y, span)
        self.session.count_nodes(span)
        if named is not None:
            self.define(segments, Target(y, label.span or span, scope, node, redo=redo))
        return [node], y

    def redo(self, make: Make, level: tuple[str, ...] = ()) -> Redo:
        """`make` once more, later: it sees what is seen here, and its labels are not defined a second time."""
        env, labels, defs = self.env, self.labels, self.defs

        def again(x: int) -> tuple[g.Body, int]:
            with self.within(env=env, labels=Labels(labels, (*labels.path, *level)), defs=defs):
                body, y = make(x)
            return tuple(body), y

        return again

    # -- mistakes

    def recover(self, error: SpecError | DimTooLarge, culprit: t.Statement | t.Item) -> int:
        """Take a mistake; what depends on it is unknown, and so are the labels it would have defined."""
        if isinstance(error, TooLargeError):
            raise error
        if isinstance(error, SpecError):
            self.session.take(error)
        else:
            self.session.report(Diagnostic("A0801", f"{error} is more than any network needs", culprit.span))
        value = self.unknown()
        label = culprit.label if isinstance(culprit, t.Item | t.Level) else None
        if label is not None:
            try:
                self.define_label(label, Target(value, culprit.span))
            except SpecError:  # it was defined before the mistake, or cannot be told
                self.incomplete = True
        self.incomplete = self.incomplete or has_label(culprit, below=label is not None)
        return value

    # -- the finished instance

    def claimed(self, facts: t.Facts) -> tuple[g.Claim, ...]:
        """The claims of some facts, where facts speak: in the file itself, at its own parameters."""
        return claims_of(facts, self.env) if facts and self.session.claiming is self.file.spec else ()

    def check_until(self, span: Span) -> None:
        """Refuse a `to` whose label did not come."""
        if self.until is not None and not self.stopped and not self.incomplete:
            fail("A0502", f"`to` a label that is not there: `{'.'.join(self.until)}`", span)

    def instance(
        self,
        body: Sequence[g.Node],
        output: int,
        *,
        entry: tuple[int, ...],
        entry_names: tuple[str, ...],
        heading: str,
        name: str = "",
        arguments: Mapping[str, Constant] | None = None,
        sizes: Mapping[str, Constant] | None = None,
        formals: tuple[tuple[str, ex.Expr | None], ...] = (),
    ) -> g.Instance:
        """What was built."""
        return g.Instance(
            name=name,
            scope=self.file.scope,
            arguments=arguments or {},
            sizes=sizes or {},
            formals=formals,
            entry=entry,
            entry_names=entry_names,
            shapes=tuple(shape or UNKNOWN for shape in self.shapes),
            body=tuple(body),
            output=output,
            claims=tuple(self.claims),
            heading=heading,
        )
