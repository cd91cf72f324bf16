"""What everything is called: the naming table of the language, row by row; walking, looking up, keys of the state_dict."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archdsl
from archdsl.elaborate.files import bundled_folder
from archdsl.ir.graph import NoSuchPlaceError, Reuse
from archdsl.ir.keys import state_keys
from archdsl.ir.operator import Tensor
from archdsl.ops.shape import Identity

SPECS = sorted(bundled_folder().glob("*.yaml"))
KEPT: list[object] = []  # torch forgets an operator with the library that declared it
RESNET = """
input: 8x16x16
module basic w, s=1:
  residual if s == 1:
    conv 3x3, w, stride s -> bn
layers:
  conv 3x3, 8
  layer1: [basic 8] x 2
  layer4: basic 16, s 2
  avgpool global
  fc: linear 10
"""


def network(layers: str, before: str = "", folder: Path | None = None, shape: str = "8x16x16") -> archdsl.Network:
    lines = "\n".join(f"  {line}" for line in layers.strip().split("\n"))
    return archdsl.loads(f"{before}\ninput: {shape}\nlayers:\n{lines}\n", folder=folder)


def layers_with_arrays(net: archdsl.Network) -> list[str]:
    """The paths of the layers that have arrays, in order."""
    return [place.name for place in net.walk() if place.tensors]


# -- the table of the language, section 8 -----------------------------------------------------------------------------

BASIC = "module basic w:\n  conv 3x3, w -> bn\n"
CBR = "def cbr w: conv 3x3, w -> bn -> relu\n"

TABLE = [
    ("word and ordinal", "", "conv 3x3, 8 -> bn -> conv 3x3, 8", "conv1 bn1 conv2"),
    ("labelled ones count too", "", "conv 3x3, 8 -> a: conv 3x3, 8 -> conv 3x3, 8", "conv1 a conv3"),
    ("modules", BASIC, "basic 8 -> basic 8", "basic1.conv1 basic1.bn1 basic2.conv1 basic2.bn1"),
    ("a label", "", "stem: conv 3x3, 8", "stem"),
    ("a level", "", "stem: [conv 3x3, 8 -> bn -> out: conv 1x1, 5]", "stem.0 stem.1 stem.out"),
    ("a level below", "", "stem:\n  conv 3x3, 8 -> bn\n  out: conv 1x1, 5", "stem.0 stem.1 stem.out"),
    ("every item counts", "", "stem: [conv 3x3, 8 -> relu -> bn]", "stem.0 stem.2"),
    ("a def's call", CBR, "stem: cbr 8", "stem.0 stem.1"),
    ("a def without label", CBR, "cbr 8 -> cbr 8", "conv1 bn1 conv2 bn2"),
    ("brackets", "", "[conv 3x3, 8 -> bn] -> conv 3x3, 8", "conv1 bn1 conv2"),
    ("a repeat written out", BASIC, "[basic 8] x 2", "basic1.conv1 basic1.bn1 basic2.conv1 basic2.bn1"),
    ("a repeat in a level", "", "stem: [relu -> [conv 3x3, 8] x 2 -> bn]", "stem.1 stem.2 stem.3"),
    ("a numbered level", BASIC, "layer1: [basic 8] x 2", "layer1.0.conv1 layer1.0.bn1 layer1.1.conv1 layer1.1.bn1"),
    ("an iteration is a level", "", "layer1: [conv 3x3, 8 -> relu] x 2", "layer1.0.0 layer1.1.0"),
    ("a level by position", "", "features: [relu -> relu -> _: [conv 3x3, 8 -> bn]]", "features.2.0 features.2.1"),
    ("computed labels", "", "for i in 0..1:\n  convs.{i}: conv 3x3, 8", "convs.0 convs.1"),
    ("quotes", "", 'flatten -> "gate": linear 8', "gate"),
    ("residual", "", "residual: conv 3x3, 8 -> bn", "conv1 bn1"),
    ("shortcut", "", "residual:\n  conv 3x3, 4\n  shortcut: conv 1x1, 4", "conv1 conv2"),
    ("shortcut first", "", "residual:\n  shortcut: conv 1x1, 4\n  conv 3x3, 4", "conv1 conv2"),
    ("paths", "", "concat:\n  - conv 1x1, 8\n  - identity\n  - bn -> conv 3x3, 8", "conv1 bn1 conv2"),
    ("for and if", "", "for w in [4, 8]:\n  conv 3x3, w\nif 1 == 1:\n  bn", "conv1 conv2 bn1"),
    ("a tap", "", "a: conv 3x3, 8 -> @a -> conv 3x3, 8", "a conv2"),
    ("again", "", "a: conv 3x3, 8 -> again a -> conv 3x3, 8", "a conv2"),
    ("one layer of an output", "", "output aux: conv 3x3, 8\nconv 3x3, 4", "aux conv2"),
    ("an output of more", "", "output aux: conv 3x3, 8 -> bn\nconv 3x3, 4", "aux.0 aux.1 conv1"),
]


@pytest.mark.parametrize(("before", "layers", "names"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_table_of_names(before: str, layers: str, names: str) -> None:
    assert layers_with_arrays(network(layers, before)) == names.split()


def test_names_of_other_files(tmp_path: Path) -> None:
    """`body: resnet to layer4`, and a module of another file that counts on with one's own."""
    (tmp_path / "resnet.arch").write_text(RESNET)
    use = "use resnet: resnet.arch\n" + BASIC
    whole = layers_with_arrays(network("body: resnet to layer4", use, tmp_path))
    assert whole[:3] == ["body.conv1", "body.layer1.0.conv1", "body.layer1.0.bn1"]
    assert whole[-1] == "body.layer4.bn1"
    mixed = layers_with_arrays(network("basic 8 -> basic 8 -> resnet.basic 8", use, tmp_path))
    assert [name for name in mixed if name.endswith("conv1")] == ["basic1.conv1", "basic2.conv1", "basic3.conv1"]


def test_an_unlabelled_identity_is_nothing_and_a_labelled_one_something() -> None:
    net = network("stem: [identity -> conv 3x3, 8 -> z: identity -> bn]")
    assert [place.name for place in net.walk()] == ["stem", "stem.0", "stem.z", "stem.2"]


# -- walking and looking up -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_every_place_is_found_by_its_path(path: Path) -> None:
    net = archdsl.load(path)
    for place in net.walk():
        if not isinstance(place.node, Reuse):
            found = net[place.name]
            assert (found.path, found.owner, found.depth) == (place.path, place.owner, place.depth)
            assert found.node is place.node
            assert place.name in net


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_folding_keeps_the_number_of_places(path: Path) -> None:
    net = archdsl.load(path)
    folded = list(net.walk(fold=True))
    assert sum(place.times for place in folded) == len(list(net.walk()))
    assert {place.path for place in folded} <= {place.path for place in net.walk()}


item = st.sampled_from(["relu", "conv 3x3, 8", "bn", "z{n}: conv 3x3, 8", "_: [relu -> conv 3x3, 8]"])
chain = st.lists(item, min_size=1, max_size=3).map(" -> ".join)
group = st.tuples(chain, st.integers(1, 5)).map(lambda p: f"[{p[0]}] x {p[1]}")
level = st.tuples(st.one_of(group, st.lists(group, min_size=2, max_size=3).map(lambda g: f"[{' -> '.join(g)}]")))


@given(st.lists(st.one_of(chain, group, level.map(lambda p: f"L{{n}}: {p[0]}")), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_looking_up_agrees_with_walking(lines: list[str]) -> None:
    """Looking up leaps over repeats; walking takes every step."""
    numbers = iter(range(1000))
    lines = ["".join(p + str(next(numbers)) if i else p for i, p in enumerate(s.split("{n}"))) for s in lines]
    text = "\n".join(line.replace("{n}", "") for line in lines)
    try:
        net = network(text)
    except archdsl.SpecError:  # a label in an unlabelled repeat
        return
    places = [p for p in net.walk() if not isinstance(p.node, Reuse)]
    first = {p.path: p for p in reversed(places)}
    for path, place in first.items():
        found = net[".".join(path)]
        assert (found.node, found.scopes) == (place.node, place.scopes)


def test_a_billion_layers_cost_nothing_to_look_up() -> None:
    net = network("h: [a: linear 5 -> linear 5, weight @a] x 1000000000\n[linear 5] x 1000000000\nlinear 7", shape="5")
    assert net["h.999999999.1"].tied == {"weight": ("h", "999999999", "a")}
    assert net["linear1000000001"].output.dims == (7,)
    assert "h.1000000000" not in net
    assert "linear1000000002" not in net
    assert "h.07" not in net


def test_what_a_place_knows() -> None:
    net = archdsl.load("resnet", depth=50)
    conv = net["layer3.5.conv2"]
    assert (conv.path, conv.name, conv.word) == (("layer3", "5", "conv2"), "layer3.5.conv2", "conv")
    assert [str(shape) for shape in (*conv.inputs, conv.output)] == ["256x14x14", "256x14x14"]
    assert conv.operator is not None
    assert conv.module is None
    assert conv.tensors == {"weight": Tensor("weight", (256, 256, 3, 3))}
    assert conv.call is not None
    assert (conv.owner, conv.call.name) == (("layer3", "5"), "layer3.5")
    assert conv.span is not None
    block = net["layer3.5"]
    assert block.module is not None
    assert (block.module.name, block.word, block.tensors) == ("bottleneck", "bottleneck", {})
    level = net["layer3"]
    assert (level.operator, level.module, level.word) == (None, None, "")
    assert [str(shape) for shape in (*level.inputs, level.output)] == ["512x28x28", "1024x14x14"]
    assert net["layer1"].depth == 0
    assert conv.depth == 2


def test_what_flows_into_a_level() -> None:
    net = network("a: [conv 1x1, 4]\nb:\n  @a -> relu\nc:\n  residual: relu")
    assert [str(net[name].inputs[0]) for name in "abc"] == ["8x16x16", "4x16x16", "4x16x16"]


@pytest.mark.parametrize(
    ("path", "help"),
    [
        ("layer3.7", "there are layer3.0, layer3.1, layer3.2, layer3.3, layer3.4, layer3.5"),
        ("layr3", "did you mean `layer3`?"),
        ("layer3.5.cnv2", "did you mean `layer3.5.conv2`?"),
        ("conv1.weight", "did you mean `conv1`?"),
        ("", "there are conv1, bn1, relu1, maxpool1, layer1, layer2, layer3, layer4, avgpool1, fc"),
        ("a..b", "there are conv1, bn1, relu1, maxpool1, layer1, layer2, layer3, layer4, avgpool1, fc"),
    ],
)
def test_a_path_that_is_not_there(path: str, help: str) -> None:
    net = archdsl.load("resnet")
    assert path not in net
    with pytest.raises(NoSuchPlaceError) as caught:
        net[path]
    assert str(caught.value) == f"nothing is called `{path}` in this network; {help}"
    assert isinstance(caught.value, KeyError)


def test_each_iteration_means_its_own() -> None:
    """Equal iterations share one body, in which labels say they are in the first."""
    net = network("h: [a: linear 5 -> again a -> linear 5, weight @a] x 3", shape="5")
    again = [place.name for place in net.walk() if isinstance(place.node, Reuse)]
    assert again == ["h.0.a", "h.1.a", "h.2.a"]
    assert [net[f"h.{i}.1"].tied["weight"] for i in range(3)] == [("h", str(i), "a") for i in range(3)]


def test_ties_within_a_level_by_position() -> None:
    net = network("stem: [relu -> _: [a: linear 5 -> linear 5, weight @a]]", shape="5")
    assert net["stem.1.1"].tied == {"weight": ("stem", "1", "a")}


def test_training_only() -> None:
    net = network("output aux when training: conv 3x3, 8 -> bn\nconv 3x3, 4")
    assert {p.name: p.training for p in net.walk()} == {"aux": True, "aux.0": True, "aux.1": True, "conv1": False}


# -- keys of the state_dict -------------------------------------------------------------------------------------------


def test_the_keys_of_lenet() -> None:
    keys = state_keys(archdsl.load("lenet5"))
    assert [(k, *v) for k, v in keys.items()] == [
        ("C1.weight", (6, 1, 5, 5), "trained"),
        ("C1.bias", (6,), "trained"),
        ("S2.weight", (6, 1, 1, 1), "trained"),
        ("S2.bias", (6,), "trained"),
        ("C3.weight", (60, 5, 5), "trained"),
        ("C3.bias", (16,), "trained"),
        ("S4.weight", (16, 1, 1, 1), "trained"),
        ("S4.bias", (16,), "trained"),
        ("C5.weight", (120, 16, 5, 5), "trained"),
        ("C5.bias", (120,), "trained"),
        ("F6.weight", (84, 120), "trained"),
        ("F6.bias", (84,), "trained"),
        ("OUTPUT.codes", (10, 84), "frozen"),
    ]


def test_a_shared_matrix_has_one_key_and_training_has_keys() -> None:
    text = "a: linear 5\nlinear 5, no bias, weight @a\nagain a\noutput aux when training: linear 3"
    assert list(state_keys(network(text, shape="5"))) == ["a.weight", "a.bias", "aux.weight", "aux.bias"]


def test_the_order_is_torchs() -> None:
    """A level made when first named keeps all it has together."""
    net = network("convs.0: conv 1x1, 8, no bias -> n: conv 1x1, 8, no bias -> convs.1: conv 1x1, 8, no bias")
    assert list(state_keys(net)) == ["convs.0.weight", "convs.1.weight", "n.weight"]


def test_an_array_named_by_the_label_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a class token will be: it stands before the modules beside it, as a module's own parameters do in PyTorch."""
    monkeypatch.setattr(Identity, "tensors", lambda _, *inputs: (Tensor("", (1, inputs[0].features)),))
    net = network("m: [conv 1x1, 8, no bias -> token: identity]\ntop: identity")
    assert {k: v.shape for k, v in state_keys(net).items()} == {
        "top": (1, 8),
        "m.token": (1, 8),
        "m.0.weight": (8, 8, 1, 1),
    }


def test_two_arrays_of_one_name() -> None:
    """A label may look like a word and ordinal; that two layers would be called so is an error wherever it is found."""
    with pytest.raises(archdsl.SpecError) as caught:
        state_keys(network("conv2: conv 3x3, 8 -> conv 3x3, 8"))
    assert [d.code for d in caught.value.diagnostics] == ["A0501"]


@pytest.mark.parametrize(("depth", "name"), [(18, "resnet18"), (50, "resnet50")])
def test_the_keys_of_torchvisions_resnet(depth: int, name: str) -> None:
    torch = pytest.importorskip("torch")
    library = torch.library.Library("torchvision", "FRAGMENT")
    KEPT.append(library)
    for schema in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qroi_align(Tensor input, Tensor rois, float s, int h, int w, int r, bool a) -> Tensor",
    ):
        if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
            library.define(schema)
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        theirs = getattr(models, name)()
    trained = {key for key, _ in theirs.named_parameters()}
    keys = state_keys(archdsl.load("resnet", depth=depth))
    found = [(key, shape, role == "trained") for key, (shape, role) in keys.items()]
    assert found == [(key, tuple(array.shape), key in trained) for key, array in theirs.state_dict().items()]
