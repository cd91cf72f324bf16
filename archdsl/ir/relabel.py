"""A network whose own names are a dialect's, so that what is written for it has the dialect's keys.

Labels alone change: where the dialect keeps a level together it stays one, with another label; where it does not, its
items stand where their names say. Iterations that get names of their own become runs of their own. A layer that some
library has with other names of its arrays (`Operator.named`) is exchanged for that one. What neither can say is refused:
arrays split, merged or transposed, and other names that a layer gives its own arrays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import fields, replace
from typing import Any

from ..diagnostics import Diagnostic, SpecError
from ..records import dataclass
from .dialects import Renamer, find_dialect
from .graph import Network
from .keys import Entry, state, state_keys
from .names import Item, Namer, Path, Place, is_taken
from .nodes import (
    Arm,
    Body,
    Dialect,
    Instance,
    Invoke,
    Label,
    Layer,
    Level,
    Line,
    Look,
    Node,
    Repeat,
    Residual,
    Reuse,
    Run,
)
from .operator import Operator, Tensor
from .renumbering import PARTS, nodes_in, turns
from .shapes import Shape
from .weights import storage


def relabelled(network: Network, dialect: str) -> Network:
    """The network under the names of a dialect.

    Raises SpecError: A1002 where no labels give these names; else as `storage`.
    """
    named = find_dialect(network, dialect)
    if named.own:
        return network
    keys = _pure(network, named)
    if all(key == new for key, new in keys.items()):
        return network
    made = _Relabeller(network, named, keys).network()
    shapes = state_keys(network)
    wanted = {new: shapes[key] for key, new in keys.items()}
    if state_keys(made) != wanted:
        wrong = next(key for key, new in keys.items() if state_keys(made).get(new) != wanted[new])
        raise refused(named, f"`{wrong}` cannot become `{keys[wrong]}` by another label")
    return made


def refused(dialect: Dialect, why: str) -> SpecError:
    """Names that no module tree has."""
    name, span = dialect.name, next(iter(dialect.spans), None)
    help = f"write the spec's own names, and convert weights: archdsl weights SPEC IN --from {name}"
    return SpecError([Diagnostic("A1002", f"no module has the names of {name}: {why}", span, help=help)])


def _pure(network: Network, dialect: Dialect) -> dict[str, str]:
    """The key of each array in the dialect, if it stores each as it is and once."""
    found: dict[str, str] = {}
    for array in storage(network, dialect.name):
        key, new = array.pieces[0].key, array.keys[0]
        if len(array.pieces) > 1:
            raise refused(dialect, f"`{new}` holds `{key}` and other arrays")
        if array.transposed:
            raise refused(dialect, f"`{new}` is `{key}` transposed")
        if len(array.keys) > 1:
            raise refused(dialect, f"`{key}` is kept twice, as {' and '.join(f'`{name}`' for name in array.keys)}")
        if key in found:
            raise refused(dialect, f"`{key}` is split, into `{found[key]}` and others")
        found[key] = new
    return found


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where a body stands: `old` and `new` are the paths of the module or level around it, `owner` the old path of the
    module from which labels are counted; `before` and `after` give the names, `shapes` grows with new values."""

    old: Path
    new: Path
    before: Namer
    after: Namer
    owner: Path
    shapes: list[Shape]


class _Relabeller:
    """Walks a network turn by turn, with the old and the new names side by side."""

    def __init__(self, network: Network, dialect: Dialect, keys: Mapping[str, str]) -> None:
        self.old, self.dialect = network, dialect
        self.renamer = Renamer(dialect)
        self.operators: dict[Path, Operator] = {}
        self.wanted = dict(self._layers(state(network), keys))
        self._containers()
        self.taken = {path[:length] for path in self.wanted.values() for length in range(1, len(path) + 1)}
        self.where: dict[Path, Path] = {}
        self.free: set[Path] = set()
        self.made: dict[int, list[Instance]] = {}

    def network(self) -> Network:
        return replace(self.old, root=self.instance(self.old.root, (), ()))

    # -- where things are to stand

    def _layers(self, entries: Sequence[Entry], keys: Mapping[str, str]) -> Iterator[tuple[Path, Path]]:
        """Each layer with arrays, and its new path; what the layer itself calls them stays where it can."""
        found: dict[Path, list[Entry]] = {}
        for entry in entries:
            found.setdefault(entry.place.path, []).append(entry)
        for old, arrays in found.items():
            path = self._otherwise(arrays, keys) or self._path(arrays, keys)
            if any(map(is_taken, path)):
                name = next(filter(is_taken, path))
                raise refused(self.dialect, f"every module of PyTorch has something called `{name}`")
            yield old, path

    def _path(self, arrays: Sequence[Entry], keys: Mapping[str, str]) -> Path:
        """Where a layer is to stand whose arrays keep the names it gives them."""
        found: set[Path] = set()
        for entry in arrays:
            own, new = entry.tensor.name, keys[entry.key]
            if not _keeps(entry, new):
                raise refused(self.dialect, f"`{entry.key}` ends in what its layer calls it, `{new}` does not")
            found.add(tuple((new[: -len(own) - 1] if own else new).split(".")))
        if len(found) > 1:
            raise refused(self.dialect, f"the arrays of `{arrays[0].place.name}` would lie in two modules")
        return found.pop()

    def _otherwise(self, arrays: Sequence[Entry], keys: Mapping[str, str]) -> Path | None:
        """Where a layer is to stand that can call its arrays as the dialect does; None where it cannot, or need not."""
        place = arrays[0].place
        if place.operator is None or all(_keeps(entry, keys[entry.key]) for entry in arrays):
            return None
        path = _shared([tuple(keys[entry.key].split(".")) for entry in arrays])
        names = {entry.tensor.name: ".".join(keys[entry.key].split(".")[len(path) :]) for entry in arrays}
        made = place.operator.named(names)
        if made is None:
            return None
        self.operators[place.path] = made
        return path

    def _containers(self) -> None:
        """Where calls and levels stand: as the rules say or, for what they do not speak of, around their items."""
        below: dict[Path, list[Path]] = {}
        for path, new in self.wanted.items():
            for length in range(1, len(path)):
                below.setdefault(path[:length], []).append(new)
        there = Counter(path[:length] for path in self.wanted.values() for length in range(1, len(path)))
        kept: dict[Path, Place] = {}
        self.parted = {place.path for place in self.old.walk() if isinstance(place.node, Level) and place.path in below}
        for place in self.old.walk():
            if place.path not in below or not isinstance(place.node, Invoke | Level):
                continue
            found = self._common(place, below[place.path])
            apart = bool(found) and there[found] == len(below[place.path])
            if apart and found in kept and isinstance(kept[found].node, Level):
                outer = kept.pop(found).path  # the level holds nothing but this one
                del self.wanted[outer]
                self.parted.add(outer)
            if apart and found not in kept:
                kept[found], self.wanted[place.path] = place, found
                self.parted.discard(place.path)
            elif isinstance(place.node, Invoke):
                raise refused(self.dialect, f"the arrays of `{place.name}` would not lie in one module of their own")

    def _common(self, place: Place, members: Sequence[Path]) -> Path:
        """A path that all members lie below: the renamed one, or the longest they share."""
        try:
            (named,) = self.renamer.entry(Entry(place.name, place, Tensor("", ())))
            path = tuple(named.key.split("."))
        except (SpecError, ValueError):
            path = ()
        if path and all(member[: len(path)] == path and len(member) > len(path) for member in members):
            return path
        return _shared(members)

    # -- the new tree

    def instance(self, instance: Instance, old: Path, new: Path) -> Instance:
        """The definition as it is called at a place; equal ones are one."""
        scope = _Scope(old, new, Namer(False), Namer(False), old, list(instance.shapes))
        body = self.body(instance.body, scope)
        alike = self.made.setdefault(id(instance), [])
        for other in alike:
            if other.body == body:
                return other
        name = f"{instance.name}{len(alike) + 1}" if alike and instance.name else instance.name
        alike.append(replace(instance, name=name, body=body, shapes=tuple(scope.shapes)))
        return alike[-1]

    def body(self, body: Body, scope: _Scope) -> Body:
        return tuple(self.node(node, scope) for node in body)

    def node(self, node: Node, scope: _Scope) -> Node:
        match node:
            case Layer() | Invoke() | Level():
                return self.item(node, scope)
            case Repeat():
                runs = tuple(run for before in node.runs for run in self.runs(before, scope))
                return replace(node, runs=runs)
            case Reuse() | Look():
                return replace(node, path=self.label_path(node.path, scope))
            case Residual(shortcut_first=True, shortcut=Arm() as shortcut):
                first = self.part(shortcut, scope)
                return replace(node, shortcut=first, main=self.part(node.main, scope))
            case _:
                changes = {f.name: self.part(getattr(node, f.name), scope) for f in fields(node) if f.name in PARTS}
                return replace(node, **changes)

    def part(self, part: Any, scope: _Scope) -> Any:
        """A body, or arms with bodies."""
        if isinstance(part, tuple):
            return tuple(self.part(inner, scope) for inner in part)  # type: ignore[reportUnknownVariableType]
        if part is None:
            return None
        if isinstance(part, Arm):
            return replace(part, body=self.body(part.body, scope))
        return self.node(part, scope)

    def item(self, node: Item, scope: _Scope) -> Node:
        old = (*scope.old, *scope.before.name(node))
        wanted = self.wanted.get(old)
        if isinstance(node, Level) and old in self.parted:  # its items stand elsewhere
            inner = replace(scope, old=old, before=Namer(True))
            return Line(self.body(node.body, inner), node.output, span=node.span)
        label, new = self.label(node, wanted, scope)
        self.where[old] = new
        if isinstance(node, Layer):
            tied = tuple((name, self.label_path(path, scope)) for name, path in node.tied)
            operator = self.operators.get(old, node.operator)
            return replace(node, label=label, operator=operator, tied=tied)
        if isinstance(node, Invoke):
            return replace(node, label=label, instance=self.instance(node.instance, old, new))
        inner = replace(scope, old=old, new=new, before=Namer(True), after=Namer(True))
        return replace(node, label=label, body=self.body(node.body, inner))

    def label(self, node: Item, wanted: Path | None, scope: _Scope) -> tuple[Label | None, Path]:
        """The label that gives an item its new name; none where it has that name without one."""
        trial = deepcopy(scope.after)
        alone = (*scope.new, *trial.name(replace(node, label=None)))
        if wanted is None:
            label = node.label
            path = alone if label is None else (*scope.new, *label.segments)
            count = 1
            while path in self.taken or path in self.free:
                label = Label((f"{path[-1]}_{count}",))
                path, count = (*scope.new, *label.segments), count + 1
            self.free.add(path)
        else:
            if wanted[: len(scope.new)] != scope.new or len(wanted) == len(scope.new):
                raise refused(self.dialect, f"`{'.'.join(wanted)}` does not lie in `{'.'.join(scope.new)}`")
            path, segments = wanted, wanted[len(scope.new) :]
            same = node.label is not None and node.label.segments == segments
            label = node.label if same else None if alone == wanted else Label(segments)
        scope.after.name(replace(node, label=label))
        return label, path

    def label_path(self, path: Path, scope: _Scope) -> Path:
        """A path that labels say, from the module it is said in."""
        found = self.where.get((*scope.owner, *path))
        if found is None:
            raise refused(self.dialect, f"`{'.'.join(path)}` is used again, and would not be one thing any more")
        start = len(self.where.get(scope.owner, ()))
        return found[start:]

    # -- repeats

    def runs(self, run: Run, scope: _Scope) -> Iterator[Run]:
        """The turns of a run: one run again if labels are equal in all of them, else one each."""
        bodies = [self.body(run.body, scope) for _ in range(run.count)]
        if all(body == bodies[0] for body in bodies[1:]):
            yield replace(run, body=bodies[0]) if bodies else run
            return
        if any(isinstance(node, Reuse | Look) or getattr(node, "tied", ()) for node in nodes_in(run.body)):
            raise refused(self.dialect, "iterations with names of their own, in which something is used again")
        yield from turns(run, bodies, scope.shapes)


def _keeps(entry: Entry, key: str) -> bool:
    """Whether a key ends in what its layer calls the array."""
    return not entry.tensor.name or key.endswith(f".{entry.tensor.name}")


def _shared(paths: Sequence[Path]) -> Path:
    """The longest path that all lie below."""
    first, last = min(paths), max(paths)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: min(length, min(map(len, paths)) - 1)]


__all__ = ["refused", "relabelled"]
