"""Turns a table into a panel: roles, order, frequency, gaps and covariates; notices tell decisions and repairs."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from seqcast.config import DataConfig
from seqcast.errors import DataError, Place, UsageError, option
from seqcast.panel.arrays import IntArray
from seqcast.panel.frequency import Frequency, TimeArray, parse_frequency
from seqcast.panel.notices import Example, Notice, SeriesNames
from seqcast.panel.panel import Covariates, Panel
from seqcast.panel.wording import quoted
from seqcast.reading.clock_axis import regular_axis
from seqcast.reading.columns import covariate_notices, read_covariates, read_numbers
from seqcast.reading.frequency_inference import TimeAxis
from seqcast.reading.grouping import Grouping, SeriesIds, StepValues, group_rows, read_ids
from seqcast.reading.number_marks import mark_notices
from seqcast.reading.options import ReadOptions
from seqcast.reading.resampling import parse_resampling, resampled, round_times
from seqcast.reading.roles import Roles, find_roles
from seqcast.reading.rows_layout import one_row_per_time
from seqcast.reading.statics import read_statics, split_statics, static_notices
from seqcast.reading.table import Table
from seqcast.reading.time_arrays import Times
from seqcast.reading.times import read_times, to_utc

_MOST_GROWTH = 10
"""Most times that filling gaps may multiply the rows of a table, or of its longest series in one jump."""
_ALWAYS_FILLED = 1000
"""Missing steps that are always filled, however few rows the table has."""


@dataclass(frozen=True)
class LoadedPanel:
    """A panel with the decisions and repairs that led to it."""

    panel: Panel
    notices: tuple[Notice, ...]
    options: ReadOptions
    """Options the table was read with, including what was found."""


@dataclass(frozen=True)
class Grid:
    """Positions of the observed rows on the regular time axis."""

    frequency: Frequency
    offsets: IntArray
    """(series + 1,) first row of each series in the panel, gaps included."""
    positions: IntArray | None
    """(observed rows,) row in the panel; None where there are no gaps."""

    @property
    def num_rows(self) -> int:
        return int(self.offsets[-1])


def build_panel(
    table: Table, config: DataConfig, options: ReadOptions | None = None, static_table: Table | None = None
) -> LoadedPanel:
    """Turns a table of any layout into a panel, with static covariates from `static_table` (a row per series).

    Options that are None are those that the table was read with.

    Returns:
        The panel, series in order of first appearance and each on a regular time axis, and all notices about the
        table, those of reading it first.

    Raises:
        DataError: The table cannot be used; the message names line, column and value.
        UsageError: The given roles or frequency contradict each other or the data.
    """
    if options is not None:
        decimal, thousands = options.decimal or table.options.decimal, options.thousands or table.options.thousands
        table = replace(table, options=replace(options, decimal=decimal, thousands=thousands))
    table, config = one_row_per_time(table, config)
    own_static, file_static = split_statics(table, config, static_table)
    roles = find_roles(table, config.model_copy(update={"static": own_static}))
    schema = replace(roles.schema, static=(*own_static, *file_static))
    roles = replace(roles, schema=schema)
    times = read_times(table, schema.time)
    # A wide table is split into a series for each target column later.
    ids = SeriesIds((schema.target[0],), np.zeros(table.num_rows, np.int32))
    if roles.id_columns:
        ids = read_ids(table, roles.id_columns)
    times = to_utc(times, config, ids.codes, table, schema.time)
    if config.round is not None:
        times = round_times(times, config.round)
    grouping, sorted_times, values = _in_order(table, config, ids, times, _read_steps(table, roles))
    axis = TimeAxis(
        sorted_times, grouping.offsets, ids.names, table.place(schema.time), _origins(table, schema.time, grouping)
    )
    axis, frequency = regular_axis(axis, times.zone, _given_frequency(config))
    grid, frequency_notices = _find_grid(axis, frequency, config)
    statics = read_statics(table, schema, (own_static, file_static), static_table, (ids, roles.id_columns))
    panel = _place_on_grid(roles, axis, grid, values, statics)
    covered = (notice for part in (values.known, values.past, statics) for notice in covariate_notices(part))
    told = static_notices(static_table, file_static, roles.id_columns)
    marked = mark_notices(table.marks, (*schema.target, *schema.known, *schema.past, *own_static))
    found = (*table.notices, *marked, *roles.notices, *told, *times.notices, *_unnamed_notices(ids))
    notices = (*found, *covered, *grouping.notices, *frequency_notices)
    options = replace(table.options, found_format=times.found_format or table.options.found_format)
    notices = (*notices, *_missing_notices(panel, grid, table))
    return LoadedPanel(panel, tuple(each for each in notices if each.count or table.is_part), options)


def _unnamed_notices(ids: SeriesIds) -> tuple[Notice, ...]:
    """Returns a notice of the rows with an empty id, which form a series of their own."""
    if "" not in ids.names:
        return ()
    count = int(np.count_nonzero(ids.codes == ids.names.index("")))
    return (Notice.summable("repair", count, count, " rows have an empty id; they are read as a series named ''"),)


def _read_steps(table: Table, roles: Roles) -> StepValues:
    schema = roles.schema
    columns = [read_numbers(table, column) for column in schema.target]
    target = columns[0][:, None] if len(columns) == 1 else np.column_stack(columns)
    known, past = read_covariates(table, schema.known), read_covariates(table, schema.past)
    return StepValues(target, known, past, schema.target)


def _origins(table: Table, time: str, grouping: Grouping) -> Callable[[int], Place]:
    """Returns a function from a row in panel order to its file and line."""
    return lambda row: table.place(time, row if grouping.rows is None else int(grouping.rows[row]))


def _in_order(
    table: Table, config: DataConfig, ids: SeriesIds, times: Times, values: StepValues
) -> tuple[Grouping, TimeArray, StepValues]:
    """Sorts or aggregates the rows of each series; returns their order, and their times and values in it."""
    if config.resample is not None:
        return resampled(config, ids.codes, times, values)
    try:
        grouping = group_rows(table, ids, times, values)
    except DataError as error:
        if config.round is not None:
            error.hint = (f"Aggregate the rows of each step with {option('resample', f'{config.round}:mean')}.",)
        raise
    rows = grouping.rows
    if rows is None:
        return grouping, times.values, values
    in_order = StepValues(values.target[rows], values.known.take(rows), values.past.take(rows))
    return grouping, times.values[rows], in_order


def _given_frequency(config: DataConfig) -> Frequency | None:
    """Returns the frequency that the configuration names, or the step to which rows were aggregated.

    Raises:
        UsageError: They contradict each other, or one is unknown.
    """
    given = None if config.freq is None else parse_frequency(config.freq)
    if config.resample is None:
        return given
    step = parse_resampling(config.resample).frequency
    if given is not None and given.alias != step.alias:
        told = f"{option('freq', given.alias)} contradicts {option('resample', config.resample)}."
        raise UsageError(told, hint="Leave one of them out.")
    return step


def _find_grid(axis: TimeAxis, frequency: Frequency, config: DataConfig) -> tuple[Grid, tuple[Notice, ...]]:
    """Finds the place of each row on the regular time axis of its series; raises if its gaps are absurd."""
    is_given = config.freq is not None or config.resample is not None
    found = "given" if is_given else "inferred over all series" if len(axis.series_ids) > 1 else "inferred"
    notices = (Notice("decision", f"frequency: {frequency.name} ({frequency.alias}), {found}"),)
    has_spacings = frequency.unit in ("integer", "microsecond")  # others have steps of varying length
    if has_spacings and axis.spacings.ticks.tolist() == [frequency.multiple]:
        return Grid(frequency, axis.offsets, None), notices
    steps = frequency.steps_between(axis.start_of_row, axis.times)
    lengths = steps[axis.offsets[1:] - 1] + 1
    _refuse_absurd_gaps(axis, frequency, steps, lengths)
    offsets = np.append(0, np.cumsum(lengths))
    if offsets[-1] == axis.offsets[-1]:
        return Grid(frequency, offsets, None), notices
    positions = steps + np.repeat(offsets[:-1], np.diff(axis.offsets))
    return Grid(frequency, offsets, positions), notices


def _refuse_absurd_gaps(axis: TimeAxis, frequency: Frequency, steps: IntArray, lengths: IntArray) -> None:
    """Raises for a time far away from all others, before anything is allocated."""
    observed = np.diff(axis.offsets)
    num_missing = lengths - observed
    jumps = np.diff(steps, prepend=steps[:1])
    jumps[axis.offsets[:-1]] = 0
    widest = int(np.argmax(jumps))
    num_rows = lengths.sum(dtype=np.float64)  # which may be more than whole numbers of 64 bits can count
    grows = num_rows > _MOST_GROWTH * observed.sum() and num_missing.sum(dtype=np.float64) > _ALWAYS_FILLED
    leaps = jumps[widest] > max(_MOST_GROWTH * observed.max(), _ALWAYS_FILLED)
    if not (grows or leaps):
        return
    series = int(np.searchsorted(axis.offsets, widest, side="right")) - 1
    raise DataError(
        f"filling the gaps would make {num_rows:,.0f} rows of {observed.sum():,}: series "
        f"{quoted(axis.series_ids[series])} jumps from {axis.show(axis.times[widest - 1])} to "
        f"{axis.show(axis.times[widest])}, {frequency.duration(int(jumps[widest]))} later "
        f"(frequency: {frequency.name}).",
        place=axis.place_of(widest),
        hint=f"Correct that time if it is mistyped, or give a longer {option('freq')}.",
    )


def _place_on_grid(roles: Roles, axis: TimeAxis, grid: Grid, values: StepValues, statics: Covariates) -> Panel:
    """Puts the observed rows at their places in the panel; all other rows are missing."""
    target, known, past = values.target, values.known, values.past
    if grid.positions is not None:
        rows = np.full(grid.num_rows, -1, np.int64)
        rows[grid.positions] = np.arange(len(grid.positions))
        known, past = known.take(rows), past.take(rows)
        filled = np.full((grid.num_rows, target.shape[1]), np.nan)
        filled[grid.positions] = target
        target = filled
    series_ids, starts, offsets = axis.series_ids, axis.starts, grid.offsets
    if roles.schema.layout == "wide":
        num_series = target.shape[1]
        every = np.tile(np.arange(grid.num_rows), num_series)
        known, past = known.take(every), past.take(every)
        series_ids, starts = roles.schema.target, starts[np.zeros(num_series, np.int64)]
        offsets = np.arange(num_series + 1) * grid.num_rows
    flat = target.ravel(order="F")
    return Panel(roles.schema, grid.frequency, series_ids, starts, offsets, flat, known, past, statics)


def _missing_notices(panel: Panel, grid: Grid, table: Table) -> tuple[Notice, ...]:
    """Returns notices of absent steps, missing values and series without any; raises if a whole table has no value."""
    observed = ~np.isnan(panel.target)
    counts = np.add.reduceat(observed, panel.offsets[:-1], dtype=np.int64)
    if not counts.any() and not table.is_part:
        column = panel.schema.target[0]
        raise DataError(
            "every value is missing.", place=table.place(column), hint=f"Name another column with {option('target')}."
        )
    notices = []
    num_columns = len(panel.schema.target) if panel.schema.layout == "wide" else 1
    num_absent = 0 if grid.positions is None else (grid.num_rows - len(grid.positions))
    if num_absent:
        first = Example(_first_gap(panel, grid))
        added = "; they were added as missing and are masked"
        notices.append(Notice.summable("repair", num_absent, num_absent, " time steps have no row", first, added))
    num_blank = int(len(observed) - observed.sum()) - num_absent * num_columns
    told = (" of ", len(observed), " target values are missing; they are masked")
    notices.append(Notice.summable("repair", num_blank, num_blank, *told))
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        named = SeriesNames.of(panel.series_ids, empty, 5)
        notices.append(Notice.summable("repair", len(empty), len(empty), " series have no value at all: ", named))
    return tuple(notices)


def _first_gap(panel: Panel, grid: Grid) -> str:
    present = np.zeros(grid.num_rows, bool)
    present[grid.positions] = True
    row = int(np.argmin(present))
    series = int(np.searchsorted(grid.offsets, row, side="right")) - 1
    time: TimeArray = panel.times(np.array([series]), np.array([row - grid.offsets[series]]))
    whose = f" in series {quoted(panel.series_ids[series])}" if panel.schema.layout == "long" else ""
    return f", first {panel.frequency.show(time[0])}{whose}"
