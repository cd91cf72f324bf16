"""Hostile input is refused by name, at its place, before the work; the command line and the API alone raise a limit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from archdsl import compile, limits, loads
from archdsl.api import Project, analyze
from archdsl.checking import check_project
from archdsl.cli import main
from archdsl.diagnostics import SourceFile, SpecError
from archdsl.ir.keys import state_keys
from archdsl.syntax.containers import decode
from archdsl.torch_backend.emitter import emit_source
from tests.hostile import ANSWERED, COMPILED, INPUT, REFUSED, chain


@pytest.mark.parametrize(("container", "text", "place", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_at_once(container: str, text: str, place: str | None, message: str) -> None:
    before = time.process_time()
    with pytest.raises(SpecError) as caught:
        analyze(Project(None, SourceFile(f"net.{container}", text)).network({}))
    assert time.process_time() - before < 10, "a second, on a machine with nothing else to do"
    found = caught.value.diagnostics[0]
    assert message in found.message
    assert found.span is not None
    assert place in (None, str(found.span).partition(":")[2])


@pytest.mark.parametrize("layers", ANSWERED.values(), ids=ANSWERED)
def test_answered_at_once(layers: str) -> None:
    before = time.process_time()
    project = Project(None, SourceFile("net.arch", f"{INPUT}layers: {layers}"))
    assert check_project(project).diagnostics == ()
    found = analyze(project.network({})).totals.of(training=False)
    assert time.process_time() - before < 10
    assert isinstance(found.parameters, int)
    assert found.parameters > 10**12


@pytest.mark.parametrize(("layers", "place", "message"), COMPILED.values(), ids=COMPILED)
def test_no_source_is_written_of(layers: str, place: str, message: str) -> None:
    network = loads(layers, name="net.arch")
    before = time.process_time()
    with pytest.raises(SpecError) as caught:
        compile(network)
    assert time.process_time() - before < 10
    found = caught.value.diagnostics[0]
    assert message in found.message
    assert str(found.span) == f"net.arch:{place}"


def test_names_of_a_long_repeat_are_not_listed() -> None:
    """Found by the fuzzer: a hundred thousand keys, each matched with each rule."""
    text = f"{INPUT}layers:\n  a: [conv 3x3, 3] x 100000\nnames t:\n  a.{{i}} -> b.{{i}}\n"
    found = check_project(Project(None, SourceFile("net.arch", text))).diagnostics
    assert [str(d).partition(":")[2][:18] for d in found] == ["3:6: error[A0801]:"]


def test_keys_are_not_listed_without_end() -> None:
    with pytest.raises(SpecError, match="A0801"):
        state_keys(loads(f"{INPUT}layers: [conv 3x3, 8] x 1000000000000000000"))


def test_a_long_repeat_is_not_written_out() -> None:
    """Found by the fuzzer: two thousand million members of a list."""
    labelled = loads(f"{INPUT}module block: conv 3x3, 3 -> bn\nlayers:\n  layer1: [block] x 2147483648\n")
    assert "for _ in range(2147483648)" in emit_source(labelled)


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


@pytest.mark.parametrize("line", ["extends: resnet", "extends: resnet.yaml", f"use it: resnet.yaml\n{INPUT}layers: it"])
def test_a_bundled_file_is_copied_first(line: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        loads(f"{line}\n", folder=tmp_path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.help is not None
    assert Path(diagnostic.help.rpartition(": ")[2]).read_text().startswith("network: ResNet")


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
