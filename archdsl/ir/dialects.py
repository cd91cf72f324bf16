"""The same network under another library's names: the rules of a `names` section, applied to its state_dict.

A rule `blocks.{i} -> layers.{2i+1}` speaks of the start of a name, in dotted segments: `{i}` matches a number, `*`
any whole segment, and what follows the pattern is kept. In the replacement `{...}` computes with the matched numbers,
and a `*` repeats what one has matched, in order. Rules `in MODULE:` apply inside every call of that module, in
whatever file it stands, to what follows the call's own name. Inner scopes go first; in one scope the first rule that
matches is taken, and every scope around it sees what it has made. `, transposed` marks the matrices (arrays of two
axes) it speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..diagnostics import Diagnostic, Label, Span, SpecError, did_you_mean
from ..records import dataclass
from .graph import Dialect, Network
from .keys import Entry, state
from .names import Place
from .rename import Rule, RuleError


@dataclass(frozen=True, slots=True)
class Renamed:
    """What a dialect calls an array, whether it stores the transpose, and which of its rules made the name."""

    key: str
    transposed: bool = False
    rules: tuple[int, ...] = ()


def rename(network: Network, dialect: str) -> dict[str, Renamed]:
    """Each key of the network's state_dict with the dialect's name for it, in the order of `state_keys`.

    Raises SpecError: A0507 for a dialect the spec does not have, A0508 for a rule that cannot be read, A0506 where a
    name is made twice.
    """
    renamer = Renamer(find_dialect(network, dialect))
    found = {entry.key: renamer.entry(entry) for entry in state(network)}
    mistakes = list(_clashes(network, renamer, found))
    if mistakes:
        raise SpecError(mistakes)
    return found


def find_dialect(network: Network, name: str) -> Dialect:
    """The dialect of a name; raises SpecError (A0507)."""
    known = {dialect.name: dialect for dialect in network.dialects}
    if name not in known:
        has = f"it has {', '.join(known)}" if known else "it has no `names` section"
        help = did_you_mean(name, known) or has
        raise SpecError([Diagnostic("A0507", f"this network has no names for `{name}`", help=help)])
    return known[name]


def check_dialects(networks: Iterable[Network]) -> list[Diagnostic]:
    """What is wrong with the dialects of a spec, given its variants.

    A0505: a rule matches nothing in any of them, or marks as transposed and meets no matrix. A0506, A0508: as `rename`.
    """
    found: dict[tuple[str, str], Diagnostic] = {}
    used: dict[Dialect, set[int]] = {}
    turned: dict[Dialect, set[int]] = {}
    for network in networks:
        for dialect in network.dialects:
            met, flipped = used.setdefault(dialect, set()), turned.setdefault(dialect, set())
            try:
                renamer = Renamer(dialect)
                names = {entry.key: renamer.entry(entry) for entry in state(network)}
                mistakes = list(_clashes(network, renamer, names))
            except SpecError as error:
                mistakes, names = list(error.diagnostics), {}
                met.update(range(len(dialect.rules)))
                flipped.update(met)
            met.update(rule for renamed in names.values() for rule in renamed.rules)
            flipped.update(r for n in names.values() if n.transposed for r in n.rules if dialect.rules[r][3])
            for mistake in mistakes:
                found.setdefault((mistake.code, str(mistake.span or mistake.message)), mistake)
    idle = (d for dialect in used for d in _idle(dialect, used[dialect], turned[dialect]))
    return [*found.values(), *idle]


def _idle(dialect: Dialect, used: set[int], turned: set[int]) -> Iterator[Diagnostic]:
    for number, (module, pattern, _, transposed) in enumerate(dialect.rules):
        where = f" in {module}" if module else ""
        span = _span(dialect, number)
        if number not in used:
            yield Diagnostic(
                "A0505",
                f"the rule `{pattern}`{where} matches no name",
                span,
                help="a pattern begins where the name does; an earlier rule of the same scope may take all it matches",
            )
        elif transposed and number not in turned:
            yield Diagnostic("A0505", f"the rule `{pattern}`{where} says transposed and matches no matrix", span)


def _span(dialect: Dialect, number: int) -> Span | None:
    return dialect.spans[number] if number < len(dialect.spans) else None


def _clashes(network: Network, renamer: Renamer, names: dict[str, Renamed]) -> Iterator[Diagnostic]:
    """Names made twice, and names that are an array and a module at once."""
    owners: dict[str, str] = {}
    for key, renamed in names.items():
        other = owners.setdefault(renamed.key, key)
        if other != key:
            message = f"{renamer.dialect.name} would call both `{other}` and `{key}` `{renamed.key}`"
            yield renamer.blame("A0506", message, renamed, names[other])
    for made, key in owners.items():
        at = made.find(".")
        while at >= 0:
            outer = owners.get(made[:at])
            if outer is not None:
                message = f"{renamer.dialect.name} would call `{outer}` `{made[:at]}`, which `{made}` is a part of"
                yield renamer.blame("A0506", message, names[outer], names[key])
            at = made.find(".", at + 1)


class Renamer:
    """A dialect ready to use. Raises SpecError (A0508) for rules that cannot be read."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.scopes: dict[str | None, list[tuple[int, Rule]]] = {}
        mistakes: list[Diagnostic] = []
        for number, (module, pattern, replacement, _) in enumerate(() if dialect.own else dialect.rules):
            try:
                self.scopes.setdefault(module, []).append((number, Rule(pattern, replacement)))
            except RuleError as error:
                mistakes.append(Diagnostic("A0508", str(error), _span(dialect, number)))
        if mistakes:
            raise SpecError(mistakes)

    def entry(self, entry: Entry) -> Renamed:
        """The dialect's name of an array; raises SpecError (A0508) for a name that does not come out whole."""
        found = self.name(entry.key, entry.place)
        matrix = len(entry.tensor.shape) == 2
        return Renamed(found.key, matrix and any(self.dialect.rules[r][3] for r in found.rules), found.rules)

    def name(self, key: str, place: Place) -> Renamed:
        """The dialect's name of something called `key` in a place."""
        rules: list[int] = []
        call = place.call
        while call is not None:
            start = len(call.name) + 1
            module = call.module
            inner = self._applied(module.name if module is not None else "", key[start:], rules)
            key = key[:start] + inner
            call = call.call
        return Renamed(self._applied(None, key, rules), rules=tuple(rules))

    def _applied(self, scope: str | None, name: str, rules: list[int]) -> str:
        for number, rule in self.scopes.get(scope, ()):
            try:
                made = rule.apply(name)
            except RuleError as error:
                raise SpecError([Diagnostic("A0508", str(error), _span(self.dialect, number))]) from None
            if made is not None:
                rules.append(number)
                return made
        return name

    def blame(self, code: str, message: str, *renamed: Renamed) -> Diagnostic:
        """A mistake, at the last rules that made the names in question."""
        spans = [s for r in renamed for s in (_span(self.dialect, number) for number in r.rules[-1:]) if s is not None]
        labels = tuple(Label(span, "and this rule") for span in spans[1:] if span != spans[0])
        return Diagnostic(code, message, spans[0] if spans else None, labels)


__all__ = ["Renamed", "Renamer", "check_dialects", "find_dialect", "rename"]
