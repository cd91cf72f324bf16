"""The difference of two networks for people: what follows from a change above it is counted, not listed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..analysis import Analysis
from ..diagnostics import safe
from ..ir.dims import Dim
from .constants import constant_text
from .difference import Difference, Pair, Row, totals
from .numbers import exact, plural

MANY_SHIFTED = 3
"""From so many rows on that only stand elsewhere in their level, they are said together."""


def difference_text(found: Difference) -> str:
    """The difference, without a newline at its end."""
    names = [safe(a.network.title or a.network.file) for a in (found.before, found.after)]
    lines = [
        f"--- {names[0]}{_chosen(found.before, found.after)}",
        f"+++ {names[1]}{_chosen(found.after, found.before)}",
        "",
    ]
    for name, before in totals(found.before).items():
        after = totals(found.after)[name]
        lines.append(
            f"{name:14} {exact(before)}" + ("" if before == after else f" -> {exact(after)}{_by(before, after)}")
        )
    changes = list(_level(found.pairs))
    lines += ["", *(changes or ["no layer differs"])]
    lines.append(f"({plural(found.same, 'row')} equal)" if changes else f"({plural(found.same, 'row')})")
    return "\n".join(lines)


def _chosen(one: Analysis, other: Analysis) -> str:
    """The parameters in which one differs from the other."""
    ours, theirs = one.network.parameters, other.network.parameters
    apart = [f"{n} {constant_text(v)}" for n, v in ours.items() if n not in theirs or theirs[n] != v]
    return f" ({safe(', '.join(apart))})" if apart else ""


def _by(before: Dim, after: Dim) -> str:
    if not isinstance(before, int) or not isinstance(after, int):
        return ""
    ratio = ""
    if before > 0:
        percent = 100 * (after - before) / before
        ratio = f", {percent:+,.0f} %" if abs(percent) >= 100 else f", {percent:+.3g} %"
    return f" ({after - before:+,}{ratio})"


def _level(pairs: Sequence[Pair]) -> Iterator[str]:
    """The pairs of one level; those that only stand further up or down are one line, if they are many."""
    shifted = [pair for pair in pairs if _is_shifted(pair)]
    few = len(shifted) < MANY_SHIFTED
    for pair in pairs:
        if few or not _is_shifted(pair):
            yield from _lines(pair)
    if not few:
        first, last = (
            f"{pair.before.path} -> {pair.after.path}"
            for pair in (shifted[0], shifted[-1])
            if pair.before and pair.after
        )
        yield safe(f"~ {first}, ..., {last}: {len(shifted)} rows equal but for their numbers")


def _is_shifted(pair: Pair) -> bool:
    """Whether a row is the same in another place of its level, and so is everything inside."""
    before, after = pair.before, pair.after
    if before is None or after is None or not pair.equal or not pair.renamed or pair.moved:
        return False
    labelled = before.labelled or after.labelled
    return not labelled and all(part.equal and not part.renamed for outer in pair.parts for part in outer.walk())


def _lines(pair: Pair) -> Iterator[str]:
    """A pair and what is inside, a line a change."""
    before, after = pair.before, pair.after
    inside = [part for outer in pair.parts for part in outer.walk()]
    if before is None or after is None:
        sign, row = ("-", before) if after is None else ("+", after)
        assert row is not None
        alone = all((part.after if after is None else part.before) is None for part in inside)
        yield f"{sign} {safe(row.path)}: {_described(row)}" + _within(len(inside) if alone else 0)
        if alone:
            return
    elif not (pair.only_counts or (pair.equal and not pair.renamed)):
        following = [part for part in inside if not part.equal]
        folded = bool(following) and not pair.equal and all(part.follows for part in inside)
        name = before.path if before.path == after.path else f"{before.path} -> {after.path}"
        changes = "; ".join(_changes(before, after)) or "renamed"
        yield f"~ {safe(name)}: {safe(changes)}" + _within(len(following) if folded else 0, "so do ")
        if folded:
            return
    yield from _level(pair.parts)


def _within(rows: int, so: str = "") -> str:
    return f" ({so}{plural(rows, 'row')} inside)" if rows else ""


def _changes(before: Row, after: Row) -> Iterator[str]:
    if before.operator != after.operator:
        yield f"{_word(before)} -> {_word(after)}"
    else:
        yield from _arguments(before.arguments, after.arguments)
    if before.times != after.times:
        yield f"times {before.times} -> {after.times}"
    if before.output != after.output:
        yield f"output {before.output} -> {after.output}"
    for name, one, other in (
        ("parameters", before.parameters, after.parameters),
        ("multiply-adds", before.macs, after.macs),
    ):
        if one != other:
            yield f"{name} {exact(one)} -> {exact(other)}"


def _arguments(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    for name in {**before, **after}:
        one, other = before.get(name), after.get(name)
        if one != other:
            said = f"{name} {one or other or ''}".strip()
            yield f"with {said}" if one is None else f"without {said}" if other is None else f"{name} {one} -> {other}"


def _word(row: Row) -> str:
    return f"{row.operator} {row.said}".strip() or "level"


def _described(row: Row) -> str:
    times = f" x {row.times}" if row.times != 1 else ""
    params = f", {exact(row.parameters)} params" if row.parameters != 0 else ""
    return safe(f"{_word(row)}{times} => {row.output}{params}")
