"""`check --format`: the same mistakes for people, for programs, for GitHub and as SARIF."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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


PLACE = {
    "type": "object",
    "required": ["artifactLocation", "region"],
    "properties": {
        "artifactLocation": {
            "type": "object",
            "required": ["uri"],
            "properties": {"uri": {"type": "string", "pattern": "^[^ \\\\]+$"}},
        },
        "region": {"$ref": "#/$defs/region"},
    },
}
SARIF: dict[str, Any] = {
    "$defs": {
        "text": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "region": {
            "type": "object",
            "required": ["startLine", "startColumn", "endLine", "endColumn"],
            "additionalProperties": {"type": "integer", "minimum": 1},
        },
        "location": {
            "type": "object",
            "required": ["physicalLocation"],
            "additionalProperties": False,
            "properties": {"physicalLocation": PLACE, "message": {"$ref": "#/$defs/text"}},
        },
        "rule": {
            "type": "object",
            "required": ["id", "shortDescription", "help", "defaultConfiguration"],
            "properties": {
                "id": {"type": "string", "pattern": "^A[0-9]{4}$"},
                "shortDescription": {"$ref": "#/$defs/text"},
                "help": {"$ref": "#/$defs/text"},
                "defaultConfiguration": {"properties": {"level": {"enum": ["error", "warning"]}}},
            },
        },
        "replacement": {
            "type": "object",
            "required": ["deletedRegion"],
            "additionalProperties": False,
            "properties": {
                "deletedRegion": {"$ref": "#/$defs/region"},
                "insertedContent": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
            },
        },
        "fix": {
            "type": "object",
            "required": ["artifactChanges"],
            "additionalProperties": False,
            "properties": {
                "description": {"$ref": "#/$defs/text"},
                "artifactChanges": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["artifactLocation", "replacements"],
                        "properties": {
                            "replacements": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"$ref": "#/$defs/replacement"},
                            }
                        },
                    },
                },
            },
        },
        "result": {
            "type": "object",
            "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["error", "warning"]},
                "message": {"$ref": "#/$defs/text"},
                "locations": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"$ref": "#/$defs/location"}},
                "relatedLocations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
                "fixes": {"type": "array", "items": {"$ref": "#/$defs/fix"}},
            },
        },
    },
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}}},
                            }
                        },
                    },
                    "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                },
            },
        },
    },
}
"""What the schema of SARIF 2.1.0 asks of the parts that are written, and no more of them than that."""


def test_sarif_of_every_error_case(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    cases = Path(__file__).parents[1] / "cases" / "errors"
    monkeypatch.chdir(cases)
    names = sorted(path.name for path in cases.glob("A*") if path.suffix in (".arch", ".yaml"))
    log = json.loads(check(capsys, "--format", "sarif", *names)[1])
    jsonschema.Draft202012Validator(SARIF).validate(log)
    results = log["runs"][0]["results"]
    assert len(results) > 150
    assert any("fixes" in result for result in results)
    assert any("relatedLocations" in result for result in results)
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in results)
    assert {result["level"] for result in results if result["ruleId"].startswith("A11")} == {"warning"}


def test_patterns_are_expanded_where_the_shell_does_not(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("more").mkdir()
    Path("more/b.arch").write_text("input: 8\nlayers:    relu\n")
    Path("odd[1].arch").write_text("input: 8\nlayers: relu\n")
    assert main(["check", "*.arch", "**/b.arch", "odd[1].arch"]) == 1
    names = [line.split("  ")[0].strip() for line in capsys.readouterr().out.splitlines()[:-1]]
    assert names == ["a net.arch", "odd[1].arch", "more/b.arch", "odd[1].arch"]
    assert main(["fmt", "--check", "more/*.arch"]) == 1
    assert capsys.readouterr().out == "more/b.arch\n"
    assert main(["check", "*.nothing"]) == 2
    assert "no file matches `*.nothing`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environment", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colours_on_a_terminal_alone(
    spec: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    terminal: bool,
    coloured: bool,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WT_SESSION", "1")
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    main(["check", spec])
    assert ("\x1b[1;31merror[A0201]\x1b[0m" in capsys.readouterr().err) == coloured


@pytest.mark.parametrize(
    "command",
    [
        *(f"check --format {style} WRONG specs/alexnet.yaml" for style in ("text", "sarif")),
        "draw lenet5",
        "analyze vgg --json --no-cache",
        "compile lenet5",
        "fmt --to arch specs/resnet.yaml",
    ],
)
def test_the_same_everywhere(command: str, tmp_path: Path) -> None:
    """Whatever Python hashes with, wherever it runs, in whatever language and time zone."""
    package = str(Path(archdsl.__file__).parents[1])
    words = [str(Path(package, word)) if word.startswith("specs/") else word for word in command.split()]
    outputs: set[bytes] = set()
    for number, more in enumerate(({}, {"LC_ALL": "C", "TZ": "Asia/Kathmandu"}, {"LANG": "tr_TR.UTF-8", "TZ": "UTC"})):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "WRONG").write_text(WRONG)
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": package,
            "PYTHONHASHSEED": str(number),
            "HOME": str(folder),
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-m", "archdsl", *words], cwd=folder, env=env, capture_output=True, check=False
        )
        assert done.returncode == int("WRONG" in command), done.stderr
        outputs.add(done.stdout + done.stderr)
    assert len(outputs) == 1
