"""Arguments of emitted calls: a literal where all instances agree, else the formula the spec wrote.

A class is emitted once for all instances of a definition, its *lanes*. An argument has a value in every lane and, where
the spec or the operator says how it follows, a source expression. Whatever is printed is evaluated in every lane first,
so a formula that is not right for each of them is never printed; what has no formula becomes an argument of its own.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

from .. import expr as ex
from ..diagnostics import Span, SpecError
from ..ir.dims import Poly, symbols
from ..ir.evaluate import Env, evaluate, size_parts
from ..ir.graph import Instance, Node
from ..ir.operator import Refusal
from ..ir.shapes import Constant, Grid, Listed, Size
from . import pycode as py
from .members import variable_name

FEATURES = "#features"
"""The name under which an expression mentions the features of the entry, where the heading has no name for them."""

MAX_RATIO = 10_000
"""Up to this denominator a ratio is printed as one: `2 / 3`, `1 / 255`."""

_FEATURE_SLOTS = frozenset({"in_channels", "in_features"})
"""Slots that follow from what flows in: they lend their name to no parameter."""

_FUNCTIONS = {"min": "min", "max": "max", "round": "round", "divisible": "make_divisible"}


class NotEmittedError(Exception):
    """What cannot be written as source yet, said in a sentence; where it stands in the spec, and what would help."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help
        self.span: Span | None = None


@contextmanager
def placed(node: Node) -> Generator[None, None, None]:
    """Whatever cannot be written in here stands at a node, unless a node in it is closer."""
    try:
        yield
    except NotEmittedError as error:
        error.span = error.span or node.span
        raise
    except Refusal as refusal:
        error = NotEmittedError(refusal.message, refusal.help)
        error.span = node.span
        raise error from refusal


class UnmergeableError(Exception):
    """Instances that differ in more than one class can say."""


def plain(value: Constant) -> Constant:
    """A size of equal numbers as the one number torch takes as well.

    >>> plain(Size((3, 3))), plain(Size((1, 7)))
    (3, 1x7)
    """
    if isinstance(value, Size) and len(set(value)) == 1:
        return value[0]
    return value


def number(value: Constant) -> ex.Expr | None:
    """A constant as an expression, where it has one."""
    if isinstance(value, bool):
        return ex.Name("yes" if value else "no")
    if isinstance(value, int | Fraction):
        return ex.Number(Fraction(value))
    if isinstance(value, Size) and all(isinstance(d, int) for d in value):
        return ex.SizeExpr(tuple(ex.Number(Fraction(d)) for d in value if isinstance(d, int)))
    return None


def literal(value: Constant | tuple[object, ...]) -> py.Expr:
    """A constant as Python writes it."""
    if isinstance(value, Grid):
        return py.Tuple(tuple(py.Lit("".join("X" if cell else "." for cell in row)) for row in value.rows))
    if isinstance(value, Fraction):
        if Fraction(repr(float(value))) == value or value.denominator > MAX_RATIO:
            return py.Lit(float(value))
        return py.Bin("/", py.Lit(value.numerator), py.Lit(value.denominator))
    if isinstance(value, Poly):
        names = " and ".join(f"`{name}`" for name in sorted(symbols(value)))
        raise NotEmittedError(
            f"the size {value} is symbolic, but the module needs it when it is built",
            f"`input` with a number in the place of {names}",
        )
    if isinstance(value, Listed):
        return py.List(tuple(literal(v) for v in value))
    if isinstance(value, tuple):
        return py.Tuple(tuple(literal(v) for v in value))  # type: ignore[arg-type]
    if isinstance(value, int) and value < 0:
        return py.Unary("-", py.Lit(-value))
    return py.Lit(value)


def features_beside(instance: Instance, at: int) -> str:
    """The name under which an expression mentions the features of a further entry."""
    kind = "channels" if instance.shapes[instance.entry[at]].kind == "map" else "features"
    return f"#{variable_name(instance.entry_names[at])}_{kind}"


@dataclass(eq=False)
class Lane:
    """One instance with the names an expression may mention in it."""

    instance: Instance
    names: dict[str, Constant]

    def env(self) -> Env:
        return Env(self.names, lambda word: not self.size(word))

    def size(self, word: str) -> tuple[str, ...]:
        """The parts of a word that is a size of known names, such as `sxs`."""
        return size_parts(word, self.names)

    @staticmethod
    def of(instance: Instance) -> Lane:
        names = {**instance.scope.names, **instance.arguments, **instance.sizes}
        if instance.entry:
            names[FEATURES] = instance.shapes[instance.entry[0]].features
        for at in range(1, len(instance.entry)):
            features = instance.shapes[instance.entry[at]].features
            if isinstance(features, int):
                names[features_beside(instance, at)] = features
        return Lane(instance, {n: plain(v) for n, v in names.items()})


@dataclass
class Formal:
    """An argument of an emitted class: its value in every lane, and the slots it fills by itself."""

    name: str
    values: tuple[Constant, ...]
    slots: set[str] = field(default_factory=set[str])
    modules: dict[str, str] = field(default_factory=dict[str, str])
    """Where its values are layer words: the torch classes they mean."""


def marked(name: str) -> py.Name:
    """A mention of a formal until the class has named it; those with `#` are not the heading's own."""
    return py.Name(f"extra__{name[1:]}" if name.startswith("#") else f"formal__{name}")


class Formulas:
    """Renders the arguments of one class, and remembers which formals that took."""

    def __init__(self, lanes: Sequence[Lane], pinned: frozenset[str], own: bool = True) -> None:
        self.outermost = len(lanes) == 1 and lanes[0].instance.name == ""
        self.own = own
        """Whether the names are in a heading: those of a level are its surroundings', and what comes in goes before."""
        self.lanes = lanes
        self.pinned = pinned
        self.formals: dict[str, Formal] = {}
        self.helpers: set[str] = set()

    def render(self, active: Mapping[int, Constant], source: ex.Expr | None, slot: str) -> py.Expr:
        """An argument whose values in the active lanes are given."""
        wanted = {lane: plain(v) for lane, v in active.items()}
        if source is not None and self._agrees(source, wanted):
            try:
                return self.code(source, None if slot in _FEATURE_SLOTS else slot)
            except NotEmittedError:
                pass
        first = next(iter(wanted.values()))
        if all(_same(v, first) for v in wanted.values()):
            return literal(first)
        for name in self._candidates():
            if all(_same(self.lanes[lane].names.get(name), v) for lane, v in wanted.items()):
                return self.formal(name)
        return self.extra(wanted, slot)

    def test(self, source: ex.Expr, active: Mapping[int, bool], slot: str) -> py.Expr:
        """A condition that is true in some lanes only."""
        if self._agrees(source, dict(active)):
            try:
                return self.code(source)
            except NotEmittedError:
                pass
        return self.extra(dict(active), slot)

    def _candidates(self) -> list[str]:
        """Names of the definition itself: the file's parameters only where they differ."""
        instance = self.lanes[0].instance
        return [FEATURES, *instance.sizes, *instance.arguments]

    def extra(self, values: Mapping[int, Constant], slot: str) -> py.Expr:
        """An argument of its own for what has no formula; lanes without a value take any."""
        any_value = next(iter(values.values()))
        full = tuple(values.get(i, any_value) for i in range(len(self.lanes)))
        for name, formal in self.formals.items():
            if name.startswith("#") and name != FEATURES and formal.values == full:
                return marked(name)
        name = slot
        while f"#{name}" in self.formals:
            name += "_"
        self.formals[f"#{name}"] = Formal(f"#{name}", full, {slot})
        return marked(f"#{name}")

    def formal(self, name: str, slot: str | None = None) -> py.Expr:
        """A mention of one of the definition's own names."""
        if not self.own and all(_same(lane.names[name], lane.names[FEATURES]) for lane in self.lanes):
            name, slot = FEATURES, None
        if name not in self.formals:
            values = tuple(lane.names[name] for lane in self.lanes)
            if self.outermost and name not in self.pinned:
                literal(values[0])  # nobody could hand over a symbol
            self.formals[name] = Formal(name, values)
        if slot:
            self.formals[name].slots.add(slot)
        return marked(name)

    def classes(self, code: py.Expr, modules: Mapping[str, str]) -> py.Expr:
        """A layer's word as the class it means; an argument that holds one is a class, too."""
        if modules and isinstance(code, py.Lit):
            return py.Name(modules[str(code.value)])
        for formal in self.formals.values() if modules else ():
            if code == marked(formal.name):
                formal.modules.update(modules)
        return code

    def layer_word(self, words: Mapping[int, str], modules: Mapping[str, str]) -> py.Expr | None:
        """An argument that is a layer's word in every lane, as a class of torch; None where no name holds the word."""
        for name in self.lanes[0].instance.arguments:
            if all(self.lanes[n].names.get(name) == word for n, word in words.items()):
                code = self.formal(name, "activation")
                self.formals[name].modules.update(modules)
                return code
        return None

    # -- expressions

    def values(self, source: ex.Expr) -> list[Constant] | None:
        """The value of an expression in every lane; None if it has none in some."""
        try:
            return [plain(evaluate(source, lane.env())) for lane in self.lanes]
        except (SpecError, ArithmeticError, ValueError):
            return None

    def _agrees(self, source: ex.Expr, wanted: Mapping[int, Constant]) -> bool:
        for lane, value in wanted.items():
            try:
                found = plain(evaluate(source, self.lanes[lane].env()))
            except (SpecError, ArithmeticError, ValueError):
                return False
            if not _same(found, value):
                return False
        return True

    def constant(self, source: ex.Expr) -> bool:
        """Whether it is one literal in all lanes, mentioning nothing that stays an argument."""
        if ex.names_in(source) & self.pinned:
            return False
        values = self.values(source)
        return values is not None and all(_same(v, values[0]) for v in values) and not isinstance(values[0], Poly)

    def code(self, source: ex.Expr, slot: str | None = None) -> py.Expr:
        """An expression as Python, what is equal in all lanes folded."""
        if self.constant(source):
            values = self.values(source)
            assert values is not None
            return self.root(source, values[0]) or literal(values[0])
        match source:
            case ex.Name(id=name):
                parts = self.lanes[0].size(name) if name not in self.lanes[0].names else ()
                if parts:
                    dims = (ex.Number(Fraction(int(p))) if p.isdigit() else ex.Name(p, source.span) for p in parts)
                    return self.code(ex.SizeExpr(tuple(dims)), slot)
                if name not in self.lanes[0].names:
                    raise NotEmittedError(f"`{name}` is not known where it is needed")
                return self.formal(name, slot)
            case ex.Binary() if (factor := self.multiplied(source)) is not None:
                return self.code(factor)
            case ex.Binary(op="/"):
                whole = all(isinstance(v, int) for v in self.values(source) or ())
                return py.Bin("//" if whole else "/", self.code(source.left), self.code(source.right))
            case ex.Binary():
                return py.Bin({"^": "**"}.get(source.op, source.op), self.code(source.left), self.code(source.right))
            case ex.Negative():
                return py.Unary("-", self.code(source.operand))
            case ex.Function() if source.name in _FUNCTIONS:
                return self.function(source)
            case ex.IfElse():
                return self.choice(source)
            case ex.SizeExpr() if len(set(source.dims)) == 1:
                return self.code(source.dims[0], slot)
            case ex.SizeExpr():
                return py.Tuple(tuple(self.code(d) for d in source.dims))
            case _:
                return self.condition(source)

    def multiplied(self, source: ex.Binary) -> ex.Expr | None:
        """What a product multiplies by 1, which need not be written."""
        pairs = ((source.left, source.right), (source.right, source.left)) if source.op == "*" else ()
        for factor, other in pairs:
            if self.constant(factor) and self.values(factor) == [1] * len(self.lanes):
                return other
        return None

    def root(self, source: ex.Expr, value: Constant) -> py.Expr | None:
        """A square root as a power of the whole number under it."""
        if not isinstance(source, ex.Function) or source.name != "sqrt" or isinstance(value, int):
            return None
        under = (self.values(source.args[0]) or [None])[0]
        if isinstance(under, int) and isinstance(value, Fraction) and under**0.5 == float(value):
            return py.Bin("**", py.Lit(under), py.Lit(0.5))
        return None

    def choice(self, source: ex.IfElse) -> py.Expr:
        if self.constant(source.test):
            values = self.values(source.test)
            return self.code(source.then if values and values[0] else source.orelse)
        return py.IfExp(self.code(source.test), self.code(source.then), self.code(source.orelse))

    def function(self, source: ex.Function) -> py.Expr:
        name = _FUNCTIONS[source.name]
        if name == "make_divisible":
            self.helpers.add(name)
        return py.Call(py.Name(name), tuple(self.quotient(a) for a in source.args))

    def quotient(self, source: ex.Expr) -> py.Expr:
        """An argument of a rounding function: there a quotient need not be whole."""
        if isinstance(source, ex.Binary) and source.op == "/" and not self.constant(source):
            return py.Bin("/", self.code(source.left), self.code(source.right))
        return self.code(source)

    def condition(self, source: ex.Expr) -> py.Expr:
        match source:
            case ex.Logic():
                parts = [p for p in (source.left, source.right) if not self._neutral(p, source.op)]
                coded = tuple(self.code(p) for p in parts)
                return coded[0] if len(parts) == 1 else py.BoolOp(source.op, coded)  # pyright: ignore[reportGeneralTypeIssues]
            case ex.Not():
                return py.Unary("not", self.code(source.operand))
            case ex.Compare():
                return py.Compare(source.op, self.code(source.left), self.code(source.right))
            case ex.Is():
                return py.Compare("!=" if source.negated else "==", self.code(source.left), py.Lit(source.word))
            case _:
                raise NotEmittedError("an expression that Python has no form for")

    def _neutral(self, source: ex.Expr, op: str) -> bool:
        """Whether a part of a condition is the same in all lanes and so decides nothing."""
        values = self.values(source) if self.constant(source) else None
        return values is not None and values[0] is (op == "and")


def _same(a: Constant, b: Constant) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)
