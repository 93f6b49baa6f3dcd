"""A preview of a forecast: the first and last steps of a few series."""

from collections.abc import Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Column
from rich.text import Text

from seqcast.report.summary import note_text, open_table, title_text
from seqcast.report.text import number_format, plain, time_text, zoned_time_texts
from seqcast.results.forecast import Forecast, interval

SERIES_SHOWN = 3
_HEAD, _TAIL = 6, 3
_STEPS_WHOLE = 12
"""Longest forecast, in steps, that is shown whole."""


def forecast_preview(forecast: Forecast, levels: Sequence[float] = ()) -> RenderableType:
    """The point forecast and its intervals, with the number of series left out.

    Raises:
        UsageError: A level is not between 0 and 100.
    """
    shown_levels = levels if forecast.quantile_levels else ()
    bounds = [interval(forecast, level) for level in shown_levels]
    steps = shown_steps(forecast.horizon, whole=len(forecast.series_ids) == 1)
    times = forecast.times()
    parts: list[RenderableType] = []
    for window in range(min(len(forecast.series_ids), SERIES_SHOWN)):
        intervals = (f"{level:g} % interval" for level in shown_levels)
        table = open_table(Column("time", no_wrap=True), "forecast", *intervals)
        clocks = zoned_time_texts(times[window], forecast.frequency)
        write = number_format(np.stack([forecast.point[window], *(b[window] for pair in bounds for b in pair)]))
        for step in steps:
            if step is None:
                table.add_row("…")
                continue
            ranges = [f"{write(low[window, step])} to {write(high[window, step])}" for low, high in bounds]
            table.add_row(clocks[step], write(forecast.point[window, step]), *ranges)
        cutoff = time_text(forecast.cutoffs[window], forecast.frequency)
        title = f"{plain(forecast.series_ids[window])}: {forecast.horizon} steps after {cutoff}"
        parts += [title_text(title), table]
    hidden = len(forecast.series_ids) - SERIES_SHOWN
    if hidden > 0:
        parts.append(Text(f"and {hidden} more series"))
    if forecast.rolled_from_step is not None:
        parts.append(note_text(f"From step {forecast.rolled_from_step} on, forecasts build on earlier forecasts."))
    return Group(*parts)


def shown_steps(horizon: int, whole: bool) -> list[int | None]:
    """Indices of the steps to show, with None where some are left out."""
    head, tail = (_HEAD, _TAIL) if whole else (_TAIL, 1)
    if horizon <= (_STEPS_WHOLE if whole else head + tail + 1):
        return list(range(horizon))
    return [*range(head), None, *range(horizon - tail, horizon)]
