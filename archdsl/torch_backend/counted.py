"""Equal members of a container called by one word and ascending numbers, as another library's names may have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import pycode as py

if TYPE_CHECKING:
    from .sequence import Member

MIN_ALIKE = 4
COUNTER = "member__turn"
"""The mark of the loop's variable, until the class gives it a name that no argument has."""


def alike(members: Sequence[Member], at: int) -> Sequence[Member]:
    """The run of equal members that one stands in, `layer_3` beside `layer_4`; none where it is too short to loop."""
    word = (members[at].name or "").rstrip("0123456789")
    if not word or word == members[at].name or members[at].code is None:
        return ()

    def follows(before: Member, after: Member) -> bool:
        same = (before.code, before.inner, before.count) == (after.code, after.inner, after.count)
        number = (before.name or "").removeprefix(word)
        counts = number.isdecimal() and before.name == f"{word}{int(number)}"
        return same and counts and after.name == f"{word}{int(number) + 1}"

    start = stop = at
    while start > 0 and follows(members[start - 1], members[start]):
        start -= 1
    while stop + 1 < len(members) and follows(members[stop], members[stop + 1]):
        stop += 1
    return members[start : stop + 1] if stop - start + 1 >= MIN_ALIKE else ()


def looped(container: py.Expr, members: Sequence[Member]) -> list[py.Stmt]:
    """Equal members made in a loop."""
    name, code = members[0].name or "", members[0].code
    word, turn = name.rstrip("0123456789"), py.Name(COUNTER)
    first = int(name.removeprefix(word))
    assert code is not None
    label = py.FString((word, turn if first == 0 else py.Bin("+", turn, py.Lit(first))))
    add = py.ExprStmt(py.Call(py.Attr(container, "add_module"), (label, code)))
    return [py.For(turn, py.Call(py.Name("range"), (py.Lit(len(members)),)), (add,))]


__all__ = ["COUNTER", "alike", "looped"]
