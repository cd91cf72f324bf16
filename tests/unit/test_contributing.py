"""CONTRIBUTING's "add an operator" adds a real one in one place: its example is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archdsl
from archdsl.ir import operator as contract
from archdsl.ops import activation

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's class, registered for one test."""
    monkeypatch.setattr(contract, "_WORDS", dict(contract._WORDS))
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(example, dict(vars(activation)))


@pytest.mark.usefixtures("added")
def test_the_example_works_in_every_stage() -> None:
    network = archdsl.loads("input: 3x8x8\nlayers: conv 3x3, 4 -> hardtanh 2 => 4x8x8, 112 params")
    assert not archdsl.analyze(network).failed
    assert "F.hardtanh(self.conv1(x), -2, 2)" in archdsl.compile(network)
    with pytest.raises(archdsl.SpecError, match="at least 0"):
        archdsl.loads("input: 3x8x8\nlayers: hardtanh (-1)")


def test_without_the_example_the_word_is_unknown() -> None:
    with pytest.raises(archdsl.SpecError, match="no layer or module `hardtanh`"):
        archdsl.loads("input: 3x8x8\nlayers: hardtanh 2")
