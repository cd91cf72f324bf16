"""What every layer is called: the paths of modules and the keys of the state_dict.

In a network or a module an item is called by its label, or else by its word and ordinal (`conv2`); in a level by its
label or else by its position. Joins, residuals, conditions and unlabelled identities have no name. Names follow from
the structure alone and are given last.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from ..diagnostics import Span
from ..records import maker
from .lookup import arms, first_input, parts
from .nodes import (
    Body,
    Instance,
    Invoke,
    Layer,
    Level,
    Line,
    Repeat,
    Residual,
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
        self.counts: dict[str, int] = {}
        self.opened: set[str] = set()

    def name(self, node: Item) -> Path:
        """The name of the next item."""
        word, counts = node.operator.word if isinstance(node, Layer) else _word(node), self.counts
        number, position, label = counts.get(word, 0) + 1 if word else 0, counts.get("", 0), node.label
        if word:
            counts[word] = number
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


def walk(instance: Instance, fold: bool = False) -> Iterator[Place]:
    """Every layer, module and level of a network, in order, the outer before the inner, made as they are asked for.

    With `fold` the first of equal iterations stands for all of them.
    """
    return _Walker(fold).body(instance.body, Namer(False), _Context((), instance))


def find(instance: Instance, path: Path) -> Place | None:
    """The layer, module or level at a path; None if there is none. Only what leads there is visited."""
    for place in _Walker(wanted=path).body(instance.body, Namer(False), _Context((), instance)):
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
    return [".".join((*at, *place.path)) for place in islice(found, limit)]


class _Context(NamedTuple):
    """Where a body stands. `said` is its path as labels count it; `turn`: it is the n-th of equal iterations."""

    path: Path
    instance: Instance
    times: int = 1
    training: bool = False
    depth: int = 0
    call: Place | None = None
    said: Path = ()
    scopes: tuple[tuple[Path, Path], ...] = ()
    turn: int | None = None

    def turned(self, index: int, times: int = 1) -> _Context:
        """In the iteration of this index, which stands for so many."""
        path, instance, before, training, depth, call, said, scopes, _ = self
        return _Context(path, instance, before * times, training, depth, call, said, scopes, index)

    def place(self, path: Path, node: Item | Reuse) -> Place:
        return _place((path, node, self.instance, self.times, self.training, self.depth, self.call, self.scopes))


class _Walker:
    """Walks bodies. With `wanted`, only what leads to that path is yielded and entered; `shallow` enters nothing."""

    def __init__(self, fold: bool = False, wanted: Path | None = None, shallow: bool = False) -> None:
        self.fold, self.wanted, self.shallow = fold, wanted, shallow

    def body(self, body: Body, namer: Namer, at: _Context) -> Iterator[Place]:
        above, instance, times, training, depth, call, _, scopes, _ = at
        wanted, name = self.wanted, namer.name
        for line in body:
            for node in line.body if isinstance(line, Line) else (line,):
                if isinstance(node, Layer):  # most are, and nothing is inside
                    path = above + name(node)
                    if wanted is None or path == wanted[: len(path)]:
                        yield _place((path, node, instance, times, training, depth, call, scopes))
                elif isinstance(node, (Invoke, Level)):
                    yield from self.item(node, namer, at)
                elif isinstance(node, Residual):
                    for arm in arms(node):
                        yield from self.body(arm.body, namer, at)
                elif isinstance(node, Repeat):
                    for run in node.runs:
                        yield from self.run(run, namer, at)
                elif isinstance(node, Reuse):
                    place = at.place((), node)
                    yield place._replace(path=place.resolve(node.path))
                elif isinstance(node, SideOutput):
                    yield from self.body(node.body, namer, at._replace(training=training or node.training))
                else:
                    yield from self.body(parts(node), namer, at)

    def item(self, node: Invoke | Level, namer: Namer, at: _Context) -> Iterator[Place]:
        path = at.path + namer.name(node)
        if self.wanted is not None and path != self.wanted[: len(path)]:
            return
        place = at.place(path, node)
        yield place
        if self.shallow:
            return
        if isinstance(node, Invoke):
            inner = _Context(path, node.instance, at.times, at.training, at.depth + 1, place)
            yield from self.body(node.instance.body, Namer(False), inner)
        else:
            said = (*at.said, *(node.label.segments if node.label else ("_" if at.turn is None else str(at.turn),)))
            scopes = (*at.scopes, (said, path))
            inner = _Context(path, at.instance, at.times, at.training, at.depth + 1, at.call, said, scopes)
            yield from self.body(node.body, Namer(True), inner)

    def run(self, run: Run, namer: Namer, at: _Context) -> Iterator[Place]:
        if run.count == 1:
            return self.body(run.body, namer, at.turned(run.index))
        return self.folded(run, namer, at) if self.fold else self.turns(run, namer, at)

    def folded(self, run: Run, namer: Namer, at: _Context) -> Iterator[Place]:
        before = dict(namer.counts)
        yield from self.body(run.body, namer, at.turned(run.index, run.count))
        namer.skip(before, run.count - 1)

    def turns(self, run: Run, namer: Namer, at: _Context) -> Iterator[Place]:
        before, inner = dict(namer.counts), at.turned(run.index)
        if run.count:
            yield from self.body(run.body, namer, inner)
        if self.wanted is None:
            for _ in range(run.count - 1):
                yield from self.body(run.body, namer, inner)
        else:
            yield from self.leap(run, namer, inner, before)

    def leap(self, run: Run, namer: Namer, at: _Context, before: dict[str, int]) -> Iterator[Place]:
        """The rest of a run after its first turn: straight to the turn that holds what is wanted."""
        wanted = self.wanted or ()
        turn = namer.turns_to(wanted[len(at.path)], before, run.count) if len(wanted) > len(at.path) else None
        if turn is None:
            namer.skip(before, run.count - 1)
            return
        namer.skip(before, turn - 1)
        before = dict(namer.counts)
        yield from self.body(run.body, namer, at)
        namer.skip(before, run.count - 1 - turn)
