"""Networks as JSON: what is written is read back the same, and nothing but a network is read."""

from __future__ import annotations

import ast
import copy
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
from archdsl.ir.operator import Operator, operators
from archdsl.ir.shapes import Constant, Grid, Size
from archdsl.torch_backend.emitter import emit_source

VARIANTS = [
    pytest.param(path, variant, id=f"{path.stem} {variant}")
    for path in sorted(bundled_folder().glob("*.yaml"))
    for variant in Project(path).variants()
]

SAMPLER = """
network: Sampler
source: of everything there is
input: {a: 8xHxH, b: 8xHxH}
parameters: {n: 2, wide: yes, ratio: 0.5, k: 3x3, widths: [4, 8], kind: relu}
def act: kind
module inner w, s=1 on CxHxW: |
  residual if s == 1 and C == w:
    conv k, w, stride s -> bn -> act
  gate: [conv 1x1, (2w if wide else w) -> conv 1x1, w]
module outer memory w=8: |
  inner w
  add:
    - identity
    - @memory
layers: |
  @a -> stem: conv 3x3, 8                                    => 8xHxH
  [inner 8] x n -> h: [a: conv 1x1, 8, no bias -> again a] x n
  concat of split 2:
    - conv 1x1, 4
    - relu if wide else gelu
  residual:
    for w in widths:
      conv 3x3, w
    shortcut: conv 1x1, 8
  output aux when training: avgpool global -> linear 3
  if n > 1:
    outer @b
  @h.0.a -> conv 1x1, 2 -> avgpool global
  last: linear 7 -> dropout ratio
  => 7, 3 params when training
names other: |
  stem -> first
  in inner:
    gate.{i} -> gate_{i+1}, transposed
names torchvision: as written
"""


def sampler() -> archdsl.Network:
    text = SAMPLER.replace("outer memory w=8", "outer memory, w=8")
    return archdsl.loads(text)


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
    rows = [dataclasses.replace(row, span=None) for row in (*found.tree, *found.layers)]
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
    net = sampler()
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
    defs = "\n".join(f"def f{i} a: f{i + 1} (a + a - a)" for i in range(18)) + "\ndef f18 a: linear a\n"
    net = archdsl.loads(f"input: 5\n{defs}layers: f0 3\n")
    with pytest.raises(IRFormatError, match="an expression has more than 10000 parts"):
        net.to_json()


# -- what is no network -----------------------------------------------------------------------------------------------

SMALL = json.loads(archdsl.loads("input: 8x4x4\nmodule m w: conv 1x1, w -> bn\nlayers: m 8 -> m 8 -> relu").to_json())


def changed(path: str, value: object) -> dict[str, object]:
    data: dict[str, object] = copy.deepcopy(SMALL)
    *steps, last = (int(s) if s.isdigit() else s for s in path.split("."))
    at: object = data
    for step in steps:
        at = at[step]  # type: ignore[index]
    if value is ...:
        del at[last]  # type: ignore[attr-defined]
    else:
        at[last] = value  # type: ignore[index]
    return data


LAYER = "instances.0.body.0.body.0"
WRONG = [
    ("schema", "archdsl-ir/2", "this is not archdsl-ir/1: the schema is 'archdsl-ir/2'"),
    ("schema", ..., "this is not archdsl-ir/1: the schema is null"),
    ("title", ..., "the field 'title' is missing"),
    ("title", 5, "title: text is needed here, this is 5"),
    ("more", 5, "there is no field 'more' here"),
    ("root", 2, "there is no instance 2 to be the root"),
    ("root", -1, "there is no instance -1 to be the root"),
    ("root", True, "root: a whole number is needed here, this is true"),
    ("scopes.0.names", [], "scopes[0].names: an object is needed here, this is a list"),
    ("parameters", {"a b": 1}, "parameters.a b: a name is needed here, this is 'a b'"),
    ("parameters", {"a": {"size": [1], "x": 1}}, "parameters.a: a constant is marked by one of size list grid"),
    ("instances.0.scope", 7, "instances[0].scope: there is no scope 7"),
    ("instances.0.output", ..., "instances[0]: the field 'output' is missing"),
    ("instances.0.output", 99, "instances[0]: value 99 is read before it is made"),
    ("instances.0.shapes.0.dims.0", 0, "instances[0]: the map 0x4x4 is no shape of that kind"),
    ("instances.0.shapes.0.dims.0", ["/", 1, 2], "instances[0].shapes[0].dims[0]: a size is whole, this is 1/2"),
    ("instances.0.shapes.0.dims", [8], "instances[0]: the map 8 is no shape of that kind"),
    ("instances.0.shapes.0.kind", "tensor", "instances[0].shapes[0].kind: a kind of value is one of map sequence"),
    ("instances.1.body.0.body.0.instance", 1, "instances[1].body[0].body[0].instance: instance 1 does not stand before"),
    ("instances.1.body.0.body.0.expressions", {"z": ["name", None, "a"]}, "instances[1]: m is called with an argument"),
    ("instances.1.body.0.body.0.output", 0, "instances[1]: value 0 is made twice"),
    (f"{LAYER}.operator.word", "convv", "operator: there is no operator 'convv'"),
    (f"{LAYER}.operator.word", ..., "operator: an operator has a `word` and `arguments`"),
    (f"{LAYER}.operator", {"word": "add", "arguments": {}}, "instances[0]: add joins paths and is no layer"),
    (f"{LAYER}.operator.arguments.stride", 0, "operator.stride: this is at least 1"),
    (f"{LAYER}.operator.arguments.stride", "x", "operator.stride: this does not fit an argument that is of type axes"),
    (f"{LAYER}.operator.arguments.steps", 1, "operator: conv has no argument 'steps'"),
    (f"{LAYER}.operator.arguments.width", ..., "operator: conv needs its width"),
    (f"{LAYER}.operator.arguments.width", 9, "instances[0]: value 1 is the map 8x4x4, but conv gives the map 9x4x4"),
    (f"{LAYER}.operator.arguments.size", {"size": [2, 2]}, "instances[0]: a 2x2 kernel has no middle"),
    (f"{LAYER}.operator.arguments.size", {"size": [3, 3, 3]}, "instances[0]: conv: the size 3x3x3 speaks of 3 axes"),
    (f"{LAYER}.inputs", [], "instances[0]: conv reads 1 values here, not 0"),
    (f"{LAYER}.inputs", [2], "instances[0]: value 2 is read before it is made"),
    (f"{LAYER}.tied", {"weight": ["a"]}, "instances[0]: what conv shares and what it says it shares differ"),
    (f"{LAYER}.node", "layers", "'node' is one of layer invoke level"),
    (f"{LAYER}.span", [0, 1, 2, 3], "span: a span is [file, line, column, end_line, end_column]"),
    (f"{LAYER}.span", [1, 1, 1, 1, 1], "span: a span is [file, line, column, end_line, end_column]"),
    (f"{LAYER}.label", {"segments": []}, "label.segments: this list is empty"),
    (f"{LAYER}.label", {"segments": ['a"b']}, "label.segments[0]: a label is needed here"),
    (f"{LAYER}.expressions", {"width": ["plus", None]}, "expressions.width: an expression begins with one of number name"),
    (f"{LAYER}.expressions", {"width": ["name", None]}, "expressions.width: `name` is followed by its span and 1 parts"),
    (f"{LAYER}.expressions", {"width": ["name", None, "1; import os"]}, "expressions.width.name: a name is needed here"),
    (f"{LAYER}.expressions", {"width": []}, "expressions.width: an expression begins with"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[f"{w[0]} {w[1]!r}"[:60] for w in WRONG])
def test_what_is_wrong_is_said(path: str, value: object, message: str) -> None:
    for source in (changed(path, value), json.dumps(changed(path, value))):
        with pytest.raises(IRFormatError) as caught:
            from_json(source)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "null", "5", "[]", '"x"', "{}", "NaN", '{"schema": "archdsl-ir/1", "schema": "archdsl-ir/1"}', "[" * 100_000,
        '{"a":' * 100_000, "1" * 10_000, '{"schema": NaN}', '{"schema": "\\ud800"}', "\ufeff{}", b"\xff\xfe\xfa", b"\x80", b"",
        '{"schema": 1e999}', '{"schema": "' + "x" * 100_000 + '"}', "\x00",
    ],
    ids=range(21),
)  # fmt: skip
def test_texts_that_are_no_network(text: str | bytes) -> None:
    with pytest.raises(IRFormatError) as caught:
        from_json(text)
    assert 0 < len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [None, 5, [], object(), {1: 2}, {"schema": object()}])
def test_objects_that_are_no_network(value: object) -> None:
    with pytest.raises(IRFormatError):
        from_json(value)  # type: ignore[arg-type]


def deep(kind: str) -> object:
    value: object = {"size": [1]} if kind == "constant" else 1 if kind == "size" else ["number", None, 1]
    for _ in range(20_000):
        wrapped = {"constant": {"list": [value]}, "size": ["floor", value], "expression": ["negative", None, value]}
        value = wrapped[kind]
    return value


@pytest.mark.parametrize(
    ("path", "kind"),
    [("parameters", "constant"), ("instances.0.shapes.0.dims", "size"), (f"{LAYER}.expressions", "expression")],
)
def test_deep_nesting(path: str, kind: str) -> None:
    value = [deep(kind)] if kind == "size" else {"width": deep(kind)}
    with pytest.raises(IRFormatError):
        from_json(changed(path, value))


def test_deep_bodies_and_cycles() -> None:
    body: list[object] = copy.deepcopy(SMALL["instances"][0]["body"])
    for _ in range(5_000):
        body = [{"node": "line", "body": body, "output": 2}]
    with pytest.raises(IRFormatError, match="this is nested too deep"):
        from_json(changed("instances.0.body", body))
    cycle: list[object] = []
    cycle.append({"node": "line", "body": cycle, "output": 2})
    with pytest.raises(IRFormatError, match="this is nested too deep"):
        from_json(changed("instances.0.body", cycle))


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 12), st.sampled_from([0.5, 10**30, -1.5e300, "", "conv", "x y", "a"])
)
junk = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["size", "node", "word", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)
DOCUMENTS = [json.loads(sampler().to_json()), json.loads(archdsl.load("lenet5").to_json()), SMALL]


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The paths of all values in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, part in inner for found in places(part, (*path, key)))]


def read(source: str | dict[str, object]) -> archdsl.Network | str:
    """The network, or the sentence that refuses it."""
    try:
        return from_json(source)
    except IRFormatError as error:
        return str(error)


PLACES = [places(document)[1:] for document in DOCUMENTS]


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_change_is_refused_or_makes_a_network(data: st.DataObject) -> None:
    """What is read can be analysed, and comes back from its own JSON; what is not is refused in one sentence."""
    which = data.draw(st.integers(0, len(DOCUMENTS) - 1))
    document = copy.deepcopy(DOCUMENTS[which])
    for _ in range(data.draw(st.integers(1, 2))):
        *steps, last = data.draw(st.sampled_from(PLACES[which]))
        at: object = document
        try:
            for step in steps:
                at = at[step]  # type: ignore[index]
            what = data.draw(st.sampled_from(["delete", "junk", "copy", "double"]))
            if what == "delete":
                del at[last]  # type: ignore[attr-defined]
            elif what == "double" and isinstance(at, list):
                at.insert(last, copy.deepcopy(at[last]))
            else:
                other = DOCUMENTS[which]
                for step in data.draw(st.sampled_from(PLACES[which])):
                    other = other[step]
                at[last] = data.draw(junk) if what == "junk" else copy.deepcopy(other)  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            continue
    net = read(document)
    if isinstance(net, str):
        assert net
        assert "\n" not in net
        return
    assert net.to_json() == from_json(net.to_json()).to_json()
    archdsl.analyze(net)


@given(st.integers(0, 10_000), st.text(max_size=3), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_any_damage_to_the_text_is_refused_or_makes_a_network(at: int, insert: str, drop: int) -> None:
    text = json.dumps(SMALL)
    at %= len(text)
    assert read(text[:at] + insert + text[at + drop :])


@pytest.mark.parametrize("word", sorted(operators()))
def test_any_operator_refuses_arguments_it_cannot_take(word: str) -> None:
    for argument in operators()[word].arguments():
        operator = {"word": word, "arguments": {argument.name: {"list": []}}}
        with pytest.raises(IRFormatError):
            from_json(changed(f"{LAYER}.operator", operator))


# -- the room ---------------------------------------------------------------------------------------------------------


def test_the_room_imports_only_the_standard_library() -> None:
    folder = Path(archdsl.__file__).parent / "ir"
    allowed = {*sys.stdlib_module_names, "diagnostics", "expr"}
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
