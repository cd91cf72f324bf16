"""Lines of at most 88 columns: layout documents and the printer that decides where they break.

The algorithm is Wadler's "A prettier printer" (2003) with the extensions that Prettier and ruff made to it: a group is
printed on one line if the text up to the next possible break fits, and otherwise breaks at all its own lines. The
extensions below follow the behaviour of ruff's formatter, so that its output and ours agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

WIDTH: Final = 88
INDENT: Final = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A possible break: in a broken group a new line, else `flat`."""

    flat: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Contents that break together. With `when`, it is a group only if the group of that number is broken."""

    doc: Doc
    number: int = 0
    when: int = 0
    broken: bool = False


@dataclass(frozen=True, slots=True)
class If:
    """`broken` or `flat`, by the state of group `number` (0: the innermost one)."""

    broken: Doc
    flat: Doc = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Indent:
    """Contents one level deeper; with `when`, only if the group of that number is broken."""

    doc: Doc
    when: int = 0


@dataclass(frozen=True, slots=True)
class MayBreak:
    """Contents in brackets whose own breaks do not break group `number`, if the `left` bracket fits on the line."""

    left: str
    doc: Doc
    number: int


@dataclass(frozen=True, slots=True)
class Wrap:
    """Contents put in parentheses on a line of their own if they do not fit here but do fit there."""

    doc: Doc
    number: int


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The first variant that fits, tried flat; else the last one, broken."""

    variants: tuple[Doc, ...]


Doc: TypeAlias = "str | tuple[Doc, ...] | Line | Group | If | Indent | MayBreak | Wrap | FirstOf"

_SOFT: Final = Line()
_FIRST_LINE, _ALL_LINES, _OVERFLOW = range(3)  # how far a measurement looks: see _fits


@dataclass(frozen=True, slots=True)
class _Item:
    """A document to be printed: its indentation, whether flat, and how it is measured."""

    doc: Doc
    indent: int
    flat: bool
    measure: int = _FIRST_LINE

    def of(self, doc: Doc) -> _Item:
        """Return the same setting for `doc`."""
        return _Item(doc, self.indent, self.flat, self.measure)

    def broken(self, doc: Doc) -> _Item:
        """Return the setting for `doc` in a broken group."""
        return _Item(doc, self.indent, False, self.measure)


def render(doc: Doc, indent: int = 0, width: int = WIDTH) -> str:
    """Return `doc` as text, each line after the first indented; `indent` is where the first line starts."""
    return _Printer(width).print(doc, indent)


class _Printer:
    """The state of one call of `render`."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._column = 0
        self._known_to_fit = False
        self._flat: dict[int, bool] = {}
        self._stack: list[_Item] = []

    def print(self, doc: Doc, indent: int) -> str:
        """Print `doc` from column `indent` on."""
        out: list[str] = []
        self._column = indent
        self._stack = [_Item(doc, indent, False)]
        while self._stack:
            self._step(self._stack.pop(), out)
        return "".join(out)

    def _step(self, item: _Item, out: list[str]) -> None:
        """Print one item: text and lines to `out`, anything else back to the stack in parts."""
        match item.doc:
            case str(text):
                out.append(text)
                self._column += len(text)
            case Line(flat):
                if item.flat:
                    self._stack.append(item.of(flat))
                else:
                    out.append("\n" + " " * item.indent)
                    self._column, self._known_to_fit = item.indent, False
            case Group(doc, number, when, broken):
                grouped = not when or not self._flat[when]
                self._stack.append(self._decide(item.of(doc), number, broken) if grouped else item.of(doc))
            case MayBreak(_, doc, number):
                self._known_to_fit &= not self._flat[number]
                self._stack.append(item.of(doc))
            case Wrap(doc, number):
                self._wrap(item.of(doc), number)
            case FirstOf(variants):
                self._first_of(item, variants)
            case tuple() | Indent() | If():
                self._stack.extend(reversed(self._parts(item)))

    def _decide(self, item: _Item, number: int, broken: bool) -> _Item:
        """Return the item of a group, flat if it fits."""
        if broken:
            flat = False
        elif item.flat and self._known_to_fit:
            flat = True
        else:
            flat = self._fits(item, number)
        self._flat[number] = flat
        return _Item(item.doc, item.indent, flat)

    def _wrap(self, item: _Item, number: int) -> None:
        """Print a `Wrap`: here if it fits, else in parentheses if it fits there, else here."""
        inner = _Item(item.doc, item.indent + INDENT, False)
        outer = item.broken("")
        wrapped = [outer.of(")"), outer.of(_SOFT), inner, inner.of(_SOFT), outer.of("(")]
        if not self._fits(item, number):
            self._flat[number] = False
            if self._measure([replace(each, measure=_ALL_LINES) for each in wrapped]):
                self._stack.extend(wrapped)
                return
        self._flat[number] = True
        self._stack.append(_Item(item.doc, item.indent, True))

    def _first_of(self, item: _Item, variants: tuple[Doc, ...]) -> None:
        for variant in variants[:-1]:
            if self._fits(item.of(variant), 0):
                self._stack.append(_Item(variant, item.indent, True))
                return
        self._stack.append(item.broken(variants[-1]))

    def _fits(self, item: _Item, number: int) -> bool:
        """Return whether `item`, flat, and what follows it up to a possible break, fit on the line."""
        self._known_to_fit = True
        self._flat[number] = True
        return self._measure([_Item(item.doc, item.indent, True)])

    def _measure(self, todo: list[_Item]) -> bool:
        """Return whether the items fit: the last first, then what stands on the stack of the printer."""
        column, rest = self._column, len(self._stack)
        while todo or rest:
            if not todo:
                rest -= 1
                todo.append(self._stack[rest])
            item = todo.pop()
            match item.doc:
                case str(text):
                    column += len(text)
                    if column > self._width and item.measure != _OVERFLOW:
                        return False
                case Line(flat) if item.flat:
                    todo.append(item.of(flat))
                case Line():
                    if item.measure == _FIRST_LINE:
                        return True
                    column = item.indent
                case _:
                    todo.extend(reversed(self._parts(item)))
        return True

    def _parts(self, item: _Item) -> list[_Item]:
        """Return what `item` consists of while it is measured."""
        match item.doc:
            case tuple(docs):
                return [item.of(doc) for doc in docs]
            case Indent(doc, when):
                deeper = not when or not self._flat[when]
                return [_Item(doc, item.indent + INDENT * deeper, item.flat, item.measure)]
            case If(broken, flat, number):
                is_flat = self._flat.get(number, item.flat) if number else item.flat
                return [item.of(flat if is_flat else broken)]
            case MayBreak(left, doc, number) if item.flat and self._flat[number]:
                return [item.of(left), _Item(doc, item.indent, False, _OVERFLOW)]
            case Group(doc, number, when, broken):
                inner = item.broken(doc) if broken and not (when and self._flat[when]) else item.of(doc)
                self._note(number, inner.flat)
                return [inner]
            case Wrap(doc, number):
                self._note(number, item.flat)
                return [item.of(doc)]
            case FirstOf(variants):
                return [item.of(variants[0 if item.flat else -1])]
            case MayBreak(_, doc):
                return [item.of(doc)]
            case str() | Line():
                return [item]

    def _note(self, number: int, flat: bool) -> None:
        if number:
            self._flat[number] = flat
