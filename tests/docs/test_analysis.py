"""docs/analysis.md: its table has every column, its commands are understood, its example prints what it says."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from archdsl.analysis.columns import COLUMNS
from archdsl.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "analysis.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_column_is_explained():
    cells = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)] == list(COLUMNS)


@pytest.mark.parametrize("line", re.findall(r"^archdsl.*", FENCES[0][1], re.MULTILINE))
def test_commands(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    command = re.split(r"\s{2,}", line)[0]
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out or (tmp_path / "resnet50.svg").exists()


def test_example():
    ((_, code),) = [fence for fence in FENCES if fence[0] == "python"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue().splitlines() == re.findall(r"#\s+(.*)$", code, re.MULTILINE)
