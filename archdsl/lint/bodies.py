"""Walking over what networks are made of: each instance once, each node of a body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..ir.graph import Body, Instance, Invoke, Level, Network, Node, Reuse
from ..ir.lookup import parts


def instances(networks: Iterable[Network]) -> Iterator[Instance]:
    """Every instance of some networks, the outer before the inner."""
    waiting = [network.root for network in networks]
    seen: set[int] = set()
    while waiting:
        instance = waiting.pop()
        if id(instance) not in seen:
            seen.add(id(instance))
            yield instance
            waiting.extend(node.instance for node in inside(instance.body) if isinstance(node, Invoke))


def inside(body: Body) -> Iterator[Node]:
    """Every node of a body, the outer before the inner; a run of equal iterations once."""
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        below = node.body if isinstance(node, Level | Reuse) else parts(node)
        waiting.extend(reversed(below))
