"""Seeds tried, failures made small and kept as cases."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .compare import Difference, compare
from .generate import plan
from .reference import Plan
from .shrink import shrink
from .twins import judge, twin
from .write import spec

CASES = Path(__file__).parents[1] / "cases" / "differential"
SOURCE_EVERY, META_EVERY = 2, 48
"""Of so many networks one is compared as code too, unless asked otherwise, and one with torch's counter on the meta device."""


@dataclass(frozen=True)
class Outcome:
    """What became of a seed: equal, refused or accepted; the difference and the plan that shows it."""

    what: str
    difference: Difference | None = None
    plan: Plan | None = None


@contextmanager
def quiet() -> Any:
    """One thread and no warnings: the networks are tiny."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def network(seed: int, source_every: int = SOURCE_EVERY) -> Outcome:
    """One random network against torch."""
    made = plan(seed)
    try:
        found = compare(made, source=seed % source_every == 0, meta=seed % META_EVERY == 0)
    except Exception as error:  # noqa: BLE001 - the plan ran when it was made: this is a fault of the comparison
        found = Difference("comparison failed", repr(error))
    return Outcome("different", found, made) if found is not None else Outcome("equal")


def invalid_twin(seed: int) -> Outcome:
    """One number of a random network changed: archdsl refuses it if and only if torch does."""
    for attempt in range(100):
        made = twin(plan(seed), 100 * seed + attempt)
        if made is not None:
            what, found = judge(made)
            return Outcome("different", found, made) if found is not None else Outcome(what)
    return Outcome("nothing to change")


def replay(case: dict[str, Any]) -> Difference | None:
    """A stored case once more. One that is `unwritten` has no code yet, and must be refused as that."""
    if case["twin"]:
        return judge(case["plan"])[1]
    found = compare(case["plan"], source=True, meta=True)
    if not case.get("unwritten"):
        return found
    refused = found is not None and found.kind == "no source A1001"
    return None if refused else Difference("written", "there is code for this now: it is no longer `unwritten`")


def smaller(outcome: Outcome, is_twin: bool) -> Plan:
    """The plan of a difference as small as it gets."""
    wanted, made = outcome.difference, outcome.plan
    assert wanted is not None
    assert made is not None
    again: Callable[[Plan], Difference | None] = (
        (lambda p: judge(p)[1]) if is_twin else (lambda p: compare(p, source=True))
    )
    return shrink(made, lambda p: (found := again(p)) is not None and found.kind == wanted.kind)


def keep(outcome: Outcome, seed: int, is_twin: bool, folder: Path = CASES) -> Path:
    """Write a difference, made small, as a case. The spec stands in it for people to read."""
    assert outcome.difference is not None
    made = smaller(outcome, is_twin)
    path = folder / f"{'twin' if is_twin else 'network'}-{seed}.json"
    write_case(path, made, is_twin, f"seed {seed}, {outcome.difference.kind}")
    return path


def write_case(path: Path, made: Plan, is_twin: bool, why: str) -> None:
    """Write a plan as a case."""
    case = {"why": why, "twin": is_twin, "spec": spec(made).splitlines(), "plan": made}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(case, indent=1) + "\n")


def cases() -> list[Path]:
    """All cases that are kept."""
    return sorted(CASES.glob("*.json"))
