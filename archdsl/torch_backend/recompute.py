"""What `--checkpoint-repeats` computes again in training: the turns of the innermost repeats.

A turn that is one module, or an nn.Sequential, becomes one that checkpoints itself when it is called, whatever container
or loop calls it. So do the modules called in a turn of several items. A turn of layers alone, which has no module of its
own, becomes a function within `forward`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..ir import graph as g
from .bodies import made_in, nodes
from .values import count_reads, inside

FUNCTIONS = {False: "recomputed", True: "recomputed_norms"}
MODULES = {False: "Recomputed", True: "RecomputedNorms"}


@dataclass
class Turns:
    """The turns of a network: instances and levels that are computed again, by their identity.

    `norms`: some of them keep running statistics. `found` is set when one is written.
    """

    instances: set[int] = field(default_factory=set[int])
    levels: set[int] = field(default_factory=set[int])
    norms: bool = False
    found: bool = False

    @property
    def base(self) -> str:
        """The class that modules are derived from."""
        return MODULES[self.norms]

    @property
    def sequential(self) -> str:
        """The container that takes the place of nn.Sequential."""
        return f"{MODULES[self.norms]}Sequential"

    @property
    def function(self) -> str:
        """What calls a function of a turn."""
        return FUNCTIONS[self.norms]


def turns_of(network: g.Network, root: g.Instance) -> Turns:
    """The turns of a network whose levels are chains or calls."""
    found = Turns(norms=any(_counts(place) for place in network.walk(fold=True)))
    repeating: dict[int, bool] = {}
    for instance in _instances(root):
        for node in nodes(instance.body):
            if isinstance(node, g.Repeat) and node.count > 1 and not _repeats_inside(node, repeating):
                for run in node.runs:
                    _add(run.body, found)
    return found


def _counts(place: g.Place) -> bool:
    return any(tensor.role == "statistic" for tensor in place.tensors.values())


def _add(body: g.Body, found: Turns) -> None:
    for node in body:
        if isinstance(node, g.Invoke):
            found.instances.add(id(node.instance))
        elif isinstance(node, g.Level):
            found.levels.add(id(node))
        else:
            for inner in inside(node):
                _add(inner, found)


def _instances(root: g.Instance) -> list[g.Instance]:
    found, waiting = {id(root): root}, [root]
    while waiting:
        for node in nodes(waiting.pop().body):
            if isinstance(node, g.Invoke) and id(node.instance) not in found:
                found[id(node.instance)] = node.instance
                waiting.append(node.instance)
    return list(found.values())


def _repeats_inside(repeat: g.Repeat, known: dict[int, bool]) -> bool:
    """Whether a turn has repeats of its own, in the modules that it calls, too."""
    return any(_repeats(run.body, known) for run in repeat.runs)


def _repeats(body: g.Body, known: dict[int, bool]) -> bool:
    for node in nodes(body):
        if isinstance(node, g.Repeat) and node.count > 1:
            return True
        if isinstance(node, g.Invoke):
            if id(node.instance) not in known:
                known[id(node.instance)] = _repeats(node.instance.body, known)
            if known[id(node.instance)]:
                return True
    return False


def is_loose(repeat: g.Node) -> bool:
    """Whether the turns of a repeat are several layers that no module or level holds together."""
    if not isinstance(repeat, g.Repeat) or repeat.count < 2:
        return False
    held = g.Invoke | g.Level | g.Repeat | g.SideOutput | g.Reuse
    if any(isinstance(node, held) for run in repeat.runs for node in nodes(run.body)):
        return False
    return all(len(list(_layers(run.body))) > 1 for run in repeat.runs)


def _layers(body: g.Body) -> Iterator[g.Layer]:
    return (node for node in nodes(body) if isinstance(node, g.Layer))


def has_loose(body: g.Body) -> bool:
    """Whether a body has such a repeat."""
    return any(is_loose(node) for node in nodes(body))


def is_closed(run: g.Run, uses: dict[int, int]) -> bool:
    """Whether nothing outside of a turn reads what is made in it, but for what comes out."""
    reads = count_reads(run.body)
    return all(value == run.output or uses[value] <= reads[value] for value in made_in(run.body))
