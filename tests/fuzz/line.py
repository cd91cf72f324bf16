"""Mutated specs through the whole line: what any of them may do is be refused by a diagnostic with a place, or work.

A case is an integer: its seed says which spec, bundled or printed in the documents, which mutations of its bytes or its words, which container. So a
failure is found again from its seed, and kept as a text under tests/cases/fuzz, where `test_fuzz.py` replays it.
"""

from __future__ import annotations

import random
import re
import resource
import signal
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archdsl import from_json
from archdsl.api import Project, analyze
from archdsl.checking import check_project
from archdsl.diagnostics import Collector, SourceFile, SpecError, render
from archdsl.elaborate.find import bundled_folder
from archdsl.syntax.containers import decode
from archdsl.syntax.formatter import format_spec
from archdsl.torch_backend.emitter import emit_source

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "fuzz"
SECONDS = 2.0
MEGABYTES = 256
_WORD = re.compile(r"\w+|\s+|[^\w\s]+")
_FENCE = re.compile(r"^```((?:arch|yaml|layers|error)\b[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STRANGE = [
    "0", "1", "-1", "2", "3x3", "99999999999", "10^18", "1e9", "0.5", "1/3", "C", "T", "CxHxW", "yes", "no", "[", "]", "(", ")", "{", "}",
    "->", "=>", "@", "@x", ":", ",", "|", "-", "x", "#", '"', "'", "&a ", "*a", "!t ", "<<", "---", "%", "\t", "\n", "\n  ", "\n    ",
    "\x00", "\x1b[31m", "\u202e", "\u200d", "\ufeff", "\ud7ff", "é", "\u00d7", "if", "else", "for", "in", "residual:", "concat:", "again ", "x 1000000",
    "for i in 1..1000: ", "index", "first", "last", "repeat", "conv", "relu", "linear", "avgpool", "bn", "attend:", "split", "reshape",
    "of split 3", "downto", "1..9", "when training", "output o:", "shortcut:", "replace ", "remove ", "extends: lenet5.yaml\n", "names t:\n", "divisible(8, 0)",
    "sqrt(-1)", "9" * 50, "a" * 300, "[" * 70, "(" * 120, "-" * 90, " " * 300,
]  # fmt: skip


class Failure(Exception):
    """Something no input may bring about; the text says what and where."""


def bundled() -> list[tuple[str, str]]:
    """(suffix, text) of every bundled spec."""
    return [(p.suffix, p.read_text(encoding="utf-8")) for p in sorted(bundled_folder().iterdir())]


def examples() -> list[tuple[str, str]]:
    """(suffix, text) of every spec printed in the documents, the wrong ones too: small, and all of the notation."""
    found: list[tuple[str, str]] = []
    for page in ("docs/language.md", "archdsl/explanations.md"):
        for fence in _FENCE.finditer((ROOT / page).read_text(encoding="utf-8")):
            words, text = fence[1].split(), fence[2]
            if words[0] == "layers":
                shape = next(word.partition("=")[2] for word in words if word.startswith("input="))
                text = f"input: {shape}\nlayers:\n" + "".join(f"  {row}\n" for row in text.splitlines())
            found.append((".yaml" if "yaml" in words else ".arch", text))
    return found


_BUNDLED: list[tuple[str, str]] = []
_EXAMPLES: list[tuple[str, str]] = []
_WHOLE = 0.03
"""How many cases begin with a whole bundled spec: it takes ten times as long as a small one."""


def mutated(seed: int) -> tuple[str, bytes]:
    """(suffix, bytes) of a case."""
    if not _BUNDLED:
        _BUNDLED.extend(bundled())
        _EXAMPLES.extend(examples())
    draw = random.Random(seed)
    suffix, text = draw.choice(_BUNDLED if draw.random() < _WHOLE else _EXAMPLES)
    if draw.random() < 0.1:
        suffix = ".arch" if suffix == ".yaml" else ".yaml"
    if draw.random() < 0.2:
        return suffix, _bytes(draw, text.encode())
    return suffix, by_words(draw, text).encode("utf-8", "surrogatepass")


def _bytes(draw: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at = draw.randrange(len(found) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            found[at : at + 1] = bytes([draw.randrange(256)])
        elif kind == 1:
            del found[at : at + draw.choice((1, 1, 2, 30))]
        elif kind == 2:
            found[at:at] = bytes(draw.randrange(256) for _ in range(draw.choice((1, 1, 4))))
        else:
            other = draw.randrange(len(found) + 1)
            found[at:at] = found[other : other + draw.randrange(40)]
    return bytes(found)


def by_words(draw: random.Random, text: str) -> str:
    words = _WORD.findall(text) or [" "]
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        at = draw.randrange(len(words))
        kind = draw.randrange(7)
        if kind == 0:
            words[at] = draw.choice(_STRANGE)
        elif kind == 1:
            words.insert(at, draw.choice(_STRANGE))
        elif kind == 2:
            del words[at : at + draw.choice((1, 1, 2, 8))]
        elif kind == 3:
            other = draw.randrange(len(words))
            words[at], words[other] = words[other], words[at]
        elif kind == 4:
            words[at] = draw.choice(words)
        elif kind == 5:
            lines = "".join(words).split("\n")
            other = draw.randrange(len(lines))
            lines.insert(draw.randrange(len(lines) + 1), lines[other])
            words = _WORD.findall("\n".join(lines))
        else:
            numbers = [i for i, word in enumerate(words) if word.isdecimal()]
            if numbers:
                words[draw.choice(numbers)] = draw.choice(
                    ["0", "1", "7", "1000", "100000", "2147483648", str(draw.randrange(300))]
                )
        words = words or [" "]
    return "".join(words)


def through(suffix: str, data: bytes, seconds: float = SECONDS) -> str:
    """Read, format, check, analyse, write and read JSON, emit; returns how far it came. Anything but SpecError goes up.

    Each of these is a command of its own, and has so many seconds of the processor's time.
    """
    try:
        with _timed(seconds):
            file = decode(f"net{suffix}", data)
    except SpecError as error:
        return _refused(error, data, "reading")
    with _timed(seconds):
        _formatted(file)
    try:
        with _timed(seconds):
            project = Project(None, file, bundled_folder())
            checked = check_project(project)
            for diagnostic in checked.diagnostics:
                render(diagnostic)
        with _timed(seconds):
            network = project.network({})
            analysis = analyze(network)
    except SpecError as error:
        return _refused(error, data, "building")
    with _timed(seconds):
        text = network.to_json()
    with _timed(seconds):
        again = from_json(text)
    if again.to_json() != text or analyze(again).totals != analysis.totals:
        raise Failure("JSON: what was read back differs")
    try:
        with _timed(seconds):
            compile(emit_source(network), "net.py", "exec")
    except SpecError as error:
        return _refused(error, data, "emission")
    return "built" if not checked.diagnostics else "checked"


def _refused(error: SpecError, data: bytes, where: str) -> str:
    if not error.diagnostics:
        raise Failure(f"{where}: refused without a diagnostic")
    lines = data.count(b"\n") + 1
    for diagnostic in error.diagnostics:
        render(diagnostic)
        span = diagnostic.span
        if span is not None and span.file.name.startswith("net.") and not 1 <= span.line <= lines:
            raise Failure(f"{where}: {diagnostic} is no place in the file")
    return f"refused in {where}"


def _formatted(file: SourceFile) -> None:
    collector = Collector()
    try:
        text = format_spec(file, collector, None)
    except SpecError:
        return
    if collector.errors:
        return
    again = Collector()
    if format_spec(SourceFile(file.name, text), again, None) != text or again.errors:
        raise Failure("format: the formatted text is formatted once more")


@contextmanager
def _timed(seconds: float) -> Any:
    def late(*_: object) -> None:
        raise Failure(f"more than {seconds} s of the processor's time")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def _bounded(megabytes: int) -> Any:
    """So much more memory than the process has now, and no more; where the system cannot tell, no bound."""
    now = Path("/proc/self/statm")
    before = resource.getrlimit(resource.RLIMIT_AS)
    if now.exists():
        most = int(now.read_text().split()[0]) * resource.getpagesize() + megabytes * 1_000_000
        resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def attempt(suffix: str, data: bytes, seconds: float = SECONDS) -> tuple[str, str | None]:
    """(how far it came, what is wrong): a case with its bounds."""
    try:
        with _bounded(MEGABYTES):
            return through(suffix, data, seconds), None
    except Failure as failure:
        return "failed", str(failure)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "failed", f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.name})"[:300]


def keep(seed: int | str, suffix: str, data: bytes) -> Path:
    """The case as a file; one that fails the same stays one file by its seed."""
    CASES.mkdir(parents=True, exist_ok=True)
    path = CASES / f"{seed}{suffix}"
    path.write_bytes(data)
    return path


def clock() -> float:
    """The processor's time of this process."""
    return time.process_time()
