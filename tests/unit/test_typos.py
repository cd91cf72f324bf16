"""A letter lost, doubled, swapped or changed: one error, at the word, with the word that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.spelling import closest
from tests.typos import draw, judge

SPECS = Path(__file__).parents[2] / "specs"


def test_typos_are_named_once_at_their_place_with_what_was_meant():
    verdicts = [judge(typo) for typo in draw(SPECS, count=60, seed=20).typos]
    assert len(verdicts) == 60
    assert [str(v) for v in verdicts if not (v.single and v.at_place)] == []
    missed = [str(v) for v in verdicts if not v.suggested]
    assert len(missed) <= 3, missed


@pytest.mark.parametrize(
    ("typed", "known", "text", "meant"),
    [
        ("covn", ["conv", "concat"], "", "conv"),
        ("relun", ["relu", "relu6", "prelu"], "relu6 -> relu6", "relu6"),
        ("melu", ["elu", "gelu", "relu", "selu"], "relu", "relu"),
        ("bnn", ["bn", "gn", "ln"], "", "bn"),
        ("Conv", ["conv", "gconv"], "", "conv"),
        ("globalavgpool", ["avgpool", "maxpool"], "", "avgpool"),
        ("x", ["w", "h"], "", None),
        ("zebra", ["conv", "linear"], "", None),
    ],
)
def test_closest_word(typed: str, known: list[str], text: str, meant: str | None):
    assert closest(typed, known, text) == meant
