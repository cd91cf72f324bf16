"""How long archdsl takes, beside what its users would use instead, measured in turn.

    python benchmarks/speed.py [--rounds 7] [--no-torch]

Each line is the least of some rounds; in every round all candidates of a block run one after the other, so that a busy
machine slows all of them. Whole processes are measured by the clock, what runs in one process by the processor's time. Install archdsl (or compile it once:
`python -m compileall archdsl`), else the first block measures Python's compiler.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import archdsl

ROOT = Path(__file__).resolve().parents[1]
RESNET = str(ROOT / "specs" / "resnet152.yaml")
TORCHINFO = """
import torch, torchinfo
from tests.parity.torchvision_models import models
with torch.device("meta"):
    net, x = models.resnet152(), torch.empty(1, 3, 224, 224)
torchinfo.summary(net, input_data=x, device="meta", verbose=0)
"""
FLOP_COUNTER = """
import time, torch
torch.set_num_threads(1)
from tests.parity.torchvision_models import models
from torch.utils.flop_counter import FlopCounterMode
with torch.device("meta"):
    net, x = models.resnet152().eval(), torch.empty(1, 3, 224, 224)
best = float("inf")
for _ in range(5):
    start = time.process_time()
    with FlopCounterMode(display=False), torch.no_grad():
        net(x)
    best = min(best, time.process_time() - start)
print(best)
"""
GPT3 = """
network: GPT-3
extends: gpt2.yaml
parameters: {size: gpt3, context: 2048}
input: 2048 below vocab
table sizes: |
  size | layers | d     | h
  gpt3 | 96     | 12288 | 96
"""


def in_turn(
    candidates: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """The least time of each candidate, all of them run once a round."""
    best = dict.fromkeys(candidates, float("inf"))
    for _ in range(rounds):
        for name, run in candidates.items():
            start = clock()
            run()
            best[name] = min(best[name], clock() - start)
    return best


def process(*arguments: str, cache: str | None = None) -> Callable[[], object]:
    """A process of its own, from its start to its end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("ARCHDSL_NO_CACHE", None)
    if cache is not None:
        environment["XDG_CACHE_HOME"] = cache

    def run() -> None:
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)

    return run


def cold(rounds: int, torch: bool) -> None:
    """Whole processes."""
    with tempfile.TemporaryDirectory() as cache:
        analyze = ("-m", "archdsl", "analyze", RESNET)
        process(*analyze, cache=cache)()
        candidates = {
            "python -c pass": process("-c", "pass"),
            "import lark, pydantic, yaml": process("-c", "import lark, pydantic, yaml"),
            "analyze resnet152, first time": process(*analyze, "--no-cache"),
            "analyze resnet152, again": process(*analyze, cache=cache),
            "archdsl --help": process("-m", "archdsl", "--help"),
            "archdsl --version": process("-m", "archdsl", "--version"),
        }
        if torch:
            candidates["torchinfo, resnet152 on meta"] = process("-c", TORCHINFO)
        best = in_turn(candidates, rounds)
    bare, imports = best["python -c pass"], best["import lark, pydantic, yaml"]
    print("| whole process | ms | of `pass` | of the bare import |\n|---|---|---|---|")
    for name, seconds in best.items():
        print(f"| {name} | {seconds * 1e3:.0f} | {seconds / bare:.1f} | {seconds / imports:.2f} |")
    if torch:
        ratio = best["torchinfo, resnet152 on meta"] / best["analyze resnet152, first time"]
        print(f"\ntorchinfo takes {ratio:.1f} times as long as archdsl's first time")


def different_blocks(count: int) -> str:
    """A loop whose iterations are all different."""
    return f"input: 8x64x64\nlayers:\n  for i in 1..{count}:\n    conv 3x3, i\n"


def lines(count: int) -> str:
    """As many lines, all different."""
    return "input: 8x64x64\nlayers:\n" + "".join(f"  conv 3x3, {i}\n" for i in range(1, count + 1))


def gpt3() -> archdsl.Analysis:
    """GPT-3 at its full size."""
    return archdsl.analyze(archdsl.loads(GPT3, name="gpt3.yaml", folder=ROOT / "specs"))


def warm(rounds: int, torch: bool) -> None:
    """Within one process."""
    text = Path(RESNET).read_text(encoding="utf-8")
    net = archdsl.load(RESNET)
    blocks = archdsl.loads(different_blocks(5000))
    million = "input: 64x8x8\nlayers:\n  [conv 3x3, 64 -> relu] x 1000000\n"

    def analyzed(source: str, name: str = "net.arch") -> Callable[[], object]:
        return lambda: archdsl.analyze(archdsl.loads(source, name=name, folder=ROOT / "specs"))

    best = in_turn(
        {
            "resnet152, text to analysis": analyzed(text, "resnet152.yaml"),
            "resnet152, analysis of the IR": lambda: archdsl.analyze(net),
            "a block x 1,000,000, text to analysis": analyzed(million),
            "GPT-3's size, text to analysis": gpt3,
        },
        4 * rounds,
        time.process_time,
    )
    best |= in_turn(
        {
            "a loop of 5,000 different blocks, text to analysis": analyzed(different_blocks(5000)),
            "the same, analysis of the IR": lambda: archdsl.analyze(blocks),
            "5,000 different lines, text to analysis": analyzed(lines(5000)),
            "10,000 different lines, text to analysis": analyzed(lines(10_000)),
        },
        3,
        time.process_time,
    )
    print("\n| in one process | ms of the processor |\n|---|---|")
    for name, seconds in best.items():
        print(f"| {name} | {seconds * 1e3:.2f} |")
    twice = best["10,000 different lines, text to analysis"] / best["5,000 different lines, text to analysis"]
    print(f"\ntwice the lines take {twice:.2f} times as long")
    totals = gpt3().totals.of(training=False)
    print(f"GPT-3: {totals.parameters:,} parameters, {totals.macs / 1e12:.3f} T multiply-adds at T = 2048")
    if torch:
        command, environment = [sys.executable, "-c", FLOP_COUNTER], {**os.environ, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        seconds = float(ran.stdout)
        ratio = seconds / best["resnet152, analysis of the IR"]
        print(f"torch's FlopCounterMode on meta: {seconds * 1e3:.0f} ms, {ratio:.0f} times the analysis of the IR")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-torch", action="store_true", help="leave torchinfo and torch's counter out")
    options = parser.parse_args()
    peers = all(importlib.util.find_spec(name) for name in ("torch", "torchvision", "torchinfo"))
    torch = peers and not options.no_torch
    cold(options.rounds, torch)
    warm(options.rounds, torch)


if __name__ == "__main__":
    main()
