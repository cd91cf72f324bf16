"""The keys of the state_dict: every array of a network with its name, shape and role.

An array is called by the path of its layer, a dot, and its own name: `layer1.0.conv1.weight`. An array whose own name
is empty is called by the label itself (a class token: `cls_token`). An array that a layer shares (`weight @embed`,
`again`) has the key of the layer it belongs to and none here. What exists in training only has keys like everything
else.

The order is PyTorch's: modules as they are first named, all of one before the next, and in a module first its own
arrays. So `convs.0`, `bn1`, `convs.1` written in this order have the keys of `convs.0`, `convs.1`, `bn1`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import NamedTuple, TypeAlias

from ..diagnostics import Diagnostic, Label, Span, SpecError
from ..records import dataclass
from .dims import Dim
from .extent import check_places
from .graph import Network
from .names import Place
from .operator import Role, Tensor


class StateKey(NamedTuple):
    """What is under a key of the state_dict."""

    shape: tuple[Dim, ...]
    role: Role


@dataclass(frozen=True, slots=True)
class Entry:
    """An array under its key: the layer it belongs to, and what the layer calls it."""

    key: str
    place: Place
    tensor: Tensor


def state_keys(network: Network) -> dict[str, StateKey]:
    """Every key of the state_dict with its shape and role, in the order of PyTorch.

    Raises SpecError (A0501) if two arrays have one key.

    >>> import archdsl
    >>> list(state_keys(archdsl.load("lenet5")))[:3]
    ['C1.weight', 'C1.bias', 'S2.weight']
    """
    return {entry.key: StateKey(entry.tensor.shape, entry.tensor.role) for entry in state(network)}


def state(network: Network) -> list[Entry]:
    """The entries of the state_dict, in the order of PyTorch. Raises SpecError (A0501) if two have one key."""
    top = _Module()
    for entry in entries(network):
        top.put(entry)
    return list(top.entries())


def entries(network: Network) -> list[Entry]:
    """The entries of the state_dict, in the order in which the layers are written. Raises SpecError (A0501) as `state`."""
    check_places(network.root)
    found: dict[str, Entry] = {}
    mistakes: dict[tuple[str, ...], Diagnostic] = {}
    for place in network.walk():
        for tensor in place.tensors.values():
            path = (*place.path, tensor.name) if tensor.name else place.path
            entry = Entry(".".join(path), place, tensor)
            other = found.setdefault(entry.key, entry)
            if other is not entry:
                name = place.name if place.path == other.place.path else entry.key
                mistakes.setdefault(place.path, _twice(name, place.span, other.place.span))
    if mistakes:
        raise SpecError(list(mistakes.values()))
    return list(found.values())


Listing: TypeAlias = Callable[[Network], Sequence[Entry]]
"""How the entries of a network are had: `entries`, or what a caller remembers of it."""


@dataclass(slots=True)
class _Module:
    """A module of PyTorch: its own arrays, and the modules in it as they were first named."""

    own: list[Entry] = field(default_factory=list[Entry])
    inner: dict[str, _Module] = field(default_factory=dict[str, "_Module"])

    def put(self, entry: Entry) -> None:
        module = self
        for segment in entry.key.split(".")[:-1]:
            known = module.inner.get(segment)
            if known is None:
                known = module.inner[segment] = _Module()
            module = known
        module.own.append(entry)

    def entries(self) -> Iterator[Entry]:
        yield from self.own
        for module in self.inner.values():
            yield from module.entries()


def _twice(name: str, span: Span | None, other: Span | None) -> Diagnostic:
    labels = (Label(other, "it is made here too"),) if other else ()
    help = "layers without a label are called by their word and ordinal: a label like `conv2` may meet one"
    return Diagnostic("A0501", f"two layers are called `{name}`", span, labels, help)
