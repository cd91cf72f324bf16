"""The plot of `report.plot` as PNG, by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..analysis.columns import Details
from ..diagnostics import safe
from .plot import COLOURS, plot_of


def plot_png(details: Details, path: Path) -> None:
    """Write the plot. Needs matplotlib: `archdsl[plot]`."""
    import matplotlib.figure as figures  # pyright: ignore[reportMissingImports]

    plot = plot_of(details)
    figure: Any = figures.Figure(figsize=(9, 7.5), layout="constrained")
    panels: Any = figure.subplots(len(plot.series), 1, sharex=True)
    places = range(plot.layers)
    for panel, series, colour in zip(panels, plot.series, COLOURS, strict=True):
        most = max((v for v in series.values if v is not None), default=0) or 1
        heights = [0 if v is None else most if v < 0 else v for v in series.values]
        colours = ["#e3e3e3" if v is not None and v < 0 else colour for v in series.values]
        panel.bar(places, heights, color=colours, width=0.82, align="edge")
        panel.set_title(series.title, loc="left", fontsize=10)
        panel.set_yticks([0, most], ["0", series.most])
        panel.spines[["top", "right"]].set_visible(False)
    ticks: list[tuple[int, str]] = []
    for at, name in plot.parts:
        if not ticks or at - ticks[-1][0] >= plot.layers / 24:
            ticks.append((at, name))
    panels[-1].set_xlim(0, max(plot.layers, 1))
    panels[-1].set_xticks([at for at, _ in ticks], [safe(name)[:24] for _, name in ticks], rotation=30, ha="right")
    figure.suptitle(safe(plot.title), x=0.02, ha="left", fontweight="bold")
    figure.savefig(path, format="png", dpi=144)
