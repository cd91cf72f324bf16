"""Random networks against torch, as many as asked.

    python benchmarks/differential.py --networks 20000 --twins 5000 --seed 0 --jobs 2 --resume state.json

Every network is given to archdsl as text and held against a module of torch's own layers made from the same plan (see
tests/differential); a twin has one number changed, a symbolic one leaves sizes of its inputs open. A difference is made as
small as it gets and kept under tests/cases/differential, where the tests replay it. Exit code: 0 no difference, 1
differences, 130 interrupted (`--resume` goes on from the state file).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.differential import run  # noqa: E402

CHUNK = 50
TRIED = {"twins": run.invalid_twin, "symbolic": run.open_sizes}
KEPT = {"networks": "network", "twins": "twin", "symbolic": "open"}
Job = tuple[str, int, int, int]


def work(job: Job) -> dict[str, Any]:
    """The seeds of one job: how many had which outcome, and the cases that were kept."""
    what, start, stop, every = job
    found: Counter[str] = Counter()
    kept: list[str] = []
    begun = time.process_time()
    with run.quiet():
        for seed in range(start, stop):
            outcome = TRIED[what](seed) if what in TRIED else run.network(seed, every)
            found[outcome.what] += 1
            if outcome.difference is not None:
                path = run.keep(outcome, seed, KEPT[what])
                kept.append(f"{path.relative_to(ROOT)}: {outcome.difference.kind}")
    return {"job": job, "found": dict(found), "kept": kept, "seconds": time.process_time() - begun}


def jobs(what: str, count: int, seed: int, every: int) -> Iterator[Job]:
    for start in range(seed, seed + count, CHUNK):
        yield what, start, min(start + CHUNK, seed + count), every


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Random networks against torch.")
    parser.add_argument("--networks", type=int, default=1000, help="how many networks (%(default)s)")
    parser.add_argument("--twins", type=int, default=250, help="how many with one number changed (%(default)s)")
    parser.add_argument(
        "--symbolic", type=int, default=250, help="how many whose inputs leave sizes open (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed (%(default)s)")
    parser.add_argument("--source-every", type=int, default=1, help="compare the code of one in so many (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--resume", type=Path, help="a file that says what is done; made if it is not there")
    return parser.parse_args()


def read(path: Path | None, asked: dict[str, int]) -> list[dict[str, Any]]:
    """What is done already."""
    if path is None or not path.exists():
        return []
    state = json.loads(path.read_text())
    if state["asked"] != asked:
        sys.exit(f"{path} is the state of another run: {state['asked']}")
    return state["done"]


def write(path: Path | None, asked: dict[str, int], done: list[dict[str, Any]]) -> None:
    if path is not None:
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"asked": asked, "done": done}))
        part.replace(path)


def main() -> int:
    given = arguments()
    counts = {"networks": given.networks, "twins": given.twins, "symbolic": given.symbolic}
    asked = {**counts, "seed": given.seed, "source_every": given.source_every}
    done = read(given.resume, asked)
    before = {tuple(d["job"]) for d in done}
    every = [job for what, count in counts.items() for job in jobs(what, count, given.seed, given.source_every)]
    left = [job for job in every if job not in before]
    begun = time.monotonic()
    try:
        with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
            for number, result in enumerate(pool.imap_unordered(work, left), 1):
                done.append(result)
                write(given.resume, asked, done)
                progress(number, len(left), time.monotonic() - begun, done)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return report(given, done, time.monotonic() - begun)


def progress(number: int, total: int, seconds: float, done: list[dict[str, Any]]) -> None:
    kept = sum(len(d["kept"]) for d in done)
    left = seconds / number * (total - number)
    print(f"\r{number}/{total} jobs, {kept} differences, {left:.0f} s left ", end="", file=sys.stderr, flush=True)


def report(given: argparse.Namespace, done: list[dict[str, Any]], seconds: float) -> int:
    print(file=sys.stderr)
    kept = [line for d in done for line in d["kept"]]
    for what, count in (("networks", given.networks), ("twins", given.twins), ("symbolic", given.symbolic)):
        found: Counter[str] = Counter()
        for d in done:
            if d["job"][0] == what:
                found.update(d["found"])
        if not count:
            continue
        print(f"{sum(found.values())} {what}, seeds {given.seed} to {given.seed + count - 1}")
        for outcome, times in found.most_common():
            print(f"  {times:6} {outcome}")
    work_time = sum(d["seconds"] for d in done)
    print(f"{seconds:.0f} s in this run, {work_time:.0f} s of work in all, {given.jobs} at a time")
    print("\n".join(kept) if kept else "no difference")
    return 1 if kept else 0


if __name__ == "__main__":
    sys.exit(main())
