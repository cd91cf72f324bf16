"""The disk fails at every step of every write: the old file or the new one is there, never half, and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from archdsl import api
from archdsl.cli import cache

from .conftest import Run

SPEC = "input: 8\nlayers:\n  ReLU -> fc: linear 4\n"
GOOD = SPEC.replace("ReLU", "relu")
OLD = '"""Made by archdsl from an older net."""\n'
COMMANDS: dict[str, tuple[str, str, str]] = {
    "compile": ("compile GOOD -o OUT", "net.py", OLD),
    "draw": ("draw GOOD -o OUT", "net.svg", "<!-- Made by archdsl from an older net. -->\n"),
    "plot": ("analyze GOOD --no-cache --plot OUT", "net.svg", "<!-- Made by archdsl from an older net. -->\n"),
    "fmt": ("fmt OUT", "net.arch", "input: 8\nlayers:\n      relu\n"),
    "fmt -o": ("fmt GOOD --to yaml -o OUT", "net.yaml", "input: 8\n"),
    "check --fix": ("check --fix OUT", "net.arch", SPEC),
    "weights": ("weights GOOD IN -o OUT", "net.pt", ""),
}
"""What is run, the file it writes, and what was in it."""


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half(path: Path, data: bytes) -> int:
    """Writes some of it, and then the disk is full."""
    with open(path, "wb") as stream:
        stream.write(data[: len(data) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


STEPS: dict[str, tuple[object, str, Callable[..., object]]] = {
    "create": (Path, "touch", no_space),
    "write": (Path, "write_bytes", half),
    "fsync": (os, "fsync", no_space),
    "mode": (os, "chmod", no_space),
    "replace": (os, "replace", no_space),
    "interrupted": (os, "replace", interrupted),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(api, "compile", lambda *_, **__: OLD.replace("older", "newer"))
    (tmp_path / "good.arch").write_text(GOOD)
    (tmp_path / "out").mkdir()
    return tmp_path


def words(command: str, folder: Path, target: Path) -> list[str]:
    where = {"GOOD": folder / "good.arch", "OUT": target, "IN": folder / "in.pt"}
    return [str(where.get(word, word)) for word in command.split()]


def prepared(name: str, folder: Path) -> tuple[list[str], Path]:
    command, file, old = COMMANDS[name]
    target = folder / "out" / file
    target.write_text(old)
    if name == "weights":
        torch = pytest.importorskip("torch")
        torch.save({"fc.weight": torch.zeros(4, 8), "fc.bias": torch.zeros(4)}, folder / "in.pt")
    return words(command, folder, target), target


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", COMMANDS)
def test_old_or_new(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, step: str):
    arguments, target = prepared(name, folder)
    before = target.read_bytes()
    where, what, fails = STEPS[step]
    with monkeypatch.context() as broken:
        broken.setattr(where, what, fails)
        ran = run(*arguments)
    assert [path.name for path in target.parent.iterdir()] == [target.name], "something is left behind"
    if name == "weights" and step == "write":  # torch writes for itself
        assert ran.code == 0
        return
    assert target.read_bytes() == before
    assert ran.code == (130 if step == "interrupted" else 2)
    assert "Traceback" not in ran.err
    assert ("cannot write" in ran.err) == (step != "interrupted")
    assert run(*arguments).code == 0
    assert target.read_bytes() != before
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("step", ["fsync", "replace", "create"])
def test_a_new_file_is_there_whole_or_not_at_all(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str):
    where, what, fails = STEPS[step]
    with monkeypatch.context() as broken:
        broken.setattr(where, what, fails)
        assert run("draw", str(folder / "good.arch"), "-o", str(folder / "out" / "n.svg")).code == 2
    assert list((folder / "out").iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="whoever may do anything is refused nothing")
def test_a_folder_that_cannot_be_written_to(run: Run, folder: Path):
    (folder / "out").chmod(0o500)
    ran = run("draw", str(folder / "good.arch"), "-o", str(folder / "out" / "n.svg"))
    assert ran.code == 2
    assert "cannot write" in ran.err


@pytest.mark.parametrize("step", ["open", "replace", "mkdir", "scandir"])
def test_a_cache_that_fails_is_no_cache(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.delenv("ARCHDSL_NO_CACHE", raising=False)
    spec = str(folder / "good.arch")
    right = run("analyze", spec, "--no-cache")
    with monkeypatch.context() as broken:
        where = Path if step == "mkdir" else cache.os
        broken.setattr(where, step, no_space)
        ran = run("analyze", spec)
    assert (ran.code, ran.out, ran.err) == (0, right.out, "")
    assert not list((folder / "cache").rglob("*.tmp"))
    assert (run("analyze", spec).out, run("analyze", spec).out) == (right.out, right.out)
