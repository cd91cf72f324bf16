"""Commands and what they print, in tests/cases/golden: a file's first line is the command.

A new case is a file with a first line; `pytest tests/cli/test_golden.py --update-golden` writes the rest.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from .conftest import ROOT, Ran, Run

FOLDER = ROOT / "tests" / "cases" / "golden"


def transcript(command: str, ran: Ran) -> str:
    parts = [command, ran.out.rstrip("\n")] if ran.out else [command]
    if ran.err:
        parts += ["--- standard error", ran.err.rstrip("\n")]
    return "\n".join([*parts, f"--- exit code {ran.code}"]) + "\n"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path, run: Run, update_golden: bool):
    expected = path.read_text(encoding="utf-8")
    command = expected.split("\n", 1)[0]
    prompt, program, *arguments = shlex.split(command)
    assert (prompt, program) == ("$", "archdsl")
    ran = run(*arguments)
    found = transcript(command, ran)
    if update_golden:
        path.write_text(found, encoding="utf-8", newline="\n")
    else:
        assert found == expected
    if "--json" not in arguments:
        assert max(map(len, ran.out.split("\n"))) <= 100
