"""Rolling-origin evaluation on the validation or the test part, with simple forecasts of the same windows beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seqcast.config import LEVELS, NAIVE, SEASONAL_NAIVE
from seqcast.engines.engine import SINGLE_PROCESS, Engine
from seqcast.errors import DataError, UsageError, option
from seqcast.evaluation.baselines import naive, point_forecast, seasonal_naive
from seqcast.evaluation.metrics import MEASURES, Scores, SeasonalScales, seasonal_scales
from seqcast.evaluation.refit import Refit, refitted_forecast
from seqcast.evaluation.score_sums import ScoreSums, joined_scores
from seqcast.evaluation.significance import Comparison, ComparisonSums, joined_comparisons
from seqcast.evaluation.statistical import StatisticalTask, check_statistical, statistical_forecasts
from seqcast.forecasting import Forecasting
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.results.forecast import MODEL, Forecast
from seqcast.results.origins import Origins, rolling_origins
from seqcast.run.load import TrainedModel
from seqcast.training.loop import Hooks
from seqcast.training.plan import Split

Part = Literal["validation", "test"]


@dataclass(frozen=True, eq=False)
class BacktestScores:
    """The scores of a backtest."""

    scores: Scores
    comparisons: tuple[Comparison, ...]
    """seqcast compared with each of the others."""
    part: Part
    stride: int


@dataclass(frozen=True)
class BacktestPlan:
    """The origins and models to score."""

    part: Part = "validation"
    windows: int | None = None
    """Newest origins per series; None: all origins of the part."""
    stride: int | None = None
    """Steps between origins; None: the horizon."""
    baselines: bool = True
    """Score the naive forecasts too."""
    levels: tuple[float, ...] = LEVELS
    """Levels of the intervals in percent."""
    models: tuple[str, ...] = ()
    """Statistical models to score too, from `evaluation.statistical.STATISTICAL_MODELS`."""
    refit_every: int | None = None
    """Origins from one training to the next; None: the run's model forecasts all of them."""


@dataclass(frozen=True)
class BacktestHooks:
    """Callbacks for the progress of a backtest; the defaults do nothing."""

    on_refit: Callable[[Refit], None] = lambda _refit: None
    """Called before each training."""
    training: Hooks = Hooks()
    on_window: Callable[[int, int], None] = lambda _done, _total: None
    """Called after each window of the statistical models with the number of finished windows and of all windows."""


@dataclass(frozen=True, eq=False, repr=False)
class Backtest(BacktestScores):
    """Forecasts of past origins, the observed values, and the scores; printed, it is a table of them."""

    forecast: Forecast
    actuals: FloatArray
    """(W, H), NaN where not observed."""
    statistical: Mapping[str, Forecast]
    """Forecasts of the same windows by statistical models."""
    scales: SeasonalScales
    """The errors of the seasonal naive in the training part of each series of the panel."""
    sums: "BacktestSums"
    """What the scores are computed from."""
    notices: tuple[Notice, ...]

    def __repr__(self) -> str:
        """The windows, a line for each measure with a column for each model, and the verdicts."""
        models = self.scores.models
        rows = {"": [model.model for model in models]}
        rows |= {name: [f"{float(getattr(each.overall, name)):.4g}" for each in models] for name in MEASURES}
        for level in models[0].overall.coverage:
            shares = [model.overall.coverage.get(level) for model in models]
            rows[f"in {level} %"] = ["" if share is None else f"{100 * float(share):.1f} %" for share in shares]
        rows["seqcast is"] = ["", *(comparison.verdict for comparison in self.comparisons)]
        first = max(map(len, rows))
        widths = [max(map(len, column)) for column in zip(*rows.values(), strict=True)]
        table = (
            "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(row, widths, strict=True))])
            for name, row in rows.items()
        )
        windows = f"{len(self.actuals):,} windows of {len(self.scores.series_ids):,} series"
        title = f"Backtest of the {self.part} part: {windows}, {self.stride} steps apart"
        return "\n".join([title, *(line.rstrip() for line in table)])


@dataclass(frozen=True, eq=False)
class BacktestSums:
    """What a group of series adds to the scores of all."""

    scores: ScoreSums
    comparisons: ComparisonSums


def join_backtests(groups: Sequence[BacktestSums], plan: BacktestPlan, horizon: int) -> BacktestScores:
    """The scores of a panel from those of its groups of series, equal to those of the whole panel except for rounding.

    Raises:
        DataError: No group has a window to score.
    """
    if not groups:
        raise no_window(plan, horizon)
    return BacktestScores(
        scores=joined_scores([group.scores for group in groups]),
        comparisons=joined_comparisons([group.comparisons for group in groups]),
        part=plan.part,
        stride=plan.stride or horizon,
    )


def backtest(
    model: TrainedModel,
    panel: Panel,
    plan: BacktestPlan = BacktestPlan(),
    hooks: BacktestHooks = BacktestHooks(),
    engine: Engine = SINGLE_PROCESS,
) -> Backtest:
    """Forecast and score every origin of the plan, with the given model or with models trained on the way.

    The workers of the engine forecast with the given model; the rest is done here.

    Raises:
        UsageError: The run has no test part, the plan contradicts itself, or a library is not installed.
        DataError: The panel has no window to score.
        DivergedError, StoppedError: From training, if the plan trains.
    """
    done = backtest_group(model, panel, plan, hooks, engine)
    if done is None:
        raise no_window(plan, model.horizon)
    return done


def backtest_group(
    model: TrainedModel,
    panel: Panel,
    plan: BacktestPlan = BacktestPlan(),
    hooks: BacktestHooks = BacktestHooks(),
    engine: Engine = SINGLE_PROCESS,
) -> Backtest | None:
    """Score some series of a table; None if they have no window to score. Raises otherwise as `backtest`."""
    if any(number is not None and number < 1 for number in (plan.stride, plan.windows, plan.refit_every)):
        raise UsageError(f"{option('stride')}, {option('windows')} and {option('refit_every')} must be at least 1.")
    stride = plan.stride or model.horizon
    assert model.config.data.validation_size is not None
    split = Split.of(panel.lengths, model.config.data.validation_size, model.config.data.test_size)
    first, last = _origin_range(model, panel, split, plan.part)
    origins = _with_history(panel, rolling_origins(first, last, stride, plan.windows))
    if not len(origins):
        return None
    check_statistical(plan.models, len(origins))
    if plan.part == "validation":
        model = model.as_validated
    if plan.refit_every is None:
        forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
        forecast, notices = forecasting.forecast_by(engine, origins), forecasting.notices()
    else:
        forecast = refitted_forecast(model, panel, origins, plan.refit_every, hooks.on_refit, hooks.training)
        notices = ()
    actuals = origins.actuals(panel, model.horizon)
    task = StatisticalTask(plan.models, model.horizon, model.season, panel.frequency.seasons, forecast.quantile_levels)
    statistical, remarks = statistical_forecasts(
        task, panel, origins, forecast, lambda done: hooks.on_window(done, len(origins))
    )
    naive_forecasts = _baselines(model, panel, origins, forecast) if plan.baselines else {}
    forecasts = {MODEL: forecast} | naive_forecasts | statistical
    levels: Sequence[float] = plan.levels if forecast.quantile_levels else ()
    scales = seasonal_scales(panel, split.train_ends, model.season)
    sums = BacktestSums(
        ScoreSums.of(actuals, forecasts, scales, levels), ComparisonSums.of(actuals, forecasts, scales, MODEL)
    )
    joined = join_backtests([sums], plan, model.horizon)
    return Backtest(
        scores=joined.scores,
        comparisons=joined.comparisons,
        part=joined.part,
        stride=joined.stride,
        forecast=forecast,
        actuals=actuals,
        statistical=statistical,
        scales=scales,
        sums=sums,
        notices=(*notices, *remarks),
    )


def no_window(plan: BacktestPlan, horizon: int) -> DataError:
    """The error for a panel without a window to score."""
    return DataError(
        f"no series has a {plan.part} window of {horizon} steps to score.",
        hint=f"Give more data, or train with larger {option('validation_size')} or {option('test_size')}.",
    )


def _origin_range(model: TrainedModel, panel: Panel, split: Split, part: Part) -> tuple[IntArray, IntArray]:
    """First and last origin of each series whose whole horizon lies in the part."""
    if part == "validation":
        return np.maximum(split.train_ends, 1), split.validation_ends - model.horizon
    test_size = model.config.data.test_size
    if test_size < model.horizon:
        raise UsageError(
            f"{option('test')}: this run kept {test_size} test steps; a window needs {model.horizon}.",
            hint=f"Train with {option('test_size')}.",
        )
    return np.maximum(split.validation_ends, 1), panel.lengths - model.horizon


def _with_history(panel: Panel, origins: Origins) -> Origins:
    """The origins with an observed value before them."""
    seen = np.concatenate([[0], np.cumsum(np.isfinite(panel.target))])
    start = panel.offsets[origins.series]
    return origins[seen[start + origins.positions] > seen[start]]


def _baselines(model: TrainedModel, panel: Panel, origins: Origins, like: Forecast) -> dict[str, Forecast]:
    return {
        NAIVE: point_forecast(like, naive(panel, origins, model.horizon)),
        SEASONAL_NAIVE: point_forecast(like, seasonal_naive(panel, origins, model.horizon, model.season)),
    }
