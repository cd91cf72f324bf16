"""Levels that are no straight chain are classes of their own, and give what the same lines give without a level."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
import torch

import archdsl
from archdsl.ir.keys import state_keys

HEAD = "network: Net\ninput: 8x16x16\nlayers:\n"
RESIDUAL = """
  body: [residual: conv 3x3, 8 -> bn -> relu -> conv 3x3, 8 -> bn] x 3
"""
SQUEEZE = """
  stage:
    for i in 1..3:
      block{i}:
        residual:
          conv 3x3, 8 -> bn
          mul:
            - identity
            - avgpool to 1x1 -> squeeze: conv 1x1, 2 -> relu -> excite: conv 1x1, 8 -> sigmoid
        relu
"""
DENSE = """
  dense:
    for i in 1..3:
      concat:
        - identity
        - bn -> relu -> conv 3x3, 4
"""
MIXED = """
  mixed:
    concat:
      - left: conv 1x1, 4 -> relu
      - right: [conv 1x1, 2 -> relu -> conv 3x3, 4]
  maxpool 2x2
  mixed2:
    concat:
      - left: conv 1x1, 4 -> relu
      - right: [conv 1x1, 2 -> relu -> conv 3x3, 4]
"""
SPLIT = """
  stages:
    for w in [8, 16]:
      conv 3x3, w, stride 2
      unit{w}:
        concat of split 2:
          - identity
          - conv 1x1, w/2 -> bn -> relu -> depthwise 3x3 -> bn
        shuffle 2
"""
SKIP = """
  down:
    first: conv 3x3, 8 -> kept: relu -> maxpool 2x2
    residual: conv 3x3, 8 -> relu
  upsample 2, nearest
  concat:
    - identity
    - @down.kept
"""
STAGES = """
  stage1: [residual: conv 3x3, 8 -> bn -> relu -> conv 3x3, 8] x 2
  conv 3x3, 12, stride 2
  stage2: [residual: conv 3x3, 12 -> bn -> relu -> conv 3x3, 12] x 2
"""
TAIL = """
  body:
    conv 3x3, 8
    residual if yes: conv 3x3, 8 -> relu
    last: conv 1x1, 4
    add:
      - identity
      - conv 3x3, 4 -> dropout 0.1
"""
LEVELS = [RESIDUAL, SQUEEZE, DENSE, MIXED, SPLIT, SKIP, STAGES, TAIL]


@pytest.mark.parametrize("lines", LEVELS)
def test_a_level_is_a_class(lines: str) -> None:
    source = archdsl.compile(archdsl.loads(HEAD + lines))
    assert "get_submodule" not in source
    assert "add_module" not in source
    assert "nn.ModuleDict" not in source
    assert source.count("class ") > 1


def test_the_classes_are_called_after_the_labels() -> None:
    def classes(lines: str) -> list[str]:
        return re.findall(r"^class (\w+)", archdsl.compile(archdsl.loads(HEAD + lines)), re.MULTILINE)

    assert classes(RESIDUAL) == ["BodyBlock", "Net"]
    assert classes(SQUEEZE) == ["Block", "Net"]
    assert classes(MIXED) == ["Mixed", "Net"]
    assert classes(STAGES) == ["StageBlock", "Net"]


def test_what_differs_is_an_argument() -> None:
    source = archdsl.compile(archdsl.loads(HEAD + STAGES))
    assert "def __init__(self, in_channels: int) -> None:" in source
    assert "nn.Sequential(*[StageBlock(12) for _ in range(2)])" in source
    assert "nn.Sequential(*[BodyBlock() for _ in range(3)])" in archdsl.compile(archdsl.loads(HEAD + RESIDUAL))


def test_levels_that_differ_in_much_have_classes_of_their_own() -> None:
    lines = """
  left: [residual: conv 1x1, 3 -> conv 1x1, 5 -> conv 1x1, 8] x 2
  right: [residual: conv 1x1, 2 -> conv 1x1, 6 -> conv 1x1, 8] x 2
"""
    source = archdsl.compile(archdsl.loads(HEAD + lines))
    assert "class LeftBlock(" in source
    assert "class RightBlock(" in source


@pytest.mark.parametrize("lines", [RESIDUAL, SQUEEZE, SPLIT, SKIP])
def test_it_is_scripted_exported_and_compiled(lines: str) -> None:
    module = archdsl.build(archdsl.loads(HEAD + lines)).eval()
    x = torch.randn(2, 8, 16, 16)
    expected = module(x)
    script, compiled = cast("Any", torch.jit).script, cast("Any", torch).compile
    assert torch.equal(script(module)(x), expected)
    assert torch.equal(torch.export.export(module, (x,)).module()(x), expected)
    assert torch.allclose(compiled(module, fullgraph=True, backend="eager")(x), expected)


def test_again_applies_a_level_once_more() -> None:
    lines = "  body: [residual: conv 3x3, 8 -> relu -> conv 3x3, 8]\n  again body\n"
    module: Any = archdsl.build(archdsl.loads(HEAD + lines))
    once = torch.nn.Sequential(module.body, module.body)
    x = torch.randn(2, 8, 16, 16)
    assert torch.equal(module(x), once(x))


def test_a_residual_level_adds() -> None:
    """Against torch itself."""
    module: Any = archdsl.build(archdsl.loads(HEAD + RESIDUAL)).eval()
    x = expected = torch.randn(2, 8, 16, 16)
    for block in module.body:
        expected = expected + torch.nn.Sequential(*block)(expected)
    assert torch.equal(module(x), expected)


def test_members_keep_their_positions() -> None:
    """What has no form as a module leaves a place."""
    lines = "  body:\n    add:\n      - identity\n      - roll 1 -> conv 3x3, 8\n    conv 3x3, 4\n"
    net = archdsl.loads(HEAD + lines)
    assert list(archdsl.build(net).state_dict()) == list(state_keys(net))


def test_arrays_called_by_their_positions() -> None:
    """A list of modules holds no array, so the class is a dict of modules."""
    lines = "  body:\n    conv 3x3, 8\n    layerscale 0.5\n    relu\n    layerscale 2\n    last: conv 1x1, 4\n"
    net = archdsl.loads(HEAD + lines)
    source = archdsl.compile(net)
    assert "class Body(nn.ModuleDict):" in source
    assert 'self["0"] = nn.Conv2d(8, 8, 3, padding=1)' in source
    assert 'self.register_parameter("1", ' in source
    module: Any = archdsl.build(net)
    assert sorted(module.state_dict()) == sorted(state_keys(net))
    x = torch.randn(2, 8, 16, 16)
    expected = module.body.last((module.body["0"](x) * 0.5).relu() * 2)
    assert torch.allclose(module(x), expected)
    assert torch.allclose(torch.jit.script(module)(x), expected)


@pytest.mark.parametrize("word", ["items", "keys", "values", "update", "clear"])
def test_labels_that_a_dict_of_modules_has_itself(word: str) -> None:
    lines = f"  body:\n    output side: conv 1x1, 2\n    {word}: conv 3x3, 4\n    other: conv 3x3, 4\n"
    net = archdsl.loads(HEAD + lines)
    module: Any = archdsl.build(net)
    assert list(module.state_dict()) == list(state_keys(net))
    assert module(torch.randn(2, 8, 16, 16)).output.shape == (2, 4, 16, 16)


def test_equal_neighbours_beside_a_label() -> None:
    lines = "  body:\n    [conv 3x3, 8] x 3\n    mid: relu\n    bn\n"
    assert "self.body.extend([nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)])" in archdsl.compile(
        archdsl.loads(HEAD + lines)
    )


AGAIN = {
    "a layer without arrays": ("  n: instancenorm no affine\n  conv 3x3, 4\n  again n\n", "self.n_again = nn.InstanceNorm2d(4)"),
    "a level that knows its grid": ("  n: [patches 2 -> linear 8 -> image]\n  upsample 4\n  again n\n", 'image(self.n["1"](patches(x, 2)), [16, 16])'),
    "a level handed a value": ("  n: [@input -> conv 3x3, 8] x 2\n  relu\n  again n\n", "self.n[1]("),
    "levels in levels": ("  n:\n    m:\n      residual: conv 3x3, 8\n    again m\n  again n\n", "class M("),
}  # fmt: skip


@pytest.mark.parametrize("case", AGAIN)
def test_again_where_one_object_cannot_do_both(case: str) -> None:
    lines, expected = AGAIN[case]
    net = archdsl.loads(HEAD + lines)
    assert expected in archdsl.compile(net)
    assert list(archdsl.build(net).state_dict()) == list(state_keys(net))


def test_again_of_a_module_on_another_size() -> None:
    """Its lines stand where it is called; its members keep their names."""
    text = "input: 3x8x8\nmodule unit w on CxHxW:\n  conv 3x3, w -> bn\n  resize to (H//2)\n  [conv 3x3, w] x 2\n"
    text += "layers:\n  conv 3x3, 4\n  u: unit 4\n  again u\n"
    module: Any = archdsl.build(archdsl.loads(text)).eval()
    assert list(module.state_dict()) == list(state_keys(archdsl.loads(text)))
    x = torch.randn(2, 3, 8, 8)
    y = module.conv1(x)
    for size in (4, 2):
        y = torch.nn.functional.interpolate(module.u.bn1(module.u.conv1(y)), (size, size))
        y = module.u.conv3(module.u.conv2(y))
    assert torch.allclose(module(x), y)
