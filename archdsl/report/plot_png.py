"""The plot of `report.plot` as PNG, by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..analysis.columns import Details
from ..diagnostics import safe
from .plot import COLOURS, GREY, borders, names_below, plot_of


def plot_png(details: Details, path: Path) -> None:
    """Write the plot. Needs matplotlib: `archdsl[plot]`."""
    import matplotlib.figure as figures  # pyright: ignore[reportMissingImports]

    plot = plot_of(details)
    figure: Any = figures.Figure(figsize=(9, 7.5), layout="constrained")
    panels: Any = figure.subplots(len(plot.series), 1, sharex=True)
    places = range(plot.layers)
    for panel, series, colour in zip(panels, plot.series, COLOURS, strict=True):
        heights = [0 if v is None else series.top if v < 0 else v for v in series.values]
        whole = [v is not None and v < 0 for v in series.values]
        colours = [GREY if everything else colour for everything in whole]
        panel.bar(places, heights, color=colours, width=[1 if everything else 0.82 for everything in whole])
        panel.set_title(series.title, loc="left", fontsize=10, fontweight="bold", color="#333333")
        panel.set_title(series.total, loc="right", fontsize=9, color="#666666")
        panel.set_yticks([height for height, _ in series.ticks], [label for _, label in series.ticks])
        panel.set_ylim(0, series.top)
        panel.grid(axis="y", color="#ececec")
        panel.set_axisbelow(True)
        panel.tick_params(length=0, labelsize=9, labelcolor="#555555")
        panel.spines[["top", "right", "left"]].set_visible(False)
        for at in borders(plot):
            panel.axvline(at - 0.5, color="#d0d0d0", linewidth=0.7, linestyle=(0, (2, 3)))
    names, slanted = names_below(plot)
    turn: Any = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    panels[-1].set_xlim(-0.5, max(plot.layers, 1) - 0.5)
    panels[-1].set_xticks([part.centre - 0.5 for part in names], [part.name for part in names], **turn)
    figure.get_layout_engine().set(rect=(0.01, 0, 0.98, 0.925))
    figure.text(0.02, 0.985, safe(plot.title), va="top", fontsize=13, fontweight="bold", color="#222222")
    figure.text(0.02, 0.955, safe(plot.subtitle), va="top", fontsize=9, color="#666666")
    figure.savefig(path, format="png", dpi=144, metadata={"Software": "archdsl"})
