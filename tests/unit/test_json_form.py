"""Networks as JSON: what is written is read back the same, and nothing but a network is read."""

from __future__ import annotations

import ast
import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archdsl
from archdsl import expr as ex
from archdsl.api import Project
from archdsl.diagnostics import SourceFile, Span
from archdsl.elaborate.files import bundled_folder
from archdsl.ir import dims
from archdsl.ir.graph import Instance, Scope
from archdsl.ir.json_codec import IRFormatError, Reader, Writer
from archdsl.ir.json_form import from_json, to_json
from archdsl.ir.json_values import CONSTANT, EXPRESSION
from archdsl.ir.operator import Operator
from archdsl.ir.shapes import Constant, Grid, Size
from archdsl.limits import raised
from archdsl.torch_backend.emitter import emit_source

VARIANTS = [
    pytest.param(path, variant, id=f"{path.stem} {variant}")
    for path in sorted(bundled_folder().glob("*.yaml"))
    for variant in Project(path).variants()
]

SAMPLER = Path(__file__).parents[1] / "fixtures" / "json" / "sampler.arch"
"""One spec with everything there is in it."""


def same(a: object, b: object, met: dict[int, int]) -> bool:
    """Whether two pieces of IR are equal in all they hold, spans too, and what is one object in one is one in the other."""
    if type(a) is not type(b):
        return False
    if isinstance(a, SourceFile):
        return a.name == b.name  # type: ignore[attr-defined]
    if dataclasses.is_dataclass(a) and not isinstance(a, Operator):
        if isinstance(a, Instance | Scope):
            if id(a) in met:
                return met[id(a)] == id(b)
            if id(b) in met.values():
                return False
            met[id(a)] = id(b)
        return all(same(getattr(a, f.name), getattr(b, f.name), met) for f in dataclasses.fields(a))
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[k], b[k], met) for k in a)  # type: ignore[index, call-overload]
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(x, y, met) for x, y in zip(a, b, strict=True))
    return a == b


def facts(net: archdsl.Network) -> tuple[object, ...]:
    found = archdsl.analyze(net)
    rows = [row._replace(span=None) for row in (*found.tree, *found.layers)]
    return found.totals, [(f.claim, f.computed, f.holds, f.subject) for f in found.facts], rows


# -- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "variant"), VARIANTS)
def test_there_and_back(path: Path, variant: dict[str, Constant]) -> None:
    net = Project(path).network(variant)
    text = to_json(net)
    again = from_json(text)
    assert same(net, again, {})
    assert to_json(again) == text
    assert facts(again) == facts(net)


def test_everything_there_is() -> None:
    net = archdsl.load(SAMPLER)
    text = net.to_json()
    again = archdsl.from_json(text)
    assert same(net, again, {})
    assert again.to_json() == text
    assert facts(again) == facts(net)
    kinds = {"layer", "invoke", "level", "line", "residual", "join", "repeat", "choice", "output", "again", "look"}
    assert {part for part in kinds if f'"node":"{part}"' in text} == kinds
    assert from_json(json.loads(text)).to_json() == text
    assert from_json(text.encode()).to_json() == text


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "resnet", "vgg"])
def test_the_same_code_comes_of_it(name: str) -> None:
    net = archdsl.load(name)
    assert emit_source(from_json(net.to_json())) == emit_source(net)


def test_the_same_text_whatever_the_hash_seed() -> None:
    code = "import archdsl; print(archdsl.load('resnet').to_json())"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(archdsl.__file__).parents[1])},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }  # fmt: skip
    assert len(texts) == 1


def test_shared_things_are_stored_once_and_shared_again() -> None:
    data = json.loads(archdsl.load("resnet").to_json())
    assert len(data["scopes"]) == 1
    assert len(data["instances"]) == 9
    net = from_json(data)
    calls = {place.name: place.module for place in net.walk() if place.module}
    assert calls["layer1.1"] is calls["layer1.2"]
    assert calls["layer1.0"] is not calls["layer1.1"]
    assert {id(module.scope) for module in calls.values() if module} == {id(net.root.scope)}


def test_only_what_was_given_is_written() -> None:
    data = json.loads(archdsl.loads("input: 3x8x8\nlayers: conv 3x3, 8, no bias").to_json())
    (line,) = data["instances"][0]["body"]
    (layer,) = line["body"]
    assert layer["operator"] == {"word": "conv", "arguments": {"size": {"size": [3, 3]}, "width": 8, "bias": False}}
    numbers = [["number", [0, 2, column, 2, column + 1], 3] for column in (14, 16)]
    assert layer["expressions"] == {"size": ["size", [0, 2, 14, 2, 17], numbers]}
    assert layer["span"] == [0, 2, 9, 2, 29]
    assert line.keys() == {"node", "body", "output", "span"}


def test_lists_are_fine_without_spans_and_order() -> None:
    """A tool may leave out what has a default, and write fields in any order."""

    def bare(value: object) -> object:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in reversed(value.items()) if k != "span"}
        return [bare(v) for v in value] if isinstance(value, list) else value

    data = json.loads(archdsl.load("alexnet_one_column").to_json())
    for instance in data["instances"]:
        instance["body"] = bare(instance["body"])
    net = from_json(data)
    assert archdsl.analyze(net).totals == archdsl.analyze(archdsl.load("alexnet_one_column")).totals


# -- constants and expressions ----------------------------------------------------------------------------------------

names = st.sampled_from(["w", "width", "H", "größe"])
polynomials = st.builds(lambda n, a, b: (dims.symbol(n) * a + b) // 2, names, st.integers(1, 9), st.integers(0, 9))
sizes = st.one_of(st.integers(1, 999), polynomials)
grids = st.integers(1, 4).flatmap(
    lambda n: st.lists(st.tuples(*[st.booleans()] * n), min_size=1, max_size=3).map(lambda rows: Grid("g", tuple(rows)))
)
plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.fractions(), st.floats(allow_nan=False), st.text(max_size=5), polynomials,
    st.lists(sizes, min_size=1, max_size=3).map(Size), grids,
)  # fmt: skip
constants = st.recursive(plain, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)
FILE = SourceFile("a.yaml", "")
spans = st.one_of(st.none(), st.just(Span(FILE, 1, 2, 3, 4)))
labels = st.text(st.characters(exclude_characters='"', categories=["L", "N"]), min_size=1, max_size=4)


def _grown(inner: st.SearchStrategy[ex.Expr]) -> st.SearchStrategy[ex.Expr]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    segments = st.lists(st.lists(st.one_of(labels, inner), min_size=1, max_size=2).map(tuple), min_size=1, max_size=2)
    return st.one_of(
        st.builds(ex.SizeExpr, several, spans),
        st.builds(ex.ListExpr, several, spans),
        st.builds(ex.Ref, st.builds(ex.Path, segments.map(tuple), spans), st.booleans(), spans),
        st.builds(ex.Binary, st.sampled_from(["+", "-", "*", "/", "//", "%", "^"]), inner, inner, spans),
        st.builds(ex.Negative, inner, spans),
        st.builds(ex.Function, st.sampled_from(ex.FUNCTIONS), several, spans),
        st.builds(ex.IfElse, inner, inner, inner, spans),
        st.builds(ex.Compare, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), inner, inner, spans),
        st.builds(ex.Is, inner, names, st.booleans(), spans),
        st.builds(ex.Logic, st.sampled_from(["and", "or"]), inner, inner, spans),
        st.builds(ex.Not, inner, spans),
    )


leaves = st.one_of(
    st.builds(ex.Number, st.fractions(), spans),
    st.builds(ex.Name, names, spans),
    st.builds(ex.Text, st.text(max_size=4), spans),
)
expressions = st.recursive(leaves, _grown, max_leaves=12)


@given(constants)
@settings(deadline=None)
def test_constants_keep_their_types(value: Constant) -> None:
    text = json.dumps(CONSTANT.write(Writer(), value), allow_nan=False)
    found = CONSTANT.read(Reader(), json.loads(text))
    assert found == value
    assert same(found, value, {})


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_floats_that_json_has_not(value: float) -> None:
    written = CONSTANT.write(Writer(), value)
    assert json.loads(json.dumps(written, allow_nan=False)) == {"float": repr(value)}
    assert repr(CONSTANT.read(Reader(), written)) == repr(value)


@given(expressions)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_expressions_keep_their_spans(expr: ex.Expr) -> None:
    w, r = Writer(), Reader()
    written = json.loads(json.dumps(EXPRESSION.write(w, expr)))
    r.files.append(FILE)
    assert same(EXPRESSION.read(r, written), expr, {})


def test_expressions_beyond_all_measure() -> None:
    """Defs can say in a few lines what would fill a disk; in memory its parts are shared."""
    defs = "\n".join(f"def f{i} a: f{i + 1} (a + a - a)" for i in range(9)) + "\ndef f9 a: linear a\n"
    with raised(parts=10**5):  # as a user may who trusts a spec
        net = archdsl.loads(f"input: 5\n{defs}layers: f0 3\n")
    with pytest.raises(IRFormatError, match="an expression has more than 10000 parts"):
        net.to_json()


# -- the room ---------------------------------------------------------------------------------------------------------


def test_the_room_imports_only_the_standard_library() -> None:
    folder = Path(archdsl.__file__).parent / "ir"
    allowed = {*sys.stdlib_module_names, "diagnostics", "expr", "records", "limits"}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path.name
            if isinstance(node, ast.ImportFrom) and node.level != 1:
                module = (node.module or "").split(".")[0]
                assert {module or alias.name for alias in node.names} <= allowed, path.name


def test_reading_needs_neither_the_language_nor_torch() -> None:
    text = archdsl.load("lenet5").to_json()
    code = """
import sys
import archdsl.ops
from archdsl.ir.json_form import from_json
net = from_json(sys.stdin.read())
from archdsl.analysis import analyze
print(analyze(net).totals.of(False).parameters, sorted({"pydantic", "lark", "torch", "yaml"} & set(sys.modules)))
"""
    environment = {"PYTHONPATH": str(Path(archdsl.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], input=text, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "60000 []\n"
