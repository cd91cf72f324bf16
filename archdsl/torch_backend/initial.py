"""The rows of `init` as statements at the end of constructors.

A row becomes the shortest of these that means what it says: a loop over `self.modules()` by their class, as torchvision
has it; the same over the modules of one emitted class; assignments to members that are named; a loop over
`self.named_parameters()` by the ends of their names. A row under `in MODULE:` stands in the constructor of that module's
class. Each form is tried on the arrays of the network, and what the constructors do is followed for every array: where
the result is not what the rows say, all of it is written by names, in the network's own constructor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..ir.graph import Instance, Network
from ..ir.initial import Filled, scopes
from . import pycode as py
from .arrays import Path, arrays_of, below, kind_of, members_of, torch_kind
from .classes import ClassWriter
from .endings import FEW, Step, Wish, in_order, written
from .formulas import NotEmittedError
from .schemes import same_call

_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class Emission:
    """A network as it is written: its classes, the innermost first, and the class of each of its instances."""

    network: Network
    order: Sequence[ClassWriter]
    writer_of: Callable[[Instance], ClassWriter]


class Initials:
    """The statements that the constructors of a network end with."""

    def __init__(self, emission: Emission, fills: Mapping[str, Filled]) -> None:
        self.emission = emission
        self.places = [p for p in emission.network.walk() if p.operator is not None]
        self.arrays = {a.key: a for p in self.places for a in arrays_of(p)}
        if fills.keys() - self.arrays.keys():
            raise NotEmittedError("an array of which `init` speaks cannot be found again")
        self.root = emission.writer_of(emission.network.root)
        self.inside = self._occurrences()
        self.wishes = self._wishes(fills)
        self.steps: dict[int, list[Step]] = {}

    def statements(self) -> dict[int, list[py.Stmt]]:
        """The statements of each class, by the identity of its writer."""
        self._plan()
        if not self._right():
            self.steps = {id(self.root): [self.by_ends(wish) for wish in self.wishes]}
        return {id(w): written(self.steps[id(w)], w) for w in self.emission.order if id(w) in self.steps}

    # -- what there is

    def _occurrences(self) -> dict[int, dict[Path, Instance]]:
        """Where the objects of each class stand, by the identity of its writer."""
        found: dict[int, dict[Path, Instance]] = {id(self.root): {(): self.emission.network.root}}
        for place in self.places:
            call = place.call
            while call is not None and call.module is not None:
                found.setdefault(id(self.emission.writer_of(call.module)), {})[call.path] = call.module
                call = call.call
        return found

    def _wishes(self, fills: Mapping[str, Filled]) -> list[Wish]:
        """What is to be filled, the earlier rows first, those of files used before those of the network's own."""
        rows = {id(row): scope.names for scope in reversed(scopes(self.emission.network)) for row in scope.inits}
        found: dict[tuple[int, int], Wish] = {}
        for filled in fills.values():
            key = id(filled.row), next(n for n, fill in enumerate(filled.row.fills) if fill is filled.fill)
            found.setdefault(key, Wish(filled.row, filled.fill, rows[id(filled.row)]))
        for key, filled in fills.items():
            at = next(n for n, fill in enumerate(filled.row.fills) if fill is filled.fill)
            found[id(filled.row), at].keys.append(key)
        order = {row: number for number, row in enumerate(rows)}
        return [found[key] for key in sorted(found, key=lambda k: (order[k[0]], k[1]))]

    # -- a plan

    def _plan(self) -> None:
        """Choose a class and a form for every wish."""
        late: set[str] = set()
        for number, wish in enumerate(self.wishes):
            later = {key for other in self.wishes[number + 1 :] for key in other.keys}
            writer = self._home(wish)
            if writer is not self.root and late.isdisjoint(wish.keys):
                step = self._step(wish, writer, set())
                if step is not None:
                    self.steps.setdefault(id(writer), []).append(step)
                    continue
            step = self._step(wish, self.root, later) or self._of_class(wish, writer)
            steps = [step] if step is not None else self._by_parts(wish, later) or [self.by_ends(wish)]
            late |= frozenset[str]().union(*(step.covers for step in steps)) - set(wish.keys)
            self.steps.setdefault(id(self.root), []).extend(steps)

    def _home(self, wish: Wish) -> ClassWriter:
        """The class in whose constructor a wish belongs: that of the module its row speaks inside of."""
        if wish.row.module is None:
            return self.root
        homes: list[ClassWriter] = []
        for writer in self.emission.order:
            instances = self.inside.get(id(writer), {}).values()
            if any(i.name == wish.row.module for i in instances):
                homes.append(writer)
        return homes[0] if len(homes) == 1 else self.root

    def _step(self, wish: Wish, writer: ClassWriter, later: set[str]) -> Step | None:
        """A wish by classes of modules, or by the names of members; None if neither says it. `later`: arrays that
        something fills again afterwards."""
        lanes = list(self.inside[id(writer)])
        named = self._by_name(wish, lanes)
        if named is not None and len(named.by) == 1:
            return named
        places = dict.fromkeys(((), self._common(wish, lanes)))
        allowed: tuple[set[str], ...] = (set(), later)
        steps = (self._by_kind(wish, lanes, under, over) for over in allowed for under in places)
        return next((step for step in steps if step is not None), named)

    def _common(self, wish: Wish, lanes: Sequence[Path]) -> Path:
        """The path of members below which everything stands that a wish speaks of, from an object of the class on."""
        owners = [below(self.arrays[key].owner, lanes) for key in wish.keys]
        first = owners[0]
        shared = next((n for n in range(len(first)) if any(o[: n + 1] != first[: n + 1] for o in owners)), len(first))
        path = first[:shared]
        return path if all(map(py.identifier, path)) else ()

    def _by_kind(self, wish: Wish, lanes: Sequence[Path], under: Path, later: set[str]) -> Step | None:
        wanted = {self.arrays[key] for key in wish.keys}
        kinds = tuple(dict.fromkeys(kind_of(array) for array in sorted(wanted, key=lambda a: a.key)))
        names = {array.name for array in wanted}
        if "" in kinds or len(names) != 1:
            return None
        (name,) = names
        covers: set[str] = set()
        guarded = False
        for lane in lanes:
            start = (*lane, *under)
            for path, own in self._modules():
                key = ".".join((*path, name))
                if path[: len(start)] == start and not own and key in self.arrays:
                    return None  # of a class that is not known here
                if path[: len(start)] == start and set(own) & set(kinds):
                    guarded = guarded or key not in self.arrays
                    covers |= {key} & self.arrays.keys()
        fits = set(wish.keys) <= covers and covers - set(wish.keys) <= later
        made = Step(wish, "kind", frozenset(covers), under, kinds, guarded, self._is_optional(wish))
        return made if fits else None

    def _by_parts(self, wish: Wish, later: set[str]) -> list[Step]:
        """A wish by the classes of modules, a step for each of the names of its arrays; none where one cannot be said so."""
        parts: dict[str, Wish] = {}
        for key in wish.keys:
            part = parts.setdefault(self.arrays[key].name, Wish(wish.row, wish.fill, wish.names))
            part.keys.append(key)
        steps = [self._step(part, self.root, later) for part in parts.values()]
        return [step for step in steps if step is not None] if None not in steps else []

    def _is_optional(self, wish: Wish) -> bool:
        """Whether torch declares some of the arrays as perhaps missing."""
        arrays = (self.arrays[key] for key in wish.keys)
        return any(array.name == "bias" and "Conv" in torch_kind(array) for array in arrays)

    def _modules(self) -> Iterator[tuple[Path, tuple[str, ...]]]:
        for place in self.places:
            for path, kinds in members_of(place).items():
                yield (*place.path, *path), kinds

    def _by_name(self, wish: Wish, lanes: Sequence[Path]) -> Step | None:
        relative = self._relative(wish, lanes)
        if relative is None or len(relative) > _MOST_NAMED:
            return None
        if not all(py.identifier(segment) for name in relative for segment in name.split(".")):
            return None
        return Step(wish, "name", frozenset(wish.keys), (), relative, optional=self._is_optional(wish))

    def _relative(self, wish: Wish, lanes: Sequence[Path]) -> tuple[str, ...] | None:
        """What a wish speaks of in an object of a class; None if it is not the same in all."""
        found: dict[Path, list[str]] = {lane: [] for lane in lanes}
        for key in wish.keys:
            path = tuple(key.split("."))
            lane = next((lane for lane in lanes if path[: len(lane)] == lane), None)
            if lane is None:
                return None
            found[lane].append(".".join(path[len(lane) :]))
        first = next(iter(found.values()))
        return tuple(first) if first and all(names == first for names in found.values()) else None

    def _of_class(self, wish: Wish, writer: ClassWriter) -> Step | None:
        """A wish by the modules of one emitted class and their members."""
        if writer is self.root:
            return None
        step = self._by_name(wish, list(self.inside[id(writer)]))
        if step is None:
            return None
        return Step(wish, "class", step.covers, (writer.name,), step.by, optional=step.optional)

    def by_ends(self, wish: Wish) -> Step:
        """A wish by the ends of the names of parameters, or by the whole names."""
        wanted = set(wish.keys)
        ends: list[str] = []
        for key in wish.keys:
            if any(key.endswith(end) for end in ends):
                continue
            parts = key.split(".")
            tails = (".".join(parts[at:]) for at in range(len(parts) - 2, -1, -1))
            end = next((t for t in tails if all(k in wanted for k in self.arrays if k.endswith(t))), None)
            if end is None:
                return Step(wish, "names", frozenset(wanted), (), tuple(wish.keys))
            ends.append(end)
        if len(wish.keys) <= FEW and len(ends) == len(wish.keys):
            return Step(wish, "name", frozenset(wanted), (), tuple(wish.keys), optional=self._is_optional(wish))
        return Step(wish, "ends", frozenset(wanted), (), tuple(ends))

    def _right(self) -> bool:
        """Whether every array ends as its row says, if the constructors run as planned, the inner ones first."""
        wanted = {key: wish for wish in self.wishes for key in wish.keys}
        homes = [(lane, steps) for writer, steps in self.steps.items() for lane in self.inside[writer]]
        homes.sort(key=lambda home: -len(home[0]))
        last: dict[str, Wish] = {}
        for lane, steps in homes:
            start = ".".join((*lane, ""))
            for step in in_order(steps):
                last.update((key, step.wish) for key in step.covers if key.startswith(start))
        return last.keys() == wanted.keys() and all(same_call(last[k].fill, w.fill) for k, w in wanted.items())


__all__ = ["Emission", "Initials"]
