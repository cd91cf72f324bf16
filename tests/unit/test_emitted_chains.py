"""Loops over rows, levels that are walked, and the last look at a class: `repeats`, `walks` and `tidy`."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.torch_backend import pycode as py
from archdsl.torch_backend.pyprint import show
from archdsl.torch_backend.repeats import Row, Times, appended, local, loop
from archdsl.torch_backend.tidy import hoisted, tidied


def text(statements: list[py.Stmt] | tuple[py.Stmt, ...] | None) -> str:
    """Statements as they are printed, local variables by their names."""
    assert statements is not None
    return show(py.Module(None, tuple(tidied(s, {}) for s in statements)))


def linear(before: int, width: int) -> py.Expr:
    return py.Call(py.Name("nn.Linear"), (py.Lit(before), py.Lit(width)))


def none(name: str) -> None:
    del name


def test_rows_that_differ_in_numbers_are_a_loop_over_a_table() -> None:
    relu = py.Call(py.Name("nn.ReLU"))
    rows: list[Row] = [(linear(3, 8), relu), (linear(8, 4), relu), (linear(4, 6), relu)]
    assert text(loop(rows, none)) == (
        "in_features = 3\n"
        "for width in (8, 4, 6):\n"
        "    layers += [nn.Linear(in_features, width), nn.ReLU()]\n"
        "    in_features = width\n"
    )


def test_equal_rows_have_no_table() -> None:
    assert text(loop([(linear(4, 4),)] * 3, none)) == "for _ in range(3):\n    layers.append(nn.Linear(4, 4))\n"


def test_a_first_turn_that_differs_is_a_choice() -> None:
    rows: list[Row] = [(Times((((linear(3, 8),), 1), ((linear(5, 8),), 2))),) for _ in range(3)]
    found = text(loop(rows, none))
    assert found.startswith("for _ in range(3):\n    for i in range(3):\n")
    assert "nn.Linear(3 if i == 0 else 5, 8)" in found


@pytest.mark.parametrize(
    "rows",
    [
        [(linear(3, 8),), (linear(8, 4),)],  # too few
        [(linear(3, 8),), (linear(8, 4), linear(4, 4)), (linear(4, 4),)],  # of different length
        [(linear(3, 8),), (py.Call(py.Name("nn.ReLU")),), (linear(8, 4),)],  # of different classes
    ],
)
def test_rows_without_a_pattern(rows: list[Row]) -> None:
    assert loop(rows, none) is None


def test_what_is_appended() -> None:
    one, star = py.Name("one"), py.Star(py.Name("more"))
    assert text(appended([one])) == "layers.append(one)\n"
    assert text(appended([one, star])) == "layers += [one, *more]\n"
    assert appended([]) == []


def test_a_stride_called_as_its_keyword_stands_in_its_position() -> None:
    conv = py.Call(
        py.Name("nn.Conv2d"),
        (py.Lit(3), py.Lit(8), py.Lit(1)),
        (("stride", py.Name("formal__s")), ("bias", py.Lit(False))),
    )
    shown = py.Assign(py.Name("self.conv"), conv)
    assert text((tidied(shown, {"formal__s": "stride"}),)) == "self.conv = nn.Conv2d(3, 8, 1, stride, bias=False)\n"
    assert text((tidied(shown, {"formal__s": "s"}),)) == "self.conv = nn.Conv2d(3, 8, 1, stride=s, bias=False)\n"


def test_a_local_variable_gives_way_to_an_argument() -> None:
    assert tidied(local("width"), {"formal__w": "width"}) == py.Name("width_")
    assert tidied(local("width"), {}) == py.Name("width")


def test_what_is_computed_again_and_again_has_a_name() -> None:
    product = py.Bin("*", py.Name("a"), py.Name("b"))
    thrice = tuple(py.Assign(py.Name(f"self.{n}"), py.Call(py.Name("f"), (product,))) for n in "xyz")
    assert text(hoisted(thrice)).startswith("hidden = a * b\nself.x = f(hidden)\n")
    assert hoisted(thrice[:2]) == thrice[:2]


DECODER = """
input:
  x: Tx8
  memory: Sx8
module layer memory:
  residual: linear 8
  residual: attend heads 2:
    - linear 8
    - @memory -> linear 8
    - @memory -> linear 8
layers:
  @x
  layers: [layer @memory] x 3
"""


def test_a_repeat_that_is_handed_a_value_is_walked() -> None:
    source = archdsl.compile(archdsl.loads(DECODER))
    assert "self.layers = nn.ModuleList([Layer() for _ in range(3)])" in source
    assert "for layer in self.layers:\n            x = layer(x, memory)" in source


def test_the_same_text_wherever_objects_come_to_lie() -> None:
    """What is told apart by its place in memory has to be held: another object may come to lie there."""
    network = archdsl.load("m5", net="M18")
    held, texts = [], set()
    for number in range(16):
        held.append([object() for _ in range(number * 37 % 101)])
        texts.add(archdsl.compile(network))
    assert len(texts) == 1
