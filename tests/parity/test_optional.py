"""What some instances of a module have and others have not: one class, and the values of classes of their own."""

from __future__ import annotations

import pytest
import torch

import archdsl
from archdsl.torch_backend.verify import instantiate

CALLS = ("8, a yes", "8, no b", "16, a yes, no b, s 2", "16", "12, s 2")
BODIES = {
    "activations first and last in a path": (
        """
          residual:
            [relu] if not a
            conv 3x3, w, stride s -> bn -> relu -> conv 3x3, w -> bn
            [relu] if b
            shortcut: conv 1x1, w, stride s
        """,
        ("self.relu = nn.Identity()", "self.relu_2 = nn.Identity()"),
    ),
    "two kinds": (
        """
          residual:
            [relu] if a
            conv 3x3, w, stride s
            [gelu] if b
            conv 3x3, w
            shortcut: conv 1x1, w, stride s
          relu
        """,
        ("self.relu = nn.Identity()", "self.gelu = nn.Identity()"),
    ),
    "a dropout, which has no arrays either": (
        """
          conv 3x3, w, stride s
          [relu] if a
          conv 1x1, w -> relu
          [dropout 0.5] if b
          conv 1x1, w
        """,
        ("self.relu = nn.Identity()", "self.dropout1 = nn.Identity()"),
    ),
    "values with labels, a word that ends in a number": (
        """
          y: conv 3x3, w, stride s
          [relu] if a
          z: conv 1x1, w
          [relu6] if b
          add:
            - identity
            - @y
            - @z
        """,
        ("self.relu = nn.Identity()", "self.relu6_1 = nn.Identity()"),
    ),
    "in every turn of a repeat": (
        """
          conv 3x3, w, stride s
          for i in 1..3:
            residual:
              [relu] if not a
              conv 3x3, w -> relu
              [tanh] if b
              conv 1x1, w
        """,
        ("self.relu = nn.Identity()", "self.tanh_3 = nn.Identity()"),
    ),
    "a label that is an activation's word": (
        """
          [relu] if a
          relu: conv 3x3, w, stride s
          [relu] if b
          relu -> conv 1x1, w
        """,
        ("self.relu_2 = nn.Identity()", "self.relu_3 = nn.Identity()"),
    ),
}


def written(body: str, apart: bool) -> str:
    """The source of five instances of a module, or of five modules of one instance each."""
    names = [f"unit{letter}" for letter in "abcde"] if apart else ["unit"] * len(CALLS)
    text = "input: 8x16x16\n"
    for name in dict.fromkeys(names):
        text += f"module {name} w, a=no, b=yes, s=1:\n{body}\n"
    text += "layers:\n"
    for number, (name, call) in enumerate(zip(names, CALLS, strict=True)):
        text += f"  step{number}: {name} {call}\n"
    return archdsl.compile(archdsl.loads(text))


@pytest.mark.parametrize("case", BODIES)
def test_one_class_computes_what_five_do(case: str) -> None:
    body, members = BODIES[case]
    source = written(body, apart=False)
    assert source.count("\nclass ") == 2
    for member in members:
        assert member in source
    torch.manual_seed(0)
    ours, apart = instantiate(source), instantiate(written(body, apart=True))
    apart.load_state_dict(ours.state_dict())
    image = torch.randn(2, 8, 16, 16)
    for training in (False, True):
        found = []
        for module in (ours.train(training), apart.train(training)):
            torch.manual_seed(1)
            module.zero_grad()
            made = module(image)
            made.square().sum().backward()
            found.append([made, *(p.grad for p in module.parameters())])
        for one, other in zip(*found, strict=True):
            assert torch.equal(one, other)
    torch.jit.script(ours)
