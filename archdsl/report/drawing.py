"""Boxes on a vertical line, put together into larger boxes, and written as SVG.

Every box hangs on a line x = 0 that enters at its top and leaves at its bottom; it reaches `left` and `right` of that
line and is `height` high. Lengths are in pixels, y grows downwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal
from xml.sax.saxutils import escape

from ..diagnostics import safe
from ..records import dataclass

Point = tuple[float, float]
Style = str
"""What a mark is: a class of the style sheet."""

SIZE = 12
"""The height of the letters."""
GAP = 18
"""The way from one box to the next below it."""
ASIDE = 16
"""The way between two boxes side by side."""

_NARROW, _WIDE = set("ijlt.,:;'|!()[] fr-/"), set("mwMWQO@%+=<>")


@dataclass(frozen=True, slots=True)
class Mark:
    """Something drawn: a path through `points`, a rectangle between two of them, a circle or a text at one."""

    kind: Literal["path", "rect", "circle", "text"]
    points: tuple[Point, ...]
    style: Style
    text: str = ""

    def moved(self, dx: float, dy: float) -> Mark:
        """The same mark elsewhere."""
        return Mark(self.kind, tuple((x + dx, y + dy) for x, y in self.points), self.style, self.text)


@dataclass(frozen=True, slots=True)
class Box:
    """Marks that hang together.

    `opens` False: nothing enters at the top, it has a source of its own. `tip`: an arrow points at its top; without,
    what enters is a line that goes on inside.
    """

    left: float
    right: float
    height: float
    marks: tuple[Mark, ...]
    opens: bool = True
    tip: bool = False

    def at(self, x: float, y: float) -> tuple[Mark, ...]:
        """The marks with the box's line at x and its top at y."""
        return tuple(mark.moved(x, y) for mark in self.marks)


WIRE = Box(0, 0, 0, ())
"""Nothing but the line."""


def text_width(text: str, size: float = SIZE) -> float:
    """About how wide a text is in a sans-serif face.

    >>> text_width("conv") < text_width("convolution")
    True
    """
    em = sum(0.32 if c in _NARROW else 0.86 if c in _WIDE else 0.68 if c.isupper() else 0.57 for c in text)
    wide = sum(0.5 for c in text if ord(c) > 0x2E7F)
    return (em + wide) * size * 1.07  # faces differ


def _into(box: Box, *points: Point) -> Mark:
    """The way to the top of a box."""
    return Mark("path", points, "arrow" if box.tip else "line")


def card(lines: Sequence[str], style: Style) -> Box:
    """A rounded rectangle with a first line and smaller ones below."""
    width = max([text_width(lines[0]), *(text_width(line, SIZE - 2) for line in lines[1:])]) + 20
    height = 12 + 14 * len(lines)
    marks = [Mark("rect", ((-width / 2, 0), (width / 2, height)), style)]
    for number, line in enumerate(lines):
        marks.append(Mark("text", ((0, 17 + 14 * number),), "name" if number == 0 else "note", line))
    return Box(width / 2, width / 2, height, tuple(marks), tip=True)


def source(text: str, style: Style = "tap") -> Box:
    """A value that comes from elsewhere, by its name; nothing enters it."""
    made = card([text], style)
    return Box(made.left, made.right, made.height, made.marks, opens=False)


def stack(boxes: Sequence[Box], notes: Sequence[str] | None = None) -> Box:
    """One after the other, with arrows; `notes[i]` is written at the arrow out of box i."""
    marks: list[Mark] = []
    y = left = right = 0.0
    before: int | None = None
    for number, box in enumerate(boxes):
        if number:
            note = notes[before] if notes is not None and before is not None else ""
            gap = GAP + (8 if note else 0)
            if box.opens:
                marks.append(_into(box, (0, y), (0, y + gap)))
            if note:
                marks.append(Mark("text", ((7, y + gap / 2 + 3),), "shape", note))
                right = max(right, 10 + text_width(note, SIZE - 2))
            y += gap
        marks += box.at(0, y)
        y += box.height
        left, right = max(left, box.left), max(right, box.right)
        before = number
    return Box(left, right, y, tuple(marks), opens=not boxes or boxes[0].opens, tip=bool(boxes) and boxes[0].tip)


def skip(main: Box, other: Box | None, sign: str = "+") -> Box:
    """`main` with a way around it on the right, which holds `other`; both meet in a circle."""
    arm = other or WIRE
    x = main.right + ASIDE + arm.left + (8 if other is None else 0)
    top, meet = 16.0, 16 + max(main.height, arm.height + 16) + GAP + 9
    marks = [_into(main, (0, 0), (0, top)), *main.at(0, top)]
    marks.append(Mark("path", ((0, top + main.height), (0, meet - 9)), "arrow"))
    if arm.opens:
        marks.append(Mark("path", ((0, 5), (x, 5), (x, top + 8)), "skip arrow" if arm.tip else "skip"))
    marks += arm.at(x, top + 8)
    marks.append(Mark("path", ((x, top + 8 + arm.height), (x, meet), (9, meet)), "skip arrow"))
    marks += [Mark("circle", ((0, meet),), "join"), Mark("text", ((0, meet + 4),), "sign", sign)]
    return Box(max(main.left, 9), x + max(arm.right, 4), meet + 9, tuple(marks))


def fan(arms: Sequence[Box], joint: Box, names: Sequence[str] = ()) -> Box:
    """Paths side by side from one value into `joint`; `names[i]` is written at the top of path i."""
    widths = [arm.left + arm.right for arm in arms]
    span = sum(widths) + ASIDE * (len(arms) - 1)
    xs: list[float] = []
    x = -span / 2
    for arm, width in zip(arms, widths, strict=True):
        xs.append(x + arm.left)
        x += width + ASIDE
    top, deepest = 28.0, max((arm.height for arm in arms), default=0)
    bus = top + deepest + 12
    fed = [x for x, arm in zip(xs, arms, strict=True) if arm.opens]
    marks = [Mark("path", ((0, 0), (0, 8)), "line")] if fed else []
    if fed:
        marks.append(Mark("path", ((min([0, *fed]), 8), (max([0, *fed]), 8)), "line"))
    for number, (x, arm) in enumerate(zip(xs, arms, strict=True)):
        if arm.opens:
            marks.append(_into(arm, (x, 8), (x, top)))
        marks += arm.at(x, top)
        marks.append(Mark("path", ((x, top + arm.height), (x, bus)), "line"))
        if number < len(names) and names[number]:
            marks.append(Mark("text", ((x + 5, top - 7),), "shape", names[number]))
    marks.append(Mark("path", ((min([0, *xs]), bus), (max([0, *xs]), bus)), "line"))
    marks.append(Mark("path", ((0, bus), (0, bus + 14)), "arrow"))
    marks += joint.at(0, bus + 14)
    left, right = max(span / 2, joint.left), max(span / 2, joint.right)
    return Box(left, right, bus + 14 + joint.height, tuple(marks), opens=bool(fed))


def frame(inner: Box, title: str, badge: str = "") -> Box:
    """A border around a box, its title at the top left, a badge such as `x 36` at the top right."""
    above = 24.0 if title or badge else 8.0
    left = max(inner.left + 12, text_width(title) * 1.1 + 16 if title else 0)
    right = max(inner.right + 12, text_width(badge) * 1.1 + 16 if badge else 0)
    height = above + inner.height + 10
    marks = [Mark("rect", ((-left, 0), (right, height)), "frame")]
    if inner.opens:
        marks.append(_into(inner, (0, 0), (0, above)))
    marks += [*inner.at(0, above), Mark("path", ((0, height - 10), (0, height)), "line")]
    if title:
        marks.append(Mark("text", ((-left + 8, 15),), "title", title))
    if badge:
        marks.append(Mark("text", ((right - 8, 15),), "badge", badge))
    return Box(left, right, height, tuple(marks), inner.opens)


def panel(inner: Box, title: str, lines: Sequence[str]) -> Box:
    """A box apart, with a title and smaller lines above it."""
    above = 26.0 + 14 * len(lines)
    needed = max([text_width(title) * 1.1, *(text_width(line, SIZE - 1) for line in lines)]) + 20
    left, right = inner.left + 12, max(inner.right + 12, needed - inner.left - 12)
    height = above + inner.height + 12
    marks = [Mark("rect", ((-left, 0), (right, height)), "panel"), Mark("text", ((-left + 8, 17),), "title", title)]
    marks += [Mark("text", ((-left + 8, 32 + 14 * n),), "sub", line) for n, line in enumerate(lines)]
    return Box(left, right, height, (*marks, *inner.at(0, above)))


def aside(main: Box, other: Box) -> Box:
    """`other` branches off to the right of the line, unless it has a source of its own, and does not come back; `main`
    goes on below.
    """
    x = main.right + ASIDE + other.left
    way = Mark("path", ((0, 6), (x, 6), (x, 18)), "skip arrow" if other.tip else "skip")
    height = max(main.height, 18 + other.height + 8)
    line = Mark("path", ((0, main.height), (0, height)), "line")
    ways = (way,) if other.opens else ()
    return Box(main.left, x + other.right, height, (*main.at(0, 0), *ways, *other.at(x, 18), line), main.opens)


# ---- SVG ------------------------------------------------------------------------------------------------------------

_SHEET = """
text { font: 12px Helvetica, Arial, sans-serif; fill: #1f2937; text-anchor: middle }
.note { font-size: 10px; fill: #4b5563 } .shape { font-size: 10px; fill: #6b7280; text-anchor: start }
.title { font-weight: bold; text-anchor: start } .badge { font-weight: bold; fill: #b45309; text-anchor: end }
.heading { font-size: 15px; font-weight: bold; text-anchor: start }
.sub { font-size: 11px; fill: #4b5563; text-anchor: start }
path { fill: none; stroke: #374151; stroke-width: 1.2 } .skip { stroke: #2563eb } .arrow { marker-end: url(#tip) }
rect { fill: #f3f4f6; stroke: #9ca3af } circle { fill: #fff; stroke: #2563eb; stroke-width: 1.3 }
.title, .badge, .shape { paint-order: stroke; stroke: #fff; stroke-width: 3px }
.frame { fill: #1f2937; fill-opacity: 0.03; stroke: #9ca3af; stroke-dasharray: 4 3 }
.panel { fill: #fff; stroke: #d1d5db } .tap { fill: #fff; stroke: #2563eb; stroke-dasharray: 3 2 }
.value { fill: #fff; stroke: #374151 } .module { fill: #fff; stroke: #111827; stroke-width: 1.6 }
.convolution { fill: #dbeafe; stroke: #3b82f6 } .linear { fill: #ffedd5; stroke: #f97316 }
.pooling { fill: #dcfce7; stroke: #16a34a } .attention, .recurrent { fill: #ede9fe; stroke: #8b5cf6 }
.activation { fill: #fef9c3; stroke: #ca8a04 } .joining { fill: #fff; stroke: #2563eb }
.historical { fill: #fae8ff; stroke: #c026d3 }
""".strip()


_ROUND = {"value": 12, "joining": 10}


def svg(box: Box, title: str, description: str) -> str:
    """The picture as an SVG file: self-contained, the same for the same box."""
    margin = 16
    width, height = box.left + box.right + 2 * margin, box.height + 2 * margin
    body = "\n".join(_element(mark) for mark in box.at(box.left + margin, margin))
    sheet = _SHEET.replace("\n", " ")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" role="img">\n'
        f"<title>{_escaped(title)}</title>\n<desc>{_escaped(description)}; made by archdsl</desc>\n<style>{sheet}</style>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" style="fill:#374151;stroke:none"/></marker></defs>\n'
        f'<rect width="{_n(width)}" height="{_n(height)}" style="fill:#fff;stroke:none"/>\n{body}\n</svg>\n'
    )


def _element(mark: Mark) -> str:
    (x, y), last = mark.points[0], mark.points[-1]
    style = f'class="{mark.style}"'
    if mark.kind == "rect":
        size = f'width="{_n(last[0] - x)}" height="{_n(last[1] - y)}"'
        return f'<rect {style} x="{_n(x)}" y="{_n(y)}" {size} rx="{_ROUND.get(mark.style, 5)}"/>'
    if mark.kind == "circle":
        return f'<circle {style} cx="{_n(x)}" cy="{_n(y)}" r="9"/>'
    if mark.kind == "text":
        return f'<text {style} x="{_n(x)}" y="{_n(y)}">{_escaped(mark.text)}</text>'
    return f'<path {style} d="M{_path(mark.points)}"/>'


def _path(points: Iterable[Point]) -> str:
    return " L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _escaped(text: str) -> str:
    return escape(safe(text), {'"': "&quot;"})
