"""Forecasts by the statistical models of statsforecast, refitted at every origin to the values before it.

The models accept no missing values, so each is replaced by its seasonal naive forecast, which reads no later value.
Long histories are cut, because they take more time to fit.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO

import numpy as np
from joblib import Parallel, cpu_count, delayed

from seqcast.errors import UsageError, option
from seqcast.evaluation.baselines import seasonal_naive
from seqcast.extras import import_extra
from seqcast.panel.arrays import FloatArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.results.forecast import Forecast
from seqcast.results.origins import Origins

STATISTICAL_MODELS = ("AutoETS", "AutoTheta", "MSTL")
LONGEST_HISTORY = 2000
"""Number of newest steps of a series that a model is fitted to."""
MOST_WINDOWS = 10_000
"""Largest number of windows at which models are refitted. A fit takes about a second."""
FEWEST_PARALLEL_WINDOWS = 16
"""Smallest number of windows for which more processes save more time than their start takes."""

ModelFit = tuple[FloatArray | None, str]
"""(H, 1 + Q) point forecast and quantiles, or None and the reason of the failure."""


@dataclass(frozen=True)
class StatisticalTask:
    """The settings that all fits share."""

    names: tuple[str, ...]
    horizon: int
    season: int
    """Main season in steps; 1 if there is none."""
    seasons: tuple[int, ...]
    """All seasons, for models that accept several."""
    quantile_levels: tuple[float, ...]


def check_statistical(names: Sequence[str], num_windows: int) -> None:
    """Check the models and the number of windows before anything is computed.

    Raises:
        UsageError: A model is unknown, there are too many windows, or statsforecast is not installed.
    """
    for name in names:
        if name not in STATISTICAL_MODELS:
            raise UsageError(f"{option('models', repr(name))} is not one of {', '.join(STATISTICAL_MODELS)}.")
    if names and num_windows > MOST_WINDOWS:
        raise UsageError(
            f"{option('models')}: {', '.join(names)} would be refitted at each of {num_windows:,} windows; at most"
            f" {MOST_WINDOWS:,} are allowed.",
            hint=f"Give a larger {option('stride')}, or fewer {option('windows')}.",
        )
    if names:
        import_extra("statsforecast.models", "baselines", option("models"))


def statistical_forecasts(
    task: StatisticalTask,
    panel: Panel,
    origins: Origins,
    like: Forecast,
    on_window: Callable[[int], None] = lambda _done: None,
) -> tuple[dict[str, Forecast], tuple[Notice, ...]]:
    """Return the forecast of each model of the task from the origins, NaN where its fit failed, and notices about them.

    `like` is a forecast of the same windows; `on_window` is called with the number of finished windows.
    """
    if not task.names:
        return {}, ()
    filled = filled_target(panel, task.season)
    starts = panel.offsets[origins.series]
    begins, ends = starts + np.maximum(origins.positions - LONGEST_HISTORY, 0), starts + origins.positions
    histories = [filled[first:last] for first, last in zip(begins, ends, strict=True)]
    width = 1 + len(task.quantile_levels)
    values = {name: np.full((len(histories), task.horizon, width), np.nan) for name in task.names}
    failures: dict[str, list[tuple[int, str]]] = {name: [] for name in task.names}
    for window, fits in enumerate(_fit_all(task, histories)):
        for name, (found, reason) in fits.items():
            if found is None:
                failures[name].append((window, reason))
            else:
                values[name][window] = found
        on_window(window + 1)
    forecasts = {name: _as_forecast(like, found, task.quantile_levels) for name, found in values.items()}
    missing = np.isnan(panel.take_series(np.unique(origins.series)).target)
    notices = _history_notices(task, int(missing.sum()), int(np.sum(origins.positions > LONGEST_HISTORY)))
    return forecasts, (*notices, *_failure_notices(failures, like))


def filled_target(panel: Panel, season: int) -> FloatArray:
    """(rows,) target with seasonal naive forecasts of the missing values; NaN before the first observation."""
    filled = panel.target.copy()
    rows = np.flatnonzero(np.isnan(filled))
    owners = panel.series_of_row[rows]
    filled[rows] = seasonal_naive(panel, Origins(owners, rows - panel.offsets[owners]), 1, season)[:, 0]
    return filled


def fit_window(task: StatisticalTask, history: FloatArray) -> dict[str, ModelFit]:
    """Fit every model of the task to one history without its leading missing values."""
    observed = history[np.isfinite(history)]
    return {name: _fit_one(name, task, observed) for name in task.names}


def _fit_all(task: StatisticalTask, histories: Sequence[FloatArray]) -> Iterator[dict[str, ModelFit]]:
    """The fits of each history in order, computed on all cores that this process may use."""
    num_processes = cpu_count() if len(histories) >= FEWEST_PARALLEL_WINDOWS else 1
    workers = Parallel(n_jobs=num_processes, return_as="generator")
    fits: Iterator[dict[str, ModelFit]] = workers(delayed(fit_window)(task, history) for history in histories)
    return fits


def _fit_one(name: str, task: StatisticalTask, history: FloatArray) -> ModelFit:
    centrals = {level: round(abs(100 - 200 * level), 6) for level in task.quantile_levels if level != 0.5}
    asked = sorted(set(centrals.values())) or None
    seasons = [season for season in task.seasons if 2 * season < len(history)]
    if name == "MSTL" and not seasons:
        return None, "its history does not hold any season twice"
    models = import_extra("statsforecast.models", "baselines", option("models"))
    model = getattr(models, name)(season_length=seasons if name == "MSTL" else task.season)
    try:
        # Warnings and output of the search for the best model are about models that it rejects.
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            fitted = model.forecast(y=history, h=task.horizon, level=asked)
    except Exception as error:  # noqa: BLE001  # a foreign model may raise anything; the others go on
        return None, str(error) or type(error).__name__
    columns = [fitted["mean"]]
    for level in task.quantile_levels:
        side = "lo" if level < 0.5 else "hi"
        columns.append(fitted["mean"] if level == 0.5 else fitted[f"{side}-{centrals[level]}"])
    found = np.stack(columns, axis=1).astype(np.float64)
    return (found, "") if np.isfinite(found).all() else (None, "its forecast is not finite")


def _as_forecast(like: Forecast, values: FloatArray, levels: tuple[float, ...]) -> Forecast:
    """Point forecast and quantiles. They are sorted, because the mean of a skewed distribution is not its median."""
    quantiles = np.sort(values[..., 1:], axis=-1)
    return replace(
        like,
        point=values[..., 0],
        quantile_levels=levels,
        quantiles=quantiles,
        rolled_from_step=None,
        least=None,
        integer=False,
    )


def _history_notices(task: StatisticalTask, num_missing: int, num_cut: int) -> Iterator[Notice]:
    named = ", ".join(task.names)
    if num_missing:
        filled = f"{num_missing:,} are filled with the newest value at their phase of the season"
        yield Notice("decision", f"{named} take no missing values: {filled}", num_missing)
    if num_cut:
        text = f"{named} are fitted to the newest {LONGEST_HISTORY:,} steps of {num_cut:,} longer histories"
        yield Notice("decision", text, num_cut)


def _failure_notices(failures: dict[str, list[tuple[int, str]]], like: Forecast) -> Iterator[Notice]:
    for name, found in failures.items():
        if found:
            window, reason = found[0]
            text = (
                f"{name} failed on {len(found):,} of {len(like.series_ids):,} windows, which are left out of its scores"
                f" (the first of {like.series_ids[window]!r}: {reason.strip()[:200]})"
            )
            yield Notice("repair", text, len(found))
