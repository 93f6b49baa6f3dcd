"""Longer and shorter panels: steps to forecast with their known covariates, or the first steps alone."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcast.config import DataConfig
from seqcast.errors import DataError, option
from seqcast.panel.arrays import IntArray
from seqcast.panel.clock import to_wall
from seqcast.panel.frequency import TimeArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Covariates, Panel
from seqcast.panel.schema import Schema
from seqcast.panel.wording import name_list, quoted
from seqcast.reading.columns import read_categories, read_numbers
from seqcast.reading.grouping import StepValues, read_ids
from seqcast.reading.number_marks import mark_notices
from seqcast.reading.options import ReadOptions
from seqcast.reading.resampling import aggregate_rows, parse_resampling, round_times
from seqcast.reading.roles import split_id
from seqcast.reading.table import Table, missing_column
from seqcast.reading.time_arrays import Times
from seqcast.reading.time_offsets import utc_notice
from seqcast.reading.times import read_times, to_utc


def extend_panel(
    panel: Panel,
    num_steps: int,
    future: Table | None,
    options: ReadOptions | None = None,
    config: DataConfig | None = None,
) -> Panel:
    """Adds `num_steps` steps to every series: target and past covariates missing, known covariates from `future`.

    That table has the panel's column names. A target column in it is never read, and rows of other times or series are
    ignored. Without id column it holds for every series. `options` that are None are those it was read with; `config`
    names the id columns where they were joined, or the time column where it has another name.

    Raises:
        DataError: Known covariates are needed and the table is absent, or lacks a column, row or value.
    """
    assert num_steps > 0
    config = config or DataConfig()
    padded = pad_panel(panel, num_steps)
    if not panel.schema.known:
        return padded
    if future is None:
        raise DataError(
            f"the forecast needs the future values of {name_list(panel.schema.known)}.",
            hint=f"Give a table of them with {option('future')}.",
        )
    if options is not None:
        future = replace(future, options=replace(options, decimal=options.decimal or future.options.decimal))
    return replace(padded, known=_with_future(padded.known, panel, num_steps, future, config))


def future_notices(future: Table | None, panel: Panel, config: DataConfig) -> tuple[Notice, ...]:
    """Returns the notices about the table of the future; none if no covariate of the panel is known."""
    if future is None or not panel.schema.known:
        return ()
    marked = mark_notices(future.marks, panel.schema.known)
    column = _time_column(future, panel.schema, config)
    times = read_times(future, column)
    told = times.notices
    if times.zone is not None:  # the decision names the zone of forecasts, which is that of the data
        told = tuple(notice for notice in told if notice.kind == "repair")
        if panel.frequency.clock is None:
            told = (utc_notice(column, "an offset, and those of the data have none"),)
    return tuple(notice.about("future table") for notice in (*future.notices, *marked, *told))


def _time_column(future: Table, schema: Schema, config: DataConfig) -> str:
    time = config.time if config.time is not None and config.time in future.columns else schema.time
    if time not in future.columns:
        raise missing_column(future, time, "time")
    return time


def pad_panel(panel: Panel, num_steps: int) -> Panel:
    """Adds `num_steps` steps without any value to the end of every series."""
    rows = np.full(len(panel.target) + panel.num_series * num_steps, -1, np.int64)
    rows[np.arange(len(panel.target)) + panel.series_of_row * num_steps] = np.arange(len(panel.target))
    target = np.where(rows < 0, np.nan, panel.target[rows])
    offsets = panel.offsets + np.arange(panel.num_series + 1) * num_steps
    return replace(panel, offsets=offsets, target=target, known=panel.known.take(rows), past=panel.past.take(rows))


def head_panel(panel: Panel, ends: IntArray) -> Panel:
    """Returns the first `ends[i]` rows of each series i; `ends` is (series,), from 0 to the length of the series."""
    assert np.all((ends >= 0) & (ends <= panel.lengths))
    if np.array_equal(ends, panel.lengths):
        return panel
    return panel.take_series(np.arange(panel.num_series), ends)


def _with_future(known: Covariates, panel: Panel, num_steps: int, future: Table, config: DataConfig) -> Covariates:
    """Fills the added rows of `known` from the future table."""
    for column in panel.schema.known:
        if column not in future.columns:
            raise missing_column(future, column, "known covariate")
    rows = _future_rows(panel, future, config)
    source = _future_steps(panel, num_steps, future, rows)
    added = (panel.offsets[1:, None] + np.arange(num_steps) + np.arange(panel.num_series)[:, None] * num_steps).ravel()
    numeric, codes, categories = known.numeric.copy(), known.codes.copy(), list(known.categories)
    for i, column in enumerate(known.numeric_names):
        numbers = rows.known.numeric[source, i]
        _require_present(np.isnan(numbers), future, column, rows.rows[source])
        numeric[added, i] = numbers
    for i, column in enumerate(known.categorical_names):
        new_codes = rows.known.codes[source, i]
        _require_present(new_codes < 0, future, column, rows.rows[source])
        categories[i], old, new = _merged(known.categories[i], rows.known.categories[i])
        codes[:, i] = old[codes[:, i]]
        codes[added, i] = new[new_codes]
    return replace(known, numeric=numeric, codes=codes, categories=tuple(categories))


def _merged(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[tuple[str, ...], NDArray[np.int32], NDArray[np.int32]]:
    """Returns all categories and the new code of each code of `old` and of `new`; -1 stays -1."""
    names = tuple(sorted({*old, *new}))
    code_of = {name: code for code, name in enumerate(names)}
    recode_old = np.array([code_of[name] for name in old] + [-1], np.int32)
    recode_new = np.array([code_of[name] for name in new] + [-1], np.int32)
    return names, recode_old, recode_new


def _require_present(missing: NDArray[np.bool_], future: Table, column: str, source: IntArray) -> None:
    absent = np.flatnonzero(missing)
    if len(absent):
        row = int(source[absent[0]])
        raise DataError(
            f"{future.missing(row)} no value, but the forecast needs it ({len(absent):,} such rows).",
            place=future.place(column, row),
            hint="Fill the value in.",
        )


@dataclass(frozen=True)
class _FutureRows:
    """The rows of the future table, or the steps to which they were aggregated."""

    time: str
    """Name of the time column."""
    rows: IntArray
    """Row of the table; the first one of a step."""
    series: IntArray
    """-1 for unknown ones, 0 where rows are shared."""
    times: TimeArray
    known: Covariates
    is_shared: bool
    """Whether each row holds for all series."""


def _future_rows(panel: Panel, future: Table, config: DataConfig) -> _FutureRows:
    """Reads times, series and known covariates, and rounds or aggregates them as the data were."""
    time = _time_column(future, panel.schema, config)
    times = read_times(future, time)
    id_columns = _future_ids(future, panel, config)
    series = _future_series(panel, future, id_columns)
    clock = panel.frequency.clock
    zoned = config.model_copy(update={"timezone": config.timezone or (None if clock is None else clock.zone)})
    times = to_utc(times, zoned, series.astype(np.int32), future, time)
    if (times.values.dtype.kind == "i") != (panel.starts.dtype.kind == "i"):
        raise DataError("the times are of another kind than those of the data.", place=future.place(time))
    if config.round is not None:
        times = round_times(times, config.round)
    known = _read_as(panel.known, future)
    if config.resample is None:
        places = _on_axis(panel, times, times.values)
        return _FutureRows(time, np.arange(len(series)), series, places, known, not id_columns)
    nothing = StepValues(np.empty((len(series), 0)), known, Covariates.empty(len(series)))
    steps = aggregate_rows(series.astype(np.int32), times, nothing, parse_resampling(config.resample))
    places = _on_axis(panel, times, steps.times)
    return _FutureRows(time, steps.rows, series[steps.rows], places, steps.values.known, not id_columns)


def _on_axis(panel: Panel, read: Times, values: TimeArray) -> TimeArray:
    """Returns times of the panel for times of the table, those of its own clock where the panel has none."""
    clock = panel.frequency.clock
    if clock is not None:
        return clock.from_utc(values, panel.starts[:1])
    return values if read.zone is None else to_wall(read.zone, values)


def _read_as(known: Covariates, future: Table) -> Covariates:
    """Reads the known covariates of the table as the kinds that they have in the panel."""
    empty = Covariates.empty(future.num_rows)
    numbers = [read_numbers(future, column) for column in known.numeric_names]
    texts = [read_categories(future, column) for column in known.categorical_names]
    return replace(
        known,
        numeric=np.column_stack(numbers) if numbers else empty.numeric,
        categories=tuple(names for names, _ in texts),
        codes=np.column_stack([codes for _, codes in texts]) if texts else empty.codes,
    )


def _future_steps(panel: Panel, num_steps: int, future: Table, read: _FutureRows) -> IntArray:
    """Returns the (series * num_steps,) row of `read` for each added step; raises if one has none, or two."""
    found = np.full((panel.num_series, num_steps), -1, np.int64)
    owners = (np.full(len(read.rows), i) for i in range(panel.num_series)) if read.is_shared else [read.series]
    for owner in owners:
        rows = np.flatnonzero(owner >= 0)
        whose = owner[rows]
        steps, on_grid = panel.frequency.locate(panel.starts[whose], read.times[rows])
        steps = steps - panel.lengths[whose]
        wanted = on_grid & (steps >= 0) & (steps < num_steps)
        _place_rows(found, whose[wanted], steps[wanted], rows[wanted], future)
    _require_rows(panel, found, future, read.time)
    # a series without any row is not forecast, so that any row will do for it
    found[found < 0] = found.max()
    return found.ravel()


def _place_rows(found: IntArray, series: IntArray, steps: IntArray, rows: IntArray, future: Table) -> None:
    """Writes each row at its series and step; a row for a step that has one must repeat it exactly."""
    found[series, steps] = rows
    other = np.flatnonzero(found[series, steps] != rows)
    for i in other:
        one, two = int(rows[i]), int(found[series[i], steps[i]])
        if future.arrow.slice(one, 1).to_pylist() != future.arrow.slice(two, 1).to_pylist():
            raise DataError(
                f"{future.where(one)} and {future.where(two)} give different values for one time.",
                place=future.place(row=two),
                hint="Keep one of them.",
            )


def _future_ids(future: Table, panel: Panel, config: DataConfig) -> tuple[str, ...]:
    """Returns the columns of the future table that name the series; none if its rows hold for all series."""
    if panel.schema.id in future.columns:
        return (panel.schema.id,)
    if config.id is not None:
        return split_id(future, config.id)
    if panel.schema.layout == "long" and panel.num_series > 1:
        raise missing_column(future, panel.schema.id, "id")
    return ()


def _future_series(panel: Panel, future: Table, id_columns: tuple[str, ...]) -> IntArray:
    """Returns the series of each row of the future table; -1 for unknown ones, 0 where rows are shared."""
    if not id_columns:
        return np.zeros(future.num_rows, np.int64)
    ids = read_ids(future, id_columns)
    index_of = {name: index for index, name in enumerate(panel.series_ids)}
    return np.array([index_of.get(name, -1) for name in ids.names])[ids.codes]


def _require_rows(panel: Panel, found: IntArray, future: Table, time: str) -> None:
    absent = np.argwhere((found < 0) & (panel.lengths > 0)[:, None])
    if not len(absent):
        return
    series, step = int(absent[0, 0]), int(absent[0, 1])
    first = panel.times(np.array([series]), panel.lengths[[series]] + step)[0]
    raise DataError(
        f"there is no row for {panel.frequency.show(first)} of series {quoted(panel.series_ids[series])} "
        f"({len(absent):,} of {found.size:,} rows are missing).",
        place=future.place(time),
        hint=f"Every series needs the {found.shape[1]:,} steps after its last observation ({panel.frequency.name}).",
    )
