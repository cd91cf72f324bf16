"""The plan for sharded training: every unit is a module, and two processes learn what one does."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import archdsl

LANGUAGE_MODEL = """\
network: Small
input: 12 below 50
module layer: |
  residual: ln_1: ln -> attn: attention heads 2, causal
  residual: ln_2: ln -> mlp: [linear 64 -> gelu -> linear 32]
layers: |
  wte: embedding 50, 32 -> wpe: positions 12
  h: [layer] x 3
  ln_f: ln
  lm_head: linear 50, no bias, weight @wte
"""
STEPS = 5


@pytest.mark.parametrize("name", ["gpt2", "densenet", "swin", "unet", "vgg", "siamese"])
def test_units_are_modules_apart(name: str) -> None:
    network = archdsl.load(name)
    plan = archdsl.parallel_plan(network)
    with torch.device("meta"):
        module = archdsl.build(network)
    seen: set[int] = set()
    for path in plan:
        own = {id(array) for array in module.get_submodule(path).parameters()}
        assert own, path
        assert not own & seen, path
        seen |= own
    if plan:
        assert seen <= {id(array) for array in module.parameters()}


def test_what_shares_arrays_belongs_to_the_root() -> None:
    text = "input: 8\nmodule m:\n  residual: a: linear 8 -> relu\nlayers:\n  body: [m] x 2\n"
    assert archdsl.parallel_plan(archdsl.loads(text)) == ("body.0", "body.1")
    assert archdsl.parallel_plan(archdsl.loads(f"{text}  again body\n")) == ()


INSIDE = {
    "module m: c: linear 8 -> relu -> again c\nlayers:\n  body: [m] x 3": 3,
    "module m: a: linear 8 -> relu -> linear 8, weight @a\nlayers:\n  body: [m] x 3": 3,
    "layers:\n  body: [a: linear 8 -> relu -> linear 8] x 3": 1,
    "layers:\n  body: [a: linear 8 -> relu -> linear 8] x 3\n  add:\n    - identity\n    - @body.1.a": 0,
    "layers:\n  body: [relu -> linear 8] x 3\n  add:\n    - identity\n    - @body.1": 0,
    "module m: body: [a: linear 8 -> relu -> linear 8] x 3\nlayers:\n  m: m\n  add:\n    - identity\n    - @m.body.1.a": 0,
    "layers:\n  body:\n    [linear 8 -> relu] x 3\n    output aux when training: linear 2\n    linear 8": 0,
}


@pytest.mark.parametrize("layers", INSIDE)
def test_units_are_called_as_a_whole(layers: str) -> None:
    """What a unit shares within itself stays in it; a level that is written out in a `forward` is no unit."""
    network = archdsl.loads(f"input: 8\n{layers}\n")
    module, plan = archdsl.build(network), archdsl.parallel_plan(network)
    called: list[str] = []
    for path in plan:
        module.get_submodule(path).register_forward_hook(lambda *_, path=path: called.append(path))
    module(torch.randn(2, 8))
    assert tuple(called) == plan
    assert len(plan) == INSIDE[layers]


@pytest.mark.parametrize("names", ["torchvision", "timm"])
def test_names_of_a_dialect(names: str) -> None:
    network = archdsl.load("vit")
    with torch.device("meta"):
        module = archdsl.build(network, names)
    plan = archdsl.parallel_plan(network, names)
    assert [type(module.get_submodule(path)).__name__ for path in plan] == ["Encoder"] * 12
    assert (plan == archdsl.parallel_plan(network)) == (names == "timm")


def curve(rank: int, ranks: int) -> list[float]:
    """The losses of a few steps on the same data, of which each process sees its share."""
    network = archdsl.loads(LANGUAGE_MODEL)
    torch.manual_seed(0)
    module: nn.Module = archdsl.build(network)
    if ranks > 1:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cpu", (ranks,))
        for path in archdsl.parallel_plan(network):
            fully_shard(module.get_submodule(path), mesh=mesh)
        fully_shard(module, mesh=mesh)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    torch.manual_seed(1)
    words = torch.randint(50, (4, 13))
    mine = words.chunk(ranks)[rank]
    losses: list[float] = []
    for _ in range(STEPS):
        found: Tensor = module(mine[:, :-1])
        loss = cross_entropy(found.flatten(0, 1), mine[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        whole = loss.detach().clone()
        if ranks > 1:
            torch.distributed.all_reduce(whole)
        losses.append(float(whole) / ranks)
    return losses


def work(rank: int, port: int, folder: str) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    losses = curve(rank, 2)
    if rank == 0:
        torch.save(losses, Path(folder) / "losses.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawned: Any = torch.multiprocessing.spawn(work, (port, str(tmp_path)), nprocs=2)
    assert spawned is None
    together = torch.load(tmp_path / "losses.pt")
    alone = curve(0, 1)
    assert alone[-1] < alone[0] - 0.1
    assert together == pytest.approx(alone, rel=1e-4)
