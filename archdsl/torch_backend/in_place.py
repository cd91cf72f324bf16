"""Activations and residuals that write over what they read, where nothing else reads it.

A new array costs its page faults: a twentieth of VGG's training step, a tenth of a folded ResNet-50. What is written over must
be new (made by a convolution, a linear layer, a batch norm or a residual, none of which keeps it for the gradient) and
read once. In the network as it is trained these are the activations whose gradient follows from what they give; for
inference all that torch has in place, and sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ..diagnostics import Span
from ..ir.graph import Body, Instance, Invoke, Layer, Network, Node, Repeat, Residual, Reuse
from ..ir.operator import Operator, TorchCall, TorchForm
from ..ir.shapes import Shape
from ..ops.activation import Elu, Hardsigmoid, Hardswish, LeakyRelu, Mish, Relu, Relu6, Selu, Silu
from ..ops.formula import slot
from ..records import dataclass
from .bodies import mapped, nodes
from .folding import LAYERS, all_nodes, first_name, last_name, mentioned
from .values import count_uses, inside

_NEW = frozenset({*LAYERS, "bn"})
"""What makes a new value; a batch norm that is folded follows the layer that did."""


def in_place(network: Network, inference: bool) -> Network:
    """The same network, some of its nodes of classes that write over their input."""
    return replace(network, root=_Writer(network, inference).instance(network.root))


@dataclass(frozen=True, slots=True)
class ResidualInPlace(Residual):
    """A residual that adds its shortcut to what `f(x)` has made."""


class _InPlace(Operator):
    """An activation that writes over its input."""

    def torch(self, *inputs: Shape) -> TorchForm:
        form = super().torch(*inputs)
        return replace(form, module=_overwriting(form.module), function=_overwriting(form.function))


def _overwriting(call: TorchCall | None) -> TorchCall | None:
    return call and replace(call, kwargs=(*call.kwargs, ("inplace", slot(True), False)))


_ACTIVATIONS: Mapping[str, type[Operator]] = {
    kind.word: type(f"_InPlace{kind.__name__}", (_InPlace, kind), {})
    for kind in (Relu, Relu6, LeakyRelu, Elu, Selu, Silu, Mish, Hardswish, Hardsigmoid)
}
_TRAINED = frozenset({"relu", "relu6", "selu"})
"""Those whose gradient follows from what they give, whatever their arguments are."""


class _Writer:
    """Rewrites every instance once. What stands at one place of the spec is in place in all instances or in none."""

    def __init__(self, network: Network, inference: bool) -> None:
        self.inference = inference
        self.pinned = {name for node in all_nodes(network.root) for name in mentioned(node)}
        self.made: dict[int, Instance] = {}
        self.found: set[int] = set()
        self.refused: set[Span | None] = set()
        seen: set[int] = set()
        waiting = [network.root]
        while waiting:
            instance = waiting.pop()
            if id(instance) in seen:
                continue
            seen.add(id(instance))
            reused = {node.path[0] for node in nodes(instance.body) if isinstance(node, Reuse)}
            self.find(instance.body, count_uses(instance), set(), reused)
            waiting += [node.instance for node in nodes(instance.body) if isinstance(node, Invoke)]

    def find(self, body: Body, uses: Mapping[int, int], new: set[int], pinned: set[str]) -> None:
        """Note what can be in place, and where something cannot."""
        for node in body:
            if first_name(node) in pinned:
                continue
            for inner in () if isinstance(node, Reuse) else inside(node):
                self.find(inner, uses, set() if isinstance(node, Repeat) else new, pinned)
            written = self.written(node)
            if written is not None and written in new and uses[written] == 1:
                self.found.add(id(node))
            elif isinstance(node, Layer | Residual):
                self.refused.add(node.span)
            if (isinstance(node, Layer) and node.operator.word in _NEW and last_name(node) not in self.pinned) or (
                isinstance(node, Residual) and node.taken
            ):
                new.add(node.output)

    def written(self, node: Node) -> int | None:
        """The value that a node would write over. None around a linear layer: autocast makes that short, and would the sum."""
        match node:
            case Layer() if node.operator.word in (_ACTIVATIONS if self.inference else _TRAINED):
                return node.inputs[0]
            case Residual() if self.inference:
                layers = [inner for inner in nodes(node.main.body) if isinstance(inner, Layer)]
                return None if layers and layers[-1].operator.word == "linear" else node.main.output
            case _:
                return None

    def instance(self, instance: Instance) -> Instance:
        if id(instance) not in self.made:
            self.made[id(instance)] = replace(instance, body=self.body(instance.body))
        return self.made[id(instance)]

    def body(self, body: Body) -> Body:
        return tuple(self.node(node) for node in body)

    def node(self, node: Node) -> Node:
        if isinstance(node, Invoke):
            return replace(node, instance=self.instance(node.instance))
        if id(node) not in self.found or node.span in self.refused:
            return mapped(node, self.body)
        if isinstance(node, Layer):
            return replace(node, operator=_as(_ACTIVATIONS[node.operator.word], node.operator))
        return _as(ResidualInPlace, mapped(node, self.body))


def _as(kind: type[Any], other: Any) -> Any:
    """The same of another class."""
    return kind(**{part.name: getattr(other, part.name) for part in fields(other)})
