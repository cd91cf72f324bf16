"""What is no network in JSON is refused in one sentence, whatever it is; what is read can be used."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archdsl
from archdsl.ir.json_codec import IRFormatError
from archdsl.ir.json_form import from_json
from archdsl.ir.operator import operators

SAMPLER = Path(__file__).parents[1] / "fixtures" / "json" / "sampler.arch"

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
DOCUMENTS = [json.loads(archdsl.load(SAMPLER).to_json()), json.loads(archdsl.load("lenet5").to_json()), SMALL]


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
