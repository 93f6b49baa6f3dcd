"""Panels of planted lags, and the linear forecast of a training on them."""

from typing import Any

import numpy as np

from seqcast.panel.panel import Panel
from seqcast.training.linear_start import LinearForecast, LinearSettings, fit_linear_forecast
from seqcast.training.setup import TrainingSetup
from tests.panels import make_panel, small_config, small_setup

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


def prepared(panel: Panel, **model: Any) -> TrainingSetup:
    config = small_config(model={"horizon": HORIZON, "context": CONTEXT, "location": "mean", **model})
    return small_setup(panel, config)


def linear_forecast(setup: TrainingSetup) -> LinearForecast:
    model = setup.config.model
    assert model.location is not None
    settings = LinearSettings(CONTEXT, HORIZON, model.quantiles, (7,), model.location)
    return fit_linear_forecast(setup.tensors, setup.train_windows, settings)
