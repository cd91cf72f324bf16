"""The rows of `init` -> the rows of a file in the IR: schemes known, numbers computed, conditions decided."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from .. import expr as ex
from ..diagnostics import Diagnostic, Span, SpecError, did_you_mean, fail
from ..ir.evaluate import Env, describe, evaluate_number, evaluate_test
from ..ir.extent import check_places
from ..ir.graph import Fill, Init, Network
from ..ir.initial import GAINS, SCHEMES, SLOPE, SYNONYMS, Target, check_shapes, literal_words, problem_of
from ..ir.keys import Entry
from ..ir.operator import operators
from ..ir.rename import RuleError
from ..ir.shapes import Constant
from ..spec import Spec
from ..syntax import tree as t
from .unreached import label_of, nodes

Take = Callable[[SpecError], None]


def initial_rows(spec: Spec, env: Env, take: Take) -> tuple[Init, ...]:
    """The rows of a spec; what is wrong with one goes to `take`, and the row is left out."""
    found: list[Init] = []
    for row in spec.inits:
        try:
            found.append(_row(row, env))
        except SpecError as error:
            take(error)
    return tuple(found)


def _row(row: t.Init, env: Env) -> Init:
    for target, span in zip(row.targets, row.target_spans, strict=True):
        try:
            Target(target)
        except RuleError as error:
            fail("A0511", str(error), span)
    fills = tuple(_Reader(fill, env).fill() for fill in row.fills)
    taken = row.test is None or evaluate_test(row.test, env)
    return Init(row.targets, fills, row.module, row.test, taken, row.target_spans, row.span)


class _Reader:
    """Reads one recipe: the words of its scheme, then numbers and further words."""

    def __init__(self, recipe: t.Fill, env: Env) -> None:
        self.recipe, self.env = recipe, env
        self.scheme, self.rest = self.named()
        self.rules = SCHEMES[self.scheme]
        self.words: list[str] = []
        self.numbers: dict[str, Constant] = {}
        self.expressions: dict[str, ex.Expr] = {}

    def named(self) -> tuple[str, list[ex.Expr | tuple[ex.Expr, ex.Expr]]]:
        """The scheme, and what follows it."""
        first, pieces = self.recipe.word, list(self.recipe.pieces)
        second = pieces[0].id if pieces and isinstance(pieces[0], ex.Name) else ""
        if f"{first} {second}" in SCHEMES:
            return f"{first} {second}", pieces[1:]
        if first in SCHEMES:
            return first, pieces
        halves = any(scheme.startswith(f"{first} ") for scheme in SCHEMES)
        said = f"{first} {second}" if second and halves else first
        return fail("A0512", f"no scheme `{said}`", self.recipe.word_span, _meant(first, f"{first} {second}".strip()))

    def fill(self) -> Fill:
        while self.rest:
            self.piece(self.rest.pop(0))
        if "leakyrelu" in self.words:
            self.numbers.setdefault("slope", SLOPE)
        wanted = self.rules.value
        if wanted is not None and wanted not in self.numbers and "low" not in self.numbers:
            what = {"std": "standard deviation"}.get(wanted, wanted)
            fail("A0301", f"`{self.scheme}` needs its {what}", self.recipe.span, f"write `{self.rules.example}`")
        problem = problem_of(self.scheme, self.numbers)
        if problem is not None:
            name, message = problem
            value = describe(self.numbers[name])
            span = self.expressions[name].span if name in self.expressions else None
            fail("A0305", f"{message}, this is {value}", span or self.recipe.span)
        numbers, expressions = tuple(self.numbers.items()), tuple(self.expressions.items())
        return Fill(self.recipe.array, self.scheme, tuple(self.words), numbers, expressions, self.recipe.span)

    def piece(self, piece: ex.Expr | tuple[ex.Expr, ex.Expr]) -> None:
        if isinstance(piece, tuple):
            if self.rules.value != "bound" or self.numbers:
                self.superfluous(piece[0].span)
            for name, side in zip(("low", "high"), piece, strict=True):
                self.number(name, side)
        elif isinstance(piece, ex.Name) and self.word(piece):
            return
        elif self.rules.value is not None and not self.numbers:
            self.number(self.rules.value, piece)
        elif self.words[-1:] == ["leakyrelu"] and "slope" not in self.numbers:
            self.number("slope", piece)
        elif isinstance(piece, ex.Name) and piece.id not in self.env.names:
            known = [*(word for group in self.rules.words for word in group), *self.rules.numbers]
            help = did_you_mean(piece.id, known) or self.takes(known)
            fail("A0512", f"`{self.scheme}` has nothing called `{piece.id}`", piece.span, help, word=piece.id)
        else:
            self.superfluous(piece.span)

    def word(self, piece: ex.Name) -> bool:
        """Take a word of the scheme, with the number that it calls for."""
        group = next((group for group in self.rules.words if piece.id in group), None)
        if group is not None:
            if any(word in group for word in self.words):
                both = f"`{next(w for w in self.words if w in group)}` and `{piece.id}`"
                fail("A0303", f"{both} say the same thing of one scheme", piece.span)
            if group is GAINS and "gain" in self.numbers:
                fail("A0303", f"`gain` and `{piece.id}` say the same thing of one scheme", piece.span)
            self.words.append(piece.id)
            return True
        if piece.id not in self.rules.numbers:
            return False
        if piece.id in self.numbers or (piece.id == "gain" and any(word in GAINS for word in self.words)):
            fail("A0303", f"`{piece.id}` is said twice of one scheme", piece.span)
        value = self.rest.pop(0) if self.rest else None
        if value is None or isinstance(value, tuple):
            fail("A0301", f"`{piece.id}` needs a number", piece.span)
        if self.rules.value is not None and not self.numbers:
            fail("A0301", f"the number of `{self.scheme}` comes first", piece.span, f"write `{self.rules.example}`")
        self.number(piece.id, value)
        return True

    def number(self, name: str, expression: ex.Expr) -> None:
        value = evaluate_number(expression, self.env)
        if not isinstance(value, int | Fraction):
            fail("A0306", f"a number is needed here, this is {describe(value)}", expression.span)
        self.numbers[name], self.expressions[name] = value, expression

    def takes(self, known: list[str]) -> str:
        return f"it takes {', '.join(known)}" if known else f"it is written `{self.rules.example}`"

    def superfluous(self, span: Span | None) -> None:
        fail("A0302", f"a number too many for `{self.scheme}`", span, f"it is written `{self.rules.example}`")


def _meant(first: str, said: str) -> str:
    if first in SYNONYMS:
        return f"here it is called `{SYNONYMS[first]}`"
    of_it = [scheme for scheme in SCHEMES if scheme.startswith(f"{first} ")]
    if of_it:
        return f"it is `{of_it[0]}` or `{of_it[1]}`" if len(of_it) > 1 else f"it is `{of_it[0]}`"
    words = {word: scheme for scheme in SCHEMES for word in (scheme, scheme.split()[0])}
    near = did_you_mean(first, ("weight", "bias")) or did_you_mean(said, words) or did_you_mean(first, words)
    return near or f"the schemes are {', '.join(SCHEMES)}"


# ---- the rows and the network they belong to --------------------------------------------------------------------------


def check_inits(network: Network, spec: Spec) -> Iterator[Diagnostic]:
    """What is wrong with the rows of a network's own file whatever the variant is: names that nothing has, and fans of
    vectors."""
    if not network.root.scope.inits:
        return
    check_places(network.root, fold=True)
    places = list(network.walk(fold=True))
    modules = {place.module.name for place in places if place.module is not None} | spec.definitions.keys()
    labels = _labels(spec) | {segment for place in places for segment in place.path}
    labels |= {segment for place in places for name in place.tensors for segment in name.split(".")}
    for row in (
        row for row in network.root.scope.inits if row.span is not None and row.span.file.name == spec.file.name
    ):
        if row.module is not None and row.module not in modules:
            own = next((r.module_span for r in spec.inits if r.span == row.span), None)
            yield Diagnostic(
                "A0511", f"there is no module `{row.module}`", own or row.span, help=did_you_mean(row.module, modules)
            )
            continue
        for target, span in zip(row.targets, row.spans, strict=True):
            unknown = [w for w in literal_words(target) if not _has(w, labels)]
            if unknown and Target(target).word is None:
                help = did_you_mean(unknown[0], [*labels, *operators()])
                yield Diagnostic(
                    "A0511",
                    f"no layer is called `{unknown[0]}`",
                    span,
                    help=help or "`archdsl analyze` shows the names",
                )
    entries = (Entry(f"{p.name}.{n}" if n else p.name, p, tensor) for p in places for n, tensor in p.tensors.items())
    yield from check_shapes(entries)


def _labels(spec: Spec) -> set[str]:
    """The words of all labels of a file, computed ones as patterns of what they may be."""
    found: set[str] = set()
    for body in (spec.layers, *(d.body for d in spec.definitions.values()), *spec.changes.values()):
        for node in nodes(body):
            label = label_of(node)
            for segment in label.segments if label is not None else ():
                found.add("".join(part if isinstance(part, str) else "*" for part in segment))
    return found


def _has(word: str, labels: set[str]) -> bool:
    """Whether something may be called so: by a label, by its word and ordinal, or as an array."""
    counted = re.fullmatch(r"([a-z]+\d*?)\d+", word)
    if word in labels or (counted is not None and counted[1] in operators()):
        return True
    return any("*" in label and re.fullmatch(re.escape(label).replace(r"\*", ".*"), word) for label in labels)
