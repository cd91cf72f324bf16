"""`archdsl analyze --plot`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ..analysis.columns import Details
from ..report.plot import plot_svg
from .files import CommandError, write_file, write_with


def check_plot(name: str) -> None:
    """Refuse a file of another kind, before any work is done."""
    suffix = Path(name).suffix.lower()
    if suffix not in (".svg", ".png"):
        raise CommandError(f"`--plot {name}` ends neither in .svg nor in .png")
    if suffix == ".png" and find_spec("matplotlib") is None:
        raise CommandError(
            "a PNG needs matplotlib", "`pip install 'archdsl[plot]'`, or write an .svg, which needs nothing"
        )


def write_plot(details: Details, name: str) -> None:
    """Write the plot as SVG, or with matplotlib as PNG."""
    if Path(name).suffix.lower() == ".svg":
        write_file(name, plot_svg(details))
        return
    from ..report.plot_png import plot_png

    write_with(name, lambda path: plot_png(details, path))
