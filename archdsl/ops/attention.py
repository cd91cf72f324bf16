"""Attention."""

from __future__ import annotations

from typing import ClassVar

from ..ir.dims import Dim, compare, show
from ..ir.operator import Operator, Refusal, Slot, Tensor, TorchCall, TorchForm, attribute, flag, operator, switch
from ..ir.shapes import Number, Shape
from .formula import call, slot


@operator
class Attention(Operator):
    """Multi-head self-attention with its projections (Vaswani et al. 2017): every place looks at every other.

    Multiply-adds are those of the projections and of both products, `2 T^2 D`; a causal mask saves none.
    """

    word = "attention"
    family = "attention"
    accepts = ("sequence",)
    planned: ClassVar[frozenset[str]] = frozenset(
        {"window", "grid", "shift", "scale", "mask", "rope", "relative", "cosine"}
    )

    heads: Dim = attribute("whole", 1, "into how many heads the features are divided")
    kv_heads: Dim | None = attribute("whole", None, "heads of keys and values (default: as many)")
    dropout: Number = attribute("number", 0, "probability of forgetting a place, in training", minimum=0)
    bias: bool = switch("biases of the projections")
    causal: bool = flag("a place sees only itself and those before it")
    separate: bool = flag("four projections called q_proj, k_proj, v_proj, o_proj instead of qkv and proj")

    def output(self, *inputs: Shape) -> Shape:
        self.check_kind(inputs[0])
        features = inputs[0].features
        if compare(features % self.heads, 0, "==") is False:
            raise Refusal(
                "A0406", f"{show(self.heads)} heads do not divide the {show(features)} features", argument="heads"
            )
        if self.kv_heads is not None and compare(self.heads % self.kv_heads, 0, "==") is False:
            raise Refusal(
                "A0406",
                f"{show(self.kv_heads)} heads of keys do not divide the {show(self.heads)} heads",
                argument="kv_heads",
            )
        return inputs[0]

    def _keys(self, features: Dim) -> Dim:
        return features if self.kv_heads is None else features // self.heads * self.kv_heads

    def tensors(self, *inputs: Shape) -> tuple[Tensor, ...]:
        features = inputs[0].features
        keys = self._keys(features)
        parts = [("qkv", features + 2 * keys), ("proj", features)]
        if self.separate:
            parts = [("q_proj", features), ("k_proj", keys), ("v_proj", keys), ("o_proj", features)]
        found: list[Tensor] = []
        for name, width in parts:
            found.append(Tensor(f"{name}.weight", (width, features)))
            if self.bias:
                found.append(Tensor(f"{name}.bias", (width,)))
        return tuple(found)

    def macs(self, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        length, features = inputs[0].dims
        return length * features * (2 * features + 2 * self._keys(features)) + 2 * length * length * features

    def torch(self, *inputs: Shape) -> TorchForm:
        keywords = {
            "dropout": (0, slot(self.dropout, "dropout")),
            "bias": (True, slot(self.bias)),
            "causal": (False, slot(self.causal)),
        }
        if self.kv_heads is not None and self.kv_heads != self.heads:
            keywords = {"kv_heads": (None, slot(self.kv_heads, "kv_heads")), **keywords}
        features, heads = slot(inputs[0].features, "features"), slot(self.heads, "heads")
        name = "SeparateAttention" if self.separate else "Attention"
        return TorchForm(module=call(name, features, heads, **keywords), state=True)


@operator
class Attend(Operator):
    """Joins three paths, queries, keys and values: softmax(q k^T / sqrt(d)) v, without projections of its own."""

    word = "attend"
    family = "attention"
    accepts = ("sequence",)
    joins = True
    planned: ClassVar[frozenset[str]] = frozenset({"scale", "mask"})

    heads: Dim = attribute("whole", 1, "into how many heads the features are divided")
    dropout: Number = attribute("number", 0, "probability of forgetting a place, in training", minimum=0)
    causal: bool = flag("a place sees only those up to its own")

    def output(self, *inputs: Shape) -> Shape:
        if len(inputs) != 3:
            raise Refusal("A0413", f"attend joins three paths: queries, keys, values; these are {len(inputs)}")
        for shape in inputs:
            self.check_kind(shape)
        queries, keys, values = inputs
        if queries.features != keys.features:
            raise Refusal("A0410", f"queries and keys differ in their features: {queries} and {keys}")
        if keys.dims[0] != values.dims[0]:
            raise Refusal("A0410", f"keys and values differ in their length: {keys} and {values}")
        for shape in (queries, values):
            if compare(shape.features % self.heads, 0, "==") is False:
                raise Refusal(
                    "A0406", f"{show(self.heads)} heads do not divide the features of {shape}", argument="heads"
                )
        return Shape("sequence", (queries.dims[0], values.features))

    def macs(self, inputs: tuple[Shape, ...], output: Shape) -> Dim:
        queries, keys, values = inputs
        return queries.dims[0] * keys.dims[0] * (queries.features + values.features)

    def torch(self, *inputs: Shape) -> TorchForm:
        args: tuple[Slot, ...] = (slot(self.heads, "heads"),)
        keywords = (("causal", slot(self.causal), False),)
        if self.dropout != 0:
            raise Refusal("A0902", "`dropout` of attend is not built yet", argument="dropout")
        return TorchForm(function=TorchCall("attend", args, keywords))
