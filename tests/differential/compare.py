"""A plan's text given to archdsl, and everything it says held against the plan's module of torch's layers."""

from __future__ import annotations

import copy
import types
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import archdsl
from archdsl.diagnostics import SpecError
from archdsl.ir.keys import state_keys
from archdsl.torch_backend.emitter import emit_source

from .reference import BATCH, Plan, Reference, Runner, inputs
from .variants import networks
from .words import Value
from .write import spec


@dataclass(frozen=True)
class Difference:
    """Where archdsl and torch do not agree. `kind` stays the same while a plan is made smaller."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def facts(reference: Reference) -> str:
    """What torch says of the whole network, as facts at the end of the spec."""
    sizes = "x".join(map(str, reference.main.tensor.shape[1:]))
    count = sum(p.numel() for r in reference.records if r.module and not r.training for p in r.module.parameters())
    found = [sizes, f"{count} params"] if reference.main.kind != "numbers" else [f"{count} params"]
    macs = reference.total - sum(r.macs for r in reference.records if r.training) - reference.training_joins
    return ", ".join([*found, f"{macs} multiply-adds"])


def compare(plan: Plan, source: bool = False, meta: bool = False, variants: bool = False) -> Difference | None:
    """The first difference, or None. `source`: the emitted code, too; `meta`: that and torch's counter there;
    `variants`: the same parameters chosen from outside.

    Raises what torch raises where the plan is no network. What is accepted and cannot be written as code is a difference.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reference = Reference(plan)
    text = spec(plan, facts(reference))
    try:
        network = archdsl.loads(text)
        analysis = archdsl.analyze(network)
        keys = state_keys(network)
    except SpecError as error:
        return Difference(f"refused {error.diagnostics[0].code}", f"{error}")
    except Exception as error:  # noqa: BLE001 - whatever archdsl raises is its mistake
        return Difference(f"raised {type(error).__name__}", str(error))
    found = compare_layers(reference, analysis) or compare_totals(reference, analysis)
    found = found or compare_arrays(reference, keys)
    if found is None and analysis.failed:
        fact = analysis.failed[0]
        found = Difference("fact", f"{fact.claim.text} does not hold, found {fact.computed}")
    if found is None and meta:
        found = compare_meta(plan, reference)
    if found is None and variants:
        found = compare_variants(plan, reference)
    if found is None and (source or meta):
        found = compare_source(plan, reference, network, meta)
    return found


def compare_layers(reference: Reference, analysis: Any) -> Difference | None:
    """Path, shape, arrays and multiply-adds of each layer."""
    rows, records = analysis.layers, reference.records
    for row, record in zip(rows, records, strict=False):
        where = ".".join(record.path)
        if (row.path, row.kind) != (record.path, record.kind) or row.operator not in (record.word, "again"):
            return Difference("layers", f"{record.word} {where} is {row.operator} {'.'.join(row.path)}")
        if row.output.dims != record.output:
            return Difference(f"shape of {record.word}", f"{where} gives {record.output}, not {row.output}")
        if row.training != record.training:
            return Difference("training", f"{where}")
        counts = (row.counts.parameters, row.counts.buffers)
        if record.module is not None and counts != stored(record.module):
            return Difference(f"arrays of {record.word}", f"{where} has {stored(record.module)}, not {counts}")
        if row.counts.macs != record.macs:
            return Difference(f"multiply-adds of {record.word}", f"{where}: {record.macs}, not {row.counts.macs}")
    if len(rows) != len(records):
        return Difference("layers", f"{len(records)} layers, not {len(rows)}")
    return None


def stored(module: nn.Module) -> tuple[int, int]:
    """(trained numbers, numbers in buffers)."""
    return sum(p.numel() for p in module.parameters()), sum(b.numel() for b in module.buffers())


def compare_totals(reference: Reference, analysis: Any) -> Difference | None:
    totals = analysis.totals.of(training=True)
    trained = sum(stored(r.module)[0] for r in reference.records if r.module)
    if totals.parameters != trained:
        return Difference("parameters", f"{trained}, not {totals.parameters}")
    if totals.macs != reference.total:
        return Difference("multiply-adds", f"{reference.total}, not {totals.macs}")
    result = analysis.network.root.result
    if (result.kind, result.dims) != (reference.main.kind, tuple(reference.main.tensor.shape[1:])):
        return Difference("result", f"{reference.main.kind} {reference.main.tensor.shape[1:]}, not {result}")
    return None


def compare_arrays(reference: Reference, keys: Any) -> Difference | None:
    """Keys and shapes of the state_dict, and which arrays are trained."""
    wanted = {
        key: (tuple(made.state_dict()[name].shape), isinstance(made.state_dict(keep_vars=True)[name], nn.Parameter))
        for key, (made, name) in reference.arrays().items()
    }
    found = {key: (tuple(shape), role == "trained") for key, (shape, role) in keys.items()}
    for key in [*wanted, *found]:
        if wanted.get(key) != found.get(key):
            return Difference("state", f"{key} is {wanted.get(key)}, not {found.get(key)}")
    return None


def compare_variants(plan: Plan, reference: Reference) -> Difference | None:
    """A file with other parameters, given these from outside, is the same network."""
    try:
        for way, analysis, keys in networks(plan):
            found = compare_layers(reference, analysis) or compare_totals(reference, analysis)
            found = found or compare_arrays(reference, keys)
            if found is not None:
                return Difference(f"{way}: {found.kind}", found.what)
    except SpecError as error:
        return Difference(f"refused from outside {error.diagnostics[0].code}", str(error))
    return None


def compare_meta(plan: Plan, reference: Reference) -> Difference | None:
    """Shapes and multiply-adds on the meta device are those that were measured: torch agrees with itself."""
    modules = copy.deepcopy(reference.parts).to("meta")  # together, so that what is shared stays shared
    runner = Runner(plan, modules)
    with FlopCounterMode(display=False) as counter:
        outputs = runner.run(inputs(plan, "meta"))
    wanted = [reference.main.tensor.shape, *(v.tensor.shape for _, v in reference.outputs)]
    if [o.shape for o in outputs] != wanted or counter.get_total_flops() != 2 * BATCH * reference.total:
        return Difference("meta", f"{counter.get_total_flops() // (2 * BATCH)} multiply-adds, not {reference.total}")
    return None


def compare_source(plan: Plan, reference: Reference, network: Any, whole: bool) -> Difference | None:
    """The emitted code: its state, and its values with the same weights, in eval and (without chance) in train mode.

    `whole`: also archdsl's own check of the code, and the module it builds in memory.
    """
    try:
        text = archdsl.compile(network) if whole else emit_source(network)
    except SpecError as error:
        return Difference(f"no source {error.diagnostics[0].code}", str(error))
    except Exception as error:  # noqa: BLE001 - whatever archdsl raises is its mistake
        return Difference(f"emission raised {type(error).__name__}", str(error))
    try:
        module = executed(text)
    except Exception as error:  # noqa: BLE001
        return Difference(f"source raised {type(error).__name__}", f"{error}\n{text}")
    if whole:
        built = archdsl.build(network)
        if {k: v.shape for k, v in built.state_dict().items()} != {k: v.shape for k, v in module.state_dict().items()}:
            return Difference("build", "the module in memory has other arrays than the source")
    return compare_values(plan, reference, module, text)


def executed(text: str) -> nn.Module:
    """The network that some source defines: its last class."""
    made = types.ModuleType("emitted")
    exec(compile(text, "<emitted>", "exec"), made.__dict__)
    classes = [v for v in made.__dict__.values() if isinstance(v, type) and v.__module__ == "emitted"]
    return classes[-1]()


def compare_values(plan: Plan, reference: Reference, module: nn.Module, text: str) -> Difference | None:
    """Outputs of both with the same random weights."""
    arrays = reference.arrays()
    state = module.state_dict()
    if set(arrays) - set(state):
        return Difference("state of the source", f"lacks {sorted(set(arrays) - set(state))}")
    generator = torch.Generator().manual_seed(2)
    module.double()
    reference.double()
    with torch.no_grad():
        trained = dict(module.named_parameters())
        for key, array in module.state_dict().items():
            if key in trained or key.endswith(("running_mean", "running_var")):
                array.normal_(0, 0.5, generator=generator)
                if key.endswith("running_var"):
                    array.abs_().add_(0.1)
            if key in arrays:
                made, name = arrays[key]
                made.state_dict()[name].copy_(array)
    values = {
        name: v._replace(tensor=v.tensor.double() if v.tensor.is_floating_point() else v.tensor)
        for name, v in inputs(plan).items()
    }
    for training in [False] if by_chance(plan) else [False, True]:
        found = compare_mode(reference, module, values, training)
        if found is not None:
            return Difference(found.kind, f"{found.what}\n{text}")
    return None


def by_chance(plan: Plan) -> bool:
    """Whether something in a plan draws random numbers in training."""
    return '"dropout"' in repr(plan).replace("'", '"') or '"droppath"' in repr(plan).replace("'", '"')


def compare_mode(
    reference: Reference, module: nn.Module, values: dict[str, Value], training: bool
) -> Difference | None:
    mode = "train" if training else "eval"
    reference.train(training)
    module.train(training)
    tensors = [v.tensor for v in values.values()]
    with torch.no_grad():
        try:
            wanted = reference(values)
        except ValueError as error:
            if "more than 1 value per channel" in str(error) or "more than 1 spatial" in str(error):
                return None
            raise
        try:
            found = module(*(t.clone() for t in tensors))
        except Exception as error:  # noqa: BLE001
            return Difference(f"source raised {type(error).__name__} in {mode}", str(error))
    outputs = [o for o in (found if isinstance(found, tuple) else [found]) if o is not None]
    if len(outputs) != len(wanted):
        return Difference(f"outputs in {mode}", f"{len(wanted)}, not {len(outputs)}")
    for number, (a, b) in enumerate(zip(wanted, outputs, strict=True)):
        if a.shape != b.shape or not close(a, b):
            return Difference(f"values in {mode}", f"output {number} differs by {distance(a, b)}")
    for key, (made, name) in reference.arrays().items():
        if training and not torch.allclose(made.state_dict()[name].double(), module.state_dict()[key].double()):
            return Difference("statistics", f"{key} after a step in training")
    return None


def close(a: Tensor, b: Tensor) -> bool:
    scale = max(1.0, float(a.abs().nan_to_num(0, 0, 0).max())) if a.numel() else 1.0
    return torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-6 * scale, equal_nan=True)


def distance(a: Tensor, b: Tensor) -> Any:
    return float((a - b).abs().max()) if a.shape == b.shape else (tuple(a.shape), tuple(b.shape))
