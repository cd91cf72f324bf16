"""`check --format`: the same mistakes for people, for programs, for GitHub and as SARIF."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import archdsl
from archdsl.cli import main

WRONG = "network: 100%, wrong\ninput: 3x32x32\nlayers:\n  covn 3x3, 8\n  conv 4x4, 8, same\n"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a net.arch").write_text(WRONG)
    return "a net.arch"


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["check", *arguments])
    shown = capsys.readouterr()
    assert shown.err == ""
    return code, shown.out


def test_concise(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = check(capsys, "--format", "concise", spec)
    assert code == 1
    assert out.splitlines()[0] == "a net.arch:4:3: error[A0201]: no layer or module `covn`"


def test_json(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = check(capsys, "--format", "json", spec, "lenet5")
    found = json.loads(out)
    assert (code, found["schema"], found["version"]) == (1, 1, archdsl.__version__)
    first = found["diagnostics"][0]
    assert first["place"] == {"file": spec, "line": 4, "column": 3, "end_line": 4, "end_column": 7}
    assert (first["code"], first["severity"], first["help"]) == ("A0201", "error", "did you mean `conv`?")
    assert json.loads(check(capsys, "--format", "json", "lenet5")[1])["diagnostics"] == []


def test_github(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = check(capsys, "--format", "github", spec)[1]
    line = "::error file=a net.arch,line=4,col=3,title=A0201,endColumn=6::no layer or module `covn`%0Ahelp: did you mean `conv`?"
    assert out.splitlines()[0] == line
    assert check(capsys, "--format", "github", "lenet5") == (0, "")


def test_sarif(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the schema of SARIF 2.1.0 requires, and its bounds on numbers."""
    log = json.loads(check(capsys, "--format", "sarif", spec)[1])
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "archdsl"
    assert run["results"]
    for result in run["results"]:
        assert result["message"]["text"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert rules[result["ruleIndex"]]["shortDescription"]["text"]
        for location in [*result["locations"], *result.get("relatedLocations", [])]:
            place = location["physicalLocation"]
            assert place["artifactLocation"]["uri"] == "a%20net.arch"
            assert min(place["region"].values()) >= 1
    assert json.loads(check(capsys, "--format", "sarif", "lenet5")[1])["runs"][0]["results"] == []


@pytest.mark.parametrize(
    "command", ["check --format json specs/alexnet.yaml", "draw lenet5", "analyze vgg --json --no-cache"]
)
def test_the_same_everywhere(command: str, tmp_path: Path) -> None:
    """Whatever Python hashes with, wherever it runs, in whatever language and time zone."""
    package = str(Path(archdsl.__file__).parents[1])
    words = [str(Path(package, word)) if word.startswith("specs/") else word for word in command.split()]
    outputs: set[bytes] = set()
    for number, more in enumerate(({}, {"LC_ALL": "C", "TZ": "Asia/Kathmandu"}, {"LANG": "tr_TR.UTF-8", "TZ": "UTC"})):
        folder = tmp_path / str(number)
        folder.mkdir()
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": package,
            "PYTHONHASHSEED": str(number),
            "HOME": str(folder),
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-m", "archdsl", *words], cwd=folder, env=env, capture_output=True, check=True
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
