"""The section `output`, and side outputs as places of `changes`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archdsl
from archdsl.ir.keys import state_keys

BODY = """
layers: |
  conv 3x3, 4
  output aux1 when training: conv 1x1, 2
  conv 3x3, 4
  output aux2 when training: conv 1x1, 3
  fc: conv 1x1, 5
"""


def net(outputs: str, body: str = BODY) -> archdsl.Network:
    return archdsl.loads(f"input: 3x8x8\n{outputs}{body}", name="net.yaml")


def given(network: archdsl.Network) -> dict[str, int]:
    """The channels of each output in training, by the outputs' names."""
    results = archdsl.build(network).train()(torch.randn(1, 3, 8, 8))
    return {name: result.shape[1] for name, result in results._asdict().items()}


def test_without_a_section_outputs_come_as_they_are_written() -> None:
    assert list(given(net("")).items()) == [("output", 5), ("aux1", 2), ("aux2", 3)]


def test_a_section_names_and_orders_them_and_nothing_else() -> None:
    listed = net("output: {logits: fc, deep: aux2, early: aux1}")
    assert list(given(listed).items()) == [("logits", 5), ("deep", 3), ("early", 2)]
    assert state_keys(listed) == state_keys(net(""))
    again = archdsl.from_json(listed.to_json())
    assert again.outputs == ("logits", "deep", "early")
    assert archdsl.compile(again) == archdsl.compile(listed)
    image = torch.randn(1, 3, 8, 8)
    assert archdsl.build(listed).eval()(image).shape == (1, 5, 8, 8)


def test_an_output_inside_a_level_is_listed_by_its_path() -> None:
    body = "\nlayers: |\n  stem:\n    conv 3x3, 4\n    output aux: conv 1x1, 2\n  fc: conv 1x1, 5\n"
    assert given(net("output: {main: fc, side: stem.aux}", body)) == {"main": 5, "side": 2}


@pytest.mark.parametrize("outputs", [["logits"], ["logits", "deep", "deep"], ["early", "deep", "logits"]])
def test_json_with_other_outputs_is_refused(outputs: list[str]) -> None:
    text = net("output: {logits: fc, deep: aux2, early: aux1}").to_json()
    changed = text.replace('["logits","deep","early"]', str(outputs).replace("'", '"'))
    assert changed != text
    with pytest.raises(ValueError, match="the outputs are not"):
        archdsl.from_json(changed)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("  remove aux1", ["output", "aux2"]),
        ("  remove aux1, aux2", []),
        ("  replace output aux1: conv 1x1, 7", ["output", "aux1", "aux2"]),
        ("  after aux2:\n    output aux3: conv 1x1, 7", ["output", "aux1", "aux2", "aux3"]),
    ],
)
def test_changes_speak_of_outputs(changes: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"input: 3x8x8{BODY}")
    (tmp_path / "own.yaml").write_text(f"extends: base.yaml\nchanges: |\n{changes}\n")
    network = archdsl.load(tmp_path / "own.yaml")
    assert (list(given(network)) if expected else []) == expected
    keys = state_keys(network)
    assert ("aux1.weight" in keys) == ("aux1" in expected)


def test_an_ordinal_does_not_count_what_an_output_of_several_holds(tmp_path: Path) -> None:
    body = "layers:\n  output aux: conv 1x1, 4 -> relu\n  conv 3x3, 5\n  conv 3x3, 6\n"
    (tmp_path / "base.arch").write_text(f"input: 3x8x8\n{body}")
    (tmp_path / "own.arch").write_text("extends: base.arch\nchanges:\n  replace conv1: conv 3x3, 7\n")
    assert archdsl.load(tmp_path / "own.arch")["conv1"].output.features == 7
