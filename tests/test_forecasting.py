from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from seqcast import forecasting
from seqcast.engines.engine import SingleProcess
from seqcast.errors import UsageError
from seqcast.forecasting import Forecasting, attention_maps, predict
from seqcast.panel.arrays import FloatArray
from seqcast.panel.panel import Panel
from seqcast.panel_forecasts import require_possible
from seqcast.reading.future import pad_panel
from seqcast.results.forecast import Forecast
from seqcast.results.origins import latest_origins, observed_ends, rolling_origins
from tests.forecasts import assert_same, changed, full_model, future_table, model_of, wave_model
from tests.panels import CONTEXT, HORIZON, LENGTHS, covariates, full_panel, make_panel, wave_panel

MECHANISMS: dict[str, dict[str, Any]] = {
    "direct": {},
    "autoregressive": {"decoding": "autoregressive"},
    "input feeding": {"input_feeding": True, "score": "concat"},
    "Bahdanau": {"score": "additive"},
    "local": {"attention": "local-p"},
    "no attention": {"attention": "none"},
    "bidirectional": {"bidirectional": True, "layers": 2, "cell": "gru"},
}


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


def test_a_past_covariate_after_the_origin_does_not_enter_a_forecast_that_is_rolled_on() -> None:
    panel, model = full_panel(), full_model()
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
    panel, model = full_panel(), full_model()
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


def test_a_longer_forecast_is_forecast_on_from_the_forecast() -> None:
    panel, model = wave_panel(), wave_model()
    longer = predict(model, panel, 3 * HORIZON).forecast
    history = panel
    for number in range(3):
        block = slice(number * HORIZON, (number + 1) * HORIZON)
        expected = predict(model, history).forecast
        np.testing.assert_allclose(longer.point[:, block], expected.point, rtol=1e-5)
        history = appended(history, expected)
    assert longer.rolled_from_step == HORIZON + 1


def test_errors_of_the_rounds_of_a_longer_forecast_add_up_in_squares() -> None:
    panel = wave_panel()
    longer = predict(wave_model(), panel, 3 * HORIZON).forecast
    distance = np.abs(longer.quantiles - longer.point[..., None])
    first = distance[:, :HORIZON]
    widest = first.max(axis=1, keepdims=True)
    for number in (1, 2):
        block = distance[:, number * HORIZON : (number + 1) * HORIZON]
        np.testing.assert_allclose(block, np.sqrt(first**2 + number * widest**2), rtol=1e-6)
    assert (np.diff(longer.quantiles, axis=-1) >= 0).all()


def test_no_later_round_is_surer_than_an_earlier_one() -> None:
    """A history of smooth forecasts has a small scale, which must not make intervals narrow."""
    panel = make_panel([np.random.default_rng(3).normal(0, 1, 80).cumsum()])
    model = model_of(panel)
    longer = predict(model, panel, 12 * HORIZON).forecast
    width = (longer.quantiles[0, :, -1] - longer.quantiles[0, :, 0]).reshape(12, HORIZON)
    assert (width[1:].min(axis=1) >= width[:-1].max(axis=1)).all()


def test_forecasts_of_several_origins_of_a_series_cannot_be_rolled_on() -> None:
    panel, model = wave_panel(), wave_model()
    origins = rolling_origins(np.full(3, 20), np.full(3, 31), 11)
    with pytest.raises(UsageError, match="forecasts beyond the trained 5 steps need one origin per series"):
        Forecasting(model, panel, panel.lengths).forecast(origins, HORIZON + 1)


def test_a_forecast_that_grows_without_bound_says_from_which_step_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[float] = []

    def refuse_the_third_round(numbers: FloatArray) -> None:
        rounds.append(numbers.max())
        require_possible(numbers if len(rounds) < 3 else numbers * np.inf)

    monkeypatch.setattr(forecasting, "require_possible", refuse_the_third_round)
    told = rf"--horizon 99: from step {2 * HORIZON + 1} on the forecast, which builds on itself, grows too large"
    with pytest.raises(UsageError, match=told):
        predict(wave_model(), wave_panel(), 99)


def test_rolling_on_leaves_the_tensors_of_the_panel_as_they_were() -> None:
    panel, model = wave_panel(), wave_model()
    joined = Forecasting(model, pad_panel(panel, 3 * HORIZON), observed_ends(panel))
    before = joined.tensors.target.clone(), joined.tensors.observed.clone()
    joined.forecast(latest_origins(panel), 3 * HORIZON)
    assert torch.equal(joined.tensors.target, before[0])
    assert torch.equal(joined.tensors.observed, before[1])


@pytest.mark.parametrize("horizon", [0, -3])
def test_a_horizon_below_one_is_refused(horizon: int) -> None:
    with pytest.raises(UsageError, match=f"--horizon {horizon}: the number of steps to forecast must be at least 1"):
        predict(wave_model(), wave_panel(), horizon)


@pytest.mark.parametrize("spoil", [lambda values: values + 100, lambda values: values * np.nan])
def test_what_a_covariate_was_before_the_context_does_not_matter(spoil: Callable[[FloatArray], FloatArray]) -> None:
    panel, model = full_panel(), full_model()
    table = future_table(panel, HORIZON)
    past = covariates(sum(LENGTHS), 2, "visits")
    rows = np.concatenate(
        [np.arange(first, last - CONTEXT) for first, last in zip(panel.offsets, panel.offsets[1:], strict=False)]
    )
    numeric = past.numeric.copy()
    numeric[rows] = spoil(numeric[rows])
    spoiled = replace(panel, past=replace(past, numeric=numeric))
    assert_same(predict(model, spoiled, future=table).forecast, predict(model, panel, future=table).forecast)


class TwoWorkers(SingleProcess):
    """An engine that counts as two workers."""

    num_workers = 2


def test_workers_that_have_some_series_each_give_every_bit_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "BATCH_STEPS", 2 * (CONTEXT + HORIZON))
    panel = wave_panel((61, 53, 47, 59, 43))
    panel.target[panel.offsets[1] : panel.offsets[2]] = np.nan  # a series without a forecast
    model, engines = model_of(panel), (SingleProcess(), TwoWorkers())
    one, two = (predict(model, panel, HORIZON + 2, engine=engine).forecast for engine in engines)
    assert one.series_ids == two.series_ids == ("s0", "s2", "s3", "s4")
    for name in ("cutoffs", "point", "quantiles"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    maps = [list(attention_maps(model, panel, 3, engine=engine).maps) for engine in engines]
    assert len(maps[0]) == len(maps[1]) == 7
    for single, shared in zip(*maps, strict=True):
        assert single.series_ids == shared.series_ids
        np.testing.assert_array_equal(single.weights, shared.weights)
