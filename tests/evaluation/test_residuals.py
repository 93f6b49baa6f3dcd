import dataclasses

import numpy as np
import pytest

from seqcast.evaluation.backtest import Backtest, BacktestPlan, backtest
from seqcast.evaluation.residuals import STEP_QUANTILES, residuals
from tests.panels import random_model, small_config, wave_panel


@pytest.fixture(scope="module")
def done() -> Backtest:
    panel = wave_panel()
    model = random_model(panel, small_config(data={"validation_size": 13, "test_size": 0}))
    return backtest(model, panel, BacktestPlan(stride=1))


def test_residuals_are_counted_once_in_bins_about_zero(done: Backtest) -> None:
    found = residuals(done)
    assert found is not None
    assert found.num_values == int(np.isfinite(done.actuals).sum())
    assert found.counts.sum() >= 0.99 * found.num_values
    np.testing.assert_allclose(found.edges, -found.edges[::-1])


def test_residuals_of_several_series_are_in_units_of_the_seasonal_naive_error(done: Backtest) -> None:
    found = residuals(done)
    assert found is not None
    assert found.is_scaled
    rows = [done.scales.series_ids.index(name) for name in done.forecast.series_ids]
    expected = (done.actuals - done.forecast.point) / done.scales.absolute[rows, None]
    for step in range(done.forecast.horizon):
        np.testing.assert_allclose(found.by_step[step], np.nanquantile(expected[:, step], STEP_QUANTILES))


def test_the_share_below_a_quantile_counts_observations_alone(done: Backtest) -> None:
    hidden = done.actuals.copy()
    hidden[::2] = np.nan
    found = residuals(dataclasses.replace(done, actuals=hidden))
    assert found is not None
    for index, level in enumerate(done.forecast.quantile_levels):
        assert found.levels[index] == level
        below = done.actuals[1::2] <= done.forecast.quantiles[1::2, :, index]
        assert found.share_below[index] == pytest.approx(below.mean())


def test_a_step_that_was_never_observed_has_no_quantiles(done: Backtest) -> None:
    hidden = done.actuals.copy()
    hidden[:, 1] = np.nan
    found = residuals(dataclasses.replace(done, actuals=hidden))
    assert found is not None
    assert np.isnan(found.by_step[1]).all()
    assert np.isfinite(found.by_step[0]).all()


def test_nothing_observed_has_no_residuals(done: Backtest) -> None:
    assert residuals(dataclasses.replace(done, actuals=np.full_like(done.actuals, np.nan))) is None
