"""Values inside a module that are looked at from outside: `@backbone.layer3`.

The class of such a module returns them beside its output, and whoever calls it takes the tuple apart. Which values a
class must return is decided for the whole network before the first class is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from ..ir import graph as g
from ..ir.lookup import Segments, Spot, follow
from .formulas import UnmergeableError
from .values import inside


class Taps:
    """What each instance returns beside its output, as paths within it."""

    def __init__(self, instances: Iterable[g.Instance]) -> None:
        self._returned: dict[int, dict[Segments, None]] = {}
        for instance in instances:
            for look in looks(instance.body):
                self._need(instance, look.path)

    def returned(self, instance: g.Instance) -> tuple[Segments, ...]:
        """The paths of what an instance returns beside its output."""
        return tuple(self._returned.get(id(instance), ()))

    def _need(self, instance: g.Instance, path: Segments) -> None:
        spot = spot_of(instance, path)
        if spot.call is None:
            return
        wanted = self._returned.setdefault(id(spot.call.instance), {})
        if spot.rest not in wanted:
            wanted[spot.rest] = None
            self._need(spot.call.instance, spot.rest)


def spot_of(instance: g.Instance, path: Segments) -> Spot:
    """Where a path leads in an instance; a call whose output it is counts as that output."""
    spot = follow(instance.body, path)
    if spot is None:
        raise UnmergeableError
    return Spot(spot.value) if spot.call is not None and is_output(spot.call.instance, spot.rest) else spot


def is_output(instance: g.Instance, path: Segments) -> bool:
    """Whether a path leads to what the instance returns anyway."""
    spot = spot_of(instance, path)
    return spot.call is None and spot.turn is None and spot.value == instance.output


def looks(body: g.Body) -> Iterator[g.Look]:
    """The places of a body that look into a module or an iteration."""
    for node in body:
        if isinstance(node, g.Look):
            yield node
        for part in inside(node):
            yield from looks(part)


def invokes(body: g.Body) -> Iterator[g.Invoke]:
    """The calls of a body."""
    for node in body:
        if isinstance(node, g.Invoke):
            yield node
        for part in inside(node):
            yield from invokes(part)


def count_looks(instance: g.Instance, returned: Iterable[Segments], uses: Counter[int]) -> None:
    """What is looked at, or returned beside the output, is read once more."""
    for look in looks(instance.body):
        for value in _values(instance, [look.path]):
            uses[value] += uses[look.output]
    for value in _values(instance, returned):
        uses[value] += 1


def looked_at(instance: g.Instance, returned: Iterable[Segments]) -> set[int]:
    """The values of an instance that something looks at, from outside or by a path through a module."""
    return set(_values(instance, (*(look.path for look in looks(instance.body)), *returned)))


def _values(instance: g.Instance, paths: Iterable[Segments]) -> Iterator[int]:
    for spot in (spot_of(instance, path) for path in paths):
        if spot.call is None and (spot.turn is None or spot.rest):
            yield spot.value


def turns(instance: g.Instance, returned: Iterable[Segments]) -> dict[Segments, list[int]]:
    """The iterations that are looked at, by the level they belong to."""
    found: dict[Segments, set[int]] = {}
    for path in (*(look.path for look in looks(instance.body)), *returned):
        spot = spot_of(instance, path)
        if spot.turn is not None and not spot.rest:
            found.setdefault(spot.path, set()).add(spot.turn)
    return {path: sorted(numbers) for path, numbers in found.items()}
