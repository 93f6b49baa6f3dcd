"""A plot made of characters: the end of the history, the forecast and its interval."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import plotext

from seqcast.panel.arrays import FloatArray, IntArray, evenly_spread
from seqcast.panel.frequency import TimeArray
from seqcast.report.text import number_format, plain, time_texts

MIN_WIDTH, MIN_HEIGHT = 30, 8
"""Smallest size, in characters, of a plot with its axes."""

_TIME_MARK_GAP = 10
"""Characters between the times below the plot; the library moves the first and the last one inwards."""
_VALUE_MARK_HEIGHT = 4
_LINES = {"start": ("┊", "gray"), "history": ("hd", 31), "interval": ("·", "gray"), "forecast": ("hd", 130)}
"""Marker and colour of each line, all legible on a light and on a dark ground; "hd" draws quarters of a character."""


@dataclass(frozen=True, eq=False)
class SeriesPlot:
    """One series to draw: its history, followed by its forecast."""

    title: str
    """Text, possibly from data."""
    times: TimeArray
    """(T + H,)"""
    history: FloatArray
    """(T,) newest steps; NaN where not observed."""
    forecast: FloatArray
    """(H,)"""
    low: FloatArray
    """(H,) lower bound of the interval; NaN without one."""
    high: FloatArray
    """(H,)"""


def draw_plot(plot: SeriesPlot, width: int, height: int, *, color: bool) -> str:
    """Draw `height` lines of `width` characters, without escape codes unless `color`.

    A size below `MIN_WIDTH` x `MIN_HEIGHT` is raised to it.
    """
    width, height = max(width, MIN_WIDTH), max(height, MIN_HEIGHT)
    scale = _ValueScale.of(plot)
    figure = plotext.figure
    figure.clear()
    plotext.terminal.limit(False, False)
    figure.plot_size(width, height)
    figure.theme("colorless")
    figure.canvas("default")
    figure.title(plain(plot.title, width - 10))
    num_past = len(plot.history)
    steps = np.arange(num_past + len(plot.forecast))
    # A line of the library's own would paint its background.
    _draw_line(figure, "start", np.full(4 * height, num_past - 0.5), np.linspace(0, 1, 4 * height))
    _draw_line(figure, "history", steps[:num_past], scale.position(plot.history))
    for bound in (plot.low, plot.high):
        _draw_line(figure, "interval", steps[num_past:], scale.position(bound))
    _draw_line(figure, "forecast", steps[num_past:], scale.position(plot.forecast))
    room = len(time_texts(plot.times)[0]) + _TIME_MARK_GAP
    marks = evenly_spread(len(steps), max(2, width // room))
    figure.ruler("x").ticks(marks.tolist(), time_texts(plot.times[marks]))
    heights = np.linspace(0, 1, max(2, height // _VALUE_MARK_HEIGHT))
    write = number_format(np.array([scale.bottom, scale.top]))
    figure.ruler("y").lim(0, 1)
    figure.ruler("y").ticks(heights.tolist(), [write(scale.value(at)) for at in heights])
    drawn: str = figure.build().string(colorless=not color)
    return drawn


@dataclass(frozen=True)
class _ValueScale:
    """Maps values to positions between the bottom (0) and the top (1) of the plot.

    The plotting library gets positions only, because it ends the process on a value or range that is not finite.
    """

    bottom: float
    top: float

    @classmethod
    def of(cls, plot: SeriesPlot) -> Self:
        values = np.concatenate([plot.history, plot.forecast, plot.low, plot.high])
        finite = values[np.isfinite(values)]
        bottom, top = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        if bottom == top:
            margin = abs(bottom) / 2 or 1.0
            return cls(bottom - margin, top + margin)
        return cls(bottom, top)

    def position(self, values: FloatArray) -> FloatArray:
        # The difference of two large numbers may overflow; half of it does not.
        return (values / 2 - self.bottom / 2) / (self.top / 2 - self.bottom / 2)

    def value(self, position: float) -> float:
        return self.bottom * (1 - position) + self.top * position


def _draw_line(figure: Any, name: str, steps: IntArray | FloatArray, positions: FloatArray) -> None:
    """Draw a line with gaps where positions are missing."""
    marker, colour = _LINES[name]
    found = np.flatnonzero(np.isfinite(positions))
    for run in np.split(found, np.flatnonzero(np.diff(found) > 1) + 1):
        signal = figure.signal(steps[run].tolist(), positions[run].tolist(), marker=plotext.marker(marker, colour))
        figure.draw(signal.lines(True))
