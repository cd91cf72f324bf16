"""Source for a network, checked before it is given out; a module made from that same source."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..ir.graph import Network
from .emitter import emit_source

if TYPE_CHECKING:
    from torch import nn


def emit(network: Network, names: str | None = None) -> str:
    """PyTorch source for a network.

    Where torch is installed, the source is run on the meta device and its shapes, keys and arrays are held against the
    network's; a difference is a bug of archdsl and raises RuntimeError rather than being printed.
    """
    text = emit_source(network)
    if find_spec("torch") is not None:
        from .verify import verify

        verify(network, text)
    return text


def build(network: Network, names: str | None = None) -> nn.Module:
    """The module in memory, from the same source as `emit` gives."""
    from .verify import instantiate

    return instantiate(emit(network, names))
