"""Totals in fvcore's and thop's conventions against the tools themselves, on torchvision's networks.

Where a tool does not see what a network does, the difference is that, to the last number.
"""

from __future__ import annotations

import logging
import warnings

import pytest
import torch

import archdsl
from archdsl.analysis.columns import Details

from .torchvision_models import models

flop_count = pytest.importorskip("fvcore.nn")
thop = pytest.importorskip("thop")

POOLED = 512 * 7 * 7  # torchvision's VGG has an adaptive pooling from 7x7 to 7x7, which the paper has not
MEAN = 7 * 7 + 1  # a channel; torchvision's DenseNet and MobileNetV2 pool by a function: thop sees modules only
CASES = [
    ("resnet18", "resnet18", {"stride_in": "3x3"}, 0, 0),
    ("vgg11", "vgg", {"config": "A"}, POOLED, 2 * POOLED),
    ("googlenet", "googlenet_torchvision", {}, 0, 0),
    ("densenet121", "densenet", {}, 0, -1024 * MEAN),
    ("squeezenet1_1", "squeezenet", {"version": "1.1"}, 0, 0),
    ("mobilenet_v2", "mobilenetv2", {}, 0, -1280 * MEAN),
    ("mobilenet_v3_small", "mobilenetv3_small", {}, 0, 0),
]


@pytest.mark.parametrize(("name", "spec", "parameters", "fvcore_more", "thop_more"), CASES, ids=[c[0] for c in CASES])
def test_same_totals(name: str, spec: str, parameters: dict[str, str | int], fvcore_more: int, thop_more: int):
    found = Details(archdsl.analyze(archdsl.load(spec, **parameters)))
    options = {"init_weights": False} if name.startswith(("vgg", "googlenet")) else {}
    module = getattr(models, name)(**options).eval()
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    logging.getLogger("torch").setLevel(logging.ERROR)
    x = torch.zeros(1, 3, 224, 224)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        counted = flop_count.FlopCountAnalysis(module, x).unsupported_ops_warnings(False).total()
        macs, _ = thop.profile(module, (x,), verbose=False)
    assert counted == found.total("fvcore") + fvcore_more
    assert int(macs) == found.total("thop") + thop_more
