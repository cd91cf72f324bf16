"""Random networks against torch: shapes, arrays, multiply-adds, code and values (see tests/differential)."""

from __future__ import annotations

import copy
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import archdsl
from archdsl.analysis.counts import Counts

from ..differential.compare import compare
from ..differential.coverage import missing, unknown
from ..differential.generate import plan
from ..differential.reference import walk
from ..differential.run import cases, invalid_twin, network, open_sizes, quiet, replay
from ..differential.shrink import shrink
from ..differential.symbolic import compare_symbolic
from ..differential.words import WORDS
from ..differential.write import spec

SEEDS = range(1_000_000, 1_000_240)
OPEN = range(3_000_000, 3_000_080)
TWINS = range(2_000_000, 2_000_100)
GROUP = 40


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield


@pytest.mark.parametrize("start", SEEDS[::GROUP])
def test_networks(start: int) -> None:
    for seed in range(start, start + GROUP):
        outcome = network(seed)
        assert outcome.difference is None, f"seed {seed}: {outcome.difference}\n{outcome.plan and spec(outcome.plan)}"


def test_twins() -> None:
    found: Counter[str] = Counter()
    for seed in TWINS:
        outcome = invalid_twin(seed)
        assert outcome.difference is None, f"seed {seed}: {outcome.difference}\n{outcome.plan and spec(outcome.plan)}"
        found[outcome.what] += 1
    assert min(found["refused"], found["accepted"]) > 20, found


def test_open_sizes() -> None:
    """Formulas evaluated at two choices of sizes, and code for both."""
    found: Counter[str] = Counter()
    for seed in OPEN:
        outcome = open_sizes(seed)
        assert outcome.difference is None, f"seed {seed}: {outcome.difference}"
        found[outcome.what] += 1
    assert found["equal at 2 choices of sizes"] > len(OPEN) // 3, found


@pytest.mark.parametrize("path", cases(), ids=lambda p: p.stem)
def test_cases(path: Path) -> None:
    case = json.loads(path.read_text())
    difference = replay(case)
    assert difference is None, f"{difference}\n{spec(case['plan'])}"


def test_every_operator_is_covered() -> None:
    assert missing() == [], "tests/differential/words_*.py: say what these layer words are in torch"
    assert unknown() == []


def test_every_word_occurs() -> None:
    left = set(WORDS)
    for seed in range(1000):
        left -= {n.get("word") for n in walk(plan(seed))}
        if not left:
            return
    assert left == set()


def test_shared_matrices_occur() -> None:
    """A linear layer with another's matrix, with a bias and without, and an embedding with another's."""
    left = {("linear", True), ("linear", False), ("embedding", True)}
    for seed in range(1000):
        for node in walk(plan(seed)):
            if isinstance(node.get("args", {}).get("weight"), dict):
                left.discard((node["word"], node["args"].get("bias", True)))
        if not left:
            return
    assert left == set()


def test_seeds_are_stable() -> None:
    assert plan(7) == plan(7) != plan(8)


# ---- the comparison can fail ----------------------------------------------------------------------------------------

SMALL: dict[str, Any] = {
    "container": "yaml", "parameters": {}, "inputs": {"input": ["map", [3, 8, 8], None]}, "default": {}, "tables": {},
    "maps": {}, "parts": [],
    "body": [
        {"is": "layer", "word": "relu", "args": {}, "label": None},
        {"is": "layer", "word": "conv", "args": {"size": 3, "width": 4, "stride": 2}, "label": None},
        {"is": "layer", "word": "bn", "args": {}, "label": None},
    ],
}  # fmt: skip


def test_equal() -> None:
    assert compare(copy.deepcopy(SMALL), source=True, meta=True) is None


UNUSED = itertools.count(9)


def wrong(monkeypatch: pytest.MonkeyPatch, word: str, method: str, made: Any) -> str:
    cls = archdsl.ir.operator.find_operator(word)  # type: ignore[attr-defined]
    monkeypatch.setattr(cls, method, made)
    changed = copy.deepcopy(SMALL)
    changed["inputs"]["input"][1] = [3, 9, next(UNUSED)]  # the analysis remembers equal layers
    found = compare(changed, source=True)
    assert found is not None
    return found.kind


def test_a_wrong_shape_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.ops.conv import Conv

    true = Conv.output
    assert wrong(monkeypatch, "conv", "output", lambda s, x: true(s, x).with_features(s.width + 1)) == "shape of conv"


def test_wrong_arrays_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.ops.norm import BatchNorm

    true = BatchNorm.tensors
    assert wrong(monkeypatch, "bn", "tensors", lambda s, x: true(s, x)[:-1]) == "arrays of bn"


def test_wrong_multiply_adds_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.ops.conv import Conv

    true = Conv.macs
    assert wrong(monkeypatch, "conv", "macs", lambda s, i, o, t: true(s, i, o, t) + 1) == "multiply-adds of conv"


def test_a_wrong_choice_from_outside_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = copy.deepcopy(SMALL)
    plan["parameters"] = {"w": 4}
    plan["body"][1]["args"]["width"] = "w"
    assert compare(plan, variants=True) is None
    monkeypatch.setattr("tests.differential.variants.other_values", lambda plan: (plan, {"w": 5}))
    found = compare(plan, variants=True)
    assert found is not None
    assert found.kind == "set: shape of conv"


def test_a_wrong_formula_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is right at the sizes of the plan."""
    from archdsl.ops.pool import MaxPool

    plan = copy.deepcopy(SMALL)
    plan["inputs"]["input"][1] = [3, 8, 10]
    plan["body"].append({"is": "layer", "word": "maxpool", "args": {"size": 2}, "label": None})
    assert compare_symbolic(plan, 1) == ("equal at 2 choices of sizes", None)
    true = MaxPool.output
    monkeypatch.setattr(MaxPool, "output", lambda s, x: replace(true(s, x), dims=(*true(s, x).dims[:-1], 2)))
    what, found = compare_symbolic(plan, 1)
    assert what == "different"
    assert found is not None
    assert found.kind == "open sizes: shape of maxpool"


def test_wrong_code_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.ops.activation import Gelu, Relu

    assert wrong(monkeypatch, "relu", "torch", lambda s, *x: Gelu(tanh=False).torch(*x)) == "values in eval"
    assert Relu().torch is not None


def test_a_failure_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.ops.norm import BatchNorm

    monkeypatch.setattr(BatchNorm, "connections", lambda *_: 0)
    monkeypatch.setattr(BatchNorm, "macs", lambda *_: 5)
    large = next(
        p for p in map(plan, range(200)) if len(p["body"]) > 4 and (d := compare(p)) and d.kind.endswith("of bn")
    )
    small = shrink(large, lambda p: (found := compare(p)) is not None and found.kind == "multiply-adds of bn")
    assert len(list(walk(small))) == 1
    assert Counts().macs == 0
