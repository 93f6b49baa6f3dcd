from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqcast.evaluation.baselines import point_forecast
from seqcast.evaluation.metrics import Scores, SeasonalScales
from seqcast.evaluation.score_sums import score
from seqcast.evaluation.significance import Comparison
from seqcast.panel.frequency import parse_frequency
from seqcast.report.scores import score_view
from seqcast.results.forecast import Forecast
from tests.report.rendering import shown, words_of


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


def test_each_measure_has_a_row_and_each_model_a_column() -> None:
    text = shown(score_view(make_scores()))
    assert text.splitlines()[0] == "Scores of 15 forecast values: 3 windows of 2 series"
    assert text.splitlines()[2].split() == ["seqcast", "naive", "seasonal_naive"]
    assert words_of(text, "mae") == ["mae", "3.000", "12.00", "6.000"]
    assert words_of(text, "mase") == ["mase", "1.500", "6.000", "3.000"]
    assert words_of(text, "rmse") == ["rmse", "3.317", "13.27", "6.633"]


def test_coverage_and_skill_have_rows_where_they_exist() -> None:
    text = shown(score_view(make_scores()))
    assert words_of(text, "in", "80") == ["in", "80", "%", "40.0", "%", "-", "-"]
    assert words_of(text, "skill") == ["skill", "50.0", "%", "-100.0", "%", "0.0", "%"]
    assert "share of the seasonal naive's error that the model avoids" in text
    assert "skill" not in shown(score_view(make_scores(baselines=False)))
    scores = make_scores()
    without = Scores(scores.models[1:], scores.series_ids, scores.season, scores.num_windows, 0)
    assert "interval" not in shown(score_view(without))


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e7])
def test_no_number_is_cut(width: int, size: float) -> None:
    assert "…" not in shown(score_view(make_scores(size=size)), width)


@pytest.mark.parametrize(("horizon", "num_shown", "title"), [(5, 5, ""), (97, 12, ", 12 of 97")])
def test_errors_by_step_go_from_the_first_to_the_last(horizon: int, num_shown: int, title: str) -> None:
    lines = shown(score_view(make_scores(horizon=horizon))).splitlines()
    start = lines.index(f"mae by forecast step{title}")
    rows = [line.split()[:2] for line in lines[start + 4 : start + 4 + num_shown]]
    steps = [int(step) for step, _ in rows]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (1, horizon)
    assert [float(error) for _, error in rows] == steps


def test_what_was_not_scored_is_mentioned() -> None:
    text = shown(score_view(make_scores(scale=0.0, missing=2)))
    assert "1 series without mase or rmsse: too short, or constant." in text
    assert "seqcast: 2 values not scored; they or their forecasts are missing." in text
    complete = shown(score_view(make_scores()))
    assert "without mase" not in complete
    assert "not scored" not in complete


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


def test_each_comparison_has_a_word_in_the_column_of_its_model() -> None:
    comparisons = [compared("naive"), compared("seasonal_naive", p_value=0.2)]
    text = shown(score_view(make_scores(), comparisons))
    assert words_of(text, "seqcast", "is") == ["seqcast", "is", "better", "tie"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "seqcast is better than naive by mase (over 11 cutoffs, p = 0.0004; over 7 series, p = 0.01); it is better"
            " on 6 of 7 series.",
        ),
        (
            {"difference": 0.5, "p_value_over_series": None, "num_series": 1, "series_won": 0},
            "seqcast is worse than naive by mase (over 11 cutoffs, p = 0.0004).",
        ),
        (
            {"p_value": 0.4, "p_value_over_cutoffs": None, "p_value_over_series": 0.4, "measure": "mae"},
            "seqcast is a tie with naive by mae (over 7 series, p = 0.4); it is better on 6 of 7 series.",
        ),
        (
            {"p_value": None, "p_value_over_cutoffs": None, "p_value_over_series": None},
            "seqcast cannot be told from naive by mase: too few cutoffs and series; it is better on 6 of 7 series.",
        ),
    ],
    ids=["better", "worse", "tie", "unclear"],
)
def test_each_comparison_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    text = shown(score_view(make_scores(), [compared("naive", **changes)]), 200)
    assert sentence in text.splitlines()
    assert ("tie: chance alone makes such a difference in more than 5 of 100 cases." in text) == (
        "a tie with" in sentence
    )
    assert ("Diebold-Mariano" in text) == ("p = " in sentence)


def test_six_models_fit_a_narrow_terminal() -> None:
    scores = make_scores(size=1e-3)
    models = [replace(scores.models[1], model=name) for name in ("AutoETS", "AutoTheta", "MSTL")]
    text = shown(score_view(replace(scores, models=(*scores.models, *models)), [compared("AutoTheta")]))
    assert "…" not in text
    assert len(words_of(text, "mae")) == 7


def test_coverage_shows_how_it_spreads_over_the_series_and_each_of_them_on_request() -> None:
    scores = make_scores()  # errors of 1 to 5 in intervals of 2.5 for both series
    text = shown(score_view(scores))
    assert words_of(text, "by", "series")[:8] == ["by", "series", "40.0", "%", "to", "40.0", "%"]
    assert "8 of 10 series have a share in this range" in text
    assert "seqcast by series" not in text

    listed = shown(score_view(scores, by_series=True))

    assert "seqcast by series" in listed
    assert words_of(listed, "a") == ["a", "3.000", "40.0", "%"]
    assert words_of(listed, "b") == ["b", "3.000", "40.0", "%"]
