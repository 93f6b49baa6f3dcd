"""Data frames of forecasts, backtests, totals over a horizon and anomalies."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqcast.panel.arrays import FloatArray
from seqcast.panel.clock import find_zone
from seqcast.panel.schema import Schema
from seqcast.results.anomalies import Anomalies
from seqcast.results.forecast import MODEL, Forecast
from seqcast.results.sample_paths import Totals
from seqcast.tables import (
    CUTOFF,
    Columns,
    Moments,
    Texts,
    forecast_columns,
    key_columns,
    prediction_columns,
    require_distinct_names,
)

ACTUAL = "y"
AGGREGATE = "aggregate"


def forecast_frame(forecast: Forecast, schema: Schema, levels: Sequence[float]) -> pd.DataFrame:
    """The rows of `forecast_table`, with its exceptions."""
    return frame_of(forecast_columns(forecast, schema, levels))


def backtest_frame(
    forecast: Forecast,
    actuals: FloatArray,
    schema: Schema,
    levels: Sequence[float],
    others: Mapping[str, Forecast] = MappingProxyType({}),
) -> pd.DataFrame:
    """The forecast table with the cutoff and the observed values; `actuals` is (W, H), NaN where not observed.

    Forecasts of the same windows by `others` follow, in columns of their own names.

    Raises:
        UsageError: As `forecast_table`.
    """
    assert actuals.shape == forecast.point.shape
    cutoffs: Any = np.repeat(forecast.cutoffs, forecast.horizon)
    observed: Columns = [(CUTOFF, Moments(cutoffs, forecast.frequency)), (ACTUAL, actuals.ravel())]
    models = {MODEL: forecast, **others}
    predictions = [column for name, each in models.items() for column in prediction_columns(each, levels, name)]
    return frame_of([*key_columns(forecast, schema), *observed, *predictions])


def totals_frame(totals: Totals, schema: Schema) -> pd.DataFrame:
    """The table of totals over the horizon, a row for each window: its median and interval bounds.

    Columns: id, cutoff, time (of the last step), aggregate, `seqcast`, `seqcast-lo-L`, `seqcast-hi-L`.

    Raises:
        UsageError: Two columns would have the same name.
    """
    columns: Columns = [
        (schema.id, Texts(totals.series_ids)),
        (CUTOFF, Moments(totals.cutoffs, totals.frequency)),
        (schema.time, Moments(totals.ends, totals.frequency)),
        (AGGREGATE, Texts([totals.aggregate], len(totals.series_ids))),
        (MODEL, totals.median),
    ]
    for place, level in enumerate(totals.levels):
        for bound, values in (("lo", totals.low), ("hi", totals.high)):
            columns.append((f"{MODEL}-{bound}-{level:.10g}", values[:, place]))
    return frame_of(columns)


def anomaly_frame(anomalies: Anomalies, schema: Schema) -> pd.DataFrame:
    """The table of anomalies, a row for each observation outside of its interval.

    Columns: id, time, cutoff, `y`, `seqcast`, `seqcast-lo-L`, `seqcast-hi-L`, `score`, `part`; of its event the number
    `event` and `event_start`, `event_end`, `event_size`, `event_score`; of the expectation the most attended lags
    `lag_1`, `lag_2`, ... with `weight_1`, `weight_2`, ....

    Raises:
        UsageError: Two columns would have the same name.
    """
    frequency, number = anomalies.frequency, anomalies.events - 1
    (first, last), peaks = anomalies.event_bounds, anomalies.peaks
    columns: Columns = [
        (schema.id, Texts(anomalies.series_ids)),
        (schema.time, Moments(anomalies.times, frequency)),
        (CUTOFF, Moments(anomalies.cutoffs, frequency)),
        (ACTUAL, anomalies.values),
        (MODEL, anomalies.point),
        (f"{MODEL}-lo-{anomalies.level:.10g}", anomalies.low),
        (f"{MODEL}-hi-{anomalies.level:.10g}", anomalies.high),
        ("score", anomalies.scores),
        ("part", Texts(anomalies.parts.tolist())),
        ("event", anomalies.events),
        ("event_start", Moments(anomalies.times[first[number]], frequency)),
        ("event_end", Moments(anomalies.times[last[number]], frequency)),
        ("event_size", (last - first + 1)[number]),
        ("event_score", anomalies.scores[peaks[number]]),
    ]
    attended = anomalies.lags
    for place in range(0 if attended is None else attended.lags.shape[1]):
        assert attended is not None
        columns += [(f"lag_{place + 1}", attended.lags[:, place]), (f"weight_{place + 1}", attended.weights[:, place])]
    return frame_of(columns)


def frame_of(columns: Columns) -> pd.DataFrame:
    """The table of the columns.

    Raises:
        UsageError: Two of them have the same name.
    """
    require_distinct_names(columns)
    return pd.DataFrame({name: _pandas_column(values) for name, values in columns}, copy=False)


def _pandas_column(values: Texts | Moments | NDArray[Any]) -> Any:
    if isinstance(values, Texts):
        # A pandas string array: repeating it copies no Python strings.
        return pd.array(list(values.values), dtype="str").repeat(values.repeat)
    if not isinstance(values, Moments):
        return values
    clock = values.frequency.clock
    if clock is None:
        return values.values
    return pd.DatetimeIndex(clock.utc(values.values)).tz_localize("UTC").tz_convert(find_zone(clock.zone))
