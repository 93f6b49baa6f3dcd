"""Events of unexpected observations, the strongest first."""

import math

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Column

from seqcast.evaluation.anomalies import AnomalySearch
from seqcast.panel.wording import counted
from seqcast.report.summary import note_text, open_table, title_text
from seqcast.report.text import number_format, percent_text, plain, zoned_time_texts

EVENTS_SHOWN = 20
_NAME_WIDTH = 8
"""Fewest columns for the names of series, which are folded there."""


def anomaly_view(search: AnomalySearch, shown: int = EVENTS_SHOWN) -> RenderableType:
    """The strongest events, each at its peak, and what was judged how."""
    anomalies = search.anomalies
    num_judged = sum(search.num_judged.values())
    share = len(anomalies) / num_judged if num_judged else math.nan
    title = title_text(
        f"{counted(anomalies.num_events, 'event')}: {len(anomalies):,} of {counted(num_judged, 'observation')} "
        f"({percent_text(share)}) outside the {anomalies.level:g} % interval"
    )
    parts: list[RenderableType] = [title]
    if len(anomalies):
        parts.append(_event_table(search, shown))
    hidden = anomalies.num_events - shown
    lines = [f"And {counted(hidden, 'weaker event')}."] if hidden > 0 else []
    return Group(*parts, note_text("\n".join([*lines, *_explanations(search)])))


def strongest_events(search: AnomalySearch, shown: int) -> list[int]:
    """Indices of the events with the largest scores, by falling score."""
    peaks = search.anomalies.peaks
    order = np.argsort(-np.abs(search.anomalies.scores[peaks]), kind="stable")
    return [int(event) for event in order[:shown]]


def _event_table(search: AnomalySearch, shown: int) -> RenderableType:
    anomalies = search.anomalies
    (first, last), peaks = anomalies.event_bounds, anomalies.peaks
    has_series = search.num_series > 1
    names = [Column("series", overflow="fold", min_width=_NAME_WIDTH)] if has_series else []
    begin, end = Column("from", no_wrap=True), Column("to", no_wrap=True)
    attended = [] if anomalies.lags is None else ["lags"]
    table = open_table(*names, begin, end, "score", "observed", "expected", *attended)
    starts = zoned_time_texts(anomalies.times[first], anomalies.frequency)
    ends = zoned_time_texts(anomalies.times[last], anomalies.frequency)
    for event in strongest_events(search, shown):
        peak, is_long = int(peaks[event]), last[event] > first[event]
        values = [float(each[peak]) for each in (anomalies.values, anomalies.low, anomalies.high)]
        observed, low, high = map(number_format(np.array(values)), values)
        cells = [starts[event], ends[event] if is_long else "", f"{anomalies.scores[peak]:+.1f}"]
        lags = [] if anomalies.lags is None else [", ".join(map(str, anomalies.lags.lags[peak]))]
        name = [plain(anomalies.series_ids[peak])] if has_series else []
        table.add_row(*name, *cells, observed, f"{low} to {high}", *lags)
    return table


def _explanations(search: AnomalySearch) -> list[str]:
    """How observations were judged, in words."""
    anomalies = search.anomalies
    by_chance = 1 - anomalies.level / 100
    nearest = search.horizon - search.stride + 1
    ahead = f"{nearest} to {search.horizon} steps" if nearest < search.horizon else counted(search.horizon, "step")
    lines = [
        f"A forecast {ahead} ahead judges each observation; by chance {percent_text(by_chance)} would be outside.",
        "score: the normal score of the peak in the distribution that was forecast, 0 at its median.",
        f"expected: the {anomalies.level:g} % interval at the peak. lags: those that its forecast attended most.",
        f"Anomalies of a series with at most {counted(search.largest_gap, 'step')} between them are one event.",
    ]
    trained = search.num_judged["training"]
    if trained:
        lines.append(
            f"Training data: {counted(trained, 'observation')}; the model fits them closely, so it reports fewer of "
            f"them than of new ones. New to the model: {search.num_judged['new']:,}."
        )
    return lines
