"""With which characters a match of a pattern can begin, so that the lexer tries only what can succeed."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

codes: Any = import_module("re._constants")  # as re itself reads patterns; the library's own types do not tell of it
parsing: Any = import_module("re._parser")

ALPHABET = "".join(map(chr, range(129)))
"""Every ASCII character, and one that stands for all others."""
OTHER = ALPHABET[-1]


def first_characters(pattern: str) -> str:
    """The characters of the alphabet with which a match can begin; never too few, perhaps too many.

    >>> first_characters(r"(conv|add)\\b"), first_characters(r"-?[0-3]")
    ('ac', '-0123')
    """
    found, _ = _sequence(parsing.parse(pattern))
    return "".join(sorted(found))


def _sequence(parts: Any) -> tuple[set[str], bool]:
    """What a sequence may begin with, and whether it may be empty."""
    found: set[str] = set()
    for code, argument in parts:
        first, empty = _part(code, argument)
        found |= first
        if not empty:
            return found, False
    return found, True


def _part(code: Any, argument: Any) -> tuple[set[str], bool]:
    if code in (codes.ASSERT, codes.ASSERT_NOT, codes.AT):  # no text of its own
        return set(), True
    if code is codes.SUBPATTERN:
        first, empty = _sequence(argument[-1])
        return (set(ALPHABET) if argument[1] else first), empty  # flags of its own: it may ignore case
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        least, _, inner = argument
        first, empty = _sequence(inner)
        return first, empty or least == 0
    if code is codes.BRANCH:
        found = [_sequence(branch) for branch in argument[1]]
        return {c for first, _ in found for c in first}, any(empty for _, empty in found)
    if code is codes.LITERAL:
        return {chr(argument) if argument < 128 else OTHER}, False
    if code is codes.IN:
        return _set(argument), False
    return set(ALPHABET), code not in (codes.NOT_LITERAL, codes.ANY)


def _set(members: Any) -> set[str]:
    if members[0][0] is codes.NEGATE:
        return set(ALPHABET)
    found: set[str] = set()
    for code, argument in members:
        if code is codes.LITERAL:
            found.add(chr(argument) if argument < 128 else OTHER)
        elif code is codes.RANGE:
            low, high = argument
            found |= {c for c in ALPHABET if low <= ord(c) <= high} | ({OTHER} if high >= 128 else set())
        else:
            word = str(argument)
            pattern = {"CATEGORY_WORD": r"\w", "CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s"}.get(word, "(?s:.)")
            found |= {c for c in ALPHABET if re.match(pattern, c)} | {OTHER}
    return found
