"""Mutated specs through the whole line, as many as asked.

    python benchmarks/fuzz.py --count 1000000 --jobs 2 --resume state.json

Bytes or words of a spec, bundled or printed in the documents, are changed; the text is read, checked in every variant,
analysed, emitted as source, formatted, and written as JSON and read back. Each input has 2 s of the processor's time and
256 MB. What fails is kept under tests/cases/fuzz, where the tests replay it. `benchmarks/fuzz_guided.py` does the same led
by coverage. Exit code: 0 no failure, 1 failures, 130 interrupted (`--resume` goes on).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.fuzz import line  # noqa: E402

CHUNK = 100
PAUSE = 5
"""Seconds between two writings of what is done."""


def work(start: int, stop: int) -> dict[str, Any]:
    """How many seeds of a stretch had which outcome, and what failed."""
    found: Counter[str] = Counter()
    failures: list[str] = []
    begun = line.clock()
    for seed in range(start, stop):
        suffix, data = line.mutated(seed)
        outcome, problem = line.attempt(suffix, data)
        found[outcome] += 1
        if problem is not None:
            line.keep(seed, suffix, data)
            failures.append(f"seed {seed}: {problem}")
    return {"start": start, "stop": stop, "found": dict(found), "failures": failures, "seconds": line.clock() - begun}


def task(job: tuple[int, int]) -> dict[str, Any]:
    return work(*job)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Mutated specs through the whole line.")
    parser.add_argument("--count", type=int, default=2000, help="how many inputs (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--seconds", type=float, help="stop after so many seconds by the clock")
    parser.add_argument("--resume", type=Path, help="a file that says what is done; made if it is not there")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    done: list[dict[str, Any]] = []
    if given.resume is not None and given.resume.exists():
        done = json.loads(given.resume.read_text())
    before = {(d["start"], d["stop"]) for d in done}
    end = given.seed + given.count
    every = [(start, min(start + CHUNK, end)) for start in range(given.seed, end, CHUNK)]
    left = [job for job in every if job not in before]
    begun = time.monotonic()
    code = 0
    try:
        # a fresh process now and then: memory that inputs took does not count against others for long
        with multiprocessing.get_context("spawn").Pool(given.jobs, maxtasksperchild=30) as pool:
            written = begun
            for number, result in enumerate(pool.imap_unordered(task, left), 1):
                done.append(result)
                if given.resume is not None and time.monotonic() - written > PAUSE:
                    keep(given.resume, done)
                    written = time.monotonic()
                failed = sum(len(d["failures"]) for d in done)
                print(f"\r{number}/{len(left)} stretches, {failed} failures ", end="", file=sys.stderr, flush=True)
                if given.seconds is not None and time.monotonic() - begun > given.seconds:
                    break
    except KeyboardInterrupt:
        code = 130
    if given.resume is not None:
        keep(given.resume, done)
    return report(done) or code


def keep(path: Path, done: list[dict[str, Any]]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(done))
    part.replace(path)


def report(done: list[dict[str, Any]]) -> int:
    found: Counter[str] = Counter()
    for d in done:
        found.update(d["found"])
    failures = [text for d in done for text in d["failures"]]
    print(file=sys.stderr)
    print(f"{sum(found.values())} inputs, {sum(d['seconds'] for d in done):.0f} s of the processor's time")
    for outcome, times in found.most_common():
        print(f"  {times:8} {outcome}")
    print("\n".join(failures) if failures else "no failure")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
