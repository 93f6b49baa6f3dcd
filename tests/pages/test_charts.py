import numpy as np
import pytest

from seqcast.forecasting import Forecasting, attention_maps, predict
from seqcast.pages.charts import Forecasts
from seqcast.panel.panel import Panel
from seqcast.results.forecast import interval
from seqcast.results.origins import rolling_origins
from seqcast.run.load import TrainedModel
from tests.panels import CONTEXT, HORIZON, LENGTHS, random_model, wave_panel

LEVELS = (80.0, 95.0)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return wave_panel()


@pytest.fixture(scope="module")
def model(panel: Panel) -> TrainedModel:
    return random_model(panel)


@pytest.fixture(scope="module")
def forecasts(panel: Panel, model: TrainedModel) -> Forecasts:
    last = panel.lengths - HORIZON
    past = Forecasting(model, panel, panel.lengths).forecast(rolling_origins(last - 2 * HORIZON, last, HORIZON))
    maps = tuple(attention_maps(model, panel).maps)
    return Forecasts(panel, model.season, LEVELS, predict(model, panel).forecast, past, maps)


@pytest.mark.parametrize("series", range(len(LENGTHS)))
def test_a_chart_has_the_end_of_its_series_and_what_was_forecast_after_it(forecasts: Forecasts, series: int) -> None:
    panel, chart = forecasts.panel, forecasts.chart(series)
    values = panel.target[panel.offsets[series] : panel.offsets[series + 1]]
    assert chart.name == panel.series_ids[series]
    np.testing.assert_array_equal(chart.history, values[-len(chart.history) :])
    assert chart.times[-1] == panel.times(np.array([series]), panel.lengths[[series]] - 1)[0]
    assert chart.ahead is not None
    assert forecasts.ahead is not None
    np.testing.assert_array_equal(chart.ahead.point, forecasts.ahead.point[series])
    assert chart.ahead.times[0] == chart.times[-1] + np.timedelta64(1, "D")


def test_the_widest_interval_comes_first(forecasts: Forecasts) -> None:
    chart = forecasts.chart(1)
    assert chart.ahead is not None
    assert forecasts.ahead is not None
    assert [each.level for each in chart.ahead.intervals] == [95.0, 80.0]
    low, high = interval(forecasts.ahead, 80.0)
    np.testing.assert_array_equal(chart.ahead.intervals[1].low, low[1])
    np.testing.assert_array_equal(chart.ahead.intervals[1].high, high[1])


def test_past_forecasts_lie_within_the_history_they_are_drawn_on(forecasts: Forecasts) -> None:
    chart = forecasts.chart(2)
    assert 1 <= len(chart.past) <= 3
    assert all(chart.times[0] <= fan.times[0] and fan.times[-1] <= chart.times[-1] for fan in chart.past)


def test_attention_stands_on_the_steps_of_the_context(forecasts: Forecasts) -> None:
    chart = forecasts.chart(0)
    np.testing.assert_array_equal(chart.attended_times, chart.times[-CONTEXT:])
    np.testing.assert_allclose(chart.weights, forecasts.attention[0].weights[0].mean(axis=0), rtol=1e-5)
    assert chart.weights.sum() == pytest.approx(1, abs=1e-5)


def test_without_forecasts_there_is_the_history_alone(panel: Panel) -> None:
    chart = Forecasts(panel, 7, LEVELS).chart(0)
    assert chart.ahead is None
    assert chart.past == ()
    assert len(chart.weights) == 0
    assert len(chart.history) > 0


def test_a_long_history_is_cut(model: TrainedModel) -> None:
    long = wave_panel((5000, 31, 40))
    assert len(Forecasts(long, 3000, LEVELS).chart(0).history) <= 600
