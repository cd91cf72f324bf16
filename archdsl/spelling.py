"""Which word was meant: the known one that the fewest slips of the keyboard make of it."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable

_ALIKE = 0.6


def slips(a: str, b: str) -> int:
    """How many letters are lost, added, changed or swapped with the next between two words.

    >>> slips("covn", "conv"), slips("strid", "stride"), slips("relu", "tanh")
    (1, 1, 4)
    """
    start = _common(a, b)
    a, b = a[start:], b[start:]
    end = _common(a[::-1], b[::-1])
    a, b = a[: len(a) - end], b[: len(b) - end]
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        above, before, row = before, row, [i]
        for j, right in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _common(a: str, b: str) -> int:
    """How many letters two words begin with alike."""
    return next((at for at, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))


def closest(word: str, known: Iterable[str], text: str = "") -> str | None:
    """The known word closest to `word`, if one is close; of equally close ones that which `text` uses most."""
    lowered = word.lower()
    candidates = sorted(set(known) - {word})
    allowed = max(1, len(word) // 4) if len(word) > 1 else 0
    near = [(slips(lowered, k.lower()), k) for k in candidates if abs(len(k) - len(word)) <= allowed]
    near = [(cost, k) for cost, k in near if cost <= allowed and cost < len(k)]
    if near:
        used = Counter(re.findall(r"\w+", text))

        def order(found: tuple[int, str]) -> tuple[float, ...]:
            cost, known = found
            return cost, -used[known], -_alike(lowered, known), slips(word, known)

        return min(near, key=lambda found: (order(found), found[1]))[1]
    folded = {k.lower(): k for k in reversed(candidates)}
    found = difflib.get_close_matches(lowered, list(folded), n=1, cutoff=_ALIKE)
    return folded[found[0]] if found else None


def _alike(word: str, other: str) -> float:
    """How much of two words is common, their beginnings counting double."""
    ratio = difflib.SequenceMatcher(None, word, other.lower()).ratio()
    return ratio + (word[:1] == other[:1].lower())
