from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seqcast import forecasting
from seqcast.data.frequency import TimeArray, parse_frequency
from seqcast.data.future import head_panel, pad_panel
from seqcast.data.panel import Covariates, FloatArray, Panel
from seqcast.data.table import Table
from seqcast.data.tabular import table_from_frame
from seqcast.errors import DataError, UsageError
from seqcast.forecasting import (
    AttentionMaps,
    Forecasting,
    Origins,
    attention_maps,
    latest_origins,
    observed_ends,
    predict,
    rolling_origins,
)
from seqcast.model.heads import student_t_parameters
from seqcast.results import AttentionMap, Forecast
from seqcast.run.trained import TrainedModel
from tests.panels import (
    CONTEXT,
    HORIZON,
    LENGTHS,
    covariates,
    full_panel,
    make_panel,
    one_thread,
    random_model,
    small_config,
    wave_panel,
    waves,
)

MECHANISMS: dict[str, dict[str, Any]] = {
    "direct": {},
    "autoregressive": {"decoding": "autoregressive"},
    "input feeding": {"input_feeding": True, "score": "concat"},
    "Bahdanau": {"score": "additive"},
    "local": {"attention": "local-p"},
    "no attention": {"attention": "none"},
    "bidirectional": {"bidirectional": True, "layers": 2, "cell": "gru"},
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def model_of(panel: Panel, **sections: dict[str, Any]) -> TrainedModel:
    return random_model(panel, small_config(**sections))


def changed(panel: Panel, rows: Any, amount: float = 3.0) -> Panel:
    target = panel.target.copy()
    target[rows] = np.nan_to_num(target[rows]) + amount
    return replace(panel, target=target)


def future_table(panel: Panel, num_steps: int) -> Table:
    """Known covariates of the steps after the end of every series."""
    steps = np.arange(num_steps)
    frames = []
    for number in range(panel.num_series):
        times = panel.times(np.full(num_steps, number), panel.lengths[number] + steps)
        price = 3 + np.sin(steps + number)
        kind = [("a", "b", "c")[step % 3] for step in steps]
        frames.append(
            pd.DataFrame({"unique_id": panel.series_ids[number], "ds": times, "price": price, "price kind": kind})
        )
    return table_from_frame(pd.concat(frames))


def assert_same(found: Forecast, expected: Forecast) -> None:
    np.testing.assert_array_equal(found.point, expected.point)
    np.testing.assert_array_equal(found.quantiles, expected.quantiles)
    np.testing.assert_array_equal(found.cutoffs, expected.cutoffs)
    assert found.series_ids == expected.series_ids


# Origins


def test_a_series_ends_after_its_last_observed_value() -> None:
    nan = np.nan
    panel = make_panel(
        [np.array([1.0, nan, 3]), np.array([nan, nan]), np.array([nan, 2, nan, nan, nan]), np.array([7.0])]
    )

    assert observed_ends(panel).tolist() == [3, 0, 2, 1]


def test_the_latest_origins_are_the_ends_of_the_series_that_have_one() -> None:
    panel = make_panel([np.array([1.0, 2]), np.array([np.nan]), np.array([3.0, np.nan])])

    origins = latest_origins(panel)

    assert (origins.series.tolist(), origins.positions.tolist()) == ([0, 2], [2, 1])


def test_a_panel_without_any_observed_value_has_no_origin() -> None:
    with pytest.raises(DataError, match="no series has an observed value to forecast from"):
        latest_origins(make_panel([np.full(3, np.nan)]))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-3, 30)), min_size=1, max_size=5),
    st.integers(1, 7),
    st.none() | st.integers(1, 4),
)
def test_rolling_origins_are_those_of_a_plain_loop(
    pairs: list[tuple[int, int]], stride: int, at_most: int | None
) -> None:
    first, last = (np.array(column, np.int64) for column in zip(*pairs, strict=True))

    origins = rolling_origins(first, last, stride, at_most)

    expected = []
    for series, (low, high) in enumerate(pairs):
        newest_first = range(high, low - 1, -stride)[:at_most]
        expected += [(series, position) for position in reversed(newest_first)]
    assert list(zip(origins.series.tolist(), origins.positions.tolist(), strict=True)) == expected


def test_the_earliest_origin_of_each_series_bounds_what_its_scale_is_learned_from() -> None:
    origins = Origins(np.array([0, 0, 2]), np.array([7, 5, 11]))

    assert origins.earliest(np.array([10, 20, 30])).tolist() == [5, 20, 11]
    assert len(origins) == 3


def test_spread_origins_reach_from_the_first_to_the_last() -> None:
    origins = Origins(np.repeat([0, 2], 7), np.tile(np.arange(20, 27), 2))

    found = origins.spread(4)

    assert list(zip(found.series.tolist(), found.positions.tolist(), strict=True)) == [
        (0, 20),
        (0, 24),
        (2, 22),
        (2, 26),
    ]
    assert len(origins.spread(99)) == 14


# Prediction: leak, sight, prefix


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_changing_the_newest_value_moves_every_step_of_the_forecast(mechanism: str) -> None:
    panel = wave_panel()
    model = model_of(panel, model=MECHANISMS[mechanism])
    newest = panel.offsets[1] - 1

    before, after = predict(model, panel).forecast, predict(model, changed(panel, newest)).forecast

    assert (after.point[0] != before.point[0]).all()
    assert (after.quantiles[0] != before.quantiles[0]).all()
    np.testing.assert_array_equal(after.point[1:], before.point[1:])


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_changing_values_after_the_origin_changes_nothing(mechanism: str) -> None:
    panel = full_panel()
    model = model_of(panel, model=MECHANISMS[mechanism])
    origins = rolling_origins(np.full(3, 20), np.full(3, 31), 11)
    series, position = origins.series, origins.positions
    last_known = int(position.max())
    later = np.concatenate([np.arange(panel.offsets[i] + last_known, panel.offsets[i + 1]) for i in range(3)])
    past = replace(panel.past, numeric=panel.past.numeric.copy(), codes=panel.past.codes.copy())
    past.numeric[later] += 5
    past.codes[later] = (past.codes[later] + 1) % 3

    before = Forecasting(model, panel, origins.earliest(panel.lengths)).forecast(origins)
    after = Forecasting(model, replace(changed(panel, later), past=past), origins.earliest(panel.lengths)).forecast(
        origins
    )

    assert set(series.tolist()) == {0, 1, 2}
    assert_same(after, before)


def test_changing_values_after_the_origin_changes_no_forecast_of_an_unseen_series() -> None:
    panel = wave_panel()
    model = model_of(panel)
    unseen = replace(panel, series_ids=("n0", "n1", "n2"))
    origins = rolling_origins(np.full(3, 20), np.full(3, 31), 11)
    ends = origins.earliest(panel.lengths)

    before = Forecasting(model, unseen, ends).forecast(origins)
    after = Forecasting(model, changed(unseen, np.arange(20, 61)), ends).forecast(origins)

    np.testing.assert_array_equal(after.point[0], before.point[0])
    assert (after.point[1] != before.point[1]).any()  # its context holds changed values


def test_a_past_covariate_after_the_origin_does_not_enter_a_forecast_that_is_rolled_on() -> None:
    panel = full_panel()
    model = model_of(panel)
    ends = panel.lengths - 20
    target = panel.target.copy()
    target[np.concatenate([np.arange(end - 20, end) for end in panel.offsets[1:]])] = np.nan
    panel = replace(panel, target=target)
    past = replace(panel.past, numeric=panel.past.numeric.copy(), codes=panel.past.codes.copy())
    for first, end, last in zip(panel.offsets[:-1], ends, panel.offsets[1:], strict=True):
        past.numeric[first + end : last] += 5
        past.codes[first + end : last] = (past.codes[first + end : last] + 1) % 3

    before = predict(model, panel, 3 * HORIZON).forecast
    after = predict(model, replace(panel, past=past), 3 * HORIZON).forecast

    assert_same(after, before)


@pytest.mark.parametrize("horizon", [1, 2, HORIZON, HORIZON + 1, 2 * HORIZON, 17])
@pytest.mark.parametrize("mechanism", ["direct", "autoregressive"])
def test_the_first_steps_of_a_longer_forecast_are_the_shorter_forecast(mechanism: str, horizon: int) -> None:
    panel = wave_panel()
    model = model_of(panel, model=MECHANISMS[mechanism])
    longest = predict(model, panel, 23).forecast

    found = predict(model, panel, horizon).forecast

    assert found.horizon == horizon
    np.testing.assert_array_equal(found.point, longest.point[:, :horizon])
    np.testing.assert_array_equal(found.quantiles, longest.quantiles[:, :horizon])
    assert found.rolled_from_step == (HORIZON + 1 if horizon > HORIZON else None)


@pytest.mark.parametrize("horizon", [3, 5, 8, 10])
def test_with_known_covariates_too_a_shorter_forecast_is_a_prefix(horizon: int) -> None:
    panel = full_panel()
    model = model_of(panel)
    table = future_table(panel, 13)

    found, longest = (predict(model, panel, steps, table).forecast for steps in (horizon, 10))

    # Steps beyond the asked horizon have no covariates, which cannot reach back to earlier steps.
    np.testing.assert_allclose(found.point, longest.point[:, :horizon], rtol=1e-6)


def appended(panel: Panel, forecast: Forecast) -> Panel:
    """The panel with a point forecast behind every series, as if it had been observed."""
    extended = pad_panel(panel, HORIZON)
    rows = (extended.offsets[1:, None] - HORIZON + np.arange(HORIZON)).ravel()
    target = extended.target.copy()
    target[rows] = forecast.point.ravel()
    return replace(extended, target=target)


def test_a_longer_forecast_is_forecast_on_from_the_forecast_and_wider_by_the_root_of_the_rounds() -> None:
    panel = wave_panel()
    model = model_of(panel)

    longer = predict(model, panel, 3 * HORIZON).forecast

    history = panel
    for number in range(3):
        block = slice(number * HORIZON, (number + 1) * HORIZON)
        expected = predict(model, history).forecast
        np.testing.assert_allclose(longer.point[:, block], expected.point, rtol=1e-5)
        spread = np.sqrt(number + 1) * (expected.quantiles - expected.point[..., None])
        np.testing.assert_allclose(longer.quantiles[:, block] - longer.point[:, block, None], spread, atol=1e-3)
        history = appended(history, expected)
    assert longer.rolled_from_step == HORIZON + 1


def test_forecasts_of_several_origins_of_a_series_cannot_be_rolled_on() -> None:
    panel = wave_panel()
    model = model_of(panel)
    origins = rolling_origins(np.full(3, 20), np.full(3, 31), 11)

    with pytest.raises(UsageError, match="forecasts beyond the trained 5 steps need one origin per series"):
        Forecasting(model, panel, panel.lengths).forecast(origins, HORIZON + 1)


def test_rolling_on_leaves_the_tensors_of_the_panel_as_they_were() -> None:
    panel = wave_panel()
    model = model_of(panel)
    joined = Forecasting(model, pad_panel(panel, 3 * HORIZON), observed_ends(panel))
    before = joined.tensors.target.clone(), joined.tensors.observed.clone()

    joined.forecast(latest_origins(panel), 3 * HORIZON)

    assert torch.equal(joined.tensors.target, before[0])
    assert torch.equal(joined.tensors.observed, before[1])


@pytest.mark.parametrize("horizon", [0, -3])
def test_a_horizon_below_one_is_refused(horizon: int) -> None:
    with pytest.raises(UsageError, match=f"--horizon {horizon}: the number of steps to forecast must be at least 1"):
        predict(model_of(wave_panel()), wave_panel(), horizon)


# Prediction: what is said and in which units


def test_a_forecast_begins_one_step_after_the_last_value_of_each_series() -> None:
    panel = wave_panel()

    forecast = predict(model_of(panel), panel).forecast

    assert forecast.series_ids == ("s0", "s1", "s2")
    first = np.datetime64("2024-01-01") + np.array(LENGTHS)
    np.testing.assert_array_equal(forecast.times()[:, 0], first.astype("datetime64[ns]"))
    assert forecast.point.shape == (3, HORIZON)
    assert forecast.quantile_levels == (0.1, 0.5, 0.9)
    np.testing.assert_array_equal(forecast.point, forecast.quantiles[..., 1])
    assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()


def test_a_forecast_is_in_the_units_of_the_data() -> None:
    panel = make_panel([np.tile(np.arange(7.0), 9), 1e9 + np.tile(np.arange(7.0), 9)])
    model = model_of(panel)

    forecast = predict(model, panel).forecast

    np.testing.assert_allclose(forecast.point[1], 1e9 + forecast.point[0], atol=1e-3, rtol=0)
    assert np.ptp(forecast.point[0]) > 0.01


def test_a_series_that_ends_with_missing_values_is_forecast_from_its_last_observed_one() -> None:
    panel = wave_panel()
    panel.target[panel.offsets[1] - 4 : panel.offsets[1]] = np.nan
    model = model_of(wave_panel())

    prediction = predict(model, panel)

    expected = predict(model, head_panel(panel, np.array([57, 53, 47]))).forecast
    assert_same(prediction.forecast, expected)
    assert str(prediction.forecast.cutoffs[0]).startswith("2024-02-26")
    (notice,) = prediction.notices
    assert (notice.kind, notice.count) == ("repair", 1)
    assert notice.text.startswith("1 series end with missing values; their forecast starts right after")
    assert "(the first at 2024-02-27)" in notice.text


def test_a_series_without_any_value_is_left_out_with_words() -> None:
    panel = wave_panel()
    panel.target[panel.offsets[1] : panel.offsets[2]] = np.nan

    prediction = predict(model_of(wave_panel()), panel)

    assert prediction.forecast.series_ids == ("s0", "s2")
    assert prediction.notices[0].text == "1 series have no observed value and are not forecast"


def test_a_series_without_any_value_is_left_out_when_covariates_are_known_too() -> None:
    panel = full_panel()
    ends = panel.lengths - HORIZON
    for first, end, last in zip(panel.offsets[:-1], ends, panel.offsets[1:], strict=True):
        panel.target[first + end : last] = np.nan
    model = model_of(full_panel())
    expected = predict(model, panel).forecast
    panel.target[panel.offsets[1] : panel.offsets[2]] = np.nan

    found = predict(model, panel).forecast

    assert found.series_ids == ("s0", "s2")
    np.testing.assert_allclose(found.point, expected.point[[0, 2]], rtol=1e-6)


def test_series_unseen_in_training_are_scaled_by_their_own_history_and_named() -> None:
    panel = wave_panel()
    model = model_of(panel)
    unseen = make_panel([1000 * waves()[0], waves()[1]], ids=["new", "s1"])

    prediction = predict(model, unseen)

    (notice,) = prediction.notices
    assert notice.text == "1 series were not in the training data and are scaled by their own history: 'new'"
    renamed = make_panel([waves()[0], waves()[1]], ids=["other", "s1"])
    np.testing.assert_allclose(
        prediction.forecast.point[0], 1000 * predict(model, renamed).forecast.point[0], rtol=1e-5
    )


def test_at_most_five_unseen_series_are_named() -> None:
    many = make_panel(waves([20] * 7), ids=[f"n{number}" for number in range(7)])

    (notice,) = predict(model_of(wave_panel()), many).notices

    assert notice.text.endswith("'n0', 'n1', 'n2', 'n3', 'n4', ...")
    assert notice.count == 7


def test_a_longer_forecast_says_from_which_step_on_it_builds_on_forecasts() -> None:
    panel = wave_panel()

    prediction = predict(model_of(panel), panel, HORIZON + 1)

    (notice,) = prediction.notices
    assert notice.text == "the run was trained for 5 steps; from step 6 on forecasts build on forecasts"


def test_a_history_shorter_than_the_context_is_forecast() -> None:
    short = make_panel([np.array([3.0]), np.array([3.0, 5, 4])], ids=["s0", "s1"])

    forecast = predict(model_of(wave_panel()), short, 8).forecast

    assert np.isfinite(forecast.quantiles).all()


def test_forecasting_leaves_the_panel_as_it_was() -> None:
    panel = full_panel()
    model, table = model_of(panel), future_table(panel, 13)

    predict(model, panel, 13, table)
    list(attention_maps(model, panel).maps)

    np.testing.assert_array_equal(panel.target, full_panel().target)
    np.testing.assert_array_equal(panel.known.numeric, full_panel().known.numeric)
    np.testing.assert_array_equal(panel.past.codes, full_panel().past.codes)


def test_many_windows_are_forecast_in_chunks_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = wave_panel()
    model = model_of(panel)
    origins = rolling_origins(np.full(3, 12), np.full(3, 40), 3)
    joined = Forecasting(model, panel, origins.earliest(panel.lengths))
    whole, (one_map,) = joined.forecast(origins), joined.attention(origins)

    monkeypatch.setattr(forecasting, "BATCH_STEPS", 4 * (CONTEXT + HORIZON) + 1)

    maps = list(joined.attention(origins))
    assert [len(each.series_ids) for each in maps] == [4] * 7 + [2]
    np.testing.assert_allclose(joined.forecast(origins).quantiles, whole.quantiles, rtol=1e-5)
    np.testing.assert_allclose(np.concatenate([each.weights for each in maps]), one_map.weights, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([each.cutoffs for each in maps]), one_map.cutoffs)


def test_a_chunk_holds_at_least_one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = wave_panel()
    model = model_of(panel)
    expected = predict(model, panel).forecast

    monkeypatch.setattr(forecasting, "BATCH_STEPS", 1)

    np.testing.assert_allclose(predict(model, panel).forecast.point, expected.point, rtol=1e-5)


# Covariates known in the future


def test_future_covariates_are_needed() -> None:
    panel = full_panel()

    with pytest.raises(DataError, match="the forecast needs the future values of 'price'"):
        predict(model_of(panel), panel)


def test_future_covariates_move_the_forecast() -> None:
    panel = full_panel()
    model, table = model_of(panel), future_table(panel, HORIZON)
    other = table_from_frame(table.arrow.to_pandas().assign(price=99.0))

    before, after = (predict(model, panel, future=each).forecast for each in (table, other))

    assert (before.point != after.point).all()


def test_rows_after_the_last_observation_give_the_future_covariates() -> None:
    panel = full_panel()
    model, table = model_of(panel), future_table(panel, HORIZON)
    longer = forecasting.extend_panel(panel, HORIZON, table)

    expected = predict(model, panel, future=table).forecast

    assert_same(predict(model, longer).forecast, expected)


def test_a_future_table_is_used_where_the_history_does_not_reach_far_enough() -> None:
    panel = full_panel()
    model, table = model_of(panel), future_table(panel, HORIZON)
    longer = forecasting.extend_panel(panel, 2, table)

    found = predict(model, longer, future=table).forecast

    assert_same(found, predict(model, panel, future=table).forecast)


# Losses


def test_a_model_of_a_point_loss_gives_no_quantiles() -> None:
    panel = wave_panel()

    forecast = predict(model_of(panel, training={"loss": "mae"}), panel, 8).forecast

    assert forecast.quantile_levels == ()
    assert forecast.quantiles.shape == (3, 8, 0)
    assert np.isfinite(forecast.point).all()


def test_the_quantiles_of_a_student_t_model_are_those_of_scipy() -> None:
    panel = wave_panel()
    model = model_of(panel, training={"loss": "student-t"})
    joined = Forecasting(model, pad_panel(panel, HORIZON), panel.lengths)
    origins = latest_origins(panel)

    forecast = joined.forecast(origins)

    batch = joined.tensors.gather(
        torch.from_numpy(origins.series), torch.from_numpy(origins.positions), CONTEXT, HORIZON
    )
    with torch.no_grad():
        output = model.network(batch)
    location, scale, freedom = (part.double().numpy() for part in student_t_parameters(output.values))
    for column, level in enumerate((0.1, 0.5, 0.9)):
        standardised = stats.t.ppf(level, freedom, location, scale)
        units = output.standardisation
        scaled = standardised * units.scale.double().numpy() + units.location.double().numpy()
        expected = scaled * joined.tensors.scale[:, None] + joined.tensors.mean[:, None]
        np.testing.assert_allclose(forecast.quantiles[..., column], expected, rtol=1e-6)
    np.testing.assert_array_equal(forecast.point, forecast.quantiles[..., 1])


# Attention


def maps_of(found: AttentionMaps) -> AttentionMap:
    (only,) = found.maps
    return only


def test_a_map_holds_what_each_forecast_step_looked_at() -> None:
    panel = wave_panel()
    model = model_of(panel)

    found = attention_maps(model, panel)
    one = maps_of(found)

    assert (found.num_windows, found.notices) == (3, ())
    assert one.weights.shape == (3, HORIZON, CONTEXT)
    np.testing.assert_allclose(one.weights.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_array_equal(one.point, predict(model, panel).forecast.point)
    np.testing.assert_array_equal(one.cutoffs, predict(model, panel).forecast.cutoffs)


def test_the_newest_position_of_a_map_is_the_last_observed_value() -> None:
    panel = wave_panel()
    panel.target[panel.offsets[1] - 3] = np.nan

    one = maps_of(attention_maps(model_of(wave_panel()), panel))

    for window in range(3):
        last = int(panel.offsets[window + 1])
        expected = panel.target[last - CONTEXT : last]
        np.testing.assert_allclose(one.values[window], expected, rtol=1e-6)
        np.testing.assert_array_equal(one.observed[window], np.isfinite(expected))
    assert not one.observed[0, CONTEXT - 3]
    assert (one.weights[0, :, CONTEXT - 3] == 0).all()


def test_steps_before_the_series_begins_are_not_observed_and_not_attended() -> None:
    panel = make_panel([np.arange(4.0)], ids=["s0"])

    one = maps_of(attention_maps(model_of(wave_panel()), panel))

    assert one.observed[0].tolist() == [False] * 7 + [True] * 4
    assert np.isnan(one.values[0, :7]).all()
    assert (one.weights[0, :, :7] == 0).all()


def test_several_windows_are_one_trained_horizon_apart_and_end_with_the_newest() -> None:
    panel = wave_panel((61, 53, 9))

    found = attention_maps(model_of(wave_panel()), panel, windows=3)
    one = maps_of(found)

    assert found.num_windows == 8
    assert one.series_ids == ("s0",) * 3 + ("s1",) * 3 + ("s2",) * 2
    positions = panel.frequency.steps_between(np.full(8, panel.starts[0]), one.cutoffs) + 1
    assert positions.tolist() == [51, 56, 61, 43, 48, 53, 4, 9]


def test_an_origin_is_looked_at_in_every_series_that_reaches_it() -> None:
    panel = wave_panel()
    origin = np.array(["2024-02-20"], "datetime64[ns]")  # position 50, after the end of the last series

    one = maps_of(attention_maps(model_of(panel), panel, origin=origin))

    assert one.series_ids == ("s0", "s1")
    np.testing.assert_array_equal(one.cutoffs, np.repeat(origin, 2))
    np.testing.assert_allclose(one.values[0, -1], panel.target[50], rtol=1e-6)


def test_an_origin_may_be_the_first_and_the_last_observed_time() -> None:
    panel = wave_panel()
    model = model_of(panel)

    first = maps_of(attention_maps(model, panel, origin=panel.starts[:1]))
    last = maps_of(attention_maps(model, panel, origin=panel.times(np.array([0]), np.array([60]))))

    assert first.series_ids == ("s0", "s1", "s2")
    assert last.series_ids == ("s0",)


@pytest.mark.parametrize("time", ["2023-12-31", "2024-03-02", "2030-01-01"])
def test_an_origin_that_no_series_reaches_is_refused(time: str) -> None:
    with pytest.raises(DataError, match=r"no series has an origin to look at.* another --origin"):
        attention_maps(model_of(wave_panel()), wave_panel(), origin=np.array([time], "datetime64[ns]"))


def test_an_origin_off_the_grid_is_refused() -> None:
    noon = np.array(["2024-02-20T12:00"], "datetime64[ns]")

    with pytest.raises(DataError, match=r"2024-02-20 12:00:00 is no time of this table \(frequency D\)"):
        attention_maps(model_of(wave_panel()), wave_panel(), origin=noon)


def test_an_origin_may_be_an_integer_step() -> None:
    panel = make_panel(waves(), frequency=parse_frequency("1"))
    origin: TimeArray = np.array([30])

    one = maps_of(attention_maps(model_of(panel), panel, origin=origin))

    assert one.cutoffs.tolist() == [30, 30, 30]


def test_fewer_windows_than_one_are_refused() -> None:
    with pytest.raises(UsageError, match="--windows 0: at least one origin is needed"):
        attention_maps(model_of(wave_panel()), wave_panel(), windows=0)


def test_a_model_without_attention_has_nothing_to_inspect() -> None:
    model = model_of(wave_panel(), model={"attention": "none"})

    with pytest.raises(UsageError, match=r"trained with --attention none, so there is nothing to inspect\. Train with"):
        attention_maps(model, wave_panel())


def test_with_known_covariates_the_newest_origin_is_one_whose_covariates_are_known() -> None:
    panel = full_panel()

    found = attention_maps(model_of(panel), panel, windows=2)
    one = maps_of(found)

    (notice,) = found.notices
    assert notice.text == "future covariates are not in this table, so the newest origin is one horizon before its end"
    positions = panel.frequency.steps_between(np.full(6, panel.starts[0]), one.cutoffs) + 1
    assert positions.tolist() == [51, 56, 43, 48, 37, 42]


def test_rows_of_known_covariates_alone_let_the_newest_origin_be_the_end() -> None:
    panel = full_panel()
    model = model_of(panel)
    longer = forecasting.extend_panel(panel, HORIZON, future_table(panel, HORIZON))

    found = attention_maps(model, longer)

    assert found.notices == ()
    np.testing.assert_array_equal(maps_of(found).point, predict(model, longer).forecast.point)


def test_a_map_of_unseen_series_says_so_and_is_scaled_by_what_was_known_then() -> None:
    panel = wave_panel()
    model = model_of(panel)
    unseen = replace(panel, series_ids=("n0", "n1", "n2"))
    origin = np.array(["2024-01-30"], "datetime64[ns]")

    found = attention_maps(model, unseen, origin=origin)
    after = attention_maps(model, changed(unseen, np.arange(30, 61)), origin=origin)

    assert found.notices[0].text.startswith("3 series were not in the training data")
    np.testing.assert_array_equal(maps_of(found).point[0], maps_of(after).point[0])


# Masked inputs


@pytest.mark.parametrize("spoil", [lambda values: values + 100, lambda values: values * np.nan])
def test_what_a_covariate_was_before_the_context_does_not_matter(spoil: Callable[[FloatArray], FloatArray]) -> None:
    panel = full_panel()
    model, table = model_of(panel), future_table(panel, HORIZON)
    past = covariates(sum(LENGTHS), 2, "visits")
    rows = np.concatenate(
        [np.arange(first, last - CONTEXT) for first, last in zip(panel.offsets, panel.offsets[1:], strict=False)]
    )
    numeric = past.numeric.copy()
    numeric[rows] = spoil(numeric[rows])
    spoiled = replace(panel, past=replace(past, numeric=numeric))

    assert isinstance(spoiled.past, Covariates)
    assert_same(predict(model, spoiled, future=table).forecast, predict(model, panel, future=table).forecast)
