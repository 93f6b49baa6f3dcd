"""Rolling-origin evaluation on the validation or the test part, beside the naive forecasts, on the same windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seqcast.config import DataConfig
from seqcast.data.notices import Notice
from seqcast.data.panel import FloatArray, IntArray, Panel
from seqcast.errors import DataError, UsageError
from seqcast.evaluation.baselines import NAIVE, SEASONAL_NAIVE, naive, point_forecast, seasonal_naive
from seqcast.evaluation.metrics import Scores, score, seasonal_scales
from seqcast.forecasting import Forecasting, Origins, rolling_origins
from seqcast.results import Forecast
from seqcast.run.trained import TrainedModel

MODEL = "seqcast"


@dataclass(frozen=True)
class BacktestPlan:
    """Which origins are scored."""

    part: Literal["validation", "test"] = "validation"
    windows: int | None = None
    """Newest origins per series; None: all that the part holds."""
    stride: int | None = None
    """Steps between origins; None: the horizon."""
    baselines: bool = True
    levels: tuple[float, ...] = (80.0, 95.0)


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts of past origins, what came true, and the scores."""

    forecast: Forecast
    actuals: FloatArray
    """(W, H), NaN where not observed."""
    scores: Scores
    part: Literal["validation", "test"]
    stride: int
    notices: tuple[Notice, ...]


def backtest(model: TrainedModel, panel: Panel, plan: BacktestPlan = BacktestPlan()) -> Backtest:
    """Forecast every origin of the plan with the model as it is, and score it.

    Raises:
        UsageError: The run kept no test part, or the plan makes no sense.
        DataError: The panel holds no window to score.
    """
    stride = model.horizon if plan.stride is None else plan.stride
    if stride < 1 or (plan.windows is not None and plan.windows < 1):
        raise UsageError("--stride and --windows must be at least 1.")
    first, last = _origin_range(model, panel, plan.part)
    origins = _with_history(panel, rolling_origins(first, last, stride, plan.windows))
    if not len(origins):
        raise DataError(
            f"no series has a {plan.part} window of {model.horizon} steps to score.",
            hint="Give more data, or train with larger --validation-size or --test-size.",
        )
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    forecast = forecasting.forecast(origins)
    rows = panel.offsets[origins.series, None] + origins.positions[:, None] + np.arange(model.horizon)
    actuals = panel.target[rows]
    forecasts = {MODEL: forecast} | (_baselines(model, panel, origins, forecast) if plan.baselines else {})
    levels: Sequence[float] = plan.levels if forecast.quantile_levels else ()
    train_ends, _ = _split_ends(model.config.data, panel)
    scores = score(actuals, forecasts, seasonal_scales(panel, train_ends, model.season), levels)
    return Backtest(forecast, actuals, scores, plan.part, stride, forecasting.notices())


def _split_ends(config: DataConfig, panel: Panel) -> tuple[IntArray, IntArray]:
    """Rows of the training part, and of training and validation part, as `training.plan` split them."""
    assert config.validation_size is not None
    validation_ends = np.maximum(panel.lengths - config.test_size, 0)
    return np.maximum(validation_ends - config.validation_size, 0), validation_ends


def _origin_range(model: TrainedModel, panel: Panel, part: Literal["validation", "test"]) -> tuple[IntArray, IntArray]:
    """First and last origin of each series whose whole horizon lies in the part."""
    train_ends, validation_ends = _split_ends(model.config.data, panel)
    if part == "validation":
        return np.maximum(train_ends, 1), validation_ends - model.horizon
    if model.config.data.test_size < model.horizon:
        raise UsageError(
            f"--test: this run kept {model.config.data.test_size} test steps; a window needs {model.horizon}.",
            hint="Train with --test-size.",
        )
    return np.maximum(validation_ends, 1), panel.lengths - model.horizon


def _with_history(panel: Panel, origins: Origins) -> Origins:
    """The origins that have an observed value before them."""
    seen = np.concatenate([[0], np.cumsum(np.isfinite(panel.target))])
    start = panel.offsets[origins.series]
    usable = seen[start + origins.positions] > seen[start]
    return Origins(origins.series[usable], origins.positions[usable])


def _baselines(model: TrainedModel, panel: Panel, origins: Origins, like: Forecast) -> dict[str, Forecast]:
    series, positions, horizon = origins.series, origins.positions, model.horizon
    return {
        NAIVE: point_forecast(like, naive(panel, series, positions, horizon)),
        SEASONAL_NAIVE: point_forecast(like, seasonal_naive(panel, series, positions, horizon, model.season)),
    }
