"""What `analyze`, `diff` and `schema` print for programs, and what they refuse."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest

import archdsl
from archdsl.analysis.columns import COLUMNS

from .conftest import Run

ALL = ",".join(COLUMNS)
SPEC = "network: N\ninput: 3xHx16\nlayers: |\n  a: conv 3x3, 4\n  '=cmd|1': relu\n"


def schema_of(run: Run, name: str) -> dict[str, object]:
    schema = json.loads(run("schema", name).out)
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize(
    "arguments",
    [
        ("lenet5",),
        ("resnet50", "--columns", ALL, "--batch", "4"),
        ("gpt2", "--columns", ALL),
        ("transformer", "--by", "module", "--columns", "macs,live,intensity"),
        ("googlenet", "--training", "--by", "stage", "--sort", "macs", "--dtype", "bfloat16"),
        ("unet", "--sort", "live"),
    ],
)
def test_objects_follow_their_schema(run: Run, arguments: tuple[str, ...]):
    found = json.loads(run("analyze", *arguments, "--json").out)
    jsonschema.validate(found, schema_of(run, "analysis"))
    assert ("memory" in found) == (not {"lenet5", "unet"} & set(arguments))
    assert ("groups" in found) == ("--by" in arguments)


def test_a_broken_object_does_not_follow_the_schema(run: Run):
    found = json.loads(run("analyze", "lenet5", "--json").out)
    found["layers"][0]["times"] = "1"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, schema_of(run, "analysis"))


def test_diff(run: Run):
    options = ("diff", "resnet", "resnet", "--set-a", "depth=50", "--set-b", "depth=101")
    ran = run(*options)
    assert ran.code == 0
    assert "~ layer3.1: times 5 -> 22\n" in ran.out
    assert "25,557,032 -> 44,549,160 (+18,992,128, +74.3 %)" in ran.out
    assert ran.out.count("\n~ ") == 1  # what is inside the repeat is the same
    found = json.loads(run(*options, "--json").out)
    jsonschema.validate(found, schema_of(run, "diff"))
    assert [change["kind"] for change in found["changes"]] == ["changed"]
    assert run(*options, "--exit-code").code == 1
    assert run("diff", "lenet5", "lenet5", "--exit-code").code == 0


def test_diff_by_path_and_by_content(run: Run, tmp_path: Path):
    text = "input: 3x8x8\nlayers: |\n  a: conv 3x3, 4\n  b: conv 3x3, 8\n  c: conv 1x1, 2\n"
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(
        text.replace("b: conv 3x3, 8", "stem: conv 3x3, 8").replace("1x1, 2", "1x1, 5\n  relu")
    )
    found = json.loads(run("diff", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "--json").out)
    kinds = {change["path"] or change["other"]: change["kind"] for change in found["changes"]}
    assert kinds == {"b": "renamed", "c": "changed", "relu1": "added"}


def changes(run: Run, *arguments: str) -> list[str]:
    """The lines of a difference below its heading."""
    return run("diff", *arguments).out.rstrip("\n").split("\n")[7:]


def test_diff_of_what_stands_elsewhere(run: Run):
    """Nine normalisations come between; numbers of what follows go up, which is one line."""
    found = changes(run, "vgg", "vgg", "--set-b", "batchnorm=yes")
    assert [line[:2] for line in found] == ["+ "] * 9 + ["~ ", "(1"]
    assert found[0] == "+ features.1: bn => 64x224x224, 128 params"
    assert found[-2:] == [
        "~ features.1 -> features.2, ..., features.30 -> features.43: 22 rows equal but for their numbers",
        "(10 rows equal)",
    ]
    renamed = json.loads(run("diff", "vgg", "vgg", "--set-b", "batchnorm=yes", "--json").out)["changes"]
    assert sum(change["kind"] == "renamed" for change in renamed) == 22  # a program is told of each


def test_diff_counts_what_follows_from_a_change(run: Run):
    found = changes(run, "densenet", "densenet", "--set-b", "depth=169")
    assert len(found) < 60
    assert "+ features.denseblock3.denselayer25: denselayer => 1056x14x14, 170240 params (6 rows inside)" in found
    layer = next(line for line in found if line.startswith("~ features.denseblock4.denselayer1:"))
    assert layer.endswith("parameters 103680 -> 120320; multiply-adds 5,017,600 -> 5,820,416 (so do 3 rows inside)")
    assert any("transition3.conv: width 512 -> 640;" in line for line in found)


def test_diff_of_formulas_and_of_strangers(run: Run):
    formulas = changes(run, "gpt2", "gpt2", "--set-b", "size=medium")
    assert "~ lm_head: multiply-adds 38,597,376 T -> 51,463,168 T" in formulas
    assert any("attn: heads 12 -> 16; output Tx768 -> Tx1024;" in line for line in formulas)
    strangers = changes(run, "resnet50", "mobilenetv2")
    assert "- layer3: level => 1024x14x14, 7,098,368 params (23 rows inside)" in strangers
    assert len(strangers) < 20


def test_diff_with_a_limit(run: Run):
    assert "`--limit layers=N` raises it" in run("diff", "vgg", "lenet5", "--limit", "layers=20").err
    assert run("diff", "vgg", "lenet5", "--limit", "layers=20000").code == 0


def test_diff_is_whole_and_quick(run: Run, tmp_path: Path):
    """Every row of both networks is in one pair; thousands of equal lines are no matter."""
    from archdsl.analysis import analyze
    from archdsl.report.difference import difference

    for one, other in (
        ("resnet50", "googlenet"),
        ("swin", "swin_v2"),
        ("unet", "gpt2"),
        ("transformer", "transformer"),
    ):
        before, after = (analyze(archdsl.load(name)) for name in (one, other))
        pairs = list(difference(before, after).every)
        assert sum(pair.before is not None for pair in pairs) == len(before.tree)
        assert sum(pair.after is not None for pair in pairs) == len(after.tree)
    lines = "input: 4x8x8\nlayers:\n" + "  conv 3x3, 4\n" * 4000
    many = analyze(archdsl.loads(lines))
    fewer = analyze(archdsl.loads(lines.removesuffix("  conv 3x3, 4\n") + "  conv 3x3, 5\n"))
    start = time.process_time()
    assert [change.path for change in difference(many, fewer).changes] == ["conv4000"]
    assert time.process_time() - start < 5


def test_csv(run: Run):
    rows = list(csv.DictReader(io.StringIO(run("analyze", "resnet50", "--format", "csv", "--columns", ALL).out)))
    assert len(rows) == len(json.loads(run("analyze", "resnet50", "--json").out)["layers"])
    assert sum(int(row["parameters"]) * int(row["times"]) for row in rows) == 25_557_032
    assert rows[0]["rf-start"] == "-3"
    grouped = list(csv.DictReader(io.StringIO(run("analyze", "resnet50", "--format", "csv", "--by", "operator").out)))
    assert sum(int(row["macs"]) for row in grouped) == 3_857_973_248


def test_no_cell_is_a_formula_to_a_spreadsheet():
    from archdsl.report.delimited import harmless

    for text in ("=1+1", "+1", "-x", "@a", "\t=1", "\r=1", "-1x-2"):
        assert harmless(text).startswith("'")
    assert [harmless(text) for text in ("-1", "1.5", "a=b", "")] == ["-1", "1.5", "a=b", ""]


def test_markdown_escapes(run: Run):
    found = run("analyze", "lenet5", "--format", "markdown").out
    lines = found.rstrip("\n").split("\n")
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert lines[-1].startswith("| **total** |")


def test_shapes_are_sorted_by_what_they_hold(run: Run):
    found = json.loads(run("analyze", "googlenet", "--sort", "output", "--json").out)["layers"]
    sizes = [math.prod(layer["output"]) for layer in found]
    assert sizes == sorted(sizes, reverse=True)


def test_groups_add_up(run: Run):
    """What joins paths is no layer, so it makes a group of its own."""
    for by in ("operator", "module", "stage"):
        found = json.loads(run("analyze", "transformer", "--by", by, "--at", "T=7,S=9", "--json").out)
        assert sum(group["columns"]["macs"] for group in found["groups"]) == found["totals"]["macs"]


def test_sizes_given(run: Run):
    found = json.loads(run("analyze", "gpt2", "--at", "T=1024", "--json").out)
    assert found["totals"]["macs"] == 18432 * 1024**2 + 123_532_032 * 1024
    assert found["inputs"]["input"]["shape"] == [1024]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gpt2", "--at", "X=3"), "no input has a size called `X`"),
        (("gpt2", "--at", "T=0"), "is not NAME=NUMBER"),
        (("gpt2", "--at", "T=1,T=2"), "`T` is given twice"),
        (("gpt2", "--at", "T=2000"), "A0415"),
        (("lenet5", "--columns", "maks"), "did you mean `macs`?"),
        (("lenet5", "--sort", "macs,rf"), "`--sort` takes one column"),
        (("gpt2", "--sort", "macs"), "--at T=1024"),
        (("lenet5", "--sort", "macs", "--depth", "2"), "`--depth` is of the tree"),
        (("lenet5", "--json", "--format", "csv"), "exclude each other"),
        (("lenet5", "--batch", "0"), "is not a number of examples"),
        (("lenet5", "--plot", "net.pdf"), "ends neither in .svg nor in .png"),
        (("gpt2", "--plot", "net.svg"), "--at T=1024"),
        (("lenet5", "--plot", "net.svg", "--sort", "macs"), "`--plot` and `--sort` exclude each other"),
        (("lenet5", "--force"), "`--force` is for `--plot`"),
    ],
)
def test_refusals(run: Run, arguments: tuple[str, ...], message: str):
    ran = run("analyze", *arguments)
    assert ran.code in (1, 2)
    assert message in ran.err
    assert "Traceback" not in ran.err


def plotted(run: Run, name: Path, *arguments: str) -> tuple[list[str], list[str]]:
    """The texts and the bars of a plot."""
    ran = run("analyze", *arguments, "--plot", str(name))
    assert (ran.code, ran.out, ran.err) == (0, "", f"wrote {name}\n")
    root = ET.fromstring(name.read_text())
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    return texts, [element.attrib["d"] for element in root.iter("{http://www.w3.org/2000/svg}path")]


def test_plot(run: Run, tmp_path: Path):
    texts, bars = plotted(run, tmp_path / "net.svg", "googlenet")
    assert texts[:2] == ["GoogLeNet", "input 3x224x224; 132 layers, left to right in the order they run"]
    panels = {"parameters", "multiply-adds", "activation memory (batch 1, float32)"}
    assert panels | {"receptive field (places along the longest axis)"} <= set(texts)
    assert {"7.00 M in all", "1.58 G in all", "grey: the whole input", "inception4a", "1.5 M", "0"} <= set(texts)
    assert len(bars) == 5  # four panels, and the receptive fields that are everything


def test_a_plot_has_what_trains_only_if_asked_for(run: Run, tmp_path: Path):
    assert "13.4 M in all" in plotted(run, tmp_path / "net.svg", "googlenet", "--training")[0]


def test_a_plot_of_sizes_given(run: Run, tmp_path: Path):
    assert "146 G in all" in plotted(run, tmp_path / "net.svg", "gpt2", "--at", "T=1024")[0]


def test_names_below_a_plot_do_not_overlap(run: Run, tmp_path: Path):
    name = tmp_path / "net.svg"
    for spec in ("resnet50", "lenet5", "alexnet", "m5"):
        plotted(run, name, spec)
        root = ET.fromstring(name.read_text())
        texts = [element.attrib | {"text": element.text} for element in root.iter("{http://www.w3.org/2000/svg}text")]
        below = [text for text in texts if text["fill"] == "#444444"]
        assert below
        for one, other in itertools.pairwise(below):
            slanted = "transform" in one
            room = 13 if slanted else 3 * (len(one["text"]) + len(other["text"]))
            assert float(other["x"]) - float(one["x"]) >= room - 0.1


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_plot_is_written_again_and_replaces_nothing_else(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
):
    if suffix == "png":
        pytest.importorskip("matplotlib")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ARCHDSL_NO_CACHE", raising=False)
    name = tmp_path / f"net.{suffix}"
    for _ in range(2):  # the cache keeps what is printed, and a plot is none
        assert run("analyze", "lenet5", "--plot", str(name)).code == 0
        assert name.exists()
        name.unlink()
    assert run("analyze", "lenet5", "--plot", str(name)).code == 0
    assert run("analyze", "m5", "--plot", str(name)).code == 0
    name.write_text("a drawing of mine")
    assert "was not written by archdsl" in run("analyze", "lenet5", "--plot", str(name)).err
    assert name.read_text() == "a drawing of mine"
    assert run("analyze", "lenet5", "--plot", str(name), "--force").code == 0


def test_png_needs_matplotlib(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("archdsl.cli.plot.find_spec", lambda name: None)
    ran = run("analyze", "lenet5", "--plot", str(tmp_path / "net.png"))
    assert ran.code == 2
    assert "pip install 'archdsl[plot]'" in ran.err


def test_png(run: Run, tmp_path: Path):
    pytest.importorskip("matplotlib")
    name = tmp_path / "net.png"
    assert run("analyze", "lenet5", "--plot", str(name)).code == 0
    assert name.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("width", ["60", "80", "140"])
def test_tables_fit(run: Run, width: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", width)
    found = run("analyze", "mobilenetv3", "--columns", ALL)
    assert max(map(len, found.out.split("\n"))) <= int(width)
    assert "no room for" in found.out
