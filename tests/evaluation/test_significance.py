import math

import numpy as np
import pytest
from scipy import stats

from seqcast.evaluation.baselines import naive, point_forecast
from seqcast.evaluation.metrics import SeasonalScales, seasonal_scales
from seqcast.evaluation.significance import Comparison, compare_models, diebold_mariano, most_overlapping
from seqcast.panel.arrays import FloatArray
from seqcast.panel.panel import Panel
from seqcast.results.forecast import Forecast
from seqcast.results.origins import rolling_origins
from tests.panels import DAILY, make_panel

HORIZON = 3


def noise(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=shape)


def harvey_leybourne_newbold(differences: FloatArray, h: int) -> float:
    """The p-value as the paper writes it, sum by sum."""
    n, mean = len(differences), sum(differences) / len(differences)

    def gamma(k: int) -> float:
        return sum((differences[t] - mean) * (differences[t - k] - mean) for t in range(k, n)) / n

    variance = (gamma(0) + 2 * sum(gamma(k) for k in range(1, h))) / n
    corrected = math.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n) * mean / math.sqrt(variance)
    return float(2 * stats.t(n - 1).sf(abs(corrected)))


def test_without_overlap_it_is_the_paired_t_test() -> None:
    differences = noise(19) + 0.3
    assert diebold_mariano(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)


@pytest.mark.parametrize("overlap", [2, 5])
def test_with_overlap_it_is_the_formula_of_the_paper(overlap: int) -> None:
    differences = np.convolve(noise(101), np.ones(overlap), "valid") + 0.2
    assert diebold_mariano(differences, overlap) == pytest.approx(harvey_leybourne_newbold(differences, overlap))


@pytest.mark.parametrize("overlap", [1, 4])
def test_equal_models_are_told_apart_about_as_often_as_promised(overlap: int) -> None:
    told_apart = 0
    for seed in range(400):
        differences = np.convolve(noise(100 + overlap, seed=seed), np.ones(overlap), "valid")
        p_value = diebold_mariano(differences, overlap)
        told_apart += p_value < 0.05
    assert 0.02 < told_apart / 400 < 0.09


def test_a_negative_variance_gives_way_to_weights_that_allow_none() -> None:
    alternating = np.array([1.0, -1.0] * 10) + 0.01 * noise(20)
    p_value = diebold_mariano(alternating, 2)
    assert 0 <= p_value <= 1


def test_differences_that_never_vary_are_certain() -> None:
    assert diebold_mariano(np.zeros(7)) == 1
    assert diebold_mariano(np.full(7, 0.1)) == 0


def test_too_few_differences_that_do_not_overlap_tell_nothing() -> None:
    assert diebold_mariano(noise(4)) is None
    assert diebold_mariano(noise(14), 3) is None
    assert diebold_mariano(noise(15), 3) is not None


@pytest.mark.parametrize(("stride", "expected"), [(1, 7), (2, 4), (3, 3), (6, 2), (7, 1), (50, 1)])
def test_overlap_counts_the_cutoffs_within_one_horizon(stride: int, expected: int) -> None:
    times = np.datetime64("2024-01-01", "us") + np.arange(0, 350, stride) * np.timedelta64(1, "D")
    assert most_overlapping(times, DAILY, 7) == expected


def forecasts_of(panel: Panel, stride: int, windows: int) -> tuple[FloatArray, Forecast]:
    """What came true after rolling origins, and the naive forecast of it."""
    origins = rolling_origins(np.full(panel.num_series, 30), panel.lengths - HORIZON, stride, windows)
    point = naive(panel, origins, HORIZON)
    like = Forecast(
        frequency=panel.frequency,
        series_ids=tuple(panel.series_ids[i] for i in origins.series),
        cutoffs=panel.times(origins.series, origins.positions - 1),
        point=point,
        quantile_levels=(),
        quantiles=np.empty((*point.shape, 0)),
    )
    return origins.actuals(panel, HORIZON), like


def random_walks(num_series: int) -> Panel:
    return make_panel([50 + noise(90, seed=seed).cumsum() for seed in range(num_series)])


def compared(num_series: int, windows: int, share: float, stride: int = HORIZON, spread: float = 0.0) -> Comparison:
    """A model whose errors are that share of the naive's, on average, beside the naive."""
    panel = random_walks(num_series)
    actuals, like = forecasts_of(panel, stride, windows)
    errors = (like.point - actuals) * (share + spread * noise(*actuals.shape, seed=99))
    scales = seasonal_scales(panel, np.full(num_series, 30), 1)
    ours = point_forecast(like, actuals + errors)
    (found,) = compare_models(actuals, {"ours": ours, "naive": like}, scales, "ours")
    return found


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.5, "better"), (1.5, "worse"), (1.0, "tie")], ids=["half", "one and a half", "equal"]
)
def test_a_difference_beyond_chance_has_a_name_and_any_other_is_a_tie(share: float, verdict: str) -> None:
    found = compared(7, 11, share, spread=0.3)
    assert found.verdict == verdict
    assert (found.num_cutoffs, found.num_series) == (11, 7)
    assert found.p_value == max(found.p_value_over_cutoffs or 0, found.p_value_over_series or 0)


def test_the_same_forecasts_are_a_tie_and_too_little_to_compare_is_unclear() -> None:
    found = compared(7, 11, 1.0)
    assert (found.verdict, found.difference, found.p_value, found.series_won) == ("tie", 0, 1, 0)
    assert compared(2, 3, 0.5).verdict == "unclear"


def test_one_cutoff_is_tested_over_its_series_and_one_series_over_its_cutoffs() -> None:
    cutoff, series = compared(13, 1, 0.5, spread=0.3), compared(1, 15, 0.5, spread=0.3)
    assert (cutoff.p_value_over_cutoffs, cutoff.p_value) == (None, cutoff.p_value_over_series)
    assert (series.p_value_over_series, series.p_value) == (None, series.p_value_over_cutoffs)
    assert cutoff.verdict == series.verdict == "better"
    assert cutoff.series_won > 10


def test_windows_that_overlap_weigh_less_than_as_many_apart() -> None:
    apart, overlapping = compared(1, 12, 0.8, spread=0.6), compared(1, 12, 0.8, stride=1, spread=0.6)
    assert apart.p_value is not None
    assert overlapping.verdict == "unclear"


def test_a_gain_on_one_series_alone_is_no_gain_over_series() -> None:
    panel = random_walks(8)
    actuals, like = forecasts_of(panel, HORIZON, 12)
    first = np.array([name == "s0" for name in like.series_ids])
    ours = point_forecast(like, np.where(first[:, None], actuals, like.point))
    scales = seasonal_scales(panel, np.full(8, 30), 1)
    (found,) = compare_models(actuals, {"ours": ours, "naive": like}, scales, "ours")
    assert found.p_value_over_cutoffs < 0.01
    assert found.verdict == "tie"
    assert found.series_won == 1


def test_the_difference_is_that_of_mase() -> None:
    found = compared(7, 11, 0.5)
    panel = random_walks(7)
    actuals, like = forecasts_of(panel, HORIZON, 11)
    scale = seasonal_scales(panel, np.full(7, 30), 1).take(like.series_ids).absolute
    mase = float(np.mean(np.abs(actuals - like.point) / scale[:, None]))
    assert found.measure == "mase"
    assert found.difference == pytest.approx(-0.5 * mase)


def test_without_any_scale_errors_are_compared_as_they_are() -> None:
    panel = random_walks(1)
    actuals, like = forecasts_of(panel, HORIZON, 11)
    unscaled = SeasonalScales(1, panel.series_ids, np.array([np.nan]), np.array([np.nan]))
    forecasts = {"ours": point_forecast(like, actuals), "naive": like}
    (found,) = compare_models(actuals, forecasts, unscaled, "ours")
    assert found.measure == "mae"
    assert found.difference == pytest.approx(-np.mean(np.abs(actuals - like.point)))


def test_values_missing_from_one_forecast_are_compared_in_neither() -> None:
    panel = random_walks(7)
    actuals, like = forecasts_of(panel, HORIZON, 11)
    holes = like.point.copy()
    holes[:40] = np.nan
    scales = seasonal_scales(panel, np.full(7, 30), 1)
    forecasts = {"ours": point_forecast(like, actuals), "naive": point_forecast(like, holes)}
    (found,) = compare_models(actuals, forecasts, scales, "ours")
    assert found.num_series == len(set(like.series_ids[40:]))
    nothing = {"ours": like, "naive": point_forecast(like, np.full_like(holes, np.nan))}
    (empty,) = compare_models(actuals, nothing, scales, "ours")
    assert (empty.difference, empty.verdict, empty.num_series) == (None, "unclear", 0)
