"""The wheel, not the checkout: what is in it, and that it works alone, without torch."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (found,) = folder.glob("*.whl")
    return found


def test_it_holds_the_package_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    specs = {f"archdsl/specs/{path.name}" for path in (ROOT / "specs").glob("*.yaml")}
    data = {
        "archdsl/py.typed",
        "archdsl/syntax/grammar.lark",
        "archdsl/syntax/grammar.json",
        "archdsl/syntax/grammar.tables",
        "archdsl/explanations.md",
        "archdsl/torch_backend/helpers.py",
    }
    assert specs
    assert specs | data <= names
    assert not any(name.startswith(("tests/", "docs/")) for name in names)


def test_it_analyses_the_bundled_specs_without_torch(wheel: Path, tmp_path: Path) -> None:
    """Installed alone in an empty environment, in an empty folder."""
    environment = tmp_path / "env"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True, capture_output=True, text=True)
    missing = subprocess.run([python, "-c", "import torch"], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in missing.stderr
    archdsl = environment / "bin" / "archdsl"
    lenet = subprocess.run([archdsl, "analyze", "lenet5"], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "60000" in lenet.stdout
    assert "340908" in lenet.stdout
    resnet = subprocess.run([archdsl, "analyze", "resnet50"], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "25,557,032" in resnet.stdout
    source = subprocess.run([archdsl, "compile", "resnet18"], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "class ResNet18(nn.Module):" in source.stdout
    module = subprocess.run(
        [python, "-c", "import archdsl; archdsl.build(archdsl.load('lenet5'))"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "archdsl[torch]" in module.stderr
