"""Specs that ask for more than any network needs: how soon each is refused or answered, in seconds of process time.

python benchmarks/hostile.py
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from archdsl import build, loads
from archdsl.cli import main as archdsl
from tests.hostile import ANSWERED, COMPILED, INPUT, REFUSED

COMMANDS = ("check", "analyze", "compile", "draw", "fmt")
GOAL = 1.0


def cases() -> Iterator[tuple[str, str, bytes]]:
    """Name, container and content."""
    for name, (container, text, _, _) in REFUSED.items():
        yield name, container, text.encode()
    for name, layers in ANSWERED.items():
        yield name, "arch", f"{INPUT}layers: {layers}\n".encode()
    for name, (text, _, _) in COMPILED.items():
        yield f"{name}, compiled", "arch", text.encode()
    yield "50 MB", "yaml", b"# x\n" * 12_500_000
    yield "extends itself", "yaml", b"extends: case.yaml\n"


def timed(command: str, path: Path) -> tuple[int, float, str]:
    """Exit code, seconds of process time, and the first line of what was said."""
    arguments = [command, *(["--check"] if command == "fmt" else []), str(path)]
    arguments += ["--no-cache"] if command == "analyze" else []
    said = io.StringIO()
    before = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = archdsl(arguments)
    return code, time.process_time() - before, said.getvalue().partition("\n")[0]


def main() -> int:
    """Print a row a case; 1 if one takes longer than a second or ends in anything but an answer or a refusal."""
    build(loads(f"{INPUT}layers: conv 3x3, 8\n"))  # loading torch is not what is measured
    worst, wrong = 0.0, 0
    print(f"| case | {' | '.join(COMMANDS)} | said |")
    print(f"|---|{'---|' * len(COMMANDS)}---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, container, content in cases():
            path = Path(folder, f"case.{container}")
            path.write_bytes(content)
            found = [timed(command, path) for command in COMMANDS]
            worst = max(worst, *(seconds for _, seconds, _ in found))
            wrong += any(code not in (0, 1) for code, _, _ in found)
            said = next((text for code, _, text in found if code), "").partition(": ")[2]
            print(f"| {name} | {' | '.join(f'{seconds:.2f}' for _, seconds, _ in found)} | {said[:70] or 'answered'} |")
    print(f"\nslowest: {worst:.2f} s; neither refused nor answered: {wrong}")
    return 1 if worst > GOAL or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
