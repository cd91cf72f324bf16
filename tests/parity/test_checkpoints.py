"""`--checkpoint-repeats`: the same numbers as without, from less memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from archdsl import build, compile, load, loads
from archdsl.cli import main
from archdsl.diagnostics import SpecError
from archdsl.ir.graph import Network

FORMS = {
    "modules in a container": """\
input: 8x16x16
module block w on CxHxW:
  residual: conv 3x3, w -> bn -> relu -> conv 3x3, w -> bn
  relu
layers:
  stage: [block 8] x 4
  avgpool global -> head: linear 3
""",
    "a container that is looked into": """\
input: 8x16x16
module block w on CxHxW:
  residual: conv 3x3, w -> relu -> conv 3x3, w
  relu
layers:
  stage: [block 8] x 4
  add:
    - identity
    - @stage.1 -> conv 3x3, 8
""",
    "modules of their own": """\
input: 8x16x16
module unit w: conv 3x3, w -> bn -> relu -> conv 3x3, w -> dropout 0.3
layers:
  [unit 8] x 4
""",
    "levels": """\
input: 8x16x16
layers:
  stage: [conv 3x3, 8 -> relu -> conv 3x3, 8 -> dropout 0.5] x 4
  conv 1x1, 4
""",
    "levels that are no chain": """\
input: 8x16x16
layers:
  body: [residual: conv 3x3, 8 -> sigmoid -> conv 3x3, 8 -> bn] x 4
""",
    "numbered levels": """\
input: 8x16x16
layers:
  for i in 0..3:
    part.{i}: [conv 3x3, 8 -> sigmoid -> bn -> conv 3x3, 8]
""",
    "a loop of layers": """\
input: 8x16x16
layers:
  conv 3x3, 8
  for i in 1..4:
    a{i}: conv 3x3, 8 -> sigmoid -> b{i}: conv 3x3, 8 -> bn
  conv 1x1, 4
""",
    "layers in a container": """\
input: 8x16x16
layers:
  features:
    [conv 3x3, 16 -> sigmoid -> bn] x 3 -> maxpool 2x2
    [conv 3x3, 16 -> sigmoid -> bn] x 3 -> maxpool 2x2
  flatten -> linear 3
""",
    "a class that is a loop": """\
input: 8x16x16
module layer: concat: [identity, bn -> relu -> conv 3x3, 4 -> bn -> conv 1x1, 4]
module dense n:
  for i in 1..n:
    layer{i}: layer
layers:
  dense 5
  conv 1x1, 4
""".replace(
        "concat: [identity, bn -> relu -> conv 3x3, 4 -> bn -> conv 1x1, 4]",
        "\n  concat:\n    - identity\n    - bn -> relu -> conv 3x3, 4 -> bn -> conv 1x1, 4",
    ),
    "modules that are handed a value": """\
input:
  x: 6x16
  memory: 5x16
module layer memory:
  residual:
    ln
    attend:
      - linear 16
      - @memory -> linear 16
      - @memory -> linear 16
  residual: ln -> linear 64 -> gelu -> linear 16
layers:
  @x -> layers: [layer @memory] x 4
""",
    "repeats in repeats": """\
input: 8x16x16
module block w: conv 3x3, w -> sigmoid -> conv 3x3, w
layers:
  for w in [8, 16]:
    [block w] x 3
    maxpool 2x2
""",
    "recurrent layers": """\
input: 9x12
layers:
  for i in 0..2:
    lstm{i}: lstm 12
    dropout 0.4
""",
}


def network(form: str) -> Network:
    return loads(FORMS[form])


def pair(net: Network) -> tuple[nn.Module, nn.Module]:
    """The network without and with checkpoints, alike."""
    torch.manual_seed(1)
    plain = build(net).train()
    kept = build(net, weights=plain.state_dict(), checkpoint_repeats=True).train()
    return plain, kept


def inputs(net: Network) -> list[Tensor]:
    torch.manual_seed(2)
    return [torch.randn(2, *map(int, shape.dims)) for shape in net.inputs.values()]


def step(module: nn.Module, given: list[Tensor]) -> tuple[Tensor, list[Tensor], int]:
    """The output, the gradients, and how many bytes autograd keeps until the backward pass, parameters aside."""
    own = {p.untyped_storage().data_ptr() for p in module.parameters()}
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            saved[place] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(3)
    fed = [x.clone().requires_grad_() for x in given]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        found = module(*fed)
    found.square().sum().backward()
    grads = [p.grad for p in module.parameters()] + [x.grad for x in fed]
    return found.detach(), [g.clone() for g in grads if g is not None], sum(saved.values())


@pytest.mark.parametrize("form", FORMS)
def test_the_same_step_from_less_memory(form: str) -> None:
    net = network(form)
    plain, kept = pair(net)
    assert list(plain.state_dict()) == list(kept.state_dict())
    given = inputs(net)
    wanted, found = step(plain, given), step(kept, given)
    assert torch.equal(wanted[0], found[0])
    assert len(wanted[1]) == len(found[1])
    for a, b in zip(wanted[1], found[1], strict=True):
        torch.testing.assert_close(a, b)
    for (name, a), (_, b) in zip(plain.named_buffers(), kept.named_buffers(), strict=True):
        assert torch.equal(a, b), name  # running statistics count each batch once
    assert found[2] < 0.7 * wanted[2], (found[2], wanted[2])


@pytest.mark.parametrize("form", FORMS)
def test_outside_of_training_nothing_changes(form: str) -> None:
    net = network(form)
    plain, kept = (module.eval() for module in pair(net))
    given = inputs(net)
    assert torch.equal(plain(*given), kept(*given))
    again = copy.deepcopy(kept)
    with torch.no_grad():
        assert torch.equal(plain(*given), again(*given))
        torch.testing.assert_close(torch.export.export(kept, tuple(given)).module()(*given), plain(*given))


@pytest.mark.parametrize("form", ["modules in a container", "a loop of layers", "modules that are handed a value"])
def test_compiled_as_one_graph(form: str) -> None:
    net = network(form)
    _, kept = pair(net)
    given = inputs(net)
    wanted = step(copy.deepcopy(kept), given)
    found = step(torch.compile(kept, fullgraph=True, backend="aot_eager"), given)  # type: ignore[arg-type]
    torch.testing.assert_close(found[0], wanted[0])
    for a, b in zip(found[1], wanted[1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "densenet", "mobilenetv3", "vgg", "retinanet", "swin", "transformer"])
def test_bundled_networks(name: str) -> None:
    """The source is written, keeps its keys (as `compile` verifies), and says what it is."""
    source = compile(load(name), checkpoint_repeats=True)
    assert "its repeats checkpointed" in " ".join(source.split())
    assert "use_reentrant=False" in source


def test_without_the_option_nothing_changes() -> None:
    for form in FORMS:
        assert "checkpoint" not in compile(network(form))


def test_batch_norms_are_minded_only_where_there_are_any() -> None:
    assert "StatisticsKept" not in compile(network("levels"), checkpoint_repeats=True)


def test_where_nothing_is_repeated() -> None:
    with pytest.raises(SpecError) as error:
        compile(loads("input: 3x8x8\nlayers:\n  conv 3x3, 4 -> relu\n"), checkpoint_repeats=True)
    assert [d.code for d in error.value.diagnostics] == ["A1003"]


def test_with_inference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "resnet18", "--inference", "--checkpoint-repeats"]) == 2
    assert "A1003" in capsys.readouterr().err
