"""What PyTorch source cannot say yet is a mistake with a place and a way out, never a traceback."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.diagnostics import SpecError

SPECS = {
    "a window on a symbolic map": ("96xHxW", "tokens -> attention heads 3, window 7", "the size H is symbolic"),
    "windows by angle": ("96xHxW", "tokens -> attention heads 3, window 7, cosine", "symbolic"),
    "a grid": ("96xHxW", "tokens -> attention heads 3, grid 7", "symbolic"),
    "a linear layer of a symbolic width": ("TxD", "linear 4", "the size D is symbolic"),
    "in a sequence": ("TxD", "head: [linear 4 -> relu]", "the size D is symbolic"),
    "in a module": ("CxHxW", "unit", "the size C is symbolic"),
    "a flattened map": ("3xHxW", "flatten -> linear 10", "is symbolic"),
    "a map of two symbols made again": ("8xHxW", "tokens -> image", "more than one of them symbolic"),
}


@pytest.mark.parametrize("case", SPECS)
def test_it_has_a_place(case: str) -> None:
    shape, lines, message = SPECS[case]
    text = f"input: {shape}\nmodule unit: conv 3x3, 4\nlayers:\n  {lines}\n"
    net = archdsl.loads(text)
    with pytest.raises(SpecError) as caught:
        archdsl.compile(net)
    (found,) = caught.value.diagnostics
    assert found.code == "A1001"
    assert message in found.message
    assert found.span is not None
    if "is symbolic, but" in found.message:
        assert found.help is not None
        assert "`input` with a number" in found.help
