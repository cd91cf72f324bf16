"""A definition that is misspelt where it stands, and mentioned by its right name: one mistake, not one a mention."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..diagnostics import Diagnostic, Label, Span
from ..elaborate.parameters import switches
from ..spec import Spec
from ..spelling import closest
from .unused import Mentioned, mentions

_SHOWN = 2
_SHORT = 2
"""A word of so many letters says little of which was meant."""


def merged(diagnostics: Sequence[Diagnostic], spec: Spec) -> list[Diagnostic]:
    """The mistakes with those put together that one definition nobody mentions explains.

    Several mentions of a name that nothing has, and one definition close to it that nothing mentions: the definition is
    misspelt. With one mention nobody can know which of the two is; then the mention is told, and the definition shown.
    """
    unknown: dict[str, list[Diagnostic]] = {}
    for diagnostic in diagnostics:
        if diagnostic.word is not None:
            unknown.setdefault(diagnostic.word, []).append(diagnostic)
    if not unknown:
        return list(diagnostics)
    mentioned = Mentioned(spec)
    idle = {name: span for name, span in _idle(spec, mentioned) if span.file.name == spec.file.name}
    gone: set[int] = set()
    found: dict[int, Diagnostic] = {}
    for names, told in _headless(spec, idle, unknown):
        those = [d for name in names for d in unknown.pop(name, ())]
        if those:
            gone.update(map(id, those))
            found[id(those[0])] = told
            idle = {name: span for name, span in idle.items() if name not in names and span != told.span}
    for word, those in unknown.items():
        near = closest(word, idle, spec.file.text)
        if near is None and len(word) <= _SHORT and len(idle) == len(unknown) == 1:
            near = next(iter(idle))
        if near is not None:
            gone.update(map(id, those))
            found[id(those[0])] = _told(word, near, idle.pop(near), those)
    return [found.get(id(d), d) for d in diagnostics if id(d) not in gone or id(d) in found]


def _told(word: str, near: str, span: Span, those: Sequence[Diagnostic]) -> Diagnostic:
    first, places = those[0], [d.span for d in those if d.span is not None]
    if len(places) < 2:
        help = f"did you mean `{near}`?"
        return replace(first, help=help, labels=(*first.labels, Label(span, f"nothing mentions `{near}`")), fixes=())
    labels = tuple(Label(place, "mentioned here") for place in places[:_SHOWN])
    message = f"nothing mentions `{near}`, and {len(places)} places mention `{word}`, which is not there"
    return Diagnostic(first.code, message, span, labels, f"did you mean `{word}`?", word=word)


def _idle(spec: Spec, mentioned: Mentioned) -> Iterator[tuple[str, Span]]:
    """Every definition that nothing mentions."""
    choosing = switches(spec)
    heads = {table.names[0] for table in choosing}
    for name, span in spec.parameter_spans.items():
        if name not in mentioned.anywhere | heads:
            yield name, span
    for name, definition in spec.definitions.items():
        signature = definition.signature
        if name not in mentioned.anywhere:
            yield name, definition.span.first(len(name))
        defaults = tuple(formal.default for formal in signature.formals)
        used = set(mentions((definition.body, signature.entry, signature.result, defaults)))
        yield from ((formal.name, formal.span) for formal in signature.formals if formal.name not in used)
    yield from ((name, link.span) for name, link in spec.uses.items() if name not in mentioned.anywhere)
    yield from ((name, known.span) for name, known in spec.maps.items() if name not in mentioned.anywhere)
    for name, table in spec.tables.items():
        if name not in mentioned.anywhere and table not in choosing:
            yield name, table.span
        for column in table.columns:
            if not column.claim and column.name not in mentioned.anywhere | heads:
                yield column.name, column.span


def _headless(
    spec: Spec, idle: Mapping[str, Span], unknown: Container[str]
) -> Iterable[tuple[tuple[str, ...], Diagnostic]]:
    """Tables that choose nothing, since their heading is not quite a parameter: all of their columns are unknown."""
    for table in spec.tables.values():
        if table.name not in idle or not any(name in unknown for name in table.names[1:]):
            continue
        head = next(column for column in table.columns if not column.claim)
        near = closest(head.name, spec.parameters, spec.file.text)
        if near is not None:
            message = f"no parameter `{head.name}` heads table {table.name}"
            labels = (Label(spec.parameter_spans[near], f"`{near}` heads none"),)
            told = Diagnostic("A0202", message, head.span, labels, f"did you mean `{near}`?", word=head.name)
            yield (table.names, told)
