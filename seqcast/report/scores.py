"""Backtest scores on the screen: measures downwards, models across."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcast.evaluation.baselines import SEASONAL_NAIVE
from seqcast.evaluation.metrics import MEASURES, Metrics, Scores
from seqcast.evaluation.significance import SIGNIFICANCE, Comparison
from seqcast.panel.arrays import evenly_spread
from seqcast.report.summary import title_text
from seqcast.report.text import number_format, number_text, percent_text, plain, safe_text

_STEPS_SHOWN = 12


def score_view(scores: Scores, comparisons: Sequence[Comparison] = ()) -> RenderableType:
    """The scores over everything, their course over the horizon, and what they leave out.

    Args:
        scores: Of every model.
        comparisons: The first model beside others.
    """
    values = max(model.num_values for model in scores.models)
    counted = f"{scores.num_windows:,} windows of {len(scores.series_ids):,} series"
    title = title_text(f"Scores of {values:,} forecast values: {counted}")
    parts: list[RenderableType] = [title, score_table(scores, comparisons)]
    if len(scores.models[0].by_step.mae) > 1:
        parts += [title_text(f"mae by forecast step{_shown_of(len(scores.models[0].by_step.mae))}"), step_table(scores)]
    parts.append(score_footer(scores))
    if comparisons:
        parts.append(comparison_text(comparisons))
    return Group(*parts)


def score_table(scores: Scores, comparisons: Sequence[Comparison] = ()) -> Table:
    """One row per measure, one column per model: so it fits a narrow terminal whatever the size of the numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for model in scores.models:
        table.add_column(safe_text(model.model), justify="right", overflow="fold")
    for measure in MEASURES:
        table.add_row(measure, *(number_text(float(getattr(model.overall, measure))) for model in scores.models))
    for level in dict.fromkeys(level for model in scores.models for level in model.overall.coverage):
        table.add_row(f"in {level} %", *(_coverage_text(model.overall, level) for model in scores.models))
    if _has_reference(scores):
        skills = [scores.skill(model.model, SEASONAL_NAIVE) for model in scores.models]
        table.add_row("skill", *(percent_text(skill) for skill in skills))
    if comparisons:
        verdicts = {each.against: each.verdict for each in comparisons}
        table.add_row(f"{comparisons[0].model} is", *(verdicts.get(model.model, "") for model in scores.models))
    return table


def comparison_text(comparisons: Sequence[Comparison]) -> Text:
    """What the first model is beside each of the others, in words, and how that was tested."""
    lines = [_comparison_line(each) for each in comparisons]
    if any(each.verdict != "unclear" for each in comparisons):
        lines.append("p: of a difference so large by chance, by the Diebold-Mariano test with small-sample correction.")
    if any(each.verdict == "tie" for each in comparisons):
        lines.append(f"A tie: chance makes such a difference in more than {100 * SIGNIFICANCE:.0f} of 100 cases.")
    return Text("\n".join(lines), style="dim")


def _comparison_line(comparison: Comparison) -> str:
    words = {"better": "better than", "worse": "worse than", "tie": "a tie with", "unclear": "beside"}
    tested = [
        f"{number} {unit}, p = {p_value:.2g}"
        for number, unit, p_value in (
            (comparison.num_cutoffs, "cutoffs", comparison.p_value_over_cutoffs),
            (comparison.num_series, "series", comparison.p_value_over_series),
        )
        if p_value is not None
    ]
    won = f"; the better one on {comparison.series_won} of {comparison.num_series} series"
    sentence = f"{comparison.model} is {words[comparison.verdict]} {plain(comparison.against)} by {comparison.measure}"
    if not tested:
        return f"{sentence}: too few cutoffs and series to tell chance from more{won}."
    return f"{sentence} (over {'; over '.join(tested)}){won if comparison.num_series > 1 else ''}."


def step_table(scores: Scores) -> Table:
    """The mean absolute error of every model at some steps of the horizon, the first and the last among them."""
    horizon = len(scores.models[0].by_step.mae)
    shown = evenly_spread(horizon, _STEPS_SHOWN).tolist()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", justify="right")
    for model in scores.models:
        table.add_column(safe_text(model.model), justify="right")
    columns = [(model.by_step.mae, number_format(model.by_step.mae[shown])) for model in scores.models]
    for step in shown:
        table.add_row(str(step + 1), *(write(float(errors[step])) for errors, write in columns))
    return table


def _shown_of(horizon: int) -> str:
    return f", {_STEPS_SHOWN} of {horizon:,}" if horizon > _STEPS_SHOWN else ""


def score_footer(scores: Scores) -> Text:
    """What the measures mean and what they leave out."""
    lines = [
        f"mase, rmsse: 1 is the seasonal naive's own error in the training part (season {scores.season}).",
        "smape: 0 to 200. wql: weighted loss of all quantiles of the run; of the point for a model without.",
    ]
    if any(model.overall.coverage for model in scores.models):
        lines.append("in L %: share of the observations inside the L % interval.")
    if _has_reference(scores):
        lines.append("skill: part of the seasonal naive's error that is avoided, by mase (mae where there is no mase).")
    if scores.num_unscaled_series:
        lines.append(f"{scores.num_unscaled_series} series have no mase or rmsse: too short, or without any change.")
    lines += [
        f"{plain(model.model)}: {model.num_unscored} values not scored, because they or their forecasts are missing."
        for model in scores.models
        if model.num_unscored
    ]
    return Text("\n".join(lines), style="dim")


def _has_reference(scores: Scores) -> bool:
    return any(model.model == SEASONAL_NAIVE for model in scores.models)


def _coverage_text(metrics: Metrics, level: str) -> str:
    return percent_text(float(metrics.coverage[level])) if level in metrics.coverage else "-"
