"""What people do with an nn.Module, done with emitted ones: a small part of `benchmarks/everywhere.py`, and words that are hard to script."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

import archdsl
from benchmarks import everywhere


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


NETWORKS = {
    "lenet5": lambda: archdsl.load("lenet5"),
    "llama": lambda: archdsl.load("llama", **everywhere.NARROWER["llama"]),
    "vit": lambda: archdsl.load("vit", d=32, layers=1, hidden=64, h=4),
    "shifted windows": lambda: archdsl.loads(
        "input: 3x16x16\nlayers: |\n  conv 4x4, 16, stride 4, valid -> tokens\n"
        "  attention heads 2, window 2, shift 1, relative -> dropout 0.1 -> patches 2 -> linear 8"
    ),
}


@pytest.mark.parametrize("check", everywhere.CHECKS)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_work_everywhere(name: str, check: str) -> None:
    case = everywhere.Case(name, name, NETWORKS[name](), names="torchvision" if name == "vit" else None)
    assert not everywhere.checked(everywhere.CHECKS[check], case).startswith("FAILS")


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("patches 3x1", "2x6x4"),
        ("tokens -> patches 2", "3x6x4"),
        ("tokens -> image", "3x5x4"),
        ("tokens -> roll 1x2", "3x5x4"),
        ("pixelshuffle 1x3", "6x5x4"),
        ("crop 3x4", "2x6x5"),
        ("upsample 2", "3xHxW"),
        ("upsample 1x3", "3x5x4"),
        ("rmsnorm -> ln", "3x5x4"),
        ("maxpool 3x2, stride 2x1, same", "3x7x5"),
        ("avgpool 3x3, stride 2, same", "3x7x5"),
        ("subsample 2x3", "3x6x6"),
        ("droppath 0.5", "3x5x4"),
        ("dropout 0", "3x5x4"),
        ("attention heads 4, kv_heads 2, rope 10000, separate, causal", "Tx16"),
        ("attention heads 4, rope 10000", "Tx16"),
        ("tokens -> attention heads 2, window 2, shift 1, cosine", "8x4x6"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "level: [{}]"])
def test_words_are_scripted_and_exported(line: str, shape: str, form: str) -> None:
    level = form.format(line)
    case = everywhere.Case(line, "", archdsl.loads(f"input: {shape}\nlayers: |\n  {level}"))
    everywhere.scripted(case)
    everywhere.exported(case)


def test_a_wrong_output_fails() -> None:
    case = everywhere.Case("lenet5", "lenet5", archdsl.load("lenet5"))
    wanted = case.wanted(*case.inputs())
    with pytest.raises(everywhere.Differs):
        everywhere.same(tuple(o + 1 for o in wanted), wanted, 1e-4)
    assert everywhere.checked(lambda _: everywhere.same(wanted[0][:1], wanted), case).startswith("FAILS")


@pytest.mark.parametrize("name", [*everywhere.NARROWER, *everywhere.SMALLER])
def test_what_is_made_smaller_can_be(name: str) -> None:
    path = everywhere.ROOT / "specs" / f"{name}.yaml"
    if name in everywhere.NARROWER:
        parameters = (
            archdsl.analyze(archdsl.load(path, **everywhere.NARROWER[name])).totals.of(training=False).parameters
        )
        assert isinstance(parameters, int)
        assert parameters < everywhere.LARGEST
    else:
        case = next(everywhere.cases([name]))
        assert [str(shape) for shape in case.network.inputs.values()] == [everywhere.SMALLER[name][1]]


def test_files_that_differ_in_numbers_alone_are_told() -> None:
    sources = [archdsl.compile(archdsl.load(name)) for name in ("resnet50", "resnet152", "resnet18")]
    deep, deeper, shallow = map(everywhere.skeleton, sources)
    assert deep == deeper != shallow
