"""The same network under another library's names: the rules of a `names` section, applied to its state_dict.

A rule `blocks.{i} -> layers.{2i+1}` speaks of the start of a name, in dotted segments: `{i}` matches a number, `*`
any whole segment, and what follows the pattern is kept. In the replacement `{...}` computes with the matched numbers,
and a `*` repeats what one has matched, in order. Rules `in MODULE:` apply inside every call of that module, in
whatever file it stands, to what follows the call's own name. Inner scopes go first; in one scope the first rule that
matches is taken, and every scope around it sees what it has made. `, transposed` marks the matrices (arrays of two
axes) it speaks of.

`qkv -> q, k, v` splits an array by rows: as its layer made it where that has as many parts, else into equal ones.
`q, k, v -> qkv` puts arrays one after the other. `wte -> wte = head` is one array under two names. Rows are those of
the network's own arrays; transposing comes last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from ..diagnostics import Diagnostic, Label, Span, SpecError, did_you_mean
from ..records import dataclass
from .dims import Dim, show
from .graph import Dialect, Network
from .keys import Entry, state
from .rename import RuleError, Rules


@dataclass(frozen=True, slots=True)
class Renamed:
    """What a dialect calls an array or some rows of it, whether it stores the transpose, and the rules that said so.

    `rows`: the first and the one after the last, None for all. `places`: where in an array of the dialect they stand,
    as (rule, which, of how many), the last merging first.
    """

    key: str
    transposed: bool = False
    rules: tuple[int, ...] = ()
    rows: tuple[Dim, Dim] | None = None
    places: tuple[tuple[int, int, int], ...] = ()


def rename(network: Network, dialect: str) -> dict[str, tuple[Renamed, ...]]:
    """Each key of the network's state_dict with the dialect's names for it, in the order of `state_keys`.

    Raises SpecError: A0507 for a dialect the spec does not have, A0508 for a rule that cannot be read, A0509 for one
    that does not fit the array.
    """
    renamer = Renamer(find_dialect(network, dialect))
    return {entry.key: renamer.entry(entry) for entry in state(network)}


def find_dialect(network: Network, name: str) -> Dialect:
    """The dialect of a name; raises SpecError (A0507)."""
    known = {dialect.name: dialect for dialect in network.dialects}
    if name not in known:
        has = f"it has {', '.join(known)}" if known else "it has no `names` section"
        help = did_you_mean(name, known) or has
        raise SpecError([Diagnostic("A0507", f"this network has no names for `{name}`", help=help)])
    return known[name]


def span_of(dialect: Dialect, number: int) -> Span | None:
    """Where a rule is written."""
    return dialect.spans[number] if number < len(dialect.spans) else None


_Match = tuple[int, Rules, int, list[str]]
"""A rule's number, the rule, which of its patterns matches, and the names it makes."""


class Renamer:
    """A dialect ready to use. Raises SpecError (A0508) for rules that cannot be read."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.scopes: dict[str | None, list[tuple[int, Rules]]] = {}
        self.flipped = frozenset(number for number, rule in enumerate(dialect.rules) if rule[3])
        self.matches: dict[tuple[str | None, str], _Match | None] = {}
        mistakes: list[Diagnostic] = []
        for number, (module, pattern, replacement, _) in enumerate(() if dialect.own else dialect.rules):
            try:
                self.scopes.setdefault(module, []).append((number, Rules(pattern, replacement)))
            except RuleError as error:
                mistakes.append(Diagnostic("A0508", str(error), span_of(dialect, number)))
        if mistakes:
            raise SpecError(mistakes)

    def entry(self, entry: Entry) -> tuple[Renamed, ...]:
        """The dialect's names of an array; raises SpecError.

        A0508: a name does not come out whole. A0509: the rows do not come out whole.
        """
        found = [Renamed(entry.key)]
        call = entry.place.call
        while call is not None:
            start = len(call.name) + 1
            scope = call.module.name if call.module is not None else ""
            if scope in self.scopes:
                found = [made for name in found for made in self._applied(scope, name, start, entry)]
            call = call.call
        if None in self.scopes:
            found = [made for name in found for made in self._applied(None, name, 0, entry)]
        if len(entry.tensor.shape) == 2 and self.flipped:
            found = [replace(made, transposed=not self.flipped.isdisjoint(made.rules)) for made in found]
        return tuple(found)

    def _applied(self, scope: str | None, name: Renamed, start: int, entry: Entry) -> Iterator[Renamed]:
        """What a scope makes of a name, of which it sees what follows `start`."""
        seen = (scope, name.key[start:])
        if seen not in self.matches:  # the calls of a module have the same names inside
            self.matches[seen] = self._match(*seen)
        found = self.matches[seen]
        if found is None:
            yield name
            return
        number, rules, at, made = found
        known = (*name.rules, number)
        places = ((number, at, rules.merged), *name.places) if rules.merged > 1 else name.places
        split = self._split(name, entry, len(made), number) if rules.splits else [name.rows] * len(made)
        for key, rows in zip(made, split, strict=True):
            yield Renamed(name.key[:start] + key, False, known, rows, places)

    def _match(self, scope: str | None, name: str) -> _Match | None:
        """The first rule of a scope that matches, and what it makes."""
        for number, rules in self.scopes[scope]:
            try:
                match = rules.apply(name)
            except RuleError as error:
                raise SpecError([Diagnostic("A0508", str(error), span_of(self.dialect, number))]) from None
            if match is not None:
                return (number, rules, *match)
        return None

    def _split(self, name: Renamed, entry: Entry, count: int, rule: int) -> list[tuple[Dim, Dim]]:
        """The rows of an array, or of what is left of it, in as many parts."""
        shape, parts = entry.tensor.shape, entry.tensor.parts
        if not shape:
            raise self._refused(rule, f"`{entry.key}` is a single number and has no rows to split")
        start, stop = name.rows or (0, shape[0])
        rows = stop - start
        if not isinstance(rows, int):
            raise self._refused(rule, f"where `{entry.key}` is to be split depends on {show(rows)}")
        if name.rows is None and len(parts) == count:
            sizes: Sequence[Dim] = parts
        elif rows % count:
            raise self._refused(rule, f"the {show(rows)} rows of `{entry.key}` do not divide into {count} equal parts")
        else:
            sizes = [rows // count] * count
        ends = list(accumulate(sizes, initial=start))
        return list(pairwise(ends))

    def _refused(self, rule: int, message: str) -> SpecError:
        return SpecError([Diagnostic("A0509", message, span_of(self.dialect, rule))])

    def blame(self, code: str, message: str, *renamed: Renamed) -> Diagnostic:
        """A mistake, at the last rules that made the names in question."""
        numbers = (number for r in renamed for number in r.rules[-1:])
        spans = [s for s in (span_of(self.dialect, number) for number in numbers) if s is not None]
        labels = tuple(Label(span, "and this rule") for span in spans[1:] if span != spans[0])
        return Diagnostic(code, message, spans[0] if spans else None, labels)


__all__ = ["Renamed", "Renamer", "find_dialect", "rename", "span_of"]
