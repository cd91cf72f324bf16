"""A plan made smaller while it still shows the same difference."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from .reference import Plan, walk

LISTS = ("body", "then", "else", "shortcut")


def shrink(plan: Plan, fails: Callable[[Plan], bool], limit: int = 400) -> Plan:
    """The smallest plan found, by trying every change again and again, at most `limit` times, that still fails."""
    tried = 0
    changed = True
    while changed:
        changed = False
        for smaller in changes(plan):
            tried += 1
            if tried > limit:
                return plan
            if _fails(smaller, fails):
                plan, changed = smaller, True
                break
    return plan


def _fails(plan: Plan, fails: Callable[[Plan], bool]) -> bool:
    try:
        return fails(plan)
    except Exception:  # noqa: BLE001 - a change that leaves no network is no smaller failure
        return False


def changes(plan: Plan) -> Iterator[Plan]:
    """Plans that are a bit smaller: nodes left out or replaced by their bodies, then plainer numbers."""
    for path, nodes in list(_lists(plan)):
        for half in (len(nodes) // 2, 1):
            if half < 1 or (half == 1 and len(nodes) == 0):
                continue
            for at in range(0, len(nodes), half):
                yield _with(plan, path, lambda there, at=at, half=half: there[:at] + there[at + half :])
        for at, node in enumerate(nodes):
            for inner in _bodies(node):
                yield _with(plan, path, lambda there, at=at, inner=inner: there[:at] + inner + there[at + 1 :])
    yield from _sections(plan)
    yield from _numbers(plan)


def _lists(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
    """Every list of nodes in a plan and where it is."""
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, inner in items:
        if key in LISTS and isinstance(inner, list) and all(isinstance(n, dict) and "is" in n for n in inner):
            yield (*path, key), inner
        if key == "paths":
            yield (*path, key), inner
        yield from _lists(inner, (*path, key))


def _bodies(node: Any) -> Iterator[list[Any]]:
    for key in LISTS:
        if node.get(key):
            yield copy.deepcopy(node[key])
    for path in node.get("paths", ()):
        yield copy.deepcopy(path["body"])


def _with(plan: Plan, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Plan:
    found = copy.deepcopy(plan)
    at = found
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = change(at[path[-1]])
    return found


def _sections(plan: Plan) -> Iterator[Plan]:
    for key in ("default", "parameters", "tables", "maps"):
        for name in plan.get(key, {}):
            yield _with(plan, (key,), lambda there, name=name: {k: v for k, v in there.items() if k != name})
    used = {n.get("part") for n in walk(plan)}
    for at, part in enumerate(plan["parts"]):
        if part["name"] not in used:
            yield _with(plan, ("parts",), lambda there, at=at: there[:at] + there[at + 1 :])
        if part["on"] is not None:
            yield _with(plan, ("parts", at, "on"), lambda _: None)
        for number in range(len(part["formals"])):
            yield _with(plan, ("parts", at, "formals"), lambda there, n=number: there[:n] + there[n + 1 :])
    if len(plan["inputs"]) > 1:
        for name in plan["inputs"]:
            yield _with(plan, ("inputs",), lambda there, name=name: {k: v for k, v in there.items() if k != name})


def _numbers(plan: Plan) -> Iterator[Plan]:
    """Arguments left out, labels left out, smaller numbers."""
    for path, node in list(_nodes(plan)):
        for name, argument in list(node.get("args", {}).items()):
            yield _with(plan, (*path, "args"), lambda there, name=name: {k: v for k, v in there.items() if k != name})
            if not isinstance(argument, bool | int | float):
                for plain in (1, 2, 3):
                    yield _with(plan, (*path, "args", name), lambda _, plain=plain: plain)
            elif not isinstance(argument, bool) and isinstance(argument, int):
                for less in {1, argument // 2, argument - 1} - {argument}:
                    if 0 <= less < argument:
                        yield _with(plan, (*path, "args", name), lambda _, less=less: less)
        if node.get("label") is not None and node["is"] != "level":
            yield _with(plan, (*path, "label"), lambda _: None)
        if node.get("arrow"):
            yield _with(plan, (*path, "arrow"), lambda _: False)
        if node.get("in") is not None and len(node["in"]) > 1 and node.get("range") is None:
            yield _with(plan, (*path, "in"), lambda there: there[:1])
        if isinstance(node.get("times"), list | str) or (isinstance(node.get("times"), int) and node["times"] > 1):
            for less in (1, 2):
                if node["times"] != less:
                    yield _with(plan, (*path, "times"), lambda _, less=less: less)
    for name, (_, sizes, _) in plan["inputs"].items():
        for axis, size in enumerate(sizes):
            for less in {1, 2, 4, size // 2, size - 1}:
                if 0 < less < size:
                    yield _with(plan, ("inputs", name, 1, axis), lambda _, less=less: less)


def _nodes(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(part, dict) and "is" in part:
        yield path, part
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, inner in items:
        yield from _nodes(inner, (*path, key))
