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
from .symbolic import compare_symbolic, opened
from .twins import judge, twin
from .write import spec

CASES = Path(__file__).parents[1] / "cases" / "differential"
SOURCE_EVERY, META_EVERY, VARIANTS_EVERY = 2, 48, 4
"""Of so many networks one is compared as code too, unless asked otherwise, one with torch's counter on the meta
device, one with its parameters chosen from outside."""


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
        source, meta = seed % source_every == 0, seed % META_EVERY == 0
        found = compare(made, source=source, meta=meta, variants=seed % VARIANTS_EVERY == 1)
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


def open_sizes(seed: int) -> Outcome:
    """One random network whose inputs leave sizes open."""
    made = plan(seed)
    what, found = compare_symbolic(made, seed)
    return Outcome(what, found, made if found is not None else None)


def replay(case: dict[str, Any]) -> Difference | None:
    """A stored case once more. One that is `unwritten` has no code yet, and must be refused as that."""
    if case["twin"]:
        return judge(case["plan"])[1]
    if case.get("open") is not None:
        return compare_symbolic(case["plan"], case["open"])[1]
    found = compare(case["plan"], source=True, meta=True, variants=True)
    if not case.get("unwritten"):
        return found
    refused = found is not None and found.kind == "no source A1001"
    return None if refused else Difference("written", "there is code for this now: it is no longer `unwritten`")


def smaller(outcome: Outcome, what: str, seed: int) -> Plan:
    """The plan of a difference as small as it gets."""
    wanted, made = outcome.difference, outcome.plan
    assert wanted is not None
    assert made is not None
    again: dict[str, Callable[[Plan], Difference | None]] = {
        "network": lambda p: compare(p, source=True),
        "twin": lambda p: judge(p)[1],
        "open": lambda p: compare_symbolic(p, seed)[1],
    }
    return shrink(made, lambda p: (found := again[what](p)) is not None and found.kind == wanted.kind)


def keep(outcome: Outcome, seed: int, what: str, folder: Path = CASES) -> Path:
    """Write a difference, made small, as a case. The spec stands in it for people to read. `what`: network, twin, open."""
    assert outcome.difference is not None
    made = smaller(outcome, what, seed)
    path = folder / f"{what}-{seed}.json"
    write_case(path, made, what == "twin", f"seed {seed}, {outcome.difference.kind}", seed if what == "open" else None)
    return path


def write_case(path: Path, made: Plan, is_twin: bool, why: str, open_by: int | None = None) -> None:
    """Write a plan as a case; `open_by` is the seed by which sizes of its inputs are left open."""
    text = spec(made if open_by is None else opened(made, open_by)[0])
    case = {"why": why, "twin": is_twin, "open": open_by, "spec": text.splitlines(), "plan": made}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(case, indent=1) + "\n")


def cases() -> list[Path]:
    """All cases that are kept."""
    return sorted(CASES.glob("*.json"))
