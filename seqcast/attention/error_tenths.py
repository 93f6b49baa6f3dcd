"""Past origins in three groups by forecast error: the worst tenth, the rest and the best tenth."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seqcast.attention.lag_report import WindowGroups
from seqcast.errors import DataError, UsageError, option
from seqcast.evaluation.metrics import seasonal_scales
from seqcast.forecasting import Forecasting
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.panel import Panel
from seqcast.results.origins import Origins, known_origins
from seqcast.run.load import TrainedModel

Tenth = Literal["worst tenth", "the rest", "best tenth"]
TENTHS: tuple[Tenth, ...] = ("worst tenth", "the rest", "best tenth")

FEWEST_WINDOWS = 10
USUAL_WINDOWS = 200
"""Smallest number of windows to rank when it is not given, if the table has as many."""
_AT_ONCE = 4096


@dataclass(frozen=True)
class ErrorGroup:
    """The errors of one group of windows: mean absolute errors, divided by that of the seasonal naive in the series."""

    label: Tenth
    num_windows: int
    lowest_error: float
    mean_error: float
    highest_error: float


@dataclass(frozen=True, eq=False)
class ErrorTenths:
    """Past origins and the group of each."""

    origins: Origins
    errors: FloatArray
    """(W,) error of each origin's forecast, never NaN."""
    windows: WindowGroups

    @property
    def groups(self) -> tuple[ErrorGroup, ...]:
        """The groups, worst first."""
        found = []
        for code, label in enumerate(TENTHS):
            own = self.errors[self.windows.codes == code]
            found.append(ErrorGroup(label, len(own), float(own.min()), float(own.mean()), float(own.max())))
        return tuple(found)


def tenths_by_error(model: TrainedModel, panel: Panel, windows: int | None = None) -> tuple[Forecasting, ErrorTenths]:
    """Forecast the newest `windows` origins of each series whose truth is known, and rank them by error.

    The error of an origin is the mean absolute error over its steps, divided by the mean |y_t - y_{t - season}| of its
    series. Origins without an error are left out: nothing was observed, or the series repeats itself exactly.

    Raises:
        UsageError: `windows` is not positive.
        DataError: Fewer than `FEWEST_WINDOWS` origins can be ranked.
    """
    if windows is not None and windows < 1:
        raise UsageError(f"{option('windows', windows)}: at least one origin is needed.")
    per_series = max(1, -(-USUAL_WINDOWS // panel.num_series)) if windows is None else windows
    origins = known_origins(panel, model.horizon, model.context, per_series)
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    parts = [origins[first : first + _AT_ONCE] for first in range(0, len(origins), _AT_ONCE)]
    errors = np.concatenate([_absolute_errors(forecasting, part) for part in parts])
    scales = seasonal_scales(panel, panel.lengths, model.season).absolute[origins.series]
    errors /= np.where(scales > 0, scales, np.nan)
    usable = np.isfinite(errors)
    if usable.sum() < FEWEST_WINDOWS:
        raise DataError(
            f"{usable.sum()} past origins can be ranked by error; a worst and a best tenth need {FEWEST_WINDOWS}.",
            hint=f"Give a larger {option('windows')}, or a longer table.",
        )
    errors = errors[usable]
    return forecasting, ErrorTenths(origins[usable], errors, WindowGroups(TENTHS, _codes(errors)))


def _codes(errors: FloatArray) -> IntArray:
    """(W,) index in `TENTHS` of the group of each error."""
    tenth = len(errors) // 10
    order = np.argsort(-errors, kind="stable")
    codes = np.ones(len(errors), np.int64)
    codes[order[:tenth]], codes[order[-tenth:]] = 0, 2
    return codes


def _absolute_errors(forecasting: Forecasting, origins: Origins) -> FloatArray:
    """(W,) mean absolute error in the units of the data; NaN where no step was observed."""
    actuals = origins.actuals(forecasting.panel, forecasting.model.horizon)
    errors = np.abs(actuals - forecasting.forecast(origins).point)
    seen = np.isfinite(errors)
    sums, counts = np.where(seen, errors, 0).sum(axis=1), seen.sum(axis=1)
    mean: FloatArray = np.divide(sums, counts, out=np.full(len(origins), np.nan), where=counts > 0)
    return mean
