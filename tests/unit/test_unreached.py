"""Bodies that nothing calls and branches that nothing takes: their words, arguments and names are checked, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.api import Project
from archdsl.checking import check_project
from archdsl.diagnostics import Collector
from archdsl.elaborate.files import bundled_folder
from archdsl.elaborate.unreached import check_unreached
from archdsl.syntax.containers import decode

ROOT = Path(__file__).parents[2]
HEAD = "input: 3xHxW\nparameters: {norm: yes, w: 8, act: relu}\nmap links: |\n  in 0\n  0 X\n"
BRANCH = "layers:\n  conv 3x3, 8\n  if not norm:\n    "
CALLED = "layers: conv 3x3, 8\nmodule part a, b=2 on CxSxS -> CxSxS:\n  "


def said(text: str) -> list[str]:
    """Code and faulty token of every mistake."""
    found = check_project(Project(None, decode("spec.arch", text.encode()))).diagnostics
    lines = text.split("\n")
    return [f"{d.code} {lines[d.span.line - 1][d.span.column - 1 : d.span.end_column - 1]}" for d in found if d.span]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("covn 3x3, 8", "A0201 covn"),
        ("conv 3x3, 8, stide 2", "A0203 stide"),
        ("conv 3x3, 8, stride 2, stride 3", "A0303 3"),
        ("conv 3x3", "A0301 conv"),
        ("conv 3x3, 8, 9", "A0302 9"),
        ("conv 3x3, 8, connect lins", "A0204 lins"),
        ("conv 3x3, wz", "A0202 wz"),
        ("conv 3x3, (8 if norm else wz)", "A0202 wz"),
        ("avgpool globl", "A0203 globl"),
        ("relu strid 2", "A0203 strid"),
        ("act if act is relu else gelo", "A0201 gelo"),
        ("[relu] x nn", "A0202 nn"),
        ("for i in 1..m: conv 3x3, i", "A0202 m"),
        ("for each row of tabel: relu", "A0206 tabel"),
        ("@there -> relu", "A0502 @there"),
        ("again there", "A0502 there"),
        ("linear 8, weight @there", "A0502 @there"),
        ("other.part", "A0208 other.part"),
        ("attend heds 2: relu", "A0203 heds"),
        ("conv 3x3, 8 if norm", "A0311 norm"),
        ("relu => 8xHxZ", "A0202 Z"),
    ],
)
def test_what_is_misspelt_is_told_wherever_it_stands(line: str, expected: str):
    assert said(f"{HEAD}{BRANCH}{line}") == [expected]
    if "Z" not in expected:
        assert said(f"{HEAD}{CALLED}{line}") == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "conv 3x3, a, stride b -> bn -> act",
        "here: conv 3x3, C -> relu => CxSxS",
        "concat along width: \n    - identity\n    - relu",
        "for k in [1, 3]: conv k, (index if first else k)",
        "row: for i in 1..3: at{i}: conv 3x3, i\n  @row.at2 -> relu",
        "part 3 -> part a 3, b 4 -> part 3, no b",
        "conv axb, 8, connect links",
        "@a -> relu",
    ],
)
def test_what_is_right_is_left_alone(line: str):
    assert said(f"{HEAD}{CALLED}{line}") == []


@pytest.mark.parametrize("path", sorted(bundled_folder().glob("*.yaml")), ids=lambda path: path.stem)
def test_bundled_specs_are_right_even_where_nothing_is_known_of_values(path: Path):
    project, collector = Project(path), Collector()
    check_unreached(project.spec, project.library, {}, collector)
    assert collector.diagnostics == []


def test_what_was_built_is_not_told_twice():
    assert said(f"{HEAD}layers:\n  part 3 -> part 4\nmodule part a:\n  covn 3x3, a\n  relu if norm else rleu") == [
        "A0201 covn",
        "A0201 rleu",
    ]


def test_mistakes_stand_in_the_order_of_the_text():
    assert said(f"{HEAD}def part: covn 3x3, 8\nlayers:\n  rleu") == ["A0201 covn", "A0201 rleu"]
