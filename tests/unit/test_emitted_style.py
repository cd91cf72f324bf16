"""Emitted files as pyright and ruff see them, how long they are, and that they carry along only what they use."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import archdsl
from archdsl.torch_backend.emitter import emit_source
from archdsl.torch_backend.helper_texts import helper_texts

ROOT = Path(__file__).parents[2]
RULES = "E,F,I,UP,B,SIM"
LEVELS = """
network: Levels
input: 3x32x32
layers:
  stem: [conv 3x3, 8 -> bn -> relu]
  body: [residual: conv 3x3, 8 -> bn -> relu -> conv 3x3, 8] x 3
  stages:
    for w in [8, 16]:
      down{w}: conv 3x3, w, stride 2
      blocks{w}:
        for i in 1..2:
          unit{i}:
            concat of split 2:
              - identity
              - conv 1x1, w/2 -> bn
            shuffle 2
  mixed:
    concat:
      - left: conv 1x1, 4
      - kept: conv 1x1, 8 -> relu
  @mixed.kept -> avgpool global -> linear 10
"""
CONTAINERS = """
input: T below 9
layers:
  model.wte: embedding 9, 8 -> model.wpe: positions 50
  model.inner.bias: positions 50 -> model.fc: linear 8
  head: linear 9, no bias, weight @model.wte
"""
LINES = {
    "resnet50": 65, "resnet152": 65, "resnet18": 56, "googlenet": 110, "densenet": 78, "mobilenetv3": 130, "vgg": 45,
    "lenet5": 75, "vit": 80, "gpt2": 83, "llama": 105, "transformer": 135, "swin": 215, "swin_v2": 225, "xception_mini": 82,
}  # fmt: skip


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source of every bundled spec."""
    folder = tmp_path_factory.mktemp("emitted")
    for spec in sorted((ROOT / "specs").glob("*.yaml")):
        (folder / f"{spec.stem}.py").write_text(emit_source(archdsl.load(spec)))
    (folder / "levels.py").write_text(emit_source(archdsl.loads(LEVELS)))
    (folder / "containers.py").write_text(emit_source(archdsl.loads(CONTAINERS)))
    (folder / "vit_torchvision.py").write_text(archdsl.compile(archdsl.load("vit"), "torchvision"))
    return folder


def test_pyright_is_clean(emitted: Path) -> None:
    (emitted / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    pyright = Path(sys.executable).with_name("pyright")
    command = [str(pyright), "--pythonpath", sys.executable, "-p", str(emitted)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=emitted, check=False)
    assert found.returncode == 0, found.stdout[-4000:]
    assert "0 errors" in found.stdout


def test_ruff_is_clean(emitted: Path) -> None:
    ruff = str(Path(sys.executable).with_name("ruff"))
    check = [ruff, "check", "--isolated", "--no-cache", "--select", RULES, "--output-format", "concise", str(emitted)]
    found = subprocess.run(check, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    form = subprocess.run(
        [ruff, "format", "--isolated", "--no-cache", "--check", str(emitted)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert form.returncode == 0, form.stdout


@pytest.mark.parametrize("name", LINES)
def test_it_is_no_longer_than(emitted: Path, name: str) -> None:
    assert len((emitted / f"{name}.py").read_text().splitlines()) <= LINES[name]


def test_densenet_201_is_no_longer() -> None:
    assert len(emit_source(archdsl.load("densenet", depth=201)).splitlines()) <= 78


def test_resnet_50_and_152_differ_in_two_numbers(emitted: Path) -> None:
    """But for their names and what their docstrings say."""
    shallow, deep = (code_of(emitted / f"resnet{depth}.py") for depth in (50, 152))
    apart = [(a, b) for a, b in zip(shallow, deep, strict=True) if a != b]
    assert [(x, y) for a, b in apart for x, y in zip(a, b, strict=True) if x != y] == [("3", "7"), ("5", "35")]


def code_of(file: Path) -> list[list[str]]:
    """The words of each line, without docstrings and the name of the network."""
    bare = re.sub(r'""".*?"""', "", file.read_text(), flags=re.DOTALL)
    return [
        re.findall(r"\w+|\W", line)
        for line in bare.replace(f"ResNet{file.stem.removeprefix('resnet')}", "").splitlines()
    ]


def test_parameters_are_printed_as_they_were_chosen() -> None:
    assert "with version 1.1." in emit_source(archdsl.load("squeezenet", version="1.1"))


def test_no_member_is_fetched_by_a_string(emitted: Path) -> None:
    for file in emitted.glob("*.py"):
        text = file.read_text()
        assert "get_submodule" not in text, file.name
        assert "getattr" not in text, file.name


def test_every_helper_that_is_carried_along_is_used(emitted: Path) -> None:
    for file in emitted.glob("*.py"):
        text = file.read_text()
        for name in re.findall(r"^(?:class|def) (\w+)", text, re.MULTILINE):
            if name in helper_texts():
                assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{file.name}: {name}"


def test_a_plain_transformer_has_no_code_for_masks_and_windows(emitted: Path) -> None:
    for name in ("vit", "gpt2", "transformer", "llama"):
        text = (emitted / f"{name}.py").read_text()
        assert "mask" not in text, name
        assert "window" not in text, name
