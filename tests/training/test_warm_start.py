import numpy as np
import pytest
import torch

from seqcast.model.network import Standardisation
from seqcast.training.linear_start import FLOOR, apply_linear_start
from seqcast.training.setup import TrainingSetup
from tests.panels import randomise, small_config, small_setup, wave_panel
from tests.training.planted import CONTEXT, HORIZON, linear_forecast, planted_panel, prepared


def forecast_at_start(setup: TrainingSetup) -> tuple[np.ndarray, np.ndarray]:
    """Values (windows, horizon, Q) of the untrained network, and what the linear forecast of the same windows says."""
    series, origins = torch.tensor([0, 1, 2, 0]), torch.tensor([20, 25, 23, 31])
    batch = setup.tensors.gather(series, origins, CONTEXT, HORIZON)
    past = Standardisation.of(batch).apply(batch.context_target, batch.context_observed)
    with torch.no_grad():
        values = setup.network.eval()(batch).values
    return values.numpy(), (past.double() @ linear_forecast(setup).weights.T).numpy()


@pytest.mark.parametrize(
    ("score", "normaliser"),
    [
        *((score, "softmax") for score in ("general", "concat", "additive", "hybrid", "location")),
        ("general", "sparsemax"),
    ],
)
def test_an_untrained_network_says_what_the_linear_forecast_says(score: str, normaliser: str) -> None:
    setup = prepared(planted_panel(), score=score, normaliser=normaliser)
    found, linear = forecast_at_start(setup)

    # The floor spreads a little attention evenly, over values that sum to zero.
    residuals = linear_forecast(setup).residual_quantiles.numpy()
    np.testing.assert_allclose(found, (1 - FLOOR) * linear[..., None] + residuals, atol=1e-4)


@pytest.mark.parametrize("score", ["dot", "cosine"])
def test_a_score_that_cannot_be_silent_starts_near_the_linear_forecast(score: str) -> None:
    found, linear = forecast_at_start(prepared(planted_panel(), score=score))

    assert np.abs(found[..., 1] - linear).mean() < 0.3 * np.abs(linear).mean()


def test_a_network_without_lag_bias_is_left_as_it_is() -> None:
    setup = prepared(wave_panel(), lag_bias=False)
    network = setup.network
    before = {name: value.clone() for name, value in network.state_dict().items()}

    apply_linear_start(network, linear_forecast(setup))

    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert (network.decoder.head.step_bias == 0).all()


def test_a_network_without_copy_gate_is_given_the_lags_alone() -> None:
    setup = prepared(wave_panel(), copy_gate=False)
    network = setup.network
    randomise(network)

    apply_linear_start(network, linear_forecast(setup))

    attention = network.decoder.attention
    assert attention is not None
    assert attention.lag_bias is not None
    torch.testing.assert_close(attention.lag_bias.exp().sum(dim=1), torch.ones(HORIZON))
    untouched = prepared(wave_panel(), copy_gate=False).network
    randomise(untouched)
    assert torch.equal(network.decoder.head.step_bias, untouched.decoder.head.step_bias)


def test_a_point_head_keeps_its_offsets_of_zero() -> None:
    config = small_config(model={"horizon": HORIZON, "context": CONTEXT}, training={"loss": "mae"})

    network = small_setup(wave_panel(), config).network

    assert (network.decoder.head.step_bias == 0).all()
    assert (network.decoder.copy_gate.step_bias != 0).all()  # type: ignore[union-attr]  # it has one
