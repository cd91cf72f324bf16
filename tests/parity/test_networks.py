"""Networks that are no bundled specs, written from the documents alone, against the libraries they are known from.

They stand in `tests/cases/networks`; each shows what no bundled spec does.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archdsl

from .torchvision_models import models

SPECS = Path(__file__).parent.parent / "cases" / "networks"


def stepped(module: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """Outputs and running statistics of a training step at a known seed."""
    torch.manual_seed(1)
    found = module.train()(*inputs)
    return [*(found if isinstance(found, tuple) else (found,)), *module.buffers()]


@pytest.mark.parametrize(("model", "theirs"), [("B0", "efficientnet_b0"), ("B3", "efficientnet_b3")])
def test_efficientnet(model: str, theirs: str) -> None:
    """Sizes by multipliers; stochastic depth that some blocks have, with the draws of torchvision's."""
    torch.manual_seed(0)
    wanted = getattr(models, theirs)()
    network = archdsl.load(SPECS / "efficientnet.yaml", model=model)
    source = archdsl.compile(network)
    assert source.count("class Mbconv") == 1
    assert "self.droppath1 = nn.Identity()\n        if stride == 1 and in_channels == width:" in source
    ours = archdsl.build(network, names="torchvision")
    ours.load_state_dict(wanted.state_dict(), strict=True)
    image = torch.randn(3, 3, 64, 64)
    assert all(map(torch.equal, stepped(ours, image), stepped(wanted, image)))
    ours, wanted = ours.eval(), wanted.eval()
    assert torch.equal(ours(image), wanted(image))
    assert torch.equal(torch.jit.script(ours)(image), wanted(image))


def test_bert() -> None:
    """Whole numbers as inputs, a mask that goes through a repeat, an output from inside, two names at a level."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    wanted = transformers.BertModel(transformers.BertConfig(vocab_size=100, max_position_embeddings=40, **sizes))
    network = archdsl.load(SPECS / "bert.yaml", dim=32, depth=2, heads=4, vocabulary=100, places=40)
    ours = archdsl.build(network, names="transformers")
    ours.load_state_dict(wanted.state_dict(), strict=True)
    words, types, mask = torch.randint(100, (3, 9)), torch.randint(2, (3, 9)), torch.ones(3, 9, dtype=torch.long)
    mask[0, 5:] = 0
    ours, wanted = ours.eval(), wanted.eval()
    with torch.no_grad():
        found = ours(words, mask, types)
        known = wanted(words, attention_mask=mask, token_type_ids=types)
        torch.testing.assert_close(found.last_hidden_state, known.last_hidden_state, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(found.pooler_output, known.pooler_output, rtol=1e-6, atol=1e-6)
        scripted = torch.jit.script(ours)(words, mask, types)
        assert torch.equal(scripted.last_hidden_state, found.last_hidden_state)


def test_convnext() -> None:
    """A map made a sequence and a map again within a chain, whose sizes differ from stage to stage."""
    torch.manual_seed(0)
    wanted = models.convnext_tiny()
    for name, array in wanted.named_parameters():
        if name.endswith("layer_scale"):
            nn.init.normal_(array)
    network = archdsl.load(SPECS / "convnext.yaml", S=64)
    assert archdsl.analyze(network).totals.of(training=False).parameters == sum(p.numel() for p in wanted.parameters())
    ours = archdsl.build(network, names="torchvision")
    ours.load_state_dict(wanted.state_dict(), strict=True)
    image = torch.randn(3, 3, 64, 64)
    assert all(map(torch.equal, stepped(ours, image), stepped(wanted, image)))
    assert torch.equal(torch.jit.script(ours.eval())(image), wanted.eval()(image))
