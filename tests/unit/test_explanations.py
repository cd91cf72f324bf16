"""Every diagnostic code is explained, and every explanation's examples do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archdsl
from archdsl.api import Project
from archdsl.checking import check_project
from archdsl.diagnostics import SpecError
from archdsl.elaborate.files import bundled_folder
from archdsl.explanations import Example, explanations
from archdsl.syntax.containers import decode

PACKAGE = Path(archdsl.__file__).parent
EXPLAINED = list(explanations().values())


def codes_of(example: Example) -> list[str]:
    """The codes that reading, building and checking a spec gives."""
    try:
        file = decode(f"spec.{example.container}", example.text.encode())
        checked = check_project(Project(None, file, bundled_folder()))
        return [diagnostic.code for diagnostic in (*checked.diagnostics, *checked.warnings)]
    except SpecError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]


@pytest.mark.parametrize("entry", EXPLAINED, ids=lambda entry: entry.code)
def test_wrong_example_gives_its_code_alone(entry):
    if entry.wrong is None:
        assert entry.right is None
        assert "no example" in entry.text.lower()
        return
    assert codes_of(entry.wrong) == [entry.code]


@pytest.mark.parametrize("entry", [e for e in EXPLAINED if e.right], ids=lambda entry: entry.code)
def test_right_example_is_right(entry):
    assert codes_of(entry.right) == []


def test_every_code_of_the_source_is_explained_and_no_other():
    used: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        used.update(re.findall(r"[\"'](A\d{4})[\"']", without_docstrings(path.read_text(encoding="utf-8"))))
    assert sorted(used) == sorted(explanations())


def without_docstrings(source: str) -> str:
    return re.sub(r'"""(?:.|\n)*?"""', "", source)


def test_entries_are_in_order_and_of_good_length():
    assert list(explanations()) == sorted(explanations())
    for entry in EXPLAINED:
        sentences = re.findall(r"[.!?](?:\s|$)", entry.text)
        assert 1 <= len(sentences) <= 6, entry.code
        assert len(entry.title) <= 70, entry.code
        assert not entry.title.endswith("."), entry.code
