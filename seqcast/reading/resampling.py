"""Makes irregular rows regular: times rounded to a step, or the rows of each step aggregated."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seqcast.config import DataConfig
from seqcast.errors import UsageError, option
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.clock import to_utc, to_wall, utc_offsets
from seqcast.panel.frequency import (
    DAY,
    MONTH_END,
    WEEK,
    Frequency,
    TimeArray,
    fixed_frequency,
    month_of,
    parse_frequency,
    weekday_of,
)
from seqcast.panel.notices import Largest, Notice
from seqcast.panel.panel import Covariates
from seqcast.reading.grouping import Grouping, StepValues
from seqcast.reading.time_arrays import Times

Function = Literal["sum", "mean", "last", "median"]

_SOLSTICES = np.array(["2024-01-01", "2024-07-01"], "datetime64[us]")
_MONDAY = np.datetime64("1970-01-05", "us")


@dataclass(frozen=True)
class Resampling:
    """A step of time, and the function that makes one value of all rows in it."""

    frequency: Frequency
    function: Function

    def starts(self, times: TimeArray, zone: str | None) -> TimeArray:
        """Returns the time that names the step of each time: its beginning, or its last day for month ends.

        Where a zone is known, the times are UTC, days and longer steps follow its clock, and shorter ones its standard
        time, which no change of the clocks interrupts.

        Raises:
            UsageError: The step is one of dates and the times are numbers, or the other way round.
        """
        frequency = self.frequency
        if (frequency.unit == "integer") != (times.dtype.kind == "i"):
            kind = "numbers of steps" if times.dtype.kind == "i" else "dates"
            raise UsageError(f"{option('resample', frequency.alias)} does not fit: the times are {kind}.")
        if zone is None or times.dtype.kind == "i":
            return self._starts(times)
        if frequency.unit != "microsecond" or frequency.multiple % DAY == 0:
            return to_utc(zone, self._starts(to_wall(zone, times)))
        standard = utc_offsets(zone, _SOLSTICES).min().astype("timedelta64[s]")
        starts: TimeArray = self._starts(times + standard) - standard
        return starts

    def _starts(self, times: TimeArray) -> TimeArray:
        frequency = self.frequency
        if frequency.unit == "month":
            return _month_steps(frequency, times)
        origin = _origin(frequency, times)
        steps = (times.astype(np.int64) - origin.astype(np.int64)) // frequency.multiple
        return frequency.advance(origin, steps)


def parse_resampling(text: str) -> Resampling:
    """Reads a step and a function, such as `10min:mean`.

    Raises:
        UsageError: Either is unknown, or the step has no beginning, as a business day over a weekend.
    """
    alias, _, function = text.partition(":")
    if function not in get_args(Function):
        raise UsageError(
            f"{option('resample', repr(text[:40]))} is not a step and a function.",
            hint=f"Write them like 10min:mean; the functions are {', '.join(get_args(Function))}.",
        )
    frequency = parse_frequency(alias)
    if frequency.unit == "microsecond" and frequency.multiple % WEEK == 0 and weekday_of(frequency) is None:
        frequency = fixed_frequency(frequency.multiple, weekday=0)
    if frequency.unit == "business_day" or frequency.anchor not in (1, MONTH_END):
        raise UsageError(
            f"{option('resample', repr(text[:40]))}: rows cannot be aggregated to {frequency.name}.",
            hint="Take a step of constant length or of whole months, such as h, D, W, MS or QS.",
        )
    return Resampling(frequency, next(name for name in get_args(Function) if name == function))


def round_times(times: Times, alias: str) -> Times:
    """Moves each time to the nearest multiple of a step of constant length, counted from midnight (weeks: Monday).

    Raises:
        UsageError: The step is of another kind, or the times are numbers.
    """
    frequency = parse_frequency(alias)
    if frequency.unit != "microsecond" or frequency.multiple > DAY or times.values.dtype.kind == "i":
        raise UsageError(
            f"{option('round', alias)}: only dates can be rounded, to a step of at most a day.",
            hint="Give one such as s, min, 10min, h or D.",
        )
    ticks = times.values.astype(np.int64)
    middles = (ticks + frequency.multiple // 2).astype("datetime64[us]")
    rounded = Resampling(frequency, "last").starts(middles, times.zone)
    moved = np.abs(rounded.astype(np.int64) - ticks)
    count = int(np.count_nonzero(moved))
    step, most = Frequency("", "microsecond", frequency.multiple).name, int(moved.max(initial=0))
    told = (f" times were rounded to {step}, by at most ", Largest(most, _spell(most)))
    notice = Notice.summable("repair", count, count, " of ", len(moved), *told)
    return replace(times, values=rounded, notices=(*times.notices, notice))


def _spell(microseconds: int) -> str:
    return Frequency("", "microsecond", 1).duration(microseconds)


def _origin(frequency: Frequency, times: TimeArray) -> TimeArray:
    """Returns the moment from which steps of constant length are counted."""
    if times.dtype.kind == "i":
        return np.zeros((), np.int64)
    weekday = weekday_of(frequency)
    return np.asarray(np.datetime64(0, "us") if weekday is None else _MONDAY + np.timedelta64(weekday, "D"))


def _month_steps(frequency: Frequency, times: TimeArray) -> TimeArray:
    """Returns the first day of the months of each time's step, or the last one where the step is named by its end."""
    phase = ((month_of(frequency) or 1) - 1) % frequency.multiple
    months = times.astype("datetime64[M]").astype(np.int64) - phase
    by_end = frequency.anchor == MONTH_END
    steps = -(-months // frequency.multiple) if by_end else months // frequency.multiple
    origin = np.datetime64(phase, "M").astype("datetime64[us]")
    return frequency.advance(np.asarray(origin), steps)


@dataclass(frozen=True)
class AggregatedRows:
    """One row for each step of each series that holds any row, by series and time."""

    rows: IntArray
    """(steps,) first row of the table in each step."""
    counts: IntArray
    """(steps,) rows of the table in each step."""
    times: TimeArray
    """(steps,)"""
    values: StepValues


def aggregate_rows(
    series: NDArray[np.int32], times: Times, values: StepValues, resampling: Resampling
) -> AggregatedRows:
    """Aggregates the rows of each series and step; missing values take no part.

    Numeric covariates are averaged where the target is summed, because prices and temperatures do not add up; of
    categories the last one counts.

    Args:
        series: (rows,) series of each row.
        times: (rows,)
        values: Of each row.
        resampling: Step and function.
    """
    steps = resampling.starts(times.values, times.zone)
    order = np.lexsort((times.values, series))
    sorted_steps, sorted_series = steps[order], series[order]
    begins = (sorted_steps[1:] != sorted_steps[:-1]) | (sorted_series[1:] != sorted_series[:-1])
    first = np.append(0, np.flatnonzero(begins) + 1)
    covariate_function: Function = "mean" if resampling.function == "sum" else resampling.function
    aggregated = StepValues(
        _aggregated(values.target[order], first, resampling.function),
        _aggregated_covariates(values.known.take(order), first, covariate_function),
        _aggregated_covariates(values.past.take(order), first, covariate_function),
    )
    return AggregatedRows(order[first], np.diff(first, append=len(order)), sorted_steps[first], aggregated)


def _aggregated_covariates(covariates: Covariates, first: IntArray, function: Function) -> Covariates:
    last = _last(covariates.codes >= 0, first)
    codes = np.where(last < 0, -1, np.take_along_axis(covariates.codes, np.maximum(last, 0), 0))
    return replace(covariates, numeric=_aggregated(covariates.numeric, first, function), codes=codes.astype(np.int32))


def _aggregated(values: FloatArray, first: IntArray, function: Function) -> FloatArray:
    """Returns one value for each group of rows that begins at `first`, (groups, columns); NaN where none is known."""
    known = ~np.isnan(values)
    counts = np.add.reduceat(known, first, dtype=np.int64)
    if function == "last":
        found = np.take_along_axis(values, np.maximum(_last(known, first), 0), 0)
    elif function == "median":
        found = _medians(values, first, counts)
    else:
        found = np.add.reduceat(np.nan_to_num(values, nan=0.0), first)
        if function == "mean":
            found = found / np.maximum(counts, 1)
    return np.where(counts > 0, found, np.nan)


def _last(known: NDArray[np.bool_], first: IntArray) -> IntArray:
    """Returns the last row of each group and column that is known, -1 where none is."""
    rows = np.where(known, np.arange(len(known))[:, None], -1)
    last = np.maximum.reduceat(rows, first) if rows.size else np.empty((len(first), rows.shape[1]), np.int64)
    found: IntArray = np.where(last >= first[:, None], last, -1)
    return found


def _medians(values: FloatArray, first: IntArray, counts: IntArray) -> FloatArray:
    group = np.repeat(np.arange(len(first)), np.diff(first, append=len(values)))
    medians = np.empty((len(first), values.shape[1]))
    for column in range(values.shape[1]):
        ordered = values[np.lexsort((values[:, column], group)), column]  # missing values come last
        middle = np.maximum(counts[:, column] - 1, 0)
        medians[:, column] = (ordered[first + middle // 2] + ordered[first + (middle + 1) // 2]) / 2
    return medians


def resampled(
    config: DataConfig, series: NDArray[np.int32], times: Times, values: StepValues
) -> tuple[Grouping, TimeArray, StepValues]:
    """Aggregates a table as `config.resample` says.

    Returns:
        The first row of each step and what was aggregated, the times of the steps, and their values.
    """
    assert config.resample is not None
    resampling = parse_resampling(config.resample)
    found = aggregate_rows(series, times, values, resampling)
    of_step = series[found.rows]
    offsets = np.searchsorted(of_step, np.arange(int(series.max()) + 2)).astype(np.int64)
    notices = (_count_notice(len(series), len(found.rows), resampling), *_edge_notices(found, offsets, resampling))
    return Grouping(found.rows, offsets, notices), found.times, found.values


def _count_notice(num_rows: int, num_steps: int, resampling: Resampling) -> Notice:
    function = "last value" if resampling.function == "last" else resampling.function
    told = f" steps ({resampling.frequency.name}) by their {function}"
    return Notice.summable("repair", num_rows, num_rows, " rows were aggregated to ", num_steps, told)


def _edge_notices(found: AggregatedRows, offsets: IntArray, resampling: Resampling) -> tuple[Notice, ...]:
    """A notice if the first or last step of a series holds fewer rows than usual, so that its sum is too small."""
    usual = float(np.median(found.counts))
    edges = found.counts[offsets[:-1]], found.counts[offsets[1:] - 1]
    few = int(np.count_nonzero((edges[0] < usual) | (edges[1] < usual)))
    if resampling.function != "sum" or not few:
        return ()
    told = (
        f" series holds fewer rows than the usual {usual:g}, so its sum may be too small; remove rows of a step that "
        "is not complete"
    )
    return (Notice.summable("repair", few, "the first or last step of ", few, told),)
