"""The arithmetic of plans: numbers, names, and lists that begin with an operation.

`["*", 2, "w"]` is twice w, `["if", "first", 2, 1]` a choice, `{"size": [3, 5]}` a size, `{"value": "skip"}` the value and
`{"tied": "embed"}` the layer that a label names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BINARY = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
}


def evaluate(expression: Any, names: Mapping[str, Any]) -> Any:
    """What an expression is where these names are known."""
    if isinstance(expression, str):
        return names[expression]
    if isinstance(expression, dict):
        return tuple(evaluate(part, names) for part in expression.get("size", expression.get("list")))
    if not isinstance(expression, list):
        return expression
    operation, *parts = expression
    if operation == "if":
        test, yes, no = parts
        return evaluate(yes if evaluate(test, names) else no, names)
    found = [evaluate(part, names) for part in parts]
    if operation == "not":
        return not found[0]
    if operation in ("min", "max"):
        return (min if operation == "min" else max)(found)
    return BINARY[operation](*found)


def text(expression: Any, inner: bool = False) -> str:
    """An expression as a spec writes it."""
    if isinstance(expression, bool):
        return "yes" if expression else "no"
    if isinstance(expression, float):
        return format(expression, ".9f").rstrip("0").rstrip(".")
    if isinstance(expression, int | str):
        return str(expression)
    if isinstance(expression, dict):
        if "list" in expression:
            return f"[{', '.join(text(part) for part in expression['list'])}]"
        label = expression.get("value", expression.get("tied"))
        return f"@{label}" if label is not None else "x".join(text(part, True) for part in expression["size"])
    operation, *parts = expression
    if operation == "if":
        test, yes, no = (text(part) for part in parts)
        return f"({yes} if {test} else {no})"
    if operation in ("min", "max"):
        return f"{operation}({', '.join(text(part) for part in parts)})"
    if operation == "not":
        return f"not {text(parts[0], True)}"
    found = f"{text(parts[0], True)} {operation} {text(parts[1], True)}"
    return f"({found})" if inner else found
