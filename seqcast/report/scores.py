"""Backtest scores: one row per measure, one column per model."""

from collections.abc import Iterable, Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Column, Table

from seqcast.config import SEASONAL_NAIVE
from seqcast.evaluation.metrics import MEASURES, MOST_SERIES, ModelScores, Scores
from seqcast.evaluation.significance import SIGNIFICANCE, Comparison
from seqcast.panel.arrays import evenly_spread
from seqcast.report.summary import note_text, open_table, title_text
from seqcast.report.text import number_format, number_text, percent_text, plain, safe_text

_STEPS_SHOWN = 12


def score_view(scores: Scores, comparisons: Sequence[Comparison] = (), *, by_series: bool = False) -> RenderableType:
    """The scores overall and by forecast step, what they mean and leave out, and how the first model compares.

    With `by_series`, the scores of the first model for each series are in it too.
    """
    values = max(model.num_values for model in scores.models)
    counted = f"{scores.num_windows:,} windows of {len(scores.series_ids):,} series"
    title = title_text(f"Scores of {values:,} forecast values: {counted}")
    parts: list[RenderableType] = [title, _score_table(scores, comparisons)]
    horizon = len(scores.models[0].by_step.mae)
    if horizon > 1:
        shown = f", {_STEPS_SHOWN} of {horizon:,}" if horizon > _STEPS_SHOWN else ""
        parts += [title_text(f"mae by forecast step{shown}"), _step_table(scores)]
    if by_series:
        parts += [title_text(f"{scores.models[0].model} by series"), _series_table(scores)]
    return Group(*parts, note_text("\n".join(score_notes(scores, comparisons, by_series=by_series))))


def score_notes(scores: Scores, comparisons: Sequence[Comparison], *, by_series: bool = False) -> list[str]:
    """What the measures mean and leave out, and how the first model compares, a sentence each."""
    return [*_definitions(scores), *_omissions(scores, by_series), *_comparison_lines(comparisons)]


def _score_table(scores: Scores, comparisons: Sequence[Comparison]) -> Table:
    """One row per measure and one column per model, so that it fits a narrow terminal."""
    names = (Column(safe_text(model.model), justify="right", overflow="fold") for model in scores.models)
    table = open_table(Column("", no_wrap=True), *names)
    for row in score_rows(scores, comparisons):
        table.add_row(*row)
    return table


def score_rows(scores: Scores, comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """A row for each measure: its name, and the number of each model as text."""
    models = scores.models
    rows = [
        (measure, *(number_text(float(getattr(model.overall, measure))) for model in models)) for measure in MEASURES
    ]
    for level in dict.fromkeys(level for model in models for level in model.overall.coverage):
        shares = (percent_text(float(model.overall.coverage.get(level, np.nan))) for model in models)
        rows.append((f"in {level} %", *shares))
        if len(scores.series_ids) > 1:
            rows.append(("  by series", *(_spread_text(model, level) for model in models)))
    if _has_reference(scores):
        rows.append(("skill", *(percent_text(scores.skill(model.model, SEASONAL_NAIVE)) for model in models)))
    if comparisons:
        verdicts = {each.against: each.verdict for each in comparisons}
        rows.append((f"{comparisons[0].model} is", *(verdicts.get(model.model, "") for model in models)))
    return rows


def _spread_text(model: ModelScores, level: str) -> str:
    if level not in model.overall.coverage:
        return ""
    low, _, high = model.coverage_spread(level)
    return f"{percent_text(low)} to {percent_text(high)}"


def _series_table(scores: Scores) -> Table:
    """Error and coverage of each series, in the order of the table; at most `MOST_SERIES`."""
    model = scores.models[0]
    levels = [f"in {level} %" for level in model.overall.coverage]
    table = open_table(Column("series", overflow="fold"), *(Column(name, justify="right") for name in ("mae", *levels)))
    errors = model.by_series.mae
    write = number_format(errors[~np.isnan(errors)])
    for row, name in enumerate(scores.series_ids[:MOST_SERIES]):
        shares = [percent_text(float(share[row])) for share in model.by_series.coverage.values()]
        table.add_row(safe_text(name), "" if np.isnan(errors[row]) else write(float(errors[row])), *shares)
    return table


def _comparison_lines(comparisons: Sequence[Comparison]) -> Iterable[str]:
    yield from map(_comparison_line, comparisons)
    if any(each.verdict != "unclear" for each in comparisons):
        yield "p: probability of such a difference by chance (Diebold-Mariano test with small-sample correction)."
    if any(each.verdict == "tie" for each in comparisons):
        yield f"tie: chance alone makes such a difference in more than {100 * SIGNIFICANCE:.0f} of 100 cases."


def _comparison_line(comparison: Comparison) -> str:
    """One sentence: the verdict, how it was tested, and on how many series the first model is better."""
    words = {
        "better": "is better than",
        "worse": "is worse than",
        "tie": "is a tie with",
        "unclear": "cannot be told from",
    }
    tested = [
        f"{number} {unit}, p = {p_value:.2g}"
        for number, unit, p_value in (
            (comparison.num_cutoffs, "cutoffs", comparison.p_value_over_cutoffs),
            (comparison.num_series, "series", comparison.p_value_over_series),
        )
        if p_value is not None
    ]
    won = f"; it is better on {comparison.series_won} of {comparison.num_series} series"
    sentence = f"{comparison.model} {words[comparison.verdict]} {plain(comparison.against)} by {comparison.measure}"
    if not tested:
        return f"{sentence}: too few cutoffs and series{won}."
    return f"{sentence} (over {'; over '.join(tested)}){won if comparison.num_series > 1 else ''}."


def _step_table(scores: Scores) -> Table:
    """The mean absolute error of every model at evenly spread steps of the horizon."""
    horizon = len(scores.models[0].by_step.mae)
    shown = evenly_spread(horizon, _STEPS_SHOWN).tolist()
    table = open_table("step", *(Column(safe_text(model.model), justify="right") for model in scores.models))
    columns = [(model.by_step.mae, number_format(model.by_step.mae[shown])) for model in scores.models]
    for step in shown:
        table.add_row(str(step + 1), *(write(float(errors[step])) for errors, write in columns))
    return table


def _definitions(scores: Scores) -> Iterable[str]:
    yield f"mase, rmsse: 1 is the seasonal naive's own error in the training part (season {scores.season})."
    yield "smape: 0 to 200. wql: weighted loss of all quantiles of the run, or of the point forecast without quantiles."
    if any(model.overall.coverage for model in scores.models):
        yield "in L %: share of the observations inside the L % interval."
        if len(scores.series_ids) > 1:
            yield "by series: 8 of 10 series have a share in this range; --by series lists them."
    if _has_reference(scores):
        yield "skill: share of the seasonal naive's error that the model avoids, by mase (by mae if there is no mase)."


def _omissions(scores: Scores, by_series: bool) -> Iterable[str]:
    hidden = len(scores.series_ids) - MOST_SERIES
    if by_series and hidden > 0:
        yield f"{hidden:,} more series are not listed; --output has every forecast."
    if scores.num_unscaled_series:
        yield f"{scores.num_unscaled_series} series without mase or rmsse: too short, or constant."
    for model in scores.models:
        if model.num_unscored:
            yield f"{plain(model.model)}: {model.num_unscored} values not scored; they or their forecasts are missing."


def _has_reference(scores: Scores) -> bool:
    return any(model.model == SEASONAL_NAIVE for model in scores.models)
