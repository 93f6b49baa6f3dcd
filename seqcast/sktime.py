"""A forecaster in the interface of sktime: `from seqcast.sktime import SeqcastForecaster`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqcast.config import Config
from seqcast.errors import DataError
from seqcast.extras import import_extra
from seqcast.forecaster import Forecaster
from seqcast.panel.arrays import FloatArray
from seqcast.panel.wording import name_list
from seqcast.results.forecast import MODEL

try:
    from sktime.forecasting.base import BaseForecaster
except ModuleNotFoundError:
    BaseForecaster = object  # the constructor says what is missing

_ID, _TIME, _TARGET = "unique_id", "ds", "y"
_POINT_LOSSES = ("mae", "mse", "huber")
_TYPES = ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"]


class SeqcastForecaster(BaseForecaster):  # type: ignore[misc]
    """Multi-step forecasts with an LSTM encoder-decoder and Luong attention.

    One network learns all series of a panel or hierarchy, and all columns of a multivariate series. Exogenous data are
    covariates known in the future: forecasts need them for every step up to the last of `fh`. After `update`, forecasts
    begin at the new observations; with `update_params` the network is trained anew on all of them.

    Example:
        >>> from sktime.datasets import load_airline
        >>> from seqcast.sktime import SeqcastForecaster
        >>> forecaster = SeqcastForecaster(context=24)
        >>> forecaster.fit(load_airline(), fh=range(1, 13)).predict_interval(coverage=0.9)  # doctest: +SKIP

    Args:
        horizon: Steps of one forecast, later steps being forecast from it; None: those of `fh` if `fit` is given one,
            or else chosen from the data.
        context: Past steps to read; None: chosen from frequency, horizon and data.
        config: All other settings; None: the defaults. Roles of columns in it are not used.

    Attributes:
        forecaster_: The fitted `Forecaster`, for attention, sample paths and export.
    """

    _tags = {  # noqa: RUF012  # a name of sktime
        "authors": "the seqcast developers",
        "maintainers": "the seqcast developers",
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:categorical_in_X": False,
        "capability:insample": False,
        "capability:missing_values": True,
        "capability:non_contiguous_X": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "requires-fh-in-fit": False,
        "y_inner_mtype": _TYPES,
        "X_inner_mtype": _TYPES,
    }
    _config = {"remember_data": False}  # noqa: RUF012  # a name of sktime; `_cur_y` and `_cur_X` hold the data

    def __init__(self, horizon: int | None = None, context: int | None = None, config: Config | None = None) -> None:
        import_extra("sktime", "sktime", "SeqcastForecaster")
        self.horizon = horizon
        self.context = context
        self.config = config
        self._y = self._X = None  # where a caller turns `remember_data` on, sktime looks for them
        super().__init__()

    def __post_init__(self) -> None:
        """Refuse values out of range, and tell sktime whether there are intervals."""
        loss = self._unfitted(None, None).settings.training.loss
        self.set_tags(**{"capability:pred_int": loss not in _POINT_LOSSES})

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:  # noqa: ARG003  # there is one set
        """Parameters for the checks of sktime, which train hundreds of times."""
        quick = Config().override(model={"hidden": 2}, training={"max_steps": 1, "refit": False})
        return [{"config": quick}, {"horizon": 2, "context": 4, "config": quick}]

    def _fit(self, y: pd.DataFrame, X: pd.DataFrame | None, fh: Any) -> Self:  # noqa: N803
        self._cur_y, self._cur_X = y, X
        self.forecaster_ = self._unfitted(X, fh).fit(_table(y, y, X))
        return self

    def _update(self, y: pd.DataFrame, X: pd.DataFrame | None = None, update_params: bool = True) -> Self:  # noqa: N803
        self._cur_y = y.combine_first(self._cur_y)
        if X is not None and self._cur_X is not None:
            self._cur_X = X.combine_first(self._cur_X)
        return self._fit(self._cur_y, self._cur_X, self._fh) if update_params else self

    def _predict(self, fh: Any, X: pd.DataFrame | None) -> pd.DataFrame:  # noqa: N803
        values, index = self._forecast(fh, X, [0.5])
        return pd.DataFrame(values[:, :, 0], index, self._cur_y.columns)

    def _predict_quantiles(self, fh: Any, X: pd.DataFrame | None, alpha: list[float]) -> pd.DataFrame:  # noqa: N803
        values, index = self._forecast(fh, X, alpha)
        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        return pd.DataFrame(values.reshape(len(values), -1), index, columns)

    def _unfitted(self, X: pd.DataFrame | None, fh: Any) -> Forecaster:  # noqa: N803
        """The forecaster of these parameters, for the columns of `_table` and the steps `fh`."""
        horizon = max(1, int(self._steps(fh).max())) if self.horizon is None and fh is not None else self.horizon
        known = () if X is None else tuple(map(_covariate, X.columns))
        roles = {"id": _ID, "time": _TIME, "target": (_TARGET,), "known": known, "past": (), "static": ()}
        return Forecaster(horizon, self.context, config=(self.config or Config()).override(data=roles))

    def _steps(self, fh: Any) -> Any:
        """(steps,) the places of `fh` after the cutoff, from 1 on."""
        return fh.to_relative(self.cutoff).to_numpy()

    def _forecast(
        self,
        fh: Any,
        X: pd.DataFrame | None,  # noqa: N803
        probabilities: list[float],
    ) -> tuple[FloatArray, pd.Index[Any]]:
        """The quantiles (rows, columns, probabilities) and their rows; the quantile 0.5 is the point forecast."""
        if X is None and self._cur_X is not None:
            names = name_list(tuple(map(str, self._cur_X.columns)))
            raise DataError(
                f"the forecast needs the future values of {names}.", hint="Pass X with a row for each step."
            )
        steps = self._steps(fh)
        y = self._cur_y[self._cur_y.index.get_level_values(-1) <= self.cutoff[0]]  # rolling evaluations move it back
        table = self.forecaster_.predict(
            int(steps.max()),
            frame=_table(y, y, self._cur_X),
            future=None if X is None else _table(y, None, X),
            levels=sorted({_level(each) for each in probabilities if each != 0.5}),
        )
        rows = table.groupby(_ID, sort=False, observed=True).indices
        places = np.stack([rows[name][steps - 1] for name in _series_names(y).ravel()])  # (columns x instances, steps)
        values = [table[_answer(each)].to_numpy()[places].reshape(len(y.columns), -1) for each in probabilities]
        num_instances = len(places) // len(y.columns)
        index = _index(y, table[_TIME].iloc[places[:num_instances].ravel()], len(steps))
        return np.stack(values, axis=-1).swapaxes(0, 1), index


def _table(y: pd.DataFrame, target: pd.DataFrame | None, X: pd.DataFrame | None) -> pd.DataFrame:  # noqa: N803
    """A long table of the series of `y`: `target` with the covariates of its rows, or the covariates alone."""
    source = X if target is None else target
    assert source is not None
    index = source.index
    covariates = {} if X is None else {_covariate(name): X[name].reindex(index).to_numpy() for name in X.columns}
    instances = _instances(y)
    codes = np.zeros(len(index), int)
    if instances is not None and isinstance(index, pd.MultiIndex):
        codes = instances.get_indexer(index.droplevel(-1))
    times = _plain_times(index.get_level_values(-1), y)
    names = _series_names(y)[:, codes]
    parts = [pd.DataFrame({_ID: own, _TIME: times, **covariates}) for own in names]
    if target is not None:
        parts = [part.assign(**{_TARGET: target.iloc[:, i].to_numpy()}) for i, part in enumerate(parts)]
    return pd.concat(parts, ignore_index=True)


def _instances(y: pd.DataFrame) -> pd.Index[Any] | None:
    """The instances of a panel or hierarchy, in the order of its rows; None for a frame whose index has times alone."""
    return y.index.droplevel(-1).unique() if isinstance(y.index, pd.MultiIndex) else None


def _series_names(y: pd.DataFrame) -> NDArray[Any]:
    """(columns, instances) a distinct id of each series."""
    instances = _instances(y)
    known = [()] if instances is None else [each if isinstance(each, tuple) else (each,) for each in instances]
    keys = [(*instance, column) for column in y.columns for instance in known]
    names = [", ".join(map(str, key)) for key in keys]
    if len(set(names)) < len(names):
        names = [f"{number}: {name}" for number, name in enumerate(names)]
    return np.array(names, object).reshape(len(y.columns), -1)


def _covariate(name: object) -> str:
    """The column of a covariate, which no other column of the table is named like."""
    return f"x_{name}"


def _level(probability: float) -> float:
    """The level in percent of the central interval that the quantile bounds."""
    return round(100 * abs(1 - 2 * probability), 10)


def _answer(probability: float) -> str:
    """The column of the forecast table that has the quantile."""
    if probability == 0.5:
        return MODEL
    return f"{MODEL}-{'lo' if probability < 0.5 else 'hi'}-{_level(probability):.10g}"


def _first(y: pd.DataFrame) -> int:
    """The first number of an index that counts steps, from which tables count, so that no number is read as a date."""
    return int(y.index.get_level_values(-1).min())


def _plain_times(times: pd.Index[Any], y: pd.DataFrame) -> pd.Index[Any]:
    """The times of an index like that of `y` for a table: periods begin their step."""
    if isinstance(times, pd.PeriodIndex):
        return times.to_timestamp()
    return times if isinstance(times, pd.DatetimeIndex) else times - _first(y)


def _index(y: pd.DataFrame, times: pd.Series[Any], num_steps: int) -> pd.Index[Any]:
    """The index of forecasts, `num_steps` of each instance: the inverse of `_plain_times`."""
    known = y.index.get_level_values(-1)
    own: pd.Index[Any] = pd.Index(times)
    if isinstance(known, pd.PeriodIndex):
        own = pd.DatetimeIndex(times).to_period(known.freqstr)
    elif not isinstance(known, pd.DatetimeIndex):
        own = own + _first(y)
    instances = _instances(y)
    if instances is None:
        own.name = known.name
        return own
    repeated = instances.repeat(num_steps)
    levels = [repeated.get_level_values(level) for level in range(repeated.nlevels)]
    return pd.MultiIndex.from_arrays([*levels, own], names=y.index.names)
