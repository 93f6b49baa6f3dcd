"""Sample paths and totals over the horizon, of the first few series."""

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Column

from seqcast.report.forecasts import SERIES_SHOWN, shown_steps
from seqcast.report.summary import note_text, open_table, title_text
from seqcast.report.text import number_format, plain, time_text, zoned_time_texts
from seqcast.results.sample_paths import Aggregate, SamplePaths, Totals

_PATHS_SHOWN = 5
_TOTALS_SHOWN = 20
_WORDS: dict[Aggregate, str] = {"sum": "Sum", "mean": "Mean", "min": "Smallest value", "max": "Largest value"}


def samples_preview(paths: SamplePaths, num_samples: int, num_windows: int) -> RenderableType:
    """The first paths of the first windows, with the number of those left out."""
    forecast = paths.forecast
    shown_paths = min(paths.values.shape[1], _PATHS_SHOWN)
    parts: list[RenderableType] = []
    for window in range(min(len(paths.values), SERIES_SHOWN)):
        values = paths.values[window, :shown_paths]
        clocks = zoned_time_texts(forecast.times()[window], forecast.frequency)
        write = number_format(values)
        names = (f"sample {number}" for number in range(1, shown_paths + 1))
        table = open_table(Column("time", no_wrap=True), *names)
        for step in shown_steps(forecast.horizon, whole=num_windows == 1):
            cells = ["…"] if step is None else [clocks[step], *map(write, values[:, step])]
            table.add_row(*cells)
        cutoff = time_text(forecast.cutoffs[window], forecast.frequency)
        parts += [title_text(f"{plain(forecast.series_ids[window])}: sample paths after {cutoff}"), table]
    hidden_paths = f"{num_samples:,} samples of each series; --output writes all of them."
    hidden_series = f"And {num_windows - SERIES_SHOWN:,} more series. " if num_windows > SERIES_SHOWN else ""
    return Group(*parts, note_text(hidden_series + hidden_paths))


def totals_view(totals: Totals, num_samples: int) -> RenderableType:
    """The total of each series over the horizon and its intervals, with the number of series left out."""
    clocks = zoned_time_texts(totals.cutoffs[:_TOTALS_SHOWN], totals.frequency)
    headings = (f"{level:g} % interval" for level in totals.levels)
    table = open_table(Column("series", overflow="fold"), Column("after", no_wrap=True), "median", *headings)
    for row, name in enumerate(totals.series_ids[:_TOTALS_SHOWN]):
        write = number_format(np.concatenate([totals.median[row : row + 1], totals.low[row], totals.high[row]]))
        bounds = zip(totals.low[row], totals.high[row], strict=True)
        ranges = [f"{write(low)} to {write(high)}" for low, high in bounds]
        table.add_row(plain(name), clocks[row], write(totals.median[row]), *ranges)
    hidden = len(totals.series_ids) - _TOTALS_SHOWN
    left_out = f"And {hidden:,} more series. " if hidden > 0 else ""
    title = f"{_WORDS[totals.aggregate]} of the next {totals.horizon:,} step{'s' if totals.horizon > 1 else ''}"
    return Group(title_text(title), table, note_text(f"{left_out}From {num_samples:,} sample paths of each series."))
