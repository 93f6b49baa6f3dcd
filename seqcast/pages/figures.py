"""The look of the charts, and the lines, bands and bars they are drawn from.

Figures have the colours of the light theme. Names from the data never become part of a figure without `label_text`,
because Plotly reads tags in every text.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from seqcast.pages.palette import BLUE, CARD, GRID, INK, MUTED, TINTS
from seqcast.panel.arrays import FloatArray
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.report.text import plain

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MOST_POINTS = 1000
"""Points of a line, at most."""


def new_figure(height: int = 300, *, x_title: str = "", y_title: str = "", listed: bool = True) -> go.Figure:
    """An empty chart of `height` pixels, as wide as the page.

    One that is `listed` has a legend, and tells all its values at one place of the x axis; others tell a single one.
    """
    axis: dict[str, Any] = {
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "ticks": "",
        "automargin": True,
        "fixedrange": False,
    }
    small = {"size": 12, "color": MUTED}
    return go.Figure(
        layout={
            "template": "none",
            "height": height,
            "margin": {"l": 8, "r": 12, "t": 34 if listed else 12, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 12, "color": INK},
            "hovermode": "x unified" if listed else "closest",
            "hoverlabel": {"bgcolor": CARD, "bordercolor": GRID, "font": {"color": INK, "family": FONT, "size": 12}},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"color": INK}},
            "xaxis": {**axis, "showgrid": False, "title": {"text": x_title, "font": small}, "tickfont": small},
            "yaxis": {**axis, "title": {"text": y_title, "font": small}, "tickfont": small},
        }
    )


def line(name: str, x: NDArray[Any] | Sequence[Any], y: FloatArray, colour: str, **style: Any) -> go.Scatter:
    """A line with gaps where values are missing; a single point is a dot."""
    dots = len(y) == 1 or bool(style.pop("dots", False))
    width, dash = style.pop("width", 1.8), style.pop("dash", "solid")
    return go.Scatter(
        name=name,
        x=x,
        y=compact(y),
        mode="lines+markers" if dots else "lines",
        line={"color": colour, "width": width, "dash": dash},
        marker={"size": 5, "color": colour},
        **style,
    )


def band(
    name: str, x: NDArray[Any] | Sequence[Any], low: FloatArray, high: FloatArray, opacity: float = 0.18, **style: Any
) -> tuple[go.Scatter, go.Scatter]:
    """The area between two lines; its lower line comes first."""
    colour = style.pop("colour", BLUE)
    edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0, "color": colour}, "legendgroup": name, **style}
    lower = go.Scatter(name=f"{name}, low", x=x, y=compact(low), showlegend=False, **edge)
    tint = f"{TINTS[colour]}{opacity})"
    upper = go.Scatter(name=name, x=x, y=compact(high), fill="tonexty", fillcolor=tint, **{"showlegend": True, **edge})
    return lower, upper


def bars(name: str, x: NDArray[Any] | Sequence[Any], y: FloatArray, colour: str, **style: Any) -> go.Bar:
    """Upright bars."""
    return go.Bar(name=name, x=x, y=compact(y), marker={"color": colour, "line": {"width": 0}}, **style)


def compact(values: FloatArray) -> NDArray[Any]:
    """The values in half the space, where nobody could see the difference."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return values.astype(np.float32)
    largest, reach = float(np.abs(finite).max()), float(finite.max() / 2 - finite.min() / 2)
    in_reach = largest < 1e30 and (largest == 0 or reach > 1e-30)
    is_safe = in_reach and largest * np.finfo(np.float32).eps <= 1e-4 * reach
    return values.astype(np.float32) if is_safe else values


def axis_times(times: TimeArray, frequency: Frequency) -> list[str] | list[int]:
    """Times as the clock of the data shows them, or step numbers."""
    walls = frequency.wall(times)
    return [str(time) for time in walls] if walls.dtype.kind == "M" else [int(step) for step in walls]


def label_text(name: str) -> str:
    """Data text for a figure: never a tag or a control character."""
    return escape(plain(name), quote=False)
