"""What differs between two networks: trees aligned level by level, by label, then by content; counts side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from difflib import SequenceMatcher
from typing import Any

from ..analysis import Analysis, LayerRow
from ..ir.dims import Dim
from ..ir.names import Place, walk
from ..ir.nodes import Reuse
from ..ir.shapes import Constant
from ..records import dataclass
from .constants import constant_text, dim_json

SCHEMA = "archdsl-diff/1"
Facts = dict[str, str | int]
"""What a row is: its word, arguments, how often it is there, its shape and counts."""


@dataclass(eq=False)
class Row:
    """A layer, module or level: its path, what it is called in its parent, whether so by a label, and what is inside.

    `arguments` are those that differ from the defaults, as text.
    """

    path: str
    own: str
    labelled: bool
    leaf: bool
    operator: str
    arguments: dict[str, str]
    times: int
    output: str
    parameters: Dim
    macs: Dim
    parts: list[Row] = field(default_factory=list["Row"])

    @property
    def said(self) -> str:
        """The arguments as one text."""
        return ", ".join(f"{name} {text}" if text else name for name, text in self.arguments.items())

    @property
    def facts(self) -> Facts:
        """What is compared, for a program."""
        return {
            "operator": self.operator,
            "arguments": self.said,
            "times": self.times,
            "output": self.output,
            "parameters": dim_json(self.parameters),
            "macs": dim_json(self.macs),
        }


@dataclass(eq=False)
class Pair:
    """A row of one network and the same one of the other; one of them is None where there is none. `parts` are inside."""

    before: Row | None
    after: Row | None
    parts: list[Pair] = field(default_factory=list["Pair"])
    moved: bool = False
    """Whether it stands in another parent than before."""

    @property
    def renamed(self) -> bool:
        """Whether it is called otherwise in its parent, or has another parent."""
        return self.before is not None and self.after is not None and (self.moved or self.before.own != self.after.own)

    @property
    def equal(self) -> bool:
        """Whether it is the same, names aside."""
        return self.before is not None and self.after is not None and self.before.facts == self.after.facts

    @property
    def only_counts(self) -> bool:
        """Whether it is a part that holds others and differs in their counts alone."""
        before, after = self.before, self.after
        if before is None or after is None or before.leaf or after.leaf or self.renamed:
            return False
        return _itself(before) == _itself(after) and before.output == after.output

    @property
    def follows(self) -> bool:
        """Whether it is what it was, and differs in shape and counts at most, since what comes in does."""
        before, after = self.before, self.after
        return before is not None and after is not None and not self.renamed and _itself(before) == _itself(after)

    def walk(self) -> Iterator[Pair]:
        """It and everything inside."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, slots=True)
class Change:
    """One row that differs. `before` and `after` are None where there is none; `path` or `other` is then empty."""

    path: str
    other: str
    before: Facts | None
    after: Facts | None

    @property
    def kind(self) -> str:
        """`added`, `removed`, `changed`, `renamed`, or both of these."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        moved = "renamed" if self.path != self.other else ""
        return moved if self.before == self.after else f"{moved} changed".strip()


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """Two networks as pairs of rows, in the order of the first."""

    before: Analysis
    after: Analysis
    pairs: tuple[Pair, ...]

    @property
    def every(self) -> Iterator[Pair]:
        """All pairs, the outer before the inner."""
        for pair in self.pairs:
            yield from pair.walk()

    @property
    def changes(self) -> tuple[Change, ...]:
        """All that differs; a module or level in which only the counts of its inside do is not named."""
        found: list[Change] = []
        for pair in self.every:
            path, other = (row.path if row is not None else "" for row in (pair.before, pair.after))
            if (pair.equal and path == other) or (pair.only_counts and path == other):
                continue
            facts = [None if row is None else row.facts for row in (pair.before, pair.after)]
            found.append(Change(path, other, *facts))
        return tuple(found)

    @property
    def same(self) -> int:
        """How many rows are equal, called alike."""
        return sum(pair.equal and not pair.renamed for pair in self.every)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.changes and totals(self.before) == totals(self.after)


def difference(before: Analysis, after: Analysis) -> Difference:
    """Compare two networks, equal iterations folded.

    >>> import archdsl
    >>> one, other = (archdsl.analyze(archdsl.load("resnet", depth=depth)) for depth in (50, 101))
    >>> [(change.path, change.before["times"], change.after["times"]) for change in difference(one, other).changes]
    [('layer3.1', 5, 22)]
    """
    pairs = _aligned(rows(before), rows(after))
    _find_moved(pairs)
    return Difference(before, after, tuple(pairs))


def totals(analysis: Analysis) -> dict[str, Dim]:
    """What is compared of the whole."""
    counts = analysis.totals.of(False)
    return {"parameters": counts.parameters, "buffers": counts.buffers, "multiply-adds": counts.macs}


# ---- rows -----------------------------------------------------------------------------------------------------------


def rows(analysis: Analysis) -> list[Row]:
    """The outermost rows of a network, those inside in them."""
    found: list[Row] = []
    open_rows: list[tuple[Row, int]] = []
    seen: dict[str, int] = {}
    for row, place in zip(analysis.tree, walk(analysis.network.root, True), strict=True):
        del open_rows[row.depth :]
        parent, outer = open_rows[-1] if open_rows else (None, 1)
        made = _row(row, place, outer, seen)
        if parent is not None:
            made.own = made.path.removeprefix(f"{parent.path}.")
        (found if parent is None else parent.parts).append(made)
        open_rows.append((made, row.times))
    return found


def _row(row: LayerRow, place: Place, outer: int, seen: dict[str, int]) -> Row:
    name = ".".join(row.path)
    seen[name] = seen.get(name, 0) + 1
    name = f"{name} ({seen[name]})" if seen[name] > 1 else name
    arguments = dict(place.operator.given()) if place.operator is not None else {}
    if place.module is not None:
        arguments = dict(place.module.arguments)
    return Row(
        path=name,
        own=name,
        labelled=not isinstance(place.node, Reuse) and place.node.label is not None,
        leaf=row.kind in ("layer", "again"),
        operator=row.operator,
        arguments=dict(_argument(key.rstrip("_"), value) for key, value in arguments.items()),
        times=row.times // outer,
        output=str(row.output),
        parameters=row.counts.parameters,
        macs=row.counts.macs,
    )


def _argument(name: str, value: Constant) -> tuple[str, str]:
    if isinstance(value, bool):
        return (name if value else f"no {name}"), ""
    return name, constant_text(value)


# ---- aligning -------------------------------------------------------------------------------------------------------


def _itself(row: Row) -> tuple[object, ...]:
    """What a row is by what the spec says of it."""
    return row.operator, row.arguments, row.times


def _content(row: Row) -> tuple[object, ...]:
    return row.operator, row.said, row.output, row.parameters


_KEYS: tuple[Callable[[Row], object], ...] = (
    lambda row: (_content(row), row.times),
    _content,
    lambda row: (row.operator, row.said) if not row.labelled else row.path,
    lambda row: row.operator if not row.labelled else row.path,
)
"""By what rows of one level are found in the other, one after the other. A label is an identity, a position is none."""


def _aligned(ours: Sequence[Row], theirs: Sequence[Row]) -> list[Pair]:
    """The rows of one level: labels first, then what is alike in order."""
    labels = {row.own: row for row in theirs if row.labelled}
    found = {row.path: labels.pop(row.own) for row in ours if row.labelled and row.own in labels}
    taken = {row.path for row in found.values()}
    left = [row for row in ours if row.path not in found]
    right = [row for row in theirs if row.path not in taken]
    found |= {one.path: other for one, other in _matched(left, right, _KEYS)}
    taken = {row.path for row in found.values()}
    places = {row.path: number for number, row in enumerate(theirs)}
    pairs: list[Pair] = []
    done = 0
    for row in ours:
        other = found.get(row.path)
        if other is None:
            pairs.append(_removed(row))
            continue
        place = places[other.path]
        pairs.extend(_added(new) for new in theirs[done:place] if new.path not in taken)
        done = max(done, place)
        pairs.append(Pair(row, other, _aligned(row.parts, other.parts)))
    pairs.extend(_added(new) for new in theirs[done:] if new.path not in taken)
    return pairs


def _removed(row: Row) -> Pair:
    return Pair(row, None, [_removed(part) for part in row.parts])


def _added(row: Row) -> Pair:
    return Pair(None, row, [_added(part) for part in row.parts])


def _matched(
    left: Sequence[Row], right: Sequence[Row], keys: Sequence[Callable[[Row], object]]
) -> Iterator[tuple[Row, Row]]:
    """Pairs in the order of both: by the first key, and what lies between these by the next."""
    if not left or not right or not keys:
        return
    ours, theirs = list(map(keys[0], left)), list(map(keys[0], right))
    a, b = 0, 0
    for at, there, size in _blocks(ours, theirs):
        yield from _matched(left[a:at], right[b:there], keys[1:])
        yield from zip(left[at : at + size], right[there : there + size], strict=True)
        a, b = at + size, there + size


def _blocks(ours: list[Any], theirs: list[Any]) -> Iterator[tuple[int, int, int]]:
    """Where two lists agree: both beginnings and how long, as `SequenceMatcher` has it; first and last, which are most
    of it, at the cost of one look.
    """
    least = min(len(ours), len(theirs))
    first = next((n for n in range(least) if ours[n] != theirs[n]), least)
    least -= first
    last = next((n for n in range(least) if ours[-1 - n] != theirs[-1 - n]), least)
    yield 0, 0, first
    matcher = SequenceMatcher(None, ours[first : len(ours) - last], theirs[first : len(theirs) - last], False)
    for at, there, size in matcher.get_matching_blocks()[:-1]:
        yield first + at, first + there, size
    yield len(ours) - last, len(theirs) - last, last


def _find_moved(pairs: list[Pair]) -> None:
    """Join what is alone in one network with its like that is alone in the other, wherever it stands."""
    everything = [pair for outer in pairs for pair in outer.walk()]
    gone = [(pair, pair.before) for pair in everything if pair.before is not None and pair.after is None]
    come = [(pair, pair.after) for pair in everything if pair.after is not None and pair.before is None]
    replaced: set[int] = set()
    for at, there, size in _blocks([_content(row) for _, row in gone], [_content(row) for _, row in come]):
        for (pair, _), (other, row) in zip(gone[at : at + size], come[there : there + size], strict=True):
            pair.after, pair.moved = row, True
            pair.parts.extend(other.parts)
            replaced.add(id(other))
    _without(pairs, replaced)


def _without(pairs: list[Pair], replaced: set[int]) -> None:
    pairs[:] = [pair for pair in pairs if id(pair) not in replaced]
    for pair in pairs:
        _without(pair.parts, replaced)


# ---- the object -----------------------------------------------------------------------------------------------------


def difference_json(found: Difference) -> dict[str, object]:
    """The difference for a program."""
    sides = ((found.before, "before"), (found.after, "after"))
    return {
        "schema": SCHEMA,
        **{name: {"network": a.network.title, "file": a.network.file, "totals": _json(totals(a))} for a, name in sides},
        "equal": found.equal,
        "same": found.same,
        "changes": [
            {"kind": c.kind, "path": c.path or None, "other": c.other or None, "before": c.before, "after": c.after}
            for c in found.changes
        ],
    }


def _json(counts: dict[str, Dim]) -> Facts:
    return {name.replace("multiply-adds", "macs"): dim_json(count) for name, count in counts.items()}


__all__ = ["Change", "Difference", "Pair", "Row", "difference", "difference_json", "totals"]
