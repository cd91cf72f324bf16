"""Which modules of a network to shard one by one, when it is trained on several devices."""

from __future__ import annotations

from collections.abc import Iterator

from .extent import check_places
from .graph import Body, Instance, Invoke, Layer, Level, Network, Node, Repeat, Reuse
from .lookup import named, parts
from .names import Path


def parallel_plan(network: Network) -> tuple[str, ...]:
    """The paths of the modules that are each a unit of fully sharded data parallelism, in the order of the network.

    A unit is what a repeat of the spec repeats: a call of a module, or the level around a repeat of plain layers. What is
    not in a unit (stem, head, and whatever shares arrays with something outside of its unit) belongs to the root, which is
    sharded last:

        for name in archdsl.parallel_plan(net):
            fully_shard(module.get_submodule(name))
        fully_shard(module)

    >>> import archdsl
    >>> archdsl.parallel_plan(archdsl.load("gpt2"))[:2]
    ('transformer.h.0', 'transformer.h.1')
    """
    repeated = {id(node) for instance in _instances(network.root) for node in _units(instance.body, False)}
    units: list[Path] = []
    shared: list[Path] = []
    check_places(network.root)
    for place in network.walk():
        node = place.node
        if id(node) in repeated and not place.training and not (units and _within(place.path, units[-1])):
            units.append(place.path)
        if isinstance(node, Reuse):
            shared.append((*place.owner, *node.path))
        elif isinstance(node, Layer) and node.tied:
            shared += [place.path, *((*place.owner, *path) for _, path in node.tied)]
    left = (unit for unit in units if not any(_within(path, unit) or _within(unit, path) for path in shared))
    return tuple(".".join(unit) for unit in left)


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
