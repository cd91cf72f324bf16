"""Attention as its papers write it: place by place, tile by tile."""

from __future__ import annotations

import itertools
import math
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .words import Arguments, Rule, Value, Word, divisors, each, features, maybe, word


def attention(
    q: Tensor, k: Tensor, v: Tensor, heads: int, kv_heads: int = 0, scale: float | None = None, bias: Any = 0
) -> Tensor:
    """softmax(scale q k^T + bias) v, head by head; (batch, places, features) each."""
    batch, kv_heads = q.shape[0], kv_heads or heads
    q = q.reshape(batch, q.shape[1], heads, -1).permute(0, 2, 1, 3)
    k, v = (t.reshape(batch, t.shape[1], kv_heads, -1).permute(0, 2, 1, 3) for t in (k, v))
    k, v = (t.repeat_interleave(heads // kv_heads, 1) for t in (k, v))
    scores = torch.matmul(q, k.transpose(-1, -2)) * (q.shape[-1] ** -0.5 if scale is None else scale)
    return torch.matmul((scores + bias).softmax(-1), v).permute(0, 2, 1, 3).reshape(batch, q.shape[2], -1)


def hidden(seen: Tensor) -> Tensor:
    """What is added to scores: nothing where something is seen, minus infinity where not."""
    return torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, -torch.inf)


def earlier(queries: int, keys: int, device: Any) -> Tensor:
    """Which keys a query sees that looks only at its own place and those before."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril()


def turned(x: Tensor, heads: int, base: float) -> Tensor:
    """Rotary positions by complex numbers: features i and i + d/2 are one, turned by place * base^(-2i/d)."""
    batch, length, many = x.shape
    half = many // heads // 2
    x = x.reshape(batch, length, heads, 2, half)
    angles = [[t * base ** (-i / half) for i in range(half)] for t in range(length)]
    cos, sin = ([[f(a) for a in row] for row in angles] for f in (math.cos, math.sin))
    cos, sin = (torch.tensor(t, dtype=x.dtype, device=x.device)[:, None] for t in (cos, sin))
    real, imaginary = x[:, :, :, 0], x[:, :, :, 1]
    return torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], 3).reshape(batch, length, many)


class Tiles:
    """Which places see each other: per tile the places, where they are in it, and whether they came around the end."""

    def __init__(self, whole: tuple[int, ...], size: tuple[int, ...], shift: tuple[int, ...], spread: bool) -> None:
        self.size = size
        tiles: dict[Any, list[Any]] = {}
        for number, place in enumerate(itertools.product(*map(range, whole))):
            found = [self.axis(*axis, spread) for axis in zip(place, whole, size, shift, strict=True)]
            tile, at, around = zip(*found, strict=True)
            tiles.setdefault(tile, []).append((at, number, around))
        self.tiles = [sorted(tile) for _, tile in sorted(tiles.items())]

    @staticmethod
    def axis(at: int, n: int, size: int, shift: int, spread: bool) -> tuple[int, int, bool]:
        """Along one axis: the tile, the place in it, whether it came around the end."""
        if spread:
            return at % (n // size), at // (n // size), False
        moved = 0 if size == n else shift
        at = (at - moved) % n
        return at // size, at % size, at >= n - moved

    def distance(self, a: tuple[int, ...], b: tuple[int, ...]) -> int:
        """The number of the distance between two places of a tile."""
        number = 0
        for x, y, n in zip(a, b, self.size, strict=True):
            number = number * (2 * n - 1) + x - y + n - 1
        return number


class SelfAttention(nn.Module):
    """Self-attention with its projections."""

    def __init__(self, given: Arguments, many: int, tiles: Tiles | None) -> None:
        super().__init__()
        self.given, self.tiles, self.heads = given, tiles, given.get("heads", 1)
        self.kv = given.get("kv_heads", self.heads)
        keys, bias = many // self.heads * self.kv, given.get("bias", True)
        self.sizes = [many, keys, keys]
        if given.get("relative") or given.get("cosine"):
            assert tiles is not None
            apart = [2 * n - 1 for n in tiles.size]
            square = math.prod(tiles.size) ** 2
            self.register_buffer("relative_position_index", torch.zeros(square, dtype=torch.long))
            if given.get("relative"):
                self.relative_position_bias_table = nn.Parameter(torch.zeros(math.prod(apart), self.heads))
            else:
                self.logit_scale = nn.Parameter(torch.zeros(self.heads, 1, 1))
                self.register_buffer("relative_coords_table", torch.zeros(1, *apart, len(apart)))
                self.cpb_mlp = nn.Sequential(
                    nn.Linear(len(apart), 512), nn.ReLU(), nn.Linear(512, self.heads, bias=False)
                )
        parts = [("qkv", many + 2 * keys), ("proj", many)]
        if given.get("separate"):
            parts = [("q_proj", many), ("k_proj", keys), ("v_proj", keys), ("o_proj", many)]
        self.names = [name for name, _ in parts]
        for name, width in parts:
            self.add_module(name, nn.Linear(many, width, bias=bias))

    def project(self, x: Tensor) -> list[Tensor]:
        if self.given.get("separate"):
            return [self.get_submodule(name)(x) for name in self.names[:3]]
        qkv: Any = self.qkv
        bias = qkv.bias
        if self.given.get("cosine") and bias is not None:
            bias = torch.cat([part * (at != 1) for at, part in enumerate(bias.split(self.sizes))])
        return list(F.linear(x, qkv.weight, bias).split(self.sizes, -1))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.project(x)
        if self.given.get("rope") is not None:
            q, k = (turned(t, heads, self.given["rope"]) for t, heads in ((q, self.heads), (k, self.kv)))
        scale = self.given.get("scale")
        if self.given.get("cosine"):
            q, k = (self.unit(t, heads) for t, heads in ((q, self.heads), (k, self.kv)))
            q = q.reshape(*q.shape[:2], self.heads, -1) * self.logit_scale.reshape(-1, 1).exp().clamp(max=100)
            q, scale = q.flatten(2), 1
        added = torch.zeros(1, 1, 1, x.shape[1], device=x.device, dtype=x.dtype)
        if mask is not None:
            added = added + hidden(mask != 0)[:, None, None]
        if self.given.get("causal"):
            added = added + hidden(earlier(x.shape[1], x.shape[1], x.device))
        added = added.expand(-1, -1, x.shape[1], -1)
        if self.tiles is None:
            found = attention(q, k, v, self.heads, self.kv, scale, added)
        else:
            found = self.tiled(q, k, v, scale, added)
        return self.get_submodule(self.names[-1])(found)

    def unit(self, x: Tensor, heads: int) -> Tensor:
        return F.normalize(x.reshape(*x.shape[:2], heads, -1), dim=-1).flatten(2)

    def tiled(self, q: Tensor, k: Tensor, v: Tensor, scale: float | None, added: Tensor) -> Tensor:
        assert self.tiles is not None
        found = torch.zeros_like(q)
        table = self.distances(q.shape[0])
        for tile in self.tiles.tiles:
            at = torch.tensor([number for _, number, _ in tile], device=q.device)
            seen = torch.tensor([[a == b for _, _, b in tile] for _, _, a in tile], device=q.device)
            bias = added[:, :, at][:, :, :, at] + hidden(seen)
            if table is not None:
                numbers = [[self.tiles.distance(a, b) for b, _, _ in tile] for a, _, _ in tile]
                bias = bias + table[torch.tensor(numbers, device=q.device)].permute(2, 0, 1)
            found[:, at] = attention(q[:, at], k[:, at], v[:, at], self.heads, self.kv, scale, bias)
        return found

    def distances(self, batch: int) -> Tensor | None:
        """The bias of each distance, one a head."""
        if self.given.get("relative"):
            return self.relative_position_bias_table
        if not self.given.get("cosine"):
            return None
        assert self.tiles is not None
        rows = [
            [
                math.copysign(math.log2(abs(8 * d / max(n - 1, 1)) + 1) / 3, d)
                for d, n in zip(apart, self.tiles.size, strict=True)
            ]
            for apart in itertools.product(*(range(1 - n, n) for n in self.tiles.size))
        ]
        table = torch.tensor(rows, dtype=self.logit_scale.dtype, device=self.logit_scale.device)
        # an example each, since the analysis counts an example
        return 16 * torch.sigmoid(self.cpb_mlp(table.expand(batch, -1, -1))[0])


SPECIAL = ("window", "grid", "relative", "cosine")


@word
class Attention(Word):
    word = "attention"
    anew = True
    kinds = ("sequence",)
    covers = (
        "heads", "kv_heads", "window", "grid", "shift", "scale", "mask", "rope", "dropout", "bias", "causal",
        "relative", "cosine", "separate",
    )  # fmt: skip
    smallest = {"dropout": 0, "shift": 0, "scale": -9}

    def propose(self, random: Random, value: Value) -> Arguments:
        given: Arguments = {}
        if random.random() < 0.8:
            given["heads"] = random.choice(divisors(features(value)))
            given |= maybe(random, 0.3, kv_heads=random.choice(divisors(given["heads"])))
        given |= maybe(random, 0.2, dropout=0.1) | maybe(random, 0.3, bias=False) | maybe(random, 0.3, causal=True)
        if random.random() < 0.4 or (value.grid is not None and random.random() < 0.8):
            return given | self.special(random, value)
        given |= maybe(random, 0.2, scale=random.choice((0.5, 1)))
        return given | maybe(random, 0.3, separate=True) | maybe(random, 0.3, rope=random.choice((100, 10000)))

    def special(self, random: Random, value: Value) -> Arguments:
        given: Arguments = {}
        if value.grid is not None and random.random() < 0.8:
            size = [random.choice(divisors(n)) for n in value.grid]
            given[random.choice(("window", "window", "grid"))] = {"size": size}
            if "window" in given and random.random() < 0.6:
                given["shift"] = {"size": [random.randrange(n) for n in size]}
        return given | random.choice(({}, {"relative": True}, {"relative": True}, {"cosine": True}))

    def check(self, given: Arguments, value: Value) -> None:
        super().check(given, value)
        heads = given.get("heads", 1)
        if features(value) % heads or heads % given.get("kv_heads", heads):
            raise Rule("heads divide the features")
        if given.get("rope") is not None and features(value) // heads % 2:
            raise Rule("rotary positions turn pairs")
        special = [name for name in SPECIAL if given.get(name)]
        if (given.get("rope") is not None or given.get("separate")) and special:
            raise Rule("rope or separate with tiles")
        if {"window", "grid"} <= set(special) or {"relative", "cosine"} <= set(special):
            raise Rule("one or the other")
        if given.get("cosine") and given.get("scale") is not None:
            raise Rule("cosine has a scale of its own")
        mask = given.get("mask")
        if mask is not None and tuple(mask.tensor.shape[1:]) != tuple(value.tensor.shape[1:2]):
            raise Rule("a mask has one number a place")
        shift = given.get("shift", 0)
        if "window" not in given and any(s for s in (shift if isinstance(shift, tuple) else (shift,))):
            raise Rule("shift without window")

    def tiles(self, given: Arguments, value: Value) -> Tiles | None:
        if not any(given.get(name) for name in SPECIAL):
            return None
        whole = (value.tensor.shape[1],) if value.grid is None else value.grid
        size = given.get("window", given.get("grid"))
        if size is None:
            return Tiles(whole, whole, (0,) * len(whole), False)
        if value.grid is None:
            raise Rule("tiles of a map")
        size, shift = each(size, len(whole)), each(given.get("shift", 0), len(whole))
        if any(n % s for n, s in zip(whole, size, strict=True)):
            raise Rule("tiles divide the map")
        if any(a >= b for a, b in zip(shift, size, strict=True)):
            raise Rule("shifted by less than a window")
        return Tiles(whole, size, shift, "grid" in given)

    def layer(self, given: Arguments, value: Value) -> nn.Module:
        return SelfAttention(given, features(value), self.tiles(given, value))
