"""What commands write: whole files or nothing, and never over what somebody wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl import api
from archdsl.cli import files

from .conftest import Run

EMITTED = '"""LeNet-5.\n\nMade by archdsl 0.1.0 from lenet5.yaml.\n"""\n'


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> str:
    """The emitter replaced by one that always says the same."""
    monkeypatch.setattr(api, "compile", lambda network, *options: EMITTED)
    return EMITTED


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_compile_prints(run: Run, emitted: str):
    ran = run("compile", "lenet5")
    assert (ran.code, ran.out, ran.err) == (0, emitted, "")


def test_compile_writes_and_writes_again(run: Run, emitted: str, tmp_path: Path):
    out = tmp_path / "lenet5.py"
    for _ in range(2):
        ran = run("compile", "lenet5", "-o", str(out))
        assert (ran.code, ran.out) == (0, "")
        assert "wrote" in ran.err
        assert out.read_text() == emitted
    assert only(tmp_path) == ["lenet5.py"]


def test_compile_for_real_is_recognised_as_ours(run: Run, tmp_path: Path):
    pytest.importorskip("torch")
    out = tmp_path / "lenet5.py"
    assert run("compile", "lenet5", "-o", str(out)).code == 0
    assert run("compile", "lenet5", "-o", str(out)).code == 0


def test_a_long_citation_does_not_hide_whose_file_it_is(run: Run, tmp_path: Path):
    out, spec = tmp_path / "net.py", tmp_path / "net.arch"
    spec.write_text(f"network: n\nsource: {'words and more words ' * 40}\ninput: 3x8x8\nlayers:\n  conv 3x3, 8\n")
    for _ in range(2):
        ran = run("compile", str(spec), "-o", str(out))
        assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    "text",
    ["print('mine')\n", "\n" * 6 + "# archdsl\n", "\x00\xff", "import archdsl\n\nnet = archdsl.load('lenet5')\n"],
)
def test_compile_refuses_what_it_did_not_write(run: Run, emitted: str, tmp_path: Path, text: str):
    out = tmp_path / "mine.py"
    out.write_text(text, encoding="latin-1")
    ran = run("compile", "lenet5", "-o", str(out))
    assert ran.code == 2
    assert "was not written by archdsl" in ran.err
    assert out.read_text(encoding="latin-1") == text
    assert run("compile", "lenet5", "-o", str(out), "--force").code == 0
    assert out.read_text() == emitted


def test_compile_never_replaces_the_spec(run: Run, emitted: str, tmp_path: Path):
    spec = tmp_path / "net.arch"
    spec.write_text("# archdsl\ninput: 3x8x8\nlayers:\n  conv 3x3, 8\n")
    before = spec.read_text()
    ran = run("compile", str(spec), "-o", str(spec), "--force")
    assert ran.code == 2
    assert "the spec itself" in ran.err
    assert spec.read_text() == before


def test_wrong_spec_leaves_the_old_output(run: Run, tmp_path: Path):
    out = tmp_path / "net.py"
    out.write_text(EMITTED)
    assert run("compile", "-", "-o", str(out), stdin="input: 3x8x8\nlayers:\n  covn 3x3, 8\n").code == 1
    assert out.read_text() == EMITTED
    assert only(tmp_path) == ["net.py"]


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_failed_writing_leaves_the_old_output(
    run: Run, emitted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
):
    def fails(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    out = tmp_path / "net.py"
    out.write_text('"""Made by archdsl 0.0.9 from x."""\n')
    monkeypatch.setattr(files.os, broken, fails)
    ran = run("compile", "lenet5", "-o", str(out))
    assert ran.code == 2
    assert "no space left on device" in ran.err
    assert out.read_text() == '"""Made by archdsl 0.0.9 from x."""\n'
    assert only(tmp_path) == ["net.py"]


def test_missing_folder_and_folder_as_target(run: Run, emitted: str, tmp_path: Path):
    missing = run("compile", "lenet5", "-o", str(tmp_path / "no" / "net.py"))
    assert missing.code == 2
    assert "its folder does not exist" in missing.err
    folder = run("compile", "lenet5", "-o", str(tmp_path))
    assert folder.code == 2
    assert "is a folder" in folder.err


@pytest.mark.skipif(os.name != "posix", reason="modes and links are POSIX's")
def test_mode_and_links_stay(run: Run, emitted: str, tmp_path: Path):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "net.py", tmp_path / "net.py"
    real.write_text(EMITTED)
    real.chmod(0o640)
    link.symlink_to(real)
    assert run("compile", "lenet5", "-o", str(link)).code == 0
    assert link.is_symlink()
    assert real.read_text() == emitted
    assert real.stat().st_mode & 0o777 == 0o640
    assert run("compile", "lenet5", "-o", os.devnull).code == 0


UGLY = "input: 3x32x32\nlayers:\n   conv 3x3,8->relu # a comment\n"
TIDY = "input: 3x32x32\n\nlayers:\n  conv 3x3, 8 -> relu  # a comment\n"


def test_fmt_in_place_and_twice(run: Run, tmp_path: Path):
    spec = tmp_path / "net.arch"
    spec.write_text(UGLY)
    first = run("fmt", str(spec))
    assert (first.code, first.out) == (0, "")
    assert "formatted" in first.err
    text = spec.read_text()
    assert "conv 3x3, 8 -> relu" in text
    assert "# a comment" in text
    again = run("fmt", str(spec))
    assert (again.code, again.out, again.err) == (0, "", "")
    assert spec.read_text() == text
    assert only(tmp_path) == ["net.arch"]


def test_fmt_check_changes_nothing(run: Run, tmp_path: Path):
    spec = tmp_path / "net.arch"
    spec.write_text(UGLY)
    ran = run("fmt", "--check", str(spec))
    assert (ran.code, ran.out) == (1, f"{spec}\n")
    assert spec.read_text() == UGLY
    run("fmt", str(spec))
    assert run("fmt", "--check", str(spec)).code == 0


def test_fmt_from_standard_input_keeps_the_container(run: Run):
    text = run("fmt", "-", stdin=UGLY)
    assert text.code == 0
    assert "layers:\n" in text.out
    yaml = run("fmt", "-", stdin=UGLY.replace("layers:", "layers: |"))
    assert yaml.code == 0
    assert "layers: |\n" in yaml.out


def test_fmt_both_ways(run: Run, tmp_path: Path):
    arch, yaml = tmp_path / "net.arch", tmp_path / "net.yaml"
    assert run("fmt", "--to", "arch", "specs/lenet5.yaml", "-o", str(arch)).code == 0
    assert run("fmt", "--to", "yaml", str(arch), "-o", str(yaml)).code == 0
    there = run("analyze", str(arch)).out
    assert there == run("analyze", str(yaml)).out == run("analyze", "specs/lenet5.yaml").out
    assert only(tmp_path) == ["net.arch", "net.yaml"]


def test_fmt_of_a_wrong_spec_leaves_it(run: Run, tmp_path: Path):
    spec = tmp_path / "net.arch"
    spec.write_text("input: 3x32x32\nlayers:\n  conv 3x3 8\n")
    before = spec.read_text()
    assert run("fmt", str(spec)).code == 1
    assert spec.read_text() == before


def test_fmt_does_not_touch_bundled_specs_by_name(run: Run):
    assert run("fmt", "lenet5").code == 2


@pytest.mark.skipif(os.name != "posix", reason="links and devices are POSIX's")
def test_names_that_cannot_be_written(run: Run, emitted: str, tmp_path: Path):
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    for name, reason in (
        ("loop.py", "too many levels of symbolic links"),
        ("a" * 300 + ".py", "file name too long"),
        ("new/", "is a folder"),
        ("a\0b.py", "null"),
    ):
        ran = run("compile", "lenet5", "-o", f"{tmp_path}/{name}")
        assert ran.code == 2
        assert reason in ran.err.partition("\n")[0]
        assert "internal" not in ran.err
    assert only(tmp_path) == ["loop.py"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device is Linux's")
def test_standard_output_that_takes_nothing(tmp_path: Path):
    spec = tmp_path / "net.arch"
    spec.write_text("input: 3x8x8\nlayers:\n  conv 3x3, 8\n")
    shell = f'"{sys.executable}" -m archdsl compile "{spec}"'
    for where, reason in ((">/dev/full", "no space left on device"), (">&-", "it is closed")):
        ran = subprocess.run(["sh", "-c", f"{shell} {where}"], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (2, f"archdsl: error: cannot write to standard output: {reason}\n")
    ran = subprocess.run(["sh", "-c", f"{shell} -o /dev/stdout | cat"], capture_output=True, text=True, check=False)
    assert "class Network(nn.Module)" in ran.stdout
