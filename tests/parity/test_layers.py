"""Every layer of the bundled specs against torch: output shape, arrays, multiply-adds, on the meta device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archdsl
from archdsl.api import Project
from archdsl.ir.dims import Dim, evaluate
from archdsl.ir.shapes import Shape
from archdsl.torch_backend.verify import sample, sizes

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
PROJECTS = {path: Project(path) for path in SPECS}
CASES = [(path, v) for path, p in PROJECTS.items() for v in (p.variants()[:1] if p.spec.extends else p.variants())]
TABLE_CONV = {"C3", "S2", "S4"}  # torch counts the dense kernel, and a coefficient a map as a convolution
"""LeNet's C3 runs as one dense convolution whose unmarked kernels are zero: torch counts those too."""


def case_name(case: tuple[Path, dict[str, object]]) -> str:
    path, variant = case
    return path.stem + "".join(f"-{value}" for value in variant.values())


def recorder(name: str, outputs: dict[str, tuple[int, ...]]) -> Callable[..., None]:
    def record(_module: object, _inputs: object, output: object) -> None:
        first = output[0] if isinstance(output, tuple) else output  # what is looked at from outside comes beside it
        assert isinstance(first, torch.Tensor)
        outputs.setdefault(name, tuple(first.shape[1:]))

    return record


@pytest.mark.parametrize("case", CASES, ids=[case_name(c) for c in CASES])
def test_layers(case: tuple[Path, dict[str, object]]) -> None:
    path, variant = case
    network = Project(path).network(variant)  # type: ignore[arg-type]
    analysis = archdsl.analyze(network)
    with torch.device("meta"):
        module = archdsl.build(network).eval()
    values = sample(network)
    inputs = [meta_input(shape, values) for shape in network.inputs.values()]
    counter = FlopCounterMode(display=False)
    outputs: dict[str, tuple[int, ...]] = {}
    for name, part in module.named_modules():
        part.register_forward_hook(recorder(name, outputs))
    with counter:
        module(*inputs)
    flops = counter.get_flop_counts()
    root = type(module).__name__
    parts = dict(module.named_modules())
    dense = 0
    again: dict[str, int] = {}  # what is applied again, and the products of all its applications
    for row in analysis.layers:
        if row.kind == "again":
            again[".".join(row.path)] = again.get(".".join(row.path), 0) + 2 * number(row.counts.macs, values)
    for row in analysis.layers:
        name = ".".join(row.path)
        if row.kind == "again":
            continue
        if name in outputs:
            assert outputs[name] == sizes(row.output, values), name
        if name not in parts:  # a function of torch, or a parameter of the module itself
            assert row.counts.buffers == 0, name
            continue
        part = parts[name]
        assert sum(p.numel() for p in part.parameters()) == row.counts.parameters, name
        assert sum(b.numel() for b in part.state_dict().values()) == row.counts.parameters + row.counts.buffers, name
        measured = sum(flops.get(f"{root}.{name}", {}).values())
        expected = 2 * number(row.counts.macs, values)
        applied = next((path for path in again if f"{name}.".startswith(f"{path}.")), None)
        if applied is not None:
            again[applied] += expected
        elif name in TABLE_CONV:
            dense += measured - expected
        elif not row.training:
            assert measured == expected, name
    for path, expected in again.items():
        assert sum(flops.get(f"{root}.{path}", {}).values()) == expected, path
    always, training = (analysis.totals.of(training=t) for t in (False, True))
    assert sum(flops["Global"].values()) - dense == 2 * number(always.macs, values) > 0
    assert sum(p.numel() for p in module.parameters()) == training.parameters
    assert sum(b.numel() for b in module.state_dict().values()) - tied(module) == training.parameters + training.buffers


def meta_input(shape: Shape, values: dict[str, int]) -> torch.Tensor:
    kind = torch.long if shape.kind == "numbers" else torch.float32
    return torch.empty(1, *sizes(shape, values), dtype=kind, device="meta")


def number(value: Dim, values: dict[str, int]) -> int:
    return int(evaluate(value, values))


def tied(module: torch.nn.Module) -> int:
    """Numbers that a state_dict holds twice."""
    arrays = list(module.state_dict(keep_vars=True).values())
    return sum(a.numel() for a in arrays) - sum(a.numel() for a in {id(a): a for a in arrays}.values())
