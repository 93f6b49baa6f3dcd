"""Regular series with little noise: the linear start must not shrink them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import FloatArray
from seqcast.training.setup import TrainingSetup
from tests.panels import make_panel, small_config, small_setup

Curve = Callable[[FloatArray], FloatArray]


def season(period: int, amplitude: float = 10) -> Curve:
    return lambda time: amplitude * np.sin(2 * np.pi * time / period + 1)


def summed(*curves: Curve) -> Curve:
    return lambda time: np.sum([curve(time) for curve in curves], axis=0)


def started(curve: Curve, length: int, noise: float, frequency: str, horizon: int, context: int) -> TrainingSetup:
    """The start of a training on three series of the curve and normal noise."""
    random = np.random.default_rng(0)
    series = [100 + curve(np.arange(length) + shift) + noise * random.normal(size=length) for shift in range(3)]
    sizes = {"horizon": horizon, "context": context}
    config = small_config(model=sizes | {"location": "mean"}, data={"validation_size": 2 * horizon})
    return small_setup(make_panel(series, frequency=parse_frequency(frequency)), config)


def forecasts(setup: TrainingSetup) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points of the start on the validation windows (windows, horizon), and the series and the time of each."""
    series, origins = setup.validation_series, setup.validation_origins
    batch = setup.tensors.gather(
        torch.from_numpy(series), torch.from_numpy(origins), setup.plan.context, setup.plan.horizon
    )
    with torch.no_grad():
        output = setup.network.eval()(batch)
    units = output.standardisation
    scaled = output.values[..., setup.network.layout.point_index].double() * units.scale + units.location
    points = scaled.numpy() * setup.tensors.scale[series, None] + setup.tensors.mean[series, None]
    return points, series, origins[:, None] + np.arange(setup.plan.horizon)


SITUATIONS = [
    pytest.param(season(12), 101, "MS", 12, 30, id="a year of months"),
    pytest.param(season(4), 60, "QS", 4, 16, id="a year of quarters"),
    pytest.param(season(7), 150, "D", 7, 28, id="a week of days"),
    pytest.param(season(24), 400, "h", 24, 72, id="a day of hours"),
    pytest.param(summed(season(7), season(30, 5)), 300, "D", 10, 90, id="two seasons"),
    pytest.param(summed(season(12), lambda time: 0.3 * time), 101, "MS", 12, 30, id="a season and a trend"),
]


@pytest.mark.parametrize("noise", [0.1, 0.0])
@pytest.mark.parametrize(("curve", "length", "frequency", "horizon", "context"), SITUATIONS)
def test_a_regular_series_is_not_shrunk(
    curve: Curve, length: int, frequency: str, horizon: int, context: int, noise: float
) -> None:
    points, series, time = forecasts(started(curve, length, noise, frequency, horizon, context))

    truth = curve(time + series[:, None])
    slope, _ = np.polyfit(truth.ravel(), points.ravel() - 100, 1)
    assert slope == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("noise", [0.1, 0.01])
@pytest.mark.parametrize(("period", "length", "frequency"), [(12, 101, "MS"), (7, 150, "D"), (24, 400, "h")])
def test_a_season_is_forecast_no_worse_than_by_its_last_repetition(
    period: int, length: int, frequency: str, noise: float
) -> None:
    context = min(4 * period, length // 3)
    setup = started(season(period), length, noise, frequency, period, context)
    points, series, time = forecasts(setup)

    values = setup.panel.target.reshape(3, -1)
    truth, repeated = (values[series[:, None], times] for times in (time, time - period))
    assert np.abs(points - truth).mean() < 0.98 * np.abs(repeated - truth).mean()


def test_noise_is_still_penalised() -> None:
    noisy = started(season(7), 150, 10.0, "D", 7, 28).linear
    regular = started(season(7), 150, 0.1, "D", 7, 28).linear

    assert noisy is not None
    assert regular is not None
    assert noisy.noise.min() == 1
    assert regular.noise.max() < 0.1
