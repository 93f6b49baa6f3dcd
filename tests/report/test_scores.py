from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import RenderableType

from seqcast.evaluation.baselines import point_forecast
from seqcast.evaluation.metrics import Scores, SeasonalScales, score
from seqcast.evaluation.significance import Comparison
from seqcast.panel.frequency import parse_frequency
from seqcast.report.scores import score_view
from seqcast.results.forecast import Forecast

Show = Callable[[RenderableType, int], str]


def make_scores(
    horizon: int = 5, baselines: bool = True, scale: float = 2.0, missing: int = 0, size: float = 1.0
) -> Scores:
    actuals = np.full((3, horizon), 10.0 * size)
    actuals[0, :missing] = np.nan
    point = actuals + size * np.arange(1, horizon + 1)
    forecast = Forecast(
        frequency=parse_frequency("h"),
        series_ids=("a", "a", "b"),
        cutoffs=np.array(["2024-01-01", "2024-01-02", "2024-01-01"], "datetime64[us]"),
        point=point,
        quantile_levels=(0.1, 0.5, 0.9),
        quantiles=point[:, :, None] + size * np.array([-2.5, 0, 2.5]),
    )
    forecasts = {"seqcast": forecast}
    if baselines:
        forecasts["naive"] = point_forecast(forecast, actuals + 4 * size * np.arange(1, horizon + 1))
        forecasts["seasonal_naive"] = point_forecast(forecast, actuals + 2 * size * np.arange(1, horizon + 1))
    scales = SeasonalScales(24, ("a", "b"), np.array([scale, 2.0]), np.array([scale**2, 4.0]))
    return score(actuals, forecasts, scales, [80])


def words_of(text: str, first: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(f" {first} "))


def test_each_measure_has_a_row_and_each_model_a_column(show: Show) -> None:
    text = show(score_view(make_scores()), 80)
    assert text.splitlines()[0] == "Scores of 15 forecast values: 3 windows of 2 series"
    assert text.splitlines()[2].split() == ["seqcast", "naive", "seasonal_naive"]
    assert words_of(text, "mae") == ["mae", "3.000", "12.00", "6.000"]
    assert words_of(text, "mase") == ["mase", "1.500", "6.000", "3.000"]
    assert words_of(text, "rmse") == ["rmse", "3.317", "13.27", "6.633"]


def test_coverage_is_shown_for_models_with_intervals(show: Show) -> None:
    assert words_of(show(score_view(make_scores()), 80), "in 80 %") == ["in", "80", "%", "40.0", "%", "-", "-"]


def test_skill_compares_with_the_seasonal_naive(show: Show) -> None:
    text = show(score_view(make_scores()), 80)
    assert words_of(text, "skill") == ["skill", "50.0", "%", "-100.0", "%", "0.0", "%"]
    assert "part of the seasonal naive's error that is avoided" in text


def test_without_baselines_there_is_no_skill(show: Show) -> None:
    assert "skill" not in show(score_view(make_scores(baselines=False)), 80)


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e7])
def test_no_number_is_cut(show: Show, width: int, size: float) -> None:
    assert "…" not in show(score_view(make_scores(size=size)), width)


def test_the_course_over_the_horizon_has_every_step_of_a_short_one(show: Show) -> None:
    text = show(score_view(make_scores(horizon=5)), 80)
    course = text[text.index("mae by forecast step") :].splitlines()[4:9]
    assert [line.split()[:2] for line in course] == [[str(step), f"{step}.000"] for step in range(1, 6)]


def test_the_course_over_a_long_horizon_shows_twelve_steps_from_first_to_last(show: Show) -> None:
    text = show(score_view(make_scores(horizon=97)), 80)
    assert "mae by forecast step, 12 of 97" in text
    course = text[text.index("mae by forecast step") :].splitlines()[4:16]
    steps = [int(line.split()[0]) for line in course]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1], len(steps)) == (1, 97, 12)


def test_a_horizon_of_one_step_has_no_course(show: Show) -> None:
    assert "by forecast step" not in show(score_view(make_scores(horizon=1)), 80)


def test_series_without_a_scale_are_mentioned(show: Show) -> None:
    assert "1 series have no mase or rmsse" in show(score_view(make_scores(scale=0.0)), 80)
    assert "no mase or rmsse" not in show(score_view(make_scores()), 80)


def test_values_that_were_not_scored_are_mentioned(show: Show) -> None:
    assert "seqcast: 2 values not scored" in show(score_view(make_scores(missing=2)), 80)
    assert "not scored" not in show(score_view(make_scores()), 80)


def test_a_model_without_intervals_has_no_coverage(show: Show) -> None:
    scores = make_scores()
    without = Scores(scores.models[1:], scores.series_ids, scores.season, scores.num_windows, 0)
    assert "interval" not in show(score_view(without), 80)


def compared(against: str, **changes: Any) -> Comparison:
    values = {
        "model": "seqcast",
        "against": against,
        "measure": "mase",
        "difference": -0.5,
        "p_value": 0.01,
        "p_value_over_cutoffs": 0.0004,
        "p_value_over_series": 0.01,
        "num_cutoffs": 11,
        "num_series": 7,
        "series_won": 6,
    }
    return Comparison(**(values | changes))  # type: ignore[arg-type]


def test_each_comparison_has_a_word_in_the_column_of_its_model(show: Show) -> None:
    comparisons = [compared("naive"), compared("seasonal_naive", p_value=0.2)]
    text = show(score_view(make_scores(), comparisons), 80)
    assert words_of(text, "seqcast is") == ["seqcast", "is", "better", "tie"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "seqcast is better than naive by mase (over 11 cutoffs, p = 0.0004; over 7 series, p = 0.01); the better one"
            " on 6 of 7 series.",
        ),
        (
            {"difference": 0.5, "p_value_over_series": None, "num_series": 1, "series_won": 0},
            "seqcast is worse than naive by mase (over 11 cutoffs, p = 0.0004).",
        ),
        (
            {"p_value": 0.4, "p_value_over_cutoffs": None, "p_value_over_series": 0.4, "measure": "mae"},
            "seqcast is a tie with naive by mae (over 7 series, p = 0.4); the better one on 6 of 7 series.",
        ),
        (
            {"p_value": None, "p_value_over_cutoffs": None, "p_value_over_series": None},
            "seqcast is beside naive by mase: too few cutoffs and series to tell chance from more; the better one on 6"
            " of 7 series.",
        ),
    ],
    ids=["better", "worse", "tie", "unclear"],
)
def test_each_comparison_is_a_sentence(show: Show, changes: dict[str, Any], sentence: str) -> None:
    text = show(score_view(make_scores(), [compared("naive", **changes)]), 200)
    assert sentence in text.splitlines()
    assert ("A tie: chance makes such a difference in more than 5 of 100 cases." in text) == ("a tie with" in sentence)
    assert ("Diebold-Mariano" in text) == ("p = " in sentence)


def test_without_comparisons_nothing_is_said_of_them(show: Show) -> None:
    assert "chance" not in show(score_view(make_scores()), 80)


def test_six_models_fit_a_narrow_terminal(show: Show) -> None:
    scores = make_scores(size=1e-3)
    models = [replace(scores.models[1], model=name) for name in ("AutoETS", "AutoTheta", "MSTL")]
    text = show(score_view(replace(scores, models=(*scores.models, *models)), [compared("AutoTheta")]), 80)
    assert "…" not in text
    assert words_of(text, "mae")[0] == "mae"
    assert len(words_of(text, "mae")) == 7
