"""IR -> Python source, and from that source an nn.Module. The only room that knows torch."""

from .compile import build, convert_weights, emit

__all__ = ["build", "convert_weights", "emit"]
