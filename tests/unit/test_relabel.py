"""A network with the labels of a dialect: its own keys are then the dialect's, or it is refused."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.ir.keys import state_keys
from archdsl.ir.names import walk
from archdsl.ir.nodes import Instance, Invoke
from archdsl.ir.operator import operators
from archdsl.ir.relabel import relabelled
from archdsl.ir.weights import storage
from archdsl.ops.attention import Attention, MultiheadAttention

ENCODER = """
module encoder:
  residual: norm1: ln -> attn: attention heads 2, separate
  residual: norm2: ln -> mlp: [fc1: linear 32 -> gelu -> fc2: linear 8]
"""


def network(rules: str, layers: str, modules: str = "", input: str = "4x8") -> archdsl.Network:
    body = "\n".join(f"  {line}" for line in layers.strip("\n").split("\n"))
    names = "\n".join(f"  {line}" for line in rules.strip("\n").split("\n"))
    return archdsl.loads(f"input: {input}\n{modules}\nlayers:\n{body}\nnames other:\n{names}\n")


def keys(net: archdsl.Network) -> list[str]:
    """The keys of the relabelled network, which are the dialect's, with the shapes of the network's own."""
    made = relabelled(net, "other")
    own, new = state_keys(net), state_keys(made)
    wanted = {array.keys[0]: own[array.pieces[0].key] for array in storage(net, "other")}
    assert new == wanted
    assert made.root.result == net.root.result
    return list(new)


def modules(net: archdsl.Network) -> list[Instance]:
    return [p.node.instance for p in walk(net.root) if isinstance(p.node, Invoke)]


@pytest.mark.parametrize(
    ("rules", "layers", "found"),
    [
        ("a -> x", "a: linear 8, no bias -> b: linear 8, no bias", ["x.weight", "b.weight"]),
        ("a -> x.y", "a: linear 8, no bias -> b: linear 8, no bias", ["x.y.weight", "b.weight"]),
        ("linear1 -> l1\nlinear2 -> l2", "linear 8, no bias -> linear 8, no bias", ["l1.weight", "l2.weight"]),
        ("a -> linear2", "a: linear 8, no bias -> b: linear 8, no bias", ["linear2.weight", "b.weight"]),
        ("s -> t", "s: [linear 8, no bias -> relu -> linear 8, no bias]", ["t.0.weight", "t.2.weight"]),
        ("s.0 -> first\ns.2 -> second", "s: [linear 8, no bias -> relu -> linear 8, no bias]", ["first.weight", "second.weight"]),
        ("s.a -> t.1", "s: [a: linear 8, no bias -> relu -> linear 8, no bias]", ["t.1.weight", "s.2.weight"]),
        ("s.a -> s.1\ns.b -> s.5", "s: [a: linear 8, no bias -> relu -> b: linear 8, no bias]", ["s.1.weight", "s.5.weight"]),
        ("a.b -> x", "a: [b: [c: linear 8, no bias]]", ["x.c.weight"]),
        ("p -> encoder.pos", "p: positions\nnorm: ln", ["encoder.pos", "norm.weight", "norm.bias"]),
        ("h.{i} -> h.{i+1}", "h: [linear 8, no bias] x 3", ["h.1.weight", "h.2.weight", "h.3.weight"]),
        ("h.{i} -> h{i}", "h: [linear 8, no bias] x 2", ["h0.weight", "h1.weight"]),
        ("* -> net.*", "a: linear 8, no bias\nlinear 8, no bias", ["net.a.weight", "net.linear2.weight"]),
        ("a -> b\nb -> a", "a: linear 8, no bias -> b: linear 8, no bias", ["b.weight", "a.weight"]),
    ],
)  # fmt: skip
def test_keys(rules: str, layers: str, found: list[str]) -> None:
    assert keys(network(rules, layers)) == found


def test_a_module_is_renamed_once_and_stays_one() -> None:
    rules = "blocks.{i} -> encoder.layers.layer_{i}\nin encoder:\n  norm{n} -> ln_{n}\n  mlp.fc1 -> mlp.0\n  mlp.fc2 -> mlp.3"
    net = network(rules, "blocks: [encoder] x 5\nnorm: ln", ENCODER)
    found = keys(net)
    assert found[0] == "encoder.layers.layer_0.ln_1.weight"
    assert "encoder.layers.layer_4.mlp.3.bias" in found
    assert len(set(map(id, modules(relabelled(net, "other"))))) == 1


def test_calls_that_differ_become_definitions_of_their_own() -> None:
    net = network("a.norm1 -> a.first", "a: encoder\nb: encoder", ENCODER)
    assert "a.first.weight" in keys(net)
    assert [i.name for i in modules(relabelled(net, "other"))] == ["encoder", "encoder2"]


def test_shared_arrays_and_uses_again_follow() -> None:
    layers = "wte: embedding 9, 8 -> up: [fc: linear 8] -> again up -> head: linear 9, no bias, weight @wte"
    net = network("wte -> model.embed\nup.fc -> model.up", layers, input="T below 9")
    with pytest.raises(archdsl.SpecError, match="`up` is used again, and would not be one thing any more"):
        relabelled(net, "other")
    net = network("wte -> model.embed\nup -> model.up", layers, input="T below 9")
    assert keys(net) == ["model.embed.weight", "model.up.fc.weight", "model.up.fc.bias"]


TORCHS = "qkv.weight -> in_proj_weight\nqkv.bias -> in_proj_bias\nproj -> out_proj"


def as_torch(label: str = "attn", new: str = "attn") -> str:
    """Rules that give an attention the names of nn.MultiheadAttention."""
    found = (rule.partition(" -> ") for rule in TORCHS.split("\n"))
    return "\n".join(f"{label}.{old} -> {new}.{name}" for old, _, name in found)


@pytest.mark.parametrize("arguments", ["", ", causal, dropout 0.1", ", kv_heads 1, scale 2", ", rope 100"])
def test_attention_with_the_names_of_torch(arguments: str) -> None:
    net = network(as_torch(new="a.self"), f"attn: attention heads 2{arguments} -> norm: ln")
    names = ["a.self.in_proj_weight", "a.self.in_proj_bias", "a.self.out_proj.weight", "a.self.out_proj.bias"]
    assert keys(net) == [*names, "norm.weight", "norm.bias"]
    (layer,) = (p for p in relabelled(net, "other").walk() if p.path == ("a", "self"))
    (old,) = (p for p in net.walk() if p.path == ("attn",))
    assert layer.operator is not None
    assert old.operator is not None
    assert layer.operator != old.operator
    assert layer.operator.given() == old.operator.given()
    counts = [p.operator.macs(p.inputs, p.output, tuple(p.tensors.values())) for p in (layer, old) if p.operator]
    assert counts[0] == counts[1] > 0
    assert [t.parts for t in layer.tensors.values()] == [t.parts for t in old.tensors.values()]


def test_attention_without_biases_with_the_names_of_torch() -> None:
    assert keys(network(as_torch(), "attn: attention heads 2, no bias")) == [
        "attn.in_proj_weight",
        "attn.out_proj.weight",
    ]


def test_one_of_two_attentions_with_the_names_of_torch() -> None:
    """Calls of one module then are two definitions; both are used by their names."""
    modules_ = "\nmodule block:\n  residual: norm: ln -> attn: attention heads 2\n"
    net = network(as_torch("b.attn", "b.mha"), "a: block\nb: block\n", modules_)
    assert {"a.attn.qkv.weight", "b.mha.in_proj_weight", "b.mha.out_proj.bias"} < set(keys(net))
    assert [i.name for i in modules(relabelled(net, "other"))] == ["block", "block2"]
    source = archdsl.compile(net, "other")
    assert source.count("self.attn = Attention(8, 2)") == source.count("self.mha = MultiheadSelfAttention(8, 2)") == 1


def test_attention_in_windows_has_its_own_names_only() -> None:
    net = network(as_torch(), "tokens -> attn: attention heads 2, window 2", input="8x4x4")
    with pytest.raises(archdsl.SpecError, match=r"`attn\.qkv\.weight` ends in what its layer calls it"):
        relabelled(net, "other")


def test_no_spec_can_say_it() -> None:
    assert MultiheadAttention.word == "attention"
    assert operators()["attention"] is Attention
    assert MultiheadAttention not in operators().values()


def test_names_that_are_the_specs_own_change_nothing() -> None:
    net = archdsl.load("vit")
    assert relabelled(net, "timm") is net


@pytest.mark.parametrize(
    ("rules", "layers", "says"),
    [
        ("fc -> a, b", "fc: linear 8", "`fc.weight` is split, into `a.weight` and others"),
        ("a, b -> c", "a: linear 8 -> b: linear 8", "`c.weight` holds `a.weight` and other arrays"),
        ("fc -> fc, transposed", "fc: linear 8", "`fc.weight` is `fc.weight` transposed"),
        ("fc -> a = b", "fc: linear 8", "`fc.weight` is kept twice, as `a.weight` and `b.weight`"),
        ("fc.weight -> fc.w", "fc: linear 8", "`fc.weight` ends in what its layer calls it, `fc.w` does not"),
        (
            "fc.weight -> fc.in_proj_weight",
            "fc: linear 8",
            "`fc.weight` ends in what its layer calls it, `fc.in_proj_weight` does not",
        ),
        (
            "attn.proj -> attn.out_proj",
            "attn: attention heads 2",
            "`attn.proj.weight` ends in what its layer calls it, `attn.out_proj.weight` does not",
        ),
        (
            as_torch(),
            "attn: attention heads 2, relative",
            "`attn.qkv.weight` ends in what its layer calls it, `attn.in_proj_weight` does not",
        ),
        (
            as_torch().replace("in_proj_bias", "bias"),
            "attn: attention heads 2",
            "`attn.qkv.weight` ends in what its layer calls it, `attn.in_proj_weight` does not",
        ),
        ("fc.weight -> a.weight", "fc: linear 8", "the arrays of `fc` would lie in two modules"),
        ("a.norm1 -> other", "a: encoder", "the arrays of `a` would not lie in one module of their own"),
        ("a.norm1 -> b.norm3", "a: encoder\nb: encoder", "the arrays of `a` would not lie in one module of their own"),
    ],
)
def test_what_no_labels_can_say(rules: str, layers: str, says: str) -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        relabelled(network(rules, layers, ENCODER if "encoder" in layers else ""), "other")
    (only,) = caught.value.diagnostics
    assert only.code == "A1002"
    assert only.message == f"no module has the names of other: {says}"
    assert only.help
    assert "archdsl weights" in only.help
