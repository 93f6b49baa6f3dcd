"""Rolling-origin evaluation on the validation or the test part, beside simple forecasts, on the same windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seqcast.config import LEVELS, DataConfig
from seqcast.errors import DataError, UsageError, option
from seqcast.evaluation.baselines import NAIVE, SEASONAL_NAIVE, naive, point_forecast, seasonal_naive
from seqcast.evaluation.metrics import Scores, score, seasonal_scales
from seqcast.evaluation.refit import Refit, refitted_forecast
from seqcast.evaluation.significance import Comparison, compare_models
from seqcast.evaluation.statistical import StatisticalTask, check_statistical, statistical_forecasts
from seqcast.forecasting import Forecasting, Origins, rolling_origins
from seqcast.panel.notices import Notice
from seqcast.panel.panel import FloatArray, IntArray, Panel
from seqcast.results.forecast import Forecast
from seqcast.run.load import TrainedModel
from seqcast.training.loop import Hooks

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
    """Score the naive forecasts too."""
    levels: tuple[float, ...] = LEVELS
    models: tuple[str, ...] = ()
    """Statistical models to score too; of `evaluation.statistical.STATISTICAL_MODELS`."""
    refit_every: int | None = None
    """Origins from one training to the next; None: the run's model forecasts all."""


@dataclass(frozen=True)
class Watch:
    """How a backtest tells how far it is; the defaults say nothing."""

    on_refit: Callable[[Refit], None] = lambda _refit: None
    """Called before each training."""
    training: Hooks = Hooks()
    on_window: Callable[[int, int], None] = lambda _done, _total: None
    """Called after each window of the statistical models with the number done and that of all."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts of past origins, what came true, and the scores."""

    forecast: Forecast
    actuals: FloatArray
    """(W, H), NaN where not observed."""
    statistical: Mapping[str, Forecast]
    """Of the same windows, per statistical model."""
    scores: Scores
    comparisons: tuple[Comparison, ...]
    """seqcast beside each of the others."""
    part: Literal["validation", "test"]
    stride: int
    notices: tuple[Notice, ...]


def backtest(
    model: TrainedModel, panel: Panel, plan: BacktestPlan = BacktestPlan(), watch: Watch = Watch()
) -> Backtest:
    """Forecast every origin of the plan, with the model as it is or trained anew on the way, and score it.

    Raises:
        UsageError: The run kept no test part, the plan makes no sense, or a library for it is not installed.
        DataError: The panel holds no window to score.
        DivergedError, StoppedError: As training, where the plan trains.
    """
    if any(number is not None and number < 1 for number in (plan.stride, plan.windows, plan.refit_every)):
        raise UsageError(f"{option('stride')}, {option('windows')} and {option('refit_every')} must be at least 1.")
    stride = plan.stride or model.horizon
    first, last = _origin_range(model, panel, plan.part)
    origins = _with_history(panel, rolling_origins(first, last, stride, plan.windows))
    if not len(origins):
        raise DataError(
            f"no series has a {plan.part} window of {model.horizon} steps to score.",
            hint=f"Give more data, or train with larger {option('validation_size')} or {option('test_size')}.",
        )
    check_statistical(plan.models, len(origins))
    if plan.part == "validation":
        model = model.as_validated
    forecast, notices = _own_forecast(model, panel, origins, plan.refit_every, watch)
    rows = panel.offsets[origins.series, None] + origins.positions[:, None] + np.arange(model.horizon)
    actuals = panel.target[rows]
    task = StatisticalTask(plan.models, model.horizon, model.season, panel.frequency.seasons, forecast.quantile_levels)
    statistical = statistical_forecasts(
        task, panel, origins.series, origins.positions, forecast, lambda done: watch.on_window(done, len(origins))
    )
    naive_forecasts = _baselines(model, panel, origins, forecast) if plan.baselines else {}
    forecasts = {MODEL: forecast} | naive_forecasts | statistical.forecasts
    levels: Sequence[float] = plan.levels if forecast.quantile_levels else ()
    scales = seasonal_scales(panel, _split_ends(model.config.data, panel)[0], model.season)
    return Backtest(
        forecast=forecast,
        actuals=actuals,
        statistical=statistical.forecasts,
        scores=score(actuals, forecasts, scales, levels),
        comparisons=compare_models(actuals, forecasts, scales, MODEL),
        part=plan.part,
        stride=stride,
        notices=(*notices, *statistical.notices),
    )


def _own_forecast(
    model: TrainedModel, panel: Panel, origins: Origins, refit_every: int | None, watch: Watch
) -> tuple[Forecast, tuple[Notice, ...]]:
    if refit_every is not None:
        return refitted_forecast(model, panel, origins, refit_every, watch.on_refit, watch.training), ()
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    return forecasting.forecast(origins), forecasting.notices()


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
    test_size = model.config.data.test_size
    if test_size < model.horizon:
        raise UsageError(
            f"{option('test')}: this run kept {test_size} test steps; a window needs {model.horizon}.",
            hint=f"Train with {option('test_size')}.",
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
