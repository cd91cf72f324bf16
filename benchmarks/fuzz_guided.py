"""Mutated specs through the whole line, led by what of archdsl's code they reach (needs `pip install atheris`).

    python benchmarks/fuzz_guided.py --seconds 600 --corpus corpus

Inputs that reach new code are kept in the corpus, and mutated further: by bytes, as atheris does, and by words, as
`benchmarks/fuzz.py` does. The corpus begins with the bundled specs and the examples of the documents, and a later run goes
on from it. The bounds of time and memory are those of `benchmarks/fuzz.py`; what fails is kept under tests/cases/fuzz.
Exit code: 0 no failure, 1 failures, 2 atheris is not installed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

MOST = 8000
"""Bytes of an input; bundled specs above are left out."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Mutated specs through the whole line, led by coverage.")
    parser.add_argument("--seconds", type=int, default=60, help="by the clock (%(default)s)")
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-corpus"), help="the inputs kept (%(default)s)")
    return parser.parse_args()


def split(data: bytes) -> tuple[str, bytes]:
    """(suffix, text) of an input, whose first byte says which container it is."""
    return (".yaml" if data[:1] == b"y" else ".arch"), data[1:]


def begin(corpus: Path, line: Any) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    for suffix, text in (*line.bundled(), *line.examples()):
        data = suffix[1:2].encode() + text.encode()
        if len(data) <= MOST:
            (corpus / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)


def main() -> int:
    given = arguments()
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: pip install atheris (Linux and macOS)", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["archdsl"]):
        from tests.fuzz import line

    begin(given.corpus, line)
    end = time.monotonic() + given.seconds
    tried, failures = 0, 0

    def one(data: bytes) -> None:
        nonlocal tried, failures
        if time.monotonic() > end:
            print(f"\n{tried} inputs, {failures} failures, {len(list(given.corpus.iterdir()))} in the corpus")
            sys.stdout.flush()
            os._exit(1 if failures else 0)  # libFuzzer offers no other end: an exception would be a finding
        suffix, text = split(data)
        outcome, problem = line.attempt(suffix, text, 4 * line.SECONDS)
        tried += 1
        if problem is not None:
            failures += 1
            path = line.keep(f"guided-{hashlib.sha1(data, usedforsecurity=False).hexdigest()[:12]}", suffix, text)
            print(f"\n{path.relative_to(ROOT)}: {outcome}: {problem}", file=sys.stderr)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        draw = random.Random(seed)
        if draw.random() < 0.3:
            found: bytes = atheris.Mutate(data, most)
            return found
        suffix, text = split(data)
        words = line.by_words(draw, text.decode("utf-8", "replace"))
        return (suffix[1:2].encode() + words.encode("utf-8", "surrogatepass"))[:most]

    atheris.Setup(
        [sys.argv[0], str(given.corpus), f"-max_len={MOST}", "-verbosity=0", "-timeout=60", "-rss_limit_mb=4000"],
        one,
        custom_mutator=mutate,
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
