"""Facts -> claims: what is expected, to the precision it was written with."""

from __future__ import annotations

import re
from fractions import Fraction

from ..diagnostics import Edit, Span, fail
from ..expr import Expr
from ..ir.dims import Dim
from ..ir.evaluate import Env, evaluate_dim
from ..ir.graph import Claim
from ..syntax import tree as t

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10}
TOLERANCE = Fraction(5, 100)


def claims_of(facts: t.Facts, env: Env) -> tuple[Claim, ...]:
    """The claims of a line's facts."""
    found: list[Claim] = []
    for number, fact in enumerate(facts):
        _check_grouping(facts[number - 1] if number else None, fact)
        if isinstance(fact, t.ShapeFact):
            found.append(shape_claim(fact.dims, env, fact.span))
        else:
            found.append(count_claim(fact.unit, fact.claim, fact.training, fact.span))
    return tuple(found)


def _check_grouping(before: t.Fact | None, fact: t.Fact) -> None:
    """Refuse `1,516 params`, which reads as two facts."""
    if not isinstance(before, t.ShapeFact) or not isinstance(fact, t.CountFact):
        return
    start, end = before.span, fact.span
    touching = start.line == end.line and start.end_column + 1 == end.column
    text = start.file.lines[start.line - 1][start.column - 1 : start.end_column - 1]
    if touching and text.isdecimal() and re.match(r"\d{3}(?!\d)", fact.claim):
        help = f"write `{text}{fact.claim} {fact.unit}` or `{text}_{fact.claim} {fact.unit}`"
        comma = Span(start.file, start.line, start.end_column, start.line, start.end_column + 1)
        problem = "digits are not grouped by a comma, which separates facts"
        fail("A0701", problem, start.to(end), help, fixes=[Edit(comma, "")])


def shape_claim(dims: tuple[Expr, ...], env: Env, span: Span) -> Claim:
    """`=> 6x28x28`."""
    text = span.file.lines[span.line - 1][span.column - 1 : span.end_column - 1]
    expected: tuple[Dim, ...] = tuple(evaluate_dim(d, env) for d in dims)
    return Claim("shape", text, expected=expected, span=span)


def count_claim(unit: str, text: str, training: bool, span: Span) -> Claim:
    """A whole number is exact, `25.6M` right to its printed digits, `~3.8G` within 5 %."""
    match = re.fullmatch(r"(~?)(\d[\d_]*)(?:\.(\d+))?(Ki|[KMGT])?", text)
    if match is None:
        fail("A0701", f"`{text}` is no quantity", span, "write `156`, `25.6M`, `~3.8G`")
    about, whole, decimals, suffix = match.groups()
    scale = _UNITS[suffix or ""]
    value = Fraction(f"{whole.replace('_', '')}.{decimals or '0'}") * scale
    if about:
        margin = value * TOLERANCE
    elif decimals is None and suffix is None:
        margin = Fraction(0)
    else:
        margin = Fraction(scale, 2 * 10 ** len(decimals or ""))
    low, high = value - margin, value + margin
    return Claim(unit, text, low=-((-low).__floor__()), high=high.__floor__(), training=training, span=span)
