"""docs/language.md, run: every fenced example, every shown output, every table of names and of mistakes.

`--update-golden` writes the shown outputs (`text of=...`) anew. The kinds of fences:

    yaml, arch [file=NAME]     a whole spec: every variant can be built and all its facts hold
    layers input=SHAPE         lines of `layers`, the same
    error CODE... [yaml] [file=NAME]   a whole spec with exactly these mistakes
    text of=analyze|error|keys|init what archdsl says of the example before it
    sh, python                 run in the folder of the examples with a `file=`
"""

from __future__ import annotations

import os
import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import archdsl
from archdsl import analyze, build, convert_weights, load, loads
from archdsl.api import Project
from archdsl.checking import check_project
from archdsl.cli import main
from archdsl.diagnostics import Diagnostic, SourceFile, SpecError, render
from archdsl.ir.graph import Network
from archdsl.ir.keys import state_keys
from archdsl.ir.operator import find_operator, operators
from archdsl.report import analysis_table

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
WIDTH = 100


@dataclass(frozen=True)
class Fence:
    """One fenced block; `number` counts them, `line` is where its content begins, from 1."""

    number: int
    kind: str
    words: tuple[str, ...]
    options: dict[str, str]
    text: str
    line: int

    @property
    def name(self) -> str:
        suffix = "yaml" if self.kind == "yaml" or "yaml" in self.words else "arch"
        return self.options.get("file", f"net.{suffix}")

    @property
    def spec(self) -> str:
        """The text of the whole spec."""
        if self.kind != "layers":
            return self.text
        return f"input: {self.options['input']}\nlayers:\n" + "".join(f"  {row}\n" for row in self.text.splitlines())

    def __str__(self) -> str:
        return f"line{self.line}-{self.kind}"


def fences() -> list[Fence]:
    """The fenced blocks of the page, in order."""
    found: list[Fence] = []
    opened: tuple[str, int] | None = None
    rows: list[str] = []
    for number, row in enumerate(PAGE.read_text(encoding="utf-8").splitlines(), 1):
        if not row.startswith("```"):
            rows.append(row)
        elif opened is None:
            opened, rows = (row[3:], number + 1), []
        else:
            kind, *info = opened[0].split()
            options = dict(word.split("=", 1) for word in info if "=" in word)
            words = tuple(word for word in info if "=" not in word)
            text = "".join(f"{r}\n" for r in rows)
            found.append(Fence(len(found), kind, words, options, text, opened[1]))
            opened = None
    assert opened is None, "a fence is not closed"
    return found


ALL = fences()
SPECS = [f for f in ALL if f.kind in ("yaml", "arch", "layers")]
ERRORS = [f for f in ALL if f.kind == "error"]
SHOWN = [f for f in ALL if f.kind == "text" and "of" in f.options]


def example_of(shown: Fence) -> Fence:
    """The example that a shown output speaks of."""
    return next(f for f in reversed(ALL[: shown.number]) if f.kind not in ("text", "sh", "python"))


def table(marker: str) -> Iterator[list[str]]:
    """The rows of the Markdown table behind an HTML comment, without its heading."""
    _, _, behind = PAGE.read_text(encoding="utf-8").partition(f"<!-- {marker} -->\n")
    assert behind, marker
    rows = behind.strip().split("\n\n")[0].splitlines()
    for row in rows[2:]:
        yield [cell.strip() for cell in row.strip("|").split(" | ")]


def code(cell: str) -> str:
    match = re.fullmatch(r"\|?\s*`([^`]+)`\s*\|?", cell)
    assert match, cell
    return match[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the examples that have a name."""
    path = tmp_path_factory.mktemp("language")
    for fence in ALL:
        if "file" in fence.options:
            (path / fence.options["file"]).write_text(fence.spec, encoding="utf-8")
    return path


def network(fence: Fence, folder: Path) -> Network:
    return loads(fence.spec, name=fence.name, folder=folder)


def diagnostics(text: str, name: str, folder: Path) -> tuple[Diagnostic, ...]:
    """All that is wrong with a spec, in every variant."""
    try:
        return check_project(Project(None, SourceFile(name, text), folder)).diagnostics
    except SpecError as error:
        return error.diagnostics


def keys(net: Network) -> list[str]:
    """What has parameters, in order."""
    return list(dict.fromkeys(key.rpartition(".")[0] for key in state_keys(net)))


def shown(what: str, example: Fence, folder: Path) -> str:
    if what == "error":
        return "".join(f"{render(d)}\n" for d in diagnostics(example.spec, example.name, folder))
    net = network(example, folder)
    if what == "keys":
        return "".join(f"{row}\n" for row in keys(net))
    if what == "init":
        rows = [row for row in archdsl.compile(net).splitlines() if re.search(r"nn\.init\.|isinstance\(m", row)]
        return textwrap.dedent("".join(f"{row}\n" for row in rows))
    assert what == "analyze"
    return analysis_table(analyze(net), width=WIDTH).rstrip("\n") + "\n"


def test_fences_are_known() -> None:
    for fence in ALL:
        assert fence.kind in ("yaml", "arch", "layers", "error", "text", "sh", "python"), fence
        assert set(fence.options) <= {"file", "input", "of"}, fence
        assert (fence.kind == "layers") == ("input" in fence.options), fence


@pytest.mark.parametrize("fence", SPECS, ids=str)
def test_spec_holds(fence: Fence, folder: Path) -> None:
    """It can be built in every variant, and every fact and every `names` section is right."""
    assert "\n".join(render(d) for d in diagnostics(fence.spec, fence.name, folder)) == ""


@pytest.mark.parametrize("fence", [f for f in SPECS if "=>" in f.text], ids=str)
def test_spec_claims_something(fence: Fence, folder: Path) -> None:
    """Facts stand where they are seen: none of those written is passed over."""
    project = Project(None, SourceFile(fence.name, fence.spec), folder)
    lines = {
        d.claim.span.line
        for choice in project.variants()
        for d in analyze(project.network(choice)).facts
        if d.claim.span
    }
    written = {
        n for n, row in enumerate(fence.spec.splitlines(), 1) if "=>" in row.partition("#")[0] and "|" not in row
    }
    assert written <= lines


@pytest.mark.parametrize("fence", SPECS, ids=str)
def test_spec_compiles(fence: Fence, folder: Path) -> None:
    """PyTorch has the keys that the network says."""
    compiles(network(fence, folder))


def compiles(net: Network) -> None:
    """What PyTorch makes of a network has its keys. What cannot be written as source yet is an expected failure."""
    torch = pytest.importorskip("torch")
    try:
        with torch.device("meta"):
            module = build(net)
    except SpecError as error:
        if [d.code for d in error.diagnostics] == ["A1001"]:
            pytest.xfail(str(error))
        raise
    assert list(module.state_dict()) == list(state_keys(net))


@pytest.mark.parametrize("fence", ERRORS, ids=str)
def test_error_is_this_one(fence: Fence, folder: Path) -> None:
    wanted = [word for word in fence.words if re.fullmatch(r"A\d{4}", word)]
    assert wanted
    assert [d.code for d in diagnostics(fence.spec, fence.name, folder)] == wanted


@pytest.mark.parametrize("fence", SHOWN, ids=str)
def test_shown_output(fence: Fence, folder: Path, update_golden: bool) -> None:
    said = shown(fence.options["of"], example_of(fence), folder)
    if update_golden:
        rewrite(fence.number, said)
    else:
        assert fence.text == said


def rewrite(number: int, text: str) -> None:
    """Put another text into a fence."""
    fence = fences()[number]
    rows = PAGE.read_text(encoding="utf-8").splitlines(keepends=True)
    rows[fence.line - 1 : fence.line - 1 + len(fence.text.splitlines())] = [text]
    PAGE.write_text("".join(rows), encoding="utf-8")


COMMANDS = [
    pytest.param(row, id=f"line{fence.line + at}")
    for fence in ALL
    if fence.kind == "sh"
    for at, row in enumerate(fence.text.splitlines())
]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    word, *arguments = shlex.split(command, comments=True)
    assert word == "archdsl"
    if arguments[0] == "compile":
        pytest.importorskip("torch")
    if arguments[0] == "weights":
        weights_for(arguments, folder)
    code, said = main(arguments), capsys.readouterr().err
    if "error[A1001]" in said:
        pytest.xfail(said)
    assert code == 0, said


def weights_for(arguments: list[str], folder: Path) -> None:
    """The file of weights that a command of the page reads."""
    safetensors = pytest.importorskip("safetensors.torch")
    spec, weights, _, dialect, *_ = arguments[1:]
    net = load(folder / spec)
    state = convert_weights(net, build(net).state_dict(), target=dialect)
    safetensors.save_file({key: array.clone() for key, array in state.items()}, folder / weights)


@pytest.mark.parametrize("fence", [f for f in ALL if f.kind == "python"], ids=str)
def test_python_runs(
    fence: Fence, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It runs, and prints what the comments behind `print` say."""
    monkeypatch.chdir(folder)
    exec(compile(fence.text, os.fspath(PAGE), "exec"), {})
    said = re.findall(r"^print\(.*\)\s+# (.*)$", fence.text, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize(("written", "called"), [tuple(map(code, row)) for row in table("keys of parts.arch")])
def test_names(written: str, called: str, folder: Path) -> None:
    """The naming table, against the network's keys."""
    before, _, _ = (folder / "parts.arch").read_text(encoding="utf-8").partition("layers:")
    net = loads(f"{before}layers:\n  {written}\n")
    assert keys(net) == called.split()
    compiles(net)


MISTAKES = "parameters: {depth: 50, act: relu}\ninput: 3x32x32\nmodule unit w, s=1: conv 3x3, w, stride s\nlayers:\n  "


@pytest.mark.parametrize(("wrong", "says", "right"), [tuple(row) for row in table("mistakes")])
def test_mistakes(wrong: str, says: str, right: str, folder: Path) -> None:
    """The table of common mistakes: the left is refused as it says, the right is not."""
    assert [d.code for d in diagnostics(f"{MISTAKES}{code(wrong)}\n", "net.arch", folder)] == [says]
    assert not diagnostics(f"{MISTAKES}{code(right)}\n", "net.arch", folder)


def test_words_are_operators() -> None:
    for row in table("words"):
        words = re.findall(r"`(\w+)[^`]*`", row[1])
        unknown = [word for word in words if find_operator(word) is None and word not in ("to", "global", "both")]
        assert not unknown


def test_every_operator_is_among_the_words() -> None:
    listed = {word for row in table("words") for word in re.findall(r"`(\w+)[^`]*`", row[1])}
    assert set(operators()) <= listed


def test_links_lead_somewhere() -> None:
    text = PAGE.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(#([^)]*)\)", text):
        assert target in headings, target
