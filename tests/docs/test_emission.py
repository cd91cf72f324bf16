"""docs/emission.md: the source it shows is what `archdsl compile` writes, and its line counts are measured."""

from __future__ import annotations

import inspect
import re
import textwrap
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import archdsl
from tests.parity.torchvision_models import models as tv  # before torchvision itself

densenet, googlenet, mobilenetv3, resnet, vgg = (
    import_module(f"torchvision.models.{name}") for name in ("densenet", "googlenet", "mobilenetv3", "resnet", "vgg")
)
misc = import_module("torchvision.ops.misc")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "emission.md"
SHOWN: dict[str, tuple[str, tuple[Any, ...]]] = {
    "ResNet-50": (
        "resnet50",
        (resnet.conv3x3, resnet.conv1x1, resnet.Bottleneck, resnet.ResNet),
    ),
    "VGG-16": ("vgg", (vgg.VGG, vgg.make_layers)),
    "GoogLeNet": (
        "googlenet_torchvision",
        (googlenet.GoogLeNet, googlenet.Inception, googlenet.InceptionAux, googlenet.BasicConv2d),
    ),
    "DenseNet-121": (
        "densenet",
        (densenet._DenseLayer, densenet._DenseBlock, densenet._Transition, densenet.DenseNet),
    ),
    "MobileNetV3 large": (
        "mobilenetv3",
        (
            misc.SqueezeExcitation,
            mobilenetv3.InvertedResidualConfig,
            mobilenetv3.InvertedResidual,
            mobilenetv3.MobileNetV3,
            misc.ConvNormActivation,
            misc.Conv2dNormActivation,
            mobilenetv3._mobilenet_v3_conf,
        ),
    ),
}
"""What the page shows: the spec, and torchvision's own definitions of the same network."""


def source(name: str) -> str:
    spec, _ = SHOWN[name]
    return archdsl.compile(archdsl.load(ROOT / "specs" / f"{spec}.yaml"))


def code_lines(definition: Any) -> int:
    """The lines of a definition as `inspect` gives them."""
    text = inspect.getsource(definition)
    return len(text.splitlines())


def table() -> str:
    rows = [
        "| network | lines of the emitted file | lines of torchvision's own definitions | which are |",
        "|---|---|---|---|",
    ]
    for name, (_, theirs) in SHOWN.items():
        named = ", ".join(f"`{d.__name__}`" for d in theirs)
        lines = len(source(name).splitlines())
        rows.append(f"| {name} | {lines} | {sum(map(code_lines, theirs))} | {named} |")
    return "\n".join(rows) + "\n"


def level(text: str) -> str:
    """The classes of the page's small example."""
    spec = re.search(r"```arch\n(.*?)```", text, re.DOTALL)
    assert spec is not None
    made = archdsl.compile(archdsl.loads(spec[1]))
    return made[made.index("class ") :]


def rewritten(text: str) -> str:
    """The page with its table and its code made anew."""
    text = re.sub(r"\| network \|.*?\n(?=\n)", lambda _: table(), text, count=1, flags=re.DOTALL)
    parts = re.split(r"(?m)^(?=## )", text)
    for at, part in enumerate(parts):
        name = part.partition("\n")[0].removeprefix("## ").strip()
        if name in SHOWN:
            block = f"```python\n{source(name)}```\n"
            parts[at] = re.sub(r"```python\n.*?```\n", lambda _, b=block: b, part, count=1, flags=re.DOTALL)
    theirs = textwrap.dedent(inspect.getsource(resnet.Bottleneck.forward))
    made = "".join(parts)
    for title, block in (("torchvision", theirs), ("level", level(made))):
        form = rf"(?<=```python title={title}\n).*?(?=```\n)"
        made = re.sub(form, lambda _, b=block: b, made, count=1, flags=re.DOTALL)
    return made


def test_the_page(update_golden: bool) -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = rewritten(text)
    if update_golden:
        PAGE.write_text(found, encoding="utf-8", newline="\n")
    else:
        assert found == text
    for name in SHOWN:
        assert f"| {name} |" in found


@pytest.mark.parametrize("name", ["ResNet-50", "VGG-16", "DenseNet-121"])
def test_what_is_shown_is_shorter(name: str) -> None:
    assert len(source(name).splitlines()) < sum(map(code_lines, SHOWN[name][1]))


def test_the_shown_networks_are_torchvisions() -> None:
    """Their counts of parameters agree, so that the lines compared are those of one network."""
    for name, made in (("ResNet-50", tv.resnet50), ("VGG-16", tv.vgg16), ("DenseNet-121", tv.densenet121)):
        theirs = sum(p.numel() for p in made().parameters())
        assert f": {theirs:,} parameters" in source(name)
