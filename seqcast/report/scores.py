"""Backtest scores on the screen: measures downwards, models across."""

from __future__ import annotations

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcast.evaluation.baselines import SEASONAL_NAIVE
from seqcast.evaluation.metrics import MEASURES, Metrics, Scores
from seqcast.report.summary import title_text
from seqcast.report.text import number_text, percent_text, plain, safe_text

_STEPS_SHOWN = 12


def score_view(scores: Scores) -> RenderableType:
    """The scores over everything, their course over the horizon, and what they leave out."""
    values = max(model.num_values for model in scores.models)
    title = title_text(f"Scores of {values} values: {scores.num_windows} windows of {len(scores.series_ids)} series")
    parts: list[RenderableType] = [title, score_table(scores)]
    if len(scores.models[0].by_step.mae) > 1:
        parts += [title_text("mae by forecast step"), step_table(scores)]
    return Group(*parts, score_footer(scores))


def score_table(scores: Scores) -> Table:
    """One row per measure, one column per model: so it fits a narrow terminal whatever the size of the numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for model in scores.models:
        table.add_column(safe_text(model.model), justify="right")
    for measure in MEASURES:
        table.add_row(measure, *(number_text(float(getattr(model.overall, measure))) for model in scores.models))
    for level in dict.fromkeys(level for model in scores.models for level in model.overall.coverage):
        table.add_row(f"in {level} %", *(_coverage_text(model.overall, level) for model in scores.models))
    if _has_reference(scores):
        skills = [scores.skill(model.model, SEASONAL_NAIVE) for model in scores.models]
        table.add_row("skill", *(percent_text(skill) for skill in skills))
    return table


def step_table(scores: Scores) -> Table:
    """The mean absolute error of every model at some steps of the horizon, the first and the last among them."""
    horizon = len(scores.models[0].by_step.mae)
    num_shown = min(horizon, _STEPS_SHOWN)
    shown = np.linspace(0, horizon - 1, num_shown).round().astype(int).tolist()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", justify="right")
    for model in scores.models:
        table.add_column(safe_text(model.model), justify="right")
    for step in shown:
        table.add_row(str(step + 1), *(number_text(float(model.by_step.mae[step])) for model in scores.models))
    return table


def score_footer(scores: Scores) -> Text:
    """What the measures mean and what they leave out."""
    lines = [
        f"mase, rmsse: 1 is the seasonal naive's own error in the training part (season {scores.season}).",
        "smape: 0 to 200. wql: weighted quantile loss; of the point for a model without quantiles.",
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
