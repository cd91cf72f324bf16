"""Trained networks and their forms for inference."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import archdsl
from archdsl.torch_backend.verify import instantiate


def trained(network: archdsl.Network) -> nn.Module:
    """A module whose statistics and scales are none of the values they begin with."""
    torch.manual_seed(0)
    module = archdsl.build(network)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            if layer.affine:
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.normal_(layer.bias, 0, 0.1)
    return module.eval()


def folded(network: archdsl.Network, module: nn.Module) -> tuple[str, nn.Module]:
    """The source of the form for inference, and its module with converted weights, strictly loaded."""
    source = archdsl.compile(network, inference=True)
    scope: dict[str, Any] = {"__name__": "net"}
    exec(compile(source, "net.py", "exec"), scope)
    made = instantiate(source)
    state = dict(module.state_dict())
    made.load_state_dict(scope["fold"](state) if "fold" in scope else state)
    assert state.keys() == module.state_dict().keys()  # what was handed in stays as it is
    return source, made.eval()
