"""A call's arguments -> the fields of an operator, or the formals of a module or def."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import field
from fractions import Fraction
from functools import cache
from typing import NoReturn, TypeAlias

from .. import expr as ex
from ..diagnostics import Edit, Span, did_you_mean, fail, nearest
from ..ir.dims import Poly, compare
from ..ir.evaluate import Env, describe, evaluate, evaluate_said
from ..ir.operator import Argument, Operator, operator_of
from ..ir.shapes import Constant, Grid, Number, Size
from ..ops import ARGUMENT_SYNONYMS, FOLLOWING, synonym_of
from ..records import dataclass
from ..syntax import tree as t
from .session import File

_KEYWORDS = {"global_": "global"}
_OTHER_VALUES = frozenset({"axis"})
"""Synonyms whose values are not written as here."""
_COUNTS = frozenset({"axes", "whole"})
_NAMED = frozenset({"word", "grid"})
"""The types of arguments whose values are names rather than what names stand for."""


Binding: TypeAlias = tuple[Operator, tuple[tuple[str, ex.Expr], ...], dict[str, ex.Ref], dict[str, Span]]
"""An operator with its arguments, the expressions they were written as, the labels they refer to, and where each stands."""


@dataclass(slots=True)
class Given:
    """The arguments of one line (or of `default`), by the operator's field names."""

    values: dict[str, Constant] = field(default_factory=dict[str, Constant])
    expressions: dict[str, ex.Expr] = field(default_factory=dict[str, ex.Expr])
    references: dict[str, ex.Ref] = field(default_factory=dict[str, ex.Ref])
    spans: dict[str, Span] = field(default_factory=dict[str, Span])


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a call that was bound once is bound again: what it comes to, but for the arguments that names decide."""

    arguments: tuple[t.Argument, ...]
    given: Given
    open: tuple[tuple[Argument, ex.Expr], ...]
    binding: Binding


def bind_operator(cls: type[Operator], file: File, env: Env, arguments: tuple[t.Argument, ...], span: Span) -> Binding:
    """The operator a call makes. The file's `default` stands unless the line says otherwise."""
    recipes = file.recipes[cls]
    recipe = recipes.get(id(arguments))
    if recipe is not None:
        return _bound_again(recipe, cls, file, env) if recipe.open else recipe.binding
    line = given = Binder(cls, env, file.grids).take(arguments)
    defaults = file.spec.defaults.get(cls.word)
    if defaults:
        given = _over(Binder(cls, file.env(), file.grids).take(defaults), line, cls)
    refuse_missing(cls, given.values, span)
    binding = cls(**given.values), tuple(given.expressions.items()), given.references, given.spans
    undecided = _open(cls, line, arguments)
    if undecided is not None:
        recipes[id(arguments)] = Recipe(arguments, given, undecided, binding)
    return binding


def _open(
    cls: type[Operator], line: Given, arguments: tuple[t.Argument, ...]
) -> tuple[tuple[Argument, ex.Expr], ...] | None:
    """The arguments of a bound line whose values names decide; None if they also decide what an argument is."""
    found: list[tuple[Argument, ex.Expr]] = []
    known = _form(cls).known
    for name, written in zip(line.values, arguments, strict=True):  # each argument has set one value
        argument = known[_shown(name)]
        if isinstance(written, t.Off) or argument.use not in ("position", "attribute") or _is_literal(written.value):
            continue
        if isinstance(written.value, ex.Name) and written.value.id in known:
            return None
        found.append((argument, written.value))
    return tuple(found)


def _is_literal(value: ex.Expr) -> bool:
    if isinstance(value, ex.SizeExpr):
        return all(isinstance(dim, ex.Number) for dim in value.dims)
    return isinstance(value, ex.Number | ex.Text)


def _bound_again(recipe: Recipe, cls: type[Operator], file: File, env: Env) -> Binding:
    operator, expressions, references, spans = recipe.binding
    first = said = recipe.given.expressions
    values = vars(operator).copy()
    for argument, value in recipe.open:
        name, low = argument.name, argument.minimum
        found, expression = (None, env.express(value)) if argument.type in _NAMED else evaluate_said(value, env)
        if type(found) is not int or (low is not None and found < low):  # any other value, and what is wrong with one
            found = _Values(cls, env, file.grids).convert(argument, value)
        values[name] = found
        if expression is not said[name]:
            said = {**said, name: expression}
    if said is not first:
        expressions = tuple(said.items())
    return operator_of(cls, values), expressions, references, spans


def check_arguments(cls: type[Operator], file: File, arguments: Iterable[t.Argument]) -> None:
    """Refuse arguments that the operator does not take, whether it is used or not."""
    Binder(cls, file.env(), file.grids).take(arguments)


def refuse_missing(cls: type[Operator], given: Container[str], span: Span) -> None:
    """Refuse a call without an argument that it needs."""
    for name in _form(cls).required:
        if name not in given:
            fail("A0301", f"{cls.word} needs its {_shown(name)}", span, _usage(cls))


def _over(default: Given, line: Given, cls: type[Operator]) -> Given:
    """What a line says, and the file's defaults of which it does not speak."""
    said = set(line.values)
    if said & set(cls.exclusive):
        said |= set(cls.exclusive)
    return Given(
        {k: v for k, v in default.values.items() if k not in said} | line.values,
        {k: v for k, v in default.expressions.items() if k not in said} | line.expressions,
        default.references | line.references,
        default.spans | line.spans,
    )


@dataclass(frozen=True, slots=True)
class _Form:
    """The arguments of an operator by the names the language has for them, those with a place, those that must be given."""

    known: dict[str, Argument]
    positions: tuple[Argument, ...]
    required: tuple[str, ...]


@cache
def _form(cls: type[Operator]) -> _Form:
    arguments = cls.arguments()
    return _Form(
        {_shown(a.name): a for a in arguments},
        tuple(a for a in arguments if a.use == "position"),
        tuple(a.name for a in arguments if a.required),
    )


def _shown(name: str) -> str:
    return _KEYWORDS.get(name, name)


def _alone(argument: Argument, given: t.Pair) -> tuple[str | None, str | None]:
    """How a flag or switch with `True` or `False` behind it is written: said, and the text itself."""
    word = given.value.id.lower() if isinstance(given.value, ex.Name) else ""
    if word not in ("true", "false", "yes", "no"):
        return None, None
    if argument.use == "flag":
        if word in ("true", "yes"):
            return f"write `{given.name}`", given.name
        return "leave it out: it is not so unless it is said", None
    if word in ("false", "no"):
        return f"write `no {given.name}`", f"no {given.name}"
    return "leave it out: it is so unless `no` is said", given.name


def _usage(cls: type[Operator]) -> str:
    positions = ", ".join(_shown(a.name) for a in cls.arguments() if a.use == "position")
    return f"{cls.word} takes {positions}" if positions else f"{cls.word} takes no positions"


class _Values:
    """Turns what is written into what an argument of an operator holds."""

    def __init__(self, cls: type[Operator], env: Env, grids: dict[str, Grid]) -> None:
        self.cls, self.env, self.grids = cls, env, grids

    def convert(self, argument: Argument, value: ex.Expr) -> Constant:
        if argument.type == "grid":
            return self.grid(value)
        if argument.type == "word":
            if isinstance(value, ex.Name) and not isinstance(self.env.names.get(value.id), str):
                return value.id  # `along width` means the axis, also where a parameter is called width
            found = evaluate(value, self.env)
            if not isinstance(found, str):
                self.wrong(argument, "a word", found, value)
            return found
        found = evaluate(value, self.env)
        if type(found) is int:
            return self.ranged(argument, found, value)
        if argument.type == "numbers" and isinstance(found, tuple) and not isinstance(found, Size):
            return self.numbers(argument, found, value)
        if argument.type in ("number", "numbers") or (argument.type == "factor" and not isinstance(found, Size)):
            if isinstance(found, bool) or not isinstance(found, int | Fraction | float | Poly):
                self.wrong(argument, "a number", found, value)
            return self.ranged(argument, found, value)
        if isinstance(found, Size) and argument.type in ("axes", "factor"):
            for dim in found:
                self.ranged(argument, dim, value)
            return found
        if isinstance(found, bool) or not isinstance(found, int | Poly):
            self.wrong(argument, "a whole number" + (" or a size" * (argument.type == "axes")), found, value)
        return self.ranged(argument, found, value)

    def numbers(self, argument: Argument, found: tuple[Constant, ...], value: ex.Expr) -> Constant:
        for part in found or (None,):
            if isinstance(part, bool) or not isinstance(part, int | Fraction | float | Poly):
                self.wrong(argument, "a number or a list of numbers", found, value)
        return found

    def ranged(self, argument: Argument, found: Number, value: ex.Expr) -> Constant:
        low = argument.minimum
        if low is not None:
            below = compare(found, low, "<") if isinstance(found, Poly) else found < low
            if below:
                fail("A0305", f"`{_shown(argument.name)}` is at least {low}, this is {describe(found)}", value.span)
        return found

    def wrong(self, argument: Argument, wanted: str, found: Constant, value: ex.Expr) -> NoReturn:
        what = f"`{_shown(argument.name)}` of {self.cls.word}"
        fail("A0307", f"{what} is {wanted}, this is {describe(found)}", value.span)

    def grid(self, value: ex.Expr) -> Constant:
        word = value.id if isinstance(value, ex.Name) else ""
        held = self.env.names.get(word)
        if isinstance(held, str):
            word = held
        if word not in self.grids:
            problem = f"no map `{word}`" if word else "a map's name is needed"
            fail("A0204", problem, value.span, did_you_mean(word, self.grids), word=word or None)
        return self.grids[word]


class Binder(_Values):
    """Takes the arguments of one line."""

    def __init__(self, cls: type[Operator], env: Env, grids: dict[str, Grid]) -> None:
        super().__init__(cls, env, grids)
        form = _form(cls)
        self.known, self.positions = form.known, form.positions
        self.given = Given()
        self.exclusive: str | None = None
        self.taken = 0

    def take(self, arguments: Iterable[t.Argument]) -> Given:
        for argument in arguments:
            if isinstance(argument, t.Positional):
                self.positional(argument)
            elif isinstance(argument, t.Pair):
                self.pair(argument)
            else:
                self.off(argument)
        return self.given

    def set(self, argument: Argument, value: Constant, span: Span) -> None:
        if argument.name in self.given.values:
            fail("A0303", f"`{_shown(argument.name)}` is given twice", span)
        if argument.name in self.cls.exclusive:
            if self.exclusive is not None:
                fail(
                    "A0303",
                    f"`{self.exclusive}` and `{_shown(argument.name)}` replace each other, say one of them",
                    span,
                )
            self.exclusive = _shown(argument.name)
        self.given.values[argument.name] = value
        self.given.spans[argument.name] = span

    def positional(self, argument: t.Positional) -> None:
        value = argument.value
        if isinstance(value, ex.Name):
            named = self.known.get(value.id)
            if named is not None and named.use in ("flag", "switch"):
                self.set(named, True, argument.span)
                return
            if named is not None and value.id not in self.env.names:
                fail("A0310", f"`{value.id}` needs a value: `{value.id} 2`", argument.span, word=value.id)
            self._known_name(value)
        negative = self._negative(value)
        if negative is not None:
            self.pair(negative)
            return
        if isinstance(value, ex.Binary) and isinstance(value.left, ex.SizeExpr) and "stride" in self.known:
            help = "a size has no factor; a stride is an argument of its own: `stride 2`"
            fail("A0306", "a size stands alone", value.span or argument.span, help)
        if self.taken == len(self.positions):
            self.too_many(argument)
        self.assign(self.positions[self.taken], value, argument.span)
        self.taken += 1

    def _known_name(self, name: ex.Name) -> None:
        """Refuse a name that is no parameter here and reads most like an argument: `avgpool globl`."""
        means_something = name.id in self.env.names or name.id in ("yes", "no") or self.env.words(name.id)
        if means_something or self.taken == len(self.positions) or self.positions[self.taken].type == "word":
            return
        if self.positions[self.taken].name == "size" and re.fullmatch(r"k\d+", name.id):
            problem = f"{self.cls.word} has no argument `{name.id}`"
            fail("A0203", problem, name.span, f"the size comes first, as a number: `{name.id[1:]}`")
        near = nearest(name.id, [*self.known, *self.env.names])
        if near in self.known and near not in self.env.names:
            fail("A0203", f"{self.cls.word} has no argument `{name.id}`", name.span, f"did you mean `{near}`?")

    def _negative(self, value: ex.Expr) -> t.Pair | None:
        """`stride -1`, which reads as a difference, as the argument it is meant to be."""
        if not isinstance(value, ex.Binary) or value.op != "-" or not isinstance(value.left, ex.Name):
            return None
        name = value.left
        argument = self.known.get(name.id)
        if argument is None or name.id in self.env.names or argument.use not in ("position", "attribute"):
            return None
        assert name.span is not None
        assert value.span is not None
        if argument.minimum is None:
            help = f"put it in parentheses: `{name.id} (-...)`"
            fail(
                "A0202", f"`{name.id} - ...` is a difference, and no parameter is called `{name.id}`", value.span, help
            )
        return t.Pair(name.id, ex.Negative(value.right, value.right.span), name.span, value.span)

    def too_many(self, argument: t.Positional) -> None:
        value, word = argument.value, self.cls.word
        if isinstance(value, ex.Name) and value.id not in self.env.names:
            foreign = synonym_of(value.id)
            if self.env.words(value.id):
                help = f"{_usage(self.cls)}; an arrow `->` is missing before `{value.id}`"
            elif foreign is not None and value.id not in ARGUMENT_SYNONYMS:
                help = f"an arrow `->` is missing before the next layer, and `{value.id}` is called `{foreign}`"
            else:
                help = self._initial(value.id) or self._meant(value.id, [*self.known, *self.env.names])
            fail("A0302", f"{word} takes no `{value.id}` here", argument.span, help)
        named = next((a.name for a in self.known.values() if a.use == "attribute" and a.type in _COUNTS), None)
        help = f"further arguments are named: `{named} 2`" if named and isinstance(value, ex.Number) else None
        fail("A0302", f"{_usage(self.cls)}; this is one too many", argument.span, help)

    def _initial(self, name: str) -> str | None:
        """`s2`, as figures write `stride 2`."""
        short = re.fullmatch(r"([a-z])(\d+)", name)
        if short is None:
            return None
        found = [
            a.name for a in self.known.values() if a.use == "attribute" and a.type in _COUNTS and a.name[0] == short[1]
        ]
        return f"did you mean `{found[0]} {short[2]}`?" if len(found) == 1 else None

    def pair(self, argument: t.Pair) -> None:
        named = self.known.get(argument.name)
        if named is None:
            if isinstance(argument.value, ex.ListExpr) and argument.name in self.env.names:
                help = "widths by stage are columns of a table: `for each row of T:`"
                fail("A0111", "a list has no index", argument.value.span, help)
            help = self._meant(argument.name, list(self.known))
            synonym = self._synonym(argument.name)
            fixes = [Edit(argument.name_span, synonym)] if synonym and argument.name not in _OTHER_VALUES else []
            fail("A0203", f"{self.cls.word} has no argument `{argument.name}`", argument.name_span, help, fixes=fixes)
        if named.use in ("flag", "switch"):
            help, written = _alone(named, argument)
            fixes = [] if written is None else [Edit(argument.span, written)]
            fail("A0310", f"`{argument.name}` stands alone, without a value", argument.span, help, fixes=fixes)
        self.assign(named, argument.value, argument.span)

    def _meant(self, name: str, known: list[str]) -> str | None:
        """What a misspelt or foreign argument is called here."""
        following = FOLLOWING.get(name.lower())
        if following is not None and name not in known:
            return following
        synonym = self._synonym(name)
        if synonym is not None:
            place = self.known[synonym].use == "position"
            return f"the word is `{synonym}`" + (", and it needs none where it stands in its place" if place else "")
        return did_you_mean(name, known) or (f"its arguments are {', '.join(self.known)}" if self.known else None)

    def _synonym(self, name: str) -> str | None:
        """What an argument of another library is called here, if this layer has it."""
        return next((word for word in ARGUMENT_SYNONYMS.get(name.lower(), ()) if word in self.known), None)

    def off(self, argument: t.Off) -> None:
        named = self.known.get(argument.name)
        if named is None or named.use != "switch":
            switches = [_shown(a.name) for a in self.cls.arguments() if a.use == "switch"]
            fail(
                "A0203",
                f"{self.cls.word} has no `{argument.name}` to leave out",
                argument.span.last(len(argument.name)),
                did_you_mean(argument.name, switches),
            )
        self.set(named, False, argument.span)

    def assign(self, argument: Argument, value: ex.Expr, span: Span) -> None:
        if argument.use in ("value", "tied"):
            if not isinstance(value, ex.Ref) or not value.tap:
                fail("A0308", f"`{argument.name}` takes a label: `{argument.name} @name`", span)
            self.set(argument, True, span)
            self.given.references[argument.name] = value
            return
        if isinstance(value, ex.Name) and value.id in self.known and value.id not in self.env.names:
            problem = f"`{argument.name}` takes a value, not the flag `{value.id}`"
            fail("A0310", problem, value.span, word=value.id)
        self.set(argument, self.convert(argument, value), value.span or span)
        if not isinstance(value, ex.Number | ex.Text):
            self.given.expressions[argument.name] = self.env.express(value)


def bind_formals(
    what: str, formals: tuple[t.Formal, ...], arguments: Iterable[t.Argument], env: Env, span: Span
) -> dict[str, ex.Expr]:
    """Which expression each formal of a module or def is given. Defaults are the caller's matter."""
    found: dict[str, ex.Expr] = {}
    known = [f.name for f in formals]
    positions = iter(known)
    for argument in arguments:
        name, value = _formal(what, argument, known, positions, env)
        if name in found:
            fail("A0303", f"`{name}` is given twice", argument.span)
        found[name] = value
    for formal in formals:
        if formal.default is None and formal.name not in found:
            fail("A0301", f"{what} needs its {formal.name}", span, f"{what} takes {', '.join(known)}")
    return found


def _formal(
    what: str, argument: t.Argument, known: list[str], positions: Iterator[str], env: Env
) -> tuple[str, ex.Expr]:
    """The formal that an argument speaks of, and what it is given."""
    if isinstance(argument, t.Positional):
        value = argument.value
        if isinstance(value, ex.Name) and value.id in known and value.id not in env.names and not env.words(value.id):
            return value.id, ex.Name("yes", argument.span)
        name = next(positions, None)
        if name is None:
            taking = f"{what} takes {', '.join(known)}" if known else f"{what} takes no arguments"
            fail("A0302", f"{taking}; this is one too many", argument.span)
        return name, value
    if argument.name not in known:
        place = argument.name_span if isinstance(argument, t.Pair) else argument.span
        problem = f"{what} has no parameter `{argument.name}`"
        fail("A0203", problem, place, did_you_mean(argument.name, known), word=argument.name)
    return argument.name, argument.value if isinstance(argument, t.Pair) else ex.Name("no", argument.span)
