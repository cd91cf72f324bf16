"""Emitted modules run torchvision's kernels, on arrays of the same sizes, in the same order: speed without a clock.

What torchvision writes in place (`relu_`) counts as the same kernel; views cost nothing and do not count.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

import archdsl
from benchmarks.emitted_speed import NETWORKS

from .torchvision_models import models

Size = tuple[int, ...]
Kernel = tuple[str, tuple[Size, ...], tuple[Size, ...]]
"""Its name, the sizes of what it writes, and of what it reads."""

VIEWS = frozenset(
    {"view", "_unsafe_view", "detach", "t", "transpose", "expand", "unsqueeze", "squeeze", "slice", "select"}
)
POOL = "_adaptive_avg_pool2d"
MAPS: tuple[Size, ...] = ((2, 512, 7, 7),)
OMITTED: Mapping[str, tuple[Kernel, ...]] = {
    "vgg16": ((POOL, MAPS, MAPS),),  # 7x7 to 7x7
    "densenet121": tuple(("cat", ((2, 64 << at, 56 >> at, 56 >> at),), ()) for at in range(4)),  # of one map alone
}
"""What torchvision does and ours need not."""


class Kernels(TorchDispatchMode):
    """Notes each kernel that is run. Of a `cat` only what it writes counts: torchvision's DenseNet keeps a list."""

    def __init__(self) -> None:
        super().__init__()
        self.run: list[Kernel] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__.removesuffix("_")
        made = func(*args, **(kwargs or {}))
        if name not in VIEWS:
            self.run.append((name, sizes(made), () if name == "cat" else sizes((args, kwargs))))
        return made


def sizes(values: object) -> tuple[Size, ...]:
    """The sizes of all arrays among values, sorted, without axes of one place."""
    arrays = (part for part in pytree.tree_leaves(values) if isinstance(part, torch.Tensor))
    return tuple(sorted(tuple(size for size in array.shape if size != 1) for array in arrays))


def pair(name: str) -> tuple[nn.Module, nn.Module]:
    """torchvision's module and ours on the meta device."""
    spec, parameters = NETWORKS[name]
    options = {"init_weights": False} if name in ("vgg16", "googlenet") else {}
    with torch.device("meta"):
        return getattr(models, name)(**options), archdsl.build(archdsl.load(spec, **parameters))


def evaluated(module: nn.Module) -> list[Kernel]:
    """The kernels of a forward pass in eval."""
    with torch.no_grad(), Kernels() as kernels:
        module.eval()(torch.empty(2, 3, 224, 224, device="meta"))
    return kernels.run


def trained(module: nn.Module) -> list[Kernel]:
    """The kernels of a forward pass in training and a backward pass from all its outputs."""
    with Kernels() as kernels:
        made = module.train()(torch.empty(2, 3, 224, 224, device="meta"))
        sum(output.sum() for output in (made if isinstance(made, tuple) else [made])).backward()
    return kernels.run


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_kernels_in_the_same_order(name: str) -> None:
    theirs, ours = map(evaluated, pair(name))
    for omitted in OMITTED.get(name, ()):
        theirs.remove(omitted)
    assert ours == theirs


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_kernels_in_training(name: str) -> None:
    theirs, ours = (counted(trained(module)) for module in pair(name))
    for omitted in OMITTED.get(name, ()):
        theirs[omitted] -= 1
    if name == "vgg16":
        theirs[f"{POOL}_backward", MAPS, MAPS * 2] -= 1
    assert not ours - theirs
    assert {kernel[0] for kernel in theirs - ours} <= {"clone"}  # of what a hardswish in place overwrites
    if name != "mobilenet_v3_large":
        assert ours == +theirs


def counted(kernels: list[Kernel]) -> Counter[tuple[Any, ...]]:
    """How often each kernel is run. Of sums the numbers are counted: where a value is used often, how they are grouped
    depends on how it was handed on."""
    found: Counter[tuple[Any, ...]] = Counter()
    for kernel in kernels:
        name, (written, *_), _ = kernel
        if name == "add":
            found[("numbers added",)] += math.prod(written)
        else:
            found[kernel] += 1
    return found


def test_a_table_is_one_convolution_of_its_own_numbers() -> None:
    """LeNet-5's C3: 1,516 numbers in the state, the gradient and the optimiser, one convolution, in any type."""
    layer: nn.Module = archdsl.build(archdsl.load("lenet5")).get_submodule("C3")
    x = torch.randn(2, 6, 14, 14)
    with Kernels() as kernels:
        layer(x)
    assert [name for name, *_ in kernels.run] == ["new_zeros", "masked_scatter", "convolution"]
    optimizer = torch.optim.Adam(layer.parameters())
    layer(x).square().sum().backward()
    optimizer.step()
    for arrays in (layer.state_dict().values(), layer.parameters(), (p.grad for p in layer.parameters())):
        assert sum(array.numel() for array in arrays if array is not None) == 1516
    moments = [m for state in optimizer.state.values() for m in state.values() if m.dim()]
    assert sum(m.numel() for m in moments) == 2 * 1516
    for parameter in layer.parameters():  # as FSDP's mixed precision has it: buffers stay as they are
        parameter.data = parameter.data.bfloat16()
    assert layer(x.bfloat16()).dtype is torch.bfloat16
