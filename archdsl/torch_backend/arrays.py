"""The trained arrays of a network as PyTorch holds them: in which modules, of which classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from ..ir.graph import Place
from .helper_texts import helper_texts

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """A trained array: its key, the module it belongs to, what it is called there, the classes of that module."""

    key: str
    owner: Path
    name: str
    kinds: tuple[str, ...]


def arrays_of(place: Place) -> Iterator[Array]:
    """The trained arrays of a layer."""
    kinds = members_of(place)
    for name, tensor in place.tensors.items():
        if tensor.role == "trained":
            path = (*place.path, *name.split(".")) if name else place.path
            own = tuple(name.split(".")[:-1])
            yield Array(".".join(path), path[:-1], path[-1], kinds.get(own, ()) if name else ())


def members_of(place: Place) -> dict[Path, tuple[str, ...]]:
    """The modules of a layer that have arrays, by their paths from the layer on, and their classes."""
    operator = place.operator
    if operator is None or not place.tensors or "" in place.tensors:
        return {}
    form = operator.torch(*place.inputs)
    call = form.trained or form.module
    if call is None:
        return {}
    kinds = _bases(call.name)
    made = {path: _bases(name) for kind in kinds for path, name in _made_in(kind).items()}
    owners = {tuple(name.split(".")[:-1]) for name in place.tensors}
    return {path: kinds if not path else made.get(path, ()) for path in owners}


def torch_kind(array: Array) -> str:
    """The class of torch that a module is of; empty if it is not known."""
    return next((kind for kind in array.kinds if kind.startswith("nn.") and kind != "nn.Module"), "")


def kind_of(array: Array) -> str:
    """The class that declares an array of this name: of torch a weight or bias, else of a helper; empty if unknown."""
    if array.name in ("weight", "bias"):
        return torch_kind(array)
    return array.kinds[0] if array.kinds else ""


@cache
def _bases(name: str) -> tuple[str, ...]:
    """A class and those it is derived from: of a helper its own, of torch none further."""
    found = [name]
    while found[-1] in helper_texts():
        node = ast.parse(helper_texts()[found[-1]][0]).body[0]
        if not isinstance(node, ast.ClassDef) or not node.bases:
            break
        found.append(ast.unparse(node.bases[0]))
    return tuple(found)


@cache
def _made_in(name: str) -> dict[Path, str]:
    """The members that a helper's constructor makes, and their classes; in an nn.Sequential they have their numbers."""
    found: dict[Path, str] = {}
    for node in ast.walk(ast.parse(helper_texts()[name][0])) if name in helper_texts() else ():
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        target, made = node.targets[0], ast.unparse(node.value.func)
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
            found[target.attr,] = made
            for at, inner in enumerate(node.value.args if made == "nn.Sequential" else ()):
                if isinstance(inner, ast.Call):
                    found[target.attr, str(at)] = ast.unparse(inner.func)
    return found


def below(path: Path, lanes: Sequence[Path]) -> Path:
    """A path from the innermost of some objects on that it leads through."""
    lane = max((lane for lane in lanes if path[: len(lane)] == lane), key=len, default=())
    return path[len(lane) :]
