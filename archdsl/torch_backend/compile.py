"""Source for a network, checked before it is given out; a module made from that same source."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from math import prod
from os import PathLike
from typing import TYPE_CHECKING

from ..diagnostics import Diagnostic, Span, SpecError, fail
from ..ir.dialects import rename
from ..ir.dims import Dim, show
from ..ir.extent import check_places
from ..ir.graph import Network
from ..ir.initial import initial
from ..ir.relabel import relabelled
from .emitter import emit_source
from .folding import inference as without_training
from .in_place import in_place

if TYPE_CHECKING:
    from torch import Tensor, nn

_MOST_NUMBERS = 2**58
"""Of an array, so that a batch of them in the largest type stays below 2^63 bytes."""


def emit(network: Network, names: str | None = None, inference: bool = False, checkpoint_repeats: bool = False) -> str:
    """PyTorch source for a network, with the keys of the dialect `names`. Raises SpecError (A1001, A1002).

    With `inference` batch norms are folded, dropouts and outputs for training are gone, and the function `fold` of the
    source makes its weights from trained ones. With `checkpoint_repeats` the turns of repeats keep no activations in
    training; raises SpecError (A1003) where nothing is repeated, or for inference.

    Where torch is installed, the source is run on the meta device and its shapes, keys and arrays are held against the
    network's; a difference is a bug of archdsl and raises RuntimeError rather than being printed.
    """
    if inference and checkpoint_repeats:
        message = "for inference nothing is kept that could be computed again"
        raise SpecError([Diagnostic("A1003", message, help="choose one of the two options")])
    check_places(network.root)
    fills = {} if inference else initial(network)
    if names is not None:
        renamed = rename(network, names) if fills else {}
        network = relabelled(network, names)
        fills = {renamed[key][0].key: filled for key, filled in fills.items()}
        check_places(network.root)
    _refuse_oversized(network)
    folded = without_training(network) if inference else None
    if folded is not None:
        network = folded.network
    text = emit_source(in_place(network, inference), folded, fills, checkpoint_repeats)
    if find_spec("torch") is not None:
        from .verify import verify

        verify(network, text)
    return text


def _refuse_oversized(network: Network) -> None:
    """Refuse (A0801) what torch cannot even name the size of: it counts the bytes of an array in 63 bits."""
    begins = next((node.span for node in network.root.body if node.span is not None), None)
    for name, shape in network.inputs.items():
        _refuse_array(shape.dims, f"the input `{name}`", begins)
    for place in network.walk(fold=True):
        _refuse_array(place.output.dims, f"what {place.name} gives", place.span)
        for array in place.tensors.values():
            _refuse_array(array.shape, f"the {array.name} of {place.name}", place.span)


def _refuse_array(dims: tuple[Dim, ...], what: str, span: Span | None) -> None:
    if prod(dim for dim in dims if isinstance(dim, int)) >= _MOST_NUMBERS:
        size = "x".join(map(show, dims))
        fail("A0801", f"{what}, {size}, is larger than torch can count", span, "a number in it is surely a slip")


def build(
    network: Network,
    names: str | None = None,
    weights: str | PathLike[str] | Mapping[str, Tensor] | None = None,
    dialect: str | None = None,
    checkpoint_repeats: bool = False,
) -> nn.Module:
    """The module in memory, from the same source as `emit` gives, with weights if there are any.

    Raises ImportError where torch is not installed, WeightsError for weights that do not fit.
    """
    _need_torch("building a module")
    from .verify import instantiate

    source = emit(network, names, checkpoint_repeats=checkpoint_repeats)
    if weights is None:
        return instantiate(source)
    state = convert_weights(network, weights, dialect, names)
    module = instantiate(source)
    module.load_state_dict(state, strict=True)
    return module


def convert_weights(
    network: Network,
    weights: str | PathLike[str] | Mapping[str, Tensor],
    source: str | None = None,
    target: str | None = None,
) -> dict[str, Tensor]:
    """Weights, or a file of them, under the names of another dialect; None is the spec's own names.

    Raises ImportError where torch is not installed, WeightsError for weights that do not fit, OSError and
    UnreadableError for a file that cannot be read.
    """
    _need_torch("converting weights")
    from . import weights as moving

    if isinstance(weights, Mapping):
        return moving.convert(network, weights, source, target)
    return moving.convert(network, moving.read(weights), source, target, f"`{weights}` does not fit")


def _need_torch(what: str) -> None:
    if find_spec("torch") is None:
        raise ImportError(f"{what} needs torch: pip install 'archdsl[torch]'")
