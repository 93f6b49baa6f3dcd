from dataclasses import replace

import numpy as np
import pytest

from seqcast.errors import DataError
from seqcast.forecasting import AttentionMaps, attention_maps, predict
from seqcast.panel.frequency import TimeArray, parse_frequency
from seqcast.reading.future import extend_panel
from seqcast.results.forecast import AttentionMap
from tests.forecasts import changed, full_model, future_table, model_of, wave_model
from tests.panels import CONTEXT, HORIZON, full_panel, make_panel, wave_panel, waves


def maps_of(found: AttentionMaps) -> AttentionMap:
    (only,) = found.maps
    return only


def test_a_map_holds_what_each_forecast_step_looked_at() -> None:
    panel, model = wave_panel(), wave_model()
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
    one = maps_of(attention_maps(wave_model(), panel))
    for window in range(3):
        last = int(panel.offsets[window + 1])
        expected = panel.target[last - CONTEXT : last]
        np.testing.assert_allclose(one.values[window], expected, rtol=1e-6)
        np.testing.assert_array_equal(one.observed[window], np.isfinite(expected))
    assert not one.observed[0, CONTEXT - 3]
    assert (one.weights[0, :, CONTEXT - 3] == 0).all()


def test_steps_before_the_series_begins_are_not_observed_and_not_attended() -> None:
    panel = make_panel([np.arange(4.0)], ids=["s0"])
    one = maps_of(attention_maps(wave_model(), panel))
    assert one.observed[0].tolist() == [False] * 7 + [True] * 4
    assert np.isnan(one.values[0, :7]).all()
    assert (one.weights[0, :, :7] == 0).all()


def test_several_windows_are_one_trained_horizon_apart_and_end_with_the_newest() -> None:
    panel = wave_panel((61, 53, 9))
    found = attention_maps(wave_model(), panel, windows=3)
    one = maps_of(found)
    assert found.num_windows == 8
    assert one.series_ids == ("s0",) * 3 + ("s1",) * 3 + ("s2",) * 2
    positions = panel.frequency.steps_between(np.full(8, panel.starts[0]), one.cutoffs) + 1
    assert positions.tolist() == [51, 56, 61, 43, 48, 53, 4, 9]


def test_an_origin_is_looked_at_in_every_series_that_reaches_it() -> None:
    panel = wave_panel()
    origin = np.array(["2024-02-20"], "datetime64[us]")  # position 50, after the end of the last series
    one = maps_of(attention_maps(model_of(panel), panel, origin=origin))
    assert one.series_ids == ("s0", "s1")
    np.testing.assert_array_equal(one.cutoffs, np.repeat(origin, 2))
    np.testing.assert_allclose(one.values[0, -1], panel.target[50], rtol=1e-6)


def test_an_origin_may_be_the_first_and_the_last_observed_time() -> None:
    panel, model = wave_panel(), wave_model()
    first = maps_of(attention_maps(model, panel, origin=panel.starts[:1]))
    last = maps_of(attention_maps(model, panel, origin=panel.times(np.array([0]), np.array([60]))))
    assert first.series_ids == ("s0", "s1", "s2")
    assert last.series_ids == ("s0",)


@pytest.mark.parametrize("time", ["2023-12-31", "2024-03-02", "2030-01-01"])
def test_an_origin_that_no_series_reaches_is_refused(time: str) -> None:
    with pytest.raises(DataError, match=r"no series has an origin to look at.* another --origin"):
        attention_maps(wave_model(), wave_panel(), origin=np.array([time], "datetime64[us]"))


def test_an_origin_off_the_grid_is_refused() -> None:
    noon = np.array(["2024-02-20T12:00"], "datetime64[us]")
    with pytest.raises(DataError, match=r"2024-02-20 12:00:00 is no time of this table \(frequency D\)"):
        attention_maps(wave_model(), wave_panel(), origin=noon)


def test_an_origin_may_be_an_integer_step() -> None:
    panel = make_panel(waves(), frequency=parse_frequency("1"))
    origin: TimeArray = np.array([30])
    one = maps_of(attention_maps(model_of(panel), panel, origin=origin))
    assert one.cutoffs.tolist() == [30, 30, 30]


def test_with_known_covariates_the_newest_origin_is_one_whose_covariates_are_known() -> None:
    panel = full_panel()
    found = attention_maps(full_model(), panel, windows=2)
    one = maps_of(found)
    (notice,) = found.notices
    assert notice.text == "future covariates are not in this table, so the newest origin is one horizon before its end"
    positions = panel.frequency.steps_between(np.full(6, panel.starts[0]), one.cutoffs) + 1
    assert positions.tolist() == [51, 56, 43, 48, 37, 42]


def test_rows_of_known_covariates_alone_let_the_newest_origin_be_the_end() -> None:
    panel, model = full_panel(), full_model()
    longer = extend_panel(panel, HORIZON, future_table(panel, HORIZON))
    found = attention_maps(model, longer)
    assert found.notices == ()
    np.testing.assert_array_equal(maps_of(found).point, predict(model, longer).forecast.point)


def test_a_map_of_unseen_series_says_so_and_is_scaled_by_what_was_known_then() -> None:
    panel, model = wave_panel(), wave_model()
    unseen = replace(panel, series_ids=("n0", "n1", "n2"))
    origin = np.array(["2024-01-30"], "datetime64[us]")
    found = attention_maps(model, unseen, origin=origin)
    after = attention_maps(model, changed(unseen, np.arange(30, 61)), origin=origin)
    assert found.notices[0].text.startswith("3 series were not in the training data")
    np.testing.assert_array_equal(maps_of(found).point[0], maps_of(after).point[0])
