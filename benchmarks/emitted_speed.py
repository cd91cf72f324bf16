"""How fast emitted modules run beside torchvision's with the same weights, measured in turn.

    python benchmarks/emitted_speed.py [BLOCK ...] [--only NAME ...] [--batch 4] [--rounds 20] [--threads 1] [--markdown]

Blocks, all of them unless named: `networks` (forward in eval, and a forward and a backward pass in training), `inference`
(the form of `archdsl compile --inference` beside torchvision's eval), `table` (LeNet-5's C3 beside sixteen convolutions
and beside a dense one).

One process, a fixed number of threads. In each round all candidates of a row run once, one after the other, in an order
that is turned round every time, and by the processor's time, so that what else runs on the machine slows all of them
alike; what remains is taken out by the least of all rounds. `ratio` is ours by theirs, each the least; `median` the median
of the rounds' own ratios. Where a few hundredths are asked about, a copy of theirs runs in the rounds as well, and `copy`
is its ratio: what two modules that are the same differ by. Exit code 1 if a ratio misses what is wanted by more than that.

That the kernels are the same, without noise, is `tests/parity/test_kernels.py`.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import archdsl  # noqa: E402
from archdsl.torch_backend.verify import instantiate  # noqa: E402
from tests.parity.torchvision_models import models  # noqa: E402

NETWORKS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "resnet18": ("resnet18", {}),
    "resnet50": ("resnet50", {"stride_in": "3x3"}),
    "vgg16": ("vgg", {}),
    "googlenet": ("googlenet_torchvision", {}),
    "densenet121": ("densenet", {}),
    "mobilenet_v3_large": ("mobilenetv3", {}),
}
"""torchvision's name, the spec and its parameters."""

SAME, FOLDED, APART, DENSE = 1.03, 0.85, 0.2, 1.3
"""The ratios that are wanted."""


@dataclass(frozen=True)
class Row:
    """A measured comparison, in milliseconds."""

    title: str
    theirs: float
    ours: float
    middle: float
    wanted: float
    copied: float | None = None
    """The ratio of a copy of theirs to theirs."""

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def missed(self) -> bool:
        noise = 0 if self.copied is None else abs(self.copied - 1)
        return self.ratio > self.wanted + noise

    def cells(self) -> tuple[str, ...]:
        figures = (f"{self.theirs:.1f}", f"{self.ours:.1f}", f"{self.ratio:.3f}", f"{self.middle:.3f}")
        copied = "" if self.copied is None else f"{self.copied:.3f}"
        return (self.title, *figures, copied, f"{self.wanted}{': missed' if self.missed else ''}")


def measured(title: str, wanted: float, rounds: int, *runs: Callable[[], object]) -> Row:
    """Theirs, ours and, if given, a copy of theirs: the least of the rounds of each, and the median of the ratios."""
    taken: list[list[float]] = [[] for _ in runs]
    for number in range(-2, rounds):  # the first two warm up
        order = [(place + number) % len(runs) for place in range(len(runs))]
        for place in order if number % 4 < 2 else reversed(order):
            start = time.process_time()
            runs[place]()
            if number >= 0:
                taken[place].append(time.process_time() - start)
    theirs, ours, *copied = (1000 * min(times) for times in taken)
    middle = median(mine / other for other, mine, *_ in zip(*taken, strict=True))
    return Row(title, theirs, ours, middle, wanted, copied[0] / theirs if copied else None)


def evaluated(module: nn.Module, image: Tensor, times: int = 1) -> Callable[[], object]:
    """A forward pass without gradients."""
    module.eval()

    def run() -> None:
        with torch.no_grad():
            for _ in range(times):
                module(image)

    return run


def trained(module: nn.Module, image: Tensor, times: int = 1) -> Callable[[], object]:
    """A forward and a backward pass in training, from all outputs."""
    module.train()

    def run() -> None:
        for _ in range(times):
            module.zero_grad(set_to_none=True)
            made = module(image)
            torch.stack(
                [out.square().mean() for out in (made if isinstance(made, tuple) else (made,))]
            ).sum().backward()

    return run


def pair(name: str) -> tuple[nn.Module, archdsl.Network, nn.Module]:
    """torchvision's network, ours and its module, with the same weights."""
    spec, parameters = NETWORKS[name]
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("vgg16", "googlenet") else {}
    theirs = getattr(models, name)(**options)
    network = archdsl.load(spec, **parameters)
    return theirs, network, archdsl.build(network, weights=theirs.state_dict())


def networks(options: argparse.Namespace) -> Iterator[Row]:
    """Whole networks in eval and in training."""
    image = torch.randn(options.batch, 3, 224, 224)
    for name in options.only or NETWORKS:
        theirs, _, ours = pair(name)
        copied = copy.deepcopy(theirs)
        for title, way in (("forward", evaluated), ("forward and backward", trained)):
            runs = (way(module, image) for module in (theirs, ours, copied))
            yield measured(f"{name}, {title}", SAME, options.rounds, *runs)


def folded(options: argparse.Namespace) -> Iterator[Row]:
    """The form for inference beside torchvision's eval."""
    image = torch.randn(options.batch, 3, 224, 224)
    for name in options.only or ("resnet18", "resnet50"):
        theirs, network, _ = pair(name)
        source = archdsl.compile(network, inference=True)
        scope: dict[str, Any] = {"__name__": "network"}
        exec(compile(source, "network.py", "exec"), scope)
        ours = instantiate(source)
        ours.load_state_dict(scope["fold"](theirs.state_dict()))
        runs = evaluated(theirs, image), evaluated(ours, image)
        yield measured(f"{name}, for inference", FOLDED, options.rounds, *runs)


class Apart(nn.Module):
    """A convolution by a table as one convolution a map, each with the maps it is fed from, and the same weights."""

    def __init__(self, table: tuple[tuple[bool, ...], ...], packed: nn.Module) -> None:
        super().__init__()
        self.feeds = [[row for row, cells in enumerate(table) if cells[column]] for column in range(len(table[0]))]
        self.maps = nn.ModuleList(nn.Conv2d(len(feeds), 1, 5) for feeds in self.feeds)
        kernels = packed.weight.detach().split([len(feeds) for feeds in self.feeds])
        for conv, weight, bias in zip(self.maps, kernels, packed.bias.detach(), strict=True):
            conv.load_state_dict({"weight": weight[None], "bias": bias[None]})

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([conv(x[:, feeds]) for conv, feeds in zip(self.maps, self.feeds, strict=True)], 1)


def table(options: argparse.Namespace) -> Iterator[Row]:
    """LeNet-5's C3, 1,516 numbers, beside what else it could be."""
    torch.manual_seed(0)
    network = archdsl.load("lenet5")
    packed: Any = archdsl.build(network).C3
    operator: Any = network["C3"].operator
    dense, apart = nn.Conv2d(6, 16, 5), Apart(operator.connect.rows, packed)
    for batch in (1, 8, 64):
        image = torch.randn(batch, 6, 14, 14)
        torch.testing.assert_close(apart(image), packed(image))
        for title, way in (("forward", evaluated), ("forward and backward", trained)):
            ours = way(packed, image, 50)
            for other, module, wanted in (("sixteen convolutions", apart, APART), ("a dense one", dense, DENSE)):
                name = f"C3 beside {other}, batch {batch}, {title}, 50 times"
                yield measured(name, wanted, options.rounds, way(module, image, 50), ours)


BLOCKS: Mapping[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "networks": networks,
    "inference": folded,
    "table": table,
}
COLUMNS = ("what", "theirs, ms", "ours, ms", "ratio", "median", "copy", "wanted")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blocks", nargs="*", choices=[*BLOCKS, []], help="what is measured (default: all)")
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), help="these networks")
    parser.add_argument("--batch", type=int, default=4, help="images at once (default: 4)")
    parser.add_argument("--rounds", type=int, default=20, help="how often each is run (default: 20)")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads (default: 1)")
    parser.add_argument("--markdown", action="store_true", help="a table for docs/benchmarks.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[Row] = []
    start, between, end = ("| ", " | ", " |") if options.markdown else ("", "  ", "")
    print(start + between.join(COLUMNS) + end)
    if options.markdown:
        print("|---|---:|---:|---:|---:|---:|---|")
    for block in options.blocks or BLOCKS:
        for row in BLOCKS[block](options):
            rows.append(row)
            print(start + between.join(row.cells()) + end, flush=True)
    missed = sum(row.missed for row in rows)
    print(
        f"\n{len(rows)} comparisons, {missed} missed; {options.rounds} rounds, batch {options.batch}, {options.threads} threads"
    )
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
