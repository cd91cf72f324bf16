"""The report's pieces: numbers, cutting, folding, and the JSON object against its documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import archdsl
from archdsl.report import analysis_table, json_object, json_text
from archdsl.report.constants import constant_json
from archdsl.report.numbers import exact, rounded
from archdsl.report.table import columns, cut

ROOT = Path(__file__).resolve().parents[2]
SPEC = """
network: everything
source: nobody
parameters: {size: 3x3, kind: relu, wide: yes, ratio: 0.5, list: "[1, 2]"}
input: 3xHx32
module cell on CxHxW:
  conv size, 8 => 8xHx32
layers:
  cell
  output aux when training: bn
  avgpool global -> linear 10
  => 314 params, ~8.7K params when training
"""


def paths(value: object, at: str = "") -> set[str]:
    """Every field of an object as docs/json.md names it."""
    if isinstance(value, dict):
        found = set[str]()
        for key, inner in value.items():
            name = "*" if at == "inputs" else key
            here = f"{at}.{name}" if at else name
            found |= ({here} if name != "*" else set()) | (paths(inner, here) if at_depth(here) else set())
        return found
    if isinstance(value, list):
        return set().union(*(paths(item, f"{at}[]") for item in value if isinstance(item, dict)), set())
    return set()


def at_depth(path: str) -> bool:
    return path != "parameters" and not path.endswith("span")


def test_every_field_is_documented_and_every_documented_field_is_there():
    documented = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "json.md").read_text(encoding="utf-8"), re.MULTILINE)
    found = json_object(archdsl.analyze(archdsl.loads(SPEC)))
    assert sorted(paths(found)) == sorted(documented)


def test_json_values_are_ints_and_texts():
    found = json.loads(json_text(json_object(archdsl.analyze(archdsl.loads(SPEC)))))
    assert found["parameters"] == {"size": "3x3", "kind": "relu", "wide": True, "ratio": 0.5, "list": [1, 2]}
    assert found["inputs"] == {"input": {"kind": "map", "shape": [3, "H", 32], "below": None}}
    conv = found["layers"][0]
    assert conv["path"] == "cell1.conv1"
    assert conv["output"] == [8, "H", 32]
    assert (conv["parameters"], conv["macs"], conv["times"]) == (224, "6912H", 1)
    assert conv["span"] == {"file": "<string>", "line": 7, "column": 3}


def test_training_is_marked_and_left_out():
    analysis = archdsl.analyze(archdsl.loads(SPEC))
    without, included = json_object(analysis), json_object(analysis, training=True)
    assert [row["path"] for row in without["layers"] if row["training"]] == ["aux"]
    assert (without["training"], included["training"]) == (False, True)
    assert without["totals"]["parameters"] == 314
    assert included["totals"]["parameters"] == 330
    outside = sum(row["parameters"] * row["times"] for row in without["layers"] if not row["training"])
    assert outside == without["totals"]["parameters"]


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "resnet50", "vgg"])
def test_layers_add_up_to_the_totals(name: str):
    found = json_object(archdsl.analyze(archdsl.load(name)))
    for count in ("parameters", "trainable", "buffers", "macs", "connections"):
        assert sum(row[count] * row["times"] for row in found["layers"]) == found["totals"][count]
    assert found["totals"]["flops"] == 2 * found["totals"]["macs"]


def test_expected_is_exact_or_as_written():
    facts = json_object(archdsl.analyze(archdsl.loads(SPEC)))["facts"]
    assert [(f["claim"], f["expected"], f["computed"], f["holds"]) for f in facts] == [
        ("314 params", 314, 314, True),
        ("~8.7K params when training", "~8.7K", 330, False),
        ("8xHx32", [8, "H", 32], [8, "H", 32], True),
    ]
    assert [f["module"] for f in facts] == ["", "", "cell"]


def test_module_of_a_side_output_counts_training_only_when_asked():
    text = "input: 3x8x8\nlayers:\n  stem:\n    conv 3x3, 8\n    output aux when training: conv 1x1, 4\n"
    analysis = archdsl.analyze(archdsl.loads(text))
    stem = [line for line in analysis_table(analysis).split("\n") if line.startswith("stem")]
    assert stem[0].split()[2] == "224"
    stem = [line for line in analysis_table(analysis, training=True).split("\n") if line.startswith("stem")]
    assert stem[0].split()[2] == "260"


def test_depth():
    analysis = archdsl.analyze(archdsl.load("resnet152"))
    short, whole = analysis_table(analysis), analysis_table(analysis, depth=4)
    assert "bottleneck x 35" in short
    assert len(short.split("\n")) < 40
    assert "not shown" in short
    assert "not shown" not in whole
    assert len(analysis_table(analysis, depth=1).split("\n")) < len(short.split("\n")) < len(whole.split("\n"))


@pytest.mark.parametrize("value", [0, 7, 999, 1000, 999_499, 999_500, 12_345_678, 999_999_999_999, 10**15])
def test_rounded_keeps_three_digits(value: int):
    text = rounded(value)
    number, _, unit = text.partition(" ")
    scale = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}[unit]
    assert abs(float(number) * scale - value) <= value * 0.005
    assert len(text) <= 7 or value >= 10**15
    assert exact(value).replace(",", "") == str(value)


@pytest.mark.parametrize("width", range(2, 30))
@pytest.mark.parametrize("text", ["", "short", "a.rather.long.path.of.labels", "層層層層層層層層層層", "e\u0301" * 20])
def test_cut_fits(text: str, width: int):
    assert columns(cut(text, width)) <= width


def test_constants():
    assert constant_json(None) is None
    assert constant_json("word") == "word"
