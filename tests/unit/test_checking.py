"""Checking a whole project: every variant once, every fact, every `names` section."""

from __future__ import annotations

from archdsl.api import Project
from archdsl.checking import Checked, check_project
from archdsl.syntax.containers import decode

TABLE = """
network: n
input: 3x32x32
parameters:
  size: small
table sizes:
  size  | w  | => params
  small | 8  | 224
  large | 16 | 448
layers:
  conv 3x3, w   => 8x32x32
"""


def check(text: str) -> Checked:
    return check_project(Project(None, decode("spec.arch", text.encode())))


def test_own_choice_is_not_counted_twice():
    checked = check(TABLE)
    assert (checked.title, checked.variants, checked.diagnostics) == ("n", 2, ())
    assert [fact.claim.text for fact in checked.facts] == ["224", "8x32x32", "448"]


def test_a_fact_that_fails_in_a_variant_names_it():
    checked = check(TABLE.replace("448", "449"))
    assert [d.message for d in checked.diagnostics] == ["claimed 449 params, computed 448, with size large"]
    assert [fact.holds for fact in checked.facts] == [True, True, False]


def test_a_variant_that_cannot_be_built_leaves_the_others():
    checked = check(TABLE.replace("large | 16", "large | 0 "))
    assert [d.code for d in checked.diagnostics] == ["A0305"]
    assert checked.variants == 2
    assert len(checked.facts) == 2


def test_one_mistake_in_all_variants_is_told_once():
    checked = check(TABLE.replace("conv", "covn"))
    assert [d.code for d in checked.diagnostics] == ["A0201"]


def test_names_are_checked_over_all_variants():
    rules = "names other:\n  conv1 -> stem\n"
    assert check(TABLE + rules).diagnostics == ()
    assert [d.code for d in check(TABLE + rules.replace("conv1", "conv2")).diagnostics] == ["A0505"]
