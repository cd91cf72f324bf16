"""Layers and arguments as a spec would write them."""

from __future__ import annotations

from fractions import Fraction

from ..ir.nodes import Instance
from ..ir.operator import Operator
from ..ir.shapes import Constant
from .constants import constant_text

LONGEST = 44
"""Letters of a line in a box."""


def described(op: Operator) -> str:
    """A layer as a spec would write it, without what is at its default.

    >>> from archdsl.ops.conv import Conv
    >>> from archdsl.ir.shapes import Size
    >>> described(Conv(size=Size((3, 3)), width=64, stride=2, bias=False))
    'conv 3x3, 64, stride 2, no bias'
    """
    words: list[str] = []
    for argument in op.arguments():
        value = getattr(op, argument.name)
        name = argument.name.rstrip("_")
        if argument.use == "position" and value != argument.default:
            words.append(_shown(value))
        elif value == argument.default or argument.use in ("value", "tied"):
            continue
        elif argument.use == "flag":
            words.append(name)
        elif argument.use == "switch":
            words.append(f"no {name}")
        else:
            words.append(f"{name} {_shown(value)}")
    return _cut(f"{op.word} {', '.join(words)}".strip())


def _shown(value: Constant) -> str:
    """A value, a long fraction shortened."""
    text = constant_text(value)
    return f"{float(value):.6g}" if isinstance(value, Fraction) and len(text) > 8 else text


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def arguments_text(instance: Instance) -> str:
    """What a module was called with: `w 64, s 2`."""
    return ", ".join(f"{name} {_shown(value)}" for name, value in instance.arguments.items())


def wrapped(text: str, width: int) -> list[str]:
    """A list of arguments in lines, broken at commas."""
    lines: list[str] = []
    for part in text.split(", ") if text else []:
        if lines and len(lines[-1]) + len(part) + 2 <= width:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return [_cut(line) for line in lines]
