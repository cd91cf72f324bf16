"""What `archdsl analyze` remembers: the same output, from files that have not changed, and nothing when in doubt."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import archdsl.api
from archdsl.api import Project
from archdsl.cli import cache
from archdsl.report.constants import constant_text

from .conftest import ROOT, Run, run_apart

SPECS = sorted((ROOT / "specs").glob("*.yaml"))
TINY = "network: tiny\ninput: 3x32x32\nlayers: |\n  conv 3x3, 8\n  relu\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, switched on."""
    monkeypatch.delenv("ARCHDSL_NO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "archdsl"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often a network was analysed."""
    count = 0
    analyze = archdsl.api.analyze

    def counting(network: archdsl.api.Network) -> object:
        nonlocal count
        count += 1
        return analyze(network)

    monkeypatch.setattr(archdsl.api, "analyze", counting)
    return lambda: count


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def tiny(tmp_path: Path, text: str = TINY) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(text)
    return str(path)


def choices(path: Path) -> list[list[str]]:
    """The options of every variant of a spec."""
    return [
        [option for name, value in choice.items() for option in ("--set", f"{name}={constant_text(value)}")]
        for choice in Project(path).variants()
    ]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_what_is_remembered_is_what_is_computed(
    path: Path, run: Run, folder: Path, computed: Callable[[], int]
) -> None:
    for choice in choices(path):
        for format in ([], ["--json"]):
            arguments = ["analyze", str(path), *choice, *format]
            plain, first = run(*arguments, "--no-cache"), run(*arguments)
            before = computed()
            again = run(*arguments)
            assert plain == first == again
            if plain.code == 0:
                assert computed() == before


def test_the_second_time_the_language_is_not_loaded(folder: Path) -> None:
    script = """
import contextlib, io, sys
from archdsl.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["analyze", "resnet152"])
print(*sorted({name.split(".")[0] for name in sys.modules} & {"lark", "pydantic", "pydantic_core", "yaml", "torch"}),
      "archdsl.api" in sys.modules)
"""
    first, second = run_apart(code=script), run_apart(code=script)
    assert first.out.split()[-1] == "True"
    assert "pydantic_core" in first.out
    assert second.out.split() == ["False"]


def test_a_changed_file_is_read_again(run: Run, folder: Path, tmp_path: Path) -> None:
    path = tiny(tmp_path)
    assert "224" in run("analyze", path).out
    tiny(tmp_path, TINY.replace("3, 8", "3, 9"))
    assert "252" in run("analyze", path).out


def test_a_change_of_what_a_file_extends_counts(run: Run, folder: Path, tmp_path: Path) -> None:
    tiny(tmp_path, TINY.replace("input:", "parameters:\n  width: 8\ninput:").replace("3, 8", "3, width"))
    path = tmp_path / "wide.yaml"
    path.write_text("network: wide\nextends: tiny.yaml\nparameters:\n  width: 16\n")
    assert "448" in run("analyze", str(path)).out
    (entry,) = entries(folder)
    assert len(json.loads(entry.read_bytes().partition(b"\n")[2])["files"]) == 2
    tiny(tmp_path, (tmp_path / "tiny.yaml").read_text().replace("3x32x32", "1x32x32"))
    assert "160" in run("analyze", str(path)).out


def test_options_settings_and_width_have_entries_of_their_own(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in ((), ("--json",), ("--set", "depth=34"), ("--depth", "1"), ("--training",), ("--connections",)):
        run("analyze", "resnet", *arguments)
    monkeypatch.setenv("COLUMNS", "70")
    run("analyze", "resnet")
    assert len(entries(folder)) == 7


def test_a_new_file_of_a_bundled_name_is_seen(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = run("analyze", "lenet5").out
    monkeypatch.chdir(tmp_path)
    assert run("analyze", "lenet5").out == bundled
    (tmp_path / "lenet5").write_text("network: other\ninput: 3x32x32\nlayers:\n  conv 3x3, 8\n")
    assert run("analyze", "lenet5").out != bundled


def signed(entry: object) -> bytes:
    body = json.dumps(entry).encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-10],
        lambda data: data.replace(b"tiny", b"tony"),
        lambda data: os.urandom(len(data)),
        lambda data: signed([]),
        lambda data: signed({"files": [], "text": "x", "exact": False}),
        lambda data: signed({"files": [["a", "b"]], "text": "x", "exact": False}),
        lambda data: signed({"files": 3, "text": "x", "exact": False}),
        lambda data: signed(json.loads(data.partition(b"\n")[2]) | {"text": 3}),
        lambda data: signed({"files": [[["["]]]}) + b"]" * 10,
    ],
    ids=["empty", "cut", "changed", "noise", "list", "no files", "short file", "no list", "no text", "trailing"],
)
def test_a_damaged_entry_is_none(
    damage: Callable[[bytes], bytes], run: Run, folder: Path, tmp_path: Path, computed: Callable[[], int]
) -> None:
    path = tiny(tmp_path)
    first = run("analyze", path)
    (entry,) = entries(folder)
    sound = entry.read_bytes()
    entry.write_bytes(damage(sound))
    assert run("analyze", path) == first
    assert computed() == 2
    assert entry.read_bytes() == sound


def test_what_is_wrong_is_not_kept(run: Run, folder: Path, tmp_path: Path) -> None:
    for text in (TINY + "  conf 3x3, 8\n", TINY.replace("8\n", "8  => 9 params\n")):
        path = tiny(tmp_path, text)
        first = run("analyze", path)
        assert first.code == 1
        assert run("analyze", path) == first
    assert entries(folder) == []


def test_it_can_be_switched_off(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("analyze", "lenet5", "--no-cache")
    monkeypatch.setenv("ARCHDSL_NO_CACHE", "1")
    run("analyze", "lenet5")
    assert not folder.exists()
    monkeypatch.setenv("ARCHDSL_NO_CACHE", "0")
    run("analyze", "lenet5")
    assert len(entries(folder)) == 1


def test_standard_input_is_not_kept(run: Run, folder: Path) -> None:
    assert run("analyze", "-", stdin=TINY.replace("layers: |", "layers:")).code == 0
    assert not folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_only_the_user_can_read_it_and_no_one_elses_folder_is_trusted(
    run: Run, folder: Path, computed: Callable[[], int]
) -> None:
    first = run("analyze", "lenet5")
    (entry,) = entries(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert entry.stat().st_mode & 0o777 == 0o600
    folder.chmod(0o777)
    assert run("analyze", "lenet5") == first
    assert computed() == 2


def test_a_place_that_cannot_be_used_does_no_harm(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    expected = run("analyze", "lenet5", "--no-cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert run("analyze", "lenet5") == expected


def test_it_stays_within_its_bounds(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_ENTRIES", 3)
    for depth in range(1, 7):
        run("analyze", "lenet5", "--depth", str(depth))
        for number, entry in enumerate(sorted(entries(folder), key=lambda e: e.stat().st_mtime)):
            os.utime(entry, (number, number))
    assert len(entries(folder)) == 3
    monkeypatch.setattr(cache, "MAX_TOTAL", 10)
    run("analyze", "lenet5", "--depth", "7")
    assert entries(folder) == []
    monkeypatch.setattr(cache, "MAX_ENTRY", 200)
    run("analyze", "lenet5", "--depth", "8")
    assert entries(folder) == []


def test_a_file_that_changes_while_it_is_read_is_not_kept(folder: Path, tmp_path: Path) -> None:
    path = tiny(tmp_path)
    kept = cache.Cache("analyze", path, {})
    kept.keep(cache.Printed("old", False), {path: TINY.replace("8", "9")})
    assert kept.recall() is None
    kept.keep(cache.Printed("new", False), {path: TINY})
    assert kept.recall() == cache.Printed("new", False)


def test_many_at_once(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    command = [sys.executable, "-m", "archdsl", "analyze", "lenet5"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT) for _ in range(4)]
    assert len({process.communicate(timeout=120)[0] for process in running}) == 1
    assert len(entries(folder)) == 1
    assert list(folder.glob("*.tmp")) == []


def test_the_specs_have_variants() -> None:
    """The first test above would say little if they had none."""
    assert sum(len(choices(path)) for path in SPECS) > 2 * len(SPECS)
