"""The section of forecasts: one series at a time with its history, intervals, past forecasts and attention."""

from collections.abc import Sequence

import plotly.graph_objects as go

from seqcast.evaluation.metrics import ModelScores
from seqcast.pages.blocks import Absent, Entry, Messages, Picker, Section, sentence
from seqcast.pages.charts import Fan, ForecastChart, Forecasts
from seqcast.pages.choice import ALL, Chosen, series_errors
from seqcast.pages.figures import axis_times, band, bars, line, new_figure
from seqcast.pages.findings import Findings
from seqcast.pages.palette import BLUE, GREY, INK, MUTED, ORANGE
from seqcast.panel.frequency import Frequency
from seqcast.report.text import number_text, percent_text, plain
from seqcast.results.forecast import MODEL

STRIP, GAP = 0.16, 0.12
"""Parts of the height that the attention on past steps takes, and that times in two lines take above it."""


def forecast_section(found: Findings) -> Section:
    """The forecasts of the chosen series, with the scores of each."""
    scores = None if isinstance(found.backtest, Absent) else found.backtest.scores
    ranked = {} if scores is None else {name: row for row, name in enumerate(scores.series_ids)}
    entries = []
    for chosen in found.chosen:
        name = found.run.panel.series_ids[chosen.series]
        own = None if scores is None else scores.of(MODEL)
        facts = series_facts(own, ranked[name]) if own is not None and name in ranked else ()
        entries.append(_entry(found.forecasts, chosen, facts))
    blocks: list[Messages | Picker] = []
    if isinstance(found.prediction, Absent):
        blocks.append(Messages(((True, sentence(f"No forecast beyond the table: {found.prediction.reason}")),)))
    measure = "" if scores is None else series_errors(scores)[0]
    blocks.append(Picker("Forecast of a series", tuple(entries), _caption(found.forecasts)))
    return Section("Forecasts", tuple(blocks), _choice_text(found.chosen, found.run.panel.num_series, measure))


def plain_forecast_section(forecasts: Forecasts, most: int) -> Section:
    """The forecasts of the first `most` series."""
    assert forecasts.ahead is not None
    index = {name: number for number, name in enumerate(forecasts.panel.series_ids)}
    names = list(dict.fromkeys(forecasts.ahead.series_ids))
    entries = tuple(_entry(forecasts, Chosen(index[name], ALL), ()) for name in names[:most])
    lead = "" if len(names) <= most else f"The first {most:,} of {len(names):,} series."
    return Section("Forecasts", (Picker("Forecast of a series", entries, _caption(forecasts)),), lead)


def series_facts(scores: ModelScores, row: int) -> tuple[tuple[str, str], ...]:
    """Error and coverage of one series."""
    own = scores.by_series
    errors = [(name, number_text(float(getattr(own, name)[row]))) for name in ("mae", "mase", "wql")]
    coverage = [(f"in {level} %", percent_text(float(shares[row]))) for level, shares in own.coverage.items()]
    return tuple((label, text) for label, text in (*errors, *coverage) if text != "-")


def _entry(forecasts: Forecasts, chosen: Chosen, facts: tuple[tuple[str, str], ...]) -> Entry:
    chart = forecasts.chart(chosen.series)
    figure = forecast_figure(chart, forecasts.panel.frequency)
    return Entry(plain(chart.name), chosen.group, figure, facts)


def forecast_figure(chart: ForecastChart, frequency: Frequency) -> go.Figure:
    """History, forecasts and intervals of one series; below them the attention on past steps."""
    figure = new_figure(420)
    for number, fan in enumerate(chart.past):
        _add_fan(figure, fan, frequency, ("past forecast", ORANGE), first=number == 0, opacity=0.12)
    if chart.ahead is not None:
        _add_fan(figure, chart.ahead, frequency, ("forecast", BLUE), first=True, opacity=0.16)
    figure.add_trace(
        line(
            "observed",
            axis_times(chart.times, frequency),
            chart.history,
            INK,
            width=1.5,
            legendrank=1,
            hovertemplate="%{y:.6~g}",
        )
    )
    if chart.ahead is not None and len(chart.times):
        figure.add_vline(axis_times(chart.times[-1:], frequency)[0], line={"color": GREY, "width": 1, "dash": "dot"})
    if len(chart.weights):
        times = axis_times(chart.attended_times, frequency)
        shown = bars("attention", times, chart.weights, GREY, yaxis="y2", legendrank=6, hovertemplate="%{y:.1%}")
        figure.add_trace(shown)
        figure.update_layout(
            yaxis={"domain": [STRIP + GAP, 1]},
            yaxis2={
                "domain": [0, STRIP],
                "anchor": "x",
                "showgrid": False,
                "zeroline": False,
                "tickformat": ".0%",
                "nticks": 3,
                "tickfont": {"size": 11, "color": MUTED},
                "automargin": True,
                "rangemode": "tozero",
            },
            bargap=0.15,
        )
    return figure


def _add_fan(
    figure: go.Figure, fan: Fan, frequency: Frequency, style: tuple[str, str], *, first: bool, opacity: float
) -> None:
    """Add a forecast and its intervals; only the first fan of a style stands in the legend."""
    name, colour = style
    times, rank = axis_times(fan.times, frequency), 2 if name == "forecast" else 4
    for each in fan.intervals:
        label = f"{each.level:g} % interval" if name == "forecast" else f"past {each.level:g} % interval"
        for edge in band(label, times, each.low, each.high, opacity, colour=colour, hovertemplate="%{y:.6~g}"):
            is_listed = first and bool(edge.fill) and name == "forecast"
            figure.add_trace(edge.update(showlegend=is_listed, legendrank=rank + 1))
    drawn = line(
        name, times, fan.point, colour, legendgroup=name, showlegend=first, legendrank=rank, hovertemplate="%{y:.6~g}"
    )
    figure.add_trace(drawn)


def _caption(forecasts: Forecasts) -> str:
    parts = ["The thin line is what was observed."]
    if forecasts.ahead is not None:
        parts.append("The blue line is the forecast after the end of the series; its shades are the intervals.")
    if forecasts.past is not None:
        parts.append("Orange are the newest forecasts of the past, made from what was known before each.")
    if forecasts.attention:
        parts.append(
            "The bars below show where the newest forecast looks: the part of its attention on each past step, mean"
            " over the steps of the forecast."
        )
    return " ".join(parts)


def _choice_text(chosen: Sequence[Chosen], num_series: int, measure: str) -> str:
    if len(chosen) == num_series:
        return "" if num_series == 1 else f"All {num_series:,} series."
    groups = [each.group for each in chosen]
    counts = [f"the {groups.count(group):,} {group}" for group in dict.fromkeys(groups) if group != "random"]
    ranked = f"{' and '.join(counts)} by {measure}, and " if counts else ""
    return f"{len(chosen):,} of {num_series:,} series: {ranked}{groups.count('random'):,} drawn at random."
