"""What every layer is called: the paths of modules and the keys of the state_dict.

In a network or a module an item is called by its label, or else by its word and ordinal (`conv2`); in a level by its
label or else by its position. Joins, residuals, conditions and unlabelled identities have no name. Names follow from
the structure alone and are given last.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import NamedTuple

from ..diagnostics import Span
from ..records import maker
from .lookup import first_input, parts
from .nodes import (
    Body,
    Instance,
    Invoke,
    Label,
    Layer,
    Level,
    Line,
    Node,
    Repeat,
    Reuse,
    Run,
    SideOutput,
)
from .operator import Operator, Tensor
from .shapes import Shape

_TAKEN = frozenset({
    "T_destination", "_apply", "_backward_hooks", "_backward_pre_hooks", "_buffers", "_call_impl",
    "_compiled_call_impl", "_forward_hooks", "_forward_hooks_always_called", "_forward_hooks_with_kwargs",
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_get_backward_hooks", "_get_backward_pre_hooks",
    "_get_name", "_is_full_backward_hook", "_load_from_state_dict", "_load_state_dict_post_hooks",
    "_load_state_dict_pre_hooks", "_maybe_warn_non_full_backward_hook", "_modules", "_named_members",
    "_non_persistent_buffers_set", "_parameters", "_register_load_state_dict_pre_hook", "_register_state_dict_hook",
    "_replicate_for_data_parallel", "_save_to_state_dict", "_slow_forward", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_version", "_wrapped_call_impl", "add_module", "append", "apply", "bfloat16", "buffers",
    "call_super_init", "children", "compile", "cpu", "cuda", "double", "dump_patches", "eval", "extend", "extra_repr",
    "float", "forward", "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half", "insert", "ipu",
    "load_state_dict", "modules", "mtia", "named_buffers", "named_children", "named_modules", "named_parameters",
    "parameters", "pop", "register_backward_hook", "register_buffer", "register_forward_hook",
    "register_forward_pre_hook", "register_full_backward_hook", "register_full_backward_pre_hook",
    "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook", "register_module",
    "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_",
    "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train", "training", "type",
    "xpu", "zero_grad",
})  # fmt: skip


def is_taken(name: str) -> bool:
    """Whether every nn.Module, or every container of modules, has something of this name, so that none can be called so.

    >>> is_taken("forward"), is_taken("__class__"), is_taken("stem")
    (True, True, False)
    """
    return name in _TAKEN or name.startswith("__")


Path = tuple[str, ...]
Item = Layer | Invoke | Level
"""What has a name of its own."""


class Namer:
    """Gives the items of one level their names, in the order written."""

    def __init__(self, positional: bool) -> None:
        self.positional = positional
        self.counts: dict[str, int] = {"": 0}
        """How many of a word there have been, and under no word the next position."""
        self.opened: set[str] = set()

    def name(self, node: Item) -> Path:
        """The name of the next item."""
        return self.named(_word(node), node.label)

    def named(self, word: str, label: Label | None) -> Path:
        """The name of the next item, of its word and its label."""
        counts, number = self.counts, 0
        position = counts[""]
        if word:
            number = counts[word] = counts.get(word, 0) + 1
        if label is None:
            counts[""] = position + 1
            return (str(position),) if self.positional or not word else (f"{word}{number}",)
        segments = label.segments
        if segments[0] not in self.opened:
            counts[""] = position + 1
        if len(segments) > 1:
            self.opened.add(segments[0])
        return segments

    def skip(self, before: dict[str, int], times: int) -> None:
        """As if what has come since `before` came `times` more."""
        for word, count in list(self.counts.items()):
            self.counts[word] = count + times * (count - before.get(word, 0))

    def turns_to(self, segment: str, before: dict[str, int], count: int) -> int | None:
        """How many turns after the first, which began at `before`, something is called `segment`; None if nowhere."""
        for word, now in self.counts.items():
            step = now - before.get(word, 0)
            digits = segment.removeprefix(word)
            if step == 0 or not segment.startswith(word) or not (digits.isdecimal() and digits.isascii()):
                continue
            number = int(digits[:20]) - (1 if word else 0)
            if 0 <= number - now < step * (count - 1):
                return 1 + (number - now) // step
        return None


def _word(node: Item) -> str:
    if isinstance(node, Layer):
        return node.operator.word
    return node.word.rpartition(".")[2] if isinstance(node, Invoke) else ""


class Place(NamedTuple):
    """A layer, a call, a level, or a use `again`, with its path.

    `node` stands in the body of `instance` and reads and makes its values. `times`: how often it stands there if
    repeats are folded; `training`: in training only; `call`: the call of the module it lies in, None in the layers.
    """

    path: Path
    node: Item | Reuse
    instance: Instance
    times: int = 1
    training: bool = False
    depth: int = 0
    call: Place | None = None
    scopes: tuple[tuple[Path, Path], ...] = ()
    """The levels it lies in: where labels say they are, and where they are."""

    @property
    def name(self) -> str:
        """The path as text: `layer1.0.conv1`."""
        return ".".join(self.path)

    @property
    def owner(self) -> Path:
        """The path of the module it lies in, from which labels are counted."""
        return self.call.path if self.call is not None else ()

    @property
    def operator(self) -> Operator | None:
        """What a layer does; None for a call, a level or a use `again`."""
        return self.node.operator if isinstance(self.node, Layer) else None

    @property
    def module(self) -> Instance | None:
        """What a call calls."""
        return self.node.instance if isinstance(self.node, Invoke) else None

    @property
    def word(self) -> str:
        """The layer's or module's word; `again`, or nothing for a level."""
        return "again" if isinstance(self.node, Reuse) else _word(self.node)

    @property
    def inputs(self) -> tuple[Shape, ...]:
        """The shapes that come in, first the value that flows, then those handed over."""
        numbers = first_input((self.node,)) if isinstance(self.node, Level) else self.node.inputs
        return tuple(self.instance.shapes[v] for v in numbers)

    @property
    def output(self) -> Shape:
        """The shape that goes out."""
        return self.instance.shapes[self.node.output]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The layer's own arrays by name, in the order of its state_dict; shared ones are in `tied`."""
        if not isinstance(self.node, Layer):
            return {}
        shared = {name for name, _ in self.node.tied}
        return {t.name: t for t in self.node.operator.tensors(*self.inputs) if t.name not in shared}

    @property
    def tied(self) -> dict[str, Path]:
        """The arrays of the layer that belong to another one, with the path of that one."""
        return {name: self.resolve(path) for name, path in self.node.tied} if isinstance(self.node, Layer) else {}

    @property
    def span(self) -> Span | None:
        """Where it is written."""
        return self.node.span

    def resolve(self, path: Path) -> Path:
        """Where in the network `path` is, as the labels of this place's module count.

        In a folded repeat labels say they are in the first iteration; each iteration means its own.
        """
        for said, actual in reversed(self.scopes):
            if path[: len(said)] == said:
                return (*actual, *path[len(said) :])
        return (*self.owner, *path)


_place = maker(Place)
Step = tuple[Path, Item | Reuse, Instance, int, bool, int, Place | None, tuple[tuple[Path, Path], ...]]
"""What a place is made of, for those who visit thousands and keep none."""


def walk(instance: Instance, fold: bool = False) -> Iterator[Place]:
    """Every layer, module and level of a network, in order, the outer before the inner, made as they are asked for.

    With `fold` the first of equal iterations stands for all of them.
    """
    return map(_place, steps(instance, fold))


def steps(instance: Instance, fold: bool = False) -> Iterator[Step]:
    """As `walk`."""
    return _Walker(fold).body(instance.body, Namer(False), _Context((), instance))


def find(instance: Instance, path: Path) -> Place | None:
    """The layer, module or level at a path; None if there is none. Only what leads there is visited."""
    for place in map(_place, _Walker(wanted=path).body(instance.body, Namer(False), _Context((), instance))):
        if place.path == path and not isinstance(place.node, Reuse):
            return place
    return None


def beside(instance: Instance, path: Path, limit: int = 1000) -> list[str]:
    """Names that exist where `path` leaves the network: what may have been meant."""
    at, module, body, positional = (), instance, instance.body, False
    for length in range(1, min(len(path), 64)):
        place = find(instance, path[:length])
        if place is not None and isinstance(place.node, Level):
            at, module, body, positional = place.path, place.instance, place.node.body, True
        elif place is not None and isinstance(place.node, Invoke):
            at, module, body, positional = place.path, place.node.instance, place.node.instance.body, False
        elif place is not None:
            return [place.name]
    found = _Walker(shallow=True).body(body, Namer(positional), _Context((), module))
    return [".".join((*at, *step[0])) for step in islice(found, limit)]


class _Context(NamedTuple):
    """Where a body stands. `said` is its path as labels count it."""

    path: Path
    instance: Instance
    times: int = 1
    training: bool = False
    depth: int = 0
    call: Place | None = None
    said: Path = ()
    scopes: tuple[tuple[Path, Path], ...] = ()

    def where(self, times: int, training: bool) -> _Context:
        """Here, but so often, or in training only."""
        path, instance, _, _, depth, call, said, scopes = self
        return _context((path, instance, times, training, depth, call, said, scopes))

    def inside(self, node: Invoke | Level, place: Place, turn: int | None) -> _Context:
        """In the body of a call or level, whose place is given; `turn`: it is in the n-th iteration."""
        path, depth = place.path, self.depth + 1
        if isinstance(node, Invoke):
            return _context((path, node.instance, self.times, self.training, depth, place, (), ()))
        said = (*self.said, *(node.label.segments if node.label else ("_" if turn is None else str(turn),)))
        scopes = (*self.scopes, (said, path))
        return _context((path, self.instance, self.times, self.training, depth, self.call, said, scopes))

    def place(self, path: Path, node: Item | Reuse) -> Place:
        return _place((path, node, self.instance, self.times, self.training, self.depth, self.call, self.scopes))


_context = maker(_Context)
_Frame = tuple[Iterator[Node], Namer, _Context, int | None]
"""Nodes still to be walked, what names them, where they stand, and in which iteration."""


class _Walker:
    """Walks bodies. With `wanted`, only what leads to that path is yielded and entered; `shallow` enters nothing."""

    def __init__(self, fold: bool = False, wanted: Path | None = None, shallow: bool = False) -> None:
        self.fold, self.wanted, self.shallow = fold, wanted, shallow

    def body(self, body: Body, namer: Namer, at: _Context) -> Iterator[Step]:
        """The places of a body, as bare tuples. What is inside a node comes before the node after it is asked for."""
        wanted, nodes, turn = self.wanted, iter(body), None
        above, instance, times, training, depth, call, _, scopes = here = at
        later: list[_Frame] = []
        while True:
            if at is not here:
                above, instance, times, training, depth, call, _, scopes = here = at
            for item in nodes:
                node = item.body[0] if isinstance(item, Line) and len(item.body) == 1 else item  # as if it stood alone
                if isinstance(node, Layer):  # most are, and nothing is inside
                    path = above + namer.named(node.operator.word, node.label)
                    if wanted is None or path == wanted[: len(path)]:
                        yield path, node, instance, times, training, depth, call, scopes
                elif isinstance(node, Line):
                    later.append((nodes, namer, at, turn))
                    nodes = iter(node.body)
                    break
                elif isinstance(node, (Invoke, Level)):
                    path = above + namer.name(node)
                    if wanted is None or path == wanted[: len(path)]:
                        place = _place((path, node, instance, times, training, depth, call, scopes))
                        yield path, node, instance, times, training, depth, call, scopes
                        if not self.shallow:
                            later.append((nodes, namer, at, turn))
                            inner = node.instance.body if isinstance(node, Invoke) else node.body
                            nodes, namer = iter(inner), Namer(isinstance(node, Level))
                            at, turn = at.inside(node, place, turn), None
                            break
                elif isinstance(node, Reuse):
                    place = at.place((), node)
                    yield place.resolve(node.path), node, instance, times, training, depth, call, scopes
                else:
                    later.append((nodes, namer, at, turn))
                    later.extend(self.unnamed(node, namer, at, turn))
                    nodes, namer, at, turn = later.pop()
                    break
            else:
                if not later:
                    return
                nodes, namer, at, turn = later.pop()

    def unnamed(self, node: Node, namer: Namer, at: _Context, turn: int | None) -> list[_Frame]:
        """What is inside a node without a name of its own, the last first."""
        if isinstance(node, Repeat):
            return [
                (iter(run.body), namer, at, run.index) if run.count == 1 else self.equal(run, namer, at)
                for run in reversed(node.runs)
            ]
        if isinstance(node, SideOutput):
            at = at.where(at.times, at.training or node.training)
        return [(iter(parts(node)), namer, at, turn)]

    def equal(self, run: Run, namer: Namer, at: _Context) -> _Frame:
        """Equal iterations."""
        inner = at.where(at.times * run.count, at.training) if self.fold else at
        return self.turns(run, namer, at), namer, inner, run.index

    def turns(self, run: Run, namer: Namer, at: _Context) -> Iterator[Node]:
        """The nodes of every turn of a run that are walked, one after the other, and the names of the other turns passed over."""
        before = namer.counts.copy()
        if self.fold:
            yield from run.body
            namer.skip(before, run.count - 1)
        elif self.wanted is None:
            yield from chain.from_iterable(repeat(run.body, run.count))
        else:
            yield from run.body if run.count else ()
            yield from self.leap(run, namer, at, before)

    def leap(self, run: Run, namer: Namer, at: _Context, before: dict[str, int]) -> Iterator[Node]:
        """The rest of a run after its first turn: straight to the turn that holds what is wanted."""
        wanted = self.wanted or ()
        turn = namer.turns_to(wanted[len(at.path)], before, run.count) if len(wanted) > len(at.path) else None
        if turn is None:
            namer.skip(before, run.count - 1)
            return
        namer.skip(before, turn - 1)
        before = namer.counts.copy()
        yield from run.body
        namer.skip(before, run.count - 1 - turn)
