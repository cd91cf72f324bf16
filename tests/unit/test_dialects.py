"""`names` sections: rules, their scopes, what they may not do; the sections of ViT and the Transformer on small networks."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archdsl
from archdsl.ir.dialects import Renamed, rename
from archdsl.ir.keys import state_keys
from archdsl.ir.rename import Rule, RuleError
from archdsl.ir.weights import check_dialects, storage


def network(names: str, layers: str, modules: str = "", dialect: str = "other") -> archdsl.Network:
    body = "\n".join(f"  {line}" for line in layers.strip().split("\n"))
    rules = "\n".join(f"  {line}" for line in names.strip().split("\n"))
    return archdsl.loads(f"input: 8x8x8\n{modules}\nlayers:\n{body}\nnames {dialect}:\n{rules}\n")


def renamed(net: archdsl.Network, dialect: str = "other") -> dict[str, str]:
    return {key: name.key for key, (name,) in rename(net, dialect).items()}


def codes(error: pytest.ExceptionInfo[archdsl.SpecError]) -> list[str]:
    return [d.code for d in error.value.diagnostics]


# -- one rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "replacement", "name", "made"),
    [
        ("a.b", "c", "a.b.weight", "c.weight"),
        ("a.b", "c", "a.bc.weight", None),
        ("a.b", "c", "x.a.b", None),
        ("a", "b.c", "a", "b.c"),
        ("blocks.{i}", "layers.layer_{i}", "blocks.11.x", "layers.layer_11.x"),
        ("stage{s}.{b}", "s.{2s-1}.{b+1}", "stage3.0.w", "s.5.1.w"),
        ("stage{s}", "x{s}", "stage", None),
        ("stage{s}", "x{s}", "stage03", None),
        ("{a}.{a}", "x", "3.3.w", "x.w"),
        ("{a}.{a}", "x", "3.4.w", None),
        ("*.norm", "*.ln", "enc.norm.weight", "enc.ln.weight"),
        ("*.*", "x.*.y.*", "a.b.c", "x.a.y.b.c"),
        ("*", "x", "weight", "x"),
        ("a", "x{2(1+3)}", "a.b", "x8.b"),
        ("a{i}", "x{2i^2}", "a3", "x36"),
        ("a{i}", "x{i // 2}.{i % 2}", "a5", "x2.1"),
        ("a{i}", "x{6/i}", "a3", "x2"),
        ("a{i}", "x{-1 + i}", "a1", "x0"),
        ("a-b", "c-d", "a-b.w", "c-d.w"),
        ("a+b", "c", "aab", None),
    ],
)
def test_rules(pattern: str, replacement: str, name: str, made: str | None) -> None:
    assert Rule(pattern, replacement).apply(name) == made


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        ("", "x"), ("a", ""), ("a..b", "x"), ("a.", "x"), (".a", "x"), ("a{", "x"), ("a}", "x"), ("a{}", "x"),
        ("a{2}", "x"), ("a{i+1}", "x"), ("a*", "x"), ("a", "*"), ("*", "a*"), ("*", "*.*"), ("a{i}", "{j}"),
        ("a{i}", "{i +}"), ("a{i}", "{(i}"), ("a{i}", "{i i}"), ("a{i}", "{i ** 2}"), ("a{i}", "{__import__('os')}"),
        ("a{i}", "{" + "(" * 50 + "i" + ")" * 50 + "}"), ("a{i}", "{" + "1+" * 500 + "i}"), ("a{i}", "{}"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_read(pattern: str, replacement: str) -> None:
    with pytest.raises(RuleError):
        Rule(pattern, replacement)


@pytest.mark.parametrize("formula", ["i/2", "i-4", "i//(i-3)", "i^64", "9^(9i)", "i % 0"])
def test_formulas_that_do_not_come_out(formula: str) -> None:
    with pytest.raises(RuleError):
        Rule("a{i}", f"x{{{formula}}}").apply("a3")


@given(
    st.text("abi{}*.+-/%^()0123 ", max_size=12),
    st.text("abi{}*.+-/%^()0123 ", max_size=12),
    st.text("ab.01", max_size=8),
)
def test_no_rule_crashes(pattern: str, replacement: str, name: str) -> None:
    with contextlib.suppress(RuleError):
        Rule(pattern, replacement).apply(name)


# -- scopes -----------------------------------------------------------------------------------------------------------

MODULES = """
module leaf:
  conv: conv 1x1, 8, no bias
module block:
  leaf: leaf
  norm: bn
"""


def test_the_first_rule_of_a_scope_wins_and_the_rest_of_the_name_is_kept() -> None:
    net = network("a -> x\na.0 -> never\nb -> y", "a: [conv 1x1, 8, no bias]\nb: conv 1x1, 8, no bias")
    assert renamed(net) == {"a.0.weight": "x.0.weight", "b.weight": "y.weight"}
    assert rename(net, "other")["a.0.weight"] == (Renamed("x.0.weight", False, (0,)),)


def test_inner_scopes_go_first_and_outer_ones_see_what_they_made() -> None:
    rules = "h.{i}.inner -> seen.{i}\nin block:\n  leaf.conv2 -> inner\nin leaf:\n  conv -> conv2"
    net = network(rules, "h: [block] x 2", MODULES)
    found = renamed(net)
    assert found["h.0.leaf.conv.weight"] == "seen.0.weight"
    assert found["h.1.leaf.conv.weight"] == "seen.1.weight"
    assert found["h.0.norm.bias"] == "h.0.norm.bias"
    assert rename(net, "other")["h.0.leaf.conv.weight"][0].rules == (2, 1, 0)


def test_a_scope_sees_only_what_follows_the_call() -> None:
    net = network(
        "in leaf:\n  leaf -> never\n  conv -> c",
        "leaf: leaf -> outside.leaf: leaf\nconv: conv 1x1, 8, no bias",
        MODULES,
    )
    assert renamed(net) == {
        "leaf.conv.weight": "leaf.c.weight",
        "outside.leaf.conv.weight": "outside.leaf.c.weight",
        "conv.weight": "conv.weight",
    }


def test_as_written() -> None:
    net = network("as written", "h: [block] x 2", MODULES, "torchvision")
    assert net.dialects[0].own
    assert renamed(net, "torchvision") == {key: key for key in state_keys(net)}


def test_transposed_speaks_of_matrices() -> None:
    net = archdsl.loads("input: 8\nlayers: fc: linear 4 -> conv: linear 3\nnames hf:\n  fc -> c_fc, transposed\n")
    found = rename(net, "hf")
    assert found["fc.weight"] == (Renamed("c_fc.weight", True, (0,)),)
    assert found["fc.bias"] == (Renamed("c_fc.bias", False, (0,)),)
    assert not found["conv.weight"][0].transposed
    assert check_dialects([net]) == []


def test_dialects_survive_json() -> None:
    net = network("h.{i} -> x.{i+1}\nin leaf:\n  conv -> c", "h: [block] x 2", MODULES)
    again = archdsl.from_json(net.to_json())
    assert again.dialects == net.dialects
    assert rename(again, "other") == rename(net, "other")


# -- mistakes ---------------------------------------------------------------------------------------------------------


def test_a_rule_that_matches_nothing_in_any_variant() -> None:
    text = """
input: 8x8x8
parameters: {norm: yes}
table kinds:
  norm | n
  yes  | 1
  no   | 2
layers:
  a: conv 1x1, 8
  b: bn if norm
names other:
  a -> x
  b -> y
  c -> z
"""
    nets = [archdsl.loads(text, norm=norm) for norm in (False, True)]
    assert renamed(nets[0]) == {"a.weight": "x.weight", "a.bias": "x.bias"}
    (only,) = check_dialects(nets)
    assert (only.code, only.message) == ("A0505", "the rule `c` matches no name")
    assert only.span is not None
    assert only.span.line == 14
    assert [d.message for d in check_dialects(nets[:1])] == [
        "the rule `b` matches no name",
        "the rule `c` matches no name",
    ]


def test_transposed_without_a_matrix() -> None:
    net = network("in leaf:\n  conv -> c, transposed", "h: leaf", MODULES)
    (only,) = check_dialects([net])
    assert (only.code, only.message) == ("A0505", "the rule `conv` in leaf says transposed and matches no matrix")


@pytest.mark.parametrize("rules", ["a -> x\nb -> x", "a -> b", "a.weight -> y\nb -> y.c"])
def test_a_name_made_twice(rules: str) -> None:
    net = network(rules, "a: conv 1x1, 8, no bias -> b: conv 1x1, 8, no bias")
    with pytest.raises(archdsl.SpecError) as caught:
        storage(net, "other")
    assert codes(caught) == ["A0506"]
    assert caught.value.diagnostics[0].span is not None
    assert [d.code for d in check_dialects([net, net])] == ["A0506"]


def test_two_names_may_be_exchanged() -> None:
    net = network("a -> b\nb -> a", "a: conv 1x1, 8, no bias -> b: conv 1x1, 8, no bias")
    assert renamed(net) == {"a.weight": "b.weight", "b.weight": "a.weight"}


def test_no_such_dialect() -> None:
    net = network("a -> b", "a: relu", dialect="torchvision")
    with pytest.raises(archdsl.SpecError) as caught:
        rename(net, "torchvison")
    (only,) = caught.value.diagnostics
    assert (only.code, only.help) == ("A0507", "did you mean `torchvision`?")
    with pytest.raises(archdsl.SpecError) as caught:
        rename(net, "keras")
    assert caught.value.diagnostics[0].help == "it has torchvision"


@pytest.mark.parametrize(
    ("rules", "layers"), [("a{i} -> b{j}", "a1: bn"), ("a{i} -> b{i-2}", "a1: bn"), ("a* -> b", "a1: bn")]
)
def test_rules_that_make_no_sense(rules: str, layers: str) -> None:
    net = network(rules, layers)
    with pytest.raises(archdsl.SpecError) as caught:
        rename(net, "other")
    assert codes(caught) == ["A0508"]
    assert [d.code for d in check_dialects([net])] == ["A0508"]


# -- the sections of the language's own specs -------------------------------------------------------------------------

VIT = """
input: 3x32x32
parameters: {depth: 3}
module encoder:
  residual: norm1: bn -> attn: [qkv: conv 1x1, 8 -> proj: conv 1x1, 8]
  residual: norm2: bn -> mlp: [fc1: conv 1x1, 32 -> relu -> fc2: conv 1x1, 8]
layers:
  patch_embed: [proj: conv 4, 8, stride 4, valid]
  cls_token: conv 1x1, 8
  pos_embed: conv 1x1, 8
  blocks: [encoder] x depth
  norm: bn -> avgpool global
  head: linear 10
names torchvision:
  patch_embed.proj -> conv_proj
  cls_token        -> class_token
  pos_embed        -> encoder.pos_embedding
  blocks.{i}       -> encoder.layers.encoder_layer_{i}
  norm             -> encoder.ln
  head             -> heads.head
  in encoder:
    norm{n}         -> ln_{n}
    attn.qkv.weight -> self_attention.in_proj_weight
    attn.qkv.bias   -> self_attention.in_proj_bias
    attn.proj       -> self_attention.out_proj
    mlp.fc1         -> mlp.0
    mlp.fc2         -> mlp.3
"""


def test_vit() -> None:
    net = archdsl.loads(VIT)
    assert check_dialects([net]) == []
    found = list(renamed(net, "torchvision").values())
    layer = "encoder.layers.encoder_layer_"
    assert found[:2] == ["conv_proj.weight", "conv_proj.bias"]
    assert found[2:6] == [
        "class_token.weight",
        "class_token.bias",
        "encoder.pos_embedding.weight",
        "encoder.pos_embedding.bias",
    ]
    assert found[6:] == [
        *(
            f"{layer}{i}.{name}"
            for i in range(3)
            for name in (
                *(f"ln_1.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
                "self_attention.in_proj_weight",
                "self_attention.in_proj_bias",
                "self_attention.out_proj.weight",
                "self_attention.out_proj.bias",
                *(f"ln_2.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
                "mlp.0.weight",
                "mlp.0.bias",
                "mlp.3.weight",
                "mlp.3.bias",
            )
        ),
        *(f"encoder.ln.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
        "heads.head.weight",
        "heads.head.bias",
    ]


TRANSFORMER = """
input:
  source: 8x5x5
  target: 8x5x5
parameters: {n: 2}
module encoderlayer:
  residual: self_attn: [qkv: conv 1x1, 24 -> proj: conv 1x1, 8]
  norm1: bn
module decoderlayer memory:
  residual: self_attn: [qkv: conv 1x1, 24 -> proj: conv 1x1, 8]
  norm1: bn
  add:
    - query: conv 1x1, 8
    - @memory -> key: conv 1x1, 8
  multihead_attn.out_proj: conv 1x1, 8
layers:
  @source -> embed: conv 1x1, 8
  encoder: [encoderlayer] x n
  @target -> again embed
  decoder: [decoderlayer @encoder] x n
names torch:
  encoder -> encoder.layers
  decoder -> decoder.layers
  in encoderlayer:
    self_attn.qkv.weight -> self_attn.in_proj_weight
    self_attn.qkv.bias   -> self_attn.in_proj_bias
    self_attn.proj       -> self_attn.out_proj
  in decoderlayer:
    self_attn.qkv.weight -> self_attn.in_proj_weight
    self_attn.qkv.bias   -> self_attn.in_proj_bias
    self_attn.proj       -> self_attn.out_proj
"""


def test_transformer() -> None:
    net = archdsl.loads(TRANSFORMER)
    assert check_dialects([net]) == []
    found = renamed(net, "torch")
    assert len(set(found.values())) == len(found) == len(state_keys(net))
    assert found["embed.weight"] == "embed.weight"
    assert found["encoder.1.self_attn.qkv.weight"] == "encoder.layers.1.self_attn.in_proj_weight"
    assert found["encoder.1.self_attn.proj.bias"] == "encoder.layers.1.self_attn.out_proj.bias"
    assert found["decoder.0.self_attn.qkv.bias"] == "decoder.layers.0.self_attn.in_proj_bias"
    assert found["decoder.0.multihead_attn.out_proj.weight"] == "decoder.layers.0.multihead_attn.out_proj.weight"
    assert found["decoder.1.norm1.running_var"] == "decoder.layers.1.norm1.running_var"
