"""Weights of a network moved between the names of dialects, read from and written to files.

Which rows go where is `ir.weights`; here they are moved. Imports torch, and safetensors where a file is of that kind.
"""

from __future__ import annotations

import errno
import json
import pickle
import re
import struct
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from torch import Tensor

from ..ir import weights as plans
from ..ir.graph import Network
from ..ir.weights import Misfit, Piece, Stored, WeightsError, misfit, storage, unwrapped

_NESTED = ("state_dict", "model", "model_state_dict")
_COUNT, _AVERAGED = ".num_batches_tracked", "n_averaged"
_MADE = (("format", "pt"), ("made_by", "archdsl"))
_PARTIAL = "is no whole file of weights"
_SAVE = "torch.save(model.state_dict(), ...) writes the weights alone"
_OTHERS = (
    (b"version https://git-lfs", "stands for a file that Git LFS keeps", "`git lfs pull` fetches it"),
    (b"<", "is a page of the web, not weights", "download the file itself"),
    (b"\x89hdf", "is HDF5, which Keras writes", None),
    (b"\x93numpy", "is an array of NumPy's, not arrays by name", None),
    (b"\x1f\x8b", "is compressed", "unpack it first"),
)
"""How files of other kinds begin, what they are and what to do."""
_BROKEN = (
    pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError,
    ImportError, AssertionError, struct.error, OSError,
)  # fmt: skip
"""What torch's reading raises of files that are not its own, or not whole."""

State = dict[str, Tensor]


class UnreadableError(ValueError):
    """A file, or a value, that is no weights; `help` says what to do."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


def convert(
    network: Network,
    arrays: Mapping[str, Tensor],
    source: str | None,
    target: str | None,
    what: str = "these weights do not fit",
) -> State:
    """Weights under the names of one dialect under those of another; None is the spec's own names.

    Names are taken as `unwrapped` has them, and counts of batches that are missing are 0, as torch has it. Raises
    WeightsError for keys and shapes that are not the network's, UnreadableError for what is no plain array, SpecError as
    `storage`.
    """
    stored, wanted = storage(network, source), storage(network, target)
    arrays = _uncounted(stored, _bare(stored, arrays_of("the state_dict", arrays)))
    shapes = {key: tuple(array.shape) for key, array in arrays.items()}
    found = misfit(stored, shapes)
    differing = () if found else tuple(_differing(stored, arrays))
    if found or differing:
        help = plans.better_dialect(network, source, shapes) or plans.only_named_otherwise(found)
        named = f"the names of {source}" if source is not None else "the spec's own names"
        faults = Misfit(found.missing, found.left_over, found.reshaped, differing, help)
        raise WeightsError(f"{what} the network under {named}", faults)
    return _spread(wanted, _gathered(stored, arrays))


def _bare(stored: Sequence[Stored], arrays: Mapping[str, Tensor]) -> State:
    """The arrays without the names of what wrapped the network."""
    known = {key for array in stored for key in array.keys}
    if arrays.keys() <= known:
        return dict(arrays)
    if (
        _AVERAGED in arrays
        and _AVERAGED not in known
        and all(k.startswith("module.") for k in arrays if k != _AVERAGED)
    ):
        arrays = {key: array for key, array in arrays.items() if key != _AVERAGED}
    return {name: arrays[key] for key, name in unwrapped(known, arrays).items()}


def _uncounted(stored: Sequence[Stored], arrays: State) -> State:
    """With the counts of batches that state_dicts did not have before torch 0.4.1; its own loading adds them so."""
    counts = (array.keys for array in stored if not array.shape and array.pieces[0].key.endswith(_COUNT))
    return arrays | {keys[0]: torch.tensor(0) for keys in counts if arrays.keys().isdisjoint(keys)}


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
    """The arrays of a file; raises as `entries` and `arrays_of`."""
    return arrays_of(f"`{path}`", entries(path))


def arrays_of(what: str, found: Mapping[Any, object]) -> State:
    """What is found under names, if all of it is arrays; raises UnreadableError."""
    state: State = {}
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            kind, help = type(value).__name__, f"left out by `--ignore {key}`" if isinstance(key, str) else None
            raise UnreadableError(f"{what} holds more than arrays: `{key}` is of type {kind}", help)
        if value.layout is not torch.strided or value.is_quantized:
            kind = "quantized" if value.is_quantized else "sparse"
            raise UnreadableError(f"{what} holds arrays that are not plain: `{key}` is {kind}")
        state[key] = value.detach()
    return state


def entries(path: str | PathLike[str]) -> dict[object, object]:
    """What a file has under names, by what it contains: safetensors, torch's own (read with `weights_only`), or the
    index of a model kept in several files.

    Of a checkpoint that holds them under `state_dict`, `model` or another name it is opened. Raises OSError, UnreadableError.
    """
    path = Path(path)
    if path.suffix == ".json":
        return _shards(path)
    with path.open("rb") as stream:
        head = stream.read(100)
        if head[:2] != b"PK" and head[8:9] == b"{":
            return {**_read_safetensors(path)}
        stream.seek(0)
        return _opened(path, _unpickled(path, stream, head))


def _unpickled(path: Path, stream: BinaryIO, head: bytes) -> object:
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(stream, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        foreign = re.search(r"GLOBAL ([\w.]+)", str(error))
        if foreign:
            raise UnreadableError(f"`{path}` holds Python objects (`{foreign[1]}`), not weights alone", _SAVE) from None
        start = head.lstrip().lower()
        what, help = next(((what, help) for mark, what, help in _OTHERS if start.startswith(mark)), (_PARTIAL, None))
        if "TorchScript" in str(error):
            what, help = "is a TorchScript program", _SAVE
        raise UnreadableError(f"`{path}` {what}", help) from None


def _shards(path: Path) -> dict[object, object]:
    """The arrays of all files that an index names, which lie beside it."""
    try:
        index: Any = json.loads(path.read_bytes())
        places = dict[str, str](index["weight_map"])
    except (ValueError, LookupError, TypeError, RecursionError):
        raise UnreadableError(f"`{path}` is no index of files of weights: it has no `weight_map`") from None
    found: dict[object, object] = {}
    for name in dict.fromkeys(places.values()):
        if not isinstance(name, str) or name in ("", "..") or re.search(r"[/\\\0:]|\.json$", name):  # pyright: ignore[reportUnnecessaryIsInstance] - JSON
            raise UnreadableError(f"`{path}` names `{name}`, which is no file of weights beside it")
        try:
            found.update(entries(path.with_name(name)))
        except FileNotFoundError:
            raise UnreadableError(f"`{path}` names `{name}`, which is not beside it") from None
    lost = next((key for key in places if key not in found), None)
    if lost is not None:
        raise UnreadableError(f"`{path}` says that `{lost}` is in `{places[lost]}`, which does not have it")
    return found


def _read_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType] - half typed

    try:
        return load_file(path)
    except SafetensorError as error:
        raise UnreadableError(f"`{path}` is no whole safetensors file: {error}") from None


def _opened(path: Path, found: object) -> dict[object, object]:
    """The mapping that holds the arrays, however many others are around it."""
    for _ in range(8):  # a pickle may hold itself
        if not isinstance(found, Mapping):
            break
        here = cast("Mapping[object, object]", found)
        inner = {key: value for key, value in here.items() if _has_arrays(value)}
        name = next((key for key in _NESTED if isinstance(here.get(key), Mapping)), None)
        if name is None and (not inner or any(isinstance(value, Tensor) for value in here.values())):
            return dict(here)
        if name is None and len(inner) > 1:
            names = ", ".join(f"`{key}`" for key in inner)
            raise UnreadableError(f"`{path}` holds several: {names}", "save the one that is meant in a file of its own")
        found = here[name] if name is not None else next(iter(inner.values()))
    raise UnreadableError(f"`{path}` holds no arrays by name")


def _has_arrays(value: object) -> bool:
    """Whether it is a mapping that has arrays under names."""
    if not isinstance(value, Mapping):
        return False
    return any(isinstance(k, str) and isinstance(v, Tensor) for k, v in cast("Mapping[object, object]", value).items())


def write(path: Path, state: Mapping[str, Tensor], safetensors: bool) -> None:
    """Write arrays as safetensors or as torch does; raises OSError.

    An array under two names is written twice as safetensors, and once by torch.
    """
    if not safetensors:
        try:
            with path.open("wb") as stream:  # to a path, its name would be in the file
                torch.save(dict(state), stream)
        except RuntimeError as error:  # what torch's writer makes of a full disk
            raise OSError(str(error).partition("\n")[0]) from None
        return
    from safetensors import SafetensorError
    from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]

    try:
        save_file({key: value.clone() for key, value in state.items()}, path, metadata=dict(_MADE))
    except SafetensorError as error:
        raise OSError(str(error)) from None
    one, other = (json.dumps(dict(pairs), separators=(",", ":")).encode() for pairs in (_MADE[::-1], _MADE))
    with path.open("rb+") as stream:  # its writer has the two in any order
        start = stream.read(200)
        stream.seek(0)
        stream.write(start.replace(one, other, 1))


__all__ = ["UnreadableError", "arrays_of", "convert", "entries", "read", "write"]
