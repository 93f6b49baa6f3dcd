"""Data frames of forecasts, backtests, totals over a horizon and anomalies, and tables of sample paths."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from seqcast.output import CUTOFF, Columns, prediction_columns, require_distinct_names
from seqcast.panel.arrays import FloatArray
from seqcast.panel.clock import find_zone
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.panel.schema import Schema
from seqcast.results.anomalies import Anomalies
from seqcast.results.forecast import MODEL, Forecast
from seqcast.results.sample_paths import SamplePaths, Totals

ACTUAL = "y"
SAMPLE = "sample"
AGGREGATE = "aggregate"


def forecast_frame(forecast: Forecast, schema: Schema, levels: Sequence[float]) -> pd.DataFrame:
    """The rows of `forecast_table`, with its exceptions."""
    return frame_of([*_keys(forecast, schema), *prediction_columns(forecast, levels, MODEL)])


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
    cutoffs = zoned(forecast.cutoffs, forecast.frequency, forecast.horizon)
    observed = [(CUTOFF, cutoffs), (ACTUAL, actuals.ravel())]
    models = {MODEL: forecast, **others}
    predictions = [column for name, each in models.items() for column in prediction_columns(each, levels, name)]
    return frame_of([*_keys(forecast, schema), *observed, *predictions])


def sample_table(paths: SamplePaths, schema: Schema) -> pa.Table:
    """The table of sample paths: id, time, number of the path, value; a row for each window, path and step.

    Raises:
        UsageError: Two columns would have the same name.
    """
    forecast, shape = paths.forecast, paths.values.shape
    numbers = np.arange(paths.first, paths.first + shape[1], dtype=np.int32)
    codes, ids = pd.factorize(np.array(forecast.series_ids, dtype=object))
    codes_of_rows = np.broadcast_to(codes.astype(np.int32)[:, None, None], shape).ravel()
    times: Any = np.broadcast_to(forecast.times()[:, None, :], shape).ravel()
    columns: Columns = [
        (schema.id, pa.DictionaryArray.from_arrays(codes_of_rows, pa.array(ids.tolist(), pa.string()))),
        (schema.time, pa.array(zoned(times, forecast.frequency))),
        (SAMPLE, np.broadcast_to(numbers[None, :, None], shape).ravel()),
        (MODEL, paths.values.ravel()),
    ]
    require_distinct_names(columns)
    return pa.table(dict(columns))


def totals_frame(totals: Totals, schema: Schema) -> pd.DataFrame:
    """The table of totals over the horizon, a row for each window: its median and interval bounds.

    Columns: id, cutoff, time (of the last step), aggregate, `seqcast`, `seqcast-lo-L`, `seqcast-hi-L`.

    Raises:
        UsageError: Two columns would have the same name.
    """
    columns: Columns = [
        (schema.id, pd.array(list(totals.series_ids), dtype="str")),
        (CUTOFF, zoned(totals.cutoffs, totals.frequency)),
        (schema.time, zoned(totals.ends, totals.frequency)),
        (AGGREGATE, pd.array([totals.aggregate] * len(totals.series_ids), dtype="str")),
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
        (schema.id, pd.array(list(anomalies.series_ids), dtype="str")),
        (schema.time, zoned(anomalies.times, frequency)),
        (CUTOFF, zoned(anomalies.cutoffs, frequency)),
        (ACTUAL, anomalies.values),
        (MODEL, anomalies.point),
        (f"{MODEL}-lo-{anomalies.level:.10g}", anomalies.low),
        (f"{MODEL}-hi-{anomalies.level:.10g}", anomalies.high),
        ("score", anomalies.scores),
        ("part", pd.array(anomalies.parts.tolist(), dtype="str")),
        ("event", anomalies.events),
        ("event_start", zoned(anomalies.times[first[number]], frequency)),
        ("event_end", zoned(anomalies.times[last[number]], frequency)),
        ("event_size", (last - first + 1)[number]),
        ("event_score", anomalies.scores[peaks[number]]),
    ]
    attended = anomalies.lags
    for place in range(0 if attended is None else attended.lags.shape[1]):
        assert attended is not None
        columns += [(f"lag_{place + 1}", attended.lags[:, place]), (f"weight_{place + 1}", attended.weights[:, place])]
    return frame_of(columns)


def _keys(forecast: Forecast, schema: Schema) -> Columns:
    # A pandas string array: repeating it copies no Python strings.
    ids = pd.array(list(forecast.series_ids), dtype="str").repeat(forecast.horizon)
    return [(schema.id, ids), (schema.time, zoned(forecast.times().ravel(), forecast.frequency))]


def zoned(times: TimeArray, frequency: Frequency, repeat: int = 1) -> Any:
    """Times for a column, each `repeat` times: with their zone where the data name one."""
    clock = frequency.clock
    repeated: Any = np.repeat(times, repeat)
    if clock is None:
        return repeated
    return pd.DatetimeIndex(clock.utc(repeated)).tz_localize("UTC").tz_convert(find_zone(clock.zone))


def frame_of(columns: Columns) -> pd.DataFrame:
    """The table of the columns.

    Raises:
        UsageError: Two of them have the same name.
    """
    require_distinct_names(columns)
    return pd.DataFrame(dict(columns), copy=False)
