"""The model of Python code and its printer: what is printed is what ruff leaves, and means what the tree says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl.torch_backend import pycode as py
from archdsl.torch_backend.pyprint import flat, show

RUFF = Path(sys.executable).with_name("ruff")


def formatted(source: str) -> str:
    """Return `source` as `ruff format` leaves it with its default settings."""
    command = [RUFF, "format", "--isolated", "--no-cache", "--stdin-filename", "x.py", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, encoding="utf-8", check=True).stdout


# -- random code ------------------------------------------------------------------------------------------------------

WORDS = ["x", "aa", "out", "self", "kernel_size", "in_channels", "long_" * 4 + "name", "longer_" * 7 + "name"]
names = st.sampled_from(WORDS)
dotted = st.lists(names, min_size=1, max_size=3).map(lambda parts: py.Name(".".join(parts)))
scalars = (
    st.integers(-10, 10**9) | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([True, None, 0.1, 1e-5, ...])
)
strings = st.text(max_size=12) | st.sampled_from(["", "a" * 30, "a" * 70, "'", '"', "\\", "\n", '"""', "\u202e", "{x}"])
literals = (scalars | strings).map(py.Lit)
atoms = dotted | literals
tokens = st.text(max_size=20)


def _pairs(child: st.SearchStrategy[py.Expr]) -> st.SearchStrategy[tuple[tuple[str, py.Expr], ...]]:
    return st.dictionaries(names, child, max_size=3).map(lambda found: tuple(found.items()))


def _extend(child: st.SearchStrategy[py.Expr]) -> st.SearchStrategy[py.Expr]:
    items = st.lists(child | st.builds(py.Star, child), max_size=4).map(tuple)
    bounds = st.builds(py.Slice, st.none() | child, st.none() | child)
    index = child | bounds | st.lists(child | bounds, min_size=2, max_size=4).map(tuple)
    return st.one_of(
        st.builds(py.Attr, child, names),
        st.builds(py.Call, dotted | child, items, _pairs(child)),
        st.builds(py.Call, dotted, items, _pairs(child)),
        st.builds(lambda a, m, b, n, c: py.Call(py.Attr(py.Call(py.Attr(a, m), b), n), c), child, names, items, names, items),
        st.builds(py.Index, child, index),
        st.builds(py.Bin, st.sampled_from(sorted(py.ARITHMETIC)), child, child),
        st.builds(py.Unary, st.sampled_from(["-", "not"]), child),
        st.builds(py.Compare, st.sampled_from(sorted(py.COMPARISONS)), child, child),
        st.builds(py.BoolOp, st.sampled_from(["and", "or"]), st.lists(child, min_size=2, max_size=3).map(tuple)),
        st.builds(py.IfExp, child, child, child),
        st.builds(py.Tuple, items),
        st.builds(py.List, items),
        st.builds(py.ListComp, child, targets, child),
    )


name_tuples = st.lists(dotted, min_size=1, max_size=3).map(lambda items: py.Tuple(tuple(items)))
targets = dotted | name_tuples
expressions = st.recursive(atoms, _extend, max_leaves=8)
indexed = st.builds(py.Index, dotted, expressions)
comments = st.none() | st.text(max_size=20) | st.just("64x112x112")
annotations = expressions
simple = st.one_of(
    st.builds(py.Assign, targets | indexed, expressions, st.none(), comments),
    st.builds(py.Assign, dotted | indexed, expressions, annotations, comments),
    st.builds(py.AugAssign, st.sampled_from(sorted(py.ARITHMETIC)), dotted | indexed, expressions, comments),
    st.builds(py.ExprStmt, expressions.filter(lambda e: not isinstance(e, py.Lit)), comments),
    st.builds(py.Return, st.none() | expressions, comments),
)


def _check(body: tuple[py.Stmt, ...]) -> None:
    source = show(py.Module(None, body))
    assert formatted(source) == source


def one(statement: py.Stmt) -> None:
    source = show(py.Module(None, (py.FunctionDef("f", (), None, (py.If(py.Name("x"), (statement,)),)),)))
    assert formatted(source) == source


@given(simple)
def test_simple(statement: py.Stmt) -> None:
    one(statement)
