"""The formatter: one layout a spec, nothing said differently, no comment lost, in both containers.

Golden pairs stand in `tests/cases/format`: NAME.in.yaml or NAME.in.arch with NAME.out.yaml and NAME.out.arch.
`UPDATE_GOLDEN=1 pytest tests/unit/test_formatter.py` writes what the formatter says now.
"""

from __future__ import annotations

import dataclasses
import os
import random
import re
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archdsl.diagnostics import Collector, SourceFile, SpecError
from archdsl.spec import Cell, Spec, read_spec
from archdsl.syntax.containers import read_sections
from archdsl.syntax.format_spacing import expression
from archdsl.syntax.format_trees import same_tree
from archdsl.syntax.formatter import Container, FormatterError, format_spec

ROOT = Path(__file__).parents[2]
FIXTURES = {path.name: path for path in sorted((ROOT / "tests/fixtures/specs").glob("*.yaml"))}
SPECS = {path.name: path for path in sorted((ROOT / "specs").rglob("*")) if path.suffix in (".yaml", ".arch")}
CASES = sorted((ROOT / "tests/cases/format").glob("*.in.*"))
CONTAINERS: tuple[Container, ...] = ("yaml", "arch")
# Specs of the language's description that stand there in exactly the canonical layout.
FIXED = ("densenet", "googlenet_torchvision", "resnet", "vit", "xception_mini")


def container(path: Path) -> Container:
    return "yaml" if path.suffix == ".yaml" else "arch"


def formatted(text: str, to: Container | None = None, name: str = "net.yaml") -> str:
    return format_spec(SourceFile(name, text), Collector(), to)


@cache
def fixture(name: str, to: Container) -> str:
    """A spec of the description in the canonical layout."""
    return formatted(FIXTURES[name].read_text(encoding="utf-8"), to)


def sections_of(text: str, own: Container) -> Any:
    return read_sections(SourceFile(f"net.{own}", text), Collector())


def spec_of(text: str, own: Container) -> object:
    """The spec as plain data, without places."""
    collector = Collector()
    file = SourceFile(f"net.{own}", text)
    spec = read_spec(file, read_sections(file, collector), collector)
    assert collector.errors == []
    return without_places(spec)


def without_places(value: object) -> object:
    if type(value).__module__ == Spec.__module__ and not isinstance(value, Cell):
        fields = [field.name for field in dataclasses.fields(value)]
        names = [name for name in fields if name not in ("file", "heading") and "span" not in name]
        return {name: without_places(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {name: without_places(part) for name, part in cast("dict[str, object]", value).items()}
    if isinstance(value, tuple):
        return tuple(without_places(part) for part in cast("tuple[object, ...]", value))
    return value


def check_all_properties(text: str, own: Container) -> None:
    """Idempotent in both containers, the same tree, and the same text whichever way it went."""
    direct = formatted(text, name=f"net.{own}")
    assert formatted(direct, name=f"net.{own}") == direct
    other: Container = "arch" if own == "yaml" else "yaml"
    converted = formatted(text, other, name=f"net.{own}")
    assert formatted(converted, name=f"net.{other}") == converted
    before = sections_of(text, own)
    assert same_tree(before, sections_of(direct, own))
    assert same_tree(before, sections_of(converted, other))
    yaml, arch = (direct, converted) if own == "yaml" else (converted, direct)
    assert formatted(arch, "yaml", name="net.arch") == yaml
    assert comments(yaml) == comments(arch)


def comments(text: str) -> list[str]:
    return [line.split("#", 1)[1] for line in text.split("\n") if re.search(r"(^| )#", line)]


# ---- whole specs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*FIXTURES.values(), *SPECS.values()], ids=lambda path: path.name)
def test_specs_keep_tree_and_comments_in_both_containers(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    check_all_properties(text, container(path))
    assert comments(formatted(text, name=path.name)) == comments(text)


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize("to", CONTAINERS)
def test_formatting_keeps_the_spec_that_is_read(name: str, to: Container) -> None:
    text = FIXTURES[name].read_text(encoding="utf-8")
    assert spec_of(formatted(text, to), to) == spec_of(text, "yaml")


@pytest.mark.parametrize("name", FIXTURES)
def test_only_blanks_change_in_the_specs_of_the_description(name: str) -> None:
    text = FIXTURES[name].read_text(encoding="utf-8")

    def words(text: str) -> list[str]:
        return [" ".join(line.split()) for line in text.split("\n") if line]

    result = formatted(text)
    assert words(result) == words(text)
    if name.removesuffix(".yaml") in FIXED:
        assert result == text


def test_text_is_yaml_without_bars() -> None:
    def keys(text: str) -> list[str]:
        return [line.partition("#")[0].rstrip() for line in text.split("\n") if line[:1].isalpha()]

    for name in FIXTURES:
        assert keys(fixture(name, "arch")) == [key.removesuffix(" |") for key in keys(fixture(name, "yaml"))]


# ---- golden cases ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
@pytest.mark.parametrize("to", CONTAINERS)
def test_golden(path: Path, to: Container) -> None:
    text = path.read_text(encoding="utf-8")
    golden = path.with_name(path.name.replace(f".in{path.suffix}", f".out.{to}"))
    result = formatted(text, to, name=path.name)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(result, encoding="utf-8")
    assert result == golden.read_text(encoding="utf-8")
    check_all_properties(text, container(path))


# ---- rules one by one -----------------------------------------------------------------------------------------------


def body(*lines: str) -> list[str]:
    result = formatted("layers:\n" + "\n".join(f"  {line}" for line in lines), name="net.arch")
    return [line[2:] for line in result.rstrip("\n").split("\n")[1:]]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("width*2 ^ (i - 1)", "width * 2^(i-1)"),
        ("anchors * classes", "anchors*classes"),
        ("2 * ( a+b )//c", "2*(a + b)//c"),
        ("a*b+c", "a*b + c"),
        ("- a", "-a"),
        ("4w", "4w"),
        ("2( a + b )", "2(a + b)"),
        ("divisible( C/4,8 )", "divisible(C/4, 8)"),
        ("( 2 if first and a is  not b else 1 )", "(2 if first and a is not b else 1)"),
        ("(2C)x( H / 2 )", "(2C)x(H/2)"),
        ("[ 32,64 , 1x1 ]", "[32, 64, 1x1]"),
    ],
)
def test_expressions(written: str, shown: str) -> None:
    assert expression(written) == expression(shown) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a:conv 3x3,64,no  bias->relu", "a: conv 3x3, 64, no bias -> relu"),
        ("roll - 1", "roll -1"),
        ("conv 3x3, w -1", "conv 3x3, w - 1"),
        ("[ unit 64 ]x  n", "[unit 64] x n"),
        ('"out  put" :linear 5', '"out  put": linear 5'),
        ("@a.{ i - 1 }.b->relu", "@a.{i-1}.b -> relu"),
        ("c{ 2 * ( i + 1 ) }: relu", "c{2*(i+1)}: relu"),
        ("relu  if  not a  else   gelu", "relu if not a else gelu"),
        ("again   head.x", "again head.x"),
        ("reshape  ( a * b )x( H / 2 )", "reshape (a*b)x(H/2)"),
        ("output  aux  when   training:relu", "output aux when training: relu"),
        ("for i in  1 .. n + 1 :relu", "for i in 1..n+1: relu"),
        ("for i in n - 1   downto 1:relu", "for i in n - 1 downto 1: relu"),
        ("=>5   params,~3.8G multiply-adds,  4 params when   training",
         "=> 5 params, ~3.8G multiply-adds, 4 params when training"),
    ],
)  # fmt: skip
def test_lines(written: str, shown: str) -> None:
    assert body(written) == body(shown) == [shown]


def test_facts_stand_in_a_column_that_long_lines_do_not_push() -> None:
    long = "[" + " -> ".join(["conv 3x3, 64"] * 8) + "]"
    middle = "[" + " -> ".join(["conv 3x3, 64"] * 4) + " -> relu]"
    lines = body(f"{long} => 1x2x3", f"{middle} => 1x2x3", "relu => 1x2x3", "# a new group", "relu => 1x2x3")
    columns = [line.find("=>") for line in lines]
    assert columns == [len(long) + 2, len(middle) + 2, len(middle) + 2, -1, 58]


def test_numbers_of_one_module_stand_in_columns() -> None:
    assert body("a: inc 1,22,333", "relu", "b: inc 4444,5, 6", "cc: inc 1,  2, 3", "c: inc 1,2") == [
        "a: inc 1,    22,   333",
        "relu",
        "b: inc 4444, 5,    6",
        "cc: inc 1, 2, 3",
        "c: inc 1, 2",
    ]


def test_lines_of_a_body_keep_their_breaks() -> None:
    written = ["a: [", "conv 3x3,8->   # one", "  # alone", "", "", "max 2x2", "] x 2", "conv 3x3, 8 ->", "relu"]
    assert body(*written) == [
        "a: [",
        "  conv 3x3, 8 ->                                          # one",
        "  # alone",
        "",
        "  max 2x2",
        "] x 2",
        "conv 3x3, 8 ->",
        "    relu",
    ]


def test_a_comment_keeps_the_block_it_stands_in() -> None:
    written = ["residual:", "    relu", "    # in the block", "  # between, hence outside", "# outside", "relu"]
    assert body(*written) == [
        "residual:",
        "  relu",
        "  # in the block",
        "# between, hence outside",
        "# outside",
        "relu",
    ]


def test_blank_lines_between_sections() -> None:
    text = "network: a\ninput: 3\n\n\ndef f: relu\ndef g:\n  relu\ndef h:\n  relu\n# of k\ndef k: relu\n\n\n\n# end\n"
    assert formatted(text, name="net.arch") == (
        "network: a\ninput: 3\n\ndef f: relu\n\ndef g:\n  relu\n\ndef h:\n  relu\n\n# of k\ndef k: relu\n\n# end\n"
    )


def test_mistakes_are_collected_and_nothing_is_formatted() -> None:
    collector = Collector()
    text = "layers: |\n  conv 3x3, 64 relu\nmodule m w: |\n  x: relu\ninput: 3x\n"
    with pytest.raises(SpecError) as caught:
        format_spec(SourceFile("net.yaml", text), collector)
    assert len(caught.value.diagnostics) == len(collector.errors) == 3
    with pytest.raises(SpecError):
        formatted("layers: |\n  relu\nlayers: |\n  relu\n")


def test_the_guard_refuses_another_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    def same_word(_: object) -> str:
        return "relu"

    monkeypatch.setattr("archdsl.syntax.format_rows.word", same_word)
    with pytest.raises(FormatterError, match="what the spec says"):
        formatted("layers: |\n  gelu\n")


def test_the_guard_refuses_to_lose_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(text: str, _tail: str, _column: int) -> str:
        return text

    monkeypatch.setattr("archdsl.syntax.format_rows.beside", alone)
    with pytest.raises(FormatterError, match="comments"):
        formatted("layers: |\n  gelu  # dear\n")


# ---- whatever the blanks were ---------------------------------------------------------------------------------------


def mangled(text: str, rng: random.Random) -> str:
    """The spec with other blanks: wider gaps, none where none is needed, deeper indentation, blanks at the ends."""
    lines: list[str] = []
    keyword, base, factor = "", 2, 1
    for line in text.rstrip("\n").split("\n"):
        if line[:1].isalpha():
            keyword, base, factor = line.split(" ")[0].rstrip(":"), rng.randint(1, 5), rng.randint(1, 3)
        code, comment = split_comment(line)
        words = code.strip(" ")
        depth = len(line) - len(line.lstrip(" "))
        indent = base + (depth - 2) * factor if depth else 0
        if keyword == "table" and depth:
            words = re.sub(r" *\| *", lambda _: " " * rng.randint(0, 2) + "|" + " " * rng.randint(0, 2), words)
        elif keyword not in ("map", "network", "use", "extends") and depth:
            words = re.sub(r" *(->|=>|,) *", lambda m: rng.choice([m[0], m[1]]), words)
        if keyword != "network":
            words = re.sub(r" +", lambda m: m[0] * rng.randint(1, 3), words)
        lines.append(" " * indent + words + " " * rng.randint(1, 9) * bool(words and comment) + comment)
        lines[-1] += " " * rng.randint(0, 2)
        lines += [""] * (rng.randint(0, 2) if not line else 0)
    return "\n".join(lines) + "\n" * rng.randint(0, 3)


def split_comment(line: str) -> tuple[str, str]:
    match = re.search(r"(?:^|(?<= ))#.*$", line)
    return (line[: match.start()], match[0]) if match else (line, "")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(FIXTURES)), st.sampled_from(CONTAINERS), st.randoms(use_true_random=False))
def test_blanks_do_not_matter(name: str, own: Container, rng: random.Random) -> None:
    canonical = fixture(name, own)
    assert formatted(mangled(canonical, rng), name=f"net.{own}") == canonical


def commented(text: str, rng: random.Random) -> str:
    """The spec with comments at random lines, behind them and between them."""
    lines: list[str] = []
    for number, line in enumerate(text.rstrip("\n").split("\n")):
        if rng.random() < 0.2 and line:
            indent = len(line) - len(line.lstrip(" "))
            lines += [" " * indent + f"# above {number}"] + [""] * (rng.random() < 0.3 and indent == 0)
        is_code = line.strip(" ") and not split_comment(line)[1]
        lines.append(f"{line} # behind {number}" if is_code and rng.random() < 0.2 else line)
    return "\n".join(lines) + "\n# the end\n" * rng.randint(0, 1)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(FIXTURES)), st.sampled_from(CONTAINERS), st.randoms(use_true_random=False))
def test_comments_stay_in_order_wherever_they_stand(name: str, own: Container, rng: random.Random) -> None:
    text = commented(fixture(name, own), rng)
    yaml = formatted(text, "yaml", name=f"net.{own}")
    assert comments(yaml) == comments(text)
    assert formatted(yaml, "yaml") == yaml
    arch = formatted(text, "arch", name=f"net.{own}")
    assert comments(arch) == comments(text)
    assert formatted(arch, "yaml", name="net.arch") == yaml
