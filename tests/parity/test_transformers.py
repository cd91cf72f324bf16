"""Whole transformers against the libraries': keys and shapes of every variant, outputs of the smallest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import archdsl

from .torchvision_models import models

SPECS = Path(__file__).parents[2] / "specs"


def arrays(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(array.shape) for key, array in module.state_dict().items()}


@pytest.mark.parametrize("size", ["T", "S", "B"])
@pytest.mark.parametrize("spec", ["swin", "swin_v2"])
def test_swin_has_torchvisions_keys(spec: str, size: str) -> None:
    """Index buffers too; torchvision makes `reduction` before the norm that comes first."""
    with torch.device("meta"):
        ours = archdsl.build(archdsl.load(spec, size=size))
        theirs = getattr(models, f"{spec}_{size.lower()}")()
    assert arrays(ours) == arrays(theirs)


@pytest.mark.parametrize(("spec", "side"), [("swin", 224), ("swin_v2", 256)])
def test_swin_gives_torchvisions_numbers(spec: str, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.init, "trunc_normal_", nn.init.normal_)  # which takes seconds
    theirs = getattr(models, f"{spec}_t")().eval()
    ours = archdsl.build(archdsl.load(spec)).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(1, 3, side, side)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("spec", "grouped", "base"), [("llama", 16, 10000.0), ("llama3", 8, 500000.0)])
def test_llama_is_hugging_faces(spec: str, grouped: int, base: float) -> None:
    """A small one of each: keys, shapes, and numbers; the large ones differ in sizes alone, whose counts are facts."""
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=50,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=16,
        num_key_value_heads=grouped,
        rope_theta=base,
        rms_norm_eps=1e-6 if spec == "llama" else 1e-5,
        attn_implementation="eager",
    )
    theirs = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.2)
    small = f"extends: {spec}.yaml\nparameters: {{n: 2, d: 64, h: 16, hidden: 96, vocab: 50}}\n"
    ours = archdsl.build(archdsl.loads(small, folder=SPECS)).eval()
    assert arrays(ours) == arrays(theirs)
    ours.load_state_dict(theirs.state_dict())
    words = torch.randint(50, (2, 19))
    with torch.no_grad():
        torch.testing.assert_close(ours(words), theirs(words).logits, rtol=1e-4, atol=1e-4)
