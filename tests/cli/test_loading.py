"""What commands load: torch never for analysis, and next to nothing for `--help`."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import run_apart

HEAVY = ("torch", "pydantic", "lark", "yaml", "rich", "click", "numpy")

SCRIPT = """
import contextlib, io, sys
{before}
from archdsl.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    code = main(sys.argv[1:])
print(code, *sorted(name for name in {heavy} if name in sys.modules))
"""


def loaded(*arguments: str, before: str = "", path: Path | None = None) -> list[str]:
    """The exit code of a command, and which heavy modules it has loaded."""
    ran = run_apart(*arguments, code=SCRIPT.format(before=before, heavy=HEAVY), path=path)
    assert ran.err == "", ran.err
    return ran.out.split()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "specs/lenet5.yaml", "specs/resnet18.yaml"),
        ("analyze", "specs/resnet50.yaml"),
        ("analyze", "lenet5", "--json"),
        ("fmt", "--check", "specs/resnet18.yaml"),
        ("fmt", "--to", "arch", "specs/lenet5.yaml"),
        ("explain", "conv"),
        ("explain", "A0405"),
    ],
    ids=" ".join,
)
def test_torch_is_not_loaded(arguments: tuple[str, ...]):
    code, *modules = loaded(*arguments)
    assert code == "0"
    assert not {"torch", "rich", "click", "numpy"} & set(modules)


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("analyze", "--help"), ("compile", "--help")])
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]):
    assert loaded(*arguments) == ["0"]


@pytest.mark.parametrize("word", ["conv", "A0405"])
def test_explain_reads_no_spec(word: str):
    assert loaded("explain", word) == ["0"]


def test_the_check_above_can_fail(tmp_path: Path):
    """A module called torch, loaded before the command runs, is seen."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("")
    assert "torch" in loaded("--version", before="import torch", path=tmp_path)


def test_the_whole_package_but_its_torch_room_loads_without_torch():
    script = """
import pkgutil, sys, importlib
sys.modules["torch"] = None  # importing it fails
import archdsl
for module in pkgutil.walk_packages(archdsl.__path__, "archdsl."):
    if not module.name.startswith("archdsl.torch_backend") and module.name != "archdsl.__main__":
        importlib.import_module(module.name)
"""
    ran = run_apart(code=script)
    assert ran.code == 0, ran.err
