"""Maps of one and three axes: what is done along one axis is what two axes do where the others have extent 1."""

from __future__ import annotations

import pytest
import torch

import archdsl

LAYERS = [
    ("conv {k}, 4, stride {s}", "same"),
    ("depthwise {k}, stride {s}", "same"),
    ("sepconv {k}, 4, stride {s}", "same"),
    ("sepconv {k}, 4", ""),
    ("maxpool {k}, stride {s}", "same"),
    ("avgpool {k}, stride {s}", "same"),
    ("maxpool {k}", ""),
    ("upconv {k}, 4, stride {s}", ""),
    ("bn", ""),
    ("avgpool global", ""),
]


def built(layer: str, axes: int, flag: str) -> torch.nn.Module:
    """The layer over `axes` axes of which one, of extent 12, has a window of 3 and a step of 2."""
    ones = "x1" * (axes - 1)
    line = layer.format(k=f"3{ones}" if axes > 1 else "3", s=f"2{ones}" if axes > 1 else "2")
    text = f"input: 4x12{ones}{' map' if axes == 1 else ''}\nlayers: {line}{', ' * bool(flag)}{flag}"
    return archdsl.build(archdsl.loads(text)).eval()


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize(("layer", "flag"), LAYERS, ids=[f"{a} {b}" for a, b in LAYERS])
def test_like_two_axes(layer: str, flag: str, axes: int) -> None:
    """Same arrays, same numbers."""
    torch.manual_seed(0)
    two, other = built(layer, 2, flag), built(layer, axes, flag)
    state = other.state_dict()
    assert list(state) == list(two.state_dict())
    other.load_state_dict({key: array.reshape(state[key].shape) for key, array in two.state_dict().items()})
    x = torch.randn(2, 4, 12)
    wide, given = two(x[..., None]), other(x.reshape(2, 4, 12, *[1] * (axes - 1)))
    torch.testing.assert_close(given.flatten(), wide.flatten())
