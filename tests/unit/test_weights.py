"""What dialects store under a key: rows split and merged, arrays under two names, and what of a file does not fit."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.ir.weights import Misfit, Piece, Stored, better_dialect, check_dialects, misfit, storage


def network(rules: str, layers: str, modules: str = "", input: str = "6x8") -> archdsl.Network:
    body = "\n".join(f"  {line}" for line in layers.strip().split("\n"))
    names = "\n".join(f"  {line}" for line in rules.strip().split("\n"))
    return archdsl.loads(f"input: {input}\n{modules}\nlayers:\n{body}\nnames other:\n{names}\n")


def stored(net: archdsl.Network) -> dict[str, Stored]:
    return {key: array for array in storage(net, "other") for key in array.keys}


def problems(net: archdsl.Network) -> list[tuple[str, str]]:
    return [(d.code, d.message) for d in check_dialects([net])]


# -- splitting --------------------------------------------------------------------------------------------------------


def test_a_matrix_is_split_as_its_layer_made_it() -> None:
    """Queries have more rows than keys and values."""
    net = network("attn.qkv -> q, k, v", "attn: attention heads 4, kv_heads 2")
    found = stored(net)
    assert [(key, array.shape) for key, array in found.items()] == [
        ("q.weight", (8, 8)), ("k.weight", (4, 8)), ("v.weight", (4, 8)),
        ("q.bias", (8,)), ("k.bias", (4,)), ("v.bias", (4,)),
        ("attn.proj.weight", (8, 8)), ("attn.proj.bias", (8,)),
    ]  # fmt: skip
    assert found["k.weight"].pieces == (Piece("attn.qkv.weight", 8, 12),)
    assert problems(net) == []


def test_anything_else_is_split_equally_and_transposed_last() -> None:
    found = stored(network("fc.weight -> a, b, transposed\nfc.bias -> bias", "fc: linear 6"))
    assert found["a"] == Stored(("a",), (8, 3), (Piece("fc.weight", 0, 3),), True)
    assert found["b"].pieces == (Piece("fc.weight", 3, 6),)


def test_outer_scopes_rename_split_and_merge_what_inner_ones_split() -> None:
    modules = "module m:\n  fc: linear 8\n"
    rules = "h.{i}.left, h.{i}.low -> {i}.joined\nh.{i}.high -> {i}.x, {i}.y\nin m:\n  fc -> left, low, high.z, high.u"
    found = stored(network(rules, "h: [m] x 2", modules))
    assert found["1.joined.weight"].pieces == (Piece("h.1.fc.weight", 0, 2), Piece("h.1.fc.weight", 2, 4))
    assert found["0.x.z.weight"].pieces == (Piece("h.0.fc.weight", 4, 5),)
    assert found["0.y.u.bias"].pieces == (Piece("h.0.fc.bias", 7, 8),)


@pytest.mark.parametrize(
    ("rules", "layers", "message"),
    [
        ("fc -> a, b, c", "fc: linear 8", "the 8 rows of `fc.weight` do not divide into 3 equal parts"),
        ("n -> a, b", "n: bn", "`n.num_batches_tracked` is a single number and has no rows to split"),
    ],
)
def test_what_cannot_be_split(rules: str, layers: str, message: str) -> None:
    net = network(rules, layers, input="8")
    assert problems(net) == [("A0509", message)]
    with pytest.raises(archdsl.SpecError) as caught:
        storage(net, "other")
    assert caught.value.diagnostics[0].span is not None


def test_rows_that_a_symbol_says() -> None:
    net = network("n -> a, b", "n: ln", input="TxD")
    assert problems(net) == [("A0509", "where `n.weight` is to be split depends on D")]


# -- merging ----------------------------------------------------------------------------------------------------------


def test_arrays_one_after_the_other() -> None:
    layers = "add:\n  - q: linear 4\n  - k: linear 4\n  - v: linear 4"
    rules = "v.weight, k.weight, q.weight -> qkv.weight, transposed\nq.bias, k.bias, v.bias -> qkv.bias"
    found = stored(network(rules, layers))
    pieces = tuple(Piece(f"{name}.weight", 0, 4) for name in "vkq")
    assert found == {
        "qkv.weight": Stored(("qkv.weight",), (8, 12), pieces, True),
        "qkv.bias": Stored(("qkv.bias",), (12,), tuple(Piece(f"{name}.bias", 0, 4) for name in "qkv")),
    }


def test_merging_twice() -> None:
    modules = "module pair:\n  add:\n    - a: linear 2\n    - b: linear 2\n"
    found = stored(
        network("left.ab, right.ab -> all\nin pair:\n  a, b -> ab", "add:\n  - left: pair\n  - right: pair", modules)
    )
    assert [p.key for p in found["all.bias"].pieces] == ["left.a.bias", "left.b.bias", "right.a.bias", "right.b.bias"]
    assert found["all.weight"].shape == (8, 8)


@pytest.mark.parametrize(
    ("rules", "layers", "code", "message"),
    [
        (
            "a, b, c -> abc", "add:\n  - a: linear 2\n  - b: linear 2",
            "A0509", "`abc.weight` is merged of 3 arrays, and beside `a.weight` there is none called `c`",
        ),
        (
            "a, b -> ab", "a: linear 2 -> b: linear 2",
            "A0509", "`a.weight` and `b.weight` cannot stand one after the other in `ab.weight`: they are 2x8 and 2x2",
        ),
        (
            "a.weight, a.bias -> ab", "a: linear 8, no bias -> a2: linear 8",
            "A0509", "`ab` is merged of 2 arrays, and beside `a.weight` there is none called `a.bias`",
        ),
        ("a, b -> ab\nc -> ab", "add:\n  - a: linear 2\n  - b: linear 2\n  - c: linear 2", "A0506", ""),
        ("{i}, b -> x", "h: linear 8", "A0505", "the rule `{i}, b` matches no name"),
        ("a, b -> x{i}", "a: linear 8 -> b: linear 8", "A0508", ""),
        ("a, b -> x, y", "a: linear 8 -> b: linear 8", "A0508", "a rule merges several arrays or splits one, not both"),
    ],
)  # fmt: skip
def test_what_cannot_be_merged(rules: str, layers: str, code: str, message: str) -> None:
    found = problems(network(rules, layers))
    assert found
    assert found[0][0] == code
    assert found[0][1] == message or not message


def test_only_one_of_two_transposed() -> None:
    modules = "module m:\n  fc: linear 8\n"
    net = network("a.fc, b -> ab\nin m:\n  fc -> fc, transposed", "a: m\nb: linear 8", modules)
    assert (
        "A0509",
        "`ab.weight` would hold `a.fc.weight` and `b.weight`, and only one of them is transposed",
    ) in problems(net)


# -- two names --------------------------------------------------------------------------------------------------------


def test_one_array_under_two_names() -> None:
    (array,) = storage(network("fc.weight -> a.weight = b.weight", "fc: linear 4, no bias"), "other")
    assert array == Stored(("a.weight", "b.weight"), (4, 8), (Piece("fc.weight", 0, 4),))


def test_two_names_of_what_was_merged() -> None:
    net = network("a, b -> ab = ba", "add:\n  - a: linear 2, no bias\n  - b: linear 2, no bias")
    (array,) = storage(net, "other")
    assert array.keys == ("ab.weight", "ba.weight")
    assert [piece.key for piece in array.pieces] == ["a.weight", "b.weight"]


def test_rules_survive_json() -> None:
    net = network("qkv -> q, k, transposed", "qkv: linear 8, no bias")
    assert storage(archdsl.from_json(net.to_json()), "other") == storage(net, "other")
    assert storage(net) == (Stored(("qkv.weight",), (8, 8), (Piece("qkv.weight", 0, 8),)),)


# -- files ------------------------------------------------------------------------------------------------------------


def test_everything_that_does_not_fit_is_said_and_counted() -> None:
    net = network("fc -> head", "fc: linear 4 -> fc2: linear 2")
    found = misfit(storage(net, "other"), {"head.weight": (8, 4), "fc2.weight": (2, 4), "fc3.bias": (2,), "n": ()})
    assert found == Misfit(
        (("head.bias", (4,)), ("fc2.bias", (2,))),
        (("fc3.bias", (2,)), ("n", ())),
        (("head.weight", (8, 4), (4, 8)),),
    )
    assert found.summary == "2 missing, 2 left over, 1 of another shape"
    assert list(found.lines()) == [
        "missing: head.bias (4)",
        "missing: fc2.bias (2)",
        "left over: fc3.bias (2)",
        "left over: n (a single number)",
        "of another shape: head.weight is 8x4, should be 4x8",
    ]


def test_what_fits_is_no_misfit() -> None:
    net = network("fc -> head = again", "fc: linear 4")
    shapes = {"head.weight": (4, 8), "again.bias": (4,)}
    assert not misfit(storage(net, "other"), shapes)
    assert misfit(storage(net, "other"), {**shapes, "again.weight": (4, 9)}).reshaped


def test_another_dialect_is_suggested() -> None:
    net = network("fc -> head", "fc: linear 4")
    assert better_dialect(net, None, {"head.weight": (4, 8), "head.bias": (4,)}) == "these are names of other"
    assert better_dialect(net, "other", {"fc.weight": (4, 8), "fc.bias": (4,)}) == "these are the spec's own names"
    assert better_dialect(net, "other", {"head.weight": (4, 8)}) is None
    assert better_dialect(net, None, {"x": (4, 8)}) is None
