"""docs/errors-compared.md: what archdsl is said to say, it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archdsl.api import Project
from archdsl.checking import check_project
from archdsl.diagnostics import SpecError, render
from archdsl.syntax.containers import decode

PAGE = (Path(__file__).parents[2] / "docs" / "errors-compared.md").read_text(encoding="utf-8")
CASES = re.findall(r"^## (.+?)$.*?^```arch\n(.*?)^```\n\n```text\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)


def test_there_are_eight_and_four_others_for_each():
    assert len(CASES) == 8
    for other in ("n-orca", "mlnode", "narchi", "neural-dsl"):
        assert PAGE.count(f"| {other} |") == 8


@pytest.mark.parametrize(("title", "spec", "said"), CASES, ids=[case[0] for case in CASES])
def test_it_says_so(title: str, spec: str, said: str):
    try:
        found = list(check_project(Project(None, decode("spec.arch", spec.encode()))).diagnostics)
    except SpecError as error:
        found = list(error.diagnostics)
    assert len(found) == 1
    assert render(found[0]) == said
