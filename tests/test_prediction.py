import numpy as np
import pytest
import torch
from scipy import stats

from seqcast import forecasting
from seqcast.forecasting import Forecasting, attention_maps, predict
from seqcast.model.heads import student_t_parameters
from seqcast.reading.data_frames import table_from_frame
from seqcast.reading.future import extend_panel, head_panel, pad_panel
from seqcast.results.origins import latest_origins, rolling_origins
from tests.forecasts import assert_same, full_model, future_table, model_of, wave_model
from tests.panels import CONTEXT, HORIZON, LENGTHS, full_panel, make_panel, wave_panel, waves


def test_a_forecast_begins_one_step_after_the_last_value_of_each_series() -> None:
    panel = wave_panel()
    forecast = predict(wave_model(), panel).forecast
    assert forecast.series_ids == ("s0", "s1", "s2")
    first = np.datetime64("2024-01-01") + np.array(LENGTHS)
    np.testing.assert_array_equal(forecast.times()[:, 0], first.astype("datetime64[us]"))
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
    model = wave_model()
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
    prediction = predict(wave_model(), panel)
    assert prediction.forecast.series_ids == ("s0", "s2")
    assert prediction.notices[0].text == "1 series have no observed value and are not forecast"


def test_a_series_without_any_value_is_left_out_when_covariates_are_known_too() -> None:
    panel = full_panel()
    ends = panel.lengths - HORIZON
    for first, end, last in zip(panel.offsets[:-1], ends, panel.offsets[1:], strict=True):
        panel.target[first + end : last] = np.nan
    model = full_model()
    expected = predict(model, panel).forecast
    panel.target[panel.offsets[1] : panel.offsets[2]] = np.nan
    found = predict(model, panel).forecast
    assert found.series_ids == ("s0", "s2")
    np.testing.assert_allclose(found.point, expected.point[[0, 2]], rtol=1e-6)


def test_series_unseen_in_training_are_scaled_by_their_own_history_and_named() -> None:
    model = wave_model()
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
    (notice,) = predict(wave_model(), many).notices
    assert notice.text.endswith(" 'n0', 'n1', 'n2', 'n3', 'n4' and 2 more")
    assert notice.count == 7


def test_a_longer_forecast_says_from_which_step_on_it_builds_on_forecasts() -> None:
    (notice,) = predict(wave_model(), wave_panel(), HORIZON + 1).notices
    assert notice.text == "the run was trained for 5 steps; from step 6 on forecasts build on forecasts"


def test_a_history_shorter_than_the_context_is_forecast() -> None:
    short = make_panel([np.array([3.0]), np.array([3.0, 5, 4])], ids=["s0", "s1"])
    forecast = predict(wave_model(), short, 8).forecast
    assert np.isfinite(forecast.quantiles).all()


def test_forecasting_leaves_the_panel_as_it_was() -> None:
    panel, model = full_panel(), full_model()
    table = future_table(panel, 13)
    predict(model, panel, 13, table)
    list(attention_maps(model, panel).maps)
    np.testing.assert_array_equal(panel.target, full_panel().target)
    np.testing.assert_array_equal(panel.known.numeric, full_panel().known.numeric)
    np.testing.assert_array_equal(panel.past.codes, full_panel().past.codes)


@pytest.mark.parametrize(("steps", "sizes"), [(4 * (CONTEXT + HORIZON) + 1, [4] * 7 + [2]), (1, [1] * 30)])
def test_many_windows_are_forecast_in_chunks_of_bounded_size_but_at_least_one_window(
    steps: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, model = wave_panel(), wave_model()
    origins = rolling_origins(np.full(3, 12), np.full(3, 40), 3)
    joined = Forecasting(model, panel, origins.earliest(panel.lengths))
    whole, (one_map,) = joined.forecast(origins), joined.attention(origins)
    monkeypatch.setattr(forecasting, "BATCH_STEPS", steps)
    maps = list(joined.attention(origins))
    assert [len(each.series_ids) for each in maps] == sizes
    np.testing.assert_allclose(joined.forecast(origins).quantiles, whole.quantiles, rtol=1e-5)
    np.testing.assert_allclose(np.concatenate([each.weights for each in maps]), one_map.weights, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([each.cutoffs for each in maps]), one_map.cutoffs)


def test_future_covariates_move_the_forecast() -> None:
    panel, model = full_panel(), full_model()
    table = future_table(panel, HORIZON)
    other = table_from_frame(table.arrow.to_pandas().assign(price=99.0))
    before, after = (predict(model, panel, future=each).forecast for each in (table, other))
    assert (before.point != after.point).all()


def test_rows_after_the_last_observation_give_the_future_covariates() -> None:
    panel, model = full_panel(), full_model()
    table = future_table(panel, HORIZON)
    longer = extend_panel(panel, HORIZON, table)
    expected = predict(model, panel, future=table).forecast
    assert_same(predict(model, longer).forecast, expected)


def test_a_future_table_is_used_where_the_history_does_not_reach_far_enough() -> None:
    panel, model = full_panel(), full_model()
    table = future_table(panel, HORIZON)
    longer = extend_panel(panel, 2, table)
    found = predict(model, longer, future=table).forecast
    assert_same(found, predict(model, panel, future=table).forecast)


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
