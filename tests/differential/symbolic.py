"""Random networks whose inputs leave sizes open: the analyser's formulas, and the code, at two choices of these sizes.

The text has `3xHxW` or `Tx8` where the plan has numbers. What archdsl gives then are formulas; evaluated at the numbers of
the plan, and at others that torch takes too, they must be what torch measures there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from random import Random
from types import SimpleNamespace
from typing import Any

import torch

import archdsl
from archdsl.diagnostics import SpecError
from archdsl.ir.dims import evaluate
from archdsl.ir.keys import state_keys
from archdsl.torch_backend.emitter import emit_source

from .compare import Difference, compare_arrays, compare_layers, compare_totals, compare_values, executed
from .reference import Plan, Reference
from .write import spec

Sizes = dict[str, int]
NAMES = {("map", 1): ("T",), ("map", 2): ("H", "W"), ("map", 3): ("D", "H", "W"), ("sequence", 1): ("T",),
         ("numbers", 1): ("T",)}  # fmt: skip


def opened(plan: Plan, seed: int) -> tuple[Plan, Sizes]:
    """The plan with names for sizes of its inputs, and what they are there. Inputs of one size keep one size."""
    random = Random(seed)
    found, sizes = copy.deepcopy(plan), Sizes()
    found["inputs"] = {name: [kind, list(given), below] for name, (kind, given, below) in plan["inputs"].items()}
    known: dict[tuple[Any, ...], list[Any]] = {}
    for kind, given, _ in found["inputs"].values():
        begin = 1 if kind == "map" else 0
        places = given[begin:] if kind in ("map", "numbers") else given[:-1]
        names = NAMES.get((kind, len(places)), ())
        same = (kind == "map", *places)
        if names and same not in known:
            known[same] = [_named(name, place, sizes, random) for name, place in zip(names, places, strict=True)]
        if names:
            given[begin : begin + len(names)] = known[same]
    return found, sizes


def _named(name: str, place: int, sizes: Sizes, random: Random) -> Any:
    """A new name for a size, or the number that it is."""
    if random.random() < 0.15:
        return place
    free = name if name not in sizes else f"{name}{len(sizes) + 1}"
    sizes[free] = place
    return free


def at(plan: Plan, sizes: Mapping[str, int]) -> Plan:
    """The plan with numbers for the names of its inputs' sizes."""
    found = copy.deepcopy(plan)
    for given in found["inputs"].values():
        given[1] = [sizes.get(size, size) for size in given[1]]
    return found


def others(sizes: Sizes, seed: int) -> Iterator[Sizes]:
    """Other sizes that might do, the closest first."""
    random = Random(seed)
    yield {name: size + 1 + number for number, (name, size) in enumerate(sizes.items())}
    yield {name: 2 * size for name, size in sizes.items()}
    for _ in range(4):
        yield {name: size + random.randint(1, 9) for name, size in sizes.items()}


def measured(plan: Plan) -> Reference | None:
    """What torch says of a plan; None if it, or a rule of the language, refuses it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            return Reference(plan)
        except Exception:  # noqa: BLE001 - whatever is raised, these sizes are not wanted
            return None


def compare_symbolic(plan: Plan, seed: int) -> tuple[str, Difference | None]:
    """(what became of a plan with open sizes, the first difference)."""
    plan, sizes = opened(plan, seed)
    if not sizes:
        return "no size to leave open", None
    text = spec(plan)
    try:
        network = archdsl.loads(text)
        analysis = archdsl.analyze(network)
        keys = state_keys(network)
    except SpecError as error:
        return f"needs numbers: {error.diagnostics[0].code}", None
    except Exception as error:  # noqa: BLE001 - whatever archdsl raises is its mistake
        return "different", Difference(f"raised {type(error).__name__}", f"{error}\n{text}")
    try:
        source = emit_source(network)
    except SpecError as error:
        if "symbolic" not in error.diagnostics[0].message:
            return "different", Difference("open sizes: no source", f"{error}\n{text}")
        source = None  # an array whose shape a size decides cannot be made without it
    compared = 0
    for choice in (sizes, *others(sizes, seed)):
        reference = measured(at(plan, choice))
        if reference is None:
            continue
        found = compare_at(at(plan, choice), reference, analysis, keys, choice)
        if found is None and source is not None:
            found = compare_values(at(plan, choice), reference, executed(source), source)
        if found is not None:
            return "different", Difference(f"open sizes: {found.kind}", f"at {choice}: {found.what}\n{text}")
        compared += 1
        if compared == 2:
            break
    return f"equal at {compared} choices of sizes" + ("" if source is not None else ", without code"), None


def compare_at(plan: Plan, reference: Reference, analysis: Any, keys: Any, sizes: Sizes) -> Difference | None:
    """The formulas of an analysis, evaluated, held against what torch measures."""
    try:
        there = Evaluated(analysis, sizes)
        arrays = {key: (numbers(shape, sizes), role) for key, (shape, role) in keys.items()}
    except (ArithmeticError, KeyError, ValueError) as error:
        return Difference("no number", f"{type(error).__name__}: {error}")
    found = compare_layers(reference, there) or compare_totals(reference, there)
    return found or compare_arrays(reference, arrays)


def numbers(dims: Any, sizes: Sizes) -> tuple[Any, ...]:
    return tuple(evaluate(dim, sizes) for dim in dims)


class Evaluated:
    """An analysis with numbers for its formulas, as far as `compare_layers` and `compare_totals` read it."""

    def __init__(self, analysis: Any, sizes: Sizes) -> None:
        self.sizes = sizes
        self.layers = [self.row(row) for row in analysis.layers]
        whole = analysis.totals.of(training=True)
        counts = self.counts(whole)
        self.totals = SimpleNamespace(of=lambda training: counts)
        result = analysis.network.root.result
        root = SimpleNamespace(result=SimpleNamespace(kind=result.kind, dims=numbers(result.dims, sizes)))
        self.network = SimpleNamespace(root=root)

    def row(self, row: Any) -> Any:
        output = SimpleNamespace(dims=numbers(row.output.dims, self.sizes))
        return SimpleNamespace(
            path=row.path, kind=row.kind, operator=row.operator, training=row.training, output=output,
            counts=self.counts(row.counts),
        )  # fmt: skip

    def counts(self, counts: Any) -> Any:
        found = {name: evaluate(getattr(counts, name), self.sizes) for name in ("parameters", "buffers", "macs")}
        return SimpleNamespace(**found)
