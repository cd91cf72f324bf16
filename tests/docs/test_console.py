"""The pages whose outputs are shown: every command is run and prints what stands below it, every figure is among it.

A `console` fence holds lines `$ archdsl ...`, each followed by what it prints; `| grep PATTERN` shows some lines only.
A fence with `file=NAME` is a spec that the commands below can name. `--update-golden` writes outputs and pictures anew.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

import archdsl
from archdsl.cli import main
from archdsl.report.picture import picture

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md") if "```console" in path.read_text(encoding="utf-8"))
PICTURES = sorted(
    {
        found
        for page in DOCS.glob("*.md")
        for found in re.findall(r"\(pictures/([\w.]+)\.svg\)", page.read_text("utf-8"))
    }
)
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Section:
    """One heading with what stands below it."""

    page: str
    heading: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.heading}"


def sections() -> list[Section]:
    found: list[Section] = []
    for page in PAGES:
        parts = re.split(r"^(#{1,3} .*)$", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
        found += [Section(page, h.strip("# "), text) for h, text in zip(parts[1::2], parts[2::2], strict=True)]
    return found


def ran(command: str, folder: Path) -> str:
    """What a line `archdsl ... | grep ...` prints."""
    command, _, filtering = command.partition(" | ")
    words = shlex.split(command)
    assert words[0] == "archdsl"
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        main(words[1:])
    lines = said.getvalue().splitlines()
    if filtering:
        grep, *options, pattern = shlex.split(filtering)
        assert grep == "grep"
        assert options in ([], ["-E"])
        lines = [line for line in lines if re.search(pattern, line)]
        assert lines, command
    return "".join(f"{line}\n" for line in lines)


def rendered(text: str, folder: Path) -> str:
    """A text with the outputs of its fences written anew."""

    def fence(match: re.Match[str]) -> str:
        kind, info, body = match.groups()
        named = re.search(r"file=(\S+)", info)
        if named:
            (folder / named[1]).write_text(body, encoding="utf-8")
        if kind != "console":
            return match[0]
        commands = [line[2:] for line in body.splitlines() if line.startswith("$ ")]
        assert commands
        shown = "\n".join(f"$ {command}\n{ran(command, folder)}" for command in commands)
        one_liners = all(len(ran(command, folder).splitlines()) == 1 for command in commands)
        return f"```{kind}{info}\n{shown.replace(chr(10) * 2 + '$', chr(10) + '$') if one_liners else shown}```"

    return FENCE.sub(fence, text)


@pytest.mark.parametrize("section", sections(), ids=str)
def test_outputs(section: Section, tmp_path: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    now = rendered(section.text, tmp_path)
    if update_golden:
        path = DOCS / section.page
        path.write_text(path.read_text(encoding="utf-8").replace(section.text, now), encoding="utf-8")
    else:
        assert now == section.text


@pytest.mark.parametrize("section", [s for s in sections() if s.page == "gallery.md"], ids=str)
def test_every_figure_is_computed(section: Section) -> None:
    """Numbers of three digits and more in the sentences and tables stand in an output or a spec of the section."""
    specs = [(DOCS / name).read_text(encoding="utf-8") for name in re.findall(r"\((\.\./specs/[^)]*)\)", section.text)]
    outputs = "\n".join([*(body for _, _, body in FENCE.findall(section.text)), *specs])
    known = set(re.findall(r"\d+", outputs.replace(",", "")))
    rounded = {f"{int(number) / 10**6:.0f}" for number in known}
    known |= rounded | {f"{int(number) / 10**6:.2f}" for number in known}
    prose = re.sub(r"\]\([^)]*\)|\b(?:19|20)\d\d\b", "", FENCE.sub("", section.text))
    figures = re.findall(r"(?<![\w.-])(\d[\d,]*\d|\d)(?![\w.]|e9)", prose)
    unknown = [f for f in figures if len(f.replace(",", "")) > 2 and f.replace(",", "") not in known]
    assert not unknown


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name: str, update_golden: bool) -> None:
    path = DOCS / "pictures" / f"{name}.svg"
    drawn = picture(archdsl.load(name))
    if update_golden:
        path.write_text(drawn, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == drawn


def test_the_gallery_shows_every_family() -> None:
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    missing = [p.name for p in (DOCS.parent / "specs").glob("*.yaml") if not re.search(rf"\b{p.stem}\b", text)]
    assert not missing
