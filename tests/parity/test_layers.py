"""Every layer of the bundled specs against torch: output shape, arrays, multiply-adds, on the meta device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archdsl
from archdsl.api import Project
from archdsl.torch_backend.verify import sample, sizes

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
PROJECTS = {path: Project(path) for path in SPECS}
CASES = [(path, v) for path, p in PROJECTS.items() for v in (p.variants()[:1] if p.spec.extends else p.variants())]
TABLE_CONV = {"C3"}
"""LeNet's C3 runs as one dense convolution whose unmarked kernels are zero: torch counts those too."""


def case_name(case: tuple[Path, dict[str, object]]) -> str:
    path, variant = case
    return path.stem + "".join(f"-{value}" for value in variant.values())


def recorder(name: str, outputs: dict[str, tuple[int, ...]]) -> Callable[..., None]:
    def record(_module: object, _inputs: object, output: torch.Tensor) -> None:
        outputs.setdefault(name, tuple(output.shape[1:]))

    return record


@pytest.mark.parametrize("case", CASES, ids=[case_name(c) for c in CASES])
def test_layers(case: tuple[Path, dict[str, object]]) -> None:
    path, variant = case
    network = Project(path).network(variant)  # type: ignore[arg-type]
    analysis = archdsl.analyze(network)
    with torch.device("meta"):
        module = archdsl.build(network).eval()
    values = sample(network)
    inputs = [torch.empty(1, *sizes(shape, values), device="meta") for shape in network.inputs.values()]
    counter = FlopCounterMode(display=False)
    outputs: dict[str, tuple[int, ...]] = {}
    for name, part in module.named_modules():
        part.register_forward_hook(recorder(name, outputs))
    with counter:
        module(*inputs)
    flops = counter.get_flop_counts()
    root = type(module).__name__
    parts = dict(module.named_modules())
    counted = 0
    for row in analysis.layers:
        name = ".".join(row.path)
        if name in outputs:
            assert outputs[name] == sizes(row.output, values), name
        if name not in parts:
            assert not any((row.counts.parameters, row.counts.buffers, row.counts.macs)), name
            continue
        part = parts[name]
        assert sum(p.numel() for p in part.parameters()) == row.counts.parameters, name
        assert sum(b.numel() for b in part.state_dict().values()) == row.counts.parameters + row.counts.buffers, name
        measured = sum(flops.get(f"{root}.{name}", {}).values())
        if name not in TABLE_CONV:
            assert measured == 2 * row.counts.macs, name
        counted += measured
    totals = analysis.totals.of(training=False)
    assert counted == sum(flops["Global"].values()) > 0
    assert sum(p.numel() for p in module.parameters()) == totals.parameters
    assert sum(b.numel() for b in module.state_dict().values()) == totals.parameters + totals.buffers
