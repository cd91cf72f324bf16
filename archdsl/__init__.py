"""archdsl: a network written as its paper prints it, checked without running anything, compiled to plain PyTorch.

>>> import archdsl
>>> net = archdsl.load("lenet5")
>>> archdsl.analyze(net).totals.of(training=False).parameters
60000
"""

from . import ops as _ops
from .analysis import Analysis
from .api import analyze, build, compile, load, loads
from .diagnostics import Diagnostic, SpecError
from .ir.graph import Network

__version__ = "0.1.0"

__all__ = [
    "Analysis", "Diagnostic", "Network", "SpecError", "analyze", "build", "compile", "load", "loads",
]  # fmt: skip

del _ops
