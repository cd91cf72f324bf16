"""Mutated specs through the whole line, and every input that once failed. `benchmarks/fuzz.py` tries as many as asked."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import pytest

from tests.fuzz import line

SECONDS = 20
CASES = sorted(line.CASES.glob("*.*"))


@pytest.mark.parametrize("path", CASES, ids=[path.name for path in CASES])
def test_kept_cases_are_mended(path: Path) -> None:
    _, problem = line.attempt(path.suffix, path.read_bytes(), 4 * line.SECONDS)
    assert problem is None


def test_mutated_specs() -> None:
    """As many of 2,000 as go into twenty seconds of the processor's time."""
    outcomes: set[str] = set()
    begun = time.process_time()
    for seed in range(2_000):
        suffix, data = line.mutated(seed)
        outcome, problem = line.attempt(suffix, data, 4 * line.SECONDS)
        assert problem is None, f"seed {seed}: {problem}"
        outcomes.add(outcome)
        if time.process_time() - begun > SECONDS:
            break
    assert {"refused in reading", "refused in building", "built"} <= outcomes


def test_the_bounds_are_bounds() -> None:
    text = (line.ROOT / "specs" / "resnet152.yaml").read_bytes()
    gc.disable()  # what a signal's handler raises inside a callback of the collector is lost
    try:
        assert "s of the processor's time" in (line.attempt(".yaml", text, 1e-6)[1] or "")
    finally:
        gc.enable()


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far more than other tests of this process may have left to be used again."""
    monkeypatch.setattr(line, "through", lambda suffix, data, seconds: "built" if bytearray(3_000_000_000) else "")
    assert line.attempt(".arch", b"") == ("failed", "MemoryError:  (test_fuzz.py:<lambda>)")


def test_a_seed_is_a_case() -> None:
    assert line.mutated(7) == line.mutated(7)
    assert len({line.mutated(seed) for seed in range(50)}) > 45
