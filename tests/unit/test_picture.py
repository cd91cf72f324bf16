"""Pictures of the structure: well-formed, nothing outside the page, as long as the spec, and harmless."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import archdsl
from archdsl.api import Project
from archdsl.report.drawing import WIRE, card, fan, frame, skip, stack
from archdsl.report.picture import picture

SPECS = sorted(path.stem for path in (Path(__file__).parents[2] / "specs").glob("*.yaml"))


def drawn(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def texts(root: ElementTree.Element) -> list[str]:
    return [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", SPECS)
def test_every_spec_has_a_picture_within_its_page(name: str) -> None:
    for choice in Project(name).variants():
        network = archdsl.load(name, **choice)
        text = picture(network)
        assert text == picture(archdsl.load(name, **choice))
        root = drawn(text)
        width, height = float(root.get("width", 0)), float(root.get("height", 0))
        for element in root.iter():
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", element.get("d", "")):
                assert 0 <= float(x) <= width
                assert 0 <= float(y) <= height
            if element.get("x"):
                assert 0 <= float(element.get("x", "")) <= width
                assert 0 <= float(element.get("y", "")) <= height
                assert float(element.get("x", "")) + float(element.get("width", 0)) <= width
        written = "\n".join(texts(root))
        words = {place.word for place in network.walk(fold=True) if place.module is not None}
        for word in words:
            assert word in written, word
        assert str(network.root.result) in written
        assert all(str(shape) in written for shape in network.inputs.values())
        assert "@..." not in written


def test_a_picture_is_as_long_as_the_spec() -> None:
    small, large = (picture(archdsl.load("resnet", depth=depth)) for depth in (50, 152))
    assert small.count("<") == large.count("<")
    assert "x 36" not in small
    assert ">x 35<" in large  # and the first of layer3, which has a projection


def test_a_way_around_and_paths_beside_each_other() -> None:
    inner = card(["conv"], "convolution")
    around = skip(inner, None)
    assert around.right > inner.right
    side = fan([inner, WIRE, inner], card(["concat"], "joining"))
    assert side.left + side.right > 2 * (inner.left + inner.right)
    assert stack([around, side]).height > around.height + side.height
    boxed = frame(inner, "layer1", "x 36")
    assert [m.text for m in boxed.marks if m.kind == "text"] == ["conv", "layer1", "x 36"]


def test_values_from_elsewhere_are_named() -> None:
    written = texts(drawn(picture(archdsl.load("unet"))))
    assert "@down4" in written
    assert "x 4, first shown" in written
    assert "@head.classification_head" in texts(drawn(picture(archdsl.load("retinanet"))))
    assert "@memory" in texts(drawn(picture(archdsl.load("transformer"))))


def test_texts_cannot_escape() -> None:
    hostile = 'network: "</title><script>alert(1)</script>\\u202e"\ninput: 3x8x8\nlayers: |\n  "a<b>&\'": conv 1x1, 4\n'
    text = picture(archdsl.loads(hostile))
    drawn(text)
    assert "<script" not in text
    assert "\u202e" not in text


def test_the_command_writes_whole_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from archdsl.cli import main

    target = tmp_path / "net.svg"
    assert main(["draw", "lenet5", "-o", str(target)]) == 0
    drawn(target.read_text(encoding="utf-8"))
    assert main(["draw", "lenet5", "-o", str(target)]) == 0  # its own file may be replaced
    target.write_text("mine", encoding="utf-8")
    assert main(["draw", "lenet5", "-o", str(target)]) == 2
    assert target.read_text(encoding="utf-8") == "mine"
    capsys.readouterr()
    assert main(["draw", "lenet5"]) == 0
    drawn(capsys.readouterr().out)


def test_an_output_of_a_value_inside_a_module_shows_where_it_begins() -> None:
    """It has a source of its own, and no branch leads from the line into it."""
    text = (
        "input: 3x8x8\nmodule cell:\n  in: conv 3x3, 4 -> relu -> conv 3x3, 4\nlayers:\n  c: cell\n  conv 1x1, 2\n"
        "  output aux:\n    {}conv 1x1, 5 -> relu\n"
    ).replace("  in:", "  first:")
    elsewhere = picture(archdsl.loads(text.format("@c.first -> ")))
    assert ">@c.first</text>" in elsewhere
    assert 'class="skip' not in elsewhere
    assert 'class="skip' in picture(archdsl.loads(text.format("")))
