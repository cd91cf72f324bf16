"""Which modules of a network to shard one by one, when it is trained on several devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .extent import check_places
from .graph import Body, Instance, Invoke, Layer, Level, Look, Network, Node, Repeat, Reuse
from .lookup import named, parts, side_outputs
from .names import Path
from .relabel import relabelled


def parallel_plan(network: Network, names: str | None = None) -> tuple[str, ...]:
    """The paths of the modules that are each a unit of fully sharded data parallelism, in the order of the network.

    A unit is what a repeat of the spec repeats: a call of a module, or the level around a repeat of plain layers. What is
    not in a unit (stem, head, what shares arrays with something outside of it, a level that something looks into, for it
    is not called as a whole) belongs to the root, which is sharded last. `names` is the dialect that the module has, if it
    was built with one:

        for name in archdsl.parallel_plan(net):
            fully_shard(module.get_submodule(name))
        fully_shard(module)

    >>> import archdsl
    >>> archdsl.parallel_plan(archdsl.load("gpt2"))[:2]
    ('transformer.h.0', 'transformer.h.1')
    """
    network = network if names is None else relabelled(network, names)
    repeated = {id(node) for instance in _instances(network.root) for node in _units(instance.body, False)}
    units: list[Path] = []
    shared: list[tuple[Path, Path]] = []
    looked = list(_looked(network.root, ()))
    check_places(network.root)
    for place in network.walk():
        node = place.node
        outermost = not place.training and not (units and _within(place.path, units[-1]))
        if id(node) in repeated and outermost and (isinstance(node, Invoke) or _is_called(node, place.path, looked)):
            units.append(place.path)
        if isinstance(node, Invoke):
            looked += _looked(node.instance, place.path)
        if isinstance(node, Reuse):
            shared.append(((*place.owner, *node.path), place.owner))
        elif isinstance(node, Layer):
            shared += (((*place.owner, *path), place.path) for _, path in node.tied)
    return tuple(".".join(unit) for unit in units if not any(_leaves(unit, *ends) for ends in shared))


def _leaves(unit: Path, array: Path, user: Path) -> bool:
    """Whether an array is shared between a unit and something that is not in it."""
    touched = _within(array, unit) or _within(unit, array) or (_within(user, unit) and user != unit)
    return touched and not (_within(array, unit) and _within(user, unit))


def _is_called(level: Node, path: Path, looked: Iterable[Path]) -> bool:
    """Whether a level is a module that is applied as a whole: it has no further output, and nothing looks into it."""
    return not any(side_outputs((level,))) and not any(_within(look, path) and look != path for look in looked)


def _looked(instance: Instance, owner: Path) -> Iterator[Path]:
    """The paths that an instance looks along, from the network on."""
    for node in _all(instance.body):
        if isinstance(node, Look):
            yield (*owner, *node.path)


def _all(body: Body) -> Iterator[Node]:
    for node in body:
        yield node
        if isinstance(node, Level | Reuse):
            yield from _all(node.body)
        elif not isinstance(node, Invoke | Layer | Look):
            yield from _all(parts(node))


def _within(path: Path, outer: Path) -> bool:
    return path[: len(outer)] == outer


def _units(body: Body, repeated: bool) -> Iterator[Node]:
    """The calls that a repeat of the body repeats, and the levels around a repeat without calls."""
    for node in body:
        if isinstance(node, Invoke):
            if repeated:
                yield node
        elif isinstance(node, Level):
            if any(isinstance(inner, Repeat) for inner in _direct(node.body)) and not _calls(node.body):
                yield node
            yield from _units(node.body, repeated)
        elif not isinstance(node, Layer | Reuse):
            yield from _units(parts(node), repeated or isinstance(node, Repeat))


def _direct(body: Body) -> Iterator[Node]:
    """The nodes of a body, through whatever has no name."""
    for node in body:
        yield node
        if not isinstance(node, Invoke | Level | Layer | Reuse):
            yield from _direct(parts(node))


def _calls(body: Body) -> bool:
    return any(isinstance(n, Invoke) or (isinstance(n, Level) and _calls(n.body)) for n in named(body))


def _instances(root: Instance) -> Iterator[Instance]:
    """Every instance of a network, each once."""
    waiting, seen = [root], {id(root)}
    while waiting:
        instance = waiting.pop()
        yield instance
        for called in _called(instance.body):
            if id(called) not in seen:
                seen.add(id(called))
                waiting.append(called)


def _called(body: Body) -> Iterator[Instance]:
    for node in named(body):
        if isinstance(node, Invoke):
            yield node.instance
        elif isinstance(node, Level):
            yield from _called(node.body)


__all__ = ["parallel_plan"]
