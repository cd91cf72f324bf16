"""torchvision's models as an oracle, on a build of torch that lacks torchvision's compiled operators."""

from __future__ import annotations

import torch

_library = torch.library.Library("torchvision", "FRAGMENT")
for _schema in (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qroi_align(Tensor input, Tensor rois, float s, int h, int w, int r, bool a) -> Tensor",
):
    if not hasattr(torch.ops.torchvision, _schema.partition("(")[0]):
        _library.define(_schema)

from torchvision import models  # noqa: E402
from torchvision.ops import StochasticDepth  # noqa: E402

__all__ = ["StochasticDepth", "models"]
