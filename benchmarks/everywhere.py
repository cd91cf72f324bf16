"""Every network and variant of `specs/`, and everything that people do with an nn.Module.

    python benchmarks/everywhere.py [NAME ...] [--markdown] [--first] [--again] [--inference] [--inductor] [--resume FILE]

prints one row a variant and one column a check; a cell says `yes`, or why there is nothing to check, or what failed.
Exit code 1 if anything failed. Inputs are small and networks too large for this are made narrower: the row says so,
and the code that is checked is the same. Where the file of a variant differs from one above in numbers alone, what takes
minutes (compile, export, onnx, script) is not done again and its cells name that row; `--again` does it all the same.
`--first` takes the first variant of each spec, `--inductor` compiles kernels too instead of stopping at the graph.
`--inference` looks at the form of `archdsl compile --inference` with the weights that its `fold` makes of trained ones, and
has another column.

compile   torch.compile(fullgraph=True): evaluation by aot_eager, training by eager, outputs equal; for an nn.LSTM
          torch._dynamo.config.allow_rnn is set, without which torch refuses every one
export    torch.export with a dynamic batch and dynamic H, W, S, T where the spec leaves them open; run at other sizes.
          An nn.LSTM is exported at one length, since torch.export fixes that of every one
onnx      torch.onnx.export(dynamo=True) of that program; onnxruntime's outputs at other sizes
script    torch.jit.script; outputs equal
copy      deepcopy and pickle of the module's state: equal outputs, nothing shared
half      bfloat16 and float16: outputs of that type, finite, near those of float32; where torch has no such kernel for
          the processor (that of LRN), the type alone, on the meta device
channels  channels_last (channels_last_3d for clips): outputs equal within 1e-4, or within twice their distance from
          float64's
train     a backward pass reaches every trained array (not of the form for inference: torch 2.13 corrupts memory in the
          gradient of its own Conv2d(3, 32, 1, stride=2) with channels last); evaluation is deterministic, changes nothing
ruff      format --check and check, both with ruff's own defaults
pyright   standard
weights   torchvision's state_dict loads strictly, where torchvision has the network
fold      with --inference: outputs equal those of the trained network
"""

from __future__ import annotations

import argparse
import ast
import copy
import io
import json
import logging
import math
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import archdsl  # noqa: E402
from archdsl.ir import dims  # noqa: E402
from archdsl.ir.shapes import Shape  # noqa: E402
from archdsl.report.constants import constant_text  # noqa: E402
from archdsl.torch_backend.verify import instantiate, sample, sizes  # noqa: E402
from tests.parity.inference import folded as form  # noqa: E402
from tests.parity.inference import trained as ready  # noqa: E402
from tests.parity.peers import SPECS, peer_of, variants  # noqa: E402

Settings = Mapping[str, Any]
LARGEST = 150_000_000
"""Parameters that are still allocated; a larger variant is made narrower."""

NARROWER: dict[str, Settings] = {
    "llama": {"d": 64, "n": 2, "h": 4, "hidden": 128, "vocab": 100},
    "llama3": {"d": 64, "n": 2, "h": 8, "hidden": 128, "vocab": 100},
    "gpt2": {"d": 64, "layers": 2, "h": 4, "vocab": 100, "context": 64},
    "transformer": {"d": 64, "n": 2, "h": 4, "vocab": 100},
    "vit": {"d": 64, "layers": 2, "hidden": 128, "h": 4},
}
SMALLER = {
    "unet": ("1x572x572", "1x188x188"),
    "retinanet": ("3x512x512", "3x128x128"),
    "video_resnet": ("3x16x112x112", "3x8x32x32"),
    "resnet_dilated": ("", "3x64x64"),
    "deeplabv3": ("3x224x224", "3x64x64"),
}
"""Inputs that are large only because a figure of a paper is, as the spec writes them, and what stands there instead."""

SMALL, LARGE = 1e-3, 1000.0
"""Outputs that are all smaller than the one, or larger than the other, leave too little of float16's range on the way."""

LENGTHS = {"S": (9, 11), "T": (7, 12)}
"""The lengths of sequences: those of the example that is traced, and others."""


class Nothing(Exception):
    """There is nothing to check, and why."""


class Differs(Exception):
    """What was computed is not what should have been."""


@dataclass
class Case:
    """One variant, its module and its inputs."""

    title: str
    spec: str
    network: archdsl.Network
    inference: bool = False
    names: str | None = None
    """A dialect of the network, whose names the module has."""
    source: str = field(init=False)
    module: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        if self.inference:
            self.source, self.module = form(self.network, ready(self.network))
        else:
            self.source = archdsl.compile(self.network, self.names)
            self.module = instantiate(self.source).eval()
        self.symbols = sample(self.network)
        for name in self.symbols:
            # torch.export fixes a size that is 1 anywhere on the way, as the smallest image's may be
            self.symbols[name] = LENGTHS[name][0] if name in LENGTHS else self.symbols[name] + 32
        self._settle()

    def _settle(self) -> None:
        """Give batch norms the statistics of one pass where they have none and float16 would over- or underflow."""
        norms = [m for m in self.module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        inputs = self.inputs(8) if norms else ()
        if not norms or all(SMALL < float(made.abs().max()) < LARGE for made in self.wanted(*inputs)):
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = None  # the statistics of all passes, of which there is one
        self.module.train()
        self.wanted(*inputs)
        self.module.eval()
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def inputs(self, batch: int = 2, other: bool = False) -> tuple[Tensor, ...]:
        """Random inputs; of other sizes where the spec leaves them open, and torch's layers do too."""
        values = dict(self.symbols)
        if other and self.recurrent is None:
            values = {name: LENGTHS[name][1] if name in LENGTHS else size + 32 for name, size in values.items()}
        torch.manual_seed(batch)
        return tuple(_random(shape, batch, sizes(shape, values)) for shape in self.network.inputs.values())

    def dynamic(self) -> tuple[dict[int, Any], ...]:
        """Which axes of the inputs are open."""
        dynamic, open_ = torch.export.Dim.DYNAMIC, self.recurrent is None
        return tuple(
            {0: dynamic} | {axis: dynamic for axis, dim in enumerate(shape.dims, 1) if open_ and dims.symbols(dim)}
            for shape in self.network.inputs.values()
        )

    @property
    def recurrent(self) -> str | None:
        """Its recurrent layer: torch.compile takes one only if told to, and torch.export fixes its number of steps."""
        return next((type(m).__name__ for m in self.module.modules() if isinstance(m, nn.RNNBase)), None)

    @property
    def clip(self) -> bool:
        """Whether it takes videos."""
        return any(len(shape.dims) == 4 for shape in self.network.inputs.values())

    def wanted(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Its own outputs."""
        with torch.no_grad():
            return outputs(self.module(*inputs))


def _random(shape: Shape, batch: int, size: tuple[int, ...]) -> Tensor:
    if shape.kind == "numbers":
        return torch.randint(int(dims.evaluate(shape.below, {})) if shape.below else 10, (batch, *size))
    return torch.randn(batch, *size)


def outputs(made: Any) -> tuple[Tensor, ...]:
    """The outputs that there are, those of tuples in order."""
    parts = made if isinstance(made, tuple | list) else (made,)
    return tuple(part for part in parts if part is not None)


def same(found: Any, wanted: tuple[Tensor, ...], tolerance: float = 1e-4) -> None:
    """Raise Differs unless outputs are equal, relative to the largest."""
    found = outputs(found)
    if len(found) != len(wanted):
        raise Differs(f"{len(found)} outputs instead of {len(wanted)}")
    for got, want in zip(found, wanted, strict=True):
        if got.shape != want.shape:
            raise Differs(f"shape {tuple(got.shape)} instead of {tuple(want.shape)}")
        if not (by := apart(got, want)) <= tolerance:
            raise Differs(f"outputs differ by {by:.0e}")


def apart(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, relative to the largest output."""
    scale = max(float(wanted.float().abs().max()), 1e-30)
    return float((found.float() - wanted.float()).abs().max()) / scale


# ---- the checks -----------------------------------------------------------------------------------------------------


def compiled(case: Case, backend: str = "aot_eager") -> None:
    torch.compiler.reset()
    with torch._dynamo.config.patch(allow_rnn=case.recurrent is not None):
        _compiled(case, backend)
    if case.recurrent:
        raise Nothing(f"yes, with allow_rnn, which an nn.{case.recurrent} needs")


def _compiled(case: Case, backend: str) -> None:
    inputs = case.inputs()
    with torch.no_grad():
        same(torch.compile(case.module, fullgraph=True, backend=backend)(*inputs), case.wanted(*inputs))
    module = copy.deepcopy(case.module).train()
    before = copy.deepcopy(module)
    torch.manual_seed(1)
    made = torch.compile(module, fullgraph=True, backend="eager" if backend == "aot_eager" else backend)(*inputs)
    if backend == "aot_eager":  # inductor draws other random numbers
        torch.manual_seed(1)
        same(made, outputs(before(*inputs)))


def exported(case: Case) -> None:
    _exported(case)
    _one_length(case)


def _one_length(case: Case) -> None:
    if case.recurrent:
        raise Nothing(f"yes, at one length, which an nn.{case.recurrent} has torch.export fix")


def _exported(case: Case) -> torch.export.ExportedProgram:
    program = torch.export.export(case.module, case.inputs(), dynamic_shapes=case.dynamic())
    for batch, other in ((2, False), (3, True)):
        inputs = case.inputs(batch, other)
        same(program.module()(*inputs), case.wanted(*inputs))
    return program


def onnx(case: Case) -> None:
    import onnxruntime

    program = _exported(case)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        made = torch.onnx.export(program, dynamo=True, verbose=False)
        assert made is not None
        made.save(str(path), external_data=True)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        for batch, other in ((2, False), (3, True)):
            inputs = case.inputs(batch, other)
            fed = dict(zip((i.name for i in session.get_inputs()), (i.numpy() for i in inputs), strict=True))
            found = tuple(torch.from_numpy(o) for o in session.run(None, fed))
            same(found, case.wanted(*inputs), 1e-3)
    _one_length(case)


def scripted(case: Case) -> None:
    script = torch.jit.script(case.module)
    inputs = case.inputs()
    with torch.no_grad():
        same(script(*inputs), case.wanted(*inputs))
    kept = io.BytesIO()
    torch.jit.save(script, kept)
    kept.seek(0)
    with torch.no_grad():
        same(torch.jit.load(kept)(*inputs), case.wanted(*inputs))
    module = copy.deepcopy(case.module).train()
    script = torch.jit.script(copy.deepcopy(module))
    torch.manual_seed(1)
    made = outputs(script(*inputs))
    torch.manual_seed(1)
    same(made, outputs(module(*inputs)))


def copied(case: Case) -> None:
    inputs = case.inputs()
    other = copy.deepcopy(case.module)
    shared = {p.data_ptr() for p in case.module.parameters()} & {p.data_ptr() for p in other.parameters()}
    if shared:
        raise Differs("a copy shares arrays")
    with torch.no_grad():
        same(other(*inputs), case.wanted(*inputs), 0)
    kept = io.BytesIO()
    torch.save(case.module.state_dict(), kept)
    kept.seek(0)
    torch.manual_seed(9)
    fresh = instantiate(case.source).eval()
    fresh.load_state_dict(torch.load(kept, weights_only=True), strict=True)
    with torch.no_grad():
        same(fresh(*inputs), case.wanted(*inputs), 0)


def halved(case: Case) -> None:
    inputs = case.inputs()
    lacking: list[str] = []
    for kind in (torch.bfloat16, torch.float16):
        try:
            same(_made(case, inputs, kind), case.wanted(*inputs), 0.3)  # a hundred random layers make roundings grow
        except NotImplementedError as error:
            if "not implemented for" not in str(error):
                raise
            _made(case, inputs, kind, "meta")
            lacking.append(str(error).split('"')[1])
    if lacking:
        raise Nothing(f"types; torch has no `{lacking[0]}`")


def _made(case: Case, inputs: tuple[Tensor, ...], kind: torch.dtype, device: str = "cpu") -> tuple[Tensor, ...]:
    """The outputs of a module made of numbers of another type."""
    module = copy.deepcopy(case.module).to(kind).to(device)
    with torch.no_grad():
        made = outputs(module(*(i.to(device, kind) if i.is_floating_point() else i.to(device) for i in inputs)))
    if any(m.dtype != kind for m in made):
        raise Differs(f"{kind} gives {made[0].dtype}")
    return made


def channels_last(case: Case) -> None:
    if not any(len(shape.dims) > 2 for shape in case.network.inputs.values()):
        raise Nothing("no map comes in")
    layout = torch.channels_last_3d if case.clip else torch.channels_last
    module = copy.deepcopy(case.module).to(memory_format=layout)
    inputs = case.inputs()
    with torch.no_grad():
        made = module(*(i.to(memory_format=layout) for i in inputs))
    wanted = case.wanted(*inputs)
    try:
        same(made, wanted)
    except Differs:  # the kernels of a hundred layers round otherwise: as far as float64 is from both
        exact = copy.deepcopy(case.module).double()
        with torch.no_grad():
            true = outputs(exact(*(i.double() for i in inputs)))
        same(made, wanted, 2 * max(apart(found, want) for found, want in zip(wanted, true, strict=True)))


def trained(case: Case) -> None:
    inputs = case.inputs()
    before = {key: array.clone() for key, array in case.module.state_dict().items()}
    same(case.wanted(*inputs), case.wanted(*inputs), 0)
    if any(not torch.equal(array, before[key]) for key, array in case.module.state_dict().items()):
        raise Differs("evaluation changes the state")
    if case.inference:
        raise Nothing("for inference alone")
    module = copy.deepcopy(case.module).train()
    torch.manual_seed(3)
    made = outputs(module(*inputs))
    sum(m.float().square().mean() for m in made).backward()  # type: ignore[union-attr]
    without = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    if without:
        raise Differs(f"no gradient for {without[0]}")


def from_torchvision(case: Case) -> None:
    chosen = {key: constant_text(value) for key, value in case.network.parameters.items()}
    peer = peer_of(case.spec, chosen)
    if peer is None or not peer.title.startswith("torchvision"):
        raise Nothing("not in torchvision")
    if "narrower" in case.title:
        raise Nothing("narrower")
    with torch.device("meta"):
        theirs = peer.build()
        peer.ours(case.network, theirs)


def folded(case: Case) -> None:
    if not case.inference:
        raise Nothing("the network as it is trained")
    inputs = case.inputs()
    with torch.no_grad():
        same(case.wanted(*inputs), outputs(ready(case.network)(*inputs)))


CHECKS: dict[str, Callable[[Case], object]] = {
    "compile": compiled,
    "export": exported,
    "onnx": onnx,
    "script": scripted,
    "copy": copied,
    "half": halved,
    "channels": channels_last,
    "train": trained,
}
COSTLY = ("compile", "export", "onnx", "script")
COLUMNS = ("network", *CHECKS, "ruff", "pyright", "weights")
FOLDED = ("network", *CHECKS, "ruff", "pyright", "fold")


def checked(check: Callable[[Case], object], case: Case) -> str:
    """The cell of a check."""
    try:
        check(case)
    except Nothing as reason:
        return str(reason)
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its cell
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        return f"FAILS: {type(error).__name__}: {said}"[:160].replace("|", "/")
    return "yes"


def linted(sources: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The cells of ruff and pyright for emitted files by title."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {title: Path(folder) / f"net{number}.py" for number, title in enumerate(sources)}
        for title, path in paths.items():
            path.write_text(sources[title], encoding="utf-8")
        return {"ruff": _ruff(folder, paths), "pyright": _pyright(folder, paths)}


def _ruff(folder: str, paths: Mapping[str, Path]) -> dict[str, str]:
    if shutil.which("ruff", path=_PATH) is None:
        return dict.fromkeys(paths, "ruff is not installed")
    ruff = [sys.executable, "-m", "ruff"]
    found = _json([*ruff, "check", "--isolated", "--no-cache", "--output-format", "json", folder])
    said = {Path(entry["filename"]).name: f"FAILS: {entry['code']} {entry['message']}" for entry in found}
    unformatted = subprocess.run(
        [*ruff, "format", "--isolated", "--no-cache", "--check", folder], capture_output=True, text=True, check=False
    ).stdout
    for line in unformatted.splitlines():
        if line.startswith("Would reformat: "):
            said.setdefault(Path(line.partition(": ")[2]).name, "FAILS: not as ruff formats it")
    return {title: said.get(path.name, "yes") for title, path in paths.items()}


def _pyright(folder: str, paths: Mapping[str, Path]) -> dict[str, str]:
    if shutil.which("pyright", path=_PATH) is None:
        return dict.fromkeys(paths, "pyright is not installed")
    (Path(folder) / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}', encoding="utf-8")
    pyright = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", "-p", folder]
    said: dict[str, str] = {}
    for entry in _json(pyright)["generalDiagnostics"]:
        text = entry["message"].splitlines()[0]
        said.setdefault(Path(entry["file"]).name, f"FAILS: {text}"[:160].replace("|", "/"))
    return {title: said.get(path.name, "yes") for title, path in paths.items()}


_PATH = str(Path(sys.executable).parent)


def _json(command: list[str]) -> Any:
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


# ---- the rows -------------------------------------------------------------------------------------------------------


def cases(names: list[str], first: bool = False, inference: bool = False) -> Iterator[Case]:
    """Every variant of these specs; one too large made narrower."""
    for name in names:
        for choice, network in variants(name):
            yield _case(SPECS / f"{name}.yaml", choice, network, inference)
            if first:
                break


def _case(path: Path, choice: dict[str, Any], network: archdsl.Network, inference: bool = False) -> Case:
    name = path.stem
    title = " ".join([name, *(f"{key}={constant_text(value)}" for key, value in choice.items())])
    parameters = archdsl.analyze(network).totals.of(training=False).parameters
    if name in SMALLER:
        written, small = SMALLER[name]
        text = path.read_text(encoding="utf-8")
        assert written in text
        text = text.replace(written, small) if written else f"{text}\ninput: {small}\n"
        network = archdsl.loads(text, name=path.name, folder=path.parent, **choice)
        title += f" (at {small})"
    elif not isinstance(parameters, int) or parameters > LARGEST:
        network = archdsl.load(path, **{**choice, **NARROWER[name]})
        title += " (narrower)"
    return Case(title, name, network, inference)


def skeleton(source: str) -> str:
    """A file without its numbers, strings, layout and the name of its network."""
    tree = ast.parse(source)
    network = [node.name for node in tree.body if isinstance(node, ast.ClassDef)][-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
            node.value = 0
    return ast.dump(tree).replace(network, "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="specs by name (default: all)")
    parser.add_argument("--markdown", action="store_true", help="a table for docs/benchmarks.md")
    parser.add_argument("--again", action="store_true", help="everything of variants that differ in numbers alone, too")
    parser.add_argument("--first", action="store_true", help="the first variant of each spec")
    parser.add_argument("--inference", action="store_true", help="the form for inference")
    parser.add_argument("--inductor", action="store_true", help="compile kernels too")
    parser.add_argument("--only", help="these columns, separated by commas")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="keeps rows here; those of unchanged code are read")
    options = parser.parse_args()
    _quiet()
    names = options.names or sorted(path.stem for path in SPECS.glob("*.yaml"))
    columns = ("network", *options.only.split(",")) if options.only else FOLDED if options.inference else COLUMNS
    rows: dict[str, dict[str, str]] = {}
    sources: dict[str, str] = {}
    alike: dict[str, str] = {}
    known = json.loads(options.resume.read_text(encoding="utf-8")) if options.resume and options.resume.exists() else {}
    for case in cases(names, options.first, options.inference):
        like = case.title if options.again else alike.setdefault(skeleton(case.source), case.title)
        kept = known.get(case.title, {})
        row: dict[str, str] = kept.get("row", {}) if kept.get("source") == case.source else {}
        start = time.perf_counter()
        _fill(row, case, like, [c for c in columns if c not in row], "inductor" if options.inductor else "aot_eager")
        rows[case.title], sources[case.title] = row, case.source
        print(f"{case.title}: {time.perf_counter() - start:.0f} s {_failures(row)}", file=sys.stderr, flush=True)
        if options.resume:
            known[case.title] = {"source": case.source, "row": row}
            options.resume.write_text(json.dumps(known), encoding="utf-8")
    for column, cells in linted(sources).items() if {"ruff", "pyright"} & set(columns) else ():
        for title, cell in cells.items():
            rows[title][column] = cell
    show = _markdown if options.markdown else _plain
    print(*show(columns, list(rows.values())), sep="\n")
    wrong = sum(cell.startswith("FAILS") for row in rows.values() for cell in row.values())
    print(f"\n{len(rows)} variant{'s'[: len(rows) != 1]}, {wrong} cells failed")
    return 1 if wrong else 0


def _fill(row: dict[str, str], case: Case, like: str, missing: list[str], backend: str) -> None:
    """The cells of a row that are missing but for those of ruff and pyright, which look at all files at once."""
    row["network"] = case.title
    for column, check in {
        **CHECKS,
        "compile": lambda c: compiled(c, backend),
        "weights": from_torchvision,
        "fold": folded,
    }.items():
        if column in missing:
            again = column not in COSTLY or like == case.title
            row[column] = checked(check, case) if again else f"as {like}"


def _failures(row: Mapping[str, str]) -> str:
    return "; ".join(f"{column} {cell}" for column, cell in row.items() if cell.startswith("FAILS"))


def _quiet() -> None:
    """torch says much about what is experimental or deprecated."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(max(1, math.ceil(torch.get_num_threads() / 2)))


def _plain(columns: tuple[str, ...], rows: list[dict[str, str]]) -> Iterator[str]:
    widths = {c: max(len(c), *(len(row[c]) for row in rows)) for c in columns}
    for row in ({c: c for c in columns}, *rows):
        yield "  ".join(f"{row[c]:{widths[c]}}" for c in columns).rstrip()


def _markdown(columns: tuple[str, ...], rows: list[dict[str, str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row[c] for c in columns)} |"


if __name__ == "__main__":
    raise SystemExit(main())
