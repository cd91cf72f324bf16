"""Which independent implementation stands against which spec and variant: how to make it, feed it and run it.

Used by the tables of every variant (`benchmarks/zoo.py`, `benchmarks/everywhere.py`). Everything is made with random
initial weights; nothing is downloaded.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from torch import Tensor, nn

import archdsl
from archdsl.api import Project
from archdsl.report.constants import constant_text

from .adapted import alexnet_towers, changed, cifar_resnet, googlenet_of_the_paper, hand_to_towers
from .torchvision_models import models

Inputs = tuple[Tensor, ...]
Settings = Mapping[str, str]


def image(*size: int) -> Callable[[], Inputs]:
    """A random image (or clip) of this size, by itself."""
    return lambda: (torch.randn(1, *size),)


def tokens(below: int, *lengths: int) -> Callable[[], Inputs]:
    """Random whole numbers, one sequence a length."""
    return lambda: tuple(torch.randint(below, (1, length)) for length in lengths)


def main_output(module: nn.Module, inputs: Inputs) -> Tensor:
    """The main output of a module, which may give several."""
    made = module(*inputs)
    return made if isinstance(made, Tensor) else made[0]


@dataclass(frozen=True)
class Peer:
    """An implementation that nobody here wrote. `tolerance` is relative to the largest output."""

    title: str
    build: Callable[[], Any]
    inputs: Callable[[], Inputs] = image(3, 224, 224)
    dialect: str | None = None
    tolerance: float = 0
    run_theirs: Callable[[Any, Inputs], Tensor] = main_output
    weighable: bool = True
    """False: too large to be run; only keys and shapes are compared, on the meta device."""
    hand_over: Callable[[Any, nn.Module], None] | None = None
    """Where names cannot be compared: puts its arrays into our module in order, and raises if they do not fit."""

    def ours(self, network: archdsl.Network, theirs: Any) -> nn.Module:
        """Our module with its arrays; raises archdsl.WeightsError, ValueError or AssertionError if they do not fit."""
        if self.hand_over is None:
            return archdsl.build(network, weights=theirs.state_dict(), dialect=self.dialect)
        module = archdsl.build(network)
        self.hand_over(theirs, module)
        return module


SPECS = Path(__file__).parents[2] / "specs"
MORE: Mapping[str, list[dict[str, Any]]] = {
    "resnet": [{"depth": depth, "stride_in": "3x3"} for depth in (50, 101, 152)],
    "vgg": [{"config": config, "batchnorm": True} for config in "ABDE"],
}
"""Variants that are no row of a table."""


def variants(name: str) -> Iterator[tuple[dict[str, Any], archdsl.Network]]:
    """Every variant of a bundled spec, once each: what is chosen, and the network."""
    path = SPECS / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    chooses = "\nextends:" in text and "\ntable " not in text  # one variant of another file
    choices = [] if chooses else [*Project(path).variants(), *MORE.get(name, ())]
    seen: list[dict[str, str]] = []
    for choice in ({}, *choices):
        network = archdsl.load(path, **choice)
        chosen = {key: constant_text(value) for key, value in network.parameters.items()}
        if chosen not in seen:
            seen.append(chosen)
            yield choice, network


def peer_of(spec: str, settings: Settings) -> Peer | None:
    """The peer of a bundled spec at these parameters; None where no library installed for the tests has one."""
    for family in (_torchvision, _adapted, _built_on, _tokens, _keras, _references):
        peer = family(spec, settings)
        if peer is not None:
            return peer
    return None


def _torchvision(spec: str, settings: Settings) -> Peer | None:
    name = _torchvision_name(spec, settings)
    if name == "vit":
        names = {"Base": "vit_b_16", "Large": "vit_l_16", "Huge": "vit_h_14"}
        build = getattr(models, names[settings["size"]])
        # torch's attention and ours put the same products together in another order
        return Peer(
            f"torchvision {names[settings['size']]}",
            build,
            dialect="torchvision",
            tolerance=1e-5,
            weighable=settings["size"] != "Huge",
        )
    if name is None:
        return None
    options = {"init_weights": False} if name.startswith(("vgg", "googlenet")) else {}
    change, how = changed(spec, settings)

    def build() -> nn.Module:
        return change(getattr(models.video if spec == "video_resnet" else models, name)(**options))

    sizes = {"alexnet_one_column": (3, 227, 227), "video_resnet": (3, 8, 112, 112), "swin_v2": (3, 256, 256)}
    tolerance = 1e-5 if spec.startswith("swin") else 0  # attention adds up in another order
    return Peer(f"torchvision {name}{how}", build, image(*sizes.get(spec, (3, 224, 224))), tolerance=tolerance)


def _torchvision_name(spec: str, settings: Settings) -> str | None:
    match spec:
        case "vgg":
            layers = {"A": 11, "A-LRN": 11, "B": 13, "C": 13, "D": 16, "E": 19}[settings["config"]]
            return f"vgg{layers}{'_bn' if settings['batchnorm'] == 'yes' else ''}"
        case "densenet":
            return f"densenet{settings['depth']}"
        case "squeezenet":
            return {"1": "squeezenet1_0", "1.1": "squeezenet1_1"}[settings["version"]]
        case "mobilenetv2":
            return "mobilenet_v2"
        case "mobilenetv3" | "mobilenetv3_small":
            return "mobilenet_v3_small" if spec.endswith("small") else "mobilenet_v3_large"
        case "alexnet_one_column":
            return "alexnet"
        case "googlenet_torchvision":
            return "googlenet"
        case "video_resnet":
            shared = settings["middle"] == "block" or settings["net"] != "R2P1D"
            return {"R3D": "r3d_18", "MC3": "mc3_18", "R2P1D": "r2plus1d_18"}[settings["net"]] if shared else None
        case "vit":
            return "vit" if settings["patch"] == {"Huge": "14"}.get(settings["size"], "16") else None
        case "swin" | "swin_v2":
            return f"{spec}_{settings['size'].lower()}"
        case _ if settings.get("shortcuts") == "B" and spec != "resnet_dilated":
            return f"resnet{settings['depth']}"
        case _:
            return None


def _adapted(spec: str, settings: Settings) -> Peer | None:
    """What torchvision has in today's form, changed into the paper's."""
    if spec == "resnet_cifar":
        depth = int(settings["depth"])
        return Peer("torchvision ResNet of BasicBlocks, option A put in", lambda: cifar_resnet(depth), image(3, 32, 32))
    if spec == "googlenet":
        return Peer("torchvision googlenet, biases, LRN, 5x5 put in", googlenet_of_the_paper)
    if spec == "alexnet":
        return Peer(
            "torchvision alexnet, widths, groups, LRN put in",
            alexnet_towers,
            image(3, 227, 227),
            tolerance=1e-5,
            hand_over=hand_to_towers,
        )
    return None


def _built_on(spec: str, settings: Settings) -> Peer | None:
    """What torchvision builds on a ResNet."""
    depth = settings.get("depth", "50")
    bare = {"weights": None, "weights_backbone": None}
    if spec == "deeplabv3":
        return Peer(
            f"torchvision deeplabv3_resnet{depth}",
            lambda: getattr(models.segmentation, f"deeplabv3_resnet{depth}")(aux_loss=True, **bare),
            run_theirs=lambda module, inputs: module(*inputs)["out"],
        )
    if spec == "retinanet":
        return Peer(
            "torchvision retinanet_resnet50_fpn, its heads",
            lambda: models.detection.retinanet_resnet50_fpn(**bare),
            image(3, 256, 256),
            run_theirs=lambda module, inputs: module.head(list(module.backbone(*inputs).values()))["cls_logits"],
        )
    if spec == "resnet_dilated" and int(depth) >= 50:
        return Peer(
            f"torchvision resnet{depth}, dilated",
            lambda: getattr(models, f"resnet{depth}")(replace_stride_with_dilation=[False, True, True]),
        )
    return None


def _tokens(spec: str, settings: Settings) -> Peer | None:
    match spec:
        case "gpt2":
            return _gpt2(settings)
        case "transformer":
            return _transformer(settings)
        case "lstm_lm":
            return _lstm(settings)
        case "llama" | "llama3":
            return _llama(spec, settings)
        case _:
            return None


def _gpt2(settings: Settings) -> Peer:
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"small": (12, 768, 12), "medium": (24, 1024, 16), "large": (36, 1280, 20), "xl": (48, 1600, 25)}
    layers, width, heads = sizes[settings["size"]]
    config = GPT2Config(n_layer=layers, n_embd=width, n_head=heads)
    return Peer(
        "transformers GPT2LMHeadModel",
        lambda: GPT2LMHeadModel(config),
        tokens(50257, 32),
        "huggingface",
        tolerance=1e-4,
        weighable=settings["size"] != "xl",
        run_theirs=lambda module, inputs: module(*inputs).logits,
    )


def _transformer(settings: Settings) -> Peer:
    width, heads, layers = {"base": (512, 8, 6), "big": (1024, 16, 6)}[settings["size"]]
    return Peer(
        "torch.nn.TransformerEncoder, -Decoder",
        lambda: TorchTransformer(int(settings["vocab"]), width, heads, layers),
        tokens(1000, 12, 10),
        "torch",
        tolerance=1e-5,
    )


def _lstm(settings: Settings) -> Peer:
    width = {"small": 200, "medium": 650, "large": 1500}[settings["size"]]
    return Peer(
        "torch.nn.LSTM of two layers", lambda: TorchWords(10000, width), tokens(10000, 20), "torch", tolerance=1e-5
    )


def _llama(spec: str, settings: Settings) -> Peer:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {
        "7B": (32, 4096, 32, 11008),
        "13B": (40, 5120, 40, 13824),
        "33B": (60, 6656, 52, 17920),
        "65B": (80, 8192, 64, 22016),
        "8B": (32, 4096, 32, 14336),
        "70B": (80, 8192, 64, 28672),
        "405B": (126, 16384, 128, 53248),
    }
    layers, width, heads, hidden = sizes[settings["size"]]
    config = LlamaConfig(
        vocab_size=int(settings["vocab"]),
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        num_key_value_heads=8 if spec == "llama3" else heads,
        intermediate_size=hidden,
    )
    return Peer("transformers LlamaForCausalLM", lambda: LlamaForCausalLM(config), weighable=False)


class TorchWords(nn.Module):
    """An embedding, torch's LSTM of two layers, a linear layer."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.encoder = nn.Embedding(vocabulary, width)
        self.rnn = nn.LSTM(width, width, 2, batch_first=True)
        self.decoder = nn.Linear(width, vocabulary)

    def forward(self, words: Tensor) -> Tensor:
        return self.decoder(self.rnn(self.encoder(words))[0])


class TorchTransformer(nn.Module):
    """torch's layers as the paper has them: no norm behind the stacks, one matrix of embeddings for all three uses."""

    def __init__(self, vocabulary: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        shared = {"d_model": width, "nhead": heads, "dim_feedforward": 4 * width, "batch_first": True}
        self.embed = nn.Embedding(vocabulary, width)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**shared), layers, enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**shared), layers)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory = self.encoder(self.placed(source))
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        return self.decoder(self.placed(target), memory, tgt_mask=mask) @ self.embed.weight.T

    def placed(self, numbers: Tensor) -> Tensor:
        width = self.embed.embedding_dim
        places, waves = torch.arange(numbers.shape[1])[:, None], torch.arange(0, width, 2)
        angles = places / 10000 ** (waves / width)
        return self.embed(numbers) * math.sqrt(width) + torch.stack([angles.sin(), angles.cos()], 2).flatten(1)


def _keras(spec: str, settings: Settings) -> Peer | None:
    if spec not in ("residual_mini", "xception_mini", "xception"):
        return None
    import numpy as np

    from . import test_keras

    size = {"residual_mini": 32, "xception_mini": 180, "xception": 299}[spec]

    def build() -> Any:
        model, layers = getattr(test_keras, spec)()
        test_keras.randomise(model)
        return model, layers

    def run(pair: Any, inputs: Inputs) -> Tensor:
        given = pair[0](inputs[0].permute(0, 2, 3, 1).numpy(), training=False)
        return torch.from_numpy(np.array(test_keras.keras.ops.convert_to_numpy(given)))

    title = "keras.applications.Xception" if spec == "xception" else "Keras, the text's own code"
    return Peer(
        title,
        build,
        image(3, size, size),
        tolerance=1e-4,
        run_theirs=run,
        hand_over=lambda pair, module: test_keras.take(module, pair[1]),
    )


def _references(spec: str, settings: Settings) -> Peer | None:
    """What no library has: torch modules written from the paper, for the tests."""
    from . import test_references as written

    if spec == "vgg_dense":
        name = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}[settings["config"]]
        return Peer(
            f"torchvision {name}, on its own size",
            lambda: getattr(models, name)(init_weights=False),
            tolerance=1e-4,
            hand_over=written.copied,
        )
    title = "torch modules written from the paper"
    if spec == "lenet5":
        return Peer(title, written.Digits, image(1, 32, 32), tolerance=1e-5, hand_over=written.copied)
    if spec == "unet":
        return Peer(title, written.Segments, image(1, 572, 572), tolerance=1e-5, hand_over=written.copied)
    if spec == "siamese":
        pair = (1, 105, 105)
        return Peer(
            title,
            written.Twins,
            lambda: (torch.randn(1, *pair), torch.randn(1, *pair)),
            tolerance=1e-4,
            hand_over=written.copied,
        )
    if spec == "m5":
        width, counts = {
            "M3": (256, (1, 0, 0, 0)),
            "M5": (128, (1, 1, 1, 0)),
            "M11": (64, (2, 2, 3, 2)),
            "M18": (64, (4, 4, 4, 4)),
        }[settings["net"]]
        return Peer(
            title,
            lambda: written.randomised(written.Waves(width, counts)),
            image(1, 32000),
            tolerance=1e-4,
            hand_over=lambda theirs, ours: written.copied(theirs.ordered(), ours),
        )
    return None
