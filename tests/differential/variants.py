"""A plan's network chosen from outside: a file with other values for its parameters, given the plan's by `--set` or `extends`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import archdsl
from archdsl.ir.keys import state_keys

from .reference import Plan
from .write import spec


def other_values(plan: Plan) -> tuple[Plan, dict[str, int]]:
    """The plan with other numbers for its parameters, and those that it has."""
    chosen = {name: given for name, given in plan["parameters"].items() if isinstance(given, int)}
    found = deepcopy(plan)
    found["parameters"] |= {name: number + 1 for name, number in chosen.items()}
    return found, chosen


def networks(plan: Plan) -> Iterator[tuple[str, Any, Any]]:
    """(the way, the analysis, the keys) for each way to choose the plan's parameters from outside."""
    other, chosen = other_values(plan)
    if not chosen:
        return
    text = spec(other)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / f"base.{'yaml' if plan['container'] == 'yaml' else 'arch'}"
        base.write_text(text)
        written = ", ".join(f"{name}: {number}" for name, number in chosen.items())
        extending = f"network: Random\nextends: {base.name}\nparameters: {{{written}}}\n"
        for way, network in (
            ("set", archdsl.loads(text, **chosen)),
            ("extends", archdsl.loads(extending, folder=folder)),
        ):
            yield way, archdsl.analyze(network), state_keys(network)
