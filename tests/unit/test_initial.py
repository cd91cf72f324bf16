"""Rows of `init`: which arrays they speak of, what is wrong with them, and the statements they become."""

from __future__ import annotations

import re
import textwrap

import pytest

from archdsl import compile, from_json, load, loads
from archdsl.api import Project
from archdsl.checking import check_project
from archdsl.diagnostics import Collector, SourceFile, SpecError
from archdsl.ir.graph import Network
from archdsl.ir.initial import SCHEMES, initial, known_fill
from archdsl.ir.json_form import IRFormatError
from archdsl.ir.nodes import Fill
from archdsl.syntax.formatter import format_spec

NET = """\
parameters: {zero: yes, n: 3, std: 0.02}
input: 3x32x32
module block w:
  residual: conv 3x3, w, no bias -> bn -> relu -> conv 3x3, w, no bias -> last: bn
  relu
layers:
  stem: conv 3x3, 8
  stage: [block 8] x n
  avgpool global
  head: linear 10
"""


def network(rows: str, **parameters: object) -> Network:
    return loads(spec(rows), **parameters)  # type: ignore[arg-type]


def spec(rows: str) -> str:
    return f"{NET}init:\n{textwrap.indent(textwrap.dedent(rows).strip(), '  ')}\n"


def said(rows: str, **parameters: object) -> dict[str, str]:
    """The schemes of the arrays that rows speak of."""
    return {key: filled.fill.scheme for key, filled in initial(network(rows, **parameters)).items()}


def ends(rows: str, **parameters: object) -> str:
    """The statements of constructors that fill arrays."""
    shown = re.findall(r"^ +(?:for |if |elif |nn\.init).*$", compile(network(rows, **parameters)), re.MULTILINE)
    return "\n".join(row for row in shown if not re.search(r"range\(|training", row))


# ---- which arrays -----------------------------------------------------------------------------------------------------


def test_the_word_of_a_layer() -> None:
    found = said("conv: zeros")
    assert set(found) == {"stem.weight"} | {f"stage.{i}.conv{j}.weight" for i in range(3) for j in (1, 2)}


def test_a_name_is_all_that_is_below_it() -> None:
    assert set(said("stage.1: ones")) == {f"stage.1.{name}.weight" for name in ("conv1", "bn1", "conv2", "last")}


def test_numbers_and_stars_in_names() -> None:
    assert set(said("stage.{i}.last: ones")) == {f"stage.{i}.last.weight" for i in range(3)}
    assert set(said("stage.*.last: ones")) == {f"stage.{i}.last.weight" for i in range(3)}


def test_a_name_of_an_array_is_that_array() -> None:
    assert said("head.bias: zeros") == {"head.bias": "zeros"}


def test_biases_are_said_apart() -> None:
    assert said("linear: normal 0.1, bias zeros") == {"head.weight": "normal", "head.bias": "zeros"}
    assert said("linear: bias zeros") == {"head.bias": "zeros"}


def test_inside_a_module_names_begin_there() -> None:
    assert set(said("in block: last: zeros")) == {f"stage.{i}.last.weight" for i in range(3)}
    assert "stem.weight" not in said("in block: conv: zeros")


def test_later_rows_win() -> None:
    found = said("conv: normal 1\nstem: zeros")
    assert (found["stem.weight"], found["stage.0.conv1.weight"]) == ("zeros", "normal")


def test_a_row_that_does_not_hold_says_nothing() -> None:
    assert said("in block: last: zeros if zero", zero=False) == {}


def test_numbers_compute() -> None:
    row = initial(network("conv: normal std/2"))["stem.weight"]
    assert float(dict(row.fill.numbers)["std"]) == 0.01  # type: ignore[arg-type]


def test_several_targets() -> None:
    assert set(said("stem, head: zeros")) == {"stem.weight", "head.weight"}


def test_extending_adds_rows(tmp_path: object) -> None:
    base = spec("conv: normal 0.1\nlinear: normal 0.2")
    folder = tmp_path
    (folder / "base.arch").write_text(base)  # type: ignore[operator]
    (folder / "own.arch").write_text("extends: base.arch\ninit:\n  linear: zeros\n")  # type: ignore[operator]
    found = {key: f.fill.scheme for key, f in initial(load(folder / "own.arch")).items()}  # type: ignore[operator]
    assert (found["stem.weight"], found["head.weight"]) == ("normal", "zeros")


def test_removing_what_an_inherited_row_speaks_of(tmp_path: object) -> None:
    (tmp_path / "base.arch").write_text(spec("head: normal 0.1"))  # type: ignore[operator]
    own = tmp_path / "own.arch"  # type: ignore[operator]
    own.write_text("extends: base.arch\nchanges:\n  remove head\n")
    assert not check_project(Project(own)).diagnostics


def test_a_file_used_begins_as_it_says(tmp_path: object) -> None:
    (tmp_path / "part.arch").write_text(spec("conv: zeros\nhead: ones"))  # type: ignore[operator]
    own = tmp_path / "own.arch"  # type: ignore[operator]
    text = "input: 3x32x32\nuse part: part.arch\nlayers:\n  conv 3x3, 3\n  a: part\n  head: linear 3\n"
    own.write_text(text)
    assert set(initial(load(own))) == {
        "a.stem.weight", "a.head.weight", *(f"a.stage.{i}.conv{j}.weight" for i in range(3) for j in (1, 2))
    }  # fmt: skip
    own.write_text(f"{text}init:\n  a.stem: ones\n  conv: normal 1\n")
    found = initial(load(own))
    assert {found[k].fill.scheme for k in ("conv1.weight", "a.stem.weight", "a.stage.0.conv1.weight")} == {"normal"}
    assert found["a.head.weight"].fill.scheme == "ones"


# ---- forms ------------------------------------------------------------------------------------------------------------

ROWS = """\
conv: kaiming normal fan_out leakyrelu 0.2
linear: truncated normal std/sqrt(2n) within 0.04, bias uniform -0.1..0.1
bn: ones, bias constant -0.5
in block: last: zeros if zero
stage.1.conv1: orthogonal gain 2
"""


def test_json_keeps_rows() -> None:
    net = network(ROWS)
    again = from_json(net.to_json())
    assert again.to_json() == net.to_json()
    assert initial(again) == initial(net)
    assert compile(again) == compile(net)


def test_json_without_rows_is_what_it_was() -> None:
    assert '"inits"' not in loads(NET).to_json()


@pytest.mark.parametrize("change", ['"normal"', '"fan_out"', "2,", '"last"'])
def test_json_with_a_wrong_row_is_refused(change: str) -> None:
    text = network("conv: kaiming normal fan_out\nlinear: normal 2\nin block: last: zeros").to_json()
    wrong = {'"normal"': '"nomal"', '"fan_out"': '"tanh"', "2,": "-2,", '"last"': '"a{"'}[change]
    broken = text.replace('"std":2', '"std":-2') if change == "2," else text.replace(change, wrong)
    broken = broken.replace('"words":["tanh"]', '"words":["fan_in","fan_out"]')
    assert broken != text
    with pytest.raises(IRFormatError):
        from_json(broken)


def test_every_example_of_a_scheme_is_one() -> None:
    for name, scheme in SCHEMES.items():
        (fill,) = {f.fill for f in initial(network(f"linear: {scheme.example}")).values()}
        assert fill.scheme == name
        assert known_fill(fill) is None


def test_a_recipe_from_outside_is_checked() -> None:
    assert known_fill(Fill(None, "normal")) is not None
    assert known_fill(Fill(None, "zeros", (), (("std", 1),))) is not None
    assert known_fill(Fill(None, "kaiming normal", ("leakyrelu",))) is not None
    assert known_fill(Fill(None, "constant", (), (("low", 0), ("high", 1)))) is not None


def test_the_layout() -> None:
    text = "init:\n conv :kaiming  normal,bias   constant -4.6 # one\n linear: uniform -0.1 .. 0.1\n in block :\n    last:zeros if a\n"
    shown = format_spec(SourceFile("net.arch", text), Collector())
    assert shown == (
        "init:\n  conv:   kaiming normal, bias constant -4.6  # one\n  linear: uniform -0.1..0.1\n  in block:\n    last: zeros if a\n"
    )
    yaml = format_spec(SourceFile("net.arch", shown), Collector(), "yaml")
    assert yaml.startswith("init: |\n")
    assert format_spec(SourceFile("net.yaml", yaml), Collector(), "arch") == shown


# ---- mistakes ---------------------------------------------------------------------------------------------------------

MISTAKES = [
    ("covn: zeros", "A0511", "covn", "did you mean `conv`?"),
    ("in blok: last: zeros", "A0511", "blok", "did you mean `block`?"),
    ("in block: lst: zeros", "A0511", "lst", "did you mean `last`?"),
    ("a.{i+}: zeros", "A0511", "a.{i+}", ""),
    ("relu: zeros", "A0511", "relu", "archdsl analyze"),
    ("stage.7: zeros", "A0511", "stage.7", ""),
    ("in block: conv: normal 1, bias zeros", "A0511", "bias zeros", "remove it"),
    ("conv: kaming normal", "A0512", "kaming", "did you mean `kaiming normal`?"),
    ("conv: he normal", "A0512", "he", "`kaiming normal`"),
    ("conv: kaiming", "A0512", "kaiming", "`kaiming normal` or `kaiming uniform`"),
    ("conv: kaiming normal fan_ot", "A0512", "fan_ot", "did you mean `fan_out`?"),
    ("conv: biass zeros", "A0512", "biass", "did you mean `bias`?"),
    ("bn: kaiming normal", "A0513", "bn", "`constant`"),
    ("conv: normal", "A0301", "normal", "`normal 0.02`"),
    ("conv: normal 0.1 mean", "A0301", "mean", ""),
    ("conv: normal 1 2", "A0302", "2", "`normal 0.02`"),
    ("conv: zeros 1", "A0302", "1", "`zeros`"),
    ("conv: kaiming normal relu tanh", "A0303", "tanh", ""),
    ("conv: xavier uniform gain 2 relu", "A0303", "relu", ""),
    ("conv: normal 0", "A0305", "0", ""),
    ("conv: normal -0.1", "A0305", "-0.1", ""),
    ("conv: uniform 1..0", "A0305", "0", ""),
    ("conv: truncated normal 0.1 within 0", "A0305", "0", ""),
    ("conv: normal what", "A0202", "what", ""),
    ("conv: zeros if 3", "A0306", "3", ""),
    ("conv: constant log(0)", "A0306", "log(0)", ""),
]


@pytest.mark.parametrize(("rows", "code", "word", "help"), MISTAKES, ids=lambda text: text)
def test_mistakes_have_a_place(tmp_path: object, rows: str, code: str, word: str, help: str) -> None:
    path = tmp_path / "net.arch"  # type: ignore[operator]
    path.write_text(spec(rows))
    (found,) = check_project(Project(path)).diagnostics
    assert (found.code, help in (found.help or "")) == (code, True), found
    assert found.span is not None
    line = spec(rows).splitlines()[found.span.line - 1]
    assert line[found.span.column - 1 : found.span.end_column - 1] == word


def test_what_is_wrong_whatever_the_variant_is_said_by_every_command() -> None:
    for rows in ("covn: zeros", "conv: kaming normal", "conv: normal 0", "bn: xavier normal", "in blok: conv: zeros"):
        with pytest.raises(SpecError):
            network(rows)


def test_a_row_that_later_rows_undo(tmp_path: object) -> None:
    path = tmp_path / "net.arch"  # type: ignore[operator]
    path.write_text(spec("stem: zeros\nconv: normal std\nin block: last: zeros if zero"))
    (found,) = (d for d in check_project(Project(path)).warnings if d.code not in ("A1101", "A1107"))
    assert (found.code, found.span and found.span.line) == ("A1109", 12)


# ---- statements -------------------------------------------------------------------------------------------------------


def test_a_loop_by_class() -> None:
    assert ends("conv: kaiming normal fan_out relu\nlinear: bias zeros") == (
        """\
        for m in (m for m in self.modules() if isinstance(m, nn.Conv2d)):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.head.bias)"""
    )


def test_one_loop_for_several_classes() -> None:
    assert ends("conv: normal 0.1\nbn: ones, bias zeros") == (
        """\
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.normal_(m.weight, std=0.1)
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)"""
    )


def test_in_the_class_of_the_module() -> None:
    source = compile(network("in block: last: zeros"))
    assert source.index("nn.init.zeros_(self.last.weight)") < source.index("def forward")


def test_after_a_loop_that_meets_it_too() -> None:
    assert ends("bn: ones\nin block: last: zeros").splitlines()[-2:] == [
        "        for m in (m for m in self.modules() if isinstance(m, Block)):",
        "            nn.init.zeros_(m.last.weight)",
    ]


def test_numbers_as_they_were_computed() -> None:
    found = ends("head: normal std/sqrt(2n), bias constant -log((1 - std)/std)")
    assert "std=0.02 / 6**0.5" in found
    assert "-math.log(49)" in found
    assert "import math" in compile(network("head: constant log(3)"))


def test_what_has_no_form_of_its_own_is_written_by_name() -> None:
    assert (
        ends("stage.1.conv1: orthogonal") == '        nn.init.orthogonal_(self.get_parameter("stage.1.conv1.weight"))'
    )


def test_without_rows_nothing_changes() -> None:
    assert "nn.init" not in compile(loads(NET))
    assert compile(network("conv: zeros if not zero")) == compile(loads(NET))


def test_a_network_for_inference_draws_nothing() -> None:
    assert "nn.init" not in compile(network(ROWS), inference=True)


def test_a_width_that_a_row_counts_with_stays_a_constant() -> None:
    text = "parameters: {classes: 10}\ninput: 3x8x8\nlayers:\n  flatten\n  head: linear classes\n"
    assert "num_classes" in compile(loads(text))
    assert "num_classes" not in compile(loads(f"{text}init:\n  head: uniform 1/classes\n"))
