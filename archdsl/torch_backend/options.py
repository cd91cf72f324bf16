"""What some instances of a module have and others have not: members that are an identity where there is nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count, pairwise
from typing import TYPE_CHECKING

from ..ir import graph as g
from ..ir.names import Namer, is_taken
from . import pycode as py
from .bodies import labels
from .formulas import UnmergeableError
from .members import first_input, installation
from .sequence import Sequencer, is_chain
from .values import Value
from .walks import WalkWriter

if TYPE_CHECKING:
    from .emitter import Emitter


class OptionWriter(WalkWriter):
    """Writes `self.downsample = nn.Identity()` and what it is instead under a condition."""

    def __init__(self, emitter: Emitter, instances: Sequence[g.Instance], name: str, pinned: frozenset[str]) -> None:
        super().__init__(emitter, instances, name, pinned)
        self.optional_words: set[str] = set()
        """The members called by their words, without a number."""

    def optional(self, choices: Mapping[int, g.Choice], namers: Mapping[int, Namer]) -> None:
        """An item that some lanes have: a member that is an identity in the others, so that `forward` has no branch."""
        present = {n: c for n, c in choices.items() if c.body}
        absent = {n: c for n, c in choices.items() if not c.body}
        first = next(iter(choices.values()))
        if (
            len(first.tests) != 1
            or {c.taken for c in absent.values()} != {1}
            or len({len(c.body) for c in present.values()}) != 1
        ):
            raise UnmergeableError
        items = {n: self.optional_members(n, c.body, namers[n]) for n, c in present.items()}
        if len({len(i) for i in items.values()}) != 1:
            raise UnmergeableError
        enters = {n: first_input(tuple(i), i[-1].output) for n, i in items.items()}
        input_value = self.get({**enters, **{n: c.output for n, c in absent.items()}})
        sequencer, current, code = Sequencer(self), input_value, self.read(input_value)
        made: list[py.Stmt] = []
        name = ""
        for found in ({n: i[at] for n, i in items.items()} for at in range(len(next(iter(items.values()))))):
            path = self.path(dict(found), namers)
            if all(item.label is None and self.is_wire(n, item) for n, item in found.items()):
                continue
            path = self.optional_path(found, path)
            self.parents(path)
            made.extend(sequencer.item(path, found, current))
            self.init.append(installation(path, py.Call(py.Name("nn.Identity")), self.dicts))
            current, code = sequencer.current or current, py.Call(self.member(path), (code,))
            name = name or f"has_{path[-1]}"
        if made:
            test = self.formulas.test(first.tests[0], {n: c.taken == 0 for n, c in choices.items()}, name)
            self.init.append(py.If(test, tuple(made)))
        vids = {n: i[-1].output for n, i in items.items()}
        shapes = {n: self.lanes[n].instance.shapes[c.output] for n, c in choices.items()}
        uses = max(self.uses[n][v] for n, v in vids.items())
        features = self.checked(sequencer.features, shapes) or self.checked(input_value.features, shapes)
        depth = len(next(iter(items.values()))) + input_value.depth
        value = Value(shapes, features, code, uses, depth, input_value.reads)
        self.know({n: c.output for n, c in present.items()}, value)
        for n, choice in absent.items():
            self.before[n].setdefault(choice.output, []).append(self.known[n][choice.output])
            self.known[n][choice.output] = value
        self.variables.pending.add(value)
        if uses != 1:
            self.settle(value)

    def optional_path(
        self, found: Mapping[int, g.Layer | g.Invoke | g.Level], path: tuple[str, ...]
    ) -> tuple[str, ...]:
        """The name of a member: of an activation its word, since a number would be that of another where it is absent."""
        lane, item = next(iter(found.items()))
        form = self.form(lane, item) if isinstance(item, g.Layer) and item.label is None else None
        if form is None or form.state or form.function is None:
            return path
        assert isinstance(item, g.Layer)
        word = item.operator.word
        taken = {name for lane in self.lanes for _, name in labels(lane.instance.body)} | self.optional_words
        names = (word if number == 1 and not word[-1].isdigit() else f"{word}_{number}" for number in count(1))
        name = next(name for name in names if name not in taken and not is_taken(name))
        self.optional_words.add(name)
        return (*self.prefix, name)

    def optional_members(self, lane: int, body: g.Body, namer: Namer) -> list[g.Layer | g.Invoke | g.Level]:
        """The items that some lanes have: one or two, each a member that an identity can stand in for."""
        found = _members(body)
        uses, shapes = self.uses[lane], self.lanes[lane].instance.shapes
        if not 1 <= len(found) <= 2 or not all(is_chain(item, uses, shapes) for item in found):
            raise UnmergeableError
        for item in found:
            form = self.form(lane, item) if isinstance(item, g.Layer) else None
            stands = isinstance(item, g.Invoke) or (form is not None and (form.state or form.module is not None))
            if item.label is None and (namer.positional or not (stands or self.is_wire(lane, item))):
                raise UnmergeableError
        for item, after in pairwise(found):
            if uses[item.output] != 1 or first_input((after,), after.output) != item.output:
                raise UnmergeableError
        return found

    def is_wire(self, lane: int, item: g.Layer | g.Invoke | g.Level) -> bool:
        """Whether an item hands on what it is given, as what is gone for inference does."""
        function = self.form(lane, item).function if isinstance(item, g.Layer) else None
        return function is not None and function.name == ""


def _members(body: g.Body) -> list[g.Layer | g.Invoke | g.Level]:
    """The items of lines one after another; none where something else is among them."""
    found: list[g.Layer | g.Invoke | g.Level] = []
    for node in body:
        inner = [node] if isinstance(node, g.Layer | g.Invoke | g.Level) else []
        if isinstance(node, g.Line | g.Choice):
            inner = _members(node.body)
        if not inner:
            return []
        found.extend(inner)
    return found
