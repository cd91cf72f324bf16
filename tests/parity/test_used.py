"""Networks built on another by `use`, its inside looked at: torchvision's DeepLabV3 and RetinaNet."""

from __future__ import annotations

import torch

import archdsl

from .torchvision_models import models


def assert_same_step(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """After a training step: the gradient of every parameter, and every running statistic, bit for bit."""
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for key, parameter in ours.named_parameters():
        gradient = gradients.pop(key)
        assert parameter.grad is not None, key
        assert gradient is not None, key
        assert torch.equal(parameter.grad, gradient), key
    assert gradients == {}
    statistics = dict(theirs.named_buffers())
    moved = 0
    for key, buffer in ours.named_buffers():
        assert torch.equal(buffer, statistics.pop(key)), key
        moved += key.endswith("running_mean") and bool(buffer.any())
    assert statistics == {}
    assert moved


def test_deeplabv3() -> None:
    """Same keys and shapes; outputs in eval and in training, gradients and running statistics, bit for bit."""
    torch.manual_seed(0)
    theirs = models.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None, aux_loss=True)
    ours = archdsl.build(archdsl.load("deeplabv3"))
    state = theirs.state_dict()
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in state.items()}
    ours.load_state_dict(state, strict=True)
    image = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        assert torch.equal(ours.eval()(image), theirs.eval()(image)["out"])
    torch.manual_seed(1)
    found = ours.train()(image)._asdict()
    torch.manual_seed(1)
    expected = theirs.train()(image)
    assert list(found) == list(expected) == ["out", "aux"]
    for name, result in found.items():
        assert torch.equal(result, expected[name]), name
    for results in (found, expected):
        (results["out"].square().mean() + results["aux"].square().mean()).backward()
    assert_same_step(ours, theirs)


def test_retinanet() -> None:
    """Same keys and shapes; what the heads say of every anchor of five maps, gradients and running statistics, bit for bit."""
    torch.manual_seed(0)
    theirs = models.detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None).eval()
    ours = archdsl.build(archdsl.load("retinanet")).eval()
    state = theirs.state_dict()
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in state.items()}
    ours.load_state_dict(state, strict=True)
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        logits, boxes = ours(image)
        expected = theirs.head(list(theirs.backbone(image).values()))
    assert torch.equal(logits, expected["cls_logits"])
    assert torch.equal(boxes, expected["bbox_regression"])
    theirs.train()
    logits, boxes = ours.train()(image)
    expected = theirs.head(list(theirs.backbone(image).values()))
    for one, other in ((logits, boxes), (expected["cls_logits"], expected["bbox_regression"])):
        (one.square().mean() + other.square().mean()).backward()
    assert_same_step(ours, theirs)


def test_a_chain_begins_where_its_label_says() -> None:
    """Two items of a level that read the same value are no chain, even if only the last is read at once."""
    torch.manual_seed(0)
    lines = "  a: conv 3x3, 3\n  head:\n    @a -> b: conv 3x3, 3\n    @a -> c: conv 3x3, 3\n  add:\n    - @head.b\n    - @head.c"
    module = archdsl.build(archdsl.loads(f"input: 3x8x8\nlayers:\n{lines}"))
    x = torch.randn(1, 3, 8, 8)
    a = module.get_submodule("a")(x)
    assert torch.equal(module(x), module.get_submodule("head.b")(a) + module.get_submodule("head.c")(a))
