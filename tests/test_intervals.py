import itertools
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcast.errors import UsageError
from seqcast.panel.frequency import parse_frequency
from seqcast.results.forecast import Forecast, as_possible, interval, quantile

MEANS = np.array([[3.0, -1.0, 4.0], [10.0, 0.5, 7.0]])
SPREAD = 2.0


def normal_forecast(levels: tuple[float, ...]) -> Forecast:
    scores = np.array([NormalDist().inv_cdf(level) for level in levels])
    return Forecast(
        frequency=parse_frequency("h"),
        series_ids=("a", "b"),
        cutoffs=np.array(["2024-01-01", "2024-01-02"], "datetime64[us]"),
        point=MEANS,
        quantile_levels=levels,
        quantiles=MEANS[:, :, None] + SPREAD * scores,
    )


def test_a_level_the_model_was_trained_on_gives_its_quantiles_bit_for_bit() -> None:
    forecast = normal_forecast((0.1, 0.5, 0.9))
    low, high = interval(forecast, 80)
    assert np.array_equal(low, forecast.quantiles[:, :, 0])
    assert np.array_equal(high, forecast.quantiles[:, :, 2])


@pytest.mark.parametrize("level", [10, 68.27, 85, 97.5, 99.9])
def test_bounds_between_and_beyond_the_quantiles_follow_the_normal_distribution(level: float) -> None:
    low, high = interval(normal_forecast((0.1, 0.3, 0.5, 0.9)), level)
    reach = SPREAD * NormalDist().inv_cdf(0.5 + level / 200)
    assert np.allclose(low, MEANS - reach)
    assert np.allclose(high, MEANS + reach)


def test_each_tail_follows_its_own_quantiles() -> None:
    forecast = normal_forecast((0.1, 0.5, 0.9))
    forecast.quantiles[:, :, 0] -= 5
    low, high = interval(forecast, 95)
    reach = NormalDist().inv_cdf(0.975) / NormalDist().inv_cdf(0.9)
    assert np.allclose(low, MEANS - reach * (MEANS - forecast.quantiles[:, :, 0]))
    assert np.allclose(high, MEANS + SPREAD * NormalDist().inv_cdf(0.975))


@given(st.lists(st.floats(1, 99.5), min_size=2, max_size=5, unique=True), st.integers(0, 2**32 - 1))
def test_a_wider_level_never_gives_a_narrower_interval(levels: list[float], seed: int) -> None:
    values = np.sort(np.random.default_rng(seed).normal(size=(2, 3, 5)))
    base = normal_forecast((0.05, 0.25, 0.5, 0.75, 0.95))
    forecast = Forecast(base.frequency, base.series_ids, base.cutoffs, values[:, :, 2], base.quantile_levels, values)
    bounds = [interval(forecast, level) for level in sorted(levels)]
    for (low, high), (wider_low, wider_high) in itertools.pairwise(bounds):
        assert np.all(wider_low <= low + 1e-9)
        assert np.all(wider_high >= high - 1e-9)


@pytest.mark.parametrize("level", [0, 100, -5, 101, float("nan")])
def test_a_level_outside_0_to_100_is_refused(level: float) -> None:
    with pytest.raises(UsageError, match="An interval level must be between 0 and 100, got"):
        interval(normal_forecast((0.1, 0.5, 0.9)), level)


@pytest.mark.parametrize("levels", [(), (0.5,), (0.5, 0.9)])
def test_a_tail_without_quantiles_is_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match=r"no quantiles to take the 0\.1 quantile from\. Train with the quantile loss"):
        quantile(normal_forecast(levels), 0.1)


def test_no_bound_is_below_the_smallest_possible_outcome_of_its_window() -> None:
    forecast = replace(normal_forecast((0.1, 0.5, 0.9)), least=np.array([0.0, -np.inf]))
    low, high = interval(as_possible(forecast), 99)
    expected, _ = interval(normal_forecast((0.1, 0.5, 0.9)), 99)
    np.testing.assert_array_equal(low[1], expected[1])
    np.testing.assert_array_equal(low[0], np.zeros(3))
    assert (high[0] >= low[0]).all()
    np.testing.assert_array_equal(as_possible(forecast).point[0], [3, 0, 4])


@given(st.floats(0.05, 8), st.floats(10, 99), st.integers(0, 2**32 - 1))
def test_bounds_on_whole_numbers_hold_the_same_whole_numbers(spread: float, level: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    point = random.normal(0, 5, (2, 3))
    real = replace(
        normal_forecast((0.1, 0.5, 0.9)), point=point, quantiles=point[..., None] + spread * np.array([-1, 0, 1])
    )
    whole = as_possible(replace(real, integer=True))
    for shown in (80, level):
        (low, high), (before_low, before_high) = interval(whole, shown), interval(real, shown)
        for number in range(-60, 61):
            held, was_held = (low <= number) & (number <= high), (before_low <= number) & (number <= before_high)
            outside_point = np.rint(point) != number
            np.testing.assert_array_equal(held[outside_point], was_held[outside_point])
        assert (low <= np.rint(point)).all()
        assert (np.rint(point) <= high).all()
        np.testing.assert_array_equal([low, high], np.rint([low, high]))
