"""Every network and variant of `specs/`, its counts, and how it compares with an implementation nobody here wrote.

    python benchmarks/zoo.py [NAME ...] [--markdown] [--quick]

prints one row a variant: lines of the spec, parameters, multiply-adds, the facts that hold, the independent
implementation, whether all keys and shapes of its state_dict are ours, and whether its outputs are ours once its
weights are loaded (bit for bit, or the largest difference relative to the largest output). A network too large to be
run here is compared by keys, a small one of its kind by values in the tests. One that no library installed here has is
compared with its paper's facts alone, and the row says so. Exit code 1 if anything differs.

`--quick` compares keys on the meta device only; the whole table needs some minutes and about 6 GB.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

import archdsl  # noqa: E402
from archdsl.ir.dims import evaluate, symbols  # noqa: E402
from archdsl.report.constants import constant_text  # noqa: E402
from archdsl.report.numbers import exact  # noqa: E402
from tests.parity.peers import SPECS, Peer, main_output, peer_of, variants  # noqa: E402

COLUMNS = ("network", "lines", "parameters", "multiply-adds", "facts", "independent implementation", "keys", "outputs")
LENGTHS = {"T": 1024, "S": 1024}
"""Where sizes are open: lengths of sequences; images are 224 squared."""


@dataclass(frozen=True)
class Row:
    """One variant."""

    cells: tuple[str, ...]
    right: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="specs by name (default: all)")
    parser.add_argument("--markdown", action="store_true", help="a table for docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="compare keys only")
    options = parser.parse_args()
    names = options.names or sorted(path.stem for path in SPECS.glob("*.yaml"))
    show = _markdown if options.markdown else _plain
    rows: list[Row] = []
    show(COLUMNS, head=True)
    for row in _rows(names, options.quick):
        rows.append(row)
        show(row.cells)
    wrong = [row for row in rows if not row.right]
    print(f"\n{len(rows)} variants, {len(wrong)} of them wrong")
    return 1 if wrong else 0


def _rows(names: list[str], quick: bool) -> Iterator[Row]:
    for name in names:
        lines = len((SPECS / f"{name}.yaml").read_text(encoding="utf-8").splitlines())
        for choice, network in variants(name):
            yield _row(name, lines, network, {key: constant_text(value) for key, value in choice.items()}, quick)


def _row(name: str, lines: int, network: archdsl.Network, choice: dict[str, str], quick: bool) -> Row:
    analysis = archdsl.analyze(network)
    totals = analysis.totals.of(training=False)
    title = " ".join([name, *(f"{key}={value}" for key, value in choice.items())])
    facts = f"{sum(f.holds for f in analysis.facts)} of {len(analysis.facts)}" if analysis.facts else "-"
    peer = peer_of(name, {key: constant_text(value) for key, value in network.parameters.items()})
    if peer is None:
        said, keys, outputs = "none installed; the paper's facts", "-", "-"
        right = not analysis.failed
    else:
        said = peer.title
        keys, outputs = _compared(network, peer, quick)
        right = not analysis.failed and "differ" not in keys + outputs
    open_sizes = {symbol: LENGTHS.get(symbol, 224) for symbol in sorted(symbols(totals.macs))}
    at = "".join(f" at {symbol}={size}" for symbol, size in open_sizes.items())
    counts = (exact(totals.parameters), exact(evaluate(totals.macs, open_sizes)) + at)
    return Row((title, str(lines), *counts, facts, said, keys, outputs), right)


def _compared(network: archdsl.Network, peer: Peer, quick: bool) -> tuple[str, str]:
    """Whether the keys (or, where names cannot be compared, the shapes in order) and the outputs are equal."""
    torch.manual_seed(0)
    ordered = peer.hand_over is not None
    meta = not peer.weighable or (quick and not ordered)
    with torch.device("meta" if meta else "cpu"):
        theirs = peer.build()
        try:
            ours = peer.ours(network, theirs)
        except (archdsl.WeightsError, AssertionError, ValueError) as error:
            return f"differ: {error}".splitlines()[0], "-"
    keys = "in order" if ordered else "equal"
    if quick or not peer.weighable:
        return keys, "-" if peer.weighable else "too large"
    inputs = peer.inputs()
    with torch.no_grad():
        theirs_made = peer.run_theirs(theirs.eval() if isinstance(theirs, torch.nn.Module) else theirs, inputs)
        return keys, _difference(main_output(ours.eval(), inputs), theirs_made, peer.tolerance)


def _difference(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> str:
    if ours.shape != theirs.shape:
        return f"differ: {tuple(ours.shape)} against {tuple(theirs.shape)}"
    if torch.equal(ours, theirs):
        return "bit for bit"
    largest = float((ours - theirs).abs().max() / theirs.abs().max())
    return f"within {largest:.0e}" if largest <= tolerance else f"differ by {largest:.0e}"


_WIDTHS = (44, 5, 13, 17, 8, 46, 7, 13)


def _plain(cells: tuple[str, ...], head: bool = False) -> None:
    line = "  ".join(
        f"{c:>{w}}" if n in (1, 2, 3) else f"{c:{w}}" for n, (c, w) in enumerate(zip(cells, _WIDTHS, strict=True))
    )
    print(line.rstrip(), flush=True)
    if head:
        print("-" * len(line))


def _markdown(cells: tuple[str, ...], head: bool = False) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)
    if head:
        print(f"|{'|'.join('---:' if n in (1, 2, 3) else '---' for n in range(len(cells)))}|")


if __name__ == "__main__":
    raise SystemExit(main())
