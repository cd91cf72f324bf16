"""`weight @label`: emitted source shares the array, and its bias is its own."""

from __future__ import annotations

import torch
import torch.nn.functional as F

import archdsl

TIED = """
input: {text: 5 below 9, reply: 3 below 9}
layers: |
  words: embedding 9, 4
  inner: linear 4
  head: linear 9, weight @words
  linear 4
  logits: linear 9, weight @head
  @reply -> embedding 9, 4, weight @head
"""


def test_one_array_serves_all() -> None:
    torch.manual_seed(0)
    module = archdsl.build(archdsl.loads(TIED, name="tied.yaml"))
    keys = ["words.weight", "inner.weight", "inner.bias", "head.bias", "linear3.weight", "linear3.bias", "logits.bias"]
    assert list(module.state_dict()) == keys
    text, reply = torch.tensor([[1, 2, 3, 4, 8]]), torch.tensor([[0, 8, 8]])
    result = module(text, reply)
    assert torch.equal(result, module.get_parameter("words.weight")[reply])
    result.sum().backward()
    gradient = module.get_parameter("words.weight").grad
    assert gradient is not None
    assert gradient[:, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 2]


def test_a_tied_linear_layer_has_its_own_bias() -> None:
    text = TIED.partition("  linear 4\n  logits")[0]
    module = archdsl.build(archdsl.loads(text, name="tied.yaml"))
    torch.nn.init.normal_(module.get_parameter("head.bias"))
    numbers = torch.tensor([[1, 2, 3, 4, 8]])
    found = module(numbers, numbers[:, :3])
    words = module.get_parameter("words.weight")
    hidden = F.linear(words[numbers], module.get_parameter("inner.weight"), module.get_parameter("inner.bias"))
    assert torch.equal(found, F.linear(hidden, words, module.get_parameter("head.bias")))
    scripted = torch.jit.script(module)
    assert torch.equal(scripted(numbers, numbers[:, :3]), found)


def test_its_new_bias_is_drawn_as_that_of_a_linear_layer() -> None:
    module = archdsl.build(
        archdsl.loads("input: 10000\nlayers: |\n  a: linear 400\n  linear 10000\n  linear 400, weight @a")
    )
    bias = module.get_parameter("linear3.bias")
    assert 0.009 < float(bias.detach().abs().max()) <= 0.01
