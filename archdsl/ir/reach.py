"""Which places a place sees: the arithmetic of receptive fields, exact for windows, steps and upsampling.

A `Reach` says what one place of a result sees of an input: a `Window` an axis, or that it sees all of it, or that what
it sees is no window that moves in equal steps. An operator gives its own (`Operator.reach`); `through` puts one behind
another, `together` unites paths.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, gcd, lcm
from typing import Final, Literal, TypeAlias

from ..records import dataclass
from .dims import Dim, dim_max, dim_min

Everything = Literal["global"]
Undefined = Literal["undefined"]
GLOBAL: Final = "global"
UNDEFINED: Final = "undefined"

MAX_PERIOD = 1024
"""Above so many different windows an axis a reach counts as undefined."""


@dataclass(frozen=True, slots=True)
class Window:
    """One axis: place `q * len(lows) + r` sees the places `lows[r] + q * step` to `highs[r] + q * step`.

    Without upsampling there is one low and one high, and `step` is the stride.
    """

    lows: tuple[Dim, ...] = (0,)
    highs: tuple[Dim, ...] = (0,)
    step: int = 1

    @property
    def size(self) -> Dim:
        """How many places, from the first to the last; the most where windows differ."""
        return dim_max(*(high - low + 1 for low, high in zip(self.lows, self.highs, strict=True)))

    @property
    def stride(self) -> Fraction:
        """How far the window moves from one place to the next."""
        return Fraction(self.step, len(self.lows))

    @property
    def start(self) -> Dim:
        """The first place that place 0 sees; negative in the padding."""
        return self.lows[0]


Reach: TypeAlias = "tuple[Window, ...] | Everything | Undefined"
HERE = Window()


def here(axes: int) -> Reach:
    """Each place sees itself."""
    return (HERE,) * axes


def window(size: Dim, stride: Dim, before: Dim, dilation: Dim = 1) -> Window | None:
    """A sliding window with `before` places of padding in front; None where its step is no number.

    >>> window(3, 2, 1).size, window(3, 2, 1).stride, window(3, 1, 2, dilation=2).size
    (3, Fraction(2, 1), 5)
    """
    return Window((-before,), ((size - 1) * dilation - before,), stride) if isinstance(stride, int) else None


def spread(size: Dim, stride: Dim, cut: Dim) -> Window | None:
    """A transposed convolution, which sees from ceil((i + cut - size + 1) / stride) to floor((i + cut) / stride).

    None where some place would see nothing, or where these are no numbers.

    >>> spread(2, 2, 0).size, spread(3, 2, 1).size
    (1, 2)
    """
    if not isinstance(size, int) or not isinstance(stride, int) or not isinstance(cut, int) or size < stride:
        return None
    lows = tuple(-((size - 1 - cut - place) // stride) for place in range(stride))
    highs = tuple((place + cut) // stride for place in range(stride))
    return _reduced(Window(lows, highs, 1))


def tile(size: Dim, shift: Dim) -> Window | None:
    """Each place sees its tile; the tiles begin at `shift`. None where these are no numbers.

    >>> tile(4, 0).size, tile(4, 0).stride, tile(4, 2).lows
    (4, Fraction(1, 1), (-2, -2, 2, 2))
    """
    if not isinstance(size, int) or not isinstance(shift, int) or size > MAX_PERIOD:
        return None
    lows = tuple((place - shift) // size * size + shift for place in range(size))
    return _reduced(Window(lows, tuple(low + size - 1 for low in lows), size))


def resampled(ratio: Fraction, linear: bool) -> Window | None:
    """Interpolation, `ratio` places of the input to one of the result: the place at i * ratio, or with `linear` the
    two beside (i + 1/2) * ratio - 1/2. None where too many differ.

    >>> resampled(Fraction(1, 2), linear=False).highs, resampled(Fraction(1, 2), linear=True).size
    ((0, 0), 2)
    """
    if ratio.denominator > MAX_PERIOD:
        return None
    half = Fraction(1, 2)
    at = [(n + half) * ratio - half if linear else n * ratio for n in range(ratio.denominator)]
    lows = tuple(map(floor, at))
    return _reduced(Window(lows, tuple(map(ceil, at)) if linear else lows, ratio.numerator))


def reach_of(windows: list[Window | None]) -> Reach:
    """A window an axis; undefined if one is missing."""
    found = tuple(w for w in windows if w is not None)
    return found if len(found) == len(windows) else UNDEFINED


def through(outer: Reach, inner: Reach) -> Reach:
    """What is seen by looking through `outer` at what sees by `inner`.

    >>> three = (window(3, 1, 1),)
    >>> through((window(3, 2, 1),), through(three, three))[0].size
    7
    """
    if GLOBAL in (outer, inner):
        return GLOBAL
    if isinstance(outer, str) or isinstance(inner, str) or len(outer) != len(inner):
        return UNDEFINED
    return reach_of([_behind(o, i) for o, i in zip(outer, inner, strict=True)])


def together(one: Reach, other: Reach) -> Reach:
    """What two paths see together: from the first to the last place, where they move in equal steps."""
    if one == other:
        return one
    if GLOBAL in (one, other):
        return GLOBAL
    if isinstance(one, str) or isinstance(other, str) or len(one) != len(other):
        return UNDEFINED
    return reach_of([_union(a, b) for a, b in zip(one, other, strict=True)])


def _behind(outer: Window, inner: Window) -> Window | None:
    if outer is HERE:
        return inner
    if inner is HERE:
        return outer
    period, step = len(inner.lows), inner.step
    if period == 1:  # no upsampling below: the whole of most networks
        low, high = inner.lows[0], inner.highs[0]
        lows = tuple(low + place * step for place in outer.lows)
        return Window(lows, tuple(high + place * step for place in outer.highs), outer.step * step)
    turns = period // gcd(period, outer.step)
    if len(outer.lows) * turns > MAX_PERIOD:
        return None
    lows = _seen(outer.lows, outer.step, turns, inner.lows, step)
    highs = _seen(outer.highs, outer.step, turns, inner.highs, step)
    if lows is None or highs is None:
        return None
    return _reduced(Window(lows, highs, outer.step * turns // period * step))


def _seen(places: tuple[Dim, ...], step: int, turns: int, edges: tuple[Dim, ...], below: int) -> tuple[Dim, ...] | None:
    """Where the edges of windows lie; None if a place is a formula, so that its turn is not known."""
    found: list[Dim] = []
    for turn in range(turns):
        for place in places:
            at = place + turn * step
            if not isinstance(at, int):
                return None
            found.append(edges[at % len(edges)] + at // len(edges) * below)
    return tuple(found)


def _union(a: Window, b: Window) -> Window | None:
    if a.step * len(b.lows) != b.step * len(a.lows):
        return None
    period = lcm(len(a.lows), len(b.lows))
    if period > MAX_PERIOD:
        return None
    a, b = _stretched(a, period), _stretched(b, period)
    lows = tuple(map(dim_min, a.lows, b.lows))
    return _reduced(Window(lows, tuple(map(dim_max, a.highs, b.highs)), a.step))


def _stretched(given: Window, period: int) -> Window:
    turns = period // len(given.lows)
    if turns == 1:
        return given
    lows = tuple(low + turn * given.step for turn in range(turns) for low in given.lows)
    highs = tuple(high + turn * given.step for turn in range(turns) for high in given.highs)
    return Window(lows, highs, given.step * turns)


def _reduced(given: Window) -> Window:
    """One low and one high where all windows move alike."""
    period = len(given.lows)
    if period == 1 or given.step % period:
        return given
    step = given.step // period
    alike = all(
        edges[place] == edges[0] + place * step for edges in (given.lows, given.highs) for place in range(1, period)
    )
    return Window(given.lows[:1], given.highs[:1], step) if alike else given
