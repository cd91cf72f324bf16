"""Imports run downwards only: which room may import which, what is imported from outside, and that there is no cycle."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "archdsl"
ROOMS: dict[str, set[str]] = {
    "records": set(),
    "limits": {"diagnostics"},
    "diagnostics": {"spelling"},
    "spelling": set(),
    "explanations": set(),
    "expr": {"diagnostics"},
    "syntax": {"diagnostics", "expr"},
    "ir": {"diagnostics", "expr"},
    "spec": {"diagnostics", "expr", "syntax"},
    "ops": {"expr", "ir"},
    "documentation": {"diagnostics", "explanations", "ir", "ops"},
    "elaborate": {"diagnostics", "expr", "ir", "ops", "spec", "syntax"},
    "analysis": {"diagnostics", "ir"},
    "torch_backend": {"diagnostics", "expr", "ir", "ops", "version"},
    "version": set(),
    "report": {"analysis", "diagnostics", "explanations", "ir", "version"},
    "api": {"analysis", "diagnostics", "elaborate", "ir", "spec", "syntax", "torch_backend"},
    "checking": {"analysis", "api", "diagnostics", "elaborate", "ir", "lint", "report"},
    "lint": {"diagnostics", "elaborate", "expr", "ir", "spec", "spelling", "syntax"},
}
OUTSIDE: dict[str, set[str]] = {
    "report": {"matplotlib"},
    "syntax": {"lark", "yaml"},
    "spec": {"pydantic", "pydantic_core"},
}
TORCH = {f"archdsl.torch_backend.{name}" for name in ("verify", "helpers", "weights")}
TOP = {"archdsl", "cli", "__main__"}  # may import everything in the package


def sources(root: Path) -> dict[str, str]:
    """The text of every module of a package by its dotted name."""
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts) + ":" * path.match("__init__.py")] = (
            path.read_text()
        )
    return found


def imports(name: str, text: str, known: set[str]) -> Iterator[tuple[str, str]]:
    """What a module imports, and when: "now", as soon as it is imported itself, "later", or "never", for types only."""
    package = name.removesuffix(":").split(".") if name.endswith(":") else name.split(".")[:-1]
    for node, when in _statements(ast.parse(text), "now"):
        if isinstance(node, ast.Import):
            yield from ((alias.name, when) for alias in node.names)
            continue
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            yield (f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base), when


def _statements(node: ast.AST, when: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """The import statements below a node."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, when
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        when = "never"
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and when == "now":
        when = "later"
    for child in ast.iter_child_nodes(node):
        yield from _statements(child, when)


def problems(texts: Mapping[str, str]) -> list[str]:
    """Every import that runs the wrong way, and a cycle of modules if there is one."""
    known = {name.removesuffix(":") for name in texts}
    found: list[str] = []
    graph: dict[str, set[str]] = {}
    for key, text in texts.items():
        name = key.removesuffix(":")
        room = [*name.split("."), name][1]
        if room not in TOP and room not in ROOMS:
            found.append(f"{name}: the room {room} has no place in the order")
        for target, when in imports(key, text, known):
            parts = target.split(".")
            if parts[0] == "archdsl":
                other = [*parts, "archdsl"][1]
                if room not in TOP and other not in {room, "records", "limits"} | ROOMS.get(room, set()):
                    found.append(f"{name} imports {target}")
                if when == "now" and target != name:
                    graph.setdefault(name, set()).add(target)
            elif parts[0] == "torch":
                found.extend([f"{name} imports torch"] * (when != "never" and name not in TORCH))
            elif parts[0] == "safetensors":
                found.extend(
                    [f"{name} imports safetensors"] * (name != "archdsl.torch_backend.weights" or when == "now")
                )
            elif parts[0] not in sys.stdlib_module_names | OUTSIDE.get(room, set()):
                found.append(f"{name} imports {target}")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append("a cycle: " + " -> ".join(error.args[1]))
    return found


def test_imports_run_downwards() -> None:
    assert problems(sources(ROOT)) == []


@pytest.mark.parametrize(
    ("module", "line", "problem"),
    [
        ("archdsl.ir.dims", "from ..elaborate import network", "archdsl.ir.dims imports archdsl.elaborate.network"),
        ("archdsl.ir.dims", "def f():\n    import archdsl.spec", "archdsl.ir.dims imports archdsl.spec"),
        ("archdsl.ir.shapes", "import pydantic", "archdsl.ir.shapes imports pydantic"),
        ("archdsl.elaborate.files", "import lark.tree", "archdsl.elaborate.files imports lark.tree"),
        ("archdsl.torch_backend.verify", "import safetensors", "archdsl.torch_backend.verify imports safetensors"),
        ("archdsl.analysis.counts", "from torch import nn", "archdsl.analysis.counts imports torch"),
        (
            "archdsl.torch_backend.compile",
            "from ..spec import Spec",
            "archdsl.torch_backend.compile imports archdsl.spec",
        ),
        ("archdsl.elaborate.builder", "from .body import BodyBuilder", "a cycle: "),
        ("archdsl.utils", "", "archdsl.utils: the room utils has no place in the order"),
    ],
)
def test_the_check_can_fail(module: str, line: str, problem: str) -> None:
    texts = sources(ROOT)
    texts[module] = f"{texts.get(module, '')}\n{line}\n"
    assert any(found.startswith(problem) for found in problems(texts))


def test_a_type_checkers_import_is_no_cycle() -> None:
    texts = sources(ROOT)
    texts["archdsl.elaborate.builder"] += "\nif TYPE_CHECKING:\n    from .body import BodyBuilder\n"
    assert problems(texts) == []
