"""Forecasts and attention as still pictures, PNG or SVG, drawn by Matplotlib."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from seqcast.attention.lag_report import LagReport
from seqcast.pages.charts import Fan, ForecastChart
from seqcast.pages.palette import BLUE, CARD, GREY, GRID, INK, MUTED
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.panel.notices import Notice
from seqcast.report.heatmap import weights_by_lag
from seqcast.report.text import plain

Format = Literal["png", "svg"]

WIDTH, ROW_HEIGHT, ATTENTION_HEIGHT = 9.0, 2.6, 6.4
"""Sizes in inches."""
DOTS_PER_INCH = 150
LONGEST_TITLE = 90
_SETTINGS: Any = {
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "text.usetex": False,
    "svg.hashsalt": "seqcast",  # the same picture gives the same file
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.facecolor": CARD,
    "figure.facecolor": CARD,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "legend.frameon": False,
}


def draw_forecasts(
    charts: Sequence[ForecastChart], frequency: Frequency, file: BinaryIO, file_format: Format
) -> tuple[Notice, ...]:
    """Draw the history, the forecast and the intervals of each series, below each other.

    Returns:
        A notice where letters of a name cannot be drawn.
    """
    with _drawing() as notices:
        figure = Figure(figsize=(WIDTH, ROW_HEIGHT * len(charts)), dpi=DOTS_PER_INCH, layout="constrained")
        axes = figure.subplots(len(charts), 1, squeeze=False)[:, 0]
        for place, chart in zip(axes, charts, strict=True):
            _draw_series(place, chart, frequency)
        axes[0].legend(loc="upper left", ncols=4, fontsize=8)
        _save(figure, file, file_format)
    return tuple(notices)


def draw_attention(report: LagReport, file: BinaryIO, file_format: Format) -> tuple[Notice, ...]:
    """Draw the weight of each forecast step on each lag, and the share of each lag below it.

    Returns:
        A notice where letters cannot be drawn.
    """
    with _drawing() as notices:
        figure = Figure(figsize=(WIDTH, ATTENTION_HEIGHT), dpi=DOTS_PER_INCH, layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _draw_map(figure, above, report)
        lags = np.arange(1, len(report.overall.share) + 1)
        below.bar(lags, report.overall.share, width=0.9, color=BLUE)
        below.set_xlim(0.5, len(lags) + 0.5)
        below.yaxis.set_major_formatter(PercentFormatter(1))
        below.xaxis.set_major_locator(MaxNLocator(integer=True))
        reference = "the forecast step" if report.relative == "target" else "the start of the forecast"
        below.set_xlabel(f"lag: steps before {reference}")
        below.set_ylabel("share of the attention")
        _save(figure, file, file_format)
    return tuple(notices)


@contextmanager
def _drawing() -> Iterator[list[Notice]]:
    """The settings of a picture, and a list that gets a notice where the font lacks a letter."""
    notices: list[Notice] = []
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield notices
    if any("missing from font" in str(warning.message) for warning in found):
        text = "the font of the picture lacks some letters of the names; an .html file shows all of them"
        notices.append(Notice("repair", text))


def _save(figure: Figure, file: BinaryIO, file_format: Format) -> None:
    metadata = {"Date": None} if file_format == "svg" else {}
    figure.savefig(file, format=file_format, metadata=metadata)


def _draw_series(axes: Axes, chart: ForecastChart, frequency: Frequency) -> None:
    axes.plot(_axis(chart.times, frequency), chart.history, color=INK, linewidth=1.1, label="observed")
    if chart.ahead is not None:
        _draw_fan(axes, chart.ahead, frequency)
    axes.set_title(plain(chart.name, LONGEST_TITLE), loc="left", fontsize=10, fontweight="bold")
    axes.margins(x=0.01)
    if chart.times.dtype.kind == "M":
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_fan(axes: Axes, fan: Fan, frequency: Frequency) -> None:
    times = _axis(fan.times, frequency)
    for each in fan.intervals:
        label = f"{each.level:g} % interval"
        axes.fill_between(times, each.low, each.high, color=BLUE, alpha=0.16, linewidth=0, label=label)
    marker = "o" if len(fan.point) == 1 else None
    axes.plot(times, fan.point, color=BLUE, linewidth=1.5, marker=marker, label="forecast")
    axes.axvline(times[0], color=GREY, linewidth=0.8, linestyle=":")


def _draw_map(figure: Figure, axes: Axes, report: LagReport) -> None:
    weights, reachable = weights_by_lag(report)
    shown = np.ma.masked_where(reachable == 0, weights)
    ramp = LinearSegmentedColormap.from_list("attention", [CARD, "#8fb0e4", "#183a8c"])
    norm = PowerNorm(0.5, vmin=0, vmax=max(float(weights.max()), 1e-12))
    extent = (0.5, weights.shape[1] + 0.5, report.horizon + 0.5, 0.5)
    picture = axes.imshow(shown, cmap=ramp, norm=norm, aspect="auto", interpolation="nearest", extent=extent)
    axes.grid(visible=False)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("forecast step")
    axes.set_title("Attention of each forecast step on each lag", loc="left", fontsize=10, fontweight="bold")
    bar = figure.colorbar(picture, ax=axes, format=PercentFormatter(1), pad=0.01, aspect=30)
    bar.outline.set_visible(False)


def _axis(times: TimeArray, frequency: Frequency) -> TimeArray:
    """Times as the clock of the data shows them, or step numbers."""
    return frequency.wall(times)
