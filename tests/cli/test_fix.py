"""`check --fix`: notations with one meaning are mended in place, all of them or none; programs are told the same edits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archdsl.cli import files
from archdsl.cli.fix import edited, fix
from archdsl.diagnostics import Edit, SourceFile, Span

from .conftest import Run

HEAD = "input: 3x32x32\nparameters: {act: relu, deep: 2}\n"
BODY = HEAD + "layers:\n  "

MENDED = {
    "conv(3x3, 8)": "conv 3x3, 8",
    "conv(3x3, 8, stride=2) -> relu()": "conv 3x3, 8, stride 2 -> relu",
    "conv(3x3, max(4, 8))": "conv 3x3, max(4, 8)",
    "conv 3x3, 8, stride=2": "conv 3x3, 8, stride 2",
    "conv 3x3, 8, stride = 2, bias = False": "conv 3x3, 8, stride 2, no bias",
    "conv 3x3, 8, bias=True": "conv 3x3, 8, bias",
    "conv 3x3, 8, bias False": "conv 3x3, 8, no bias",
    "conv 3x3, 8, use_bias False": "conv 3x3, 8, no bias",
    "conv (3, 3), 8": "conv 3x3, 8",
    "conv 3 x 3, 8": "conv 3x3, 8",
    "conv kernel_size=3x3, filters=8": "conv size 3x3, width 8",
    "Conv2d 3x3, 8, padding 1": "conv 3x3, 8, pad 1",
    "ReLU -> BatchNorm2d": "relu -> bn",
    "relu → bn": "relu -> bn",
    "relu --> bn": "relu -> bn",
    "relu => bn": None,
    "relu;bn": "relu -> bn",
    "relu; bn;": "relu -> bn",
    "relu ; bn >> relu": "relu -> bn -> relu",
    "stem = conv 3x3, 8": "stem: conv 3x3, 8",
    "x: conv 3x3, 8": '"x": conv 3x3, 8',
    "“my label”: relu": '"my label": relu',
    "[relu] * 3": "[relu] x 3",
    "relu if act == relu": "relu if act is relu",
    "relu if act != relu else gelu": "relu if act is not relu else gelu",
    "conv 3x3, 8 => 224 parameters": "conv 3x3, 8 => 224 params",
    "conv 3x3, 8 => 0.2k params": "conv 3x3, 8 => 0.2K params",
    "linear\u00a08": "linear 8",
    "li\u200bnear 8": "linear 8",
    "residual\n    relu": "residual:\n    relu",
    "if deep > 1\n    relu\n  elif deep > 0:\n    gelu": "if deep > 1:\n    relu\n  else if deep > 0:\n    gelu",
    "for i = 1..3: relu": "for i in 1..3: relu",
    "for i in 1...3: relu": "for i in 1..3: relu",
    # what could be meant otherwise
    "covn 3x3, 8": None,
    "relu, bn": None,
    "unit 64 x 3": None,
    "Conv2d 3, 64, 3": None,
    "for i in range(3): relu": None,
    "conv 3x3, 8 => 100 params": None,
    "conv 3x3, 8 => 1 flops": None,
    "conv 3x3, 8, relu": None,
    "[conv 3x3, 8": None,
}


@pytest.mark.parametrize("line", MENDED)
def test_one_meaning_is_mended_and_nothing_else(line: str):
    expected = MENDED[line]
    text = BODY + line + "\n"
    fixed = fix("net.arch", text)
    assert fixed.text == (text if expected is None else BODY + expected + "\n")
    assert bool(fixed.made) == (expected is not None)
    assert fix("net.arch", fixed.text).text == fixed.text
    yaml = text.replace("layers:", "layers: |")
    assert fix("net.yaml", yaml).text == fixed.text.replace("layers:", "layers: |")


def test_tabs_that_alone_indent():
    text = "input: 8\nlayers:\n\tresidual:\n\t\trelu\n"
    assert fix("n.arch", text).text == "input: 8\nlayers:\n  residual:\n    relu\n"
    mixed = "input: 8\nlayers:\n  relu\n\trelu\n"
    assert fix("n.arch", mixed).text == mixed


def test_grouped_digits():
    text = "input: 32\nlayers:\n  linear 32 => 1,056 params\n"
    assert fix("n.arch", text).text == text.replace("1,056", "1056")


def test_a_text_that_cannot_be_read_afterwards_is_left_alone():
    text = BODY + "conv(3x3, 8)\n  conv 3x3 8\n"
    assert fix("n.arch", text).text == text


def test_what_is_broken_elsewhere_does_not_keep_a_network_from_being_mended():
    fixed = fix("n.arch", BODY + "covn 3x3, 8\n  relu;bn\n")
    assert fixed.text == BODY + "covn 3x3, 8\n  relu -> bn\n"


def test_several_files_in_place(run: Run, tmp_path: Path):
    wrong, right = tmp_path / "a net.arch", tmp_path / "right.yaml"
    wrong.write_bytes("\ufeffinput: 8\r\nlayers:\r\n  ReLU → linear(8)  # kept →\r\n".encode())
    right.write_text("input: 8\nlayers: relu\n")
    before = right.stat().st_mtime_ns
    ran = run("check", "--fix", str(wrong), str(right))
    assert ran.code == 0
    assert wrong.read_bytes() == "\ufeffinput: 8\r\nlayers:\r\n  relu -> linear 8  # kept →\r\n".encode()
    assert right.stat().st_mtime_ns == before
    assert [line.split(": ")[1] for line in ran.err.splitlines()] == ["fixed[A0111]", "fixed[A0111]", "fixed[A0201]"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a net.arch", "right.yaml"]


def test_what_remains_is_told_of_the_mended_file(run: Run, tmp_path: Path):
    path = tmp_path / "n.arch"
    path.write_text("input: 8\nlayers:\n  relu();\n  rleu\n")
    ran = run("check", "--fix", str(path))
    assert ran.code == 1
    assert path.read_text() == "input: 8\nlayers:\n  relu\n  rleu\n"
    assert "n.arch:4:3: error[A0201]" in ran.err


def test_only_files_are_changed(run: Run):
    for name in ("-", "lenet5"):
        ran = run("check", "--fix", name, stdin="input: 8\nlayers: relu()\n")
        assert (ran.code, ran.out.count("\n")) == (2, 1)
        assert "`--fix` changes files" in ran.err


def test_without_the_option_it_is_offered(run: Run):
    ran = run("check", "-", stdin=BODY + "relu();rleu\n")
    assert ran.code == 1
    assert "1 of these `archdsl check --fix` would mend" in ran.err


def test_a_full_disk_leaves_the_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "n.arch"
    path.write_text("input: 8\nlayers: relu()\n")
    monkeypatch.setattr(files.os, "fsync", fails)
    ran = run("check", "--fix", str(path))
    assert ran.code == 2
    assert "no space left on device" in ran.err
    assert path.read_text() == "input: 8\nlayers: relu()\n"
    assert [p.name for p in tmp_path.iterdir()] == ["n.arch"]


@pytest.mark.parametrize("style", ["json", "sarif"])
def test_programs_are_told_the_edits(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: str):
    path = tmp_path / "n.arch"
    text = HEAD + "layers:\n  residual\n    Conv2d 3x3, 3\n"
    path.write_text(text)
    for _ in range(2):
        log = json.loads(run("check", "--format", style, str(path)).out)
        source = SourceFile("n.arch", text)
        edits: list[Edit] = []
        if style == "json":
            for said in log["diagnostics"][0]["fixes"]:
                where = said["place"]
                span = Span(source, where["line"], where["column"], where["end_line"], where["end_column"])
                edits.append(Edit(span, said["text"]))
        else:
            (said,) = log["runs"][0]["results"][0]["fixes"]
            (change,) = said["artifactChanges"]
            assert change["artifactLocation"]["uri"].endswith("n.arch")
            for replacement in change["replacements"]:
                where = replacement["deletedRegion"]
                span = Span(source, where["startLine"], where["startColumn"], where["endLine"], where["endColumn"])
                edits.append(Edit(span, replacement["insertedContent"]["text"]))
        text = edited(text, edits)
        path.write_text(text)
    assert text == HEAD + "layers:\n  residual:\n    conv 3x3, 3\n"
