"""The model of Python code and its printer: what is printed is what ruff leaves, and means what the tree says."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl.torch_backend import pycode as py
from archdsl.torch_backend.pyprint import flat, show

RUFF = Path(sys.executable).with_name("ruff")
often = settings(max_examples=100, deadline=None, derandomize=True)


def formatted(source: str) -> str:
    """Return `source` as `ruff format` leaves it with its default settings."""
    command = [RUFF, "format", "--isolated", "--no-cache", "--stdin-filename", "x.py", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, encoding="utf-8", check=True).stdout


def body(*statements: py.Stmt) -> str:
    """Return the source of a file of `statements`."""
    return show(py.Module(None, statements))


# -- random code ------------------------------------------------------------------------------------------------------

WORDS = ["x", "aa", "out", "self", "kernel_size", "in_channels", "long_" * 4 + "name", "longer_" * 6 + "name"]
names = st.sampled_from(WORDS)
dotted = st.lists(names, min_size=1, max_size=3).map(lambda parts: py.Name(".".join(parts)))
texts = st.text(max_size=12) | st.sampled_from(["a" * 30, "a" * 75, "'", '"', "\\", "\n", '"""', "\u202e", "{x}"])
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.1, 1e-5, 1e22])
numbers = st.integers(-10, 10**9) | floats
literals = (numbers | texts | st.sampled_from([True, False, None, ...])).map(py.Lit)
plain_parts = st.lists(texts | dotted | st.builds(py.Bin, st.just("*"), dotted, numbers.map(py.Lit)), max_size=3)
atoms = dotted | literals | plain_parts.map(lambda parts: py.FString(tuple(parts)))
name_tuples = st.lists(dotted, min_size=1, max_size=3).map(lambda items: py.Tuple(tuple(items)))
targets = dotted | name_tuples
arithmetic = st.sampled_from(sorted(py.ARITHMETIC))


def _keywords(values: st.SearchStrategy[py.Expr]) -> st.SearchStrategy[tuple[tuple[str, py.Expr], ...]]:
    return st.dictionaries(names, values, max_size=3).map(lambda found: tuple(found.items()))


def _larger(child: st.SearchStrategy[py.Expr]) -> st.SearchStrategy[py.Expr]:
    items = st.lists(child | st.builds(py.Star, child), max_size=4).map(tuple)
    bounds = child | st.builds(py.Slice, st.none() | child, st.none() | child)
    several = st.lists(child, min_size=2, max_size=3).map(tuple)
    calls = st.builds(py.Call, dotted | child, items, _keywords(child))
    return st.one_of(
        calls,
        st.builds(py.Attr, child | calls, names),
        st.builds(lambda first, name, args: py.Call(py.Attr(first, name), args), calls, names, items),
        st.builds(py.Index, dotted | child, bounds | st.lists(bounds, min_size=2, max_size=3).map(tuple)),
        st.builds(py.Bin, arithmetic, child, child),
        st.builds(py.Unary, st.sampled_from(["-", "not"]), child),
        st.builds(py.Compare, st.sampled_from(sorted(py.COMPARISONS)), child, child),
        st.builds(py.BoolOp, st.sampled_from(["and", "or"]), several),
        st.builds(py.IfExp, child, child, child),
        st.builds(py.Tuple, items),
        st.builds(py.List, items),
        st.builds(py.ListComp, child, targets, child),
    )


expressions = st.recursive(atoms, _larger, max_leaves=10)
calls = st.builds(py.Call, dotted | expressions, st.lists(expressions, max_size=3).map(tuple), _keywords(expressions))
types = st.recursive(
    dotted | st.just(py.Lit(None)),
    lambda child: st.one_of(
        st.builds(py.Index, dotted, child | st.tuples(child, child)), st.builds(py.Bin, st.just("|"), child, child)
    ),
    max_leaves=4,
)
indexed = st.builds(py.Index, dotted, expressions)
comments = st.none() | st.just("64x112x112") | st.text(max_size=30)


def _few_calls(statement: py.Stmt) -> bool:
    """Return whether ruff, run twice, leaves the statement as it did at first: see pyprint."""
    left = isinstance(statement, py.Assign | py.AugAssign) and (
        isinstance(statement.target, py.Tuple | py.Index)
        or isinstance(getattr(statement, "annotation", None), py.Index | py.Bin)
    )
    if not left or not isinstance(statement, py.Assign | py.AugAssign):
        return True
    count, base = 0, statement.value
    while isinstance(base, py.Attr | py.Call | py.Index):
        count += not isinstance(base, py.Attr)
        base = base.func if isinstance(base, py.Call) else base.value
    return count < 2


simple = st.one_of(
    st.builds(py.Assign, targets | indexed, expressions, st.none(), comments),
    st.builds(py.Assign, dotted | indexed, expressions, types, comments),
    st.builds(py.AugAssign, arithmetic, dotted | indexed, expressions, comments),
    st.builds(py.ExprStmt, calls, comments),
    st.builds(py.Return, st.none() | expressions, comments),
).filter(_few_calls)
params = st.lists(
    st.builds(lambda name, kind: (name, kind), names, st.none() | types), max_size=4, unique_by=lambda pair: pair[0]
).map(lambda pairs: tuple(py.Param(name, kind) for name, kind in pairs))
imports = st.sampled_from(
    [
        py.Import("math"),
        py.Import("torch"),
        py.Import("torch.nn.functional", "F"),
        py.ImportFrom("__future__", ("annotations",)),
        py.ImportFrom("torch", ("Tensor", "nn")),
        py.ImportFrom("torch.nn.functional_long_name", ("long_name_" * 3 + "a", "long_name_" * 3 + "b")),
    ]
)
docstrings = (
    st.none()
    | st.text(max_size=40)
    | st.lists(st.sampled_from(["word", '"q"', "\\", "", "\n", "x" * 30]), max_size=30).map(" ".join)
)
decorators = st.lists(dotted | calls, max_size=1).map(tuple)


def _blocks(child: st.SearchStrategy[py.Stmt]) -> st.SearchStrategy[py.Stmt]:
    block = st.lists(child | st.builds(py.Comment, st.text(max_size=10)), max_size=3).map(tuple)
    return st.one_of(
        st.builds(py.If, expressions, block, block),
        st.builds(py.For, targets, expressions, block),
        st.builds(py.FunctionDef, names, params, st.none() | types, block, docstrings, decorators),
        st.builds(py.ClassDef, names, st.lists(dotted, max_size=2).map(tuple), block, docstrings, decorators),
    )


modules = st.builds(
    lambda docstring, head, rest: py.Module(docstring, (*head, *rest)),
    docstrings,
    st.lists(imports, max_size=3),
    st.lists(st.recursive(simple, _blocks, max_leaves=5), max_size=4),
)


@often
@given(simple)
def test_ruff_leaves_statements(statement: py.Stmt) -> None:
    """Ruff finds nothing to change in a simple statement, wherever it must be broken."""
    source = body(py.FunctionDef("f", (), None, (statement,)))
    assert formatted(source) == source


@settings(often, max_examples=40)
@given(modules)
def test_ruff_leaves_modules(module: py.Module) -> None:
    """Ruff finds nothing to change in a file: blank lines, docstrings, headers."""
    source = show(module)
    assert formatted(source) == source


# -- the meaning of what is printed -----------------------------------------------------------------------------------

_BINARY = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "//": ast.FloorDiv, "%": ast.Mod, "**": ast.Pow}
_BINARY |= {"@": ast.MatMult, "|": ast.BitOr}
_COMPARE = {"==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE, "is": ast.Is}
_COMPARE |= {"is not": ast.IsNot, "in": ast.In, "not in": ast.NotIn}


def meaning(node: py.Expr | py.Star | py.Slice, context: type[ast.expr_context] = ast.Load) -> ast.expr:
    """Return the syntax tree of `node`, built without printing it."""
    match node:
        case py.Lit(value):
            if type(value) in (int, float) and repr(value).startswith("-"):
                return ast.UnaryOp(ast.USub(), ast.Constant(-value))
            return ast.Constant(value)
        case py.Name(name):
            first, *rest = name.split(".")
            tree: ast.expr = ast.Name(first, ast.Load() if rest else context())
            for index, attr in enumerate(rest, 1):
                tree = ast.Attribute(tree, attr, context() if index == len(rest) else ast.Load())
            return tree
        case py.Attr(value, name):
            return ast.Attribute(meaning(value), name, context())
        case py.Call(func, args, kwargs):
            keywords = [ast.keyword(name, meaning(value)) for name, value in kwargs]
            return ast.Call(meaning(func), [meaning(arg) for arg in args], keywords)
        case py.Index(value, tuple(items)):
            return ast.Subscript(meaning(value), ast.Tuple([meaning(item) for item in items], ast.Load()), context())
        case py.Index(value, index):
            return ast.Subscript(meaning(value), meaning(index), context())
        case py.Slice(lower, upper):
            return ast.Slice(lower and meaning(lower), upper and meaning(upper))
        case py.Bin(op, left, right):
            return ast.BinOp(meaning(left), _BINARY[op](), meaning(right))
        case py.Unary(op, operand):
            return ast.UnaryOp(ast.Not() if op == "not" else ast.USub(), meaning(operand))
        case py.Compare(op, left, right):
            return ast.Compare(meaning(left), [_COMPARE[op]()], [meaning(right)])
        case py.BoolOp(op, operands):
            return ast.BoolOp(ast.And() if op == "and" else ast.Or(), [meaning(operand) for operand in operands])
        case py.IfExp(test, then, orelse):
            return ast.IfExp(meaning(test), meaning(then), meaning(orelse))
        case py.Tuple(items):
            return ast.Tuple([meaning(item, context) for item in items], context())
        case py.List(items):
            return ast.List([meaning(item) for item in items], ast.Load())
        case py.Star(value):
            return ast.Starred(meaning(value), context())
        case py.ListComp(element, target, iterable):
            clause = ast.comprehension(meaning(target, ast.Store), meaning(iterable), [], 0)
            return ast.ListComp(meaning(element), [clause])
        case py.FString(parts):
            return _joined(parts)


def _joined(parts: tuple[str | py.Expr, ...]) -> ast.JoinedStr:
    values: list[ast.expr] = []
    for part in parts:
        if not isinstance(part, str):
            values.append(ast.FormattedValue(meaning(part), -1))
        elif values and isinstance(last := values[-1], ast.Constant):
            values[-1] = ast.Constant(f"{last.value}{part}")
        elif part:
            values.append(ast.Constant(part))
    return ast.JoinedStr(values)


@often
@given(expressions)
def test_expressions_mean_what_they_say(expr: py.Expr) -> None:
    """On one line or on many, the text parses to the tree it was printed from."""
    expected = ast.dump(meaning(expr))
    assert ast.dump(ast.parse(flat(expr), mode="eval").body) == expected
    (statement,) = ast.parse(body(py.Assign(py.Name("x"), expr))).body
    assert isinstance(statement, ast.Assign)
    assert ast.dump(statement.value) == expected


@often
@given(simple)
def test_statements_mean_what_they_say(statement: py.Stmt) -> None:
    """A statement is printed as one statement of its kind, with its value in it."""
    ((only,),) = [
        node.body
        for node in ast.parse(body(py.FunctionDef("f", (), None, (statement,)))).body
        if isinstance(node, ast.FunctionDef)
    ]
    kinds = {py.ExprStmt: ast.Expr, py.Return: ast.Return, py.AugAssign: ast.AugAssign}
    annotated = isinstance(statement, py.Assign) and statement.annotation is not None
    assert type(only) is kinds.get(type(statement), ast.AnnAssign if annotated else ast.Assign)
    value = getattr(statement, "value", None)
    assert value is None or ast.dump(getattr(only, "value")) == ast.dump(meaning(value))  # noqa: B009


def test_parentheses_are_minimal() -> None:
    """Parentheses stand where precedence asks for them, and nowhere else."""
    a, b, c = (py.Name(name) for name in "abc")
    add = py.Bin("+", a, b)
    cases = {
        py.Bin("*", add, c): "(a + b) * c",
        py.Bin("+", add, c): "a + b + c",
        py.Bin("-", a, add): "a - (a + b)",
        py.Bin("**", py.Unary("-", a), py.Unary("-", b)): "(-a) ** -b",
        py.Bin("**", a, py.Lit(2)): "a**2",
        py.Unary("-", py.Bin("**", a, py.Lit(2))): "-(a**2)",
        py.Unary("not", py.Compare("in", a, b)): "not a in b",
        py.Attr(py.Lit(1), "real"): "(1).real",
        py.Attr(add, "x"): "(a + b).x",
        py.IfExp(py.IfExp(a, b, c), a, py.IfExp(a, b, c)): "a if (b if a else c) else b if a else c",
        py.BoolOp("and", (py.BoolOp("or", (a, b)), c)): "(a or b) and c",
        py.Index(a, (py.Slice(), py.Slice(add))): "a[:, a + b :]",
        py.Tuple((a,)): "(a,)",
        py.Lit(1e22): "1e22",
    }
    assert {flat(expr) for expr in cases} == set(cases.values())
    assert [flat(expr) for expr in cases] == list(cases.values())


# -- layout -----------------------------------------------------------------------------------------------------------


def call(func: str, *args: py.Expr | py.Star | int, **kwargs: py.Expr | int | bool) -> py.Call:
    """Return a call; numbers are literals."""
    positional = tuple(py.Lit(arg) if isinstance(arg, int) else arg for arg in args)
    return py.Call(
        py.Name(func), positional, tuple((k, py.Lit(v) if isinstance(v, int) else v) for k, v in kwargs.items())
    )


def test_class() -> None:
    """A class as the backend emits it."""
    x, width, planes = py.Name("x"), py.Name("width"), py.Name("in_channels")
    wide = py.Bin("*", py.Lit(4), width)
    integer = py.Name("int")
    conv = call("nn.Conv2d", planes, wide, 1, stride=py.Name("stride"), bias=False)
    test = py.BoolOp("or", (py.Compare("!=", py.Name("stride"), py.Lit(1)), py.Compare("!=", planes, wide)))
    init = py.FunctionDef(
        "__init__",
        (
            py.Param("self"),
            py.Param("in_channels", integer),
            py.Param("width", integer),
            py.Param("stride", integer, py.Lit(1)),
        ),
        py.Lit(None),
        (
            py.ExprStmt(py.Call(py.Attr(py.Call(py.Name("super")), "__init__"))),
            py.Assign(py.Name("self.downsample"), call("nn.Identity")),
            py.If(
                test,
                (py.Assign(py.Name("self.downsample"), call("nn.Sequential", conv, call("nn.BatchNorm2d", wide))),),
            ),
            py.Assign(
                py.Name("self.layer1"),
                call(
                    "nn.Sequential",
                    call("Bottleneck", 64, 64),
                    py.Star(py.List((py.ListComp(call("Bottleneck", 256, 64), py.Name("_"), call("range", 2)),))),
                ),
            ),
        ),
    )
    forward = py.FunctionDef(
        "forward",
        (py.Param("self"), py.Param("x", py.Name("Tensor"))),
        py.Name("Tensor"),
        (
            py.Assign(x, call("F.relu", call("self.bn1", call("self.conv1", x))), comment="64x112x112"),
            py.Return(call("F.relu", py.Bin("+", x, call("self.downsample", x))), "256x56x56"),
        ),
    )
    module = py.Module(
        "ResNet.",
        (
            py.Import("torch.nn.functional", "F"),
            py.ImportFrom("torch", ("Tensor", "nn")),
            py.ClassDef("Bottleneck", (py.Name("nn.Module"),), (init, forward), "The box."),
        ),
    )
    assert (
        show(module)
        == '''"""ResNet."""

import torch.nn.functional as F
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """The box."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.downsample = nn.Identity()
        if stride != 1 or in_channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, 4 * width, 1, stride=stride, bias=False),
                nn.BatchNorm2d(4 * width),
            )
        self.layer1 = nn.Sequential(
            Bottleneck(64, 64), *[[Bottleneck(256, 64) for _ in range(2)]]
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))  # 64x112x112
        return F.relu(x + self.downsample(x))  # 256x56x56
'''
    )


def test_elif_and_empty_blocks() -> None:
    """A lone `if` in an `else` is an `elif`; an empty block passes."""
    x = py.Name("x")
    nested = py.If(x, (), (py.If(x, (py.Comment("nothing"),), (py.For(x, x, ()),)),))
    assert body(nested) == "if x:\n    pass\nelif x:\n    # nothing\n    pass\nelse:\n    for x in x:\n        pass\n"


def test_comments_are_kept_where_they_fit() -> None:
    """A comment is dropped from a line it would make too long, and follows the last of several lines."""
    short, long = py.Name("a" * 60), py.Name("b" * 80)
    assert body(py.Return(short, "c" * 17)) == f"return {'a' * 60}  # {'c' * 17}\n"
    assert body(py.Return(short, "c" * 18)) == f"return {'a' * 60}\n"
    assert body(py.Return(py.Call(short, (long,)), "1x2")) == f"return {'a' * 60}(\n    {'b' * 80}\n)  # 1x2\n"


def test_long_docstrings_are_wrapped() -> None:
    """A docstring of one line closes on it; a longer one is wrapped."""
    source = body(py.FunctionDef("f", (), None, (), "word " * 30))
    assert source.startswith('def f():\n    """word word')
    assert source.endswith('word"""\n')
    assert max(map(len, source.splitlines())) <= 88
    assert body(py.FunctionDef("f", (), None, (), " one\n\n   two\n     three")) == (
        'def f():\n    """one\n\n    two\n      three"""\n'
    )


# -- safety -----------------------------------------------------------------------------------------------------------


def comment_tokens(source: str) -> list[str]:
    """Return the comments in `source`."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


@often
@given(st.text() | st.text(alphabet="\"\\\n '#"))
def test_text_stays_text(text: str) -> None:
    """Whatever a docstring, a string and a comment hold, they stay a docstring, a string and a comment."""
    x = py.Name("x")
    value = py.List((py.Lit(text), py.FString((text, x))))
    source = show(py.Module(text, (py.Comment(text), py.Assign(x, value), py.Return(x, text))))
    compile(source.encode(), "x.py", "exec", ast.PyCF_ONLY_AST)
    assert all(char.isprintable() or char == "\n" for char in source)
    tree = ast.parse(source)
    *docstring, assign, _ = tree.body
    assert len(docstring) <= 1
    assert isinstance(assign, ast.Assign)
    assert ast.dump(assign.value) == ast.dump(meaning(value))
    assert len(comment_tokens(source)) in {1, 2}
    if docstring:
        assert "".join((ast.get_docstring(tree) or "").split()) == "".join(text.split())


def test_comments_do_not_steer_tools() -> None:
    """A comment declares no encoding and switches no tool off."""
    source = body(py.Comment("coding: utf-7"), py.Comment("fmt: off"), py.Comment("type: ignore"), py.Comment("a\nb"))
    assert source == "# coding : utf-7\n# fmt : off\n# type : ignore\n# a b\n"
    assert compile(source.encode(), "x.py", "exec")


@pytest.mark.parametrize(
    "name", ["", "a b", "1a", "a-b", "lambda", "None", "é", "a.", ".a", "a..b", "a.class", "a\n", "x; y"]
)
def test_bad_names_are_refused(name: str) -> None:
    """Only identifiers that are no keywords are names."""
    assert not py.identifier(name)
    with pytest.raises(ValueError, match="not a Python name"):
        py.Name(name)
    with pytest.raises(ValueError, match="not a Python name"):
        py.Call(py.Name("f"), (), ((name, py.Name("x")),))
    with pytest.raises(ValueError, match="not a Python name"):
        py.FunctionDef(name, (), None, ())


class Sneaky(int):
    """A number that prints as code."""

    def __repr__(self) -> str:
        """Return code."""
        return "exec()"


def test_bad_nodes_are_refused() -> None:
    """A node that could not be printed is not built."""
    x = py.Name("x")
    for build in (
        lambda: py.Lit(Sneaky(1)),
        lambda: py.Lit(float("inf")),
        lambda: py.Lit(float("nan")),
        lambda: py.Attr(x, "a.b"),
        lambda: py.Bin("; x +", x, x),
        lambda: py.Unary("~", x),
        lambda: py.Compare("<>", x, x),
        lambda: py.BoolOp("and", (x,)),
        lambda: py.Index(x, (x,)),
        lambda: py.FString(("a", py.Index(x, py.Lit("b")))),
        lambda: py.Call(x, (), (("a", x), ("a", x))),
        lambda: py.Assign(py.Tuple((py.Lit(1),)), x),
        lambda: py.ImportFrom("a", ("b as c",)),
        lambda: py.Import("a", "b.c"),
        lambda: py.FunctionDef("f", (py.Param("a", None, x), py.Param("b")), None, ()),
    ):
        with pytest.raises(ValueError, match=r"."):
            build()
