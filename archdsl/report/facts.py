"""Facts as people read them: how many hold, and a diagnostic for each that does not."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis import FactResult
from ..diagnostics import Diagnostic
from .numbers import plural


def claim_text(fact: FactResult) -> str:
    """The claim as the spec writes it: `156 params`, `6x28x28`, `~3.8G multiply-adds`."""
    claim = fact.claim
    if claim.expected is not None:
        return claim.text
    return f"{claim.text} {claim.quantity}" + (" when training" if claim.training else "")


def fact_diagnostic(fact: FactResult, choice: str = "") -> Diagnostic:
    """What to say of a fact that does not hold; `choice` tells the parameters where they are not the file's own."""
    where = f", with {choice}" if choice else ""
    message = f"claimed {claim_text(fact)}, computed {fact.shown}{where}"
    return Diagnostic("A0702", message, fact.claim.span, help=_help(fact))


def _help(fact: FactResult) -> str | None:
    """A number alone claims a vector; beside another shape it lacks its unit."""
    expected = fact.claim.expected
    if expected is None or len(expected) != 1 or "x" not in fact.shown:
        return fact.arithmetic
    return f"a number alone claims a vector; a count has its unit behind it: `{fact.claim.text} params`"


def facts_line(facts: Sequence[FactResult]) -> str:
    """`22 facts hold`, `21 of 22 facts hold`, or that there are none."""
    held = sum(1 for fact in facts if fact.holds)
    if not facts:
        return "no facts are claimed"
    if held < len(facts):
        return f"{held} of {plural(len(facts), 'fact')} hold"
    return f"{plural(held, 'fact')} hold{'s' * (held == 1)}"
