"""Invalid twins: one number of a valid plan changed. Whether the twin is a network is for torch to say."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

from archdsl import analyze, loads
from archdsl.diagnostics import SpecError
from archdsl.ir.keys import state_keys

from .compare import Difference, compare
from .expressions import evaluate
from .reference import Plan, Reference, TooLargeError, parameters, walk
from .words import Rule
from .write import spec

Place = tuple[dict[str, Any] | list[Any], Any]
WAYS = ("0", "+1", "+1", "-1", "-1", "*2", "//2", "other", "other", "large")
LARGEST = 64


def twin(plan: Plan, seed: int) -> Plan | None:
    """The plan with one number changed."""
    random = Random(seed)
    found = copy.deepcopy(plan)
    places = list(_places(found))
    if not places:
        return None
    holder, key = random.choice(places)
    number = holder[key]
    way = random.choice(WAYS)
    changed = {
        "0": 0, "+1": number + 1, "-1": number - 1, "*2": 2 * number, "//2": number // 2, "other": random.randint(1, 9),
        "large": random.randint(10, 40),
    }[way]  # fmt: skip
    if changed == number or changed < 0 or changed > LARGEST:
        return None
    holder[key] = changed
    return found


def _places(plan: Plan) -> Iterator[Place]:
    """Every whole number that may be changed."""
    for node in walk([plan["body"], [p["body"] for p in plan["parts"]]]):
        for name in node.get("args", {}):
            yield from _numbers(node["args"], name)
        for name in ("times", "split"):
            if node.get(name) is not None:
                yield from _numbers(node, name)
        for at in range(len(node.get("in", ()))):
            yield from _numbers(node["in"], at)
        for path in node.get("paths", ()):
            for at in range(len(path.get("in", ()))):
                yield from _numbers(path["in"], at)
    for table in plan["tables"].values():
        for row in table["rows"]:
            for at in range(len(row)):
                yield from _numbers(row, at)
    for name in plan["parameters"]:
        yield from _numbers(plan["parameters"], name)
    for _, sizes, _ in plan["inputs"].values():
        for at in range(len(sizes)):
            yield from _numbers(sizes, at)


def _numbers(holder: Any, key: Any) -> Iterator[Place]:
    held = holder[key]
    if isinstance(held, int) and not isinstance(held, bool):
        yield holder, key
    elif isinstance(held, list):
        for at in range(1, len(held)):
            yield from _numbers(held, at)
    elif isinstance(held, dict) and "size" in held:
        for at in range(len(held["size"])):
            yield from _numbers(held["size"], at)


def refusal(plan: Plan) -> str | None:
    """Why torch, or a rule of the language, refuses a plan; None if it is a network."""
    try:
        if any(size < 1 for _, sizes, _ in plan["inputs"].values() for size in sizes):
            return "an input without places"
        for expression in parameters(plan).values():
            evaluate(expression, {})
        Reference(plan)
    except Rule as rule:
        return f"rule: {rule}"
    except TooLargeError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever torch raises
        return f"torch: {error}"
    return None


def judge(plan: Plan) -> tuple[str, Difference | None]:
    """(what became of a twin, the difference if archdsl judges it otherwise than torch)."""
    try:
        reason = refusal(plan)
    except TooLargeError:
        return "too large to run", None
    if reason is None:
        return "accepted", compare(plan)
    try:
        network = loads(spec(plan))
        analyze(network)
        state_keys(network)
    except SpecError as error:
        places = [d.span for d in error.diagnostics]
        if all(span is not None and 1 <= span.line <= len(span.file.lines) for span in places):
            return "refused", None
        return "refused", Difference("no place", str(error))
    except Exception as error:  # noqa: BLE001 - a traceback is what must not be
        return "refused", Difference(f"raised {type(error).__name__}", str(error))
    kind = "accepted " + (reason if reason.startswith("rule") else "what torch refuses")
    return "refused", Difference(kind, reason)
