"""The structure of a network as a picture: the layers on a line, ways around and beside it, a panel for each module.

What repeats is drawn once with its count, whether the iterations are equal or only built alike (`x 6, the first
shown`), so a picture is as long as the spec. Modules that are built alike share a panel.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from typing import TypeGuard

from ..ir.extent import check_places
from ..ir.graph import Network
from ..ir.lookup import parts
from ..ir.nodes import (
    Arm,
    Body,
    Choice,
    Instance,
    Invoke,
    Join,
    Layer,
    Level,
    Line,
    Look,
    Node,
    Repeat,
    Residual,
    Reuse,
    Run,
    SideOutput,
)
from ..records import dataclass
from .constants import constant_text
from .drawing import ASIDE, WIRE, Box, Mark, aside, card, fan, frame, panel, skip, source, stack, svg, text_width
from .likeness import Signature, alike, body_alike, first_read, value_names
from .words import LONGEST, arguments_text, described, wrapped

_QUIET = {"activation", "normalisation", "regularisation"}
"""Families whose layers are written into the box of the layer before them."""


def picture(network: Network) -> str:
    """The network as an SVG file."""
    artist = _Artist()
    main = artist.network(network)
    panels = list(artist.panels())
    title = network.title or "a network without a name"
    chosen = ", ".join(f"{name} {constant_text(value)}" for name, value in network.parameters.items())
    whole = _page(title, [line for line in (chosen, network.source) if line], main, panels)
    return svg(whole, title, f"the structure of {title}")


# ---- the page -------------------------------------------------------------------------------------------------------


def _page(title: str, below: Sequence[str], main: Box, panels: Sequence[Box]) -> Box:
    """The heading, the network on the left, the modules' panels in columns on its right."""
    top = 28.0 + 16 * len(below)
    marks = [*main.at(main.left, top)]
    x, y = main.left + main.right + 2 * ASIDE, top
    bottom, widest, right = top + main.height, 0.0, x - 2 * ASIDE
    limit = top + max(main.height, *(p.height for p in panels), 0)
    for one in panels:
        if y > top and y + one.height > limit:
            x, y, widest = x + widest + ASIDE, top, 0.0
        marks += one.at(x + one.left, y)
        y += one.height + ASIDE
        widest = max(widest, one.left + one.right)
        bottom, right = max(bottom, y - ASIDE), max(right, x + widest)
    heading = [Mark("text", ((0, 14),), "heading", title)]
    for number, line in enumerate(below):
        heading.append(Mark("text", ((0, 32 + 16 * number),), "sub", line))
    width = max(right, text_width(title, 16), *(text_width(line, 11) for line in (*below, "")))
    return Box(0, width, bottom, (*heading, *marks))


# ---- drawing --------------------------------------------------------------------------------------------------------


@dataclass
class _Place:
    """Where the pen is: the instance being drawn, the value on the line, and the boxes so far with their notes."""

    instance: Instance
    names: dict[int, str]
    flow: int | None = None
    boxes: list[Box] = field(default_factory=list[Box])
    notes: list[str] = field(default_factory=list[str])
    open_card: tuple[list[str], str] | None = None

    def put(self, box: Box, output: int) -> None:
        """A box on the line, whose result goes on."""
        self.close()
        shapes = self.instance.shapes
        changed = self.flow is None or str(shapes[output]) != str(shapes[self.flow])
        self.boxes.append(box)
        self.notes.append(str(shapes[output]) if changed else "")
        self.flow = output

    def close(self) -> None:
        """The layers collected so far are a card."""
        if self.open_card is not None:
            lines, style = self.open_card
            self.open_card = None
            self.boxes[-1] = card(lines, style)

    def stacked(self) -> Box:
        self.close()
        return stack(self.boxes, self.notes)

    def begin(self, value: int | None) -> None:
        """If the next thing reads another value than the one on the line, say which."""
        if value is None or value == self.flow:
            return
        self.close()
        if self.boxes or value in self.names:
            self.boxes.append(source(f"@{self.names.get(value, '...')}"))
            self.notes.append("")
        self.flow = value


class _Artist:
    def __init__(self) -> None:
        self.known: dict[int, Signature] = {}
        self.modules: dict[Signature, Invoke] = {}

    # -- the parts of the page

    def network(self, network: Network) -> Box:
        root = network.root
        check_places(root, fold=True)
        self.discover(root.body)
        names = value_names(root)
        place = _Place(root, names)
        entries = [(name, value) for name, value in zip(root.entry_names, root.entry, strict=True)]
        first = first_read(root.body)
        for name, value in entries:
            text = f"{root.shapes[value]}" if len(entries) == 1 else f"{name}: {root.shapes[value]}"
            names.setdefault(value, name)
            if value == first:
                place.boxes.append(card([text], "value"))
                place.notes.append("")
                place.flow = value
        self.body(root.body, place)
        place.close()
        place.boxes.append(card([f"{root.result}"], "value"))
        place.notes[-1:] = [""]
        place.notes.append("")
        return place.stacked()

    def panels(self) -> Iterator[Box]:
        """One panel for each way a module is built, in the order of their first calls."""
        for key, call in self.modules.items():
            yield self.panel(call, self.title(key))

    def title(self, key: Signature) -> str:
        """The module's name, with a letter where there are several of the name."""
        named = [k for k in self.modules if k[1] == key[1]]
        letter = f" {string.ascii_lowercase[named.index(key) % 26]}" if len(named) > 1 else ""
        return f"{key[1]}{letter}"

    def discover(self, body: Body) -> None:
        """Note the calls of a body and of what they call, the first of those built alike."""
        for node in body:
            if isinstance(node, Invoke):
                key = alike(node, self.known)
                if key not in self.modules:
                    self.modules[key] = node
                    self.discover(node.instance.body)
            elif not isinstance(node, Reuse | Level):
                self.discover(parts(node))
            elif isinstance(node, Level):
                self.discover(node.body)

    def panel(self, call: Invoke, title: str) -> Box:
        instance = call.instance
        entry = instance.entry[0]
        place = _Place(instance, value_names(instance), entry)
        self.body(instance.body, place)
        ends = [card([str(instance.shapes[entry])], "value"), card([str(instance.result)], "value")]
        return panel(stack([ends[0], place.stacked(), ends[1]]), title, wrapped(arguments_text(instance), LONGEST))

    # -- bodies

    def body(self, body: Body, place: _Place) -> None:
        for node in body:
            self.node(node, place)

    def node(self, node: Node, place: _Place) -> None:
        match node:
            case Layer():
                self.layer(node, place)
            case Invoke():
                place.begin(node.inputs[0])
                place.put(self.call(node, place), node.output)
            case Line() | Choice():
                self.body(node.body, place)
            case Level():
                self.level(node, place)
            case Residual():
                self.residual(node, place)
            case Join():
                self.join(node, place)
            case Repeat():
                self.repeat(node, place, "")
            case Reuse():
                place.begin(node.inputs[0] if node.inputs else None)
                place.put(card([f"again {'.'.join(node.path)}"], "tap"), node.output)
            case Look():
                place.names[node.output] = ".".join(node.path)
            case SideOutput():
                self.side(node, place)

    def layer(self, node: Layer, place: _Place) -> None:
        op = node.operator
        if op.word == "identity":
            place.begin(node.inputs[0])
            place.flow = node.output
            return
        place.begin(node.inputs[0] if node.inputs else None)
        style = op.family if op.family not in _QUIET else "quiet"
        text = described(op)
        for value in node.inputs[1:]:
            text += f" @{place.names.get(value, '...')}"
        if op.family in _QUIET and place.open_card is not None:
            lines, _ = place.open_card
            if len(lines) == 1 or len(lines[-1]) + len(text) > LONGEST:
                lines.append(text)
            else:
                lines[-1] += f" · {text}"
            place.flow = node.output
            return
        place.put(WIRE, node.output)
        label = node.label.text if node.label is not None else ""
        place.open_card = ([f"{label}: {text}" if label and not label.isdigit() else text], style)

    def call(self, node: Invoke, place: _Place) -> Box:
        label = f"{node.label.text}: " if node.label is not None and node.label.text != "_" else ""
        arguments = wrapped(arguments_text(node.instance), LONGEST)
        handed = [f"@{place.names.get(v, '...')}" for v in node.inputs[1:]]
        return card([f"{label}{self.title(alike(node, self.known))}", *arguments, *handed], "module")

    def level(self, node: Level, place: _Place) -> None:
        label = node.label.text if node.label is not None else ""
        if len(node.body) == 1 and isinstance(node.body[0], Repeat):
            self.repeat(node.body[0], place, label)
            return
        if not label or label.isdigit() or label == "_":
            self.body(node.body, place)
            return
        inner = self.inside(node.body, place)
        place.put(frame(inner, label), node.output)

    def inside(self, body: Body, place: _Place, flow: int | None = None) -> Box:
        """A body as a box of its own, which begins with what is on the line."""
        first = first_read(body)
        within = replace(place, flow=place.flow if flow is None else flow, boxes=[], notes=[], open_card=None)
        if first is not None and first != within.flow and first not in {*within.names, *_looked_up(body)}:
            within.flow = first
        self.body(body, within)
        within.close()
        if within.notes:
            within.notes[-1] = ""
        return stack(within.boxes, within.notes) if within.boxes else WIRE

    def residual(self, node: Residual, place: _Place) -> None:
        place.begin(node.main.input)
        main = self.arm(node.main, place)
        if not node.taken:
            place.put(main, node.output)
            return
        other = self.arm(node.shortcut, place) if node.shortcut is not None else None
        place.put(skip(main, other), node.output)

    def join(self, node: Join, place: _Place) -> None:
        place.begin(node.input)
        arms = [self.arm(arm, place, shared=bool(node.shares)) for arm in node.arms]
        shapes = place.instance.shapes
        names = [str(shapes[v]) for v in node.shares] if node.shares else []
        place.put(fan(arms, card([described(node.operator)], "joining"), names), node.output)

    def arm(self, arm: Arm, place: _Place, shared: bool = False) -> Box:
        """One way from what is on the line, or from another value, which then stands at its top."""
        if not arm.body and arm.output != arm.input:
            return source(f"@{place.names.get(arm.output, '...')}")
        box = self.inside(arm.body, place, arm.input)
        if shared or arm.input == place.flow or not box.opens:
            return box
        return stack([source(f"@{place.names.get(arm.input, '...')}"), *([box] if arm.body else [])])

    def repeat(self, node: Repeat, place: _Place, label: str) -> None:
        groups: list[tuple[Run, int, bool]] = []
        for run in node.runs:
            last = groups[-1] if groups else None
            if last is not None and body_alike(last[0].body, self.known) == body_alike(run.body, self.known):
                groups[-1] = (last[0], last[1] + run.count, False)
            else:
                groups.append((run, run.count, True))
        if not groups:
            return
        outputs = self._last_outputs(node)
        single = len(groups) == 1
        within = replace(place, boxes=[], notes=[], open_card=None)
        for number, (run, count, equal) in enumerate(groups):
            box = self.inside(run.body, replace(within, flow=run.input), run.input)
            output = outputs[sum(g[1] for g in groups[: number + 1])]
            if count > 1 or (single and label):
                badge = "" if count == 1 else f"x {count}" if equal else f"x {count}, first shown"
                box = frame(box, label if single else "", badge)
            within.put(box, output)
        within.close()
        if single or not label:
            for box, note in zip(within.boxes, within.notes, strict=True):
                place.close()
                place.boxes.append(box)
                place.notes.append(note)
            place.flow = node.output
        else:
            within.notes[-1] = ""
            place.put(frame(stack(within.boxes, within.notes), label), node.output)

    @staticmethod
    def _last_outputs(node: Repeat) -> dict[int, int]:
        """How many iterations have passed -> the value then."""
        passed, found = 0, dict[int, int]()
        for run in node.runs:
            passed += run.count
            found[passed] = run.output
        found[passed] = node.output
        return found

    def side(self, node: SideOutput, place: _Place) -> None:
        place.close()
        body = node.body
        while len(body) == 1 and (isinstance(body[0], Line) or _is_called(body[0], node.name)):
            body = body[0].body
        box = frame(self.inside(body, place), node.name, "training only" if node.training else "")
        main = place.boxes.pop() if place.boxes else WIRE
        note = place.notes.pop() if place.notes else ""
        spread = aside(WIRE, box)
        place.boxes += [main, spread]
        place.notes += [note, ""]


def _looked_up(body: Body) -> Iterator[int]:
    """The values from inside a module that a body fetches."""
    for node in body:
        if isinstance(node, Look):
            yield node.output
        elif isinstance(node, Line | Level):
            yield from _looked_up(node.body)


def _is_called(node: Node, name: str) -> TypeGuard[Level]:
    return isinstance(node, Level) and node.label is not None and node.label.text == name
