"""Tables of forecasts, sample paths and attention for other programs.

A table is a list of named columns, of which `arrow_table` makes an Arrow table and `frames.frame_of` a data frame. No
pandas here: a forecast from the command line does without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seqcast.errors import UsageError
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.panel.schema import Schema
from seqcast.results.forecast import MODEL, AttentionMap, Forecast, interval

if TYPE_CHECKING:
    from seqcast.results.sample_paths import SamplePaths


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts, each in several rows after each other."""

    values: Sequence[str]
    repeat: int = 1


@dataclass(frozen=True, eq=False)
class Moments:
    """A column of times, with their zone where the data name one, or of the numbers of steps."""

    values: TimeArray
    frequency: Frequency


Columns = list[tuple[str, Texts | Moments | NDArray[Any]]]
"""Names and values of the columns of a table, from which `arrow_table` and `frames.frame_of` make one.

A name may occur twice, which `require_distinct_names` refuses.
"""

CUTOFF = "cutoff"
SAMPLE = "sample"


def forecast_table(forecast: Forecast, schema: Schema, levels: Sequence[float]) -> pa.Table:
    """The forecast table: id, time, point and interval bounds; one row per window and step, in the forecast's order.

    A forecast without quantiles has no interval columns.

    Raises:
        UsageError: A level is given twice or is not between 0 and 100, or two columns would have the same name.
    """
    return arrow_table(forecast_columns(forecast, schema, levels))


def forecast_columns(forecast: Forecast, schema: Schema, levels: Sequence[float]) -> Columns:
    """The columns of the forecast table."""
    return [*key_columns(forecast, schema), *prediction_columns(forecast, levels, MODEL)]


def key_columns(forecast: Forecast, schema: Schema) -> Columns:
    """The series and the time of each window and step."""
    times = Moments(forecast.times().ravel(), forecast.frequency)
    return [(schema.id, Texts(forecast.series_ids, forecast.horizon)), (schema.time, times)]


def arrow_table(columns: Columns) -> pa.Table:
    """The table of the columns.

    Raises:
        UsageError: Two of them have the same name.
    """
    require_distinct_names(columns)
    return pa.table({name: _arrow_column(values) for name, values in columns})


def _arrow_column(values: Texts | Moments | NDArray[Any]) -> pa.Array:
    if isinstance(values, Texts):
        texts = pa.array(values.values, pa.large_string())
        return texts.take(pa.array(np.repeat(np.arange(len(texts)), values.repeat)))
    if isinstance(values, Moments):
        return _time_column(values.values, values.frequency)
    return pa.array(values, from_pandas=True)


def sample_table(paths: "SamplePaths", schema: Schema) -> pa.Table:
    """The table of sample paths: id, time, number of the path, value; a row for each window, path and step.

    Raises:
        UsageError: Two columns would have the same name.
    """
    forecast, shape = paths.forecast, paths.values.shape
    numbers = np.arange(paths.first, paths.first + shape[1], dtype=np.int32)
    ids = pa.array(forecast.series_ids, pa.string()).dictionary_encode()
    codes = np.broadcast_to(ids.indices.to_numpy()[:, None, None], shape).ravel()
    times: Any = np.broadcast_to(forecast.times()[:, None, :], shape).ravel()
    columns: list[tuple[str, Any]] = [
        (schema.id, pa.DictionaryArray.from_arrays(codes, ids.dictionary)),
        (schema.time, _time_column(times, forecast.frequency)),
        (SAMPLE, np.broadcast_to(numbers[None, :, None], shape).ravel()),
        (MODEL, paths.values.ravel()),
    ]
    require_distinct_names(columns)
    return pa.table(dict(columns))


def _time_column(times: TimeArray, frequency: Frequency) -> pa.Array:
    """Times with their zone where the data name one."""
    clock = frequency.clock
    return pa.array(times) if clock is None else pa.array(clock.utc(times), pa.timestamp("us", clock.zone))


def prediction_columns(forecast: Forecast, levels: Sequence[float], model: str) -> Columns:
    """The point forecast and the bounds of its intervals."""
    columns: Columns = [(model, forecast.point.ravel())]
    for level in levels if forecast.quantile_levels else ():
        low, high = interval(forecast, level)
        columns += [(f"{model}-lo-{level:.10g}", low.ravel()), (f"{model}-hi-{level:.10g}", high.ravel())]
    return columns


def require_distinct_names(columns: Sequence[tuple[str, object]]) -> None:
    """Raise a UsageError if two columns have the same name."""
    names = [name for name, _ in columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"The output table would have two columns named {twice!r}.",
            hint="Give each level once, and rename a data column that has the name of an output column.",
        )


def attention_table(attention: AttentionMap) -> pa.Table:
    """The attention table: one row per window, step and lag, from the newest context step backwards.

    Columns: unique_id, cutoff, ds (of the forecast step), step, lag_origin, lag_target, attended_ds, weight, observed.
    """
    steps = np.arange(1, attention.horizon + 1)[None, :, None]
    lags = np.arange(1, attention.context + 1)[None, None, :]
    cutoffs = attention.cutoffs[:, None, None]
    frequency = attention.frequency

    def times(values: TimeArray) -> pa.Array:
        return _time_column(rows(values), frequency)

    def rows(values: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(values, attention.weights.shape).ravel()

    ids = pa.array(attention.series_ids, pa.string()).dictionary_encode()
    codes = ids.indices.to_numpy()[:, None, None]
    return pa.table(
        {
            "unique_id": pa.DictionaryArray.from_arrays(rows(codes), ids.dictionary),
            CUTOFF: times(cutoffs),
            "ds": times(frequency.advance(cutoffs, steps)),
            "step": rows(steps.astype(np.int32)),
            "lag_origin": rows(lags.astype(np.int32)),
            "lag_target": rows((lags + steps - 1).astype(np.int32)),
            "attended_ds": times(frequency.lagged(cutoffs, lags)),
            "weight": attention.weights[:, :, ::-1].ravel(),
            "observed": rows(attention.observed[:, None, ::-1]),
        }
    )
