"""Networks built on another by `use`, its inside looked at: torchvision's DeepLabV3 and RetinaNet."""

from __future__ import annotations

import torch

import archdsl

from .torchvision_models import models


def test_deeplabv3() -> None:
    """Same keys and shapes; outputs in eval and in training, and running statistics, bit for bit."""
    torch.manual_seed(0)
    theirs = models.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None, aux_loss=True)
    ours = archdsl.build(archdsl.load("deeplabv3"))
    state = theirs.state_dict()
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in state.items()}
    ours.load_state_dict(state, strict=True)
    image = torch.randn(2, 3, 48, 64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(image), theirs.eval()(image)["out"])
        for module in (ours.train(), theirs.train()):
            for part in module.modules():
                if isinstance(part, torch.nn.Dropout):
                    part.p = 0.0  # which head draws its numbers first is no part of the network
        (out, aux), expected = ours(image), theirs(image)
    assert torch.equal(out, expected["out"])
    assert torch.equal(aux, expected["aux"])
    statistics = dict(theirs.named_buffers())
    for key, buffer in ours.named_buffers():
        assert torch.equal(buffer, statistics[key]), key


def test_retinanet() -> None:
    """Same keys and shapes; what the heads say of every anchor of five maps, bit for bit."""
    torch.manual_seed(0)
    theirs = models.detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None).eval()
    ours = archdsl.build(archdsl.load("retinanet")).eval()
    state = theirs.state_dict()
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in state.items()}
    ours.load_state_dict(state, strict=True)
    image = torch.randn(2, 3, 128, 192)
    with torch.no_grad():
        logits, boxes = ours(image)
        expected = theirs.head(list(theirs.backbone(image).values()))
    assert torch.equal(logits, expected["cls_logits"])
    assert torch.equal(boxes, expected["bbox_regression"])


def test_a_chain_begins_where_its_label_says() -> None:
    """Two items of a level that read the same value are no chain, even if only the last is read at once."""
    torch.manual_seed(0)
    lines = "  a: conv 3x3, 3\n  head:\n    @a -> b: conv 3x3, 3\n    @a -> c: conv 3x3, 3\n  add:\n    - @head.b\n    - @head.c"
    module = archdsl.build(archdsl.loads(f"input: 3x8x8\nlayers:\n{lines}"))
    x = torch.randn(1, 3, 8, 8)
    a = module.get_submodule("a")(x)
    assert torch.equal(module(x), module.get_submodule("head.b")(a) + module.get_submodule("head.c")(a))
