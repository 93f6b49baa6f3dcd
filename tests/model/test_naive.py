"""Naive forecasts of a window, beside plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqcast.config import NAIVE_FORECASTS, NaiveForecast
from seqcast.model.heads import OutputLayout
from seqcast.model.naive import NaiveForecasts, SeenContext
from seqcast.model.shape import NetworkShape
from seqcast.panel.arrays import FloatArray

SHAPE = NetworkShape(horizon=11, context=17, season=5, num_past=0, num_known=0, num_static=0)
LAYOUT = OutputLayout.of("quantile", (0.1, 0.5, 0.9))


def windows(num_windows: int = 7) -> tuple[FloatArray, SeenContext]:
    """Values with gaps (NaN), and the same as a naive forecast sees them."""
    random = np.random.default_rng(0)
    values = random.normal(size=(num_windows, SHAPE.context))
    values[random.random(values.shape) < 0.4] = np.nan
    values[0] = random.normal(size=SHAPE.context)
    observed = torch.from_numpy(np.isfinite(values))
    return values, SeenContext(torch.from_numpy(np.nan_to_num(values)).float(), observed)


def by_loop(name: NaiveForecast, window: FloatArray) -> list[float]:
    """The forecast of one window, from the observed values and their places."""
    seen = [(place, value) for place, value in enumerate(window) if np.isfinite(value)]
    (first, oldest), (last, newest) = seen[0], seen[-1]
    forecast = []
    for step in range(1, SHAPE.horizon + 1):
        time = SHAPE.context - 1 + step
        same_phase = [value for place, value in seen if (time - place) % SHAPE.season == 0]
        forecast.append(
            {
                "naive": newest,
                "seasonal_naive": same_phase[-1] if same_phase else newest,
                "drift": newest + step * (newest - oldest) / max(last - first, 1),
                "mean": float(np.mean([value for _, value in seen])),
            }[name]
        )
    return forecast


@pytest.mark.parametrize("name", NAIVE_FORECASTS)
def test_each_agrees_with_a_plain_loop(name: NaiveForecast) -> None:
    values, seen = windows()

    points = NaiveForecasts(SHAPE, LAYOUT).points(name, seen).numpy()

    np.testing.assert_allclose(points, [by_loop(name, window) for window in values], atol=1e-5)


@pytest.mark.parametrize("name", NAIVE_FORECASTS)
def test_the_weights_are_those_of_the_values_it_copies(name: NaiveForecast) -> None:
    _, seen = windows()
    naive = NaiveForecasts(SHAPE, LAYOUT)

    weights = naive.weights(name, seen)

    assert weights.shape == (7, SHAPE.horizon, SHAPE.context)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(7, SHAPE.horizon))
    assert (weights[~seen.observed[:, None].expand_as(weights)] == 0).all()
    copied = "naive" if name == "drift" else name
    expected = naive.points(copied, seen)
    torch.testing.assert_close(torch.bmm(weights, seen.values[..., None])[..., 0], expected)


def test_the_lag_of_the_seasonal_naive_forecast_is_a_whole_number_of_seasons() -> None:
    seen = SeenContext(torch.zeros(1, SHAPE.context), torch.ones(1, SHAPE.context, dtype=torch.bool))

    positions = NaiveForecasts(SHAPE, LAYOUT).weights("seasonal_naive", seen)[0].argmax(dim=-1)

    lags = SHAPE.context + torch.arange(SHAPE.horizon) - positions
    assert lags.tolist() == [5] * 5 + [10] * 5 + [15]


def test_removed_weights_move_the_forecast_to_zero_and_shuffled_ones_to_other_values() -> None:
    _, seen = windows()
    naive = NaiveForecasts(SHAPE, LAYOUT)
    keep = torch.ones(SHAPE.horizon, SHAPE.context, dtype=torch.bool)

    assert torch.equal(naive.points("naive", seen.keeping(keep)), naive.points("naive", seen))
    assert (naive.points("naive", seen.keeping(~keep)) == 0).all()
    order = torch.arange(SHAPE.context).flip(0).expand(SHAPE.horizon, -1)
    assert torch.equal(naive.points("naive", seen.reordered(order))[0], seen.values[0, :1].expand(SHAPE.horizon))


def test_a_window_without_any_value_is_forecast_by_its_location() -> None:
    empty = SeenContext(torch.zeros(2, SHAPE.context), torch.zeros(2, SHAPE.context, dtype=torch.bool))

    for name in NAIVE_FORECASTS:
        assert (NaiveForecasts(SHAPE, LAYOUT).points(name, empty) == 0).all()


@pytest.mark.parametrize(("loss", "moved"), [("quantile", 3), ("student-t", 1), ("mse", 1)])
def test_offsets_are_added_to_the_point(loss: str, moved: int) -> None:
    layout = OutputLayout.of(loss, (0.1, 0.5, 0.9))  # type: ignore[arg-type]
    naive, (_, seen) = NaiveForecasts(SHAPE, layout), windows()
    torch.nn.init.constant_(naive.offsets, 0.5)

    values = naive("mean", seen)

    points = naive.points("mean", seen)[..., None]
    torch.testing.assert_close(values[..., :moved], (points + 0.5).expand(-1, -1, moved))
    assert (values[..., moved:] == 0.5).all()
