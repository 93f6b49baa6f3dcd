"""The sections of the backtest: scores by model, by forecast step and by series, residuals and coverage."""

import numpy as np

from seqcast.config import SEASONAL_NAIVE
from seqcast.evaluation.backtest import Backtest
from seqcast.evaluation.metrics import Scores
from seqcast.evaluation.residuals import Residuals
from seqcast.pages.blocks import Absent, Chart, Notes, Section, Table, missing
from seqcast.pages.choice import series_errors
from seqcast.pages.figures import MOST_POINTS, band, bars, line, new_figure
from seqcast.pages.palette import BLUE, GREY, MUTED, SERIES_COLOURS
from seqcast.panel.arrays import FloatArray, evenly_spread
from seqcast.panel.wording import counted
from seqcast.report.scores import score_notes, score_rows
from seqcast.report.text import number_text, percent_text, plain
from seqcast.results.forecast import MODEL

LISTED = 8
"""Worst series in the table, and as many best ones."""
NUM_BINS = 40


def backtest_section(done: Backtest | Absent) -> Section:
    """Scores by model, by forecast step and by series."""
    title = "Backtest"
    if isinstance(done, Absent):
        return Section(title, (missing(done),))
    scores = done.scores
    models = tuple(model.model for model in scores.models)
    blocks: list[Table | Chart | Notes] = [Table(("measure", *models), tuple(score_rows(scores, done.comparisons)))]
    if done.forecast.horizon > 1:
        blocks.append(step_chart(scores))
    if len(scores.series_ids) > 1:
        blocks += [series_chart(scores), series_table(scores)]
    blocks.append(Notes(tuple(score_notes(scores, done.comparisons))))
    seen = "which training never saw" if done.part == "test" else "on which training chose its weights"
    lead = (
        f"{counted(scores.num_windows, 'forecast')} of {len(scores.series_ids):,} series in the {done.part} part,"
        f" {seen}; origins are {counted(done.stride, 'step')} apart."
    )
    return Section(title, tuple(blocks), lead)


def step_chart(scores: Scores) -> Chart:
    """The mean absolute error of each model by forecast step."""
    figure = new_figure(300, x_title="forecast step", y_title="mean absolute error")
    shown = evenly_spread(len(scores.models[0].by_step.mae), MOST_POINTS)
    for number, model in enumerate(scores.models):
        style = {"width": 2.4 if model.model == MODEL else 1.6, "dash": "solid" if model.model == MODEL else "dash"}
        colour = SERIES_COLOURS[number % len(SERIES_COLOURS)]
        errors = model.by_step.mae[shown]
        figure.add_trace(line(model.model, shown + 1, errors, colour, hovertemplate="%{y:.4~g}", **style))
    figure.update_yaxes(rangemode="tozero")
    caption = "Mean absolute error at each step of the forecast, in the units of the data; lower is better."
    return Chart("Mean absolute error by forecast step", figure, caption)


def series_chart(scores: Scores) -> Chart:
    """How the error spreads over the series, beside that of the seasonal naive forecast."""
    measure, _ = series_errors(scores)
    names = [MODEL, SEASONAL_NAIVE]
    errors = {each.model: getattr(each.by_series, measure) for each in scores.models if each.model in names}
    finite = [values[np.isfinite(values)] for values in errors.values()]
    top = float(np.quantile(np.concatenate(finite), 0.99)) if any(map(len, finite)) else 1.0
    edges = np.linspace(0, top or 1.0, NUM_BINS + 1)
    figure = new_figure(260, x_title=measure, y_title="series")
    beyond = 0
    for (name, values), colour in zip(errors.items(), (BLUE, GREY), strict=False):
        clipped = np.clip(values[np.isfinite(values)], 0, edges[-1])
        beyond = max(beyond, int(np.sum(values[np.isfinite(values)] > edges[-1])))
        counts = np.histogram(clipped, edges)[0].astype(np.float64)
        figure.add_trace(bars(name, (edges[1:] + edges[:-1]) / 2, counts, colour, opacity=0.75, hovertemplate="%{y}"))
    figure.update_layout(barmode="overlay", bargap=0.05)
    better = f"Number of series with an error ({measure}) of about this size."
    more = f" The last bar also holds greater errors ({beyond:,} series at most)." if beyond else ""
    return Chart("Number of series by error", figure, better + more)


def series_table(scores: Scores) -> Table:
    """The series with the greatest errors, then those with the smallest ones."""
    measure, errors = series_errors(scores)
    own = scores.of(MODEL).by_series
    ranked = np.argsort(-errors, kind="stable")[: int(np.isfinite(errors).sum())]
    rows = ranked if len(ranked) <= 2 * LISTED else np.concatenate([ranked[:LISTED], ranked[-LISTED:]])
    measures = [name for name in ("mae", "mase", "wql") if np.isfinite(getattr(own, name)).any()]
    measures.sort(key=lambda name: name != measure)
    headings = ("series", *measures, *(f"in {level} %" for level in own.coverage))
    cells = [
        (
            plain(scores.series_ids[row]),
            *(number_text(float(getattr(own, name)[row])) for name in measures),
            *(percent_text(float(shares[row])) for shares in own.coverage.values()),
        )
        for row in rows
    ]
    caption = "Series by error, the greatest first."
    if len(rows) < len(ranked):
        caption = (
            f"The {LISTED} series with the greatest errors, then the {LISTED} with the smallest, of {len(ranked):,}."
        )
    return Table(headings, tuple(cells), caption, bars=_lengths(errors[rows]))


def _lengths(errors: FloatArray) -> tuple[float, ...]:
    largest = float(errors.max(initial=0.0)) or 1.0
    return tuple(float(error) / largest for error in errors)


def residual_section(found: Residuals | Absent, scores: Scores | None) -> Section:
    """The distribution of the residuals, their spread by step, and whether intervals and quantiles hold."""
    title = "Residuals and coverage"
    if isinstance(found, Absent):
        return Section(title, (missing(found),))
    blocks = [histogram_chart(found), spread_chart(found)]
    if scores is not None and scores.of(MODEL).overall.coverage:
        blocks.append(coverage_chart(scores))
    if found.levels:
        blocks.append(quantile_chart(found))
    lead = f"{found.num_values:,} residuals of the backtest: observed value minus forecast, {_unit(found)}."
    return Section(title, tuple(blocks), lead)


def _unit(found: Residuals) -> str:
    if found.is_scaled:
        return "in units of the seasonal naive's mean absolute error in the training part of each series"
    return "in the units of the data"


def histogram_chart(found: Residuals) -> Chart:
    """The distribution of all residuals."""
    figure = new_figure(240, x_title="residual", y_title="values", listed=False)
    centres = (found.edges[1:] + found.edges[:-1]) / 2
    counts = found.counts.astype(np.float64)
    figure.add_trace(
        bars(
            "values",
            centres,
            counts,
            BLUE,
            showlegend=False,
            hovertemplate="about %{x:.3~g}: %{y:,} values<extra></extra>",
        )
    )
    figure.update_layout(bargap=0.05)
    outside = found.num_values - int(found.counts.sum())
    caption = "Residuals of all steps. A forecast without bias has as many to the right of zero as to the left."
    return Chart("Distribution of the residuals", figure, caption + (f" {outside:,} lie outside." if outside else ""))


def spread_chart(found: Residuals) -> Chart:
    """The quantiles of the residuals by forecast step."""
    figure = new_figure(260, x_title="forecast step", y_title="residual")
    shown = evenly_spread(len(found.by_step), MOST_POINTS)
    steps, spread = shown + 1, found.by_step[shown].T
    for name, (low, high) in {"9 of 10 residuals": (0, 4), "5 of 10 residuals": (1, 3)}.items():
        figure.add_traces(band(name, steps, spread[low], spread[high], hovertemplate="%{y:.4~g}"))
    figure.add_trace(line("median", steps, spread[2], BLUE, hovertemplate="%{y:.4~g}"))
    figure.add_hline(0, line={"color": MUTED, "width": 1, "dash": "dot"})
    caption = "Residuals at each step of the forecast. A median away from zero is a bias; shades grow with uncertainty."
    return Chart("Residuals by forecast step", figure, caption)


def coverage_chart(scores: Scores) -> Chart:
    """The part of the observations inside each interval, by forecast step."""
    figure = new_figure(260, x_title="forecast step", y_title="inside the interval")
    coverage = scores.of(MODEL).by_step.coverage
    for (level, shares), colour in zip(coverage.items(), SERIES_COLOURS, strict=False):
        shown = evenly_spread(len(shares), MOST_POINTS)
        figure.add_trace(line(f"{level} % interval", shown + 1, shares[shown], colour, hovertemplate="%{y:.1%}"))
        figure.add_hline(float(level) / 100, line={"color": colour, "width": 1, "dash": "dot"})
    figure.update_yaxes(tickformat=".0%", range=[0, 1.03])
    caption = "Part of the observations inside each interval, by forecast step. Dotted lines: what it should be."
    return Chart("Coverage by forecast step", figure, caption)


def quantile_chart(found: Residuals) -> Chart:
    """The part of the observations below each quantile."""
    figure = new_figure(300, x_title="quantile", y_title="observations below it")
    levels = np.array(found.levels)
    ends = np.array([0.0, 1.0])
    figure.add_trace(line("as it should be", ends, ends, GREY, dash="dot", hoverinfo="skip"))
    figure.add_trace(line("observed", levels, found.share_below, BLUE, dots=True, hovertemplate="%{y:.1%}"))
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    caption = (
        "Part of the observations that do not exceed each quantile of the forecast. On the dotted line, it is right."
    )
    return Chart("Calibration of the quantiles", figure, caption)
