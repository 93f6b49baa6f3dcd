"""The sections of attention: the map of steps and lags, the strongest lags, and the seasons of the data."""

import numpy as np
import plotly.graph_objects as go

from seqcast.attention.content import ContentMovement
from seqcast.attention.contributions import Contributions
from seqcast.attention.inspection import Inspection
from seqcast.attention.lag_report import LagReport
from seqcast.attention.seasons import SeasonFinding
from seqcast.pages.blocks import Absent, Chart, Notes, Section, Table, missing, sentence
from seqcast.pages.figures import bars, compact, new_figure
from seqcast.pages.palette import BLUE, GREY, RAMP
from seqcast.panel.arrays import BoolArray, FloatArray
from seqcast.report.contributions import contribution_note
from seqcast.report.heatmap import column_sums, row_label, row_means, weights_by_lag
from seqcast.report.lags import LagSource, lag_notes, lag_summary
from seqcast.report.text import percent_text, plain
from seqcast.results.lag_profile import LagProfile
from seqcast.run.load import TrainedModel

MOST_ROWS, MOST_COLUMNS = 60, 240
"""Cells of the heat map, at most."""
MOST_BARS = 240
_OTHER_COLUMNS = ("spread:", "grey:", "moves:", "attended time:")
"""Beginnings of definitions of columns that the terminal alone shows."""
TOP = 10
"""Lags in the table."""


def attention_section(found: Inspection | Absent, model: TrainedModel, num_series: int) -> Section:
    """The heat map, the bars and the strongest lags; `num_series` are all series of the table."""
    title = "Attention"
    if isinstance(found, Absent):
        return Section(title, (missing(found),))
    settings = model.config.model
    is_fed_back = settings.decoding == "autoregressive"
    source = LagSource(found.lags_of, found.linear_share, is_fed_back, settings.bidirectional)
    lead = lag_summary(found.report, source, found.content).plain.partition("\n")[2]
    if found.report.num_series < num_series:
        lead += f" The series are spread evenly over the {num_series:,} of the table."
    blocks = (
        heatmap_chart(found.report),
        lag_chart(found.report.overall, found.content),
        lag_table(found.report.overall),
        Notes(_notes(found.report, source)),
    )
    return Section(title, blocks, lead)


def _notes(report: LagReport, source: LagSource) -> tuple[str, ...]:
    """The definitions of what the page shows; it has no columns of spread and movement."""
    return tuple(line for line in lag_notes(report, source) if not line.startswith(_OTHER_COLUMNS))


def season_section(found: Inspection) -> Section:
    """Where the data repeat, and whether the attention is there."""
    if not found.seasons:
        return Section("Seasons", (), "The data do not repeat after any fixed number of steps.")
    rows = tuple(_season_row(finding) for finding in found.seasons)
    headings = ("lag", "duration", "finding", "autocorrelation", "attention")
    caption = (
        "Lags at which the changes of the data repeat, seasons that the frequency suggests, and strong lags that"
        " neither explains. Attention: the share of the band at the lag, or at a multiple of it."
    )
    return Section("Seasons", (Table(headings, rows, caption, num_words=3),))


def _season_row(finding: SeasonFinding) -> tuple[str, ...]:
    correlation = "-" if finding.correlation is None else f"{finding.correlation:.2f}"
    return f"{finding.lag:,}", finding.duration, sentence(finding.text), correlation, percent_text(finding.share)


def contribution_section(found: Contributions | Absent) -> Section:
    """How much each input contributes to the forecast and to its accuracy."""
    title = "Where the forecast comes from"
    if isinstance(found, Absent):
        return Section(title, (missing(found),))
    groups = found.inputs[0].by_horizon
    by_step = [group.label for group in groups] if len(groups) > 1 else []
    headings = ("input", "forecast", "±", "alone", "accuracy", *by_step)
    rows, lengths = [], []
    for each in found.inputs:
        part = each.overall
        accuracy = "-" if part.accuracy is None else percent_text(part.accuracy)
        numbers = (percent_text(part.forecast), percent_text(part.forecast_error), percent_text(part.alone), accuracy)
        steps = [percent_text(group.forecast) for group in each.by_horizon] if by_step else []
        rows.append((plain(each.name), *numbers, *steps))
        lengths.append(min(max(part.forecast, 0.0), 1.0))
    caption = contribution_note(found) + (" The last columns: part of the forecast by step." if by_step else "")
    return Section(title, (Table(headings, tuple(rows), caption, bars=tuple(lengths)),))


def heatmap_chart(report: LagReport) -> Chart:
    """The mean weight of each forecast step on each lag; neighbours are joined where there are many."""
    weights, reachable = weights_by_lag(report)
    width, height = -(-weights.shape[1] // MOST_COLUMNS), -(-weights.shape[0] // MOST_ROWS)
    shares = row_means(column_sums(weights, width), height)
    inside = row_means(column_sums(reachable, width), height) > 0
    lags, rows = _ranges(weights.shape[1], width), _ranges(weights.shape[0], height)
    figure = new_figure(min(460, 150 + 16 * len(rows)), x_title="lag", y_title="forecast step", listed=False)
    figure.add_trace(
        _heatmap(shares, inside, lags, rows).update(x=_centres(width, len(lags)), y=_centres(height, len(rows)))
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    joined = [f"a column is the sum of {width} lags"] if width > 1 else []
    joined += [f"a row is the mean of {height} steps"] if height > 1 else []
    reference = "the forecast step" if report.relative == "target" else "the start of the forecast"
    caption = f"Mean weight of each forecast step (rows) on each lag before {reference} (columns)"
    caption += f"; {' and '.join(joined)}" if joined else ""
    caption += ". Shades follow the square root of the weight, so that weak lags can be seen beside strong ones."
    return Chart("Attention of each forecast step on each lag", figure, caption)


def _heatmap(shares: FloatArray, inside: BoolArray, lags: list[str], rows: list[str]) -> go.Heatmap:
    largest = float(shares.max())
    marks = np.array([0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
    marks = marks[marks <= max(largest, 0.01)]
    return go.Heatmap(
        z=compact(np.where(inside, np.sqrt(shares), np.nan)),
        customdata=compact(shares),
        text=[[f"step {row}, lag {lag}" for lag in lags] for row in rows],
        hovertemplate="%{text}: %{customdata:.2%}<extra></extra>",
        colorscale=RAMP,
        zmin=0,
        colorbar={
            "thickness": 8,
            "len": 0.9,
            "outlinewidth": 0,
            "tickvals": np.sqrt(marks).tolist(),
            "ticktext": [f"{100 * mark:g} %" for mark in marks],
        },
        xgap=0,
        ygap=1,
    )


def _centres(size: int, count: int) -> FloatArray:
    """(count,) middle of each range of `size` numbers, counted from 1."""
    return np.arange(count, dtype=np.float64) * size + (size + 1) / 2


def _ranges(length: int, size: int) -> list[str]:
    return [row_label(first, min(first + size, length)) for first in range(0, length, size)]


def lag_chart(profile: LagProfile, content: ContentMovement | None) -> Chart:
    """The share of each lag, and the part of it that content decides where that was measured."""
    size = -(-len(profile.share) // MOST_BARS)
    share = column_sums(profile.share[None], size)[0]
    moving = np.zeros_like(share) if profile.moving is None else column_sums(profile.moving[None], size)[0]
    moving = np.minimum(moving, share)
    lags = _centres(size, len(share))
    figure = new_figure(260, x_title="lag", y_title="share of the attention")
    shown = {"hovertemplate": "%{y:.2%}", "width": size}
    named = "the same in every window" if profile.moving is not None else "share"
    figure.add_trace(bars(named, lags, share - moving, BLUE, **shown))
    if profile.moving is not None:
        figure.add_trace(bars("content decides", lags, moving, GREY, **shown))
    figure.update_layout(barmode="stack", bargap=0.1)
    figure.update_yaxes(tickformat=".0%")
    caption = "Share of all attention by lag, counted back from the forecast step."
    if size > 1:
        caption += f" A bar is the sum of {size} lags."
    if content is not None:
        caption += f" Content decides {100 * content.decided:.0f} % of it: it moves from window to window."
    return Chart("Share of the attention by lag", figure, caption)


def lag_table(profile: LagProfile) -> Table:
    """The strongest lags."""
    rows = profile.rows(TOP)
    headings = ["lag", "share", "duration", "cumulative", "lift"]
    cells = [
        (f"{row.lag:,}", percent_text(row.share), row.duration, percent_text(row.cumulative_share), f"{row.lift:.1f}x")
        for row in rows
    ]
    largest = max((row.share for row in rows), default=0.0) or 1.0
    lengths = tuple(row.share / largest for row in rows)
    return Table(tuple(headings), tuple(cells), "The strongest lags.", bars=lengths)
