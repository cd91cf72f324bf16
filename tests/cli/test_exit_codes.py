"""What a command answers: exit codes, and which stream says what."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from archdsl import api, cli
from archdsl.report import SCHEMA

from .conftest import ROOT, Run, run_apart

GOOD = "input: 3x32x32\nlayers:\n  conv 3x3, 8 => 224 params\n"
WRONG = "input: 3x32x32\nlayers:\n  covn 3x3, 8\n"
FAILING = "input: 3x32x32\nlayers:\n  conv 3x3, 8 => 100 params\n"


@pytest.mark.parametrize("command", ["check", "analyze", "compile", "fmt"])
def test_wrong_spec_is_1_and_speaks_on_standard_error(run: Run, command: str):
    wrong = WRONG if command != "fmt" else "input: 3x32x32\nlayers:\n  conv 3x3 8\n"
    ran = run(command, "-", stdin=wrong)
    assert ran.code == 1
    assert ran.err.startswith("-:3:")
    assert "error[A0" in ran.err
    assert "error" not in ran.out


@pytest.mark.parametrize("command", ["check", "analyze", "compile", "fmt"])
def test_missing_file_is_2_with_a_suggestion(run: Run, command: str):
    ran = run(command, "specs/lenet.yaml")
    assert ran.code == 2
    assert ran.err.startswith("archdsl: error: no file `specs/lenet.yaml`")
    assert "did you mean `specs/lenet5.yaml`?" in ran.err
    assert len(ran.err.splitlines()) == 2


@pytest.mark.parametrize("command", ["check", "analyze", "compile", "fmt"])
def test_folder_is_2(run: Run, command: str):
    ran = run(command, "specs")
    assert ran.code == 2
    assert "is a folder" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze"],
        ["check"],
        ["analyze", "lenet5", "--jsno"],
        ["analyze", "lenet5", "resnet"],
        ["analyze", "resnet", "--set", "depth"],
        ["analyze", "resnet", "--set", "=34"],
        ["analyze", "resnet", "--set", "depth=18", "--set", "depth=34"],
        ["analyze", "resnet", "--set", "dept=34"],
        ["analyze", "resnet", "--set", "depth=(34"],
        ["analyze", "resnet", "--depth", "0"],
        ["compile", "resnet", "--names", "nobody"],
        ["fmt", "a.yaml", "b.yaml", "--to", "arch"],
        ["fmt", "a.yaml", "--check", "--to", "arch"],
        ["fmt", "a.yaml", "--to", "toml"],
        ["explain", "nonsense"],
        ["specs/lenet5.yaml"],
        ["--nonsense"],
        ["analyze", "a\0b"],
        [],
    ],
)
def test_bad_usage_is_2(run: Run, arguments: list[str]):
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.err
    assert not ran.out
    assert "Traceback" not in ran.err
    assert "please report" not in ran.err


def test_misspelt_option_is_suggested(run: Run):
    assert "did you mean `--json`?" in run("analyze", "lenet5", "--jsno").err
    assert "did you mean `--format csv`?" in run("analyze", "lenet5", "--csv").err


def test_file_instead_of_a_command_is_understood(run: Run):
    assert "archdsl analyze specs/lenet5.yaml" in run("specs/lenet5.yaml").err


def test_failing_fact_is_1_and_the_table_is_printed(run: Run):
    ran = run("analyze", "-", stdin=FAILING)
    assert ran.code == 1
    assert "0 of 1 fact hold" in ran.out
    assert "error[A0702]: claimed 100 params, computed 224" in ran.err


def test_failing_fact_leaves_json_whole(run: Run):
    ran = run("analyze", "-", "--json", stdin=FAILING)
    assert ran.code == 1
    found = json.loads(ran.out)
    assert found["schema"] == SCHEMA
    assert [fact["holds"] for fact in found["facts"]] == [False]


def test_check_names_the_variant_that_fails(run: Run):
    spec = (
        "input: 3x32x32\nparameters:\n  size: small\ntable sizes:\n  size  | w  | => params\n  small | 8  | 224\n"
        "  large | 16 | 224\nlayers:\n  conv 3x3, w\n"
    )
    ran = run("check", "-", stdin=spec)
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "1 file, 2 variants, 1 of 2 facts hold"
    assert "-:7:16: error[A0702]: claimed 224 params, computed 448, with size large" in ran.err


def test_check_goes_on_after_a_wrong_file(run: Run):
    ran = run("check", "tests/cases/golden/mistakes.arch", "specs/lenet5.yaml")
    assert ran.code == 1
    assert "22 facts hold" in ran.out


def test_check_of_every_bundled_spec(run: Run):
    names = sorted(str(path) for path in (ROOT / "specs").iterdir())
    ran = run("check", *names)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[-1].startswith(f"{len(names)} files, ")
    assert ran.out.rstrip().endswith("facts hold")


def test_bundled_spec_by_its_name(run: Run):
    assert run("analyze", "lenet5").out == run("analyze", "specs/lenet5.yaml").out


def test_lenet_5_as_its_paper_prints_it(run: Run):
    counts = {row["path"]: row for row in json.loads(run("analyze", "lenet5", "--json").out)["layers"]}
    expected = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48120, "F6": 10164}
    assert {name: counts[name]["parameters"] for name in expected} == expected
    table = run("analyze", "lenet5").out
    assert "60000" in table
    assert "340908" in table


@pytest.mark.parametrize("width", [60, 70, 80, 100, 300])
@pytest.mark.parametrize("name", ["lenet5", "resnet152", "vgg", "tests/cases/golden/symbols.arch"])
def test_table_fits_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, width: int, name: str):
    monkeypatch.setenv("COLUMNS", str(width))
    ran = run("analyze", name, "--connections")
    assert max(map(len, ran.out.splitlines())) <= 100
    monkeypatch.setenv("COLUMNS", str(width))


def test_at_most_50_diagnostics(run: Run):
    ran = run("check", "-", stdin="input: 3x32x32\nlayers:\n" + "  covn 3x3, 8\n" * 60)
    assert ran.err.count("error[A0201]") == 50
    assert "and 10 more" in ran.err


def test_control_characters_do_not_reach_the_terminal(run: Run):
    ran = run("check", "\x1b[31mred.yaml")
    assert "\x1b" not in ran.out + ran.err


@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_internal_error_is_2_without_a_bare_traceback(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]):
    def broken(network: object) -> None:
        raise KeyError("a slip of ours")

    monkeypatch.setattr(api, "analyze", broken)
    ran = run("analyze", "lenet5", *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert "internal error, please report" in ran.err
    assert ("Traceback" in ran.err) == bool(arguments)


def test_interruption_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch):
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)
    assert run("analyze", "lenet5").code == 130


def test_streams_and_codes_in_a_process_of_its_own():
    good, wrong = run_apart("analyze", "lenet5"), run_apart("analyze", "tests/cases/golden/mistakes.arch")
    assert (good.code, good.err) == (0, "")
    assert "340908" in good.out
    assert (wrong.code, wrong.out) == (1, "")
    assert "error[A0203]" in wrong.err
    assert run_apart("analyze", "nowhere").code == 2


def test_closed_pipe_is_quiet():
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "archdsl", "explain"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(60) == 2
    assert errors == b""


def test_terminal_without_unicode():
    ran = run_apart(
        code="import sys; sys.stdout.reconfigure(encoding='ascii');"
        "from archdsl.cli import main; sys.exit(main(['analyze', 'tests/cases/golden/accents.arch']))"
    )
    assert ran.code == 0
    assert "R\\xe9seau" in ran.out


def test_warnings_alone_are_0_unless_strict(run: Run):
    spec = "input: 3x32x32\nparameters: {n: 1}\nlayers:\n  conv 3x3, 8 => 224 params\n"
    ran = run("check", "-", stdin=spec)
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "-  1 variant, 1 fact holds, 1 warning",
        "1 file, 1 variant, 1 fact holds, 1 warning",
    ]
    assert ran.err.startswith("-:2:14: warning[A1101]: parameter `n` changes nothing\n")
    assert run("check", "--strict", "-", stdin=spec).code == 1
    assert run("check", "--strict", "-", stdin=spec.replace("parameters: {n: 1}\n", "")).code == 0
    for_programs = run("check", "--format", "github", "-", stdin=spec)
    assert (for_programs.code, for_programs.out[:10]) == (0, "::warning ")
    assert run("analyze", "-", stdin=spec).err == ""
