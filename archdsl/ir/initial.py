"""What every array begins with: the rows of `init`, applied to the arrays of a network.

A row speaks of all layers of a word (`conv`), or of what a pattern of names reaches (`layer4.{i}.bn3`, from the start
of a name as in `names`); under `in MODULE:` only inside the calls of that module, names then being counted from the
call. Without `weight` or `bias` before it a scheme speaks of the weight, or of the very array that a pattern names.
Later rows win, and rows of a file win over those of the files it uses. What no row speaks of begins as torch has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from ..diagnostics import Diagnostic, Span
from ..expr import Expr, Name
from ..records import dataclass
from .graph import Fill, Init, Network, Place, Scope
from .keys import Entry, Listing, entries, state
from .operator import find_operator
from .rename import Rule
from .shapes import Constant

MODES = ("fan_in", "fan_out")
GAINS = ("linear", "relu", "leakyrelu", "tanh", "sigmoid", "selu")
"""What follows the layer: the gain makes up for it."""
SLOPE = Fraction(1, 100)
"""Of a leaky relu whose slope is not said."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to fill an array: what its number is called (None: it takes none), further numbers and words it takes.

    `fans`: it counts what goes into and out of a unit, so the array has rows and columns.
    """

    value: str | None = None
    numbers: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()
    fans: bool = False
    example: str = ""


SCHEMES: Mapping[str, Scheme] = {
    "kaiming normal": Scheme(words=(MODES, GAINS), fans=True, example="kaiming normal fan_out relu"),
    "kaiming uniform": Scheme(words=(MODES, GAINS), fans=True, example="kaiming uniform fan_in relu"),
    "xavier normal": Scheme(numbers=("gain",), words=(GAINS,), fans=True, example="xavier normal tanh"),
    "xavier uniform": Scheme(numbers=("gain",), words=(GAINS,), fans=True, example="xavier uniform gain 0.5"),
    "orthogonal": Scheme(numbers=("gain",), words=(GAINS,), fans=True, example="orthogonal"),
    "normal": Scheme("std", ("mean",), example="normal 0.02"),
    "truncated normal": Scheme("std", ("mean", "within"), example="truncated normal 0.02"),
    "uniform": Scheme("bound", example="uniform 0.1"),
    "constant": Scheme("value", example="constant 0.1"),
    "zeros": Scheme(example="zeros"),
    "ones": Scheme(example="ones"),
}
SYNONYMS: Mapping[str, str] = {
    "he": "kaiming normal", "msra": "kaiming normal", "glorot": "xavier uniform", "gaussian": "normal", "lecun": "kaiming normal linear",
    "trunc_normal": "truncated normal", "zero": "zeros", "one": "ones", "const": "constant", "randn": "normal 1",
}  # fmt: skip
"""What papers and libraries call schemes."""
_POSITIVE = {"std": "a standard deviation", "bound": "a bound", "gain": "a gain", "within": "where it is cut off"}


def problem_of(scheme: str, numbers: Mapping[str, Constant]) -> tuple[str, str] | None:
    """Which number of a scheme cannot be, and why; None if they can.

    >>> problem_of("normal", {"std": 0}), problem_of("normal", {"std": 1})
    (('std', 'a standard deviation is above 0'), None)
    """
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | Fraction):
            return name, "a number is needed here"
        if name in _POSITIVE and value <= 0:
            return name, f"{_POSITIVE[name]} is above 0"
    low, high = numbers.get("low"), numbers.get("high")
    if isinstance(low, int | Fraction) and isinstance(high, int | Fraction) and low >= high:
        return "high", "a range goes from the lower to the higher number"
    return None


def known_fill(fill: Fill) -> str | None:
    """What is wrong with a recipe that came from outside, in one sentence; None if nothing is."""
    scheme = SCHEMES.get(fill.scheme)
    if scheme is None:
        return f"there is no scheme `{fill.scheme}`"
    numbers = dict(fill.numbers)
    wanted: set[str] = {"low", "high"} if "low" in numbers else {scheme.value} if scheme.value else set()
    if "low" in numbers and scheme.value != "bound":
        return f"`{fill.scheme}` takes no range"
    allowed = {*wanted, *scheme.numbers, *(("slope",) if "leakyrelu" in fill.words else ())}
    groups = [group for word in fill.words for group in scheme.words if word in group]
    if not wanted <= numbers.keys() <= allowed or len(set(groups)) != len(fill.words):
        return f"`{fill.scheme}` is written like `{scheme.example}`"
    if ("slope" in numbers) != ("leakyrelu" in fill.words):
        return "a leaky relu has a slope, and nothing else has"
    problem = problem_of(fill.scheme, numbers)
    return None if problem is None else problem[1]


# ---- which arrays -----------------------------------------------------------------------------------------------------


class Filled(NamedTuple):
    """What an array begins with: the recipe, and the row that says so."""

    fill: Fill
    row: Init


class Met(NamedTuple):
    """A recipe that meets an array: the target of the row that does."""

    row: Init
    target: int
    fill: Fill


def initial(network: Network) -> dict[str, Filled]:
    """The arrays of which a row speaks, by their keys, in the order of the state_dict."""
    rows = Rows()
    found: dict[str, Filled] = {}
    if any(scope.inits for scope in scopes(network)):
        for entry in state(network):
            met = [m for m in rows.meeting(entry) if m.row.taken]
            if met:
                found[entry.key] = Filled(met[-1].fill, met[-1].row)
    return found


def scopes(network: Network) -> list[Scope]:
    """The files that a network is made of, each at each choice of parameters once."""
    found: dict[int, Scope] = {id(network.root.scope): network.root.scope}
    for place in network.walk(fold=True):
        if place.module is not None:
            found.setdefault(id(place.module.scope), place.module.scope)
    return list(found.values())


def expressions(network: Network) -> Iterator[Expr]:
    """What the rows of a network compute and decide by."""
    for row in (row for scope in scopes(network) for row in scope.inits):
        if row.test is not None:
            yield row.test
        yield from (expression for fill in row.fills for _, expression in fill.expressions)


def silent(network: Network) -> frozenset[str]:
    """Parameters that are no, and would be conditions of rows: nothing of the network is made by them."""
    tests = [row.test for row in network.root.scope.inits if isinstance(row.test, Name) and not row.taken]
    return frozenset(test.id for test in tests if network.parameters.get(test.id) is False)


class Rows:
    """The rows of the files of a network, ready to be asked of arrays."""

    def __init__(self) -> None:
        self.known: dict[int, list[tuple[Init, list[Target]]]] = {}

    def meeting(self, entry: Entry) -> Iterator[Met]:
        """The recipes that speak of an array, whether their condition holds or not; the last that does wins."""
        if entry.tensor.role != "trained":
            return
        calls = list(_calls(entry.place))
        scopes = [entry.place.instance.scope, *(call.instance.scope for call in calls)]
        for at, scope in enumerate(scopes):
            if scope.inits and (at == 0 or scope is not scopes[at - 1]):
                yield from self._of_scope(scope, entry, calls)

    def _of_scope(self, scope: Scope, entry: Entry, calls: Sequence[Place]) -> Iterator[Met]:
        if id(scope) not in self.known:
            self.known[id(scope)] = [(row, [Target(text) for text in row.targets]) for row in scope.inits]
        for row, targets in self.known[id(scope)]:
            starts = list(_starts(row, scope, entry.place, calls))
            for number, target in enumerate(targets):
                for start in starts:
                    reached = target.reaches(entry, start)
                    for fill in row.fills:
                        if reached is not None and _speaks(fill, entry, reached):
                            yield Met(row, number, fill)


class Target:
    """What a row speaks of: the word of an operator, or a pattern of names. Raises RuleError where it is neither.

    >>> Target("conv").word, Target("layer{i}.conv1").word
    ('conv', None)
    """

    def __init__(self, text: str) -> None:
        self.word = text if find_operator(text) is not None else None
        self.rule = Rule(text, "x")

    def reaches(self, entry: Entry, start: int | None) -> bool | None:
        """Whether it names an array that is called so from `start` on (None: only its layer's word counts) as a whole;
        None if it does not speak of it."""
        if self.word is not None:
            operator = entry.place.operator
            return False if operator is not None and operator.word == self.word else None
        match = None if start is None else self.rule.regex.match(entry.key[start:])
        return None if match is None or start is None else start + match.end() == len(entry.key)


def _starts(row: Init, scope: Scope, place: Place, calls: Sequence[Place]) -> Iterator[int | None]:
    """From where names are counted; None where only the words of operators mean anything; nothing: not inside."""
    if row.module is not None:
        yield from (len(call.name) + 1 for call in calls if call.module is not None and call.module.name == row.module)
        return
    whole = [call for call in calls if call.module is not None and call.module.scope is scope and not call.module.name]
    if whole:
        yield len(whole[0].name) + 1
    else:
        last = calls[-1].instance if calls else place.instance
        yield 0 if last.scope is scope else None


def _calls(place: Place) -> Iterator[Place]:
    call = place.call
    while call is not None:
        yield call
        call = call.call


def part_of(entry: Entry) -> str:
    """Whether an array is a weight or a bias to `init`; an empty text for any other, such as a table of positions."""
    last = entry.tensor.name.rpartition(".")[2]
    if last.startswith("bias"):
        return "bias"
    return "weight" if not last or last.startswith("weight") else ""


def _speaks(fill: Fill, entry: Entry, whole: bool) -> bool:
    if fill.part is None:
        return whole or part_of(entry) == "weight"
    return part_of(entry) == fill.part


# ---- what is wrong with rows ------------------------------------------------------------------------------------------


def check_shapes(arrays: Iterable[Entry]) -> list[Diagnostic]:
    """Rows that would fill a vector with what counts rows and columns (A0513), each once."""
    rows = Rows()
    found: dict[int, Diagnostic] = {}
    for entry in (array for array in arrays if len(array.tensor.shape) < 2):
        met = [m for m in rows.meeting(entry) if m.row.taken]
        if met and SCHEMES[met[-1].fill.scheme].fans:
            row, target, fill = met[-1]
            message = f"`{fill.scheme}` needs rows and columns, and {entry.key} is a vector"
            help = "say `weight` or `bias`, name the layers, or write `normal`, `zeros`, `ones` or `constant` for it"
            found.setdefault(id(fill), Diagnostic("A0513", message, _span(row, target), help=help))
    return list(found.values())


def check_rows(
    networks: Iterable[Network], file: str, listed: Listing = entries
) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """What is wrong with the rows of a file in all its variants, and what is probably a slip.

    `listed` is asked for the entries of each network.

    A0511: a target or a recipe meets nothing in any. A1109: later rows always win.
    """
    rows: dict[Span, Init] = {}
    met: set[tuple[Span, object]] = set()
    won: set[Span] = set()
    for network in networks:
        for row in network.root.scope.inits:
            if row.span is not None and row.span.file.name == file:
                rows.setdefault(row.span, row)
        known = Rows()
        for entry in listed(network) if rows else ():
            found = [m for m in known.meeting(entry) if m.row.span in rows]
            for row, target, fill in found:
                assert row.span is not None
                met |= {(row.span, target), (row.span, (fill.part, fill.span))}
            taken = [m.row.span for m in found if m.row.taken]
            won.update(span for span in taken[-1:] if span is not None)
            won.update(m.row.span for m in found if not m.row.taken and m.row.span is not None)
    mistakes = [d for span, row in rows.items() for d in _idle(row, span, met)]
    blamed = {d.span.line for d in mistakes if d.span is not None}
    undone = [row for span, row in rows.items() if span not in won and span.line not in blamed]
    return mistakes, [_undone(row) for row in undone]


def _idle(row: Init, span: Span, met: set[tuple[Span, object]]) -> Iterator[Diagnostic]:
    where = f" in {row.module}" if row.module else ""
    idle = [number for number in range(len(row.targets)) if (span, number) not in met]
    for number in idle:
        message = f"`{row.targets[number]}`{where} speaks of no array that is trained"
        help = "a pattern begins where the name does; `archdsl analyze` shows the names"
        yield Diagnostic("A0511", message, _span(row, number), help=help)
    for fill in row.fills if not idle else ():
        if (span, (fill.part, fill.span)) not in met:
            what = fill.part or "weight"
            yield Diagnostic("A0511", f"no layer that this row speaks of has a {what}", fill.span, help="remove it")


def _undone(row: Init) -> Diagnostic:
    message = "this row has no effect: later rows win wherever it speaks"
    return Diagnostic("A1109", message, row.span, help="remove it, or put it below them", severity="warning")


def _span(row: Init, target: int) -> Span | None:
    return row.spans[target] if target < len(row.spans) else row.span


def literal_words(target: str) -> list[str]:
    """The segments of a target that are words, neither computed nor any.

    >>> literal_words("layer{i}.*.bn3")
    ['bn3']
    """
    return [segment for segment in target.split(".") if re.fullmatch(r"[A-Za-z_]\w*", segment)]


__all__ = [
    "GAINS", "MODES", "SCHEMES", "SLOPE", "SYNONYMS", "Filled", "Rows", "Scheme", "Target", "check_rows", "check_shapes",
    "initial", "known_fill", "literal_words", "part_of", "problem_of", "scopes",
]  # fmt: skip
