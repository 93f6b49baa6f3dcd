from typing import Literal

import numpy as np
import pytest

from seqcast.errors import DataError, UsageError
from seqcast.evaluation.backtest import Backtest, BacktestPlan, backtest
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel
from tests.panels import (
    CONTEXT,
    HORIZON,
    LENGTHS,
    full_panel,
    make_panel,
    random_model,
    small_config,
    wave_panel,
    waves,
)

VALIDATION, TEST = 7, 13
CONFIG = small_config(data={"validation_size": VALIDATION, "test_size": TEST})


@pytest.fixture(scope="module")
def panel() -> Panel:
    return wave_panel()


@pytest.fixture(scope="module")
def model(panel: Panel) -> TrainedModel:
    return random_model(panel, CONFIG)


def positions(done: Backtest, panel: Panel) -> dict[str, list[int]]:
    """Position of the first forecast step of each window, per series."""
    found: dict[str, list[int]] = {}
    for name, cutoff in zip(done.forecast.series_ids, done.forecast.cutoffs, strict=True):
        series = panel.series_ids.index(name)
        steps = panel.frequency.steps_between(panel.starts[[series]], np.array([cutoff]))
        found.setdefault(name, []).append(int(steps[0]) + 1)
    return found


@pytest.mark.parametrize(("part", "begin", "end"), [("validation", TEST + VALIDATION, TEST), ("test", TEST, 0)])
def test_windows_cover_every_origin_of_their_part(
    part: Literal["validation", "test"], begin: int, end: int, panel: Panel, model: TrainedModel
) -> None:
    found = positions(backtest(model, panel, BacktestPlan(part, stride=1)), panel)
    for name, length in zip(panel.series_ids, LENGTHS, strict=True):
        assert found[name] == [*range(length - begin, length - end - HORIZON + 1)]


@pytest.mark.parametrize("stride", [2, 3, 100])
def test_origins_are_a_stride_apart_and_end_with_the_newest(panel: Panel, model: TrainedModel, stride: int) -> None:
    done = backtest(model, panel, BacktestPlan("test", stride=stride))
    newest = LENGTHS[0] - HORIZON
    expected = list(range(newest, LENGTHS[0] - TEST - 1, -stride))[::-1]
    assert positions(done, panel)["s0"] == expected
    assert done.stride == stride


def test_windows_keeps_the_newest_a_horizon_apart_unless_told_otherwise(panel: Panel, model: TrainedModel) -> None:
    done = backtest(model, panel, BacktestPlan(windows=2, stride=1))
    assert {len(found) for found in positions(done, panel).values()} == {2}
    assert positions(done, panel)["s1"][-1] == LENGTHS[1] - TEST - HORIZON
    assert backtest(model, panel).stride == HORIZON


def test_actuals_are_what_the_panel_holds_at_the_forecast_times(panel: Panel, model: TrainedModel) -> None:
    done = backtest(model, panel, BacktestPlan("test", stride=1))
    for window, (name, times) in enumerate(zip(done.forecast.series_ids, done.forecast.times(), strict=True)):
        series = panel.series_ids.index(name)
        steps = panel.frequency.steps_between(np.repeat(panel.starts[[series]], HORIZON), times)
        np.testing.assert_array_equal(done.actuals[window], panel.target[panel.offsets[series] + steps])


def test_no_value_after_a_cutoff_reaches_its_forecast() -> None:
    panel, changed = full_panel(), full_panel()
    model = random_model(panel, CONFIG)
    newest = panel.offsets[1:] - HORIZON
    for begin in newest:
        changed.target[begin : begin + HORIZON] = 1e6
        changed.past.numeric[begin : begin + HORIZON] = 1e6
    plan = BacktestPlan("test", windows=1)
    before, after = backtest(model, panel, plan), backtest(model, changed, plan)
    np.testing.assert_array_equal(before.forecast.quantiles, after.forecast.quantiles)
    assert (after.actuals == 1e6).all()


def test_the_models_are_scored_on_the_same_windows(panel: Panel, model: TrainedModel) -> None:
    scores = backtest(model, panel, BacktestPlan("test", stride=1)).scores
    assert [each.model for each in scores.models] == ["seqcast", "naive", "seasonal_naive"]
    assert len({each.num_values for each in scores.models}) == 1
    assert scores.num_windows == len(LENGTHS) * (TEST - HORIZON + 1)


def test_the_seasonal_naive_is_the_value_a_season_before(panel: Panel, model: TrainedModel) -> None:
    done = backtest(model, panel, BacktestPlan("test", windows=1))
    season, errors = model.season, []
    for series in range(panel.num_series):
        rows = np.arange(panel.offsets[series + 1] - HORIZON, panel.offsets[series + 1])
        errors.append(np.abs(panel.target[rows] - panel.target[rows - season]))
    assert float(done.scores.of("seasonal_naive").overall.mae) == pytest.approx(np.mean(errors))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_scale_of_mase_is_learned_from_the_training_part_alone(part: Literal["validation", "test"]) -> None:
    panel = make_panel(waves((61,)))
    tripled = make_panel([np.where(np.arange(61) < 61 - TEST - VALIDATION, 1, 3) * panel.target])
    model = random_model(panel, CONFIG)
    plain, large = (backtest(model, each, BacktestPlan(part)).scores.of("naive").overall for each in (panel, tripled))
    assert plain.mae != large.mae
    assert plain.mae / plain.mase == pytest.approx(large.mae / large.mase)


def test_baselines_can_be_left_out_and_coverage_is_that_of_the_levels_asked_for(
    panel: Panel, model: TrainedModel
) -> None:
    done = backtest(model, panel, BacktestPlan(baselines=False, levels=(80.0, 99.0)))
    assert [each.model for each in done.scores.models] == ["seqcast"]
    assert list(done.scores.of("seqcast").overall.coverage) == ["80", "99"]


def test_a_point_loss_has_no_coverage(panel: Panel) -> None:
    model = random_model(panel, CONFIG.override(training={"loss": "mae"}))
    assert dict(backtest(model, panel).scores.of("seqcast").overall.coverage) == {}


def test_windows_without_history_and_series_too_short_for_a_window_are_left_out(model: TrainedModel) -> None:
    series = [*waves(LENGTHS), np.arange(HORIZON) + 1.0]
    series[1][: LENGTHS[1] - HORIZON] = np.nan
    done = backtest(model, make_panel(series), BacktestPlan("test", stride=1))
    assert set(done.forecast.series_ids) == {"s0", "s2"}


def test_a_series_that_training_never_saw_is_a_notice(model: TrainedModel) -> None:
    done = backtest(model, make_panel(waves((61, 53)), ids=["s0", "new"]))
    assert [notice.text for notice in done.notices] == [
        "1 series were not in the training data and are scaled by their own history: 'new'"
    ]


def test_a_context_longer_than_the_history_is_no_obstacle(panel: Panel) -> None:
    short = make_panel(waves((VALIDATION + TEST + 2,)))
    done = backtest(random_model(panel, CONFIG), short, BacktestPlan(stride=1))
    assert CONTEXT > 2
    assert positions(done, short)["s0"] == [2, 3, 4]
    assert np.isfinite(done.forecast.point).all()


def test_a_run_without_test_part_says_what_is_missing(panel: Panel) -> None:
    model = random_model(panel, small_config(data={"test_size": HORIZON - 1}))
    with pytest.raises(
        UsageError, match=r"--test: this run kept 4 test steps; a window needs 5\. Train with --test-size"
    ):
        backtest(model, panel, BacktestPlan("test"))


def test_a_panel_without_any_window_is_refused(model: TrainedModel) -> None:
    with pytest.raises(DataError, match=r"no series has a validation window of 5 steps to score\. Give more data"):
        backtest(model, make_panel([np.arange(11.0)]))


@pytest.mark.parametrize("plan", [BacktestPlan(stride=0), BacktestPlan(windows=0), BacktestPlan(stride=-3)])
def test_a_plan_that_makes_no_sense_is_refused(panel: Panel, model: TrainedModel, plan: BacktestPlan) -> None:
    with pytest.raises(UsageError, match="--stride, --windows and --refit-every must be at least 1"):
        backtest(model, panel, plan)
