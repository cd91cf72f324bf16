"""Diagnostics as values: where, what, why and what to do, apart from how they are shown.

A stage that finds a mistake makes a `Diagnostic` and hands it to a `Collector`; it never prints. Errors that nobody can
work around are raised at the end as one `SpecError` that carries all of them. `render` is the only place that turns a
diagnostic into text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import NoReturn

from .records import dataclass

MAX_SHOWN = 50
_LONGEST_SHOWN = 160
_LONGEST_WORD = 100


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A text as it was read: `name` is what messages call it."""

    name: str
    text: str = field(repr=False)

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source file: 1-based lines and columns (in characters), the end exclusive."""

    file: SourceFile
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}:{self.column}"

    def first(self, length: int) -> Span:
        """So many characters of it, from its beginning."""
        return Span(self.file, self.line, self.column, self.line, self.column + length)

    def last(self, length: int) -> Span:
        """So many characters of it, up to its end."""
        return Span(self.file, self.end_line, self.end_column - length, self.end_line, self.end_column)

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.file, self.line, self.column, other.end_line, other.end_column)


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that has to do with the mistake, and what is to be said of it."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What a stretch of a file is to be replaced by; an empty stretch is where something is put in."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake.

    `code` is stable (`A0401`); `message` is one plain sentence, lower case, no full stop; `span` is the very token;
    `trail` is the chain of calls that led there, innermost first; `word` is the name that nothing has, if that is it;
    `fixes` are edits that surely mend it, to be made together.
    """

    code: str
    message: str
    span: Span | None = None
    labels: tuple[Label, ...] = ()
    help: str | None = None
    trail: tuple[Label, ...] = ()
    severity: str = "error"
    word: str | None = None
    fixes: tuple[Edit, ...] = ()

    def __str__(self) -> str:
        where = f"{self.span}: " if self.span else ""
        return f"{where}{self.severity}[{self.code}]: {shortened(self.message)}"


class SpecError(Exception):
    """A spec that is wrong. `diagnostics` says where and why, in the order of the text."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(diagnostics)
        self.diagnostics = tuple(diagnostics)

    def __str__(self) -> str:
        return "\n".join(render(d) for d in self.diagnostics[:MAX_SHOWN])


class Collector:
    """Takes diagnostics; of several with one code at one place the first is kept."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Diagnostic] = {}

    def add(self, diagnostic: Diagnostic) -> None:
        place = str(diagnostic.span) if diagnostic.span else diagnostic.message
        key = (diagnostic.code, place)
        self._found.setdefault(key, diagnostic)

    @property
    def diagnostics(self) -> list[Diagnostic]:
        return list(self._found.values())

    @property
    def count(self) -> int:
        """How many were taken."""
        return len(self._found)

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self._found.values() if d.severity == "error"]

    def raise_errors(self) -> None:
        """Raise what was collected, if any of it is an error."""
        if self.errors:
            raise SpecError(self.diagnostics)


def fail(
    code: str,
    message: str,
    span: Span | None,
    help: str | None = None,
    labels: Iterable[Label] = (),
    *,
    word: str | None = None,
    fixes: Iterable[Edit] = (),
) -> NoReturn:
    """Raise a `SpecError` of one diagnostic."""
    raise SpecError([Diagnostic(code, message, span, tuple(labels), help, word=word, fixes=tuple(fixes))])


def nearest(word: str, known: Iterable[str], text: str = "") -> str | None:
    """The known spelling closest to `word`, if one is close; of equally close ones that which `text` uses most.

    >>> nearest("covn", ["conv", "linear"]), nearest("melu", ["gelu", "relu"], "conv 3x3, 8 -> relu")
    ('conv', 'relu')
    """
    if len(word) > _LONGEST_WORD:
        return None
    from .spelling import closest  # not for texts without mistakes

    return closest(word, known, text)


def did_you_mean(word: str, known: Iterable[str], text: str = "") -> str | None:
    """A help line for a misspelt name, or None; `text` as for `nearest`."""
    near = nearest(word, known, text)
    return f"did you mean `{near}`?" if near else None


def safe(text: str) -> str:
    """`text` with control and bidirectional characters written out, fit for a terminal.

    >>> safe("a\\x1b[31mb")
    'a\\\\u{1b}[31mb'
    """
    return "".join(f"\\u{{{ord(c):x}}}" if _dangerous(c) else c for c in text)


def shortened(text: str) -> str:
    """`text` with its longest words cut, so that a name of ten thousand letters hides nothing else.

    >>> shortened("no module " + 200 * "x") == f"no module {60 * 'x'}...{20 * 'x'}"
    True
    """
    if len(text) <= _LONGEST_SHOWN:
        return text
    return " ".join(w if len(w) <= _LONGEST_SHOWN else f"{w[:60]}...{w[-20:]}" for w in text.split(" "))


def _dangerous(char: str) -> bool:
    return char != "\t" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co")


def render(diagnostic: Diagnostic, width: int | None = None, colour: bool = False) -> str:
    """The diagnostic as a person reads it: place, sentence, the line with a caret, help, the chain of calls.

    With `width` no line is longer: sentences are wrapped, source lines cut around the caret. With `colour` a terminal
    shows severity, carets and `help` in colours; nothing is said by them alone.

    >>> file = SourceFile("net.yaml", "layers: |\\n  covn 3x3, 8\\n")
    >>> place = Span(file, 2, 3, 2, 7)
    >>> print(render(Diagnostic("A0201", "no layer or module `covn`", place, help="did you mean `conv`?")))
    net.yaml:2:3: error[A0201]: no layer or module `covn`
        2 |   covn 3x3, 8
          |   ^^^^
      help: did you mean `conv`?
    """
    severity, blue = ("33" if diagnostic.severity == "warning" else "31", "34") if colour else ("", "")
    kind = f"{diagnostic.severity}[{diagnostic.code}]"
    parts = [_wrapped(str(diagnostic), width).replace(kind, _painted(kind, severity), 1)]
    if diagnostic.span is not None:
        parts.append(_excerpt(diagnostic.span, "^", width, severity))
    for label in diagnostic.labels:
        parts.append(_wrapped(f"  {label.span}: {label.text}", width))
        parts.append(_excerpt(label.span, "-", width, blue))
    if diagnostic.help:
        parts.append(_wrapped(f"  help: {diagnostic.help}", width).replace("help:", _painted("help:", blue), 1))
    parts.extend(_wrapped(f"  {step.text} {step.span}", width) for step in diagnostic.trail)
    return "\n".join(part for part in parts if part)


def _painted(text: str, colour: str) -> str:
    return f"\x1b[1;{colour}m{text}\x1b[0m" if colour else text


def _wrapped(text: str, width: int | None) -> str:
    """A sentence made safe, on lines of a width."""
    text = safe(shortened(text))
    if width is None or len(text) <= width:
        return text
    import textwrap  # only for narrow terminals

    return textwrap.fill(text, max(width, 20), subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _excerpt(span: Span, mark: str, width: int | None, colour: str) -> str:
    lines = span.file.lines
    if not 1 <= span.line <= len(lines):
        return ""
    line = lines[span.line - 1].rstrip("\r")
    start = min(span.column - 1, len(line))
    end = min(span.end_column - 1, len(line)) if span.end_line == span.line else len(line)
    room = 160 if width is None else max(20, width - 8)
    window = max(0, start - 90) if width is None else max(0, min(start - 4, end - room)) if end > room else 0
    end = min(end, max(start + 1, window + room))
    head, token, tail = safe(line[window:start]), safe(line[start:end]), safe(line[max(start, end) : window + room])
    indent = "".join("\t" if c == "\t" else " " for c in head)
    gutter = f"{span.line:5}"
    carets = _painted(mark * max(1, len(token)), colour)
    return f"{gutter} | {head}{token}{tail}".rstrip() + f"\n{' ' * len(gutter)} | {indent}{carets}"
