"""A definition misspelt where it stands is one mistake: at the definition if several places mention the right name."""

from __future__ import annotations

import pytest

from archdsl.api import Project
from archdsl.checking import check_project
from archdsl.diagnostics import Diagnostic, SpecError
from archdsl.elaborate.files import bundled_folder
from archdsl.syntax.containers import decode


def found(text: str) -> list[Diagnostic]:
    try:
        project = Project(None, decode("spec.arch", text.encode()), bundled_folder())
        return list(check_project(project).diagnostics)
    except SpecError as error:
        return list(error.diagnostics)


HEAD = "input: 3x32x32\n"
ONE = {
    "parameter": (f"{HEAD}parameters: {{widht: 8}}\nlayers:\n  conv 3x3, width\n  conv 1x1, 2width\n", "2:14", "width"),
    "module": (f"{HEAD}module blokc w: conv 3x3, w\nlayers:\n  block 8\n  block 16\n", "2:8", "block"),
    "formal": (
        f"{HEAD}module block w, strid=1:\n  conv 3x3, w, stride stride1\n  conv 3x3, w, stride stride1\nlayers: block 8\n",
        "3:23",
        "stride1",
    ),
    "parameter of a def": (
        f"{HEAD}def cbr widht:\n  conv 3x3, width\n  conv 1x1, width\nlayers: cbr 8\n",
        "2:9",
        "width",
    ),
    "short": (f"{HEAD}def cbr w, d=1:\n  conv 3x3, w, stride s\n  conv 1x1, w, stride s\nlayers: cbr 8\n", "2:12", "s"),
    "column": (
        f"{HEAD}parameters: {{n: a}}\ntable t:\n  n | widht\n  a | 8\n  b | 9\nlayers:\n  conv 3x3, width\n  conv 1x1, width\n",
        "4:7",
        "width",
    ),
    "head of a switch": (
        f"{HEAD}parameters: {{size: a}}\ntable t:\n  sze | w | n\n  a | 8 | 2\n  b | 9 | 3\nlayers:\n  [conv 3x3, w] x n\n",
        "4:3",
        "size",
    ),
    "replaced parameter": (
        "extends: resnet.yaml\nparameters: {stride_inn: 3x3}\nsource: x\nchanges: remove relu1\n",
        "2:14",
        "stride_in",
    ),
    "replaced module": (
        "extends: resnet.yaml\nmodule bottelneck w, s=1: conv 1x1, 4w, stride s\n",
        "2:8",
        "bottleneck",
    ),
}


@pytest.mark.parametrize("name", ONE)
def test_one_mistake_at_the_definition(name: str):
    text, place, word = ONE[name]
    if name == "formal":
        text, place = text.replace("strid=1", "stride2=1"), "2:17"
    (diagnostic,) = found(text)
    assert str(diagnostic.span) == f"spec.arch:{place}"
    assert diagnostic.help == f"did you mean `{word}`?"


def test_with_one_mention_it_is_told_and_the_definition_shown():
    (diagnostic,) = found(f"{HEAD}parameters: {{widht: 8}}\nlayers: conv 3x3, width\n")
    assert str(diagnostic.span) == "spec.arch:3:19"
    assert [str(label.span) for label in diagnostic.labels] == ["spec.arch:2:14"]
    assert diagnostic.help == "did you mean `widht`?"


def test_other_mistakes_stay():
    codes = [
        d.code
        for d in found(
            f"{HEAD}parameters: {{widht: 8}}\nlayers:\n  conv 3x3, width\n  covn 1x1, width\n  rleu\n  conv 1x1, width"
        )
    ]
    assert codes == ["A0310", "A0201", "A0201"]


def test_a_file_that_extends_may_add_what_is_used():
    assert (
        found(
            "extends: resnet.yaml\nparameters: {stride_inn: 64}\nchanges: replace conv1: conv 7x7, stride_inn, stride 2\n"
        )
        == []
    )
