"""A trained network as it is used: batch norms taken into the layers before them, nothing that acts in training only.

The operators of layers change, no label and no order: what is gone leaves a wire under its name, so every other array
keeps its key. A batch norm is folded where its layer's values go nowhere else; one that comes first (DenseNet's) stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import Any, NamedTuple, cast

from ..diagnostics import Diagnostic, SpecError
from ..ir.extent import check_places
from ..ir.graph import Body, Instance, Invoke, Layer, Level, Look, Network, Node, Repeat, Reuse, SideOutput
from ..ir.keys import state
from ..ops.shape import Identity
from . import pycode as py
from .bodies import nodes
from .values import count_uses, inside

HELPERS = ("fold_batch_norms", "without")
LAYERS: Mapping[str, tuple[str, ...]] = {"conv": (), "depthwise": (), "linear": (), "sepconv": ("pointwise",)}
"""What a batch norm can be taken into, and the member of it that the norm follows."""
_TRAINING = frozenset({"dropout", "droppath"})
_PARTS = ("body", "arms", "main", "shortcut", "runs")
_STATISTIC = ".running_var"
Path = tuple[str, ...]


class Rule(NamedTuple):
    """What folding a batch norm needs to know beside the arrays: its eps, and which of the arrays there are."""

    eps: float
    bias: bool
    affine: bool


class Fold(NamedTuple):
    """A batch norm that is gone, and the module whose weight and bias do its work."""

    norm: Path
    layer: Path
    rule: Rule


class Inference(NamedTuple):
    """The network without what is for training, and what becomes of the trained arrays.

    `kept` are the names of what still has running statistics, `heads` beginnings of the keys, and of no others, of what
    gave outputs for training.
    """

    network: Network
    folds: tuple[Fold, ...]
    kept: tuple[str, ...]
    heads: tuple[str, ...]


def inference(network: Network) -> Inference:
    """The form of a network for inference. Raises SpecError (A1001) where arrays would change their keys by it."""
    folder = _Folder(network)
    made = replace(network, root=folder.instance(network.root), claims=(), outputs=folder.outputs())
    trained = {entry.key: entry.place.training for entry in state(network)}
    old = {key for key, training in trained.items() if not training}
    folds = tuple(folder.folds(old))
    norms = {".".join(fold.norm) for fold in folds}
    new = {entry.key for entry in state(made)}
    biases = {".".join((*fold.layer, "bias")) for fold in folds}
    if new - biases != {key for key in old - biases if key.rpartition(".")[0] not in norms}:
        message = "without the layers that act in training only, other arrays would have other names"
        raise SpecError([Diagnostic("A1001", message, help="label the layers that come after an output for training")])
    kept = tuple(sorted(key.removesuffix(_STATISTIC) for key in new if key.endswith(_STATISTIC)))
    return Inference(made, folds, kept, tuple(_beginnings((key for key in trained if trained[key]), old)))


def _beginnings(keys: Iterable[str], others: Set[str]) -> dict[str, None]:
    """The shortest whole segments that some keys begin with and no others do."""
    shared = {"", *(f"{key[: dot.start()]}." for key in others for dot in re.finditer(r"\.", key))}
    found: dict[str, None] = {}
    for key in keys:
        ends = (*(dot.end() for dot in re.finditer(r"\.", key)), len(key))
        found[next((key[:end] for end in ends if key[:end] not in shared), key)] = None
    return found


class _Folder:
    """Rewrites every instance of a network once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.made: dict[int, Instance] = {}
        self.layers: dict[int, Layer] = {}
        """The layer that does the work of a batch norm, by the identity of the norm's node."""
        self.taken: set[int] = set()
        self.pinned = {name for node in all_nodes(network.root) for name in mentioned(node)}

    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs that are left, if they were named."""
        sides = [node.name for node in all_nodes(self.network.root) if isinstance(node, SideOutput) and node.training]
        left = tuple(name for name in self.network.outputs if name not in sides)
        return left if len(left) > 1 else ()

    def folds(self, keys: Set[str]) -> Iterator[Fold]:
        """Every batch norm that is gone, in the order of the network; `keys` are those of the trained arrays."""
        paths: dict[int, Path] = {}
        check_places(self.network.root)
        for place in self.network.walk():
            if not isinstance(place.node, Layer) or place.training:
                continue
            paths[id(place.node)] = place.path
            layer = self.layers.get(id(place.node))
            if layer is not None:
                member = LAYERS[layer.operator.word]
                does = (*paths[id(layer)], *member)
                eps = float(cast("Any", place.node.operator).eps)
                has = (".".join((*does, "bias")) in keys, ".".join((*place.path, "weight")) in keys)
                yield Fold(place.path, does, Rule(eps, *has))

    # -- which batch norms

    def instance(self, instance: Instance) -> Instance:
        """The definition without what is for training."""
        if id(instance) not in self.made:
            reused = {node.path[0] for node in nodes(instance.body) if isinstance(node, Reuse)}
            self.find(instance.body, count_uses(instance), {}, reused)
            self.made[id(instance)] = replace(instance, body=self.body(instance.body), claims=())
        return self.made[id(instance)]

    def find(self, body: Body, uses: Mapping[int, int], made: dict[int, Layer | None], pinned: set[str]) -> None:
        """Note the batch norms of a body that can be folded. `made`: which layer made a value, None if it is named
        by something that looks at it."""
        for node in body:
            if isinstance(node, Reuse) or (isinstance(node, SideOutput) and node.training):
                continue
            name = last_name(node)
            if first_name(node) in pinned:
                continue
            if isinstance(node, Layer) and not node.tied and name not in self.pinned:
                before = made.get(node.inputs[0])
                if node.operator.word == "bn" and before is not None and uses[node.inputs[0]] == 1:
                    self.layers[id(node)] = before
                    self.taken.add(id(before))
                elif node.operator.word in LAYERS and getattr(node.operator, "connect", None) is None:
                    made[node.output] = node
            for inner in inside(node):
                self.find(inner, uses, {} if isinstance(node, Repeat) else made, pinned)
            if isinstance(node, Level | Invoke) and name in self.pinned:
                made[node.output] = None

    # -- the new nodes

    def body(self, body: Body) -> Body:
        return tuple(self.node(node) for node in body if not (isinstance(node, SideOutput) and node.training))

    def node(self, node: Node) -> Node:
        if isinstance(node, Layer):
            return self.layer(node)
        if isinstance(node, Invoke):
            return replace(node, instance=self.instance(node.instance))
        return self.part(node)

    def part(self, part: Any) -> Any:
        """A node, an arm or a run with new bodies."""
        changes: dict[str, Any] = {"claims": ()} if hasattr(part, "claims") else {}
        for name in _PARTS:
            found = getattr(part, name, None)
            if name == "body" and found is not None:
                changes[name] = self.body(found)
            elif isinstance(found, tuple):
                changes[name] = tuple(self.part(inner) for inner in cast("tuple[object, ...]", found))
            elif found is not None:
                changes[name] = self.part(found)
        return replace(part, **changes) if changes else part

    def layer(self, layer: Layer) -> Layer:
        operator: Any = layer.operator
        if operator.word in _TRAINING or id(layer) in self.layers:
            return replace(layer, operator=_WIRES[operator.word], expressions=())
        if id(layer) in self.taken:
            return replace(layer, operator=replace(operator, bias=True))
        if getattr(operator, "dropout", 0):
            return replace(layer, operator=replace(operator, dropout=0))
        return layer


def first_name(node: Node) -> str | None:
    """What `again` may call a node: the first segment of its label."""
    return node.label.segments[0] if isinstance(node, Layer | Invoke | Level) and node.label else None


def last_name(node: Node) -> str | None:
    """What looks may call a node: the last segment of its label; an empty text where it has none."""
    if not isinstance(node, Layer | Invoke | Level):
        return None
    return node.label.segments[-1] if node.label is not None else ""


def mentioned(node: Node) -> Iterator[str]:
    """The last segments of what a node refers to; an empty text for a position."""
    if isinstance(node, Look):
        yield "" if node.path[-1].isdecimal() else node.path[-1]
    elif isinstance(node, Layer):
        yield from (path[-1] for _, path in node.tied)


def all_nodes(root: Instance) -> Iterator[Node]:
    """The nodes of every instance, each instance once."""
    waiting, seen = [root], {id(root)}
    while waiting:
        for node in nodes(waiting.pop().body):
            yield node
            if isinstance(node, Invoke) and id(node.instance) not in seen:
                seen.add(id(node.instance))
                waiting.append(node.instance)


# ---- the layout of weights ----------------------------------------------------------------------------------------------


def laid_out(network: Network) -> list[py.Stmt]:
    """What the constructor of this form ends with: convolutions over two axes have the channels of their weights last.

    A convolution gives its map the layout of its weight, so that the weights decide for the whole network. Not where one
    goes by a table, whose kernels are laid out for each pass.
    """
    ranks: set[int] = set()
    check_places(network.root, fold=True)
    for place in network.walk(fold=True):
        if any(shape.kind == "map" and len(shape.dims) == 3 for shape in place.inputs):
            if getattr(place.operator, "connect", None) is not None:
                return []
            ranks.update(len(array.shape) for array in place.tensors.values() if array.role == "trained")
    if 4 not in ranks:
        return []
    function = py.Name("nn.utils.convert_conv2d_weight_memory_format")
    call = py.Call(function, (py.Name("self"), py.Name("torch.channels_last")))
    return [py.Comment("the layout in which convolutions are fastest"), py.ExprStmt(call)]


# ---- the function that converts weights --------------------------------------------------------------------------------


def fold_function(made: Inference) -> py.FunctionDef | None:
    """`fold`, which makes the arrays of this form from the trained ones; None where they are the same."""
    if not made.folds and not made.heads:
        return None
    tensor = py.Index(py.Name("dict"), (py.Name("str"), py.Name("Tensor")))
    given: py.Expr = py.Name("state")
    body: list[py.Stmt] = []
    if made.heads:
        prefixes = (py.Lit(name) for name in made.heads)
        body.append(py.Assign(py.Name("state"), py.Call(py.Name(HELPERS[1]), (given, *prefixes))))
    groups: dict[Rule, list[py.Expr]] = {}
    for (norm, layer), rule in _ends(made).items():
        groups.setdefault(rule, []).append(py.Tuple((py.Lit(norm), py.Lit(layer))))
    for rule, pairs in groups.items():
        body.append(py.Assign(py.Name("pairs"), py.Tuple(tuple(pairs))))
        more = (*(("bias", py.Lit(True)),) * rule.bias, *(("affine", py.Lit(False)),) * (not rule.affine))
        folded = py.Call(py.Name(HELPERS[0]), (given, py.Name("pairs")), (("eps", py.Lit(rule.eps)), *more))
        body.append(py.Assign(py.Name("state"), folded))
    last = body.pop()
    assert isinstance(last, py.Assign)
    text = "The trained weights as this form of the network has them."
    return py.FunctionDef("fold", (py.Param("state", tensor),), tensor, (*body, py.Return(last.value)), text)


def _ends(made: Inference) -> dict[tuple[str, str], Rule]:
    """Batch norms and their layers by the ends of their names, as short as no other batch norm ends so.

    A name is whole if it begins with a dot.
    """
    found: dict[tuple[str, str], Rule] = {}
    kept = [tuple(name.split(".")) for name in made.kept]
    for fold in made.folds:
        shared = next(at for at, segment in enumerate(fold.norm) if fold.layer[at : at + 1] != (segment,))
        for start in range(shared, -1, -1):
            norm, layer = fold.norm[start:], fold.layer[start:]
            end = ".".join(norm), ".".join(layer)
            if norm[0].isdecimal() and start:
                continue  # `downsample.1` says more than `1`
            if end in found or (
                not any(_ends_so(name, norm) for name in kept) and _alike(made.folds, norm, layer, fold.rule)
            ):
                found[end] = fold.rule
                break
        else:  # others end as the whole name does
            found[f".{'.'.join(fold.norm)}", f".{'.'.join(fold.layer)}"] = fold.rule
    return found


def _alike(folds: tuple[Fold, ...], norm: Path, layer: Path, rule: Rule) -> bool:
    """Whether all batch norms whose names end so have their layers so, too."""
    size = len(norm)
    found = (fold for fold in folds if _ends_so(fold.norm, norm))
    return all((fold.layer, fold.rule) == ((*fold.norm[:-size], *layer), rule) for fold in found)


def _ends_so(name: Path, end: Path) -> bool:
    return name[-len(end) :] == end


# ---- what is left where something was ----------------------------------------------------------------------------------


class _NoBatchNorm(Identity):
    word = "bn"


class _NoDropout(Identity):
    word = "dropout"


class _NoDropPath(Identity):
    word = "droppath"


_WIRES = {wire.word: wire() for wire in (_NoBatchNorm, _NoDropout, _NoDropPath)}
