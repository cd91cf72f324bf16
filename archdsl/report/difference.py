"""What differs between two networks: layers aligned by path, then by content; counts side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from ..analysis import Analysis, LayerRow
from ..diagnostics import safe
from ..ir.dims import Dim
from ..ir.names import Place, walk
from ..ir.shapes import Constant
from ..records import dataclass
from .constants import constant_text, dim_json
from .numbers import exact, plural

SCHEMA = "archdsl-diff/1"
Facts = Mapping[str, str | int]
"""What a row is: its word, arguments, how often it is there, its shape and counts."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row that differs. `before` and `after` are None where there is none; `renamed` rows were found by content."""

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


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs; `same` rows are equal in both."""

    before: Analysis
    after: Analysis
    changes: tuple[Change, ...]
    same: int

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.changes and _totals(self.before) == _totals(self.after)


def difference(before: Analysis, after: Analysis) -> Difference:
    """Compare two networks, equal iterations folded."""
    ours, theirs = _rows(before), _rows(after)
    pairs = {path: path for path in ours if path in theirs}
    left = [path for path in ours if path not in pairs]
    right = [path for path in theirs if path not in set(pairs.values())]
    matcher = SequenceMatcher(None, [_content(ours[p]) for p in left], [_content(theirs[p]) for p in right], False)
    for a, b, size in matcher.get_matching_blocks():
        pairs.update(zip(left[a : a + size], right[b : b + size], strict=True))
    found: list[Change] = []
    same = 0
    for path, (facts, leaf) in ours.items():
        other = pairs.get(path)
        if other is None:
            found.append(Change(path, "", facts, None))
            continue
        change = Change(path, other, facts, theirs[other][0])
        inner = not leaf and not theirs[other][1] and _own(facts) == _own(theirs[other][0])
        if change.kind == "" or (inner and path == other):
            same += change.kind == ""
        else:
            found.append(change)
    taken = set(pairs.values())
    found.extend(Change("", path, None, facts) for path, (facts, _) in theirs.items() if path not in taken)
    return Difference(before, after, tuple(found), same)


def _rows(analysis: Analysis) -> dict[str, tuple[Facts, bool]]:
    """Every row by its path, with whether it is a layer."""
    found: dict[str, tuple[Facts, bool]] = {}
    above: list[int] = []
    for row, place in zip(analysis.tree, walk(analysis.network.root, True), strict=True):
        name, number = ".".join(row.path), 2
        while name in found:
            name, number = f"{'.'.join(row.path)} ({number})", number + 1
        del above[row.depth :]
        times = row.times // (above[-1] if above else 1)
        above.append(row.times)
        found[name] = _facts(row, place, times), row.kind in ("layer", "again")
    return found


def _facts(row: LayerRow, place: Place, times: int) -> Facts:
    arguments: Mapping[str, Constant] = {}
    if place.operator is not None:
        arguments = place.operator.given()
    elif place.module is not None:
        arguments = place.module.arguments
    shown = ", ".join(_argument(name.rstrip("_"), value) for name, value in arguments.items())
    return {
        "operator": row.operator,
        "arguments": shown,
        "times": times,
        "output": str(row.output),
        "parameters": dim_json(row.counts.parameters),
        "macs": dim_json(row.counts.macs),
    }


def _argument(name: str, value: Constant) -> str:
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {constant_text(value)}"


def _content(row: tuple[Facts, bool]) -> tuple[object, ...]:
    facts = row[0]
    return (facts["operator"], facts["arguments"], facts["output"], facts["parameters"])


def _own(facts: Facts) -> tuple[object, ...]:
    """What a module or level is by itself; its counts are those of what is inside."""
    return facts["operator"], facts["arguments"], facts["times"], facts["output"]


def _totals(analysis: Analysis) -> dict[str, Dim]:
    counts = analysis.totals.of(False)
    return {"parameters": counts.parameters, "buffers": counts.buffers, "multiply-adds": counts.macs}


# ---- text and object ------------------------------------------------------------------------------------------------


def difference_text(found: Difference) -> str:
    """The difference for people, without a newline at its end."""
    names = [safe(a.network.title or a.network.file) for a in (found.before, found.after)]
    lines = [
        f"--- {names[0]}{_chosen(found.before, found.after)}",
        f"+++ {names[1]}{_chosen(found.after, found.before)}",
        "",
    ]
    for name, before in _totals(found.before).items():
        after = _totals(found.after)[name]
        lines.append(
            f"{name:14} {exact(before)}" + ("" if before == after else f" -> {exact(after)}{_by(before, after)}")
        )
    lines.append("")
    for change in found.changes:
        lines.extend(_change_lines(change))
    if not found.changes:
        lines.append("no layer differs")
    lines.append(f"({plural(found.same, 'row')} equal)" if found.changes else f"({plural(found.same, 'row')})")
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


def _change_lines(change: Change) -> Iterator[str]:
    if change.before is None or change.after is None:
        facts = change.before or change.after or {}
        sign, path = ("-", change.path) if change.after is None else ("+", change.other)
        yield f"{sign} {safe(path)}: {_described(facts)}"
        return
    name = change.path if change.path == change.other else f"{change.path} -> {change.other}"
    apart = [
        f"{key} {_number(before) or 'none'} -> {_number(after) or 'none'}"
        for (key, before), after in zip(change.before.items(), change.after.values(), strict=True)
        if before != after
    ]
    yield f"~ {safe(name)}: {safe('; '.join(apart)) or 'renamed'}"


def _described(facts: Facts) -> str:
    word = f"{facts['operator']} {facts['arguments']}".strip() or "level"
    times = f" x {facts['times']}" if facts["times"] != 1 else ""
    params = f", {_number(facts['parameters'])} params" if facts["parameters"] != 0 else ""
    return safe(f"{word}{times} => {facts['output']}{params}")


def _number(value: str | int) -> str:
    return exact(value) if isinstance(value, int) else value


def difference_json(found: Difference) -> dict[str, object]:
    """The difference for a program."""
    sides = ((found.before, "before"), (found.after, "after"))
    return {
        "schema": SCHEMA,
        **{
            name: {"network": a.network.title, "file": a.network.file, "totals": _json(_totals(a))} for a, name in sides
        },
        "equal": found.equal,
        "same": found.same,
        "changes": [
            {"kind": c.kind, "path": c.path or None, "other": c.other or None, "before": c.before, "after": c.after}
            for c in found.changes
        ],
    }


def _json(totals: Mapping[str, Dim]) -> dict[str, int | str]:
    return {name.replace("multiply-adds", "macs"): dim_json(count) for name, count in totals.items()}


__all__ = ["Change", "Difference", "difference", "difference_json", "difference_text"]
