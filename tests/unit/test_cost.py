"""Cost follows the length of the spec, not the depth of the network. Calls are counted, not seconds."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable

import pytest

import archdsl
from archdsl import checking, records
from archdsl.api import Project
from archdsl.elaborate import arguments
from archdsl.elaborate.files import find_spec
from archdsl.expr import Expr
from archdsl.ir.evaluate import Env
from archdsl.ir.graph import Layer, Network
from archdsl.ir.keys import Entry, entries
from archdsl.ops.conv import Conv


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often convolutions are asked for a shape, and layers counted."""
    found: Counter[str] = Counter()
    for name in ("output", "macs", "tensors"):
        method = getattr(Conv, name)

        def counting(self: Conv, *shapes: object, _name: str = name, _method: Callable[..., object] = method) -> object:
            found[_name] += 1
            return _method(self, *shapes)

        monkeypatch.setattr(Conv, name, counting)
    return found


@pytest.fixture(autouse=True)
def _compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a class makes its first objects is no cost of what is counted here."""
    monkeypatch.setattr(records, "_RARE", 0)


def calls(action: Callable[[], object]) -> int:
    """How many functions are called."""
    count = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    action()  # what is made once is made now
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def analyzed(text: str) -> Callable[[], object]:
    return lambda: archdsl.analyze(archdsl.loads(text))


def repeated(times: int) -> str:
    return f"input: 64x8x8\nmodule unit:\n  conv 3x3, 64 -> bn -> relu\nlayers:\n  [unit] x {times}\n"


@pytest.mark.parametrize("times", [2, 1000, 1_000_000])
def test_equal_iterations_are_evaluated_once(times: int, asked: Counter[str]) -> None:
    found = archdsl.analyze(archdsl.loads(repeated(times)))
    assert found.totals.of(training=False).macs == times * 64 * 64 * 9 * 64
    assert asked["output"] == 1
    assert asked["macs"] == 1


def test_a_repeat_costs_the_same_however_often() -> None:
    few, many = calls(analyzed(repeated(3))), calls(analyzed(repeated(300_000)))
    assert abs(many - few) < few / 10


def test_a_module_called_again_is_not_built_again(asked: Counter[str]) -> None:
    module = "input: 64x8x8\nmodule unit:\n  conv 3x3, 64\nlayers:\n"
    archdsl.analyze(archdsl.loads(module + "  unit\n" * 30))
    assert asked["output"] == 1


def test_a_layer_is_counted_once(asked: Counter[str]) -> None:
    """Also where a fact asks for the line it stands in."""
    archdsl.analyze(archdsl.loads("input: 64x8x8\nlayers:\n" + "  conv 3x3, 64  => 36928 params\n" * 30))
    assert asked == {"output": 30, "macs": 30, "tensors": 30}


def test_a_network_let_go_is_gone() -> None:
    """None is left for Python's search for cycles, which would keep it and take longer than the analysis."""

    def analyze() -> int:
        archdsl.analyze(archdsl.loads("input: 8x64x64\nmodule unit c:\n  conv 3x3, c\nlayers:\n  [unit 4] x 3\n"))
        return sum(type(kept) is Layer for kept in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        assert analyze() == analyze()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "text",
    [
        lambda n: "input: 8x64x64\nlayers:\n" + "".join(f"  conv 3x3, {i}\n" for i in range(1, n + 1)),
        lambda n: f"input: 8x64x64\nlayers:\n  for i in 1..{n}:\n    conv 3x3, i\n",
        lambda n: f"input: 8x64x64\nmodule unit c:\n  conv 3x3, c -> relu\nlayers:\n  for i in 1..{n}:\n    unit i\n",
        lambda n: "input: 8x64x64\nlayers:\n" + "".join(f"  c{i}: conv 3x3, {i}\n" for i in range(1, n + 1)),
    ],
    ids=["lines", "loop", "modules", "labels"],
)
def test_different_parts_cost_in_proportion(text: Callable[[int], str]) -> None:
    small, large = calls(analyzed(text(100))), calls(analyzed(text(400)))
    assert large < 4.2 * small


def test_what_another_block_and_another_row_cost() -> None:
    text = "input: 8x64x64\nlayers:\n  for i in 1..{}:\n    conv 3x3, i\n"
    assert calls(analyzed(text.format(400))) - calls(analyzed(text.format(100))) < 300 * 83
    network = archdsl.load("resnet152")
    rows = len(archdsl.analyze(network).tree)
    assert calls(lambda: archdsl.analyze(network)) < 36 * rows


def test_what_no_name_decides_is_bound_once(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: Counter[str] = Counter()
    for name in ("evaluate", "evaluate_said"):
        evaluate = getattr(arguments, name)

        def evaluating(expression: Expr, env: Env, _evaluate: Callable[[Expr, Env], object] = evaluate) -> object:
            evaluated[type(expression).__name__] += 1
            return _evaluate(expression, env)

        monkeypatch.setattr(arguments, name, evaluating)
    found = archdsl.loads("input: 8x64x64\nlayers:\n  for i in 1..9:\n    conv 3x3, 2i, stride 1\n")
    assert evaluated == {"SizeExpr": 1, "Number": 1, "Binary": 9}  # the size, the stride and nine widths
    assert [place.output.features for place in found.walk()] == [2 * i for i in range(1, 10)]


@pytest.mark.parametrize(("axis", "dims"), [("width", (2, 8, 32)), ("axis", (2, 32, 8))])
def test_a_word_bound_again_is_the_word(axis: str, dims: tuple[int, ...]) -> None:
    """`along width` is the axis, also where a parameter is called so."""
    head = "input: 4x8x8\nparameters: {width: 3, axis: height}\nlayers:\n  for i in 1..2:\n"
    paths = f"    concat along {axis}:\n" + 2 * "      - conv 1x1, i\n"
    assert archdsl.loads(head + paths).root.result.dims == dims


@pytest.mark.parametrize("width", ["8 - i", "8 / i"])
def test_a_call_bound_again_is_checked_again(width: str) -> None:
    text = f"input: 8x64x64\nlayers:\n  for i in 1..9:\n    conv 3x3, ({width})\n"
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads(text)
    assert caught.value.diagnostics[0].code in ("A0305", "A0307")


def test_the_whole_of_gpt_3_is_as_long_as_its_spec() -> None:
    table = "table sizes: |\n  size | layers | d | h\n  a | {} | 12288 | 96\n"
    head = "network: GPT\nextends: gpt2.yaml\nparameters: {size: a, context: 2048}\ninput: 2048 below vocab\n"
    folder = find_spec("gpt2").parent

    def found(layers: int) -> archdsl.Analysis:
        return archdsl.analyze(archdsl.loads(head + table.format(layers), name="gpt.yaml", folder=folder))

    totals = found(96).totals.of(training=False)
    assert totals.parameters == 174_604_259_328
    assert f"{totals.macs / 10**12:.3f}" == "367.402"
    assert calls(lambda: found(96)) == calls(lambda: found(3))  # of both, twice the layers have no whole root


def test_a_mistake_in_every_turn_is_not_made_in_all_of_them() -> None:
    def check(times: int) -> None:
        text = f"input: 3x32x32\nlayers:\n  for i in 1..{times}:\n    a{{i}}: conv 3x3, wide * i\n"
        with pytest.raises(archdsl.SpecError) as caught:
            archdsl.loads(text)
        assert [d.code for d in caught.value.diagnostics] == ["A0202"]

    few, many = calls(lambda: check(2_000)), calls(lambda: check(10_000))
    assert abs(many - few) < few / 10


def test_check_lists_the_arrays_of_a_network_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Counter[str] = Counter()

    def counting(network: Network) -> list[Entry]:
        found[str(network.parameters["depth"])] += 1
        return entries(network)

    monkeypatch.setattr(checking, "entries", counting)
    assert not checking.check_project(Project(find_spec("densenet"))).diagnostics
    assert set(found.values()) == {1}
    assert found.keys() == {"121", "169", "201", "161"}
