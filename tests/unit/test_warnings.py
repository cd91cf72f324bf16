"""What no warning is given for; what one is given for stands in tests/cases/errors and in the explanations."""

from __future__ import annotations

import pytest

from archdsl.api import Project
from archdsl.checking import check_project
from archdsl.diagnostics import Diagnostic
from archdsl.elaborate.files import bundled_folder
from archdsl.syntax.containers import decode


def warned(text: str) -> tuple[Diagnostic, ...]:
    checked = check_project(Project(None, decode("spec.arch", text.encode()), bundled_folder()))
    assert checked.diagnostics == ()
    return checked.warnings


FINE = {
    "a parameter in a label": "input: 8\nparameters: {first_one: 3}\nlayers: a{first_one}: linear 8",
    "a parameter in a size of two names": "input: 3xHxW\nparameters: {k: 3, j: 1}\nlayers: conv kxj, 8",
    "a parameter in another": "input: 8\nparameters: {a: 3, b: 2a}\nlayers: linear b",
    "a parameter of the input": "input: Txd\nparameters: {d: 3}\nlayers: linear 8",
    "a parameter of another file": "input: 3x224x224\nparameters: {n: 34}\nuse net: resnet.yaml, depth n\nlayers: net to layer1",
    "a parameter under default": "input: 3xHxW\nparameters: {e: 0.1}\ndefault: {bn: eps e}\nlayers: bn",
    "a switch that only claims": (
        "input: 3x8x8\nparameters: {n: a}\ntable t:\n  n | => params\n  a | 224\n  b | 224\nlayers: conv 3x3, 8"
    ),
    "a part that a word calls": "input: 8\nparameters: {kind: up}\ndef up w: linear w\ndef no_op w: relu\nlayers: kind 3\n"
    "table t:\n  kind\n  up\n  no_op",
    "a part handed over": "input: 8\nmodule m what: what\ndef up: linear 3\nlayers: m up",
    "a value handed over": "input: 8\nmodule m skip:\n  add:\n    - @skip\n    - identity\nlayers:\n  a: identity\n  m @a",
    "the first column of rows": "input: 8\ntable t:\n  row | w\n  1 | 8\nlayers:\n  for each row of t: linear w",
    "a table chosen by a word": "input: 8\nparameters: {which: t}\ntable t:\n  w\n  8\nlayers:\n  for each row of which: linear w",
    "a wire seen from outside": "input: 8\nmodule m:\n  a: identity\n  relu\nlayers:\n  b: m\n  @b.a -> relu",
    "a wire with a computed name": "input: 8\nlayers:\n  for i in 1..2:\n    a{i}: identity\n    linear 8\n  @a2 -> relu",
    "a shape that cannot change": "input: 8\nlayers:\n  relu => 8",
    "zero of what could be": "input: 3x8x8\nlayers:\n  bn no affine => 0 params\n  conv 1x1, 3, no bias => 0 statistics",
    "two facts that say less and less": "input: 3x8x8\nlayers:\n  conv 3x3, 8 => 224 params, 0.2K params",
    "a bias that is asked for": "input: 3x8x8\nlayers:\n  conv 3x3, 8, bias -> bn",
    "biases asked for by default": "input: 3x8x8\ndefault: {conv: bias}\nlayers:\n  conv 3x3, 8 -> bn",
    "a bias before something else": "input: 3x8x8\nlayers:\n  conv 3x3, 8 -> relu -> bn",
    "a bias that something else sees": "input: 3x8x8\nlayers:\n  a: conv 3x3, 8 -> bn\n  add:\n    - @a\n    - identity",
    "a bias that adds to a residual": "input: 3x8x8\nlayers:\n  residual: conv 3x3, 3\n  bn",
    "a bias that is needed without the norm": (
        "input: 3x8x8\nmodule m norm: conv 3x3, 8 -> bn if norm\nlayers:\n  m yes -> m no norm"
    ),
    "a condition on a parameter": "input: 8\nparameters: {act: relu}\nlayers: relu if act is relu else gelu",
    "a condition on what follows from one": (
        "input: 8\nparameters: {n: 2}\nmodule m a:\n  relu if a > 3 else gelu\ndef d b: m 2b\nlayers: d n"
    ),
    "a condition on a size": "input: 8\nparameters: {n: 2}\nmodule m on C:\n  relu if C > 8 else gelu\nlayers: linear n -> m",
    "a condition on a repeat that may be longer": (
        "input: 8\nparameters: {n: 1}\nlayers: [relu -> [gelu] if index > 0] x n"
    ),
    "a condition on a row": "input: 8\nparameters: {n: a}\ntable t:\n  n | deep\n  a | no\n  b | yes\nlayers: relu if deep else gelu",
    "a condition on two switches": (
        "input: 8\nparameters: {n: a, m: a}\ntable t:\n  n | p\n  a | no\n  b | yes\ntable s:\n  m | q\n  a | no\n  b | yes\n"
        "layers: relu if p and q else gelu"
    ),
    "a condition on a number that may be none": "input: 8\nparameters: {n: 0}\nlayers:\n  relu\n  [relu] x n",
}


@pytest.mark.parametrize("name", FINE)
def test_fine(name: str):
    assert warned(FINE[name]) == ()


def test_a_file_is_not_warned_of_what_it_extends():
    assert warned("extends: resnet.yaml\nparameters: {depth: 34}") == ()


def test_with_a_mistake_there_is_no_warning():
    text = "input: 8\nparameters: {n: 0}\nlayers: liner 8"
    checked = check_project(Project(None, decode("spec.arch", text.encode())))
    assert (len(checked.diagnostics), checked.warnings) == (1, ())


def test_with_a_fact_that_fails_there_are_both():
    text = "input: 8\nparameters: {n: 0}\nlayers: linear 8 => 9"
    checked = check_project(Project(None, decode("spec.arch", text.encode())))
    assert [d.code for d in (*checked.diagnostics, *checked.warnings)] == ["A0702", "A1101"]


def test_branches_are_told_apart():
    text = "input: 8\nmodule m n:\n  if n == 1: relu\n  else if n == 2: gelu\n  else if n == 3: silu\n  else: tanh\nlayers: m 1 -> m 3"
    assert [str(d.span) for d in warned(text)] == ["spec.arch:4:19", "spec.arch:6:9"]
