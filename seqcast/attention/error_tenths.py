"""Where forecasts go most wrong and least wrong: the worst and the best tenth of past origins."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from seqcast.attention.faithfulness import known_origins
from seqcast.attention.lag_report import WindowGroups
from seqcast.errors import DataError, UsageError, option
from seqcast.evaluation.metrics import seasonal_scales
from seqcast.forecasting import Forecasting, Origins
from seqcast.panel.panel import FloatArray, IntArray, Panel
from seqcast.run.load import TrainedModel

Tenth = Literal["worst tenth", "the rest", "best tenth"]
TENTHS: tuple[Tenth, ...] = ("worst tenth", "the rest", "best tenth")

FEWEST_WINDOWS = 10
USUAL_WINDOWS = 200
"""Windows that are looked at, at least, where their number is not given and the table has so many."""
_AT_ONCE = 4096


@dataclass(frozen=True)
class ErrorGroup:
    """The windows of one tenth, or of the rest."""

    label: Tenth
    num_windows: int
    lowest_error: float
    mean_error: float
    """Mean absolute error over that of the seasonal naive within the series; so are the others."""
    highest_error: float

    def as_dict(self) -> dict[str, object]:
        """The fields under their names."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class ErrorTenths:
    """Past origins, each in its group."""

    origins: Origins
    errors: FloatArray
    """(W,) error of each origin's forecast, never NaN."""
    windows: WindowGroups

    @property
    def groups(self) -> tuple[ErrorGroup, ...]:
        """Worst first."""
        found = []
        for code, label in enumerate(TENTHS):
            own = self.errors[self.windows.codes == code]
            found.append(ErrorGroup(label, len(own), float(own.min()), float(own.mean()), float(own.max())))
        return tuple(found)


def tenths_by_error(model: TrainedModel, panel: Panel, windows: int | None = None) -> tuple[Forecasting, ErrorTenths]:
    """Forecast the newest `windows` origins of each series whose truth is known, and rank them by error.

    The error of an origin is the mean absolute one over its steps, divided by the mean |y_t - y_{t - season}| of its
    series. Origins without one (nothing observed, or a series that repeats itself exactly) are left out.

    Raises:
        UsageError: `windows` is not positive.
        DataError: Fewer than `FEWEST_WINDOWS` origins can be ranked.
    """
    if windows is not None and windows < 1:
        raise UsageError(f"{option('windows', windows)}: at least one origin is needed.")
    per_series = max(1, -(-USUAL_WINDOWS // panel.num_series)) if windows is None else windows
    origins = known_origins(model, panel, per_series)
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
    ranked = WindowGroups(TENTHS, _codes(errors))
    return forecasting, ErrorTenths(Origins(origins.series[usable], origins.positions[usable]), errors, ranked)


def _codes(errors: FloatArray) -> IntArray:
    """0 for the worst tenth, 2 for the best, 1 for what is between."""
    tenth = len(errors) // 10
    order = np.argsort(-errors, kind="stable")
    codes = np.ones(len(errors), np.int64)
    codes[order[:tenth]], codes[order[-tenth:]] = 0, 2
    return codes


def _absolute_errors(forecasting: Forecasting, origins: Origins) -> FloatArray:
    """(W,) mean absolute error in the units of the data; NaN where no step was observed."""
    panel = forecasting.panel
    steps = np.arange(forecasting.model.horizon)
    actuals = panel.target[(panel.offsets[origins.series] + origins.positions)[:, None] + steps]
    errors = np.abs(actuals - forecasting.forecast(origins).point)
    seen = np.isfinite(errors)
    sums, counts = np.where(seen, errors, 0).sum(axis=1), seen.sum(axis=1)
    mean: FloatArray = np.divide(sums, counts, out=np.full(len(origins), np.nan), where=counts > 0)
    return mean
