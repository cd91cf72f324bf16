"""`archdsl explain`."""

from __future__ import annotations

import shutil

from .. import documentation
from ..diagnostics import did_you_mean
from ..explanations import explanations
from ..ir.operator import find_operator, operators
from ..ops import PLANNED, SYNONYMS, synonym_of
from .files import CommandError, guarded
from .parser import Options


def run(options: Options) -> int:
    """Print what a word or code means; 2 for one that is not known."""
    width = min(max(shutil.get_terminal_size((88, 24)).columns, 60), 88)
    return guarded(lambda: _print(explanation(options.word, width)))


def _print(text: str) -> int:
    print(text)
    return 0


def explanation(word: str | None, width: int = 88) -> str:
    """What to say of a word; raises CommandError for one that means nothing here."""
    if not word:
        return documentation.overview(width)
    entry = explanations().get(word.upper())
    if entry is not None:
        return documentation.plain_explanation(entry, width)
    cls = find_operator(word) or find_operator(word.lower())
    if cls is not None:
        return documentation.plain(documentation.operator_doc(cls), width)
    if word in PLANNED:
        return f"{word}: a word of the language that is not built yet in this version"
    synonym = synonym_of(word) or ""
    meant = find_operator(synonym.partition(" ")[0])
    if meant is not None:
        return f"`{word}` is called `{synonym}` here\n\n{documentation.plain(documentation.operator_doc(meant), width)}"
    if synonym in PLANNED:
        return f"`{word}` is called `{synonym}` here, and that word is not built yet in this version"
    known = [*operators(), *PLANNED, *SYNONYMS, *explanations()]
    help = did_you_mean(word, known) or "`archdsl explain` lists every layer word and code"
    raise CommandError(f"`{word}` is no layer word and no diagnostic code", help)
