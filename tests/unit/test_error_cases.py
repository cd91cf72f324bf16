"""Specs with one fault each (tests/cases/errors): exactly one mistake is named, with the code the file is called by.

Beside each spec stands what a person reads (`.txt`) and what a program does (`.json`). A new case is a spec called
`CODE-name.arch` or `.yaml`; `pytest tests/unit/test_error_cases.py --update-golden` writes the rest.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from archdsl.api import Project
from archdsl.checking import check_project
from archdsl.diagnostics import Diagnostic, SpecError, render
from archdsl.elaborate.files import bundled_folder
from archdsl.explanations import explanations
from archdsl.report.machine import json_object
from archdsl.syntax.containers import decode

CASES = Path(__file__).parents[1] / "cases" / "errors"
FAULTS: dict[str, tuple[str, str]] = json.loads((CASES / "faults.json").read_text(encoding="utf-8"))
SPECS = sorted([*CASES.glob("*.arch"), *CASES.glob("*.yaml")])
ELSEWHERE = {
    "A0507": "a dialect is chosen on the command line",
    "A1001": "nothing that can be written is refused by the emitter alone",
    "A1002": "a dialect is chosen on the command line",
    "A1003": "an option of `compile`",
}


def mistakes(path: Path) -> list[Diagnostic]:
    """All that is wrong with a spec; what it extends or uses are bundled ones."""
    try:
        file = decode(path.name, path.read_bytes())
        checked = check_project(Project(None, file, bundled_folder()))
        return [*checked.diagnostics, *checked.warnings]
    except SpecError as error:
        return list(error.diagnostics)


def located(found: object) -> object:
    """What was found without the folder of the bundled specs."""
    if isinstance(found, dict):
        return {key: located(value) for key, value in found.items()}
    if isinstance(found, list):
        return [located(value) for value in found]
    return Path(found).name if isinstance(found, str) and found.startswith(str(bundled_folder())) else found


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_one_mistake_as_recorded(path: Path, update_golden: bool):
    found = mistakes(path)
    assert [d.code for d in found] == [path.stem[:5]]
    text = render(found[0]).replace(f"{bundled_folder()}/", "") + "\n"
    machine = json.dumps(located(json_object(found)["diagnostics"][0]), indent=1, ensure_ascii=False) + "\n"
    if update_golden:
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
        path.with_suffix(".json").write_text(machine, encoding="utf-8")
    assert path.with_suffix(".txt").read_text(encoding="utf-8") == text
    assert path.with_suffix(".json").read_text(encoding="utf-8") == machine


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_it_stands_at_the_faulty_token(path: Path):
    """`faults.json` says of each case which word is wrong, and where; it is written by hand, never by --update-golden."""
    place, token = FAULTS[path.name]
    line, column = map(int, place.split(":"))
    text = path.read_bytes().decode("utf-8", "replace").split("\n")[line - 1]
    assert text[column - 1 :].startswith(token), "the sidecar and the case differ"
    (found,) = mistakes(path)
    assert found.span is not None
    assert (found.span.line, found.span.column) == (line, column)
    end = found.span.end_column - 1 if found.span.end_line == line else len(text)
    assert text[column - 1 : end].rstrip("\r") == token


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_its_place_is_in_the_file_and_it_fits_sixty_columns(path: Path):
    (found,) = mistakes(path)
    assert found.span is not None
    lines = found.span.file.lines
    assert 1 <= found.span.line <= len(lines)
    assert 1 <= found.span.column <= len(lines[found.span.line - 1]) + 1
    for line in render(found, 60).split("\n"):
        assert len(line) <= 60 or max(map(len, line.split())) > 50  # a single word as long as the line


def test_colours_say_nothing_of_their_own():
    for path in SPECS[::7]:
        (found,) = mistakes(path)
        assert re.sub(r"\x1b\[[\d;]*m", "", render(found, colour=True)) == render(found)
        assert "\x1b[1;3" in render(found, colour=True)


def test_every_code_has_two_cases_or_says_why_not():
    cases = Counter(path.stem[:5] for path in SPECS)
    assert len(SPECS) >= 200
    assert {code for code in explanations() if cases[code] < 2} == set(ELSEWHERE)
    assert len({path.with_suffix("") for path in SPECS}) == len(SPECS)


def test_nothing_recorded_is_left_behind():
    stems = {path.stem for path in SPECS}
    assert {path.stem for path in CASES.glob("*.txt")} == stems
    assert {path.stem for path in CASES.glob("A*.json")} == stems
    assert {path.name for path in SPECS} == set(FAULTS)
