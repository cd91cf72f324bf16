"""`archdsl weights`: what fits, what does not, and what is written."""

from __future__ import annotations

import json
import os
import pickle
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


@pytest.mark.parametrize("nested", ["state_dict", "model", "state_dict_ema", "params"])
def test_checkpoints_and_wrappers_are_opened(run: Run, spec: Path, own: Path, nested: str):
    wrapped = {f"module.{key}": array for key, array in torch.load(own).items()}
    torch.save({nested: wrapped, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}}}, own)
    assert run("weights", str(spec), str(own)).code == 0


def test_several_sets_of_weights_in_one_file(run: Run, spec: Path, own: Path):
    torch.save({"ema": torch.load(own), "student": torch.load(own)}, own)
    ran = run("weights", str(spec), str(own))
    assert (ran.code, ran.err.splitlines()[0]) == (2, f"archdsl: error: `{own}` holds several: `ema`, `student`")
    around: dict[str, object] = {}
    around["state_dict"] = around
    torch.save(around, own)
    assert "holds no arrays by name" in run("weights", str(spec), str(own)).err


@pytest.mark.parametrize("form", ["pt", "safetensors", "python"])
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "model.", "net.backbone."])
def test_what_wrapped_the_network_is_taken_off(run: Run, spec: Path, own: Path, prefix: str, form: str):
    before = torch.load(own)
    wrapped = {prefix + key: array for key, array in before.items()}
    if form == "python":
        assert equal(archdsl.build(archdsl.load(spec), weights=wrapped).state_dict(), before)
        return
    path, again = spec.with_name(f"wrapped.{form}"), spec.with_name("again.pt")
    torch.save(wrapped, path) if form == "pt" else safetensors.save_file(
        {key: array.clone() for key, array in wrapped.items()}, path
    )
    assert run("weights", str(spec), str(path), "-o", str(again)).code == 0
    assert equal(torch.load(again), before)


def test_names_in_the_middle_and_beside(run: Run, spec: Path, own: Path):
    state = torch.load(own)
    inside = {key.replace("h.0.", "h.0._checkpoint_wrapped_module.").replace("h.1.", "h.1._orig_mod."): array
              for key, array in state.items()}  # fmt: skip
    averaged = {"n_averaged": torch.tensor(3), **{f"module.{key}": array for key, array in state.items()}}
    old = {**{f"model.{key}": array for key, array in state.items()}, "loss.scale": torch.ones(1)}
    for given, code in ((inside, 0), (averaged, 0), (old, 1)):
        torch.save(given, own)
        ran = run("weights", str(spec), str(own))
        assert ran.code == code, ran.err
    assert ran.err.splitlines()[1:] == ["  left over: loss.scale (1)"]
    assert run("weights", str(spec), str(own), "--ignore", "loss.*").code == 0
    twins = {f"{side}.{key}": array for key, array in state.items() for side in ("student", "teacher")}
    torch.save(twins, own)
    assert run("weights", str(spec), str(own)).code == 1
    assert run("weights", str(spec), str(own), "--ignore", "teacher.*").code == 0


def test_entries_that_are_no_arrays(run: Run, spec: Path, own: Path):
    torch.save({**torch.load(own), "epoch": 3}, own)
    ran = run("weights", str(spec), str(own))
    assert (ran.code, ran.err.splitlines()) == (
        2,
        [
            f"archdsl: error: `{own}` holds more than arrays: `epoch` is of type int",
            "  help: left out by `--ignore epoch`",
        ],
    )
    assert run("weights", str(spec), str(own), "--ignore", "epoch").code == 0
    with pytest.raises(ValueError, match="the state_dict holds more than arrays"):
        archdsl.build(archdsl.load(spec), weights=torch.load(own))


@pytest.mark.parametrize("safe", [True, False])
def test_models_in_several_files(run: Run, spec: Path, own: Path, safe: bool):
    state, names = torch.load(own), ("model-1-of-2.safetensors", "model-2-of-2.safetensors")
    parts = ({k: v.clone() for k, v in state.items() if k.startswith("h.0") == one} for one in (True, False))
    places: dict[str, str] = {}
    for name, part in zip(names, parts, strict=True):
        (safetensors.save_file if safe else torch.save)(part, spec.with_name(name))
        places |= dict.fromkeys(part, name)
    index, again = spec.with_name("model.safetensors.index.json"), spec.with_name("again.pt")

    def ran(**changed: str) -> str:
        index.write_text(json.dumps({"metadata": {}, "weight_map": places | changed}))
        return run("weights", str(spec), str(index), "-o", str(again), "--force").err

    assert "wrote" in ran()
    assert equal(torch.load(again), state)
    assert "says that `extra` is in" in ran(extra=names[0])
    assert "which is not beside it" in ran(extra="none.bin")
    for name in ("../own.pth", "/etc/passwd", "model.safetensors.index.json", ".."):
        assert "which is no file of weights beside it" in ran(extra=name)
    index.write_text("[]")
    assert "it has no `weight_map`" in run("weights", str(spec), str(index)).err


def test_counts_of_batches_may_be_missing(tmp_path: Path):
    """torchvision's oldest files have none; torch's own loading adds them."""
    net = archdsl.loads("input: 3x8x8\nlayers: c: conv 3x3, 4 -> n: bn")
    state = archdsl.build(net).state_dict()
    found = archdsl.convert_weights(net, {key: array for key, array in state.items() if "num_batches" not in key})
    assert equal(found, dict(state))
    assert found["n.num_batches_tracked"].dtype == torch.int64


def test_written_files_are_the_same_each_time(run: Run, spec: Path, own: Path):
    for name in ("out.pt", "out.safetensors"):
        out, found = spec.with_name(name), set[bytes]()
        for _ in range(6):
            assert run("weights", str(spec), str(own), "-o", str(out), "--force").code == 0
            found.add(out.read_bytes())
        assert len(found) == 1
        assert b".tmp" not in found.pop()
    assert run("weights", str(spec), str(own), "-o", str(out)).code == 0  # known to be ours


def test_a_name_does_not_make_a_file_ours(run: Run, spec: Path, own: Path):
    mine = spec.with_name("archdsl_run.pt")
    torch.save(torch.load(own), mine)
    before = mine.read_bytes()
    assert "was not written by archdsl" in run("weights", str(spec), str(own), "-o", str(mine)).err
    assert mine.read_bytes() == before


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hacked",)


@pytest.mark.parametrize(
    "content",
    [
        {"a": Hostile()}, {"a": 3}, [1, 2], b"", b"hello", b"PK\x03\x04", b"\x09" + b"\0" * 7 + b"{", pickle.dumps(Hostile()),
        {"a": torch.eye(2).to_sparse()}, b"version https://git-lfs.github.com/spec/v1\n", b"<!DOCTYPE html>", b"\x1f\x8b\x08",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["bad.pt", "bad.safetensors"])
def test_files_that_hold_no_weights(run: Run, spec: Path, content: object, name: str):
    path = spec.with_name(name)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    ran = run("weights", str(spec), str(path))
    assert ran.code == 2
    assert ran.err.startswith(f"archdsl: error: `{path}` ")
    assert "report" not in ran.err
    assert not Path("hacked").exists()


def test_files_that_are_not_whole(run: Run, spec: Path, own: Path):
    whole = own.read_bytes()
    for size in range(0, len(whole), 97):
        own.write_bytes(whole[:size])
        ran = run("weights", str(spec), str(own))
        assert (ran.code, ran.err.partition("` ")[2]) == (2, "is no whole file of weights\n"), size


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
