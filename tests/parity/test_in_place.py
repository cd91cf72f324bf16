"""What writes over its input: in the network as it is trained, and in its form for inference."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.torch_backend.verify import instantiate
from benchmarks.everywhere import outputs

from ..differential.generate import plan
from ..differential.reference import inputs
from ..differential.run import quiet
from ..differential.write import spec
from .test_inference import compare


def step(module: nn.Module, given: tuple[Tensor, ...]) -> list[Tensor | None]:
    """The outputs of a training step and the gradients of every parameter."""
    torch.manual_seed(1)
    found = outputs(module.train()(*given))
    sum((made.float().square().mean() for made in found), torch.zeros((), requires_grad=True)).backward()
    return [*found, *(parameter.grad for parameter in module.parameters())]


def compare_steps(network: archdsl.Network, *given: Tensor) -> str:
    """A step of the module as it is emitted and of the same with nothing in place: equal within rounding."""
    source = archdsl.compile(network)
    plain = source.replace("(inplace=True)", "()").replace(", inplace=True", "")
    assert "inplace" not in plain
    module, other = instantiate(source), instantiate(plain)
    other.load_state_dict(module.state_dict())
    for found, wanted in zip(step(module, given), step(other, given), strict=True):
        assert (found is None) == (wanted is None)
        if found is not None and wanted is not None:
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6, equal_nan=True)
    return source


@pytest.mark.parametrize(
    ("layers", "trained", "inference"),
    [
        ("conv 3x3, 4 -> bn -> relu -> conv 1x1, 4 -> leakyrelu 0.2", 1, 2),  # torch has no gradient of some slopes
        ("bn -> relu -> flatten -> linear 5 -> silu", 1, 2),  # silu's gradient asks for what it read
        ("residual: conv 3x3, 4 -> bn\n  hardswish", 0, 2),
        ("residual: conv 3x3, 4 -> bn\n  relu6", 1, 2),
        ("residual: conv 3x3, 4 -> bn -> relu", 1, 1),  # the sum would undo what the relu keeps for a gradient
        ("flatten\n  residual: linear 256 -> relu", 1, 1),
        ("flatten\n  residual: linear 256\n  relu", 1, 1),  # autocast makes a linear layer's numbers short
        ("residual:\n    main: conv 3x3, 4\n    shortcut: conv 1x1, 4", 0, 1),
        ("residual:\n    main: relu -> conv 3x3, 4", 0, 1),  # the shortcut reads it, too
        ("conv 3x3, 4\n  residual:\n    main: relu -> conv 3x3, 4", 0, 1),
        ("c: conv 3x3, 4\n  relu\n  concat:\n    - relu\n    - @c -> sigmoid", 0, 0),
        ("conv 3x3, 4\n  act: selu\n  conv 3x3, 4\n  again act", 0, 0),
        ("identity -> relu -> dropout -> relu -> maxpool 2 -> relu", 0, 0),
        ("conv 3x3, 4 -> [relu -> conv 1x1, 4] x 3 -> relu", 0, 0),  # what a turn gives may be anybody's
        ("conv 3x3, 4 -> gelu -> conv 3x3, 4 -> tanh", 0, 0),  # torch has none in place
    ],
)
def test_what_is_in_place(layers: str, trained: int, inference: int) -> None:
    """Activations, and for inference residuals, write over a value that is new and that nothing else reads."""
    network = archdsl.loads(f"input: 4x8x8\nlayers:\n  {layers}\n")
    assert compare_steps(network, torch.randn(2, 4, 8, 8)).count("inplace=True") == trained
    source = compare(network)
    assert source.count("inplace=True") + source.count(".add_(") == inference


def test_one_place_of_the_spec_is_one_way() -> None:
    """Where an argument is the layer, or a turn reads another value than the last did: in place always or never."""
    text = (
        "input: 4x8x8\nmodule unit act:\n  conv 3x3, 4 -> act\n"
        "layers:\n  unit relu -> unit silu -> unit relu6\n  for i in 1..3:\n    if i > 1: conv 1x1, 4\n    relu\n"
    )
    network = archdsl.loads(text)
    assert "inplace" not in compare_steps(network, torch.randn(2, 4, 8, 8))
    assert compare(network).count("inplace=True") == 3  # what stands for `act`, whatever it is


@pytest.mark.parametrize("seed", range(2_000_000, 2_000_040))
def test_random_networks(seed: int) -> None:
    made: Any = plan(seed)
    with quiet():
        given = (v.tensor for v in inputs(made).values())
        compare_steps(archdsl.loads(spec(made)), *given)
