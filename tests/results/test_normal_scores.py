import numpy as np
import pytest

from seqcast.panel.frequency import parse_frequency
from seqcast.results.forecast import Forecast, quantile
from seqcast.results.normal_scores import LARGEST_SCORE, is_two_sided, scores_of, values_at

LEVELS = (0.025, 0.1, 0.5, 0.8, 0.975)
SCORES = {0.01: -2.3263479, 0.025: -1.959964, 0.3: -0.5244005, 0.5: 0.0, 0.8: 0.8416212, 0.99: 2.3263479}


def quantiles(seed: int = 0) -> np.ndarray:
    """(2, 3, 5) quantiles that rise along the levels."""
    return np.sort(np.random.default_rng(seed).normal(size=(2, 3, len(LEVELS))), axis=-1)


def forecast_with(values: np.ndarray) -> Forecast:
    cutoffs = np.array(["2024-01-01", "2024-01-01"], "datetime64[us]")
    return Forecast(parse_frequency("D"), ("a", "b"), cutoffs, values[..., 2], LEVELS, values)


@pytest.mark.parametrize("probability", SCORES)
def test_values_are_the_quantiles_that_intervals_show_beyond_the_outermost_ones_too(probability: float) -> None:
    forecast = forecast_with(quantiles())
    found = values_at(np.full((2, 1, 3), SCORES[probability]), LEVELS, forecast.quantiles)
    np.testing.assert_allclose(found[:, 0], quantile(forecast, probability), atol=1e-6)


def test_scores_and_values_are_each_others_inverse() -> None:
    scores = np.array([[-5.0, -0.3, 0.0], [0.7, 1.96, 7.0]])
    values = values_at(scores[:, None], LEVELS, quantiles())[:, 0]
    np.testing.assert_allclose(scores_of(values, LEVELS, quantiles()), scores, atol=1e-9)


def test_a_normal_distribution_gives_standardised_values_and_normal_tails() -> None:
    normal = 20 + 3 * np.array([-1.959964, -1.2815516, 0, 0.8416212, 1.959964]) * np.ones((1, 1, 1))
    assert scores_of(np.array([[35.0]]), LEVELS, normal)[0, 0] == pytest.approx(5, abs=1e-6)
    assert values_at(np.array([[[-5.0]]]), LEVELS, normal)[0, 0, 0] == pytest.approx(5, abs=1e-6)


def test_a_value_at_which_quantiles_meet_has_the_middle_of_their_scores() -> None:
    meeting = np.array([[[0.0, 0.0, 0.0, 4.0, 5.0]]])
    lowest = -LARGEST_SCORE  # the lower end lies on the line through equal quantiles
    assert scores_of(np.array([[0.0]]), LEVELS, meeting)[0, 0] == pytest.approx(lowest / 2)
    meeting = np.array([[[-3.0, 1.0, 1.0, 1.0, 5.0]]])
    assert scores_of(np.array([[1.0]]), LEVELS, meeting)[0, 0] == pytest.approx((-1.2815516 + 0.8416212) / 2)


def test_a_value_away_from_a_certain_forecast_has_the_largest_score_and_a_missing_one_none() -> None:
    certain = np.full((1, 4, 5), 7.0)
    found = scores_of(np.array([[6.0, 7.0, 8.0, np.nan]]), LEVELS, certain)[0]
    np.testing.assert_array_equal(found, [-LARGEST_SCORE, 0, LARGEST_SCORE, np.nan])
    np.testing.assert_array_equal(values_at(np.array([[[-3.0, 0, 2, 9]]]), LEVELS, certain), np.full((1, 1, 4), 7.0))


def test_a_distribution_needs_quantiles_on_both_sides_of_the_median() -> None:
    assert is_two_sided((0.1, 0.5, 0.9))
    assert [is_two_sided(levels) for levels in ((), (0.5,), (0.1, 0.5), (0.5, 0.9))] == [False] * 4
