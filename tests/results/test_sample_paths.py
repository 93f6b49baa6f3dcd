from dataclasses import replace

import numpy as np
import pytest

from seqcast.errors import UsageError
from seqcast.panel.frequency import parse_frequency
from seqcast.results import sample_paths
from seqcast.results.dependence import StepDependence
from seqcast.results.forecast import Forecast, interval
from seqcast.results.sample_paths import AGGREGATES, Aggregate, SamplePlan, draw_paths, draw_totals, forecast_part
from seqcast.results.widening import widened

TRAINED = 5
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
NORMAL = np.array([-1.959964, -1.2815516, 0, 1.2815516, 1.959964])
DEPENDENCE = StepDependence({"common": 0.3, "decay_4": 0.5}, 7)


def forecast_of(horizon: int = TRAINED, num_windows: int = 2) -> Forecast:
    """Normal forecasts of a level of 10 and a spread that grows; rolled as `Forecasting.forecast` does."""
    spread = 1 + 0.3 * np.arange(TRAINED)
    first = 10 + spread[:, None] * NORMAL * np.ones((num_windows, 1, 1))
    blocks = [first]
    for number in range(1, -(-horizon // TRAINED)):
        blocks.append(widened(np.full((num_windows, TRAINED), 10.0), first, number, 2))
    quantiles = np.concatenate(blocks, axis=1)[:, :horizon]
    cutoffs = np.full(num_windows, np.datetime64("2024-01-01", "us"))
    names = tuple(f"s{number}" for number in range(num_windows))
    rolled = TRAINED + 1 if horizon > TRAINED else None
    return Forecast(parse_frequency("D"), names, cutoffs, quantiles[..., 2], LEVELS, quantiles, rolled)


def drawn(forecast: Forecast, num_samples: int = 3, seed: int = 0) -> np.ndarray:
    """(W, N, H)"""
    pieces = list(draw_paths(forecast, DEPENDENCE, TRAINED, SamplePlan(num_samples, seed)))
    windows: dict[str, list[np.ndarray]] = {}
    for piece in pieces:
        for name, values in zip(piece.forecast.series_ids, piece.values, strict=True):
            windows.setdefault(name, []).append(values)
    return np.stack([np.concatenate(windows[name]) for name in forecast.series_ids])


def test_every_step_has_the_quantiles_of_the_forecast() -> None:
    forecast = forecast_of(horizon=2 * TRAINED + 3)
    values = drawn(forecast, 20_000)[0]
    for column, level in enumerate(LEVELS):
        below = (values < forecast.quantiles[0, :, column]).mean(axis=0)
        np.testing.assert_allclose(below, level, atol=0.011)


def test_steps_hang_together_as_the_dependence_says() -> None:
    values = drawn(forecast_of(), 20_000)[1]
    np.testing.assert_allclose(np.corrcoef(values.T), DEPENDENCE.correlation(np.arange(1, TRAINED + 1)), atol=0.03)


def test_blocks_beyond_the_trained_horizon_carry_on_the_errors_of_those_before() -> None:
    values = drawn(forecast_of(horizon=3 * TRAINED), 20_000)[0] - 10
    errors = values - values.mean(axis=0)
    widest = TRAINED - 1
    carried_twice = errors[:, widest], errors[:, TRAINED + widest]
    second_block_alone = carried_twice[1] - carried_twice[0]
    assert np.corrcoef(carried_twice[0], second_block_alone)[0, 1] == pytest.approx(0, abs=0.03)
    variances = errors.var(axis=0)
    assert variances[TRAINED + widest] == pytest.approx(2 * variances[widest], rel=0.04)
    # Each step of the third block carries the whole error of the two blocks before it.
    for step in range(2 * TRAINED, 3 * TRAINED):
        covariance = np.mean(errors[:, step] * carried_twice[1])
        assert covariance == pytest.approx(carried_twice[1].var(), rel=0.05)


def test_paths_depend_on_seed_series_and_cutoff_and_not_on_the_company_or_the_number_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forecast = forecast_of(num_windows=3)
    everything = drawn(forecast, 7)
    np.testing.assert_array_equal(drawn(forecast_part(forecast, slice(1, 2)), 7)[0], everything[1])
    np.testing.assert_array_equal(drawn(forecast, 2), everything[:, :2])
    for at_once in (1, TRAINED * 3, TRAINED * 7 * 2):
        monkeypatch.setattr(sample_paths, "VALUES_AT_ONCE", at_once)
        np.testing.assert_array_equal(drawn(forecast, 7), everything)

    assert (drawn(forecast, 7, seed=1) != everything).all()
    later = replace(forecast, cutoffs=forecast.cutoffs + np.timedelta64(1, "D"))
    assert (drawn(later, 7) != everything).all()
    assert (everything[0] != everything[1]).all()


@pytest.mark.parametrize("horizon", [2, TRAINED, TRAINED + 2, 3 * TRAINED - 1])
def test_the_first_steps_are_those_of_a_path_over_a_longer_horizon(horizon: int) -> None:
    longer = drawn(forecast_of(horizon=3 * TRAINED))
    np.testing.assert_array_equal(drawn(forecast_of(horizon=horizon)), longer[..., :horizon])


def test_paths_stay_among_possible_outcomes() -> None:
    forecast = replace(forecast_of(), least=np.array([9.5, -np.inf]), integer=True)
    values = drawn(forecast, 500)
    np.testing.assert_array_equal(values, np.rint(values))
    assert values[0].min() == 10
    assert values[1].min() < 9


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_totals_are_quantiles_over_the_paths(aggregate: Aggregate, monkeypatch: pytest.MonkeyPatch) -> None:
    forecast = forecast_of()
    numbers = getattr(np, aggregate)(drawn(forecast, 400), axis=2)
    monkeypatch.setattr(sample_paths, "VALUES_AT_ONCE", TRAINED * 150)  # a window comes in pieces
    paths = draw_paths(forecast, DEPENDENCE, TRAINED, SamplePlan(400))
    totals = draw_totals(forecast, paths, aggregate, (80, 95))
    np.testing.assert_allclose(totals.median, np.median(numbers, axis=1))
    np.testing.assert_allclose(totals.low, np.quantile(numbers, [0.1, 0.025], axis=1).T)
    np.testing.assert_allclose(totals.high, np.quantile(numbers, [0.9, 0.975], axis=1).T)
    assert totals.ends.tolist() == forecast.times()[:, -1].tolist()


def test_the_sum_of_dependent_steps_is_wider_than_that_of_independent_ones_by_the_right_amount() -> None:
    forecast = forecast_of()
    spread = 1 + 0.3 * np.arange(TRAINED)
    for dependence in (StepDependence({}, 7), DEPENDENCE):
        paths = draw_paths(forecast, dependence, TRAINED, SamplePlan(20_000))
        totals = draw_totals(forecast, paths, "sum", (80,))
        variance = spread @ dependence.correlation(np.arange(1, TRAINED + 1)) @ spread
        width = 2 * 1.2815516 * np.sqrt(variance)
        np.testing.assert_allclose(totals.high - totals.low, width, rtol=0.03)
    np.testing.assert_allclose(totals.median, 10 * TRAINED, rtol=0.01)


def test_totals_of_whole_numbers_are_whole() -> None:
    forecast = replace(forecast_of(), integer=True)
    for aggregate in ("sum", "min", "max"):
        totals = draw_totals(forecast, draw_paths(forecast, DEPENDENCE, TRAINED, SamplePlan(50)), aggregate, (80, 95))
        for values in (totals.median, totals.low, totals.high):
            np.testing.assert_array_equal(values, np.rint(values))


def test_the_total_of_one_step_has_the_intervals_of_the_forecast() -> None:
    forecast = forecast_of(horizon=1)
    totals = draw_totals(forecast, draw_paths(forecast, DEPENDENCE, TRAINED, SamplePlan(20_000)), "max", (80, 95))
    for place, level in enumerate((80, 95)):
        low, high = interval(forecast, level)
        np.testing.assert_allclose(totals.low[:, place], low[:, 0], atol=0.06)
        np.testing.assert_allclose(totals.high[:, place], high[:, 0], atol=0.06)


@pytest.mark.parametrize(
    ("number", "seed", "message"),
    [(0, 0, "must be at least 1"), (10**6 + 1, 0, "at most 1,000,000"), (3, -1, "a whole number from 0 on")],
)
def test_absurd_numbers_and_seeds_are_refused(number: int, seed: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SamplePlan(number, seed)


def test_a_forecast_of_points_has_no_paths() -> None:
    forecast = forecast_of()
    points = replace(forecast, quantile_levels=(), quantiles=forecast.quantiles[..., :0])
    with pytest.raises(UsageError, match="no quantiles to draw samples from"):
        drawn(points)
