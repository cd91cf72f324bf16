"""Arithmetic of sliding windows, shared by convolutions and poolings. Sizes are per axis and may be symbolic."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ..ir.dims import Dim, ceil_div, compare, dim_max, dim_min, show
from ..ir.operator import Axes, Refusal, axes


def extent(size: Dim, dilation: Dim) -> Dim:
    """The stretch a window covers: d(k - 1) + 1."""
    return dilation * (size - 1) + 1


def windows(word: str, length: Dim, size: Dim, stride: Dim, pads: tuple[Dim, Dim], dilation: Dim = 1) -> Dim:
    """How many windows fit, as torch counts them: floor((n + p - d(k - 1) - 1) / s) + 1.

    `pads` are what is put before and after. Refuses a window that does not fit.
    """
    wide, long = extent(size, dilation), length + pads[0] + pads[1]
    if compare(long, wide, "<"):
        raise Refusal(
            "A0403",
            f"{word}: a window of {show(wide)} does not fit into {show(long)}",
            f"{show(length)} and padding {show(pads[0])} + {show(pads[1])}: "
            f"the window is {show(wide - long)} too large",
            "size",
        )
    return (long - wide) // stride + 1


@lru_cache(maxsize=4096)
def all_windows(
    word: str,
    space: tuple[Dim, ...],
    kernel: tuple[Dim, ...],
    stride: tuple[Dim, ...],
    pads: tuple[tuple[Dim, Dim], ...],
    dilation: tuple[Dim, ...],
) -> tuple[Dim, ...]:
    """How many windows fit along each axis."""
    axes = zip(space, kernel, stride, pads, dilation, strict=True)
    return tuple([windows(word, *nkspd) for nkspd in axes])


def windows_up(word: str, length: Dim, size: Dim, stride: Dim, pad: Dim) -> Dim:
    """As `windows`, rounded up (ceil_mode): the last one may hang over, but starts inside the map or its left padding.

    Refuses a window that hangs over by its stride or more, as torch does.
    """
    steps = ceil_div(length + 2 * pad - size, stride)
    if compare(steps, 0, "<"):
        windows(word, length, size, stride, (pad, pad))
    return dim_min(steps, (length + pad - 1) // stride) + 1


def written_out(
    length: Dim, size: Dim, stride: Dim, pads: tuple[Dim, Dim], dilation: Dim = 1, ceil: bool = False
) -> str:
    """The arithmetic of one axis, as a textbook has it.

    >>> written_out(224, 7, 2, (3, 3))
    'floor((224 + 2*3 - 7)/2) + 1 = 112'
    """
    before, after = pads
    padding = "" if compare(before + after, 0, "==") else f" + {_padding(before, after)}"
    window = show(size) if dilation == 1 else f"{show(dilation)}*({show(size)} - 1) - 1"
    span = length + before + after - extent(size, dilation)
    result = windows_up("", length, size, stride, before) if ceil else span // stride + 1
    inside = f"{show(length)}{padding} - {window}"
    if stride == 1:
        return f"{inside} + 1 = {show(result)}"
    return f"{'ceil' if ceil else 'floor'}(({inside})/{show(stride)}) + 1 = {show(result)}"


def _padding(before: Dim, after: Dim) -> str:
    return f"2*{show(before)}" if before == after else f"{show(before)} + {show(after)}"


def each_axis(lines: Iterable[str]) -> str:
    """What is said of every axis, once where it is the same."""
    return ", ".join(dict.fromkeys(lines))


@lru_cache(maxsize=4096)
def half_padding(kernel: tuple[Dim, ...], dilation: tuple[Dim, ...]) -> tuple[tuple[Dim, Dim], ...]:
    """(before, after) an axis where nothing is said: half the kernel. Refuses one without a middle."""
    if any(isinstance(k, int) and k % 2 == 0 for k in kernel):
        shown = "x".join(show(k) for k in kernel)
        raise Refusal("A0405", f"a {shown} kernel has no middle", "say `valid`, `same`, or `pad` with a number", "size")
    half = [d * ((k - 1) // 2) for k, d in zip(kernel, dilation, strict=True)]
    return tuple([(pad, pad) for pad in half])


@lru_cache(maxsize=4096)
def half_padded(word: str, space: tuple[Dim, ...], size: Axes, stride: Axes, dilation: Axes) -> tuple[Dim, ...] | None:
    """How many windows fit along each axis with half the kernel as padding; None where one speaks of other axes."""
    rank = len(space)
    kernel, steps, dilations = axes(size, rank), axes(stride, rank), axes(dilation, rank)
    if not len(kernel) == len(steps) == len(dilations) == rank:
        return None
    return all_windows(word, space, kernel, steps, half_padding(kernel, dilations), dilations)


def same_padding(length: Dim, size: Dim, stride: Dim, dilation: Dim = 1) -> tuple[Dim, Dim]:
    """(before, after) for `same`: the output is ceil(n / s), the odd zero goes to the end (TensorFlow's rule)."""
    outputs = ceil_div(length, stride)
    total = dim_max((outputs - 1) * stride + extent(size, dilation) - length, 0)
    return total // 2, total - total // 2
