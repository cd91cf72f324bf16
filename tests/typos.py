"""Single typing mistakes in specs: a letter lost, doubled, swapped with the next or changed, and what is said of each.

Mutated are words as they are used in the text: operators and modules called, names of arguments, parameters in
expressions, labels referred to, sections. What is a valid word of the file in any role is no mistake and left out.
"""

from __future__ import annotations

import dataclasses
import keyword
import random
import re
from collections.abc import Iterator
from pathlib import Path

from archdsl import expr as ex
from archdsl.api import Project
from archdsl.checking import check_project
from archdsl.diagnostics import Diagnostic, SourceFile, Span, SpecError
from archdsl.ir.operator import find_operator, operators
from archdsl.lint.unused import Mentioned, mentions
from archdsl.spec import Spec
from archdsl.syntax import tree as t
from archdsl.syntax.containers import decode
from archdsl.syntax.reading import HEADINGS
from archdsl.syntax.stops import FUNCTIONS, RESERVED

KINDS = ("operator", "argument", "parameter", "label", "section", "definition")
HOW = ("lost", "doubled", "swapped", "changed")
SHORTEST = 3
"""Of a word of one or two letters too little is left to say which was meant."""


@dataclasses.dataclass(frozen=True)
class Place:
    """A word in a file that can be mistyped."""

    kind: str
    word: str
    file: str
    line: int
    column: int


@dataclasses.dataclass(frozen=True)
class Typo:
    """A file with one word mistyped."""

    path: Path
    place: Place
    how: str
    typed: str
    text: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was said of a typo."""

    typo: Typo
    diagnostics: tuple[Diagnostic, ...]

    @property
    def single(self) -> bool:
        """Exactly one mistake is reported."""
        return len(self.diagnostics) == 1

    @property
    def at_place(self) -> bool:
        """The first mistake stands at the mistyped word."""
        place = self.typo.place
        first = self.diagnostics[:1]
        shown = [d.span for d in first]
        if place.kind == "definition":  # a mention of it, with the definition shown beside it, is as right
            shown.extend(label.span for d in first for label in d.labels)
        return any(
            s is not None
            and s.line == place.line
            and place.column - 1 <= s.column <= place.column + len(self.typo.typed)
            for s in shown
        )

    @property
    def suggested(self) -> bool:
        """The first suggestion is the word that was meant; of a definition, both names are named.

        Where a definition is mentioned once, nobody can know which of the two is misspelt.
        """
        if self.typo.place.kind == "definition":
            said = [d.message + (d.help or "") for d in self.diagnostics[:1]]
            return any(f"`{self.typo.typed}`" in text and f"`{self.typo.place.word}`" in text for text in said)
        first = re.search(r"`([^`]*)`", (self.diagnostics[0].help or "") if self.diagnostics else "")
        return first is not None and first[1] == self.typo.place.word

    def __str__(self) -> str:
        typo, place = self.typo, self.typo.place
        said = "; ".join(f"{d} (help: {d.help})" for d in self.diagnostics) or "nothing"
        return f"{typo.path.name}:{place.line}:{place.column} {place.kind} `{place.word}` -> `{typo.typed}`: {said}"


def places(spec: Spec) -> list[Place]:
    """Every word of a file that a typo can spoil."""
    found: list[Place] = []
    parameters = {*spec.parameters, *(n for table in spec.tables.values() for n in table.names)}
    for number, line in enumerate(spec.file.lines, 1):
        word = re.match(r"[a-z]+(?=[ :])", line)
        if word and word[0] in HEADINGS:
            found.append(Place("section", word[0], spec.file.name, number, 1))
    found.extend(_definitions(spec))
    bodies: list[tuple[t.Block, frozenset[str]]] = []
    if spec.layers is not None:
        bodies.append((spec.layers, frozenset(parameters)))
    for definition in spec.definitions.values():
        formals = {f.name for f in definition.signature.formals}
        bodies.append((definition.body, frozenset(parameters | formals)))
    for body, names in bodies:
        found.extend(_in_body(body, spec, names))
    lines = spec.file.lines
    good = [
        p
        for p in found
        if p.file == spec.file.name and lines[p.line - 1][p.column - 1 : p.column - 1 + len(p.word)] == p.word
    ]
    return sorted(set(good), key=lambda p: (p.line, p.column, p.kind))


def _definitions(spec: Spec) -> Iterator[Place]:
    """What a file defines, where it is defined, if something mentions it (else no mistake can show)."""
    mentioned = Mentioned(spec)
    spans = list(spec.parameter_spans.items())
    spans += [(name, known.span) for name, known in (*spec.maps.items(), *spec.tables.items())]
    spans += [(c.name, c.span) for table in spec.tables.values() for c in table.columns if not c.claim]
    spans += [(name, d.span) for name, d in spec.definitions.items()]
    spans = [(name, span) for name, span in spans if name in mentioned.anywhere]
    for name, d in spec.definitions.items():
        if name not in mentioned.values:
            used = set(mentions(d.body))
            spans += [(f.name, f.span) for f in d.signature.formals if f.name in used]
    for name, span in spans:
        yield from _place("definition", name, span)


def _in_body(node: object, spec: Spec, names: frozenset[str]) -> Iterator[Place]:
    if isinstance(node, tuple):
        for part in node:
            yield from _in_body(part, spec, names)
        return
    if not dataclasses.is_dataclass(node) or isinstance(node, Span | SourceFile):
        return
    if isinstance(node, t.Call):
        yield from _in_call(node, spec, names)
    if isinstance(node, ex.Name) and node.id in names:
        yield from _place("parameter", node.id, node.span)
    if isinstance(node, ex.Ref | t.Again):
        first = node.path.segments[0]
        if len(first) == 1 and isinstance(first[0], str):
            span = node.path.span or node.span
            yield from _place("label", first[0], span, shift=1 if isinstance(node, ex.Ref) and node.tap else 0)
    for field in dataclasses.fields(node):
        yield from _in_body(getattr(node, field.name), spec, names)


def _in_call(call: t.Call, spec: Spec, names: frozenset[str]) -> Iterator[Place]:
    if "." not in call.word and "{" not in call.word:
        yield from _place("parameter" if call.word in names else "operator", call.word, call.word_span)
    cls = find_operator(call.word)
    known = {a.name for a in cls.arguments()} if cls else set[str]()
    for argument in call.arguments:
        if isinstance(argument, t.Pair):
            yield from _place("argument", argument.name, argument.name_span)
        elif isinstance(argument, t.Positional) and isinstance(argument.value, ex.Name):
            flag = argument.value.id
            yield from (
                _place("argument", flag, argument.span) if flag in known | {"global"} and flag not in names else ()
            )


def _place(kind: str, word: str, span: Span | None, shift: int = 0) -> Iterator[Place]:
    if span is not None:
        text = span.file.lines[span.line - 1]
        column = span.column + shift
        if not text[column - 1 :].startswith(word) and text[column - 2 :].startswith(word):
            column -= 1
        yield Place(kind, word, span.file.name, span.line, column)


def valid_words(spec: Spec) -> set[str]:
    """Every word that means something somewhere in a file: typing one of these is no recognisable mistake."""
    words = {
        *operators(),
        *RESERVED,
        *FUNCTIONS,
        *HEADINGS,
        "yes",
        "no",
        "first",
        "last",
        "index",
        "to",
        "map",
        "sequence",
    }
    words |= {a.name for cls in operators().values() for a in cls.arguments()}
    words |= set(re.findall(r"[A-Za-z_]\w*", spec.file.text))
    return words


def mistyped(word: str, how: str, rng: random.Random) -> str:
    """`word` with one mistake in it."""
    at = rng.randrange(len(word))
    if how == "lost":
        return word[:at] + word[at + 1 :]
    if how == "doubled":
        return word[:at] + word[at] + word[at:]
    if how == "swapped":
        at = rng.randrange(len(word) - 1)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    letter = rng.choice([c for c in "abcdefghijklmnopqrstuvwxyz" if c != word[at].lower()])
    return word[:at] + letter + word[at + 1 :]


@dataclasses.dataclass
class Drawn:
    """Typos drawn, and how many were left out because they make another valid word or no word."""

    typos: list[Typo]
    valid: int = 0


def draw(folder: Path, count: int, seed: int) -> Drawn:
    """`count` typos over the specs of a folder, kinds and ways of mistyping in turn."""
    rng = random.Random(seed)
    files: list[tuple[Path, Spec, dict[str, list[Place]], set[str]]] = []
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.arch")]):
        spec = Project(None, _file(path, path.read_text(encoding="utf-8")), folder).spec
        own = [p for p in places(spec) if len(p.word) >= SHORTEST]
        files.append((path, spec, {kind: [p for p in own if p.kind == kind] for kind in KINDS}, valid_words(spec)))
    drawn = Drawn([])
    number = 0
    while len(drawn.typos) < count:
        kind, how = KINDS[number % len(KINDS)], HOW[(number // len(KINDS)) % len(HOW)]
        path, spec, by_kind, valid = rng.choice([f for f in files if f[2][kind]])
        place = rng.choice(by_kind[kind])
        typed = mistyped(place.word, how, rng)
        if typed in valid or typed == place.word or not typed.isidentifier() or keyword.iskeyword(typed):
            drawn.valid += 1
            continue
        number += 1
        lines = list(spec.file.lines)
        line = lines[place.line - 1]
        lines[place.line - 1] = line[: place.column - 1] + typed + line[place.column - 1 + len(place.word) :]
        drawn.typos.append(Typo(path, place, how, typed, "\n".join(lines)))
    return drawn


def _file(path: Path, text: str) -> SourceFile:
    return decode(path.name, text.encode())


def judge(typo: Typo) -> Verdict:
    """What checking the mistyped file says."""
    try:
        found = check_project(Project(None, _file(typo.path, typo.text), typo.path.parent)).diagnostics
    except SpecError as error:
        found = error.diagnostics
    return Verdict(typo, tuple(found))
