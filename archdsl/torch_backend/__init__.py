"""IR -> Python source, and from that source an nn.Module. The only room that knows torch."""

from .compile import build, emit

__all__ = ["build", "emit"]
