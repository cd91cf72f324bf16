"""Elaboration where it is easily wrong: labels looked up, things applied again, and one message a mistake."""

from __future__ import annotations

import pytest

import archdsl
from archdsl import Network
from archdsl.diagnostics import SpecError
from archdsl.ir.nodes import Reuse


def load(layers: str, before: str = "", **parameters: float) -> Network:
    body = "".join(f"  {line}\n" for line in layers.strip("\n").split("\n"))
    return archdsl.loads(f"input: 8x16x16\n{before}layers: |\n{body}", **parameters)


def codes(layers: str, before: str = "", **parameters: float) -> list[str]:
    with pytest.raises(SpecError) as caught:
        archdsl.analyze(load(layers, before, **parameters))
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def parameters(network: Network) -> object:
    return archdsl.analyze(network).totals.of(training=False).parameters


# ---- again ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["enc.a", "enc.b", "enc"])
def test_again_reaches_into_levels_and_adds_no_arrays(path: str) -> None:
    level = "enc:\n  a: conv 3x3, 8\n  b:\n    add:\n      - conv 1x1, 8\n      - @a"
    network = load(f"{level}\nrelu -> again {path}")
    assert parameters(network) == parameters(load(level))
    reuse = [place.node for place in network.walk() if isinstance(place.node, Reuse)]
    assert [node.path for node in reuse] == [tuple(path.split("."))]


def test_again_sees_the_names_of_the_place_it_repeats() -> None:
    loop = "for w in [8, 16]:\n  c{w}: conv 3x3, w\nconv 1x1, 8"
    assert parameters(load(f"{loop}\nagain c8")) == parameters(load(loop))


def test_again_inside_a_repeat_is_refused_by_name() -> None:
    assert codes("s: [c: conv 3x3, 8 -> relu] x 3\nagain s.1.c") == ["A0504"]


# ---- one mistake, one message --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "code"),
    [
        ("a: covn 3x3, 8\n@a -> conv 1x1, 2", "A0201"),
        ("a: covn 3x3, 8\nagain a", "A0201"),
        ("enc:\n  a: conv 3x3, nope\n  b: relu\n@enc.b -> again enc.a -> again enc\n@enc.a", "A0202"),
        ("a: conv 3x3, 8\ncovn 3x3, 8\nagain a", "A0201"),
        ("if nope:\n  z: conv 3x3, 8\n@z -> again z", "A0202"),
        ("enc: concat:\n  a: conv 3x3, 8\n@enc -> @enc.a", "A0109"),
        ("for i in nope:\n  c{i}: conv 3x3, 8\nadd:\n  - @c1\n  - @c2", "A0202"),
        ("flatten -> f: linear nope\nlinear 8, weight @f, no bias", "A0202"),
        ("flatten -> conv 3x3, 8 -> f: linear 8\nlinear 8, weight @f, no bias", "A0401"),
    ],
)
def test_what_follows_from_a_mistake_is_no_second_one(layers: str, code: str) -> None:
    assert codes(layers) == [code]


def test_a_mistake_in_a_module_is_told_once() -> None:
    module = "module u: a: conv 3x3, nope -> relu\n"
    assert codes("m: u\n@m.a -> conv 1x1, 3\nagain m\n@m -> linear 3", module) == ["A0202"]


# ---- values --------------------------------------------------------------------------------------------------------


def test_yes_is_not_one_and_a_size_no_list() -> None:
    assert codes("u yes -> u 1", "module u a: [relu] if a\n") == ["A0306"]
    assert codes("u [3, 3] -> u 3x3", "module u a: [conv 3x3, 8] x 1 -> [for k in a: relu] x 1\n") == ["A0306"]


def test_a_callers_float_is_the_decimal_it_prints_as() -> None:
    before = "parameters:\n  a: 2\n"
    assert load("conv 3x3, 8*a", before, a=1.5).root.result.dims == (12, 16, 16)
    assert load("conv 3x3, a^2 + ceil(sqrt(a))", before, a=2.0).root.result.dims == (6, 16, 16)
    assert codes("conv 3x3, 8*a", before, a=float("nan")) == ["A0306"]
    assert codes("conv 3x3, a^3", before, a=1e200) == ["A0801"]


def test_a_promise_is_held_as_sizes_are_where_it_divides() -> None:
    module = "module down on CxHxW -> Cx(H/2)x(W/2): conv 3x3, C, stride 2\n"
    network = archdsl.loads(f"input: 8xHxW\n{module}layers: down => 8x(H/2)x(W/2)\n")
    assert [fact.holds for fact in archdsl.analyze(network).facts] == [True]


def test_sizes_beyond_any_bound_are_refused() -> None:
    module = "module u on CxHxW: conv 3x3, (C + 1)^{}\n"
    for exponent in (63, 64):
        with pytest.raises(SpecError, match="A0801"):
            archdsl.analyze(archdsl.loads(f"input: CxHxW\n{module.format(exponent)}layers: u -> u\n"))


CALLS = ["unit no, 4", "unit s no, w 4", "unit no s, w 4", "unit (no if 1 > 0 else yes), 4", "unit w 4"]


@pytest.mark.parametrize("call", CALLS)
def test_no_is_a_value_as_yes_is(call: str) -> None:
    before = "module unit s=no, w=4: |\n  conv 3x3, w -> bn if s\n"
    assert parameters(load(f"{call} => 292 params\nunit yes, 4 => 156 params", before)) == 448
