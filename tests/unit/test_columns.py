"""The columns of an analysis, by hand where a hand can count, and against fvcore and thop in tests/parity."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.analysis.columns import COLUMNS, Assumptions, Details
from archdsl.ir.dims import Poly, evaluate, show
from archdsl.ir.operator import operators
from archdsl.report.listing import tree
from archdsl.report.table import details_table

KB = 4 * 256  # bytes of one map of 16x16 places


def details(text: str, **given: object) -> Details:
    return Details(archdsl.analyze(archdsl.loads(text)), Assumptions(**given))  # type: ignore[arg-type]


RESIDUAL = """
input: 1x16x16
layers: |
  a: conv 3x3, 2
  residual:
    b: conv 3x3, 4
    c: conv 3x3, 2
  r: relu
"""


def test_live_memory_of_a_residual():
    """The block's input of two maps waits while its inside runs and is freed after the sum."""
    found = details(RESIDUAL)
    # a: 1 in, 2 out. b: 2 in, 4 out. c: 2 wait, 4 in, 2 out = 8. sum: 2 + 2 -> 2 = 6. r: 2 -> 2.
    assert found.cells("live") == [3 * KB, 6 * KB, 8 * KB, 4 * KB]
    assert found.peak == (8 * KB, "c")
    # a 2, b 4, c 2, the sum 2, r 2, and the input
    assert found.kept == 13 * KB
    assert found.total("memory") == 12 * KB
    assert found.cells("memory") == [2 * KB, 4 * KB, 2 * KB, 2 * KB]


CONCAT = """
input: 1x16x16
layers: |
  concat:
    - a: conv 1x1, 2
    - b: conv 1x1, 3
    - identity
  flatten
  d: dropout
  out: linear 64
"""


def test_live_memory_of_a_concat():
    """Paths wait for the last; `flatten` is a view, `dropout` is nothing outside training."""
    found = details(CONCAT)
    # a: 1 -> 2 = 3. b: 1 in, 2 wait, 3 out = 6. concat: 1 + 2 + 3 -> 6 = 12. flatten, d: 6. out: 6 + 64 numbers.
    assert found.cells("live") == [3 * KB, 6 * KB, 6 * KB, 6 * KB, 6 * KB + 256]
    assert found.peak[0] == 12 * KB
    # in training: input 1, a 2, b 3, concat 6, dropout 6
    assert found.kept == 18 * KB + 256


def test_live_memory_of_repeats():
    """From the second iteration on, what the first was given still waits if it is needed afterwards."""
    text = "input: 2x16x16\nlayers: |\n  a: conv 1x1, 2\n  residual:\n    [conv 3x3, 2 -> relu] x 5\n"
    folded = details(text)
    assert folded.peak[0] == 6 * KB
    written_out = Details(folded.analysis, fold=False)
    # the first iteration begins with what waits; in later ones an iteration's own input is beside it
    assert written_out.cells("live") == [4 * KB, *[4 * KB, 6 * KB], *[6 * KB, 6 * KB] * 4]
    assert folded.cells("live") == [4 * KB, 6 * KB, 6 * KB]


def test_modules_may_free_what_nobody_needs():
    text = (
        "input: 4x16x16\nmodule box w: |\n  conv 1x1, w\n  relu\n"
        "layers: |\n  a: box 8\n  b: box 2\n  residual:\n    c: box 2\n"
    )
    made = details(text)
    found = dict(zip((place.name for place in made.places), made.cells("live"), strict=True))
    assert found["a"] == found["a.relu1"] == 16 * KB
    assert found["b"] == found["b.conv1"] == 10 * KB
    assert found["c.relu1"] == 6 * KB


@pytest.mark.parametrize("spec", ["resnet50", "googlenet", "unet", "vit", "mobilenetv3", "densenet"])
def test_live_memory_lies_between_its_bounds(spec: str):
    """At least what any layer reads and makes, at most everything; the same folded and written out."""
    analysis = archdsl.analyze(archdsl.load(spec))
    found = Details(analysis)
    peak, _ = found.peak
    assert isinstance(peak, int)
    widest = max(
        4 * (row.output.count + row.input.count)
        for row, place in zip(found.rows, found.places, strict=True)
        if place.operator is not None and not place.operator.view and not place.operator.training_only
    )
    assert widest <= peak <= found.kept
    assert Details(analysis, fold=False).peak[0] == peak


def test_memory_of_arrays():
    found = details("input: 3x8x8\nlayers: |\n  conv 3x3, 4\n  bn\n", dtype="bfloat16", optimizer="adam", batch=32)
    assert found.total("parameters") == 3 * 9 * 4 + 4 + 8
    assert found.total("weights") == 2 * (120 + 8) + 8  # running statistics, and one count of batches in 64 bits
    assert (found.total("gradients"), found.total("optimizer")) == (240, 480)
    assert details("input: 2\nlayers: linear 3", optimizer="momentum").total("optimizer") == 36
    assert details("input: 2\nlayers: linear 3", optimizer="sgd").total("optimizer") == 0
    assert found.total("memory") == 32 * 2 * 2 * 4 * 64


def test_intensity():
    """A matrix product of 64 by 128: bytes of input, output and arrays once, twice the multiply-adds."""
    assert details("input: 64\nlayers: linear 128, no bias").total("intensity") == pytest.approx(
        2 * 64 * 128 / (4 * (64 + 128 + 64 * 128))
    )
    many = details("input: 64\nlayers: linear 128, no bias", batch=1000).total("intensity")
    assert many == pytest.approx(2000 * 64 * 128 / (4 * (1000 * 192 + 64 * 128)))


def test_work_beside_products():
    found = details(
        "input: 3x8x8\nlayers: |\n  conv 3x3, 4\n  bn\n  relu\n  maxpool 2\n  residual: conv 1x1, 4, no bias\n"
    )
    totals = {n: found.total(n) for n in ("biases", "normalisation", "activation", "pooling", "elementwise")}
    assert totals == {"biases": 256, "normalisation": 256, "activation": 256, "pooling": 256, "elementwise": 64}


@pytest.mark.parametrize(
    ("spec", "parameters", "depth"),
    [
        ("vgg", {"config": "E"}, 19),
        ("resnet", {"depth": 18}, 18),
        ("resnet", {"depth": 152}, 152),
        ("googlenet", {}, 22),
        ("densenet", {"depth": 169}, 169),
        ("mobilenetv2", {}, 53),
        ("gpt2", {}, 49),
        ("resnet_cifar", {}, 20),
    ],
)
def test_depth(spec: str, parameters: dict[str, str | int], depth: int):
    assert Details(archdsl.analyze(archdsl.load(spec, **parameters))).total("depth") == depth


def test_iterations_are_squared_not_walked():
    found = details("input: 1x8x8\nlayers: |\n  [conv 3x3, 1] x 1000000\n")
    assert found.cells("rf") == [(2_000_001, 2_000_001)]
    assert found.total("depth") == 1_000_000
    assert found.cells("rf-start") == [(-1_000_000, -1_000_000)]
    assert found.peak[0] == 512


def test_iterations_that_read_from_outside():
    """What is read from outside reaches every iteration, beside what flows through."""
    text = "input: 2x32x32\nlayers: |\n  a: conv 5x5, 2\n  for i in 1..3:\n    add:\n      - conv 3x3, 2\n      - @a\n"
    analysis = archdsl.analyze(archdsl.loads(text))
    assert Details(analysis).cells("rf") == [(5, 5), (7, 7), (11, 11)]  # the first reads one value twice
    assert Details(analysis, fold=False).cells("rf") == [(5, 5), (7, 7), (9, 9), (11, 11)]
    assert Details(analysis).cells("depth") == [1, 2, 4]


@pytest.mark.parametrize("spec", ["resnet50", "googlenet", "densenet", "unet", "transformer", "gpt2", "mobilenetv3"])
@pytest.mark.parametrize("name", ["rf", "rf-stride", "depth", "live", "fvcore"])
def test_folded_and_written_out_agree(spec: str, name: str):
    """A folded row speaks of the last of equal iterations, or of one of them."""
    analysis = archdsl.analyze(archdsl.load(spec))
    folded, out = Details(analysis), Details(analysis, fold=False)
    assert folded.total(name) == out.total(name)
    assert folded.cells(name)[-1] == out.cells(name)[-1]
    assert len(out.cells(name)) == len(out.rows)


def test_formulas():
    """Columns of a network with symbols are formulas; what cannot be compared says nothing."""
    found = details("input: 3xHxW\nlayers: |\n  conv 3x3, 8\n  relu\n  maxpool 2\n")
    assert show(found.total("macs")) == "216H*W"  # type: ignore[arg-type]
    assert show(found.total("live")) == "64H*W"  # type: ignore[arg-type]
    assert found.total("rf") == (4, 4)
    assert found.total("intensity") is None
    apart = details("input: 3xHxW\nlayers: |\n  conv 3x3, 8\n  upconv 4x4, 2, stride 4\n  conv 3x3, 64, stride 9\n")
    assert apart.total("live") is None or "H" in show(apart.total("live"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_every_column_of_every_bundled_kind(name: str):
    for spec in ("lenet5", "transformer", "unet"):
        found = Details(archdsl.analyze(archdsl.load(spec)))
        assert len(found.cells(name)) == len(found.rows)
        found.total(name)


def test_an_operator_unknown_to_the_rules_is_undefined():
    """No operator may claim a window by accident: either it says what it sees, or that it is by places."""
    from archdsl.ir.operator import Operator

    silent = [w for w, cls in operators().items() if not cls.placewise and cls.reach is Operator.reach]
    assert set(silent) <= {"take"}, f"say in its class what {silent} see: `placewise`, or `reach`"


@pytest.mark.parametrize(("name", "sizes"), [("transformer", ("S", "T")), ("gpt2", ("T",)), ("lstm_lm", ("T",))])
def test_live_memory_as_a_formula(name: str, sizes: tuple[str, ...]):
    """The largest of formulas, put together as `max(...)`, is what numbers give, whichever size is the larger."""
    formulas = Details(archdsl.analyze(archdsl.load(name)))
    assert formulas.peak[0] is not None
    for values in ((3, 700), (700, 3), (50, 50)):
        at = dict(zip(sizes, values, strict=False))
        numbers = Details(archdsl.analyze(archdsl.load(name, at=at)))
        assert evaluate(formulas.peak[0], at) == numbers.peak[0]
        for cell, number in zip(formulas.cells("live"), numbers.cells("live"), strict=True):
            assert isinstance(cell, int | Poly)
            assert evaluate(cell, at) == number


def test_live_memory_that_depends_on_too_many_formulas_is_said_to():
    found = Details(archdsl.analyze(archdsl.load("vgg_dense")))
    assert found.peak == (None, "")
    table = details_table(found, ("live",), tree(found, ("live",), None), 100)
    assert "live: `-` where it depends on the sizes" in table
    assert Details(archdsl.analyze(archdsl.load("vgg_dense", at={"H": 300, "W": 224}))).peak[0] == 512 * 300 * 224
