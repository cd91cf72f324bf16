"""Source for a network, checked before it is given out; a module made from that same source."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..diagnostics import Diagnostic, SpecError
from ..ir.dialects import rename
from ..ir.graph import Network
from .emitter import emit_source

if TYPE_CHECKING:
    from torch import nn


def emit(network: Network, names: str | None = None) -> str:
    """PyTorch source for a network.

    Where torch is installed, the source is run on the meta device and its shapes, keys and arrays are held against the
    network's; a difference is a bug of archdsl and raises RuntimeError rather than being printed.
    """
    if names is not None:
        _check_names(network, names)
    text = emit_source(network)
    if find_spec("torch") is not None:
        from .verify import verify

        verify(network, text)
    return text


def _check_names(network: Network, names: str) -> None:
    """Refuse a dialect that the spec does not have, or whose names are not its own: those are not built yet."""
    changed = {key: new for key, new in rename(network, names).items() if new.key != key or new.transposed}
    if changed:
        key, new = next(iter(changed.items()))
        message = f"source with the names of {names} cannot be written yet: {key} would be {new.key}"
        raise SpecError([Diagnostic("A1001", message, help="without `--names` the source has the spec's own names")])


def build(network: Network, names: str | None = None) -> nn.Module:
    """The module in memory, from the same source as `emit` gives. Raises ImportError where torch is not installed."""
    if find_spec("torch") is None:
        raise ImportError("building a module needs torch: pip install 'archdsl[torch]'")
    from .verify import instantiate

    return instantiate(emit(network, names))
