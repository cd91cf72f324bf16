"""archdsl: a network written as its paper prints it, checked without running anything, compiled to plain PyTorch.

>>> import archdsl
>>> net = archdsl.load("lenet5")
>>> archdsl.analyze(net).totals.of(training=False).parameters
60000

Names are loaded when first used, so that `archdsl --help` need not wait for the language.
"""

from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .analysis import Analysis
    from .api import analyze, build, compile, convert_weights, from_json, load, loads
    from .diagnostics import Diagnostic, SpecError
    from .ir.graph import Network
    from .ir.parallel import parallel_plan
    from .ir.weights import WeightsError

__all__ = [
    "Analysis", "Diagnostic", "Network", "SpecError", "WeightsError", "__version__", "analyze", "build", "compile",
    "convert_weights", "from_json", "load", "loads", "parallel_plan",
]  # fmt: skip

_HOMES = {
    "Analysis": "analysis",
    "Diagnostic": "diagnostics",
    "SpecError": "diagnostics",
    "Network": "ir.graph",
    "parallel_plan": "ir.parallel",
    "WeightsError": "ir.weights",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES.get(name, 'api')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
