from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqcast.data.panel import Panel
from seqcast.data.windows import PanelTensors
from seqcast.model.network import Standardisation
from seqcast.training.fit import Preparation
from seqcast.training.linear_forecast import LinearForecast, fit_linear_forecast
from seqcast.training.warm_start import FLOOR, apply_warm_start
from tests.panels import make_panel, randomise, small_config, small_preparation, wave_panel

HORIZON, CONTEXT = 5, 13
PLANTED = {7: 0.55, 11: 0.40}


def planted_panel(num_series: int = 7, length: int = 300) -> Panel:
    """Y_t = 0.55 y_{t-7} + 0.40 y_{t-11} + noise."""
    random = np.random.default_rng(0)
    series = []
    for _ in range(num_series):
        values = list(random.normal(size=11))
        while len(values) < length + 50:
            values.append(sum(weight * values[-lag] for lag, weight in PLANTED.items()) + random.normal())
        series.append(np.array(values[50:]))
    return make_panel(series)


def prepared(panel: Panel, **model: Any) -> Preparation:
    config = small_config(model={"horizon": HORIZON, "context": CONTEXT, **model})
    return small_preparation(panel, config)[1]


def linear_forecast(preparation: Preparation) -> LinearForecast:
    setup = preparation.setup
    quantiles = setup.config.model.quantiles
    return fit_linear_forecast(setup.tensors, setup.train_windows, CONTEXT, HORIZON, quantiles, (7,))


def some_windows(tensors: PanelTensors) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    series, origins = torch.tensor([0, 1, 2, 0]), torch.tensor([20, 25, 23, 31])
    batch = tensors.gather(series, origins, CONTEXT, HORIZON)
    units = Standardisation.of(batch)
    return series, origins, units.apply(batch.context_target, batch.context_observed)


def test_planted_lags_are_found_at_every_step_and_nothing_else_is() -> None:
    weights = linear_forecast(prepared(planted_panel())).weights.numpy()

    assert weights.shape == (HORIZON, CONTEXT)
    assert (weights >= 0).all()
    for step in range(1, HORIZON + 1):
        positions = {CONTEXT - (lag - step + 1): weight for lag, weight in PLANTED.items()}
        for position, weight in positions.items():
            assert weights[step - 1, position] == pytest.approx(weight, abs=0.08)
        assert np.delete(weights[step - 1], list(positions)).max() < 0.08


def test_residual_quantiles_are_those_of_what_the_weights_leave_over() -> None:
    preparation = prepared(planted_panel(2, 120))
    setup, linear = preparation.setup, linear_forecast(preparation)

    series, origins = setup.train_windows.locate(np.arange(len(setup.train_windows)))
    batch = setup.tensors.gather(torch.from_numpy(series), torch.from_numpy(origins), CONTEXT, HORIZON)
    units = Standardisation.of(batch)
    past, future = (
        units.apply(batch.context_target, batch.context_observed),
        units.apply(batch.future_target, batch.future_observed),
    )
    residuals = future.double().numpy() - past.double().numpy() @ linear.weights.numpy().T
    expected = np.quantile(residuals, (0.1, 0.5, 0.9), axis=0).T
    widening = linear.residual_quantiles.numpy() / expected
    np.testing.assert_allclose(widening, widening[0, 0], rtol=1e-3)
    assert 1 <= widening[0, 0] < 1.2


def test_weights_and_residuals_do_not_depend_on_the_size_of_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    preparation = prepared(planted_panel(2, 120))
    whole = linear_forecast(preparation)

    monkeypatch.setattr("seqcast.training.linear_forecast.CHUNK", 17)

    chunked = linear_forecast(preparation)
    torch.testing.assert_close(chunked.weights, whole.weights, atol=1e-6, rtol=0)
    torch.testing.assert_close(chunked.residual_quantiles, whole.residual_quantiles, atol=1e-5, rtol=0)


def test_a_step_that_was_never_observed_has_residuals_of_zero() -> None:
    preparation = prepared(planted_panel(1, 60))
    preparation.setup.tensors.observed[:] = False

    linear = linear_forecast(preparation)

    assert linear.weights.isfinite().all()
    assert (linear.residual_quantiles == 0).all()


@pytest.mark.parametrize("score", ["general", "concat", "additive", "hybrid", "location"])
def test_an_untrained_network_says_what_the_linear_forecast_says(score: str) -> None:
    preparation = prepared(planted_panel(), score=score)
    linear = linear_forecast(preparation)
    series, origins, past = some_windows(preparation.setup.tensors)

    with torch.no_grad():
        batch = preparation.setup.tensors.gather(series, origins, CONTEXT, HORIZON)
        output = preparation.setup.network.eval()(batch).values

    # The floor spreads a little attention evenly, over values that sum to zero.
    expected = (1 - FLOOR) * past.double() @ linear.weights.T
    np.testing.assert_allclose(
        output.numpy(), expected.numpy()[..., None] + linear.residual_quantiles.numpy(), atol=1e-4
    )


@pytest.mark.parametrize("score", ["dot", "cosine"])
def test_a_score_that_cannot_be_silent_starts_near_the_linear_forecast(score: str) -> None:
    preparation = prepared(planted_panel(), score=score)
    linear = linear_forecast(preparation)
    series, origins, past = some_windows(preparation.setup.tensors)

    with torch.no_grad():
        batch = preparation.setup.tensors.gather(series, origins, CONTEXT, HORIZON)
        output = preparation.setup.network.eval()(batch).values

    expected = past.double() @ linear.weights.T + linear.residual_quantiles[:, 1]
    assert float((output[..., 1] - expected).abs().mean()) < 0.3 * float(expected.abs().mean())


def test_a_network_without_lag_bias_is_left_as_it_is() -> None:
    preparation = prepared(wave_panel(), lag_bias=False)
    network = preparation.setup.network
    before = {name: value.clone() for name, value in network.state_dict().items()}

    apply_warm_start(network, linear_forecast(preparation))

    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert (network.decoder.head.step_bias == 0).all()


def test_a_network_without_copy_gate_is_given_the_lags_alone() -> None:
    preparation = prepared(wave_panel(), copy_gate=False)
    network = preparation.setup.network
    randomise(network)

    apply_warm_start(network, linear_forecast(preparation))

    attention = network.decoder.attention
    assert attention is not None
    assert attention.lag_bias is not None
    torch.testing.assert_close(attention.lag_bias.exp().sum(dim=1), torch.ones(HORIZON))
    untouched = prepared(wave_panel(), copy_gate=False).setup.network
    randomise(untouched)
    assert torch.equal(network.decoder.head.step_bias, untouched.decoder.head.step_bias)


def test_a_point_head_keeps_its_offsets_of_zero() -> None:
    config = small_config(model={"horizon": HORIZON, "context": CONTEXT}, training={"loss": "mae"})

    network = small_preparation(wave_panel(), config)[1].setup.network

    assert (network.decoder.head.step_bias == 0).all()
    assert (network.decoder.copy_gate.step_bias != 0).all()  # type: ignore[union-attr]  # it has one
