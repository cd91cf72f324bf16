"""Specs that ask for more than any network needs: what is refused, with its place, and what is answered all the same."""

from __future__ import annotations

INPUT = "input: 3x32x32\n"
LAUGHS = "a: &a [lol, lol]\n" + "".join(
    f"{y}: &{y} [{', '.join([f'*{x}'] * 9)}]\n" for x, y in zip("abcdefgh", "bcdefghi", strict=True)
)


def chain(count: int, word: str, call: str, end: str = "relu") -> str:
    """Definitions that each call the next: `call` with N for its name."""
    lines = [f"{word} d{i}: {call.replace('N', f'd{i + 1}')}\n" for i in range(count)]
    return f"{INPUT}layers: d0\n{''.join(lines)}{word} d{count}: {end}\n"


REFUSED = {
    "brackets": ("arch", f"{INPUT}layers:\n  {'[' * 100_000}", "3:59998", "more than 60000 words"),
    "deep brackets": ("arch", f"{INPUT}layers:\n  {'[' * 1000}", "3:67", "more than 64 brackets"),
    "yaml brackets": ("yaml", f"{INPUT}layers: {'[' * 50_000}", "2:72", "more than 64 brackets"),
    "yaml braces": ("yaml", "{" * 50_000, "1:65", "more than 64 brackets"),
    "billion laughs": ("yaml", LAUGHS, "1:4", "anchors"),
    "number": ("arch", f"{INPUT}layers: conv 3x3, 99999999999999999999", "2:19", "2^63"),
    "expression": ("arch", f"{INPUT}layers: conv 3x3, {'1+' * 900}1", None, "operations within each other"),
    "exploding argument": (
        "arch",
        f"{INPUT}layers: d0 1\n"
        + "".join(f"def d{i} w: d{i + 1} w+w+w\n" for i in range(18))
        + "def d18 w: conv 3x3, w",
        None,
        "more than 1000 parts",
    ),
    "chain of defs": ("arch", chain(300, "def", "N"), None, "modules and defs within each other"),
    "doubling defs": ("arch", chain(40, "def", "N -> N"), None, "layers, calls, levels"),
    "doubling modules": ("arch", chain(60, "module", "N -> N"), "49:13", "layers, calls and levels to list"),
    "nested residuals": (
        "arch",
        chain(60, "module", "residual: residual: residual: [[[N]]]"),
        None,
        "within each other",
    ),
    "def of itself": ("arch", f"{INPUT}layers: a\ndef a: b\ndef b: a", "4:8", "contains itself"),
    "module of itself": ("arch", f"{INPUT}layers: a\nmodule a: b\nmodule b: a", "4:11", "contains itself"),
    "unrolled": ("arch", f"{INPUT}layers: for i in 1..1000000000: conv 3x3, i", None, "layers, calls, levels"),
    "long label": ("arch", f"{INPUT}layers: {'a' * 300}: relu", "2:9", "characters of a label"),
    "long word": ("arch", f"{INPUT}layers: {'a' * 100_000}", "2:9", "no layer or module"),
    "cells": ("arch", f"{INPUT}table t:\n" + "  1 | 1\n" * 10_001 + "layers: relu", "10003:3", "cells of a table"),
}


ANSWERED = {
    "repeat": "[conv 3x3, 8] x 1000000000000000000",
    "for": "for i in 1..1000000000000000000: conv 3x3, 8",
    "channels": "conv 3x3, 99999999999",
}

COMPILED = {
    "bytes": (
        "input: 3x99999999999x99999999999\nlayers:\n  conv 3x3, 8\n",
        "3:3",
        "the input `input`, 3x99999999999x99999999999, is larger",
    ),
    "kernel": (f"{INPUT}layers:\n  conv 99999999x99999999, 99999, pad 49999999\n", "3:3", "the weight of conv1"),
    "labelled repeat": (f"{INPUT}layers:\n  a: [conv 3x3, 3] x 100000\n", "3:6", "layers, calls and levels to list"),
    "repeat": (
        f"{INPUT}layers:\n  conv 3x3, 8 -> [conv 3x3, 3] x 1000000000000000000\n",
        "3:18",
        "layers, calls and levels",
    ),
}
"""What is analysed, and no source is written of: whole text, place, part of the message."""
