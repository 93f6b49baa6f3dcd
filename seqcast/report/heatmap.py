"""The attention as a heat map: one row per forecast step, one column per lag, in colour or in shades of grey."""

from dataclasses import dataclass

import numpy as np
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from seqcast.attention.lag_report import LagReport
from seqcast.panel.arrays import FloatArray
from seqcast.report.summary import title_text
from seqcast.report.text import percent_text

GREYS = " ░▒▓█"
_OUTSIDE = "·"
"""Mark of a lag that the step cannot reach."""

_COLOURS = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], dtype=np.float64)
"""From dark to light at equal distances in lightness, so that the order is visible without the hue."""

_ENOUGH_COLOURS = ("truecolor", "256")
"""Colour systems with enough colours for a ramp; others get shades of grey."""

_MAX_ROWS = 24
_MAX_CELL_WIDTH = 4
_LEGEND_CELLS = 10


@dataclass(frozen=True, eq=False)
class Heatmap:
    """The mean attention of a report as a picture that fits any width.

    If space is short, a column is the sum of several lags and a row the mean of several steps. Shades follow the square
    root of the weight, because one strong lag would leave all others dark.
    """

    report: LagReport

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        by_lag, reachable = weights_by_lag(self.report)
        row_size = -(-self.report.horizon // _MAX_ROWS)
        margin = len(row_label(self.report.horizon - row_size, self.report.horizon)) + 2
        width = max(1, options.max_width - margin)
        lags_per_column = -(-by_lag.shape[1] // width)
        cells = row_means(column_sums(by_lag, lags_per_column), row_size)
        inside = row_means(column_sums(reachable, lags_per_column), row_size) > 0
        cell_width = max(1, min(_MAX_CELL_WIDTH, width // cells.shape[1]))
        coloured = console.color_system in _ENOUGH_COLOURS and not console.no_color
        draw = _coloured_cell if coloured else _grey_cell
        largest = max(float(cells.max()), 1e-12)
        yield _heading(self.report, lags_per_column, row_size)
        for row in range(len(cells)):
            first = row * row_size
            label = row_label(first, min(first + row_size, self.report.horizon))
            yield Segment(label.rjust(margin - 1) + " ")
            for value, is_inside in zip(cells[row], inside[row], strict=True):
                yield draw((value / largest) ** 0.5, cell_width) if is_inside else Segment(_OUTSIDE * cell_width)
            yield Segment.line()
        yield Text(" " * margin + _axis(by_lag.shape[1], lags_per_column, cell_width), no_wrap=True, overflow="crop")
        yield _legend(largest, coloured)


def weights_by_lag(report: LagReport) -> tuple[FloatArray, FloatArray]:
    """(H, L) mean weight of each step on each lag, and whether the step can reach the lag (1 or 0)."""
    shift = 1 if report.relative == "target" else 0
    num_lags = report.context + shift * (report.horizon - 1)
    weights, reachable = np.zeros((2, report.horizon, num_lags))
    for step in range(report.horizon):
        lags = slice(shift * step, shift * step + report.context)
        weights[step, lags] = report.step_weights[step, ::-1]
        reachable[step, lags] = 1
    return weights, reachable


def column_sums(values: FloatArray, size: int) -> FloatArray:
    """Sums of each `size` neighbouring columns."""
    return np.add.reduceat(values, np.arange(0, values.shape[1], size), axis=1)


def row_means(values: FloatArray, size: int) -> FloatArray:
    """Means of each `size` neighbouring rows."""
    starts = np.arange(0, len(values), size)
    sums: FloatArray = np.add.reduceat(values, starts, axis=0)
    return sums / np.diff([*starts, len(values)])[:, None]


def _heading(report: LagReport, lags_per_column: int, row_size: int) -> Text:
    shares = []
    if lags_per_column > 1:
        shares.append(f"a column is the sum of {lags_per_column} lags")
    if row_size > 1:
        shares.append(f"a row is the mean of {row_size} steps")
    reference = "the forecast step" if report.relative == "target" else "the start of the forecast"
    detail = f" ({'; '.join(shares)})" if shares else ""
    return Text.assemble(title_text("Attention"), f": one row per step, one column per lag before {reference}{detail}")


def row_label(first: int, end: int) -> str:
    """The numbers of the steps from `first` (0 = first step) to before `end`."""
    return str(first + 1) if end - first == 1 else f"{first + 1}-{end}"


def _axis(num_lags: int, lags_per_column: int, cell_width: int) -> str:
    """As many labels as fit: each is the lag, or the range of lags, of the column above it."""
    line = ""
    for column, first in enumerate(range(1, num_lags + 1, lags_per_column)):
        last = min(first + lags_per_column - 1, num_lags)
        if not line or len(line) + 2 <= column * cell_width:
            label = str(first) if first == last else f"{first}-{last}"
            line = line.ljust(column * cell_width) + label
    return line


def _grey_cell(value: float, width: int) -> Segment:
    return Segment(GREYS[round(value * (len(GREYS) - 1))] * width)


def _coloured_cell(value: float, width: int) -> Segment:
    position = value * (len(_COLOURS) - 1)
    low = min(int(position), len(_COLOURS) - 2)
    red, green, blue = _COLOURS[low] + (position - low) * (_COLOURS[low + 1] - _COLOURS[low])
    return Segment(" " * width, Style(bgcolor=Color.from_rgb(red, green, blue)))


def _legend(largest: float, coloured: bool) -> Text:
    """The meaning of the shades, as shares of a step's weight."""
    outside = f"; {_OUTSIDE} out of reach"
    if coloured:
        text = Text("0 % ")
        for start, weight in ((0.0, largest / 4), (0.5, largest)):  # half the scale is a quarter of the weight
            for value in np.linspace(start, start + 0.5, _LEGEND_CELLS):
                cell = _coloured_cell(value, 1)
                text.append(cell.text, cell.style)
            text.append(f" {percent_text(weight)} ")
        return text.append(f"of a step's weight{outside}")
    levels = len(GREYS) - 1
    bounds = [((level - 0.5) / levels) ** 2 * largest for level in range(levels, 0, -1)]
    shades = [f"{GREYS[levels - rank]} from {percent_text(bound)}" for rank, bound in enumerate(bounds)]
    return Text(f"{', '.join(shades)} of a step's weight, blank below{outside}")
