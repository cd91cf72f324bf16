"""What networks begin with, against torchvision's constructors and against what their rows say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from archdsl import api, build, compile, load, loads
from archdsl.api import Project
from archdsl.elaborate.files import bundled_folder
from archdsl.ir.graph import Fill, Network
from archdsl.ir.initial import Filled, initial
from archdsl.torch_backend.verify import instantiate

from .torchvision_models import models

SAME: list[tuple[str, Callable[[], nn.Module], dict[str, api.Parameter]]] = [
    ("resnet", models.resnet18, {"depth": 18, "stride_in": "3x3"}),
    ("resnet", lambda: models.resnet50(zero_init_residual=True), {"stride_in": "3x3", "zero_init": True}),
    ("densenet", models.densenet121, {}),
    ("squeezenet", models.squeezenet1_1, {"version": "1.1"}),
    ("mobilenetv2", models.mobilenet_v2, {}),
    ("mobilenetv3", models.mobilenet_v3_large, {"init": True}),
    ("mobilenetv3_small", models.mobilenet_v3_small, {"init": True}),
    ("video_resnet", models.video.r3d_18, {}),
]


@pytest.mark.parametrize(
    ("spec", "theirs", "parameters"), SAME, ids=lambda part: "" if callable(part) else str(part)[:30]
)
def test_equal_seeds_give_torchvisions_numbers(
    spec: str, theirs: Callable[[], nn.Module], parameters: dict[str, api.Parameter]
) -> None:
    torch.manual_seed(7)
    wanted = theirs().state_dict()
    torch.manual_seed(7)
    found = build(load(spec, **parameters)).state_dict()
    assert list(found) == list(wanted)
    assert [key for key, array in wanted.items() if not torch.equal(array, found[key])] == []


# ---- what the rows say ------------------------------------------------------------------------------------------------


def deviation(fill: Fill, array: Tensor) -> float | None:
    """The standard deviation that a recipe gives an array; None where it is no single number here."""
    numbers = {name: float(value) for name, value in fill.numbers}  # type: ignore[arg-type]
    mode = "fan_out" if "fan_out" in fill.words else "fan_in"
    gain_of = {"leakyrelu": "leaky_relu"}
    named = [gain_of.get(word, word) for word in fill.words if word not in ("fan_in", "fan_out")]
    default = "relu" if fill.scheme.startswith("kaiming") else "linear"
    gain = numbers.get("gain") or nn.init.calculate_gain(named[0] if named else default, numbers.get("slope"))  # type: ignore[arg-type]
    if fill.scheme.startswith(("kaiming", "xavier")):
        ins, outs = nn.init._calculate_fan_in_and_fan_out(array)
        fan = (ins + outs) / 2 if fill.scheme.startswith("xavier") else outs if mode == "fan_out" else ins
        return float(gain) / fan**0.5
    match fill.scheme:
        case "normal":
            return numbers["std"]
        case "truncated normal" if "within" not in numbers:
            return numbers["std"]
        case "uniform" if "bound" in numbers:
            return numbers["bound"] / 3**0.5
        case "uniform":
            return (numbers["high"] - numbers["low"]) / 12**0.5
        case "zeros" | "ones" | "constant":
            return 0.0
        case _:
            return None


def check(key: str, filled: Filled, array: Tensor) -> None:
    fill = filled.fill
    wanted = deviation(fill, array)
    constant = {"zeros": 0.0, "ones": 1.0}.get(fill.scheme, dict(fill.numbers).get("value"))
    if constant is not None:
        assert torch.equal(array, torch.full_like(array, float(constant))), key  # type: ignore[arg-type]
    elif wanted is not None:
        found = array.double().square().mean().sqrt().item()  # all these have the mean 0
        assert abs(found / wanted - 1) < 5 / array.numel() ** 0.5 + 1e-6, (key, found, wanted)


SMALL: dict[str, dict[str, api.Parameter]] = {
    "gpt2": {"vocab": 200, "context": 64},
    "mobilenetv3": {"init": True},
    "vgg": {"classes": 10, "config": "A"},
    "vgg_dense": {"classes": 10, "config": "A"},
}
FILES = sorted(p.stem for p in bundled_folder().glob("*.yaml") if "\ninit:" in p.read_text(encoding="utf-8"))


def begun(network: Network) -> nn.Module:
    torch.manual_seed(1)
    return build(network)


@pytest.mark.parametrize("name", FILES)
def test_bundled_networks_begin_as_their_rows_say(name: str) -> None:
    network = load(name, **SMALL.get(name, {}))
    fills = initial(network)
    assert fills
    arrays = dict(begun(network).named_parameters())
    for key, filled in fills.items():
        check(key, filled, arrays[key])


@pytest.mark.parametrize("name", FILES)
def test_every_variant_with_rows_can_be_constructed(name: str, recorded: Callable[[str], dict[str, str]]) -> None:
    """Without numbers, on the meta device: the last call for each array is the one its row says."""
    project = Project(name)
    for choice in project.variants()[:2]:
        network = project.network(choice)
        fills = initial(network)
        if fills:
            calls = recorded(compile(network))
            assert {key: calls.get(key) for key in fills} == {key: FUNCTIONS[f.fill.scheme] for key, f in fills.items()}


FUNCTIONS = {
    "kaiming normal": "kaiming_normal_", "kaiming uniform": "kaiming_uniform_", "xavier normal": "xavier_normal_",
    "xavier uniform": "xavier_uniform_", "orthogonal": "orthogonal_", "normal": "normal_",
    "truncated normal": "trunc_normal_", "uniform": "uniform_", "constant": "constant_", "zeros": "zeros_",
    "ones": "ones_",
}  # fmt: skip


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, str]]:
    """The last function of nn.init that the constructors of a source call for each parameter."""
    last: dict[int, str] = {}
    for name in FUNCTIONS.values():

        def record(array: Tensor, *_: object, function: str = name, **__: object) -> Tensor:
            last[id(array)] = function
            return array

        monkeypatch.setattr(nn.init, name, record)

    def run(source: str) -> dict[str, str]:
        last.clear()
        module = instantiate(source, "meta")
        return {key: last[id(array)] for key, array in module.named_parameters() if id(array) in last}

    return run


# ---- every form -------------------------------------------------------------------------------------------------------

SHAPES = """\
parameters: {n: 3, w: 16}
input: 8x16x16
module block w on CxHxW:
  residual: conv 3x3, w -> bn -> relu -> conv 3x3, w, no bias -> last: bn
  relu
module encoder:
  residual: norm: ln -> attn: attention heads 2
  mlp: [linear 64 -> gelu -> out: linear 32]
layers:
  conv 3x3, w
  stage: [block w] x n
  sepconv 3x3, 32
  a-b: conv 1x1, 32
  twice: [_: [conv 1x1, 32 -> relu]] x 2
  again a-b
  tokens -> cls: prepend -> pos: positions
  layers: [encoder] x 2
  body: [residual: linear 32 -> gelu] x 2
  ln -> take 0 -> head: linear 5
init:
"""
CHECKED = [
    "body: normal 0.3, bias ones\n  body.1: bias zeros",
    "conv: normal 0.3, bias constant 0.25",
    "sepconv: uniform 0.5\n  linear: xavier uniform tanh",
    "attention: normal 0.2, bias ones\n  in encoder: mlp: zeros",
    "cls: normal 0.3\n  pos: uniform -0.5..0.5",
    "bn: constant 0.5, bias ones\n  in block: last: zeros",
    "bn: constant 0.5, bias ones\n  stage.1.last: zeros\n  stage.2: bias zeros",
    "conv: normal 0.5\n  stage: normal 0.1\n  in block: conv1: normal 0.01",
    "stage: normal 0.5\n  conv: normal 0.1\n  twice.{i}: zeros",
    "in encoder: linear: normal 0.1\n  layers.0.mlp: bias ones\n  layers.*.mlp.out: normal 0.4",
    "conv, linear, attention, sepconv: kaiming uniform leakyrelu 0.5, bias zeros\n  in encoder: attn.proj: normal 0.1",
    "*: normal 0.1, bias zeros\n  layers.1.attn.qkv.bias: constant 3",
    "head: orthogonal gain 2, bias uniform 0..1\n  in block: conv: xavier normal gain 0.5",
    "in block: conv: normal 0.2, bias ones\n  in encoder: ln: zeros\n  stage.0.conv1.bias: zeros",
]


@pytest.mark.parametrize("rows", CHECKED)
def test_every_array_begins_as_its_row_says(rows: str, recorded: Callable[[str], dict[str, str]]) -> None:
    network = loads(f"{SHAPES}  {rows}\n".replace("a-b", '"a-b"'))
    fills = initial(network)
    calls = recorded(compile(network))
    assert {key: calls.get(key) for key in fills} == {key: FUNCTIONS[f.fill.scheme] for key, f in fills.items()}


@pytest.mark.parametrize("rows", CHECKED)
def test_numbers_are_drawn_as_said_and_the_rest_is_torchs(rows: str) -> None:
    network = loads(f"{SHAPES}  {rows}\n".replace("a-b", '"a-b"'))
    fills = initial(network)
    arrays = dict(begun(network).named_parameters())
    for key, filled in fills.items():
        if "low" not in dict(filled.fill.numbers):
            check(key, filled, arrays[key])
    for key in arrays.keys() - fills.keys():
        array = arrays[key]
        norm = ".bn" in key or ".last" in key or "norm" in key or key.startswith(("bn", "ln"))
        if norm and key.endswith("weight"):
            assert torch.equal(array, torch.ones_like(array)), key


def test_a_dialect_begins_alike(tmp_path: Path) -> None:
    path = tmp_path / "net.arch"
    rows = "  conv: normal 0.1\n  in block: last: zeros\n  stage.1.last: ones\n"
    names = "names other:\n  stage -> blocks\n  in block:\n    last -> norm\n    conv2 -> conv.1\n"
    path.write_text(f"{SHAPES}{rows}{names}".replace("a-b", "ab"))
    module = instantiate(compile(load(path), "other"))
    for number in range(3):
        norm = module.get_parameter(f"blocks.{number}.norm.weight")
        assert torch.equal(norm, torch.ones_like(norm) if number == 1 else torch.zeros_like(norm))
        assert abs(module.get_parameter(f"blocks.{number}.conv.1.weight").std().item() / 0.1 - 1) < 0.1
