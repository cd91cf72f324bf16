"""What attention refuses, what it counts with symbols, and what of it the JSON form keeps."""

from __future__ import annotations

import pytest

import archdsl
from archdsl import Network
from archdsl.diagnostics import SpecError
from archdsl.ir.dims import evaluate


def load(layers: str, input: str) -> Network:
    body = "".join(f"  {line}\n" for line in layers.strip("\n").split("\n"))
    return archdsl.loads(f"input:{input}\nlayers: |\n{body}")


MAP = " 8x14x14"
LINES = " 8x12 map"
TEXT = " Tx8"
TWO = "\n  x: Tx8\n  keep: S below 2"


@pytest.mark.parametrize(
    ("line", "input", "code", "said", "at"),
    [
        ("tokens -> attention heads 3", MAP, "A0406", "3 heads do not divide the 8 features of 196x8", "3"),
        ("tokens -> attention heads 4, kv_heads 3", MAP, "A0406", "3 heads of keys do not divide the 4 heads", "3"),
        ("tokens -> attention window 5", MAP, "A0403", "windows of 5 do not divide the 14x14 map", "5"),
        ("tokens -> attention grid 7x4", MAP, "A0403", "grids of 4 do not divide the 14x14 map", "7x4"),
        ("tokens -> attention window 7x7x7", MAP, "A0402", "speaks of 3 axes, but the map 14x14 has 2", "7x7x7"),
        ("tokens -> attention window 7, shift 3x3x3", MAP, "A0402", "the shift 3x3x3 speaks of 3 axes", "3x3x3"),
        ("tokens -> attention window 7, shift 7", MAP, "A0305", "windows of 7 are shifted by less than that", "7"),
        ("tokens -> attention shift 3", MAP, "A0404", "`shift` moves windows, but there is no `window`", "3"),
        ("tokens -> attention grid 7, shift 3", MAP, "A0404", "`shift` moves windows", "3"),
        ("tokens -> attention window 7, grid 7", MAP, "A0404", "takes `window` or `grid`, not both", "7"),
        ("tokens -> attention relative, cosine", MAP, "A0404", "takes `relative` or `cosine`, not both", "relative"),
        ("tokens -> attention cosine, scale 2", MAP, "A0404", "takes `cosine` or `scale`, not both", "cosine"),
        ("tokens -> attention window 7, rope 100", MAP, "A0404", "takes `rope` or `window`, not both", "100"),
        ("tokens -> attention window 7, separate", MAP, "A0404", "takes `separate` or `window`", "separate"),
        ("attention window 7", TEXT, "A0404", "`window` speaks of a map, but Tx8 came from none", "7"),
        (
            "tokens -> prepend -> attention grid 7",
            MAP,
            "A0404",
            "`grid` speaks of a map, but 197x8 came from none",
            "7",
        ),
        ("attention relative", TEXT, "A0404", "`relative` needs a length that is known, Tx8 has a symbol", "relative"),
        ("attention heads 8, rope 100", TEXT, "A0404", "turn pairs of features, but a head has 1", "100"),
        ("attention dropout 1.5", TEXT, "A0305", "a probability is at most 1", "1.5"),
        ("attention window 0", LINES, "A0305", "`window` is at least 1", "0"),
        (
            "@x -> attention mask @keep",
            TWO,
            "A0410",
            "one value for each of the T places of the sequence",
            "mask @keep",
        ),
        ("@x -> attention mask @x", TWO, "A0410", "a mask has one value for each", "mask @x"),
        ("attention causal", MAP, "A0401", "attention takes a sequence", "attention"),
    ],
)
def test_refused(line: str, input: str, code: str, said: str, at: str) -> None:
    with pytest.raises(SpecError) as caught:
        archdsl.analyze(load(line, input))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert said in diagnostic.message
    span = diagnostic.span
    assert span is not None
    assert span.file.text.split("\n")[span.line - 1][span.column - 1 : span.end_column - 1] == at


PATHS = "\n  - identity\n  - linear 8\n  - linear 6"


@pytest.mark.parametrize(
    ("head", "code", "said"),
    [
        ("attend heads 4", "A0406", "4 heads do not divide the 6 features"),
        ("attend mask @keep", "A0410", "one value for each of the T places of the keys"),
        ("attend dropout 2", "A0305", "a probability is at most 1"),
    ],
)
def test_attend_refuses(head: str, code: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        archdsl.analyze(load(f"@x\n{head}:{PATHS}", TWO))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, said in diagnostic.message) == (code, True)


def test_windows_cost_their_own_size() -> None:
    """Swin's numbers, of its paper (2): 4 h w C^2 + 2 M^2 h w C, for maps of any size."""
    network = load("tokens -> attention heads 4, window 7, shift 3, relative", " 8x(7H)x(7W)")
    macs = archdsl.analyze(network).totals.of(training=False).macs
    for h, w in ((1, 1), (2, 5)):
        places = 49 * h * w
        assert evaluate(macs, {"H": h, "W": w}) == 4 * places * 8**2 + 2 * 49 * places * 8


def test_whole_attention_is_quadratic_in_a_symbol() -> None:
    """The paper's (1): 4 h w C^2 + 2 (h w)^2 C; grouped keys and values save projections alone."""
    macs = [
        archdsl.analyze(load(f"attention heads 4{more}", TEXT)).totals.of(training=False).macs
        for more in ("", ", kv_heads 1", ", causal", ", rope 100")
    ]
    assert [evaluate(m, {"T": 10}) for m in macs] == [
        4 * 10 * 64 + 2 * 100 * 8,
        10 * 8 * (2 * 8 + 2 * 2) + 2 * 100 * 8,
        4 * 10 * 64 + 2 * 100 * 8,
        4 * 10 * 64 + 2 * 100 * 8,
    ]


def test_a_joining_mask_survives_the_json_form() -> None:
    network = load(f"@x\nattend heads 2, mask @keep, scale 1/3:{PATHS}", TWO.replace("S", "T"))
    again = archdsl.from_json(network.to_json())
    assert again.to_json() == network.to_json()
    assert archdsl.compile(again) == archdsl.compile(network)
    assert "mask=keep, scale=1 / 3" in archdsl.compile(network)


def test_a_shared_class_takes_what_differs_as_arguments() -> None:
    """Sizes, windows and a scale that no formula over whole numbers may print as `//`."""
    layers = """
module block w, s on TxD: |
  residual: attention heads 2, window w, shift s, relative, scale 1/w
"""
    text = f"input: 8x12x24\n{layers.strip()}\nlayers: |\n  tokens\n  block 4, 1\n  block 6, 3\n"
    source = archdsl.compile(archdsl.loads(text))
    assert "scale=1 / window" in source
    assert "self.block2 = Block(6, 3)" in source


def test_a_function_whose_arguments_differ_is_a_module() -> None:
    """What `forward` cannot know is given when the module is made."""
    text = "input: 8x16x16\nmodule merge on TxD:\n  patches 2 -> linear 8\nlayers:\n  tokens\n  merge\n  merge\n"
    assert "self.patches1 = GridPatches(2, " in archdsl.compile(archdsl.loads(text))
