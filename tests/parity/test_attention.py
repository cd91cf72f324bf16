"""Attention against independent implementations: torchvision's Swin and MaxViT, transformers' Llama, torch's own, and
a dense attention whose pairs are chosen one by one."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import archdsl
from archdsl import Network
from archdsl.ir.dims import evaluate

from .torchvision_models import models

assert models  # torchvision's parts below need its operators declared first
from torchvision.models import maxvit, swin_transformer as swin  # noqa: E402, I001

close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)


def load(layers: str, input: str) -> Network:
    body = "".join(f"  {line}\n" for line in layers.strip("\n").split("\n"))
    return archdsl.loads(f"input:{input}\nlayers: |\n{body}")


def module(layers: str, input: str) -> Any:
    """The emitted module of some lines, its parameters random."""
    torch.manual_seed(0)
    built = archdsl.build(load(layers, input)).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.normal_(std=0.3)
    return built


def take(ours: nn.Module, theirs: nn.Module, leave: tuple[str, ...] = (), **renamed: str) -> None:
    """Their arrays into our layer, all of them, by equal names but for those given."""
    arrays = {key: array for key, array in theirs.state_dict().items() if key not in leave}
    for old, new in renamed.items():
        arrays = {key.replace(old, new): array for key, array in arrays.items()}
    missing, unexpected = ours.load_state_dict(arrays, strict=False)
    assert not unexpected
    assert set(missing) <= set(leave)


def shuffled(theirs: nn.Module) -> None:
    """Their parameters, random: zeros would hide a bias."""
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.3)


# ---- Swin, Swin V2 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "shift"), [((14, 21), 0), ((14, 21), 3), ((7, 7), 3), ((7, 14), 3)], ids=["plain", "moved", "one", "half"]
)
@pytest.mark.parametrize("version", [1, 2])
def test_windows_are_swins(size: tuple[int, int], shift: int, version: int) -> None:
    """Same keys and shapes in the same order, same outputs, same gradients."""
    theirs = (swin.ShiftedWindowAttention if version == 1 else swin.ShiftedWindowAttentionV2)(
        32, [7, 7], [shift, shift], 4
    ).eval()
    shuffled(theirs)
    flags = "relative" if version == 1 else "cosine"
    height, width = size
    ours = module(f"tokens -> attn: attention heads 4, window 7, shift {shift}, {flags}", f" 32x{height}x{width}")
    assert [(k, a.shape) for k, a in ours.attn.state_dict().items()] == [
        (k, a.shape) for k, a in theirs.state_dict().items()
    ]
    take(ours.attn, theirs)
    x = torch.randn(2, 32, height, width)
    got, wanted = ours(x), theirs(x.permute(0, 2, 3, 1)).flatten(1, 2)
    close(got, wanted)
    for y in (got, wanted):
        (y * torch.linspace(-1, 1, 32)).sum().backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for name, parameter in ours.attn.named_parameters():
        close(parameter.grad, gradients[name], rtol=1e-3, atol=1e-4)


# ---- MaxViT ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["window", "grid"])
def test_tiles_are_maxvits(kind: str) -> None:
    theirs = maxvit.PartitionAttentionLayer(
        32, 8, 7, kind, (14, 14), 4, nn.GELU, nn.LayerNorm, 0.0, 0.0, 0.0
    ).eval()  # fmt: skip
    shuffled(theirs)
    ours = module(f"tokens\nresidual: ln -> attn: attention heads 4, {kind} 7, relative, scale 1/sqrt(32)", " 32x14x14")
    take(ours.ln1, theirs.attn_layer[0])
    take(
        ours.attn,
        theirs.attn_layer[1],
        leave=("relative_position_index",),
        to_qkv="qkv",
        merge="proj",
    )
    theirs.mlp_layer = nn.Identity()  # which doubles
    x = torch.randn(2, 32, 14, 14)
    close(ours(x), theirs(x).flatten(2).transpose(1, 2) / 2)


# ---- transformers' Llama ---------------------------------------------------------------------------------------------


def test_rotary_grouped_separate_attention_is_llamas() -> None:
    llama = pytest.importorskip("transformers.models.llama.modeling_llama")
    configure = pytest.importorskip("transformers").LlamaConfig
    config = configure(
        hidden_size=64, num_attention_heads=8, num_key_value_heads=2, rope_theta=500.0, max_position_embeddings=64
    )
    config._attn_implementation = "eager"
    theirs = llama.LlamaAttention(config, 0).eval()
    shuffled(theirs)
    line = "self_attn: attention heads 8, kv_heads 2, rope 500, causal, separate, no bias"
    ours = module(line, " Tx64")
    assert list(ours.self_attn.state_dict()) == list(theirs.state_dict())
    take(ours.self_attn, theirs)
    x, places = torch.randn(2, 23, 64), torch.arange(23)[None]
    later = torch.full((23, 23), -torch.inf).triu(1)[None, None]
    wanted, _ = theirs(x, llama.LlamaRotaryEmbedding(config)(x, places), later)
    close(ours(x), wanted)
    fused = module(line.replace(", separate", ""), " Tx64").self_attn
    parts = [getattr(theirs, f"{n}_proj").weight for n in "qkv"]
    fused.load_state_dict({"qkv.weight": torch.cat(parts), "proj.weight": theirs.o_proj.weight})
    close(fused(x), wanted)


# ---- torch's own -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_masks_are_torchs(separate: bool, causal: bool, masked: bool) -> None:
    flags = ", mask @keep" * masked + ", causal" * causal + ", separate" * separate
    ours = module(f"@x -> attn: attention heads 4{flags}", "\n  x: Tx32\n  keep: T below 2").attn
    theirs = nn.MultiheadAttention(32, 4, batch_first=True).eval()
    shuffled(theirs)
    weight, bias = theirs.in_proj_weight, theirs.in_proj_bias
    if separate:
        arrays = {"o_proj.weight": theirs.out_proj.weight, "o_proj.bias": theirs.out_proj.bias}
        for name, w, b in zip("qkv", weight.chunk(3), bias.chunk(3), strict=True):
            arrays |= {f"{name}_proj.weight": w, f"{name}_proj.bias": b}
    else:
        arrays = {"qkv.weight": weight, "qkv.bias": bias}
        arrays |= {"proj.weight": theirs.out_proj.weight, "proj.bias": theirs.out_proj.bias}
    ours.load_state_dict(arrays)
    x = torch.randn(2, 9, 32)
    keep = torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
    later = torch.ones(9, 9).triu(1).bool() if causal else None
    wanted, _ = theirs(x, x, x, key_padding_mask=keep == 0 if masked else None, attn_mask=later)
    close(ours(x, keep) if masked else ours(x), wanted)


TORCHS = """
names torch: |
  attn.qkv.weight -> attn.in_proj_weight
  attn.qkv.bias   -> attn.in_proj_bias
  attn.proj       -> attn.out_proj
"""


@pytest.mark.parametrize(
    "arguments",
    ["", "no bias", "causal, dropout 0.1", "mask @keep", "mask @keep, causal", "kv_heads 2, scale 2", "rope 100, kv_heads 2"],
)  # fmt: skip
def test_attention_by_the_names_of_torch(arguments: str) -> None:
    """It is the same computation; where torch's own module can compute it, its state_dict fits as it is."""
    text = f"input:\n  x: Tx32\n  keep: T below 2\nlayers: |\n  @x -> attn: attention heads 4{', ' * bool(arguments)}{arguments}"
    net = archdsl.loads(text + TORCHS)
    torch.manual_seed(0)
    ours = archdsl.build(net)
    torch.manual_seed(0)
    named = archdsl.build(net, names="torch")
    state = archdsl.convert_weights(net, ours.state_dict(), target="torch")
    assert all(torch.equal(array, state[key]) for key, array in named.state_dict().items())
    x, keep = torch.randn(2, 9, 32), torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
    for module in (ours, named):
        torch.manual_seed(1)
        module(x, keep).sum().backward()  # in training, with dropout
    assert torch.equal(named.attn.out_proj.weight.grad, ours.attn.proj.weight.grad)
    assert torch.equal(named.eval()(x, keep), ours.eval()(x, keep))
    if "kv_heads" in arguments:
        return
    theirs = nn.MultiheadAttention(32, 4, bias="no bias" not in arguments, batch_first=True).eval()
    theirs.load_state_dict(named.attn.state_dict(), strict=True)
    later = torch.ones(9, 9).triu(1).bool() if "causal" in arguments else None
    wanted, _ = theirs(x, x, x, key_padding_mask=keep == 0 if "mask" in arguments else None, attn_mask=later)
    close(named(x, keep), wanted)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", ["", ", scale 1/4"])
def test_attend_is_softmax_of_products(causal: bool, scale: str) -> None:
    """Other lengths and other widths of values, a mask of the keys."""
    input = "\n  x: Tx16\n  memory: Sx16\n  keep: S below 2"
    layers = f"@x\nattend heads 2, mask @keep{scale}{', causal' * causal}:\n  - identity\n  - @memory\n"
    layers += "  - @memory -> v: linear 8"
    ours = module(layers, input)
    x, memory = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
    keep = torch.tensor([[1] * 7, [3] * 4 + [0] * 3])
    q, k = (y.unflatten(2, (2, 8)) for y in (x, memory))
    v = ours.v(memory).unflatten(2, (2, 4))
    products = torch.einsum("nthd,nshd->nhts", q, k) * (0.25 if scale else 8**-0.5)
    products.masked_fill_(keep[:, None, None] == 0, -torch.inf)
    if causal:
        products.masked_fill_(torch.ones(5, 7).triu(1).bool(), -torch.inf)
    close(ours(x, memory, keep), torch.einsum("nhts,nshd->nthd", products.softmax(3), v).flatten(2))


def test_dropout_is_for_training() -> None:
    layers = (
        "x1: attention heads 2, dropout 0.5\nattend heads 2, dropout 0.5:\n  - identity\n  - identity\n  - identity"
    )
    ours, x = module(layers, " 6x8"), torch.randn(2, 6, 8)
    close(ours(x), ours(x), rtol=0, atol=0)
    ours.train()
    assert not torch.allclose(ours(x), ours(x))
    ours.x1.eval()
    assert not torch.allclose(ours(x), ours(x))  # the joining attend forgets on its own
    close(torch.jit.script(ours.eval())(x), ours(x), rtol=0, atol=0)


# ---- any tiles, pair by pair -----------------------------------------------------------------------------------------


def places(size: tuple[int, ...], tile: tuple[int, ...], shift: tuple[int, ...], spread: bool) -> list[Any]:
    """For each place its tile, its part of what came around the end, and where it stands in the tile."""
    found: list[Any] = []
    for at in itertools.product(*map(range, size)):
        tiles, inside = [], []
        for c, n, w, s in zip(at, size, tile, shift, strict=True):
            moved = s if n > w else 0
            p = (c - moved) % n
            tiles.append(c % (n // w) if spread else (p // w, c < moved))
            inside.append(c // (n // w) if spread else p % w)
        found.append((tiles, inside))
    return found


def dense(layer: Any, x: Tensor, where: list[Any], tile: tuple[int, ...], causal: bool, heads: int) -> Tensor:
    """The same attention over all pairs, those of different tiles left out."""
    q, k, v = (y.unflatten(2, (heads, -1)) for y in layer.qkv(x).chunk(3, 2))
    products = torch.einsum("nthd,nshd->nhts", q, k) * q.shape[3] ** -0.5
    for i, j in itertools.product(range(len(where)), repeat=2):
        if where[i][0] != where[j][0] or (causal and j > i):
            products[:, :, i, j] = -torch.inf
            continue
        row = 0
        for a, b, w in zip(where[i][1], where[j][1], tile, strict=True):
            row = row * (2 * w - 1) + a - b + w - 1
        if layer.relative_position_bias_table is not None:
            products[:, :, i, j] += layer.relative_position_bias_table[row]
    return layer.proj(torch.einsum("nhts,nshd->nthd", products.softmax(3), v).flatten(2))


@pytest.mark.parametrize(
    ("size", "tile", "shift", "spread"),
    [
        ((4, 6), (2, 3), (1, 2), False),
        ((4, 6), (2, 3), (0, 0), True),
        ((4, 3), (2, 3), (1, 1), False),
        ((12,), (4,), (3,), False),
        ((2, 4, 2), (2, 2, 1), (1, 1, 0), False),
        ((2, 2, 4), (1, 2, 2), (0, 0, 0), True),
    ],
)
@pytest.mark.parametrize("flags", ["", ", relative", ", relative, causal", ", causal"])
def test_tiles_pair_by_pair(
    size: tuple[int, ...], tile: tuple[int, ...], shift: tuple[int, ...], spread: bool, flags: str
) -> None:
    shown = "x".join(map(str, tile))
    moved = f", shift {'x'.join(map(str, shift))}" if any(shift) else ""
    kind = " map" if len(size) == 1 else ""
    line = f"tokens -> a: attention heads 2, {'grid' if spread else 'window'} {shown}{moved}{flags}"
    layer = module(line, f" 8x{'x'.join(map(str, size))}{kind}").a
    where = places(size, tile, shift, spread)
    with torch.no_grad():
        x = torch.randn(2, len(where), 8)
        close(layer(x), dense(layer, x, where, tile, "causal" in flags, 2))


@pytest.mark.parametrize("flags", ["relative", "relative, causal"])
@pytest.mark.parametrize("input", [" 8x3x4", " 12x8"])
def test_relative_speaks_of_the_whole_map_or_sequence(input: str, flags: str) -> None:
    size = (3, 4) if input.count("x") == 2 else (12,)
    layer = module(f"{'tokens -> ' * (len(size) == 2)}a: attention heads 2, {flags}", input).a
    where = places(size, size, (0,) * len(size), False)
    with torch.no_grad():
        x = torch.randn(2, 12, 8)
        close(layer(x), dense(layer, x, where, size, "causal" in flags, 2))


def test_a_mask_leaves_places_of_tiles_out() -> None:
    """A place with mask 0 changes no other: whatever stands there."""
    input = "\n  x: 8x4x4\n  keep: 16 below 2"
    layer = module("@x -> tokens -> a: attention heads 2, window 2, shift 1, relative, mask @keep", input).a
    x, keep = torch.randn(1, 16, 8), torch.ones(1, 16, dtype=torch.long)
    keep[0, 5] = 0
    other = x.clone()
    other[0, 5] = 7
    rest = [i for i in range(16) if i != 5]
    close(layer(x, keep)[:, rest], layer(other, keep)[:, rest], rtol=0, atol=0)
    assert not torch.allclose(layer(x, keep)[:, rest], layer(x, torch.ones_like(keep))[:, rest])


# ---- arrays and multiply-adds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "input"),
    [
        ("tokens -> a: attention heads 2, window 2x3, shift 1", " 8x4x6"),
        ("tokens -> a: attention heads 2, grid 2, relative, no bias", " 8x4x6"),
        ("tokens -> a: attention heads 4, kv_heads 2, window 2x3, cosine, causal", " 8x4x6"),
        ("tokens -> a: attention heads 4, cosine", " 8x4x4x2"),
        ("a: attention heads 4, kv_heads 1, rope 10000, separate", " Tx8"),
        ("a: attention heads 4, cosine, no bias", " 12x8"),
        ("a: attention heads 4, scale 0.5, causal", " Tx8"),
    ],
)
def test_arrays_and_products_are_counted_as_torch_counts(line: str, input: str) -> None:
    """Keys and shapes are compared when the source is emitted; here the numbers, and the symbols in them."""
    network = load(line, input)
    counts = archdsl.analyze(network).totals.of(training=False)
    with torch.device("meta"):
        built = archdsl.build(network).eval()
    (shape,) = network.inputs.values()
    values = {"T": 11}
    flops = FlopCounterMode(display=False)
    with flops:
        built(torch.empty(1, *(int(evaluate(d, values)) for d in shape.dims), device="meta"))
    assert flops.get_total_flops() == 2 * int(evaluate(counts.macs, values))
    assert sum(p.numel() for p in built.parameters()) == counts.parameters
    assert sum(b.numel() for b in built.state_dict().values()) == counts.parameters + counts.buffers


def test_the_angle_is_compared_and_not_the_length() -> None:
    """Keys twice as long change nothing; F.normalize agrees."""
    layer = module("a: attention heads 2, cosine, no bias", " 5x8").a
    x = torch.randn(1, 5, 8)
    before = layer(x)
    with torch.no_grad():
        layer.qkv.weight[8:16] *= 2
    close(layer(x), before)
    q, k, _ = layer.project(x)
    cosines = F.cosine_similarity(q.unflatten(2, (2, 4)), k.unflatten(2, (2, 4)), dim=3)
    temperature = layer.logit_scale.exp().clamp(max=100).flatten()
    close((q * k).unflatten(2, (2, 4)).sum(3), cosines * temperature)
