"""The share of a naive forecast beside networks and linear start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from seqcast.config import NAIVE_FORECASTS, NaiveForecast
from seqcast.errors import UsageError
from seqcast.forecasting import Forecasting
from seqcast.model.ensemble import Ensemble
from seqcast.panel.arrays import FloatArray
from seqcast.panel.panel import Panel
from seqcast.results.forecast import Forecast, interval
from seqcast.results.origins import rolling_origins
from seqcast.training import naive_shares
from seqcast.training.fit import Fit, fit
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation_forecasts import ValidationForecasts
from tests.panels import CONTEXT, HORIZON, alone, make_panel, randomise, small_config, small_setup, wave_panel
from tests.training.planted import planted_panel

TARGET = 100.0


def found(setup: TrainingSetup, combined: Ensemble) -> dict[NaiveForecast, float]:
    """The shares that are not zero."""
    return not_zero(naive_shares.naive_shares(ValidationForecasts.of(setup, combined.networks), combined))


def not_zero(all_shares: torch.Tensor) -> dict[NaiveForecast, float]:
    shares = all_shares.tolist()
    return {name: round(share, 2) for name, share in zip(NAIVE_FORECASTS, shares, strict=True) if share}


def spoilt(setup: TrainingSetup) -> Ensemble:
    """A network of random numbers, which forecasts nothing."""
    randomise(setup.network)
    return alone(setup.network)


def judged(naive_gain: FloatArray) -> tuple[TrainingSetup, naive_shares._Judged]:
    """A setup of as many series, in one window each, on which the naive forecast gains so much error."""
    count = len(naive_gain)
    series = np.arange(count)
    setup = replace(small_setup(wave_panel(), small_config()), validation_series=series, validation_origins=series * 5)
    target, ones = torch.zeros(count, 1), torch.ones(count, 1)
    naive = 2 - torch.from_numpy(naive_gain).float()[:, None]
    others = torch.full((count, 1), 9.0)
    points = torch.stack([naive, others, others, others])
    return setup, naive_shares._Judged(2 * ones, points, target, ones.bool(), ones, "mae")


def test_beside_a_useless_network_the_best_naive_forecast_has_nearly_all() -> None:
    setup = small_setup(wave_panel(), small_config())

    shares = found(setup, spoilt(setup))

    assert list(shares) == ["seasonal_naive"]
    assert shares["seasonal_naive"] > 0.8


@pytest.mark.parametrize(("kind", "name"), [("stairs", "naive"), ("line", "drift"), ("noise", "mean")])
def test_the_best_kind_is_found(kind: str, name: NaiveForecast) -> None:
    random = np.random.default_rng(0)
    noise = random.normal(size=(5, 150))
    stairs = np.repeat(noise[:, ::10], 10, axis=1)
    series = {"stairs": stairs, "line": 3 * np.arange(150) + 0.1 * noise, "noise": noise}[kind]
    setup = small_setup(make_panel(list(series)), small_config(data={"validation_size": 50}))

    assert list(found(setup, spoilt(setup))) == [name]


def test_a_start_that_is_better_than_every_naive_forecast_keeps_all() -> None:
    setup = small_setup(planted_panel(), small_config(model={"context": 13}))

    assert found(setup, alone(setup.network)) == {}


@pytest.mark.parametrize("seed", range(5))
def test_a_gain_that_is_chance_alone_gives_little(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(seed).normal(size=100)
    setup, points = judged(0.5 * (noise - noise.mean()) + 0.025)  # half a standard error
    monkeypatch.setattr(naive_shares, "_judged_points", lambda *_: points)

    assert not_zero(naive_shares.naive_shares(ValidationForecasts(setup, {}), alone(setup.network))) == {}


def test_a_gain_far_beyond_chance_gives_nearly_all(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).normal(size=100)
    setup, points = judged(0.5 * noise + 0.4)  # eight standard errors
    monkeypatch.setattr(naive_shares, "_judged_points", lambda *_: points)

    assert not_zero(naive_shares.naive_shares(ValidationForecasts(setup, {}), alone(setup.network)))["naive"] > 0.9


def exact_panel(num_rows: int = 90) -> Panel:
    pattern = [3.0, 7, 1, 9, 4, 4, 8]
    return make_panel([TARGET + np.resize(pattern, num_rows) * scale for scale in (1.0, 2.5, 40)])


@pytest.fixture(scope="module")
def exact() -> Fit:
    """A training on series that repeat exactly."""
    return fit(small_setup(exact_panel(), small_config()))


def test_where_a_naive_forecast_makes_no_error_it_forecasts_alone(exact: Fit) -> None:
    assert exact.result.naive_shares == {"seasonal_naive": 1.0}
    assert exact.result.validation_loss == pytest.approx(0, abs=1e-6)


def test_its_attention_is_on_the_lag_of_the_season(exact: Fit) -> None:
    panel = exact_panel()
    origins = rolling_origins(np.full(3, 60), np.full(3, 80), HORIZON, 1)

    (attention,) = Forecasting(exact.model, panel, origins.earliest(panel.lengths)).attention(origins)

    lags = CONTEXT + np.arange(HORIZON) - attention.weights.argmax(axis=2)
    assert (lags == 7).all()
    np.testing.assert_allclose(attention.weights.max(axis=2), 1, atol=1e-6)


def season_and_noise(num_series: int, seed: int) -> Panel:
    random = np.random.default_rng(seed)
    season = np.resize([0.0, 5, 10, 15, 20, -10, -20], 400)
    return make_panel([TARGET + 10 * number + season + random.normal(size=400) for number in range(num_series)])


def forecast_of(name: str, panel: Panel, model: Fit) -> tuple[Forecast, FloatArray]:
    """Forecasts of every origin of the second half of the series, and the values that came."""
    origins = rolling_origins(np.full(panel.num_series, 200), np.full(panel.num_series, 390), 1, None)
    forecasting = Forecasting(model.model.named(name), panel, origins.earliest(panel.lengths))
    return forecasting.forecast(origins), origins.actuals(panel, HORIZON)


@pytest.fixture(scope="module")
def seven() -> Fit:
    """A training on seven series with a weekly season and noise."""
    config = small_config(model={"context": 21, "quantiles": (0.025, 0.1, 0.5, 0.9, 0.975)})
    return fit(small_setup(season_and_noise(7, seed=0), config))


@pytest.mark.parametrize(
    ("name", "spread"),
    [("seasonal-naive", np.sqrt(2)), ("naive", None), ("drift", None), ("mean", None)],
)
def test_a_naive_forecast_alone_has_intervals_that_hold(name: str, spread: float | None, seven: Fit) -> None:
    other = season_and_noise(7, seed=1)
    forecast, actuals = forecast_of(name, other, seven)

    if name == "seasonal-naive":
        week_before = np.arange(200, 391)[:, None] - 7 + np.arange(HORIZON)
        expected = [values[week_before] for values in other.target.reshape(7, 400)]
        np.testing.assert_allclose(forecast.point, np.concatenate(expected), rtol=1e-5)
    for level in (80, 95):
        low, high = interval(forecast, level)
        covered = ((low <= actuals) & (actuals <= high)).mean()
        assert covered == pytest.approx(level / 100, abs=0.05)
        if spread is not None:  # the difference of two independent errors of standard deviation 1
            half_width = {80: 1.2816, 95: 1.9600}[level] * spread
            assert (high - low).mean() / 2 == pytest.approx(half_width, rel=0.15)


@pytest.mark.parametrize("loss", ["quantile", "student-t", "mse", "huber"])
def test_with_every_loss_the_combination_is_not_behind_the_best_naive_forecast(loss: str) -> None:
    panel = season_and_noise(3, seed=2)
    config = small_config(
        model={"context": 21, "attention": "none", "copy_gate": False, "lag_bias": False}, training={"loss": loss}
    )
    trained = fit(small_setup(panel, config))  # six steps teach a network without attention nothing

    combined, actuals = forecast_of("seqcast", panel, trained)
    simple, _ = forecast_of("seasonal_naive", panel, trained)

    assert trained.result.naive_shares["seasonal_naive"] > 0.9
    assert np.abs(combined.point - actuals).mean() < 1.1 * np.abs(simple.point - actuals).mean()


def test_the_combined_forecast_is_the_mean_by_shares() -> None:
    setup = small_setup(wave_panel(), small_config())
    randomise(setup.network)
    network = alone(setup.network)
    offsets = torch.randn(len(NAIVE_FORECASTS), HORIZON, 3).sort(dim=-1).values
    shares = torch.tensor([0.0, 0.3, 0.0, 0.1])
    series, origins = torch.tensor([0, 1, 2]), torch.tensor([20, 25, 23])
    batch = setup.tensors.gather(series, origins, CONTEXT, HORIZON)

    with torch.no_grad():
        of_network = network(batch, write_out=True)
        joined = network.with_naive(shares, offsets)(batch, write_out=True)
        parts = [network.with_naive(torch.eye(4)[place], offsets)(batch, write_out=True) for place in (1, 3)]

    for field in ("values", "weights"):
        own, naive, mean, mixed = (getattr(each, field) for each in (of_network, *parts, joined))
        torch.testing.assert_close(mixed, 0.6 * own + 0.3 * naive + 0.1 * mean)


def test_an_unknown_name_is_refused() -> None:
    trained = fit(small_setup(wave_panel(), small_config()))

    with pytest.raises(UsageError, match="there is no such forecast"):
        trained.model.named("oracle")
