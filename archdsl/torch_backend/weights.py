"""Weights of a network moved between the names of dialects, read from and written to files.

Which rows go where is `ir.weights`; here they are moved. Imports torch, and safetensors where a file is of that kind.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..ir.graph import Network
from ..ir.weights import Misfit, Piece, Stored, WeightsError, better_dialect, misfit, storage

_NESTED = ("state_dict", "model", "model_state_dict")
_WRAPPERS = ("module.", "_orig_mod.")

State = dict[str, Tensor]


class UnreadableError(ValueError):
    """A file that is no weights."""


def convert(
    network: Network,
    arrays: Mapping[str, Tensor],
    source: str | None,
    target: str | None,
    what: str = "these weights do not fit",
) -> State:
    """Weights under the names of one dialect under those of another; None is the spec's own names.

    Raises WeightsError for keys and shapes that are not the network's, SpecError as `storage`.
    """
    stored, wanted = storage(network, source), storage(network, target)
    shapes = {key: tuple(array.shape) for key, array in arrays.items()}
    found = misfit(stored, shapes)
    differing = () if found else tuple(_differing(stored, arrays))
    if found or differing:
        help = better_dialect(network, source, shapes)
        named = f"the names of {source}" if source is not None else "the spec's own names"
        faults = Misfit(found.missing, found.left_over, found.reshaped, differing, help)
        raise WeightsError(f"{what} the network under {named}", faults)
    return _spread(wanted, _gathered(stored, arrays))


def _differing(stored: Sequence[Stored], arrays: Mapping[str, Tensor]) -> list[tuple[str, ...]]:
    present = [tuple(key for key in array.keys if key in arrays) for array in stored]
    known = [keys for keys in present if not any(arrays[key].is_meta for key in keys)]  # shapes alone have no values
    return [keys for keys in known if any(not torch.equal(arrays[keys[0]], arrays[key]) for key in keys[1:])]


def _gathered(stored: Sequence[Stored], arrays: Mapping[str, Tensor]) -> State:
    """The network's own arrays."""
    pieces: dict[str, list[tuple[int, Tensor]]] = {}
    for array in stored:
        key = next(key for key in array.keys if key in arrays)
        value = arrays[key].t() if array.transposed else arrays[key]
        if len(array.pieces) == 1:
            pieces.setdefault(array.pieces[0].key, []).append((_whole(array.pieces[0].start), value))
            continue
        at = 0
        for piece in array.pieces:
            rows = _whole(piece.stop - piece.start)
            pieces.setdefault(piece.key, []).append((_whole(piece.start), value[at : at + rows]))
            at += rows
    return {key: _joined([part for _, part in sorted(parts, key=_first)]) for key, parts in pieces.items()}


def _spread(stored: Sequence[Stored], own: Mapping[str, Tensor]) -> State:
    """The arrays of a dialect."""
    found: State = {}
    for array in stored:
        value = _joined([_rows(own[piece.key], piece) for piece in array.pieces])
        value = value.t() if array.transposed else value
        found.update(dict.fromkeys(array.keys, value.contiguous()))
    return found


def _rows(array: Tensor, piece: Piece) -> Tensor:
    """Some rows; where only a symbol says how many there are, they are all."""
    if array.dim() == 0 or not isinstance(piece.stop, int):
        return array
    return array[_whole(piece.start) : piece.stop]


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _first(part: tuple[int, Tensor]) -> int:
    return part[0]


def _whole(size: object) -> int:
    assert isinstance(size, int)
    return size


# ---- files ----------------------------------------------------------------------------------------------------------


def read(path: str | PathLike[str]) -> State:
    """The arrays of a file, by what it contains: safetensors, or torch's own (read with `weights_only`).

    A checkpoint that holds them under `state_dict` or `model` is opened, and the `module.` of a wrapper taken off.
    Raises OSError, UnreadableError.
    """
    path = Path(path)
    with path.open("rb") as stream:
        head = stream.read(9)
    if head[:2] != b"PK" and head[8:9] == b"{":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings(action="ignore"):
            found: object = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError) as error:
        foreign = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = (
            f"holds Python objects (`{foreign[1]}`), not weights alone" if foreign else "is no whole file of weights"
        )
        raise UnreadableError(f"`{path}` {reason}") from None
    return _unwrapped(path, found)


def _read_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType] - half typed

    try:
        return load_file(path)
    except SafetensorError as error:
        raise UnreadableError(f"`{path}` is no whole safetensors file: {error}") from None


def _unwrapped(path: Path, found: object) -> State:
    for key in _NESTED:
        if isinstance(found, Mapping) and isinstance(cast("Any", found).get(key), Mapping):
            found = cast("Any", found)[key]
    if not isinstance(found, Mapping):
        raise UnreadableError(f"`{path}` holds no arrays by name")
    state: dict[str, Any] = {}
    for key, value in cast("Mapping[object, object]", found).items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise UnreadableError(f"`{path}` holds more than arrays: under `{key}` is a {type(value).__name__}")
        state[key] = value
    for wrapper in _WRAPPERS:
        if state and all(key.startswith(wrapper) for key in state):
            state = {key.removeprefix(wrapper): value for key, value in state.items()}
    return state


def write(path: Path, state: Mapping[str, Tensor], safetensors: bool) -> None:
    """Write arrays as safetensors or as torch does; raises OSError.

    An array under two names is written twice as safetensors, and once by torch.
    """
    if not safetensors:
        try:
            torch.save(dict(state), path)
        except RuntimeError as error:  # what torch's writer makes of a full disk
            raise OSError(str(error).partition("\n")[0]) from None
        return
    from safetensors import SafetensorError
    from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]

    try:
        save_file(
            {key: value.clone() for key, value in state.items()}, path, metadata={"format": "pt", "made_by": "archdsl"}
        )
    except SafetensorError as error:
        raise OSError(str(error)) from None


__all__ = ["UnreadableError", "convert", "read", "write"]
