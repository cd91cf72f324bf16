"""What people write who know other tools, or copied from a PDF: the code, the place and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.api import Project
from archdsl.checking import check_project
from archdsl.diagnostics import Diagnostic, SpecError, render
from archdsl.syntax.containers import decode

HEAD = "input: 3x32x32\nlayers:\n"
ROWS = "input: 3x32x32\ntable T:\n  w\n  8\nlayers:\n"
FLAG = "input: 3x32x32\nparameters:\n  a: yes\nlayers:\n"


def mistakes(text: str, container: str = "arch") -> list[Diagnostic]:
    """Everything that is wrong with a spec."""
    try:
        return list(check_project(Project(None, decode(f"spec.{container}", text.encode()))).diagnostics)
    except SpecError as error:
        return list(error.diagnostics)


CASES = [
    # the line that is indented too far, not the one above
    (HEAD + "  conv 3x3, 8\n    relu\n  tanh\n", "A0107", "4:5", "indent it like that line"),
    (HEAD + "  conv 3x3, 8\n\n  # said\n   relu\n", "A0107", "6:4", "indent it like that line"),
    (HEAD + "  s: conv 3x3, 8\n    relu\n", "A0107", "4:5", "indent it like that line"),
    (HEAD + "  residual\n    conv 3x3, 3\n", "A0109", "3:11", "`residual:`"),
    # other languages' calls, arguments, repeats and loops
    (HEAD + "  conv(3x3, 8)\n", "A0111", "3:7", "`conv 3x3, 8`"),
    (HEAD + "  relu()\n", "A0111", "3:7", "`relu`"),
    (HEAD + "  s: linear (10)\n", "A0401", "3:6", "flatten"),
    (HEAD + "  conv 3x3, flor(8)\n", "A0111", "3:13", "`floor`"),
    (HEAD + "  relu, conv 3x3, 8\n", "A0112", "3:7", "`relu -> conv 3x3, 8`"),
    (HEAD + "  gelu, tanh\n", "A0112", "3:7", "`gelu -> tanh`"),
    (HEAD + "  conv 3x3, 8, batchnorm, relu\n", "A0302", "3:16", "called `bn`"),
    (FLAG + "  conv 3x3, 8 if a else 9\n", "A0311", "5:15", "`(8 if a else 9)`"),
    (FLAG + "  if a:\n    relu\n  elif not a:\n    tanh\n", "A0111", "7:3", "`else if not a:`"),
    (ROWS + "  for each row in T:\n    conv 3x3, w\n", "A0111", "6:16", "`for each row of T:`"),
    (ROWS + "  for row of T:\n    conv 3x3, w\n", "A0109", "6:11", "`for each row of T:`"),
    (HEAD + "  for i in range(3):\n    relu\n", "A0111", "3:12", "`1..3`"),
    (HEAD + "  for i = 1..3:\n    relu\n", "A0111", "3:9", "`for i in 1..3:`"),
    (HEAD + "  for i in 1...3:\n    relu\n", "A0111", "3:13", "`for i in 1..3:`"),
    ("input: 3x8x8\nparameters:\n  ws: [8]\nlayers:\n  conv 3x3, ws[0]\n", "A0111", "5:15", "for each row of"),
    (HEAD + "  unit 64 x 3\n", "A0111", "3:11", "`[unit 64] x 3`"),
    (HEAD + "  conv 3 x 3, 8\n", "A0111", "3:10", "`3x3`"),
    (HEAD + "  conv (3, 3), 8\n", "A0111", "3:10", "`3x3`"),
    (HEAD + "  [relu] * 3\n", "A0111", "3:10", "`[relu] x 3`"),
    (HEAD + "  relu * 3\n", "A0111", "3:8", "`[relu] x 3`"),
    (HEAD + "  3 * [relu]\n", "A0111", "3:3", "`[relu] x 3`"),
    (HEAD + "  conv 3x3, 8, stride=2\n", "A0111", "3:22", "`stride 2`"),
    (HEAD + "  conv 3x3, 8, bias=False\n", "A0111", "3:20", "`no bias`"),
    (HEAD + "  conv 3x3, 8, bias False\n", "A0310", "3:16", "`no bias`"),
    (HEAD + "  stem = conv 3x3, 8\n", "A0111", "3:8", "`stem: ...`"),
    # typesetting
    (HEAD + "  conv 3x3, 8 → relu\n", "A0111", "3:15", "`->`"),
    (HEAD + "  conv 3x3, 8, pad \u22121\n", "A0111", "3:20", "`-`"),
    (HEAD + "  “stem”: conv 3x3, 8\n", "A0111", "3:3", '`"`'),
    (HEAD + "  conv 3x3, 8 --> relu\n", "A0111", "3:15", None),
    (HEAD + "  conv 3x3, 8 | relu\n", "A0111", "3:15", None),
    # other libraries' words
    (HEAD + "  conv 3x3, filters 64\n", "A0203", "3:13", "`width`"),
    (HEAD + "  conv 3x3, channels 64\n", "A0203", "3:13", "`width`"),
    (HEAD + "  conv kernel 3, 64\n", "A0203", "3:8", "`size`"),
    (HEAD + "  conv 3x3, 8, in_channels 3\n", "A0203", "3:16", "never written"),
    (HEAD + "  globalavgpool\n", "A0201", "3:3", "`avgpool global`"),
    (HEAD + "  GlobalAveragePooling2D\n", "A0201", "3:3", "`avgpool global`"),
    (HEAD + "  global avgpool\n", "A0201", "3:3", "`avgpool global`"),
    (HEAD + "  max pool 2\n", "A0201", "3:3", "`maxpool`"),
    (HEAD + "  nn.Conv2d 3, 8\n", "A0201", "3:3", "`conv`"),
    (HEAD + "  conv 3x3, 3\n  again conv1\n", "A0502", "4:9", "`conv1: conv ...`"),
    (HEAD + "  conv 3x3, 3\n  add:\n    - relu\n    - @conv1\n", "A0502", "6:7", "`conv1: conv ...`"),
    # numbers and facts
    (HEAD + "  conv 3x3, 8, stride -1\n", "A0305", "3:24", None),
    (HEAD + "  conv 3x3, 8 => 224 parameters\n", "A0701", "3:22", "`224 params`"),
    (HEAD + "  conv 3x3, 8 => 1.2k params\n", "A0701", "3:21", "`1.2K params`"),
    (HEAD + "  conv 3x3, 8 => 1.2M macs\n", "A0701", "3:23", "`1.2M multiply-adds`"),
    (HEAD + "  conv 3x3, 8 => 224\n", "A0702", "3:18", "`224 params`"),
    (HEAD + "  conv 3x3, 8 => 1,516 params\n", "A0701", "3:18", "`1516 params`"),
    (
        "input: 3x8x8\ndef unit:\n  conv 3x3, 8\n  => 8x8x8\nlayers:\n  unit\n",
        "A0109",
        "4:3",
        "at the end of the line",
    ),
    # what nothing looked at before
    (HEAD + "  conv2: conv 3x3, 8\n  conv 3x3, 8\n", "A0501", "4:3", "ordinal"),
    (
        ROWS.replace("  w\n  8", "  w | => params\n  8 | 9") + "  for each row of T:\n    conv 3x3, w\n",
        "A0601",
        "3:7",
        "",
    ),
    ("input: 3x8x8\ndefault:\n  conv: strid 2\nlayers:\n  relu\n", "A0203", "3:9", "`stride`"),
    ("input: 3x8x8\ndefault:\n  conv: stride -2\nlayers:\n  relu\n", "A0305", "3:17", None),
]


@pytest.mark.parametrize(("text", "code", "place", "help"), CASES, ids=lambda value: repr(value)[-40:])
def test_said_once_at_its_place_with_what_to_write(text: str, code: str, place: str, help: str | None):
    found = mistakes(text)
    assert [(d.code, f"{d.span.line}:{d.span.column}") for d in found if d.span] == [(code, place)], found
    if help is not None:
        assert help in (found[0].help or ""), found[0].help


@pytest.mark.parametrize(
    "body",
    ["  stem: conv 3x3, 8\n  relu\n", "  conv 3x3, 8\n  stem: relu\n", "  conv 3x3, 8\n  relu\n"],
)
def test_a_missing_bar_is_named_at_its_colon(body: str):
    (found,) = mistakes("input: 3x32x32\nlayers:\n" + body, "yaml")
    assert (found.code, str(found.span), found.help) == ("A0101", "spec.yaml:2:7", "write `layers: |`")


def test_a_choice_from_outside_has_no_place_in_the_file():
    text = "input: 3x8x8\nparameters:\n  size: small\ntable T:\n  size | w\n  small | 8\n  large | 9\nlayers:\n  conv 3x3, w\n"
    project = Project(None, decode("spec.arch", text.encode()))
    with pytest.raises(SpecError) as caught:
        project.network(project.overrides({"size": "smal"}))
    (found,) = caught.value.diagnostics
    assert (found.code, found.span, found.help) == ("A0604", None, "did you mean `small`?")


def test_a_misspelt_parameter_of_a_used_file_is_at_the_argument(tmp_path):
    (tmp_path / "net.arch").write_text("input: 3x8x8\nparameters:\n  depth: 3\nlayers:\n  [relu] x depth\n")
    (tmp_path / "own.arch").write_text("input: 3x8x8\nuse net: net.arch, dept 4\nlayers:\n  net\n")
    (tmp_path / "call.arch").write_text("input: 3x8x8\nuse net: net.arch\nlayers:\n  net dept 4\n")
    for name, place in (("own.arch", "2:20"), ("call.arch", "4:7")):
        with pytest.raises(SpecError) as caught:
            Project(tmp_path / name).network({})
        (found,) = caught.value.diagnostics
        assert found.span is not None
        assert (found.code, f"{found.span.line}:{found.span.column}", found.help) == (
            "A0205",
            place,
            "did you mean `depth`?",
        )


def test_paths_that_do_not_fit_are_shown_with_their_shapes():
    (found,) = mistakes(HEAD + "  concat:\n    - conv 3x3, 16\n    - conv 1x1, 8, stride 2\n")
    assert [(label.span.line, label.text) for label in found.labels] == [
        (4, "this path gives 16x32x32"),
        (5, "this path gives 8x16x16"),
    ]
    (found,) = mistakes(HEAD + "  residual:\n    conv 3x3, 16 -> bn\n    relu\n    shortcut: conv 1x1, 8, stride 2\n")
    assert [(label.span.line, label.text) for label in found.labels] == [
        (5, "this arm gives 16x32x32"),
        (6, "the shortcut gives 8x16x16"),
    ]


@pytest.mark.parametrize(
    ("line", "arithmetic"),
    [
        ("conv 7x7, 64, stride 2 => 64x112x111", "conv: floor((224 + 2*3 - 7)/2) + 1 = 112"),
        ("maxpool 3x3, stride 2, ceil => 3x1x1", "maxpool: ceil((224 - 3)/2) + 1 = 112"),
        ("conv 3x3, 8, valid => 8x1x1", "conv: 224 - 3 + 1 = 222"),
        ("conv 3x1, 8, valid => 8x1x1", "conv: 224 - 3 + 1 = 222, 224 - 1 + 1 = 224"),
        ("conv 3x3, 8, same, stride 2 => 8x1x1", "conv: ceil(224/2) = 112"),
        ("conv 3x3, 8, dilation 2 => 8x1x1", "conv: 224 + 2*2 - 2*(3 - 1) - 1 + 1 = 224"),
    ],
)
def test_a_shape_that_is_not_as_claimed_is_computed_before_the_reader(line: str, arithmetic: str):
    (found,) = mistakes(f"input: 3x224x224\nlayers:\n  {line}\n")
    assert (found.code, found.help) == ("A0702", arithmetic)


def test_calls_repeats_and_files_that_led_to_a_mistake(tmp_path):
    (tmp_path / "base.arch").write_text(
        "input: 3x32x32\nmodule unit w:\n  conv 3x3, w -> maxpool 2\nlayers:\n  [unit 8] x 9\n"
    )
    (tmp_path / "own.arch").write_text("extends: base.arch\ndefault:\n  conv: no bias\n")
    with pytest.raises(SpecError) as caught:
        Project(tmp_path / "own.arch").network({})
    (found,) = caught.value.diagnostics
    steps = [f"{step.text} {Path(step.span.file.name).name}:{step.span.line}" for step in found.trail]
    assert steps == [
        "in unit, called at base.arch:5",
        "in repeat 6 of 9, at base.arch:5",
        "in the file extended at own.arch:1",
    ]


def test_sixty_columns_suffice():
    body = "  residual:\n    conv 3x3, 16 -> bn -> relu -> conv 3x3, 16 -> bn -> relu -> conv 3x3, 16 -> bn -> relu\n"
    (found,) = mistakes(
        HEAD + body + "    shortcut: conv 1x1, 8, stride 2 -> bn -> relu -> conv 1x1, 8 -> bn -> relu\n"
    )
    assert max(map(len, render(found).split("\n"))) > 60
    narrow = render(found, 60).split("\n")
    assert max(map(len, narrow)) <= 60
    assert sum(set(line.strip(" |")) <= {"^", "-"} for line in narrow) == 3
