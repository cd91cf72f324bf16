"""Values inside modules, looked at from outside: what the emitted module hands on is what a hook sees there."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import archdsl

SPEC = """
input: 3x16x16
module unit w:
  c: conv 3x3, w -> n: bn
  relu
module stem w:
  u: unit w
  stage: [unit w] x 4
  last: conv 3x3, 2w
module wrap w:
  s: stem w
  t: unit w
layers:
  a: stem 8
  b: wrap 16
  between: [conv 3x3, 8 -> unit 8 -> unit 4]
  e: [conv 3x3, 4] x 9
  concat:
"""
PATHS = ["a.stage", "a.stage.1", "a.u.c", "a.last", "b.s.u", "b.s.stage.2", "b.s.stage.1.c", "b.t", "e.1", "e.5", "e.8"]


def run(module: nn.Module, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and what hooks saw of each part."""
    seen: dict[str, Tensor] = {}

    def watch(path: str, part: nn.Module) -> None:
        def hook(_part: nn.Module, _inputs: object, output: object) -> None:
            main = output[0] if isinstance(output, tuple) else output
            assert isinstance(main, Tensor)
            seen[path] = main

        part.register_forward_hook(hook)

    for path, part in module.named_modules():
        watch(path, part)
    return module(x), seen


def body(paths: list[str]) -> nn.Module:
    torch.manual_seed(0)
    return archdsl.build(archdsl.loads(SPEC + "\n".join(f"    - @{path}" for path in paths))).eval()


@pytest.mark.parametrize("paths", [[p] for p in PATHS] + [PATHS, ["a.stage.0", "a.stage.3", "e.0", "e.1"]])
def test_what_is_looked_at_is_what_a_hook_sees(paths: list[str]) -> None:
    """One at a time and all at once, through one module, two, and into equal iterations."""
    output, seen = run(body(paths), torch.randn(2, 3, 16, 16))
    levels = {"a.stage": "a.stage.3"}  # a level that is no chain has no forward of its own to hook
    wanted = [seen[p] if p in seen else seen[levels[p]] for p in paths]
    assert torch.equal(output, torch.cat(wanted, 1))


def test_a_chain_looked_into_stays_a_chain() -> None:
    """It is cut into slices, and the parameters keep their names."""
    source = archdsl.compile(
        archdsl.loads("input: 3x8x8\nlayers:\n  e: [conv 3x3, 3] x 9\n  add:\n    - @e.1\n    - @e.4")
    )
    assert "e_1 = self.e[:2](x)" in source
    assert "e_4 = self.e[2:5](e_1)" in source


@pytest.mark.parametrize(
    "lines",
    [
        "  a: conv 3x3, 3\n  [conv 3x3, 3 -> relu] x 3\n  add:\n    - identity\n    - @a",
        "  a: conv 3x3, 3\n  [residual: conv 3x3, 3 -> relu -> conv 3x3, 3] x 3\n  add:\n    - identity\n    - @a",
        "  a: conv 3x3, 3\n  for i in 1..3:\n    add:\n      - conv 3x3, 3\n      - identity\n      - @a\n  relu",
    ],
)
def test_a_value_from_before_a_repeat_is_still_that_value(lines: str) -> None:
    """Iterations written out one after the other leave what came before them alone."""
    torch.manual_seed(0)
    network = archdsl.loads(f"input: 3x8x8\nlayers:\n{lines}")
    module, x = archdsl.build(network), torch.randn(2, 3, 8, 8)
    parts = dict(module.named_children())
    a = parts["a"](x)
    y = a
    if "residual" in lines:
        for n in (2, 4, 6):
            y = y + parts[f"conv{n + 1}"](parts[f"conv{n}"](y).relu())
    elif "for i" in lines:
        for n in (2, 3, 4):
            y = parts[f"conv{n}"](y) + y + a
    else:
        for n in (2, 3, 4):
            y = parts[f"conv{n}"](y).relu()
    assert torch.equal(module(x), y.relu() if "for i" in lines else y + a)


LEVELS = {
    "layers": ("stage: [a: conv 3x3, 8 -> relu -> conv 3x3, 8] x 3", "stage.{i}.a"),
    "the last layer": ("stage: [sigmoid -> b: conv 3x3, 8] x 3", "stage.{i}.b"),
    "no chain": ("stage: [residual: a: conv 3x3, 8 -> sigmoid -> conv 3x3, 8] x 3", "stage.{i}.a"),
    "a level": ("stage: [inner: [a: conv 3x3, 8 -> sigmoid -> conv 3x3, 8] -> conv 3x3, 8] x 3", "stage.{i}.inner.a"),
    "repeats": (
        "stage: [inner: [a: conv 3x3, 8 -> sigmoid -> conv 3x3, 8] x 3 -> conv 3x3, 8] x 3",
        "stage.{i}.inner.1.a",
    ),
    "their ends": ("stage: [inner: [sigmoid -> a: conv 3x3, 8] x 3 -> conv 3x3, 8] x 3", "stage.{i}.inner.1"),
    "a call": ("stage: [u: unit -> conv 3x3, 8] x 3", "stage.{i}.u"),
    "into a call": ("stage: [u: unit -> conv 3x3, 8] x 3", "stage.{i}.u.a"),
    "from outside": ("m: stages", "m.stage.{i}.a"),
}


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("form", LEVELS)
def test_the_turn_that_is_meant(form: str, turn: int) -> None:
    """Equal iterations share the numbers of their values: what is looked at is what that module gave."""
    layers, at = LEVELS[form]
    path = at.format(i=turn)
    net = archdsl.loads(
        "input: 8x6x6\nmodule unit: a: conv 3x3, 8 -> sigmoid -> conv 3x3, 8\n"
        "module stages:\n  stage: [a: conv 3x3, 8 -> sigmoid -> conv 3x3, 8] x 3\n  conv 1x1, 8\n"
        f"layers:\n  {layers}\n  add:\n    - identity\n    - @{path} -> head: conv 3x3, 8\n"
    )
    module = archdsl.build(net)
    given: dict[str, torch.Tensor] = {}

    def keep(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: object) -> None:
        made = inputs[0] if _ is module.head else output
        given["head" if _ is module.head else path] = made[0] if isinstance(made, tuple) else made  # type: ignore[assignment]

    member = f"{path}.a" if form == "their ends" else path
    module.get_submodule(member).register_forward_hook(keep)
    module.head.register_forward_hook(keep)
    module(torch.randn(2, 8, 6, 6))
    assert torch.equal(given["head"], given[path])
