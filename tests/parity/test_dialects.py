"""Weights under other libraries' names: timm's and torchvision's ViT, Hugging Face's GPT-2, torch's own Transformer.

Small networks with the bundled specs' own modules and `names`, from random weights: the keys of the other library are
exactly those of the dialect, and outputs with its weights are equal.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is downloaded here

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.ir.keys import state_keys
from archdsl.ir.relabel import relabelled

from .torchvision_models import models

import timm.models  # isort: skip # these two import torchvision, which must be ready
from transformers import GPT2Config, GPT2LMHeadModel  # isort: skip

SPECS = Path(archdsl.__file__).parents[1] / "specs"

VIT = """
extends: vit.yaml
parameters: {size: Tiny, classes: 10}
input: 3x32x48
table sizes: |
  size | layers | d  | hidden | h
  Tiny | 3      | 32 | 64     | 4
"""
GPT2 = """
extends: gpt2.yaml
parameters: {size: tiny, vocab: 50, context: 16}
table sizes: |
  size | layers | d  | h
  tiny | 3      | 32 | 4
"""
TRANSFORMER = """
extends: transformer.yaml
parameters: {size: tiny, vocab: 50}
table sizes: |
  size | n | d  | h | p
  tiny | 2 | 32 | 4 | 0.1
"""


def network(text: str) -> archdsl.Network:
    return archdsl.loads(text, folder=SPECS)


def randomised(module: nn.Module) -> nn.Module:
    """Every array at random, so that a difference anywhere would show: zeros and ones hide it."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return module.eval()


def there_and_back(net: archdsl.Network, theirs: dict[str, Tensor], dialect: str) -> nn.Module:
    """The module with their weights; its own, converted, are theirs again, key by key and bit by bit."""
    ours = archdsl.build(net, weights=theirs, dialect=dialect).eval()
    again = archdsl.convert_weights(net, ours.state_dict(), target=dialect)
    assert again.keys() == theirs.keys()
    for key, array in theirs.items():
        assert torch.equal(again[key], array), key
    return ours


def largest(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return float((a - b).abs().max() / b.abs().max())


def test_timm_vit() -> None:
    """As written: equal to the last bit."""
    theirs = randomised(
        timm.models.VisionTransformer(
            img_size=(32, 48), depth=3, num_heads=4, embed_dim=32, mlp_ratio=2, num_classes=10
        )
    )
    ours = there_and_back(network(VIT), theirs.state_dict(), "timm")
    image = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))


def test_torchvision_vit() -> None:
    theirs = randomised(models.VisionTransformer(32, 16, 3, 4, 32, 64, num_classes=10))
    ours = there_and_back(network(VIT.replace("32x48", "32x32")), theirs.state_dict(), "torchvision")
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert largest(ours(image), theirs(image)) < 1e-6


def test_torchvision_vit_by_its_own_names() -> None:
    """Emitted with torchvision's keys, in torchvision's order: its weights load as they are, outputs and gradients are equal."""
    theirs = randomised(models.VisionTransformer(32, 16, 3, 4, 32, 64, num_classes=10))
    ours = archdsl.build(network(VIT.replace("32x48", "32x32")), names="torchvision").eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert largest(ours(image), theirs(image)) < 1e-6
    for module in (ours, theirs):
        module.train()(image).square().sum().backward()
    wanted = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert parameter.grad is not None
        assert largest(parameter.grad, wanted[name].grad) < 1e-4, name


@pytest.mark.parametrize("init", ["", "init: |\n  linear, attention: xavier uniform, bias ones\n"])
def test_a_network_begins_as_it_does_by_its_own_names(init: str) -> None:
    net = network(VIT + init)
    ours = archdsl.build(net).state_dict()
    theirs = archdsl.convert_weights(net, archdsl.build(net, names="torchvision").state_dict(), "torchvision")
    for key, array in ours.items():
        if not array.std() > 0:
            assert torch.equal(theirs[key], array), key
        elif array.numel() > 1000:
            assert float(theirs[key].std()) == pytest.approx(float(array.std()), rel=0.15), key


@pytest.mark.parametrize(
    ("size", "patch"), [("Base", 16), ("Large", 16), ("Huge", 14), ("Base", 32), ("Large", 32), ("Base", 8)]
)
def test_the_bundled_sizes_have_the_keys_of_timm_and_torchvision(size: str, patch: int) -> None:
    """With the patch that goes with the size in the paper unless another is said: B/16, L/16, H/14."""
    own = (size, patch) in (("Base", 16), ("Large", 16), ("Huge", 14))
    net = archdsl.load("vit", size=size, **({} if own else {"patch": patch}))
    with torch.device("meta"):
        theirs = {"timm": timm.create_model(f"vit_{size.lower()}_patch{patch}_224", num_classes=1000)}
        if patch != 8:
            theirs["torchvision"] = getattr(models, f"vit_{size[0].lower()}_{patch}")()
    for dialect, module in theirs.items():
        state = archdsl.convert_weights(net, module.state_dict(), source=dialect, target=dialect)
        assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in module.state_dict().items()}
        assert list(state_keys(relabelled(net, dialect))) == list(module.state_dict())
        count = sum(parameter.numel() for parameter in module.parameters())
        assert count == archdsl.analyze(net).totals.of(training=False).parameters


def test_hugging_face_gpt2() -> None:
    """Transposed matrices, and the tied one under both its names."""
    config = GPT2Config(vocab_size=50, n_positions=16, n_embd=32, n_layer=3, n_head=4, bos_token_id=0, eos_token_id=0)
    theirs = randomised(GPT2LMHeadModel(config))
    net = network(GPT2)
    ours = there_and_back(net, theirs.state_dict(), "huggingface")
    tokens = torch.randint(50, (2, 11))
    with torch.no_grad():
        assert largest(ours(tokens), theirs(tokens).logits) < 1e-6
    alone = {key: value for key, value in theirs.state_dict().items() if key != "lm_head.weight"}
    assert archdsl.convert_weights(net, alone, "huggingface").keys() == ours.state_dict().keys()
    torn = {**theirs.state_dict(), "lm_head.weight": torch.zeros(50, 32)}
    with pytest.raises(archdsl.WeightsError, match="1 with two values") as caught:
        archdsl.convert_weights(net, torn, "huggingface")
    assert caught.value.misfit.differing == (("transformer.wte.weight", "lm_head.weight"),)


class TorchTransformer(nn.Module):
    """torch's layers as the paper has them: no norm behind the stacks, one matrix of embeddings for all three uses."""

    def __init__(self) -> None:
        super().__init__()
        shared = {"d_model": 32, "nhead": 4, "dim_feedforward": 128, "batch_first": True}
        self.embed = nn.Embedding(50, 32)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**shared), 2, enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**shared), 2)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory = self.encoder(self.placed(source))
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        return self.decoder(self.placed(target), memory, tgt_mask=mask) @ self.embed.weight.T

    def placed(self, tokens: Tensor) -> Tensor:
        places, numbers = torch.arange(tokens.shape[1])[:, None], torch.arange(0, 32, 2)
        angles = places / 10000 ** (numbers / 32)
        waves = torch.stack([angles.sin(), angles.cos()], 2).flatten(1)
        return self.embed(tokens) * math.sqrt(32) + waves


def test_torch_transformer() -> None:
    """Three matrices of the spec are one of torch's."""
    theirs = randomised(TorchTransformer())
    ours = there_and_back(network(TRANSFORMER), theirs.state_dict(), "torch")
    source, target = torch.randint(50, (2, 9)), torch.randint(50, (2, 7))
    with torch.no_grad():
        assert largest(ours(source, target), theirs(source, target)) < 1e-5


RENAMED = """
input: 3x32x32
module encoder:
  residual: norm1: ln -> attn: attention heads 4, separate
  residual: norm2: ln -> mlp: [fc1: linear 64 -> gelu -> fc2: linear 16]
layers:
  patch_embed: [proj: conv 8, 16, stride 8, valid -> tokens]
  cls_token: prepend -> pos_embed: positions
  blocks: [encoder] x 5
  norm: ln -> take 0
  head: linear 10
names other:
  patch_embed.proj -> conv_proj
  cls_token        -> class_token
  pos_embed        -> encoder.pos_embedding
  blocks.{i}       -> encoder.layers.encoder_layer_{i}
  norm             -> encoder.ln
  head             -> heads.head
  in encoder:
    norm{n} -> ln_{n}
    attn    -> self_attention
    mlp.fc1 -> mlp.0
    mlp.fc2 -> mlp.3
"""
EVERYTHING = "\nnames other: |\n  encoder.{i} -> net.encoder.{2i}\n  * -> net.*\n"


@pytest.mark.parametrize("text", [RENAMED, TRANSFORMER + EVERYTHING], ids=["vit", "transformer"])
def test_a_module_with_the_names_of_a_dialect(text: str) -> None:
    """Levels taken apart, iterations renamed, a shared array, values handed over: the same numbers under other names."""
    net = network(text)
    ours = randomised(archdsl.build(net))
    theirs = archdsl.build(net, names="other", weights=ours.state_dict()).eval()
    state = archdsl.convert_weights(net, ours.state_dict(), target="other")
    assert theirs.state_dict().keys() == state.keys()
    assert theirs.state_dict().keys() != ours.state_dict().keys()
    inputs = [torch.randint(50, (2, n)) for n in (9, 7)] if len(net.inputs) > 1 else [torch.randn(2, 3, 32, 32)]
    with torch.no_grad():
        assert torch.equal(theirs(*inputs), ours(*inputs))


def test_equal_iterations_with_names_are_written_as_a_loop() -> None:
    source = archdsl.compile(network(RENAMED), "other")
    assert 'self.encoder["layers"].add_module(f"encoder_layer_{i}", Encoder())' in source
    assert source.count("Encoder()") == 1


def test_grouped_towers() -> None:
    """Two towers against one grouped convolution that holds both, from the same input and from one half each."""
    towers = archdsl.loads("""
input: 6x8x8
layers:
  concat:
    - left1: conv 3x3, 8
    - right1: conv 3x3, 8
  concat of split 2:
    - left2: conv 3x3, 4 -> bnl: bn
    - right2: conv 3x3, 4 -> bnr: bn
names grouped:
  left{i}, right{i} -> conv{i}
  bnl.num_batches_tracked -> left_batches
  bnr.num_batches_tracked -> right_batches
  bnl, bnr -> bn
""")
    grouped = archdsl.loads("""
input: 6x8x8
layers:
  conv1: conv 3x3, 16
  conv2: conv 3x3, 8, groups 2 -> bn: bn
""")
    ours = randomised(archdsl.build(towers))
    state = archdsl.convert_weights(towers, ours.state_dict(), target="grouped")
    state["bn.num_batches_tracked"] = state.pop("left_batches")
    del state["right_batches"]
    theirs = archdsl.build(grouped, weights=state).eval()
    image = torch.randn(2, 6, 8, 8)
    with torch.no_grad():
        assert largest(ours(image), theirs(image)) < 1e-6
