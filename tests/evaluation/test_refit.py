import signal
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from seqcast.errors import DataError, StoppedError
from seqcast.evaluation.backtest import Backtest, BacktestHooks, BacktestPlan, backtest
from seqcast.evaluation.refit import Refit
from seqcast.forecasting import Forecasting
from seqcast.panel.panel import Panel
from seqcast.reading.future import head_panel
from seqcast.results.origins import Origins
from seqcast.run.load import TrainedModel
from seqcast.training.fit import train_model
from seqcast.training.loop import Hooks
from seqcast.training.plan import make_plan
from tests.panels import CPU, HORIZON, LENGTHS, full_panel, make_panel, random_model, small_config, waves

TEST = 14
CONFIG = small_config(data={"validation_size": 7, "test_size": TEST})
"""The test part holds four origins at stride 3."""


@pytest.fixture(scope="module")
def panel() -> Panel:
    return full_panel()


@pytest.fixture(scope="module")
def model(panel: Panel) -> TrainedModel:
    return random_model(panel, CONFIG)


def plan(every: int | None) -> BacktestPlan:
    return BacktestPlan("test", stride=3, refit_every=every)


@pytest.fixture(scope="module")
def told_backtests(panel: Panel, model: TrainedModel) -> Callable[[int | None], tuple[Backtest, list[Refit]]]:
    """The backtest of the panel with a training at every kth origin, and these trainings, run once for each k."""

    @cache
    def run(every: int | None) -> tuple[Backtest, list[Refit]]:
        told: list[Refit] = []
        return backtest(model, panel, plan(every), BacktestHooks(on_refit=told.append)), told

    return run


@pytest.fixture(scope="module")
def backtests(
    told_backtests: Callable[[int | None], tuple[Backtest, list[Refit]]],
) -> Callable[[int | None], Backtest]:
    """The backtests alone."""
    return lambda every: told_backtests(every)[0]


@pytest.mark.parametrize(("every", "trainings"), [(1, 4), (2, 2), (3, 2), (4, 1), (100, 1)])
def test_it_trains_at_every_kth_origin(
    panel: Panel, told_backtests: Callable[[int | None], tuple[Backtest, list[Refit]]], every: int, trainings: int
) -> None:
    done, told = told_backtests(every)
    assert [(each.number, each.total) for each in told] == [(i + 1, trainings) for i in range(trainings)]
    assert told[0].last_time == str(panel.times(np.array([0]), np.array([LENGTHS[0] - TEST - 1]))[0])[:10]
    assert len(done.forecast.series_ids) == 4 * len(LENGTHS)


def test_windows_are_those_of_the_backtest_without_it_and_the_run_stays_as_it_is(
    panel: Panel, model: TrainedModel, backtests: Callable[[int | None], Backtest]
) -> None:
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    with_it, without = backtest(model, panel, plan(4)), backtests(None)
    assert with_it.forecast.series_ids == without.forecast.series_ids
    np.testing.assert_array_equal(with_it.forecast.cutoffs, without.forecast.cutoffs)
    np.testing.assert_array_equal(with_it.actuals, without.actuals)
    assert with_it.scores.of("naive").overall.mae == without.scores.of("naive").overall.mae
    assert all((value == before[name]).all() for name, value in model.network.state_dict().items())


@pytest.mark.parametrize("back", [0, 2])
def test_a_forecast_is_that_of_a_run_trained_on_the_rows_before_it(
    panel: Panel, model: TrainedModel, backtests: Callable[[int | None], Backtest], back: int
) -> None:
    done = backtests(1)
    ends = panel.lengths - HORIZON - 3 * back
    cut = head_panel(panel, ends)
    trained = train_model(cut, make_plan(cut, model.config.override(data={"test_size": 0})), CPU).model
    alone = Forecasting(trained, panel, ends).forecast(Origins(np.arange(panel.num_series), ends))
    windows = 4 * np.arange(panel.num_series) + 3 - back
    np.testing.assert_array_equal(done.forecast.cutoffs[windows], alone.cutoffs)
    np.testing.assert_array_equal(done.forecast.quantiles[windows], alone.quantiles)


def test_nothing_after_a_cutoff_is_seen_by_any_training(
    panel: Panel, model: TrainedModel, backtests: Callable[[int | None], Backtest]
) -> None:
    changed = full_panel()
    for begin in panel.offsets[1:] - HORIZON:  # after the newest cutoff
        changed.target[begin : begin + HORIZON] = 1e6
        changed.past.numeric[begin : begin + HORIZON] = 1e6
    before, after = backtests(1), backtest(model, changed, plan(1))
    np.testing.assert_array_equal(before.forecast.quantiles, after.forecast.quantiles)


def test_the_oldest_training_sees_nothing_of_the_test_part(
    panel: Panel, model: TrainedModel, backtests: Callable[[int | None], Backtest]
) -> None:
    changed = full_panel()
    for begin in panel.offsets[1:] - TEST:
        changed.target[begin : begin + TEST] += np.arange(TEST) * 1e3
    before, after = backtests(4), backtest(model, changed, plan(4))
    oldest = [i for i in range(12) if i % 4 == 0]
    np.testing.assert_array_equal(before.forecast.quantiles[oldest], after.forecast.quantiles[oldest])
    newest = [i for i in range(12) if i % 4 == 3]
    assert (before.forecast.point[newest] != after.forecast.point[newest]).any()


def test_a_later_training_sees_what_came_true_meanwhile(
    panel: Panel, model: TrainedModel, backtests: Callable[[int | None], Backtest]
) -> None:
    changed = full_panel()
    changed.target[panel.offsets[1:] - HORIZON - 4] += 50
    often, once = (backtest(model, changed, plan(every)).forecast.point for every in (1, 4))
    assert (often != backtests(1).forecast.point).any()
    assert (once[0] == backtests(4).forecast.point[0]).all()


def test_series_that_end_early_or_begin_late_take_part_when_they_can(model: TrainedModel) -> None:
    panel = make_panel(waves((61, 16, 47)))
    done = backtest(model, panel, BacktestPlan("test", stride=3, refit_every=1))
    assert done.forecast.series_ids.count("s1") == 4
    assert done.forecast.series_ids.count("s0") == 4
    assert np.isfinite(done.forecast.point).all()


@pytest.mark.parametrize(
    ("plan", "windows", "trainings"),
    [
        (BacktestPlan("validation", stride=1, refit_every=2), 3, 2),
        (BacktestPlan("validation", windows=1, refit_every=1), 1, 1),
    ],
)
def test_validation_origins_are_trained_for_as_well(
    plan: BacktestPlan, windows: int, trainings: int, panel: Panel, model: TrainedModel
) -> None:
    told: list[Refit] = []
    done = backtest(model, panel, plan, BacktestHooks(on_refit=told.append))
    assert len(done.forecast.series_ids) == windows * len(LENGTHS)
    assert len(told) == trainings


def test_too_few_rows_before_an_origin_are_an_error_with_the_number_needed(model: TrainedModel) -> None:
    short = make_panel(waves((30,)))
    with pytest.raises(DataError, match=r"the longest series has 16 steps; .* 7 held-out steps need 23"):
        backtest(model, short, plan(1))


def test_a_signal_ends_it_in_words_of_its_own(panel: Panel, model: TrainedModel) -> None:
    watch = BacktestHooks(training=Hooks(stop_signal=lambda: signal.SIGTERM))
    with pytest.raises(StoppedError, match=r"Stopped by SIGTERM\. Nothing is kept: start it again") as stop:
        backtest(model, panel, plan(1), watch)
    assert stop.value.exit_code == 143
