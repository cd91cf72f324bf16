"""The pages made from the code are current, and cover every operator."""

from __future__ import annotations

from pathlib import Path

import pytest

import archdsl
from archdsl import documentation
from archdsl.elaborate.files import bundled_folder
from archdsl.explanations import explanations
from archdsl.ir.operator import operators

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(documentation.PAGES))
def test_page_is_current(name: str):
    found = (DOCS / name).read_text(encoding="utf-8")
    assert found == documentation.PAGES[name](), "run `python -m archdsl.documentation docs`"


@pytest.mark.parametrize("word", sorted(operators()))
def test_operator_is_documented(word: str):
    doc = documentation.operator_doc(operators()[word])
    assert doc.summary.endswith((".", ")"))
    assert doc.family
    assert doc.takes
    assert all(argument.meaning for argument in doc.arguments)
    if doc.example:
        archdsl.loads(doc.example, folder=bundled_folder())


def test_usage_tells_what_is_needed_and_what_excludes_each_other():
    assert documentation.usage(operators()["conv"]).startswith(
        "conv size, width [, stride SIZE] [, pad SIZE | valid | same"
    )
    assert documentation.usage(operators()["relu"]) == "relu"
    assert documentation.usage(operators()["maxpool"]).endswith("[, global]")


def test_errors_page_holds_every_code_and_no_example_is_a_heading():
    page = documentation.errors_page()
    headings = [line for line in page.split("\n") if line.startswith("### ")]
    assert headings == [f"### {e.code}: {e.title}" for e in explanations().values()]
