"""The object that `archdsl analyze --json` prints; docs/json.md describes every field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from ..analysis import Analysis, Counts, FactResult, LayerRow
from ..analysis.columns import DEFAULT, MEMORY, Details, Grouping
from ..ir.shapes import Shape
from ..records import dataclass
from .cells import cell_json
from .constants import constant_json, dim_json, dims_json, span_json
from .facts import claim_text
from .listing import grouped, layer_numbers

SCHEMA = "archdsl-analysis/1"


@dataclass(frozen=True, slots=True)
class More:
    """What an object has beside what is always there: columns, of the layers in some order or of groups; memory."""

    details: Details
    columns: Sequence[str] = ()
    sort: str | None = None
    by: Grouping | None = None
    memory: bool = False


def json_object(analysis: Analysis, *, training: bool = False, more: More | None = None) -> dict[str, object]:
    """The analysis as ints, texts, lists and mappings; `training` counts what exists in training only."""
    network = analysis.network
    found: dict[str, object] = {
        "schema": SCHEMA,
        "network": network.title,
        "source": network.source,
        "file": network.file,
        "parameters": {name: constant_json(value) for name, value in network.parameters.items()},
        "inputs": {name: _input(shape) for name, shape in network.inputs.items()},
        "training": training,
        "layers": [_layer(row) for row in analysis.layers] if more is None else _layers(more),
        "totals": _totals(analysis.totals.of(training)),
        "facts": [_fact(fact) for fact in analysis.facts],
    }
    return found if more is None else found | _more(more)


def _layers(more: More) -> list[dict[str, object]]:
    details = more.details
    columns = {name: details.cells(name) for name in more.columns}
    found: list[dict[str, object]] = []
    for number in layer_numbers(details, more.sort if more.by is None else None):
        cells = {name: cell_json(cells[number]) for name, cells in columns.items()}
        found.append(_layer(details.rows[number]) | ({"columns": cells} if cells else {}))
    return found


def _more(more: More) -> dict[str, object]:
    details, found = more.details, dict[str, object]()
    if more.columns:
        found["columns"] = {name: cell_json(details.total(name)) for name in more.columns}
    if more.by is not None:
        names = more.columns or DEFAULT
        entries = grouped(details, names, more.by, more.sort).entries
        found["by"] = more.by
        found["groups"] = [
            {
                "name": entry.name,
                "layers": entry.times,
                "columns": {n: cell_json(c) for n, c in zip(names, entry.cells, strict=True)},
            }
            for entry in entries
        ]
    if more.memory or MEMORY & set(more.columns):
        given = details.given
        peak, at = details.peak
        found["memory"] = {
            "batch": given.batch,
            "dtype": given.dtype,
            "optimizer": given.optimizer,
            "weights": dim_json(details.array_bytes("weights")),
            "gradients": dim_json(details.array_bytes("gradients")),
            "optimizer_state": dim_json(details.array_bytes("optimizer")),
            "inference_peak": None if peak is None else dim_json(peak),
            "inference_peak_at": at,
            "training_values": dim_json(details.kept),
        }
    return found


def json_text(found: dict[str, object]) -> str:
    """The object as text: a line a field, a line a layer and a fact.

    >>> print(json_text({"schema": "x", "layers": [{"path": "a"}, {"path": "b"}]}), end="")
    {
      "schema": "x",
      "layers": [
        {"path": "a"},
        {"path": "b"}
      ]
    }
    """
    lines: list[str] = []
    for name, value in found.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value:
            items = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in cast("list[object]", value))
            text = f"[\n{items}\n  ]"
        lines.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _input(shape: Shape) -> dict[str, object]:
    below = None if shape.below is None else dim_json(shape.below)
    return {"kind": shape.kind, "shape": dims_json(shape.dims), "below": below}


def _layer(row: LayerRow) -> dict[str, object]:
    return {
        "path": ".".join(row.path),
        "operator": row.operator,
        "output": dims_json(row.output.dims),
        "parameters": dim_json(row.counts.parameters),
        "trainable": dim_json(row.counts.parameters),
        "buffers": dim_json(row.counts.buffers),
        "macs": dim_json(row.counts.macs),
        "connections": dim_json(row.counts.connections),
        "times": row.times,
        "training": row.training,
        "span": span_json(row.span),
    }


def _totals(counts: Counts) -> dict[str, object]:
    return {
        "parameters": dim_json(counts.parameters),
        "trainable": dim_json(counts.parameters),
        "buffers": dim_json(counts.buffers),
        "macs": dim_json(counts.macs),
        "flops": dim_json(2 * counts.macs),
        "connections": dim_json(counts.connections),
    }


def _fact(fact: FactResult) -> dict[str, object]:
    claim, computed = fact.claim, fact.computed
    if claim.expected is not None:
        expected: object = dims_json(claim.expected)
    else:
        expected = dim_json(claim.low) if claim.low == claim.high else claim.text
    return {
        "claim": claim_text(fact),
        "quantity": claim.quantity,
        "module": fact.subject,
        "expected": expected,
        "computed": dims_json(computed) if isinstance(computed, tuple) else dim_json(computed),
        "holds": fact.holds,
        "span": span_json(claim.span),
    }
