"""What of archdsl's layer words random networks contain: a word or argument that none can have is missing here."""

from __future__ import annotations

import archdsl.ops  # noqa: F401 - registers the operators
from archdsl.ir.operator import operators

from .words import WORDS


def missing() -> list[str]:
    """Words of archdsl, and arguments of them, that no random network has."""
    found: list[str] = []
    for word, made in operators().items():
        if word not in WORDS:
            found.append(word)
            continue
        known = set(WORDS[word].covers)
        found += [f"{word} {a.name}" for a in made.arguments() if a.name not in known]
    return found


def unknown() -> list[str]:
    """Words and arguments here that archdsl does not have."""
    known = operators()
    found = [word for word in WORDS if word not in known]
    for word in WORDS.keys() & known.keys():
        names = {a.name for a in known[word].arguments()}
        found += [f"{word} {name}" for name in WORDS[word].covers if name not in names]
    return found
