"""`archdsl weights`: what fits, what does not, and what is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import archdsl

from .conftest import Run

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

SPEC = """
input: T below 9
module layer:
  residual: attn: attention heads 2
layers:
  wte: embedding 9, 4
  h: [layer] x 2
  head: linear 9, no bias, weight @wte
names other:
  wte -> wte = head
  in layer:
    attn.qkv  -> attn.q, attn.k, attn.v
    attn.proj -> attn.o, transposed
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "net.arch"
    path.write_text(SPEC)
    return path


@pytest.fixture
def own(spec: Path) -> Path:
    """Weights under the spec's own names, as torch writes them."""
    path = spec.with_name("own.pth")
    torch.save(archdsl.build(archdsl.load(spec)).state_dict(), path)
    return path


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_there_and_back(run: Run, spec: Path, own: Path):
    theirs, again = spec.with_name("other.safetensors"), spec.with_name("again.pt")
    ran = run("weights", str(spec), str(own), "--to", "other", "-o", str(theirs))
    assert (ran.code, ran.out, ran.err) == (0, "", f"wrote {theirs} (18 arrays under the names of other)\n")
    found = safetensors.load_file(theirs)
    assert {key: tuple(array.shape) for key, array in found.items() if not key.startswith("h.1")} == {
        "wte.weight": (9, 4), "head.weight": (9, 4),
        "h.0.attn.q.weight": (4, 4), "h.0.attn.k.weight": (4, 4), "h.0.attn.v.weight": (4, 4),
        "h.0.attn.q.bias": (4,), "h.0.attn.k.bias": (4,), "h.0.attn.v.bias": (4,),
        "h.0.attn.o.weight": (4, 4), "h.0.attn.o.bias": (4,),
    }  # fmt: skip
    before = torch.load(own)
    assert torch.equal(found["h.1.attn.o.weight"], before["h.1.attn.proj.weight"].T)
    assert torch.equal(found["h.0.attn.v.bias"], before["h.0.attn.qkv.bias"][8:])
    assert run("weights", str(spec), str(theirs), "--from", "other", "-o", str(again)).code == 0
    assert equal(torch.load(again), before)
    assert sorted(p.name for p in spec.parent.iterdir()) == ["again.pt", "net.arch", "other.safetensors", "own.pth"]


def test_without_output_it_only_checks(run: Run, spec: Path, own: Path):
    ran = run("weights", str(spec), str(own))
    assert (ran.code, ran.out) == (0, f"{own} fits: 9 arrays under the spec's own names\n")


def test_what_does_not_fit_is_listed_and_nothing_written(run: Run, spec: Path, own: Path):
    state = torch.load(own)
    del state["h.0.attn.proj.weight"]
    state["h.1.attn.qkv.bias"] = torch.zeros(9)
    state["extra\n"] = torch.tensor(1)
    torch.save(state, own)
    ran = run("weights", str(spec), str(own), "-o", str(own.with_suffix(".pt")))
    assert ran.code == 1
    assert ran.err.splitlines() == [
        f"archdsl: error: `{own}` does not fit the network under the spec's own names: 1 missing, 1 left over, 1 of another shape",
        "  missing: h.0.attn.proj.weight (4x4)",
        "  left over: extra\\u{a} (a single number)",
        "  of another shape: h.1.attn.qkv.bias is 9, should be 12",
    ]
    assert not own.with_suffix(".pt").exists()


def test_the_other_dialect_is_suggested(run: Run, spec: Path, own: Path):
    ran = run("weights", str(spec), str(own), "--from", "other")
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == "  help: these are the spec's own names"
    assert run("weights", str(spec), str(own), "--from", "othr").code == 2


def test_ignored_names(run: Run, spec: Path, own: Path):
    torch.save({**torch.load(own), "h.0.attn.mask": torch.ones(3), "h.1.attn.mask": torch.ones(3)}, own)
    assert run("weights", str(spec), str(own)).code == 1
    assert run("weights", str(spec), str(own), "--ignore", "*.mask").code == 0
    ran = run("weights", str(spec), str(own), "--ignore", "*.mask", "--ignore", "*.maks")
    assert ran.code == 2
    assert "`--ignore *.maks` matches no name" in ran.err


@pytest.mark.parametrize("nested", ["state_dict", "model"])
def test_checkpoints_and_wrappers_are_opened(run: Run, spec: Path, own: Path, nested: str):
    wrapped = {f"module.{key}": array for key, array in torch.load(own).items()}
    torch.save({nested: wrapped, "epoch": 3}, own)
    assert run("weights", str(spec), str(own)).code == 0


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hacked",)


@pytest.mark.parametrize(
    "content", [{"a": Hostile()}, {"a": 3}, [1, 2], b"", b"hello", b"PK\x03\x04", b"\x09" + b"\0" * 7 + b"{"]
)
def test_files_that_hold_no_weights(run: Run, spec: Path, content: object, monkeypatch: pytest.MonkeyPatch):
    path = spec.with_name("bad.pt")
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    ran = run("weights", str(spec), str(path))
    assert ran.code == 2
    assert ran.err.startswith(f"archdsl: error: `{path}` ")
    assert "report" not in ran.err
    assert not Path("hacked").exists()


def test_what_is_not_written_over(run: Run, spec: Path, own: Path):
    def ran(output: Path, *more: str) -> tuple[int, str]:
        found = run("weights", str(spec), str(own), "-o", str(output), *more)
        return found.code, found.err

    mine = spec.with_name("mine.pt")
    mine.write_bytes(b"mine")
    assert "was not written by archdsl" in ran(mine)[1]
    assert mine.read_bytes() == b"mine"
    assert ran(mine, "--force")[0] == 0
    before = own.read_bytes()
    assert "is the file to read itself" in ran(own, "--force")[1]
    assert own.read_bytes() == before
    assert "is a folder" in ran(spec.parent)[1]
    assert "does not say what to write" in ran(spec.with_name("net.npz"))[1]
    assert "its folder does not exist" in ran(spec.parent / "no" / "net.pt")[1]
    ours = spec.with_name("ours.safetensors")
    assert [ran(ours)[0], ran(ours)[0]] == [0, 0]
    assert ours.stat().st_mode == mine.stat().st_mode


def test_failed_writing_leaves_the_old_file(run: Run, spec: Path, own: Path, monkeypatch: pytest.MonkeyPatch):
    out = spec.with_name("out.pt")
    out.write_bytes(b"old")

    def fails(*arguments: object) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", fails)
    ran = run("weights", str(spec), str(own), "-o", str(out), "--force")
    assert ran.code == 2
    assert out.read_bytes() == b"old"
    assert sorted(p.name for p in spec.parent.iterdir()) == ["net.arch", "out.pt", "own.pth"]


def test_files_that_are_not_there(run: Run, spec: Path, own: Path):
    ran = run("weights", str(spec), str(own.with_name("owm.pth")))
    assert ran.code == 2
    assert f"did you mean `{own}`?" in ran.err
    assert "is a folder" in run("weights", str(spec), str(spec.parent)).err


def test_python_says_the_same(spec: Path, own: Path):
    net = archdsl.load(spec)
    state = torch.load(own)
    assert equal(archdsl.build(net, weights=own).state_dict(), state)
    theirs = archdsl.convert_weights(net, own, target="other")
    assert equal(archdsl.build(net, weights=theirs, dialect="other").state_dict(), state)
    del theirs["h.1.attn.k.weight"]
    with pytest.raises(archdsl.WeightsError) as caught:
        archdsl.build(net, weights=theirs, dialect="other")
    assert str(caught.value) == (
        "these weights do not fit the network under the names of other: 1 missing\n"
        "  missing: h.1.attn.k.weight (4x4)"
    )  # fmt: skip
    with pytest.raises(FileNotFoundError):
        archdsl.build(net, weights=own.with_name("none.pt"))


@pytest.mark.skipif(os.name != "posix", reason="devices are POSIX's")
def test_devices(run: Run, spec: Path, own: Path):
    assert run("weights", str(spec), os.devnull).code == 2
