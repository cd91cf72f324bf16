"""Arithmetic of sliding windows, shared by convolutions and poolings. Sizes are per axis and may be symbolic."""

from __future__ import annotations

from ..ir.dims import Dim, ceil_div, compare, dim_max, dim_min, show
from ..ir.operator import Refusal


def extent(size: Dim, dilation: Dim) -> Dim:
    """The stretch a window covers: d(k - 1) + 1."""
    return dilation * (size - 1) + 1


def windows(word: str, length: Dim, size: Dim, stride: Dim, before: Dim, after: Dim, dilation: Dim = 1) -> Dim:
    """How many windows fit: floor((n + p - d(k - 1) - 1) / s) + 1, as torch counts them. Refuses a window that does not fit."""
    room = length + before + after - extent(size, dilation)
    if compare(room, 0, "<"):
        raise Refusal(
            "A0403",
            f"{word}: a window of {show(extent(size, dilation))} does not fit into {show(length + before + after)}",
            f"{show(length)} and padding {show(before)} + {show(after)}: the window is {show(extent(size, dilation) - length - before - after)} too large",
            "size",
        )
    return room // stride + 1


def windows_up(word: str, length: Dim, size: Dim, stride: Dim, pad: Dim) -> Dim:
    """As `windows`, rounded up (ceil_mode): the last window may hang over, but starts inside the map or its left padding."""
    windows(word, length, dim_min(size, length + 2 * pad), stride, pad, pad)
    if compare(length + 2 * pad - size, 0, "<"):
        windows(word, length, size, stride, pad, pad)
    return dim_min(ceil_div(length + 2 * pad - size, stride), (length + pad - 1) // stride) + 1


def same_padding(length: Dim, size: Dim, stride: Dim, dilation: Dim = 1) -> tuple[Dim, Dim]:
    """(before, after) for `same`: the output is ceil(n / s), the odd zero goes to the end (TensorFlow's rule)."""
    outputs = ceil_div(length, stride)
    total = dim_max((outputs - 1) * stride + extent(size, dilation) - length, 0)
    return total // 2, total - total // 2
