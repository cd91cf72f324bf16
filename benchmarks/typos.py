"""Single typing mistakes over the bundled specs: is each named once, at its place, with the word that was meant?

python benchmarks/typos.py [--count 300] [--seed 1] [--show]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.typos import KINDS, Verdict, draw, judge


def main() -> int:
    """Print a table a kind; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print every typo that is not answered as it should be")
    options = parser.parse_args()
    drawn = draw(Path(__file__).parent.parent / "specs", options.count, options.seed)
    verdicts: list[Verdict] = []
    for number, typo in enumerate(drawn.typos, 1):
        verdicts.append(judge(typo))
        print(f"\r{number} of {options.count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print("| typos in | number | one error | at its place | first suggestion right |")
    print("|---|---|---|---|---|")
    for kind in (*KINDS, "all"):
        some = [v for v in verdicts if kind in (v.typo.place.kind, "all")]
        print(
            f"| {kind} | {len(some)} | {_share(some, 'single')} | {_share(some, 'at_place')} | {_share(some, 'suggested')} |"
        )
    print(f"\n{drawn.valid} further typos made another word of the same file and were left out.")
    missed = [v for v in verdicts if not (v.single and v.at_place and v.suggested)]
    if options.show:
        for verdict in missed:
            print(verdict)
        print(Counter(verdict.typo.place.kind for verdict in missed))
    right = sum(v.suggested for v in verdicts)
    return 0 if all(v.single and v.at_place for v in verdicts) and right >= 0.95 * len(verdicts) else 1


def _share(verdicts: list[Verdict], what: str) -> str:
    right = sum(bool(getattr(v, what)) for v in verdicts)
    return f"{100 * right / max(1, len(verdicts)):.1f} %"


if __name__ == "__main__":
    sys.exit(main())
