"""Hostile input is refused by name, at its place, before the work; the command line and the API alone raise a limit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from archdsl import limits, loads
from archdsl.api import Project, analyze
from archdsl.checking import check_project
from archdsl.cli import main
from archdsl.diagnostics import SourceFile, SpecError
from archdsl.ir.keys import state_keys
from archdsl.syntax.containers import decode
from archdsl.torch_backend.emitter import emit_source

INPUT = "input: 3x32x32\n"
LAUGHS = "a: &a [lol, lol]\n" + "".join(
    f"{y}: &{y} [{', '.join([f'*{x}'] * 9)}]\n" for x, y in zip("abcdefgh", "bcdefghi", strict=True)
)


def chain(count: int, word: str, call: str, end: str = "relu") -> str:
    """Definitions that each call the next: `call` with N for its name."""
    lines = [f"{word} d{i}: {call.replace('N', f'd{i + 1}')}\n" for i in range(count)]
    return f"{INPUT}layers: d0\n{''.join(lines)}{word} d{count}: {end}\n"


REFUSED = {
    "brackets": ("arch", f"{INPUT}layers:\n  {'[' * 100_000}", "3:59998", "more than 60000 words"),
    "deep brackets": ("arch", f"{INPUT}layers:\n  {'[' * 1000}", "3:67", "more than 64 brackets"),
    "yaml brackets": ("yaml", f"{INPUT}layers: {'[' * 50_000}", "2:72", "more than 64 brackets"),
    "yaml braces": ("yaml", "{" * 50_000, "1:65", "more than 64 brackets"),
    "billion laughs": ("yaml", LAUGHS, "1:4", "anchors"),
    "number": ("arch", f"{INPUT}layers: conv 3x3, 99999999999999999999", "2:19", "2^63"),
    "expression": ("arch", f"{INPUT}layers: conv 3x3, {'1+' * 900}1", None, "operations within each other"),
    "exploding argument": (
        "arch",
        f"{INPUT}layers: d0 1\n"
        + "".join(f"def d{i} w: d{i + 1} w+w+w\n" for i in range(18))
        + "def d18 w: conv 3x3, w",
        None,
        "more than 1000 parts",
    ),
    "chain of defs": ("arch", chain(300, "def", "N"), None, "modules and defs within each other"),
    "doubling defs": ("arch", chain(40, "def", "N -> N"), None, "layers, calls, levels"),
    "doubling modules": ("arch", chain(60, "module", "N -> N"), "", "layers, calls and levels to list"),
    "nested residuals": (
        "arch",
        chain(60, "module", "residual: residual: residual: [[[N]]]"),
        None,
        "within each other",
    ),
    "def of itself": ("arch", f"{INPUT}layers: a\ndef a: b\ndef b: a", "4:8", "contains itself"),
    "module of itself": ("arch", f"{INPUT}layers: a\nmodule a: b\nmodule b: a", "4:11", "contains itself"),
    "unrolled": ("arch", f"{INPUT}layers: for i in 1..1000000000: conv 3x3, i", None, "layers, calls, levels"),
    "long label": ("arch", f"{INPUT}layers: {'a' * 300}: relu", "2:9", "characters of a label"),
    "long word": ("arch", f"{INPUT}layers: {'a' * 100_000}", "2:9", "no layer or module"),
    "cells": ("arch", f"{INPUT}table t:\n" + "  1 | 1\n" * 10_001 + "layers: relu", "10003:3", "cells of a table"),
}


@pytest.mark.parametrize(("container", "text", "place", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_at_once(container: str, text: str, place: str | None, message: str) -> None:
    before = time.process_time()
    with pytest.raises(SpecError) as caught:
        analyze(Project(None, SourceFile(f"net.{container}", text)).network({}))
    assert time.process_time() - before < 10, "a second, on a machine with nothing else to do"
    found = caught.value.diagnostics[0]
    assert message in found.message
    if place:
        assert str(found.span) == f"net.{container}:{place}"
    assert (found.span is None) == (place == "")


ANSWERED = {
    "repeat": "[conv 3x3, 8] x 1000000000000000000",
    "for": "for i in 1..1000000000000000000: conv 3x3, 8",
    "channels": "conv 3x3, 99999999999",
}


@pytest.mark.parametrize("layers", ANSWERED.values(), ids=ANSWERED)
def test_answered_at_once(layers: str) -> None:
    before = time.process_time()
    project = Project(None, SourceFile("net.arch", f"{INPUT}layers: {layers}"))
    assert check_project(project).diagnostics == ()
    found = analyze(project.network({})).totals.of(training=False)
    assert time.process_time() - before < 10
    assert isinstance(found.parameters, int)
    assert found.parameters > 10**12


def test_keys_are_not_listed_without_end() -> None:
    with pytest.raises(SpecError, match="A0801"):
        state_keys(loads(f"{INPUT}layers: [conv 3x3, 8] x 1000000000000000000"))


def test_a_long_repeat_is_not_written_out() -> None:
    """Found by the fuzzer: two thousand million members of a list."""
    labelled = loads(f"{INPUT}module block: conv 3x3, 3 -> bn\nlayers:\n  layer1: [block] x 2147483648\n")
    with pytest.raises(SpecError, match="A1001"):
        emit_source(labelled)


def test_a_file_of_50_megabytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"# x\n" * 12_500_000)
    before = time.process_time()
    assert main(["check", str(path)]) == 1
    assert time.process_time() - before < 5
    assert "more than 1000000 bytes in a file" in capsys.readouterr().err


def test_files_stay_in_their_folder(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    base = f"{INPUT}layers: relu\n"
    (tmp_path / "out.yaml").write_text(base)
    (inside / "link.yaml").symlink_to(tmp_path / "out.yaml")
    (inside / "loop.yaml").write_text("extends: loop.yaml\n")
    for target, code in [
        ("../out.yaml", "A0606"),
        (str(tmp_path / "out.yaml"), "A0606"),
        ("link.yaml", "A0606"),
        ("gone.yaml", "A0606"),
        ("/dev/zero.yaml", "A0606"),
        ("loop.yaml", "A0605"),
    ]:
        for line in (f"extends: {target}\n", f"use it: {target}\n{INPUT}layers: it\n"):
            with pytest.raises(SpecError, match=code):
                loads(line, folder=inside)


def test_a_file_cannot_raise_a_limit() -> None:
    for line in ("limits: layers=100\n", "limit layers: 100\n"):
        with pytest.raises(SpecError, match="A0104"):
            loads(f"{line}{INPUT}layers: relu\n")


def test_the_api_raises_limits() -> None:
    text = chain(80, "def", "N")
    with pytest.raises(SpecError, match="--limit calls=N"):
        loads(text)
    with limits.raised(calls=100):
        assert loads(text).root.result.dims == (3, 32, 32)
        assert limits.changed() == {"calls": 100}
    assert limits.of("calls") == 64
    for wrong in ({"calls": 101}, {"calls": 0}, {"everything": 1}):
        with pytest.raises(ValueError, match="limit"), limits.raised(**wrong):
            pass


def test_the_command_line_raises_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.arch"
    path.write_text(chain(80, "def", "N"))
    assert main(["check", str(path)]) == 1
    assert main(["check", str(path), "--limit", "calls=100"]) == 0
    for wrong in ("calls=1000", "calls=-1", "calls", "cals=3", "calls=0"):
        assert main(["check", str(path), "--limit", wrong]) == 2
    assert "did you mean `calls`?" in capsys.readouterr().err


def test_everything_the_limits_allow_goes_through() -> None:
    """Nested as deep as may be: read, checked, analysed, written as JSON, without a recursion of Python's in the way."""
    from archdsl import from_json

    text = chain(40, "module", "residual: [N]", "conv 3x3, 3")
    project = Project(None, decode("net.arch", text.encode()))
    assert check_project(project).diagnostics == ()
    network = project.network({})
    assert analyze(from_json(network.to_json())).totals == analyze(network).totals


def test_the_documentation_lists_every_limit() -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    for name, limit in limits.LIMITS.items():
        assert f"| `{name}` | {limit.default:,} | {limit.what} |" in text
