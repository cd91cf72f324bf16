"""Attention: of a sequence to itself with its projections, and of paths to one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from ..ir.dims import Dim, compare, product, show
from ..ir.operator import (
    Axes,
    Operator,
    Refusal,
    Slot,
    Tensor,
    TorchForm,
    Work,
    attribute,
    axes,
    flag,
    operator,
    operator_of,
    switch,
    value,
)  # fmt: skip
from ..ir.reach import GLOBAL, UNDEFINED, Reach, reach_of, tile
from ..ir.shapes import Constant, Number, Shape, Size
from .formula import call, slot

COSINE_HIDDEN = 512
"""Hidden units of the network of log distances (Liu et al. 2022, as torchvision and timm have it)."""


def _check_heads(shape: Shape, heads: Dim) -> None:
    if compare(shape.features % heads, 0, "==") is False:
        message = f"{show(heads)} heads do not divide the {show(shape.features)} features of {shape}"
        raise Refusal("A0406", message, argument="heads")


def _check_number(word: str, name: str, given: Number | None) -> None:
    if given is not None and not isinstance(given, int | float | Fraction):
        raise Refusal("A0404", f"the {name} of {word} is a number, this is {given}", argument=name)


def _check_dropout(given: Number) -> None:
    if isinstance(given, int | float | Fraction) and given > 1:
        raise Refusal("A0305", f"a probability is at most 1, this one is {float(given):g}", argument="dropout")


def _check_mask(mask: Shape, places: Dim, of: str) -> None:
    if mask.kind == "map" or mask.dims != (places,):
        wanted = f"one value for each of the {show(places)} places of {of}"
        help = f"an input like `mask: {show(places)} below 2`, 0 where nothing is to be seen"
        raise Refusal("A0410", f"a mask has {wanted}, but {mask.describe()} comes", help, "mask")


@operator
class Attention(Operator):
    """Multi-head self-attention with its projections (Vaswani et al. 2017): every place looks at every other.

    With `window` or `grid` a place sees its tile of the map that the sequence came from: `window 7` tiles of 7x7
    neighbours, moved by `shift` in every second layer (Liu et al. 2021), `grid 7` tiles of 7x7 places spread evenly (Tu et al.
    2022). The tiles must divide the map. An axis that is one window is not shifted.

    `relative` adds a trained bias for each distance and head. `cosine` compares by angle, at a trained temperature,
    with a bias that a small network computes from the log distances (Liu et al. 2022); keys then have no bias, though
    `qkv.bias` has its numbers, as torchvision's. Both keep the indices of distances in buffers, as torchvision does.
    Without `window` and `grid` they speak of the whole map, or of the sequence where there is none.

    Multiply-adds are those of the projections and of both products, `2 T^2 D`, with tiles of n places `2 T n D`; a
    mask, causal or not, saves none. The network of `cosine` is counted once.
    """

    word = "attention"
    family = "attention"
    accepts = ("sequence",)
    advice = {"map": "put `tokens` before it"}

    heads: Dim = attribute("whole", 1, "into how many heads the features are divided")
    kv_heads: Dim | None = attribute("whole", None, "heads of keys and values (default: as many)")
    window: Axes | None = attribute("axes", None, "attends within tiles of this size (default: everywhere)")
    grid: Axes | None = attribute("axes", None, "attends among so many places, spread evenly (default: everywhere)")
    shift: Axes = attribute("axes", 0, "how far the windows are moved, around the end", minimum=0)
    scale: Number | None = attribute(
        "number", None, "factor of the products (default: 1 over the root of a head's width)", minimum=None
    )
    mask: bool = value("a value with one number a place; places where it is 0 are not looked at")
    rope: Number | None = attribute("number", None, "base of rotary positions (default: none)")
    dropout: Number = attribute("number", 0, "probability of forgetting a place, in training", minimum=0)
    bias: bool = switch("biases of the projections")
    causal: bool = flag("a place sees only itself and those before it")
    relative: bool = flag("a trained bias a distance and head: relative_position_bias_table")
    cosine: bool = flag("compares by angle: logit_scale, and cpb_mlp for the distances")
    separate: bool = flag("four projections called q_proj, k_proj, v_proj, o_proj instead of qkv and proj")

    def output(self, *inputs: Shape) -> Shape:
        shape = inputs[0]
        self.check_kind(shape)
        _check_heads(shape, self.heads)
        if self.kv_heads is not None and compare(self.heads % self.kv_heads, 0, "==") is False:
            message = f"{show(self.kv_heads)} heads of keys do not divide the {show(self.heads)} heads"
            raise Refusal("A0406", message, argument="kv_heads")
        _check_number(self.word, "scale", self.scale)
        _check_number(self.word, "rope", self.rope)
        _check_dropout(self.dropout)
        self._check_together()
        if self.rope is not None and compare(shape.features // self.heads % 2, 0, "==") is False:
            width = show(shape.features // self.heads)
            message = f"rotary positions turn pairs of features, but a head has {width}"
            raise Refusal("A0404", message, argument="rope")
        self._check_tiles(shape)
        if self.mask:
            _check_mask(inputs[1], shape.dims[0], "the sequence")
        return shape

    def _check_together(self) -> None:
        """Refuse arguments that exclude each other."""
        special = [n for n in ("window", "grid", "relative", "cosine") if getattr(self, n) not in (None, False)]
        for one, others in (
            ("window", ("grid",)),
            ("relative", ("cosine",)),
            ("cosine", ("scale",)),
            ("rope", special),
            ("separate", special),
        ):
            if getattr(self, one) in (None, False):
                continue
            for other in others:
                if getattr(self, other) not in (None, False):
                    why = {"relative": "`cosine` has a bias of the distances itself"}.get(one)
                    raise Refusal("A0404", f"attention takes `{one}` or `{other}`, not both", why, one)
        if self.window is None and any(s != 0 for s in axes(self.shift, 1)):
            raise Refusal("A0404", "`shift` moves windows, but there is no `window`", argument="shift")

    def _check_tiles(self, shape: Shape) -> None:
        given = "grid" if self.window is None else "window"
        tile = self.window if self.grid is None else self.grid
        if tile is None:
            if (self.relative or self.cosine) and not all(isinstance(n, int) for n in self._places(shape)):
                flags = "relative" if self.relative else "cosine"
                raise Refusal("A0404", f"`{flags}` needs a length that is known, {shape} has a symbol", argument=flags)
            return
        if shape.grid is None:
            help = "a sequence remembers the map that `tokens` made it from until its length changes"
            raise Refusal("A0404", f"`{given}` speaks of a map, but {shape} came from none", help, given)
        for name, axis in ((given, tile), ("shift", self.shift)):
            if isinstance(axis, Size) and len(axis) != len(shape.grid):
                whole = Size(shape.grid)
                message = f"the {name} {axis!r} speaks of {len(axis)} axes, but the map {whole!r} has {len(whole)}"
                raise Refusal("A0402", message, "a single number speaks of every axis", name)
        for whole, part, moved in zip(shape.grid, self._places(shape), axes(self.shift, len(shape.grid)), strict=True):
            if compare(whole % part, 0, "==") is False:
                message = f"{given}s of {show(part)} do not divide the {Size(shape.grid)!r} map"
                raise Refusal("A0403", message, argument=given)
            if compare(moved, part, ">="):
                message = f"windows of {show(part)} are shifted by less than that, this is {show(moved)}"
                raise Refusal("A0305", message, argument="shift")

    def _places(self, shape: Shape) -> tuple[Dim, ...]:
        """How many places an axis see each other."""
        tile = self.window if self.grid is None else self.grid
        whole = (shape.dims[0],) if shape.grid is None else shape.grid
        return whole if tile is None else axes(tile, len(whole))

    def _keys(self, features: Dim) -> Dim:
        return features if self.kv_heads is None else features // self.heads * self.kv_heads

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        features = inputs[0].features
        keys = self._keys(features)
        parts = [("qkv", features + 2 * keys), ("proj", features)]
        if self.separate:
            parts = [("q_proj", features), ("k_proj", keys), ("v_proj", keys), ("o_proj", features)]
        found = list(self._distances(inputs[0]))
        for name, width in parts:
            rows = (features, keys, keys) if name == "qkv" else ()
            found.append(Tensor(f"{name}.weight", (width, features), parts=rows))
            if self.bias:
                found.append(Tensor(f"{name}.bias", (width,), parts=rows))
        if self.cosine:
            rank = len(self._places(inputs[0]))
            found.append(Tensor("cpb_mlp.0.weight", (COSINE_HIDDEN, rank)))
            found.append(Tensor("cpb_mlp.0.bias", (COSINE_HIDDEN,)))
            found.append(Tensor("cpb_mlp.2.weight", (self.heads, COSINE_HIDDEN)))
        return tuple(found)

    def named(self, names: Mapping[str, str]) -> Operator | None:
        """With the names of `nn.MultiheadAttention`, unless it attends in tiles."""
        if names.items() <= MULTIHEAD.items() and self.window is None and self.grid is None:
            return operator_of(MultiheadAttention, vars(self).copy())
        return None

    def _distances(self, shape: Shape) -> tuple[Tensor, ...]:
        """The arrays of relative places, those that the attention itself holds."""
        places = self._places(shape)
        apart = tuple(2 * n - 1 for n in places)
        square = product(places) * product(places)
        index = Tensor("relative_position_index", (square,), "frozen")
        if self.relative:
            return (Tensor("relative_position_bias_table", (product(apart), self.heads)), index)
        if self.cosine:
            table = Tensor("relative_coords_table", (1, *apart, len(places)), "frozen")
            return (Tensor("logit_scale", (self.heads, 1, 1)), table, index)
        return ()

    def macs(self, inputs: tuple[Shape, ...], output: Shape, tensors: tuple[Tensor, ...]) -> Dim:
        length, features = inputs[0].dims
        places = self._places(inputs[0])
        tiled = self.window is not None or self.grid is not None
        seen = product(places) if tiled else length
        total = length * features * (2 * features + 2 * self._keys(features)) + 2 * length * seen * features
        if self.cosine:
            hidden = len(places) * COSINE_HIDDEN + COSINE_HIDDEN * self.heads
            total += product(tuple(2 * n - 1 for n in places)) * hidden
        return total

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        length, features = inputs[0].dims
        biases = length * (2 * features + 2 * self._keys(features)) if self.bias else 0
        tiled = self.window is not None or self.grid is not None
        seen = product(self._places(inputs[0])) if tiled else length
        return Work(biases, activation=self.heads * length * seen)

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        if self.window is None or inputs[0].grid is None:
            return (GLOBAL,) * len(inputs)
        whole, size = inputs[0].grid, self._places(inputs[0])
        moved = [0 if n == k else s for n, k, s in zip(whole, size, axes(self.shift, len(whole)), strict=True)]
        return (reach_of(list(map(tile, size, moved))), *(UNDEFINED for _ in inputs[1:]))

    def weighted(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return 2  # into queries, keys and values, and out

    def torch(self, *inputs: Shape) -> TorchForm:
        grouped = None if self.kv_heads == self.heads else self.kv_heads
        keywords: dict[str, tuple[Constant, Slot]] = {
            "kv_heads": (None, slot(grouped, "kv_heads")),
            "scale": (None, slot(self.scale, "scale")),
            "dropout": (0, slot(self.dropout, "dropout")),
            "bias": (True, slot(self.bias)),
            "causal": (False, slot(self.causal)),
        }
        args = [slot(inputs[0].features, "features"), slot(self.heads, "heads")]
        tiled = self.window is not None or self.grid is not None
        if tiled or self.relative or self.cosine:
            name = "CosineAttention" if self.cosine else "GeneralWindowAttention"
            made = TorchForm(module=call(name, *args, **self._tiles(inputs[0]), **keywords), state=True)
            return self._windowed(made, args, inputs[0])
        if self.rope is not None:
            args.append(slot(self.rope, "rope"))
        name = "GeneralSeparate" if self.separate else "General"
        name += "RotaryAttention" if self.rope is not None else "Attention"
        return self._plain(TorchForm(module=call(name, *args, **keywords), state=True), args, keywords)

    def _plain(self, general: TorchForm, args: list[Slot], keywords: dict[str, tuple[Constant, Slot]]) -> TorchForm:
        """The class for what most networks say, which has no more arguments than that takes."""
        grouped = keywords["kv_heads"][1].value is not None
        if self.mask or self.scale is not None or (self.separate != (self.rope is not None)):
            return general
        if self.separate and self.causal and not self.dropout:
            name, kept = "SeparateRotaryAttention", ("kv_heads", "bias")
        elif self.separate or grouped:
            return general
        elif self.causal:
            name, kept = "CausalAttention", ("dropout", "bias")
        elif not self.dropout:
            name, kept = "Attention", ("bias",)
        else:
            return general
        made = call(name, *args, **{keyword: keywords[keyword] for keyword in kept})
        return TorchForm(module=made, state=True, general=general)

    def _windowed(self, general: TorchForm, args: list[Slot], shape: Shape) -> TorchForm:
        """The class for the windows of a square map with a bias for each distance, as Swin has them."""
        whole = shape.grid or shape.dims
        square = shape.grid is not None and len(whole) == 2 and whole[0] == whole[1]
        numbers = [axes(v, 2) for v in (self.window, self.shift) if v is not None]
        other = self.mask or self.causal or self.scale is not None or self.dropout or (self.cosine and not self.bias)
        if other or self.relative == self.cosine or self.window is None or self.kv_heads not in (None, self.heads):
            return general
        if not square or any(a != b for a, b in numbers):
            return general
        made = call(
            "CosineWindowAttention" if self.cosine else "WindowAttention",
            *args,
            size=(None, slot(whole[0])),
            window=(None, slot(numbers[0][0], "window")),
            shift=(0, slot(numbers[1][0], "shift")),
            bias=(True, slot(self.bias)),
        )
        return TorchForm(module=made, state=True, general=general)

    def _tiles(self, shape: Shape) -> dict[str, tuple[Constant, Slot]]:
        """What says which places see each other."""
        whole = (shape.dims[0],) if shape.grid is None else shape.grid
        given, tile = ("window", self.window) if self.grid is None else ("grid", self.grid)
        found: dict[str, tuple[Constant, Slot]] = {"size": (None, slot(Size(whole)))}
        found[given] = (None, slot(Size(whole)) if tile is None else slot(tile, given))
        found["shift"] = (0, slot(self.shift, "shift"))
        found["axes"] = (2, slot(len(whole)))
        found["relative"] = (False, slot(self.relative))
        return found


MULTIHEAD = {
    "qkv.weight": "in_proj_weight",
    "qkv.bias": "in_proj_bias",
    "proj.weight": "out_proj.weight",
    "proj.bias": "out_proj.bias",
}
"""What `nn.MultiheadAttention` calls the arrays of attention."""


class MultiheadAttention(Attention):
    """Attention with the names of `nn.MultiheadAttention`, which a dialect may ask for. Not a word of its own."""

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        return tuple(replace(tensor, name=MULTIHEAD[tensor.name]) for tensor in super().tensors(*inputs))

    def torch(self, *inputs: Shape) -> TorchForm:
        return _multihead(super().torch(*inputs))


def _multihead(form: TorchForm) -> TorchForm:
    """The same form by the helpers that have these names: `MultiheadAttention...` for `Attention...`."""
    assert form.module is not None
    module = replace(form.module, name=form.module.name.replace("Attention", "MultiheadSelfAttention"))
    general = None if form.general is None else _multihead(form.general)
    return replace(form, module=module, general=general)


@operator
class Attend(Operator):
    """Joins three paths, queries, keys and values: softmax(q k^T / sqrt(d)) v, without projections of its own."""

    word = "attend"
    family = "attention"
    accepts = ("sequence",)
    joins = True

    heads: Dim = attribute("whole", 1, "into how many heads the features are divided")
    scale: Number | None = attribute(
        "number", None, "factor of the products (default: 1 over the root of a head's width)", minimum=None
    )
    mask: bool = value("a value with one number a key; keys where it is 0 are not looked at")
    dropout: Number = attribute("number", 0, "probability of forgetting a place, in training", minimum=0)
    causal: bool = flag("a place sees only those up to its own")

    def output(self, *inputs: Shape) -> Shape:
        paths = inputs[:-1] if self.mask else inputs
        if len(paths) != 3:
            raise Refusal("A0413", f"attend joins three paths: queries, keys, values; these are {len(paths)}")
        for shape in paths:
            self.check_kind(shape)
        queries, keys, values = paths
        if queries.features != keys.features:
            raise Refusal("A0410", f"queries and keys differ in their features: {queries} and {keys}")
        if keys.dims[0] != values.dims[0]:
            raise Refusal("A0410", f"keys and values differ in their length: {keys} and {values}")
        for shape in (queries, values):
            _check_heads(shape, self.heads)
        _check_number(self.word, "scale", self.scale)
        _check_dropout(self.dropout)
        if self.mask:
            _check_mask(inputs[-1], keys.dims[0], "the keys")
        grid = queries.grid
        return Shape("sequence", (queries.dims[0], values.features), grid)

    def macs(self, inputs: tuple[Shape, ...], output: Shape, tensors: tuple[Tensor, ...]) -> Dim:
        queries, keys, values = inputs[:3]
        return queries.dims[0] * keys.dims[0] * (queries.features + values.features)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        return Work(activation=self.heads * inputs[0].dims[0] * inputs[1].dims[0])

    def reach(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Reach | None, ...]:
        return (GLOBAL,) * len(inputs)

    def torch(self, *inputs: Shape) -> TorchForm:
        heads = slot(self.heads, "heads")
        if not (self.mask or self.causal or self.dropout or self.scale is not None):
            return TorchForm(function=call("attend", heads))
        made = call(
            "general_attend",
            heads,
            scale=(None, slot(self.scale, "scale")),
            dropout=(0, slot(self.dropout, "dropout")),
            causal=(False, slot(self.causal)),
        )
        values = ("mask",) if self.mask else ()
        return TorchForm(function=replace(made, values=values, training=("dropout",)))
