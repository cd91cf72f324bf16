"""What the bodies of one network share: files with their parameters bound, mistakes, limits.

The instances themselves are made in `elaborate.network`; here is only what a body asks of it, so that bodies need not
know who builds them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from .. import limits
from ..diagnostics import Collector, Diagnostic, Label, Span, SpecError, did_you_mean, fail
from ..ir.evaluate import Env, Held
from ..ir.graph import Init, Instance, Scope
from ..ir.operator import Operator, find_operator, operators
from ..ir.shapes import Constant, Grid, Shape
from ..ops import PLANNED
from ..records import dataclass
from ..spec import Definition, Spec
from .files import Library
from .mentions import Mentions
from .parameters import Parameters, fingerprint, parse_override

if TYPE_CHECKING:
    from .arguments import Recipe


_MAX_FILES = 64  # that extend one another, as messages tell them
_MOST_REPEATED = 200  # mistakes made again where they were made before, in other turns of a loop or other calls


class TooLargeError(SpecError):
    """A limit that ends elaboration at once."""


@dataclass(eq=False)
class File:
    """A spec with its parameters bound: what its bodies see."""

    spec: Spec
    scope: Scope
    parameters: Parameters
    grids: dict[str, Grid]
    memo: dict[object, Instance] = field(default_factory=dict[object, Instance])
    recipes: dict[type[Operator], dict[int, Recipe]] = field(default_factory=lambda: defaultdict(dict))
    """How calls of each operator were bound, by the ids of their arguments."""
    layers: dict[str, type[Operator]] = field(default_factory=dict[str, type[Operator]])
    """The words that have been seen to be layers here: the file defines and uses nothing of their name."""
    _env: Env | None = None

    def words(self, word: str) -> bool:
        """Whether a word is the name of a layer, a module, a table or another file here."""
        return knows_word(self.spec, word)

    def env(self) -> Env:
        """The names every body of the file sees: its parameters."""
        if self._env is None:
            self._env = Env(self.scope.names, partial(knows_word, self.spec))
        return self._env


def knows_word(spec: Spec, word: str) -> bool:
    """Whether a word is the name of a layer, or of a module, a table, a map or another file of a spec."""
    known = word in spec.definitions or word in spec.tables or word in spec.maps or word in spec.uses
    return known or find_operator(word) is not None


@dataclass(frozen=True)
class Given:
    """What a module is called with: arguments, the shape that flows in, the shapes of values handed over."""

    arguments: Mapping[str, Constant]
    entry: Shape
    values: tuple[tuple[str, Shape], ...] = ()

    @property
    def key(self) -> object:
        """Equal for calls that make equal instances."""
        return tuple((n, fingerprint(v)) for n, v in self.arguments.items()), self.entry, self.values


class Session(ABC):
    """One elaboration: files are bound once, mistakes collected, nodes counted, open calls remembered."""

    def __init__(self, library: Library, collector: Collector) -> None:
        self.library = library
        self.collector = collector
        self.reached: dict[int, object] = {}
        """The nodes of the syntax that were built, by their ids."""
        self.mentions = Mentions()
        self.nodes = self.depth = self.repeated = 0
        self.most_nodes, self.most_depth = limits.of("layers"), limits.of("depth")
        self.trail: list[Callable[[], Label]] = []
        """What led to where elaboration is, the outermost first; said only when there is a mistake."""
        self.calls: list[tuple[int, str]] = []
        self.claiming: Spec | None = None
        self.side_outputs: list[str] = []
        """The labels of the network's further outputs, as far as they are made."""
        self.outputs: tuple[str, ...] = ()
        self.sizes: Mapping[str, Held] = {}
        self._files: dict[object, File] = {}

    @abstractmethod
    def whole(self, file: File, entry: tuple[Shape, ...], until: tuple[str, ...] | None, span: Span) -> Instance:
        """The layers of a file, up to a label, as one instance."""

    @abstractmethod
    def module(self, file: File, definition: Definition, given: Given, span: Span) -> Instance:
        """One module at one choice of arguments and entry shapes."""

    @abstractmethod
    def opened(self, file: File) -> None:
        """Report what is wrong with a file whatever its layers are."""

    # -- files

    def file(self, spec: Spec, overrides: Mapping[str, Constant], spans: Mapping[str, Span] | None = None) -> File:
        """A spec at one choice of parameters; `spans` say where each is set, None if from outside."""
        for name, value in overrides.items():
            parse_override(spec, name, value, None if spans is None else spans[name])
        key = (id(spec), tuple((n, fingerprint(v)) for n, v in sorted(overrides.items(), key=lambda kv: kv[0])))
        if key not in self._files:
            parameters = Parameters(spec, overrides, spans or {})
            names = parameters.all()
            rows = self._initial(spec, names) if spec.inits else ()
            scope = Scope(spec.file.name, spec.network, spec.source, names, rows)
            grids = {n: Grid(n, m.rows) for n, m in spec.maps.items()}
            _check_words(spec)
            self._files[key] = File(spec, scope, parameters, grids)
            self.opened(self._files[key])
        return self._files[key]

    def _initial(self, spec: Spec, names: Mapping[str, Constant]) -> tuple[Init, ...]:
        from .inits import initial_rows

        env = Env(names, lambda word: knows_word(spec, word))
        return initial_rows(spec, env, self.take)

    # -- diagnostics

    def report(self, diagnostic: Diagnostic) -> None:
        """Take a mistake, with the calls that led to it.

        Elaboration ends when there are too many, or when it does nothing but make known ones again.
        """
        before = self.collector.count
        self.collector.add(
            replace(
                diagnostic,
                trail=diagnostic.trail
                or (*(step() for step in reversed(self.trail)), *self._extended(diagnostic.span)),
            )
        )
        self.repeated += self.collector.count == before
        if self.collector.count >= limits.of("errors") or self.repeated >= _MOST_REPEATED:
            raise TooLargeError([])

    def _extended(self, span: Span | None) -> list[Label]:
        """That a place is in a file which another one extends, and that one perhaps in turn."""
        found: list[Label] = []
        while span is not None and len(found) < _MAX_FILES:
            span = self.library.extended.get(span.file.name)
            if span is not None:
                found.append(Label(span, "in the file extended at"))
        return found

    def take(self, error: SpecError) -> None:
        """Take what was raised."""
        for diagnostic in error.diagnostics:
            self.report(diagnostic)

    # -- limits

    def count_nodes(self, span: Span | None) -> None:
        """Elaboration always ends: at most so many nodes."""
        self.nodes += 1
        if self.nodes > self.most_nodes:
            message, help = limits.sentence("layers")
            raise TooLargeError([Diagnostic("A0801", message, span, help=help)])

    def enter(self, file: File, name: str, span: Span) -> None:
        """Open a call; refuse one that is open already. Whoever enters pops `calls`."""
        call = (id(file.spec), name)
        if call in self.calls:
            what = f"module `{name}`" if name else "a file"
            fail("A0605", f"{what} contains itself", span, "modules cannot recurse")
        limits.check("calls", len(self.calls) + 1, span)
        self.calls.append(call)


@cache
def _flags() -> frozenset[str]:
    """The flags of all layers."""
    return frozenset(a.name for cls in operators().values() for a in cls.arguments() if a.use == "flag")


def _check_words(spec: Spec) -> None:
    for name, definition in spec.definitions.items():
        if find_operator(name) is not None:
            fail(
                "A0611",
                f"`{name}` is a layer's word; a module or def needs another name",
                definition.span.first(len(name)),
            )
    for name, span in spec.parameter_spans.items():
        if name in _flags():
            fail("A0611", f"`{name}` is a flag of a layer; a parameter needs another name", span)
    for word, span in spec.default_spans.items():
        if find_operator(word) is None and word not in PLANNED:
            help = did_you_mean(word, [*operators(), *PLANNED])
            fail("A0201", f"`default` speaks of layers, and `{word}` is none", span, help)
