"""Every limit on what a spec may ask for, in one place: no file can raise one, only the command line and the API can.

A limit is passed before the work it bounds is done, and its refusal is a diagnostic A0801 that names it. The values
hold for the current context (a thread, an asyncio task), so that a server may allow one request more than another.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import NoReturn

from .diagnostics import Span, fail
from .records import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """What is allowed by default, what is counted, and how far it can be raised (None: as far as memory reaches)."""

    default: int
    what: str
    most: int | None = None


LIMITS: dict[str, Limit] = {
    "bytes": Limit(1_000_000, "bytes in a file"),
    "tokens": Limit(60_000, "words, numbers and signs in a file"),
    "pieces": Limit(30_000, "lists, mappings and texts in a YAML file"),
    "nesting": Limit(64, "brackets, lists and blocks within each other, as written", 100),
    "expression": Limit(100, "operations within each other in an expression", 200),
    "parts": Limit(1_000, "parts of an expression whose names have been replaced"),
    "name": Limit(200, "characters of a label"),
    "cells": Limit(20_000, "cells of a table or marks of a map"),
    "files": Limit(64, "files that one spec leads to"),
    "chain": Limit(8, "files that extend or use each other in a row", 50),
    "calls": Limit(64, "modules and defs within each other, called", 100),
    "depth": Limit(128, "modules, levels, groups and residuals within each other, called and written", 300),
    "layers": Limit(12_000, "layers, calls, levels and iterations that differ, over all bodies of a network"),
    "places": Limit(30_000, "layers, calls and levels to list, those of every call of a module"),
    "errors": Limit(200, "mistakes collected before reading or building ends"),
}

FRAMES = 12_000
"""Python's own bound on recursion while a spec is worked on: enough for everything that the limits let through."""

_DEFAULTS: Mapping[str, int] = MappingProxyType({name: limit.default for name, limit in LIMITS.items()})
_current: ContextVar[Mapping[str, int]] = ContextVar("limits", default=_DEFAULTS)


def of(name: str) -> int:
    """The value of a limit here.

    >>> of("nesting")
    64
    """
    return _current.get()[name]


@contextmanager
def raised(**values: int) -> Generator[None]:
    """Other limits for what runs inside; ValueError for one that is not known, or cannot be so large.

    >>> with raised(layers=1_000_000):
    ...     of("layers")
    1000000
    """
    for name, value in values.items():
        if name not in LIMITS:
            raise ValueError(f"no limit `{name}`; the limits are {', '.join(LIMITS)}")
        most = LIMITS[name].most
        if value < 1 or (most is not None and value > most):
            raise ValueError(f"the limit `{name}` is a number from 1" + (f" to {most}" if most is not None else " on"))
    token = _current.set({**_current.get(), **values})
    try:
        yield
    finally:
        _current.reset(token)


def changed() -> Mapping[str, int]:
    """The limits that differ from their defaults."""
    return {name: value for name, value in _current.get().items() if value != LIMITS[name].default}


def sentence(name: str) -> tuple[str, str]:
    """What a refusal says, and what helps."""
    most = LIMITS[name].most
    help = f"a limit against runaway specs; `--limit {name}=N` raises it" + (f" to {most} at most" if most else "")
    return f"more than {of(name)} {LIMITS[name].what}", help


def refuse(name: str, span: Span | None) -> NoReturn:
    """Raise the diagnostic for a limit that was passed."""
    message, help = sentence(name)
    fail("A0801", message, span, help)


def check(name: str, value: int, span: Span | None) -> None:
    """Refuse a value above its limit."""
    if value > of(name):
        refuse(name, span)


@contextmanager
def room_to_recurse() -> Generator[None]:
    """As many frames as the limits on nesting may need."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
