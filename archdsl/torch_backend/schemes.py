"""The recipes of `init` as calls of `nn.init`, their numbers as a person would write them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from .. import expr as ex
from ..diagnostics import SpecError
from ..ir.evaluate import Env, evaluate
from ..ir.graph import Fill, Names
from ..ir.initial import GAINS, MODES
from ..ir.shapes import Constant
from . import pycode as py
from .formulas import literal

_FUNCTIONS: Mapping[str, str] = {
    "kaiming normal": "kaiming_normal_",
    "kaiming uniform": "kaiming_uniform_",
    "xavier normal": "xavier_normal_",
    "xavier uniform": "xavier_uniform_",
    "orthogonal": "orthogonal_",
    "normal": "normal_",
    "truncated normal": "trunc_normal_",
    "uniform": "uniform_",
    "constant": "constant_",
    "zeros": "zeros_",
    "ones": "ones_",
}
_GAINS = {"leakyrelu": "leaky_relu"}
_SHORT = 8


def filling(fill: Fill, names: Names, array: py.Expr) -> py.Stmt:
    """The statement that fills an array; `names` are the parameters of the file that the recipe stands in."""
    function = py.Name(f"nn.init.{_FUNCTIONS[fill.scheme]}")
    numbers = {name: _number(fill, name, value, names) for name, value in fill.numbers}
    args, kwargs = _arguments(fill, numbers)
    return py.ExprStmt(py.Call(function, (array, *args), tuple(kwargs.items())))


def _arguments(fill: Fill, numbers: Mapping[str, py.Expr]) -> tuple[tuple[py.Expr, ...], dict[str, py.Expr]]:
    mode = next((word for word in fill.words if word in MODES), None)
    gain = next((word for word in fill.words if word in GAINS), None)
    match fill.scheme:
        case "kaiming normal" | "kaiming uniform":
            kwargs: dict[str, py.Expr] = {"a": numbers["slope"]} if "slope" in numbers else {}
            kwargs |= {} if mode is None else {"mode": py.Lit(mode)}
            return (), kwargs | ({} if gain in (None, "leakyrelu") else {"nonlinearity": py.Lit(gain)})
        case "xavier normal" | "xavier uniform" | "orthogonal":
            if gain not in (None, "linear"):
                slope = (numbers["slope"],) if "slope" in numbers else ()
                named = py.Lit(_GAINS.get(gain, gain))
                return (), {"gain": py.Call(py.Name("nn.init.calculate_gain"), (named, *slope))}
            return (), dict(numbers)
        case "uniform" if "bound" in numbers:
            return (_minus(numbers["bound"]), numbers["bound"]), {}
        case "uniform":
            return (numbers["low"], numbers["high"]), {}
        case "truncated normal" if "within" in numbers:
            within = dict(fill.numbers)["within"]
            middle = dict(fill.numbers).get("mean", 0)
            assert isinstance(within, int | Fraction)
            assert isinstance(middle, int | Fraction)
            ends: dict[str, py.Expr] = {"a": _literal(middle - within), "b": _literal(middle + within)}
            return (), {name: code for name, code in numbers.items() if name != "within"} | ends
        case "constant":
            return (numbers["value"],), {}
        case _:
            return (), dict(numbers)


def _minus(code: py.Expr) -> py.Expr:
    return py.Unary("-", code)


def _literal(value: Constant) -> py.Expr:
    if isinstance(value, Fraction):
        return _minus(_literal(-value)) if value < 0 else py.Lit(float(value))
    return literal(value)


def _number(fill: Fill, name: str, value: Constant, names: Names) -> py.Expr:
    """A number: in digits where these are few, else as it was computed."""
    written = dict(fill.expressions).get(name)
    if written is None or _is_short(value):
        return _literal(value)
    env = Env(names, lambda _: False)
    try:
        code = _computed(written, env)
    except SpecError:
        code = None
    return _literal(value) if code is None else code


def _is_short(value: Constant) -> bool:
    return isinstance(value, int) or (isinstance(value, Fraction) and len(repr(float(value))) <= _SHORT)


def _computed(source: ex.Expr, env: Env) -> py.Expr | None:
    """A formula with its names replaced by their values and its whole parts computed; None if it has no such form."""
    value = evaluate(source, env)
    if _is_short(value):
        return _literal(value)
    match source:
        case ex.Negative():
            inner = _computed(source.operand, env)
            return None if inner is None else _minus(inner)
        case ex.Binary(op="+" | "-" | "*" | "/"):
            left, right = _computed(source.left, env), _computed(source.right, env)
            return None if left is None or right is None else py.Bin(source.op, left, right)
        case ex.Function(name="sqrt") | ex.Function(name="log"):
            under = _computed(source.args[0], env)
            if under is None:
                return None
            if source.name == "log":
                return py.Call(py.Name("math.log"), (under,))
            return py.Bin("**", under, py.Lit(0.5))
        case _:
            return None


def same_call(one: Fill, other: Fill) -> bool:
    """Whether two recipes fill an array in the same way."""
    return (one.scheme, one.words, one.numbers) == (other.scheme, other.words, other.numbers)
