"""What a reader of an emitted file would object to: classes twice, arguments without a formula, names that say nothing."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.ir.keys import state_keys

torch = pytest.importorskip("torch")

PROJECTED = """
network: Net
input: 3x16x16
module block w, s=1:
  residual:
    conv 3x3, w, stride s -> relu
    shortcut: {shortcut} if s != 1
  {after}
layers:
  conv 3x3, 8
  block 8 -> block 16, s 2 -> block 16
"""


def source(text: str) -> str:
    return archdsl.compile(archdsl.loads(text))


@pytest.mark.parametrize("shortcut", ["[conv 1x1, w, stride s]", "[conv 1x1, w, stride s -> bn]", "[unit w, s]"])
def test_a_projection_without_a_label_is_no_second_class(shortcut: str) -> None:
    text = PROJECTED.format(shortcut=shortcut, after="relu")
    net = archdsl.loads(text.replace("layers:", "module unit w, s: conv 1x1, w, stride s\nlayers:"))
    emitted = archdsl.compile(net)
    assert "class Block2" not in emitted
    assert "Block(16, 16)" in emitted
    model = archdsl.build(net).eval()
    assert set(model.state_dict()) == set(state_keys(net))
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(torch.jit.script(model)(x), model(x))
    projected, plain = model.block2, model.block1
    assert not torch.equal(projected(x.repeat(1, 3, 1, 1)[:, :8]).relu(), x.new_zeros(1))
    inner = x.repeat(1, 3, 1, 1)[:, :8]
    assert torch.equal(plain(inner), torch.relu(torch.relu(plain.conv1(inner)) + inner))


@pytest.mark.parametrize(
    ("shortcut", "after"),
    [
        ("[conv 1x1, w, stride s]", "conv 3x3, w"),  # which is `conv3` in some and `conv2` in others
        ("[conv 1x1, w -> relu -> conv 1x1, w, stride s]", "relu"),  # a function between them
    ],
)
def test_what_has_other_names_is_a_class_of_its_own(shortcut: str, after: str) -> None:
    assert "class Block2" in source(PROJECTED.format(shortcut=shortcut, after=after))


def test_what_has_no_arrays_is_a_member_by_its_word() -> None:
    found = source(PROJECTED.format(shortcut="[maxpool 2x2 -> widen w]", after="relu"))
    assert "class Block2" not in found
    assert "self.maxpool = nn.Identity()" in found


MBCONV = """
input: 3x16x16
module cell t, w on CxHxW:
  [expand: conv 1x1, t*C] if t != 1
  dw: depthwise 3x3
  project: conv 1x1, w
table stages:
  t | w  | n
  1 | 8  | 1
  6 | 16 | 2
  6 | 24 | 2
layers:
  body:
    for each row of stages:
      [cell t, w] x n
"""


def test_what_flows_behind_an_optional_member_has_a_formula() -> None:
    emitted = source(MBCONV)
    assert "def __init__(self, in_channels: int, t: int, width: int) -> None:" in emitted
    assert "hidden = t * in_channels" in emitted
    assert "for t, width, count in (" in emitted


def test_a_factor_of_one_is_not_written() -> None:
    text = "input: 4x32 map\nmodule cell d: conv 3, 4, dilation d\nlayers: body: [cell 1 -> cell 2 -> cell 4 -> cell 8]"
    assert "nn.Conv1d(4, 4, 3, padding=dilation, dilation=dilation)" in source(text)
    assert "padding=2 * dilation" in source(text.replace("conv 3,", "conv 5,"))


def test_a_loop_may_begin_behind_the_first_row() -> None:
    cells = "\n".join(f"    cell {2**i}" for i in range(8))
    text = f"input: 1x32 map\nmodule cell d on CxT map: conv 3, 9, dilation d\nlayers:\n  body:\n{cells}\n"
    emitted = source(text)
    assert "layers: list[nn.Module] = [Cell(1, 1)]" in emitted
    assert "for dilation in (2, 4, 8, 16, 32, 64, 128):\n            layers.append(Cell(9, dilation))" in emitted


def test_a_repeat_begins_a_list_as_it_is() -> None:
    text = "input: 8\nmodule cell w: linear w\ntable rows:\n  w  | n\n  8  | 3\n  16 | 2\n  24 | 3\n  32 | 4\n"
    text += "layers:\n  body:\n    for each row of rows:\n      [linear w] if not first\n      [cell w] x n\n"
    assert "layers: list[nn.Module] = [Cell(8, 8) for _ in range(3)]" in source(text)


def test_what_a_module_is_handed_has_features_of_its_own() -> None:
    emitted = source(
        "input: 8x16x16\n"
        "module up skip, w:\n  concat:\n    - @skip\n    - identity\n  conv 3x3, w\n"
        "layers:\n  a: conv 3x3, 4\n  b: conv 3x3, 6\n  up @a, 10\n  up @b, 12\n"
    )
    assert "def __init__(self, in_channels: int, skip_channels: int, width: int) -> None:" in emitted
    assert "nn.Conv2d(skip_channels + in_channels, width, 3, padding=1)" in emitted
    assert "self.up2 = Up(10, 6, 12)" in emitted


def test_a_value_that_is_read_again_is_called_as_the_spec_calls_it() -> None:
    emitted = source(
        "input:\n  image: 8\n  table: 4\n"
        "layers:\n  @image\n  left: linear 6\n  @table -> right: linear 6\n  concat:\n    - @left\n    - @right\n"
    )
    assert "left = self.left(image)" in emitted
    assert "for image (8) and table (4): 84 parameters." in emitted


def test_a_module_that_hands_on_what_another_gives_returns_it() -> None:
    emitted = archdsl.compile(archdsl.load("retinanet"))
    assert "return self.fpn(x, layer3, layer2)" in emitted
    assert "p3 = self.layer_blocks[0](out)" in emitted
    assert "return x, p3, p4, p5, p6" in emitted


def test_counting_loops_count_by_i() -> None:
    text = "input: 3x32x32\nmodule cell w, s: conv 3x3, w, stride s\ntable rows:\n  w  | n | s\n  8  | 1 | 1\n"
    text += "  16 | 2 | 2\n  24 | 3 | 2\n  32 | 3 | 1\nlayers:\n  body:\n    for each row of rows:\n"
    text += "      [cell w, (s if first else 1)] x n\n"
    emitted = source(text)
    assert "for i in range(count):" in emitted
    assert "i_" not in emitted


def test_a_change_of_sign_is_one() -> None:
    assert "return -F.relu(x)" in source("input: 4\nlayers: relu -> rescale -1")


def test_a_module_and_not_its_function_is_carried_along() -> None:
    emitted = source("input: 3x4x4\nlayers: body: [conv 1x1, 4 -> tokens -> linear 2]")
    assert "class Tokens" in emitted
    assert "def tokens" not in emitted


def test_no_identity_stands_at_an_end_for_inference() -> None:
    text = "input: 3x8x8\nlayers:\n  a: [conv 1x1, 4 -> bn]\n  b: [conv 1x1, 4 -> bn -> relu -> dropout 0.1]\n"
    emitted = archdsl.compile(archdsl.loads(text), inference=True)
    assert "self.a = nn.Sequential(nn.Conv2d(3, 4, 1))" in emitted
    assert emitted.count("nn.Identity()") == 1


def test_an_argument_of_its_own_is_not_the_headings_of_that_name() -> None:
    emitted = source(
        "input: 4x32x32\nmodule cell s, padding: conv sxs, 4 -> dropout padding\n"
        "layers: body: [cell 5, 0.1 -> cell 7, 0.2 -> cell 3, 0.3]"
    )
    assert "def __init__(self, kernel: int, padding: float, padding_: int) -> None:" in emitted
    emitted = source(
        "input: 8x16x16\nmodule up skip, skip_channels, w:\n  concat:\n    - @skip\n    - identity\n  conv 3x3, w\n"
        "  conv 1x1, skip_channels\nlayers:\n  a: conv 3x3, 4\n  b: conv 3x3, 6\n  up @a, 3, 10\n  up @b, 5, 12\n"
    )
    assert "self.up1 = Up(6, 4, 3, 10)" in emitted


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (
            "tokens\n  image: linear 8\n  linear 8\n  add:\n    - image -> relu\n    - @image -> image",
            "image_ = self.image(",
        ),
        ("conv 3x3, 8\n  output NetworkOutputs: relu\n  conv 3x3, 4", "NetworkOutputs_ = F.relu("),
        ("half\n  twice: conv 3x3, 8\n  twice\n  add:\n    - identity\n    - @twice", "twice_ = self.twice("),
    ],
)
def test_a_variable_is_not_called_like_what_forward_calls(lines: str, named: str) -> None:
    text = f"input: 8x8x8\ndef twice: rescale 2\ndef half: rescale 1/2\nlayers:\n  {lines}\n"
    assert named in archdsl.compile(archdsl.loads(text))
